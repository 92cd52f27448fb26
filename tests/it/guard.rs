//! The guard against the sandbox: what adds up over days, and who is who. The built binary, a new process each time,
//! on a clock that is put forward.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails here")]

use crate::{
    faked_clock::FakedClock,
    world::{Ran, Setup, World, canaries, people, person, row},
};
use chrono::TimeDelta;
use std::sync::Arc;

/// A world whose days are as long as we say.
struct Days {
    world: World,
    clock: FakedClock,
}

impl Days {
    /// Forty people in the east and three in the west are confirmed.
    fn new() -> Self {
        let clock = FakedClock::new("2026-11-24 06:00:00", 20);
        let setup = Setup {
            // What is tested is the time between two files, and how few rows there are.
            guard: "fewer_rows: 100%".to_owned(),
            poll: "first: 2s, max: 2s".to_owned(),
            timeout: "10m".to_owned(),
            clock: Arc::new(clock.clone()),
            ..Setup::default()
        };
        let days = Self { world: World::new(&setup), clock };
        days.brings(&[people(1..=40, "East"), people(51..=53, "West")].concat());
        days.does(&["sync", "acme"]).ends(3);
        days.approves().ends(0);
        assert_eq!(days.world.covered("acme-east").len(), 40);
        days
    }

    fn brings(&self, rows: &[String]) {
        self.world.arrives("roster.csv", rows);
    }

    /// What one command does; its clock is ours.
    fn does(&self, arguments: &[&str]) -> Ran {
        self.clock.run(self.world.command(arguments))
    }

    fn approves(&self) -> Ran {
        let runs = self.does(&["runs", "--limit", "1", "--json"]);
        let runs: serde_json::Value = serde_json::from_str(&runs.out).unwrap();
        let run = runs["runs"][0]["id"].to_string();
        self.does(&["approve", &run, "--all", "--reason", "HR says so", "--yes"])
    }

    /// The next day, with the file of that day.
    fn next(&self, rows: &[String]) -> Ran {
        self.clock.put_forward(TimeDelta::days(1));
        self.brings(rows);
        self.does(&["sync", "acme"])
    }
}

/// One mail has all these words.
#[track_caller]
fn mailed(world: &World, words: &[&str]) {
    let mails = world.mails();
    let has = mails.iter().any(|mail| words.iter().all(|word| mail.contains(word)));
    assert!(has, "{words:?}: {}", mails.join("\n"));
}

/// The people of the east from this number on, and those of the west.
fn without(first: u32) -> Vec<String> {
    [people(first..=40, "East"), people(51..=53, "West")].concat()
}

#[test]
fn one_absent_a_day_is_stopped_long_before_the_group_is_gone() {
    let days = Days::new();
    for day in 1..=4 {
        days.next(&without(day + 1)).ends(0);
        assert_eq!(days.world.covered("acme-east").len(), 40 - day as usize);
    }
    for day in 5..=12 {
        let held = days.next(&without(day + 1)).ends(3);
        assert!(held.out.contains("`absent_in_30d` allows 4"), "day {day}: {}", held.out);
        assert_eq!(days.world.covered("acme-east").len(), 36, "day {day}");
    }
    mailed(&days.world, &["absent_in_30d", "E-12"]);

    // A person approves those of today; they are not counted from then on, and the four still are.
    days.approves().ends(0);
    assert_eq!(days.world.covered("acme-east").len(), 28);
    let held = days.next(&without(14)).ends(3);
    assert!(
        held.out.contains("5 members without a row would have been removed within 30 days"),
        "{}",
        held.out
    );
    assert_eq!(days.world.covered("acme-east").len(), 28);

    // Whoever comes back is asked about no longer; after thirty days the four are over.
    days.next(&without(13)).ends(0);
    days.clock.put_forward(TimeDelta::days(20));
    days.next(&without(14)).ends(0);
    assert_eq!(days.world.covered("acme-east").len(), 27);
}

#[test]
fn a_week_of_leavers_is_held_at_a_quarter() {
    let days = Days::new();
    let file = |ended: u32| {
        let mut rows = without(1);
        (0..ended).for_each(|n| rows[n as usize] = row(n + 1, "East", "Terminated"));
        rows
    };
    for (day, ended) in [(1, 4), (2, 8)] {
        days.next(&file(ended)).ends(0);
        assert_eq!(days.world.covered("acme-east").len(), 40 - ended as usize, "day {day}");
    }
    let held = days.next(&file(12)).ends(3);
    assert!(held.out.contains("12 members would have been removed within 7 days"), "{}", held.out);
    assert!(held.out.contains("at most 40 covered in that time (`removed_in_7d` allows 10)"), "{}", held.out);
    // Two fewer than were held come with the next file: within the limit, nobody need be asked.
    days.next(&file(10)).ends(0);
    assert_eq!(days.world.covered("acme-east").len(), 30);
}

