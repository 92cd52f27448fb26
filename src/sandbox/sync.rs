//! What a sync does: the payload replaces those who are subscribed (guide, "Group Member Sync").

use super::{
    answer::{Answered, Refused, Reply, zulu},
    faults::{Faults, Order, ResultsShape},
    groups::{Group, Subscribed, shown_group_id},
    member::{BIRTH, FIRST, LAST, PLAN, Person, REFERENCE},
    seed::CoveredElsewhere,
    state::{State, id},
};
use crate::vitable::wire::SyncFailure;
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::time::Instant;

/// An accepted request.
pub(super) struct Request {
    id: String,
    group: usize,
    accepted_at: DateTime<Utc>,
    processing: Duration,
    due: Instant,
    payload: Vec<Person>,
    members: usize,
    /// Kept waiting by a backlog.
    pub(super) late: bool,
    outcome: Option<Outcome>,
}

/// What was done.
#[derive(Default)]
struct Outcome {
    completed_at: DateTime<Utc>,
    added: Vec<u64>,
    removed: Vec<(Box<str>, u64)>,
    failures: Vec<SyncFailure>,
}

/// An accepted request, for tests.
#[derive(Clone, Debug, Serialize)]
pub struct RequestInfo {
    /// `grpmsr_…`.
    pub request_id: String,
    /// The group's `external_reference_id`.
    pub group: String,
    /// When the 202 was decided.
    pub accepted_at: DateTime<Utc>,
    /// When it was processed; `None` while in flight.
    pub completed_at: Option<DateTime<Utc>>,
    /// Members in the payload.
    pub members: usize,
    /// How many were added.
    pub added: usize,
    /// The references removed, in order.
    pub removed: Vec<String>,
    /// The references to which something was not applied.
    pub failed: Vec<String>,
}

/// Somebody whose subscription ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemovedInfo {
    /// Who.
    pub reference_id: String,
    /// The request that did it; `None` for the second writer.
    pub request_id: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

impl Request {
    pub(super) fn info(&self, groups: &[Group]) -> RequestInfo {
        let outcome = self.outcome.as_ref();
        RequestInfo {
            request_id: self.id.clone(),
            group: groups.get(self.group).map(|group| group.reference.clone()).unwrap_or_default(),
            accepted_at: self.accepted_at,
            completed_at: outcome.map(|outcome| outcome.completed_at),
            members: self.members,
            added: outcome.map_or(0, |outcome| outcome.added.len()),
            removed: outcome.map_or_else(Vec::new, |outcome| {
                outcome.removed.iter().map(|(reference, _)| reference.as_ref().to_owned()).collect()
            }),
            failed: outcome.map_or_else(Vec::new, |outcome| {
                outcome.failures.iter().map(|failure| failure.reference_id.clone()).collect()
            }),
        }
    }

    /// When it counts as completed: after its processing time, or now when a backlog kept it waiting.
    fn completed_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let processing = TimeDelta::from_std(self.processing).unwrap_or_default();
        let planned = self.accepted_at.checked_add_signed(processing).unwrap_or(now);
        if self.late { now.max(self.accepted_at) } else { planned.min(now).max(self.accepted_at) }
    }
}

/// Who a person is, for "one group at a time": the reference alone is matched within a group only.
fn who(organization: &str, person: &Person) -> [u8; 16] {
    let mut hash = blake3::Hasher::new();
    for part in [organization, person.get(REFERENCE), person.get(LAST), person.get(BIRTH)] {
        hash.update(part.as_bytes()).update(&[0]);
    }
    let mut out = [0; 16];
    hash.finalize_xof().fill(&mut out);
    out
}

fn account_id(number: u64) -> String {
    id("grpmbr_", &[&number.to_le_bytes()])
}

/// Ids, off by what a fault asks for.
fn shown_ids(mut ids: Vec<String>, off_by: i32, of: &str) -> Vec<String> {
    let count = usize::try_from(off_by.unsigned_abs()).unwrap_or_default();
    if off_by < 0 {
        ids.truncate(ids.len().saturating_sub(count));
    } else {
        ids.extend(
            (0..count).map(|nobody| id("grpmbr_", &[b"nobody", of.as_bytes(), &nobody.to_le_bytes()])),
        );
    }
    ids
}

impl State {
    /// Accepts a checked payload.
    pub(super) fn accept(
        &mut self,
        group: usize,
        payload: Vec<Person>,
        now: DateTime<Utc>,
    ) -> (String, Reply) {
        let at = self.requests.len();
        let stamp = now.timestamp_nanos_opt().unwrap_or_default();
        let request_id = id("grpmsr_", &[&at.to_le_bytes(), &stamp.to_le_bytes()]);
        let processing = self.faults.processing_ms.map_or(self.seed.processing, Duration::from_millis);
        if let Some(group) = self.groups.get_mut(group) {
            group.in_flight += 1;
            group.max_in_flight = group.max_in_flight.max(group.in_flight);
        }
        let data = json!({
            "request_id": request_id,
            "group_id": self.groups.get(group).map(|group| shown_group_id(&group.id, &self.faults)),
            "accepted_at": zulu(now),
        });
        self.request_index.insert(request_id.clone(), at);
        self.queue.push(at);
        self.requests.push(Request {
            id: request_id.clone(),
            group,
            accepted_at: now,
            processing,
            due: Instant::now() + processing,
            members: payload.len(),
            payload,
            late: false,
            outcome: None,
        });
        (request_id, Ok(Answered::data(StatusCode::ACCEPTED, &data)))
    }

