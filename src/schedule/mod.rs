//! What is due when: five cron fields in a named time zone, jitter, runs that were missed, pauses, retries.
//!
//! Pure: `now` is an argument, and what must be remembered is a [`Mark`] that the caller keeps. An *instant* is
//! a time at which the calendar says that a feed is due; it is *run* at [`Settings::run_at`], which is later by
//! the jitter. An instant is answered for once: by a run, or by being skipped.

mod cron;
mod due;
mod field;
mod retry;
#[cfg(test)]
mod tests;

pub use cron::{Cron, CronError};
pub use due::{Due, Mark, ON_TIME, Pause};
pub use retry::Retry;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use std::{fmt, time::Duration};

/// When a feed is run by itself, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Minute, hour, day of the month, month, day of the week.
    pub cron: Cron,
    /// Whose wall clock `cron` means.
    pub timezone: Tz,
    /// A run begins at most this much after its instant, and for one feed and instant always equally much. Not longer
    /// than [`Cron::shortest_gap`].
    pub jitter: Duration,
    /// Whether instants that were missed are made up for, by one run however many they were.
    pub catch_up: bool,
}

impl Settings {
    /// The first instant strictly after another; nothing when the calendar has none.
    ///
    /// A wall time that the spring change leaves out is run at the first moment after it; one that the autumn
    /// change repeats is run the first time alone. With a `*` in the minute or the hour the wall clock is followed
    /// as it goes: what is left out is left out, and what is repeated is repeated.
    #[must_use]
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron.next_after(after, self.timezone)
    }

    /// When the run for an instant of this feed begins: the same in every process, and spread over all feeds.
    #[must_use]
    pub fn run_at(&self, feed: &str, instant: DateTime<Utc>) -> DateTime<Utc> {
        let Some(seconds) = std::num::NonZeroU64::new(self.jitter.as_secs()) else {
            return instant;
        };
        let mut hash = blake3::Hasher::new();
        hash.update(&instant.timestamp().to_le_bytes()).update(feed.as_bytes());
        let mut first = [0; 8];
        hash.finalize_xof().fill(&mut first);
        let wait = u64::from_le_bytes(first) % seconds;
        let wait = i64::try_from(wait).ok().and_then(TimeDelta::try_seconds).unwrap_or_default();
        instant.checked_add_signed(wait).unwrap_or(instant)
    }
}

/// The calendar alone, such as `0 6 * * MON-FRI America/New_York`: a feed whose text is another one has another
/// schedule, and begins anew.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cron, self.timezone.name())
    }
}
