//! Whether all is well, for the heartbeat: what is known of each feed's last due run, and one pure answer.
//!
//! A change that is held and rows that are left out are no ill: a person has been told. A run that failed is one, and
//! so is a run that was due and did not come. What a person types makes a feed well again, and no well one ill: he
//! sees how it went.

use crate::{
    attempt::State,
    engine::{Engine, Feed},
    ledger::{Ledger, LedgerError, Run, RunOutcome, ScheduleState, Trigger},
    notify::Kind,
    roster::{FeedName, GroupRef},
    schedule,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// How many runs of a feed are looked through at the start, until one that says how it is.
const EARLIER_RUNS: usize = 20;
/// A source may have nothing to read for so long, and Vitable be away.
const PATIENCE: TimeDelta = TimeDelta::hours(1);

/// What is known of every feed.
pub(super) type Healths = BTreeMap<FeedName, Health>;

/// How the last due run of a feed went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// It could not be read or decided.
    failed: bool,
    /// Groups that do not have their roster. A run of one of them alone makes that one good again.
    bad: BTreeSet<GroupRef>,
    /// Since when a run is due that has not ended.
    owed: Option<DateTime<Utc>>,
    /// A run was due and is not made up for.
    missed: bool,
}

impl Health {
    /// A run is due for this instant.
    pub(super) fn due(&mut self, instant: DateTime<Utc>) {
        self.owed.get_or_insert(instant);
    }

    /// A run was due and is left out.
    pub(super) fn missed(&mut self) {
        self.missed = true;
    }

    /// A person paused the feed, or let it go on: nothing that was due is waited for.
    pub(super) fn paused(&mut self) {
        self.owed = None;
    }

    /// A run has ended, with these groups of it bad.
    pub(super) fn ended(&mut self, run: &Run, bad: BTreeSet<GroupRef>) {
        if !counts(run) {
            return;
        }
        let outcome = run.result.as_ref().map(|result| result.outcome);
        let failed = matches!(outcome, Some(RunOutcome::Failed) | None);
        if by_itself(run) && run.only.is_none() {
            self.owed = None;
        }
        if failed && !by_itself(run) && self.is_good() {
            return;
        }
        match &run.only {
            Some(group) if failed => drop(self.bad.insert(group.clone())),
            Some(group) => drop(self.bad.remove(group)),
            None => {
                self.failed = failed && bad.is_empty();
                self.bad = if failed { bad } else { BTreeSet::new() };
                self.missed = false;
            }
        }
    }

    fn is_good(&self) -> bool {
        !self.failed && self.bad.is_empty() && !self.missed
    }
}

/// Whether a run says how its feed is: not one of a file that a person sent along, nor one that was stopped.
fn counts(run: &Run) -> bool {
    run.file.is_none() && run.trigger != Trigger::Emptying && !run.stopped && run.ended.is_some()
}

fn by_itself(run: &Run) -> bool {
    matches!(run.trigger, Trigger::Schedule | Trigger::Recovery)
}

/// The groups of a run that do not have the roster that it decided on.
pub(super) fn bad_groups(ledger: &Ledger, run: &Run) -> Result<BTreeSet<GroupRef>, LedgerError> {
    let mut bad = BTreeSet::new();
    for report in &run.groups {
        let ill = match report.attempt {
            Some(attempt) => ledger
                .attempt(attempt)?
                .is_none_or(|attempt| !matches!(attempt.state, State::Completed { .. })),
            None => report.verdict.at_least() == RunOutcome::Failed,
        };
        if ill {
            bad.insert(report.group.clone());
        }
    }
    Ok(bad)
}

/// What the ledger knows at the start.
pub(super) fn found(engine: &Engine) -> Result<Healths, LedgerError> {
    let states = engine.ledger().schedules()?;
    let scheduled = engine.feeds().iter().filter_map(|feed| Some((feed, feed.schedule.as_ref()?)));
    scheduled
        .map(|(feed, schedule)| {
            let health = of_feed(engine.ledger(), feed, schedule, states.get(&feed.name))?;
            Ok((feed.name.clone(), health))
        })
        .collect()
}

fn of_feed(
    ledger: &Ledger,
    feed: &Feed,
    schedule: &schedule::Settings,
    state: Option<&ScheduleState>,
) -> Result<Health, LedgerError> {
    let mut runs: Vec<Run> = Vec::new();
    ledger.find_in_runs(&feed.name, EARLIER_RUNS, |run| {
        let decisive = counts(&run) && by_itself(&run) && run.only.is_none();
        // The problems of ten thousand rows are not kept for this.
        runs.push(Run { read: None, ..run });
        decisive.then_some(())
    })?;
    let mut health = Health::default();
    for run in runs.iter().rev() {
        match (run.ended, run.due) {
            (None, Some(due)) => health.due(due),
            (None, None) => {}
            (Some(_), _) => health.ended(run, bad_groups(ledger, run)?),
        }
    }
    let mark = state.and_then(|state| state.mark.as_ref());
    let mark = mark.filter(|mark| mark.schedule == schedule.to_string());
    if let Some(mark) = mark.filter(|mark| is_instant(schedule, mark.through)) {
        let made_up = |run: &Run| {
            let good = run.result.as_ref().is_some_and(|result| result.outcome != RunOutcome::Failed);
            run.file.is_none() && run.only.is_none() && run.began >= mark.through && (by_itself(run) || good)
        };
        if !runs.iter().any(made_up) {
            health.missed();
        }
    }
    Ok(health)
}

