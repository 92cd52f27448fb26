//! One pass of a feed, from reading to the end of every request it made.

use super::{
    Engine, Feed, Step,
    contact::{Contact, Named, NoContact, Trouble},
    follow::Aside,
    reading::{Against, Read, Reading},
    report,
    submit::Release,
    tell::{DECISION, READ, Scope},
};
use crate::{
    attempt::State,
    decide::{self, Decision, Verdict},
    ledger::{
        AcceptedRead, Facts, GroupReport, Hold, LedgerError, ReadReport, Run, RunOutcome, RunResult, Trigger,
    },
    notify::{Incident, Kind},
    roster::{GroupId, GroupRef, Record, ReferenceId, RunId},
};
use futures_util::StreamExt;
use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
};

/// How many groups are on their way at a time; the client bounds the HTTP requests among them.
const GROUPS_AT_A_TIME: usize = 256;

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

/// What a pass came to.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The run; of a plan it has the number 0 and is remembered nowhere.
    pub run: Run,
    /// Things to know that hold nothing.
    pub notes: Vec<String>,
}

impl Pass {
    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> RunOutcome {
        self.run.result.as_ref().map_or(RunOutcome::Failed, |result| result.outcome)
    }
}

/// A feed that was read and decided on, before anything is written.
struct Decided {
    contact: Contact,
    read: Read,
    decisions: Vec<Decision>,
    unplaced: Vec<u32>,
}

