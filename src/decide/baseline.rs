//! A first sync beside the people whom a previous system covered: for a plan, and never for a submission.

use super::{Fate, Feed, GroupFacts, Plan, Verdict};
use crate::roster::{
    Certainty, Coverage, Covered, Fingerprint, Fingerprints, GroupRef, Past, PlanId, ReferenceId,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Whom a previous system covered, by group.
pub type Previous = BTreeMap<GroupRef, BTreeSet<ReferenceId>>;

/// The rules that can be asked: what a previous system knew of its people beside their references is not known.
const ASKED: &[&str] = &[
    "absent",
    "ended",
    "ineligible",
    "moved",
    "added",
    "invalid",
    "nameless_rows",
    "removed_in_7d",
    "absent_in_30d",
    "min_members",
    "max_members_per_sync",
];

/// What the first sync of one group would do to the people of a previous system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// How many it covered.
    pub covered: u64,
    /// Who is on the roster and was not covered.
    pub added: Vec<ReferenceId>,
    /// Who was covered and is not on the roster, by what his row says: the name of a fate.
    pub removed: BTreeMap<&'static str, Vec<ReferenceId>>,
    /// What the guard would hold if these were the baseline, one sentence each.
    pub limits: Vec<String>,
}

impl Beside {
    /// How many would lose coverage.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.removed.values().map(|who| u64::try_from(who.len()).unwrap_or(u64::MAX)).sum()
    }
}

impl Feed<'_> {
    /// Decides as if these people were the confirmed members of their groups. Whoever has a row that cannot be used
    /// would lose coverage too: a first sync has no last accepted record to send again.
    #[must_use]
    pub fn beside(&self, groups: &[GroupFacts], previous: &Previous) -> BTreeMap<GroupRef, Beside> {
        let facts: Vec<GroupFacts> = groups.iter().map(|facts| self.as_if(facts, previous)).collect();
        let decided = self.decide(&facts, &HashMap::new()).into_iter();
        let about = decided.filter(|decision| previous.contains_key(&decision.plan.group));
        about
            .map(|decision| {
                let limits = match &decision.verdict {
                    Verdict::Hold(held) => {
                        let asked = held.reasons.iter().filter(|reason| ASKED.contains(&reason.rule));
                        asked.map(|reason| reason.sentence.clone()).collect()
                    }
                    Verdict::Submit { .. }
                    | Verdict::Unchanged
                    | Verdict::Retired(_)
                    | Verdict::PassOver(_) => Vec::new(),
                };
                (decision.plan.group.clone(), self.compared(&decision.plan, limits))
            })
            .collect()
    }

    fn as_if(&self, facts: &GroupFacts, previous: &Previous) -> GroupFacts {
        let coverage = match previous.get(&facts.group) {
            Some(ids) => self.covering(ids),
            None => facts.coverage.clone(),
        };
        GroupFacts {
            coverage,
            pass_over: None,
            retired: None,
            cleared: None,
            approvals: Vec::new(),
            suspicions: Vec::new(),
            missing: false,
            aside: None,
            past: Past::default(),
            ..facts.clone()
        }
    }

    /// These people as members who are what their rows say, so that only who comes and goes is a change.
    fn covering(&self, ids: &BTreeSet<ReferenceId>) -> Coverage {
        let mut coverage = Coverage::new(Certainty::Confirmed, []);
        let Ok(nobody_knows) = PlanId::new("pln_of_before") else { return coverage };
        for id in ids {
            let record = self.people.get(id.as_str()).and_then(|person| self.people.record_of(person));
            let known = record.and_then(|record| {
                Some((PlanId::new(record.get(crate::roster::Field::PlanId)).ok()?, self.key.whole(record)))
            });
            let (plan, whole) = known.unwrap_or_else(|| (nobody_knows.clone(), Fingerprint(0)));
            let prints = Fingerprints { whole, fields: std::array::from_fn(|_| Fingerprint(0)) };
            coverage.put_whole(&Covered { id: id.clone(), plan, prints, carried_since: None });
        }
        coverage
    }

    fn compared(&self, plan: &Plan, limits: Vec<String>) -> Beside {
        let mut removed: BTreeMap<&'static str, Vec<ReferenceId>> = BTreeMap::new();
        for (id, fate) in plan.fates.iter().filter(|(_, fate)| *fate != Fate::Kept) {
            removed.entry(fate.name()).or_default().push(id.clone());
        }
        let persons = plan.added.iter().chain(&plan.joining).filter_map(|&at| self.people.person(at));
        let added = persons.filter_map(|person| ReferenceId::new(self.people.id_of(person)).ok());
        Beside { covered: plan.covered, added: added.collect(), removed, limits }
    }
}
