//! One pass of a feed, from reading to the end of every request it made.

use super::{
    Engine, Feed, Order, Pass,
    contact::{Contact, Named},
    reading::{Against, Read, Reading, Stopped},
    report,
    tell::Scope,
    trouble,
};
use crate::{
    decide::{self, Cleared, Decision, Suspicion},
    ledger::{BodyReport, Facts, GroupVerdict, LedgerError, ReadReport, Run, RunOutcome, RunResult, Trigger},
    mapping::{self, GroupRule},
    notify::{Incident, Kind},
    roster::{GroupRef, People, Record, ReferenceId},
    vitable,
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// A column with more different values than this shows none of them.
const SHOWN_VALUES: usize = 20;

/// A feed that was read and decided on, before anything is written.
pub(super) struct Decided {
    pub(super) read: Read,
    /// For each group what is suspicious about the read.
    pub(super) why: BTreeMap<GroupRef, Vec<Suspicion>>,
    /// What the decisions have in common: the sentences of every suspicion.
    pub(super) suspicions: Vec<Suspicion>,
    pub(super) decisions: Vec<Decision>,
    /// What each group's reference names at Vitable.
    pub(super) named: Vec<Named>,
    pub(super) unplaced: Vec<u32>,
}

/// What a decision is told of a group beside what the ledger knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Cut {
    /// Why it takes part in no move, whatever the guard says.
    pub(super) aside: Option<String>,
    /// What was released of it in the first round of the run.
    pub(super) cleared: Option<Cleared>,
}

impl Cut {
    pub(super) fn of(aside: Option<String>) -> Self {
        Self { aside, cleared: None }
    }
}

/// The same for each group.
pub(super) type Aside<'a> = &'a dyn Fn(&GroupRef, &Named) -> Cut;

/// Why a group takes part in no move of the first round.
pub(super) fn aside(order: &Order<'_>, group: &GroupRef, named: &Named) -> Option<String> {
    match (&order.group, named) {
        (Some(only), _) if only != group => Some(format!("only group `{only}` was asked for")),
        (_, Named::Wrong(_, why)) => Some(why.clone()),
        (_, Named::Group(_) | Named::Nothing) => None,
    }
}

/// Why a feed could not be decided on.
pub(super) enum Undecided {
    NotYet { why: String, missing: Option<String> },
    Stopped(Box<Stopped>),
}

impl Engine {
    pub(super) async fn decide_feed(
        &self,
        order: &Order<'_>,
        contact: &Contact,
    ) -> Result<Result<Decided, Undecided>, LedgerError> {
        let feed = order.feed;
        let approved = order.trigger == Trigger::Approval;
        let against = Against { file: order.file.as_ref(), plans: &contact.plans, approved };
        let (read, why) = match self.read(feed, against, order.progress).await? {
            Reading::Complete(read) => (*read, BTreeMap::new()),
            Reading::Suspicious { read, why } => (*read, why),
            Reading::NotYet { why, missing } => return Ok(Err(Undecided::NotYet { why, missing })),
            Reading::Incomplete(stopped) | Reading::Failed(stopped) => {
                return Ok(Err(Undecided::Stopped(stopped)));
            }
        };
        let mut named = Vec::new();
        for group in self.groups_of(feed, &read.people)? {
            let name = self.named(contact, feed, &group)?;
            named.push((group, name));
        }
        if let Some(why) = self.no_groups(feed, &named) {
            let (kind, why, over) = (Kind::ReadIncomplete, vec![why], trouble::CAME);
            let stopped = Stopped { kind, why, over, report: read.report };
            return Ok(Err(Undecided::Stopped(Box::new(stopped))));
        }
        let aside = |group: &GroupRef, named: &Named| Cut::of(aside(order, group, named));
        let (decisions, unplaced) = self.decide_read(feed, &read, &why, &named, &aside)?;
        let mut suspicions: Vec<Suspicion> = Vec::new();
        for suspicion in why.values().flatten() {
            if !suspicions.iter().any(|each| each.line == suspicion.line) {
                suspicions.push(suspicion.clone());
            }
        }
        let named = named.into_iter().map(|(_, named)| named).collect();
        Ok(Ok(Decided { read, why, suspicions, decisions, named, unplaced }))
    }

