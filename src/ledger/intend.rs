//! The intent: durable before the POST, with everything that the next baseline will need.

use super::{
    Attempt, AttemptId, Intent, IntentMember, Ledger, Retired,
    attempts::{StoredAttempt, put_attempt},
    crash,
    error::{LedgerError, Result},
    files,
    groups::{GroupState, busy, group_state, put_group},
    holds, key,
    node::{self, Ask, NodeMeta, NodeWriter},
};
use crate::{
    attempt::State,
    roster::{Certainty, Coverage, Fingerprint, ReferenceId},
};
use chrono::{DateTime, Utc};
use std::{collections::HashSet, sync::PoisonError};

/// A difference lies on at most this many files; then the roster is written whole.
const MAX_DEPTH: u32 = 8;

/// Everybody covered, without the fingerprints of fields: those of the confirmed baseline first.
struct Before {
    members: Coverage,
    /// So many of them are the baseline's: the file is the difference to that one.
    in_base: usize,
    /// By place: who is in the payload.
    in_payload: Vec<bool>,
}

/// Numbers of a payload that was written.
struct Written {
    meta: NodeMeta,
    adds: u64,
}

impl Ledger {
    /// Records what will be sent, before anything is: members, fingerprints and sealed records as the
    /// difference to the baseline, and the attempt as `Prepared`, with its approval bound to it. Returns
    /// when it is durable.
    ///
    /// # Errors
    /// The group is in flight; what the payload removes is not what the intent says it removes; the approval
    /// is not good; it cannot be recorded. Nothing may be sent then.
    pub fn intend(&self, intent: Intent<'_>, now: DateTime<Utc>) -> Result<AttemptId> {
        let _reading = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let state = self.state_of(intent.group)?;
        if let Some(kept) = &state.in_flight {
            return Err(busy(intent.group, kept));
        }
        if state.group_id.as_ref().is_some_and(|id| id != intent.group_id) {
            return Err(LedgerError::defect("an intent names another group id than the one pinned"));
        }
        let removed: Vec<ReferenceId> =
            intent.removed.iter().flat_map(|departures| departures.members.iter().cloned()).collect();
        let node = self.take_node();
        let prepared = self.write_payload(node, &state, intent.members, &removed);
        let attempt = prepared.and_then(|written| {
            let Some(written) = written else {
                return Err(LedgerError::Stale { group: intent.group.clone() });
            };
            crash::reached("ledger-after-intent-file");
            let attempt = Attempt {
                id: AttemptId(0),
                run: intent.run,
                feed: intent.feed.clone(),
                group: intent.group.clone(),
                group_id: intent.group_id.clone(),
                state: State::Prepared,
                prepared_at: now,
                changed_at: now,
                counts: intent.counts,
                removed,
                departures: intent.removed.to_vec(),
                approval: intent.approval.clone(),
                half: intent.half,
                outcome: None,
                refused: Vec::new(),
            };
            self.record_intent(attempt, &state, written)
        });
        if attempt.is_err() {
            // After a write that failed half-way the store may name the file: then it stays for the next
            // start, which keeps or sweeps it.
            if !self.store.is_broken() {
                files::remove(&node::path(&self.rosters, node));
            }
        }
        attempt
    }

    fn record_intent(
        &self,
        mut attempt: Attempt,
        before: &GroupState,
        written: Written,
    ) -> Result<AttemptId> {
        self.store.write("ledger-after-intend", |tx| {
            let mut state = group_state(tx, &attempt.group)?;
            if let Some(kept) = &state.in_flight {
                return Err(busy(&attempt.group, kept));
            }
            // A roster that was decided before a person retired the group would fill it again.
            let retired = tx.get::<Retired>(&key::retired(&attempt.group))?;
            let retired = retired.is_some_and(|retired| retired.undone.is_none());
            if state != *before || (retired && !attempt.empties()) {
                return Err(LedgerError::Stale { group: attempt.group.clone() });
            }
            attempt.id = AttemptId(tx.count_up(key::NEXT_ATTEMPT)?);
            if attempt.approval.is_some() {
                holds::bind(tx, &attempt)?;
            }
            let next = tx.get::<u64>(key::NEXT_NODE)?.unwrap_or(1).max(written.meta.id + 1);
            tx.put(key::NEXT_NODE.to_vec(), &next)?;
            tx.put(key::node(written.meta.id), &written.meta)?;
            state.nodes.push(written.meta.id);
            state.settle(&attempt, written.meta.id);
            state.owner = Some(attempt.feed.clone());
            put_group(tx, &state)?;
            let by_group = key::number(&key::attempts_of(&attempt.group), attempt.id.0);
            tx.put(by_group, &())?;
            // Of a run that was killed nothing else names its attempts.
            tx.put(key::number(&key::attempts_of_run(attempt.run), attempt.id.0), &())?;
            let id = attempt.id;
            let removes = attempt.removed.len() as u64;
            put_attempt(
                tx,
                &StoredAttempt {
                    attempt,
                    node: written.meta.id,
                    adds: written.adds,
                    removes,
                    confirmed: match state.certainty() {
                        Certainty::Confirmed => state.baseline.map(|baseline| baseline.node),
                        Certainty::FirstSync | Certainty::Uncertain(_) => None,
                    },
                },
            )?;
            Ok(id)
        })
    }

