//! Moves: who goes, who waits, in which round.

use super::world::{Row, World, east};
use crate::decide::{Decision, Limit, Round, Submission, Verdict};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn ids(submission: &Submission) -> BTreeSet<String> {
    submission.members().map(|member| member.record.reference_id().to_owned()).collect()
}

fn first(decision: &Decision) -> BTreeSet<String> {
    let Verdict::Submit { submission, .. } = &decision.verdict else {
        panic!("{} is not sent: {:?}", decision.plan.group, decision.verdict)
    };
    ids(submission)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Two groups of four, of whom `e-1` goes from east to west.
fn transfer() -> World {
    let mut world = World::new();
    world.cover("east", &["e-1", "e-2", "e-3", "e-4"]);
    world.cover("west", &["w-1", "w-2", "w-3", "w-4"]);
    for id in ["e-2", "e-3", "e-4"] {
        world.row(id, Row::Valid, "east");
    }
    for id in ["w-1", "w-2", "w-3", "w-4"] {
        world.row(id, Row::Valid, "west");
    }
    world.row("e-1", Row::Valid, "west");
    world
}

#[test]
fn who_moves_leaves_first_and_joins_second() {
    let decisions = transfer().decide();
    assert_eq!(first(&decisions[0]), set(&["e-2", "e-3", "e-4"]));
    assert!(matches!(decisions[0].round, Round::First));
    assert_eq!(first(&decisions[1]), set(&["e-1", "w-1", "w-2", "w-3", "w-4"]));
    assert!(matches!(decisions[1].round, Round::Second));
    assert!(decisions[1].plan.added.is_empty(), "who comes from another group is not new");
}

#[test]
fn while_the_gaining_group_is_not_clear_the_member_stays_and_the_rest_goes_out() {
    let mut world = transfer();
    world.row("e-9", Row::Valid, "east");
    world.pass_over("west", "a request is in flight");
    let decisions = world.decide();
    assert_eq!(first(&decisions[0]), set(&["e-1", "e-2", "e-3", "e-4", "e-9"]));
    let why = decisions[0].plan.moves[0].waits.clone().unwrap();
    assert!(why.contains("`west`") && why.contains("in flight"), "{why}");
    assert_eq!(decisions[0].plan.removed().count(), 0);

    let mut world = transfer();
    world.second_writer("west");
    let decisions = world.decide();
    assert!(first(&decisions[0]).contains("e-1"));
    assert!(matches!(decisions[1].verdict, Verdict::Hold(_)));
}

#[test]
fn while_the_losing_group_is_not_clear_nobody_joins() {
    let mut world = transfer();
    world.row("w-9", Row::Valid, "west");
    world.second_writer("east");
    let decisions = world.decide();
    assert!(matches!(decisions[0].verdict, Verdict::Hold(_)));
    assert_eq!(first(&decisions[1]), set(&["w-1", "w-2", "w-3", "w-4", "w-9"]));
    assert!(matches!(decisions[1].round, Round::First));
    assert_eq!(decisions[1].plan.arriving.len(), 1);
}

#[test]
fn more_moves_than_the_limit_allows_are_held_and_an_approval_lets_them_go() {
    let mut world = transfer();
    world.guard.moved = Limit { share: 0, people: 0 };
    let decisions = world.decide();
    let Verdict::Hold(held) = &decisions[0].verdict else { panic!("{:?}", decisions[0].verdict) };
    assert!(held.approvable());
    assert_eq!(held.lines, set(&["moved:e-1", "moved_to:e-1:west"]));
    assert_eq!(first(&decisions[1]), set(&["w-1", "w-2", "w-3", "w-4"]));
    world.approve(east(), held);
    let decisions = world.decide();
    assert_eq!(first(&decisions[0]), set(&["e-2", "e-3", "e-4"]));
    assert!(first(&decisions[1]).contains("e-1"));
}

#[test]
fn an_approved_move_that_waits_for_the_other_group_keeps_its_approval() {
    let mut world = transfer();
    world.guard.moved = Limit { share: 0, people: 0 };
    let Verdict::Hold(held) = world.decide().remove(0).verdict else { panic!("held") };
    world.approve(east(), &held);
    world.second_writer("west");
    let Verdict::Hold(waits) = world.decide().remove(0).verdict else { panic!("nothing is spent") };
    assert_eq!(waits.digest, held.digest);
    assert!(waits.reasons.last().unwrap().sentence.contains("approved"), "{waits:?}");
}

#[test]
fn groups_that_swap_people_are_sent_twice() {
    let mut world = World::new();
    world.cover("east", &["a", "b"]);
    world.cover("west", &["c", "d"]);
    for (id, group) in [("a", "west"), ("b", "east"), ("c", "east"), ("d", "west")] {
        world.row(id, Row::Valid, group);
    }
    let decisions = world.decide();
    for (decision, (now, then)) in decisions.iter().zip([("b", "c"), ("d", "a")]) {
        assert_eq!(first(decision), set(&[now]));
        let Round::Both(second) = &decision.round else { panic!("{:?}", decision.round) };
        assert_eq!(ids(second), set(&[now, then]));
    }
}

/// One person goes round in each of three groups.
fn ring() -> World {
    let mut world = World::new();
    for (group, ids) in [("a", ["a-1", "a-2"]), ("b", ["b-1", "b-2"]), ("c", ["c-1", "c-2"])] {
        world.cover(group, &ids);
    }
    for (id, group) in [("a-1", "b"), ("a-2", "a"), ("b-1", "c"), ("b-2", "b"), ("c-1", "a"), ("c-2", "c")] {
        world.row(id, Row::Valid, group);
    }
    world
}

#[test]
fn a_ring_of_three_groups_is_sent_without_those_who_come_and_then_with_them() {
    let decisions = ring().decide();
    for (decision, (stays, comes)) in decisions.iter().zip([("a-2", "c-1"), ("b-2", "a-1"), ("c-2", "b-1")]) {
        assert_eq!(first(decision), set(&[stays]));
        let Round::Both(second) = &decision.round else { panic!("{:?}", decision.round) };
        assert_eq!(ids(second), set(&[stays, comes]));
    }
}

#[test]
fn a_ring_with_one_group_in_flight_moves_only_between_the_other_two() {
    let mut world = ring();
    world.pass_over("c", "a request is in flight");
    let decisions = world.decide();
    assert_eq!(first(&decisions[0]), set(&["a-2"]), "a-1 goes to b; c-1 cannot leave c");
    assert!(first(&decisions[1]).contains("b-1"), "c is not clear, so b-1 stays");
    let Round::Both(second) = &decisions[1].round else {
        assert!(matches!(decisions[1].round, Round::Second), "{:?}", decisions[1].round);
        assert_eq!(first(&decisions[1]), set(&["a-1", "b-1", "b-2"]));
        return;
    };
    panic!("b lets nobody go: {second:?}");
}

#[test]
fn who_is_covered_in_two_groups_leaves_one_of_them_and_joins_none() {
    let mut world = World::new();
    world.cover("east", &["a", "b"]);
    world.cover("west", &["a", "c"]);
    for (id, group) in [("a", "west"), ("b", "east"), ("c", "west")] {
        world.row(id, Row::Valid, group);
    }
    let decisions = world.decide();
    assert_eq!(first(&decisions[0]), set(&["b"]));
    assert_eq!(first(&decisions[1]), set(&["a", "c"]));
    assert!(matches!(decisions[1].round, Round::First));
}

#[test]
fn who_is_covered_nowhere_by_an_unfinished_move_does_not_count_as_added() {
    let mut world = World::new();
    world.guard.added = Limit { share: 0, people: 0 };
    world.cover("east", &["a"]);
    world.row("a", Row::Valid, "east");
    world.row("b", Row::Valid, "east");
    assert!(matches!(world.decide().remove(0).verdict, Verdict::Hold(_)));
    world.unfinished("east", "b");
    let decision = world.decide().remove(0);
    assert_eq!(first(&decision), set(&["a", "b"]));
    assert!(decision.plan.finishes_moves);
}

#[test]
fn who_is_covered_nowhere_does_not_wait_for_those_who_are_to_leave_another_group() {
    let mut world = transfer();
    world.row("n-1", Row::Valid, "west");
    world.unfinished("west", "n-1");
    let decisions = world.decide();
    let west = decisions.iter().find(|each| each.plan.group.as_str() == "west").unwrap();
    assert!(west.plan.finishes_moves && west.plan.leaving().next().is_none());
    let Round::Both(last) = &west.round else { panic!("{:?}", west.round) };
    assert!(first(west).contains("n-1") && !first(west).contains("e-1"), "{:?}", first(west));
    assert_eq!(last.len(), first(west).len() + 1);
}

#[test]
fn a_reference_in_two_groups_of_one_read_holds_both() {
    let mut world = transfer();
    world.row("e-1", Row::Valid, "east");
    let decisions = world.decide();
    for decision in &decisions {
        let Verdict::Hold(held) = &decision.verdict else { panic!("{:?}", decision.verdict) };
        assert!(held.lines.contains("duplicate:e-1"), "{held:?}");
    }
}

proptest! {
    /// Whatever moves and whatever is held: who is covered and eligible is in the roster of a group that covers him, or
    /// leaves it for one whose roster of the second round has him.
    #[test]
    fn nobody_falls_between_two_groups(
        covered in prop::collection::vec(prop_oneof![Just(None), (0..3_usize).prop_map(Some)], 16),
        rows in prop::collection::vec(prop_oneof![1 => Just(None), 8 => (0..3_usize).prop_map(Some)], 16),
        blocked in prop::collection::vec(prop::bool::weighted(0.3), 3),
        limits in (0..5_u64, 0..5_u64, 0..5_u64),
        approved in prop::collection::vec(any::<bool>(), 3),
    ) {
        const GROUPS: [&str; 3] = ["a", "b", "c"];
        let mut world = World::new();
        world.guard.moved = Limit { share: 0, people: limits.0 };
        world.guard.added = Limit { share: 0, people: limits.1 };
        world.guard.absent = Limit { share: 0, people: limits.2 };
        let id = |n: usize| format!("e-{n}");
        for (at, group) in GROUPS.into_iter().enumerate() {
            let ids: Vec<String> = (0..16).filter(|&n| covered[n] == Some(at)).map(id).collect();
            world.cover(group, &ids.iter().map(String::as_str).collect::<Vec<_>>());
            if blocked[at] {
                world.pass_over(group, "in flight");
            }
        }
        for (n, row) in rows.iter().enumerate() {
            if let Some(group) = row {
                world.row(&id(n), Row::Valid, GROUPS[*group]);
            }
        }
        for (at, decision) in world.decide().into_iter().enumerate() {
            if let (Verdict::Hold(held), true) = (decision.verdict, approved[at]) {
                world.approve(GROUPS[at], &held);
            }
        }
        let decisions = world.decide();
        let mut after: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        for (at, decision) in decisions.iter().enumerate() {
            let now = (0..16).filter(|&n| covered[n] == Some(at)).map(id).collect();
            let Verdict::Submit { submission, .. } = &decision.verdict else {
                after.insert(at, now);
                continue;
            };
            let second = match &decision.round {
                Round::First | Round::Second => submission,
                Round::Both(second) => second,
            };
            if matches!(decision.round, Round::Both(_)) {
                prop_assert!(ids(submission).is_subset(&ids(second)));
            }
            after.insert(at, ids(second));
        }
        for n in 0..16 {
            let places: Vec<usize> = (0..3).filter(|at| after[at].contains(&id(n))).collect();
            prop_assert!(places.len() <= 1, "e-{n} is in {places:?}");
            if let (Some(_), Some(to)) = (covered[n], rows[n]) {
                prop_assert_eq!(places.len(), 1, "e-{} is nowhere", n);
                let sent = matches!(decisions[places[0]].verdict, Verdict::Submit { .. });
                if places[0] != to {
                    prop_assert_eq!(Some(places[0]), covered[n], "who does not go stays");
                    let waits = decisions[places[0]].plan.moves.iter().any(|each| each.waits.is_some());
                    prop_assert!(!sent || waits);
                }
            }
        }
    }
}

#[test]
fn labels_that_were_exchanged_send_no_empty_roster_and_move_nobody() {
    let mut world = World::new();
    world.cover("east", &["e-1", "e-2", "e-3"]);
    world.cover("west", &["w-1", "w-2", "w-3"]);
    for id in ["e-1", "e-2", "e-3"] {
        world.row(id, Row::Valid, "west");
    }
    for id in ["w-1", "w-2", "w-3"] {
        world.row(id, Row::Valid, "east");
    }
    for decision in world.decide() {
        assert_eq!(decision.plan.removed().count(), 0);
        assert_eq!(first(&decision).len(), 3, "{}", decision.plan.group);
        assert!(matches!(decision.round, Round::First));
        let why = decision.plan.moves[0].waits.clone().unwrap();
        assert!(why.contains("only 0"), "{why}");
    }
}

#[test]
fn an_approved_move_goes_where_it_was_approved_to() {
    let mut world = transfer();
    world.guard.moved = Limit { share: 0, people: 0 };
    let Verdict::Hold(held) = world.decide()[0].verdict.clone() else { panic!("one moves") };
    world.approve("east", &held);
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }));
    world.cover("north", &["n-1"]);
    world.row("n-1", Row::Valid, "north");
    world.forget("e-1");
    world.row("e-1", Row::Valid, "north");
    assert!(matches!(world.decide()[0].verdict, Verdict::Hold(_)), "to the north nobody let him go");
}
