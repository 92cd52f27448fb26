//! People who go from one group of a feed to another: covered in one of them at every moment that rosterd can bring
//! about, and told of urgently where it cannot.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    daemon::{Daemon, until},
    world::{Ran, Setup, World, people, person},
};
use rosterd::{
    ledger::CRASH_POINTS,
    sandbox::{Answer, CallKind, FailMember, Faults, NextAnswer},
};
use std::{process::Stdio, sync::Mutex, time::Duration};

const EAST: &str = "acme-east";
const WEST: &str = "acme-west";

fn setup(guard: &str) -> Setup {
    let guard = if guard.is_empty() { String::new() } else { format!(", {guard}") };
    Setup { guard: format!("first_sync: submit{guard}"), ..Setup::default() }
}

/// East has 1 to 10 and west 21 to 25; both are in step.
fn settled(setup: &Setup) -> World {
    let world = World::new(setup);
    world.arrives("day-1.csv", &[people(1..=10, "East"), people(21..=25, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(0);
    world
}

/// 1 has gone to the west.
fn transfer() -> Vec<String> {
    let mut rows = [people(2..=10, "East"), people(21..=25, "West")].concat();
    rows.push(person(1, "West"));
    rows
}

/// Where somebody is covered.
fn places(world: &World, id: &str) -> Vec<&'static str> {
    [EAST, WEST].into_iter().filter(|group| world.covered(group).iter().any(|each| each == id)).collect()
}

/// The groups of every request that Vitable took, in their order.
fn taken(world: &World) -> Vec<String> {
    world.sandbox.requests().into_iter().map(|request| request.group).collect()
}

/// Waits until Vitable has taken so many requests.
fn requests(world: &World, number: usize) {
    until(
        "so many requests are taken",
        || (world.sandbox.requests().len() >= number).then_some(()),
        || format!("{:?}", world.sandbox.requests()),
    );
}

fn refuse_the_next(call: CallKind) -> Faults {
    let status = Answer::Status { status: 400, retry_after: None };
    Faults { next: vec![NextAnswer::new(call, 1, status)], ..Faults::default() }
}

/// From now on Vitable does not carry out this operation for 1.
fn does_not_apply(world: &World, operation: &str, reason: &str) {
    let member = FailMember {
        reference_id: "E-1".to_owned(),
        operation: operation.to_owned(),
        reason: reason.to_owned(),
    };
    world.sandbox.set_faults(Faults { fail_members: vec![member], ..Faults::default() });
}

#[test]
fn who_moves_is_taken_out_first_and_added_at_once() {
    let world = settled(&setup(""));
    world.arrives("day-2.csv", &transfer());
    let plan = world.rosterd(&["plan", "acme", "--json"]).ends(0);
    let plan: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    let before = world.sandbox.submits().len();
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(places(&world, "E-1"), [WEST]);
    assert_eq!(taken(&world)[2..], [EAST, WEST], "the group that he leaves goes first, each once");
    // What was planned is what was sent, byte for byte, in the second round too.
    let groups = plan["runs"][0]["run"]["groups"].as_array().unwrap();
    for (group, call) in groups.iter().zip(&world.sandbox.submits()[before..]) {
        assert_eq!(group["body"]["sha256"].as_str(), call.sha256.as_deref(), "{group}");
    }
    assert_eq!(groups[1]["members"]["joining"][0], "E-1");
    // And it is at rest: nobody moves again.
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(places(&world, "E-1"), [WEST]);
    assert!(world.mails().is_empty(), "{:?}", world.mails());
    assert!(world.ledger().open_moves(None).unwrap().is_empty());
}

#[test]
fn groups_that_swap_people_are_submitted_twice_in_one_run() {
    let world = settled(&setup(""));
    let mut rows = [people(2..=10, "East"), people(22..=25, "West")].concat();
    rows.extend([person(1, "West"), person(21, "East")]);
    world.arrives("day-2.csv", &rows);
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!((places(&world, "E-1"), places(&world, "E-21")), (vec![WEST], vec![EAST]));
    let mut sent = taken(&world)[2..].to_vec();
    assert_eq!(sent.len(), 4, "{sent:?}");
    sent[..2].sort_unstable();
    assert_eq!(sent[..2], [EAST, WEST], "first both without those who come in");
    let shown = world.json(&["show", "2", "--json"]);
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 4);
}

#[test]
fn more_moves_than_the_guard_allows_wait_for_a_person_and_then_go() {
    let world = settled(&setup("moved: 0"));
    world.arrives("day-2.csv", &transfer());
    world.rosterd(&["sync", "acme"]).ends(3);
    assert_eq!(places(&world, "E-1"), [EAST]);
    assert_eq!(world.mailed("held"), 1);
    world.approve().ends(0);
    assert_eq!(places(&world, "E-1"), [WEST]);
    assert_eq!(world.mailed("no longer held"), 1, "{:?}", world.mails());
}

#[test]
fn a_move_waits_for_the_gaining_group_and_both_may_be_approved_one_after_the_other() {
    let world = settled(&setup("moved: 0, added: 0"));
    let mut rows = transfer();
    rows.push(person(30, "West"));
    world.arrives("day-2.csv", &rows);
    world.rosterd(&["sync", "acme"]).ends(3);
    let ran = world.rosterd(&["approve", "2", EAST, "--reason", "checked", "--yes"]).ends(3);
    assert!(ran.text().contains("approved, and waits"), "{}", ran.text());
    assert_eq!(places(&world, "E-1"), [EAST], "nobody leaves for a group that may not take him");
    world.rosterd(&["approve", "2", WEST, "--reason", "checked", "--yes"]).ends(0);
    assert_eq!((places(&world, "E-1"), places(&world, "E-30")), (vec![WEST], vec![WEST]));
}

#[test]
fn while_only_one_group_is_asked_for_nobody_leaves_it() {
    let world = settled(&setup(""));
    world.arrives("day-2.csv", &transfer());
    world.rosterd(&["sync", "acme", "--group", EAST]).ends(0);
    assert_eq!(places(&world, "E-1"), [EAST]);
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(places(&world, "E-1"), [WEST]);
}

#[test]
fn a_transfer_whose_losing_group_is_refused_does_not_happen_and_the_rest_does() {
    let world = settled(&setup(""));
    let mut rows = transfer();
    rows.push(person(30, "West"));
    world.arrives("day-2.csv", &rows);
    world.sandbox.set_faults(refuse_the_next(CallKind::Submit));
    world.rosterd(&["sync", "acme"]).ends(1);
    assert_eq!(places(&world, "E-1"), [EAST]);
    assert_eq!(places(&world, "E-30"), [WEST], "who does not move is not kept waiting");
    assert_eq!(world.mailed("unfinished move"), 0);
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(places(&world, "E-1"), [WEST]);
}

#[test]
fn a_remove_that_vitable_did_not_carry_out_moves_nobody() {
    let world = settled(&setup(""));
    world.arrives("day-2.csv", &transfer());
    does_not_apply(&world, "remove", "not now");
    world.rosterd(&["sync", "acme"]).ends(4);
    assert_eq!(places(&world, "E-1"), [EAST]);
    assert_eq!(world.mailed("unfinished move"), 0);
    world.sandbox.set_faults(Faults::default());
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(places(&world, "E-1"), [WEST]);
}

#[test]
fn a_transfer_whose_gaining_group_does_not_take_him_is_urgent_until_it_does() {
    let world = settled(&setup("added: 0"));
    world.arrives("day-2.csv", &transfer());
    does_not_apply(&world, "add", "Member already has an active subscription!");
    world.rosterd(&["sync", "acme"]).ends(1);
    assert!(places(&world, "E-1").is_empty());
    assert_eq!(world.mailed("unfinished move, urgent"), 1, "{:?}", world.mails());
    world.sandbox.set_faults(Faults::default());
    // The guard has let him pass when he left: he is nobody new.
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(places(&world, "E-1"), [WEST]);
    assert_eq!(world.mailed("move finished"), 1, "{:?}", world.mails());
}

#[test]
fn who_has_left_altogether_meanwhile_waits_for_no_group() {
    let world = settled(&setup(""));
    world.arrives("day-2.csv", &transfer());
    does_not_apply(&world, "add", "not now");
    world.rosterd(&["sync", "acme"]).ends(1);
    world.arrives("day-3.csv", &[people(2..=10, "East"), people(21..=25, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.mailed("move finished"), 1);
    assert!(world.ledger().open_moves(None).unwrap().is_empty());
}

#[test]
fn who_is_covered_nowhere_is_not_forgotten_because_many_rows_are_gone() {
    let world = settled(&setup(""));
    let moved: Vec<String> = (1..=3).map(|number| person(number, "West")).collect();
    world.arrives("day-2.csv", &[people(4..=10, "East"), people(21..=25, "West"), moved].concat());
    let next = vec![NextAnswer::new(CallKind::Submit, 1, Answer::Status { status: 400, retry_after: None })];
    // The east lets them go, and the west refuses.
    std::thread::scope(|scope| {
        world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
        let before = world.sandbox.requests().len();
        let sync = scope.spawn(|| world.rosterd(&["sync", "acme"]).ends(1));
        until(
            "the east is sent",
            || (world.sandbox.requests().len() > before).then_some(()),
            || format!("{:?}", world.sandbox.requests()),
        );
        world.sandbox.set_faults(Faults { next, ..Faults::default() });
        sync.join().unwrap();
    });
    assert!((1..=3).all(|number| places(&world, &format!("E-{number}")).is_empty()));
    assert_eq!(world.ledger().open_moves(None).unwrap().len(), 3);
    // Their rows are gone with the next file: that says nothing of where they belong.
    world.arrives("day-3.csv", &[people(4..=10, "East"), people(21..=25, "West")].concat());
    world.rosterd(&["sync", "acme"]);
    assert_eq!(world.ledger().open_moves(None).unwrap().len(), 3);
    assert_eq!(world.mailed("move finished"), 0, "{:?}", world.mails());
}

#[test]
fn a_losing_group_that_is_stuck_keeps_its_people_and_holds_nobody_else_up() {
    let setup =
        Setup { poll: "first: 1s, max: 1s, stuck_after: 2s, give_up_after: 8s".to_owned(), ..setup("") };
    let world = settled(&setup);
    let mut rows = transfer();
    rows.push(person(30, "West"));
    world.arrives("day-2.csv", &rows);
    world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
    std::thread::scope(|scope| {
        let sync = scope.spawn(|| world.rosterd(&["sync", "acme"]).ends(1));
        // The group that he would go to is sent without him while the other one hangs.
        let sent = || world.sandbox.requests().into_iter().filter(|each| each.completed_at.is_none()).count();
        until(
            "the other group is sent",
            || (sent() == 2).then_some(()),
            || format!("{:?}", world.sandbox.requests()),
        );
        assert_eq!(world.sandbox.requests().last().unwrap().members, 6, "21 to 25 and 30, without 1");
        sync.join().unwrap();
    });
    assert_eq!(places(&world, "E-1"), [EAST]);
}

/// One run with a transfer that dies at the crash point when it comes there for the `nth` time, and what the next
/// one makes of it. Whether it died.
fn dies_at(point: &str, nth: usize) -> bool {
    let crash = format!("{point}:{nth}");
    let setup = Setup { poll: "first: 1s, max: 1s, stuck_after: 1s".to_owned(), ..setup("added: 0") };
    let world = settled(&setup);
    world.arrives("day-2.csv", &transfer());
    let mut command = world.command(&["sync", "acme"]);
    let ran = Ran::of(command.env("ROSTERD_CRASH_AT", &crash).output().unwrap());
    let died = ran.code.is_none();
    let nowhere = places(&world, "E-1").is_empty();
    // At most twice more: an answer that was lost is waited for, and the roster is sent again.
    for _ in 0..4 {
        let ran = world.rosterd(&["sync", "acme"]);
        assert!(!ran.text().contains("panicked"), "{crash}: {}", ran.text());
        if ran.code == Some(0) && places(&world, "E-1") == [WEST] {
            break;
        }
        // After a lost answer the next roster waits for `stuck_after`.
        std::thread::park_timeout(Duration::from_millis(1_100));
    }
    assert_eq!(places(&world, "E-1"), [WEST], "{crash}, nowhere after the crash: {nowhere}");
    assert_eq!(world.covered(EAST).len(), 9, "{crash}");
    assert_eq!(world.covered(WEST).len(), 6, "{crash}");
    for group in [EAST, WEST] {
        let removed: Vec<String> =
            world.sandbox.removed(group).into_iter().map(|each| each.reference_id).collect();
        assert!(removed.iter().all(|id| group == EAST && id == "E-1"), "{crash}: {removed:?}");
    }
    died
}

#[test]
fn a_death_at_any_moment_of_a_transfer_leaves_nobody_between_two_groups() {
    let points = Mutex::new(CRASH_POINTS.iter());
    let deaths = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                loop {
                    let next = points.lock().unwrap().next();
                    let Some(point) = next else { return };
                    let died = (1..=4).take_while(|nth| dies_at(point, *nth)).count();
                    *deaths.lock().unwrap() += died;
                }
            });
        }
    });
    assert!(*deaths.lock().unwrap() > 15, "the transfer comes to few of the points");
}