    /// Writes the payload. `None` when it does not remove exactly `removed`.
    fn write_payload(
        &self,
        node: u64,
        state: &GroupState,
        members: &mut dyn Iterator<Item = IntentMember<'_>>,
        removed: &[ReferenceId],
    ) -> Result<Option<Written>> {
        let mut before = self.before(state)?;
        let base = match &state.baseline {
            Some(baseline) => Some(self.node(baseline.node)?).filter(|base| base.depth < MAX_DEPTH),
            None => None,
        };
        let mut writer = NodeWriter::create(&self.rosters, node, &self.sealer)?;
        let (mut adds, mut stays) = (0, 0);
        for member in members {
            let id = member.record.reference_id();
            let whole = self.fingerprint_key.whole(member.record);
            match before.members.place_of(id) {
                Some(place) => {
                    stays += 1;
                    if before.enter(place) {
                        return Err(LedgerError::defect("a payload names a member twice"));
                    }
                    if base.is_some() && before.is_same(place, whole, &member) {
                        continue;
                    }
                }
                None => adds += 1,
            }
            let prints = self.fingerprint_key.with_fields(whole, member.record);
            writer.push((id, &member.plan), &prints, member.carried_since, member.record)?;
        }
        let gone: HashSet<&str> = removed.iter().map(ReferenceId::as_str).collect();
        if gone.len() != removed.len()
            || gone.len() != before.members.len() - stays
            || !gone.iter().all(|id| before.is_gone(id))
        {
            return Ok(None);
        }
        if base.is_some() {
            for id in removed.iter().filter(|id| before.has_in_base(id)) {
                writer.remove(id.as_str());
            }
        }
        let meta = writer.finish(base.as_ref())?;
        Ok(Some(Written { meta, adds }))
    }

    /// Everybody covered, those of the baseline as the baseline has them.
    fn before(&self, state: &GroupState) -> Result<Before> {
        let mut before =
            Before { members: Coverage::new(state.certainty(), []), in_base: 0, in_payload: Vec::new() };
        let base = state.baseline.as_ref().map(|baseline| baseline.node);
        let others = state.roots(None).into_iter().filter(|root| Some(*root) != base);
        for root in base.into_iter().chain(others) {
            let chain = self.chain(root)?;
            node::walk(&self.rosters, &chain, &Ask::Members, &mut |member, _| {
                if before.members.place_of(member.id.as_str()).is_none() {
                    before.members.put_whole(&member);
                }
            })?;
            if Some(root) == base {
                before.in_base = before.members.len();
            }
        }
        before.in_payload = vec![false; before.members.len()];
        Ok(before)
    }
}

impl Before {
    /// Notes that the member at this place is in the payload. Returns whether that was noted before.
    fn enter(&mut self, place: u32) -> bool {
        self.in_payload.get_mut(place as usize).is_some_and(|entered| std::mem::replace(entered, true))
    }

    /// Whether the baseline has this member just so.
    fn is_same(&self, place: u32, whole: Fingerprint, member: &IntentMember<'_>) -> bool {
        (place as usize) < self.in_base
            && self.members.at(place).is_some_and(|known| {
                known.whole == whole
                    && *known.plan == member.plan
                    && known.carried_since == member.carried_since
            })
    }

    /// Whether this member is covered and not in the payload.
    fn is_gone(&self, id: &str) -> bool {
        let place = self.members.place_of(id);
        place.and_then(|place| self.in_payload.get(place as usize)) == Some(&false)
    }

    fn has_in_base(&self, id: &ReferenceId) -> bool {
        self.members.place_of(id.as_str()).is_some_and(|place| (place as usize) < self.in_base)
    }
}
