//! What Vitable's answers say against our picture of who is covered.

use super::{AttemptId, Facts, Ledger, RowProblem, error::Result, groups::GroupState};
use crate::{
    attempt::{Event, State},
    roster::ReferenceId,
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeSet, HashSet};

impl Ledger {
    /// [`Ledger::advance`] for a roster that Vitable refused: the rows that it refused it for are written in the same
    /// batch.
    ///
    /// # Errors
    /// As there.
    pub fn refuse(
        &self,
        id: AttemptId,
        event: &Event,
        rows: &[RowProblem],
        now: DateTime<Utc>,
        facts: &Facts,
    ) -> Result<State> {
        self.advance_recorded(id, event, now, facts, |attempt| attempt.refused = rows.to_vec())
    }

    /// Those of the members whom the confirmed baseline of before this attempt had. Who was only sent, and never
    /// confirmed, is not among them.
    ///
    /// # Errors
    /// There is no such attempt, or the state cannot be read.
    pub fn covered_before(
        &self,
        id: AttemptId,
        members: HashSet<ReferenceId>,
    ) -> Result<BTreeSet<ReferenceId>> {
        let (_, state) = self.attempt_and_group(id)?;
        self.in_baseline(&state, id, members)
    }

    pub(super) fn in_baseline(
        &self,
        state: &GroupState,
        before: AttemptId,
        members: HashSet<ReferenceId>,
    ) -> Result<BTreeSet<ReferenceId>> {
        let baseline = state.baseline.as_ref().filter(|baseline| baseline.attempt < before);
        match baseline {
            Some(baseline) if !members.is_empty() => {
                Ok(self.entries(&[baseline.node], members)?.into_keys().collect())
            }
            Some(_) | None => Ok(BTreeSet::new()),
        }
    }
}
