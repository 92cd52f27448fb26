//! The truth tables of the fates and of the guard, and what holds for any roster.

mod erosion;
mod guide;
mod identity;
mod limits;
mod moves;
mod properties;
mod table;
mod world;

use super::{Fate, InvalidRows, Suspicion, Verdict};
use crate::roster::{Certainty, Doubt, Field, Ineligible};
use chrono::TimeDelta;
use std::time::Duration;
use world::{Row, World, east};

fn names(decision: &super::Decision) -> Vec<(String, Fate)> {
    decision.plan.fates.iter().map(|(id, fate)| (id.to_string(), *fate)).collect()
}

#[test]
fn each_fate_has_its_row() {
    let mut world = World::new();
    world.cover("east", &["kept", "gone", "left", "broken", "mover", "lost", "blank", "later", "cond"]);
    world.cover("west", &["w1"]);
    world.row("kept", Row::Valid, "east");
    world.row("left", Row::Ended, "");
    world.row("broken", Row::Unusable, "unlisted");
    world.row("mover", Row::Valid, "west");
    world.row("lost", Row::Valid, "unlisted");
    world.row("blank", Row::Ineligible(Ineligible::When), "");
    world.row("later", Row::Ineligible(Ineligible::StartsLater), "east");
    world.row("cond", Row::Ineligible(Ineligible::When), "west");
    world.row("w1", Row::Valid, "west");
    let decisions = world.decide();
    assert_eq!(
        names(&decisions[0]),
        [
            ("gone".to_owned(), Fate::Absent),
            ("left".to_owned(), Fate::Ended),
            ("broken".to_owned(), Fate::Carried),
            ("mover".to_owned(), Fate::Moved),
            ("lost".to_owned(), Fate::Unrouted),
            ("blank".to_owned(), Fate::Unrouted),
            ("later".to_owned(), Fate::Ineligible(Ineligible::StartsLater)),
            ("cond".to_owned(), Fate::Ineligible(Ineligible::When)),
        ]
    );
    assert_eq!(decisions[0].plan.unchanged, 1);
    let Verdict::Hold(held) = &decisions[0].verdict else { panic!("unrouted members hold") };
    assert!(held.lines.contains("unrouted:lost"));
    assert!(matches!(decisions[1].verdict, Verdict::Submit { .. }), "the other group goes without him");
    assert_eq!(decisions[1].plan.arriving.len(), 1);
}

#[test]
fn a_carried_member_is_sent_as_last_accepted_and_a_patched_field_too() {
    let mut world = World::new();
    world.cover("east", &["a", "b", "c"]);
    world.row("a", Row::Unusable, "east");
    world.row("b", Row::WithoutEmail, "east");
    world.row("c", Row::Changed, "east");
    let decision = world.decide().remove(0);
    assert_eq!(decision.plan.unchanged, 1, "b is sent with the mail address that Vitable has");
    assert_eq!(decision.plan.updated.len(), 1);
    assert_eq!(decision.plan.updated[0].1, [Field::City]);
    let Verdict::Submit { submission, .. } = decision.verdict else { panic!("within the guard") };
    let sent: Vec<_> = submission.members().collect();
    assert_eq!(sent.len(), 3);
    let find = |id: &str| *sent.iter().find(|member| member.record.reference_id() == id).unwrap();
    assert_eq!(find("a").record.get(Field::City), "Troy");
    assert_eq!(find("a").carried_since, Some(world.now));
    assert_eq!(find("b").record.get(Field::Email), "b@mail.example");
    assert_eq!(find("b").carried_since, None);
    assert_eq!(find("c").record.get(Field::City), "Utica");
}

#[test]
fn a_plan_change_is_counted_once_and_the_plan_of_the_start_is_kept() {
    let mut world = World::new();
    world.cover("east", &["a"]);
    world.row("a", Row::OtherPlan, "east");
    let decision = world.decide().remove(0);
    assert_eq!(decision.plan.plan_changes.len(), 1);
    assert_eq!(decision.plan.on_old_plan.len(), 1);
    let Verdict::Submit { submission, .. } = decision.verdict else { panic!("one change passes") };
    let member = submission.members().next().unwrap();
    assert_eq!(member.record.get(Field::PlanId), "pln_b");
    assert_eq!(member.added_with.unwrap().as_str(), "pln_a");
}

#[test]
fn contradicting_rows_hold_every_group_they_name() {
    let mut world = World::new();
    world.cover("east", &["a", "b"]);
    world.cover("west", &["w"]);
    world.row("a", Row::Valid, "east");
    world.row("a", Row::Valid, "west");
    world.row("b", Row::Valid, "east");
    world.row("w", Row::Valid, "west");
    for decision in world.decide() {
        let Verdict::Hold(held) = decision.verdict else { panic!("{} is held", decision.plan.group) };
        assert!(held.lines.contains("duplicate:a"));
        assert_eq!(decision.plan.removed().count(), 0);
    }
}

