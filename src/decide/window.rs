//! Removals over days: what a week of small ones comes to, and how each is remembered.

use super::{
    Approved, Fate, Plan,
    judge::{Bench, Case},
    read::count,
};
use crate::roster::{Departures, Leaving, ReferenceId};
use chrono::{DateTime, TimeDelta, Utc};
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
/// approval that releases the roster says of this member that he leaves, and in this way, whatever rule asked for it.
pub(in crate::decide) fn departures(plan: &Plan, approved: Option<&Approved>) -> Vec<Departures> {
    let renamed = plan.renamed.iter().map(|(old, new)| (old, format!("renamed:{old}:{new}")));
    let says = |line: &String| approved.is_some_and(|approved| approved.lines.contains(line));
    let renamed: HashSet<&ReferenceId> = renamed.filter(|(_, line)| says(line)).map(|(old, _)| old).collect();
    let mut by: BTreeMap<(Leaving, bool), Vec<ReferenceId>> = BTreeMap::new();
    for (id, fate, how) in removed(plan) {
        let named = [fate.name(), "removed"].iter().any(|what| says(&format!("{what}:{id}")));
        by.entry((how, named || renamed.contains(id))).or_default().push(id.clone());
    }
    by.into_iter().map(|((how, approved), members)| Departures { how, approved, members }).collect()
}

/// How far back the longest window looks from now.
#[must_use]
pub fn past_from(now: DateTime<Utc>) -> DateTime<Utc> {
    since(now, MONTH)
}

const WEEK: TimeDelta = TimeDelta::days(7);
const MONTH: TimeDelta = TimeDelta::days(30);

fn since(now: DateTime<Utc>, window: TimeDelta) -> DateTime<Utc> {
    now.checked_sub_signed(window).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// Holds the removals of this plan when, with those before them, too many would have left.
///
/// What is held are these removals, in the same lines as for each limit alone: whoever approves them releases
/// them whatever rule asked, and fewer of them tomorrow are released too.
pub(in crate::decide) fn judge(plan: &Plan, bench: &Bench<'_>, case: &mut Case) {
    let guard = bench.guard;
    let all = [Leaving::Ended, Leaving::Ineligible, Leaving::Absent];
    for (rule, limit, window, ways, days, one, many) in [
        ("removed_in_7d", guard.removed_in_7d, WEEK, &all[..], 7, "member", "members"),
        (
            "absent_in_30d",
            guard.absent_in_30d,
            MONTH,
            &[Leaving::Absent][..],
            30,
            "member without a row",
            "members without a row",
        ),
    ] {
        let now: Vec<_> = removed(plan).filter(|(_, _, how)| ways.contains(how)).collect();
        if now.is_empty() {
            continue;
        }
        let since = since(bench.now, window);
        let mut gone = bench.past.left_since(since, ways);
        gone.extend(now.iter().map(|(id, ..)| *id));
        let (found, largest) = (gone.len(), bench.past.largest_since(since).max(plan.covered));
        let (found, allowed) = (u64::try_from(found).unwrap_or(u64::MAX), limit.allows(largest));
        if found > allowed {
            let sentence = format!(
                "{} would have been removed within {days} days, {} by this roster, with at most {largest} covered in that time (`{rule}` allows {allowed})",
                count(found, one, many),
                now.len()
            );
            case.add(rule, sentence, now.iter().map(|(id, fate, _)| format!("{}:{id}", fate.name())));
        }
    }
}
