//! What the daemon does by itself when something is in the way.

use super::{
    super::world::{Setup, World},
    Daemon, day, until,
};
use rosterd::sandbox::{Answer, CallKind, Faults, NextAnswer};
use std::process::Stdio;

fn unguarded(poll: &str) -> Setup {
    Setup { guard: "first_sync: submit".to_owned(), poll: poll.to_owned(), ..Setup::default() }
}

#[test]
fn a_group_in_flight_is_passed_over_and_run_again_when_it_ends() {
    let world = World::new(&unguarded("first: 1s, max: 1s"));
    let daemon = Daemon::start(&world);
    world.arrives("day-1.csv", &day(3));
    world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
    let mut first = world.command(&["sync", "acme"]);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    daemon.says("Vitable accepted the roster");
    world.arrives("day-2.csv", &day(4));
    let second = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(second.out.contains("of run 1 is still in flight"), "{}", second.out);
    world.sandbox.set_faults(Faults::default());
    until(
        "the second day is covered",
        || (world.covered("acme-east").len() == 4).then_some(()),
        || daemon.said(),
    );
    assert_eq!(world.sandbox.max_in_flight("acme-east"), 1);
    first.wait().unwrap();
    let runs = world.json(&["runs", "--json"]);
    let by_itself: Vec<_> =
        runs["runs"].as_array().unwrap().iter().filter(|run| run["trigger"] == "schedule").collect();
    let only = |group: &str| by_itself.iter().filter(|run| run["only"] == group).count();
    assert_eq!(
        (only("acme-east"), only("acme-west"), by_itself.len()),
        (1, 1, 2),
        "only what waited is run again: {runs}"
    );
    daemon.stop();
}

#[test]
fn after_a_lost_answer_the_newest_roster_is_sent_again_in_time() {
    let world = World::new(&unguarded("first: 1s, max: 1s, stuck_after: 2s, give_up_after: 1h"));
    let daemon = Daemon::start(&world);
    world.arrives("day-1.csv", &day(3));
    world.sandbox.set_faults(Faults {
        next: vec![NextAnswer::new(CallKind::Submit, 1, Answer::Close { processed: true })],
        ..Faults::default()
    });
    world.rosterd(&["sync", "acme"]).ends(1);
    until("it is sent again", || (world.sandbox.submits().len() == 3).then_some(()), || daemon.said());
    until(
        "both groups are completed",
        || {
            let status = world.json(&["status", "--json"]);
            let groups = status["groups"].as_array().unwrap();
            groups.iter().all(|group| group["completed_at"].is_string()).then_some(())
        },
        || daemon.said(),
    );
    daemon.stop();
}

#[test]
fn while_the_key_is_refused_the_schedule_waits_and_one_mail_tells_of_it() {
    let due = rosterd::clock::Clock::now(&rosterd::clock::SystemClock) - chrono::TimeDelta::days(2);
    let world = World::new(&super::schedule::yearly(due, ""));
    Daemon::start(&world).stop();
    super::schedule::was_off_since(&world, due - chrono::TimeDelta::days(9));
    world.arrives("day-1.csv", &day(3));
    let refuse = Answer::Status { status: 401, retry_after: None };
    world
        .sandbox
        .set_faults(Faults { next: vec![NextAnswer::new(CallKind::Any, 1000, refuse)], ..Faults::default() });
    let daemon = Daemon::start(&world);
    daemon.says("scheduled runs wait until this is over");
    let status = until(
        "the door is shown",
        || {
            let status = world.json(&["status", "--json"]);
            (status["daemon"]["waits_for"] == "credential").then_some(status)
        },
        || daemon.said(),
    );
    assert!(status["daemon"]["tried_at"].is_string(), "{status}");
    let calls = world.sandbox.calls().len();
    // A typed sync tries at once, and its success lets everything else go on.
    world.rosterd(&["sync", "acme"]).ends(1);
    assert!(world.sandbox.calls().len() > calls);
    assert_eq!(world.mails().iter().filter(|mail| mail.contains("credential refused")).count(), 1);
    world.sandbox.set_faults(Faults::default());
    world.rosterd(&["sync", "acme"]).ends(0);
    daemon.says("what waited is run");
    let run = super::schedule::a_run_by_itself(&world, &daemon);
    assert!(run.ended.is_some());
    daemon.stop();
}

