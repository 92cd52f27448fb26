//! From READY to STOPPING: signals in every phase of a run, reloading, being watched.

use super::{
    super::world::{Setup, World, put},
    Daemon, day, until,
};
use rosterd::{ledger::RunOutcome, sandbox::Faults};
use std::{
    process::{Child, Stdio},
    time::Duration,
};
use tokio::time::Instant;

fn unguarded() -> Setup {
    Setup { guard: "first_sync: submit".to_owned(), ..Setup::default() }
}

fn begin(world: &World, arguments: &[&str]) -> Child {
    world.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The newest run's outcome is this one.
#[track_caller]
fn ends_as(world: &World, daemon: &Daemon, outcome: RunOutcome) {
    let wanted = serde_json::to_value(outcome).unwrap();
    let newest = || world.json(&["runs", "--limit", "1", "--json"])["runs"][0].clone();
    until(
        &format!("a run that ends as {wanted}"),
        || (newest()["result"]["outcome"] == wanted).then_some(()),
        || format!("{}\n{}", newest(), daemon.said()),
    );
}

#[test]
fn it_says_when_it_is_ready_what_it_does_and_when_it_stops() {
    let world = World::new(&unguarded());
    let daemon = Daemon::begin(&world, &[("WATCHDOG_USEC", "600000")]);
    let ready = daemon.hears("READY=1");
    assert!(ready.contains("STATUS=0 runs reading or sending, 0 at work; nothing is scheduled"), "{ready}");
    daemon.hears("WATCHDOG=1");
    daemon.hears("WATCHDOG=1");
    daemon.signal("TERM");
    daemon.hears("STOPPING=1");
    let (code, said) = daemon.ends();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn it_is_stopped_while_it_reads_and_begins_again() {
    let world = World::new(&unguarded());
    let place = "file:\n      path: inbox/*.csv\n      settle: 10m".to_owned();
    world.configure(&Setup { place: Some(place), ..unguarded() });
    let daemon = Daemon::start(&world);
    world.arrives("day-1.csv", &day(3));
    let mut sync = begin(&world, &["sync", "acme"]);
    daemon.says("command=\"sync\"");
    until(
        "a run is open",
        || (world.json(&["runs", "--json"])["runs"][0]["id"] == 1).then_some(()),
        || daemon.said(),
    );
    let stopped = Instant::now();
    daemon.stop();
    assert!(stopped.elapsed() < Duration::from_secs(10), "nothing has to be waited for");
    sync.wait().unwrap();
    let runs = world.json(&["runs", "--json"]);
    assert_eq!(
        (&runs["runs"][0]["stopped"], &runs["runs"][0]["ended"]),
        (&true.into(), &serde_json::Value::Null)
    );

    world.configure(&unguarded());
    let daemon = Daemon::start(&world);
    ends_as(&world, &daemon, RunOutcome::Done);
    let runs = world.json(&["runs", "--json"]);
    assert_eq!(
        (&runs["runs"][0]["trigger"], &runs["runs"][0]["after"]),
        (&"recovery".into(), &1.into()),
        "{runs}"
    );
    assert_eq!(world.covered("acme-east").len(), 3);
    daemon.stop();
}

#[test]
fn it_is_stopped_while_a_roster_is_on_its_way_and_knows_the_answer() {
    let world = World::new(&unguarded());
    let daemon = Daemon::start(&world);
    world.arrives("day-1.csv", &day(3));
    world.sandbox.set_faults(Faults { answer_latency_ms: 1500, ..Faults::default() });
    let mut sync = begin(&world, &["sync", "acme"]);
    until("the roster is sent", || (!world.sandbox.submits().is_empty()).then_some(()), || daemon.said());
    daemon.stop();
    sync.wait().unwrap();
    let ledger = world.ledger();
    let in_flight = ledger.attempts_in_flight().unwrap();
    assert!(!in_flight.is_empty());
    let known = in_flight.iter().filter(|attempt| attempt.state.request_id().is_some()).count();
    assert_eq!(known, in_flight.len(), "every answer was waited for: {in_flight:?}");
    drop(ledger);

    world.sandbox.set_faults(Faults::default());
    let daemon = Daemon::start(&world);
    ends_as(&world, &daemon, RunOutcome::Done);
    assert_eq!(world.covered("acme-east").len(), 3);
    assert_eq!(world.sandbox.max_in_flight("acme-east"), 1);
    daemon.stop();
}

#[test]
fn it_is_stopped_while_a_group_is_emptied_and_looks_after_the_request() {
    let world = World::new(&unguarded());
    world.arrives("day-1.csv", &day(3));
    world.rosterd(&["sync", "acme"]).ends(0);
    let daemon = Daemon::start(&world);
    world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
    let mut empty = begin(&world, &["empty", "acme-east", "--reason", "closed", "--confirm", "acme-east"]);
    let accepted = || {
        let groups = world.json(&["status", "--json"])["groups"].clone();
        groups.as_array().unwrap().iter().any(|group| group["in_flight"].is_string()).then_some(())
    };
    until("the empty roster is accepted", accepted, || daemon.said());
    daemon.stop();
    empty.wait().unwrap();

    let daemon = Daemon::start(&world);
    world.sandbox.set_faults(Faults::default());
    until("the group is empty", || world.covered("acme-east").is_empty().then_some(()), || daemon.said());
    let over = || {
        let groups = world.json(&["status", "--json"])["groups"].clone();
        let group = groups.as_array().unwrap().iter().find(|group| group["group"] == "acme-east").cloned()?;
        (group["members"] == 0 && group["in_flight"].is_null() && group["retired"].is_object()).then_some(())
    };
    until("its end is known", over, || daemon.said());
    assert!(world.mails().iter().all(|mail| !mail.contains("not emptied")), "{:?}", world.mails());
    let runs = world.json(&["runs", "--json"]);
    assert_eq!(runs["runs"].as_array().unwrap().len(), 2, "no run is begun again for it: {runs}");
    daemon.stop();
}

#[test]
fn a_second_signal_means_now_and_the_start_says_what_is_unknown() {
    let world = World::new(&unguarded());
    let daemon = Daemon::start(&world);
    world.arrives("day-1.csv", &day(3));
    world.rosterd(&["sync", "acme"]).ends(0);
    world.sandbox.set_faults(Faults { answer_latency_ms: 4000, ..Faults::default() });
    world.arrives("day-2.csv", &day(4));
    let mut sync = begin(&world, &["sync", "acme"]);
    until("the roster is sent", || (world.sandbox.submits().len() > 2).then_some(()), || daemon.said());
    daemon.signal("TERM");
    daemon.hears("STOPPING=1");
    daemon.signal("TERM");
    let (code, said) = daemon.ends();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("what was on its way is cut off"), "{said}");
    sync.wait().unwrap();

    world.sandbox.set_faults(Faults::default());
    let daemon = Daemon::start(&world);
    daemon.says("an attempt was cut off by the last stop");
    let mail = until(
        "a mail",
        || world.mails().into_iter().find(|mail| mail.contains("outcome unknown")),
        || daemon.said(),
    );
    assert!(!mail.contains("Zq"));
    daemon.stop();
}

#[test]
fn it_is_stopped_while_vitable_works_and_looks_after_the_request_afterwards() {
    let world = World::new(&unguarded());
    let daemon = Daemon::start(&world);
    world.arrives("day-1.csv", &day(3));
    world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
    let mut sync = begin(&world, &["sync", "acme"]);
    daemon.says("Vitable accepted the roster");
    let stopped = Instant::now();
    daemon.stop();
    assert!(stopped.elapsed() < Duration::from_secs(10), "nobody waits for Vitable");
    sync.wait().unwrap();

    // Killed in the same phase: the request is known all the same.
    let daemon = Daemon::start(&world);
    daemon.kill();
    let daemon = Daemon::start(&world);
    world.sandbox.set_faults(Faults::default());
    until(
        "the members are covered",
        || (world.covered("acme-east").len() == 3).then_some(()),
        || daemon.said(),
    );
    until(
        "the group is completed",
        || world.json(&["status", "--json"])["groups"][0]["completed_at"].is_string().then_some(()),
        || daemon.said(),
    );
    assert_eq!(world.sandbox.max_in_flight("acme-east"), 1, "never two known requests in flight");
    daemon.stop();
}

#[test]
fn a_good_configuration_is_taken_and_a_bad_one_is_refused_with_a_mail() {
    let world = World::new(&unguarded());
    let daemon = Daemon::start(&world);
    world.arrives("day-1.csv", &day(3));
    world.rosterd(&["sync", "acme"]).ends(0);
    let good = std::fs::read_to_string(world.path("rosterd.yaml")).unwrap();

    put(&world.path("rosterd.yaml"), &good.replace("sources: [acme]", "sources: [acm]"));
    daemon.signal("HUP");
    let told = daemon.hears("RELOADING=1");
    assert!(told.contains("MONOTONIC_USEC="), "{told}");
    daemon.hears("READY=1");
    let mail = until(
        "a mail",
        || world.mails().into_iter().find(|mail| mail.contains("new configuration refused")),
        || daemon.said(),
    );
    assert!(mail.contains("did you mean"), "{mail}");
    // The old one counts on, also for who asks over the socket with the broken file.
    put(&world.path("rosterd.yaml"), &good);
    world.rosterd(&["sync", "acme"]).ends(0);

    put(&world.path("rosterd.yaml"), &good.replace("feeds:\n  acme:", "feeds:\n  renamed:"));
    daemon.signal("HUP");
    daemon.hears("READY=1");
    world.rosterd(&["sync", "acme"]).ends(2);
    world.rosterd(&["sync", "renamed"]).ends(0);
    until(
        "the recovery's mail",
        || {
            world
                .mails()
                .into_iter()
                .find(|mail| mail.contains("recovered") && mail.contains("new configuration taken"))
        },
        || daemon.said(),
    );

    // What cannot change while it runs is refused.
    put(&world.path("rosterd.yaml"), &good.replace("state_dir: state", "state_dir: elsewhere"));
    daemon.signal("HUP");
    daemon.says("cannot change while rosterd runs");
    daemon.stop();
}

#[test]
fn a_key_that_was_put_in_its_place_anew_is_taken_with_a_reload() {
    let world = World::new(&unguarded());
    put(&world.path("api.key"), "vit_apk_old");
    let daemon = Daemon::start(&world);
    world.arrives("day-1.csv", &day(3));
    let refused = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(refused.out.contains("refuses the API key"), "{}", refused.out);
    put(&world.path("api.key"), rosterd::sandbox::API_KEY);
    daemon.signal("HUP");
    daemon.hears("RELOADING=1");
    daemon.hears("READY=1");
    world.rosterd(&["sync", "acme"]).ends(0);
    daemon.stop();
}