/// Whether the calendar names this very moment: a mark of a new feed, or of one that was resumed, is any moment.
fn is_instant(schedule: &schedule::Settings, at: DateTime<Utc>) -> bool {
    let before = at.checked_sub_signed(TimeDelta::nanoseconds(1));
    before.and_then(|before| schedule.next_after(before)) == Some(at)
}

/// Everything that decides whether all is well.
#[derive(Debug)]
pub(super) struct Look<'a> {
    /// Each feed that has a schedule and is not paused, with what is known of it.
    pub(super) feeds: Vec<(&'a FeedName, Option<&'a Health>)>,
    /// Why scheduled runs wait, if they do, and since when.
    pub(super) shut: Option<(Kind, DateTime<Utc>)>,
    /// Whether mails do not arrive.
    pub(super) mails_fail: bool,
    /// `poll.stuck_after`.
    pub(super) stuck_after: TimeDelta,
}

/// Why not all is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ill {
    /// The daemon does not get on, or its state does not answer.
    Stalled,
    /// Mails do not arrive.
    Mails,
    /// Scheduled runs have waited for more than an hour.
    Shut(Kind),
    /// The last due run of a feed failed.
    Failed(FeedName),
    /// A run of a feed was due and was left out.
    Missed(FeedName),
    /// A run of a feed is due, and has not ended in time.
    Late(FeedName),
}

impl fmt::Display for Ill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled => f.write_str("rosterd does not get on"),
            Self::Mails => f.write_str("mails do not arrive"),
            Self::Shut(kind) => {
                write!(f, "scheduled runs wait for the end of: {}", kind.name().replace('_', " "))
            }
            Self::Failed(feed) => write!(f, "the last due run of feed `{feed}` failed"),
            Self::Missed(feed) => write!(f, "a run of feed `{feed}` was missed"),
            Self::Late(feed) => write!(f, "a run of feed `{feed}` is due and has not ended"),
        }
    }
}

