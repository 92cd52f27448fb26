//! Who waits in a group, and since when: covered people who have left and are still covered, and new people who
//! are not covered yet. Both are harm, and neither may grow old unseen.
//!
//! A decision records them with its holds, a completion takes away those whom it settled. A read that came to
//! nothing says nothing of anybody.

use super::{
    Attempt, Facts, Hold, Ledger,
    attempts::StoredAttempt,
    error::Result,
    groups::GroupState,
    holds, key,
    node::{self, Ask},
    store::Tx,
};
use crate::{
    attempt::{Operation, Outcome},
    roster::{FeedName, GroupRef, ReferenceId, RunId},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::PoisonError,
};

/// How many people of one list are named; the others are counted.
const NAMED: usize = 10_000;

/// The people of one group who wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// The feed.
    pub feed: FeedName,
    /// The group.
    pub group: GroupRef,
    /// The newest run that decided on the group.
    pub run: RunId,
    /// Covered, and to be removed.
    #[serde(default)]
    pub removals: WaitList,
    /// Covered here, and to be moved to another group of the feed.
    #[serde(default)]
    pub moves: WaitList,
    /// Not covered, with a row that can be used.
    #[serde(default)]
    pub additions: WaitList,
    /// Not covered, with a row that cannot be used.
    #[serde(default)]
    pub left_out: WaitList,
}

/// People who wait, by when they began to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitList {
    since: BTreeMap<DateTime<Utc>, BTreeSet<ReferenceId>>,
    /// Beyond those who are named.
    #[serde(default)]
    more: u64,
    /// Since when somebody of those is waiting, at the earliest.
    #[serde(default)]
    more_since: Option<DateTime<Utc>>,
}

impl WaitList {
    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        let named: usize = self.since.values().map(BTreeSet::len).sum();
        self.more.saturating_add(u64::try_from(named).unwrap_or(u64::MAX))
    }

    /// Since when the one who has waited longest waits.
    #[must_use]
    pub fn oldest(&self) -> Option<DateTime<Utc>> {
        let named = self.since.first_key_value().map(|(since, _)| *since);
        named.into_iter().chain(self.more_since).min()
    }

    /// Since when this person waits, if he is among those who are named.
    #[must_use]
    pub fn since(&self, id: &str) -> Option<DateTime<Utc>> {
        self.since.iter().find(|(_, people)| people.contains(id)).map(|(since, _)| *since)
    }

    /// Those who are named.
    pub fn named(&self) -> impl Iterator<Item = &ReferenceId> + '_ {
        self.since.values().flatten()
    }

    /// These people wait now. Who waited before has waited since then.
    #[must_use]
    pub fn renewed<'a>(&self, people: impl Iterator<Item = &'a str> + Clone, now: DateTime<Utc>) -> Self {
        let mut list = Self::default();
        let mut room = NAMED;
        let before: HashMap<&str, DateTime<Utc>> = self
            .since
            .iter()
            .flat_map(|(since, people)| people.iter().map(move |id| (id.as_str(), *since)))
            .collect();
        // Those who are known come first: nobody's age is lost to somebody new.
        let known = |id: &str| before.get(id).copied();
        let mut put = |id: &str, since: DateTime<Utc>| match ReferenceId::new(id) {
            Ok(id) if room > 0 => {
                room -= 1;
                list.since.entry(since).or_default().insert(id);
            }
            Ok(_) | Err(_) => list.more += 1,
        };
        if !before.is_empty() {
            people.clone().for_each(|id| known(id).into_iter().for_each(|since| put(id, since)));
        }
        // Who was only counted may be any of them: an age is rather told too old than too young.
        let fresh = self.more_since.unwrap_or(now);
        for id in people {
            if before.is_empty() || known(id).is_none() {
                put(id, fresh);
            }
        }
        list.more_since = (list.more > 0).then_some(fresh);
        list
    }

    fn is_empty(&self) -> bool {
        self.total() == 0
    }

    fn keep(&mut self, stays: impl Fn(&ReferenceId) -> bool) {
        self.since.retain(|_, people| {
            people.retain(&stays);
            !people.is_empty()
        });
    }

    /// Those who are only counted are counted no more.
    fn forget_more(&mut self) {
        (self.more, self.more_since) = (0, None);
    }

    fn put_new(&mut self, people: &BTreeSet<&ReferenceId>, now: DateTime<Utc>) {
        let mut room = NAMED.saturating_sub(self.since.values().map(BTreeSet::len).sum());
        let unknown: Vec<&ReferenceId> =
            people.iter().filter(|id| self.since(id.as_str()).is_none()).copied().collect();
        for id in unknown {
            if room > 0 {
                room -= 1;
                self.since.entry(now).or_default().insert(id.clone());
            } else {
                self.more += 1;
                self.more_since.get_or_insert(now);
            }
        }
    }
}