#[test]
fn one_covered_row_beside_ended_ones_is_the_covered_one() {
    for rows in [[Row::Ended, Row::Valid], [Row::Valid, Row::Ended], [Row::Valid, Row::Valid]] {
        let mut world = World::new();
        world.cover("east", &["a"]);
        for row in rows {
            world.row("a", row, "east");
        }
        assert_eq!(world.decide()[0].plan.unchanged, 1);
    }
}

#[test]
fn while_a_row_has_no_reference_nobody_goes_missing_without_approval() {
    let mut world = World::new();
    world.cover("east", &["a", "b", "c"]);
    world.row("a", Row::Valid, "east");
    world.row("b", Row::Valid, "east");
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }), "one absent passes");
    world.nameless();
    let Verdict::Hold(held) = &world.decide()[0].verdict else { panic!("it could be c") };
    assert_eq!(held.reasons[0].rule, "nameless_rows");
    world.row("c", Row::Ended, "east");
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }), "an ended member is not absent");
}

#[test]
fn a_word_for_absent_members_is_none_for_a_row_without_a_reference_that_came_later() {
    let mut world = World::new();
    world.cover("east", &["a", "b", "c", "d"]);
    world.row("a", Row::Valid, "east");
    world.row("b", Row::Valid, "east");
    let Verdict::Hold(held) = world.decide()[0].verdict.clone() else { panic!("two are absent") };
    world.approve("east", &held);
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }), "just that was approved");
    world.nameless();
    let Verdict::Hold(held) = world.decide()[0].verdict.clone() else { panic!("it could be one of the two") };
    world.approve("east", &held);
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }));
    world.nameless();
    assert!(matches!(world.decide()[0].verdict, Verdict::Hold(_)), "one more could be the other one");
}

#[test]
fn an_approval_releases_the_same_or_a_subset_and_nothing_else() {
    let mut world = World::new();
    world.cover("east", &["a", "b", "c", "d", "e"]);
    for id in ["a", "b"] {
        world.row(id, Row::Valid, "east");
    }
    let Verdict::Hold(held) = &world.decide()[0].verdict else { panic!("three absent") };
    assert_eq!(held.lines.iter().collect::<Vec<_>>(), ["absent:c", "absent:d", "absent:e"]);
    world.approve("east", held);
    let Verdict::Submit { approval, submission } = &world.decide()[0].verdict else { panic!("released") };
    assert_eq!(approval.as_deref(), Some(held.digest.as_str()));
    assert_eq!(submission.len(), 2);
    world.row("c", Row::Valid, "east");
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }), "a subset");
    let mut worse = World::new();
    worse.cover("east", &["a", "b", "c", "d", "e"]);
    worse.row("a", Row::Valid, "east");
    worse.approve("east", held);
    assert!(matches!(worse.decide()[0].verdict, Verdict::Hold(_)), "b was never approved");
}

#[test]
fn a_first_sync_is_released_for_exactly_its_roster() {
    let mut world = World::new();
    world.first_sync("east");
    for id in ["a", "b", "c"] {
        world.row(id, Row::Valid, "east");
    }
    let Verdict::Hold(held) = &world.decide()[0].verdict else { panic!("a first sync") };
    assert_eq!(held.reasons[0].rule, "first_sync");
    world.approve("east", held);
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }));
    let mut shorter = World::new();
    shorter.first_sync("east");
    shorter.row("a", Row::Valid, "east");
    shorter.approve("east", held);
    assert!(matches!(shorter.decide()[0].verdict, Verdict::Hold(_)), "nobody knows whom that would remove");
}

#[test]
fn nobody_is_left_is_never_approvable() {
    let mut world = World::new();
    world.cover("east", &["a"]);
    let Verdict::Hold(held) = &world.decide()[0].verdict else { panic!("empty") };
    assert!(!held.approvable());
    world.approve("east", held);
    assert!(matches!(world.decide()[0].verdict, Verdict::Hold(_)));
}

#[test]
fn a_suspicious_read_holds_the_group_and_is_released_for_exactly_that_file() {
    let mut world = World::new();
    world.cover("east", &["a"]);
    world.row("a", Row::Valid, "east");
    let line = |file: &str| Suspicion {
        rule: "fewer_rows",
        line: format!("fewer_rows:s:{file}"),
        sentence: "fewer".to_owned(),
    };
    world.suspicious("east", line("one"));
    let Verdict::Hold(held) = &world.decide()[0].verdict else { panic!("suspicious") };
    world.approve("east", held);
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }));
    world.suspicious("east", line("another"));
    assert!(matches!(world.decide()[0].verdict, Verdict::Hold(_)), "another file was never approved");
}

