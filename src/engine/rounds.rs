//! The second round of a run: the groups into which people move, once the groups that they leave have finished.

use super::{
    Engine, Feed, Order, Progress,
    carry::{Due, Sending, Waiting},
    contact::Named,
    pass::{Decided, aside},
    reading::Read,
    report,
    tell::Scope,
};
use crate::{
    decide::{Round, Suspicion},
    ledger::{GroupReport, LedgerError, OpenMove, Run, RunOutcome},
    notify::{Incident, Kind},
    roster::{FeedName, GroupRef, ReferenceId, Standing},
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What the second round needs: the same read, and which groups it is about.
#[derive(Debug)]
pub(super) struct Second {
    feed: Feed,
    read: Read,
    why: BTreeMap<GroupRef, Vec<Suspicion>>,
    named: Vec<(GroupRef, Named)>,
    gaining: BTreeSet<GroupRef>,
    /// Places among the run's groups of those that were sent and have to finish before the second round: people
    /// leave them, or they are sent again.
    losing: HashSet<usize>,
}

impl Second {
    /// The second round of what was decided, if it needs one. The read is kept for it alone.
    pub(super) fn of(order: &Order<'_>, decided: Decided, sent: &[(usize, Sending)]) -> Option<Self> {
        let gaining: BTreeSet<GroupRef> = decided
            .decisions
            .iter()
            .filter(|decision| !matches!(decision.round, Round::First))
            .map(|decision| decision.plan.group.clone())
            .collect();
        if gaining.is_empty() {
            return None;
        }
        let leaves = |place: usize| {
            decided.decisions.get(place).is_some_and(|each| {
                each.plan.leaving().next().is_some() || matches!(each.round, Round::Both(_))
            })
        };
        let losing = sent.iter().map(|(place, _)| *place).filter(|place| leaves(*place)).collect();
        let groups = decided.decisions.iter().map(|decision| decision.plan.group.clone());
        let named = groups.zip(decided.named).collect();
        Some(Self { feed: order.feed.clone(), read: decided.read, why: decided.why, named, gaining, losing })
    }
}

/// Everything that is sent in the first round: first of all the groups that take in somebody who is covered nowhere
/// since an earlier run, and, once those are answered, the others.
pub(super) fn due_at_once<'a>(order: &Order<'_>, decided: &'a Decided) -> [Vec<(usize, Due<'a>)>; 2] {
    let both = decided.decisions.iter().zip(&decided.named).enumerate();
    let due = both
        .filter(|(_, (decision, _))| {
            order.wants(&decision.plan.group) && !matches!(decision.round, Round::Second)
        })
        .filter_map(|(place, (decision, named))| {
            Some((decision.plan.finishes_moves, (place, Due::of(decision, named)?)))
        });
    let (first, others): (Vec<_>, Vec<_>) = due.partition(|(first, _)| *first);
    [first, others].map(|due| due.into_iter().map(|(_, due)| due).collect())
}

impl Engine {
    /// Nobody leaves for a group that does not exist: one that a person let be created is created before the others
    /// are sent. When that fails, nobody moves there, and everything is decided again.
    pub(super) async fn with_groups_to_move_into(
        &self,
        order: &Order<'_>,
        mut decided: Decided,
    ) -> Result<Decided, LedgerError> {
        let (mut created, mut failed) = (Vec::new(), false);
        for (place, decision) in decided.decisions.iter().enumerate() {
            let (group, named) = (&decision.plan.group, decided.named.get(place));
            let missing = named == Some(&Named::Nothing) && !matches!(decision.round, Round::First);
            // Then nothing is sent, and so nothing is created.
            let nothing_goes = self.halted().is_some() || self.shared.stopping();
            if !missing || nothing_goes || !order.wants(group) || Due::of(decision, &Named::Nothing).is_none()
            {
                continue;
            }
            let made = self.create(order.feed, group).await?;
            failed |= made.is_err();
            created
                .push((place, made.map_or_else(|why| Named::Wrong(Kind::GroupUnknown, why), Named::Group)));
        }
        for (place, named) in created {
            if let Some(known) = decided.named.get_mut(place) {
                *known = named;
            }
        }
        if failed {
            let groups = decided.decisions.iter().map(|decision| decision.plan.group.clone());
            let named: Vec<_> = groups.zip(decided.named.iter().cloned()).collect();
            let aside = |group: &GroupRef, named: &Named| aside(order, group, named);
            (decided.decisions, decided.unplaced) =
                self.decide_read(order.feed, &decided.read, &decided.why, &named, &aside)?;
        }
        Ok(decided)
    }

