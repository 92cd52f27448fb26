//! The truth table of the guard. `docs/guard.md` is written from it, so that what it says is what is tested:
//! `INSTA_UPDATE=always cargo test --lib decide::tests::table` writes it anew.

use super::{
    guide::{AFTER, BEFORE, RULES},
    world::{Row, World},
};
use crate::{
    decide::{Limit, Suspicion, Verdict, suspicions},
    roster::{Ineligible, Leaving, SourceShape},
};
use std::{fmt::Write as _, io::Write as _};

/// So many members are covered.
const SIZES: [usize; 5] = [1, 4, 20, 100, 1_000];

/// Finds what one rule looks for in a group of a size, with every other limit wide open. `None` when a group of
/// that size cannot have so many.
type Case = fn(size: usize, found: usize) -> Option<World>;

/// For each limit: how many pass without a person at each size. One more is held, for this rule alone.
const LIMITS: &[(&str, [usize; 5], Case)] = &[
    ("absent", [1, 1, 1, 5, 50], |size, found| members(size, found, None)),
    ("ended", [3, 3, 4, 20, 200], |size, found| members(size, found, Some(Row::Ended))),
    ("ineligible", [1, 1, 1, 5, 50], |size, found| {
        members(size, found, Some(Row::Ineligible(Ineligible::When)))
    }),
    ("moved", [3, 3, 4, 20, 200], |size, found| {
        let mut world = members(size, found, None)?;
        world.cover("west", &["west-1"]);
        world.row("west-1", Row::Valid, "west");
        (0..found).for_each(|n| world.row(&format!("e-{n}"), Row::Valid, "west"));
        Some(world)
    }),
    ("removed_in_7d", [4, 4, 5, 25, 250], |size, found| window(size, found, Leaving::Ended)),
    ("absent_in_30d", [3, 3, 3, 10, 100], |size, found| window(size, found, Leaving::Absent)),
    ("renamed_ids", [0; 5], |size, found| {
        let mut world = members(size, found, None)?;
        (0..found).for_each(|n| world.row(&format!("new-{n}~e-{n}"), Row::Valid, "east"));
        Some(world)
    }),
    ("changed_people", [0; 5], |size, found| members(size, found, Some(Row::AnotherPerson))),
    ("added", [10, 10, 10, 50, 500], |size, found| {
        let mut world = members(size, 0, None)?;
        (0..found).for_each(|n| world.row(&format!("new-{n}"), Row::Valid, "east"));
        Some(world)
    }),
    ("plan_changes", [3, 3, 3, 10, 100], |size, found| members(size, found, Some(Row::OtherPlan))),
    ("invalid", [3, 3, 3, 5, 50], |size, found| {
        let mut world = members(size, 0, None)?;
        // Covered or not: a row that cannot be used counts.
        (0..found).for_each(|n| world.row(&format!("bad-{n}"), Row::Unusable, "east"));
        Some(world)
    }),
    ("fewer_rows", [3, 3, 3, 10, 100], |size, found| {
        let mut world = members(size, 0, None)?;
        let rows = |rows| SourceShape { rows: u64::try_from(rows).unwrap(), ..SourceShape::default() };
        let (before, now) = (rows(size), rows(size.checked_sub(found)?));
        let found = suspicions("hr", "sha", &now, Some(&before), &world.guard);
        found.into_iter().for_each(|suspicion| world.suspicious("east", suspicion));
        Some(world)
    }),
];

/// Members of whom the first `found` have this row (`None`: no row at all). Somebody stays, so that the roster is
/// never empty.
fn members(size: usize, found: usize, row: Option<Row>) -> Option<World> {
    if found > size {
        return None;
    }
    let mut world = World::new();
    let ids: Vec<String> = (0..size).map(|n| format!("e-{n}")).collect();
    world.cover("east", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, id) in ids.iter().enumerate() {
        match row {
            Some(row) if n < found => world.row(id, row, "east"),
            None if n < found => {}
            Some(_) | None => world.row(id, Row::Valid, "east"),
        }
    }
    if found == size {
        world.row("stays", Row::Valid, "east");
    }
    Some(world)
}

/// One leaves now, the others of `found` left some days ago; the group had as many members then.
fn window(size: usize, found: usize, how: Leaving) -> Option<World> {
    let row = (how == Leaving::Ended).then_some(Row::Ended);
    let mut world = members(size, 1, row)?;
    (1..found).for_each(|n| world.left("east", &format!("gone-{n}"), how, 6));
    Some(world)
}

