//! Pure: what becomes of each covered member and of each group.
//!
//! [`Feed::meet`] says whose last accepted records are needed; [`Feed::decide`] gives each group its plan and
//! its verdict. Only this module can build a [`Submission`].

mod baseline;
mod fate;
mod guard;
mod hold;
mod identity;
mod judge;
mod moves;
mod plan;
mod read;
mod submission;
#[cfg(test)]
mod tests;
mod window;

pub use baseline::{Beside, Previous};
pub use fate::Fate;
pub use guard::{FirstSync, Guard, InvalidRows, Limit};
pub use hold::{Approved, Cleared, Held, Reason};
pub use identity::{Asked, Newcomer, asked, look_alikes};
pub use moves::Round;
pub use plan::{GroupFacts, Move, Plan, wanted};
pub use read::{SUSPICIOUS, Suspicion, incomplete, suspicions};
pub use submission::{Emptying, Submission, SubmissionMember};
pub use window::past_from;

use crate::roster::{Coverage, FingerprintKey, People, Record, ReferenceId, Route, Standing};
use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// What becomes of one group.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Every fate, and what changes.
    pub plan: Plan,
    /// What happens now.
    pub verdict: Verdict,
    /// When it is sent, if it is.
    pub round: Round,
}

/// What happens now with one group.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The roster goes out.
    Submit {
        /// What is sent.
        submission: Arc<Submission>,
        /// The digest of the approval that releases it, when one was needed.
        approval: Option<String>,
    },
    /// The roster is the one that Vitable has, confirmed and recently enough: nothing is sent.
    Unchanged,
    /// A person emptied the group on purpose. The text says who and how it is taken back.
    Retired(String),
    /// The group has to wait. The text says for what.
    PassOver(String),
    /// A person has to look.
    Hold(Held),
}

/// A complete read of a feed and the rules that it is decided by.
#[derive(Clone, Copy, Debug)]
pub struct Feed<'a> {
    /// Who was read.
    pub people: &'a Arc<People>,
    /// The limits.
    pub guard: &'a Guard,
    /// A larger roster is held.
    pub max_members: u64,
    /// With `submit: when_changed`: after how long an unchanged roster is sent again.
    pub resync_after: Option<Duration>,
    /// The key of the fingerprints.
    pub key: &'a FingerprintKey,
    /// The present instant.
    pub now: DateTime<Utc>,
}

