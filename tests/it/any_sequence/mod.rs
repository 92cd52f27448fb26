//! No sequence of files, words, crashes and days submits a removal that was neither within the guard nor approved
//! (`config.md`, The guard and Approvals). The real engine, the real ledger, the sandbox over HTTP, a clock that is put
//! forward; the judge is `oracle.rs`.
//!
//! `ROSTERD_SEQUENCES=500` plays more of them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails here")]

mod oracle;

use crate::{
    inside::Inside,
    world::{Setup, people, person, roster, row},
};
use chrono::{DateTime, TimeDelta, Utc};
use oracle::{File, Oracle};
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner},
};
use rosterd::{
    engine::Pass,
    ledger::{Hold, RunOutcome, Trigger},
    sandbox::{Answer, CallKind, Faults, NextAnswer},
};
use std::{fmt::Write as _, sync::Mutex};

/// Everybody there is: 1 to 12 begin in the east, 13 to 18 in the west.
const PEOPLE: u8 = 18;

/// What becomes of one person's row.
#[derive(Clone, Copy, Debug)]
enum Row {
    East,
    West,
    Ended,
    /// No row.
    Gone,
    /// A phone that is none.
    Broken,
    /// Left, and the phone is none.
    EndedBroken,
    /// A group that is in no list.
    Nowhere,
    /// Two rows that contradict each other.
    Twice,
    /// A status that is in no list.
    Unknown,
}

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// A new file: these rows are other ones now.
    File(Vec<(u8, Row)>),
    /// The file of the first day again.
    Whole,
    /// The file lost its end, in percent; as it stood before, or at the end of a line.
    Cut(u8, bool),
    /// A row without a `reference_id` is in the file from now on, or not.
    Nameless(bool),
    Sync,
    /// The newest hold is approved, or all of them, and the run that follows sends.
    Approve(bool),
    /// A hold that was seen before, some steps ago.
    ApproveOld(u8),
    Reject,
    /// A sync, or the run of an approval, by a process that is killed after so many waits.
    Killed(bool, u8),
    /// The next submit's answer is lost; whether Vitable took it.
    LostAnswer(bool),
    /// Hours.
    Time(u16),
}

