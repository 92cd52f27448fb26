//! What is known of each group: its pin, its baseline, and what was sent since (`design.md`, What we know
//! about a group).

use super::{
    Attempt, AttemptId, Ledger,
    error::{LedgerError, Result},
    files, holds, key,
    node::{self, Ask, NodeMeta},
    store::Tx,
    void::Restored,
};
use crate::{
    attempt::State,
    roster::{
        Certainty, Coverage, Covered, Doubt, FeedName, Fingerprint, GroupId, GroupRef, Record, RecordRef,
        ReferenceId,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;

/// A timed-out request is looked at for seven days; its roster is kept for a day more.
const LATE: TimeDelta = TimeDelta::days(8);

/// The last roster that Vitable confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub(super) node: u64,
    pub(super) attempt: AttemptId,
    pub(super) at: DateTime<Utc>,
}

/// A roster of which nobody knows whether it was applied, or when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sent {
    pub(super) node: u64,
    pub(super) attempt: AttemptId,
    pub(super) why: Doubt,
}

/// An attempt whose roster file must be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) node: u64,
    pub(super) attempt: AttemptId,
    pub(super) since: DateTime<Utc>,
}

/// After a roster whose fate is not known a fresh one is submitted, and then once more: the lost one may be
/// applied after the fresh one, and the last word must be the newest roster (`design.md`, Life of an attempt).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Repeat {
    /// The newest attempt that was lost or timed out.
    pub(super) after: AttemptId,
    /// Whether one has completed since: the next one that completes is the repeat.
    pub(super) fresh: bool,
}

impl Repeat {
    /// What is still owed once this attempt has confirmed the group. A request that was sent before the one
    /// that was lost settles nothing.
    fn confirmed_by(self, attempt: AttemptId) -> Option<Self> {
        if attempt < self.after { Some(self) } else { (!self.fresh).then_some(Self { fresh: true, ..self }) }
    }
}

/// One group, as remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GroupState {
    pub(super) group: GroupRef,
    pub(super) group_id: Option<GroupId>,
    pub(super) baseline: Option<Baseline>,
    /// The feed of the newest intent.
    pub(super) owner: Option<FeedName>,
    /// Why the baseline is uncertain, beside what was sent since.
    pub(super) doubt: Option<Doubt>,
    /// The submit that is owed after a lost answer or a time-out.
    pub(super) repeat: Option<Repeat>,
    pub(super) sent: Vec<Sent>,
    pub(super) in_flight: Option<Kept>,
    pub(super) timed_out: Vec<Kept>,
    /// Every roster file of the group.
    pub(super) nodes: Vec<u64>,
    /// Attempts up to this one were made before the state was restored: they confirm nothing.
    #[serde(default)]
    pub(super) restored: Option<AttemptId>,
}

impl GroupState {
    /// A group of which nothing is known. In a restored state that is no first sync like another: it may have
    /// been synced after the copy was made.
    fn new(group: &GroupRef, restored: Option<&Restored>) -> Self {
        Self {
            group: group.clone(),
            group_id: None,
            baseline: None,
            owner: None,
            doubt: restored.map(Restored::doubt),
            repeat: None,
            sent: Vec::new(),
            in_flight: None,
            timed_out: Vec::new(),
            nodes: Vec::new(),
            restored: restored.map(|restored| restored.attempts),
        }
    }

    /// What becomes of the group when the state that knows it is restored: nothing is confirmed, whoever was
    /// covered counts as covered still, what was confirmed last is only the newest roster known to have been
    /// sent, and one more submit is owed, since a request of after the copy may be under way.
    pub(super) fn restore(&mut self, restored: &Restored) {
        let doubt = restored.doubt();
        if let Some(Baseline { node, attempt, .. }) = self.baseline.take() {
            self.sent.insert(0, Sent { node, attempt, why: doubt.clone() });
        }
        if !self.sent.is_empty() || self.in_flight.is_some() {
            self.repeat = Some(Repeat { after: restored.attempts, fresh: false });
        }
        self.doubt = Some(doubt);
        self.restored = Some(restored.attempts);
    }

    /// How sure the picture of the group is.
    pub(super) fn certainty(&self) -> Certainty {
        match (&self.doubt, self.sent.last()) {
            // A first sync that no setting lets pass: it is in the words of its doubt.
            (Some(doubt @ Doubt::Repaired(_)), _) => Certainty::Uncertain(doubt.clone()),
            _ if self.baseline.is_none() => Certainty::FirstSync,
            (Some(doubt), _) => Certainty::Uncertain(doubt.clone()),
            (None, Some(sent)) => Certainty::Uncertain(sent.why.clone()),
            (None, None) => Certainty::Confirmed,
        }
    }

