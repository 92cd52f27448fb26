//! One submit to one group: intent, POST, answer.

use super::{
    Engine, Progress, Step,
    shared::Halt,
    tell::{Scope, TAKEN},
};
use crate::{
    attempt::{Event, State},
    decide::{Submission, SubmissionMember},
    ledger::{AttemptId, Counts, Facts, Intent, IntentMember, LedgerError, Run, Trigger},
    notify::{Incident, Kind},
    roster::{FeedName, Field, GroupId, PlanId, RequestId},
    vitable::{ApiErrorKind, OnSent, Submitted},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How often a submit that did not reach Vitable is tried within its attempt.
const TRIES: u32 = 4;
/// A longer Retry-After than this ends the attempt; the next run tries again.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// What is sent, and on whose word.
pub(super) struct Release<'a> {
    pub(super) run: &'a Run,
    pub(super) feed: &'a FeedName,
    pub(super) group_id: &'a GroupId,
    pub(super) counts: Counts,
    pub(super) submission: &'a Arc<Submission>,
    pub(super) approval: Option<String>,
    /// Whether the same decision sends another roster to the group, with those who come in.
    pub(super) half: bool,
    pub(super) progress: &'a dyn Progress,
}

impl Engine {
    /// Makes the intent durable and sends it, until Vitable has it or something else is certain.
    pub(super) async fn submit(&self, release: &Release<'_>) -> Result<(AttemptId, State), LedgerError> {
        let wrong = |member: &SubmissionMember<'_>| PlanId::new(member.record.get(Field::PlanId)).is_err();
        if release.submission.members().any(|member| wrong(&member)) {
            return Err(LedgerError::Defect {
                what: "a member of a submission has no valid plan".to_owned(),
            });
        }
        let attempt = self.intend(release)?;
        let group = release.submission.group();
        release.progress.step(Step::Submitting { group: group.clone(), members: release.submission.len() });
        let mut tries = 0;
        loop {
            tries += 1;
            let refused = Arc::new(AtomicBool::new(false));
            let on_sent = self.on_sent(attempt, Arc::clone(&refused));
            let answer = self.client.submit(release.group_id, release.submission, on_sent).await;
            let (why, wait) = match answer {
                Submitted::NotConnected { why } => (why, Duration::from_secs(1 << tries)),
                Submitted::Throttled { retry_after, why } => {
                    let event = Event::Throttled { why: why.clone() };
                    self.ledger.advance(attempt, &event, self.clock.now(), Facts::default())?;
                    (why, retry_after.unwrap_or(Duration::from_secs(1 << tries)))
                }
                Submitted::Accepted { request_id, .. } => {
                    return Ok((attempt, self.accepted(attempt, release, request_id)?));
                }
                Submitted::Refused(error) => {
                    if error.kind == ApiErrorKind::Credential {
                        self.shared.halt(Halt::Key);
                    }
                    return Ok((attempt, self.refused(attempt, release, error)?));
                }
                Submitted::Unclear { why } => {
                    return Ok((attempt, self.ended(attempt, release, Event::Unclear { why })?));
                }
            };
            // What cannot be recorded is not sent, and trying again does not help.
            let given_up = refused.load(Ordering::SeqCst) || self.shared.stopping();
            if given_up || tries >= TRIES || wait > LONGEST_RETRY_AFTER {
                return Ok((attempt, self.ended(attempt, release, Event::NotConnected { why })?));
            }
            let note = format!("{group}: {why}; trying again in {} s", wait.as_secs());
            release.progress.step(Step::Note(note));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.shared.stopped() => {
                    // That rosterd stops is nobody's trouble: nothing was sent, and the next start sends it.
                    let event = Event::NotConnected { why: "rosterd was stopped before it was sent".to_owned() };
                    let state = self.ledger.advance(attempt, &event, self.clock.now(), Facts::default())?;
                    return Ok((attempt, state));
                }
            }
        }
    }

    /// `Sent` is written when the connection stands, before the first byte; without it no byte leaves.
    fn on_sent(&self, attempt: AttemptId, refused: Arc<AtomicBool>) -> OnSent {
        let (ledger, clock) = (Arc::clone(&self.ledger), Arc::clone(&self.clock));
        Arc::new(move || {
            let state = ledger.advance(attempt, &Event::Connected, clock.now(), Facts::default());
            state.map(|_| ()).map_err(|error| {
                refused.store(true, Ordering::SeqCst);
                format!("the state could not be written: {error}")
            })
        })
    }

    fn intend(&self, release: &Release<'_>) -> Result<AttemptId, LedgerError> {
        let mut members = release.submission.members().filter_map(|member| {
            let plan = match member.added_with {
                Some(plan) => plan.clone(),
                None => PlanId::new(member.record.get(Field::PlanId)).ok()?,
            };
            Some(IntentMember { record: member.record, plan, carried_since: member.carried_since })
        });
        let intent = Intent {
            run: release.run.id,
            feed: release.feed,
            group: release.submission.group(),
            group_id: release.group_id,
            members: &mut members,
            removed: release.submission.departures(),
            counts: release.counts,
            approval: release.approval.clone(),
            half: release.half,
        };
        self.ledger.intend(intent, self.clock.now())
    }

    /// The request id is durable before anything else happens; when the ledger refuses, the reserve takes it.
    fn accepted(
        &self,
        attempt: AttemptId,
        release: &Release<'_>,
        request_id: RequestId,
    ) -> Result<State, LedgerError> {
        let event = Event::Accepted { request_id: request_id.clone() };
        match self.ledger.advance(attempt, &event, self.clock.now(), Facts::default()) {
            Ok(state) => {
                let group = release.submission.group();
                tracing::info!(%group, %request_id, run = %release.run.id, "Vitable accepted the roster");
                release
                    .progress
                    .step(Step::Accepted { group: group.clone(), request_id: request_id.clone() });
                self.tell(&[], Scope { daemon: TAKEN, ..Scope::NOTHING })?;
                Ok(state)
            }
            Err(error) => {
                // The ledger has put it into the reserve, and takes nothing more.
                tracing::error!(%request_id, group = %release.submission.group(), %error,
                    "Vitable accepted the roster and the state cannot be written: keep this line");
                Err(error)
            }
        }
    }

    /// The attempt is over without a request id: the state, its incident and its mail are one batch.
    fn ended(&self, attempt: AttemptId, release: &Release<'_>, event: Event) -> Result<State, LedgerError> {
        // Only a completion shows that something is over.
        let state = {
            let telling = self.shared.telling();
            let facts = self.facts(&telling, &incidents_of(release, &event), Scope::NOTHING)?;
            self.ledger.advance(attempt, &event, self.clock.now(), facts)?
        };
        // A mail that cannot wait does not wait for the slowest group.
        self.wake_mails();
        Ok(state)
    }
}

