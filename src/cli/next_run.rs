//! When a feed runs next by itself, for people and machines.

use crate::{
    daemon::Handle,
    engine::{Feed, marks::local},
    ledger::ScheduleState,
    roster::FeedName,
};
use chrono::{DateTime, Utc};

/// When a feed runs next by itself.
#[derive(serde::Serialize)]
pub(super) struct NextRun {
    pub(super) feed: FeedName,
    /// None when it does not run by itself now.
    at: Option<DateTime<Utc>>,
    paused: Option<crate::ledger::Pause>,
    /// In words.
    pub(super) text: String,
}

pub(super) fn of(
    feed: &Feed,
    state: Option<&ScheduleState>,
    daemon: Option<&Handle>,
    now: DateTime<Utc>,
) -> NextRun {
    let next = |at, paused, text| NextRun { feed: feed.name.clone(), at, paused, text };
    let Some(schedule) = &feed.schedule else {
        return next(None, None, "never by itself (no `schedule.cron`)".to_owned());
    };
    let paused = state.and_then(|state| state.paused.clone());
    let at = feed.next_run(state, now);
    let by = paused.as_ref().map_or(String::new(), |pause| format!(" (paused by {})", pause.by));
    let waits = daemon.and_then(|daemon| daemon.about().waits_for);
    let text = match (at, waits) {
        (None, _) => format!("never by itself until `rosterd resume {}`{by}", feed.name),
        (Some(at), Some(kind)) => {
            format!("{}{by}, as soon as this is over: {}", local(at, schedule), kind.replace('_', " "))
        }
        (Some(at), None) if at <= now => format!("now{by}"),
        (Some(at), None) => format!("{}{by}", local(at, schedule)),
    };
    next(at, paused, text)
}
