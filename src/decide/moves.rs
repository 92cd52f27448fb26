//! Moves from one group of a feed to another (`design.md`, Fates): who goes now, who waits and why, and in which
//! order the groups are sent.
//!
//! Each group is judged as if all its moves were made. A move is made only when both groups are clear; whoever waits
//! stays in the losing group's roster as last accepted, and the rest of a clear group goes out all the same.

use super::{
    Decision, Feed, GroupFacts, Held, Move, Plan, Reason, Submission, Verdict,
    plan::{Again, note_plan},
};
use crate::roster::{Record, ReferenceId};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// When a group's roster goes out in a run.
#[derive(Clone, Debug)]
pub enum Round {
    /// At once.
    First,
    /// Once the groups that people leave for this one have finished.
    Second,
    /// At once without the people who come in, and then again with them: this one.
    Both(Arc<Submission>),
}

/// The rounds in which a group is sent: the first, the second, or both.
///
/// Our reading of an open question to Vitable (`vitable-api.md`, open question 2): a person leaves one group before
/// joining another. So what people leave goes first, and what they join second. Turned round, it is `(joins, leaves)`.
const fn rounds(leaves: bool, joins: bool) -> (bool, bool) {
    (leaves || !joins, joins)
}

/// What waits in one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Waits {
    /// By place in [`Plan::moves`]: why the move waits.
    moves: Vec<Option<String>>,
    /// By place in [`Plan::joining`]: whether the person can not come yet.
    joining: Vec<bool>,
}