/// What a person should know of the end of an attempt that has no request id.
pub(super) fn incidents_of(release: &Release<'_>, event: &Event) -> Vec<Incident> {
    let (kind, reason, trace_id) = match event {
        Event::NotConnected { why } => (Kind::NotSent, format!("The roster could not be sent: {why}."), None),
        Event::Unclear { why } => (
            Kind::OutcomeUnknown,
            format!("The answer to the roster was lost: {why}. Vitable may have it or not."),
            None,
        ),
        Event::Refused { status, message, trace_id } if matches!(status, 401 | 403) => (
            Kind::KeyMayNotSubmit,
            format!("Vitable refused the API key for a roster ({status}: {message})."),
            trace_id.clone(),
        ),
        Event::Refused { status, message, trace_id } => {
            (Kind::Refused, format!("Vitable refused the roster with {status}: {message}"), trace_id.clone())
        }
        Event::Connected
        | Event::Throttled { .. }
        | Event::Accepted { .. }
        | Event::Finished
        | Event::GaveUp
        | Event::Restarted => return Vec::new(),
    };
    let of_group = |kind, reason: &str| Incident {
        feed: Some(release.feed.clone()),
        group: Some(release.submission.group().clone()),
        run: Some(release.run.id),
        trace_id: trace_id.clone(),
        ..Incident::new(kind, reason)
    };
    // The way to Vitable and the key are the trouble of the whole daemon, told once for all feeds. That a retired
    // group is not empty is told of the group all the same: no run tries it again.
    let of_daemon = matches!(kind, Kind::NotSent | Kind::KeyMayNotSubmit);
    let daemon = of_daemon.then(|| Incident { trace_id: trace_id.clone(), ..Incident::new(kind, &*reason) });
    let group = if release.run.trigger == Trigger::Emptying {
        Some(of_group(Kind::NotEmptied, &reason))
    } else {
        (!of_daemon).then(|| of_group(kind, &reason))
    };
    daemon.into_iter().chain(group).collect()
}
