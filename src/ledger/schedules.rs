//! What is durable of a feed's schedule: for which instant it was last begun, and whether it is paused.

use super::{Ledger, error::Result, key, store::Tx};
use crate::roster::FeedName;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the schedule of a feed stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleState {
    /// How far its instants are answered for.
    pub mark: Option<ScheduleMark>,
    /// Whether a person paused it.
    #[serde(default)]
    pub paused: Option<Pause>,
}

/// Through which instant a schedule is answered for: a run was begun for each, or it was left out on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleMark {
    /// Through this one.
    pub through: DateTime<Utc>,
    /// The schedule, as it is displayed: another one begins anew.
    pub schedule: String,
}

/// Why a feed has no scheduled runs for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Until when; none until a person resumes it.
    pub until: Option<DateTime<Utc>>,
    /// Who paused it: a user name or uid.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Pause {
    /// Whether it has not ended by itself.
    #[must_use]
    pub fn is_on(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// A feed with where its schedule stands, as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    feed: FeedName,
    state: ScheduleState,
}

impl Ledger {
    /// Where the schedule of each feed stands that has been seen.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn schedules(&self) -> Result<BTreeMap<FeedName, ScheduleState>> {
        let stored: Vec<Stored> = self.store.scan(key::SCHEDULES)?;
        Ok(stored.into_iter().map(|each| (each.feed, each.state)).collect())
    }

    /// Where the schedule of one feed stands.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn schedule(&self, feed: &FeedName) -> Result<ScheduleState> {
        let stored: Option<Stored> = self.store.get(&key::schedule(feed))?;
        Ok(stored.map(|stored| stored.state).unwrap_or_default())
    }

    /// Notes that schedules are answered for without a run: of a feed that is seen for the first time, is paused, or
    /// was missed and is not caught up. All in one batch.
    ///
    /// # Errors
    /// When they cannot be recorded.
    pub fn pass_due(&self, marks: &[(FeedName, ScheduleMark)]) -> Result<()> {
        self.store.write("ledger-after-pass-due", |tx| {
            marks.iter().try_for_each(|(feed, mark)| begun(tx, feed, mark))
        })
    }

    /// Pauses the schedule of a feed, or with `None` resumes it.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn pause(&self, feed: &FeedName, pause: Option<Pause>) -> Result<()> {
        self.store.write("ledger-after-pause", |tx| change(tx, feed, |state| state.paused = pause))
    }
}

/// A run for the mark's instant begins in the same batch.
pub(super) fn begun(tx: &mut Tx<'_>, feed: &FeedName, mark: &ScheduleMark) -> Result<()> {
    change(tx, feed, |state| state.mark = Some(mark.clone()))
}

fn change(tx: &mut Tx<'_>, feed: &FeedName, change: impl FnOnce(&mut ScheduleState)) -> Result<()> {
    let at = key::schedule(feed);
    let known: Option<Stored> = tx.get(&at)?;
    let mut stored = known.unwrap_or_else(|| Stored { feed: feed.clone(), state: ScheduleState::default() });
    change(&mut stored.state);
    tx.put(at, &stored)
}
