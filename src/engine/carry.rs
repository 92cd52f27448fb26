//! Carrying a decision out: holds and their mails first, then every released roster to its end.

use super::{
    Begun, Engine, Feed, Order, Pass, Progress,
    contact::Named,
    follow::Aside,
    pass::{Decided, fill},
    report,
    rounds::{Second, due_at_once},
    shared::{Going, Halt},
    submit::Release,
    tell::{DECISION, READ, Scope, record},
    word,
};
use crate::{
    attempt::State,
    decide::{Decision, Held, Round, Submission, Verdict},
    ledger::{AttemptId, GroupReport, GroupVerdict, Hold, LedgerError, Run, RunOutcome},
    notify::{Incident, Kind, shell_word},
    roster::{GroupId, GroupRef, People, ReferenceId, SourceShape},
    vitable::FindError,
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use std::{collections::BTreeMap, sync::Arc};

/// How many groups are on their way at a time; the client bounds the HTTP requests among them.
const GROUPS_AT_A_TIME: usize = 256;

/// What became of one released roster.
pub(super) enum Sent {
    /// An attempt was made.
    Attempt(Sending),
    /// None was made. The sentence says why, and the flag whether that passes.
    Not(String, bool),
}

/// An attempt that was made, and what only its sender knows.
#[derive(Debug)]
pub(super) struct Sending {
    attempt: AttemptId,
    pub(super) state: State,
    group_id: GroupId,
    /// Members who remain on another plan than the source says.
    on_old_plan: Vec<ReferenceId>,
}

/// A run that waits for Vitable: what is left of it when everything has been sent.
#[derive(Debug)]
pub struct Waiting {
    pub(super) run: Run,
    pub(super) outcome: RunOutcome,
    /// How what was read looks; a run that reads nothing has none.
    shapes: Option<BTreeMap<String, SourceShape>>,
    /// By their place among the run's groups.
    pub(super) sent: Vec<(usize, Sending)>,
    /// The groups into which people move, for when those that they leave have finished.
    pub(super) second: Option<Box<Second>>,
    /// Until it has ended, or is dropped.
    pub(super) going: Option<Going>,
}

impl Waiting {
    /// A run that reads nothing.
    pub(super) fn without_read(
        run: Run,
        outcome: RunOutcome,
        sent: Vec<(usize, Sending)>,
        going: Going,
    ) -> Self {
        Self { run, outcome, shapes: None, sent, second: None, going: Some(going) }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }
}

/// One released roster.
#[derive(Clone, Copy)]
pub(super) struct Due<'a> {
    decision: &'a Decision,
    named: &'a Named,
    submission: &'a Arc<Submission>,
    approval: Option<&'a String>,
}

