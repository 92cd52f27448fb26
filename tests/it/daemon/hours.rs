//! What comes of hours in which nothing happens: the built daemon under a clock that runs fast.

use super::{
    super::{
        faked_clock::FakedClock,
        world::{Setup, World},
    },
    Daemon, day, until,
};
use chrono::{DateTime, Utc};
use rosterd::{
    clock::{Clock, SystemClock},
    ledger::{RunOutcome, Trigger},
};
use std::sync::Arc;

/// So many times as fast as the host's clock: an hour is twelve seconds.
const FAST: u32 = 300;

fn clock(start: DateTime<Utc>) -> FakedClock {
    FakedClock::new(&start.format("%Y-%m-%d %H:%M:%S").to_string(), FAST)
}

#[test]
fn a_scheduled_run_that_finds_nothing_for_an_hour_is_told_once_and_is_over_with_the_file() {
    let clock = clock(at("2026-03-10T05:00:00Z"));
    let world = World::new(&Setup {
        guard: "first_sync: submit".to_owned(),
        timeout: "1h".to_owned(),
        clock: Arc::new(clock.clone()),
        feed: "    schedule: { cron: \"0 6 * * *\", timezone: UTC }".to_owned(),
        ..Setup::default()
    });
    let daemon = Daemon::start_by(&world, &clock);
    until(
        "that the run found nothing is mailed",
        || (world.mailed("Subject: [rosterd] acme: scheduled run did not take place") > 0).then_some(()),
        || format!("{}\n{:?}", daemon.said(), world.mails()),
    );
    let minutes = (clock.now() - at("2026-03-10T06:00:00Z")).num_minutes();
    assert!((60..120).contains(&minutes), "it looks for an hour, and not for {minutes} min");
    // It has come after all, and a person has it read.
    world.arrives("day-1.csv", &day(3));
    clock.run(world.command(&["sync", "acme"])).ends(0);
    until(
        "that it is over is mailed",
        || (world.mailed("Subject: [rosterd] acme: recovered") > 0).then_some(()),
        || format!("{}\n{:?}", daemon.said(), world.mails()),
    );
    daemon.stop();
    let runs = world.ledger().runs(None, 10).unwrap();
    let ended = |run: &rosterd::ledger::Run| (run.trigger, run.result.as_ref().map(|result| result.outcome));
    let ended: Vec<_> = runs.iter().map(ended).collect();
    let expected = [(Trigger::Sync, Some(RunOutcome::Done)), (Trigger::Schedule, Some(RunOutcome::Failed))];
    assert_eq!(ended, expected, "each minute's look belongs to one run");
    assert_eq!(world.mails().len(), 2, "{:?}", world.mails());
}

#[test]
fn an_approval_that_expires_while_no_run_looks_is_told_within_the_hour() {
    let clock = clock(SystemClock.now());
    let mut world = World::new(&Setup {
        guard: "approval_expires: 2h".to_owned(),
        timeout: "1h".to_owned(),
        clock: Arc::new(clock.clone()),
        ..Setup::default()
    });
    world.arrives("day-1.csv", &day(3));
    clock.run(world.command(&["sync", "acme"])).ends(3);
    // Approved, and Vitable is not there.
    world.vitable_goes_away();
    let run = world.json(&["status", "--json"])["groups"][0]["held"][0]["run"].to_string();
    let approve = ["approve", run.as_str(), "--all", "--reason", "as agreed", "--yes"];
    clock.run(world.command(&approve)).ends(1);
    world.vitable_comes_back();
    assert_eq!(world.mailed("Subject: [rosterd] acme: approval expired"), 0);
    let approved = clock.now();
    let daemon = Daemon::start_by(&world, &clock);
    until(
        "that the approval has expired is mailed",
        || (world.mailed("Subject: [rosterd] acme: approval expired") > 0).then_some(()),
        || format!("{}\n{:?}", daemon.said(), world.mails()),
    );
    let minutes = (clock.now() - approved).num_minutes();
    assert!((100..240).contains(&minutes), "two hours and the next look, and not {minutes} min");
    daemon.stop();
    assert_eq!(world.mailed("Subject: [rosterd] acme: approval expired"), 1);
    assert!(world.covered("acme-east").is_empty(), "nothing was sent by it");
}

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}
