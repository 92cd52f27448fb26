//! Who is who: the pairs of `renamed_ids`, another person under a known reference, one person twice.

use super::world::{Row, World};
use crate::{
    decide::{Asked, Verdict, asked, look_alikes},
    roster::Fingerprint,
};

fn pairs(world: &World) -> Vec<Vec<String>> {
    let pair = |(old, new): &(_, _)| format!("{old} to {new}");
    world.decide().iter().map(|each| each.plan.renamed.iter().map(pair).collect()).collect()
}

#[test]
fn a_person_who_leaves_one_group_and_comes_into_another_under_another_reference_holds_both() {
    let mut world = World::new();
    world.cover("east", &["e-1", "e-2", "e-3"]);
    world.cover("west", &["w-1", "w-2", "w-3"]);
    for (id, group) in [("e-2", "east"), ("e-3", "east"), ("w-1", "west"), ("w-2", "west"), ("w-3", "west")] {
        world.row(id, Row::Valid, group);
    }
    world.row("n-1~e-1", Row::Valid, "west");
    assert_eq!(pairs(&world), [["e-1 to n-1~e-1"], ["e-1 to n-1~e-1"]]);
    for (group, decision) in ["east", "west"].into_iter().zip(world.decide()) {
        let Verdict::Hold(held) = decision.verdict else { panic!("{group} is held") };
        assert_eq!(held.lines.iter().collect::<Vec<_>>(), ["renamed:e-1:n-1~e-1"]);
        world.approve(group, &held);
    }
    for decision in world.decide() {
        assert!(matches!(decision.verdict, Verdict::Submit { approval: Some(_), .. }));
    }
}

#[test]
fn each_reference_is_in_one_pair_whatever_the_order_of_the_rows() {
    let rows = ["new-2~twin", "new-1~twin", "new-3~twin"];
    let mut found = Vec::new();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut world = World::new();
        world.cover("east", &["old-2~twin", "old-1~twin", "stays"]);
        world.row("stays", Row::Valid, "east");
        order.into_iter().for_each(|at| world.row(rows[at], Row::Valid, "east"));
        found.push(pairs(&world).remove(0));
    }
    assert_eq!(found[0], ["old-1~twin to new-1~twin", "old-2~twin to new-2~twin"]);
    assert!(found.iter().all(|each| *each == found[0]), "{found:?}");
}

#[test]
fn who_stays_moves_or_is_somebody_else_is_no_pair() {
    let mut world = World::new();
    world.cover("east", &["e-1", "e-2", "e-3"]);
    world.cover("west", &["w-1"]);
    world.row("e-1", Row::Valid, "east");
    world.row("e-2", Row::Valid, "west");
    world.row("w-1", Row::Valid, "west");
    // Somebody with the name of each of them: who stays, who moves; and a new name for who leaves.
    for id in ["n-1~e-1", "n-2~e-2", "n-3"] {
        world.row(id, Row::Valid, "east");
    }
    assert!(pairs(&world).iter().all(Vec::is_empty), "{:?}", pairs(&world));
}

#[test]
fn another_person_under_a_known_reference_is_held_also_when_he_moves() {
    for group in ["east", "west"] {
        let mut world = World::new();
        world.cover("east", &["e-1", "e-2"]);
        world.cover("west", &["w-1"]);
        world.row("e-1", Row::AnotherPerson, group);
        world.row("e-2", Row::Married, "east");
        world.row("w-1", Row::Corrected, "west");
        let decision = world.decide().remove(0);
        let Verdict::Hold(held) = decision.verdict else { panic!("e-1 is another person in {group}") };
        assert!(held.lines.iter().any(|line| line.starts_with("changed_person:e-1:")), "{:?}", held.lines);
        assert_eq!(decision.plan.changed_people.len(), 1);
        assert!(world.decide()[1].plan.changed_people.is_empty());
    }
}

#[test]
fn the_fields_of_whoever_leaves_or_has_changed_are_asked_for_and_of_nobody_else() {
    let mut world = World::new();
    world.cover("east", &["kept"]);
    for (id, row) in
        [("kept", Row::Valid), ("changed", Row::Changed), ("ended", Row::Ended), ("bad", Row::Unusable)]
    {
        world.row(id, row, "east");
    }
    let people = world.people();
    let of = |id: &str, whole| {
        let asked = asked(&people, &world.key, Some(0), (id, whole));
        let Asked { fields, leaves } = asked;
        (fields, leaves)
    };
    let whole = |id| world.key.whole(super::world::record(id, Row::Valid).view());
    assert_eq!(of("kept", whole("kept")), (false, false));
    assert_eq!(of("changed", whole("changed")), (true, false));
    assert_eq!(of("bad", Fingerprint(0)), (false, false));
    assert_eq!(of("ended", whole("ended")), (true, true));
    assert_eq!(of("nobody", Fingerprint(0)), (true, true));
}

#[test]
fn two_members_with_one_mail_address_and_date_of_birth_are_named_in_pairs() {
    let mut world = World::new();
    world.cover("east", &[]);
    for (id, row, group) in [
        // The mail address has the letters and digits of the reference alone.
        ("a1", Row::Valid, "east"),
        ("A-1", Row::Valid, "east"),
        ("a.1", Row::Valid, "unlisted"),
        ("a/1", Row::Ended, "east"),
        ("a:1", Row::Corrected, "east"),
        ("b1", Row::WithoutEmail, "east"),
        ("b-1", Row::WithoutEmail, "east"),
        ("c1", Row::Valid, "east"),
    ] {
        world.row(id, row, group);
    }
    let pairs: Vec<_> =
        look_alikes(&world.people()).iter().map(|(one, other)| format!("{one} {other}")).collect();
    assert_eq!(pairs, ["A-1 a1"]);
}

#[test]
fn who_comes_from_another_group_may_be_the_one_who_leaves_under_another_reference() {
    let mut world = World::new();
    world.cover("east", &["e-1", "e-2", "m-1~twin"]);
    world.cover("west", &["w-1", "w-2", "w-9~twin"]);
    for (id, group) in
        [("e-1", "east"), ("e-2", "east"), ("w-1", "west"), ("w-2", "west"), ("m-1~twin", "west")]
    {
        world.row(id, Row::Valid, group);
    }
    world.row("w-9~twin", Row::Ended, "west");
    // Before anybody has left for it, and not when he is between the two.
    let west = world.decide().remove(1);
    let Verdict::Hold(held) = west.verdict else { panic!("the same name and birth date leaves and comes") };
    assert!(held.reasons.iter().any(|reason| reason.rule == "renamed_ids"), "{held:?}");
}
