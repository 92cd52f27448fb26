//! What runs by itself, and when.

use super::{
    super::world::{Setup, World},
    Daemon, day, until,
};
use chrono::{DateTime, TimeDelta, Utc};
use rosterd::{
    clock::{Clock, SystemClock},
    ledger::{Run, ScheduleMark, Trigger},
    roster::FeedName,
};
use serde_json::Value;

/// A feed that is due once a year, at this moment.
pub(super) fn yearly(at: DateTime<Utc>, more: &str) -> Setup {
    let cron = at.format("%M %H %d %m *");
    Setup {
        guard: "first_sync: submit".to_owned(),
        feed: format!("    schedule: {{ cron: \"{cron}\", timezone: UTC{more} }}"),
        ..Setup::default()
    }
}

/// The feed, which a daemon has seen before, was last answered for then.
pub(super) fn was_off_since(world: &World, through: DateTime<Utc>) {
    let ledger = world.ledger();
    let feed = FeedName::new("acme").unwrap();
    let schedule = ledger.schedule(&feed).unwrap().mark.unwrap().schedule;
    ledger.pass_due(&[(feed, ScheduleMark { through, schedule })]).unwrap();
}

fn runs(world: &World) -> Vec<Run> {
    let runs = world.json(&["runs", "--json"]);
    serde_json::from_value(runs["runs"].clone()).unwrap()
}

#[track_caller]
pub(super) fn a_run_by_itself(world: &World, daemon: &Daemon) -> Run {
    until(
        "a run by the schedule",
        || runs(world).into_iter().find(|run| run.trigger == Trigger::Schedule && run.ended.is_some()),
        || format!("{}\n{:?}", daemon.said(), runs(world)),
    )
}

#[test]
fn a_missed_run_is_caught_up_once_and_not_again() {
    let now = SystemClock.now();
    let due = now - TimeDelta::days(2);
    let world = World::new(&yearly(due, ""));
    world.arrives("day-1.csv", &day(3));

    // A feed that is new has no past.
    let daemon = Daemon::start(&world);
    let status = world.json(&["status", "--json"]);
    let next: DateTime<Utc> = serde_json::from_value(status["feeds"][0]["at"].clone()).unwrap();
    assert!(next > now + TimeDelta::days(300), "{status}");
    daemon.stop();
    assert!(runs(&world).is_empty());

    // Off for three years: one run.
    was_off_since(&world, now - TimeDelta::days(1100));
    let daemon = Daemon::start(&world);
    let run = a_run_by_itself(&world, &daemon);
    assert_eq!(run.due.map(|due| due.date_naive()), Some(due.date_naive()));
    assert_eq!(world.covered("acme-east").len(), 3);
    assert!(daemon.said().contains("one run makes up for all of them"), "{}", daemon.said());
    daemon.stop();

    // And after a restart there is nothing left to make up for.
    let daemon = Daemon::start(&world);
    world.rosterd(&["status"]).ends(0);
    daemon.stop();
    assert_eq!(runs(&world).len(), 1);
}

#[test]
fn without_catch_up_a_missed_run_is_left_out_and_said() {
    let now = SystemClock.now();
    let due = now - TimeDelta::days(2);
    let world = World::new(&yearly(due, ", catch_up: false"));
    Daemon::start(&world).stop();
    was_off_since(&world, now - TimeDelta::days(20));
    let daemon = Daemon::start(&world);
    daemon.says("are left out (`catch_up: false`)");
    daemon.stop();
    assert!(runs(&world).is_empty());
    let told = world.mails();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("Subject: [rosterd] acme: scheduled run did not take place"), "{}", told[0]);
    // The next decision ends it.
    world.arrives("day-1.csv", &day(3));
    world.rosterd(&["sync", "acme"]).ends(0);
    let open = world.ledger().incidents(true).unwrap();
    assert!(open.iter().all(|incident| !incident.key.contains("not_run")), "{open:?}");
}

#[test]
fn a_feed_is_run_at_its_minute_and_not_while_it_is_paused() {
    let now = SystemClock.now();
    // The next whole minute that leaves time to start.
    let due = now + TimeDelta::seconds(75 - i64::from(chrono::Timelike::second(&now)));
    let world = World::new(&yearly(due, ""));
    world.arrives("day-1.csv", &day(3));
    let daemon = Daemon::start(&world);
    let paused = world.rosterd(&["pause", "acme"]).ends(0);
    assert!(paused.out.contains("until somebody types `rosterd resume acme`"), "{}", paused.out);
    let status = world.rosterd(&["status"]).ends(0);
    assert!(status.out.contains("never by itself until `rosterd resume acme` (paused by "), "{}", status.out);
    world.rosterd(&["resume", "acme"]).ends(0);
    let run = a_run_by_itself(&world, &daemon);
    let minute = |at: DateTime<Utc>| at.format("%H:%M").to_string();
    assert_eq!(run.due.map(minute), Some(minute(due)));
    assert!(run.began - due < TimeDelta::seconds(5), "it began at {}, due at {due}", run.began);
    assert_eq!(world.covered("acme-east").len(), 3);
    daemon.stop();
}

#[test]
fn what_falls_into_a_pause_is_not_made_up_for() {
    let now = SystemClock.now();
    let due = now - TimeDelta::days(2);
    let world = World::new(&yearly(due, ""));
    Daemon::start(&world).stop();
    was_off_since(&world, now - TimeDelta::days(20));
    // Without a daemon, over the state.
    world.rosterd(&["pause", "acme", "--until", "2999-01-01"]).ends(0);
    let daemon = Daemon::start(&world);
    let status: Value = world.json(&["status", "--json"]);
    assert!(status["feeds"][0]["paused"]["by"].is_string(), "{status}");
    let resumed = world.rosterd(&["resume", "acme"]).ends(0);
    assert!(resumed.out.contains("not made up for"), "{}", resumed.out);
    let status: Value = world.json(&["status", "--json"]);
    let next: DateTime<Utc> = serde_json::from_value(status["feeds"][0]["at"].clone()).unwrap();
    assert!(next > now + TimeDelta::days(300), "{status}");
    daemon.stop();
    assert!(runs(&world).is_empty());
}