    /// The rosters whose union is covered, by attempt, the oldest first: the baseline and, while it is
    /// uncertain, every roster sent since. With `before`, only those of older attempts.
    pub(super) fn roots(&self, before: Option<AttemptId>) -> Vec<u64> {
        let baseline = self.baseline.iter().map(|each| (each.attempt, each.node));
        let sent = self.sent.iter().map(|each| (each.attempt, each.node));
        let mut roots: Vec<_> = baseline
            .chain(sent)
            .filter(|(attempt, _)| before.is_none_or(|before| *attempt < before))
            .collect();
        roots.sort_unstable();
        roots.into_iter().map(|(_, node)| node).collect()
    }

    /// What an attempt's new state, other than a completion, means for the group.
    pub(super) fn settle(&mut self, attempt: &Attempt, node: u64) {
        let kept = Kept { node, attempt: attempt.id, since: attempt.changed_at };
        self.leave_flight(attempt.id);
        match &attempt.state {
            State::Prepared | State::Sent | State::Accepted { .. } => self.in_flight = Some(kept),
            State::OutcomeUnknown { why } => {
                let why = format!("nobody knows what became of attempt {}: {why}", attempt.id.0);
                self.lose(attempt.id, node, Doubt::LostAnswer(why));
            }
            State::TimedOut { request_id } => {
                let why = format!("Vitable did not finish `{request_id}` in time");
                self.lose(attempt.id, node, Doubt::TimedOut(why));
                self.timed_out.push(kept);
            }
            State::NotSent { .. } | State::Rejected { .. } | State::Completed { .. } => {}
        }
    }

    /// The roster may be applied, now or later.
    fn lose(&mut self, attempt: AttemptId, node: u64, why: Doubt) {
        self.sent.push(Sent { node, attempt, why });
        self.repeat = Some(Repeat { after: attempt, fresh: false });
    }

    /// The attempt is the new baseline. `doubt` is what its numbers show.
    pub(super) fn confirm(&mut self, baseline: Baseline, doubt: Option<Doubt>) {
        self.sent.retain(|sent| sent.attempt > baseline.attempt);
        self.doubt = doubt;
        self.repeat = self.repeat.take().and_then(|owed| owed.confirmed_by(baseline.attempt));
        self.baseline = Some(baseline);
    }

    /// The attempt is in flight no longer.
    pub(super) fn leave_flight(&mut self, attempt: AttemptId) {
        self.in_flight.take_if(|kept| kept.attempt == attempt);
    }
}

impl Ledger {
    /// The group's id at Vitable that is known from before.
    #[must_use]
    pub fn group_pin(&self, group: &GroupRef) -> Option<GroupId> {
        let pins = self.group_pins.read().unwrap_or_else(PoisonError::into_inner);
        pins.get(group).cloned()
    }

    /// Pins a group's id. Another id than the one known makes the group a first sync: nobody knows who is
    /// covered there.
    ///
    /// # Errors
    /// While the group is in flight, and when it cannot be recorded.
    pub fn set_group_pin(&self, group: &GroupRef, id: &GroupId) -> Result<()> {
        let mut pins = self.group_pins.write().unwrap_or_else(PoisonError::into_inner);
        if pins.get(group) == Some(id) {
            return Ok(());
        }
        let doomed = self.store.write("ledger-after-group-pin", |tx| {
            let mut state = group_state(tx, group)?;
            if state.group_id.replace(id.clone()).is_some() {
                if let Some(kept) = &state.in_flight {
                    return Err(busy(group, kept));
                }
                let restored: Option<Restored> = tx.get(key::RESTORED)?;
                (state.baseline, state.repeat) = (None, None);
                // Of another group nothing is known either.
                state.doubt = restored.as_ref().map(Restored::doubt);
                state.sent.clear();
                state.timed_out.clear();
                holds::forget_group(tx, group)?;
            }
            let doomed = retire(tx, &mut state, None)?;
            self.doomed.remember(&doomed);
            put_group(tx, &state)?;
            Ok(doomed)
        })?;
        pins.insert(group.clone(), id.clone());
        self.remove_rosters(&doomed);
        Ok(())
    }

