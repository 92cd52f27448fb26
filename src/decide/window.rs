//! Removals over days: what a week of small ones comes to, and how each is remembered.

use super::{Approved, Fate, Plan};
use crate::roster::{Departures, Leaving, ReferenceId};
use std::collections::{BTreeMap, HashSet};

/// How a covered member of this fate leaves, if he does.
pub(in crate::decide) const fn leaving(fate: Fate) -> Option<Leaving> {
    match fate {
        Fate::Ended => Some(Leaving::Ended),
        Fate::Ineligible(_) => Some(Leaving::Ineligible),
        Fate::Absent => Some(Leaving::Absent),
        Fate::Moved => Some(Leaving::Moved),
        Fate::Kept | Fate::Carried | Fate::Unrouted => None,
    }
}

/// Those whom the plan removes, with how each of them leaves.
pub(in crate::decide) fn removed(plan: &Plan) -> impl Iterator<Item = (&ReferenceId, Fate, Leaving)> {
    let gone: HashSet<&ReferenceId> = plan.removed().collect();
    let fates = plan.fates.iter().filter(move |(id, _)| gone.contains(id));
    fates.filter_map(|(id, fate)| Some((id, *fate, leaving(*fate)?)))
}

/// The same, as it is remembered: what a person approved is not counted again. A removal is approved when the
/// approval that releases the roster says just this of just this member, whatever rule asked for it.
pub(in crate::decide) fn departures(plan: &Plan, approved: Option<&Approved>) -> Vec<Departures> {
    let mut by: BTreeMap<(Leaving, bool), Vec<ReferenceId>> = BTreeMap::new();
    for (id, fate, how) in removed(plan) {
        let names = |approved: &Approved| {
            [fate.name(), "removed"].iter().any(|what| approved.lines.contains(&format!("{what}:{id}")))
        };
        by.entry((how, approved.is_some_and(names))).or_default().push(id.clone());
    }
    by.into_iter().map(|((how, approved), members)| Departures { how, approved, members }).collect()
}