/// Whether all is well.
pub(super) fn well(look: &Look<'_>, now: DateTime<Utc>) -> Result<(), Ill> {
    if look.mails_fail {
        return Err(Ill::Mails);
    }
    if let Some((kind, since)) = look.shut
        && now - since > PATIENCE
    {
        return Err(Ill::Shut(kind));
    }
    let patience = PATIENCE.checked_add(&look.stuck_after).unwrap_or(TimeDelta::MAX);
    for (feed, health) in &look.feeds {
        let Some(health) = health else { continue };
        if health.failed || !health.bad.is_empty() {
            return Err(Ill::Failed((*feed).clone()));
        }
        if health.missed {
            return Err(Ill::Missed((*feed).clone()));
        }
        if health.owed.is_some_and(|due| now - due > patience) {
            return Err(Ill::Late((*feed).clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ledger::{GroupReport, GroupVerdict, RunResult},
        roster::RunId,
    };

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minutes * 60, 0).unwrap()
    }

    fn acme() -> FeedName {
        FeedName::new("acme").unwrap()
    }

    fn group(name: &str) -> GroupRef {
        GroupRef::new(name).unwrap()
    }

    fn run(trigger: Trigger, only: Option<&str>, outcome: RunOutcome) -> Run {
        Run {
            id: RunId(4),
            feed: acme(),
            trigger,
            began: at(0),
            ended: Some(at(1)),
            result: Some(RunResult { outcome, summary: String::new() }),
            read: None,
            groups: vec![GroupReport::new(group("east"), GroupVerdict::Submit)],
            only: only.map(group),
            file: None,
            after: None,
            due: None,
            stopped: false,
        }
    }

    fn ill(groups: &[&str]) -> BTreeSet<GroupRef> {
        groups.iter().map(|name| group(name)).collect()
    }

    /// What is well with a feed of this health, in minute 100 with a `stuck_after` of 15 minutes.
    fn verdict(health: &Health) -> Result<(), Ill> {
        let feed = acme();
        let look = Look {
            feeds: vec![(&feed, Some(health))],
            shut: None,
            mails_fail: false,
            stuck_after: TimeDelta::minutes(15),
        };
        well(&look, at(100))
    }

    #[test]
    fn every_case_of_a_feed() {
        use RunOutcome::{Done, Failed, Held, LeftOut};
        use Trigger::{Approval, Recovery, Schedule, Sync};
        type Step = (Run, BTreeSet<GroupRef>);
        let whole = |trigger, outcome, bad: &[&str]| -> Step { (run(trigger, None, outcome), ill(bad)) };
        let one = |name, outcome| -> Step { (run(Schedule, Some(name), outcome), ill(&[])) };
        let of_a_file = |outcome| -> Step {
            (Run { file: Some("fixed.csv".into()), ..run(Sync, None, outcome) }, ill(&[]))
        };
        let stopped = || -> Step { (Run { stopped: true, ..run(Schedule, None, Failed) }, BTreeSet::new()) };
        let cases: Vec<(&str, Vec<Step>, bool)> = vec![
            ("nothing ran yet", vec![], true),
            ("done", vec![whole(Schedule, Done, &[])], true),
            ("held: a person has been told", vec![whole(Schedule, Held, &[])], true),
            ("left out: a person has been told", vec![whole(Schedule, LeftOut, &[])], true),
            ("not read", vec![whole(Schedule, Failed, &[])], false),
            ("not read after a crash", vec![whole(Recovery, Failed, &[])], false),
            ("read again", vec![whole(Schedule, Failed, &[]), whole(Schedule, Held, &[])], true),
            ("one group refused", vec![whole(Schedule, Failed, &["east"])], false),
            ("and taken alone", vec![whole(Schedule, Failed, &["east"]), one("east", Done)], true),
            ("and another alone", vec![whole(Schedule, Failed, &["east"]), one("west", Done)], false),
            ("and refused again", vec![whole(Schedule, Failed, &["east"]), one("east", Failed)], false),
            ("not read, one group alone done", vec![whole(Schedule, Failed, &[]), one("east", Done)], false),
            ("one group alone refused", vec![whole(Schedule, Done, &[]), one("east", Failed)], false),
            ("a typed failure", vec![whole(Schedule, Done, &[]), whole(Sync, Failed, &[])], true),
            ("a typed mending", vec![whole(Schedule, Failed, &[]), whole(Sync, Done, &[])], true),
            ("a mending by approval", vec![whole(Schedule, Failed, &[]), whole(Approval, Done, &[])], true),
            ("a half mending", vec![whole(Schedule, Failed, &[]), whole(Sync, Failed, &["west"])], false),
            ("a file sent along", vec![whole(Schedule, Failed, &[]), of_a_file(Done)], false),
            ("stopped", vec![whole(Schedule, Done, &[]), stopped()], true),
        ];
        for (name, steps, good) in cases {
            let mut health = Health::default();
            steps.into_iter().for_each(|(run, bad)| health.ended(&run, bad));
            assert_eq!(verdict(&health).is_ok(), good, "{name}: {health:?}");
        }
    }

    #[test]
    fn a_run_that_is_due_and_does_not_come_is_ill_in_time() {
        let mut health = Health::default();
        health.due(at(25));
        assert_eq!(verdict(&health), Ok(()), "75 minutes");
        health.paused();
        health.due(at(24));
        assert_eq!(verdict(&health), Err(Ill::Late(acme())));
        health.due(at(99));
        assert_eq!(verdict(&health), Err(Ill::Late(acme())), "a newer instant excuses nothing");
        let mut other = health.clone();
        other.paused();
        assert_eq!(verdict(&other), Ok(()));
        health.ended(&run(Trigger::Schedule, Some("east"), RunOutcome::Done), BTreeSet::new());
        assert_eq!(verdict(&health), Err(Ill::Late(acme())), "a retry of one group is not the run");
        health.ended(&run(Trigger::Schedule, None, RunOutcome::Done), BTreeSet::new());
        assert_eq!(verdict(&health), Ok(()));
        health.missed();
        assert_eq!(verdict(&health), Err(Ill::Missed(acme())));
        health.ended(&run(Trigger::Sync, None, RunOutcome::Done), BTreeSet::new());
        assert_eq!(verdict(&health), Ok(()), "somebody made up for it");
    }

    #[test]
    fn every_case_of_the_daemon() {
        let look =
            |shut, mails_fail| Look { feeds: Vec::new(), shut, mails_fail, stuck_after: TimeDelta::MAX };
        let shut = |minute| Some((Kind::ApiUnreachable, at(minute)));
        let cases = [
            ("no feed has a schedule", look(None, false), Ok(())),
            ("mails do not arrive", look(None, true), Err(Ill::Mails)),
            ("Vitable has been away for an hour", look(shut(40), false), Ok(())),
            ("for longer", look(shut(39), false), Err(Ill::Shut(Kind::ApiUnreachable))),
        ];
        for (name, look, expected) in cases {
            assert_eq!(well(&look, at(100)), expected, "{name}");
        }
    }
}
