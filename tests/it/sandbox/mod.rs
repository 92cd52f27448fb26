//! The sandbox, over real HTTP: it must be as strict as the contract, or it proves nothing about the client.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails here"
)]

mod contract;
mod faults;
mod whole;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use rosterd::{
    clock::{Clock, SetClock},
    sandbox::{
        Answer, CallKind, CoveredElsewhere, FailMember, Faults, NextAnswer, Order, ResultsShape, Sandbox,
        Seed, run, serve,
    },
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};

/// A sandbox that serves on loopback as long as this lives.
struct Local {
    sandbox: Arc<Sandbox>,
    base: String,
    http: reqwest::Client,
    _serving: JoinSet<()>,
}

type Answered = (StatusCode, Value);

fn noon() -> DateTime<Utc> {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

fn client() -> reqwest::Client {
    // Another test of this process may have installed it.
    rustls::crypto::ring::default_provider().install_default().unwrap_or(());
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

impl Local {
    async fn start(seed: Seed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let sandbox = Arc::new(Sandbox::new(seed, Arc::new(SetClock::new(noon()))));
        let mut serving = JoinSet::new();
        let served = Arc::clone(&sandbox);
        serving.spawn(async move { serve(served, listener, std::future::pending()).await.unwrap() });
        Self { sandbox, base, http: client(), _serving: serving }
    }

    /// Processing takes no time.
    async fn quick() -> Self {
        Self::start(Seed { processing: Duration::ZERO, ..Seed::demo() }).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth("vit_apk_sandbox")
    }

    async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> reqwest::Result<reqwest::Response> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        request.send().await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answered {
        read(self.raw(method, path, body.map(|body| body.to_string())).await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Answered {
        self.call(Method::GET, path, None).await
    }

    fn sync_path(&self, group: &str) -> String {
        format!("/v1/groups/{}/members/sync", self.sandbox.group_id(group).unwrap())
    }

    async fn submit(&self, group: &str, members: &[Value]) -> Answered {
        self.call(Method::POST, &self.sync_path(group), Some(json!({ "members": members }))).await
    }

    async fn poll(&self, group: &str, request_id: &str) -> Answered {
        self.get(&format!("{}/{request_id}", self.sync_path(group))).await
    }

    /// Submits to a quick sandbox, and gives the results.
    async fn sync(&self, group: &str, members: &[Value]) -> Value {
        let (status, answer) = self.submit(group, members).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        let (_, polled) = self.poll(group, text(&answer, "/data/request_id")).await;
        assert!(polled.pointer("/data/completed_at").unwrap().is_string(), "{polled}");
        polled.pointer("/data/results").unwrap().clone()
    }

    fn references(&self, group: &str) -> Vec<String> {
        self.sandbox.members(group).into_keys().collect()
    }

    fn faults(&self, faults: Faults) {
        self.sandbox.set_faults(faults);
    }

    fn next(&self, call: CallKind, answer: Answer) {
        self.faults(Faults { next: vec![NextAnswer::new(call, 1, answer)], ..Faults::default() });
    }
}

async fn read(response: reqwest::Response) -> Answered {
    let status = response.status();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into()))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

fn list<'a>(value: &'a Value, field: &str) -> &'a Vec<Value> {
    value.get(field).and_then(Value::as_array).unwrap_or_else(|| panic!("no {field} in {value}"))
}

fn member(reference: &str) -> Value {
    json!({
        "reference_id": reference,
        "first_name": "Ada",
        "last_name": format!("Quill {reference}"),
        "date_of_birth": "1990-05-15",
        "phone": "5550100101",
        "plan_id": "pln_gold",
        "address": { "address_line_1": "1 Elm St", "city": "Troy", "state": "NY", "zipcode": "12180" },
    })
}

/// A member with one value changed, or taken out with null… as the contract reads both the same.
fn with(reference: &str, pointer: &str, value: Value) -> Value {
    let mut member = member(reference);
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = member.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.insert(field.to_owned(), value);
    member
}
