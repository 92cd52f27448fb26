//! Completion: what Vitable says it did becomes the baseline, in one batch with all that follows from it.

use super::{
    Attempt, AttemptId, Facts, Ledger,
    attempts::{StoredAttempt, attempt_in, put_attempt},
    crash,
    error::{LedgerError, Result},
    files,
    groups::{Baseline, GroupState, Sent, group_state, put_group, retire},
    holds, key, moves,
    node::{self, NodeMeta, NodeWriter},
    notices, waits,
};
use crate::{
    attempt::{Event, Operation, Outcome, next},
    roster::{Covered, Doubt, Record, ReferenceId},
};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::PoisonError,
};

/// How often a completion is worked out again because its group changed meanwhile.
const TRIES: u32 = 10;

/// What an outcome means for the members of a payload.
struct Judged {
    /// Why the numbers do not agree, if they do not.
    mismatch: Option<String>,
    /// In the payload, and yet not covered.
    dropped: Vec<ReferenceId>,
    /// Covered as before, whatever the payload says.
    kept: Vec<(Covered, Record)>,
}

impl Ledger {
    /// Records that Vitable has finished: `Completed` with its outcome, the new baseline (the payload, less
    /// failed adds, plus failed removes; an unknown operation leaves that member as he was), what is now
    /// certain of the group, incidents and mails, all in one batch. With it go the approval that is spent and
    /// whatever else was held or said of the group before this roster was decided. Returns whether the numbers
    /// agreed; see [`Ledger::check_counts`].
    ///
    /// An attempt that timed out and finishes after a newer one was confirmed moves no baseline: nobody knows
    /// which of the two was applied last, so the group becomes uncertain.
    ///
    /// # Errors
    /// The attempt is not one that can complete, or it cannot be recorded.
    pub fn complete(
        &self,
        id: AttemptId,
        outcome: &Outcome,
        now: DateTime<Utc>,
        facts: Facts,
    ) -> Result<bool> {
        for _ in 0..TRIES {
            let (stored, before) = self.attempt_and_group(id)?;
            let state = next(&stored.attempt.state, &Event::Finished)?;
            let judged = self.judge(&stored, &before, outcome)?;
            let arrived = self.arrived(&stored, &before, &judged)?;
            let stayed: BTreeSet<ReferenceId> =
                judged.kept.iter().map(|(member, _)| member.id.clone()).collect();
            let agreed = judged.mismatch.is_none();
            let extra = self.write_difference(&stored, &before, &judged)?;
            let extra_id = extra.as_ref().map(|meta| meta.id);
            let reached = self.reached(&stored, &before)?;
            let written = self.store.write("ledger-after-complete", |tx| {
                let mut group = group_state(tx, &stored.attempt.group)?;
                let mut stored = attempt_in(tx, id)?;
                if group != before {
                    return Ok(None);
                }
                if let Some(meta) = &extra {
                    tx.put(key::node(meta.id), meta)?;
                    let next = tx.get::<u64>(key::NEXT_NODE)?.unwrap_or(1).max(meta.id + 1);
                    tx.put(key::NEXT_NODE.to_vec(), &next)?;
                    group.nodes.push(meta.id);
                }
                let known = group.nodes.contains(&stored.node);
                let node = extra_id.or(known.then_some(stored.node));
                finish(&mut group, &stored.attempt, node, judged.mismatch.clone(), now);
                stored.attempt.state = state.clone();
                stored.attempt.outcome = Some(outcome.clone());
                stored.attempt.changed_at = now;
                put_attempt(tx, &stored)?;
                holds::spend(tx, &stored.attempt)?;
                moves::complete_in(tx, &stored.attempt, &stayed, &arrived, now)?;
                waits::settle(tx, &stored.attempt, outcome, &reached, now)?;
                notices::put_facts(tx, &facts)?;
                let doomed = retire(tx, &mut group, Some(now))?;
                self.doomed.remember(&doomed);
                put_group(tx, &group)?;
                Ok(Some(doomed))
            });
            match written {
                Ok(Some(doomed)) => {
                    self.remove_rosters(&doomed);
                    return Ok(agreed);
                }
                Ok(None) => self.forget_file(extra_id),
                Err(error) => {
                    self.forget_file(extra_id);
                    return Err(error);
                }
            }
        }
        Err(LedgerError::defect("a group changes faster than its completion can be recorded"))
    }