impl<'a> Due<'a> {
    /// What is due of a decision: nothing unless its roster is released.
    pub(super) fn of(decision: &'a Decision, named: &'a Named) -> Option<Self> {
        match &decision.verdict {
            Verdict::Submit { submission, approval } => {
                Some(Self { decision, named, submission, approval: approval.as_ref() })
            }
            Verdict::Unchanged | Verdict::PassOver(_) | Verdict::Retired(_) | Verdict::Hold(_) => None,
        }
    }
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
        let decided = self.with_groups_to_move_into(order, decided).await?;
        let (mut outcome, mut incidents) = fill(&mut run, order, &decided);
        for (group, named) in run.groups.iter().zip(&decided.named) {
            if let Named::Wrong(kind, why) = named {
                incidents
                    .push(Incident { group: Some(group.group.clone()), ..Incident::new(*kind, why.clone()) });
            }
        }
        self.forget_ended_moves(order.feed, &decided)?;
        self.hold(&run, order, &decided, incidents)?;
        self.note_rejections(&mut run)?;
        self.remember(&run, &decided)?;
        // A mail that cannot wait does not wait for what is sent.
        self.wake_mails();
        let mut sent = Vec::new();
        for due in due_at_once(order, &decided) {
            sent.extend(self.send_due(&mut run, &mut outcome, order.feed, order.progress, due).await?);
        }
        let shapes = Some(decided.read.shapes.clone());
        let second = Second::of(order, decided, &sent).map(Box::new);
        self.sent_all(Waiting { run, outcome, shapes, sent, second, going: None })
    }

    /// Everything that is due at once was sent: the run waits for Vitable, or is over.
    pub(super) fn sent_all(&self, waiting: Waiting) -> Result<Begun, LedgerError> {
        if self.shared.stopping() {
            return self.stopped(waiting.run).map(Begun::over);
        }
        let accepted = |(_, sending): &(usize, Sending)| matches!(sending.state, State::Accepted { .. });
        if waiting.second.is_some() || waiting.sent.iter().any(accepted) {
            self.ledger.save_run(&waiting.run)?;
            return Ok(Begun::Waiting(Box::new(waiting)));
        }
        self.finish(waiting).map(Begun::over)
    }

    /// Sends what is due, and puts what becomes of it into the run. What could be sent before the state broke is
    /// remembered with the run, which stays open and is begun again.
    pub(super) async fn send_due(
        &self,
        run: &mut Run,
        outcome: &mut RunOutcome,
        feed: &Feed,
        progress: &dyn Progress,
        due: Vec<(usize, Due<'_>)>,
    ) -> Result<Vec<(usize, Sending)>, LedgerError> {
        let (mut sent, mut broken) = (Vec::new(), None);
        for (place, each) in self.submit_all(run, feed, progress, due).await {
            match each {
                Ok(each) => sent.extend(note_sent(run, outcome, place, each)),
                Err(error) => broken = broken.or(Some(error)),
            }
        }
        match broken {
            None => Ok(sent),
            Some(error) => {
                self.ledger.save_run(run)?;
                Err(error)
            }
        }
    }

    /// The second part of a run: waits until Vitable has finished everything that was sent, and sends the groups
    /// into which people move when those that they leave have finished.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn wait(&self, mut waiting: Waiting, progress: &dyn Progress) -> Result<Pass, LedgerError> {
        let _going = waiting.going.take();
        let whole = match waiting.second.take() {
            Some(second) => self.wait_in_rounds(&mut waiting, &second, progress).await?,
            None => {
                self.follow_all(waiting.sent.iter_mut().map(|(_, sending)| sending), progress).await?;
                true
            }
        };
        // A request that is still in flight now is one for which nobody may wait any longer.
        let in_flight = waiting.sent.iter().any(|(_, sending)| sending.state.in_flight());
        if self.shared.stopping() && (in_flight || !whole) {
            return self.stopped(waiting.run);
        }
        let pass = self.finish(waiting)?;
        self.afterwards(&pass, progress).await?;
        Ok(pass)
    }

    /// Follows these to their ends.
    pub(super) async fn follow_all(
        &self,
        sent: impl Iterator<Item = &mut Sending>,
        progress: &dyn Progress,
    ) -> Result<(), LedgerError> {
        let followed: Vec<BoxFuture<'_, Result<(), LedgerError>>> =
            sent.map(|sending| self.follow_sending(sending, progress).boxed()).collect();
        let ended: Vec<_> =
            futures_util::stream::iter(followed).buffer_unordered(GROUPS_AT_A_TIME).collect().await;
        ended.into_iter().collect()
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
        let Waiting { mut run, mut outcome, shapes, sent, second: _, going: _ } = waiting;
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
        if let Some(shapes) = shapes {
            if !completed.is_empty() {
                self.ledger.accept_read(&run.feed, run.id, &shapes, &completed)?;
            }
            if self.moves_are_unfinished(&mut run)? {
                outcome = RunOutcome::Failed;
            }
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
                Verdict::Submit { approval: None, .. } | Verdict::Unchanged | Verdict::Retired(_) => {
                    dropped.push(group.clone());
                    continue;
                }
            };
            let (hold, told) = self.held(run, decision, held, (&decided.read.people, &known));
            if !told.iter().any(|incident| incident.kind == Kind::Held) {
                silent.push(group.clone());
            }
            incidents.extend(told);
            holds.push(hold);
        }
        incidents.extend(report::suspicious_incident(&decided.suspicions));
        for incident in &mut incidents {
            incident.feed = Some(feed.clone());
            incident.run.get_or_insert(run.id);
        }
        // A local file in place of the source says nothing about the source.
        let read: &[Kind] = if order.file.is_none() { READ } else { &[] };
        let kinds: Vec<Kind> = read.iter().chain(DECISION).copied().collect();
        let scope = Scope { kinds: &kinds, feed: Some(feed), except: &silent, ..Scope::NOTHING };
        let waits = self.waiting(run, decided)?;
        self.add_ages(&mut incidents, &waits);
        let telling = self.shared.telling();
        let facts = self.facts(&telling, &incidents, scope)?;
        let dropped: Vec<_> = dropped.into_iter().map(|group| (feed.clone(), group)).collect();
        self.ledger.put_decided(&holds, &dropped, &waits, facts).map(|_| ())
    }

    /// What is held of a group, and what is told of it: nothing while the change is rejected, and nothing of a group
    /// that is held with the whole feed, since what was said of its own change is not over by that. That an approval of it
    /// expired is told by itself.
    fn held(
        &self,
        run: &Run,
        decision: &Decision,
        held: &Held,
        (people, known): (&People, &[Hold]),
    ) -> (Hold, Vec<Incident>) {
        let group = &decision.plan.group;
        let same = known.iter().find(|hold| hold.group == *group && hold.digest == held.digest);
        let first = same.map_or(run.id, |hold| hold.run);
        let rejected = same.and_then(|hold| hold.word.as_ref()).is_some_and(|word| !word.approved);
        let lapsed = same.and_then(|hold| word::lapsed_incident(hold, self.clock.now()));
        let incident = report::held_incident(decision, people).filter(|_| !rejected);
        let hold = Hold {
            run: first,
            last_run: run.id,
            feed: run.feed.clone(),
            group: group.clone(),
            digest: held.digest.clone(),
            held: held.lines.iter().cloned().collect(),
            reasons: held.reasons.iter().map(|reason| reason.sentence.clone()).collect(),
            approvable: held.approvable(),
            since: self.clock.now(),
            word: None,
            expired: None,
        };
        let what_to_do = if held.approvable() { Vec::new() } else { not_approvable(group, run) };
        let told = |incident| Incident { run: Some(first), what_to_do, ..incident };
        (hold, incident.map(told).into_iter().chain(lapsed).collect())
    }

    /// A group that was clear when the run began, and is held when its second round has come: a person is asked at
    /// once, and not by the next run.
    pub(super) fn hold_in_second_round(
        &self,
        run: &Run,
        decision: &Decision,
        people: &People,
    ) -> Result<(), LedgerError> {
        let Verdict::Hold(held) = &decision.verdict else { return Ok(()) };
        let known = self.ledger.holds(Some(&run.feed))?;
        let (hold, told) = self.held(run, decision, held, (people, &known));
        let of_feed = |incident| Incident { feed: Some(run.feed.clone()), ..incident };
        let told: Vec<Incident> = told.into_iter().map(of_feed).collect();
        let telling = self.shared.telling();
        let facts = self.facts(&telling, &told, Scope::NOTHING)?;
        self.ledger.put_holds(&[hold], &[], facts)?;
        drop(telling);
        self.wake_mails();
        Ok(())
    }

    /// A rejected change is not offered for an approval, and one whose approval has expired is again.
    pub(super) fn note_rejections(&self, run: &mut Run) -> Result<(), LedgerError> {
        let holds = self.ledger.holds(Some(&run.feed))?;
        for group in &mut run.groups {
            let same =
                |hold: &&Hold| hold.group == group.group && Some(&hold.digest) == group.digest.as_ref();
            let Some(hold) = holds.iter().find(same) else { continue };
            if let Some(word) = hold.lapsed(self.clock.now()).filter(|_| group.verdict == GroupVerdict::Hold)
            {
                group.reasons.push(word::lapsed_words(word));
            }
            let word = hold.word.as_ref();
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
        feed: &Feed,
        progress: &dyn Progress,
        due: Vec<(usize, Due<'_>)>,
    ) -> Vec<(usize, Result<Sent, LedgerError>)> {
        let mut sent: Vec<BoxFuture<'_, (usize, Result<Sent, LedgerError>)>> = Vec::new();
        for (place, due) in due {
            sent.push(Box::pin(async move { (place, self.send(run, feed, progress, due).await) }));
        }
        futures_util::stream::iter(sent).buffer_unordered(GROUPS_AT_A_TIME).collect().await
    }

    async fn send(
        &self,
        run: &Run,
        feed: &Feed,
        progress: &dyn Progress,
        due: Due<'_>,
    ) -> Result<Sent, LedgerError> {
        let group = &due.decision.plan.group;
        if let Some(why) = self.halted() {
            return Ok(Sent::Not(why.to_string(), true));
        }
        if self.shared.stopping() {
            return Ok(Sent::Not("rosterd was stopped before it was sent".to_owned(), true));
        }
        let group_id = match due.named {
            Named::Group(id) => id.clone(),
            Named::Nothing => match self.create(feed, group).await? {
                Ok(id) => id,
                Err(why) => return Ok(Sent::Not(why, false)),
            },
            // Already said, and never sent to.
            Named::Wrong(_, why) => return Ok(Sent::Not(why.clone(), false)),
        };
        let half = matches!(due.decision.round, Round::Both(_));
        let release = Release {
            run,
            feed: &feed.name,
            group_id: &group_id,
            counts: report::counts(&due.decision.plan),
            submission: due.submission,
            approval: due.approval.filter(|_| !half).cloned(),
            half,
            progress,
        };
        self.send_one(&release, due.decision.plan.on_old_plan.clone()).await
    }

    /// Sends one roster. What is the matter with its group alone ends no other; what cannot be recorded ends all.
    pub(super) async fn send_one(
        &self,
        release: &Release<'_>,
        on_old_plan: Vec<ReferenceId>,
    ) -> Result<Sent, LedgerError> {
        match self.pin_and_submit(release).await {
            Ok((attempt, state)) => {
                let group_id = release.group_id.clone();
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

    async fn pin_and_submit(&self, release: &Release<'_>) -> Result<(AttemptId, State), LedgerError> {
        // Whoever submits to a group for the first time pins its id: from then on another one is refused.
        let group = release.submission.group();
        if self.ledger.group_pin(group).is_none() {
            self.ledger.set_group_pin(group, release.group_id)?;
        }
        self.submit(release).await
    }

    /// Creates a missing group, which a person approved. The inner error says why it is not there.
    pub(super) async fn create(
        &self,
        feed: &Feed,
        group: &GroupRef,
    ) -> Result<Result<GroupId, String>, LedgerError> {
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

    pub(super) fn outcome_of(
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
                let open = self.ledger.open_incident(&about.key())?;
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

/// What a person does about a hold that no approval releases.
fn not_approvable(group: &GroupRef, run: &Run) -> Vec<String> {
    vec![
        format!(
            "Have the export or the configuration for `{group}` corrected: no approval can release this."
        ),
        format!("rosterd show {}", run.id),
        "The next run decides afresh. To take a corrected export at once:".to_owned(),
        format!("rosterd sync {}", shell_word(run.feed.as_str())),
    ]
}

/// Puts into the run what became of one roster; what was sent is followed.
pub(super) fn note_sent(
    run: &mut Run,
    outcome: &mut RunOutcome,
    place: usize,
    sent: Sent,
) -> Option<(usize, Sending)> {
    let group = run.groups.get_mut(place)?;
    match sent {
        Sent::Attempt(sending) => {
            (group.attempt, group.group_id) = (Some(sending.attempt), Some(sending.group_id.clone()));
            Some((place, sending))
        }
        Sent::Not(why, passes) => {
            *outcome = RunOutcome::Failed;
            (group.verdict, group.again) = (GroupVerdict::Refused, passes);
            group.reasons.push(why);
            None
        }
    }
}
