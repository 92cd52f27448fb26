//! What holds for any baseline and any read.

use super::world::{Row, World};
use crate::{
    decide::{Fate, Verdict},
    roster::Ineligible,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn row() -> impl Strategy<Value = Row> {
    prop_oneof![
        4 => Just(Row::Valid),
        1 => Just(Row::Changed),
        1 => Just(Row::OtherPlan),
        1 => Just(Row::WithoutEmail),
        2 => Just(Row::Ended),
        2 => Just(Row::Unusable),
        1 => Just(Row::Ineligible(Ineligible::When)),
        1 => Just(Row::Ineligible(Ineligible::StartsLater)),
    ]
}

/// A world of two groups in which approvals of whatever is held are given or not.
fn world() -> impl Strategy<Value = (World, bool)> {
    let groups = prop_oneof![4 => Just("east"), 2 => Just("west"), 1 => Just(""), 1 => Just("unlisted")];
    let rows = prop::collection::vec((0..12_usize, row(), groups), 0..24);
    let covered = prop::collection::vec(prop_oneof![Just(None), Just(Some("east")), Just(Some("west"))], 12);
    (rows, covered, any::<bool>(), any::<bool>()).prop_map(|(rows, covered, nameless, approve)| {
        let mut world = World::new();
        for group in ["east", "west"] {
            let ids: Vec<String> =
                (0..12).filter(|&n| covered[n] == Some(group)).map(|n| format!("e-{n}")).collect();
            world.cover(group, &ids.iter().map(String::as_str).collect::<Vec<_>>());
        }
        for (n, row, group) in rows {
            world.row(&format!("e-{n}"), row, group);
        }
        if nameless {
            world.nameless();
        }
        (world, approve)
    })
}

proptest! {
    #[test]
    fn removed_is_the_baseline_minus_the_payload_and_never_a_present_row((mut world, approve) in world()) {
        if approve {
            for (group, decision) in ["east", "west"].into_iter().zip(world.decide()) {
                if let Verdict::Hold(held) = decision.verdict {
                    world.approve(group, &held);
                }
            }
        }
        let people = world.people();
        for decision in world.decide() {
            let covered: BTreeSet<String> =
                world.facts(decision.plan.group.as_str()).coverage.iter().map(|c| c.id.to_string()).collect();
            // Every covered member has exactly one fate: the kept ones are counted, the others listed once.
            let fates: BTreeMap<String, Fate> =
                decision.plan.fates.iter().map(|(id, fate)| (id.to_string(), *fate)).collect();
            prop_assert_eq!(fates.len(), decision.plan.fates.len());
            let kept = usize::try_from(decision.plan.unchanged).unwrap() + decision.plan.updated.len();
            prop_assert_eq!(fates.len() + kept, covered.len());
            let Verdict::Submit { submission, .. } = &decision.verdict else { continue };
            let mut payload = BTreeSet::new();
            for member in submission.members() {
                prop_assert!(payload.insert(member.record.reference_id().to_owned()), "unique in the payload");
            }
            let removed: BTreeSet<String> = decision.plan.removed().map(ToString::to_string).collect();
            let missing: BTreeSet<String> = covered.difference(&payload).cloned().collect();
            prop_assert_eq!(&removed, &missing);
            for id in &missing {
                let fate = fates[id];
                prop_assert!(fate.leaves());
                prop_assert!((people.get(id).is_none()) == (fate == Fate::Absent));
            }
        }
    }

    #[test]
    fn what_is_decided_does_not_depend_on_chance((world, _) in world()) {
        let one: Vec<String> = world.decide().iter().map(|d| format!("{:?}", d.plan.fates)).collect();
        let two: Vec<String> = world.decide().iter().map(|d| format!("{:?}", d.plan.fates)).collect();
        prop_assert_eq!(one, two);
    }
}