/// Swaps one cell between two rows, as a sort of one column does.
fn column_turned(rows: &[String], column: usize) -> Vec<String> {
    let cells: Vec<Vec<&str>> = rows.iter().map(|row| row.split(',').collect()).collect();
    let turned = (0..rows.len()).map(|at| {
        let mut row = cells[at].clone();
        row[column] = cells[(at + 1) % rows.len()][column];
        row.join(",")
    });
    turned.collect()
}

#[test]
fn an_id_column_that_was_sorted_alone_gives_nobody_to_another_person() {
    let rows = [people(1..=10, "East"), people(21..=23, "West")].concat();
    let world = World::settled(&Setup::default(), &rows);
    let (before, sent) = (world.sandbox.members("acme-east"), world.sandbox.submits().len());
    world.arrives("day-2.csv", &[column_turned(&rows[..10], 0), people(21..=23, "West")].concat());
    let held = world.rosterd(&["sync", "acme"]).ends(3);
    assert!(held.out.contains("10 members have another date of birth and another name"), "{}", held.out);
    for canary in canaries(3) {
        assert!(!held.text().contains(&canary), "{canary}: {}", held.text());
    }
    // The west is as it was.
    assert_eq!(world.sandbox.submits().len(), sent + 1);
    assert_eq!(world.sandbox.members("acme-east"), before);
    mailed(&world, &["changed_people", "E-10"]);
    world.arrives("day-3.csv", &rows);
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.sandbox.members("acme-east"), before);
}

#[test]
fn a_person_under_a_new_id_is_held_and_an_approval_ends_the_old_membership() {
    let rows = [people(1..=10, "East"), people(21..=23, "West")].concat();
    let world = World::settled(&Setup::default(), &rows);
    let mut renamed = rows.clone();
    renamed[2] = renamed[2].replace("E-3,", "HR-0003,");
    world.arrives("day-2.csv", &renamed);
    let held = world.rosterd(&["sync", "acme"]).ends(3);
    assert!(
        held.out.contains("1 person would be removed and added under another reference_id"),
        "{}",
        held.out
    );
    assert!(world.covered("acme-east").contains(&"E-3".to_owned()));
    mailed(&world, &["renamed_ids", "E-3", "HR-0003"]);
    world.approve().ends(0);
    let covered = world.covered("acme-east");
    assert!(!covered.contains(&"E-3".to_owned()) && covered.contains(&"HR-0003".to_owned()), "{covered:?}");
    let run = world.json(&["runs", "--limit", "1", "--json"])["runs"][0]["id"].to_string();
    let shown = world.json(&["show", &run, "--json"]);
    let departures = shown["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|attempt| attempt["departures"].as_array().unwrap().clone());
    let departures: Vec<_> = departures.collect();
    assert_eq!(
        departures,
        [serde_json::json!({ "how": "absent", "approved": true, "members": ["E-3"] })],
        "it is not counted in the windows"
    );
}

#[test]
fn adds_that_vitable_refused_are_not_counted_again() {
    let setup = Setup {
        guard: "added: 1".to_owned(),
        covered_elsewhere: vec!["E-11".to_owned(), "E-12".to_owned()],
        ..Setup::default()
    };
    let file = |last: u32| [people(1..=last, "East"), people(21..=23, "West")].concat();
    let world = World::settled(&setup, &file(10));
    world.arrives("day-2.csv", &file(12));
    world.rosterd(&["sync", "acme"]).ends(3);
    assert_eq!(world.approve().code, Some(4), "both are covered elsewhere");
    world.arrives("day-3.csv", &file(13));
    world.rosterd(&["sync", "acme"]).ends(4);
    assert_eq!(world.covered("acme-east").len(), 11, "E-13 is the only new one");
}

#[test]
fn one_person_twice_is_said_and_holds_nothing() {
    let rows = [people(1..=10, "East"), people(21..=23, "West")].concat();
    let world = World::settled(&Setup::default(), &rows);
    let twice = person(7, "East").replace("E-7,Zqfirst7", "X-7,Zqfirst").replace("zqmail7@", "ZQmail7@");
    world.arrives("day-2.csv", &[rows, vec![twice]].concat());
    let ran = world.rosterd(&["sync", "acme"]).ends(0);
    let note = "probably one person twice: E-7 and X-7 (2 rows)";
    assert!(ran.out.contains(note), "{}", ran.out);
    for canary in canaries(7) {
        assert!(!ran.text().contains(&canary), "{canary}: {}", ran.text());
    }
    assert_eq!(world.covered("acme-east").len(), 11);
}