    /// Why the values of an `as_is` column are no groups: a column that slid has a value for each person. None of
    /// them is shown (`design.md`, Personal data); and one that looks like a mail address or a social security number
    /// shows by itself that the column is another one.
    fn no_groups(&self, feed: &Feed, named: &[(GroupRef, Named)]) -> Option<String> {
        let GroupRule::AsIs { by } = &feed.grouping.rule else { return None };
        let unknown = |(group, named): &&(GroupRef, Named)| match named {
            Named::Wrong(kind, _) => *kind == Kind::GroupUnknown,
            Named::Nothing => mapping::looks_personal(group.as_str()),
            Named::Group(_) => false,
        };
        let unknown: Vec<&GroupRef> = named.iter().filter(unknown).map(|(group, _)| group).collect();
        let personal = unknown.iter().any(|group| mapping::looks_personal(group.as_str()));
        (personal || unknown.len() > SHOWN_VALUES).then(|| format!(
            "column `{by}` has {} that {} no group at Vitable and {} never fed ({}); look whether the columns slid, or make the groups",
            if unknown.len() == 1 { "1 value".to_owned() } else { format!("{} values", unknown.len()) },
            if unknown.len() == 1 { "is" } else { "are" },
            if unknown.len() == 1 { "was" } else { "were" },
            mapping::shape_of(unknown.iter().map(|group| group.as_str()))
        ))
    }

    /// The decisions about a complete read, against what the ledger knows now; and whom no group takes.
    pub(super) fn decide_read(
        &self,
        feed: &Feed,
        read: &Read,
        why: &BTreeMap<GroupRef, Vec<Suspicion>>,
        named: &[(GroupRef, Named)],
        aside: Aside<'_>,
    ) -> Result<(Vec<Decision>, Vec<u32>), LedgerError> {
        let unfinished: BTreeSet<ReferenceId> =
            self.ledger.open_moves(Some(&feed.name))?.into_iter().map(|open| open.id).collect();
        let mut facts = Vec::new();
        let mut records: HashMap<ReferenceId, Record> = HashMap::new();
        for (group, named) in named {
            let mut known = self.group_facts(feed, group, &read.people)?;
            known.missing = matches!(named, Named::Nothing);
            known.suspicions = why.get(group).cloned().unwrap_or_default();
            Cut { aside: known.aside, cleared: known.cleared } = aside(group, named);
            known.unfinished.clone_from(&unfinished);
            let wanted = decide::wanted(&read.people, &known);
            records.extend(self.ledger.records(group, &wanted)?);
            facts.push(known);
        }
        let rules = self.rules(feed, &read.people);
        Ok((rules.decide(&facts, &records), rules.unplaced(&facts)))
    }

