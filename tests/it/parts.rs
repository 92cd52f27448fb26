//! Rosters in several parts, markers, and exports that are older than the last one: through the built binary to the
//! sandbox. A part that is missing, half there or of another day removes nobody.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::world::{Ran, Setup, World, people, put, roster};
use std::{
    fs::{self, File},
    time::{Duration, SystemTime},
};

/// A source that says more of its files.
fn setup(more: &str) -> Setup {
    Setup { place: Some(format!("file: {{ settle: 0s, {more} }}")), ..Setup::default() }
}

const PARTS: &str = "path: inbox/*.csv, take: all";

/// One part for each group.
fn both(world: &World) {
    world.arrives("east.csv", &people(1..=8, "East"));
    world.arrives("west.csv", &people(21..=23, "West"));
}

/// A world whose first roster came in two parts.
fn settled(more: &str) -> World {
    let world = World::new(&setup(more));
    both(&world);
    world.rosterd(&["sync", "acme"]).ends(3);
    world.approve().ends(0);
    assert_eq!(covered(&world), (8, 3));
    world
}

fn covered(world: &World) -> (usize, usize) {
    (world.covered("acme-east").len(), world.covered("acme-west").len())
}

fn remove(world: &World, name: &str) {
    fs::remove_file(world.path(&format!("inbox/{name}"))).unwrap();
}

/// The file was written so long ago, in seconds.
fn age(world: &World, name: &str, seconds: u64) {
    #[expect(clippy::disallowed_methods, reason = "a file's age is counted from the host's clock")]
    let now = SystemTime::now();
    let file = File::options().write(true).open(world.path(&format!("inbox/{name}"))).unwrap();
    file.set_modified(now - Duration::from_secs(seconds)).unwrap();
}

/// The run ends so, says why, and changes nothing.
#[track_caller]
fn refuses(world: &World, code: i32, why: &str) -> Ran {
    let before = covered(world);
    let ran = world.rosterd(&["sync", "acme"]);
    assert_eq!(ran.code, Some(code), "{}", ran.text());
    let said = ran.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(why), "{said}");
    assert_eq!(covered(world), before);
    ran
}

#[test]
fn every_file_is_a_part_and_rows_are_found_in_theirs() {
    let world = settled(PARTS);
    world.arrives("west.csv", &people(21..=24, "West"));
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(covered(&world), (8, 4));
    // A row that cannot be used is told with its own file.
    let mut rows = people(21..=24, "West");
    rows.push("E-99,Zqfirst99,Zqlast99,04/31/1942,,,pln_gold,,,,,Active,West".to_owned());
    world.arrives("west.csv", &rows);
    let run = world.rosterd(&["sync", "acme"]).ends(4).text();
    assert!(run.contains("west.csv row 5 (line 6), E-99"), "{run}");
    let newest = world.json(&["runs", "--limit", "1", "--json"]).pointer("/runs/0/id").unwrap().to_string();
    let show = world.rosterd(&["show", &newest]).text();
    assert!(show.contains("east.csv") && show.contains("west.csv row 5 (line 6), E-99"), "{show}");
    let explained = world.rosterd(&["explain", "E-22"]).text();
    assert!(explained.contains("west.csv"), "{explained}");
}

#[test]
fn a_part_that_is_missing_or_half_there_removes_nobody() {
    let world = settled(PARTS);
    // One part is not there: its people would be absent, and a person is asked first, however few they are.
    remove(&world, "west.csv");
    world.arrives("east.csv", &people(1..=30, "East"));
    refuses(&world, 3, "has 1 file, and the last accepted read had 2");
    // An upload under way.
    world.arrives("west.csv.part", &people(21..=22, "West"));
    refuses(&world, 1, "`west.csv.part` in");
    remove(&world, "west.csv.part");
    both(&world);
    world.rosterd(&["sync", "acme"]).ends(0);
    // A part that cannot be read makes the whole feed incomplete, also the other group.
    world.arrives("east.csv", &people(1..=9, "East"));
    put(&world.path("inbox/west.csv"), "Employee ID,First Name\n\"E-21,Zqfirst21\n");
    refuses(&world, 1, "west.csv`: ");
    put(&world.path("inbox/west.csv"), "");
    refuses(&world, 1, "the file is empty");
    both(&world);
    world.rosterd(&["sync", "acme"]).ends(0);
    // A third part is one more.
    world.arrives("north.csv", &people(9..=9, "East"));
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(covered(&world), (9, 3));
    // One file named by hand is the whole of it, and says nothing about how many there should be.
    put(&world.path("whole.csv"), &roster(&[people(1..=9, "East"), people(21..=23, "West")].concat()));
    let whole = world.path("whole.csv");
    world.rosterd(&["sync", "acme", "--file", whole.to_str().unwrap()]).ends(0);
}

/// A part that cannot be looked at is not passed over: a link whose file is away, a name that is no text.
#[test]
fn what_fits_and_cannot_be_read_is_a_part_too() {
    let world = settled(PARTS);
    let (part, away) = (world.path("inbox/west.csv"), world.path("west.csv"));
    fs::rename(&part, &away).unwrap();
    std::os::unix::fs::symlink(&away, &part).unwrap();
    world.rosterd(&["sync", "acme"]).ends(0);
    fs::rename(&away, world.path("elsewhere.csv")).unwrap();
    refuses(&world, 1, "fits `path` and is no file");
    fs::rename(world.path("elsewhere.csv"), &away).unwrap();
    world.rosterd(&["sync", "acme"]).ends(0);
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"M\xFCnchen.csv");
    put(&world.path("inbox").join(name), &roster(&people(41..=42, "East")));
    refuses(&world, 1, "is no UTF-8");
}

