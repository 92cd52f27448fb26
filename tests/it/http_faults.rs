//! The HTTP driver against servers that fail, lie or never end: a whole list or none, and no storm of requests.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails here")]

use crate::http::{Api, Asked, answer, ids, numbered, ok, path, people, read, request, source};
use axum::{body::Body, response::Response};
use rosterd::{
    secret::Secret,
    source::{Auth, Detail, Failure, Fresh, Hop, Http, ListPath, OAuth2, Pagination, Where},
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// The message of a read that proves itself incomplete.
async fn incomplete(http: Http) -> String {
    match read(http).await.0.map(|_| ()).unwrap_err() {
        Failure::Incomplete(why) => why,
        other @ (Failure::Failed { .. } | Failure::NothingYet(_)) => panic!("{other}"),
    }
}

/// The hop and message of a read that failed.
async fn failed(http: Http) -> (Hop, String) {
    match read(http).await.0.map(|_| ()).unwrap_err() {
        Failure::Failed { hop, message, .. } => (hop, message),
        other @ (Failure::Incomplete(_) | Failure::NothingYet(_)) => panic!("{other}"),
    }
}

fn broken() -> Response {
    let parts = [Ok("{\"data\":[{\"id\":1}"), Err(std::io::Error::other("cut"))];
    answer(200, &[], Body::from_stream(futures_util::stream::iter(parts)))
}

#[tokio::test]
async fn a_connection_that_is_lost_on_any_page_is_tried_again_and_then_fails() {
    for page in 1..=4 {
        let api = Api::start(move |asked| match asked.number("page", 1) {
            now if now == page => broken(),
            _ => ok(&numbered(asked, 30)),
        })
        .await;
        let (hop, message) = failed(source(&api)).await;
        assert_eq!(hop, Hop::Request);
        assert!(message.contains("tried 5 times"), "{message}");
        assert_eq!(api.count(), page - 1 + 5);

        let api = Api::start(move |asked| match (asked.number("page", 1), asked.before) {
            (now, before) if now == page && before < page + 2 => broken(),
            _ => ok(&numbered(asked, 30)),
        })
        .await;
        assert_eq!(ids(source(&api)).await, (0..30).collect::<Vec<_>>());
    }
}

type Fault = fn(&Asked) -> Response;

#[tokio::test]
async fn what_proves_that_the_list_is_not_whole_ends_the_read() {
    let faults: [(&str, Fault); 13] = [
        ("the page is ignored", |_| ok(&json!({"data": people(0, 10), "total": 30}))),
        ("a smaller limit", |asked| {
            let page = asked.number("page", 1);
            ok(&json!({"data": people((page - 1) * 5, 5), "total": 30}))
        }),
        ("no limit", |_| ok(&json!({"data": people(0, 30), "total": 30}))),
        ("the total is too high", |asked| {
            let mut page = numbered(asked, 25);
            *page.get_mut("total").unwrap() = json!(26);
            ok(&page)
        }),
        ("the total is too low", |asked| {
            let mut page = numbered(asked, 25);
            *page.get_mut("total").unwrap() = json!(20);
            ok(&page)
        }),
        ("no total", |asked| ok(&json!({"data": numbered(asked, 5).get("data")}))),
        ("html", |_| answer(200, &[("content-type", "text/html; charset=utf-8")], "<html>Zqfirst</html>")),
        ("cut", |_| {
            ok(&json!({"data": people(0, 10)})).map(|_| Body::from("{\"data\":[{\"id\":1,\"name\":\"Zqfi"))
        }),
        ("no list", |_| ok(&json!({"error": "Zqfirst", "total": 0}))),
        ("a record error", |asked| {
            let mut page = numbered(asked, 25);
            if asked.number("page", 1) == 2 {
                *page.get_mut("data").unwrap().get_mut(3).unwrap() =
                    json!({"id": 13, "error": {"of": "Zqfirst"}});
            }
            ok(&page)
        }),
        ("no object", |_| ok(&json!({"data": ["Zqfirst"], "total": 1}))),
        ("not UTF-8", |_| answer(200, &[], &b"{\"data\":[{\"id\":\"Zq\xff\"}]}"[..])),
        ("old data", |asked| {
            let mut page = numbered(asked, 5);
            page.as_object_mut().unwrap().insert("as_of".to_owned(), json!("2026-01-05T06:00:00Z"));
            ok(&page)
        }),
    ];
    let mut all = String::new();
    for (name, fault) in faults {
        let api = Api::start(fault).await;
        let fresh = Fresh { at: Where::Body(path("as_of")), max_age: Duration::from_secs(86_400) };
        let why = incomplete(Http {
            total: Some(Where::Body(path("total"))),
            record_error: Some(path("$.error")),
            fresh: (name == "old data").then_some(fresh),
            ..source(&api)
        })
        .await;
        all.push_str(&format!("{name} ({} requests): {why}\n", api.count()));
    }
    assert!(!all.contains("Zq"), "{all}");
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn rows_that_move_are_read_once_more_and_never_mixed() {
    // Somebody is put before the others after the first page.
    let moved = |asked: &Asked| {
        let page = asked.number("page", 1);
        let from = ((page - 1) * 10).saturating_sub(usize::from(page > 1));
        ok(&json!({"data": people(from, 10_usize.min(30 - from))}))
    };
    let api =
        Api::start(move |asked| if asked.before < 2 { moved(asked) } else { ok(&numbered(asked, 30)) }).await;
    let (arrived, said) = read(source(&api)).await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said.concat().contains("the same person is on page 1 and on page 2"), "{said:?}");
    let still = Api::start(|asked| ok(&numbered(asked, 30))).await;
    assert_eq!(arrived.unwrap().sha256, read(source(&still)).await.0.unwrap().sha256);

    let api = Api::start(moved).await;
    assert!(incomplete(source(&api)).await.contains("in two reads one after the other"));
    assert_eq!(api.count(), 4);

    let api = Api::start(|asked| ok(&numbered(asked, 30 + asked.before))).await;
    let total = Some(Where::Body(path("total")));
    assert!(
        incomplete(Http { total, ..source(&api) }).await.contains("the server counted 32 records at first")
    );
}

#[tokio::test]
async fn a_mark_that_leads_back_or_to_nothing_ends_the_read() {
    let cursor = || Pagination::Cursor {
        param: "after".to_owned(),
        from: path("next"),
        size_param: None,
        size: Some(10),
    };
    let answers: [(Fault, &str); 4] = [
        (|asked| ok(&json!({"data": people(asked.before * 10, 10), "next": "same"})), "leads back"),
        (
            |asked| {
                ok(&json!({"data": people(0, if asked.before == 0 { 10 } else { 0 }), "next": asked.before}))
            },
            "is empty and leads",
        ),
        (|asked| ok(&json!({"data": people(asked.before * 10, 9), "next": asked.before})), "is not the last"),
        (
            |asked| ok(&json!({"data": people(asked.before * 10, 10)})),
            "nothing at `next` says whether another",
        ),
    ];
    for (fault, expected) in answers {
        let api = Api::start(fault).await;
        let why = incomplete(Http { pagination: cursor(), ..source(&api) }).await;
        assert!(why.contains(expected), "{why}");
        assert!(api.count() <= 2);
    }
}

#[tokio::test]
async fn credentials_never_follow_to_another_host() {
    let other = Api::start(|asked| ok(&numbered(asked, 3))).await;
    let away = other.url.clone();
    let api = Api::start(move |asked| match asked.path.as_str() {
        "/people" => {
            let there = format!("/v2/people?page={}", asked.number("page", 1));
            answer(302, &[("location", &there)], "")
        }
        "/v2/people" => ok(&numbered(asked, 3)),
        "/link" => ok(&json!({"data": people(0, 3), "next": format!("{away}/people")})),
        _ => answer(307, &[("location", &format!("{away}/people"))], ""),
    })
    .await;
    assert_eq!(ids(source(&api)).await.len(), 3);
    let (_, why) = failed(Http { request: request(&format!("{}/away", api.url)), ..source(&api) }).await;
    assert!(why.contains("sends us elsewhere"), "{why}");
    let pagination = Pagination::NextLink(path("next"));
    let (_, why) =
        failed(Http { request: request(&format!("{}/link", api.url)), pagination, ..source(&api) }).await;
    assert!(why.contains("another host"), "{why}");
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn a_token_that_is_refused_in_the_middle_is_renewed_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    crate::world::put(&file, "s3cret");
    // Each token is good for so many pages.
    for (good_for, whole) in [(3, true), (1, false)] {
        let uses = std::sync::Mutex::new((0, 0));
        let api = Api::start(move |asked| {
            let mut uses = uses.lock().unwrap();
            if asked.path == "/token" {
                *uses = (uses.0 + 1, 0);
                return ok(&json!({"access_token": format!("t{}", uses.0)}));
            }
            uses.1 += 1;
            if uses.1 > good_for || asked.authorization() != format!("Bearer t{}", uses.0) {
                return answer(401, &[], "");
            }
            ok(&numbered(asked, 35))
        })
        .await;
        let oauth2 = OAuth2 {
            token_url: format!("{}/token", api.url).parse().unwrap(),
            client_id: "abc".to_owned(),
            client_secret: Secret::File(file.clone()),
            scope: None,
            in_form: false,
        };
        let http = Http { auth: Auth::OAuth2(Box::new(oauth2)), ..source(&api) };
        if whole {
            assert_eq!(ids(http).await.len(), 35);
        } else {
            let (hop, why) = failed(http).await;
            assert_eq!(hop, Hop::Authenticate);
            assert!(why.contains("refused (401)"), "{why}");
        }
        assert_eq!(api.asked.lock().unwrap().iter().filter(|asked| asked.path == "/token").count(), 2);
    }
    let api = Api::start(|_| answer(401, &[], "")).await;
    assert_eq!(failed(source(&api)).await.0, Hop::Authenticate);
    assert_eq!(api.count(), 1, "a credential that is refused is not tried again");
}

#[tokio::test]
async fn a_server_that_is_busy_is_left_alone() {
    let api = Api::start(|_| answer(429, &[("retry-after", "0")], "")).await;
    assert!(failed(source(&api)).await.1.contains("429"));
    assert_eq!(api.count(), 5);
    let api = Api::start(|_| answer(503, &[("retry-after", "3600")], "")).await;
    assert!(failed(source(&api)).await.1.contains("asks to be left alone until"));
    assert_eq!(api.count(), 1);
    let api = Api::start(|asked| match asked.before {
        0 => answer(503, &[("retry-after", "1")], ""),
        _ => ok(&numbered(asked, 3)),
    })
    .await;
    assert_eq!(ids(source(&api)).await.len(), 3);
    let times: Vec<_> = api.asked.lock().unwrap().iter().map(|asked| asked.at).collect();
    assert!(*times.get(1).unwrap() - *times.first().unwrap() >= Duration::from_secs(1));
    // Every other answer fails: repeats of the whole read are bounded too.
    let api = Api::start(|asked| match asked.before % 2 {
        0 => answer(500, &[], ""),
        _ => ok(&numbered(asked, 3_000)),
    })
    .await;
    assert!(failed(source(&api)).await.1.contains("100 requests of this read were repeated already"));
    assert_eq!(api.count(), 201);
    let api = Api::start(|_| answer(404, &[], "")).await;
    assert!(failed(source(&api)).await.1.contains("404"));
    assert_eq!(api.count(), 1);
}

#[tokio::test]
async fn a_slow_drip_and_an_endless_page_are_given_up() {
    let began = Instant::now();
    let api = Api::start(|_| {
        let drops = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(40)).await;
            Some((Ok::<_, std::io::Error>(" "), ()))
        });
        answer(200, &[], Body::from_stream(drops))
    })
    .await;
    let mut http = source(&api);
    http.patience.no_progress = Duration::from_millis(100);
    let (_, why) = failed(http).await;
    assert!(why.contains("had not ended after 1 seconds"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn what_has_no_end_is_bounded() {
    // 500 MB, with and without a length that says so: at most what we take is made, and nothing where it is said.
    for (said, most) in [(false, 160), (true, 8)] {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&made);
        let api = Api::start(move |_| {
            let counter = Arc::clone(&counter);
            let chunk = move || {
                counter.fetch_add(1, Ordering::SeqCst);
                Ok::<_, std::io::Error>(vec![b' '; 1 << 20])
            };
            let page = Body::from_stream(futures_util::stream::iter(std::iter::repeat_with(chunk).take(500)));
            let length = (500_usize << 20).to_string();
            let length = said.then_some(("content-length", length.as_str()));
            answer(200, length.as_slice(), page)
        })
        .await;
        assert!(incomplete(source(&api)).await.contains("larger than 128 MiB"));
        assert_eq!(api.count(), 1);
        assert!(made.load(Ordering::SeqCst) <= most, "{}", made.load(Ordering::SeqCst));
    }

    let api = Api::start(|asked| ok(&json!({"data": people(asked.before, 1)}))).await;
    let pagination = Pagination::Offset { param: "from".to_owned(), size_param: None, size: 1 };
    assert!(incomplete(Http { pagination, ..source(&api) }).await.contains("more than 20000 pages"));
    assert_eq!(api.count(), 20_000);
}

/// Whoever asks beside the one that was told to wait waits too.
#[tokio::test]
async fn a_busy_server_is_left_alone_by_all_requests_at_once() {
    let api = Api::start(|asked| match asked.path.as_str() {
        "/people" => ok(&numbered(asked, 10)),
        _ if asked.before == 4 => answer(429, &[("retry-after", "1")], ""),
        _ => ok(&Value::Object(serde_json::Map::new())),
    })
    .await;
    let detail =
        Detail { request: request(&format!("{}/people/{{id}}", api.url)), record: None, at_a_time: 2 };
    assert_eq!(ids(Http { detail: Some(detail), ..source(&api) }).await.len(), 10);
    let times: Vec<_> = api.asked.lock().unwrap().iter().map(|asked| asked.at).collect();
    let told = *times.get(4).unwrap();
    let meanwhile = times.iter().filter(|at| **at > told && **at - told < Duration::from_secs(1)).count();
    assert!(meanwhile <= 1, "only what was on its way already: {meanwhile}");
}

#[tokio::test]
async fn a_person_whose_details_fail_fails_the_read() {
    let details: [(Fault, bool); 5] = [
        (|_| answer(404, &[], ""), false),
        (|_| ok(&json!([1])), true),
        (|_| ok(&json!({"id": 99, "name": "Zqfirst"})), true),
        (|_| ok(&json!({"code": 500, "message": "Zqfirst"})), true),
        (|_| answer(200, &[("content-type", "text/html")], "Zqfirst"), true),
    ];
    for (fault, is_proof) in details {
        let api = Api::start(move |asked| match asked.path.as_str() {
            "/people/7" => fault(asked),
            "/people" => ok(&numbered(asked, 10)),
            _ => ok(&Value::Object(serde_json::Map::new())),
        })
        .await;
        let detail =
            Detail { request: request(&format!("{}/people/{{id}}", api.url)), record: None, at_a_time: 3 };
        let http = Http { detail: Some(detail), record_error: Some(path("code")), ..source(&api) };
        if is_proof {
            let why = incomplete(http).await;
            assert!(why.contains("page 1 has a person in place 8 whose details"), "{why}");
            assert!(!why.contains("Zq"));
        } else {
            assert!(failed(http).await.1.contains("404"));
        }
    }
    // The reference stands in the details alone: the same person on two pages is found there too.
    let api = Api::start(|asked| match asked.path.strip_prefix("/people/") {
        Some(key) => ok(&json!({"id": key.parse::<usize>().unwrap() % 11})),
        None => {
            let keys = |all: usize| (0..all).map(|key| json!({"key": key})).collect::<Vec<_>>();
            let from = (asked.number("page", 1) - 1) * 10;
            ok(&json!({"data": keys(15).into_iter().skip(from).take(10).collect::<Vec<_>>()}))
        }
    })
    .await;
    let detail =
        Detail { request: request(&format!("{}/people/{{key}}", api.url)), record: None, at_a_time: 3 };
    let why = incomplete(Http { detail: Some(detail), ..source(&api) }).await;
    assert!(why.contains("the same person is on page 1 and on page 2"), "{why}");

    let api = Api::start(|_| ok(&json!({"list": []}))).await;
    let http =
        Http { records: ListPath::parse("list").unwrap(), pagination: Pagination::None, ..source(&api) };
    assert_eq!(read(http).await.0.unwrap().size, 0, "an empty list is for `min_rows` to judge");
}

#[tokio::test]
async fn an_answer_that_says_less_than_it_must_is_no_end_of_the_list() {
    let offset =
        Pagination::Offset { param: "skip".to_owned(), size_param: Some("limit".to_owned()), size: 10 };
    let link = || Pagination::NextLink(path("$.next"));
    let cases: [(&str, Pagination, Fault, &str); 7] = [
        // Twice the size was asked for, and the few behind the second page would have been skipped.
        (
            "a limit of its own",
            offset,
            |asked| {
                let from = asked.number("skip", 0);
                ok(&json!({"data": people(from, 7_usize.saturating_sub(from).min(5))}))
            },
            "is not the last",
        ),
        (
            "a link that is an object",
            link(),
            |asked| ok(&json!({"data": people(asked.before * 3, 3), "next": {"href": "/people?after=3"}})),
            "leads nowhere",
        ),
        (
            "no content in the middle",
            link(),
            |asked| match asked.before {
                0 => ok(&json!({"data": people(0, 3), "next": "/people?after=3"})),
                _ => answer(204, &[], ""),
            },
            "no content",
        ),
        (
            "a part",
            Pagination::None,
            |_| answer(206, &[], json!({"data": people(0, 3)}).to_string()),
            "a part of the list",
        ),
        (
            "a link beside one answer",
            Pagination::None,
            |_| {
                answer(
                    200,
                    &[("link", "</people?page=2>; rel=\"next\"")],
                    json!({"data": people(0, 3)}).to_string(),
                )
            },
            "leads to another page",
        ),
        ("not ready", link(), |_| answer(202, &[], "{\"data\":[]}"), "not ready"),
        (
            "a wait beyond all time",
            link(),
            |_| answer(429, &[("retry-after", "1700000000000000")], ""),
            "for very long",
        ),
    ];
    for (name, pagination, fault, expected) in cases {
        let api = Api::start(fault).await;
        let (arrived, _) = read(Http { pagination, ..source(&api) }).await;
        let why = arrived.map(drop).unwrap_err().to_string();
        assert!(why.contains(expected), "{name}: {why}");
    }
}

#[tokio::test]
async fn pages_of_two_copies_of_the_data_are_never_mixed() {
    let fresh =
        Fresh { at: Where::Header("X-As-Of".to_owned()), max_age: Duration::from_secs(36_500 * 86_400) };
    let copies = |asked: &Asked, changes: bool| {
        let at =
            if changes && asked.before % 2 == 1 { "2026-01-02T06:00:00Z" } else { "2026-01-01T06:00:00Z" };
        answer(200, &[("x-as-of", at)], numbered(asked, 15).to_string())
    };
    let api = Api::start(move |asked| copies(asked, true)).await;
    let why = incomplete(Http { fresh: Some(fresh.clone()), ..source(&api) }).await;
    assert!(why.contains("in two reads one after the other"), "{why}");
    let api = Api::start(move |asked| copies(asked, false)).await;
    assert!(read(Http { fresh: Some(fresh), ..source(&api) }).await.0.is_ok());
}

#[tokio::test]
async fn a_record_chooses_no_host_and_a_detail_is_of_the_one_who_was_asked_for() {
    let other = Api::start(|_| ok(&json!({}))).await;
    let api = Api::start(|asked| match asked.path.as_str() {
        "/people" => ok(&json!({"data": [{"key": "a", "host": ".evil.example"}, {"key": "b", "host": ""}]})),
        // The same details for everybody, as from a cache that knows no difference.
        _ => ok(&json!({"key": "a", "id": 7})),
    })
    .await;
    let detail =
        |url: String| Some(Detail { request: crate::http::request(&url), record: None, at_a_time: 1 });
    let http = Http { pagination: Pagination::None, ..source(&api) };
    let why = incomplete(Http { detail: detail(format!("{}/of/{{key}}", api.url)), ..http.clone() }).await;
    assert!(why.contains("of another person"), "{why}");
    let why = incomplete(Http { detail: detail("http://127.0.0.1{host}/x".to_owned()), ..http }).await;
    assert!(why.contains("another host"), "{why}");
    assert_eq!(other.count(), 0);
}
