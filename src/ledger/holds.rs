//! Holds and what people said to them.

use super::{
    Attempt, AttemptId, Facts, Hold, Ledger, Word,
    error::{LedgerError, Result},
    groups::{GroupState, group_state},
    key, notices,
    store::Tx,
};
use crate::roster::{FeedName, GroupRef};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// So many rejected changes of a group are remembered beside the one that is held now.
const REJECTIONS: usize = 20;

/// A hold with what only the ledger needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredHold {
    hold: Hold,
    /// The newest attempt that its approval released.
    bound: Option<AttemptId>,
    /// When it was last found to be held.
    last: DateTime<Utc>,
}

impl StoredHold {
    fn approved(&self, now: DateTime<Utc>) -> bool {
        let good = |word: &Word| word.approved && word.expires.is_none_or(|expires| now < expires);
        self.hold.word.as_ref().is_some_and(good)
    }

    fn rejected(&self) -> bool {
        self.hold.word.as_ref().is_some_and(|word| !word.approved)
    }

    fn expired(&self, now: DateTime<Utc>) -> bool {
        self.hold.word.as_ref().is_some_and(|word| word.has_expired(now))
    }
}

impl Word {
    /// Whether it is an approval whose time is over.
    #[must_use]
    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.approved && self.expires.is_some_and(|expires| expires <= now)
    }
}

impl Hold {
    /// The approval of this change whose time was over before Vitable had completed it, when no later word counts.
    #[must_use]
    pub fn lapsed(&self, now: DateTime<Utc>) -> Option<&Word> {
        match &self.word {
            Some(word) => Some(word).filter(|word| word.has_expired(now)),
            None => self.expired.as_ref(),
        }
    }
}

impl Ledger {
    /// Records the holds of a run with their mail, in one batch, and returns them as they are now: what is held
    /// under the same digest already keeps its first run, its age and the word that was said. Another change of
    /// the same group that waited is over with it. A good approval stays until it expires, and a rejection until
    /// the group is decided or completed without it: a rejected change that comes back is not asked for again.
    ///
    /// `dropped` are the groups that a complete read decided without needing an approval: whatever was held or
    /// approved there is over, except an approval that is bound to an attempt in flight.
    ///
    /// # Errors
    /// When they cannot be recorded; then nothing of it is.
    pub fn put_holds(
        &self,
        holds: &[Hold],
        dropped: &[(FeedName, GroupRef)],
        facts: Facts,
    ) -> Result<Vec<Hold>> {
        self.put_decided(holds, dropped, &[], facts)
    }

    /// The holds of a feed, or of all, with what was said to them, by feed and group.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn holds(&self, feed: Option<&FeedName>) -> Result<Vec<Hold>> {
        let prefix = feed.map_or_else(|| key::HOLDS.to_vec(), key::holds_of);
        let holds: Vec<StoredHold> = self.store.scan(&prefix)?;
        Ok(holds.into_iter().map(|stored| stored.hold).collect())
    }

    /// Says a word to a hold. The first one counts: the answer is the hold with it, or, to whoever is second,
    /// the first word. An approval that has expired is no word any more.
    ///
    /// # Errors
    /// When nothing is held under that digest, and when it cannot be recorded.
    pub fn say(
        &self,
        feed: &FeedName,
        group: &GroupRef,
        digest: &str,
        word: Word,
    ) -> Result<Result<Hold, Word>> {
        self.store.write("ledger-after-say", |tx| {
            let at = key::hold(feed, group, digest);
            let mut stored: StoredHold = tx
                .get(&at)?
                .ok_or_else(|| LedgerError::NoHold { feed: feed.clone(), group: group.clone() })?;
            let expired = stored.expired(word.at);
            match stored.hold.word.take() {
                Some(first) if !expired => return Ok(Err(first)),
                before => {
                    stored.hold.expired = before.or(stored.hold.expired.take());
                    stored.hold.word = Some(word);
                }
            }
            stored.bound = None;
            tx.put(at, &stored)?;
            Ok(Ok(stored.hold))
        })
    }

    /// The approvals that may release a change of this group now: said, not expired, not spent, and not bound
    /// to an attempt that is in flight.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn approvals(&self, feed: &FeedName, group: &GroupRef, now: DateTime<Utc>) -> Result<Vec<Hold>> {
        let stored: Vec<StoredHold> = self.store.scan(&key::holds_at(feed, group))?;
        let state: Option<GroupState> = self.store.get(&key::group(group))?;
        let in_flight = state.and_then(|state| state.in_flight).map(|kept| kept.attempt);
        let free = |each: &StoredHold| each.bound.is_none() || each.bound != in_flight;
        let good = stored.into_iter().filter(|each| each.approved(now) && free(each));
        Ok(good.map(|each| each.hold).collect())
    }
}