#[test]
fn parts_of_two_days_are_not_put_together() {
    let world = World::new(&setup(PARTS));
    world.arrives("east-2026-11-23.csv", &people(1..=4, "East"));
    world.arrives("east-2026-11-24.csv", &people(1..=3, "East"));
    world.arrives("west-2026-11-24.csv", &people(21..=23, "West"));
    refuses(&world, 1, "are the same part of two days");
    remove(&world, "east-2026-11-23.csv");
    world.rosterd(&["sync", "acme"]).ends(3);
}

#[test]
fn each_part_and_its_marker_are_moved_when_every_group_has_its_roster() {
    let more = "path: inbox/*, take: all, done_marker: \"{path}.ok\", after_success: { move_to: done }";
    let world = World::new(&setup(more));
    fs::create_dir(world.path("done")).unwrap();
    both(&world);
    put(&world.path("inbox/east.csv.ok"), "");
    refuses(&world, 1, "west.csv.ok` (`done_marker`) is not: the sender has not finished");
    put(&world.path("inbox/west.csv.ok"), "");
    world.rosterd(&["sync", "acme"]).ends(3);
    assert_eq!(world.files("inbox").len(), 4);
    world.approve().ends(0);
    assert_eq!(world.files("inbox").len(), 0);
    let mut names: Vec<String> = fs::read_dir(world.path("done"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["east.csv", "east.csv.ok", "west.csv", "west.csv.ok"]);
}

#[test]
fn nothing_is_read_before_its_marker_and_one_of_an_earlier_export_is_none() {
    let world =
        World::new(&setup("path: inbox/*.csv, done_marker: \"{folder}/DONE\", after_success: delete"));
    let rows = [people(1..=8, "East"), people(21..=23, "West")].concat();
    world.arrives("roster.csv", &rows);
    refuses(&world, 1, "DONE` (`done_marker`) is not");
    let probed = world.rosterd(&["check", "--connect"]).text();
    assert!(probed.contains("without its marker yet"), "{probed}");
    put(&world.path("inbox/DONE"), "");
    age(&world, "DONE", 60);
    refuses(&world, 1, "of an earlier export");
    put(&world.path("inbox/DONE"), "");
    let probed = world.rosterd(&["check", "--connect"]).text();
    assert!(probed.contains("with its marker"), "{probed}");
    world.rosterd(&["sync", "acme"]).ends(3);
    world.approve().ends(0);
    // A marker of all files is nobody's to take away.
    assert!(world.path("inbox/DONE").exists() && !world.path("inbox/roster.csv").exists());
}

#[test]
fn an_older_export_than_the_last_accepted_is_refused_and_read_by_hand() {
    let world = World::new(&setup("path: inbox/*.csv"));
    let day = |last: u32| [people(1..=last, "East"), people(21..=23, "West")].concat();
    world.arrives("roster-20261123.csv", &day(8));
    world.arrives("roster-20261124.csv", &day(9));
    world.rosterd(&["sync", "acme"]).ends(3);
    world.approve().ends(0);
    // The same again is read and decided like any other.
    world.rosterd(&["sync", "acme"]).ends(0);
    remove(&world, "roster-20261124.csv");
    let ran = refuses(&world, 1, "is an older export than");
    assert!(ran.text().contains("rosterd sync acme --file"), "{}", ran.text());
    let plan = world.rosterd(&["plan", "acme"]);
    assert_eq!(plan.code, Some(1), "{}", plan.text());
    let old = world.path("inbox/roster-20261123.csv");
    world.rosterd(&["sync", "acme", "--file", old.to_str().unwrap()]).ends(0);
    assert_eq!(covered(&world), (8, 3));
    // What was read by hand is the last accepted one now; the next day's is newer.
    world.arrives("roster-20261125.csv", &day(9));
    world.rosterd(&["sync", "acme"]).ends(0);
    // Names without a date: the time counts, and a time ahead of the clock proves nothing.
    remove(&world, "roster-20261123.csv");
    remove(&world, "roster-20261125.csv");
    world.arrives("again.csv", &day(8));
    age(&world, "again.csv", 3_600);
    refuses(&world, 1, "is an older export than");
    age(&world, "again.csv", 0);
    world.rosterd(&["sync", "acme"]).ends(0);
}

#[test]
fn where_files_are_taken_away_an_older_one_that_comes_to_light_is_waited_past() {
    let world = World::new(&setup("path: inbox/*.csv, after_success: delete"));
    let day = |last: u32| [people(1..=last, "East"), people(21..=23, "West")].concat();
    world.arrives("roster-20261123.csv", &day(7));
    world.arrives("roster-20261124.csv", &day(8));
    world.rosterd(&["sync", "acme"]).ends(3);
    world.approve().ends(0);
    let mails = world.mails().len();
    refuses(&world, 1, "is an older export than");
    assert_eq!(world.mails().len(), mails, "nothing new has come, which is no incident");
    assert!(world.path("inbox/roster-20261123.csv").exists());
    world.arrives("roster-20261125.csv", &day(9));
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(covered(&world), (9, 3));
}