    /// The answer to a poll.
    pub(super) fn poll(&self, group: usize, request_id: &str) -> Reply {
        let request = self.request_index.get(request_id).and_then(|&at| self.requests.get(at));
        let request = request.filter(|request| request.group == group);
        let request = request.ok_or_else(|| Refused::not_found("Group member sync request"))?;
        let faults = &self.faults;
        let completed_at = request.outcome.as_ref().map(|outcome| zulu(outcome.completed_at));
        let results = request.outcome.as_ref().map(|outcome| results(outcome, faults));
        let shown_id = if faults.wrong_request_id { "grpmsr_somebody_elses" } else { &request.id };
        let data = json!({
            "request_id": shown_id,
            "group_id": self.groups.get(group).map(|group| shown_group_id(&group.id, faults)),
            "accepted_at": zulu(request.accepted_at),
            "completed_at": completed_at.filter(|_| faults.results != ResultsShape::WithoutCompletedAt),
            "results": results.filter(|_| faults.results != ResultsShape::Null),
        });
        Ok(Answered::data(StatusCode::OK, &data))
    }

    /// Processes every accepted request that is due. Within a group the one that goes first holds the others up.
    pub(super) fn settle(&mut self, now: DateTime<Utc>, instant: Instant) {
        if self.faults.backlog || self.queue.is_empty() {
            return;
        }
        let mut order = self.queue.clone();
        if self.faults.order == Order::NewestFirst {
            order.reverse();
        }
        let mut waiting = HashSet::new();
        let mut done = HashSet::new();
        for at in order {
            let Some(request) = self.requests.get(at) else {
                continue;
            };
            if waiting.contains(&request.group) || request.due > instant {
                waiting.insert(request.group);
            } else {
                self.process(at, now);
                done.insert(at);
            }
        }
        self.queue.retain(|at| !done.contains(at));
    }

    fn process(&mut self, at: usize, now: DateTime<Utc>) {
        let Some(request) = self.requests.get_mut(at) else {
            return;
        };
        let payload = std::mem::take(&mut request.payload);
        let (request_id, group) = (request.id.clone(), request.group);
        let mut outcome = Outcome { completed_at: request.completed_at(now), ..Outcome::default() };
        for person in payload {
            self.put(group, at, person, &mut outcome);
        }
        self.end_missing(group, at, &request_id, &mut outcome);
        if let Some(group) = self.groups.get_mut(group) {
            group.in_flight = group.in_flight.saturating_sub(1);
        }
        if let Some(request) = self.requests.get_mut(at) {
            request.outcome = Some(outcome);
        }
    }

    /// The failure that a fault asks for, if `operation` would touch this member.
    fn asked_failure(&self, reference: &str, operation: &str) -> Option<SyncFailure> {
        let asked = self.faults.fail_members.iter().find(|fail| {
            fail.reference_id == reference
                && (fail.operation == operation || !matches!(fail.operation.as_str(), "add" | "remove"))
        })?;
        Some(SyncFailure {
            reference_id: reference.to_owned(),
            operation: asked.operation.clone(),
            reason: asked.reason.clone(),
        })
    }

    /// One member of a payload: updated when subscribed, added when not.
    fn put(&mut self, group_at: usize, request: usize, person: Person, outcome: &mut Outcome) {
        let subscribed =
            self.groups.get(group_at).is_some_and(|group| group.members.contains_key(person.get(REFERENCE)));
        if subscribed {
            let failure = self.asked_failure(person.get(REFERENCE), "update");
            self.update(group_at, request, person, failure.is_none());
            outcome.failures.extend(failure);
            return;
        }
        let plan = match self.may_add(group_at, &person) {
            Ok(plan) => plan,
            Err(failure) => return outcome.failures.push(failure),
        };
        outcome.added.extend(self.subscribe(group_at, request, person, plan));
    }

    /// The field values follow the payload; the subscription, and so its plan, is left alone.
    fn update(&mut self, group_at: usize, request: usize, person: Person, apply: bool) {
        let Some(group) = self.groups.get_mut(group_at) else {
            return;
        };
        let organization = group.organization.clone();
        let Some(member) = group.members.get_mut(person.get(REFERENCE)) else {
            return;
        };
        member.seen = request;
        if apply {
            self.subscribed.remove(&who(&organization, &member.person));
            self.subscribed.insert(who(&organization, &person), group_at);
            member.person = person;
        }
    }

