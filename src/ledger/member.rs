//! What is remembered of one member of one group, for `rosterd explain`.

use super::{
    Attempt, AttemptId, Ledger,
    attempts::StoredAttempt,
    error::{LedgerError, Result},
    key, node,
};
use crate::{
    attempt::{Failure, Operation},
    roster::{Certainty, Covered, FeedName, GroupRef, ReferenceId},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

/// A member whom Vitable did not add or remove.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// The attempt.
    pub attempt: Attempt,
    /// What Vitable said.
    pub failure: Failure,
}

/// One member and one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Membership {
    /// The group.
    pub group: GroupRef,
    /// The feed of its newest roster.
    pub owner: Option<FeedName>,
    /// How sure the picture of the group is.
    pub certainty: Certainty,
    /// The member, if he counts as covered.
    pub covered: Option<Covered>,
    /// The attempt that confirmed the group last.
    pub confirmed: Option<Attempt>,
    /// The newest attempt that sent him, of those whose rosters are covered or under way.
    pub sent: Option<Attempt>,
    /// The newest attempt that removes him.
    pub removed: Option<Attempt>,
    /// The newest attempt that failed for him.
    pub failed: Option<Failed>,
}

impl Membership {
    /// Whether the group knows the member at all.
    #[must_use]
    pub fn knows(&self) -> bool {
        self.covered.is_some() || self.sent.is_some() || self.removed.is_some() || self.failed.is_some()
    }
}

impl Ledger {
    /// What a group's rosters and its newest attempts, at most so many, say of one member. It opens no record.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn membership(&self, group: &GroupRef, id: &str, attempts: usize) -> Result<Membership> {
        let _reading = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let state = self.state_of(group)?;
        let mut member = Membership {
            group: group.clone(),
            owner: state.owner.clone(),
            certainty: state.certainty(),
            covered: None,
            confirmed: state.baseline.as_ref().map(|each| self.existing(each.attempt)).transpose()?.map(of),
            sent: None,
            removed: None,
            failed: None,
        };
        let kept = state.in_flight.iter().chain(&state.timed_out).map(|kept| (kept.attempt, kept.node));
        let sent = state.sent.iter().map(|sent| (sent.attempt, sent.node));
        let covering = state.baseline.iter().map(|baseline| (baseline.attempt, baseline.node)).chain(sent);
        let rosters: BTreeMap<AttemptId, (u64, bool)> = kept
            .map(|(attempt, node)| (attempt, (node, false)))
            .chain(covering.map(|(attempt, node)| (attempt, (node, true))))
            .collect();
        let mut has = BTreeSet::new();
        for (attempt, (node, covers)) in rosters.into_iter().rev() {
            let found = self.member_in(node, id)?;
            if found.is_some() {
                has.insert(attempt);
            }
            if covers && member.covered.is_none() {
                member.covered = found;
            }
        }
        self.of_attempts(&mut member, id, &has, attempts)?;
        Ok(member)
    }

    /// `has` are the attempts whose rosters are covered or under way and have him.
    fn of_attempts(
        &self,
        member: &mut Membership,
        id: &str,
        has: &BTreeSet<AttemptId>,
        attempts: usize,
    ) -> Result<()> {
        for number in self.store.newest(&key::attempts_of(&member.group), attempts)? {
            let stored: StoredAttempt = self
                .store
                .get(&key::number(key::ATTEMPTS, number))?
                .ok_or_else(|| LedgerError::damaged("an attempt of a group is not there"))?;
            let attempt = &stored.attempt;
            let is = |other: &ReferenceId| other.as_str() == id;
            if member.failed.is_none() {
                let failures = attempt.outcome.iter().flat_map(|outcome| &outcome.failures);
                // Of two failures the one that leaves the person covered counts.
                let failure = failures
                    .filter(|failure| is(&failure.reference_id))
                    .min_by_key(|failure| u8::from(failure.operation != Operation::Remove));
                member.failed =
                    failure.map(|failure| Failed { attempt: attempt.clone(), failure: failure.clone() });
            }
            if member.removed.is_none() && attempt.removed.iter().any(is) {
                member.removed = Some(attempt.clone());
            }
            // Whom Vitable did not add was sent all the same.
            let not_added = |failed: &Failed| {
                failed.attempt.id == attempt.id && failed.failure.operation == Operation::Add
            };
            let sent = has.contains(&attempt.id) || member.failed.as_ref().is_some_and(not_added);
            if member.sent.is_none() && sent {
                member.sent = Some(attempt.clone());
            }
        }
        Ok(())
    }

    /// The member in a roster file and those under it. The caller holds `files`.
    fn member_in(&self, root: u64, id: &str) -> Result<Option<Covered>> {
        node::find(&self.rosters, &self.chain(root)?, id)
    }
}

fn of(stored: StoredAttempt) -> Attempt {
    stored.attempt
}
