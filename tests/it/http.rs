//! The HTTP driver against servers of our own: every way through a list, and every way to log in.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::sftp::one;
use axum::{
    body::{Body, Bytes},
    extract::Request as Call,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use rosterd::{
    clock::SystemClock,
    mapping,
    secret::Secret,
    source::{
        self, Arrived, Auth, Detail, Failure, Http, JsonPath, ListPath, OAuth2, Pagination, Patience, Rate,
        Request, Where,
    },
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io::{Read as _, Seek as _},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};

/// What a server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) at: Instant,
    /// How many requests came before.
    pub(crate) before: usize,
}

impl Asked {
    pub(crate) fn number(&self, name: &str, otherwise: usize) -> usize {
        self.query.get(name).map_or(otherwise, |text| text.parse().unwrap())
    }

    pub(crate) fn authorization(&self) -> &str {
        self.headers.get("authorization").map_or("", |value| value.to_str().unwrap())
    }
}

/// A server; it ends when it is dropped.
pub(crate) struct Api {
    pub(crate) url: String,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Api {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Self {
        Self::slow(Duration::ZERO, answer).await
    }

    /// One that takes so long for each answer.
    pub(crate) async fn slow(
        wait: Duration,
        answer: impl Fn(&Asked) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        let router = axum::Router::new().fallback(move |call: Call| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let (parts, body) = call.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let call = {
                    let mut log = log.lock().unwrap();
                    let call = Asked {
                        path: parts.uri.path().to_owned(),
                        query: query(&parts.uri),
                        headers: parts.headers,
                        body,
                        at: Instant::now(),
                        before: log.len(),
                    };
                    log.push(call.clone());
                    call
                };
                // A sleep of nothing still takes a tick of the timer.
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                answer(&call)
            }
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, asked, _tasks: tasks }
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn query(uri: &Uri) -> HashMap<String, String> {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.into_owned().collect()
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

pub(crate) fn ok(value: &Value) -> Response {
    answer(200, &[("content-type", "application/json")], value.to_string())
}

/// So many records, from this one on.
pub(crate) fn people(from: usize, count: usize) -> Vec<Value> {
    (from..from + count).map(|number| json!({"id": number, "home": {"city": "Troy"}})).collect()
}

/// The page of a list of `all` records that a request with `page` and `limit` asks for.
pub(crate) fn numbered(asked: &Asked, all: usize) -> Value {
    let (page, size) = (asked.number("page", 1), asked.number("limit", 10));
    let from = (page - 1) * size;
    json!({"data": people(from, size.min(all.saturating_sub(from))), "total": all})
}

pub(crate) fn path(text: &str) -> JsonPath {
    JsonPath::parse(text).unwrap()
}

/// Pages of ten by number, without a total.
pub(crate) fn source(api: &Api) -> Http {
    source_at(&api.url)
}

/// The same of any server.
pub(crate) fn source_at(url: &str) -> Http {
    Http {
        request: request(&format!("{url}/people")),
        auth: Auth::None,
        expires: None,
        certificate: None,
        ca_file: None,
        records: ListPath::parse("$.data").unwrap(),
        pagination: Pagination::Page {
            param: "page".to_owned(),
            first: 1,
            size_param: Some("limit".to_owned()),
            size: 10,
        },
        total: None,
        record_error: None,
        detail: None,
        rate: None,
        fresh: None,
        identity: vec![path("id")],
        patience: Patience { no_progress: Duration::from_millis(400), pause: Duration::from_millis(5) },
    }
}

pub(crate) fn request(url: &str) -> Request {
    Request { post: false, url: url.to_owned(), query: Vec::new(), headers: Vec::new(), body: None }
}

/// A read, and what was said meanwhile.
pub(crate) async fn read(http: Http) -> (Result<Arrived, Failure>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let said = Mutex::new(Vec::new());
    let note = |words: &str| said.lock().unwrap().push(words.to_owned());
    let result = source::fetch(&settings(http), folder.path(), &SystemClock, &note).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing of a read stays");
    (one(result), said.into_inner().unwrap())
}

fn settings(http: Http) -> source::Settings {
    let pick = source::Pick {
        path: http.request.url.clone(),
        settle: Duration::ZERO,
        take: rosterd::source::Take::Newest,
        done_marker: None,
        max_age: None,
        after_success: source::AfterSuccess::Leave,
    };
    let eligibility = mapping::Eligibility {
        status: None,
        starts_on: None,
        ends_on: None,
        when: None,
        timezone: chrono_tz::UTC,
    };
    source::Settings {
        name: "acme".to_owned(),
        place: source::Place::Http(Box::new(http)),
        pick,
        format: source::Format::Lines,
        decrypt: None,
        min_rows: 1,
        mapping: Arc::new(mapping::Settings {
            name: "hr".to_owned(),
            fields: std::collections::BTreeMap::new(),
            blanks: Vec::new(),
            eligibility,
        }),
    }
}

/// The ids of a whole read, in its order.
pub(crate) async fn ids(http: Http) -> Vec<u64> {
    let mut arrived = read(http).await.0.unwrap();
    let mut text = String::new();
    arrived.spool.rewind().unwrap();
    arrived.spool.read_to_string(&mut text).unwrap();
    assert_eq!(arrived.size, text.len() as u64);
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap().get("id").unwrap().as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn every_kind_of_pagination_reads_the_whole_list() {
    let all: Vec<u64> = (0..25).collect();
    for (count, total) in [(25, false), (25, true), (20, false), (20, true), (0, false), (0, true)] {
        let api = Api::start(move |asked| ok(&numbered(asked, count))).await;
        let total = total.then(|| Where::Body(path("$.total")));
        assert_eq!(ids(Http { total, ..source(&api) }).await, all.get(..count).unwrap());
    }

    let api = Api::start(|asked| {
        let (from, size) = (asked.number("skip", 0), asked.number("top", 7));
        // An API whose end is 204, as ADP's is said to be.
        if from >= 25 {
            answer(204, &[], "")
        } else {
            ok(&json!({"data": people(from, size.min(25 - from))}))
        }
    })
    .await;
    let offset =
        |size| Pagination::Offset { param: "skip".to_owned(), size_param: Some("top".to_owned()), size };
    assert_eq!(ids(Http { pagination: offset(7), ..source(&api) }).await, all);
    assert_eq!(ids(Http { pagination: offset(5), ..source(&api) }).await, all);

    let api = Api::start(|asked| {
        let from = asked.number("after", 0);
        let next = (from < 20).then(|| (from + 10).to_string());
        ok(&json!({"data": people(from, (25 - from).min(10)), "meta": {"next": next}}))
    })
    .await;
    let pagination = Pagination::Cursor {
        param: "after".to_owned(),
        from: path("$.meta.next"),
        size_param: None,
        size: Some(10),
    };
    assert_eq!(ids(Http { pagination, ..source(&api) }).await, all);

    let linked = |asked: &Asked, header: bool| {
        let from = asked.number("from", 0);
        let next = format!("/people?from={}&x=a,b", from + 10);
        let mut body = json!({"data": people(from, (25 - from).min(10))});
        if header && from < 20 {
            let link = format!("</first>; rel=first, <{next}>; title=\"a\"; rel=\"next\"");
            return answer(200, &[("link", &link)], body.to_string());
        }
        if !header && from < 20 {
            *body.get_mut("data").unwrap() = Value::Array(people(from, 10));
            body.as_object_mut().unwrap().insert("next".to_owned(), Value::String(next));
        }
        ok(&body)
    };
    let api = Api::start(move |asked| linked(asked, false)).await;
    assert_eq!(ids(Http { pagination: Pagination::NextLink(path("$.next")), ..source(&api) }).await, all);
    let api = Api::start(move |asked| linked(asked, true)).await;
    assert_eq!(ids(Http { pagination: Pagination::LinkHeader, ..source(&api) }).await, all);

    let api =
        Api::start(|_| answer(200, &[("x-count", "25")], Value::Array(people(0, 25)).to_string())).await;
    let records = ListPath::parse("$").unwrap();
    let total = Some(Where::Header("X-Count".to_owned()));
    let http = Http { pagination: Pagination::None, records, total, ..source(&api) };
    let arrived = read(http.clone()).await.0.unwrap();
    assert_eq!(arrived.path, format!("{}/people", api.url));
    // The same records are the same read, whatever the server's order of names.
    assert_eq!(arrived.sha256, read(http).await.0.unwrap().sha256);
}

#[tokio::test]
async fn every_way_to_log_in_shows_its_credential_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    crate::world::put(&file, "s3cret\n");
    let secret = || Secret::File(file.clone());
    for (auth, name, expected) in [
        (Auth::Bearer(secret()), "authorization", "Bearer s3cret"),
        (
            Auth::Basic { username: "apikey".to_owned(), password: secret() },
            "authorization",
            "Basic YXBpa2V5OnMzY3JldA==",
        ),
        (Auth::Header { name: "X-Api-Key".to_owned(), value: secret() }, "x-api-key", "s3cret"),
    ] {
        let api = Api::start(|asked| ok(&numbered(asked, 3))).await;
        assert_eq!(ids(Http { auth, ..source(&api) }).await, [0, 1, 2]);
        let asked = api.asked.lock().unwrap();
        assert!(asked.iter().all(|asked| asked.headers.get(name).is_some_and(|value| value == expected)));
    }
    let api = Api::start(|asked| match asked.path.as_str() {
        "/token" => {
            let form: HashMap<_, _> = url::form_urlencoded::parse(&asked.body).into_owned().collect();
            assert_eq!(form.get("grant_type").unwrap(), "client_credentials");
            assert_eq!(form.get("scope").unwrap(), "people");
            assert!(form.contains_key("client_secret") != asked.authorization().starts_with("Basic "));
            ok(&json!({"access_token": "t1", "token_type": "bearer", "expires_in": 3600}))
        }
        _ if asked.authorization() == "Bearer t1" => ok(&numbered(asked, 25)),
        _ => answer(401, &[], ""),
    })
    .await;
    for in_form in [false, true] {
        let oauth2 = OAuth2 {
            token_url: format!("{}/token", api.url).parse().unwrap(),
            client_id: "abc".to_owned(),
            client_secret: secret(),
            scope: Some("people".to_owned()),
            in_form,
        };
        assert_eq!(ids(Http { auth: Auth::OAuth2(Box::new(oauth2)), ..source(&api) }).await.len(), 25);
    }
    let tokens = api.asked.lock().unwrap().iter().filter(|asked| asked.path == "/token").count();
    assert_eq!(tokens, 2, "one token for each read");
}

#[tokio::test]
async fn details_are_joined_in_order_a_few_at_a_time() {
    let api = Api::slow(Duration::from_millis(5), |asked| match asked.path.strip_prefix("/people/") {
        Some(id) => ok(&json!({"result": {"email": format!("e{id}@x.example"), "home": "detail"}})),
        None => ok(&numbered(asked, 25)),
    })
    .await;
    let detail = Detail {
        request: request(&format!("{}/people/{{id}}", api.url)),
        record: Some(path("$.result")),
        at_a_time: 4,
    };
    let http = Http { detail: Some(detail), ..source(&api) };
    let mut arrived = read(http).await.0.unwrap();
    let mut text = String::new();
    arrived.spool.rewind().unwrap();
    arrived.spool.read_to_string(&mut text).unwrap();
    let expected: String = (0..25)
        .map(|id| format!("{{\"email\":\"e{id}@x.example\",\"home\":\"detail\",\"id\":{id}}}\n"))
        .collect();
    assert_eq!(text, expected);
    assert_eq!(api.count(), 25 + 3 + usize::from(25 % 10 != 0));
}

#[tokio::test]
async fn no_stretch_of_time_sees_more_requests_than_the_rate_allows() {
    let api = Api::start(|asked| ok(&numbered(asked, 95))).await;
    let within = Duration::from_millis(200);
    let rate = Some(Rate { requests: 3, within });
    assert_eq!(ids(Http { rate, ..source(&api) }).await.len(), 95);
    let times: Vec<Instant> = api.asked.lock().unwrap().iter().map(|asked| asked.at).collect();
    assert_eq!(times.len(), 11);
    for stretch in times.windows(4) {
        assert!(*stretch.last().unwrap() - *stretch.first().unwrap() >= within);
    }
}

#[tokio::test]
async fn a_probe_names_the_hop_that_fails_and_tries_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    crate::world::put(&file, "s3cret");
    let api = Api::start(|asked| match asked.path.as_str() {
        "/token" => ok(&json!({"access_token": "t1"})),
        "/refuses" => answer(401, &[], ""),
        _ => ok(&numbered(asked, 25)),
    })
    .await;
    let probe = async |token: &str, people: &str| {
        let oauth2 = OAuth2 {
            token_url: token.parse().unwrap(),
            client_id: "abc".to_owned(),
            client_secret: Secret::File(file.clone()),
            scope: None,
            in_form: false,
        };
        let http = Http { auth: Auth::OAuth2(Box::new(oauth2)), request: request(people), ..source(&api) };
        let steps = source::probe(&settings(http), &SystemClock).await;
        steps.into_iter().map(|step| format!("{}: {:?}\n", step.hop, step.result)).collect::<String>()
    };
    let (token, people) = (format!("{}/token", api.url), format!("{}/people", api.url));
    let refuses = format!("{}/refuses", api.url);
    // Nobody listens at the port of a server that has gone.
    let gone = Api::start(|_| answer(204, &[], "")).await.url;
    let all = [
        probe(&token, &people).await,
        probe(&refuses, &people).await,
        probe(&token, &refuses).await,
        probe(&gone, &people).await,
    ];
    let text = all.join("\n").replace(&api.url, "URL");
    insta::assert_snapshot!(text);
    assert_eq!(api.count(), 7, "each once, but for the one new token after a refused one");
}
