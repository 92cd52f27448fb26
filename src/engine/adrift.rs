//! Unfinished moves that no run finishes by itself: of feeds that are paused, or gone from the configuration.

use super::{Engine, report::and_others, tell::Scope};
use crate::{
    ledger::{Facts, LedgerError, OpenMove},
    notify::{Affected, Incident, Kind},
    roster::{FeedName, GroupRef, ReferenceId},
};
use std::collections::{BTreeMap, BTreeSet};

/// So many runs of a feed that is gone are looked through for the groups that it had.
const RUNS: usize = 20;

/// What a person does about people who were moved by a feed that is gone.
const OF_A_GONE_FEED: &[&str] = &[
    "Name the group that they left in a feed again and run that feed: it finishes their move first of all. Or empty the group, if nobody there shall be covered any more.",
    "rosterd status",
];

impl Engine {
    /// Whether a person has paused the feed: then nothing of it runs by itself.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn is_paused(&self, feed: &FeedName) -> Result<bool, LedgerError> {
        let now = self.clock.now();
        let paused = self.ledger.schedule(feed)?.paused;
        Ok(paused.is_some_and(|pause| pause.is_on(now)))
    }

    /// Whether a run of the feed goes on in this process.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn is_at_work(&self, feed: &FeedName) -> Result<bool, LedgerError> {
        let cut_off = self.shared.cut_off(feed).map(|run| run.id);
        Ok(self.ledger.open_runs()?.iter().any(|run| run.feed == *feed && Some(run.id) != cut_off))
    }

    /// The incident of these open moves of a feed, if there are any, with why no run finishes them by itself.
    pub(super) fn unfinished_incident(
        &self,
        feed: &FeedName,
        open: &[OpenMove],
    ) -> Result<Option<Incident>, LedgerError> {
        let Some(mut incident) = incident(feed, open) else { return Ok(None) };
        if self.feed(feed.as_str()).is_none() {
            incident.reason.push_str(" The feed is gone from the configuration, so no run finishes this.");
            incident.what_to_do = OF_A_GONE_FEED.iter().map(|step| (*step).to_owned()).collect();
        } else if self.is_paused(feed)? {
            incident
                .reason
                .push_str(" The feed is paused, so no run finishes this until a person starts one.");
        }
        self.add_rows(std::slice::from_mut(&mut incident));
        Ok(Some(incident))
    }

    /// The groups that a feed had that is gone from the configuration. No others: the same reference may be another
    /// employer's person there.
    pub(super) fn groups_of_gone(&self, feed: &FeedName) -> Result<BTreeSet<GroupRef>, LedgerError> {
        let runs = self.ledger.runs(Some(feed), RUNS)?;
        let mut groups: BTreeSet<GroupRef> =
            runs.into_iter().flat_map(|run| run.groups).map(|report| report.group).collect();
        for group in self.ledger.known_groups()? {
            if self.ledger.owner(&group)?.as_ref() == Some(feed) {
                groups.insert(group);
            }
        }
        Ok(groups)
    }

    /// What becomes of the unfinished moves of feeds that are gone. The feed that names the group which they left
    /// takes them over, and its next run finishes them. Where there is none, they stay urgent until the person is
    /// covered in a group of the feed after all, or the group is emptied. Says which feeds took some over.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub fn settle_moves_of_gone_feeds(&self) -> Result<BTreeSet<FeedName>, LedgerError> {
        let mut heirs = BTreeSet::new();
        let mut gone: BTreeMap<FeedName, Vec<OpenMove>> = BTreeMap::new();
        for open in self.ledger.open_moves(None)? {
            if self.feed(open.feed.as_str()).is_none() {
                gone.entry(open.feed.clone()).or_default().push(open);
            }
        }
        for (feed, open) in gone {
            // A run of before a reload goes on with what it has begun.
            if self.is_at_work(&feed)? {
                continue;
            }
            let mut left: BTreeMap<GroupRef, Vec<OpenMove>> = BTreeMap::new();
            for each in open {
                left.entry(each.from.clone()).or_default().push(each);
            }
            let mut taken: BTreeMap<FeedName, Vec<OpenMove>> = BTreeMap::new();
            let mut over: BTreeSet<ReferenceId> = BTreeSet::new();
            for (from, moves) in left {
                match self.feeds().iter().find(|feed| feed.named_groups().contains(&from)) {
                    Some(heir) => taken.entry(heir.name.clone()).or_default().extend(moves),
                    None if self.is_emptied(&from)? => over.extend(moves.into_iter().map(|each| each.id)),
                    None => {}
                }
            }
            for (heir, mut moves) in taken {
                moves.sort_unstable_by(|one, other| one.id.cmp(&other.id));
                self.hand_over(&feed, &heir, &moves)?;
                heirs.insert(heir);
            }
            self.ledger.forget_moves(&feed, &over)?;
            self.tell_unfinished_moves(&feed)?;
        }
        Ok(heirs)
    }

    /// A person has emptied the group, and Vitable has done it.
    fn is_emptied(&self, group: &GroupRef) -> Result<bool, LedgerError> {
        Ok(self.ledger.retired(group)?.is_some()
            && self.ledger.coverage_with(group, &|_, _| false)?.is_empty())
    }

    /// The moves, the incident under the name of the feed that goes on with them, and the end of the one under the
    /// old name are one batch. That end is no mail: nothing is over.
    fn hand_over(&self, feed: &FeedName, heir: &FeedName, moves: &[OpenMove]) -> Result<(), LedgerError> {
        let telling = self.shared.telling();
        let mut all = self.ledger.open_moves(Some(heir))?;
        all.extend(moves.iter().cloned());
        let told: Vec<Incident> = self.unfinished_incident(heir, &all)?.into_iter().collect();
        let mut facts: Facts = self.facts(&telling, &told, Scope::NOTHING)?;
        let all_of_it = self.ledger.open_moves(Some(feed))?.len() == moves.len();
        let about =
            Incident { feed: Some(feed.clone()), ..Incident::new(Kind::UnfinishedMove, String::new()) };
        if all_of_it && let Some(mut old) = self.ledger.open_incident(&about.key())? {
            old.resolved = Some(self.clock.now());
            old.told_open = false;
            facts.incidents.push(old);
        }
        self.ledger.hand_over_moves(moves, heir, facts)?;
        drop(telling);
        tracing::warn!(%feed, %heir, moves = moves.len(), "a feed is gone; another one finishes its moves");
        self.wake_mails();
        Ok(())
    }
}

fn incident(feed: &FeedName, open: &[OpenMove]) -> Option<Incident> {
    let first = open.iter().min_by_key(|each| each.since)?;
    let people = open.iter().map(|each| Affected {
        reference_id: each.id.to_string(),
        row: None,
        what: format!("left `{}`, and is covered nowhere", each.from),
    });
    let mut names: Vec<&str> = open.iter().map(|each| each.id.as_str()).collect();
    names.sort_unstable();
    let reason = format!(
        "These people have left a group of the feed, and no group is known to cover them yet: {}.",
        and_others(&names)
    );
    Some(Incident {
        feed: Some(feed.clone()),
        run: Some(first.run),
        people: people.collect(),
        counts: vec![("covered nowhere".to_owned(), u64::try_from(open.len()).unwrap_or(u64::MAX))],
        ..Incident::new(Kind::UnfinishedMove, reason)
    })
}