impl Waits {
    /// Nobody waits.
    #[must_use]
    pub fn nobody(feed: FeedName, group: GroupRef, run: RunId) -> Self {
        let none = WaitList::default;
        Self { feed, group, run, removals: none(), moves: none(), additions: none(), left_out: none() }
    }

    /// The lists with the words for them.
    #[must_use]
    pub fn lists(&self) -> [(&'static str, &WaitList); 4] {
        [
            ("removal", &self.removals),
            ("move", &self.moves),
            ("addition", &self.additions),
            ("left_out", &self.left_out),
        ]
    }

    /// How many additions wait, with rows that can be used and with rows that cannot, and since when the oldest.
    #[must_use]
    pub fn additions_in_all(&self) -> (u64, Option<DateTime<Utc>>) {
        let total = self.additions.total().saturating_add(self.left_out.total());
        (total, self.additions.oldest().into_iter().chain(self.left_out.oldest()).min())
    }

    fn is_nobody(&self) -> bool {
        self.lists().iter().all(|(_, list)| list.is_empty())
    }

    /// What Vitable has done is not waited for any more. `reached` are additions of a later decision who were in
    /// this attempt's roster.
    fn settle(
        &mut self,
        attempt: &Attempt,
        outcome: &Outcome,
        reached: &HashSet<ReferenceId>,
        now: DateTime<Utc>,
    ) {
        let failed = |wanted: fn(&Operation) -> bool| -> BTreeSet<&ReferenceId> {
            let failures = outcome.failures.iter().filter(|failure| wanted(&failure.operation));
            failures.map(|failure| &failure.reference_id).collect()
        };
        let stayed = failed(|operation| !matches!(operation, Operation::Add));
        let not_added = failed(|operation| matches!(operation, Operation::Add));
        let removed: HashSet<&ReferenceId> = attempt.removed.iter().collect();
        let still_covered = |id: &ReferenceId| !removed.contains(id) || stayed.contains(id);
        self.removals.keep(still_covered);
        self.moves.keep(still_covered);
        let unknown_to_us = |id: &ReferenceId| not_added.contains(id) || stayed.contains(id);
        if self.run <= attempt.run {
            self.additions.keep(unknown_to_us);
            [&mut self.removals, &mut self.moves, &mut self.additions]
                .into_iter()
                .for_each(WaitList::forget_more);
        } else {
            self.additions.keep(|id| !reached.contains(id) || unknown_to_us(id));
        }
        self.additions.put_new(&not_added, now);
        let asked: BTreeSet<&ReferenceId> = stayed.into_iter().filter(|id| removed.contains(*id)).collect();
        let unlisted = asked.into_iter().filter(|id| self.moves.since(id.as_str()).is_none()).collect();
        self.removals.put_new(&unlisted, now);
    }
}

impl Ledger {
    /// As [`Ledger::put_holds`], with those who wait in each group that was decided on, in the same batch.
    ///
    /// # Errors
    /// When they cannot be recorded; then nothing of it is.
    pub fn put_decided(
        &self,
        holds: &[Hold],
        dropped: &[(FeedName, GroupRef)],
        waits: &[Waits],
        facts: Facts,
    ) -> Result<Vec<Hold>> {
        self.store.write("ledger-after-put-holds", |tx| {
            for each in waits {
                put(tx, each)?;
            }
            holds::put_all(tx, holds, dropped, &facts)
        })
    }

