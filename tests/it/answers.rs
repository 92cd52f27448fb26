//! What Vitable says comes back to the people and the rows that it is about, and a plan tells what a run does.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails here")]

use crate::world::{Setup, World, canaries, people, person, put, roster, row};
use rosterd::sandbox::{Answer, CallKind, FailMember, Faults, NextAnswer};
use serde_json::Value;
use std::collections::BTreeMap;

fn setup() -> Setup {
    Setup { guard: "first_sync: submit".to_owned(), ..Setup::default() }
}

/// East has 1 to 10, West 21 to 23.
fn in_step(setup: &Setup) -> World {
    let world = World::new(setup);
    world.arrives("day-1.csv", &[people(1..=10, "East"), people(21..=23, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(0);
    world
}

fn fail(world: &World, failures: &[(&str, &str, &str)]) {
    let fail_members = failures.iter().map(|(id, operation, reason)| FailMember {
        reference_id: (*id).to_owned(),
        operation: (*operation).to_owned(),
        reason: (*reason).to_owned(),
    });
    world.sandbox.set_faults(Faults { fail_members: fail_members.collect(), ..Faults::default() });
}

/// The open incidents of a kind.
fn open(world: &World, kind: &str) -> Vec<Value> {
    let status = world.json(&["status", "--json"]);
    let open = status["incidents"].as_array().unwrap().iter();
    open.filter(|incident| incident["body"]["kind"] == kind)
        .map(|incident| incident["body"].clone())
        .collect()
}

const ELSEWHERE: &str = "Member already has an active subscription!";
const NO_PLAN: &str = "Plan pln_gold not found";

#[test]
fn failures_are_sorted_and_each_sort_has_its_remedy() {
    let world = in_step(&setup());
    let mut rows = [people(1..=9, "East"), people(11..=15, "East"), people(21..=23, "West")].concat();
    rows.push(row(10, "East", "Terminated"));
    world.arrives("day-2.csv", &rows);
    let odd = |at: u32| format!("The worker gave up at step {at} for Zqfirst14");
    let (first, second) = (odd(1), odd(2));
    let all = |other| {
        let failures: [(&str, &str, &str); 5] = [
            ("E-11", "add", ELSEWHERE),
            ("E-12", "add", ELSEWHERE),
            ("E-13", "add", NO_PLAN),
            ("E-14", "add", other),
            ("E-10", "remove", "Locked"),
        ];
        fail(&world, &failures);
    };
    all(first.as_str());
    let ran = world.rosterd(&["sync", "acme"]).ends(4);
    assert!(ran.out.contains("E-10: not removed, still covered"), "{}", ran.out);
    let incident = open(&world, "members_failed").remove(0);
    let reason = incident["reason"].as_str().unwrap();
    for part in [
        "another organization covers the person (2): E-11, E-12.",
        "does not know the plan (1): E-13.",
        "for another reason (1): E-14.",
        "could not remove the person (1): E-10.",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert_eq!(incident["what_to_do"].as_array().unwrap().len(), 8, "{incident}");
    let kinds: BTreeMap<String, String> =
        world.json(&["show", "2", "--json"])["attempts"][0]["outcome"]["failures"]
            .as_array()
            .unwrap()
            .iter()
            .map(|each| {
                (each["reference_id"].as_str().unwrap().into(), each["kind"].as_str().unwrap().into())
            })
            .collect();
    assert_eq!((kinds["E-11"].as_str(), kinds["E-13"].as_str()), ("covered_elsewhere", "plan_not_found"));
    assert_eq!(kinds["E-14"], "other");
    assert!(open(&world, "coverage_lost").is_empty() && open(&world, "second_writer").is_empty());

    // The same people of the same sorts are no news, whatever Vitable's own words are.
    let mails = world.mails().len();
    all(second.as_str());
    world.rosterd(&["sync", "acme"]).ends(4);
    assert_eq!(world.mails().len(), mails);
    // One more is.
    fail(&world, &[("E-11", "add", ELSEWHERE), ("E-15", "add", ELSEWHERE)]);
    world.rosterd(&["sync", "acme"]).ends(4);
    assert!(!world.mails().join("\n").contains("Zqfirst14"));
}

#[test]
fn adds_that_failed_before_are_not_counted_by_the_guard_again() {
    let guard = "first_sync: submit, added: { share: 0%, people: 3 }".to_owned();
    let world = in_step(&Setup { guard, ..setup() });
    world.arrives("day-2.csv", &[people(1..=13, "East"), people(21..=23, "West")].concat());
    fail(&world, &[("E-11", "add", ELSEWHERE), ("E-12", "add", ELSEWHERE), ("E-13", "add", ELSEWHERE)]);
    world.rosterd(&["sync", "acme"]).ends(4);
    world.arrives("day-3.csv", &[people(1..=16, "East"), people(21..=23, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(4);
    assert_eq!(world.covered("acme-east").len(), 13, "three failed before, three are new");
}

#[test]
fn who_was_covered_and_cannot_be_added_is_urgent_until_he_is() {
    let world = in_step(&setup());
    assert!(world.sandbox.second_writer("acme-west", &[], &["E-21"]));
    fail(&world, &[("E-21", "add", NO_PLAN)]);
    let ran = world.rosterd(&["sync", "acme"]).ends(4);
    assert!(ran.out.contains("E-21: was covered before, not added"), "{}", ran.out);
    let lost = open(&world, "coverage_lost");
    assert_eq!(lost[0]["people"][0]["reference_id"], "E-21", "{lost:?}");
    assert_eq!(lost[0]["group"], "acme-west");
    assert!(open(&world, "members_failed").is_empty(), "told once");
    assert!(world.mails().iter().any(|mail| mail.contains("urgent: people are not covered")));
    assert_eq!(open(&world, "second_writer").len(), 1, "somebody ended it");

    // A later sync, which a person let pass, finds him uncovered still.
    world.rosterd(&["sync", "acme"]).ends(3);
    let urgent =
        || world.mails().iter().filter(|mail| mail.contains("urgent: people are not covered")).count();
    let told = urgent();
    world.approve().ends(4);
    assert_eq!(open(&world, "coverage_lost").len(), 1, "it is not over by being known");
    assert_eq!(urgent(), told, "and is not mailed again");
    fail(&world, &[]);
    world.rosterd(&["sync", "acme"]).ends(0);
    assert!(open(&world, "coverage_lost").is_empty());
    assert_eq!(world.covered("acme-west").len(), 3);
}

#[test]
fn a_refused_field_is_brought_back_to_its_row() {
    let world = in_step(&setup());
    world.arrives(
        "day-2.csv",
        &[people(2..=11, "East"), people(1..=1, "East"), people(21..=23, "West")].concat(),
    );
    let next = vec![NextAnswer::new(CallKind::Submit, 2, Answer::EchoPhone)];
    world.sandbox.set_faults(Faults { next, ..Faults::default() });
    let ran = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(ran.out.contains("row 11 (line 12), E-1: the roster was refused: `Phone`"), "{}", ran.out);
    let refused = open(&world, "refused");
    let west = refused.iter().find(|incident| incident["group"] == "acme-west").unwrap();
    assert_eq!(west["people"][0]["reference_id"], "E-21", "{west}");
    assert_eq!(west["people"][0]["row"]["record"], 12);
    assert!(west["reason"].as_str().unwrap().contains("It names `phone` of E-21."), "{west}");
    let shown = world.rosterd(&["show", "2"]).ends(0);
    assert!(shown.out.contains("E-21: the roster was refused: `Phone`"), "{}", shown.out);
    let rejects = world.rosterd(&["show", "2", "--rejects"]).ends(0);
    assert!(rejects.out.contains(",12,13,E-21,Phone,refused_by_vitable,"), "{}", rejects.out);
    let said = [ran.text(), shown.text(), rejects.text(), world.mails().join("\n")].concat();
    for canary in (1..=23).flat_map(canaries) {
        assert!(!said.contains(&canary), "{canary}");
    }
    world.rosterd(&["sync", "acme"]).ends(0);
}

/// Something of everything that a row can be.
fn mixed() -> Vec<String> {
    let mut rows = [people(1..=10, "East"), people(21..=23, "West")].concat();
    rows[0] = rows[0].replace("5554200001", "555");
    rows[1] = rows[1].replace("zqmail2@canary.example", "zqmail2");
    rows[2] = row(3, "East", "Terminated");
    rows[3] = rows[3].replace("Zqcity", "Zqtown");
    rows[4] = rows[4].replace("East", "North");
    rows.remove(9);
    rows.push(person(11, "East").replace("12180", "1"));
    rows.push(person(12, "East"));
    rows.push(person(24, "West"));
    rows.push(person(25, "West").replace("E-25,", "=1+1,").replace("12180", "1"));
    rows
}

#[test]
fn the_rejects_are_a_file_that_hr_can_work_with() {
    let world = in_step(&Setup { covered_elsewhere: vec!["E-24".to_owned()], ..setup() });
    world.arrives("day-2.csv", &mixed());
    world.rosterd(&["sync", "acme"]).ends(3);
    let ran = world.rosterd(&["show", "2", "--rejects"]).ends(0);
    let lines: Vec<&str> = ran.out.split_terminator("\r\n").collect();
    assert_eq!(
        lines[0],
        "source,file,row,line,reference_id,column,rule,what_is_wrong,what_to_do,consequence"
    );
    for (id, parts) in [
        (
            "E-1",
            &["acme,", "/inbox/day-2.csv,1,2,", ",Phone,not_a_phone,", "ten digits", "still covered"][..],
        ),
        ("E-2", &[",Email,not_an_email,", "only this field"]),
        ("E-5", &[",Division,", "held"]),
        ("E-11", &[",Zip,not_a_zipcode,", "left out"]),
        ("E-24", &[",covered_elsewhere,", "other employer", "not covered"]),
        ("'=1+1", &[",Zip,not_a_zipcode,"]),
    ] {
        let line = lines.iter().find(|line| line.split(',').any(|cell| cell == id));
        let line = line.unwrap_or_else(|| panic!("{id}: {}", ran.out));
        for part in parts {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    assert_eq!(lines.len(), 7, "{}", ran.out);
    let json = world.json(&["show", "2", "--rejects", "--json"]);
    assert_eq!((json["rejects"].as_array().unwrap().len(), &json["left_off"]), (6, &Value::from(0)));
    let plan = world.rosterd(&["plan", "acme", "--rejects"]).ends(3);
    assert!(
        plan.out.contains(",Phone,not_a_phone,") && plan.out.contains("covered_elsewhere"),
        "{}",
        plan.out
    );
    for canary in (1..=25).flat_map(canaries) {
        assert!(!ran.text().contains(&canary) && !plan.text().contains(&canary), "{canary}");
    }
}

#[test]
fn a_plan_tells_each_fate_with_its_reason_and_what_to_type_next() {
    let world = in_step(&setup());
    world.arrives("day-2.csv", &mixed());
    let plan = world.rosterd(&["plan", "acme"]).ends(3);
    for part in [
        "acme-east: would be held for a person",
        "ended: E-3 (1; the status is in `ended`)",
        "absent: E-10 (1; there is no row)",
        "carried: E-1 (1; the row cannot be used: sent as last accepted)",
        "unrouted: E-5 (1; the group value names no group: kept, and the group is held)",
        "left out: E-11 (1; the row cannot be used, and the person is not covered)",
        "added: E-12 (1; a new row)",
        "updated: E-4 (1; changed: city)",
        "acme-west: would be sent",
        "    rosterd sync acme\n",
    ] {
        let flat = plan.out.replace("\n    ", " ");
        assert!(plan.out.contains(part) || flat.contains(part), "{part}:\n{}", plan.out);
    }
    let long: Vec<&str> = plan.out.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(long.iter().all(|line| line.contains(".csv")), "{long:?}");
    for canary in (1..=25).flat_map(canaries) {
        assert!(!plan.text().contains(&canary), "{canary}");
    }
    // What the plan says to type is what helps, and the hold that it makes is known to the next plan.
    world.rosterd(&["sync", "acme"]).ends(3);
    let plan = world.rosterd(&["plan", "acme"]).ends(3);
    assert!(plan.out.contains("rosterd approve 2 --reason \"WHY\" acme-east"), "{}", plan.out);
    let json = world.json(&["plan", "acme", "--json"]);
    let told = json["runs"][0]["run"]["groups"][0]["told"].as_array().unwrap();
    let updated = told.iter().find(|each| each["what"] == "updated").unwrap();
    assert_eq!((&updated["because"], &updated["fields"][0]), (&"fields_changed".into(), &"city".into()));
    assert!(json["runs"][0]["next"].as_array().unwrap().len() > 1, "{json}");
}

#[test]
fn a_plan_names_twenty_of_a_list_and_full_names_all() {
    let world = in_step(&setup());
    world.arrives(
        "day-2.csv",
        &[people(1..=10, "East"), people(21..=23, "West"), people(101..=140, "West")].concat(),
    );
    let plan = world.rosterd(&["plan", "acme"]);
    let flat = |text: &str| text.replace("\n    ", " ");
    assert!(flat(&plan.out).contains("and 20 more (40;"), "{}", plan.out);
    assert!(!plan.out.contains("E-140"));
    let full = world.rosterd(&["plan", "acme", "--full"]);
    assert!(full.out.contains("E-140") && !flat(&full.out).contains("more (40;"), "{}", full.out);
}

/// A small generator, so that a failure can be played again by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn random_rows(dice: &mut Dice) -> Vec<String> {
    let mut rows = Vec::new();
    for number in 1..=30 {
        let division = if number <= 18 { "East" } else { "West" };
        let plain = person(number, division);
        rows.push(match dice.roll(12) {
            0 => continue,
            1 => row(number, division, "Terminated"),
            2 => plain.replace(&format!("55542{number:05}"), "12"),
            3 => plain.replace("@canary.example", "@"),
            4 | 5 => plain
                .replace("Zqcity", ["Zqtown", "Zqham", "Zqville"][usize::try_from(dice.roll(3)).unwrap()]),
            6 => plain.replace("Gold", "Silver"),
            _ => plain,
        });
    }
    rows
}

/// The bodies that a plan reports, by group id or reference.
fn planned(plan: &Value) -> BTreeMap<String, (u64, String)> {
    let groups = plan["runs"][0]["run"]["groups"].as_array().unwrap().iter();
    groups
        .filter(|group| group["verdict"] == "submit")
        .map(|group| {
            let body = &group["body"];
            let sha256 = body["sha256"].as_str().unwrap().to_owned();
            (group["group"].as_str().unwrap().to_owned(), (body["bytes"].as_u64().unwrap(), sha256))
        })
        .collect()
}

#[test]
fn over_random_rosters_the_body_of_a_plan_is_the_body_that_is_sent() {
    let all = "{ share: 100%, people: 99 }";
    let keys = ["ended", "absent", "added", "invalid", "plan_changes", "removed_in_7d", "absent_in_30d"];
    let guard: Vec<String> = keys.iter().map(|key| format!("{key}: {all}")).collect();
    let guard = format!("first_sync: submit, fewer_rows: {{ share: 100%, rows: 99 }}, {}", guard.join(", "));
    for seed in [7, 1_301, 99_991] {
        let mut dice = Dice(seed);
        let world = World::new(&Setup { guard: guard.clone(), ..setup() });
        let mut compared = 0;
        for day in 1..=5 {
            put(&world.path("inbox/roster.csv"), &roster(&random_rows(&mut dice)));
            let plan = world.json(&["plan", "acme", "--json"]);
            let code = world.rosterd(&["plan", "acme"]).code;
            let before = world.sandbox.submits().len();
            let planned = planned(&plan);
            let ran = world.rosterd(&["sync", "acme", "--json"]);
            assert_eq!(ran.code, code, "seed {seed}, day {day}: the exit code of the plan: {}", ran.text());
            let mut sent: Vec<(u64, String)> = world.sandbox.submits()[before..]
                .iter()
                .map(|call| (call.bytes, call.sha256.clone().unwrap()))
                .collect();
            let mut expected: Vec<(u64, String)> = planned.into_values().collect();
            sent.sort();
            expected.sort();
            assert_eq!(sent, expected, "seed {seed}, day {day}");
            compared += sent.len();
        }
        assert!(compared > 5, "seed {seed}: rosters went out");
    }
}

#[test]
fn what_vitable_says_of_somebody_who_was_to_be_removed_shows_nobody() {
    let world = in_step(&setup());
    let reason = "Zqfirst1 Zqlast1 has an open claim";
    fail(&world, &[("E-1", "remove", reason)]);
    let mut rows = [people(2..=9, "East"), people(21..=23, "West")].concat();
    rows.push(row(1, "East", "Terminated"));
    world.arrives("day-2.csv", &rows);
    let ran = world.rosterd(&["sync", "acme"]).ends(4);
    let shown = world.rosterd(&["show", "2", "--json"]).text();
    let everything = world.mails().concat() + &ran.text() + &shown;
    assert!(shown.contains("has an open claim"), "{shown}");
    assert!(!everything.to_lowercase().contains("zqfirst1"), "{everything}");
}

#[test]
fn a_street_in_what_vitable_says_is_taken_out_with_its_long_house_number() {
    let world = in_step(&setup());
    fail(&world, &[("E-4321", "add", "nobody delivers to 4321 Zqstreet Road, Zqcity")]);
    let rows = [people(1..=10, "East"), people(4321..=4321, "East"), people(21..=23, "West")].concat();
    world.arrives("day-2.csv", &rows);
    let ran = world.rosterd(&["sync", "acme"]).ends(4);
    let shown = world.rosterd(&["show", "2", "--json"]).text();
    assert!(shown.contains("nobody delivers to …"), "{shown}");
    let everything = world.mails().concat() + &ran.text() + &shown;
    for canary in ["zqstreet", "zqcity"] {
        assert!(!everything.to_lowercase().contains(canary), "{everything}");
    }
}