impl Feed<'_> {
    /// The decisions of groups between which people move. `plans` are as if all moves were made.
    pub(super) fn settle(
        &self,
        groups: &[GroupFacts],
        plans: Vec<Plan>,
        records: &HashMap<ReferenceId, Record>,
    ) -> Vec<Decision> {
        let mut verdicts: Vec<Verdict> =
            plans.iter().zip(groups).map(|(plan, facts)| self.verdict(plan, facts)).collect();
        let mut blocked: Vec<Option<String>> = verdicts
            .iter()
            .zip(groups)
            .zip(&plans)
            .map(|((verdict, facts), plan)| {
                facts.aside.clone().or_else(|| not_clear(verdict)).or_else(|| self.too_few_between(plan))
            })
            .collect();
        let mut settled: Vec<Option<Plan>> = vec![None; plans.len()];
        // Each turn blocks one more group at least, or is the last one.
        loop {
            let waits = self.waits(groups, &plans, &blocked);
            let mut grew = false;
            for (at, plan) in plans.iter().enumerate() {
                let (Some(facts), Some(waits)) = (groups.get(at), waits.get(at)) else { continue };
                if !matters(waits) || verdicts.get(at).is_some_and(|verdict| not_clear(verdict).is_some()) {
                    continue;
                }
                let reduced = self.reduced(plan, facts, waits, records);
                let verdict = self.verdict_without(plan, &reduced, facts);
                if let Some(why) = not_clear(&verdict)
                    && let Some(place) = blocked.get_mut(at)
                {
                    grew |= place.is_none();
                    place.get_or_insert(why);
                }
                if let (Some(plan), Some(known)) = (settled.get_mut(at), verdicts.get_mut(at)) {
                    // A group that is held shows what is held, as if all were made.
                    *plan = (!matches!(verdict, Verdict::Hold(_))).then_some(reduced);
                    *known = verdict;
                }
            }
            if !grew {
                break;
            }
        }
        let plans = plans.into_iter().zip(settled).map(|(plan, settled)| settled.unwrap_or(plan));
        plans.zip(verdicts).map(|(plan, verdict)| Self::in_rounds(plan, verdict)).collect()
    }

    /// Why a group that lets people go and takes others in cannot be sent without these in between: nobody, or too few,
    /// would be left. So do labels that were exchanged look, and an empty roster is made by no file.
    fn too_few_between(&self, plan: &Plan) -> Option<String> {
        let coming = u64::try_from(plan.joining.len()).unwrap_or(u64::MAX);
        let between = plan.payload_len().saturating_sub(coming);
        let swaps = coming > 0 && plan.leaving().next().is_some();
        (swaps && between < self.guard.min_members.max(1)).then(|| {
            format!("its roster would have only {between} until those who come in have left their group")
        })
    }

    /// What waits in each group, while these are not clear.
    fn waits(&self, groups: &[GroupFacts], plans: &[Plan], blocked: &[Option<String>]) -> Vec<Waits> {
        let place: HashMap<_, _> = groups.iter().enumerate().map(|(at, facts)| (&facts.group, at)).collect();
        let why = |at: usize| {
            let why = blocked.get(at)?.as_ref()?;
            let group = &groups.get(at)?.group;
            Some(format!("group `{group}` is not clear: {why}"))
        };
        let target = |each: &Move| match place.get(&each.to) {
            Some(&at) => why(at),
            None => Some(format!("group `{}` is none of the feed's", each.to)),
        };
        // Who is covered in several groups comes only when all of them let him go.
        let mut stays: HashMap<&ReferenceId, String> = HashMap::new();
        for (at, plan) in plans.iter().enumerate() {
            let own = why(at);
            for each in &plan.moves {
                if let Some(why) = own.clone().or_else(|| target(each)) {
                    stays.entry(&each.id).or_insert(why);
                }
            }
        }
        let staying: HashSet<&str> = stays.keys().map(|id| id.as_str()).collect();
        let of = |plan: &Plan| Waits {
            moves: plan.moves.iter().map(|each| stays.get(&each.id).cloned()).collect(),
            joining: plan
                .joining
                .iter()
                .map(|&at| self.people.person(at).is_some_and(|who| staying.contains(self.people.id_of(who))))
                .collect(),
        };
        plans.iter().map(of).collect()
    }

    /// The plan in which these wait.
    fn reduced(
        &self,
        plan: &Plan,
        facts: &GroupFacts,
        waits: &Waits,
        records: &HashMap<ReferenceId, Record>,
    ) -> Plan {
        let mut plan = plan.clone();
        let mut moves = std::mem::take(&mut plan.moves);
        for (each, why) in moves.iter_mut().zip(&waits.moves) {
            let Some(why) = why else { continue };
            each.waits = Some(why.clone());
            match (records.get(&each.id), facts.coverage.get(each.id.as_str())) {
                (Some(record), Some(covered)) => {
                    note_plan(&covered, record.view(), &mut plan);
                    plan.payload.again.push((record.clone(), Again::MoveWaits));
                }
                (None, _) | (_, None) => plan.records_missing.push(each.id.clone()),
            }
        }
        plan.moves = moves;
        let joining = std::mem::take(&mut plan.joining);
        let mut gone: HashSet<u32> = HashSet::new();
        for (at, waits) in joining.into_iter().zip(&waits.joining) {
            if !waits {
                plan.joining.push(at);
                continue;
            }
            plan.arriving.push(at);
            if let Some(crate::roster::Standing::Eligible(record)) =
                self.people.person(at).map(|person| person.standing)
            {
                gone.insert(record);
            }
        }
        plan.payload.read.retain(|record| !gone.contains(record));
        plan.payload.joining.retain(|record| !gone.contains(record));
        plan
    }

    /// The verdict of a plan in which some wait. What a person approved as a whole waits as a whole: a part of it
    /// would spend the word and leave the rest to be asked for again.
    fn verdict_without(&self, whole: &Plan, reduced: &Plan, facts: &GroupFacts) -> Verdict {
        let verdict = self.verdict(reduced, facts);
        if facts.cleared.is_some() {
            return verdict;
        }
        let Some(held) = self.held(whole, facts) else { return verdict };
        let of_moves = held.lines.iter().any(|line| line.starts_with("moved:"));
        if !of_moves && !matches!(verdict, Verdict::Hold(_)) {
            return verdict;
        }
        let mut others: Vec<&str> = reduced.moves.iter().filter_map(|each| each.waits.as_deref()).collect();
        others.sort_unstable();
        others.dedup();
        let because = if others.is_empty() {
            "those who come in cannot leave yet".to_owned()
        } else {
            others.join("; ")
        };
        let sentence = format!("this is approved, and waits all the same: {because}");
        let reasons = held.reasons.into_iter();
        let reasons = reasons.chain([Reason { rule: "moved", sentence, approvable: true }]).collect();
        Verdict::Hold(Held { reasons, lines: held.lines, digest: held.digest })
    }

    /// The decision with what is sent in which round.
    fn in_rounds(plan: Plan, verdict: Verdict) -> Decision {
        let Verdict::Submit { submission, approval } = verdict else {
            return Decision { plan, verdict, round: Round::First };
        };
        let (leaves, joins) = (plan.leaving().next().is_some(), !plan.joining.is_empty());
        // Who is covered nowhere does not wait for those who are to leave another group only now.
        match rounds(leaves || plan.finishes_moves, joins) {
            (true, true) => {
                let first = Arc::new(submission.without(&plan.payload.joining));
                let verdict = Verdict::Submit { submission: first, approval };
                Decision { plan, verdict, round: Round::Both(submission) }
            }
            (first, second) => {
                let round = if second && !first { Round::Second } else { Round::First };
                Decision { plan, verdict: Verdict::Submit { submission, approval }, round }
            }
        }
    }
}

fn matters(waits: &Waits) -> bool {
    waits.moves.iter().any(Option::is_some) || waits.joining.contains(&true)
}

/// Why a group with this verdict takes part in no move.
fn not_clear(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Submit { .. } | Verdict::Unchanged => None,
        Verdict::PassOver(why) | Verdict::Retired(why) => Some(why.clone()),
        Verdict::Hold(held) => {
            let why = held.reasons.first().map_or("", |reason| reason.sentence.as_str());
            Some(format!("it is held: {why}"))
        }
    }
}
