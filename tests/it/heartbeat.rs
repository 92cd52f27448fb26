//! The heartbeat, as a dead-man's switch hears it: the built daemon under a clock that runs fast, and a server here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    daemon::{Daemon, until},
    faked_clock::FakedClock,
    world::{Setup, World, people, put},
};
use chrono::TimeDelta;
use rosterd::clock::Clock;
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Where the pings arrive; its path is the secret.
struct Switch {
    address: SocketAddr,
    pings: Arc<AtomicUsize>,
}

impl Switch {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, pings) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let heard = Arc::clone(&pings);
        // It ends with the test's process: nobody waits for a ping that does not come.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 1024];
                let length = stream.read(&mut request).unwrap();
                assert!(request.get(..length).unwrap().starts_with(b"GET /ping/hunter2 HTTP/1.1\r\n"));
                heard.fetch_add(1, Ordering::SeqCst);
                // Who asked may be gone: at his clock this took long.
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
            }
        });
        Self { address, pings }
    }

    fn heard(&self) -> usize {
        self.pings.load(Ordering::SeqCst)
    }
}

fn to_ping(world: &World, switch: &Switch) {
    let path = world.path("rosterd.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let to = "  to: [ops@partner.example]";
    let url = format!("{to}\n  heartbeat_url: http://{}/ping/hunter2", switch.address);
    put(&path, &text.replace(to, &url));
}

#[test]
fn it_goes_while_all_is_well_stops_when_a_due_run_fails_and_goes_again() {
    let clock = FakedClock::new("2026-11-24 12:01:00", 20);
    let world = World::new(&Setup {
        guard: "first_sync: submit".to_owned(),
        timeout: "1h".to_owned(),
        clock: Arc::new(clock.clone()),
        feed: "    schedule: { cron: \"*/5 * * * *\", timezone: UTC }".to_owned(),
        ..Setup::default()
    });
    let switch = Switch::listen();
    to_ping(&world, &switch);
    let whole = [people(1..=3, "East"), people(9..=9, "West")].concat();
    world.arrives("roster.csv", &whole);
    let daemon = Daemon::start_by(&world, &clock);
    let more_than = |pings: usize| {
        until(
            "it goes",
            || (switch.heard() > pings).then_some(()),
            || format!("{} pings\n{}", switch.heard(), daemon.said()),
        );
    };
    more_than(0);
    daemon.says("the run ended");
    more_than(switch.heard() + 1);

    // Half of the columns are gone.
    put(&world.path("inbox/roster.csv"), "Employee ID,First Name\nE-1,Zqfirst1\n");
    daemon.says("no heartbeat goes, because the last due run of feed `acme` failed");
    let (stopped, since) = (switch.heard(), clock.now());
    until("minutes pass", || (clock.now() - since > TimeDelta::minutes(4)).then_some(()), || daemon.said());
    assert_eq!(switch.heard(), stopped, "{}", daemon.said());
    let status = world.rosterd(&["status"]).ends(0);
    assert!(
        status.out.contains("; none goes now: the last due run of feed `acme` failed\n"),
        "{}",
        status.out
    );

    // Whether it is a run that somebody types, or the next one by itself.
    world.arrives("roster.csv", &whole);
    world.rosterd(&["sync", "acme"]).ends(0);
    daemon.says("the heartbeat goes again");
    more_than(stopped);
    let beat = world.json(&["status", "--json"]);
    let beat = beat.pointer("/daemon/heartbeat").unwrap();
    assert!(beat.pointer("/at").unwrap().is_string() && beat.pointer("/why").unwrap().is_null(), "{beat}");

    daemon.signal("TERM");
    let (_, said) = daemon.ends();
    let shown = format!("{said}{}{:?}", status.out, world.mails());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn what_failed_before_a_restart_is_known_after_it_and_check_pings_nothing() {
    let due = rosterd::clock::SystemClock.now() - TimeDelta::days(2);
    let world = World::new(&Setup {
        guard: "first_sync: submit".to_owned(),
        feed: format!(
            "    schedule: {{ cron: \"{}\", timezone: UTC, catch_up: false }}",
            due.format("%M %H %d %m *")
        ),
        ..Setup::default()
    });
    let switch = Switch::listen();
    to_ping(&world, &switch);
    let checked = world.rosterd(&["check", "--connect"]);
    assert!(
        checked.out.contains(&format!("\nheartbeat, http://{}/…\n  not tried", switch.address)),
        "{}",
        checked.out
    );
    assert_eq!(switch.heard(), 0);
    // A feed that is new has no past: all is well.
    let daemon = Daemon::start(&world);
    until("it goes", || (switch.heard() == 1).then_some(()), || daemon.said());
    daemon.stop();
    // Its run was due while nobody ran, and is not made up for.
    let ledger = world.ledger();
    let feed = rosterd::roster::FeedName::new("acme").unwrap();
    let schedule = ledger.schedule(&feed).unwrap().mark.unwrap().schedule;
    let through = due - TimeDelta::days(9);
    ledger.pass_due(&[(feed, rosterd::ledger::ScheduleMark { through, schedule })]).unwrap();
    drop(ledger);
    for _ in 0..2 {
        let daemon = Daemon::start(&world);
        daemon.says("no heartbeat goes, because a run of feed `acme` was missed");
        daemon.stop();
    }
    assert_eq!(switch.heard(), 1);
    // Somebody makes up for it.
    world.arrives("roster.csv", &[people(1..=3, "East"), people(9..=9, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(0);
    let daemon = Daemon::start(&world);
    until("it goes again", || (switch.heard() == 2).then_some(()), || daemon.said());
    daemon.stop();
}
