//! Who left a group of late, from what its attempts remember.

use super::{
    Attempt, Ledger,
    attempts::StoredAttempt,
    error::{LedgerError, Result},
    key,
};
use crate::{
    attempt::{Operation, State},
    roster::{Departures, GroupRef, Leaving, Left, Past, ReferenceId},
};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashSet;

/// An attempt may end so much later than it was made: a day of polling, and eight more in which a request that
/// timed out is still asked for, with room to spare.
const LONGEST_ATTEMPT: TimeDelta = TimeDelta::days(14);

impl Ledger {
    /// The members whom attempts that ended since then removed, or may have removed, and how large the group
    /// was. A removal that a person approved, and one that was a move, is not among them; nor is one that
    /// Vitable did not carry out. Of a group that is another one at Vitable by now only the new one counts.
    ///
    /// It reads each attempt of that time: ask it of groups that are about to lose somebody.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn removals_since(&self, group: &GroupRef, since: DateTime<Utc>) -> Result<Past> {
        let mut past = Past::default();
        let known = self.state_of(group)?.group_id;
        self.attempts_since(group, since, |stored| {
            let attempt = &stored.attempt;
            if known.as_ref().is_some_and(|known| *known != attempt.group_id) || attempt.changed_at < since {
                return;
            }
            if stored.confirmed.is_some() {
                past.was(attempt.changed_at, attempt.counts.covered);
            }
            if let Some(outcome) = &attempt.outcome {
                let failed = outcome.failures.iter().filter(|each| each.operation == Operation::Add).count();
                let failed = u64::try_from(failed).unwrap_or(u64::MAX);
                past.was(attempt.changed_at, attempt.counts.payload.saturating_sub(failed));
            }
            if may_be_applied(&attempt.state) {
                past.left.extend(left(attempt));
            }
        })?;
        Ok(past)
    }

    /// Shows the attempts of a group that may have changed since then, the newest first. Some changed earlier.
    pub(super) fn attempts_since(
        &self,
        group: &GroupRef,
        since: DateTime<Utc>,
        mut each: impl FnMut(StoredAttempt),
    ) -> Result<()> {
        let first = since.checked_sub_signed(LONGEST_ATTEMPT).unwrap_or(DateTime::<Utc>::MIN_UTC);
        for id in self.store.newest(&key::attempts_of(group), usize::MAX)? {
            let stored: StoredAttempt = self
                .store
                .get(&key::number(key::ATTEMPTS, id))?
                .ok_or_else(|| LedgerError::damaged("an attempt of a group is not there"))?;
            if stored.attempt.prepared_at < first {
                break;
            }
            each(stored);
        }
        Ok(())
    }
}

fn may_be_applied(state: &State) -> bool {
    match state {
        State::Prepared
        | State::Sent
        | State::Accepted { .. }
        | State::Completed { .. }
        | State::TimedOut { .. }
        | State::OutcomeUnknown { .. } => true,
        State::NotSent { .. } | State::Rejected { .. } => false,
    }
}

/// Those whom the attempt removed without anybody's word for it.
fn left(attempt: &Attempt) -> Vec<Left> {
    let failures = attempt.outcome.iter().flat_map(|outcome| &outcome.failures);
    let stayed: HashSet<&ReferenceId> = failures
        .filter(|failure| match failure.operation {
            Operation::Remove | Operation::Unknown(_) => true,
            Operation::Add => false,
        })
        .map(|failure| &failure.reference_id)
        .collect();
    let earlier = of_before(attempt);
    let all = attempt.departures.iter().chain(&earlier);
    let counted = all.filter(|each| !each.approved && each.how != Leaving::Moved);
    let members = counted.flat_map(|each| each.members.iter().map(move |id| (id, each.how)));
    members
        .filter(|(id, _)| !stayed.contains(id))
        .map(|(id, how)| Left { id: id.clone(), how, at: attempt.changed_at })
        .collect()
}

/// An attempt of an earlier version knows who left and not how: as long as one of them may have been absent, all
/// count as absent, and nobody as approved.
fn of_before(attempt: &Attempt) -> Option<Departures> {
    if !attempt.departures.is_empty() || attempt.removed.is_empty() {
        return None;
    }
    let how = if attempt.counts.absent == 0 { Leaving::Ended } else { Leaving::Absent };
    Some(Departures { how, approved: false, members: attempt.removed.clone() })
}
