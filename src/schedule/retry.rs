//! When a run that came to nothing is tried again before its next instant.

use chrono::{DateTime, TimeDelta, Utc};

/// Why a run is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing to read yet: the file or its marker is not there, or is still being written.
    NotYet,
    /// A source or Vitable failed.
    Failed,
}

const NOT_YET: TimeDelta = TimeDelta::minutes(1);
/// For an hour.
const MOST_NOT_YET: u32 = 60;

impl Retry {
    /// How long to wait after a try, the instant's own run being the first; nothing when it is not tried again.
    ///
    /// Each minute for an hour when there is nothing to read yet; 5, 10, 20 and 40 minutes and then each hour
    /// after a failure.
    #[must_use]
    pub fn after(self, tries: u32) -> Option<TimeDelta> {
        match self {
            Self::NotYet => (tries <= MOST_NOT_YET).then_some(NOT_YET),
            Self::Failed => Some(TimeDelta::minutes(match tries {
                0 | 1 => 5,
                2 => 10,
                3 => 20,
                4 => 40,
                5.. => 60,
            })),
        }
    }

    /// When to try again, `tries` having ended at `now`: before the feed's next run by its schedule, or not at all,
    /// since that one is a try of its own.
    #[must_use]
    pub fn at(
        self,
        tries: u32,
        now: DateTime<Utc>,
        next_run: Option<DateTime<Utc>>,
    ) -> Option<DateTime<Utc>> {
        let at = now.checked_add_signed(self.after(tries)?)?;
        next_run.is_none_or(|next| at < next).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_told_and_end_before_the_next_run() {
        let minutes = |retry: Retry, tries| retry.after(tries).map(|wait| wait.num_minutes());
        let failed: Vec<_> = (1..=7).map(|tries| minutes(Retry::Failed, tries)).collect();
        assert_eq!(failed, [5, 10, 20, 40, 60, 60, 60].map(Some));
        assert_eq!(minutes(Retry::NotYet, 1), Some(1));
        assert_eq!((minutes(Retry::NotYet, 60), minutes(Retry::NotYet, 61)), (Some(1), None));

        let now = DateTime::parse_from_rfc3339("2026-11-23T11:00:00Z").unwrap().to_utc();
        let next = |minutes| Some(now + TimeDelta::minutes(minutes));
        assert_eq!(Retry::Failed.at(1, now, None), next(5));
        assert_eq!(Retry::Failed.at(1, now, next(6)), next(5));
        assert_eq!(Retry::Failed.at(1, now, next(5)), None, "the next run is a try of its own");
        assert_eq!(Retry::NotYet.at(61, now, None), None);
    }
}
