//! The contract of `vitable-api.md`, without faults.

use super::*;

#[tokio::test]
async fn a_payload_replaces_those_who_are_subscribed() {
    let local = Local::quick().await;
    let first = local.sync("acme-east", &[member("e-1"), member("e-2")]).await;
    assert_eq!(list(&first, "added_group_member_ids").len(), 2);
    assert_eq!(list(&first, "removed_group_member_ids").len(), 0);
    assert_eq!(list(&first, "failures").len(), 0);

    // e-1 goes, e-3 comes, e-2 moves house; the changed plan is not applied.
    let mut changed = with("e-2", "/plan_id", json!("pln_silver"));
    changed["address"]["city"] = json!("Utica");
    let second = local.sync("acme-east", &[changed, member("e-3")]).await;
    let removed = list(&second, "removed_group_member_ids").clone();
    assert_eq!(removed, first["added_group_member_ids"].as_array().unwrap()[..1]);
    assert!(text(&second, "/added_group_member_ids/0").starts_with("grpmbr_"));
    let members = local.sandbox.members("acme-east");
    assert_eq!(members["e-2"]["plan_id"], "pln_gold");
    assert_eq!(members["e-2"]["address"]["city"], "Utica");
    assert_eq!(members["e-3"], member("e-3"));

    // Whoever comes back has the account of before; a new subscription takes the new plan.
    let third = local.sync("acme-east", &[with("e-1", "/plan_id", json!("pln_silver"))]).await;
    assert_eq!(list(&third, "added_group_member_ids"), &removed);
    assert_eq!(local.sandbox.members("acme-east")["e-1"]["plan_id"], "pln_silver");

    let fourth = local.sync("acme-east", &[]).await;
    assert_eq!(list(&fourth, "removed_group_member_ids"), &removed);
    assert!(local.references("acme-east").is_empty());
    let history: Vec<String> =
        local.sandbox.removed("acme-east").into_iter().map(|removed| removed.reference_id).collect();
    assert_eq!(history, ["e-1", "e-2", "e-3", "e-1"]);
    let requests = local.sandbox.requests();
    assert_eq!(requests.iter().map(|request| request.members).collect::<Vec<_>>(), [2, 2, 1, 0]);
    assert_eq!(requests[1].removed, ["e-1"]);
    assert_eq!(local.sandbox.max_in_flight("acme-east"), 1);
}

#[tokio::test]
async fn every_rule_of_a_member_is_checked_and_named() {
    let local = Local::quick().await;
    local.sync("demo", &[member("kept")]).await;
    let long = || json!("é".repeat(256));
    let cases = [
        ("/reference_id", json!("")),
        ("/reference_id", long()),
        ("/first_name", json!(" ")),
        ("/first_name", long()),
        ("/last_name", Value::Null),
        ("/last_name", json!(7)),
        ("/date_of_birth", json!("05/15/1990")),
        ("/date_of_birth", json!("1990-02-30")),
        ("/date_of_birth", json!("1990-5-15")),
        ("/phone", Value::Null),
        ("/phone", json!("+15550100101")),
        ("/phone", json!("555010010")),
        ("/phone", json!(5_550_100_101_u64)),
        ("/plan_id", json!("gold")),
        ("/plan_id", json!("pln_")),
        ("/email", json!("ada")),
        ("/email", json!("ada@mail")),
        ("/email", json!("")),
        ("/address", Value::Null),
        ("/address", json!("1 Elm St, Troy")),
        ("/address/address_line_1", Value::Null),
        ("/address/address_line_1", long()),
        ("/address/address_line_2", long()),
        ("/address/city", json!("")),
        ("/address/state", json!("ny")),
        ("/address/state", json!("UM")),
        ("/address/zipcode", json!("1218")),
        ("/address/zipcode", json!("12180-12")),
        ("/address/zipcode", json!("121801234")),
    ];
    for (pointer, value) in cases {
        let wrong = with("e-9", pointer, value.clone());
        let (status, answer) = local.submit("demo", &[member("e-1"), wrong]).await;
        let path = format!("members[1].{} (", pointer.trim_start_matches('/').replace('/', "."));
        assert_eq!(status, StatusCode::BAD_REQUEST, "{pointer} {value}");
        assert!(text(&answer, "/message").starts_with(&path), "{pointer} {value}: {answer}");
        assert!(!text(&answer, "/message").contains("; "), "one problem alone: {answer}");
    }
    assert_eq!(local.references("demo"), ["kept"], "nothing of a refused payload is applied");
    for (pointer, value) in [
        ("/first_name", json!("é".repeat(255))),
        ("/email", json!("a.b+c@mail.example")),
        ("/email", Value::Null),
        ("/address/address_line_2", json!("Apt 2")),
        ("/address/zipcode", json!("12180-1234")),
        ("/plan_id", json!("plan_of_the_library")),
        ("/x_unknown", json!({"a": [1]})),
    ] {
        let (status, answer) = local.submit("demo", &[with("e-1", pointer, value)]).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{pointer}: {answer}");
    }
}

