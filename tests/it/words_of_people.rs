//! What persons say counts for what they saw, and for nothing else.

use crate::world::{Ran, Setup, World, people, put, roster, row};
use rosterd::sandbox::{Answer, CallKind, Faults, NextAnswer};

/// Ten people in the east and ten in the west, confirmed.
fn settled(setup: &Setup) -> World {
    World::settled(setup, &[people(1..=10, "East"), people(21..=30, "West")].concat())
}

fn newest(world: &World) -> String {
    let runs = world.json(&["runs", "--limit", "1", "--json"]);
    runs.pointer("/runs/0/id").map(ToString::to_string).unwrap_or_default()
}

fn say(world: &World, word: &str, group: &str) -> Ran {
    let mut arguments = vec![word.to_owned(), newest(world), "--reason".to_owned(), "looked".to_owned()];
    if word == "approve" {
        arguments.push("--yes".to_owned());
    }
    arguments.push(group.to_owned());
    world.rosterd(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn an_approval_for_one_group_accepts_a_suspicious_read_for_that_group_alone() {
    let world = settled(&Setup::default());
    // One absent in each group passes, but the line end at the end is missing.
    let rows = [people(1..=9, "East"), people(21..=29, "West")].concat();
    put(&world.path("inbox/roster.csv"), roster(&rows).trim_end());
    world.rosterd(&["sync", "acme"]).ends(3);
    let run = newest(&world);
    world.rosterd(&["reject", &run, "--reason", "cut off", "acme-west"]).ends(0);
    world.rosterd(&["approve", &run, "--reason", "right", "--yes", "acme-east"]).ends(3);
    assert_eq!(world.covered("acme-east").len(), 9);
    for _ in 0..2 {
        world.rosterd(&["sync", "acme"]).ends(3);
        assert_eq!(world.covered("acme-west").len(), 10, "the west was rejected");
    }
}

#[test]
fn an_approval_does_not_outlive_the_roster_that_came_after_it() {
    let world =
        settled(&Setup { poll: "first: 1s, max: 1s, stuck_after: 1s".to_owned(), ..Setup::default() });
    let broken = [people(1..=5, "East"), people(21..=30, "West")].concat();
    let whole = [people(1..=10, "East"), people(21..=30, "West")].concat();
    let without_line_count = |world: &World, rows: &[String]| world.arrives("roster.csv", rows);
    without_line_count(&world, &broken);
    world.rosterd(&["sync", "acme"]).ends(3);
    // The approved submit ends unclear: the approval is not spent.
    let fault = NextAnswer::new(CallKind::Submit, 9, Answer::Html { status: 500, processed: false });
    world.sandbox.set_faults(Faults { next: vec![fault], ..Faults::default() });
    let run = newest(&world);
    world.rosterd(&["approve", &run, "--all", "--reason", "they left", "--yes"]).ends(1);
    world.sandbox.set_faults(Faults::default());
    // The corrected file goes out without anybody's word, as soon as the lost answer is old enough.
    without_line_count(&world, &whole);
    let mut ran = world.rosterd(&["sync", "acme"]);
    for _ in 0..500 {
        if ran.code == Some(0) {
            break;
        }
        ran = world.rosterd(&["sync", "acme"]);
    }
    ran.ends(0);
    assert_eq!(world.covered("acme-east").len(), 10);
    // The same broken file again was approved days ago, and is asked about all the same.
    without_line_count(&world, &broken);
    world.rosterd(&["sync", "acme"]).ends(3);
    assert_eq!(world.covered("acme-east").len(), 10);
}

#[test]
fn a_hold_is_over_when_the_roster_is_the_one_that_vitable_has() {
    let feed = "    submit: when_changed\n    resync_after: 7d\n".to_owned();
    let world = settled(&Setup { feed, ..Setup::default() });
    let whole = [people(1..=10, "East"), people(21..=30, "West")].concat();
    world.arrives("roster.csv", &[people(1..=5, "East"), people(21..=30, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(3);
    world.arrives("roster.csv", &whole);
    let submits = world.sandbox.submits().len();
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.sandbox.submits().len(), submits, "nothing changed, nothing is sent");
    let status = world.rosterd(&["status"]).ends(0);
    assert!(!status.out.contains("held"), "{}", status.out);
    assert!(status.out.contains("open incidents: 0"), "{}", status.out);
}

#[test]
fn what_no_approval_can_release_is_not_offered_for_one() {
    let world = settled(&Setup::default());
    // Nobody is left in the west.
    let left = (21..=30).map(|number| row(number, "West", "Terminated")).collect();
    world.arrives("roster.csv", &[people(1..=10, "East"), left].concat());
    let held = world.rosterd(&["sync", "acme"]).ends(3);
    assert!(!held.out.contains("rosterd approve"), "{}", held.out);
    let refused = say(&world, "approve", "acme-west").ends(2);
    assert!(refused.err.contains("cannot be released"), "{}", refused.err);
    assert_eq!(world.covered("acme-east").len(), 10);
    assert_eq!(world.covered("acme-west").len(), 10);
}

#[test]
fn two_feeds_never_feed_one_group() {
    let world = World::new(&Setup::default());
    let text = std::fs::read_to_string(world.path("rosterd.yaml")).unwrap();
    let (head, _) = text.split_once("\nsources:").unwrap();
    let tail = "
sources:
  a: { file: { path: a.csv, settle: 0s }, mapping: hr }
  b: { file: { path: b.csv, settle: 0s }, mapping: hr }
feeds:
  a: { sources: [a], groups: { by: Division, as_is: true }, guard: { first_sync: submit } }
  b: { sources: [b], groups: { by: Division, as_is: true }, guard: { first_sync: submit } }
";
    put(&world.path("rosterd.yaml"), &format!("{head}{tail}"));
    put(&world.path("a.csv"), &roster(&people(1..=3, "demo")));
    put(&world.path("b.csv"), &roster(&people(4..=5, "demo")));
    world.rosterd(&["sync", "a"]).ends(0);
    let refused = world.rosterd(&["sync", "b"]).ends(1);
    assert!(refused.out.contains("fed by feed `a`"), "{}", refused.out);
    assert_eq!(world.covered("demo"), ["E-1", "E-2", "E-3"]);
}

#[test]
fn a_file_by_hand_is_held_approved_and_sent_by_hand() {
    let world = settled(&Setup::default());
    let corrected = world.path("corrected.csv");
    put(&corrected, &roster(&[people(1..=5, "East"), people(21..=30, "West")].concat()));
    let file = corrected.to_str().unwrap();
    world.rosterd(&["sync", "acme", "--file", file]).ends(3);
    let run = newest(&world);
    world.rosterd(&["approve", &run, "--all", "--reason", "right", "--yes", "--file", file]).ends(0);
    assert_eq!(world.covered("acme-east").len(), 5);
}

#[test]
fn names_that_mean_nothing_are_refused() {
    let world = settled(&Setup::default());
    let group = world.rosterd(&["sync", "acme", "--group", "no-such-group"]).ends(2);
    assert!(group.err.contains("no-such-group"), "{}", group.err);
    let feed = world.rosterd(&["sync", "amce"]).ends(2);
    assert!(feed.err.contains("`acme`"), "{}", feed.err);
    let run = world.rosterd(&["show", "99"]).ends(2);
    assert!(run.err.contains("rosterd runs"), "{}", run.err);
    world.rosterd(&["sync", "acme", "acme"]).ends(0);
    let twice = world.json(&["runs", "--json"])["runs"].as_array().unwrap().len();
    assert_eq!(twice, 3, "named twice is run once");
}

#[test]
fn a_leaver_with_a_broken_phone_has_left() {
    let world = settled(&Setup::default());
    let mut rows = [people(1..=9, "East"), people(21..=30, "West")].concat();
    rows.push(row(10, "East", "Terminated").replace("5554200010", "555"));
    world.arrives("roster.csv", &rows);
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.covered("acme-east").len(), 9);
}
