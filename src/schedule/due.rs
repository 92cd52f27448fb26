//! Whether a run is due: for which instant, and how many went by.

use super::Settings;
use chrono::{DateTime, TimeDelta, Utc};

/// What is kept of a feed's schedule, durably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Every instant up to this one, and this one, is answered for: a run was begun for it, or it was skipped.
    pub through: DateTime<Utc>,
    /// The schedule that the instants are of, as [`Settings`] displays itself.
    pub schedule: String,
}

/// No runs by the schedule. Keep it until the mark is past its end: what fell into it is not made up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Until somebody resumes the feed.
    Open,
    /// Until this moment; an instant of this very moment is run.
    Until(DateTime<Utc>),
}

/// What the schedule says at a moment. What it says to keep is kept durably before anything else happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// A new feed, or one with another schedule: keep this mark, and ask again. Nothing of the past is made up for.
    New(Mark),
    /// Nothing is due before this moment; never again without one (no such date, or paused with an open end).
    Wait(Option<DateTime<Utc>>),
    /// A run is due: keep this mark with the beginning of the run.
    Run {
        /// Through the instant that the run is for.
        mark: Mark,
        /// How many instants went by unanswered, the run's own among them when it comes late. One run is for all.
        missed: u32,
    },
    /// Instants went by, and nothing is made up for (`catch_up: false`): keep this mark, say it, and ask again.
    Skip {
        /// Through the last instant that is skipped.
        mark: Mark,
        /// How many.
        missed: u32,
    },
    /// The mark is more than a day ahead of the clock: the clock was wrong then, or is now. Keep this mark, of now,
    /// say it, and ask again; or the feed would stand still until then.
    MarkAhead(Mark),
}

/// A run that begins later than this after its time was missed: the machine was off or asleep, its clock was set,
/// or the feed's run before took so long.
pub const ON_TIME: TimeDelta = TimeDelta::minutes(5);

/// More than two zones or a clock change can be apart.
const MOST_AHEAD: TimeDelta = TimeDelta::hours(26);

/// Missed instants are counted up to here; it is a word in a message.
pub(super) const MOST_COUNTED: u32 = 1000;

impl Settings {
    /// Whether a run of this feed is due. It does not matter how often this is asked, or when: an instant is
    /// answered for once, as long as the marks are kept.
    #[must_use]
    pub fn due(&self, feed: &str, mark: Option<&Mark>, pause: Option<Pause>, now: DateTime<Utc>) -> Due {
        let through = match mark {
            Some(mark) if mark.schedule == self.to_string() => mark.through,
            Some(_) | None => return Due::New(self.mark(now)),
        };
        if through - now > MOST_AHEAD {
            return Due::MarkAhead(self.mark(now));
        }
        let from = match pause {
            None => through,
            Some(Pause::Open) => return Due::Wait(None),
            Some(Pause::Until(end)) => through.max(before(end)),
        };
        let Some(last) = self.last_due(feed, from, now) else {
            let next = self.next_after(from);
            return Due::Wait(next.map(|next| self.run_at(feed, next)));
        };
        let all = self.count(from, last);
        let late = now - self.run_at(feed, last) > ON_TIME;
        let mark = self.mark(last);
        match (late, self.catch_up) {
            (false, _) => Due::Run { mark, missed: all - 1 },
            (true, true) => Due::Run { mark, missed: all },
            (true, false) => Due::Skip { mark, missed: all },
        }
    }

    /// When the feed runs next, for people: now when a run is due, nothing when it never does.
    #[must_use]
    pub fn next_run(
        &self,
        feed: &str,
        mark: Option<&Mark>,
        pause: Option<Pause>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        match self.due(feed, mark, pause, now) {
            Due::Wait(next) => next,
            Due::Run { .. } => Some(now),
            // The mark that it says to keep is what the next question is asked with.
            Due::New(mark) | Due::Skip { mark, .. } | Due::MarkAhead(mark) => {
                match self.due(feed, Some(&mark), pause, now) {
                    Due::Wait(next) => next,
                    Due::New(_) | Due::Run { .. } | Due::Skip { .. } | Due::MarkAhead(_) => Some(now),
                }
            }
        }
    }

    /// The mark of a feed for which everything through this instant is answered for: what `resume` keeps, with the
    /// present moment, so that what fell into the pause is not made up for.
    #[must_use]
    pub fn mark(&self, through: DateTime<Utc>) -> Mark {
        Mark { through, schedule: self.to_string() }
    }

    /// The last instant after `from` whose run should have begun by now.
    fn last_due(&self, feed: &str, from: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // A year's instants of a feed that is due each minute are not walked through to find the last one.
        let windows = [TimeDelta::hours(2), TimeDelta::days(2), TimeDelta::days(64)];
        let starts = windows.iter().map(|window| (now - *window).max(from)).chain([from]);
        for start in starts {
            let instants = std::iter::successors(self.next_after(start), |instant| self.next_after(*instant));
            let due = instants.take_while(|instant| *instant <= now);
            let last = due.filter(|instant| self.run_at(feed, *instant) <= now).last();
            if last.is_some() || start == from {
                return last;
            }
        }
        None
    }

    /// How many instants lie after `from`, up to `last` and with it; at least one.
    fn count(&self, from: DateTime<Utc>, last: DateTime<Utc>) -> u32 {
        let (mut count, mut at) = (1, from);
        while count < MOST_COUNTED {
            match self.next_after(at) {
                Some(next) if next < last => (count, at) = (count + 1, next),
                Some(_) | None => break,
            }
        }
        count
    }
}

/// So little earlier that the moment itself comes after it.
fn before(moment: DateTime<Utc>) -> DateTime<Utc> {
    moment.checked_sub_signed(TimeDelta::nanoseconds(1)).unwrap_or(moment)
}