    /// Follows what was sent, and sends the second round as soon as the groups that people leave have finished, or
    /// after `poll.stuck_after` without those who have not left yet. Says whether it came to that.
    pub(super) async fn wait_in_rounds(
        &self,
        waiting: &mut Waiting,
        second: &Second,
        progress: &dyn Progress,
    ) -> Result<bool, LedgerError> {
        let (mut losing, mut others) = (Vec::new(), Vec::new());
        for (place, sending) in &mut waiting.sent {
            if second.losing.contains(place) { losing.push(sending) } else { others.push(sending) }
        }
        let (run, outcome) = (&mut waiting.run, &mut waiting.outcome);
        let others = self.follow_all(others.into_iter(), progress);
        let rounds = async {
            let mut leaving = Box::pin(self.follow_all(losing.into_iter(), progress));
            let patience = self.settings.vitable.poll.stuck_after;
            let left = tokio::select! {
                biased;
                ended = &mut leaving => Some(ended?),
                () = tokio::time::sleep(patience) => None,
            };
            if self.shared.stopping() {
                return Ok((Vec::new(), false));
            }
            let mut sent = self.send_second(run, outcome, second, progress).await?;
            // What a stop kept from being sent is for the run that is begun again.
            let mut whole = !self.shared.stopping();
            let joining = self.follow_all(sent.iter_mut().map(|(_, sending)| sending), progress);
            match left {
                Some(()) => joining.await?,
                None => {
                    let (joined, left) = tokio::join!(joining, leaving);
                    joined.and(left)?;
                    // Who was let go after all is covered nowhere, and does not wait for the next run.
                    if !self.shared.stopping() && !self.ledger.open_moves(Some(&run.feed))?.is_empty() {
                        let mut late = self.send_second(run, outcome, second, progress).await?;
                        whole &= !self.shared.stopping();
                        self.follow_all(late.iter_mut().map(|(_, sending)| sending), progress).await?;
                        sent.extend(late);
                    }
                }
            }
            Ok::<_, LedgerError>((sent, whole))
        };
        let (others, rounds) = tokio::join!(others, rounds);
        others?;
        let (sent, whole) = rounds?;
        waiting.sent.extend(sent);
        Ok(whole)
    }

    /// Decides the same read again, by what the ledger knows now: who has left is simply new. Nobody moves anew.
    async fn send_second(
        &self,
        run: &mut Run,
        outcome: &mut RunOutcome,
        second: &Second,
        progress: &dyn Progress,
    ) -> Result<Vec<(usize, Sending)>, LedgerError> {
        let Second { feed, read, why, named, gaining, .. } = second;
        let aside = |_: &GroupRef, _: &Named| Some("it has not finished; the next run moves them".to_owned());
        let (decisions, _) = self.decide_read(feed, read, why, named, &aside)?;
        let mut due = Vec::new();
        for (decision, (group, named)) in decisions.iter().zip(named) {
            let place = run.groups.iter().position(|report| report.group == *group);
            let Some(place) = place.filter(|_| gaining.contains(group)) else { continue };
            let now = report::group(decision, &read.people);
            if let Some(report) = run.groups.get_mut(place) {
                *report = GroupReport {
                    attempt: report.attempt,
                    group_id: report.group_id.clone(),
                    body: report.body.clone(),
                    ..now
                };
                *outcome = (*outcome).max(report.verdict.at_least());
            }
            due.extend(Due::of(decision, named).map(|due| (place, due)));
        }
        self.ledger.save_run(run)?;
        self.send_due(run, outcome, feed, progress, due).await
    }