    /// The rules that a read of a feed is decided by.
    pub(super) fn rules<'a>(&'a self, feed: &'a Feed, people: &'a Arc<People>) -> decide::Feed<'a> {
        decide::Feed {
            people,
            guard: &feed.guard,
            max_members: self.settings.vitable.max_members_per_sync,
            resync_after: feed.submit.resync_after(),
            key: self.ledger.fingerprint_key(),
            now: self.clock.now(),
        }
    }

    /// A run that came to nothing: its end, its incident with the kinds that are over by what it saw, and its mail are one
    /// batch.
    pub(super) fn failed(
        &self,
        mut run: Run,
        findings: Vec<String>,
        told: Option<(Incident, &[Kind])>,
    ) -> Result<Pass, LedgerError> {
        run.ended = Some(self.clock.now());
        run.result = Some(RunResult { outcome: RunOutcome::Failed, summary: findings.join(". ") });
        run.read.get_or_insert_with(ReadReport::default).findings = findings;
        let feed = run.feed.clone();
        let (incident, over) = told.map_or((None, &[][..]), |(incident, over)| (Some(incident), over));
        let over = if self.shows_its_source(&run) { over } else { &[] };
        let scope = Scope { kinds: over, feed: Some(&feed), ..Scope::NOTHING };
        let telling = self.shared.telling();
        let incidents: Vec<Incident> = incident.into_iter().chain(self.unfinished_moves(&feed)?).collect();
        let facts = self.facts(&telling, &incidents, scope)?;
        tracing::error!(run = %run.id, feed = %run.feed, "the run failed; nothing was submitted");
        self.ledger.end_run(&run, facts)?;
        self.wake_mails();
        Ok(Pass { run })
    }

    /// Whether what a run meets on its way shows how its source is: not with a local file in its place, and not with
    /// several sources, of which the first that fails hides the others.
    fn shows_its_source(&self, run: &Run) -> bool {
        run.file.is_none() && self.feed(run.feed.as_str()).is_some_and(|feed| feed.sources.len() == 1)
    }

    /// A source that has nothing to read yet lets us in all the same.
    pub(super) fn source_answers(&self, run: &Run) -> Result<(), LedgerError> {
        if !self.shows_its_source(run) {
            return Ok(());
        }
        self.tell(&[], Scope { kinds: trouble::WAY, feed: Some(&run.feed), ..Scope::NOTHING })
    }

    pub(super) fn end(&self, mut run: Run, outcome: RunOutcome) -> Result<Pass, LedgerError> {
        let sent = run.groups.iter().filter(|group| group.attempt.is_some()).count();
        let summary = match outcome {
            RunOutcome::Done => format!("done: {}", groups(sent, "submitted")),
            RunOutcome::LeftOut => format!("done, but not everybody: {}", groups(sent, "submitted")),
            RunOutcome::Held => {
                let held = run.groups.iter().filter(|group| group.verdict == GroupVerdict::Hold).count();
                format!("held: {} for a person; {}", groups(held, "waiting"), groups(sent, "submitted"))
            }
            RunOutcome::Failed => {
                format!("failed: not every group could be submitted; {}", groups(sent, "submitted"))
            }
        };
        run.ended = Some(self.clock.now());
        run.result = Some(RunResult { outcome, summary });
        tracing::info!(run = %run.id, feed = %run.feed, outcome = ?outcome, "the run ended");
        self.ledger.end_run_owing(&run, &self.owed(&run)?, Facts::default())?;
        if run.trigger == Trigger::Emptying {
            self.settle_moves_of_gone_feeds()?;
        }
        Ok(Pass { run })
    }
}

/// Puts what was read and decided into the run. Returns the outcome as far as it is certain by now, and the
/// incidents of the problem rows.
pub(super) fn fill(run: &mut Run, order: &Order<'_>, decided: &Decided) -> (RunOutcome, Vec<Incident>) {
    let people = &decided.read.people;
    let omit = order.feed.grouping.unmatched == crate::mapping::Unmatched::Omit;
    let unplaced = if omit { &[][..] } else { decided.unplaced.as_slice() };
    let problems = report::problem_rows(people, &decided.decisions, unplaced, order.feed.grouping.column());
    let carried_for = order.feed.guard.carry_forward_for;
    let incidents = problems.incidents(&decided.read.notes, carried_for, run.began);
    let mut outcome = if problems.costly() { RunOutcome::LeftOut } else { RunOutcome::Done };
    let mut read = decided.read.report.clone();
    read.findings = decided.suspicions.iter().map(|each| each.sentence.clone()).collect();
    read.notes = decided.read.notes.iter().map(ToString::to_string).collect();
    (read.problem_rows, read.problems) = (problems.total(), problems.into_rows());
    run.read = Some(read);
    run.groups = decided.decisions.iter().map(|decision| report::group(decision, people)).collect();
    for (group, named) in run.groups.iter_mut().zip(&decided.named) {
        if let Named::Wrong(_, why) = named {
            (group.verdict, group.digest, group.approvable) = (GroupVerdict::Refused, None, false);
            group.reasons.push(why.clone());
        }
        if order.wants(&group.group) {
            outcome = outcome.max(group.verdict.at_least());
        }
    }
    (outcome, incidents)
}

/// The body that a submit would send.
pub(super) fn body(submission: &decide::Submission) -> Option<BodyReport> {
    let mut hash = Hash(Sha256::new());
    let bytes = vitable::write_body(submission, &mut hash).ok()?;
    let sha256 = hash.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(BodyReport { bytes, sha256 })
}

/// A writer that keeps nothing but the hash.
struct Hash(Sha256);

impl std::io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn unfinished(mut run: Run, findings: Vec<String>) -> Pass {
    run.result = Some(RunResult { outcome: RunOutcome::Failed, summary: findings.join(". ") });
    run.read.get_or_insert_with(ReadReport::default).findings = findings;
    Pass { run }
}

fn groups(number: usize, what: &str) -> String {
    format!("{number} {} {what}", if number == 1 { "group" } else { "groups" })
}
