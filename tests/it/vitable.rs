//! The client's reading side against a real HTTP server in the process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use rosterd::{
    clock::SetClock,
    roster::{GroupId, GroupRef, RequestId},
    secret::Secret,
    vitable::{ApiErrorKind, Client, FindError, Groups, MAX_CLOCK_SKEW, Poll, Polled, Settings},
};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::JoinSet;

/// What came in: method, path with query, the key.
#[derive(Clone, Debug)]
struct Call {
    line: String,
    key: String,
    body: Value,
}

type Answer = (u16, Vec<(&'static str, String)>, String);

struct Vitable {
    client: Client,
    calls: Arc<Mutex<Vec<Call>>>,
    key: tempfile::NamedTempFile,
    _server: JoinSet<()>,
}

impl Vitable {
    /// A server that answers the nth call (from 0) as `answer` says.
    async fn new(answer: impl Fn(usize, &Call) -> Answer + Send + Sync + 'static) -> Self {
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let (seen, answer) = (Arc::clone(&calls), Arc::new(answer));
        let app = Router::new().fallback(move |request: Request<Body>| {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                let call = Call {
                    line: format!("{} {}", head.method, head.uri),
                    key: head.headers.get("authorization").unwrap().to_str().unwrap().to_owned(),
                    body: serde_json::from_slice(&body).unwrap_or_default(),
                };
                let nth = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(call.clone());
                    seen.len() - 1
                };
                let (status, headers, body) = answer(nth, &call);
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(body)).unwrap()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        let mut key = tempfile::NamedTempFile::new().unwrap();
        key.write_all(b"vit_apk_one\n").unwrap();
        Self { client: client(&base_url, Secret::File(key.path().to_owned())), calls, key, _server: server }
    }

    /// A server that answers every call with this JSON.
    async fn saying(body: Value) -> Self {
        Self::new(move |_, _| ok(&body)).await
    }

    fn lines(&self) -> Vec<String> {
        self.calls.lock().unwrap().iter().map(|call| call.line.clone()).collect()
    }
}

fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-22T09:00:00Z").unwrap().to_utc()
}

fn client(base_url: &str, api_key: Secret) -> Client {
    let settings = Settings {
        base_url: base_url.parse().unwrap(),
        api_key,
        organization: None,
        timeout: Duration::from_secs(20),
        max_in_flight: 4,
        max_members_per_sync: 5000,
        poll: Poll::default(),
        proxy: None,
        ca_file: None,
    };
    Client::new(settings, Arc::new(SetClock::new(now()))).unwrap()
}

fn ok(body: &Value) -> Answer {
    (200, Vec::new(), body.to_string())
}

fn failing(status: u16, body: &str) -> Answer {
    (status, vec![("retry-after-ms", "1".to_owned())], body.to_owned())
}

fn group(number: u64) -> Value {
    json!({"id": format!("grp_{number}"), "organization_id": "org_1", "name": "n",
           "external_reference_id": format!("acme-{number}"), "new_field": true})
}

/// The page that a call asks for, of `total` groups, in pages of at most 100; any other parameter is ignored.
fn page(call: &Call, total: u64) -> Value {
    let (_, rest) = call.line.split_once("page=").unwrap();
    let page: u64 = rest.split('&').next().unwrap().parse().unwrap();
    let data: Vec<Value> = ((page - 1) * 100..total.min(page * 100)).map(group).collect();
    json!({"data": data, "pagination": {"page": page, "limit": 100, "total": total, "total_pages": total.div_ceil(100)}})
}

fn reference(text: &str) -> GroupRef {
    GroupRef::new(text).unwrap()
}

#[tokio::test]
async fn a_group_is_found_on_any_page_byte_for_byte_and_no_filter_is_trusted() {
    let vitable = Vitable::new(|_, call| ok(&page(call, 250))).await;
    let groups = Groups::new(vitable.client.groups().await.unwrap());
    assert_eq!(groups.iter().len(), 250);
    let found = groups.find(&reference("acme-249")).unwrap();
    assert_eq!((found.id.as_str(), found.organization.as_str()), ("grp_249", "org_1"));
    assert_eq!(groups.find(&reference("ACME-249")), Err(FindError::NotFound(reference("ACME-249"))));
    let lines = vitable.lines();
    assert_eq!(lines[2], "GET /v1/groups?page=3&limit=100");
    assert_eq!(lines.len(), 3);
}

#[tokio::test]
async fn two_groups_of_one_reference_are_an_error_that_names_both() {
    let mut other = group(1);
    other["id"] = json!("grp_x");
    let vitable = Vitable::saying(json!({"data": [group(1), other]})).await;
    let error = vitable.client.find_group(&reference("acme-1")).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("2 groups at Vitable have the external_reference_id `acme-1` (grp_1, grp_x)"),
        "{text}"
    );
}

