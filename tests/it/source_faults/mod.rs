//! What happens to a file on its way, as data: a good roster is covered, the file changes, a run is made, and nobody
//! loses coverage who should not. Each case states its outcome; `docs/faults.md` is written from them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod cases;
mod document;
mod roster;

use crate::{inside::Inside, world::Setup};
use cases::Case;
use chrono::TimeDelta;
use roster::Sheet;
use rosterd::{
    engine::Pass,
    ledger::{Consequence, Counts, GroupReport, GroupVerdict, RunOutcome},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const GROUPS: [&str; 2] = ["acme-east", "acme-west"];

/// A host whose good roster is covered.
struct Bench {
    inside: Inside,
    good: String,
    covered: BTreeSet<String>,
    /// Whoever is covered, with all that Vitable knows of them.
    before: Vec<BTreeMap<String, Value>>,
}

impl Bench {
    fn new(setup: &Setup, end: &str) -> Self {
        let inside = Inside::new(setup, "2026-11-24T06:00:00Z", |text| text);
        let good = Sheet::good().text() + end;
        inside.arrives(good.as_bytes());
        assert_eq!(inside.sync().outcome(), RunOutcome::Held);
        assert_eq!(inside.approve().outcome(), RunOutcome::Done);
        let covered = Sheet::good().covered();
        let mut bench = Self { inside, good, covered, before: Vec::new() };
        assert!(bench.lost().is_empty());
        bench.before = bench.members();
        bench
    }

    fn members(&self) -> Vec<BTreeMap<String, Value>> {
        GROUPS.iter().map(|group| self.inside.world.sandbox.members(group)).collect()
    }

    /// Who should be covered and is not.
    fn lost(&self) -> Vec<String> {
        let members = self.members();
        let gone = |id: &&String| !members.iter().any(|group| group.contains_key(*id));
        self.covered.iter().filter(gone).cloned().collect()
    }

    /// What becomes of a file, and who has lost coverage by it. Then all is as before.
    fn tries(&self, file: &[u8]) -> (String, Vec<String>) {
        // Far enough from what went before that no window counts it.
        self.inside.passes(TimeDelta::days(31));
        self.inside.arrives(file);
        let pass = self.inside.sync();
        let outcome = self.outcome(&pass);
        let lost = self.lost();
        if pass.run.groups.iter().any(|group| group.attempt.is_some()) {
            self.inside.passes(TimeDelta::days(31));
            self.inside.arrives(self.good.as_bytes());
            if self.inside.sync().outcome() == RunOutcome::Held {
                self.inside.approve();
            }
            assert!(self.members() == self.before, "all is as before, after: {outcome}");
        }
        (outcome, lost)
    }

    /// In a few words.
    fn outcome(&self, pass: &Pass) -> String {
        if pass.run.groups.is_empty() {
            let said = pass.run.read.as_ref().is_some_and(|read| !read.findings.is_empty());
            assert!(said && pass.outcome() == RunOutcome::Failed, "{pass:?}");
            return "incomplete".to_owned();
        }
        let (mut held, mut never, mut sent) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for group in &pass.run.groups {
            match group.verdict {
                GroupVerdict::Submit => sent.push(group),
                GroupVerdict::Hold if group.approvable => held.extend([self.rules(group.group.as_str())]),
                GroupVerdict::Hold => never.extend([self.rules(group.group.as_str())]),
                GroupVerdict::Unchanged
                | GroupVerdict::PassedOver
                | GroupVerdict::Refused
                | GroupVerdict::Retired => {
                    unreachable!("{pass:?}")
                }
            }
        }
        let mut words: Vec<String> = held.iter().map(|rules| format!("held: {rules}")).collect();
        words.extend(never.iter().map(|rules| format!("held and no approval: {rules}")));
        let names: Vec<&str> = sent.iter().map(|group| group.group.as_str()).collect();
        match (words.is_empty(), sent.is_empty()) {
            (true, _) => words.push("done".to_owned()),
            (false, false) => words.push(format!("{} goes out", names.join(" and "))),
            (false, true) => {}
        }
        let mut words = words.join("; ");
        if !sent.is_empty() {
            words.push_str(&consequences(pass, &sent));
        }
        words
    }

    /// The rules by which a group is held.
    fn rules(&self, group: &str) -> String {
        let hold = self.inside.holds().into_iter().find(|hold| hold.group.as_str() == group).unwrap();
        let mut rules: BTreeSet<&str> = hold.held.iter().map(|line| rule(line)).collect();
        // It has the lines of `absent`, too, whether or not that limit holds them.
        if rules.contains("nameless_rows")
            && !hold.reasons.iter().any(|reason| reason.contains("`absent` allows"))
        {
            rules.remove("absent");
        }
        rules.into_iter().collect::<Vec<_>>().join(", ")
    }
}

/// What a run that sent something did to people and rows.
fn consequences(pass: &Pass, sent: &[&GroupReport]) -> String {
    let all = |count: fn(&Counts) -> u64| sent.iter().map(|group| count(&group.counts)).sum::<u64>();
    let rows = |consequence: Consequence| {
        let problems = pass.run.read.iter().flat_map(|read| &read.problems);
        problems.filter(|problem| problem.consequence == consequence).count() as u64
    };
    let mut words = String::new();
    for (number, one, many) in [
        (all(|counts| counts.carried), "row carried", "rows carried"),
        (rows(Consequence::LeftOut), "row left out", "rows left out"),
        (rows(Consequence::FieldLeftOut), "row without a field", "rows without a field"),
        (all(|counts| counts.updated), "with other values", "with other values"),
        (all(|counts| counts.added), "added", "added"),
        (all(|counts| counts.removed), "removed", "removed"),
    ] {
        if number > 0 {
            words.push_str(&format!(", {number} {}", if number == 1 { one } else { many }));
        }
    }
    words
}

/// The rule that a line of a hold is about.
fn rule(line: &str) -> &str {
    match line.split(':').next().unwrap() {
        "duplicate" => "duplicates",
        "renamed" => "renamed_ids",
        "changed_person" => "changed_people",
        "moved_to" => "moved",
        "nameless" => "nameless_rows",
        rule => rule,
    }
}

/// A chapter of the document.
struct Chapter {
    title: &'static str,
    about: &'static str,
    /// Of the configuration beside the defaults.
    setup: Setup,
    /// What stands below the good file.
    end: &'static str,
    cases: Vec<Case>,
    /// Whether each outcome is stated, or only that nothing goes out and nobody is lost.
    stated: bool,
}

/// What is found, in the order of the cases, and whatever is not as stated.
fn tried(chapter: &Chapter) -> (Vec<String>, Vec<String>) {
    let bench = Bench::new(&chapter.setup, chapter.end);
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for case in &chapter.cases {
        let (outcome, lost) = bench.tries(&case.file);
        let as_stated = if chapter.stated {
            outcome == case.expect
        } else {
            ["incomplete", "held"].iter().any(|begins| outcome.starts_with(begins))
                && !outcome.contains("goes out")
        };
        if !as_stated || lost.len() != case.lose {
            wrong.push(format!("{}: {outcome}, not {}; lost: {lost:?}", case.name, case.expect));
        }
        found.push(outcome);
    }
    (found, wrong)
}

#[test]
fn each_fault_of_a_source_has_its_outcome_and_nobody_loses_coverage_by_it() {
    let chapters = document::chapters();
    let tried: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = chapters.iter().map(|chapter| scope.spawn(|| tried(chapter))).collect();
        running.into_iter().map(|each| each.join().unwrap()).collect()
    });
    let wrong: Vec<&str> = tried.iter().flat_map(|(_, wrong)| wrong).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    document::compare(&document::text(&chapters, tried.iter().map(|(found, _)| found.as_slice())));
}
