//! Groups that a person empties, takes over or leaves behind, and a state that is pointed at another Vitable.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::world::{Ran, Setup, World, people, person, put};
use rosterd::{
    attempt::State,
    clock::{Clock as _, SystemClock},
    ledger::{LedgerError, NewRun, Retired, Trigger},
    roster::{FeedName, GroupRef},
    sandbox::{Answer, CallKind, Faults, NextAnswer, Order},
};
use std::{fs, time::Duration};
use tokio::time::Instant;

const EAST: &str = "acme-east";

fn setup() -> Setup {
    Setup { guard: "first_sync: submit".to_owned(), ..Setup::default() }
}

/// East has 1 to 5, west 21 to 23; both are in step.
fn settled() -> World {
    let world = World::new(&setup());
    world.arrives("day-1.csv", &[people(1..=5, "East"), people(21..=23, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(0);
    world
}

fn reconfigure(world: &World, from: &str, to: &str) {
    let path = world.path("rosterd.yaml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    put(&path, &text.replace(from, to));
}

#[test]
fn a_group_is_emptied_by_its_name_alone_and_stays_so_until_that_is_taken_back() {
    let world = settled();
    let no_terminal = world.rosterd(&["empty", EAST, "--reason", "closed"]).ends(2);
    assert!(
        no_terminal.text().contains("(5)") && no_terminal.text().contains("--confirm"),
        "{}",
        no_terminal.text()
    );
    world.rosterd(&["empty", EAST, "--reason", "closed", "--confirm", "acme-East"]).ends(2);
    assert_eq!(world.covered(EAST).len(), 5);

    world.rosterd(&["empty", EAST, "--reason", "closed", "--confirm", EAST]).ends(0);
    assert!(world.covered(EAST).is_empty());
    assert_eq!(world.covered("acme-west").len(), 3);

    // The feed goes on without it, and nobody comes back by a file.
    let before = world.sandbox.submits().len();
    let ran = world.rosterd(&["sync", "acme"]).ends(0);
    assert!(ran.text().contains("retired"), "{}", ran.text());
    assert!(world.covered(EAST).is_empty());
    assert_eq!(world.sandbox.submits().len(), before + 1, "the other group alone");
    let status = world.rosterd(&["status"]).ends(0);
    assert!(status.out.contains("retired"), "{}", status.out);
    world.rosterd(&["empty", EAST, "--reason", "again", "--confirm", EAST]).ends(1);

    world.rosterd(&["empty", EAST, "--reason", "reopened", "--undo"]).ends(0);
    let status = world.rosterd(&["status"]).ends(0);
    assert!(status.out.contains("no longer retired") && status.out.contains("(reopened)"), "{}", status.out);
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.covered(EAST).len(), 5);
    let status = world.rosterd(&["status"]).ends(0);
    assert!(!status.out.contains("no longer retired"), "told until it is in step: {}", status.out);
    world.rosterd(&["empty", EAST, "--reason", "x", "--undo"]).ends(1);
    world.rosterd(&["empty", "acme-nowhere", "--reason", "x", "--confirm", "acme-nowhere"]).ends(1);
}

#[test]
fn a_group_whose_emptying_is_cut_off_is_never_emptied_twice_and_never_filled_again_by_itself() {
    for point in [
        "ledger-after-begin-run",
        "ledger-after-save-run",
        "ledger-after-intend",
        "ledger-after-advance",
        "ledger-after-complete",
    ] {
        let world = settled();
        let mut command = world.command(&["empty", EAST, "--reason", "closed", "--confirm", EAST]);
        Ran::of(command.env("ROSTERD_CRASH_AT", point).output().unwrap());
        let known = fs::read_dir(world.path("state")).is_ok();
        assert!(known, "{point}");
        let covered = world.covered(EAST).len();
        let ran = world.rosterd(&["sync", "acme"]);
        assert!(!ran.text().contains("panicked"), "{point}: {}", ran.text());
        assert!(world.covered(EAST).len() <= covered, "{point}: nobody is filled in again");
        // Whatever became of it is told, unless Vitable has the roster.
        let taken = matches!(point, "ledger-after-complete");
        assert_eq!(world.mailed("group not emptied"), usize::from(!taken), "{point}: {:?}", world.mails());
        let emptying = world.sandbox.requests().iter().filter(|each| each.members == 0).count();
        assert!(emptying <= 1, "{point}");
    }
}

#[test]
fn an_empty_roster_that_comes_to_nothing_is_told_until_it_is_done_or_taken_back() {
    for (answer, reason) in [
        (Answer::Status { status: 400, retry_after: None }, "refused the roster with 400"),
        (Answer::Close { processed: false }, "was lost"),
    ] {
        let world = settled();
        let next = vec![NextAnswer::new(CallKind::Submit, 1, answer)];
        world.sandbox.set_faults(Faults { next, ..Faults::default() });
        world.rosterd(&["empty", EAST, "--reason", "closed", "--confirm", EAST]).ends(1);
        let mails = world.mails();
        let told = mails.iter().find(|mail| mail.contains("group not emptied")).unwrap().replace("\r\n", " ");
        assert!(told.contains(reason) && !told.contains("sends the newest roster afresh"), "{told}");
        // No run tries it again, and none fills the group.
        let before = world.sandbox.submits().len();
        world.rosterd(&["sync", "acme"]);
        assert_eq!(world.sandbox.submits().len(), before + 1, "the other group alone");
        let open: Vec<_> = world.ledger().open_runs().unwrap();
        assert!(open.is_empty(), "{open:?}");
        world.rosterd(&["empty", EAST, "--reason", "stays", "--undo"]).ends(0);
        assert_eq!(world.mailed("group empty, or no longer retired"), 1, "{:?}", world.mails());
        assert_eq!(world.covered(EAST).len(), 5);
    }
}

#[test]
fn an_older_roster_that_ends_after_the_empty_one_is_told_of_and_closes_nothing() {
    let poll = "first: 1s, max: 1s, stuck_after: 1s, give_up_after: 2s".to_owned();
    let world = World::new(&Setup { poll, ..setup() });
    world.arrives("day-1.csv", &[people(1..=5, "East"), people(21..=23, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(0);
    // Vitable takes the next roster and does not finish it in time.
    world.sandbox.set_faults(Faults { backlog: true, order: Order::NewestFirst, ..Faults::default() });
    world.arrives("day-2.csv", &[people(1..=6, "East"), people(21..=23, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(1);
    world.rosterd(&["empty", EAST, "--reason", "closed", "--confirm", EAST]).ends(1);
    assert_eq!(world.mailed("acme, group acme-east: group not emptied"), 1, "{:?}", world.mails());
    // Now both are finished, the empty one first.
    world.sandbox.set_faults(Faults { order: Order::NewestFirst, ..Faults::default() });
    let known = || {
        world.rosterd(&["sync", "acme"]);
        let newest = world.ledger().attempts_of_group(&GroupRef::new(EAST).unwrap(), 2).unwrap();
        newest.iter().all(|attempt| matches!(attempt.state, State::Completed { .. }))
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !known() {
        assert!(Instant::now() < deadline, "{:?}", world.ledger().timed_out().unwrap());
    }
    assert_eq!(world.covered(EAST).len(), 6, "the older roster had the last word");
    let status = world.json(&["status", "--json"]);
    let open: Vec<&str> = status["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|each| each["body"]["kind"].as_str())
        .collect();
    assert!(open.contains(&"not_emptied"), "{open:?}");
    assert_eq!(world.mailed("group empty, or no longer retired"), 0, "{:?}", world.mails());
    world.rosterd(&["empty", EAST, "--reason", "closed", "--confirm", EAST]).ends(0);
    assert!(world.covered(EAST).is_empty());
    assert_eq!(world.mailed("group empty, or no longer retired"), 1, "{:?}", world.mails());
}

#[test]
fn while_a_request_is_in_flight_the_group_is_not_retired() {
    let world = settled();
    world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
    let mut command = world.command(&["sync", "acme"]);
    Ran::of(command.env("ROSTERD_CRASH_AT", "ledger-after-advance:2").output().unwrap());
    let ledger = world.ledger();
    let group = ledger.attempts_in_flight().unwrap().remove(0).group;
    let at = SystemClock.now();
    let (by, reason) = ("root".to_owned(), "closed".to_owned());
    let retired = Retired { group: group.clone(), by, reason, at, undone: None };
    let feed = FeedName::new("acme").unwrap();
    let refused = ledger.retire(&retired, &NewRun::of(&feed, Trigger::Emptying)).unwrap_err();
    assert!(matches!(refused, LedgerError::Busy { .. }), "{refused}");
    assert!(ledger.retired(&group).unwrap().is_none());
}

#[test]
fn while_a_request_is_in_flight_the_group_is_not_emptied() {
    let world = settled();
    world.sandbox.set_faults(Faults {
        next: vec![NextAnswer::new(CallKind::Submit, 2, Answer::Close { processed: true })],
        ..Faults::default()
    });
    world.rosterd(&["sync", "acme"]).ends(1);
    let ran = world.rosterd(&["empty", EAST, "--reason", "closed", "--confirm", EAST]).ends(1);
    assert!(ran.text().contains("lost"), "{}", ran.text());
    assert_eq!(world.covered(EAST).len(), 5);
    assert!(world.ledger().retired(&GroupRef::new(EAST).unwrap()).unwrap().is_none());
}

#[test]
fn a_group_that_no_feed_names_any_more_is_told_of_until_it_is_named_or_empty() {
    let world = settled();
    reconfigure(&world, "{ East: acme-east, West: acme-west }", "{ West: acme-west }");
    reconfigure(&world, "groups: { by: Division,", "groups: { unmatched: omit, by: Division,");
    world.arrives("day-2.csv", &people(21..=23, "West"));
    world.rosterd(&["sync", "acme"]);
    assert_eq!(world.mailed("group that no feed names"), 1, "{:?}", world.mails());
    assert_eq!(world.covered(EAST).len(), 5, "nobody is removed by it");
    let status = world.rosterd(&["status"]).ends(0);
    assert!(status.out.contains(EAST) && status.out.contains("no feed"), "{}", status.out);
    world.rosterd(&["sync", "acme"]);
    assert_eq!(world.mailed("group that no feed names"), 1, "once");

    world.rosterd(&["empty", EAST, "--reason", "sold", "--confirm", EAST]).ends(0);
    assert!(world.covered(EAST).is_empty());
    assert_eq!(world.mailed("group named or empty again"), 1, "{:?}", world.mails());
    let status = world.rosterd(&["status"]).ends(0);
    let line = format!("{EAST}: retired by ");
    assert!(status.out.contains(&line) && status.out.contains("no feed"), "{}", status.out);
    let checked = world.rosterd(&["state", "check"]).ends(0);
    assert!(checked.text().contains("1 retired groups"), "{}", checked.text());
}

#[test]
fn what_a_feed_held_is_over_when_the_feed_is_gone() {
    let world = World::new(&Setup::default());
    world.arrives("day-1.csv", &people(1..=3, "East"));
    world.rosterd(&["sync", "acme"]).ends(3);
    reconfigure(&world, "feeds:\n  acme:", "feeds:\n  renamed:");
    world.rosterd(&["sync", "renamed"]).ends(3);
    let holds = world.ledger().holds(None).unwrap();
    assert!(holds.iter().all(|hold| hold.feed.as_str() == "renamed"), "{holds:?}");
    assert_eq!(world.mailed("[rosterd] acme: feed gone, was: held"), 1, "{:?}", world.mails());
    assert!(world.mailed("is no longer in the configuration, so this is closed") >= 1);
}

#[test]
fn another_group_id_is_accepted_by_a_person_and_is_a_first_sync() {
    let world = settled();
    world.rosterd(&["repin", EAST, "--yes"]).ends(1);
    assert!(world.sandbox.replace_group(EAST));
    world.rosterd(&["sync", "acme"]).ends(1);
    assert_eq!(world.mailed("group has another id"), 1);
    let asked = world.rosterd(&["repin", EAST]).ends(2);
    assert!(asked.text().contains("was grp_"), "{}", asked.text());
    world.rosterd(&["repin", EAST, "--yes"]).ends(0);
    assert_eq!(world.mailed("group has its known id"), 1, "{:?}", world.mails());
    let ran = world.rosterd(&["plan", "acme", "--json"]);
    assert!(ran.out.contains("first_sync") || ran.code == Some(0), "{}", ran.text());
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.covered(EAST).len(), 5);
}

#[test]
fn a_state_that_is_pointed_at_another_vitable_submits_nothing_and_goes_back() {
    let world = settled();
    let production = World::new(&setup());
    let (uat_url, production_url) = (world.base_url(), production.base_url());
    reconfigure(&world, &uat_url, &production_url);
    let ran = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(ran.text().contains(&uat_url) && ran.text().contains(&production_url), "{}", ran.text());
    assert!(production.sandbox.submits().is_empty());
    assert_eq!(world.mailed("another organization"), 1, "{:?}", world.mails());
    reconfigure(&world, &production_url, &uat_url);
    world.rosterd(&["sync", "acme"]).ends(0);

    world.sandbox.set_faults(Faults { wrong_organization: true, ..Faults::default() });
    let before = world.sandbox.submits().len();
    let ran = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(ran.text().contains("org_somebody_else"), "{}", ran.text());
    assert_eq!(world.sandbox.submits().len(), before);
    let newest = world.ledger().attempts_of_group(&GroupRef::new(EAST).unwrap(), 1).unwrap().remove(0);
    assert!(matches!(newest.state, State::Completed { .. }));
}

#[test]
fn a_group_column_that_slid_shows_nobody_and_makes_no_groups() {
    let world = World::new(&setup());
    reconfigure(
        &world,
        "groups: { by: Division, map: { East: acme-east, West: acme-west } }",
        "groups: { by: Division, as_is: true }",
    );
    let rows: Vec<String> = (1..=25).map(|n| person(n, &format!("zqmail{n}@canary.example"))).collect();
    world.arrives("day-1.csv", &rows);
    let ran = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(ran.text().contains("column `Division` has 25 values that are no group"), "{}", ran.text());
    let everything = world.mails().concat() + &ran.text() + &world.rosterd(&["show", "1", "--json"]).text();
    assert!(!everything.contains("zqmail"), "{everything}");
    // A few unknown references are named: that is how they are found.
    world.arrives("day-2.csv", &[people(1..=3, EAST), people(4..=4, "acme-estt")].concat());
    let ran = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(ran.text().contains("acme-estt"), "{}", ran.text());
}

#[test]
fn a_feed_or_a_source_under_another_name_is_compared_with_what_it_was() {
    for (from, to, feed) in [
        ("feeds:\n  acme:", "feeds:\n  renamed:", "renamed"),
        ("sources:\n  acme:", "sources:\n  renamed:", "acme"),
    ] {
        let world = settled();
        reconfigure(&world, from, to);
        if feed == "acme" {
            reconfigure(&world, "sources: [acme]", "sources: [renamed]");
        }
        let rows = [people(1..=5, "East"), people(21..=23, "West")].concat();
        let blank = |row: &String| {
            let mut cells: Vec<&str> = row.split(',').collect();
            cells[5] = "";
            cells.join(",")
        };
        world.arrives("day-2.csv", &rows.iter().map(blank).collect::<Vec<_>>());
        let ran = world.rosterd(&["sync", feed]).ends(3);
        assert!(ran.text().contains("blank_column"), "{}", ran.text());
    }
}
