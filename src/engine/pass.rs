//! One pass of a feed, from reading to the end of every request it made.

use super::{
    Engine, Feed, Step,
    contact::{Contact, Named, NoContact, Trouble},
    reading::{Against, Read, Reading},
    report,
    tell::Scope,
};
use crate::{
    decide::{self, Decision, Suspicion, Verdict},
    ledger::{
        AcceptedRead, BodyReport, Facts, GroupVerdict, LedgerError, ReadReport, Run, RunOutcome, RunResult,
        Trigger,
    },
    notify::{Incident, Kind},
    roster::{GroupRef, Record, ReferenceId, RunId},
    vitable,
};
use sha2::{Digest, Sha256};
use std::{collections::HashMap, path::PathBuf};

/// What to run.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The feed.
    pub feed: &'a Feed,
    /// What began it.
    pub trigger: Trigger,
    /// Only this group is submitted; all are read and decided.
    pub group: Option<GroupRef>,
    /// A local file in place of the source.
    pub file: Option<PathBuf>,
}

impl Order<'_> {
    /// Whether this group is to be submitted.
    pub(super) fn wants(&self, group: &GroupRef) -> bool {
        self.group.as_ref().is_none_or(|only| only == group)
    }
}

/// What a pass came to.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The run; of a plan it has the number 0 and is remembered nowhere.
    pub run: Run,
}

impl Pass {
    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> RunOutcome {
        self.run.result.as_ref().map_or(RunOutcome::Failed, |result| result.outcome)
    }
}

/// A feed that was read and decided on, before anything is written.
pub(super) struct Decided {
    pub(super) read: Read,
    /// What the decisions have in common: the sentences of every suspicion.
    pub(super) suspicions: Vec<Suspicion>,
    pub(super) decisions: Vec<Decision>,
    /// What each group's reference names at Vitable.
    pub(super) named: Vec<Named>,
    pub(super) accepted: AcceptedRead,
    unplaced: Vec<u32>,
}

/// Why a feed could not be decided on.
enum Undecided {
    NotYet(String),
    Stopped { kind: Kind, findings: Vec<String>, report: Box<ReadReport> },
}

impl Engine {
    /// Runs a feed: reads, decides, submits, waits until Vitable has finished.
    ///
    /// # Errors
    /// When the ledger cannot be read or written. Everything else is an outcome of the run.
    pub async fn run(&self, order: &Order<'_>) -> Result<Pass, LedgerError> {
        let now = self.clock.now();
        // A run that was cut off ends when its successor begins: a kill in between forgets neither.
        let cut_off = self.ledger.open_runs()?.into_iter().find(|run| run.feed == order.feed.name);
        let mut run = match &cut_off {
            Some(old) => self.ledger.succeed_run(&old.cut_off(now), order.trigger, now)?,
            None => self.ledger.begin_run(&order.feed.name, order.trigger, now)?,
        };
        // Whoever takes this run up after a crash is bound by what was asked for.
        run.only.clone_from(&order.group);
        run.file = order.file.as_ref().map(|file| file.display().to_string());
        run.after = cut_off.map(|old| old.id);
        if run.only.is_some() || run.file.is_some() || run.after.is_some() {
            self.ledger.save_run(&run)?;
        }
        self.progress.step(&Step::Began { run: run.id, feed: &order.feed.name });
        let contact = match self.contact().await {
            Ok(contact) => contact,
            Err(NoContact::Ledger(error)) => return Err(error),
            Err(NoContact::Refused(why)) => return self.failed(run, vec![why], None),
        };
        match self.decide_feed(order, &contact).await? {
            Ok(decided) => self.carry_out(run, order, decided).await,
            Err(Undecided::NotYet(why)) => self.failed(run, vec![why], None),
            Err(Undecided::Stopped { kind, findings, report }) => {
                run.read = Some(*report);
                let incident = Incident {
                    feed: Some(order.feed.name.clone()),
                    run: Some(run.id),
                    ..Incident::new(kind, findings.join(". "))
                };
                self.failed(run, findings, Some(incident))
            }
        }
    }

