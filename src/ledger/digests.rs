//! What is durable of the digest: for which instant it was last made, and from when its numbers count; and what
//! Vitable did meanwhile.

use super::{Facts, Ledger, ScheduleMark, error::Result, key, notices};
use crate::{
    attempt::State,
    roster::{GroupRef, ReferenceId},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where the digest stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestState {
    /// How far its instants are answered for.
    pub mark: ScheduleMark,
    /// From when the next one counts: the last one was made then, or its schedule was seen for the first time.
    pub since: DateTime<Utc>,
    /// When the last one was made.
    pub made: Option<DateTime<Utc>>,
}

/// What Vitable says that it did in a group in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Members added.
    pub added: u64,
    /// Members removed.
    pub removed: u64,
    /// Members to whom something was not applied, each once.
    pub failed: u64,
}

impl Ledger {
    /// Where the digest stands; nothing before its schedule was seen for the first time.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn digest(&self) -> Result<Option<DigestState>> {
        self.store.get(key::DIGEST)
    }

    /// The digest is answered for through this instant, with its mails in the same batch: none is made twice, and
    /// none is lost.
    ///
    /// # Errors
    /// When it cannot be recorded; then nothing of it is.
    pub fn put_digest(&self, state: &DigestState, facts: &Facts) -> Result<()> {
        self.store.write("ledger-after-record", |tx| {
            tx.put(key::DIGEST.to_vec(), state)?;
            notices::put_facts(tx, facts)
        })
    }

    /// What Vitable did in a group by requests that it finished after `since`, up to `until` and with it: its own
    /// results, never a plan.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn applied(&self, group: &GroupRef, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<Applied> {
        let mut applied = Applied::default();
        let mut failed: BTreeSet<ReferenceId> = BTreeSet::new();
        self.attempts_since(group, since, |stored| {
            let attempt = stored.attempt;
            let in_time = since < attempt.changed_at && attempt.changed_at <= until;
            if !in_time || !matches!(attempt.state, State::Completed { .. }) {
                return;
            }
            let Some(outcome) = attempt.outcome else { return };
            applied.added = applied.added.saturating_add(outcome.added);
            applied.removed = applied.removed.saturating_add(outcome.removed);
            failed.extend(outcome.failures.into_iter().map(|failure| failure.reference_id));
        })?;
        applied.failed = u64::try_from(failed.len()).unwrap_or(u64::MAX);
        Ok(applied)
    }
}
