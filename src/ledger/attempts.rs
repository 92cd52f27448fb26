//! The life of attempts, every step through [`crate::attempt::next`].

use super::{
    Attempt, AttemptId, Facts, Ledger,
    error::{LedgerError, Result},
    groups::{group_state, put_group, retire},
    key,
    node::NodeMeta,
    notices,
    store::Tx,
};
use crate::{
    attempt::{Event, State, next},
    roster::{GroupRef, RunId},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How often a start looks again because an attempt changed meanwhile.
const TRIES: u32 = 10;

/// An attempt with what only the ledger needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredAttempt {
    pub(super) attempt: Attempt,
    /// The file of its roster.
    pub(super) node: u64,
    /// Members of the payload who were not covered.
    pub(super) adds: u64,
    /// Covered members who were not in the payload.
    pub(super) removes: u64,
    /// The baseline that it was decided on, when that was confirmed: then the numbers must agree.
    pub(super) confirmed: Option<u64>,
}

impl Ledger {
    /// Takes an attempt one step further and returns its new state when that is durable. The facts are
    /// written in the same batch. An accepted request id that cannot be recorded goes to the reserve, nothing
    /// more is taken then, and the error is returned all the same. A completion is [`Ledger::complete`]'s.
    ///
    /// # Errors
    /// The event cannot happen in the attempt's state, there is no such attempt, or it cannot be recorded.
    /// [`LedgerError::NotReserved`] when the reserve did not take the request id either.
    pub fn advance(&self, id: AttemptId, event: &Event, now: DateTime<Utc>, facts: Facts) -> Result<State> {
        let advanced = self.advance_recorded(id, event, now, &facts, |_| {});
        if let (Err(error), Event::Accepted { request_id }) = (&advanced, event)
            && !matches!(error, LedgerError::Impossible(_) | LedgerError::Defect { .. })
        {
            self.reserve_accepted(id, request_id).map_err(|source| LedgerError::NotReserved {
                request_id: request_id.clone(),
                attempt: id.0,
                source,
            })?;
        }
        advanced
    }

    /// [`Ledger::advance`] without the reserve; `beside` puts into the attempt what comes with its new state.
    pub(super) fn advance_recorded(
        &self,
        id: AttemptId,
        event: &Event,
        now: DateTime<Utc>,
        facts: &Facts,
        beside: impl Fn(&mut Attempt),
    ) -> Result<State> {
        let (state, doomed) = self.store.write("ledger-after-advance", |tx| {
            let mut stored = attempt_in(tx, id)?;
            beside(&mut stored.attempt);
            let state = next(&stored.attempt.state, event)?;
            if matches!(state, State::Completed { .. }) && state != stored.attempt.state {
                return Err(LedgerError::defect("a completion without its outcome was to be recorded"));
            }
            let doomed = move_to(tx, stored, state.clone(), now)?;
            self.doomed.remember(&doomed);
            notices::put_facts(tx, facts)?;
            Ok((state, doomed))
        })?;
        self.remove_rosters(&doomed);
        Ok(state)
    }