#[tokio::test]
async fn a_list_without_pagination_is_one_page() {
    let vitable = Vitable::saying(json!({"data": [{"id": "pln_1", "name": "Gold"}, {"id": "plan_2"}]})).await;
    let plans = vitable.client.plans().await.unwrap();
    assert_eq!(plans.iter().map(|plan| plan.id.as_str()).collect::<Vec<_>>(), ["pln_1", "plan_2"]);
    assert_eq!(vitable.lines().len(), 1);
}

#[tokio::test]
async fn pages_that_do_not_make_up_the_whole_are_an_error_after_a_second_reading() {
    type Damage = fn(u64, &mut Value);
    let damages: [(&str, Damage); 5] = [
        ("page 2 was asked for and page 1 came", |_, page| page["pagination"]["page"] = json!(1)),
        ("150 items were promised and 149 came", |asked, page| {
            if asked == 2 {
                page["data"].as_array_mut().unwrap().pop();
            }
        }),
        ("1 items came twice", |asked, page| {
            if asked == 2 {
                page["data"][0] = group(7);
            }
        }),
        ("a later page says nothing of its place", |asked, page| {
            if asked == 2 {
                page["pagination"] = Value::Null;
            }
        }),
        ("page 1 of 2 is empty", |_, page| page["data"] = json!([])),
    ];
    for (expected, damage) in damages {
        let vitable = Vitable::new(move |_, call| {
            let mut page = page(call, 150);
            let asked = page["pagination"]["page"].as_u64().unwrap();
            damage(asked, &mut page);
            ok(&page)
        })
        .await;
        let error = vitable.client.groups().await.unwrap_err();
        assert_eq!(error.kind, ApiErrorKind::Unreadable);
        assert!(error.message.ends_with(expected), "{error}");
        let first = vitable.lines().iter().filter(|line| line.contains("page=1&")).count();
        assert_eq!(first, 2, "read again once: {expected}");
    }
}

#[tokio::test]
async fn a_list_that_changed_under_the_reading_is_read_again() {
    let vitable = Vitable::new(|nth, call| ok(&page(call, if nth == 0 { 150 } else { 151 }))).await;
    assert_eq!(vitable.client.groups().await.unwrap().len(), 151);
    let vitable = Vitable::new(|nth, call| {
        let mut page = page(call, 150);
        if nth == 1 {
            page["data"][0] = group(7);
        }
        ok(&page)
    })
    .await;
    assert_eq!(vitable.client.groups().await.unwrap().len(), 150);
    assert_eq!(vitable.lines().len(), 4);
}

#[tokio::test]
async fn a_get_is_repeated_after_what_passes_and_only_so_often() {
    for status in [408, 429, 500, 502, 503] {
        let vitable = Vitable::new(move |nth, _| match nth {
            0 | 1 => failing(status, "<html>busy</html>"),
            _ => ok(&json!({"data": []})),
        })
        .await;
        assert!(vitable.client.plans().await.unwrap().is_empty());
        assert_eq!(vitable.lines().len(), 3, "{status}");
    }
    let vitable = Vitable::new(|_, _| failing(503, "<html>busy</html>")).await;
    let error = vitable.client.plans().await.unwrap_err();
    assert_eq!((error.kind, error.status), (ApiErrorKind::Server, Some(503)));
    assert_eq!(error.message, "an HTML page of 17 bytes");
    assert_eq!(vitable.lines().len(), 5);
}

