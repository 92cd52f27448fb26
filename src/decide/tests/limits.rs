//! One table for each limit of the guard, at groups of 1, 3, 8 and 1,000 members.

use super::world::{Row, World};
use crate::{
    decide::{Limit, Verdict},
    roster::Ineligible,
};

/// The largest number that passes in a group of this many members, for the limit's default.
const SIZES: [usize; 4] = [1, 3, 8, 1_000];

/// Builds a group of `size` in which `changed` members have this row (`None`: no row at all).
fn group_of(size: usize, changed: usize, row: Option<Row>) -> World {
    let mut world = World::new();
    // What is tested is one limit: the others are wide open.
    let open = Limit { share: 100, people: u64::MAX };
    for limit in [
        &mut world.guard.absent,
        &mut world.guard.ended,
        &mut world.guard.ineligible,
        &mut world.guard.added,
        &mut world.guard.plan_changes,
        &mut world.guard.invalid,
    ] {
        *limit = open;
    }
    let ids: Vec<String> = (0..size).map(|n| format!("e-{n}")).collect();
    world.cover("east", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, id) in ids.iter().enumerate() {
        match row {
            Some(row) if n < changed => world.row(id, row, "east"),
            None if n < changed => {}
            Some(_) | None => world.row(id, Row::Valid, "east"),
        }
    }
    // Somebody stays, so that the roster is never empty.
    world.row("stays", Row::Valid, "east");
    world
}

/// `passes` and one more: the first is submitted, the second held for `rule`.
fn check(rule: &str, size: usize, passes: usize, world: impl Fn(usize) -> World) {
    let verdict = |changed| world(changed).decide().remove(0).verdict;
    assert!(matches!(verdict(passes), Verdict::Submit { .. }), "{rule}: {passes} of {size} pass");
    if passes < size || rule == "added" {
        let Verdict::Hold(held) = verdict(passes + 1) else {
            panic!("{rule}: {} of {size} hold", passes + 1)
        };
        let rules: Vec<_> = held.reasons.iter().map(|reason| reason.rule).collect();
        assert_eq!(rules, [rule], "{} of {size}", passes + 1);
    }
}

#[test]
fn each_limit_at_each_size() {
    // The largest number that passes at 1, 3, 8 and 1,000 members, from the defaults of `config.md`.
    for (size, passes) in SIZES.into_iter().zip([1, 1, 1, 50]) {
        check("absent", size, passes, |n| {
            let mut world = group_of(size, n, None);
            world.guard.absent = Limit { share: 5, people: 1 };
            world
        });
        check("ineligible", size, passes, |n| {
            let mut world = group_of(size, n, Some(Row::Ineligible(Ineligible::When)));
            world.guard.ineligible = Limit { share: 5, people: 1 };
            world
        });
    }
    for (size, passes) in SIZES.into_iter().zip([1, 3, 3, 200]) {
        check("ended", size, passes, |n| {
            let mut world = group_of(size, n, Some(Row::Ended));
            world.guard.ended = Limit { share: 20, people: 3 };
            world
        });
    }
    for (size, passes) in SIZES.into_iter().zip([1, 3, 3, 100]) {
        check("plan_changes", size, passes, |n| {
            let mut world = group_of(size, n, Some(Row::OtherPlan));
            world.guard.plan_changes = Limit { share: 10, people: 3 };
            world
        });
    }
    for (size, passes) in SIZES.into_iter().zip([1, 3, 3, 50]) {
        check("invalid", size, passes, |n| {
            let mut world = group_of(size, n, Some(Row::Unusable));
            world.guard.invalid = Limit { share: 5, people: 3 };
            world
        });
    }
    for (size, passes) in SIZES.into_iter().zip([10, 10, 10, 500]) {
        check("added", size, passes, |n| {
            let mut world = group_of(size, 0, None);
            world.guard.added = Limit { share: 50, people: 10 };
            // `stays` is one of the added.
            for new in 1..n {
                world.row(&format!("new-{new}"), Row::Valid, "east");
            }
            world
        });
    }
}

#[test]
fn adds_that_failed_before_are_not_counted_again() {
    let mut world = group_of(3, 0, None);
    world.guard.added = Limit { share: 0, people: 1 };
    world.row("again", Row::Valid, "east");
    assert!(matches!(world.decide()[0].verdict, Verdict::Hold(_)), "two are added");
    world.failed_before("east", "again");
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }));
}

#[test]
fn the_largest_and_the_smallest_roster() {
    let mut world = group_of(3, 0, None);
    world.max_members = 4;
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }));
    world.max_members = 3;
    assert!(matches!(world.decide()[0].verdict, Verdict::Hold(_)));
    world.max_members = 4;
    world.guard.min_members = 4;
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }));
    world.guard.min_members = 5;
    assert!(matches!(world.decide()[0].verdict, Verdict::Hold(_)));
}

#[test]
fn a_limit_is_the_larger_of_its_two_parts_rounded_down() {
    let limit = Limit { share: 5, people: 1 };
    for (covered, allowed) in [(0, 1), (1, 1), (39, 1), (40, 2), (59, 2), (1_000, 50)] {
        assert_eq!(limit.allows(covered), allowed);
    }
    assert_eq!(Limit { share: 100, people: 0 }.allows(u64::MAX), u64::MAX);
}