/// The body of [`Ledger::put_holds`].
pub(super) fn put_all(
    tx: &mut Tx<'_>,
    holds: &[Hold],
    dropped: &[(FeedName, GroupRef)],
    facts: &Facts,
) -> Result<Vec<Hold>> {
    for (feed, group) in dropped {
        drop_in(tx, feed, group)?;
    }
    let stored: Result<Vec<Hold>> = holds.iter().map(|hold| put_in(tx, hold)).collect();
    notices::put_facts(tx, facts)?;
    stored
}

/// Binds the approval that an attempt names to it.
pub(super) fn bind(tx: &mut Tx<'_>, attempt: &Attempt) -> Result<()> {
    let refused = || LedgerError::NoHold { feed: attempt.feed.clone(), group: attempt.group.clone() };
    let digest = attempt.approval.as_ref().ok_or_else(refused)?;
    let at = key::hold(&attempt.feed, &attempt.group, digest);
    let mut stored: StoredHold = tx.get(&at)?.ok_or_else(refused)?;
    if !stored.approved(attempt.prepared_at) {
        return Err(refused());
    }
    stored.bound = Some(attempt.id);
    tx.put(at, &stored)
}

/// The attempt has completed: its approval is spent, and so is every other word that was said before the
/// roster was decided, and every question of then that nobody answered. A word said since, and a hold found
/// since (of an attempt that finishes late), are about a later change. The first half of a decision spends nothing: the
/// second half needs the word.
pub(super) fn spend(tx: &mut Tx<'_>, attempt: &Attempt) -> Result<()> {
    if attempt.half {
        return Ok(());
    }
    for stored in tx.scan::<StoredHold>(&key::holds_at(&attempt.feed, &attempt.group))? {
        let about = stored.hold.word.as_ref().map_or(stored.last, |word| word.at);
        if stored.bound == Some(attempt.id) || about <= attempt.prepared_at {
            tx.remove(key::hold(&attempt.feed, &attempt.group, &stored.hold.digest))?;
        }
    }
    Ok(())
}

/// Whether a person has spoken about the hold under this key.
pub(super) fn is_spoken_about(tx: &Tx<'_>, at: &[u8]) -> Result<bool> {
    Ok(tx.get::<StoredHold>(at)?.is_some_and(|stored| stored.hold.word.is_some()))
}

/// Ends what is held of a group, except an approval that is bound to an attempt in flight.
fn drop_in(tx: &mut Tx<'_>, feed: &FeedName, group: &GroupRef) -> Result<()> {
    let in_flight = group_state(tx, group)?.in_flight.map(|kept| kept.attempt);
    for stored in tx.scan::<StoredHold>(&key::holds_at(feed, group))? {
        if stored.bound.is_none() || stored.bound != in_flight {
            tx.remove(key::hold(feed, group, &stored.hold.digest))?;
        }
    }
    Ok(())
}

/// Forgets whatever was held or said of a group: it is another one at Vitable by now.
pub(super) fn forget_group(tx: &mut Tx<'_>, group: &GroupRef) -> Result<()> {
    for stored in tx.scan::<StoredHold>(key::HOLDS)?.into_iter().filter(|each| each.hold.group == *group) {
        tx.remove(key::hold(&stored.hold.feed, group, &stored.hold.digest))?;
    }
    Ok(())
}

/// Records one hold.
fn put_in(tx: &mut Tx<'_>, hold: &Hold) -> Result<Hold> {
    let mut rejected: Vec<(DateTime<Utc>, String)> = Vec::new();
    for other in tx.scan::<StoredHold>(&key::holds_at(&hold.feed, &hold.group))? {
        if other.hold.digest == hold.digest || other.approved(hold.since) {
            continue;
        }
        if other.rejected() {
            rejected.push((other.last, other.hold.digest));
        } else {
            tx.remove(key::hold(&hold.feed, &hold.group, &other.hold.digest))?;
        }
    }
    rejected.sort();
    for (_, digest) in rejected.iter().rev().skip(REJECTIONS) {
        tx.remove(key::hold(&hold.feed, &hold.group, digest))?;
    }
    let at = key::hold(&hold.feed, &hold.group, &hold.digest);
    let mut stored = StoredHold { hold: hold.clone(), bound: None, last: hold.since };
    if let Some(known) = tx.get::<StoredHold>(&at)? {
        stored.hold.run = known.hold.run;
        stored.hold.since = known.hold.since;
        stored.hold.expired = known.hold.lapsed(hold.since).or(known.hold.expired.as_ref()).cloned();
        // Asked again after its time: the old approval is no answer to that.
        if !known.expired(hold.since) {
            stored.hold.word = known.hold.word;
            stored.bound = known.bound;
        }
    }
    tx.put(at, &stored)?;
    Ok(stored.hold)
}