    /// One attempt.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn attempt(&self, id: AttemptId) -> Result<Option<Attempt>> {
        let stored: Option<StoredAttempt> = self.store.get(&key::attempt(id))?;
        Ok(stored.map(|stored| stored.attempt))
    }

    /// Attempts that are `Prepared`, `Sent` or `Accepted`, the oldest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn attempts_in_flight(&self) -> Result<Vec<Attempt>> {
        self.oldest_first(key::IN_FLIGHT)
    }

    /// Attempts that timed out and may still complete, the oldest first. They are forgotten here eight days
    /// after they timed out, when something else happens in their group.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn timed_out(&self) -> Result<Vec<Attempt>> {
        self.oldest_first(key::TIMED_OUT)
    }

    /// The attempts of a group, the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn attempts_of_group(&self, group: &GroupRef, limit: usize) -> Result<Vec<Attempt>> {
        let ids = self.store.newest(&key::attempts_of(group), limit)?;
        self.all_of(ids)
    }

    /// The newest attempt of a group.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn newest_attempt(&self, group: &GroupRef) -> Result<Option<Attempt>> {
        Ok(self.attempts_of_group(group, 1)?.into_iter().next())
    }

    /// The attempts that a run made, the oldest first, whether or not the run came to its end.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn attempts_of_run(&self, run: RunId) -> Result<Vec<Attempt>> {
        self.oldest_first(&key::attempts_of_run(run))
    }

    /// What the start does: whatever was `Prepared` was not sent, of whatever was `Sent` nobody knows what
    /// became of it. `facts` says what goes into the same batch with the attempts as they will be; it may read
    /// the ledger, and is not asked when nothing changes. Returns the attempts that changed, the oldest first.
    ///
    /// # Errors
    /// What `facts` returns; the state cannot be read or written.
    pub fn recover(
        &self,
        now: DateTime<Utc>,
        facts: &mut dyn FnMut(&[Attempt]) -> Result<Facts>,
    ) -> Result<Vec<Attempt>> {
        for _ in 0..TRIES {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            for attempt in self.attempts_in_flight()? {
                let state = next(&attempt.state, &Event::Restarted)?;
                if state != attempt.state {
                    after.push(Attempt { state, changed_at: now, ..attempt.clone() });
                    before.push(attempt);
                }
            }
            if after.is_empty() {
                return Ok(after);
            }
            let told = facts(&after)?;
            let written = self.store.write("ledger-after-recover", |tx| {
                let stored: Result<Vec<_>> = before.iter().map(|each| attempt_in(tx, each.id)).collect();
                let stored = stored?;
                if stored.iter().zip(&before).any(|(stored, before)| stored.attempt != *before) {
                    return Ok(None);
                }
                let mut doomed = Vec::new();
                for (stored, after) in stored.into_iter().zip(&after) {
                    doomed.extend(move_to(tx, stored, after.state.clone(), now)?);
                }
                self.doomed.remember(&doomed);
                notices::put_facts(tx, &told)?;
                Ok(Some(doomed))
            })?;
            if let Some(doomed) = written {
                self.remove_rosters(&doomed);
                return Ok(after);
            }
        }
        Err(LedgerError::defect("attempts change faster than a start can settle them"))
    }

    /// The attempt, which must be there.
    pub(super) fn existing(&self, id: AttemptId) -> Result<StoredAttempt> {
        self.store.get(&key::attempt(id))?.ok_or_else(|| missing(id))
    }

    fn oldest_first(&self, prefix: &[u8]) -> Result<Vec<Attempt>> {
        let mut ids = self.store.newest(prefix, usize::MAX)?;
        ids.reverse();
        self.all_of(ids)
    }

    fn all_of(&self, ids: Vec<u64>) -> Result<Vec<Attempt>> {
        ids.into_iter().filter_map(|id| self.attempt(AttemptId(id)).transpose()).collect()
    }
}

/// The attempt, which must be there.
pub(super) fn attempt_in(tx: &Tx<'_>, id: AttemptId) -> Result<StoredAttempt> {
    tx.get(&key::attempt(id))?.ok_or_else(|| missing(id))
}

fn missing(id: AttemptId) -> LedgerError {
    LedgerError::defect(format!("there is no attempt {}", id.0))
}

/// Gives the attempt a state other than a completion, and the group what follows from it. Returns the roster
/// files to remove afterwards.
pub(super) fn move_to(
    tx: &mut Tx<'_>,
    mut stored: StoredAttempt,
    state: State,
    now: DateTime<Utc>,
) -> Result<Vec<NodeMeta>> {
    if state == stored.attempt.state {
        return Ok(Vec::new());
    }
    stored.attempt.state = state;
    stored.attempt.changed_at = now;
    let mut group = group_state(tx, &stored.attempt.group)?;
    group.settle(&stored.attempt, stored.node);
    put_attempt(tx, &stored)?;
    let doomed = retire(tx, &mut group, Some(now))?;
    put_group(tx, &group)?;
    Ok(doomed)
}

/// Writes the attempt and where it is found by its state.
pub(super) fn put_attempt(tx: &mut Tx<'_>, stored: &StoredAttempt) -> Result<()> {
    let id = stored.attempt.id;
    if stored.attempt.state.in_flight() {
        tx.put(key::in_flight(id), &())?;
    } else {
        tx.remove(key::in_flight(id))?;
    }
    if matches!(stored.attempt.state, State::TimedOut { .. }) {
        tx.put(key::timed_out(id), &())?;
    } else {
        tx.remove(key::timed_out(id))?;
    }
    tx.put(key::attempt(id), stored)
}