#[tokio::test]
async fn all_problems_of_a_payload_come_at_once() {
    let local = Local::quick().await;
    let (status, answer) = local
        .submit(
            "demo",
            &[with("a", "/phone", json!("1")), member("b"), with("b", "/address/state", json!("??"))],
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        text(&answer, "/message"),
        "members[0].phone (reference_id \"a\"): must be a 10-digit US phone number, digits only; \
         members[2].address.state (reference_id \"b\"): must be a two-letter US state or territory code; \
         members[2].reference_id (reference_id \"b\"): is the same as that of members[1]"
    );
    assert_eq!(answer["error"], answer["message"]);
    assert_eq!(answer["app_error_code"], "validation_error");
    assert!(text(&answer, "/trace_id").starts_with("trace_"));
    assert_eq!(text(&answer, "/timestamp"), "2026-03-02T12:00:00.000000+00:00");

    for body in
        ["", "{", "[]", "{}", "{\"members\": 3}", "{\"members\": [7]}", "{\"members\": []} x", "<html>"]
    {
        let response =
            local.raw(Method::POST, &local.sync_path("demo"), Some(body.to_owned())).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
    }
    let request = local.request(Method::POST, &local.sync_path("demo")).body("{\"members\": []}");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(local.sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_member_who_cannot_be_added_fails_alone() {
    let person = CoveredElsewhere::Person {
        first_name: "ada".into(),
        last_name: "Quill Busy".into(),
        date_of_birth: "1990-05-15".into(),
    };
    let reference = CoveredElsewhere::Reference("e-5".into());
    let seed =
        Seed { processing: Duration::ZERO, covered_elsewhere: vec![person, reference], ..Seed::demo() };
    let local = Local::start(seed).await;
    local.sync("acme-west", &[member("e-7")]).await;
    let roster = [
        member("e-1"),
        member("e-5"),
        with("e-6", "/last_name", json!("QUILL BUSY")),
        member("e-7"),
        with("e-8", "/plan_id", json!("pln_none")),
    ];
    let results = local.sync("acme-east", &roster).await;
    let failures: Vec<(&str, &str)> = list(&results, "failures")
        .iter()
        .map(|failure| {
            assert_eq!(text(failure, "/operation"), "add");
            (text(failure, "/reference_id"), text(failure, "/reason"))
        })
        .collect();
    let busy = "Member already has an active subscription!";
    let expected = [("e-5", busy), ("e-6", busy), ("e-7", busy), ("e-8", "Plan pln_none not found")];
    assert_eq!(failures, expected);
    assert_eq!(local.references("acme-east"), ["e-1"]);

    // Once the other group has let go, the member can join.
    local.sync("acme-west", &[]).await;
    let results = local.sync("acme-east", &[member("e-1"), member("e-7")]).await;
    assert_eq!(list(&results, "failures").len(), 0);
    assert_eq!(local.references("acme-east"), ["e-1", "e-7"]);
}

#[tokio::test]
async fn the_key_and_the_organization_are_looked_at() {
    let further = vec!["org_other".to_owned()];
    let local = Local::start(Seed { further_organizations: further, ..Seed::demo() }).await;
    let ask = async |key: &str, organization: Option<&str>| {
        let mut request = local.http.get(format!("{}/v1/groups", local.base)).header("authorization", key);
        if let Some(organization) = organization {
            request = request.header("X-Vitable-Organization", organization);
        }
        let (status, answer) = read(request.send().await.unwrap()).await;
        let code = answer.get("app_error_code").and_then(Value::as_str).unwrap_or_default().to_owned();
        (status.as_u16(), code, answer.get("data").and_then(Value::as_array).map(Vec::len))
    };
    let key = "Bearer vit_apk_sandbox";
    assert_eq!(ask("Bearer vit_apk_other", None).await, (401, "authentication_failed".into(), None));
    assert_eq!(ask("vit_apk_sandbox", None).await.0, 401);
    assert_eq!(ask(key, None).await, (400, "organization_required".into(), None));
    assert_eq!(ask(key, Some("acme")).await, (400, "invalid_organization_header".into(), None));
    assert_eq!(ask(key, Some("org_none")).await, (403, "organization_access_denied".into(), None));
    assert_eq!(ask(key, Some("org_sandbox")).await, (200, String::new(), Some(3)));
    assert_eq!(ask(key, Some("org_other")).await, (200, String::new(), Some(0)));

    let only = Local::quick().await;
    assert_eq!(only.get("/v1/groups").await.0, StatusCode::OK);
    assert_eq!(only.get("/v1/nothing").await.0, StatusCode::NOT_FOUND);
    assert_eq!(only.call(Method::DELETE, "/v1/groups", None).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn groups_are_listed_created_and_changed() {
    let local = Local::quick().await;
    let new = |reference: &str| Some(json!({"name": "New", "external_reference_id": reference}));
    let (status, created) = local.call(Method::POST, "/v1/groups", new("acme-north")).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(created["data"]["organization_id"], "org_sandbox");
    let id = text(&created, "/data/id").to_owned();
    assert!(id.starts_with("grp_"));
    assert_eq!(local.call(Method::POST, "/v1/groups", new("acme-north")).await.0, StatusCode::CONFLICT);
    assert_eq!(local.call(Method::POST, "/v1/groups", new("")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(local.get(&format!("/v1/groups/{id}")).await.1, created);
    assert_eq!(local.get("/v1/groups/grp_none").await.0, StatusCode::NOT_FOUND);
    let path = format!("/v1/groups/{id}");
    let taken = json!({"external_reference_id": "demo"});
    assert_eq!(local.call(Method::PATCH, &path, Some(taken)).await.0, StatusCode::CONFLICT);
    let (_, patched) = local.call(Method::PATCH, &path, Some(json!({"name": "Newer"}))).await;
    assert_eq!(patched["data"]["name"], "Newer");
    assert_eq!(patched["data"]["external_reference_id"], "acme-north");

    let (_, found) = local.get("/v1/groups?external_reference_id=acme-west").await;
    assert_eq!(list(&found, "data").len(), 1);
    let (_, second) = local.get("/v1/groups?page=2&limit=3").await;
    assert_eq!(second["data"][0]["external_reference_id"], "acme-north");
    assert_eq!(second["pagination"], json!({"page": 2, "limit": 3, "total": 4, "total_pages": 2}));
    assert_eq!(local.get("/v1/groups?page=0").await.0, StatusCode::BAD_REQUEST);
    let (_, plans) = local.get("/v1/plans").await;
    assert_eq!(plans["data"][0], json!({"id": "pln_gold", "name": "Gold"}));

    local.faults(Faults { filter_ignored: true, page_size: Some(2), ..Faults::default() });
    let (_, page) = local.get("/v1/groups?external_reference_id=acme-west&limit=100").await;
    assert_eq!(list(&page, "data").len(), 2);
    assert_eq!(page["pagination"], json!({"page": 1, "limit": 2, "total": 4, "total_pages": 2}));
    local.faults(Faults { lying_total: Some(2), page_size: Some(2), ..Faults::default() });
    assert_eq!(local.get("/v1/groups").await.1["pagination"]["total_pages"], 1);
    local.faults(Faults { no_pagination: true, wrong_organization: true, ..Faults::default() });
    let (_, whole) = local.get("/v1/groups?limit=1").await;
    assert_eq!((list(&whole, "data").len(), whole.get("pagination")), (4, None));
    assert_eq!(whole["data"][0]["organization_id"], "org_somebody_else");
}
