//! What becomes of a file once every group has its roster, and what is said when none comes any more.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::world::{Ran, Setup, World, people, put, roster};
use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const HOUR: u64 = 3_600;

/// A world whose source says more about its file.
fn setup(more: &str, guard: &str) -> Setup {
    Setup {
        place: Some(format!("file: {{ path: inbox/*.csv, settle: 0s, {more} }}")),
        guard: guard.to_owned(),
        ..Setup::default()
    }
}

/// The file was written so long ago.
fn age(path: &Path, seconds: u64) {
    #[expect(clippy::disallowed_methods, reason = "a file's age is counted from the host's clock")]
    let now = SystemTime::now();
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(now - Duration::from_secs(seconds)).unwrap();
}

/// So many people in one group, and three in the other.
fn day(number: u32) -> Vec<String> {
    [people(1..=number, "East"), people(21..=23, "West")].concat()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Dies at the crash point.
fn dies(world: &World, at: &str) {
    let output = world.command(&["sync", "acme"]).env("ROSTERD_CRASH_AT", at).output().unwrap();
    assert_eq!(output.status.signal(), Some(6), "{}", Ran::of(output).text());
}

#[test]
fn a_file_is_moved_when_every_group_has_its_roster_and_not_before() {
    let world = World::new(&setup("after_success: { move_to: done }", ""));
    let (inbox, done) = (world.path("inbox"), world.path("done"));
    let rows = day(4);
    world.arrives("roster.csv", &rows);

    // What waits for a person needs the file again.
    world.rosterd(&["sync", "acme"]).ends(3);
    fs::create_dir(&done).unwrap();
    world.rosterd(&["sync", "acme"]).ends(3);
    assert_eq!(names(&inbox), ["roster.csv"]);

    // A missing folder is told, and fails no run.
    fs::remove_dir(&done).unwrap();
    let ran = world.approve();
    let said = ran.text();
    ran.ends(0);
    assert_eq!(world.mailed("acme: file not moved or deleted"), 1, "{said}");
    assert_eq!(names(&inbox), ["roster.csv"]);
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.mailed("acme: file not moved or deleted"), 1, "the same again is no news");

    // Once it is there the next run does it, and it is over.
    fs::create_dir(&done).unwrap();
    let ran = world.rosterd(&["sync", "acme"]);
    assert!(ran.text().contains("is moved to"), "{}", ran.text());
    assert_eq!((names(&inbox).len(), names(&done)), (0, vec!["roster.csv".to_owned()]));
    assert_eq!(world.mailed("acme: recovered, file moved or deleted"), 1);
    let ran = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(ran.text().contains("nothing to read yet: no file in"), "{}", ran.text());

    // The next one of the same name overwrites nothing.
    world.arrives("roster.csv", &day(5));
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!((names(&inbox).len(), names(&done).len()), (0, 2));
    assert_eq!(fs::read_to_string(done.join("roster.csv")).unwrap(), roster(&rows));
    assert_eq!(world.covered("acme-east").len(), 5);
}

#[test]
fn a_death_after_the_end_of_a_run_forgets_no_file_and_takes_no_other() {
    let world = World::new(&setup("after_success: delete", "first_sync: submit"));
    let file = world.path("inbox/roster.csv");
    world.arrives("roster.csv", &day(4));
    dies(&world, "ledger-after-end-run");
    assert!(file.exists());
    assert_eq!(world.ledger().todos(None).unwrap().len(), 1);
    // The start takes it up, and then there is nothing to read.
    let ran = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(ran.text().contains("is deleted"), "{}", ran.text());
    assert!(!file.exists());
    assert!(world.ledger().todos(None).unwrap().is_empty());

    // Another file under the same name, of the same length and time: it is read, and not deleted for the old one.
    world.arrives("roster.csv", &day(5));
    dies(&world, "ledger-after-end-run");
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    world.arrives("roster.csv", &[day(4), people(6..=6, "East")].concat());
    File::options().write(true).open(&file).unwrap().set_modified(written).unwrap();
    let ran = world.rosterd(&["sync", "acme"]);
    assert!(ran.text().contains("is another file than the one that was read"), "{}", ran.text());
    assert!(ran.text().contains("is deleted"), "its own run deletes it: {}", ran.text());
    assert!(world.covered("acme-east").contains(&"E-6".to_owned()));
    assert!(!file.exists());

    // A local file in place of the source touches nothing, wherever it lies.
    world.arrives("roster.csv", &day(4));
    let corrected = world.path("corrected.csv");
    put(&corrected, &roster(&day(4)));
    world.rosterd(&["sync", "acme", "--file", corrected.to_str().unwrap()]);
    world.rosterd(&["sync", "acme", "--file", file.to_str().unwrap()]);
    assert!(corrected.exists() && file.exists());
    // Neither does a plan.
    world.rosterd(&["plan", "acme"]);
    assert!(file.exists());
}

#[test]
fn a_late_file_is_not_read_for_the_first_time_and_stops_nothing_that_was_read() {
    let world = World::new(&setup("max_age: 36h", ""));
    let file: PathBuf = world.path("inbox/roster.csv");
    world.arrives("roster.csv", &day(4));
    age(&file, 40 * HOUR);
    for _ in 0..2 {
        let ran = world.rosterd(&["sync", "acme"]).ends(1);
        assert!(ran.text().contains("`max_age` is 36h. It was never read before"), "{}", ran.text());
    }
    assert_eq!(world.mailed("acme: file missing or late"), 1);
    world.rosterd(&["plan", "acme"]).ends(1);
    assert!(world.sandbox.submits().is_empty());

    // A fresh one ends it.
    age(&file, HOUR);
    world.rosterd(&["sync", "acme"]).ends(3);
    assert_eq!(world.mailed("acme: recovered, a new file has come"), 1);

    // What was read in time and is held is released whatever its age by then, and told of all the same.
    age(&file, 40 * HOUR);
    world.approve().ends(0);
    assert_eq!(world.covered("acme-east").len(), 4);
    assert_eq!(world.mailed("acme: file missing or late"), 2);
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.mailed("acme: file missing or late"), 2);
    let mails = world.mails().join("\n").replace("=\r\n", "").replace("\r\n", " ");
    assert!(mails.contains("It was read before, and is read again; but no newer one has come."), "{mails}");

    // None at all is the same thing.
    fs::remove_file(&file).unwrap();
    world.rosterd(&["sync", "acme"]).ends(1);
    let mails = world.mails().join("\n").replace("=\r\n", "").replace("\r\n", " ");
    assert!(mails.contains("no new file has come: the last one,"), "{mails}");
    // A corrected file that came by another way says nothing of the source.
    let corrected = world.path("corrected.csv");
    put(&corrected, &roster(&day(4)));
    age(&corrected, 100 * HOUR);
    world.rosterd(&["sync", "acme", "--file", corrected.to_str().unwrap()]).ends(0);
    assert_eq!(world.mailed("acme: recovered, a new file has come"), 1);
    world.arrives("roster.csv", &day(4));
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.mailed("acme: recovered, a new file has come"), 2);
}