    /// Every group that was ever pinned or attempted, in the order of their references.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn known_groups(&self) -> Result<Vec<GroupRef>> {
        let states: Vec<GroupState> = self.store.scan(key::GROUPS)?;
        Ok(states.into_iter().map(|state| state.group).collect())
    }

    /// The attempt that confirmed the group's baseline; after a restore the one that did before.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn last_completed(&self, group: &GroupRef) -> Result<Option<Attempt>> {
        let state = self.state_of(group)?;
        let before = state.sent.iter().find(|sent| matches!(sent.why, Doubt::Repaired(_)));
        match state.baseline.map(|baseline| baseline.attempt).or(before.map(|sent| sent.attempt)) {
            Some(attempt) => self.attempt(attempt),
            None => Ok(None),
        }
    }

    /// Whether a submit is owed though the roster may be unchanged: after a lost answer or a time-out the first
    /// completion is followed by one more submit, which settles it when it completes. Until then the numbers
    /// of completions are not compared: the difference may be our own late request.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn repeat_owed(&self, group: &GroupRef) -> Result<bool> {
        Ok(self.state_of(group)?.repeat.is_some())
    }

    /// The feed of the newest intent to the group. `None` of a group that nothing was ever intended for.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn owner(&self, group: &GroupRef) -> Result<Option<FeedName>> {
        Ok(self.state_of(group)?.owner)
    }

    /// Who is covered in the group: the confirmed baseline and, while it is uncertain, everybody in any
    /// roster sent since. Of a group that was sent to and never confirmed it is a first sync still, with
    /// those who were sent.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn coverage(&self, group: &GroupRef) -> Result<Coverage> {
        self.coverage_with(group, &|_, _| true)
    }

    /// As [`Ledger::coverage`], with the fingerprints of the fields only of those members for whom `fields`
    /// says so by reference and fingerprint of the whole: with a million members they are 96 MB.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn coverage_with(
        &self,
        group: &GroupRef,
        fields: &dyn Fn(&str, Fingerprint) -> bool,
    ) -> Result<Coverage> {
        let _reading = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let state = self.state_of(group)?;
        let mut coverage = Coverage::new(state.certainty(), []);
        for root in state.roots(None) {
            let chain = self.chain(root)?;
            node::walk(&self.rosters, &chain, &Ask::Members, &mut |member, _| {
                if fields(member.id.as_str(), member.prints.whole) {
                    coverage.put(&member);
                } else {
                    coverage.put_whole(&member);
                }
            })?;
        }
        Ok(coverage)
    }

    /// The records that were last accepted (last sent, while the group is uncertain) of these covered
    /// members. Who is not covered is not in the answer.
    ///
    /// # Errors
    /// When the state cannot be read or opened.
    pub fn records(&self, group: &GroupRef, ids: &[ReferenceId]) -> Result<HashMap<ReferenceId, Record>> {
        let _reading = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let state = self.state_of(group)?;
        let entries = self.entries(&state.roots(None), ids.iter().cloned().collect())?;
        Ok(entries.into_iter().map(|(id, (_, record))| (id, record)).collect())
    }

    /// These members as the newest of `roots` that has them knows them. The caller holds `files`.
    pub(super) fn entries(
        &self,
        roots: &[u64],
        mut wanted: HashSet<ReferenceId>,
    ) -> Result<HashMap<ReferenceId, (Covered, Record)>> {
        let mut found = HashMap::new();
        for &root in roots.iter().rev() {
            if wanted.is_empty() {
                break;
            }
            let chain = self.chain(root)?;
            let mut incomplete = false;
            let ask = Ask::Records(&self.sealer, &wanted);
            node::walk(&self.rosters, &chain, &ask, &mut |member, record| match record {
                Some(record) => {
                    found.insert(member.id.clone(), (member, record));
                }
                None => incomplete = true,
            })?;
            if incomplete {
                return Err(LedgerError::damaged("a covered member has no sealed record"));
            }
            wanted.retain(|id| !found.contains_key(id));
        }
        Ok(found)
    }

    /// Calls `visit` with every record of the attempt's own payload, what it shares with older rosters
    /// included, one chunk in memory at a time: what Vitable says of the attempt is scrubbed with them.
    /// `visit` must not write to the ledger.
    ///
    /// # Errors
    /// There is no such attempt; its roster is not kept any more ([`LedgerError::RosterGone`]: rosters are
    /// kept while they are covered, in flight, or timed out for less than eight days); the state cannot be
    /// read or opened.
    pub fn payload_records(&self, id: AttemptId, visit: &mut dyn FnMut(RecordRef<'_>)) -> Result<()> {
        let _reading = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let stored = self.existing(id)?;
        let group = stored.attempt.group;
        if !self.state_of(&group)?.nodes.contains(&stored.node) {
            return Err(LedgerError::RosterGone { group, attempt: id.0 });
        }
        let chain = self.chain(stored.node)?;
        let mut incomplete = false;
        node::walk(&self.rosters, &chain, &Ask::EveryRecord(&self.sealer), &mut |_, record| match record {
            Some(record) => visit(record.view()),
            None => incomplete = true,
        })?;
        if incomplete { Err(LedgerError::damaged("a member has no sealed record")) } else { Ok(()) }
    }

    /// A roster file and those under it, the newest first.
    pub(super) fn chain(&self, root: u64) -> Result<Vec<u64>> {
        let mut chain = Vec::new();
        let mut next = Some(root);
        while let Some(id) = next {
            chain.push(id);
            next = self.node(id)?.base;
        }
        Ok(chain)
    }

    /// What is known of a roster file, also of one that was forgotten while the caller reads. The caller holds `files`.
    pub(super) fn node(&self, id: u64) -> Result<NodeMeta> {
        self.store
            .get(&key::node(id))?
            .or_else(|| self.doomed.find(id))
            .ok_or_else(|| LedgerError::damaged(format!("nothing is known of the roster file `{id}`")))
    }

    pub(super) fn state_of(&self, group: &GroupRef) -> Result<GroupState> {
        match self.store.get(&key::group(group))? {
            Some(known) => Ok(known),
            None => Ok(GroupState::new(group, self.store.get(key::RESTORED)?.as_ref())),
        }
    }

    /// Removes files that the store names no longer, when nobody reads them.
    pub(super) fn remove_rosters(&self, doomed: &[NodeMeta]) {
        self.doomed.forgotten(doomed);
        // Nobody waits for a long reader: what stays goes with the next ones, or at the next start.
        let Ok(_alone) = self.files.try_write() else {
            return;
        };
        for id in self.doomed.take() {
            files::remove(&node::path(&self.rosters, id));
        }
    }
}

