//! What days of small removals come to: no sequence of files empties a group bit by bit.

use super::world::{Row, World};
use crate::decide::{Decision, Fate, Limit, Verdict};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use std::collections::BTreeSet;

const PEOPLE: usize = 24;

/// One file: how many days after the one before, what becomes of each person, and whether a person approves what
/// is held.
#[derive(Clone, Debug)]
struct File {
    days: i64,
    rows: Vec<Option<Row>>,
    approve: bool,
}

fn files() -> impl Strategy<Value = Vec<File>> {
    let row = prop_oneof![12 => Just(Some(Row::Valid)), 1 => Just(Some(Row::Ended)), 1 => Just(None)];
    let file = (0..4_i64, prop::collection::vec(row, PEOPLE), prop::bool::weighted(0.2));
    prop::collection::vec(file.prop_map(|(days, rows, approve)| File { days, rows, approve }), 1..40)
}

/// A removal that nobody approved.
struct Gone {
    id: String,
    absent: bool,
    at: DateTime<Utc>,
}

/// What the test itself notes of each roster that goes out.
#[derive(Default)]
struct Journal {
    gone: Vec<Gone>,
    sizes: Vec<(DateTime<Utc>, usize)>,
}

impl Journal {
    fn note(
        &mut self,
        world: &World,
        decision: &Decision,
        approved: &BTreeSet<String>,
        sent: &BTreeSet<String>,
    ) {
        let before: BTreeSet<String> =
            world.facts("east").coverage.iter().map(|known| known.id.to_owned()).collect();
        self.sizes.extend([(world.now, before.len()), (world.now, sent.len())]);
        for id in before.difference(sent) {
            let fate = decision.plan.fates.iter().find(|(each, _)| each.as_str() == id).unwrap().1;
            if !approved.contains(&format!("{}:{id}", fate.name())) {
                self.gone.push(Gone { id: id.clone(), absent: fate == Fate::Absent, at: world.now });
            }
        }
    }

    /// Whether at most so many different people are gone in the days up to now.
    fn within(&self, now: DateTime<Utc>, days: i64, limit: Limit, absent_alone: bool) -> bool {
        let since = now - TimeDelta::days(days);
        let gone = self.gone.iter().filter(|gone| gone.at >= since && (gone.absent || !absent_alone));
        let gone: BTreeSet<&str> = gone.map(|gone| gone.id.as_str()).collect();
        let largest = self.sizes.iter().filter(|(at, _)| *at >= since).map(|(_, size)| *size).max();
        let largest = u64::try_from(largest.unwrap_or(0)).unwrap();
        u64::try_from(gone.len()).unwrap() <= limit.allows(largest)
    }
}

/// Gives the world what the files bring, one after the other; what each roster that went out came to.
fn run(files: &[File]) -> Result<(), TestCaseError> {
    let mut world = World::new();
    let ids: Vec<String> = (0..PEOPLE).map(|n| format!("e-{n}")).collect();
    world.cover("east", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let mut journal = Journal::default();
    for file in files {
        world.later(file.days);
        for (id, row) in ids.iter().zip(&file.rows) {
            if let Some(row) = row {
                world.row(id, *row, "east");
            }
        }
        let mut decision = world.decide().remove(0);
        let mut approved = BTreeSet::new();
        if let Verdict::Hold(held) = &decision.verdict
            && file.approve
        {
            world.approve("east", held);
            approved.clone_from(&held.lines);
            decision = world.decide().remove(0);
        }
        if let Verdict::Submit { submission, .. } = &decision.verdict {
            let sent = submission.members().map(|member| member.record.reference_id().to_owned()).collect();
            let before = journal.gone.len();
            journal.note(&world, &decision, &approved, &sent);
            // When the window moves on, its largest roster can leave it before those who left do; then nobody
            // more may leave.
            let unapproved = journal.gone.len() > before;
            prop_assert!(
                !unapproved || journal.within(world.now, 7, world.guard.removed_in_7d, false),
                "7 days"
            );
            prop_assert!(
                !unapproved || journal.within(world.now, 30, world.guard.absent_in_30d, true),
                "30 days"
            );
            world.completes(submission);
        }
        world.forget_approvals();
    }
    Ok(())
}

proptest! {
    #[test]
    fn in_no_week_and_no_month_do_more_leave_unapproved_than_the_windows_let(files in files()) {
        run(&files)?;
    }
}

#[test]
fn one_absent_a_day_is_stopped_by_the_window_and_each_approval_is_for_its_own() {
    let mut world = World::new();
    let ids: Vec<String> = (0..40).map(|n| format!("e-{n:02}")).collect();
    world.cover("east", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let mut left = Vec::new();
    for day in 1..=30 {
        world.later(1);
        ids.iter().skip(day).for_each(|id| world.row(id, Row::Valid, "east"));
        match world.decide().remove(0).verdict {
            Verdict::Submit { submission, .. } => {
                left.push(day);
                world.completes(&submission);
            }
            Verdict::Hold(held) => {
                assert_eq!(
                    held.reasons.iter().map(|each| each.rule).next_back(),
                    Some("absent_in_30d"),
                    "{day}"
                );
            }
            Verdict::Unchanged | Verdict::PassOver(_) | Verdict::Retired(_) => panic!("{day}"),
        }
    }
    assert_eq!(left, [1, 2, 3, 4], "a tenth of forty");
    // Somebody approves whoever has no row by now; the next one is asked about again, for the four still count.
    let Verdict::Hold(held) = world.decide().remove(0).verdict else { panic!("held still") };
    world.approve("east", &held);
    let Verdict::Submit { submission, .. } = world.decide().remove(0).verdict else { panic!("approved") };
    assert!(submission.departures().iter().all(|departures| departures.approved));
    world.completes(&submission);
    world.later(1);
    ids.iter().skip(31).for_each(|id| world.row(id, Row::Valid, "east"));
    assert!(matches!(world.decide().remove(0).verdict, Verdict::Hold(_)), "day 31: four in thirty days");
    world.later(4);
    ids.iter().skip(31).for_each(|id| world.row(id, Row::Valid, "east"));
    assert!(matches!(world.decide().remove(0).verdict, Verdict::Submit { .. }), "the four are over");
}
