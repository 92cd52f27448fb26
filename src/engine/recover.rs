//! What a start finds: requests in flight, answers that were lost, runs without an end.

use super::{Engine, Progress, Silent, follow::Aside, tell::Scope};
use crate::{
    attempt::State,
    ledger::{Attempt, Facts, LedgerError, Run, Trigger},
    notify::{Incident, Kind},
    roster::{FeedName, GroupRef},
};
use futures_util::{StreamExt, future::BoxFuture};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Why a run is not begun again by itself.
const TWICE: &str = "Two runs of this feed in a row did not come to their end; the next one is begun by a person or by the schedule.";

/// What a start found.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Attempts that changed their state by the restart.
    pub changed: Vec<Attempt>,
    /// Feeds whose run had no end, with the only group that was asked for: they are begun again with a fresh
    /// read.
    pub begin_again: Vec<(FeedName, Option<GroupRef>)>,
}

impl Engine {
    /// Brings the ledger into order after a stop, whatever kind of stop it was. Sends nothing.
    ///
    /// `Sent` becomes `OutcomeUnknown`, which is told in the same batch, and `Prepared` becomes `NotSent`. A run
    /// without an end is named, so that it is begun again: it ends when that one begins, so that a kill in between
    /// forgets nothing. But one that a recovery had begun ends here, waits for its schedule, and is an incident
    /// (`design.md`, Life of an attempt).
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub fn recover(&self) -> Result<Recovered, LedgerError> {
        let now = self.clock.now();
        let telling = self.shared.telling();
        let changed = self.ledger.recover(now, &mut |changed| self.lost_answers(&telling, changed))?;
        drop(telling);
        let mut begin_again: BTreeMap<FeedName, Option<GroupRef>> = BTreeMap::new();
        // The oldest first: the newest run of a feed is the one that its successor ends.
        for run in self.ledger.open_runs()? {
            let twice = !run.stopped && (run.trigger == Trigger::Recovery || run.after.is_some());
            if !twice
                && run.file.is_none()
                && run.trigger != Trigger::Emptying
                && self.feed(run.feed.as_str()).is_some()
            {
                if let Some(older) = self.shared.cut_off(&run.feed) {
                    self.ledger.end_run(&older.cut_off(now), Facts::default())?;
                }
                // Two that were asked for different groups are one for all of them.
                let other = begin_again.get(&run.feed).is_some_and(|only| *only != run.only);
                begin_again.insert(run.feed.clone(), if other { None } else { run.only.clone() });
                self.shared.remember_cut_off(run);
                continue;
            }
            let incidents = match &run.file {
                Some(file) => {
                    let why = format!("The run of the file `{file}` was cut off: type it again.");
                    vec![unfinished(&run, &why)]
                }
                None if run.trigger == Trigger::Emptying => self.emptying_cut_off(&run)?,
                None if twice => vec![unfinished(&run, TWICE)],
                None => Vec::new(),
            };
            let telling = self.shared.telling();
            let facts = self.facts(&telling, &incidents, Scope::NOTHING)?;
            self.ledger.end_run(&run.cut_off(now), facts)?;
        }
        let mut begin_again: Vec<(FeedName, Option<GroupRef>)> = begin_again.into_iter().collect();
        self.settle_moves_of_gone_feeds()?;
        let moving: BTreeSet<FeedName> =
            self.ledger.open_moves(None)?.into_iter().map(|open| open.feed).collect();
        // Who was on the way from one group to another is covered nowhere: that feed goes first, and whole.
        for (feed, only) in &mut begin_again {
            if moving.contains(feed) {
                *only = None;
            }
        }
        begin_again.sort_by_key(|(feed, _)| !moving.contains(feed));
        let begun = |feed: &FeedName| begin_again.iter().any(|(begun, _)| begun == feed);
        for feed in moving.iter().filter(|feed| self.feed(feed.as_str()).is_some() && !begun(feed)) {
            self.tell(&self.unfinished_moves(feed)?, Scope::NOTHING)?;
        }
        self.tell_orphans()?;
        Ok(Recovered { changed, begin_again })
    }

    /// Looks after every request that an earlier process left. Those of the feeds that are about to run are
    /// polled to their end, or until `poll.stuck_after` has passed; the others, and those that timed out, get
    /// one look.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn resume(&self, feeds: &[&FeedName], progress: &dyn Progress) -> Result<(), LedgerError> {
        let mut left = self.ledger.attempts_in_flight()?;
        left.extend(self.ledger.timed_out()?);
        let mut followed: Vec<BoxFuture<'_, Result<State, LedgerError>>> = Vec::new();
        for attempt in left.iter().filter(|attempt| attempt.state.request_id().is_some()) {
            let waited_for = feeds.contains(&&attempt.feed) && attempt.state.in_flight();
            let patience = if waited_for { self.settings.vitable.poll.stuck_after } else { Duration::ZERO };
            let aside = Aside { on_old_plan: None, patience: Some(patience) };
            followed.push(Box::pin(self.follow(attempt, aside, progress)));
        }
        let results: Vec<_> = futures_util::stream::iter(followed).buffer_unordered(64).collect().await;
        results.into_iter().try_for_each(|result| result.map(|_| ()))?;
        self.settle_moves_of_gone_feeds().map(|_| ())
    }

    /// Polls a request that an earlier process left to its end, with the same time-outs as one of this process.
    /// Ends early, with the state as it is, when the process is to stop.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn take_up(&self, attempt: &Attempt) -> Result<State, LedgerError> {
        self.follow(attempt, Aside { on_old_plan: None, patience: None }, &Silent).await
    }

    /// Looks once at every request that was given up: for seven days an answer may still come. Says of which feeds
    /// one came.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn look_at_given_up(&self) -> Result<BTreeSet<FeedName>, LedgerError> {
        let mut ended = BTreeSet::new();
        for attempt in self.ledger.timed_out()? {
            let once = Aside { on_old_plan: None, patience: Some(Duration::ZERO) };
            if matches!(self.follow(&attempt, once, &Silent).await?, State::Completed { .. }) {
                ended.insert(attempt.feed);
            }
        }
        Ok(ended)
    }
}

fn unfinished(run: &Run, why: &str) -> Incident {
    Incident { feed: Some(run.feed.clone()), run: Some(run.id), ..Incident::new(Kind::UnfinishedRun, why) }
}
