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
    // A file that a person sent in place of the source is never followed by the source's own, and a group that a
    // person emptied is emptied again by a person alone.
    if run.file.is_some() || run.trigger == Trigger::Emptying {
        return Vec::new();
    }
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
            (None, Some(State::NotSent { .. } | State::Rejected { status: 401 | 403, .. })) if by_itself => {
                next.push(Next::RetryGroup(group));
            }
            (None, _) if report.again && by_itself => next.push(Next::RetryGroup(group)),
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

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn group() -> GroupRef {
        GroupRef::new("acme-east").unwrap()
    }

    fn report(verdict: GroupVerdict, attempt: Option<u64>) -> GroupReport {
        GroupReport { attempt: attempt.map(AttemptId), ..GroupReport::new(group(), verdict) }
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
            departures: Vec::new(),
            approval: None,
            half: false,
            outcome: None,
            refused: Vec::new(),
        }
    }

    type Case = (&'static str, Run, Option<Attempt>, Vec<Next>);

    fn lost() -> State {
        State::OutcomeUnknown { why: String::new() }
    }

    fn in_time() -> Vec<Next> {
        vec![Next::At(group(), at(10 + 900))]
    }

    fn check(cases: Vec<Case>) {
        for (name, run, newest, expected) in cases {
            assert_eq!(after(&run, &|_| newest.clone(), TimeDelta::minutes(15)), expected, "{name}");
        }
    }

    #[test]
    fn what_follows_when_nothing_was_sent() {
        use GroupVerdict::{Hold, PassedOver};
        use RunOutcome::{Done, Failed, Held};
        use Trigger::{Recovery, Schedule, Sync};
        let accepted = State::Accepted { request_id: RequestId::new("grpmsr_1").unwrap() };
        check(vec![
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
                Some(attempt(1, 3, lost())),
                in_time(),
            ),
        ]);
        let mut sent_along = run(Sync, Failed, vec![report(PassedOver, None)]);
        sent_along.file = Some("fixed.csv".to_owned());
        assert_eq!(
            after(&sent_along, &|_| None, TimeDelta::minutes(15)),
            vec![],
            "the source's file may be wrong"
        );
        let mut other = run(Schedule, Failed, vec![report(PassedOver, None)]);
        other.only = Some(GroupRef::new("acme-west").unwrap());
        assert_eq!(after(&other, &|_| None, TimeDelta::minutes(15)), vec![], "another group was asked for");
    }

    #[test]
    fn what_follows_when_a_roster_was_to_be_sent() {
        use GroupVerdict::{Refused, Submit, Unchanged};
        use RunOutcome::{Done, Failed};
        use Trigger::{Schedule, Sync};
        let not_sent = State::NotSent { why: String::new() };
        let refused = |status| State::Rejected { status, message: String::new(), trace_id: None };
        check(vec![
            (
                "its own answer was lost",
                run(Sync, Failed, vec![report(Submit, Some(2))]),
                Some(attempt(2, 4, lost())),
                in_time(),
            ),
            (
                "cut off while it was on its way",
                run(Sync, Failed, vec![report(Submit, None)]),
                Some(attempt(2, 4, lost())),
                in_time(),
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
                "the key was refused, and may be mended",
                run(Schedule, Failed, vec![report(Submit, Some(2))]),
                Some(attempt(2, 4, refused(403))),
                vec![Next::RetryGroup(group())],
            ),
            (
                "not sent because the key is refused",
                run(Schedule, Failed, vec![GroupReport { again: true, ..report(Refused, None) }]),
                None,
                vec![Next::RetryGroup(group())],
            ),
            (
                "refused: only a person can cure it",
                run(Schedule, Failed, vec![report(Submit, Some(2))]),
                Some(attempt(2, 4, refused(400))),
                vec![],
            ),
        ]);
    }
}
