//! What a person says to a hold.

use super::{Engine, report::SHORT, tell::Scope};
use crate::{
    ledger::{Hold, LedgerError, Word},
    notify::{Incident, Kind},
    roster::{FeedName, GroupRef, RunId},
};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// What became of a person's word.
#[derive(Clone, Debug, PartialEq)]
pub enum Spoken {
    /// It counts.
    Counts(Hold),
    /// Somebody was first.
    Before(Hold, Word),
}

/// Why a word finds no hold.
#[derive(Debug, thiserror::Error)]
pub enum WordError {
    /// Nothing is held under that number.
    #[error("nothing is held under run {0}; `rosterd status` shows what waits")]
    Nothing(RunId),
    /// Several groups are held, and none was named.
    #[error("run {run} holds {}; name the groups, or add `--all`", .groups.join(", "))]
    Several {
        /// The run.
        run: RunId,
        /// What is held.
        groups: Vec<String>,
    },
    /// A named group is not held under that number.
    #[error("run {run} does not hold the group `{group}`; it holds {}", .groups.join(", "))]
    NotHeld {
        /// The run.
        run: RunId,
        /// The group that was named.
        group: GroupRef,
        /// What is held.
        groups: Vec<String>,
    },
    /// The change is not the one that the person saw.
    #[error(
        "the change that waits has the digest {now}, not {seen}: it changed since you looked; `rosterd show {run}` shows it"
    )]
    Changed {
        /// The run.
        run: RunId,
        /// What the person named.
        seen: String,
        /// What waits.
        now: String,
    },
    /// A digest that is too short, or for several groups.
    #[error("`--change` takes at least 8 characters of the digest of exactly one group")]
    Digest,
    /// The ledger fails.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Engine {
    /// The holds that a person means by a run's number and groups. A hold keeps the number of the run that
    /// held it first, so that yesterday's mail can be answered today.
    ///
    /// # Errors
    /// When nothing is held there, when it is not clear which, or when the digest is not the one that waits.
    pub fn meant(
        &self,
        run: RunId,
        groups: &[GroupRef],
        all: bool,
        change: Option<&str>,
    ) -> Result<Vec<Hold>, WordError> {
        let held: Vec<Hold> = self
            .ledger
            .holds(None)?
            .into_iter()
            .filter(|hold| hold.run == run || hold.last_run == run)
            .collect();
        let names = || held.iter().map(|hold| format!("`{}`", hold.group)).collect::<Vec<_>>();
        let meant: Vec<Hold> = match (groups, held.as_slice()) {
            (_, []) => return Err(WordError::Nothing(run)),
            ([], [one]) => vec![one.clone()],
            ([], _) if all => held.clone(),
            ([], _) => return Err(WordError::Several { run, groups: names() }),
            (groups, _) => {
                let find = |group: &GroupRef| held.iter().find(|hold| hold.group == *group).cloned();
                let found: Option<Vec<Hold>> = groups.iter().map(find).collect();
                match found {
                    Some(found) => found,
                    None => {
                        let missing = groups.iter().find(|group| find(group).is_none());
                        let group = missing.cloned().ok_or(WordError::Nothing(run))?;
                        return Err(WordError::NotHeld { run, group, groups: names() });
                    }
                }
            }
        };
        if change.is_some_and(|seen| seen.len() < 8 || meant.len() != 1) {
            return Err(WordError::Digest);
        }
        if let Some(seen) = change
            && let Some(hold) = meant.iter().find(|hold| !hold.digest.starts_with(seen))
        {
            return Err(WordError::Changed { run, seen: seen.to_owned(), now: hold.digest.clone() });
        }
        Ok(meant)
    }

    /// The word that was said to a hold before and still counts, if one was.
    #[must_use]
    pub fn word_before(&self, hold: &Hold) -> Option<Word> {
        let now = self.clock.now();
        let good = |word: &&Word| !word.approved || word.expires.is_none_or(|expires| now < expires);
        hold.word.as_ref().filter(good).cloned()
    }

    /// Keeps a person's word to a hold. The first word counts, and the second is told who was first.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn say(&self, hold: &Hold, approved: bool, by: &str, reason: &str) -> Result<Spoken, LedgerError> {
        let now = self.clock.now();
        let expires = self.feed(hold.feed.as_str()).map(|feed| feed.guard.approval_expires);
        let expires = expires.and_then(|after| TimeDelta::from_std(after).ok());
        let word = Word {
            approved,
            by: by.to_owned(),
            reason: reason.to_owned(),
            at: now,
            expires: if approved { expires.and_then(|after| now.checked_add_signed(after)) } else { None },
        };
        match self.ledger.say(&hold.feed, &hold.group, &hold.digest, word)? {
            Ok(hold) => {
                // After another approval it is over when the change is; a rejection is the last word.
                if !approved {
                    let (feed, group) = (Some(&hold.feed), Some(&hold.group));
                    let kinds = &[Kind::ApprovalExpired];
                    self.tell(&[], Scope { kinds, feed, group, ..Scope::NOTHING })?;
                }
                Ok(Spoken::Counts(hold))
            }
            Err(before) => Ok(Spoken::Before(hold.clone(), before)),
        }
    }

    /// The approvals whose time was over before Vitable had finished their change, of changes that still wait: no run
    /// need have seen it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn lapsed_approvals(&self) -> Result<Vec<Incident>, LedgerError> {
        // What an approval released is on its way, whatever its time is by now.
        let in_flight: BTreeSet<GroupRef> =
            self.ledger.attempts_in_flight()?.into_iter().map(|attempt| attempt.group).collect();
        // The change of now is the one that was held last: an approval of an older one releases nothing any more.
        let mut newest: BTreeMap<(FeedName, GroupRef), Hold> = BTreeMap::new();
        for hold in self.ledger.holds(None)? {
            if self.feed(hold.feed.as_str()).is_none() || in_flight.contains(&hold.group) {
                continue;
            }
            let at = (hold.feed.clone(), hold.group.clone());
            if newest.get(&at).is_none_or(|known| known.last_run < hold.last_run) {
                newest.insert(at, hold);
            }
        }
        let now = self.clock.now();
        Ok(newest.values().filter_map(|hold| lapsed_incident(hold, now)).collect())
    }

    /// Tells of them: whoever approved thinks that the change has gone out.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub fn tell_lapsed_approvals(&self) -> Result<(), LedgerError> {
        self.tell(&self.lapsed_approvals()?, Scope::NOTHING)
    }
}

/// That an approval came to nothing because its time was over.
pub(super) fn lapsed_words(word: &Word) -> String {
    format!(
        "the approval of {} on {} expired before Vitable had finished this change; it can be approved again",
        word.by,
        word.at.format("%Y-%m-%d")
    )
}

/// The incident of an approval that came to nothing because its time was over, if that is so: whoever gave it thinks
/// that the change has gone out.
pub(super) fn lapsed_incident(hold: &Hold, now: DateTime<Utc>) -> Option<Incident> {
    let words = lapsed_words(hold.lapsed(now)?).replacen("the", "The", 1);
    let digest = hold.digest.get(..SHORT).unwrap_or(&hold.digest);
    Some(Incident {
        feed: Some(hold.feed.clone()),
        group: Some(hold.group.clone()),
        run: Some(hold.run),
        cause: hold.digest.clone(),
        ..Incident::new(Kind::ApprovalExpired, format!("{words}. This is change {digest}."))
    })
}
