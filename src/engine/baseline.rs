//! `plan --baseline`: what a first sync would do to the people whom a previous system covered. Keeps nothing.

use super::{
    Engine, Order,
    pass::Decided,
    report::{and_more, len},
};
use crate::{
    decide::{self, Beside, Previous},
    ledger::{GroupReport, LedgerError, Run},
    mapping::{Sensitive, looks_personal},
    roster::{Certainty, Field, GroupRef, ReferenceId},
};
use std::collections::{BTreeMap, BTreeSet};

/// How many members a sentence names, and how many a report.
const SAID: usize = 50;
const NAMED: usize = 1_000;

/// The people of a previous system as a file names them; those of no group in particular are of the feed's only one.
pub type Named = BTreeMap<Option<GroupRef>, BTreeSet<ReferenceId>>;

impl Engine {
    /// Puts into a plan what it does to these people. The inner error says why it cannot.
    pub(super) fn compare(
        &self,
        run: &mut Run,
        order: &Order<'_>,
        decided: &Decided,
        named: &Named,
    ) -> Result<Result<(), String>, LedgerError> {
        let previous = match refused(order, named).map_or_else(|| by_group(decided, named), Err) {
            Ok(previous) => previous,
            Err(why) => return Ok(Err(why)),
        };
        let people = &decided.read.people;
        let mut facts = Vec::new();
        for decision in &decided.decisions {
            facts.push(self.group_facts(order.feed, &decision.plan.group, people)?);
        }
        let rules = decide::Feed { resync_after: None, ..self.rules(order.feed, people) };
        let beside = rules.beside(&facts, &previous);
        for group in &mut run.groups {
            if let Some(beside) = beside.get(&group.group) {
                show(group, beside);
            }
        }
        Ok(Ok(()))
    }
}

/// Why these references must not be compared, and so not be shown.
fn refused(order: &Order<'_>, named: &Named) -> Option<String> {
    let sources = order.feed.sources.iter().map(|source| &source.mapping.fields);
    let ids: Vec<Option<Sensitive>> =
        sources.map(|fields| fields.get(&Field::ReferenceId).and_then(|field| field.sensitive)).collect();
    if ids.contains(&Some(Sensitive::Hash)) {
        return Some(format!(
            "feed `{}` has stand-ins for its reference_ids (`sensitive: hash`), and the baseline file has none; it cannot be compared",
            order.feed.name
        ));
    }
    let allowed = ids.iter().all(|sensitive| *sensitive == Some(Sensitive::Allow));
    let shows = named.values().flatten().any(|id| looks_personal(id.as_str()));
    (shows && !allowed).then(|| {
        "the baseline file has reference_ids that look like mail addresses or social security numbers, which rosterd does not show; name the members as the feed does".to_owned()
    })
}

/// Each group's people. Only of a first sync nothing is known that a file could stand in for.
fn by_group(decided: &Decided, named: &Named) -> Result<Previous, String> {
    let mut previous = Previous::new();
    for (group, ids) in named {
        let plans = || decided.decisions.iter().map(|decision| &decision.plan);
        let plan = match group {
            Some(group) => plans().find(|plan| plan.group == *group).ok_or_else(|| {
                format!("the baseline file names the group `{group}`, which this feed does not feed")
            })?,
            None => match (plans().next(), plans().count()) {
                (Some(only), 1) => only,
                (_, number) => {
                    return Err(format!(
                        "the feed has {number} groups: the baseline file needs a column `group` that says to which one each reference_id belongs"
                    ));
                }
            },
        };
        if plan.certainty != Certainty::FirstSync {
            return Err(format!(
                "rosterd has synced the group `{}` before and knows its baseline; `--baseline` is for a first sync",
                plan.group
            ));
        }
        previous.entry(plan.group.clone()).or_default().extend(ids.iter().cloned());
    }
    Ok(previous)
}

fn show(group: &mut GroupReport, beside: &Beside) {
    let counts = &mut group.counts;
    let of = |name: &str| len(beside.removed.get(name).map_or(&[][..], Vec::as_slice));
    (counts.covered, counts.added, counts.removed) = (beside.covered, len(&beside.added), beside.lost());
    (counts.absent, counts.ended, counts.ineligible) = (of("absent"), of("ended"), of("ineligible"));
    (counts.moved, counts.carried) = (of("moved"), 0);
    counts.unchanged = beside.covered.saturating_sub(beside.lost());
    group.reasons.push(format!(
        "the baseline file names {}: {} would be kept, {} added, and {} would lose coverage",
        beside.covered, counts.unchanged, counts.added, counts.removed
    ));
    for (fate, who) in &beside.removed {
        let ids: Vec<&str> = who.iter().map(ReferenceId::as_str).collect();
        let fate = of_first_sync(fate);
        group.reasons.push(format!("would lose coverage, {fate}: {}", and_more(&ids, SAID)));
    }
    let limits = beside.limits.iter().map(|limit| format!("with the file as the baseline: {limit}"));
    group.reasons.extend(limits);
    for (fate, who) in &beside.removed {
        group.members.insert((*fate).to_owned(), who.iter().take(NAMED).cloned().collect());
    }
    group.members.insert("added".to_owned(), beside.added.iter().take(NAMED).cloned().collect());
}

/// What a fate means when there is no last accepted record.
fn of_first_sync(fate: &str) -> &str {
    match fate {
        "absent" => "because they have no row",
        "ended" => "because their row says that they have left",
        "ineligible" => "because they are not eligible",
        "moved" => "here, because their row is in another group",
        "carried" => "because their row cannot be used",
        "unrouted" => "because their group value names no group",
        other => other,
    }
}
