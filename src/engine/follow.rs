//! Looking after a request until Vitable has finished.

use super::{
    Engine, Progress, Step, answers,
    contact::failing,
    shared::Telling,
    tell::{COMPLETION, Scope, TAKEN},
};
use crate::{
    attempt::{Event, Outcome, State},
    ledger::{Attempt, Facts, Hold, LedgerError},
    notify::{Incident, Kind},
    roster::ReferenceId,
    vitable::{ApiErrorKind, Polled, Scrubber, known_reason, values_of},
};
use std::time::Duration;
use tokio::time::Instant;

/// Stands for a reason in which nobody can say whose values are.
const UNSHOWABLE: &str = "a reason that cannot be shown any more";

/// What the caller knows beside the attempt, when it is the one that submitted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Aside<'a> {
    /// Members who remain on another plan than the source says. `None` when nobody knows: then an open
    /// incident about it stays as it is.
    pub(super) on_old_plan: Option<&'a [ReferenceId]>,
    /// After how long to stop looking, though the request is still in flight.
    pub(super) patience: Option<Duration>,
}

impl Engine {
    /// Polls an accepted attempt to its end. Time-outs count from the first look of this process.
    /// Ends early, with the state as it is, when the process is to stop.
    pub(super) async fn follow(
        &self,
        attempt: &Attempt,
        aside: Aside<'_>,
        progress: &dyn Progress,
    ) -> Result<State, LedgerError> {
        tokio::select! {
            biased;
            state = self.look_after(attempt, aside, progress) => state,
            () = self.shared.stopped() => Ok(attempt.state.clone()),
        }
    }

