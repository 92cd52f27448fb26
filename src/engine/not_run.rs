//! Scheduled runs that came to nothing without anybody's fault: no file, or nobody there when they were due.

use super::{Engine, tell::Scope};
use crate::{
    ledger::LedgerError,
    notify::{Incident, Kind, shell_word},
    roster::FeedName,
};

impl Engine {
    /// Tells that scheduled runs of a feed were missed and are left out.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn tell_skipped(&self, feed: &FeedName, missed: u64) -> Result<(), LedgerError> {
        self.tell(&[skipped(feed, missed)], Scope::NOTHING)
    }
}

/// Runs that were due while nobody was there, of a feed that makes up for none. How many there were is no part of the
/// reason: it differs from time to time.
pub(super) fn skipped(feed: &FeedName, missed: u64) -> Incident {
    Incident {
        feed: Some(feed.clone()),
        counts: vec![("missed".to_owned(), missed)],
        what_to_do: vec![
            format!("Run `{feed}` by hand if it shall not wait for its next schedule."),
            format!("rosterd sync {}", shell_word(feed.as_str())),
            "To have a missed run made up for at the next start, write `catch_up: true` in the feed's `schedule`."
                .to_owned(),
        ],
        ..Incident::new(
            Kind::NotRun,
            "rosterd did not run at the time, and `catch_up: false` leaves out what was missed.",
        )
    }
}

/// A run that looked for an hour and found nothing to read. What there was instead may differ from time to time (sizes,
/// names), so that it is no part of the reason.
pub(super) fn nothing_to_read(feed: &FeedName, why: &str) -> Incident {
    Incident {
        feed: Some(feed.clone()),
        what_to_do: vec![
            format!(
                "Ask the sender of `{feed}` for the file of today; nothing came to its place within an hour."
            ),
            format!("The last look says: {}.", why.trim_end_matches('.')),
            "rosterd check --connect".to_owned(),
            "The next run by the schedule reads it by itself. To read it as soon as it has come:".to_owned(),
            format!("rosterd sync {}", shell_word(feed.as_str())),
        ],
        ..Incident::new(
            Kind::NotRun,
            "It looked for an hour for something to read, each minute, and found nothing.",
        )
    }
}
