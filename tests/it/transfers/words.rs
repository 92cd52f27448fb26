//! Moves that a person or Vitable has a say in: approvals whose time is over between the rounds, groups that are held
//! or refused when somebody has left for them already, groups that do not exist yet.

use super::{EAST, WEST, edit, groups, places, removed_only, requests, settled, taken_since, transfer};
use crate::{
    inside::Inside,
    world::{Ran, Setup, World, people, person, roster},
};
use chrono::TimeDelta;
use rosterd::{
    ledger::RunOutcome,
    sandbox::{Answer, CallKind, Faults, NextAnswer},
};

const NORTH: &str = "acme-north";

fn next(call: CallKind, status: u16) -> Faults {
    let answer = Answer::Status { status, retry_after: None };
    Faults { next: vec![NextAnswer::new(call, 1, answer)], ..Faults::default() }
}

/// Runs `acme` while Vitable works on the losing groups; `meanwhile` happens before it has finished them.
fn meanwhile(world: &World, first_round: usize, meanwhile: impl FnOnce()) -> Ran {
    let before = world.sandbox.requests().len();
    world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
    std::thread::scope(|scope| {
        let sync = scope.spawn(|| world.rosterd(&["sync", "acme"]));
        requests(world, before + first_round);
        meanwhile();
        sync.join().unwrap()
    })
}

fn open(inside: &Inside, kind: &str) -> bool {
    inside.engine().ledger().incidents(true).unwrap().iter().any(|each| each.key.contains(kind))
}

#[test]
fn an_approval_whose_time_is_over_between_the_rounds_finishes_what_it_began() {
    let setup = Setup { guard: "first_sync: submit, added: 0".to_owned(), ..Setup::default() };
    let inside = Inside::new(&setup, "2026-11-24T06:00:00Z", |text| text);
    let rows = [people(1..=10, "East"), people(21..=30, "West")].concat();
    inside.arrives(roster(&rows).as_bytes());
    assert_eq!(inside.sync().outcome(), RunOutcome::Done);

    let next = [people(2..=10, "East"), people(21..=31, "West"), vec![person(1, "West")]].concat();
    inside.arrives(roster(&next).as_bytes());
    assert_eq!(inside.sync().outcome(), RunOutcome::Held);
    let hold = inside.holds().remove(0);
    assert_eq!((hold.group.as_str(), inside.holds().len()), (WEST, 1), "{hold:?}");
    assert_eq!(places(&inside.world, "E-1"), [EAST]);

    // Approved, and Vitable takes longer than the approval is good for: he has left on that word, and is not left.
    let before = inside.world.sandbox.requests().len();
    inside.world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
    let pass = std::thread::scope(|scope| {
        let run = scope.spawn(|| inside.approve());
        requests(&inside.world, before + 1);
        inside.passes(TimeDelta::hours(73));
        inside.world.sandbox.set_faults(Faults::default());
        run.join().unwrap()
    });
    assert_eq!(pass.outcome(), RunOutcome::Done);
    assert_eq!((places(&inside.world, "E-1"), places(&inside.world, "E-31")), (vec![WEST], vec![WEST]));
    assert!(!open(&inside, "unfinished_move") && !open(&inside, "held"));
    assert_eq!(groups(&taken_since(&inside.world, before)), [EAST, WEST]);
    assert!(inside.holds().is_empty(), "the word is spent");
    removed_only(&inside.world, &[(EAST, "E-1")]);
}

/// 1 and 21 change places, and the west has more rows that cannot be used than may go without a person.
#[test]
fn an_approved_group_that_lets_somebody_go_and_takes_somebody_in_needs_its_word_once() {
    let world = settled(&Setup { guard: "invalid: 0".to_owned(), ..Setup::default() });
    let rows = [people(2..=10, "East"), people(22..=30, "West"), people(41..=50, "South")].concat();
    let unusable = person(60, "West").replace("12180", "1");
    world.arrives("day-2.csv", &[rows, vec![person(1, "West"), person(21, "East"), unusable]].concat());
    world.rosterd(&["sync", "acme"]).ends(3);
    assert_eq!((places(&world, "E-1"), places(&world, "E-21")), (vec![EAST], vec![WEST]));
    world.approve().ends(4);
    assert_eq!((places(&world, "E-1"), places(&world, "E-21")), (vec![WEST], vec![EAST]));
    assert_eq!(world.mailed("unfinished move"), 0, "{:?}", world.mails());
    assert!(world.ledger().holds(None).unwrap().is_empty());
    removed_only(&world, &[(EAST, "E-1"), (WEST, "E-21")]);
}

#[test]
fn a_gaining_group_that_is_refused_when_somebody_has_left_for_it_is_urgent_and_first_in_the_next_run() {
    let world = settled(&Setup::default());
    world.arrives("day-2.csv", &transfer());
    let ran = meanwhile(&world, 2, || world.sandbox.set_faults(next(CallKind::Submit, 400))).ends(1);
    assert!(ran.out.contains("covered nowhere") || ran.out.contains("no group is known"), "{}", ran.out);
    assert!(places(&world, "E-1").is_empty());
    assert_eq!(world.mailed("unfinished move, urgent"), 1, "{:?}", world.mails());
    assert_eq!(world.mailed("acme, group acme-west: submit refused"), 1, "{:?}", world.mails());

    let before = world.sandbox.requests().len();
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(taken_since(&world, before)[0].group, WEST, "first of all");
    assert_eq!(places(&world, "E-1"), [WEST]);
    assert_eq!(world.mailed("move finished"), 1, "{:?}", world.mails());
    removed_only(&world, &[(EAST, "E-1")]);
}

