//! A look at a request that Vitable accepted.

use super::{ApiError, Client, client::Pace, reason::failure_kind, scrub::scrub, wire};
use crate::{
    attempt::{Failure, Operation, Outcome},
    roster::{GroupId, ReferenceId, RequestId},
};

/// What a look at a request shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Vitable is still at it.
    InFlight,
    /// Vitable has finished. The failures' reasons are Vitable's own words: scrub them before they are kept.
    Finished(Outcome),
    /// It says that it has finished but not what it did: in flight still, with this note for a person.
    NotCompletion(String),
}

impl Client {
    /// Looks at a request. Polls of the whole daemon have one pace, so this may wait for its turn.
    ///
    /// # Errors
    /// When no readable answer came, or when the answer is about another request or group.
    pub async fn poll(&self, group: &GroupId, request: &RequestId) -> Result<Polled, ApiError> {
        let url = self.url(&["v1", "groups", group.as_str(), "members", "sync", request.as_str()]);
        let answer: wire::Data<wire::SyncRequest> = self.get(&url, Pace::Poll).await?;
        let answer = answer.data;
        if answer.request_id != request.as_str() {
            return Err(ApiError::unreadable(
                None,
                format!("request `{request}` was asked for, and the answer is about another request"),
            ));
        }
        if answer.group_id.as_deref().is_some_and(|id| id != group.as_str()) {
            return Err(ApiError::unreadable(
                None,
                format!("group `{group}` was asked for, and the answer is about another group"),
            ));
        }
        Ok(read(answer))
    }
}

fn read(answer: wire::SyncRequest) -> Polled {
    let not = |what: &str| {
        Polled::NotCompletion(format!(
            "vitable's answer {what}: rosterd takes the request for unfinished; if it stays so, tell Vitable's support the request id"
        ))
    };
    let results = match (answer.completed_at, answer.results) {
        (None, None) => return Polled::InFlight,
        (Some(_), None) => return not("has `completed_at` without `results`"),
        (None, Some(_)) => return not("has `results` without `completed_at`"),
        (Some(_), Some(results)) => results,
    };
    let (Some(added), Some(removed), Some(failures)) =
        (results.added_group_member_ids, results.removed_group_member_ids, results.failures)
    else {
        return not("has `results` without one of its three lists");
    };
    let failures: Option<Vec<Failure>> = failures.into_iter().map(failure).collect();
    let Some(failures) = failures else {
        return not("has a failure whose `reference_id` cannot be read");
    };
    Polled::Finished(Outcome { added: added.0, removed: removed.0, failures })
}

fn failure(failure: wire::SyncFailure) -> Option<Failure> {
    Some(Failure {
        reference_id: ReferenceId::new(&failure.reference_id).ok()?,
        operation: match failure.operation.as_str() {
            "add" => Operation::Add,
            "remove" => Operation::Remove,
            other => Operation::Unknown(scrub(other, std::iter::empty())),
        },
        kind: failure_kind(&failure.reason),
        reason: failure.reason,
        since: None,
        thought_covered: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn polled(completed_at: serde_json::Value, results: serde_json::Value) -> Polled {
        let answer =
            json!({"request_id": "grpmsr_1", "completed_at": completed_at, "results": results, "new": 1});
        read(serde_json::from_value(answer).unwrap())
    }

    #[test]
    fn only_both_a_time_and_three_lists_are_completion() {
        let lists = json!({"added_group_member_ids": ["grpmbr_1", "grpmbr_2"], "removed_group_member_ids": [],
            "failures": [{"reference_id": "e-1", "operation": "add", "reason": "Plan pln_1 not found"},
                         {"reference_id": "e-2", "operation": "merge", "reason": null}]});
        let Polled::Finished(outcome) = polled(json!("2026-11-22T09:00:00Z"), lists.clone()) else {
            panic!("finished");
        };
        assert_eq!((outcome.added, outcome.removed), (2, 0));
        assert_eq!(outcome.failures[0].operation, Operation::Add);
        assert_eq!(outcome.failures[1].operation, Operation::Unknown("merge".into()));
        assert_eq!(outcome.failures[1].reason, "");
        assert_eq!(polled(json!(null), json!(null)), Polled::InFlight);
        for (completed_at, results) in [
            (json!("t"), json!(null)),
            (json!(null), lists),
            (json!("t"), json!({"added_group_member_ids": [], "failures": []})),
            (
                json!("t"),
                json!({"added_group_member_ids": [], "removed_group_member_ids": null, "failures": []}),
            ),
            (
                json!("t"),
                json!({"added_group_member_ids": [], "removed_group_member_ids": [],
                       "failures": [{"reference_id": "", "operation": "add"}]}),
            ),
        ] {
            let found = polled(completed_at, results);
            assert!(matches!(found, Polled::NotCompletion(_)), "{found:?}");
        }
    }
}
