//! What the limits of the guard have beside the truth table.

use super::world::{Row, World};
use crate::decide::{Limit, Verdict};

fn three() -> World {
    let mut world = World::new();
    world.cover("east", &["e-0", "e-1", "e-2"]);
    for id in ["e-0", "e-1", "e-2", "new"] {
        world.row(id, Row::Valid, "east");
    }
    world
}

#[test]
fn adds_that_failed_before_are_not_counted_again() {
    let mut world = three();
    world.guard.added = Limit { share: 0, people: 1 };
    world.row("again", Row::Valid, "east");
    assert!(matches!(world.decide()[0].verdict, Verdict::Hold(_)), "two are added");
    world.failed_before("east", "again");
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }));
}

#[test]
fn the_largest_and_the_smallest_roster() {
    let mut world = three();
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
