//! What a restored state must not say any more: it is older than what happened since.

use super::{
    Run, RunOutcome, RunResult,
    attempts::{StoredAttempt, put_attempt},
    error::Result,
    groups::{GroupState, put_group},
    holds, key,
    store::Tx,
};
use crate::{
    attempt::{Event, State, next},
    ledger::AttemptId,
    roster::Doubt,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Numbers go on behind the next multiple of this: those that were given after the copy was made stand in mails
/// and logs, and must not come to mean something else.
const JUMP: u64 = 1_000_000;

/// From what a state was restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Restored {
    /// When it was restored.
    pub(super) at: DateTime<Utc>,
    /// When the copy was made.
    pub(super) made: DateTime<Utc>,
    /// Attempts up to this one were made before.
    pub(super) attempts: AttemptId,
}

impl Restored {
    /// Why nothing that the state knows of a group is certain.
    pub(super) fn doubt(&self) -> Doubt {
        let words = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M UTC").to_string();
        Doubt::Repaired(format!(
            "the state was restored on {} from a copy made on {}, and nobody knows what was submitted in between",
            words(self.at),
            words(self.made)
        ))
    }
}

/// What a restore has made of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Voided {
    /// Groups that are first syncs now.
    pub groups: u64,
    /// Holds that are forgotten, those with an approval or a rejection among them.
    pub holds: u64,
    /// Of these, holds with a person's word.
    pub words: u64,
    /// Mails that waited and are not sent.
    pub mails: u64,
    /// Files at their sources that were to be moved or deleted, and are left where they are.
    pub todos: u64,
    /// Runs without an end that have ended and are not begun again.
    pub runs: u64,
    /// Requests that Vitable had accepted, and that are asked for until they have finished.
    pub polled: u64,
    /// Requests of which nobody knows whether they were sent.
    pub unknown: u64,
}

/// Takes back what must not outlive the time between the copy and now.
pub(super) fn run(tx: &mut Tx<'_>, made: DateTime<Utc>, now: DateTime<Utc>) -> Result<Voided> {
    let mut voided = Voided::default();
    let mut last = 0;
    for counter in [key::NEXT_RUN, key::NEXT_ATTEMPT, key::NEXT_NODE] {
        let number = tx.get::<u64>(counter)?.unwrap_or(0);
        let beyond = number.next_multiple_of(JUMP).max(JUMP);
        tx.put(counter.to_vec(), &beyond)?;
        if counter == key::NEXT_ATTEMPT {
            last = beyond;
        }
    }
    let restored = Restored { at: now, made, attempts: AttemptId(last) };
    tx.put(key::RESTORED.to_vec(), &restored)?;
    attempts(tx, &mut voided, now)?;
    for mut state in tx.scan::<GroupState>(key::GROUPS)? {
        state.restore(&restored);
        put_group(tx, &state)?;
        voided.groups += 1;
    }
    for at in tx.keys(key::HOLDS)? {
        voided.holds += 1;
        voided.words += u64::from(holds::is_spoken_about(tx, &at)?);
        tx.remove(at)?;
    }
    // Who waits is decided afresh, like the holds.
    for at in tx.keys(key::WAITS)? {
        tx.remove(at)?;
    }
    // They were probably sent after the copy was made. What is open still is mailed again in its time.
    for at in tx.keys(key::OUTBOX)? {
        voided.mails += 1;
        tx.remove(at)?;
    }
    // Every group is a first sync now, and what a person approves of it reads the file again.
    for at in tx.keys(key::TODOS)? {
        voided.todos += 1;
        tx.remove(at)?;
    }
    for at in tx.keys(key::OPEN_RUNS)? {
        if let Some(id) = key::number_of(&at)
            && let Some(run) = tx.get::<Run>(&key::number(key::RUNS, id))?
        {
            let summary = "the state was restored before this run ended; it is not begun again".to_owned();
            let result = Some(RunResult { outcome: RunOutcome::Failed, summary });
            tx.put(key::run(run.id), &Run { ended: Some(now), result, ..run })?;
            voided.runs += 1;
        }
        tx.remove(at)?;
    }
    Ok(voided)
}

/// What was accepted is asked for; it may have finished. What was prepared may have been sent after the copy was
/// made: the next start says of it, as of what was being sent, that nobody knows.
fn attempts(tx: &mut Tx<'_>, voided: &mut Voided, now: DateTime<Utc>) -> Result<()> {
    for at in tx.keys(key::IN_FLIGHT)? {
        let Some(mut stored) = key::number_of(&at)
            .map(|id| tx.get::<StoredAttempt>(&key::attempt(AttemptId(id))))
            .transpose()?
            .flatten()
        else {
            continue;
        };
        match &stored.attempt.state {
            State::Accepted { .. } => voided.polled += 1,
            State::Prepared => {
                voided.unknown += 1;
                stored.attempt.state = next(&State::Prepared, &Event::Connected)?;
                stored.attempt.changed_at = now;
                put_attempt(tx, &stored)?;
            }
            State::Sent => voided.unknown += 1,
            State::Completed { .. }
            | State::TimedOut { .. }
            | State::NotSent { .. }
            | State::OutcomeUnknown { .. }
            | State::Rejected { .. } => {}
        }
    }
    Ok(())
}