/// The world with one limit as it is by default, and the others wide open.
fn only(mut world: World, rule: &str) -> World {
    for (name, limit) in [
        ("absent", &mut world.guard.absent),
        ("ended", &mut world.guard.ended),
        ("ineligible", &mut world.guard.ineligible),
        ("moved", &mut world.guard.moved),
        ("removed_in_7d", &mut world.guard.removed_in_7d),
        ("absent_in_30d", &mut world.guard.absent_in_30d),
        ("added", &mut world.guard.added),
        ("plan_changes", &mut world.guard.plan_changes),
        ("invalid", &mut world.guard.invalid),
        ("renamed_ids", &mut world.guard.renamed_ids),
        ("changed_people", &mut world.guard.changed_people),
    ] {
        if name != rule {
            *limit = Limit { share: 100, people: u64::MAX };
        }
    }
    world
}

/// The rules that hold the group; none when the roster goes out. Whether an approval could release it stands
/// beside.
fn held(world: &World) -> (Vec<&'static str>, bool) {
    match world.decide().remove(0).verdict {
        Verdict::Submit { .. } | Verdict::Unchanged => (Vec::new(), true),
        Verdict::Hold(held) => (held.reasons.iter().map(|reason| reason.rule).collect(), held.approvable()),
        Verdict::PassOver(why) | Verdict::Retired(why) => panic!("{why}"),
    }
}

#[test]
fn each_limit_at_each_size() {
    for (rule, passes, case) in LIMITS {
        for (size, passes) in SIZES.into_iter().zip(*passes) {
            if let Some(world) = case(size, passes) {
                assert_eq!(held(&only(world, rule)).0, [""; 0], "{rule}: {passes} of {size} pass");
            }
            if let Some(world) = case(size, passes + 1) {
                assert_eq!(held(&only(world, rule)).0, [*rule], "{rule}: {} of {size} hold", passes + 1);
            }
        }
    }
}

/// A group of 20 members, as it is found.
fn twenty() -> World {
    members(20, 0, None).unwrap()
}

