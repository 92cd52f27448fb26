//! Holds and approvals that converge: over several files, several ends of a request, and time that passes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails here")]

use crate::{
    daemon::Daemon,
    world::{Ran, Setup, World, people},
};
use rosterd::sandbox::{Answer, CallKind, Faults, NextAnswer};
use serde_json::Value;
use std::{
    fs::{self, File},
    time::Duration,
};

const EAST: &str = "acme-east";

/// That a file shrank makes an approval one for that very file, which is another story.
fn setup() -> Setup {
    Setup { guard: "fewer_rows: 100%".to_owned(), ..Setup::default() }
}

/// Ten people in the east, one in the west; both are in step.
fn settled(setup: &Setup) -> World {
    World::settled(setup, &day(&people(1..=10, "East")))
}

fn day(east: &[String]) -> Vec<String> {
    [east.to_vec(), people(21..=21, "West")].concat()
}

/// What is held of the east, the one that waits for a person first.
fn held(world: &World) -> Vec<Value> {
    let status = world.json(&["status", "--json"]);
    let groups = status["groups"].as_array().unwrap();
    let east = groups.iter().find(|group| group["group"] == EAST).unwrap();
    east["held"].as_array().unwrap().clone()
}

fn status(world: &World) -> String {
    world.rosterd(&["status"]).ends(0).out
}

/// How many mails say that the feed is held, or that this has changed.
fn asked(world: &World) -> usize {
    let says = |mail: &&String| mail.contains("Subject: [rosterd] acme: held");
    world.mails().iter().filter(says).count()
}

fn approve(world: &World, run: &str) -> Ran {
    world.rosterd(&["approve", run, "--reason", "they left", "--yes", EAST])
}

fn sync_until_done(world: &World) {
    for _ in 0..200 {
        if world.rosterd(&["sync", "acme"]).code == Some(0) {
            return;
        }
    }
    world.rosterd(&["sync", "acme"]).ends(0);
}

#[test]
fn a_rejected_change_that_comes_back_after_another_one_is_not_asked_for_again() {
    let world = settled(&setup());
    let (one, other) = (day(&people(1..=5, "East")), day(&people(1..=4, "East")));
    world.arrives("roster.csv", &one);
    world.rosterd(&["sync", "acme"]).ends(3);
    let run = held(&world)[0]["run"].to_string();
    world.rosterd(&["reject", &run, "--reason", "wrong file", EAST]).ends(0);
    assert!(status(&world).contains("rejected by"), "{}", status(&world));

    world.arrives("roster.csv", &other);
    world.rosterd(&["sync", "acme"]).ends(3);
    let now = status(&world);
    assert!(now.contains("rosterd approve") && !now.contains("rejected by"), "that one waits: {now}");
    assert_eq!(held(&world).len(), 2, "the rejection is remembered");
    let mails = asked(&world);

    world.arrives("roster.csv", &one);
    let again = world.rosterd(&["sync", "acme"]).ends(3);
    assert!(again.out.contains("rejected by") && !again.out.contains("rosterd approve"), "{}", again.out);
    assert_eq!(asked(&world), mails, "nobody is asked again");
    let holds = held(&world);
    assert_eq!((holds.len(), holds[0]["run"].to_string()), (1, run.clone()));
    let now = status(&world);
    assert!(now.contains("rejected by") && now.contains("; waits") && now.contains("wrong file"), "{now}");
    let second = approve(&world, &run).ends(1);
    assert!(second.err.contains("was first"), "{}", second.err);

    // A file that needs nobody ends what was said of the others.
    world.arrives("roster.csv", &day(&people(1..=10, "East")));
    world.rosterd(&["sync", "acme"]).ends(0);
    assert!(held(&world).is_empty());
    world.arrives("roster.csv", &one);
    world.rosterd(&["sync", "acme"]).ends(3);
    assert!(held(&world)[0]["word"].is_null());
}

#[test]
fn a_new_file_each_day_keeps_the_number_while_what_is_held_is_the_same() {
    let world = settled(&setup());
    let mut numbers = Vec::new();
    for newest in 11..=14 {
        world.arrives("roster.csv", &day(&[people(1..=5, "East"), people(11..=newest, "East")].concat()));
        world.rosterd(&["sync", "acme"]).ends(3);
        let holds = held(&world);
        numbers.push((holds[0]["run"].to_string(), holds[0]["digest"].clone()));
    }
    numbers.dedup();
    assert_eq!(numbers.len(), 1, "{numbers:?}");
    assert_eq!(asked(&world), 2, "the first sync, and this one once: {:?}", world.mails());
    // The mail of the first day is answered on the fourth; what lies within the limits goes with it.
    approve(&world, &numbers[0].0).ends(0);
    assert_eq!(world.covered(EAST).len(), 9);
}