    async fn look_after(
        &self,
        attempt: &Attempt,
        aside: Aside<'_>,
        progress: &dyn Progress,
    ) -> Result<State, LedgerError> {
        let Some(request_id) = attempt.state.request_id() else {
            return Ok(attempt.state.clone());
        };
        let poll = self.settings.vitable.poll;
        let began = Instant::now();
        // Who resumes looks at once; who has just sent gives Vitable a moment.
        let mut wait = if aside.patience.is_some() { Duration::ZERO } else { poll.first };
        let (mut stuck_told, mut credential_told) = (false, false);
        loop {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).clamp(poll.first.min(poll.max), poll.max);
            let note = match self.client.poll(&attempt.group_id, request_id).await {
                Ok(Polled::Finished(outcome)) => return self.completed(attempt, outcome, aside, progress),
                Ok(Polled::InFlight) => None,
                // Not completion: the answer says less than it must. A later one may say it.
                Ok(Polled::NotCompletion(why)) => Some(format!("{why}.")),
                // Polling never ends an attempt because of an error; the next look may be answered.
                Err(error) => {
                    let why = failing(&error);
                    if error.kind == ApiErrorKind::Credential && !credential_told {
                        credential_told = true;
                        self.tell(&[Incident::new(Kind::Credential, why.clone())], Scope::NOTHING)?;
                    }
                    Some(why)
                }
            };
            let waited = began.elapsed();
            if waited >= poll.stuck_after && !stuck_told {
                stuck_told = true;
                self.stuck(attempt, note.as_deref())?;
            }
            if waited >= poll.give_up_after && attempt.state.in_flight() {
                return self.gave_up(attempt);
            }
            if aside.patience.is_some_and(|patience| waited >= patience) {
                return self.leave(attempt, stuck_told);
            }
        }
    }

    /// Nobody waits any longer in this process. A request that was accepted longer ago than `give_up_after` and
    /// was looked at for `stuck_after` in vain has timed out, though no process saw all of it.
    fn leave(&self, attempt: &Attempt, looked_long: bool) -> Result<State, LedgerError> {
        let age = self.clock.now().signed_duration_since(attempt.changed_at).to_std().unwrap_or_default();
        if looked_long && attempt.state.in_flight() && age >= self.settings.vitable.poll.give_up_after {
            return self.gave_up(attempt);
        }
        Ok(attempt.state.clone())
    }

    fn completed(
        &self,
        attempt: &Attempt,
        mut outcome: Outcome,
        aside: Aside<'_>,
        progress: &dyn Progress,
    ) -> Result<State, LedgerError> {
        self.scrub_reasons(attempt, &mut outcome)?;
        self.remember_earlier(attempt, &mut outcome)?;
        let late = self.is_late(attempt)?;
        let (incidents, kinds) = self.seen_by_completion(attempt, late, &outcome, aside)?;
        let scope = Scope {
            kinds: &kinds,
            feed: Some(&attempt.feed),
            group: Some(&attempt.group),
            request: late.then(|| attempt.state.request_id()).flatten(),
            daemon: TAKEN,
            ..Scope::NOTHING
        };
        let telling = self.shared.telling();
        let facts = self.facts(&telling, &incidents, scope)?;
        self.ledger.complete(attempt.id, &outcome, self.clock.now(), facts)?;
        drop(telling);
        self.tell_retired(&attempt.group)?;
        if aside.on_old_plan.is_none() {
            // No run waits for it, so none will say that it left somebody covered nowhere.
            self.tell_unfinished_moves(&attempt.feed)?;
        }
        if attempt.empties() {
            self.tell_orphans()?;
        }
        self.wake_mails();
        tracing::info!(
            group = %attempt.group, run = %attempt.run, added = outcome.added, removed = outcome.removed,
            failed = outcome.failures.len(), "Vitable has finished"
        );
        progress.step(Step::Completed {
            group: attempt.group.clone(),
            added: outcome.added,
            removed: outcome.removed,
            failed: outcome.failures.len(),
        });
        Ok(self.ledger.attempt(attempt.id)?.map_or_else(|| attempt.state.clone(), |now| now.state))
    }

    /// Whether a newer roster was sent to the group since: then this one's end says nothing of how the group is now.
    fn is_late(&self, attempt: &Attempt) -> Result<bool, LedgerError> {
        let newest = self.ledger.newest_attempt(&attempt.group)?;
        Ok(newest.is_some_and(|newest| newest.id != attempt.id))
    }

    /// What a completion shows, and the kinds of which it would show more if there were any.
    fn seen_by_completion(
        &self,
        attempt: &Attempt,
        late: bool,
        outcome: &Outcome,
        aside: Aside<'_>,
    ) -> Result<(Vec<Incident>, Vec<Kind>), LedgerError> {
        if late {
            return Ok((Vec::new(), vec![Kind::Stuck, Kind::TimedOut]));
        }
        let mut incidents = answers::failures(attempt, outcome, self.clock.now());
        if let Some(why) = self.ledger.check_counts(attempt.id, outcome)? {
            incidents.push(about(attempt, Kind::SecondWriter, why));
        }
        let mut kinds = COMPLETION.to_vec();
        // What was held after it was sent is another change.
        let held_since = |hold: &Hold| hold.group == attempt.group && hold.since > attempt.prepared_at;
        if self.ledger.holds(Some(&attempt.feed))?.iter().any(held_since) {
            kinds.retain(|kind| !matches!(kind, Kind::Held | Kind::ApprovalExpired));
        }
        match aside.on_old_plan {
            Some([]) => {}
            Some(members) => incidents.push(answers::old_plan(attempt, members)),
            None => kinds.retain(|kind| *kind != Kind::OldPlan),
        }
        self.add_rows(&mut incidents);
        Ok((incidents, kinds))
    }

    /// Vitable's reasons are kept without personal data: known ones become our own words, others lose every
    /// value of the submitted roster.
    fn scrub_reasons(&self, attempt: &Attempt, outcome: &mut Outcome) -> Result<(), LedgerError> {
        let mut unknown = Vec::new();
        for failure in &mut outcome.failures {
            match known_reason(&failure.reason) {
                Some(known) => failure.reason = known,
                None => unknown.push(failure.reason.clone()),
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        unknown.sort();
        unknown.dedup();
        let texts: Vec<&str> = unknown.iter().map(String::as_str).collect();
        let mut scrubber = Scrubber::new(&texts);
        let scrubbed =
            self.ledger.payload_records(attempt.id, &mut |record| scrubber.take_out(values_of(record)));
        // Who was to be removed is in no payload, and his values may stand in the reason all the same.
        let removed = self.ledger.records(&attempt.group, &attempt.removed)?;
        removed.values().for_each(|record| scrubber.take_out(values_of(record.view())));
        let mut clean = scrubber.finish();
        match scrubbed {
            Ok(()) if removed.len() == attempt.removed.len() => {}
            Ok(()) => clean = vec![UNSHOWABLE.to_owned(); unknown.len()],
            // Without the roster nobody can say whose values stand in the text.
            Err(error) if error.is_about_the_group() => {
                clean = vec![UNSHOWABLE.to_owned(); unknown.len()];
            }
            Err(error) => return Err(error),
        }
        for failure in &mut outcome.failures {
            if let Some(place) = unknown.iter().position(|each| *each == failure.reason)
                && let Some(text) = clean.get(place)
            {
                failure.reason.clone_from(text);
            }
        }
        Ok(())
    }

    fn stuck(&self, attempt: &Attempt, note: Option<&str>) -> Result<(), LedgerError> {
        let waited = words(self.settings.vitable.poll.stuck_after);
        let mut incident = about(attempt, Kind::Stuck, format!("Vitable has not finished after {waited}."));
        if let Some(note) = note {
            incident.reason = format!("{} The last look said: {note}", incident.reason);
        }
        // Whoever waits for the end of this may wait for a day: the mail waits for minutes at most.
        self.tell(&[incident], Scope::NOTHING)
    }

    fn gave_up(&self, attempt: &Attempt) -> Result<State, LedgerError> {
        let waited = words(self.settings.vitable.poll.give_up_after);
        // A retired group gets no other roster by itself.
        let kind = if attempt.empties() { Kind::NotEmptied } else { Kind::TimedOut };
        let incident = about(attempt, kind, format!("Vitable has not finished after {waited}."));
        let telling = self.shared.telling();
        let facts = self.facts(&telling, &[incident], Scope::NOTHING)?;
        let state = self.ledger.advance(attempt.id, &Event::GaveUp, self.clock.now(), facts)?;
        self.wake_mails();
        Ok(state)
    }

    /// The answer to an attempt that the recovery found half sent is lost: said aloud, in the same words.
    pub(super) fn lost_answers(
        &self,
        telling: &Telling<'_>,
        recovered: &[Attempt],
    ) -> Result<Facts, LedgerError> {
        let incidents: Vec<Incident> = recovered
            .iter()
            .filter_map(|attempt| match &attempt.state {
                State::OutcomeUnknown { why } => Some(about(
                    attempt,
                    if attempt.empties() { Kind::NotEmptied } else { Kind::OutcomeUnknown },
                    format!("The answer to the roster was lost: {why}. Vitable may have it or not."),
                )),
                State::Prepared
                | State::Sent
                | State::Accepted { .. }
                | State::Completed { .. }
                | State::TimedOut { .. }
                | State::NotSent { .. }
                | State::Rejected { .. } => None,
            })
            .collect();
        self.facts(telling, &incidents, Scope::NOTHING)
    }
}

pub(super) fn about(attempt: &Attempt, kind: Kind, reason: String) -> Incident {
    Incident {
        feed: Some(attempt.feed.clone()),
        group: Some(attempt.group.clone()),
        run: Some(attempt.run),
        request_id: attempt.state.request_id().cloned(),
        ..Incident::new(kind, reason)
    }
}

/// A duration in the largest unit that it is a whole number of.
fn words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (number, unit) = match seconds {
        0 => (0, "second"),
        _ if seconds.is_multiple_of(3_600) => (seconds / 3_600, "hour"),
        _ if seconds.is_multiple_of(60) => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}