impl Feed<'_> {
    /// The plan and the verdict of each group, in the order given. `records` holds what [`wanted`] named.
    #[must_use]
    pub fn decide(&self, groups: &[GroupFacts], records: &HashMap<ReferenceId, Record>) -> Vec<Decision> {
        let meeting = plan::Meeting {
            people: self.people,
            key: self.key,
            now: self.now,
            covering: &Covering::new(groups),
        };
        let buckets = self.buckets();
        let none = Vec::new();
        let plan = |facts: &GroupFacts| {
            let index = self.people.group_index(&facts.group);
            let bucket = index.and_then(|index| buckets.get(&index)).unwrap_or(&none);
            meeting.plan(facts, bucket, records)
        };
        let mut plans: Vec<Plan> = groups.iter().map(plan).collect();
        identity::find_renamed(self.people, self.key, groups, &mut plans);
        if plans.iter().any(|plan| !plan.moves.is_empty()) {
            return self.settle(groups, plans, records);
        }
        let judged = plans.into_iter().zip(groups).map(|(plan, facts)| {
            let verdict = self.verdict(&plan, facts);
            Decision { plan, verdict, round: Round::First }
        });
        judged.collect()
    }

    /// The people who are covered nowhere in the feed and whom no group can take, because their group value
    /// is blank or unlisted: places in [`People::iter`]. They are left out and listed.
    #[must_use]
    pub fn unplaced(&self, groups: &[GroupFacts]) -> Vec<u32> {
        let covering = Covering::new(groups);
        let nowhere = |(_, (id, person)): &(u32, (&str, &crate::roster::Person))| {
            !matches!(person.route, Route::Group(_))
                && !matches!(person.standing, Standing::Ended)
                && !covering.has(id)
        };
        (0_u32..).zip(self.people.iter()).filter(nowhere).map(|(at, _)| at).collect()
    }

    /// The places of the people who route to each group. A person with contradicting rows is with every
    /// group that one of them names.
    fn buckets(&self) -> HashMap<u32, Vec<u32>> {
        let mut buckets: HashMap<u32, Vec<u32>> = HashMap::new();
        for (at, (_, person)) in (0_u32..).zip(self.people.iter()) {
            if let Route::Group(group) = person.route {
                buckets.entry(group).or_default().push(at);
            }
            if person.standing != Standing::Duplicate {
                continue;
            }
            let others: BTreeSet<u32> = self
                .people
                .duplicates_at(at)
                .iter()
                .filter_map(|(_, route)| match route {
                    Route::Group(group) if *route != person.route => Some(*group),
                    Route::Group(_) | Route::Blank | Route::Unlisted => None,
                })
                .collect();
            for group in others {
                buckets.entry(group).or_default().push(at);
            }
        }
        buckets
    }

    fn verdict(&self, plan: &Plan, facts: &GroupFacts) -> Verdict {
        if let Some(why) = &facts.retired {
            return Verdict::Retired(why.clone());
        }
        if let Some(why) = &facts.pass_over {
            return Verdict::PassOver(why.clone());
        }
        let Some(held) = self.held(plan, facts) else {
            if self.unchanged(plan, facts) {
                return Verdict::Unchanged;
            }
            return Verdict::Submit {
                submission: self.submission(plan, None, &BTreeSet::new()),
                approval: None,
            };
        };
        let cleared = facts.cleared.as_ref().filter(|cleared| cleared.covers(plan, &held));
        let approved = facts.approvals.iter().find(|approved| held.released_by(approved));
        if approved.is_none() && cleared.is_none() {
            return Verdict::Hold(held);
        }
        let approved = approved.or(cleared.and_then(Cleared::approved));
        let renews = held.reasons.iter().any(|reason| reason.rule == "carry_forward_for");
        let renewed = if renews && approved.is_some() {
            judge::carried_too_long(&plan.payload, self.guard, self.now).into_iter().collect()
        } else {
            BTreeSet::new()
        };
        let submission = self.submission(plan, approved, &renewed);
        Verdict::Submit { submission, approval: approved.map(|approved| approved.digest.clone()) }
    }

    /// What the guard holds of this plan, whatever a person said to it.
    fn held(&self, plan: &Plan, facts: &GroupFacts) -> Option<Held> {
        let bench = judge::Bench {
            guard: self.guard,
            suspicions: &facts.suspicions,
            missing: facts.missing,
            max_members: self.max_members,
            failed_before: &facts.failed_before,
            unfinished: &facts.unfinished,
            second_writer: facts.second_writer.as_deref(),
            past: &facts.past,
            people: self.people,
            now: self.now,
        };
        judge::judge(plan, &bench)
    }

    /// Whether the roster is the one that Vitable has, and need not be sent again yet. Never after a sync with
    /// failures: a cache must not suppress the retry.
    fn unchanged(&self, plan: &Plan, facts: &GroupFacts) -> bool {
        let (Some(resync_after), Some(since)) = (self.resync_after, facts.clean_since) else { return false };
        let resync_after = TimeDelta::from_std(resync_after).unwrap_or(TimeDelta::MAX);
        let fresh = self.now.signed_duration_since(since) < resync_after;
        fresh && plan.certainty == crate::roster::Certainty::Confirmed && !plan.changes_something()
    }

    fn submission(
        &self,
        plan: &Plan,
        approved: Option<&Approved>,
        renewed: &BTreeSet<ReferenceId>,
    ) -> Arc<Submission> {
        Arc::new(Submission::new(plan, self.people, approved, renewed, self.now))
    }
}

/// Who is covered in any group of a feed.
struct Covering<'a> {
    few: Vec<&'a Coverage>,
    /// Of many groups: everybody at once, since asking one after the other would take too long.
    many: HashSet<&'a str>,
}

impl<'a> Covering<'a> {
    fn new(groups: &'a [GroupFacts]) -> Self {
        const FEW: usize = 16;
        let covering: Vec<&Coverage> =
            groups.iter().map(|facts| &facts.coverage).filter(|coverage| !coverage.is_empty()).collect();
        if covering.len() <= FEW {
            return Self { few: covering, many: HashSet::new() };
        }
        let everybody = covering.into_iter().flat_map(|coverage| coverage.iter().map(|known| known.id));
        Self { few: Vec::new(), many: everybody.collect() }
    }

    fn has(&self, id: &str) -> bool {
        self.few.iter().any(|coverage| coverage.place_of(id).is_some()) || self.many.contains(id)
    }
}