#[test]
fn an_approval_is_good_after_every_end_but_a_completion() {
    let setup =
        Setup { poll: "first: 1s, max: 1s, stuck_after: 1s, give_up_after: 3s".to_owned(), ..setup() };
    let next =
        |answer| Faults { next: vec![NextAnswer::new(CallKind::Submit, 9, answer)], ..Faults::default() };
    for (what, faults) in [
        ("refused", next(Answer::Status { status: 400, retry_after: None })),
        ("lost", next(Answer::Html { status: 500, processed: false })),
        ("timed out", Faults { backlog: true, ..Faults::default() }),
    ] {
        let world = settled(&setup);
        world.arrives("roster.csv", &day(&people(1..=5, "East")));
        world.rosterd(&["sync", "acme"]).ends(3);
        let run = held(&world)[0]["run"].to_string();
        world.sandbox.set_faults(faults);
        approve(&world, &run).ends(1);
        assert_eq!(world.covered(EAST).len(), 10, "{what}");
        assert_eq!(held(&world)[0]["word"]["approved"], true, "{what}");
        world.sandbox.set_faults(Faults::default());
        // Nobody is asked again.
        sync_until_done(&world);
        assert_eq!(world.covered(EAST).len(), 5, "{what}");
        assert!(held(&world).is_empty(), "{what}: spent");
        assert_eq!(asked(&world), 2, "{what}: {:?}", world.mails());
    }
}

#[test]
fn an_approval_whose_time_is_over_is_said_and_can_be_given_again() {
    let world = settled(&setup());
    world.arrives("roster.csv", &day(&people(1..=5, "East")));
    world.rosterd(&["sync", "acme"]).ends(3);
    let run = held(&world)[0]["run"].to_string();
    // On a slow host its time may be over before it is used: then it is held, and not refused.
    world.configure(&Setup { guard: "fewer_rows: 100%, approval_expires: 2s".to_owned(), ..setup() });
    let answer = Answer::Status { status: 400, retry_after: None };
    let fault = NextAnswer::new(CallKind::Submit, 9, answer);
    world.sandbox.set_faults(Faults { next: vec![fault], ..Faults::default() });
    let approved = approve(&world, &run);
    assert!(matches!(approved.code, Some(1 | 3)), "{}", approved.text());
    for _ in 0..200 {
        if status(&world).contains("approval expired") {
            break;
        }
    }
    assert!(status(&world).contains("approval expired"), "{}", status(&world));
    world.sandbox.set_faults(Faults::default());
    world.configure(&setup());
    for _ in 0..2 {
        let ran = world.rosterd(&["sync", "acme"]).ends(3);
        assert!(ran.out.contains("expired before Vitable had finished"), "{}", ran.out);
        assert_eq!(world.covered(EAST).len(), 10);
        assert_eq!(held(&world)[0]["run"].to_string(), run, "it keeps its number");
    }
    let told = |subject: &str| world.mails().iter().filter(|mail| mail.contains(subject)).count();
    assert_eq!(told("Subject: [rosterd] acme: approval expired, the change waits again"), 1);
    assert_eq!(told("(changed)"), 0, "the hold is the same");
    approve(&world, &run).ends(0);
    assert_eq!(world.covered(EAST).len(), 5);
    let open = world.ledger().incidents(true).unwrap();
    assert!(open.iter().all(|incident| !incident.key.contains("approval_expired")), "{open:?}");
}

#[test]
fn max_age_keeps_no_approved_change_back() {
    let place = "file:\n      path: inbox/*.csv\n      settle: 0s\n      max_age: 36h".to_owned();
    let world = World::new(&Setup { place: Some(place), ..Setup::default() });
    world.arrives("first.csv", &day(&people(1..=3, "East")));
    world.rosterd(&["sync", "acme"]).ends(3);
    // The same people in a file that was never read and is too old to be read for the first time.
    fs::remove_file(world.path("inbox/first.csv")).unwrap();
    world.arrives("second.csv", &[people(21..=21, "West"), people(1..=3, "East")].concat());
    let file = File::options().write(true).open(world.path("inbox/second.csv")).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a file's age is counted from the host's clock")]
    let now = std::time::SystemTime::now();
    file.set_modified(now - Duration::from_secs(3 * 24 * 3600)).unwrap();
    let late = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(late.text().contains("max_age"), "{}", late.text());
    world.rosterd(&["approve", "1", "--all", "--reason", "looked", "--yes"]).ends(0);
    assert_eq!(world.covered(EAST).len(), 3);
}

#[test]
fn the_second_word_is_told_who_was_first_through_the_socket_too() {
    let world = settled(&setup());
    world.arrives("roster.csv", &day(&people(1..=5, "East")));
    world.rosterd(&["sync", "acme"]).ends(3);
    let run = held(&world)[0]["run"].to_string();
    let daemon = Daemon::start(&world);
    world.rosterd(&["reject", &run, "--reason", "wrong file", EAST]).ends(0);
    let second = approve(&world, &run).ends(1);
    assert!(second.err.contains("was first") && second.err.contains("wrong file"), "{}", second.err);
    daemon.stop();
    let third = world.rosterd(&["reject", &run, "--reason", "again", EAST]).ends(1);
    assert!(third.err.contains("was first"), "{}", third.err);
    assert_eq!(world.covered(EAST).len(), 10);
}