/// The answer to the gaining group's roster is lost, and the roster with it.
fn loses_the_gaining_roster() -> Faults {
    let lost = Answer::Close { processed: false };
    Faults { next: vec![NextAnswer::new(CallKind::Submit, 1, lost)], ..Faults::default() }
}

#[test]
fn a_lost_answer_of_the_gaining_group_covers_nobody() {
    let setup = Setup { poll: "first: 1s, max: 1s, stuck_after: 4s".to_owned(), ..setup("added: 0") };
    let world = settled(&setup);
    world.arrives("day-2.csv", &transfer());
    // The losing group's roster is answered first, and then the connection of the gaining group's one breaks.
    world.sandbox.set_faults(Faults { processing_ms: Some(1_500), ..Faults::default() });
    std::thread::scope(|scope| {
        let sync = scope.spawn(|| world.rosterd(&["sync", "acme"]).ends(1));
        requests(&world, 3);
        world.sandbox.set_faults(loses_the_gaining_roster());
        sync.join().unwrap();
    });
    assert_eq!(places(&world, "E-1"), [""; 0]);
    assert_eq!(world.ledger().open_moves(None).unwrap().len(), 1, "nobody knows that he is covered");
    assert_eq!(world.mailed("unfinished move, urgent"), 1, "{:?}", world.mails());
    assert_eq!(world.mailed("move finished"), 0);
    for _ in 0..8 {
        std::thread::park_timeout(Duration::from_millis(1_100));
        if world.rosterd(&["sync", "acme"]).code == Some(0) {
            break;
        }
    }
    assert_eq!(places(&world, "E-1"), [WEST]);
    assert!(world.ledger().open_moves(None).unwrap().is_empty());
    assert_eq!(world.mailed("move finished"), 1, "{:?}", world.mails());
}