#[tokio::test]
async fn what_does_not_pass_is_not_repeated() {
    let said = r#"{"error":{"code":"organization_required","message":"Name one."},"trace_id":"t-1"}"#;
    for (status, kind) in [
        (302, ApiErrorKind::Refused),
        (400, ApiErrorKind::Refused),
        (403, ApiErrorKind::Credential),
        (404, ApiErrorKind::NotFound),
        (401, ApiErrorKind::Credential),
    ] {
        let vitable =
            Vitable::new(move |_, _| (status, vec![("location", "/v1/other".to_owned())], said.to_owned()))
                .await;
        let error = vitable.client.plans().await.unwrap_err();
        assert_eq!((error.kind, error.status), (kind, Some(status)));
        assert_eq!(error.code.as_deref(), Some("organization_required"));
        assert_eq!(error.trace_id.as_deref(), Some("t-1"));
        // A key that is still the same is not tried again.
        assert_eq!(vitable.lines().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn after_a_401_the_key_is_read_again_and_the_get_repeated_once() {
    let vitable = Vitable::new(|_, call| match call.key.as_str() {
        "Bearer vit_apk_two" => ok(&json!({"data": []})),
        _ => failing(401, ""),
    })
    .await;
    let mut file = std::fs::File::create(vitable.key.path()).unwrap();
    file.write_all(b"vit_apk_two\n").unwrap();
    vitable.client.plans().await.unwrap();
    vitable.client.plans().await.unwrap();
    let calls = vitable.calls.lock().unwrap();
    let keys: Vec<_> = calls.iter().map(|call| call.key.as_str()).collect();
    assert_eq!(keys, ["Bearer vit_apk_one", "Bearer vit_apk_two", "Bearer vit_apk_two"]);
}

#[tokio::test]
async fn a_success_that_is_no_list_is_unreadable() {
    for body in ["<html>log in</html>", "", "{}", r#"{"data":{}}"#] {
        let vitable = Vitable::new(move |_, _| (200, Vec::new(), body.to_owned())).await;
        let error = vitable.client.groups().await.unwrap_err();
        assert_eq!(error.kind, ApiErrorKind::Unreadable, "{error}");
        assert_eq!(vitable.lines().len(), 1);
    }
}

#[tokio::test]
async fn an_unreachable_server_is_said_without_its_address_or_key() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut key = tempfile::NamedTempFile::new().unwrap();
    key.write_all(b"vit_apk_one").unwrap();
    let client = client(&format!("http://{nobody}"), Secret::File(key.path().to_owned()));
    let error = client.plans().await.unwrap_err();
    assert_eq!(error.kind, ApiErrorKind::Connect);
    let text = format!("{error} {error:?} {client:?}");
    assert!(text.contains("Connection refused"), "{text}");
    assert!(!text.contains("vit_apk") && !text.contains(&nobody.to_string()), "{text}");
}

#[tokio::test]
async fn the_date_of_an_answer_tells_how_far_apart_the_clocks_are() {
    let vitable = Vitable::new(|_, _| {
        let date = "Sun, 22 Nov 2026 09:11:00 GMT".to_owned();
        (200, vec![("date", date)], json!({"data": []}).to_string())
    })
    .await;
    assert_eq!(vitable.client.clock_skew(), None);
    vitable.client.plans().await.unwrap();
    let skew = vitable.client.clock_skew().unwrap();
    assert_eq!(skew, TimeDelta::minutes(11));
    assert!(skew.abs() > MAX_CLOCK_SKEW);
}

#[tokio::test]
async fn a_group_is_made_by_one_post_and_looked_up_when_the_answer_leaves_doubt() {
    let made = Vitable::new(|_, _| (201, Vec::new(), json!({"data": group(1)}).to_string())).await;
    let found = made.client.create_group("Acme", &reference("acme-1")).await.unwrap();
    assert_eq!(found.id.as_str(), "grp_1");
    assert_eq!(made.lines(), ["POST /v1/groups"]);
    let sent = made.calls.lock().unwrap()[0].body.clone();
    assert_eq!(sent, json!({"name": "Acme", "external_reference_id": "acme-1"}));
    for status in [409, 500, 502, 408, 201] {
        let vitable = Vitable::new(move |_, call| match call.line.starts_with("POST") {
            true => failing(status, "<html></html>"),
            false => ok(&json!({"data": [group(1)]})),
        })
        .await;
        let found = vitable.client.create_group("Acme", &reference("acme-1")).await.unwrap();
        assert_eq!(found.id.as_str(), "grp_1");
        assert_eq!(vitable.lines(), ["POST /v1/groups", "GET /v1/groups?page=1&limit=100"], "{status}");
    }
    for (status, calls) in [(409, 2), (500, 2), (400, 1), (403, 1), (429, 1)] {
        let vitable = Vitable::new(move |_, call| match call.line.starts_with("POST") {
            true => failing(status, ""),
            false => ok(&json!({"data": []})),
        })
        .await;
        let error = vitable.client.create_group("Acme", &reference("acme-1")).await.unwrap_err();
        assert!(matches!(&error, FindError::Api(error) if error.status == Some(status)), "{error}");
        assert_eq!(vitable.lines().len(), calls, "{status}");
    }
}

#[tokio::test]
async fn a_poll_believes_only_answers_about_what_was_asked_for() {
    let (group, request) = (GroupId::new("grp_1").unwrap(), RequestId::new("grpmsr_1").unwrap());
    let answer = |request: &str, group: Value| {
        json!({"data": {"request_id": request, "group_id": group, "accepted_at": "t", "completed_at": "t",
            "results": {"added_group_member_ids": ["grpmbr_1"], "removed_group_member_ids": [], "failures": []}}})
    };
    for said in [json!("grp_1"), Value::Null] {
        let vitable = Vitable::saying(answer("grpmsr_1", said)).await;
        let polled = vitable.client.poll(&group, &request).await.unwrap();
        assert!(matches!(&polled, Polled::Finished(outcome) if outcome.added == 1), "{polled:?}");
        assert_eq!(vitable.lines(), ["GET /v1/groups/grp_1/members/sync/grpmsr_1"]);
    }
    for body in [answer("grpmsr_2", json!("grp_1")), answer("grpmsr_1", json!("grp_2")), json!({"data": {}})]
    {
        let vitable = Vitable::saying(body).await;
        let error = vitable.client.poll(&group, &request).await.unwrap_err();
        assert_eq!(error.kind, ApiErrorKind::Unreadable);
    }
    let in_flight =
        Vitable::saying(json!({"data": {"request_id": "grpmsr_1", "completed_at": null, "results": null}}))
            .await;
    assert_eq!(in_flight.client.poll(&group, &request).await.unwrap(), Polled::InFlight);
}

#[tokio::test]
async fn polls_of_the_whole_daemon_have_one_pace_and_one_bound() {
    let vitable = Vitable::saying(json!({"data": {"request_id": "grpmsr_1"}})).await;
    let (group, request) = (GroupId::new("grp_1").unwrap(), RequestId::new("grpmsr_1").unwrap());
    let begun = tokio::time::Instant::now();
    let polls = (0..11).map(|_| vitable.client.poll(&group, &request));
    for polled in futures_util::future::join_all(polls).await {
        assert_eq!(polled.unwrap(), Polled::InFlight);
    }
    assert!(begun.elapsed() >= Duration::from_millis(100), "{:?}", begun.elapsed());
}