    /// Who waits, in the groups of a feed or of all, by feed and group. A group in which nobody waits is not there.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn waits(&self, feed: Option<&FeedName>) -> Result<Vec<Waits>> {
        self.store.scan(&feed.map_or_else(|| key::WAITS.to_vec(), key::waits_of))
    }

    /// Who waits in one group.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn waits_in(&self, feed: &FeedName, group: &GroupRef) -> Result<Option<Waits>> {
        self.store.get(&key::waits(feed, group))
    }

    /// The additions of a later decision who are in this attempt's roster: it was under way when they were decided.
    pub(super) fn reached(&self, stored: &StoredAttempt, state: &GroupState) -> Result<HashSet<ReferenceId>> {
        let attempt = &stored.attempt;
        let mut reached = HashSet::new();
        let Some(waits) = self.waits_in(&attempt.feed, &attempt.group)? else { return Ok(reached) };
        let names: HashSet<&ReferenceId> = waits.additions.named().collect();
        if waits.run <= attempt.run || names.is_empty() || !state.nodes.contains(&stored.node) {
            return Ok(reached);
        }
        let _reading = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let chain = self.chain(stored.node)?;
        node::walk(&self.rosters, &chain, &Ask::Members, &mut |member, _| {
            if names.contains(&member.id) {
                reached.insert(member.id);
            }
        })?;
        Ok(reached)
    }
}

fn put(tx: &mut Tx<'_>, waits: &Waits) -> Result<()> {
    let at = key::waits(&waits.feed, &waits.group);
    if waits.is_nobody() { tx.remove(at) } else { tx.put(at, waits) }
}

/// An attempt has completed.
pub(super) fn settle(
    tx: &mut Tx<'_>,
    attempt: &Attempt,
    outcome: &Outcome,
    reached: &HashSet<ReferenceId>,
    now: DateTime<Utc>,
) -> Result<()> {
    let known: Option<Waits> = tx.get(&key::waits(&attempt.feed, &attempt.group))?;
    let mut waits =
        known.unwrap_or_else(|| Waits::nobody(attempt.feed.clone(), attempt.group.clone(), attempt.run));
    waits.settle(attempt, outcome, reached, now);
    put(tx, &waits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn at(day: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::days(day)
    }

    #[test]
    fn who_waits_on_keeps_his_first_day_and_who_comes_back_begins_anew() {
        let first = WaitList::default().renewed(["E-1", "E-2"].into_iter(), at(0));
        let second = first.renewed(["E-2", "E-3"].into_iter(), at(3));
        assert_eq!((second.total(), second.oldest()), (2, Some(at(0))));
        assert_eq!(
            [second.since("E-1"), second.since("E-2"), second.since("E-3")],
            [None, Some(at(0)), Some(at(3))]
        );
        let third = second.renewed(["E-1", "E-3"].into_iter(), at(5));
        assert_eq!([third.since("E-1"), third.since("E-3")], [Some(at(5)), Some(at(3))]);
        assert_eq!(third.renewed(std::iter::empty(), at(6)), WaitList::default());
    }

    #[test]
    fn beyond_the_bound_people_are_counted_and_nobody_known_gives_way() {
        let old = WaitList::default().renewed(["Z-1"].into_iter(), at(0));
        let names: Vec<String> = (0..NAMED + 5).map(|number| format!("E-{number}")).collect();
        let all = names.iter().map(String::as_str).chain(["Z-1"]);
        let list = old.renewed(all.clone(), at(2));
        assert_eq!(list.total(), u64::try_from(NAMED + 6).unwrap());
        assert_eq!((list.named().count(), list.since("Z-1")), (NAMED, Some(at(0))));
        let later = list.renewed(names.iter().map(String::as_str), at(4));
        assert_eq!((later.oldest(), later.total()), (Some(at(2)), u64::try_from(NAMED + 5).unwrap()));
    }
}
