//! What a decision leaves behind for those who ask later: who waits in each group and since when, and what was read
//! of every reference.

use super::{Engine, pass::Decided};
use crate::{
    decide::{Decision, Fate, Verdict},
    ledger::{self, LedgerError, Lot, Run, TracedGroup, WaitList, Waits},
    notify::{Incident, Kind},
    roster::People,
};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

impl Engine {
    /// Who waits in each group by this decision. What is to be sent waits too, until Vitable has done it: whatever
    /// becomes of the roster, nobody is forgotten.
    pub(super) fn waiting(&self, run: &Run, decided: &Decided) -> Result<Vec<Waits>, LedgerError> {
        let now = self.clock.now();
        let before = self.ledger.waits(Some(&run.feed))?;
        let before: BTreeMap<_, &Waits> = before.iter().map(|waits| (&waits.group, waits)).collect();
        let of = |decision: &Decision| {
            if matches!(decision.verdict, Verdict::Retired(_)) {
                // A person emptied the group: nobody waits for it.
                return Waits::nobody(run.feed.clone(), decision.plan.group.clone(), run.id);
            }
            let known = before.get(&decision.plan.group).copied();
            of_plan(run, decision, &decided.read.people, known, now)
        };
        Ok(decided.decisions.iter().map(of).collect())
    }

    /// Remembers the run as far as it has come, with the trace of what it read.
    pub(super) fn remember(&self, run: &Run, decided: &Decided) -> Result<(), LedgerError> {
        let groups = decided.decisions.iter().map(traced).collect();
        let trace = ledger::Decided {
            people: &decided.read.people,
            groups,
            unplaced: &decided.unplaced,
            at: self.clock.now(),
        };
        if let Some(error) = self.ledger.save_decided_run(run, &trace)? {
            tracing::warn!(run = %run.id, feed = %run.feed, "`rosterd explain` will not know this read: {error}");
        }
        Ok(())
    }

    /// A hold says how many wait because of it, and how long the first of them has waited. These numbers change from
    /// day to day, so they are no part of its reason: a reminder tells them.
    pub(super) fn add_ages(&self, incidents: &mut [Incident], waits: &[Waits]) {
        let now = self.clock.now();
        for incident in incidents.iter_mut().filter(|incident| incident.kind == Kind::Held) {
            let Some(waits) = waits.iter().find(|waits| Some(&waits.group) == incident.group.as_ref()) else {
                continue;
            };
            let removals = (waits.removals.total(), waits.removals.oldest());
            let lists = [
                ("removals_waiting", "removals_waiting_days", removals),
                ("additions_waiting", "additions_waiting_days", waits.additions_in_all()),
            ];
            for (name, days_name, (total, oldest)) in lists {
                if let Some(oldest) = oldest {
                    let days = now.signed_duration_since(oldest).num_days();
                    incident.counts.push((name.to_owned(), total));
                    incident.counts.push((days_name.to_owned(), u64::try_from(days).unwrap_or(0)));
                }
            }
        }
    }
}

fn of_plan(
    run: &Run,
    decision: &Decision,
    people: &People,
    before: Option<&Waits>,
    now: DateTime<Utc>,
) -> Waits {
    let plan = &decision.plan;
    let fates = |moved: bool| {
        let leaving =
            plan.fates.iter().filter(move |(_, fate)| fate.leaves() && (*fate == Fate::Moved) == moved);
        leaving.map(|(id, _)| id.as_str())
    };
    let id = |place: u32| people.person(place).map(|person| people.id_of(person));
    let none = WaitList::default();
    let list = |of: fn(&Waits) -> &WaitList| before.map_or(&none, of);
    Waits {
        feed: run.feed.clone(),
        group: plan.group.clone(),
        run: run.id,
        removals: list(|waits| &waits.removals).renewed(fates(false), now),
        moves: list(|waits| &waits.moves).renewed(fates(true), now),
        additions: list(|waits| &waits.additions).renewed(plan.added.iter().filter_map(|at| id(*at)), now),
        left_out: list(|waits| &waits.left_out).renewed(plan.left_out.iter().filter_map(|at| id(*at)), now),
    }
}

fn traced(decision: &Decision) -> TracedGroup<'_> {
    let plan = &decision.plan;
    let mut fates: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
    for (id, fate) in &plan.fates {
        fates.entry(fate.name()).or_default().push(id.as_str());
    }
    TracedGroup {
        group: &plan.group,
        fates: fates.into_iter().collect(),
        lots: [
            (Lot::Added, plan.added.as_slice()),
            (Lot::Arriving, plan.arriving.as_slice()),
            (Lot::Arriving, plan.joining.as_slice()),
            (Lot::LeftOut, plan.left_out.as_slice()),
        ],
    }
}
