//! The whole thing: over `/sandbox/…`, with large rosters, with the official client.

use super::*;

#[tokio::test]
async fn tests_of_the_binary_steer_it_over_http() {
    let (bound, address) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let clock = Arc::new(SetClock::new(noon()));
    let mut serving = JoinSet::new();
    let seed = Seed { processing: Duration::ZERO, ..Seed::demo() };
    let shutdown = async move { stopped.await.unwrap_or(()) };
    serving.spawn(run(
        "127.0.0.1:0".parse().unwrap(),
        seed.clone(),
        Arc::clone(&clock) as Arc<dyn Clock>,
        bound,
        shutdown,
    ));
    let base = format!("http://{}", address.await.unwrap());
    let sandbox = Arc::new(Sandbox::new(seed, clock.clone()));
    let local = Local { sandbox, base, http: client(), _serving: JoinSet::new() };

    let wanted = json!({"latency_ms": 1, "next": [
        {"call": "submit", "answer": {"close": {"processed": true}}},
        {"times": 3, "answer": {"status": {"status": 429, "retry_after": "1"}}},
        {"answer": "echo_phone"},
    ]});
    let (status, set) = local.call(Method::PUT, "/sandbox/faults", Some(wanted)).await;
    assert_eq!((status, &set["next"][1]["call"]), (StatusCode::OK, &json!("any")));
    let (status, _) = local.call(Method::PUT, "/sandbox/faults", Some(json!({"latency": 1}))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "an unknown fault is refused");
    let body = json!({ "members": [member("e-1")] }).to_string();
    // A seeded group has the same id in every sandbox of the seed.
    assert!(local.raw(Method::POST, &local.sync_path("demo"), Some(body.clone())).await.is_err());
    assert_eq!(local.get("/v1/groups").await.0, StatusCode::TOO_MANY_REQUESTS);
    local.call(Method::PUT, "/sandbox/faults", Some(json!({}))).await;

    clock.set(noon() + TimeDelta::days(1));
    let write = json!({"group": "demo", "add": ["e-2"], "remove": []});
    let (status, _) = local.call(Method::POST, "/sandbox/second-writer", Some(write)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (_, state) = local.get("/sandbox/state").await;
    assert_eq!(state["groups"][2]["references"], json!({"e-1": "pln_gold", "e-2": "pln_gold"}));
    assert_eq!(state["requests"][0]["members"], 1);
    assert_eq!(state["calls"][0]["status"], Value::Null);
    let (_, members) = local.get("/sandbox/members?group=demo").await;
    assert_eq!(members["e-1"], member("e-1"));
    let kept = format!("/sandbox/bodies/{}", text(&state, "/requests/0/request_id"));
    let sent = local.raw(Method::GET, &kept, None).await.unwrap();
    assert_eq!(sent.bytes().await.unwrap(), body.as_bytes());

    stop.send(()).unwrap();
    serving.join_next().await.unwrap().unwrap().unwrap();
    assert!(local.raw(Method::GET, "/v1/plans", None).await.is_err());
}

/// Submits `count` members and reads them back.
async fn large(count: usize) {
    let local = Local::quick().await;
    let mut body = String::from("{\"members\":[");
    for number in 0..count {
        if number > 0 {
            body.push(',');
        }
        body.push_str(&member(&format!("emp-{number:07}")).to_string());
    }
    body.push_str("]}");
    let length = body.len() as u64;
    let response = local.raw(Method::POST, &local.sync_path("demo"), Some(body)).await.unwrap();
    let (status, answer) = read(response).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let (_, polled) = local.poll("demo", text(&answer, "/data/request_id")).await;
    assert_eq!(list(&polled["data"]["results"], "added_group_member_ids").len(), count);
    let submit = &local.sandbox.submits()[0];
    assert_eq!((submit.bytes, submit.body.is_none()), (length, length > 8 << 20));
    assert_eq!(submit.sha256.as_ref().unwrap().len(), 64);
}

#[tokio::test]
async fn a_large_roster_is_taken() {
    large(40_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_client_works_unchanged() {
    #[expect(clippy::disallowed_methods, reason = "tests/run.sh says so which Python has the client")]
    let python = std::env::var("ROSTERD_TEST_PYTHON");
    let Ok(python) = python else {
        println!(
            "SKIPPED: ROSTERD_TEST_PYTHON names no python with vitable-connect 6.2.0; tests/run.sh sets it up"
        );
        return;
    };
    let local = Local::start(Seed { processing: Duration::from_millis(50), ..Seed::demo() }).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/vitable_client.py");
    let base = local.base.clone();
    let ran = tokio::task::spawn_blocking(move || {
        std::process::Command::new(python)
            .args([script, &base])
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .output()
            .unwrap()
    });
    let output = ran.await.unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{wrong}");
    assert_eq!(said, "plans 2\ngroups 4\nadded 2\nremoved 1\nerrors 4\n");
    assert_eq!(local.references("python"), ["e-2"]);
    assert_eq!(local.sandbox.max_in_flight("python"), 1);
}