/// 1 and 21 change places. While the groups that they leave are worked on, it comes to light that somebody else writes
/// to the west: what was clear is held.
#[test]
fn a_gaining_group_that_is_held_when_somebody_has_left_for_it_is_urgent_until_it_is_approved() {
    let world = settled(&Setup::default());
    let rows = [people(2..=10, "East"), people(22..=30, "West"), people(41..=50, "South")].concat();
    world.arrives("day-2.csv", &[rows, vec![person(1, "West"), person(21, "East")]].concat());
    let ran = meanwhile(&world, 3, || {
        assert!(world.sandbox.second_writer(WEST, &[], &["E-22"]));
        world.sandbox.set_faults(Faults::default());
    })
    .ends(1);
    assert_eq!((places(&world, "E-1"), places(&world, "E-21")), (vec![], vec![EAST]), "{}", ran.text());
    assert_eq!(world.mailed("unfinished move, urgent"), 1, "{:?}", world.mails());

    // A person is asked at once. Nothing goes to that group without him, and everybody is told why.
    assert_eq!(world.mailed("acme, group acme-west: held"), 1, "{:?}", world.mails());
    assert!(ran.out.contains("rosterd approve 2"), "{}", ran.out);
    let before = world.sandbox.requests().len();
    let held = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(held.out.contains("someone else writes to this group"), "{}", held.out);
    assert!(groups(&taken_since(&world, before)).iter().all(|group| *group != WEST));
    assert_eq!(world.mailed("unfinished move, urgent"), 1, "{:?}", world.mails());
    world.rosterd(&["approve", "2", WEST, "--reason", "looked at it", "--yes"]).ends(0);
    assert_eq!(places(&world, "E-1"), [WEST]);
    assert_eq!(world.mailed("move finished"), 1, "{:?}", world.mails());
    removed_only(&world, &[(EAST, "E-1"), (WEST, "E-21"), (WEST, "E-22")]);
}

/// One group more by the file than there is at Vitable.
fn with_a_new_group() -> World {
    let world = World::new(&Setup { guard: "first_sync: submit".to_owned(), ..Setup::default() });
    edit(&world, "West: acme-west } }", "West: acme-west, North: acme-north }, create_missing: true }");
    edit(&world, "first_sync: submit", "first_sync: hold");
    let rows = [people(1..=10, "East"), people(21..=30, "West")].concat();
    world.arrives("day-1.csv", &rows);
    world.rosterd(&["sync", "acme"]).ends(3);
    for group in [EAST, WEST] {
        world.rosterd(&["approve", "1", group, "--reason", "looked", "--yes"]);
    }
    assert_eq!(world.covered(EAST).len(), 10);
    let rows = [people(2..=10, "East"), people(21..=30, "West"), vec![person(1, "North")]].concat();
    world.arrives("day-2.csv", &[rows, people(61..=63, "North")].concat());
    world
}

fn created(world: &World) -> Vec<CallKind> {
    let calls = world.sandbox.calls().into_iter().map(|call| call.call);
    calls.filter(|call| matches!(call, CallKind::CreateGroup | CallKind::Submit)).collect()
}

#[test]
fn who_moves_into_a_group_that_does_not_exist_yet_stays_until_its_first_sync_is_approved() {
    let world = with_a_new_group();
    let mails = world.mails().len();
    for _ in 0..2 {
        world.rosterd(&["sync", "acme"]).ends(3);
        assert_eq!(places(&world, "E-1"), [EAST], "he stays where he is");
        assert!(world.sandbox.group_id(NORTH).is_none(), "and nothing is created");
    }
    assert_eq!(world.mails().len(), mails + 1, "it is asked for once");
    let before = created(&world).len();
    world.approve().ends(0);
    assert_eq!(world.covered(NORTH), ["E-1", "E-61", "E-62", "E-63"]);
    assert!(places(&world, "E-1").is_empty(), "neither in the east nor in the west any more");
    // The group was there before anybody left for it.
    assert_eq!(created(&world)[before], CallKind::CreateGroup);
    removed_only(&world, &[(EAST, "E-1")]);
    assert_eq!(world.mailed("unfinished move"), 0, "{:?}", world.mails());
}

#[test]
fn nobody_leaves_for_a_group_that_could_not_be_created() {
    let world = with_a_new_group();
    world.rosterd(&["sync", "acme"]).ends(3);
    world.sandbox.set_faults(next(CallKind::CreateGroup, 400));
    let refused = world.approve().ends(1);
    assert!(refused.text().contains("could not be created"), "{}", refused.text());
    assert_eq!(places(&world, "E-1"), [EAST]);
    removed_only(&world, &[]);
    assert_eq!(world.mailed("unfinished move"), 0, "{:?}", world.mails());
    // The approval is not spent by that.
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.covered(NORTH), ["E-1", "E-61", "E-62", "E-63"]);
    removed_only(&world, &[(EAST, "E-1")]);
}
