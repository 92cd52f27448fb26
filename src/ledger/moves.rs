//! Moves that are under way: who has left one group of a feed and is not yet covered in another.
//!
//! Written in the batch of the losing group's completion, and over in the batch of the completion that covers the
//! person again.

use super::{Attempt, AttemptId, Facts, Ledger, error::Result, key, notices, store::Tx};
use crate::roster::{FeedName, GroupRef, Leaving, ReferenceId, RunId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::PoisonError};

/// Somebody who left a group for another one of the feed, and is covered nowhere until that one has him.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenMove {
    /// The feed.
    pub feed: FeedName,
    /// Who.
    pub id: ReferenceId,
    /// The group that he left.
    pub from: GroupRef,
    /// The run that moves him.
    pub run: RunId,
    /// The attempt that took him out.
    pub attempt: AttemptId,
    /// Since when he is covered nowhere.
    pub since: DateTime<Utc>,
}

impl Ledger {
    /// The moves that are under way, of a feed or of all.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn open_moves(&self, feed: Option<&FeedName>) -> Result<Vec<OpenMove>> {
        let prefix = feed.map_or_else(|| key::MOVES.to_vec(), key::moves_of);
        self.store.scan(&prefix)
    }

    /// Which of these people a group covers whatever became of the rosters sent to it: the last confirmed roster has
    /// them, and so has every one sent since. A roster whose answer was lost may never have arrived.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn surely_covered(&self, group: &GroupRef, ids: &[ReferenceId]) -> Result<BTreeSet<ReferenceId>> {
        let _reading = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let state = self.state_of(group)?;
        if state.baseline.is_none() {
            return Ok(BTreeSet::new());
        }
        let mut sure: BTreeSet<ReferenceId> = ids.iter().cloned().collect();
        for root in state.roots(None) {
            sure = self.entries(&[root], sure.into_iter().collect())?.into_keys().collect();
        }
        Ok(sure)
    }

    /// These moves are another feed's from now on, with what is told of it in the same batch.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn hand_over_moves(&self, moves: &[OpenMove], to: &FeedName, facts: Facts) -> Result<()> {
        self.store.write("ledger-after-record", |tx| {
            for each in moves {
                tx.remove(key::open_move(&each.feed, &each.id))?;
                let given = OpenMove { feed: to.clone(), ..each.clone() };
                tx.put(key::open_move(to, &each.id), &given)?;
            }
            notices::put_facts(tx, &facts)
        })
    }

    /// Forgets these moves of a feed: who has ended meanwhile, or is covered again, waits for nothing.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn forget_moves(&self, feed: &FeedName, over: &BTreeSet<ReferenceId>) -> Result<()> {
        if over.is_empty() {
            return Ok(());
        }
        self.store.write("ledger-after-record", |tx| {
            over.iter().try_for_each(|id| tx.remove(key::open_move(feed, id)))
        })
    }
}

/// What a completion means for moves: who left by a move and was not kept (`stayed`) is under way;
/// whom this roster covers has arrived.
pub(super) fn complete_in(
    tx: &mut Tx<'_>,
    attempt: &Attempt,
    stayed: &BTreeSet<ReferenceId>,
    arrived: &BTreeSet<ReferenceId>,
    now: DateTime<Utc>,
) -> Result<()> {
    for id in arrived {
        tx.remove(key::open_move(&attempt.feed, id))?;
    }
    let moved = attempt.departures.iter().filter(|each| each.how == Leaving::Moved);
    for id in moved.flat_map(|each| &each.members).filter(|id| !stayed.contains(*id)) {
        let open = OpenMove {
            feed: attempt.feed.clone(),
            id: id.clone(),
            from: attempt.group.clone(),
            run: attempt.run,
            attempt: attempt.id,
            since: now,
        };
        tx.put(key::open_move(&attempt.feed, id), &open)?;
    }
    Ok(())
}