    /// At the end of a run: says whether somebody is covered nowhere because a move is not finished. It is told as
    /// urgent, or told to be over, and the groups concerned are tried again soon.
    pub(super) fn moves_are_unfinished(&self, run: &mut Run) -> Result<bool, LedgerError> {
        let incidents = self.unfinished_moves(&run.feed)?;
        let found = !incidents.is_empty();
        self.tell(&incidents, moves_of(&run.feed))?;
        if let Some(incident) = incidents.first() {
            let waits = |id: &ReferenceId| incident.people.iter().any(|who| who.reference_id == id.as_str());
            for group in &mut run.groups {
                let mut added = ["added", "joining", "arriving"]
                    .iter()
                    .filter_map(|what| group.members.get(*what))
                    .flatten();
                if added.any(waits) {
                    group.again = true;
                    group.reasons.push(incident.reason.clone());
                }
            }
        }
        Ok(found)
    }

    /// The incident of the moves of a feed that are not finished, if there are any.
    pub(super) fn unfinished_moves(&self, feed: &FeedName) -> Result<Vec<Incident>, LedgerError> {
        let open = self.ledger.open_moves(Some(feed))?;
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<ReferenceId> = open.iter().map(|each| each.id.clone()).collect();
        let mut covered: BTreeSet<ReferenceId> = BTreeSet::new();
        let groups = match self.feed(feed.as_str()) {
            Some(feed) => feed.known_groups(&self.ledger)?,
            None => self.groups_of_gone(feed)?,
        };
        for group in groups {
            covered.extend(self.ledger.surely_covered(&group, &ids)?);
        }
        self.ledger.forget_moves(feed, &covered)?;
        let open: Vec<OpenMove> = open.into_iter().filter(|each| !covered.contains(&each.id)).collect();
        Ok(self.unfinished_incident(feed, &open)?.into_iter().collect())
    }

    /// Forgets the moves of people who belong in no group any more by a read that nothing is suspicious about: they
    /// wait for nothing. A read that waits for a person says nothing of them.
    pub(super) fn forget_ended_moves(&self, feed: &FeedName, decided: &Decided) -> Result<(), LedgerError> {
        let open = self.ledger.open_moves(Some(feed))?;
        if open.is_empty() || !decided.suspicions.is_empty() {
            return Ok(());
        }
        let people = &decided.read.people;
        let belongs = |id: &ReferenceId| {
            match people.place_of(id.as_str()).and_then(|place| people.person(place)) {
                Some(person) => match person.standing {
                    Standing::Eligible(_) | Standing::Unusable { .. } | Standing::Duplicate => true,
                    Standing::Ended | Standing::Ineligible(_) => false,
                },
                // A row without a usable reference could be his.
                None => !people.nameless.is_empty(),
            }
        };
        let over = open.into_iter().map(|each| each.id).filter(|id| !belongs(id)).collect();
        self.ledger.forget_moves(feed, &over)
    }

    /// Says whether somebody is covered nowhere because of the feed's moves, when no run says so: a request that none
    /// follows ended, or the feed is paused.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub fn tell_unfinished_moves(&self, feed: &FeedName) -> Result<(), LedgerError> {
        self.tell(&self.unfinished_moves(feed)?, moves_of(feed))
    }
}

/// Whoever looks at the open moves of a feed sees whether all are over.
const fn moves_of(feed: &FeedName) -> Scope<'_> {
    Scope { kinds: &[Kind::UnfinishedMove], feed: Some(feed), ..Scope::NOTHING }
}
