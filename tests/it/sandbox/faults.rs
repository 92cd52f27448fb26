//! What goes wrong on request.

use super::*;

#[tokio::test]
async fn scripted_answers_are_given_once_and_in_turn() {
    let local = Local::quick().await;
    let busy = Answer::Status { status: 503, retry_after: Some("7".into()) };
    local.faults(Faults {
        next: vec![
            NextAnswer::new(CallKind::Submit, 2, busy),
            NextAnswer::new(CallKind::Plans, 1, Answer::Status { status: 307, retry_after: None }),
            NextAnswer::new(CallKind::Any, 1, Answer::Html { status: 200, processed: false }),
        ],
        ..Faults::default()
    });
    let response = local.raw(Method::POST, &local.sync_path("demo"), Some("{}".into())).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"7".parse().unwrap())
    );
    assert_eq!(local.submit("demo", &[]).await.0.as_u16(), 503);
    let redirect = local.raw(Method::GET, "/v1/plans", None).await.unwrap();
    assert_eq!(
        (redirect.status().as_u16(), &redirect.headers()["location"]),
        (307, &"/v1/plans".parse().unwrap())
    );
    let (status, page) = local.get("/v1/groups").await;
    assert!(status == StatusCode::OK && page.as_str().unwrap().starts_with("<html>"));
    assert_eq!(local.sandbox.faults().next.len(), 0);
    assert!(local.sandbox.requests().is_empty());

    local.next(CallKind::Submit, Answer::EchoPhone);
    let (status, answer) = local.submit("demo", &[member("e-1")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text(&answer, "/message").contains("'5550100101'"));
}

#[tokio::test]
async fn an_answer_can_be_lost_with_or_without_the_work_done() {
    let local = Local::quick().await;
    let body = json!({ "members": [member("e-1")] }).to_string();
    for (answer, status, done) in [
        (Answer::Close { processed: false }, None, 0),
        (Answer::Close { processed: true }, None, 1),
        (Answer::Html { status: 502, processed: true }, Some(502), 2),
        (Answer::Empty { status: 202, processed: true }, Some(202), 3),
        (Answer::Empty { status: 504, processed: false }, Some(504), 3),
    ] {
        local.next(CallKind::Submit, answer.clone());
        let sent = local.raw(Method::POST, &local.sync_path("demo"), Some(body.clone())).await;
        let got = sent.ok().map(|response| response.status().as_u16());
        assert_eq!(got, status, "{answer:?}");
        assert_eq!(local.sandbox.requests().len(), done, "{answer:?}");
    }
    let submits = local.sandbox.submits();
    assert_eq!(submits.len(), 5);
    assert_eq!(submits[1].status, None);
    assert_eq!(submits[1].body.as_ref().unwrap(), body.as_bytes());
    assert_eq!(submits[1].content_length, Some(body.len() as u64));
    assert_eq!(submits[1].request_id.as_ref(), Some(&local.sandbox.requests()[0].request_id));
    // A lost create is found by a look-up.
    local.next(CallKind::CreateGroup, Answer::Close { processed: true });
    let new = json!({"name": "New", "external_reference_id": "lost"}).to_string();
    assert!(local.raw(Method::POST, "/v1/groups", Some(new)).await.is_err());
    assert!(local.sandbox.group_id("lost").is_some());
}

