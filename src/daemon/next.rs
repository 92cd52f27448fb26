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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ledger::{AttemptId, Counts, GroupReport, RunResult},
        roster::{FeedName, GroupId, RequestId, RunId},
    };
    use std::collections::BTreeMap;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn group() -> GroupRef {
        GroupRef::new("acme-east").unwrap()
    }

    fn report(verdict: GroupVerdict, attempt: Option<u64>) -> GroupReport {
        GroupReport {
            group: group(),
            group_id: None,
            verdict,
            reasons: Vec::new(),
            counts: Counts::default(),
            members: BTreeMap::new(),
            attempt: attempt.map(AttemptId),
            digest: None,
            approvable: false,
            body: None,
        }
    }

    fn run(trigger: Trigger, outcome: RunOutcome, groups: Vec<GroupReport>) -> Run {
        Run {
            id: RunId(4),
            feed: FeedName::new("acme").unwrap(),
            trigger,
            began: at(0),
            ended: Some(at(1)),
            result: Some(RunResult { outcome, summary: String::new() }),
            read: None,
            groups,
            only: None,
            file: None,
            after: None,
            due: None,
            stopped: false,
        }
    }

    fn attempt(id: u64, of_run: u64, state: State) -> Attempt {
        Attempt {
            id: AttemptId(id),
            run: RunId(of_run),
            feed: FeedName::new("acme").unwrap(),
            group: group(),
            group_id: GroupId::new("grp_1").unwrap(),
            state,
            prepared_at: at(0),
            changed_at: at(10),
            counts: Counts::default(),
            removed: Vec::new(),
            approval: None,
            outcome: None,
        }
    }

    #[test]
    fn what_follows_from_every_kind_of_end() {
        use GroupVerdict::{Hold, PassedOver, Submit, Unchanged};
        use RunOutcome::{Done, Failed, Held};
        use Trigger::{Recovery, Schedule, Sync};
        let accepted = State::Accepted { request_id: RequestId::new("grpmsr_1").unwrap() };
        let lost = State::OutcomeUnknown { why: String::new() };
        let not_sent = State::NotSent { why: String::new() };
        let rejected = State::Rejected { status: 400, message: String::new(), trace_id: None };
        let in_time = vec![Next::At(group(), at(10 + 900))];
        type Case = (&'static str, Run, Option<Attempt>, Vec<Next>);
        let cases: Vec<Case> = vec![
            ("not read, by itself", run(Schedule, Failed, vec![]), None, vec![Next::Retry]),
            ("not read, after a crash", run(Recovery, Failed, vec![]), None, vec![Next::Retry]),
            ("not read, typed", run(Sync, Failed, vec![]), None, vec![]),
            ("nothing to do", run(Schedule, Done, vec![]), None, vec![]),
            ("held", run(Schedule, Held, vec![report(Hold, None)]), None, vec![]),
            (
                "behind a request in flight",
                run(Sync, Failed, vec![report(PassedOver, None)]),
                Some(attempt(1, 3, accepted)),
                vec![Next::WhenItEnds(group())],
            ),
            (
                "behind a lost answer",
                run(Schedule, Failed, vec![report(PassedOver, None)]),
                Some(attempt(1, 3, lost.clone())),
                in_time.clone(),
            ),
            (
                "its own answer was lost",
                run(Sync, Failed, vec![report(Submit, Some(2))]),
                Some(attempt(2, 4, lost.clone())),
                in_time.clone(),
            ),
            (
                "cut off while it was on its way",
                run(Sync, Failed, vec![report(Submit, None)]),
                Some(attempt(2, 4, lost)),
                in_time,
            ),
            (
                "it did not reach Vitable, by itself",
                run(Schedule, Failed, vec![report(Submit, Some(2))]),
                Some(attempt(2, 4, not_sent.clone())),
                vec![Next::RetryGroup(group())],
            ),
            (
                "it did not reach Vitable, typed",
                run(Sync, Failed, vec![report(Submit, Some(2))]),
                Some(attempt(2, 4, not_sent.clone())),
                vec![],
            ),
            (
                "an older one did not reach Vitable",
                run(Schedule, Done, vec![report(Unchanged, None)]),
                Some(attempt(1, 3, not_sent)),
                vec![],
            ),
            (
                "refused: only a person can cure it",
                run(Schedule, Failed, vec![report(Submit, Some(2))]),
                Some(attempt(2, 4, rejected)),
                vec![],
            ),
        ];
        for (name, run, newest, expected) in cases {
            assert_eq!(after(&run, &|_| newest.clone(), TimeDelta::minutes(15)), expected, "{name}");
        }
        let mut other = run(Schedule, Failed, vec![report(PassedOver, None)]);
        other.only = Some(GroupRef::new("acme-west").unwrap());
        assert_eq!(after(&other, &|_| None, TimeDelta::minutes(15)), vec![], "another group was asked for");
    }
}