#[test]
fn a_read_that_nobody_accepted_forgets_no_move() {
    let world = settled(&setup("added: 0, fewer_rows: 0"));
    world.arrives("day-2.csv", &transfer());
    does_not_apply(&world, "add", "not now");
    world.rosterd(&["sync", "acme"]).ends(1);
    world.sandbox.set_faults(Faults::default());
    // His row is missing from a file that is shorter than it should be.
    world.arrives("day-3.csv", &[people(2..=10, "East"), people(21..=25, "West")].concat());
    world.rosterd(&["sync", "acme"]);
    assert_eq!(
        world.ledger().open_moves(None).unwrap().len(),
        1,
        "the read was held, and says nothing of him"
    );
    assert_eq!(world.mailed("move finished"), 0, "{:?}", world.mails());
    world.arrives("day-4.csv", &transfer());
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(places(&world, "E-1"), [WEST]);
}

#[test]
fn who_is_let_go_late_is_taken_in_by_the_same_run() {
    let setup =
        Setup { poll: "first: 1s, max: 1s, stuck_after: 2s, give_up_after: 60s".to_owned(), ..setup("") };
    let world = settled(&setup);
    let mut rows = transfer();
    rows.push(person(30, "West"));
    world.arrives("day-2.csv", &rows);
    world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
    std::thread::scope(|scope| {
        let sync = scope.spawn(|| world.rosterd(&["sync", "acme"]));
        requests(&world, 4);
        world.sandbox.set_faults(Faults::default());
        sync.join().unwrap();
    });
    assert_eq!((places(&world, "E-1"), places(&world, "E-30")), (vec![WEST], vec![WEST]));
    assert_eq!(world.mailed("unfinished move"), 0, "{:?}", world.mails());
}

#[test]
fn a_daemon_that_died_while_a_group_let_somebody_go_brings_him_to_the_other_one_by_itself() {
    let world = settled(&setup("added: 0"));
    let daemon = Daemon::start(&world);
    world.arrives("day-2.csv", &transfer());
    world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
    let mut sync =
        world.command(&["sync", "acme"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(
        "the losing group is on its way",
        || (world.sandbox.requests().len() == 3).then_some(()),
        || daemon.said(),
    );
    daemon.says("Vitable accepted the roster");
    daemon.kill();
    sync.wait().unwrap();
    let daemon = Daemon::start(&world);
    // Its own run finds the request in flight, moves nobody, and sends the other group as it is.
    until("the run goes on", || (world.sandbox.requests().len() == 4).then_some(()), || daemon.said());
    assert_eq!(world.sandbox.requests()[3].members, 5, "21 to 25, without 1");
    world.sandbox.set_faults(Faults::default());
    until(
        "he is covered where his row says",
        || (places(&world, "E-1") == [WEST]).then_some(()),
        || daemon.said(),
    );
    daemon.stop();
}
