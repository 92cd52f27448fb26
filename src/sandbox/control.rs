//! `/sandbox/…`: how tests of the built binary set faults and look inside. It takes no key.

use super::{
    faults::Faults,
    state::{CallInfo, Sandbox},
    sync::{RemovedInfo, RequestInfo},
};
use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, State},
    http::{Response, StatusCode},
    routing::{get, post, put},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Members of a group whose references are listed in the state; of a larger one only the number.
const LISTED: usize = 10_000;

pub(super) fn router() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/sandbox/faults", put(set_faults).get(show_faults))
        .route("/sandbox/state", get(show_state))
        .route("/sandbox/members", get(show_members))
        .route("/sandbox/bodies/{request_id}", get(show_body))
        .route("/sandbox/second-writer", post(second_writer))
}

async fn set_faults(State(sandbox): State<Arc<Sandbox>>, Json(faults): Json<Faults>) -> Json<Faults> {
    sandbox.set_faults(faults);
    Json(sandbox.faults())
}

async fn show_faults(State(sandbox): State<Arc<Sandbox>>) -> Json<Faults> {
    Json(sandbox.faults())
}

/// One group in `GET /sandbox/state`.
#[derive(Serialize)]
struct GroupState {
    id: String,
    organization_id: String,
    external_reference_id: String,
    name: String,
    members: usize,
    /// Each reference with the plan of its subscription.
    references: Option<BTreeMap<String, String>>,
    removed: Vec<RemovedInfo>,
    in_flight: usize,
    max_in_flight: usize,
}

/// `GET /sandbox/state`.
#[derive(Serialize)]
struct Shown {
    groups: Vec<GroupState>,
    requests: Vec<RequestInfo>,
    calls: Vec<CallInfo>,
    faults: Faults,
}

async fn show_state(State(sandbox): State<Arc<Sandbox>>) -> Json<Shown> {
    let groups = {
        let state = sandbox.lock();
        let groups = state.groups.iter().map(|group| GroupState {
            id: group.id.clone(),
            organization_id: group.organization.clone(),
            external_reference_id: group.reference.clone(),
            name: group.name.clone(),
            members: group.members.len(),
            references: (group.members.len() <= LISTED).then(|| {
                let members = group.members.iter();
                members
                    .map(|(id, member)| (id.as_ref().to_owned(), member.plan.as_ref().to_owned()))
                    .collect()
            }),
            removed: group.removed.clone(),
            in_flight: group.in_flight,
            max_in_flight: group.max_in_flight,
        });
        groups.collect()
    };
    let (requests, calls, faults) = (sandbox.requests(), sandbox.calls(), sandbox.faults());
    Json(Shown { groups, requests, calls, faults })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfGroup {
    group: String,
}

async fn show_members(
    State(sandbox): State<Arc<Sandbox>>,
    Query(of): Query<OfGroup>,
) -> Result<Json<BTreeMap<String, Value>>, StatusCode> {
    sandbox.group_id(&of.group).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(sandbox.members(&of.group)))
}

async fn show_body(
    State(sandbox): State<Arc<Sandbox>>,
    Path(request_id): Path<String>,
) -> Result<Response<Body>, StatusCode> {
    let submits = sandbox.submits();
    let submit = submits.into_iter().find(|submit| submit.request_id.as_ref() == Some(&request_id));
    let body = submit.and_then(|submit| submit.body).ok_or(StatusCode::NOT_FOUND)?;
    Ok(super::answer::raw(StatusCode::OK, "application/json", Body::from(body)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BehindOurBack {
    group: String,
    #[serde(default)]
    add: Vec<String>,
    #[serde(default)]
    remove: Vec<String>,
}

async fn second_writer(State(sandbox): State<Arc<Sandbox>>, Json(change): Json<BehindOurBack>) -> StatusCode {
    let (add, remove): (Vec<&str>, Vec<&str>) =
        (change.add.iter().map(String::as_str).collect(), change.remove.iter().map(String::as_str).collect());
    if sandbox.second_writer(&change.group, &add, &remove) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}
