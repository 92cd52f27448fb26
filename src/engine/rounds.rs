//! The second round of a run: the groups into which people move, once the groups that they leave have finished.

use super::{
    Engine, Feed, Order, Progress,
    carry::{Due, Sending, Waiting},
    contact::Named,
    pass::{Cut, Decided, aside},
    reading::Read,
    report,
    tell::Scope,
};
use crate::{
    decide::{Approved, Cleared, Decision, Round, Suspicion, Verdict},
    ledger::{GroupReport, GroupVerdict, Hold, LedgerError, OpenMove, Run, RunOutcome},
    notify::{Incident, Kind},
    roster::{FeedName, GroupRef, ReferenceId, Standing},
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// So many runs are looked through for one that began later.
const LATER_RUNS: usize = 50;
const OVERTAKEN: &str = "a later run of the feed has read newer rows meanwhile, so these are not sent; the next run finishes what is not finished";

/// What the second round needs: the same read, and which groups it is about.
#[derive(Debug)]
pub(super) struct Second {
    feed: Feed,
    read: Read,
    why: BTreeMap<GroupRef, Vec<Suspicion>>,
    named: Vec<(GroupRef, Named)>,
    /// The groups that it is about, and what was released of them in the first round.
    gaining: BTreeMap<GroupRef, Option<Cleared>>,
    /// Places among the run's groups of those that were sent and have to finish before the second round: people
    /// leave them, or they are sent again.
    losing: HashSet<usize>,
}

impl Second {
    /// The second round of what was decided, if it needs one. The read is kept for it alone.
    pub(super) fn of(order: &Order<'_>, decided: Decided, sent: &[(usize, Sending)]) -> Option<Self> {
        let gaining: BTreeMap<GroupRef, Option<Cleared>> = decided
            .decisions
            .iter()
            .filter(|decision| !matches!(decision.round, Round::First))
            .map(|decision| (decision.plan.group.clone(), Cleared::of(decision)))
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
            let aside = |group: &GroupRef, named: &Named| Cut::of(aside(order, group, named));
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

    /// Decides the same read again, by what the ledger knows now: who has left is simply new, nobody moves anew, and what
    /// was clear in the first round is clear. Nothing is sent when a later run of the feed has decided on a newer read
    /// meanwhile: the rows of now would undo what it did.
    async fn send_second(
        &self,
        run: &mut Run,
        outcome: &mut RunOutcome,
        second: &Second,
        progress: &dyn Progress,
    ) -> Result<Vec<(usize, Sending)>, LedgerError> {
        let Second { feed, read, why, named, gaining, .. } = second;
        let lane = self.lane(&feed.name);
        let _turn = lane.lock().await;
        if self.is_overtaken(run)? {
            for group in run.groups.iter_mut().filter(|group| gaining.contains_key(&group.group)) {
                group.verdict = GroupVerdict::PassedOver;
                group.reasons.push(OVERTAKEN.to_owned());
                *outcome = (*outcome).max(group.verdict.at_least());
            }
            tracing::info!(run = %run.id, feed = %run.feed, "a later run has decided on a newer read; this one sends nothing more");
            self.ledger.save_run(run)?;
            return Ok(Vec::new());
        }
        let (holds, now) = (self.ledger.holds(Some(&feed.name))?, self.clock.now());
        let good = |group: &GroupRef, digest: &str| {
            let same = |hold: &&Hold| hold.group == *group && hold.digest == digest;
            let said =
                |hold: &&Hold| hold.word.as_ref().is_some_and(|word| word.approved && !word.has_expired(now));
            let hold = holds.iter().filter(same).find(said)?;
            Some(Approved { digest: digest.to_owned(), lines: hold.held.iter().cloned().collect() })
        };
        let aside = |group: &GroupRef, _: &Named| Cut {
            aside: Some("it has not finished; the next run moves them".to_owned()),
            cleared: gaining
                .get(group)
                .and_then(Option::as_ref)
                .map(|cleared| cleared.by(&mut |digest| good(group, digest))),
        };
        let (decisions, _) = self.decide_read(feed, read, why, named, &aside)?;
        let mut due = Vec::new();
        for (decision, (group, named)) in decisions.iter().zip(named) {
            let place = run.groups.iter().position(|report| report.group == *group);
            let Some(place) = place.filter(|_| gaining.contains_key(group)) else { continue };
            self.hold_in_second_round(run, decision, &read.people)?;
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

    /// Whether a later run of the feed has decided on a read of its own.
    fn is_overtaken(&self, run: &Run) -> Result<bool, LedgerError> {
        let decided = self.ledger.find_in_runs(&run.feed, LATER_RUNS, |later| {
            if later.id <= run.id { Some(false) } else { (!later.groups.is_empty()).then_some(true) }
        })?;
        Ok(decided.unwrap_or(false))
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

    /// Forgets the moves of people who belong in no group any more by a read that nothing is suspicious about and of which
    /// nothing is held: they wait for nothing. A read that waits for a person says nothing of them. Who has no row at
    /// all is forgotten only as far as `absent` lets members of the group that he left go without a word.
    pub(super) fn forget_ended_moves(&self, feed: &Feed, decided: &Decided) -> Result<(), LedgerError> {
        let open = self.ledger.open_moves(Some(&feed.name))?;
        let held = |decision: &Decision| matches!(decision.verdict, Verdict::Hold(_));
        if open.is_empty() || !decided.suspicions.is_empty() || decided.decisions.iter().any(held) {
            return Ok(());
        }
        let people = &decided.read.people;
        let (mut over, mut gone): (BTreeSet<ReferenceId>, BTreeMap<GroupRef, Vec<ReferenceId>>) =
            Default::default();
        for OpenMove { id, from, .. } in open {
            match people.place_of(id.as_str()).and_then(|place| people.person(place)) {
                Some(person) => match person.standing {
                    Standing::Eligible(_) | Standing::Unusable { .. } | Standing::Duplicate => {}
                    Standing::Ended | Standing::Ineligible(_) => drop(over.insert(id)),
                },
                // A row without a usable reference could be his.
                None if people.nameless.is_empty() => gone.entry(from).or_default().push(id),
                None => {}
            }
        }
        for (from, ids) in gone {
            let plan = decided.decisions.iter().map(|each| &each.plan).find(|plan| plan.group == from);
            let (absent, covered) = plan.map_or((0, 0), |plan| (plan.count("absent"), plan.covered));
            let found = absent.saturating_add(report::len(&ids));
            if found <= feed.guard.absent.allows(covered) {
                tracing::warn!(%from, people = ids.len(), "people who left the group for another one have no row any more; they wait for no group");
                over.extend(ids);
            }
        }
        self.ledger.forget_moves(&feed.name, &over)
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