    fn subscribe(&mut self, group_at: usize, request: usize, person: Person, plan: Arc<str>) -> Option<u64> {
        let group = self.groups.get_mut(group_at)?;
        let reference: Box<str> = person.get(REFERENCE).into();
        let account = group.former.remove(&reference).unwrap_or_else(|| {
            self.accounts += 1;
            self.accounts
        });
        self.subscribed.insert(who(&group.organization, &person), group_at);
        group.members.insert(reference, Subscribed { person, plan, account, seen: request });
        Some(account)
    }

    /// The plan of somebody who may be added; or why not.
    fn may_add(&self, group_at: usize, person: &Person) -> Result<Arc<str>, SyncFailure> {
        let reference = person.get(REFERENCE);
        if let Some(failure) = self.asked_failure(reference, "add") {
            return Err(failure);
        }
        let fail = |reason: String| SyncFailure {
            reference_id: reference.to_owned(),
            operation: "add".to_owned(),
            reason,
        };
        let wanted = person.get(PLAN);
        let plan = self.plans.iter().find(|plan| plan.as_ref() == wanted);
        let plan = plan.ok_or_else(|| fail(format!("Plan {wanted} not found")))?;
        let elsewhere = self.seed.covered_elsewhere.iter().any(|covered| match covered {
            CoveredElsewhere::Reference(covered) => covered == reference,
            CoveredElsewhere::Person { first_name, last_name, date_of_birth } => {
                first_name.eq_ignore_ascii_case(person.get(FIRST))
                    && last_name.eq_ignore_ascii_case(person.get(LAST))
                    && date_of_birth == person.get(BIRTH)
            }
        });
        let organization =
            self.groups.get(group_at).map(|group| group.organization.as_str()).unwrap_or_default();
        let in_another = self.seed.one_group_at_a_time
            && self.subscribed.get(&who(organization, person)).is_some_and(|&at| at != group_at);
        if elsewhere || in_another {
            return Err(fail("Member already has an active subscription!".to_owned()));
        }
        Ok(Arc::clone(plan))
    }

    /// Whoever is subscribed and was not in the payload loses the subscription, and keeps the account.
    fn end_missing(&mut self, group_at: usize, request: usize, request_id: &str, outcome: &mut Outcome) {
        let Some(group) = self.groups.get(group_at) else {
            return;
        };
        let missing = group.members.iter().filter(|(_, member)| member.seen != request);
        let missing: Vec<Box<str>> = missing.map(|(reference, _)| reference.clone()).collect();
        for reference in missing {
            match self.asked_failure(&reference, "remove") {
                Some(failure) => outcome.failures.push(failure),
                None => {
                    let account = self.end(group_at, &reference, Some(request_id), outcome.completed_at);
                    outcome.removed.extend(account.map(|account| (reference, account)));
                }
            }
        }
    }

    fn end(&mut self, group_at: usize, reference: &str, by: Option<&str>, at: DateTime<Utc>) -> Option<u64> {
        let group = self.groups.get_mut(group_at)?;
        let (key, member) = group.members.remove_entry(reference)?;
        self.subscribed.remove(&who(&group.organization, &member.person));
        group.removed.push(RemovedInfo {
            reference_id: reference.to_owned(),
            request_id: by.map(str::to_owned),
            at,
        });
        group.former.insert(key, member.account);
        Some(member.account)
    }

    /// The second writer.
    pub(super) fn write_behind(
        &mut self,
        group_ref: &str,
        add: &[&str],
        remove: &[&str],
        now: DateTime<Utc>,
    ) -> bool {
        let Some(at) = self.groups.iter().position(|group| group.reference == group_ref) else {
            return false;
        };
        for reference in remove {
            self.end(at, reference, None, now);
        }
        let Some(plan) = self.plans.first().map(Arc::clone) else {
            return add.is_empty();
        };
        for reference in add {
            let known = self.groups.get(at).is_some_and(|group| group.members.contains_key(*reference));
            if !known {
                let person = Person::invented(reference, &plan);
                self.subscribe(at, usize::MAX, person, Arc::clone(&plan));
            }
        }
        true
    }
}

/// `results`, as whole as the faults leave them.
fn results(outcome: &Outcome, faults: &Faults) -> Value {
    let added = outcome.added.iter().copied().map(account_id).collect();
    let removed = outcome.removed.iter().map(|(_, account)| account_id(*account)).collect();
    let mut failures = outcome.failures.clone();
    if faults.unknown_operation {
        for failure in &mut failures {
            "reactivate".clone_into(&mut failure.operation);
        }
    }
    let mut results = Map::new();
    if faults.results != ResultsShape::WithoutAdded {
        results.insert(
            "added_group_member_ids".to_owned(),
            json!(shown_ids(added, faults.added_off_by, "added")),
        );
    }
    if faults.results != ResultsShape::WithoutRemoved {
        let ids = shown_ids(removed, faults.removed_off_by, "removed");
        results.insert("removed_group_member_ids".to_owned(), json!(ids));
    }
    if faults.results != ResultsShape::WithoutFailures {
        results.insert("failures".to_owned(), json!(failures));
    }
    Value::Object(results)
}
