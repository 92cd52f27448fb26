//! What the ledger knows of a group, as the decision wants it.

use super::{Engine, Feed};
use crate::{
    attempt::{self, Event, Operation, State},
    decide::{self, Approved, GroupFacts},
    ledger::{Attempt, Ledger, LedgerError},
    mapping::GroupRule,
    roster::{Certainty, Doubt, Fingerprint, GroupRef, Past, People, ReferenceId},
};
use chrono::TimeDelta;
use std::{cell::Cell, collections::BTreeSet};

impl Feed {
    /// The groups that the feed has whatever is read today: those that the configuration names, and for an
    /// `as_is` column those that it fed before.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn known_groups(&self, ledger: &Ledger) -> Result<BTreeSet<GroupRef>, LedgerError> {
        let mut groups = self.named_groups();
        if matches!(self.grouping.rule, GroupRule::AsIs { .. }) {
            for group in ledger.known_groups()? {
                if ledger.owner(&group)?.as_ref() == Some(&self.name) {
                    groups.insert(group);
                }
            }
        }
        Ok(groups)
    }
}

impl Engine {
    /// The groups that get a verdict: a value of an `as_is` column that is seen today, and one that vanished.
    pub(super) fn groups_of(&self, feed: &Feed, people: &People) -> Result<BTreeSet<GroupRef>, LedgerError> {
        let mut groups = feed.known_groups(&self.ledger)?;
        if matches!(feed.grouping.rule, GroupRule::AsIs { .. }) {
            groups.extend(people.groups.iter().cloned());
        }
        Ok(groups)
    }

    /// Everything known of one group that a decision about these people needs.
    pub(super) fn group_facts(
        &self,
        feed: &Feed,
        group: &GroupRef,
        people: &People,
    ) -> Result<GroupFacts, LedgerError> {
        let key = self.ledger.fingerprint_key();
        let (index, leaves) = (people.group_index(group), Cell::new(false));
        let fields = |id: &str, whole: Fingerprint| {
            let asked = decide::asked(people, key, index, (id, whole));
            leaves.set(leaves.get() || asked.leaves);
            asked.fields
        };
        let coverage = self.ledger.coverage_with(group, &fields)?;
        // Of most groups nobody leaves, and then nothing is asked of their past.
        let past = if leaves.get() {
            self.ledger.removals_since(group, decide::past_from(self.clock.now()))?
        } else {
            Past::default()
        };
        let newest = self.ledger.newest_attempt(group)?;
        let completed = self.ledger.last_completed(group)?;
        let approvals = self.ledger.approvals(&feed.name, group, self.clock.now())?;
        Ok(GroupFacts {
            group: group.clone(),
            pass_over: newest.as_ref().and_then(|attempt| self.pass_over(attempt)),
            retired: self.ledger.retired(group)?.map(|retired| {
                format!(
                    "{} emptied and retired it on {} ({}); `rosterd empty {group} --undo --reason …` takes that back",
                    retired.by,
                    retired.at.format("%Y-%m-%d"),
                    retired.reason
                )
            }),
            failed_before: completed.as_ref().map(failed_adds).unwrap_or_default(),
            approvals: approvals
                .into_iter()
                .map(|hold| Approved { digest: hold.digest, lines: hold.held.into_iter().collect() })
                .collect(),
            second_writer: match &coverage.certainty {
                Certainty::Uncertain(Doubt::SecondWriter(why)) => Some(why.clone()),
                Certainty::Uncertain(_) | Certainty::FirstSync | Certainty::Confirmed => None,
            },
            suspicions: Vec::new(),
            missing: false,
            clean_since: if self.ledger.repeat_owed(group)? { None } else { clean_since(newest.as_ref()) },
            coverage,
            aside: None,
            cleared: None,
            unfinished: BTreeSet::new(),
            past,
        })
    }

    /// Whom another feed's groups cover of the people who are new here: shown, and never acted upon, since the same
    /// reference may well be another employer's person. At most `most` of them.
    pub(super) fn covered_by_others(
        &self,
        feed: &Feed,
        new: &BTreeSet<&str>,
        most: usize,
    ) -> Result<Vec<(ReferenceId, GroupRef)>, LedgerError> {
        let mut found = Vec::new();
        if new.is_empty() {
            return Ok(found);
        }
        for group in self.ledger.known_groups()? {
            if found.len() >= most {
                break;
            }
            if feed.named_groups().contains(&group)
                || self.ledger.owner(&group)?.is_none_or(|owner| owner == feed.name)
            {
                continue;
            }
            let coverage = self.ledger.coverage_with(&group, &|_, _| false)?;
            let both = coverage.iter().filter(|known| new.contains(known.id));
            found.extend(both.filter_map(|known| Some((known.reference_id()?, group.clone()))));
        }
        found.truncate(most);
        Ok(found)
    }

    /// Why the group has to wait: one known request in flight at most, and a while after a lost answer.
    pub(super) fn pass_over(&self, newest: &Attempt) -> Option<String> {
        // What is half sent here was left by an earlier process: a start settles it, and so a plan sees it settled.
        let settled = attempt::next(&newest.state, &Event::Restarted);
        match settled.as_ref().unwrap_or(&newest.state) {
            State::Prepared | State::Sent | State::Accepted { .. } => {
                let request = newest
                    .state
                    .request_id()
                    .map_or_else(|| "a request".to_owned(), |id| format!("request {id}"));
                Some(format!(
                    "{request} of run {} is still in flight at Vitable; it has to end first",
                    newest.run
                ))
            }
            State::OutcomeUnknown { .. } => {
                let wait =
                    TimeDelta::from_std(self.settings.vitable.poll.stuck_after).unwrap_or(TimeDelta::MAX);
                let due = newest.changed_at.checked_add_signed(wait)?;
                (self.clock.now() < due).then(|| {
                    format!(
                        "the answer to run {} was lost, so nothing is sent before {} UTC",
                        newest.run,
                        due.format("%Y-%m-%d %H:%M")
                    )
                })
            }
            State::Completed { .. }
            | State::TimedOut { .. }
            | State::NotSent { .. }
            | State::Rejected { .. } => None,
        }
    }
}

fn failed_adds(attempt: &Attempt) -> BTreeSet<crate::roster::ReferenceId> {
    let failures = attempt.outcome.iter().flat_map(|outcome| &outcome.failures);
    failures
        .filter(|failure| failure.operation == Operation::Add)
        .map(|failure| failure.reference_id.clone())
        .collect()
}

/// When the newest attempt completed without any failure.
fn clean_since(newest: Option<&Attempt>) -> Option<chrono::DateTime<chrono::Utc>> {
    let newest = newest?;
    let clean = newest.outcome.as_ref()?.failures.is_empty();
    (clean && matches!(newest.state, State::Completed { .. })).then_some(newest.changed_at)
}