#[tokio::test]
async fn a_completion_can_be_less_than_whole() {
    let local = Local::quick().await;
    local.faults(Faults {
        fail_members: vec![
            FailMember { reference_id: "e-2".into(), operation: "add".into(), reason: "no".into() },
            FailMember { reference_id: "e-3".into(), operation: "transfer".into(), reason: "no".into() },
        ],
        ..Faults::default()
    });
    let (_, answer) = local.submit("demo", &[member("e-1"), member("e-2"), member("e-3")]).await;
    let id = text(&answer, "/data/request_id").to_owned();
    let (_, whole) = local.poll("demo", &id).await;
    assert_eq!(text(&whole, "/data/results/failures/1/operation"), "transfer");
    assert_eq!(local.references("demo"), ["e-1"]);
    let poll = async |faults: Faults| {
        local.faults(faults);
        local.poll("demo", &id).await.1["data"].clone()
    };
    let shape = |results| Faults { results, ..Faults::default() };
    let null = poll(shape(ResultsShape::Null)).await;
    assert!(null["completed_at"].is_string() && null["results"].is_null());
    for (results, field) in [
        (ResultsShape::WithoutAdded, "added_group_member_ids"),
        (ResultsShape::WithoutRemoved, "removed_group_member_ids"),
        (ResultsShape::WithoutFailures, "failures"),
    ] {
        let data = poll(shape(results)).await;
        assert!(data["results"].get(field).is_none() && data["results"].as_object().unwrap().len() == 2);
    }
    let open = poll(shape(ResultsShape::WithoutCompletedAt)).await;
    assert!(open["completed_at"].is_null() && open["results"].is_object());
    let off = poll(Faults { added_off_by: -1, removed_off_by: 2, ..Faults::default() }).await;
    assert_eq!(list(&off["results"], "added_group_member_ids").len(), 0);
    assert_eq!(list(&off["results"], "removed_group_member_ids").len(), 2);
    let odd = poll(Faults { wrong_request_id: true, wrong_group_id: true, ..Faults::default() }).await;
    assert_ne!(odd["request_id"], id);
    assert_ne!(odd["group_id"], whole["data"]["group_id"]);
    let new = poll(Faults { unknown_operation: true, extra_fields: true, ..Faults::default() }).await;
    assert_eq!(new["results"]["failures"][0]["operation"], "reactivate");
    assert!(new["results"]["failures"][0]["x_new_field"].is_object() && new["x_new_field"].is_object());
    let elsewhere = local.poll("acme-east", &id).await;
    assert_eq!(elsewhere.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn errors_and_dates_can_be_of_the_other_kind() {
    let local = Local::quick().await;
    local.faults(Faults { guides_errors: true, date_skew_seconds: -3600, ..Faults::default() });
    let response = local.raw(Method::GET, "/v1/groups/grp_none", None).await.unwrap();
    assert_eq!(response.headers()["date"], "Mon, 02 Mar 2026 11:00:00 GMT");
    let (_, answer) = read(response).await;
    assert_eq!(answer, json!({"error": {"code": "not_found", "message": "Group not found"}}));
}

#[tokio::test]
async fn queued_requests_wait_and_go_in_either_order() {
    let local = Local::quick().await;
    for (order, last) in [(Order::OldestFirst, "new"), (Order::NewestFirst, "old")] {
        local.faults(Faults { backlog: true, order, ..Faults::default() });
        let (_, old) = local.submit("demo", &[member("old")]).await;
        let (_, new) = local.submit("demo", &[member("new")]).await;
        let (_, waiting) = local.poll("demo", text(&old, "/data/request_id")).await;
        assert!(waiting["data"]["completed_at"].is_null() && waiting["data"]["results"].is_null());
        local.faults(Faults { order, ..Faults::default() });
        for request in [&old, &new] {
            let (_, polled) = local.poll("demo", text(request, "/data/request_id")).await;
            assert!(polled["data"]["completed_at"].is_string());
        }
        assert_eq!(local.references("demo"), [last], "{order:?}");
    }
    assert_eq!(local.sandbox.max_in_flight("demo"), 2);
    assert!(local.sandbox.second_writer("demo", &["behind"], &["old"]));
    assert_eq!(local.references("demo"), ["behind"]);
    assert_eq!(local.sandbox.removed("demo").last().unwrap().request_id, None);
    assert!(!local.sandbox.second_writer("none", &[], &[]));
}

#[tokio::test]
async fn processing_takes_its_time() {
    let local = Local::start(Seed { processing: Duration::from_millis(20), ..Seed::demo() }).await;
    local.faults(Faults { processing_ms: Some(3_600_000), ..Faults::default() });
    let (_, answer) = local.submit("acme-east", &[member("e-1")]).await;
    let (_, polled) = local.poll("acme-east", text(&answer, "/data/request_id")).await;
    assert!(polled["data"]["results"].is_null());
    assert!(local.references("acme-east").is_empty(), "nothing is visible before it is processed");

    local.faults(Faults::default());
    let (_, answer) = local.submit("demo", &[member("e-2")]).await;
    let ended = async {
        while local.poll("demo", text(&answer, "/data/request_id")).await.1["data"]["results"].is_null() {}
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
    assert_eq!(local.references("demo"), ["e-2"]);
}