#[test]
fn what_waited_for_the_key_is_not_run_when_the_feed_was_paused_meanwhile() {
    let due = rosterd::clock::Clock::now(&rosterd::clock::SystemClock) - chrono::TimeDelta::days(2);
    let world = World::new(&super::schedule::yearly(due, ""));
    Daemon::start(&world).stop();
    super::schedule::was_off_since(&world, due - chrono::TimeDelta::days(9));
    world.arrives("day-1.csv", &day(3));
    rosterd_key(&world, "vit_apk_old");
    let daemon = Daemon::start(&world);
    daemon.says("scheduled runs wait until this is over");
    world.rosterd(&["pause", "acme"]).ends(0);
    // The key is mended, and a reload has the door tried at once.
    rosterd_key(&world, rosterd::sandbox::API_KEY);
    daemon.signal("HUP");
    daemon.says("what waited is run");
    daemon.says("the feed is paused; a run of it is left out");
    assert!(world.sandbox.submits().is_empty());
    daemon.stop();
    assert!(world.sandbox.submits().is_empty());
}

fn rosterd_key(world: &World, key: &str) {
    super::super::world::put(&world.path("api.key"), key);
}

#[test]
fn an_api_that_was_away_is_knocked_at_and_what_waited_is_run() {
    let due = rosterd::clock::Clock::now(&rosterd::clock::SystemClock) - chrono::TimeDelta::days(2);
    let mut world = World::new(&super::schedule::yearly(due, ""));
    Daemon::start(&world).stop();
    super::schedule::was_off_since(&world, due - chrono::TimeDelta::days(9));
    world.arrives("day-1.csv", &day(3));
    world.vitable_goes_away();
    let daemon = Daemon::start(&world);
    daemon.says("scheduled runs wait until this is over");
    daemon.kill();
    // The next start finds the incident, and knocks at once.
    world.vitable_comes_back();
    let daemon = Daemon::start(&world);
    until(
        "the roster is covered",
        || (world.covered("acme-east").len() == 3).then_some(()),
        || daemon.said(),
    );
    daemon.stop();
}

#[test]
fn a_full_disk_ends_the_daemon_and_the_request_id_is_found_again() {
    let world = World::new(&unguarded("first: 1s, max: 1s"));
    world.arrives("day-1.csv", &day(3));
    // The writes of a run up to the answer fit, the one of the answer does not.
    let mut sent = false;
    for writes in 6..20 {
        let daemon = Daemon::begin(&world, &[("ROSTERD_DISK_FULL_AT", &writes.to_string())]);
        daemon.hears("READY=1");
        drop(world.rosterd(&["sync", "acme"]));
        let (code, said) = daemon.ends();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("the disk that holds the state is full"), "{said}");
        sent = !world.sandbox.submits().is_empty();
        if sent {
            break;
        }
    }
    assert!(sent, "a roster was sent before the disk was full");
    let daemon = Daemon::start(&world);
    until(
        "the request is known and over",
        || {
            // Whichever group's request was the one whose answer could not be written.
            let status = world.json(&["status", "--json"]);
            let over = |group: &serde_json::Value| {
                group["in_flight"].is_null() && group["last"]["state"]["state"] == "completed"
            };
            status["groups"].as_array().is_some_and(|groups| groups.iter().any(over)).then_some(())
        },
        || format!("{}\n{}", daemon.said(), world.json(&["status", "--json"])),
    );
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.covered("acme-east").len(), 3);
    assert_eq!(world.sandbox.max_in_flight("acme-east"), 1);
    daemon.stop();
}