fn rows() -> impl Strategy<Value = Row> {
    prop_oneof![
        6 => Just(Row::East),
        3 => Just(Row::West),
        4 => Just(Row::Ended),
        6 => Just(Row::Gone),
        1 => Just(Row::Broken),
        1 => Just(Row::EndedBroken),
        1 => Just(Row::Nowhere),
        1 => Just(Row::Twice),
        1 => Just(Row::Unknown),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let few = proptest::collection::vec((1..=PEOPLE, rows()), 1..4);
    let many = proptest::collection::vec((1..=PEOPLE, rows()), 4..12);
    let step = prop_oneof![
        10 => few.prop_map(Step::File),
        3 => many.prop_map(Step::File),
        2 => Just(Step::Whole),
        1 => (1..100_u8, any::<bool>()).prop_map(|(percent, line)| Step::Cut(percent, line)),
        1 => any::<bool>().prop_map(Step::Nameless),
        14 => Just(Step::Sync),
        5 => any::<bool>().prop_map(Step::Approve),
        3 => any::<u8>().prop_map(Step::ApproveOld),
        1 => Just(Step::Reject),
        5 => (any::<bool>(), 1..40_u8).prop_map(|(approval, waits)| Step::Killed(approval, waits)),
        2 => any::<bool>().prop_map(Step::LostAnswer),
        6 => prop_oneof![1..30_u16, 70..75_u16, 160..200_u16, 700..760_u16].prop_map(Step::Time),
    ];
    proptest::collection::vec(step, 20..40)
}

/// The file of the day.
#[derive(Clone)]
struct Desk {
    rows: Vec<Row>,
    nameless: bool,
    cut: Option<(u8, bool)>,
}

impl Desk {
    fn first() -> Self {
        let rows = (1..=PEOPLE).map(|number| if number <= 12 { Row::East } else { Row::West }).collect();
        Self { rows, nameless: false, cut: None }
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        for (number, each) in (1..).zip(&self.rows) {
            let broken = |line: String| line.replace(&format!("55542{number:05}"), "555");
            match each {
                Row::East => lines.push(person(number, "East")),
                Row::West => lines.push(person(number, "West")),
                Row::Ended => lines.push(row(number, "East", "Terminated")),
                Row::Gone => {}
                Row::Broken => lines.push(broken(person(number, "East"))),
                Row::EndedBroken => lines.push(broken(row(number, "East", "Terminated"))),
                Row::Nowhere => lines.push(person(number, "North")),
                Row::Twice => {
                    lines.extend([person(number, "East"), person(number, "East").replace("Zqcity", "Zqtown")])
                }
                Row::Unknown => lines.push(row(number, "East", "Sabbatical")),
            }
        }
        if self.nameless {
            lines.push(person(99, "East").replace("E-99,", ","));
        }
        let mut text = roster(&lines);
        if let Some((percent, line)) = self.cut {
            text.truncate(text.len() * usize::from(percent) / 100);
            if line {
                text.truncate(text.rfind('\n').map_or(0, |at| at + 1));
            }
        }
        text
    }
}

/// A host, its file, and whoever watches.
struct Play {
    inside: Inside,
    desk: Desk,
    oracle: Oracle,
    /// How many requests were looked at.
    seen: usize,
    /// Those that Vitable has not worked on yet: by place, with the file and the time of their decision.
    queued: Vec<(usize, File, DateTime<Utc>)>,
    holds: Vec<Hold>,
    story: String,
}

impl Play {
    fn new() -> Self {
        let inside = Inside::new(&Setup::default(), "2026-11-24T06:00:00Z", |text| text);
        inside.arrives(roster(&[people(1..=12, "East"), people(13..=18, "West")].concat()).as_bytes());
        assert_eq!(inside.sync().outcome(), RunOutcome::Held);
        assert_eq!(inside.approve().outcome(), RunOutcome::Done);
        let mut oracle = Oracle::default();
        let file = File::read(&Desk::first().text());
        ["acme-east", "acme-west"].iter().for_each(|group| oracle.begins(group, &file));
        let seen = inside.world.sandbox.requests().len();
        Self {
            inside,
            desk: Desk::first(),
            oracle,
            seen,
            queued: Vec::new(),
            holds: Vec::new(),
            story: String::new(),
        }
    }

    fn file(&mut self) {
        self.inside.arrives(self.desk.text().as_bytes());
    }

    /// What came of a run: who was removed, and whether rosterd knows it.
    fn ran(&mut self, pass: Option<&Pass>) -> Result<(), TestCaseError> {
        let file = File::read(&self.desk.text());
        let now = self.inside.now();
        let requests = self.inside.world.sandbox.requests();
        for (place, request) in requests.iter().enumerate().skip(self.seen) {
            self.queued.push((place, file.clone(), now));
            self.oracle.sent(&request.group, &file);
        }
        self.seen = requests.len();
        for (place, file, at) in std::mem::take(&mut self.queued) {
            let request = &requests[place];
            if request.completed_at.is_none() {
                self.queued.push((place, file, at));
                continue;
            }
            let judged = self.oracle.removed(&request.group, &request.removed, &file, at);
            judged.map_err(|why| TestCaseError::fail(format!("{why}\n{}", self.story)))?;
        }
        let all_done =
            pass.is_some_and(|pass| matches!(pass.outcome(), RunOutcome::Done | RunOutcome::LeftOut));
        for group in pass.iter().flat_map(|pass| &pass.run.groups) {
            if all_done && group.attempt.is_some() {
                self.oracle.completed(group.group.as_str(), &file);
            }
        }
        self.holds.extend(self.inside.holds());
        let outcome = pass.map(Pass::outcome);
        let last = requests.last().map(|each| (each.group.clone(), each.removed.clone()));
        writeln!(self.story, "  {now}: {outcome:?}, {} requests, last {last:?}", requests.len()).unwrap();
        Ok(())
    }

    fn says(&mut self, holds: &[Hold], approved: bool) {
        let now = self.inside.now();
        for hold in holds {
            if let Some(counts) = self.inside.say(hold, approved) {
                if approved {
                    self.oracle.approved(counts.group.as_str(), &counts.held, now);
                }
                writeln!(self.story, "  said {approved} to {} {:?}", counts.group, counts.held).unwrap();
            }
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        writeln!(self.story, "{step:?}").unwrap();
        match step {
            Step::File(changes) => {
                self.desk.cut = None;
                for (number, row) in changes {
                    self.desk.rows[usize::from(*number) - 1] = *row;
                }
                self.file();
            }
            Step::Whole => {
                self.desk = Desk::first();
                self.file();
            }
            Step::Cut(percent, line) => {
                self.desk.cut = Some((*percent, *line));
                self.file();
            }
            Step::Nameless(there) => {
                self.desk.nameless = *there;
                self.file();
            }
            Step::Sync => {
                let pass = self.inside.sync();
                self.ran(Some(&pass))?;
            }
            Step::Approve(all) => {
                let mut holds: Vec<Hold> =
                    self.inside.holds().into_iter().filter(|hold| hold.approvable).collect();
                holds.sort_by_key(|hold| hold.last_run);
                if !all {
                    holds = holds.pop().into_iter().collect();
                }
                self.says(&holds, true);
                let pass = self.inside.cut_off(Trigger::Approval, usize::MAX);
                self.ran(pass.as_ref())?;
            }
            Step::ApproveOld(which) => {
                if let Some(old) = self.holds.get(usize::from(*which) % self.holds.len().max(1)).cloned() {
                    self.says(&[old], true);
                }
            }
            Step::Reject => {
                let holds = self.inside.holds();
                self.says(holds.get(..1).unwrap_or(&[]), false);
            }
            Step::Killed(approval, waits) => {
                let trigger = if *approval { Trigger::Approval } else { Trigger::Sync };
                let pass = self.inside.cut_off(trigger, usize::from(*waits));
                self.ran(pass.as_ref())?;
            }
            Step::LostAnswer(processed) => {
                let answer = Answer::Close { processed: *processed };
                let next = vec![NextAnswer::new(CallKind::Submit, 1, answer)];
                self.inside.world.sandbox.set_faults(Faults { next, ..Faults::default() });
            }
            // A second more, so that no two times lie a whole number of days apart.
            Step::Time(hours) => self.inside.passes(TimeDelta::seconds(i64::from(*hours) * 3600 + 1)),
        }
        Ok(())
    }
}

/// How many sequences; `ROSTERD_SEQUENCES` asks for a longer campaign.
#[expect(clippy::disallowed_methods, reason = "a test is told how long to go on by the environment alone")]
fn sequences() -> u32 {
    std::env::var("ROSTERD_SEQUENCES").ok().and_then(|text| text.parse().ok()).unwrap_or(12)
}

#[test]
fn no_removal_is_submitted_that_was_neither_within_the_guard_nor_approved() {
    let seen: Mutex<(usize, usize)> = Mutex::default();
    let mut runner = TestRunner::new(Config {
        cases: sequences(),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/it/any_sequence/seeds"))),
        max_shrink_iters: 200,
        source_file: Some(file!()),
        ..Config::default()
    });
    let played = runner.run(&steps(), |steps| {
        let mut play = Play::new();
        for step in &steps {
            play.step(step)?;
        }
        let mut seen = seen.lock().unwrap();
        seen.0 += play.oracle.removals;
        seen.1 += play.oracle.approved;
        Ok(())
    });
    played.unwrap();
    let (removals, approved) = *seen.lock().unwrap();
    assert!(removals > approved && approved > 0, "{removals} removals, {approved} of them approved");
}
