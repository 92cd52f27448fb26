//! The heartbeat: while all is well a dead-man's switch hears of it each minute.

use super::{
    door::CLOSING,
    handle::Handle,
    health::{Ill, Look, well},
    protocol::Beat,
};
use crate::{
    engine::Engine,
    ledger::LedgerError,
    notify::{Incident, Kind},
    roster::FeedName,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often it goes.
const EVERY: Duration = Duration::from_secs(60);

/// Pings each minute while all is well, by the configuration of now. What goes wrong is logged once for each change,
/// and is no incident: the other end raises the alarm.
pub(super) async fn beat(handle: Handle) {
    let mut minutes = interval(EVERY);
    minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beat = Beat::default();
    loop {
        minutes.tick().await;
        let engine = handle.engine();
        let Some(heartbeat) = engine.settings().heartbeat.clone() else {
            beat = Beat::default();
            handle.show_beat(None);
            continue;
        };
        let why = match judged(&handle).await {
            Err(ill) => Some(ill.to_string()),
            Ok(()) => {
                let pinged = heartbeat.ping().await;
                if pinged.is_ok() {
                    beat.at = Some(engine.clock().now());
                }
                pinged.err().map(|why| format!("the server of `alerts.heartbeat_url` {why}"))
            }
        };
        match &why {
            Some(why) if beat.why.as_ref() != Some(why) => tracing::warn!("no heartbeat goes, because {why}"),
            None if beat.why.is_some() => tracing::info!("the heartbeat goes again"),
            Some(_) | None => {}
        }
        beat.why = why;
        handle.show_beat(Some(beat.clone()));
    }
}

async fn judged(handle: &Handle) -> Result<(), Ill> {
    let (answers, stalled) = super::gets_on(handle).await;
    if !answers || stalled {
        return Err(Ill::Stalled);
    }
    let handle = handle.clone();
    let looked = tokio::task::spawn_blocking(move || look(&handle)).await;
    // What cannot be read is told by whoever needs it; all is not well.
    looked.map_or(Err(Ill::Stalled), |looked| looked.unwrap_or(Err(Ill::Stalled)))
}

fn look(handle: &Handle) -> Result<Result<(), Ill>, LedgerError> {
    let engine = handle.engine();
    let (ledger, now) = (engine.ledger(), engine.clock().now());
    let mut shut: Option<(Kind, DateTime<Utc>)> = None;
    for kind in CLOSING {
        let since = open_since(&engine, *kind)?.map(|since| (*kind, since));
        // The one that has lasted longest.
        shut = shut.into_iter().chain(since).min_by_key(|(_, since)| *since);
    }
    let mails_fail = open_since(&engine, Kind::MailUndeliverable)?.is_some();
    let states = ledger.schedules()?;
    let paused = |feed: &FeedName| {
        let pause = states.get(feed).and_then(|state| state.paused.as_ref());
        pause.is_some_and(|pause| pause.is_on(now))
    };
    let stuck_after = engine.settings().vitable.poll.stuck_after;
    Ok(handle.health(|healths| {
        let scheduled = engine.feeds().iter().filter(|feed| feed.schedule.is_some());
        let counted = scheduled.map(|feed| &feed.name).filter(|name| !paused(name));
        let look = Look {
            feeds: counted.map(|name| (name, healths.get(name))).collect(),
            shut,
            mails_fail,
            stuck_after: TimeDelta::from_std(stuck_after).unwrap_or(TimeDelta::MAX),
        };
        well(&look, now)
    }))
}

/// Since when an incident of the whole daemon is open, if it is.
fn open_since(engine: &Engine, kind: Kind) -> Result<Option<DateTime<Utc>>, LedgerError> {
    let open = engine.ledger().open_incident(&Incident::new(kind, "").key())?;
    Ok(open.map(|incident| incident.opened))
}
