//! What a run leaves to be done by the daemon, from what became of it. Pure.

use crate::{
    attempt::State,
    ledger::{Attempt, GroupVerdict, Run, RunOutcome, Trigger},
    roster::GroupRef,
};
use chrono::{DateTime, TimeDelta, Utc};

/// Something to do after a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The group waits for a request in flight: run it as soon as that has ended.
    WhenItEnds(GroupRef),
    /// The answer to the group's roster was lost: run it at this instant.
    At(GroupRef, DateTime<Utc>),
    /// The whole feed could not be read or decided: try again.
    Retry,
    /// The group's roster did not reach Vitable: try it again.
    RetryGroup(GroupRef),
}

/// What follows from a run. `newest` gives the newest attempt of a group; a typed `sync` is not tried again by itself,
/// since its person sees how it went.
pub(super) fn after(
    run: &Run,
    newest: &dyn Fn(&GroupRef) -> Option<Attempt>,
    stuck_after: TimeDelta,
) -> Vec<Next> {
    let by_itself = matches!(run.trigger, Trigger::Schedule | Trigger::Recovery);
    let failed = run.result.as_ref().is_some_and(|result| result.outcome == RunOutcome::Failed);
    if run.groups.is_empty() {
        return if failed && by_itself { vec![Next::Retry] } else { Vec::new() };
    }
    let mut next = Vec::new();
    for report in &run.groups {
        if run.only.as_ref().is_some_and(|only| *only != report.group) {
            continue;
        }
        let group = report.group.clone();
        let newest = newest(&group);
        let mine = newest.as_ref().filter(|attempt| Some(attempt.id) == report.attempt);
        let lost = newest.as_ref().filter(|attempt| matches!(attempt.state, State::OutcomeUnknown { .. }));
        let waits = report.verdict == GroupVerdict::PassedOver;
        match (lost, mine.map(|attempt| &attempt.state)) {
            (Some(attempt), _) if waits || report.attempt.is_some() || attempt.run == run.id => {
                let due = attempt.changed_at.checked_add_signed(stuck_after).unwrap_or(attempt.changed_at);
                next.push(Next::At(group, due));
            }
            (None, _) if waits => next.push(Next::WhenItEnds(group)),
            (None, Some(State::NotSent { .. })) if by_itself => next.push(Next::RetryGroup(group)),
            _ => {}
        }
    }
    next
}