    /// What [`Ledger::complete`] would find: why the numbers do not agree, if they do not. They are compared
    /// only when the attempt was decided on a confirmed baseline that still stands, and while no repeat is owed
    /// ([`Ledger::repeat_owed`]): added must be the planned adds less the failed ones, and so for removed. For
    /// the incident that goes into the same batch; the group is in [`Doubt::SecondWriter`] with the same words.
    ///
    /// # Errors
    /// There is no such attempt, or the state cannot be read.
    pub fn check_counts(&self, id: AttemptId, outcome: &Outcome) -> Result<Option<String>> {
        let (stored, state) = self.attempt_and_group(id)?;
        Ok(self.judge(&stored, &state, outcome)?.mismatch)
    }

    pub(super) fn attempt_and_group(&self, id: AttemptId) -> Result<(StoredAttempt, GroupState)> {
        let stored = self.existing(id)?;
        let state = self.state_of(&stored.attempt.group)?;
        Ok((stored, state))
    }

    /// Whom of those that left another group of the feed this roster covers now.
    fn arrived(
        &self,
        stored: &StoredAttempt,
        state: &GroupState,
        judged: &Judged,
    ) -> Result<BTreeSet<ReferenceId>> {
        let open = self.open_moves(Some(&stored.attempt.feed))?;
        let coming: HashSet<ReferenceId> = open.into_iter().map(|each| each.id).collect();
        if coming.is_empty() || !state.nodes.contains(&stored.node) {
            return Ok(BTreeSet::new());
        }
        let _reading = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let found = self.entries(&[stored.node], coming)?;
        Ok(found.into_keys().filter(|id| !judged.dropped.contains(id)).collect())
    }

    fn judge(&self, stored: &StoredAttempt, state: &GroupState, outcome: &Outcome) -> Result<Judged> {
        let _reading = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let failed = Failed::of(outcome);
        let (mut earlier, mut payload) = (HashMap::new(), HashMap::new());
        if !outcome.failures.is_empty() {
            let left = failed.removes.union(&failed.unknown).cloned().collect();
            earlier = self.entries(&state.roots(Some(stored.attempt.id)), left)?;
            if state.nodes.contains(&stored.node) {
                let all = outcome.failures.iter().map(|each| each.reference_id.clone());
                payload = self.entries(&[stored.node], all.collect())?;
            }
        }
        let compared = state.repeat.is_none()
            && stored.confirmed.is_some()
            && stored.confirmed == state.baseline.as_ref().map(|baseline| baseline.node);
        let unknown = |in_payload: bool, before: bool| {
            let of = |id: &&ReferenceId| {
                payload.contains_key(*id) == in_payload && earlier.contains_key(*id) == before
            };
            failed.unknown.iter().filter(of).count()
        };
        // Whoever was covered was not to be added, so that his failure takes nothing from the planned adds.
        let lost = self.in_baseline(state, stored.attempt.id, failed.adds.iter().cloned().collect())?;
        let added = expected(stored.adds, failed.adds.len() - lost.len() + unknown(true, false));
        let removed = expected(stored.removes, failed.removes.len() + unknown(false, true));
        let agreed = added == i128::from(outcome.added) && removed == i128::from(outcome.removed);
        let mismatch = compared.then(|| mismatch(agreed, lost.len(), (added, removed), outcome)).flatten();
        let goes = |id: &&ReferenceId| {
            let lost = failed.adds.contains(*id) || failed.unknown.contains(*id);
            // Of contradicting failures the one that leaves the person covered counts.
            lost && !failed.removes.contains(*id) && !earlier.contains_key(*id)
        };
        let dropped = payload.keys().filter(goes).cloned().collect();
        // A failed remove of somebody whom the payload has stays as the payload has him.
        let stays = |id: &ReferenceId| failed.unknown.contains(id) || !payload.contains_key(id);
        let kept = earlier.into_iter().filter(|(id, _)| stays(id)).map(|(_, entry)| entry);
        Ok(Judged { mismatch, dropped, kept: kept.collect() })
    }

