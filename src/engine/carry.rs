//! Carrying a decision out: holds and their mails first, then every released roster to its end.

use super::{
    Begun, Engine, Feed, Order, Pass, Progress,
    contact::Named,
    follow::Aside,
    pass::{Decided, fill},
    report,
    shared::Halt,
    submit::Release,
    tell::{DECISION, READ, Scope, record},
};
use crate::{
    attempt::State,
    decide::{Decision, Submission, Verdict},
    ledger::{AttemptId, GroupReport, GroupVerdict, Hold, LedgerError, Run, RunOutcome},
    notify::{Incident, Kind},
    roster::{GroupId, GroupRef, ReferenceId, SourceShape},
    vitable::FindError,
};
use futures_util::{StreamExt, future::BoxFuture};
use std::{collections::BTreeMap, sync::Arc};

/// How many groups are on their way at a time; the client bounds the HTTP requests among them.
const GROUPS_AT_A_TIME: usize = 256;

/// What became of one released roster.
enum Sent {
    /// An attempt was made.
    Attempt(Sending),
    /// None was made. The sentence says why, and the flag whether that passes.
    Not(String, bool),
}

/// An attempt that was made, and what only its sender knows.
#[derive(Debug)]
struct Sending {
    attempt: AttemptId,
    state: State,
    group_id: GroupId,
    /// Members who remain on another plan than the source says.
    on_old_plan: Vec<ReferenceId>,
}

/// A run that waits for Vitable: what is left of it when everything has been sent.
#[derive(Debug)]
pub struct Waiting {
    run: Run,
    outcome: RunOutcome,
    shapes: BTreeMap<String, SourceShape>,
    /// By their place among the run's groups.
    sent: Vec<(usize, Sending)>,
}

impl Waiting {
    /// The run.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }
}

/// One released roster.
#[derive(Clone, Copy)]
struct Due<'a> {
    decision: &'a Decision,
    named: &'a Named,
    submission: &'a Arc<Submission>,
    approval: Option<&'a String>,
}

impl Engine {
    /// Carries a decision out as far as Vitable's first answers: holds and their mails, then everything that is
    /// released. The run's read and groups are filled in.
    pub(super) async fn send_all(
        &self,
        mut run: Run,
        order: &Order<'_>,
        decided: Decided,
    ) -> Result<Begun, LedgerError> {
        let decided_on = |group: &GroupRef| decided.decisions.iter().any(|each| each.plan.group == *group);
        if let Some(only) = order.group.as_ref().filter(|only| !decided_on(only)) {
            let why = format!("nothing in the read of feed `{}` routes to a group `{only}`", order.feed.name);
            return self.failed(run, vec![why], None).map(Begun::over);
        }
        let (mut outcome, mut incidents) = fill(&mut run, order, &decided);
        for (group, named) in run.groups.iter().zip(&decided.named) {
            if let Named::Wrong(kind, why) = named {
                incidents
                    .push(Incident { group: Some(group.group.clone()), ..Incident::new(*kind, why.clone()) });
            }
        }
        self.hold(&run, order, &decided, incidents)?;
        self.note_rejections(&mut run)?;
        self.ledger.save_run(&run)?;
        // The mails of what waits do not wait for what is sent.
        self.wake_mails();
        let (mut sent, mut broken) = (Vec::new(), None);
        for (place, each) in self.submit_all(&run, order, &decided).await {
            match each {
                Ok(Sent::Attempt(sending)) => sent.push((place, sending)),
                Ok(Sent::Not(why, passes)) => {
                    outcome = RunOutcome::Failed;
                    if let Some(group) = run.groups.get_mut(place) {
                        (group.verdict, group.again) = (GroupVerdict::Refused, passes);
                        group.reasons.push(why);
                    }
                }
                Err(error) => broken = broken.or(Some(error)),
            }
        }
        for (place, sending) in &sent {
            if let Some(group) = run.groups.get_mut(*place) {
                (group.attempt, group.group_id) = (Some(sending.attempt), Some(sending.group_id.clone()));
            }
        }
        if let Some(error) = broken {
            // What could be sent is remembered with the run; the run stays open and is begun again.
            self.ledger.save_run(&run)?;
            return Err(error);
        }
        let waiting = Waiting { run, outcome, shapes: decided.read.shapes, sent };
        if self.shared.stopping() {
            return self.stopped(waiting.run).map(Begun::over);
        }
        if waiting.sent.iter().any(|(_, sending)| matches!(sending.state, State::Accepted { .. })) {
            self.ledger.save_run(&waiting.run)?;
            return Ok(Begun::Waiting(Box::new(waiting)));
        }
        self.finish(waiting).map(Begun::over)
    }