/// What is found, the rules that hold it, and the group.
type Other = (&'static str, &'static [&'static str], fn() -> World);

/// What else decides, in a group of 20 with every limit at its default: what is found, and which rules hold it.
const CASES: &[Other] = &[
    ("one member has no row", &[], || members(20, 1, None).unwrap()),
    ("one member has no row, and another row has no `reference_id`", &["nameless_rows"], || {
        let mut world = members(20, 1, None).unwrap();
        world.nameless();
        world
    }),
    ("four have left by their rows", &[], || members(20, 4, Some(Row::Ended)).unwrap()),
    ("two members have no row", &["absent"], || members(20, 2, None).unwrap()),
    ("one has no row today; three had none in the last 30 days", &["absent_in_30d"], || {
        window(20, 4, Leaving::Absent).unwrap()
    }),
    ("the same member has no row for the second time in a week", &[], || {
        let mut world = members(20, 1, None).unwrap();
        (1..6).for_each(|days| world.left("east", "e-0", Leaving::Absent, days));
        world
    }),
    ("one has left today, five within 7 days", &["removed_in_7d"], || window(20, 6, Leaving::Ended).unwrap()),
    ("the same, and the group had 24 members in that time", &[], || {
        let mut world = window(20, 6, Leaving::Ended).unwrap();
        world.was("east", 24, 3);
        world
    }),
    ("one has left today, five 8 days ago", &[], || {
        let mut world = members(20, 1, Some(Row::Ended)).unwrap();
        (0..5).for_each(|n| world.left("east", &format!("gone-{n}"), Leaving::Ended, 8));
        world
    }),
    ("five left within 7 days, and today nobody", &[], || {
        let mut world = twenty();
        (0..5).for_each(|n| world.left("east", &format!("gone-{n}"), Leaving::Absent, 6));
        world
    }),
    ("one member has no row, and somebody new has the same name and date of birth", &["renamed_ids"], || {
        let mut world = members(20, 1, None).unwrap();
        world.row("new~e-0", Row::Valid, "east");
        world
    }),
    (
        "one has left by the row, and somebody new has the same name and date of birth",
        &["renamed_ids"],
        || {
            let mut world = members(20, 1, Some(Row::Ended)).unwrap();
            world.row("new~e-0", Row::Valid, "east");
            world
        },
    ),
    ("one member has another name and another date of birth", &["changed_people"], || {
        members(20, 1, Some(Row::AnotherPerson)).unwrap()
    }),
    ("every member has another last name", &[], || members(20, 20, Some(Row::Married)).unwrap()),
    ("every member has another date of birth", &[], || members(20, 20, Some(Row::Corrected)).unwrap()),
    ("eleven people are new", &["added"], || {
        let mut world = twenty();
        (0..11).for_each(|n| world.row(&format!("new-{n}"), Row::Valid, "east"));
        world
    }),
    ("the same, and Vitable refused one of them before", &[], || {
        let mut world = twenty();
        (0..11).for_each(|n| world.row(&format!("new-{n}"), Row::Valid, "east"));
        world.failed_before("east", "new-3");
        world
    }),
    ("three rows of members cannot be used", &[], || members(20, 3, Some(Row::Unusable)).unwrap()),
    ("a row names no group that there is", &["unrouted"], || {
        let mut world = members(20, 1, None).unwrap();
        world.row("e-0", Row::Valid, "unlisted");
        world
    }),
    ("two rows of a member contradict each other", &["duplicates"], || {
        let mut world = twenty();
        world.row("e-0", Row::Changed, "east");
        world
    }),
    ("the read is suspicious, here by `fewer_rows`", &["fewer_rows"], || {
        let mut world = twenty();
        let (line, sentence) = ("fewer_rows:hr:sha".to_owned(), "fewer rows".to_owned());
        world.suspicious("east", Suspicion { rule: "fewer_rows", line, sentence });
        world
    }),
    ("the roster has fewer members than `min_members`, here 21", &["min_members"], || {
        let mut world = twenty();
        world.guard.min_members = 21;
        world
    }),
    ("the roster has more members than `max_members_per_sync`, here 19", &["max_members_per_sync"], || {
        let mut world = twenty();
        world.max_members = 19;
        world
    }),
    ("the group was never synced", &["first_sync"], || {
        let mut world = World::new();
        world.first_sync("east");
        (0..20).for_each(|n| world.row(&format!("e-{n}"), Row::Valid, "east"));
        world
    }),
    ("nobody would be left", &["absent", "removed_in_7d", "absent_in_30d", "min_members"], || {
        let mut world = members(20, 20, None).unwrap();
        world.forget("stays");
        world
    }),
];

#[test]
fn each_case_is_held_for_just_these_reasons() {
    for (name, expected, world) in CASES {
        let (rules, approvable) = held(&world());
        assert_eq!(rules, *expected, "{name}");
        assert_eq!(approvable, *name != "nobody would be left", "{name}");
    }
}

#[test]
fn the_documentation_is_the_table() {
    let mut text = BEFORE.to_owned();
    text.push_str(
        "\n| limit | of 1 | of 4 | of 20 | of 100 | of 1,000 |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for (rule, passes, _) in LIMITS {
        let cells: Vec<String> = passes.iter().map(ToString::to_string).collect();
        writeln!(text, "| [`{rule}`](#{rule}) | {} |", cells.join(" | ")).unwrap();
    }
    text.push_str("\nOther cases, each in a group of 20 with every limit at its default:\n\n| what is found | what happens |\n| --- | --- |\n");
    for (name, rules, world) in CASES {
        let rules: Vec<String> = rules.iter().map(|rule| format!("`{rule}`")).collect();
        let verdict = match (rules.is_empty(), held(&world()).1) {
            (true, _) => "goes out".to_owned(),
            (false, true) => format!("held: {}", rules.join(", ")),
            (false, false) => format!("held, and no approval can release it: {}", rules.join(", ")),
        };
        writeln!(text, "| {name} | {verdict} |").unwrap();
    }
    for rule in RULES {
        write!(
            text,
            "\n## {}\n\nDefault: {}. {}\n\n**What usually causes it:** {}\n\n**What to do:** {}\n",
            rule.name, rule.default, rule.means, rule.causes, rule.remedy
        )
        .unwrap();
    }
    text.push_str(AFTER);
    for (rule, ..) in LIMITS {
        assert!(RULES.iter().any(|each| each.name == *rule), "`{rule}` has its paragraph");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guard.md");
    #[expect(clippy::disallowed_methods, reason = "as insta does it")]
    let update = std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always");
    if update {
        std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    assert!(known == text, "docs/guard.md is not what the table says; INSTA_UPDATE=always writes it anew");
}