    /// Writes what distinguishes the new baseline from the payload, when something does.
    fn write_difference(
        &self,
        stored: &StoredAttempt,
        state: &GroupState,
        judged: &Judged,
    ) -> Result<Option<NodeMeta>> {
        let nothing = judged.dropped.is_empty() && judged.kept.is_empty();
        if nothing || !state.nodes.contains(&stored.node) {
            return Ok(None);
        }
        let base = self.node(stored.node)?;
        let id = self.take_node();
        let written = NodeWriter::create(&self.rosters, id, &self.sealer).and_then(|mut writer| {
            for (member, record) in &judged.kept {
                let who = (member.id.as_str(), &member.plan);
                writer.push(who, &member.prints, member.carried_since, record.view())?;
            }
            for gone in &judged.dropped {
                writer.remove(gone.as_str());
            }
            writer.finish(Some(&base))
        });
        if written.is_err() {
            self.forget_file(Some(id));
        }
        crash::reached("ledger-after-completion-file");
        written.map(Some)
    }

    fn forget_file(&self, id: Option<u64>) {
        if let Some(id) = id
            && !self.store.is_broken()
        {
            files::remove(&node::path(&self.rosters, id));
        }
    }
}

/// The members of an outcome's failures, each once.
struct Failed {
    adds: BTreeSet<ReferenceId>,
    removes: BTreeSet<ReferenceId>,
    unknown: BTreeSet<ReferenceId>,
}

impl Failed {
    fn of(outcome: &Outcome) -> Self {
        let mut failed = Self { adds: BTreeSet::new(), removes: BTreeSet::new(), unknown: BTreeSet::new() };
        for failure in &outcome.failures {
            let set = match failure.operation {
                Operation::Add => &mut failed.adds,
                Operation::Remove => &mut failed.removes,
                Operation::Unknown(_) => &mut failed.unknown,
            };
            set.insert(failure.reference_id.clone());
        }
        failed
    }
}

/// What shows that somebody else writes to the group, if anything does.
fn mismatch(agreed: bool, lost: usize, (added, removed): (i128, i128), outcome: &Outcome) -> Option<String> {
    if lost > 0 {
        let who = if lost == 1 { "a member who was" } else { "members who were" };
        return Some(format!("Vitable had to add {who} covered before: someone else writes to this group"));
    }
    (!agreed).then(|| {
        format!(
            "Vitable reports {} added and {} removed where {added} and {removed} were to be: someone else \
             writes to this group",
            outcome.added, outcome.removed
        )
    })
}

fn expected(planned: u64, failed: usize) -> i128 {
    i128::from(planned) - i128::try_from(failed).unwrap_or(i128::MAX)
}

/// What a completed attempt means for its group. `node` is the new baseline, if its file is still there.
fn finish(
    group: &mut GroupState,
    attempt: &Attempt,
    node: Option<u64>,
    mismatch: Option<String>,
    now: DateTime<Utc>,
) {
    group.leave_flight(attempt.id);
    group.timed_out.retain(|kept| kept.attempt != attempt.id);
    if group.group_id.as_ref().is_some_and(|id| *id != attempt.group_id) {
        // The reference belongs to another group by now, of which this says nothing.
        return;
    }
    let newest = group.baseline.as_ref().is_none_or(|baseline| attempt.id > baseline.attempt)
        // Of a request of before a restore nobody knows what came after it.
        && group.restored.is_none_or(|restored| attempt.id > restored);
    match node {
        Some(node) if newest => {
            let baseline = Baseline { node, attempt: attempt.id, at: now };
            group.confirm(baseline, mismatch.map(Doubt::SecondWriter));
        }
        Some(_) | None => {
            let why = Doubt::LateCompletion(format!(
                "attempt {} finished after a newer one was confirmed, and nobody knows which came last",
                attempt.id.0
            ));
            group.sent.retain(|sent| sent.attempt != attempt.id);
            group.sent.extend(node.map(|node| Sent { node, attempt: attempt.id, why: why.clone() }));
            // It confirms nothing, so it does not take away an older doubt either.
            group.doubt.get_or_insert(why);
        }
    }
}
