//! What the ledger keeps of a schedule, as the calendar has it: neither knows the other.

use crate::{
    ledger::{Pause, ScheduleMark},
    schedule::{self, Mark},
};
use chrono::{DateTime, Utc};

/// A mark as the calendar has it.
#[must_use]
pub fn known(mark: &ScheduleMark) -> Mark {
    Mark { through: mark.through, schedule: mark.schedule.clone() }
}

/// A mark as the ledger keeps it.
#[must_use]
pub fn kept(mark: Mark) -> ScheduleMark {
    ScheduleMark { through: mark.through, schedule: mark.schedule }
}

/// A pause as the calendar has it.
#[must_use]
pub fn paused(pause: &Pause) -> schedule::Pause {
    pause.until.map_or(schedule::Pause::Open, schedule::Pause::Until)
}

/// A moment in the schedule's own time zone: `2026-11-30 08:00 EST`.
#[must_use]
pub fn local(at: DateTime<Utc>, schedule: &schedule::Settings) -> String {
    at.with_timezone(&schedule.timezone).format("%Y-%m-%d %H:%M %Z").to_string()
}
