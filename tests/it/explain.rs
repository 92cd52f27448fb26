//! `rosterd explain` and the people who wait: the built binary, the sandbox over HTTP, several days.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    daemon::Daemon,
    faked_clock::FakedClock,
    world::{Ran, Setup, World, people, person, put, roster, row},
};
use chrono::{DateTime, Utc};
use rosterd::clock::Clock;
use std::{
    fs,
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Ten people in the east and ten in the west, confirmed by run 2.
fn settled(setup: &Setup) -> World {
    World::settled(setup, &[people(1..=10, "East"), people(21..=30, "West")].concat())
}

fn explained(world: &World, member: &str) -> String {
    world.rosterd(&["explain", member]).ends(0).out
}

#[track_caller]
fn says(text: &str, expected: &[&str]) {
    for each in expected {
        assert!(text.contains(each), "`{each}` is missing in:\n{text}");
    }
}

#[test]
fn one_reference_is_explained_by_row_rule_group_and_answer() {
    let world = settled(&Setup { covered_elsewhere: vec!["E-31".to_owned()], ..Setup::default() });
    let mut rows = [people(1..=9, "East"), people(21..=29, "West")].concat();
    rows[2] = rows[2].replace("5554200003", "555");
    rows.extend([row(10, "East", "Terminated"), person(30, "North"), person(31, "East"), person(32, "East")]);
    rows.push(person(33, "East").replace("5554200033", "555"));
    world.arrives("roster.csv", &rows);
    // E-30 is covered and no group takes his row: the west is held, the east goes out.
    world.rosterd(&["sync", "acme"]).ends(3);

    let kept = explained(&world, "E-1");
    says(&kept, &["run 3", "row 1 (line 2) of", "roster.csv (source `acme`)", "it is valid and eligible"]);
    says(
        &kept,
        &["routes to group `acme-east`", "in `acme-east`: kept", "group `acme-east`, fed by `acme`: covered"],
    );
    says(
        &kept,
        &["added with plan pln_gold", "added by run 2", "confirmed by run 3", "completed, request grpmsr_"],
    );
    let carried = explained(&world, "E-3");
    says(
        &carried,
        &[
            "cannot be used: `Phone` is not a 10-digit",
            "carried",
            "the last accepted record is sent again since",
        ],
    );
    let left = explained(&world, "E-10");
    says(
        &left,
        &["it says that the person has left", "ended (is to be removed", "not covered", "removed by run 3"],
    );
    let unrouted = explained(&world, "E-30");
    says(&unrouted, &["names no group of the feed", "unrouted", "group `acme-west`, fed by `acme`: covered"]);
    let refused = explained(&world, "E-31");
    says(
        &refused,
        &["in `acme-east`: added", "not covered", "not added by Vitable in run 3", "waits to be added since"],
    );
    says(&explained(&world, "E-32"), &["added by run 3", "confirmed by run 3"]);
    let left_out = explained(&world, "E-33");
    says(&left_out, &["left out", "left out, waits for a row that can be used since"]);

    let json = world.json(&["explain", "E-3", "--json"]);
    assert_eq!(json["reads"][0]["decided"][0]["fate"], "carried");
    assert_eq!(json["reads"][0]["row"]["problems"][0]["field"], "phone");
    assert_eq!(json["groups"][0]["covered"], true);
    assert!(json["groups"][0]["carried_since"].is_string(), "{json}");
}

#[test]
fn an_unknown_reference_is_said_to_be_one_with_what_looks_like_it() {
    let world = World::new(&Setup::default());
    let unread = world.rosterd(&["explain", "E-7"]).ends(1);
    says(&unread.err, &["`E-7`", "no read of feed `acme` is remembered yet"]);
    let mut rows = people(1..=9, "East");
    rows[6] = rows[6].replace("E-7,", "00123,");
    rows.push(person(10, "East").replace("E-10,", ","));
    world.arrives("roster.csv", &rows);
    world.rosterd(&["sync", "acme"]).ends(3);
    for (typed, known) in [("123", "00123"), ("e-8", "E-8"), (" E-9 ", "E-9"), ("E-09", "E-9")] {
        let unknown = world.rosterd(&["explain", typed]).ends(1);
        assert_eq!(unknown.out, "");
        says(&unknown.err, &[&format!("did you mean `{known}`?")]);
    }
    let unknown = world.rosterd(&["explain", "E-999"]).ends(1);
    says(&unknown.err, &["`E-999`", "1 row without a usable reference_id"]);
    assert!(!unknown.err.contains("did you mean"), "{}", unknown.err);
    world.rosterd(&["explain", "E-1", "--feed", "globex"]).ends(2);
}

#[test]
fn what_waits_for_a_person_is_explained_with_what_to_type_and_a_rejection_is_named() {
    let world = settled(&Setup::default());
    world.arrives("roster.csv", &[people(1..=5, "East"), people(21..=30, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(3);
    let text = explained(&world, "E-8");
    says(&text, &["there is no row for it", "absent", "the group was held", "waits to be removed since"]);
    says(&text, &["held by run 3", "waits for a person", "rosterd approve 3 --reason \"WHY\" acme-east"]);
    // A plan leaves nothing behind, and a read that comes to nothing is told beside the last whole one.
    put(&world.path("inbox/roster.csv"), &roster(&people(1..=10, "East")).replace("Phone", "Telephone"));
    world.rosterd(&["plan", "acme"]).ends(1);
    assert_eq!(explained(&world, "E-8"), text.clone());
    world.rosterd(&["sync", "acme"]).ends(1);
    says(
        &explained(&world, "E-8"),
        &["there is no row for it", "a newer read, run 4", "came to nothing", "Phone"],
    );
    world.rosterd(&["reject", "3", "--reason", "wrong file", "acme-east"]).ends(0);
    says(&explained(&world, "E-8"), &["rejected by"]);
}

#[test]
fn the_daemon_explains_and_counts_too_and_knows_a_request_in_flight() {
    let world = World::new(&Setup {
        processing: Duration::from_secs(600),
        guard: "first_sync: submit".to_owned(),
        ..Setup::default()
    });
    world.arrives("roster.csv", &people(1..=3, "East"));
    let daemon = Daemon::start(&world);
    let sync = std::thread::scope(|scope| {
        let sync = scope.spawn(|| world.rosterd(&["sync", "acme"]));
        loop {
            let ran: Ran = world.rosterd(&["explain", "E-2"]);
            if ran.out.contains("accepted, request grpmsr_") {
                says(&ran.out, &["waits to be added", "Vitable has never confirmed"]);
                break;
            }
        }
        let status = world.rosterd(&["status"]).ends(0);
        says(&status.out, &["acme-east: additions waiting: 3, oldest 0 minutes"]);
        daemon.stop();
        sync.join().unwrap()
    });
    assert_ne!(sync.code, Some(0));
}

#[test]
fn only_the_newest_read_is_kept_and_a_lost_one_stops_nothing() {
    let world = settled(&Setup::default());
    world.rosterd(&["sync", "acme"]).ends(0);
    let kept: Vec<_> =
        fs::read_dir(world.path("state/traces")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let copy = world.path("copy.rosterd").display().to_string();
    world.rosterd(&["state", "rekey"]).ends(0);
    world.rosterd(&["state", "backup", &copy]).ends(0);
    world.rosterd(&["state", "check"]).ends(0);
    says(&explained(&world, "E-1"), &["row 1 (line 2)"]);
    let mut bytes = fs::read(&kept[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::File::create(&kept[0]).unwrap().write_all(&bytes).unwrap();
    let checked = world.rosterd(&["state", "check"]).ends(1);
    says(
        &checked.text(),
        &["the trace of run 3 is not what was written", "the next run of feed `acme` writes a new one"],
    );
    // The ledger answers all the same, and says what it cannot tell.
    let damaged = explained(&world, "E-1");
    says(&damaged, &["what feed `acme` read last, in run 3, cannot be told", "the trace of run 3"]);
    says(&damaged, &["group `acme-east`, fed by `acme`: covered", "confirmed by run 3", "rosterd sync acme"]);
    assert!(!damaged.contains("no feed has a row for it"), "{damaged}");
    let json = world.json(&["explain", "E-1", "--json"]);
    assert_eq!((&json["unreadable"][0]["run"], &json["groups"][0]["covered"]), (&3.into(), &true.into()));
    let unknown = world.rosterd(&["explain", "E-999"]).ends(1);
    says(&unknown.err, &["no group knows", "cannot be told"]);
    fs::remove_file(&kept[0]).unwrap();
    world.rosterd(&["sync", "acme"]).ends(0);
    says(&explained(&world, "E-1"), &["read by run 4"]);
    world.rosterd(&["state", "check"]).ends(0);
    // A restored state has read nothing yet, and still knows who is covered.
    world.rosterd(&["state", "restore", &copy, "--yes"]).ends(0);
    says(&explained(&world, "E-1"), &["no feed has a row for it", "group `acme-east`"]);
    world.rosterd(&["state", "check"]).ends(0);
}

/// A world whose commands run at noon of a day, and so does Vitable.
struct Days {
    world: World,
    clock: Arc<Calendar>,
}

struct Calendar(Mutex<FakedClock>);

impl Clock for Calendar {
    fn now(&self) -> DateTime<Utc> {
        self.0.lock().unwrap().now()
    }
}

impl Days {
    fn on(&self, day: &str, arguments: &[&str]) -> Ran {
        self.at(noon(day), arguments)
    }

    /// Later on that day, so that a day has gone by since another day's noon.
    fn evening(&self, day: &str, arguments: &[&str]) -> Ran {
        self.at(FakedClock::new(&format!("{day} 18:00:00"), 1), arguments)
    }

    fn at(&self, clock: FakedClock, arguments: &[&str]) -> Ran {
        *self.clock.0.lock().unwrap() = clock.clone();
        clock.run(self.world.command(arguments))
    }
}

fn noon(day: &str) -> FakedClock {
    FakedClock::new(&format!("{day} 12:00:00"), 1)
}

#[test]
fn both_harms_are_told_with_their_age_and_each_day_counts() {
    let clock = Arc::new(Calendar(Mutex::new(noon("2026-03-02"))));
    let covered_elsewhere = vec!["E-31".to_owned()];
    let setup = Setup { covered_elsewhere, clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Setup::default() };
    let days = Days { world: World::new(&setup), clock };
    days.world.arrives("roster.csv", &[people(1..=20, "East"), people(41..=43, "West")].concat());
    days.on("2026-03-02", &["sync", "acme"]).ends(3);
    days.on("2026-03-02", &["approve", "1", "--all", "--reason", "looked", "--yes"]).ends(0);
    let first = days.evening("2026-03-02", &["status"]).ends(0).out;
    assert!(!first.contains("removals waiting") && !first.contains("additions waiting"), "{first}");

    // Eight leave without a word, and one comes: the east is held, so that all nine wait.
    let held = [people(9..=20, "East"), vec![person(32, "East")], people(41..=43, "West")].concat();
    days.world.arrives("roster.csv", &held);
    days.on("2026-03-03", &["sync", "acme"]).ends(3);
    // A read that comes to nothing changes nothing; a later one finds two more newcomers, one of them unusable.
    put(&days.world.path("inbox/roster.csv"), "");
    days.on("2026-03-05", &["sync", "acme"]).ends(1);
    let more =
        [held.clone(), vec![person(33, "East"), person(34, "East").replace("5554200034", "555")]].concat();
    days.world.arrives("roster.csv", &more);
    days.on("2026-03-09", &["sync", "acme"]).ends(3);
    let status = days.evening("2026-03-12", &["status"]).ends(0).out;
    says(
        &status,
        &["acme-east: removals waiting: 8, oldest 9 days; additions waiting: 3, oldest 9 days (1 of them"],
    );
    let said = days.evening("2026-03-12", &["status", "--json"]).ends(0).out;
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["groups"][0]["waiting"]["removals"]["total"], 8);
    assert!(json["groups"][0]["waiting"]["left_out"]["oldest"].as_str().unwrap().starts_with("2026-03-09"));
    assert_eq!(json["groups"][1]["waiting"]["additions"]["total"], 0);
    assert!(json["groups"][1]["waiting"]["additions"]["oldest"].is_null());
    let explained = days.evening("2026-03-12", &["explain", "E-33"]).ends(0).out;
    says(&explained, &["waits to be added since 2026-03-09 12:00 UTC (3 days)"]);
    // The reminder has the numbers of its day.
    let mails = days.world.mails();
    let reminded = |mail: &String| {
        mail.replace("\r\n", " ").contains("days that the oldest of these removals has waited")
    };
    assert!(mails.iter().any(reminded), "{mails:?}");

    // Approved: the leavers are done, who is refused and who cannot be used wait on, with their own age.
    let refused = [more, vec![person(31, "East")]].concat();
    days.world.arrives("roster.csv", &refused);
    days.on("2026-03-13", &["sync", "acme"]).ends(3);
    let run = days.world.json(&["runs", "--limit", "1", "--json"])["runs"][0]["id"].to_string();
    days.on("2026-03-13", &["approve", &run, "--all", "--reason", "they left", "--yes"]).ends(4);
    let status = days.evening("2026-03-15", &["status"]).ends(0).out;
    says(
        &status,
        &["acme-east: additions waiting: 2, oldest 6 days (1 of them with rows that cannot be used)"],
    );
    assert!(!status.contains("removals waiting"), "{status}");
    assert_eq!(days.world.covered("acme-east").len(), 14);
    let explained = days.evening("2026-03-15", &["explain", "E-31"]).ends(0).out;
    says(&explained, &["not added by Vitable", "waits to be added since 2026-03-13 12:00 UTC (2 days)"]);
}