    /// Everything that a run would do up to the intent. Writes nothing and submits nothing.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn plan(&self, order: &Order<'_>) -> Result<Pass, LedgerError> {
        let mut run = Run {
            id: RunId(0),
            feed: order.feed.name.clone(),
            trigger: order.trigger,
            began: self.clock.now(),
            ended: None,
            result: None,
            read: None,
            groups: Vec::new(),
            only: order.group.clone(),
            file: None,
            after: None,
        };
        let contact = match self.look().await {
            Ok(contact) => contact,
            Err(Trouble::Ledger(error)) => return Err(error),
            Err(Trouble::Incident(incident)) => return Ok(unfinished(run, vec![incident.reason])),
        };
        let decided = match self.decide_feed(order, &contact).await? {
            Ok(decided) => decided,
            Err(Undecided::NotYet(why)) => return Ok(unfinished(run, vec![why])),
            Err(Undecided::Stopped { findings, report, .. }) => {
                run.read = Some(*report);
                return Ok(unfinished(run, findings));
            }
        };
        let (outcome, _) = fill(&mut run, order, &decided);
        for (group, decision) in run.groups.iter_mut().zip(&decided.decisions) {
            if let Verdict::Submit { submission, .. } = &decision.verdict {
                group.body = body(submission);
            }
        }
        run.result = Some(RunResult { outcome, summary: "a plan; nothing was submitted".to_owned() });
        Ok(Pass { run })
    }

    async fn decide_feed(
        &self,
        order: &Order<'_>,
        contact: &Contact,
    ) -> Result<Result<Decided, Undecided>, LedgerError> {
        let feed = order.feed;
        let against = Against { file: order.file.as_deref(), plans: &contact.plans };
        let read = match self.read(feed, against).await {
            Reading::Whole(read) => *read,
            Reading::NotYet(why) => return Ok(Err(Undecided::NotYet(why))),
            Reading::Stopped { kind, findings, report } => {
                return Ok(Err(Undecided::Stopped { kind, findings, report }));
            }
        };
        let accepted = self.ledger.accepted_read(&feed.name)?.unwrap_or_default();
        let mut suspicions: Vec<Suspicion> = Vec::new();
        let (mut facts, mut named) = (Vec::new(), Vec::new());
        let mut records: HashMap<ReferenceId, Record> = HashMap::new();
        for group in self.groups_of(feed, &read.people)? {
            let name = self.named(contact, feed, &group)?;
            let mut known = self.group_facts(feed, &group, &read.people)?;
            known.missing = matches!(name, Named::Nothing);
            known.suspicions = suspicions_of(feed, &read, &accepted, &group);
            for suspicion in &known.suspicions {
                if !suspicions.iter().any(|each| each.line == suspicion.line) {
                    suspicions.push(suspicion.clone());
                }
            }
            let wanted = decide::wanted(&read.people, &known);
            records.extend(self.ledger.records(&group, &wanted)?);
            facts.push(known);
            named.push(name);
        }
        let rules = decide::Feed {
            people: &read.people,
            guard: &feed.guard,
            max_members: self.settings.vitable.max_members_per_sync,
            resync_after: feed.submit.resync_after(),
            key: self.ledger.fingerprint_key(),
            now: self.clock.now(),
        };
        let decisions = rules.decide(&facts, &records);
        let unplaced = rules.unplaced(&facts);
        Ok(Ok(Decided { read, suspicions, decisions, named, accepted, unplaced }))
    }

    /// A run that came to nothing: its end, its incident and its mail are one batch.
    pub(super) fn failed(
        &self,
        mut run: Run,
        findings: Vec<String>,
        incident: Option<Incident>,
    ) -> Result<Pass, LedgerError> {
        run.ended = Some(self.clock.now());
        run.result = Some(RunResult { outcome: RunOutcome::Failed, summary: findings.join(". ") });
        run.read.get_or_insert_with(ReadReport::default).findings = findings;
        // A file that came and is incomplete shows that its place answers again.
        let reached = run.file.is_none()
            && incident.as_ref().is_some_and(|incident| incident.kind == Kind::ReadIncomplete);
        let over: &[Kind] = if reached { &[Kind::SourceFailed] } else { &[] };
        let feed = run.feed.clone();
        let scope = Scope { kinds: over, feed: Some(&feed), group: None, host: false, except: &[] };
        let facts = self.facts(&incident.into_iter().collect::<Vec<_>>(), scope)?;
        tracing::error!(run = %run.id, feed = %run.feed, "the run failed; nothing was submitted");
        self.ledger.end_run(&run, facts)?;
        Ok(Pass { run })
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
        self.ledger.end_run(&run, Facts::default())?;
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
    let incidents = problems.incidents(&decided.read.notes);
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
            outcome = outcome.max(match group.verdict {
                GroupVerdict::Submit | GroupVerdict::Unchanged => RunOutcome::Done,
                GroupVerdict::Hold => RunOutcome::Held,
                GroupVerdict::PassedOver | GroupVerdict::Refused => RunOutcome::Failed,
            });
        }
    }
    (outcome, incidents)
}

/// What makes the read suspicious for a group, compared with the read that counts for it.
fn suspicions_of(feed: &Feed, read: &Read, accepted: &AcceptedRead, group: &GroupRef) -> Vec<Suspicion> {
    let before = accepted.of(group);
    let of_source = |(source, shape): (&String, &crate::roster::SourceShape)| {
        let evidence = read.evidence.get(source).map_or("", String::as_str);
        let before = before.and_then(|shapes| shapes.get(source));
        decide::suspicions(source, evidence, shape, before, &feed.guard)
    };
    read.shapes.iter().flat_map(of_source).collect()
}

/// The body that a submit would send.
fn body(submission: &decide::Submission) -> Option<BodyReport> {
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

fn unfinished(mut run: Run, findings: Vec<String>) -> Pass {
    run.result = Some(RunResult { outcome: RunOutcome::Failed, summary: findings.join(". ") });
    run.read.get_or_insert_with(ReadReport::default).findings = findings;
    Pass { run }
}

fn groups(number: usize, what: &str) -> String {
    format!("{number} {} {what}", if number == 1 { "group" } else { "groups" })
}
