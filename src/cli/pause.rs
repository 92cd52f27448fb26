//! `rosterd pause` and `rosterd resume`.

use super::{
    Exit, Failure,
    desk::{Desk, Talk},
    open,
};
use crate::{engine::marks::kept, ledger::Pause as Paused, notify::shell_word};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use clap::Args;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct Pause {
    /// The feed.
    feed: String,
    /// The first moment at which it runs again: `2026-12-24` or `2026-12-24 06:00`, in the time zone of its schedule.
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
}

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct Resume {
    /// The feed.
    feed: String,
}

pub(super) fn pause(desk: &Desk, command: &Pause, talk: &dyn Talk) -> Result<Exit, Failure> {
    let engine = desk.engine();
    let feed = open::feed(engine, &command.feed)?;
    let Some(schedule) = &feed.schedule else {
        return Err(Failure::wrong(format!(
            "feed `{}` has no `schedule.cron`, so it never runs by itself; there is nothing to pause",
            feed.name
        )));
    };
    let now = engine.clock().now();
    let until = command.until.as_deref().map(|text| moment(text, schedule.timezone)).transpose()?;
    if until.is_some_and(|until| until <= now) {
        return Err(Failure::wrong("`--until` is in the past; name a later day".to_owned()));
    }
    let pause = Paused { until, by: desk.by.clone(), at: now };
    desk.ledger().pause(&feed.name, Some(pause))?;
    desk.daemon().inspect(|daemon| daemon.paused(&feed.name));
    let until = match until {
        Some(until) => {
            format!("until {}", until.with_timezone(&schedule.timezone).format("%Y-%m-%d %H:%M %Z"))
        }
        None => format!("until somebody types `rosterd resume {}`", feed.name),
    };
    talk.out(&format!(
        "feed `{}` is paused {until}: it does not run by itself; people who left stay covered and new ones wait meanwhile\n",
        feed.name
    ))?;
    let open = desk.ledger().open_moves(Some(&feed.name))?;
    if !open.is_empty() && !engine.is_at_work(&feed.name)? {
        talk.err(&format!(
            "people who left one group of it for another are covered nowhere ({}); a paused feed does not bring them there by itself: rosterd sync {}\n",
            open.iter().map(|open| open.id.as_str()).collect::<Vec<_>>().join(", "),
            shell_word(feed.name.as_str())
        ))?;
    }
    Ok(Exit::Done)
}

pub(super) fn resume(desk: &Desk, command: &Resume, talk: &dyn Talk) -> Result<Exit, Failure> {
    let engine = desk.engine();
    let feed = open::feed(engine, &command.feed)?;
    let state = desk.ledger().schedule(&feed.name)?;
    let Some(pause) = state.paused else {
        talk.out(&format!("feed `{}` was not paused\n", feed.name))?;
        return Ok(Exit::Done);
    };
    let now = engine.clock().now();
    if let Some(schedule) = &feed.schedule {
        // What fell into the pause is not made up for.
        let through = pause.until.map_or(now, |until| until.min(now) - TimeDelta::nanoseconds(1));
        let mark = schedule.mark(through.max(state.mark.map_or(through, |mark| mark.through)));
        desk.ledger().pass_due(&[(feed.name.clone(), kept(mark))])?;
    }
    desk.ledger().pause(&feed.name, None)?;
    desk.daemon().inspect(|daemon| daemon.paused(&feed.name));
    talk.out(&format!(
        "feed `{0}` runs by its schedule again; what fell into the pause is not made up for. To run it now: rosterd sync {0}\n",
        feed.name
    ))?;
    Ok(Exit::Done)
}

/// A day or a minute of a zone's wall clock.
fn moment(text: &str, zone: Tz) -> Result<DateTime<Utc>, Failure> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|day| day.and_time(NaiveTime::MIN));
    let wall: NaiveDateTime =
        day.or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M")).map_err(|_| {
            Failure::wrong(format!("`--until {text}`: write `2026-12-24` or `\"2026-12-24 06:00\"`"))
        })?;
    // A minute that the clocks skip is the first one after it.
    (0..=180_i64)
        .find_map(|minutes| (wall + TimeDelta::minutes(minutes)).and_local_timezone(zone).earliest())
        .map(|moment| moment.to_utc())
        .ok_or_else(|| Failure::wrong(format!("`--until {text}` is no time of {zone}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_and_a_minute_are_of_the_wall_clock_of_the_schedule() {
        let zone = chrono_tz::America::New_York;
        for (text, utc) in [
            ("2026-12-24", "2026-12-24T05:00:00Z"),
            ("2026-07-04 06:30", "2026-07-04T10:30:00Z"),
            ("2026-03-08 02:30", "2026-03-08T07:00:00Z"),
            ("2026-11-01 01:30", "2026-11-01T05:30:00Z"),
        ] {
            assert_eq!(moment(text, zone).unwrap(), DateTime::parse_from_rfc3339(utc).unwrap(), "{text}");
        }
        assert!(moment("24.12.2026", zone).is_err());
    }
}