impl Engine {
    /// Runs a feed: reads, decides, submits, waits until Vitable has finished.
    ///
    /// # Errors
    /// When the ledger cannot be read or written. Everything else is an outcome of the run.
    pub async fn run(&self, order: &Order<'_>) -> Result<Pass, LedgerError> {
        let mut run = self.ledger.begin_run(&order.feed.name, order.trigger, self.clock.now())?;
        self.progress.step(&Step::Began { run: run.id, feed: &order.feed.name });
        let contact = match self.contact().await {
            Ok(contact) => contact,
            Err(NoContact::Ledger(error)) => return Err(error),
            Err(NoContact::Refused(why)) => return self.failed(run, vec![why], Vec::new()),
        };
        let decided = match self.decide_feed(order, contact).await? {
            Ok(decided) => decided,
            Err(Undecided::NotYet(why)) => return self.failed(run, vec![why], Vec::new()),
            Err(Undecided::Stopped { kind, findings, report }) => {
                run.read = Some(*report);
                let incident = Incident {
                    feed: Some(order.feed.name.clone()),
                    run: Some(run.id),
                    ..Incident::new(kind, sentence(&findings))
                };
                return self.failed(run, findings, vec![incident]);
            }
        };
        self.carry_out(run, order, decided).await
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
        };
        let contact = match self.look().await {
            Ok(contact) => contact,
            Err(Trouble::Ledger(error)) => return Err(error),
            Err(Trouble::Incident(incident)) => return Ok(unfinished(run, vec![incident.reason])),
        };
        let decided = match self.decide_feed(order, contact).await? {
            Ok(decided) => decided,
            Err(Undecided::NotYet(why)) => return Ok(unfinished(run, vec![why])),
            Err(Undecided::Stopped { findings, report, .. }) => {
                run.read = Some(*report);
                return Ok(unfinished(run, findings));
            }
        };
        let mut outcome = self.fill(&mut run, order, &decided);
        for (group, decision) in run.groups.iter_mut().zip(&decided.decisions) {
            if let Err((_, why)) = self.target(order.feed, &decided.contact, decision) {
                group.reasons.push(why);
                outcome = RunOutcome::Failed;
            }
        }
        run.result = Some(RunResult { outcome, summary: "a plan; nothing was submitted".to_owned() });
        Ok(Pass { run, notes: decided.read.notes })
    }

    async fn decide_feed(
        &self,
        order: &Order<'_>,
        contact: Contact,
    ) -> Result<Result<Decided, Undecided>, LedgerError> {
        let feed = order.feed;
        let accepted = self.ledger.accepted_read(&feed.name)?;
        let against =
            Against { file: order.file.as_deref(), plans: &contact.plans, accepted: accepted.as_ref() };
        let read = match self.read(feed, against).await {
            Reading::Whole(read) => *read,
            Reading::NotYet(why) => return Ok(Err(Undecided::NotYet(why))),
            Reading::Stopped { kind, findings, report } => {
                return Ok(Err(Undecided::Stopped { kind, findings, report }));
            }
        };
        let mut facts = Vec::new();
        let mut records: HashMap<ReferenceId, Record> = HashMap::new();
        for group in self.groups_of(feed, &read.people)? {
            let known = self.group_facts(feed, &group)?;
            let wanted = decide::wanted(&read.people, &known);
            records.extend(self.ledger.records(&group, &wanted)?);
            facts.push(known);
        }
        let rules = decide::Feed {
            people: &read.people,
            guard: &feed.guard,
            suspicions: &read.suspicions,
            max_members: self.settings.vitable.max_members_per_sync,
            resync_after: feed.submit.resync_after(),
            key: self.ledger.fingerprint_key(),
            now: self.clock.now(),
        };
        let decisions = rules.decide(&facts, &records);
        let unplaced = rules.unplaced(&facts);
        Ok(Ok(Decided { contact, read, decisions, unplaced }))
    }

    /// Puts what was read and decided into the run. Returns the outcome as far as it is certain by now.
    fn fill(&self, run: &mut Run, order: &Order<'_>, decided: &Decided) -> RunOutcome {
        let people = &decided.read.people;
        let omit = order.feed.grouping.unmatched == crate::mapping::Unmatched::Omit;
        let unplaced = if omit { &[][..] } else { decided.unplaced.as_slice() };
        let column = order.feed.grouping.column();
        let (problems, problem_rows) = report::problem_rows(people, &decided.decisions, unplaced, column);
        let mut read = decided.read.report.clone();
        read.findings = decided.read.suspicions.iter().map(|each| each.sentence.clone()).collect();
        let costly = problems.iter().any(|row| row.consequence != crate::ledger::Consequence::FieldLeftOut);
        (read.problems, read.problem_rows) = (problems, problem_rows);
        run.read = Some(read);
        run.groups = decided.decisions.iter().map(|decision| report::group(decision, people)).collect();
        let mut outcome = if costly { RunOutcome::LeftOut } else { RunOutcome::Done };
        for (decision, group) in decided.decisions.iter().zip(&run.groups) {
            outcome = outcome.max(match &decision.verdict {
                Verdict::Submit { .. } => RunOutcome::Done,
                Verdict::Skip(_) if group.reasons.iter().any(|why| why.starts_with("unchanged")) => {
                    RunOutcome::Done
                }
                Verdict::Skip(_) => RunOutcome::Failed,
                Verdict::Hold(_) => RunOutcome::Held,
            });
        }
        outcome
    }

    async fn carry_out(
        &self,
        mut run: Run,
        order: &Order<'_>,
        decided: Decided,
    ) -> Result<Pass, LedgerError> {
        let feed = order.feed;
        let mut outcome = self.fill(&mut run, order, &decided);
        let mut targets: Vec<Option<GroupId>> = Vec::new();
        let mut incidents = Vec::new();
        for (decision, group) in decided.decisions.iter().zip(&mut run.groups) {
            let wanted = order.group.as_ref().is_none_or(|only| *only == group.group);
            match self.target(feed, &decided.contact, decision) {
                Ok(target) => targets.push(target.filter(|_| wanted)),
                Err((kind, why)) => {
                    outcome = RunOutcome::Failed;
                    group.reasons.push(why.clone());
                    incidents.push(Incident { group: Some(group.group.clone()), ..Incident::new(kind, why) });
                    targets.push(None);
                }
            }
        }
        let problems = run.read.as_ref().map_or(&[][..], |read| read.problems.as_slice());
        incidents.extend(report::row_incidents(problems, &decided.read.notes));
        self.hold(&run, feed, &decided, incidents)?;
        self.ledger.save_run(&run)?;
        let sent = self.submit_all(&run, order, &decided, &targets).await;
        for (place, result) in sent {
            let (attempt, state) = result?;
            if let Some(group) = run.groups.get_mut(place) {
                group.attempt = Some(attempt);
                group.group_id = targets.get(place).cloned().flatten();
                outcome = outcome.max(self.outcome_of(attempt, &state, group)?);
            }
        }
        let sent = run.groups.iter().any(|group| group.attempt.is_some());
        let unchanged = run.groups.iter().any(|group| group.verdict == "skip");
        if sent || (unchanged && decided.read.suspicions.is_empty()) {
            let accepted = AcceptedRead { run: run.id.0, sources: decided.read.shapes.clone() };
            self.ledger.set_accepted_read(&feed.name, &accepted)?;
        }
        self.end(run, outcome, decided.read.notes)
    }

    /// Where a released roster goes: none when it must be created first or is not released.
    fn target(
        &self,
        feed: &Feed,
        contact: &Contact,
        decision: &Decision,
    ) -> Result<Option<GroupId>, (Kind, String)> {
        let group = &decision.plan.group;
        match self.named(contact, group) {
            Named::Group(id) => Ok(matches!(decision.verdict, Verdict::Submit { .. }).then_some(id)),
            Named::Nothing if feed.grouping.create_missing => Ok(None),
            Named::Nothing => Err((
                Kind::GroupUnknown,
                format!(
                    "No group at Vitable has the external_reference_id `{group}`, looked for byte for byte on every page."
                ),
            )),
            Named::Wrong(kind, why) => Err((kind, why)),
        }
    }

    /// The holds, the problem rows and their mail are one batch; what is no longer held is forgotten.
    fn hold(
        &self,
        run: &Run,
        feed: &Feed,
        decided: &Decided,
        mut incidents: Vec<Incident>,
    ) -> Result<(), LedgerError> {
        let known = self.ledger.holds(Some(&feed.name))?;
        let mut holds = Vec::new();
        // Groups about whose hold this run says nothing new: what was said of it stays as it is.
        let mut silent = Vec::new();
        for decision in &decided.decisions {
            let group = &decision.plan.group;
            let held = match &decision.verdict {
                Verdict::Hold(held) => held,
                // The approval stays until the attempt that it releases has completed.
                Verdict::Submit { approval: Some(_), .. } => continue,
                Verdict::Submit { approval: None, .. } => {
                    self.ledger.drop_hold(&feed.name, group)?;
                    continue;
                }
                Verdict::Skip(_) => {
                    silent.push(group.clone());
                    continue;
                }
            };
            let same = known.iter().find(|hold| hold.group == *group && hold.digest == held.digest);
            let first = same.map_or(run.id, |hold| hold.run);
            if same.and_then(|hold| hold.word.as_ref()).is_some_and(|word| !word.approved) {
                silent.push(group.clone());
            } else {
                let incident = report::held_incident(decision);
                incidents.extend(incident.map(|incident| Incident { run: Some(first), ..incident }));
            }
            holds.push(Hold {
                run: first,
                last_run: run.id,
                feed: feed.name.clone(),
                group: group.clone(),
                digest: held.digest.clone(),
                held: held.lines.iter().cloned().collect(),
                reasons: held.reasons.iter().map(|reason| reason.sentence.clone()).collect(),
                since: self.clock.now(),
                word: None,
            });
        }
        for incident in &mut incidents {
            incident.feed = Some(feed.name.clone());
            incident.run.get_or_insert(run.id);
        }
        let kinds: Vec<Kind> = READ.iter().chain(DECISION).copied().collect();
        let scope = Scope { kinds: &kinds, feed: Some(&feed.name), group: None, except: &silent };
        let facts = self.facts(&incidents, scope)?;
        self.ledger.put_holds(&holds, facts).map(|_| ())
    }

    async fn submit_all(
        &self,
        run: &Run,
        order: &Order<'_>,
        decided: &Decided,
        targets: &[Option<GroupId>],
    ) -> Vec<(usize, Result<(crate::ledger::AttemptId, State), LedgerError>)> {
        let released =
            decided.decisions.iter().zip(targets).enumerate().filter_map(|(place, (decision, target))| {
                let Verdict::Submit { submission, approval } = &decision.verdict else {
                    return None;
                };
                let wanted = order.group.as_ref().is_none_or(|only| *only == decision.plan.group);
                let create = target.is_none() && order.feed.grouping.create_missing;
                (wanted && (target.is_some() || create))
                    .then_some((place, decision, target, submission, approval))
            });
        let sent = released.map(|(place, decision, target, submission, approval)| async move {
            let group_id = match target {
                Some(id) => id.clone(),
                None => match self.create(order.feed, &decision.plan.group).await {
                    Ok(Some(id)) => id,
                    Ok(None) => return None,
                    Err(error) => return Some((place, Err(error))),
                },
            };
            let release = Release {
                run,
                feed: order.feed,
                group_id: &group_id,
                plan: &decision.plan,
                submission,
                approval: approval.clone(),
            };
            Some((place, self.send_and_follow(&release).await))
        });
        futures_util::stream::iter(sent)
            .buffer_unordered(GROUPS_AT_A_TIME)
            .filter_map(|sent| async move { sent })
            .collect()
            .await
    }

    async fn send_and_follow(
        &self,
        release: &Release<'_>,
    ) -> Result<(crate::ledger::AttemptId, State), LedgerError> {
        // Whoever submits to a group for the first time pins its id: from then on another one is refused.
        if self.ledger.group_pin(&release.plan.group).is_none() {
            self.ledger.set_group_pin(&release.plan.group, release.group_id)?;
        }
        let (id, state) = self.submit(release).await?;
        if !matches!(state, State::Accepted { .. }) {
            return Ok((id, state));
        }
        let Some(attempt) = self.ledger.attempt(id)? else {
            return Ok((id, state));
        };
        let aside = Aside { on_old_plan: Some(&release.plan.on_old_plan), patience: None };
        Ok((id, self.follow(&attempt, aside).await?))
    }

    /// Creates a missing group after its first sync was approved. `None` when Vitable did not.
    async fn create(&self, feed: &Feed, group: &GroupRef) -> Result<Option<GroupId>, LedgerError> {
        match self.client.create_group(group.as_str(), group).await {
            Ok(found) => Ok(Some(found.id)),
            Err(error) => {
                let incident = Incident {
                    feed: Some(feed.name.clone()),
                    group: Some(group.clone()),
                    ..Incident::new(Kind::GroupUnknown, format!("The group could not be created: {error}."))
                };
                self.tell(&[incident], Scope::NOTHING)?;
                Ok(None)
            }
        }
    }

    fn outcome_of(
        &self,
        attempt: crate::ledger::AttemptId,
        state: &State,
        group: &mut GroupReport,
    ) -> Result<RunOutcome, LedgerError> {
        Ok(match state {
            State::Completed { .. } => {
                let remembered = self.ledger.attempt(attempt)?;
                let failed = remembered
                    .and_then(|attempt| attempt.outcome)
                    .is_some_and(|outcome| !outcome.failures.is_empty());
                if failed { RunOutcome::LeftOut } else { RunOutcome::Done }
            }
            State::NotSent { why } | State::OutcomeUnknown { why } => {
                group.reasons.push(format!("{}: {why}", state.name()));
                RunOutcome::Failed
            }
            State::Rejected { status, message, .. } => {
                group.reasons.push(format!("refused by Vitable with {status}: {message}"));
                RunOutcome::Failed
            }
            State::TimedOut { .. } | State::Prepared | State::Sent | State::Accepted { .. } => {
                group.reasons.push("Vitable has not finished; the request is polled on".to_owned());
                RunOutcome::Failed
            }
        })
    }

    /// A run that came to nothing: its end, its incidents and their mail are one batch.
    fn failed(
        &self,
        mut run: Run,
        findings: Vec<String>,
        incidents: Vec<Incident>,
    ) -> Result<Pass, LedgerError> {
        run.ended = Some(self.clock.now());
        run.result = Some(RunResult { outcome: RunOutcome::Failed, summary: sentence(&findings) });
        let read = run.read.get_or_insert_with(ReadReport::default);
        read.findings = findings;
        let facts = self.facts(&incidents, Scope::NOTHING)?;
        tracing::error!(run = %run.id, feed = %run.feed, "the run failed; nothing was submitted");
        self.ledger.end_run(&run, facts)?;
        Ok(Pass { run, notes: Vec::new() })
    }

    fn end(&self, mut run: Run, outcome: RunOutcome, notes: Vec<String>) -> Result<Pass, LedgerError> {
        let sent = run.groups.iter().filter(|group| group.attempt.is_some()).count();
        let summary = match outcome {
            RunOutcome::Done => format!("done: {}", groups(sent, "submitted")),
            RunOutcome::LeftOut => format!("done, but not everybody: {}", groups(sent, "submitted")),
            RunOutcome::Held => {
                let held = run.groups.iter().filter(|group| group.verdict == "hold").count();
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
        Ok(Pass { run, notes })
    }
}

/// Why a feed could not be decided on.
enum Undecided {
    NotYet(String),
    Stopped { kind: Kind, findings: Vec<String>, report: Box<ReadReport> },
}

fn unfinished(mut run: Run, findings: Vec<String>) -> Pass {
    run.result = Some(RunResult { outcome: RunOutcome::Failed, summary: sentence(&findings) });
    run.read.get_or_insert_with(ReadReport::default).findings = findings;
    Pass { run, notes: Vec::new() }
}

fn sentence(findings: &[String]) -> String {
    let unique: BTreeSet<&str> = findings.iter().map(String::as_str).collect();
    let ordered: Vec<&str> =
        findings.iter().map(String::as_str).filter(|each| unique.contains(each)).collect();
    ordered.join(". ")
}

fn groups(number: usize, what: &str) -> String {
    format!("{number} {} {what}", if number == 1 { "group" } else { "groups" })
}