    /// The second part of a run: waits until Vitable has finished everything that was sent.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn wait(&self, mut waiting: Waiting, progress: &dyn Progress) -> Result<Pass, LedgerError> {
        let mut followed: Vec<BoxFuture<'_, Result<(), LedgerError>>> = Vec::new();
        for (_, sending) in &mut waiting.sent {
            followed.push(Box::pin(self.follow_sending(sending, progress)));
        }
        let ended: Vec<_> =
            futures_util::stream::iter(followed).buffer_unordered(GROUPS_AT_A_TIME).collect().await;
        ended.into_iter().collect::<Result<(), LedgerError>>()?;
        // A request that is still in flight now is one for which nobody may wait any longer.
        if self.shared.stopping() && waiting.sent.iter().any(|(_, sending)| sending.state.in_flight()) {
            return self.stopped(waiting.run);
        }
        let pass = self.finish(waiting)?;
        self.afterwards(&pass, progress).await?;
        Ok(pass)
    }

    async fn follow_sending(
        &self,
        sending: &mut Sending,
        progress: &dyn Progress,
    ) -> Result<(), LedgerError> {
        if matches!(sending.state, State::Accepted { .. })
            && let Some(attempt) = self.ledger.attempt(sending.attempt)?
        {
            let aside = Aside { on_old_plan: Some(&sending.on_old_plan), patience: None };
            sending.state = self.follow(&attempt, aside, progress).await?;
        }
        Ok(())
    }

    /// Everything was answered: what the answers say goes into the run, and the run ends.
    fn finish(&self, waiting: Waiting) -> Result<Pass, LedgerError> {
        let Waiting { mut run, mut outcome, shapes, sent } = waiting;
        let mut completed = Vec::new();
        for (place, sending) in sent {
            let Some(group) = run.groups.get_mut(place) else { continue };
            if matches!(sending.state, State::Completed { .. }) {
                completed.push(group.group.clone());
            }
            outcome = outcome.max(self.outcome_of(sending.attempt, &sending.state, group)?);
        }
        let unchanged = run.groups.iter().filter(|group| group.verdict == GroupVerdict::Unchanged);
        completed.extend(unchanged.map(|group| group.group.clone()));
        if !completed.is_empty() {
            self.ledger.accept_read(&run.feed, run.id, &shapes, &completed)?;
        }
        self.end(run, outcome)
    }

    /// The holds, the problem rows and their mail are one batch; what is no longer held is forgotten.
    fn hold(
        &self,
        run: &Run,
        order: &Order<'_>,
        decided: &Decided,
        mut incidents: Vec<Incident>,
    ) -> Result<(), LedgerError> {
        let feed = &order.feed.name;
        let known = self.ledger.holds(Some(feed))?;
        // Groups about whose hold this run says nothing new: what was said of it stays as it is.
        let (mut holds, mut dropped, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        for (decision, report) in decided.decisions.iter().zip(&run.groups) {
            let group = &decision.plan.group;
            let held = match &decision.verdict {
                Verdict::Hold(held) if report.verdict == GroupVerdict::Hold => held,
                Verdict::Hold(_) | Verdict::PassOver(_) => {
                    silent.push(group.clone());
                    continue;
                }
                // The approval and the incident stay until the attempt that they released has completed.
                Verdict::Submit { approval: Some(_), .. } => {
                    silent.push(group.clone());
                    continue;
                }
                Verdict::Submit { approval: None, .. } | Verdict::Unchanged => {
                    dropped.push(group.clone());
                    continue;
                }
            };
            let same = known.iter().find(|hold| hold.group == *group && hold.digest == held.digest);
            let first = same.map_or(run.id, |hold| hold.run);
            if same.and_then(|hold| hold.word.as_ref()).is_some_and(|word| !word.approved) {
                silent.push(group.clone());
            } else {
                match report::held_incident(decision) {
                    Some(incident) => incidents.push(Incident { run: Some(first), ..incident }),
                    // Held with the whole feed: what was said of its own change is not over by that.
                    None => silent.push(group.clone()),
                }
            }
            holds.push(Hold {
                run: first,
                last_run: run.id,
                feed: feed.clone(),
                group: group.clone(),
                digest: held.digest.clone(),
                held: held.lines.iter().cloned().collect(),
                reasons: held.reasons.iter().map(|reason| reason.sentence.clone()).collect(),
                approvable: held.approvable(),
                since: self.clock.now(),
                word: None,
            });
        }
        incidents.extend(report::suspicious_incident(&decided.suspicions));
        for incident in &mut incidents {
            incident.feed = Some(feed.clone());
            incident.run.get_or_insert(run.id);
        }
        // A local file in place of the source says nothing about the source.
        let read: &[Kind] = if order.file.is_none() { READ } else { &[] };
        let kinds: Vec<Kind> = read.iter().chain(DECISION).copied().collect();
        let scope =
            Scope { kinds: &kinds, feed: Some(feed), group: None, host: false, daemon: &[], except: &silent };
        let telling = self.shared.telling();
        let facts = self.facts(&telling, &incidents, scope)?;
        let dropped: Vec<_> = dropped.into_iter().map(|group| (feed.clone(), group)).collect();
        self.ledger.put_holds(&holds, &dropped, facts).map(|_| ())
    }

    /// A rejected change is not offered for an approval.
    fn note_rejections(&self, run: &mut Run) -> Result<(), LedgerError> {
        let holds = self.ledger.holds(Some(&run.feed))?;
        for group in &mut run.groups {
            let same =
                |hold: &&Hold| hold.group == group.group && Some(&hold.digest) == group.digest.as_ref();
            let word = holds.iter().find(same).and_then(|hold| hold.word.as_ref());
            if let Some(word) = word.filter(|word| !word.approved && group.verdict == GroupVerdict::Hold) {
                group.approvable = false;
                group.reasons.push(format!(
                    "rejected by {} on {} ({}); asked again only when the change is another one",
                    word.by,
                    word.at.format("%Y-%m-%d"),
                    word.reason
                ));
            }
        }
        Ok(())
    }

    async fn submit_all(
        &self,
        run: &Run,
        order: &Order<'_>,
        decided: &Decided,
    ) -> Vec<(usize, Result<Sent, LedgerError>)> {
        let released = decided.decisions.iter().zip(&decided.named).enumerate();
        let mut sent: Vec<BoxFuture<'_, (usize, Result<Sent, LedgerError>)>> = Vec::new();
        for (place, (decision, named)) in released {
            let Verdict::Submit { submission, approval } = &decision.verdict else { continue };
            if order.wants(&decision.plan.group) {
                let due = Due { decision, named, submission, approval: approval.as_ref() };
                sent.push(Box::pin(async move { (place, self.send(run, order, due).await) }));
            }
        }
        futures_util::stream::iter(sent).buffer_unordered(GROUPS_AT_A_TIME).collect().await
    }

    async fn send(&self, run: &Run, order: &Order<'_>, due: Due<'_>) -> Result<Sent, LedgerError> {
        let group = &due.decision.plan.group;
        if let Some(why) = self.halted() {
            return Ok(Sent::Not(why.to_string(), true));
        }
        if self.shared.stopping() {
            return Ok(Sent::Not("rosterd was stopped before it was sent".to_owned(), true));
        }
        let group_id = match due.named {
            Named::Group(id) => id.clone(),
            Named::Nothing => match self.create(order.feed, group).await? {
                Ok(id) => id,
                Err(why) => return Ok(Sent::Not(why, false)),
            },
            // Already said, and never sent to.
            Named::Wrong(_, why) => return Ok(Sent::Not(why.clone(), false)),
        };
        let release = Release {
            run,
            feed: order.feed,
            group_id: &group_id,
            plan: &due.decision.plan,
            submission: due.submission,
            approval: due.approval.cloned(),
            progress: order.progress,
        };
        match self.send_one(&release).await {
            Ok((attempt, state)) => {
                let on_old_plan = release.plan.on_old_plan.clone();
                Ok(Sent::Attempt(Sending { attempt, state, group_id, on_old_plan }))
            }
            Err(error) if error.is_about_the_group() => Ok(Sent::Not(error.to_string(), true)),
            Err(error) => {
                // What cannot be recorded is not submitted, for any group.
                self.shared.halt(Halt::State(error.to_string()));
                Err(error)
            }
        }
    }

    async fn send_one(&self, release: &Release<'_>) -> Result<(AttemptId, State), LedgerError> {
        // Whoever submits to a group for the first time pins its id: from then on another one is refused.
        if self.ledger.group_pin(&release.plan.group).is_none() {
            self.ledger.set_group_pin(&release.plan.group, release.group_id)?;
        }
        self.submit(release).await
    }

    /// Creates a missing group, which a person approved. The inner error says why it is not there.
    async fn create(&self, feed: &Feed, group: &GroupRef) -> Result<Result<GroupId, String>, LedgerError> {
        // A look of before knows nothing of it.
        self.shared.keep_look(None);
        let (why, trace_id) = match self.client.create_group(group.as_str(), group).await {
            Ok(found) => match self.belongs(&found.organization)? {
                Ok(()) => return Ok(Ok(found.id)),
                Err(incident) => (incident.reason, None),
            },
            Err(FindError::Api(error)) => {
                (format!("The group could not be created: {}.", error.without_trace()), error.trace_id)
            }
            Err(error @ (FindError::NotFound(_) | FindError::Ambiguous { .. })) => {
                (format!("The group could not be created: {error}."), None)
            }
        };
        let incident = Incident {
            feed: Some(feed.name.clone()),
            group: Some(group.clone()),
            trace_id,
            ..Incident::new(Kind::GroupUnknown, why.clone())
        };
        self.tell(&[incident], Scope::NOTHING)?;
        Ok(Err(why))
    }

    fn outcome_of(
        &self,
        attempt: AttemptId,
        state: &State,
        group: &mut GroupReport,
    ) -> Result<RunOutcome, LedgerError> {
        Ok(match state {
            State::Completed { .. } => {
                let Some(attempt) = self.ledger.attempt(attempt)? else { return Ok(RunOutcome::Done) };
                let about = Incident {
                    feed: Some(attempt.feed),
                    group: Some(attempt.group),
                    ..Incident::new(Kind::SecondWriter, String::new())
                };
                let open = self.ledger.incident(&about.key())?.filter(|stored| stored.resolved.is_none());
                if let Some(incident) = open.and_then(|stored| record(stored).incident()) {
                    group.reasons.push(incident.reason);
                }
                let failed = attempt.outcome.is_some_and(|outcome| !outcome.failures.is_empty());
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
                group.reasons.push(
                    "Vitable has not finished in time; the request is looked at again from time to time"
                        .to_owned(),
                );
                RunOutcome::Failed
            }
        })
    }
}
