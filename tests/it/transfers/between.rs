//! What comes between the two rounds of a move: a stop, another configuration, a pause.

use super::{
    EAST, SOUTH, WEST, edit, groups, places, removed_only, requests, settled, taken_since, transfer,
};
use crate::{
    daemon::{Daemon, until},
    world::{Setup, World, people, person},
};
use rosterd::sandbox::{Answer, CallKind, Faults, NextAnswer};
use std::process::{Child, Stdio};

/// A schedule that is never due here, so that the feed can be paused.
fn scheduled(guard: &str) -> Setup {
    Setup {
        guard: guard.to_owned(),
        feed: "    schedule: { cron: \"0 0 29 2 *\", timezone: UTC }".to_owned(),
        ..Setup::default()
    }
}

fn backlog() -> Faults {
    Faults { backlog: true, ..Faults::default() }
}

/// Vitable asks for two minutes of patience with the next roster.
fn not_now() -> Faults {
    let answer = Answer::Status { status: 429, retry_after: Some("120".to_owned()) };
    Faults { next: vec![NextAnswer::new(CallKind::Submit, 1, answer)], ..Faults::default() }
}

/// A sync in the daemon, as far as the first round: everything but the west is on its way.
fn first_round(world: &World, rows: &[String]) -> Child {
    let before = world.sandbox.requests().len();
    world.arrives("next.csv", rows);
    world.sandbox.set_faults(backlog());
    let sync = world.command(&["sync", "acme"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    requests(world, before + 2);
    sync
}

/// The first round is finished, and the west is not sent yet.
fn between(world: &World, daemon: &Daemon, rows: &[String]) -> Child {
    let sync = first_round(world, rows);
    world.sandbox.set_faults(not_now());
    let finished = || daemon.said().matches("Vitable has finished").count();
    until("the first round is finished", || (finished() == 2).then_some(()), || daemon.said());
    let throttled = || world.sandbox.submits().iter().any(|call| call.status == Some(429));
    until("the west is to wait", || throttled().then_some(()), || format!("{:?}", world.sandbox.calls()));
    sync
}

#[test]
fn after_a_stop_between_the_rounds_the_gaining_group_is_first_of_all_and_waits_for_nobody_else() {
    let world = settled(&Setup { guard: "added: 0".to_owned(), ..Setup::default() });
    let daemon = Daemon::start(&world);
    let mut sync = between(&world, &daemon, &transfer());
    daemon.stop();
    sync.wait().unwrap();
    assert!(places(&world, "E-1").is_empty(), "he has left, and nobody has him yet");
    let ledger = world.ledger();
    assert_eq!(ledger.open_moves(None).unwrap().len(), 1);
    drop(ledger);

    // By the file of the next day another one goes the same way; Vitable takes its time with everything.
    let before = world.sandbox.requests().len();
    let rows = [people(3..=10, "East"), people(21..=30, "West"), people(41..=50, "South")].concat();
    world.arrives("next.csv", &[rows, vec![person(1, "West"), person(2, "West")]].concat());
    world.sandbox.set_faults(Faults { processing_ms: Some(300), ..Faults::default() });
    let daemon = Daemon::start(&world);
    until("both are there", || (places(&world, "E-2") == [WEST]).then_some(()), || daemon.said());
    assert_eq!(places(&world, "E-1"), [WEST]);
    let sent = taken_since(&world, before);
    assert_eq!(sent.len(), 4, "{sent:?}");
    assert_eq!((sent[0].group.as_str(), sent[0].members, sent[0].added), (WEST, 11, 1), "{sent:?}");
    let mut others = groups(&sent[1..3]);
    others.sort_unstable();
    assert_eq!(others, [EAST, SOUTH]);
    assert_eq!((sent[3].group.as_str(), sent[3].members), (WEST, 12), "{sent:?}");
    removed_only(&world, &[(EAST, "E-1"), (EAST, "E-2")]);
    assert_eq!(world.sandbox.max_in_flight(WEST), 1);
    let newest = || world.json(&["runs", "--limit", "1", "--json"])["runs"][0].clone();
    until("the run ends", || newest()["ended"].is_string().then_some(()), || daemon.said());
    daemon.stop();
    assert!(world.ledger().open_moves(None).unwrap().is_empty());
    assert_eq!(world.mailed("unfinished move"), 0, "{:?}", world.mails());
}

#[test]
fn a_run_goes_on_between_its_rounds_whatever_configuration_counts_by_then() {
    for (from, to) in [
        ("guard: {", "guard: { moved: 0, added: 0,"),
        ("feeds:\n  acme:", "feeds:\n  renamed:"),
        ("West: acme-west,", ""),
    ] {
        let world = settled(&Setup::default());
        let daemon = Daemon::start(&world);
        let mut sync = first_round(&world, &transfer());
        edit(&world, from, to);
        daemon.signal("HUP");
        daemon.says("counts from now on");
        daemon.hears("RELOADING=1");
        daemon.hears("READY=1");
        assert_eq!(places(&world, "E-1"), [EAST]);
        world.sandbox.set_faults(Faults::default());
        until("he is there", || (places(&world, "E-1") == [WEST]).then_some(()), || daemon.said());
        sync.wait().unwrap();
        daemon.stop();
        assert_eq!(groups(&taken_since(&world, 3)).len(), 3, "{to}");
        assert!(world.ledger().open_moves(None).unwrap().is_empty(), "{to}");
        assert_eq!(world.mailed("unfinished move"), 0, "{to}: {:?}", world.mails());
    }
}

#[test]
fn a_pause_between_the_rounds_stops_no_move_that_is_under_way() {
    let world = settled(&scheduled(""));
    let daemon = Daemon::start(&world);
    let mut sync = first_round(&world, &transfer());
    let paused = world.rosterd(&["pause", "acme"]).ends(0);
    assert!(!paused.err.contains("covered nowhere"), "{}", paused.err);
    world.sandbox.set_faults(Faults::default());
    until("he is there", || (places(&world, "E-1") == [WEST]).then_some(()), || daemon.said());
    sync.wait().unwrap();
    daemon.stop();
    assert_eq!(world.mailed("unfinished move"), 0, "{:?}", world.mails());
}

#[test]
fn what_a_pause_keeps_from_being_finished_after_a_stop_is_urgent_and_goes_on_when_it_is_over() {
    let world = settled(&scheduled(""));
    let daemon = Daemon::start(&world);
    let mut sync = between(&world, &daemon, &transfer());
    world.rosterd(&["pause", "acme"]).ends(0);
    daemon.stop();
    sync.wait().unwrap();
    world.sandbox.set_faults(Faults::default());
    let before = world.sandbox.submits().len();

    // Nothing of the feed is read or sent by itself: a person is told whom that leaves without coverage.
    let daemon = Daemon::start(&world);
    until("it is told", || (world.mailed("unfinished move, urgent") == 1).then_some(()), || daemon.said());
    assert_eq!(world.mailed("The feed is paused, so no run finishes this"), 1, "{:?}", world.mails());
    daemon.says("the feed is paused; a run of it is left out");
    let again = world.rosterd(&["pause", "acme"]).ends(0);
    assert!(again.err.contains("are covered nowhere (E-1)"), "{}", again.err);
    assert!(again.err.contains("rosterd sync acme"), "{}", again.err);
    assert_eq!(world.sandbox.submits().len(), before);
    assert!(places(&world, "E-1").is_empty());

    world.rosterd(&["resume", "acme"]).ends(0);
    until("he is there", || (places(&world, "E-1") == [WEST]).then_some(()), || daemon.said());
    until("it is told", || (world.mailed("move finished") == 1).then_some(()), || daemon.said());
    daemon.stop();
    removed_only(&world, &[(EAST, "E-1")]);
}

#[test]
fn what_a_newer_read_did_between_the_rounds_is_not_undone_by_the_older_one() {
    let world = settled(&Setup::default());
    let daemon = Daemon::start(&world);
    world.arrives("day-2.csv", &transfer());
    world.sandbox.set_faults(Faults { processing_ms: Some(4_000), ..Faults::default() });
    let mut first =
        world.command(&["sync", "acme"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    requests(&world, 5);
    // A corrected file comes while Vitable still works on the east: it has somebody new in the west.
    world.sandbox.set_faults(Faults::default());
    world.arrives("day-3.csv", &[transfer(), vec![person(60, "West")]].concat());
    world.rosterd(&["sync", "acme"]);
    assert_eq!(places(&world, "E-60"), [WEST]);
    first.wait().unwrap();
    until("he has come to the west", || (places(&world, "E-1") == [WEST]).then_some(()), || daemon.said());
    assert_eq!(places(&world, "E-60"), [WEST]);
    removed_only(&world, &[(EAST, "E-1")]);
    daemon.stop();
}