#[test]
fn a_group_is_created_only_with_a_word_for_it() {
    let mut world = World::new();
    world.first_sync("east");
    world.guard.first_sync = super::FirstSync::Submit;
    world.row("a", Row::Valid, "east");
    world.missing("east");
    let Verdict::Hold(held) = &world.decide()[0].verdict else { panic!("it is not there") };
    assert!(held.lines.contains("create:east"));
    world.approve("east", held);
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }));
}

#[test]
fn a_group_in_flight_is_passed_over() {
    let mut world = World::new();
    world.cover("east", &["a"]);
    world.pass_over("east", "request grpmsr_1 is in flight");
    assert!(matches!(&world.decide()[0].verdict, Verdict::PassOver(why) if why.contains("grpmsr_1")));
}

#[test]
fn carrying_forward_ends_in_a_hold_and_an_approval_renews_it() {
    let mut world = World::new();
    world.cover("east", &["a", "b", "c"]);
    world.carried_since("east", "a", world.now - TimeDelta::days(91));
    for (id, row) in [("a", Row::Unusable), ("b", Row::Valid), ("c", Row::Valid)] {
        world.row(id, row, "east");
    }
    let Verdict::Hold(held) = &world.decide()[0].verdict else { panic!("90 days are over") };
    assert_eq!(held.reasons[0].rule, "carry_forward_for");
    world.approve("east", held);
    let Verdict::Submit { submission, .. } = &world.decide()[0].verdict else { panic!("approved") };
    assert_eq!(submission.len(), 3, "an approval carries and never removes");
    let carried = submission.members().find(|member| member.carried_since.is_some()).unwrap();
    assert_eq!(carried.carried_since, Some(world.now));
    world.guard.carry_forward_for = Duration::from_secs(60 * 60 * 24 * 92);
    world.guard.invalid_rows = InvalidRows::Hold;
    world.forget_approvals();
    let Verdict::Hold(held) = &world.decide()[0].verdict else { panic!("invalid_rows: hold") };
    assert_eq!(held.reasons[0].rule, "invalid_rows");
}

#[test]
fn an_unchanged_roster_is_skipped_only_after_a_clean_confirmed_sync() {
    let mut world = World::new();
    world.cover("east", &["a"]);
    world.row("a", Row::Valid, "east");
    world.resync_after = Some(Duration::from_secs(7 * 24 * 60 * 60));
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }), "the last sync was not clean");
    world.clean_since("east", world.now - TimeDelta::days(6));
    assert!(matches!(world.decide()[0].verdict, Verdict::Unchanged));
    world.clean_since("east", world.now - TimeDelta::days(8));
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }), "resync_after has passed");
    world.clean_since("east", world.now - TimeDelta::days(6));
    world.certainty("east", Certainty::Uncertain(Doubt::LostAnswer("a lost answer".to_owned())));
    assert!(
        matches!(world.decide()[0].verdict, Verdict::Submit { .. }),
        "only a confirmed picture is enough"
    );
}

#[test]
fn a_second_writer_holds_the_next_roster_even_an_unchanged_one() {
    let mut world = World::new();
    world.cover("east", &["a", "b", "c"]);
    for id in ["a", "b", "c"] {
        world.row(id, Row::Valid, "east");
    }
    world.second_writer("east");
    let Verdict::Hold(held) = &world.decide()[0].verdict else {
        panic!("it removes the other writer's people")
    };
    world.approve("east", held);
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }));
}

#[test]
fn people_whom_no_group_takes_are_listed() {
    let mut world = World::new();
    world.cover("east", &["a"]);
    world.row("a", Row::Valid, "");
    world.row("new", Row::Valid, "unlisted");
    world.row("left", Row::Ended, "unlisted");
    let groups = [world.facts(east())];
    let people = world.people();
    let feed = world.feed(&people);
    let unplaced = feed.unplaced(&groups);
    let ids: Vec<_> = unplaced.iter().map(|&at| people.id_of(people.person(at).unwrap())).collect();
    assert_eq!(ids, ["new"], "a is covered, and left has left");
}

#[test]
fn a_carry_that_begins_or_ends_is_recorded_at_once() {
    let mut world = World::new();
    world.cover("east", &["a", "b"]);
    world.resync_after = Some(Duration::from_secs(7 * 24 * 60 * 60));
    world.clean_since("east", world.now);
    world.row("a", Row::Unusable, "east");
    world.row("b", Row::Valid, "east");
    assert!(matches!(world.decide()[0].verdict, Verdict::Submit { .. }), "since when, nobody knew before");
    world.carried_since("east", "a", world.now - TimeDelta::days(1));
    assert!(matches!(world.decide()[0].verdict, Verdict::Unchanged));
    let mut cured = World::new();
    cured.cover("east", &["a"]);
    cured.resync_after = world.resync_after;
    cured.clean_since("east", cured.now);
    cured.carried_since("east", "a", cured.now - TimeDelta::days(1));
    cured.row("a", Row::Valid, "east");
    assert!(matches!(cured.decide()[0].verdict, Verdict::Submit { .. }), "the ninety days are over with it");
}
