//! Looking after a request until Vitable has finished.

use super::{
    Engine, Step,
    tell::{COMPLETION, Scope},
};
use crate::{
    attempt::{Event, Failure, Operation, Outcome, State},
    ledger::{Attempt, Counts, Facts, LedgerError},
    notify::{Affected, Incident, Kind},
    roster::ReferenceId,
    vitable::{ApiErrorKind, Polled, known_reason, scrub, values_of},
};
use std::time::Duration;
use tokio::time::Instant;

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
    pub(super) async fn follow(&self, attempt: &Attempt, aside: Aside<'_>) -> Result<State, LedgerError> {
        let Some(request_id) = attempt.state.request_id() else {
            return Ok(attempt.state.clone());
        };
        let poll = self.settings.vitable.poll;
        let began = Instant::now();
        // Who resumes looks at once; who has just sent gives Vitable a moment.
        let mut wait = if aside.patience.is_some() { Duration::ZERO } else { poll.first };
        let mut stuck_told = false;
        let mut note = None;
        loop {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).clamp(poll.first.min(poll.max), poll.max);
            match self.client.poll(&attempt.group_id, request_id).await {
                Ok(Polled::Finished(outcome)) => return self.completed(attempt, outcome, aside),
                Ok(Polled::InFlight) => {}
                // Not completion: the answer says less than it must. A later one may say it.
                Ok(Polled::NotCompletion(why)) => note = Some(why),
                // Polling never ends an attempt because of an error; the next look may be answered.
                Err(error) => {
                    if error.kind == ApiErrorKind::Credential && note.is_none() {
                        let incident = Incident::new(Kind::Credential, format!("{error}."));
                        self.tell(&[incident], Scope::NOTHING)?;
                    }
                    note = Some(error.to_string());
                }
            }
            let waited = began.elapsed();
            if waited >= poll.stuck_after && !stuck_told {
                stuck_told = true;
                self.stuck(attempt, note.as_deref())?;
            }
            if waited >= poll.give_up_after && attempt.state.in_flight() {
                return self.gave_up(attempt);
            }
            if aside.patience.is_some_and(|patience| waited >= patience) {
                return Ok(attempt.state.clone());
            }
        }
    }

    fn completed(
        &self,
        attempt: &Attempt,
        mut outcome: Outcome,
        aside: Aside<'_>,
    ) -> Result<State, LedgerError> {
        self.scrub_reasons(attempt, &mut outcome)?;
        let mut incidents = Vec::new();
        if !outcome.failures.is_empty() {
            incidents.push(failures(attempt, &outcome));
        }
        if let Some(why) = self.ledger.check_counts(attempt.id, &outcome)? {
            incidents.push(about(attempt, Kind::SecondWriter, why));
        }
        let mut kinds = COMPLETION.to_vec();
        match aside.on_old_plan {
            Some([]) => {}
            Some(members) => incidents.push(old_plan(attempt, members)),
            None => kinds.retain(|kind| *kind != Kind::OldPlan),
        }
        let scope =
            Scope { kinds: &kinds, feed: Some(&attempt.feed), group: Some(&attempt.group), except: &[] };
        let facts = self.facts(&incidents, scope)?;
        self.ledger.complete(attempt.id, &outcome, self.clock.now(), facts)?;
        tracing::info!(
            group = %attempt.group, run = %attempt.run, added = outcome.added, removed = outcome.removed,
            failed = outcome.failures.len(), "Vitable has finished"
        );
        self.progress.step(&Step::Completed {
            group: &attempt.group,
            added: outcome.added,
            removed: outcome.removed,
            failed: outcome.failures.len(),
        });
        Ok(self.ledger.attempt(attempt.id)?.map_or_else(|| attempt.state.clone(), |now| now.state))
    }

    /// Vitable's reasons are kept without personal data: known ones become our own words.
    fn scrub_reasons(&self, attempt: &Attempt, outcome: &mut Outcome) -> Result<(), LedgerError> {
        let ids: Vec<ReferenceId> =
            outcome.failures.iter().map(|failure| failure.reference_id.clone()).collect();
        let records = self.ledger.records(&attempt.group, &ids)?;
        for failure in &mut outcome.failures {
            let record = records.get(&failure.reference_id);
            let values = record.into_iter().flat_map(|record| values_of(record.view()));
            failure.reason = known_reason(&failure.reason).unwrap_or_else(|| scrub(&failure.reason, values));
        }
        Ok(())
    }

    fn stuck(&self, attempt: &Attempt, note: Option<&str>) -> Result<(), LedgerError> {
        let minutes = self.settings.vitable.poll.stuck_after.as_secs() / 60;
        let mut incident =
            about(attempt, Kind::Stuck, format!("Vitable has not finished after {minutes} minutes."));
        if let Some(note) = note {
            incident.reason = format!("{} The last look said: {note}.", incident.reason);
        }
        self.tell(&[incident], Scope::NOTHING)
    }

    fn gave_up(&self, attempt: &Attempt) -> Result<State, LedgerError> {
        let hours = self.settings.vitable.poll.give_up_after.as_secs() / 3_600;
        let incident =
            about(attempt, Kind::TimedOut, format!("Vitable has not finished after {hours} hours."));
        let facts = self.facts(&[incident], Scope::NOTHING)?;
        self.ledger.advance(attempt.id, &Event::GaveUp, self.clock.now(), facts)
    }

    /// The answer to an attempt that the recovery found half sent is lost: said aloud, in the same words.
    pub(super) fn lost_answers(&self, recovered: &[Attempt]) -> Result<Facts, LedgerError> {
        let incidents: Vec<Incident> = recovered
            .iter()
            .filter_map(|attempt| match &attempt.state {
                State::OutcomeUnknown { why } => Some(about(
                    attempt,
                    Kind::OutcomeUnknown,
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
        self.facts(&incidents, Scope::NOTHING)
    }
}

fn about(attempt: &Attempt, kind: Kind, reason: String) -> Incident {
    Incident {
        feed: Some(attempt.feed.clone()),
        group: Some(attempt.group.clone()),
        run: Some(attempt.run),
        request_id: attempt.state.request_id().cloned(),
        ..Incident::new(kind, reason)
    }
}

fn failures(attempt: &Attempt, outcome: &Outcome) -> Incident {
    let mut reasons: Vec<String> = outcome
        .failures
        .iter()
        .map(|failure| format!("{} ({}): {}", failure.reference_id, operation(failure), failure.reason))
        .collect();
    reasons.sort();
    let people = outcome.failures.iter().map(|failure| Affected {
        reference_id: failure.reference_id.to_string(),
        row: None,
        what: format!("{}: {}", operation(failure), failure.reason),
    });
    Incident {
        people: people.collect(),
        counts: vec![("failed".to_owned(), u64::try_from(outcome.failures.len()).unwrap_or(u64::MAX))],
        ..about(
            attempt,
            Kind::MembersFailed,
            format!("Vitable finished, but did not apply these members: {}.", first(&reasons, 10)),
        )
    }
}

fn first(list: &[String], most: usize) -> String {
    let shown: Vec<&str> = list.iter().take(most).map(String::as_str).collect();
    let more = list.len().saturating_sub(most);
    if more == 0 { shown.join("; ") } else { format!("{}; and {more} more", shown.join("; ")) }
}

fn operation(failure: &Failure) -> &str {
    match &failure.operation {
        Operation::Add => "add",
        Operation::Remove => "remove",
        Operation::Unknown(other) => other,
    }
}

fn old_plan(attempt: &Attempt, members: &[ReferenceId]) -> Incident {
    let people = members.iter().map(|id| Affected {
        reference_id: id.to_string(),
        row: None,
        what: "remains on the plan that the member was added with".to_owned(),
    });
    let count = members.len();
    Incident {
        people: people.collect(),
        counts: vec![("plan_changes".to_owned(), u64::try_from(count).unwrap_or(u64::MAX))],
        ..about(
            attempt,
            Kind::OldPlan,
            format!(
                "{count} {} on another plan than the source says: Vitable does not apply a changed plan to a covered member.",
                if count == 1 { "member remains" } else { "members remain" }
            ),
        )
    }
}

/// What shows that somebody else writes to the group, from a confirmed baseline: the numbers must agree
/// (`design.md`, What we know about a group).
pub(super) fn mismatch(planned: &Counts, outcome: &Outcome) -> Option<String> {
    let failed = |wanted: &Operation| {
        let count = outcome.failures.iter().filter(|failure| failure.operation == *wanted).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    };
    let added = planned.added.saturating_sub(failed(&Operation::Add));
    let removed = planned.removed().saturating_sub(failed(&Operation::Remove));
    (added != outcome.added || removed != outcome.removed).then(|| {
        format!(
            "Vitable added {} and removed {}, and the plan was to add {added} and remove {removed}: somebody else writes to this group.",
            outcome.added, outcome.removed
        )
    })
}