pub(super) fn group_state(tx: &Tx<'_>, group: &GroupRef) -> Result<GroupState> {
    match tx.get(&key::group(group))? {
        Some(known) => Ok(known),
        None => Ok(GroupState::new(group, tx.get(key::RESTORED)?.as_ref())),
    }
}

pub(super) fn put_group(tx: &mut Tx<'_>, state: &GroupState) -> Result<()> {
    tx.put(key::group(&state.group), state)
}

pub(super) fn busy(group: &GroupRef, kept: &Kept) -> LedgerError {
    LedgerError::Busy { group: group.clone(), attempt: kept.attempt.0 }
}

/// Forgets the group's roster files that nothing builds on. Returns them, to be remembered by
/// [`Doomed`](super::doomed::Doomed) before the change is seen, and removed once it is durable.
/// `now` ends the time of timed-out requests that nobody looks at any more.
pub(super) fn retire(
    tx: &mut Tx<'_>,
    state: &mut GroupState,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<NodeMeta>> {
    let mut over = Vec::new();
    state.timed_out.retain(|kept| {
        let stays = now.is_none_or(|now| now - kept.since < LATE);
        if !stays {
            over.push(kept.attempt);
        }
        stays
    });
    for attempt in over {
        tx.remove(key::timed_out(attempt))?;
    }
    let kept = state.in_flight.iter().chain(&state.timed_out).map(|kept| kept.node);
    let mut open: Vec<u64> = state.roots(None).into_iter().chain(kept).collect();
    let mut live = HashSet::new();
    while let Some(id) = open.pop() {
        if live.insert(id) {
            let meta: Option<NodeMeta> = tx.get(&key::node(id))?;
            open.extend(meta.and_then(|meta| meta.base));
        }
    }
    let (stay, unused): (Vec<u64>, Vec<u64>) = state.nodes.iter().partition(|id| live.contains(id));
    state.nodes = stay;
    let mut doomed = Vec::new();
    for id in unused {
        doomed.extend(tx.get::<NodeMeta>(&key::node(id))?);
        tx.remove(key::node(id))?;
    }
    Ok(doomed)
}
