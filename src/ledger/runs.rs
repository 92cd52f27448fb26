//! Runs, durable from their start to their end, and the last accepted read of each feed.

use super::{
    AcceptedRead, Facts, Ledger, NewRun, Run, Trigger,
    error::{LedgerError, Result},
    key, notices, schedules,
    store::Tx,
};
use crate::roster::{FeedName, GroupRef, RunId, SourceShape};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

impl Ledger {
    /// Begins a run: it has its number and is durable, with everything that it was asked for. The run that it
    /// succeeds ends in the same batch: a kill in between loses neither.
    ///
    /// # Errors
    /// When the run before it has no end, was never begun or has ended, and when it cannot be recorded.
    pub fn begin(&self, new: &NewRun<'_>, now: DateTime<Utc>) -> Result<Run> {
        let point = if new.after.is_some() { "ledger-after-succeed-run" } else { "ledger-after-begin-run" };
        new.after.map_or(Ok(()), must_have_ended)?;
        self.store.write(point, |tx| {
            new.after.map_or(Ok(()), |ended| put(tx, ended))?;
            begin(tx, new, now)
        })
    }

    /// Begins a run of which nothing but its feed is asked.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn begin_run(&self, feed: &FeedName, trigger: Trigger, now: DateTime<Utc>) -> Result<Run> {
        self.begin(&NewRun::of(feed, trigger), now)
    }

    /// Ends a run and begins its successor of the same feed, in one batch: a kill in between loses neither.
    ///
    /// # Errors
    /// When `ended.ended` is not set, when that run was never begun or has ended, and when it cannot be
    /// recorded.
    pub fn succeed_run(&self, ended: &Run, trigger: Trigger, now: DateTime<Utc>) -> Result<Run> {
        self.begin(&NewRun { after: Some(ended), ..NewRun::of(&ended.feed, trigger) }, now)
    }

    /// Records what a run has come to know of itself.
    ///
    /// # Errors
    /// When the run was never begun or has ended, and when it cannot be recorded.
    pub fn save_run(&self, run: &Run) -> Result<()> {
        self.put_run("ledger-after-save-run", run, &Facts::default())
    }

    /// Ends a run, with its incidents and mails in the same batch.
    ///
    /// # Errors
    /// When `ended` is not set, when the run was never begun or has ended, and when it cannot be recorded.
    pub fn end_run(&self, run: &Run, facts: Facts) -> Result<()> {
        must_have_ended(run)?;
        self.put_run("ledger-after-end-run", run, &facts)
    }

    fn put_run(&self, point: &str, run: &Run, facts: &Facts) -> Result<()> {
        self.store.write(point, |tx| {
            put(tx, run)?;
            notices::put_facts(tx, facts)
        })
    }

    /// One run.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn run(&self, id: RunId) -> Result<Option<Run>> {
        self.store.get(&key::run(id))
    }

    /// The runs of a feed, or of all, the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn runs(&self, feed: Option<&FeedName>, limit: usize) -> Result<Vec<Run>> {
        let prefix = feed.map_or_else(|| key::RUNS.to_vec(), key::runs_of);
        let ids = self.store.newest(&prefix, limit)?;
        self.all_runs(ids)
    }

    /// What `found` finds in a run of the feed, the newest first; it looks at `limit` runs at most.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn find_in_runs<T>(
        &self,
        feed: &FeedName,
        limit: usize,
        mut found: impl FnMut(Run) -> Option<T>,
    ) -> Result<Option<T>> {
        for id in self.store.newest(&key::runs_of(feed), limit)? {
            if let Some(found) = self.run(RunId(id))?.and_then(&mut found) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The runs without an end, the oldest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn open_runs(&self) -> Result<Vec<Run>> {
        let mut ids = self.store.newest(key::OPEN_RUNS, usize::MAX)?;
        ids.reverse();
        self.all_runs(ids)
    }

    fn all_runs(&self, ids: Vec<u64>) -> Result<Vec<Run>> {
        ids.into_iter().filter_map(|id| self.run(RunId(id)).transpose()).collect()
    }

    /// What the next read of a feed is compared with.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn accepted_read(&self, feed: &FeedName) -> Result<Option<AcceptedRead>> {
        self.store.get(&key::accepted_read(feed))
    }

    /// Accepts a read as the reference for the next one.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn set_accepted_read(&self, feed: &FeedName, read: &AcceptedRead) -> Result<()> {
        self.store.write("ledger-after-accepted-read", |tx| tx.put(key::accepted_read(feed), read))
    }

    /// This read counts for these groups from now on, but for those for which a later run's counts already: an
    /// earlier run of the feed may still wait for Vitable while a later one is done.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn accept_read(
        &self,
        feed: &FeedName,
        run: RunId,
        shapes: &BTreeMap<String, SourceShape>,
        groups: &[GroupRef],
    ) -> Result<()> {
        self.store.write("ledger-after-accepted-read", |tx| {
            let mut read: AcceptedRead = tx.get(&key::accepted_read(feed))?.unwrap_or_default();
            let later = |group: &GroupRef| read.groups.get(group).is_some_and(|known| *known > run.0);
            let mine: Vec<GroupRef> = groups.iter().filter(|group| !later(group)).cloned().collect();
            if mine.is_empty() {
                return Ok(());
            }
            read.accept(run.0, shapes, mine);
            tx.put(key::accepted_read(feed), &read)
        })
    }
}

impl<'a> NewRun<'a> {
    /// A run of which nothing but its feed is asked.
    #[must_use]
    pub fn of(feed: &'a FeedName, trigger: Trigger) -> Self {
        Self { feed, trigger, due: None, only: None, file: None, after: None }
    }
}

/// Whether a run says when it ended.
pub(super) fn must_have_ended(run: &Run) -> Result<()> {
    if run.ended.is_some() {
        Ok(())
    } else {
        Err(LedgerError::defect(format!("run {} was to end without a time", run.id)))
    }
}

/// Records a run that begins.
pub(super) fn begin(tx: &mut Tx<'_>, new: &NewRun<'_>, now: DateTime<Utc>) -> Result<Run> {
    let run = Run {
        id: RunId(tx.count_up(key::NEXT_RUN)?),
        feed: new.feed.clone(),
        trigger: new.trigger,
        began: now,
        ended: None,
        result: None,
        read: None,
        groups: Vec::new(),
        only: new.only.clone(),
        file: new.file.clone(),
        after: new.after.map(|before| before.id),
        due: new.due.as_ref().map(|mark| mark.through),
        stopped: false,
    };
    tx.put(key::run(run.id), &run)?;
    tx.put(key::open_run(run.id), &())?;
    tx.put(key::number(&key::runs_of(new.feed), run.id.0), &())?;
    new.due.as_ref().map_or(Ok(()), |mark| schedules::begun(tx, new.feed, mark))?;
    Ok(run)
}

/// Records a run that goes on, or its end.
pub(super) fn put(tx: &mut Tx<'_>, run: &Run) -> Result<()> {
    if tx.get::<()>(&key::open_run(run.id))?.is_none() {
        return Err(LedgerError::defect(format!("run {} is not one that goes on", run.id)));
    }
    if run.ended.is_some() {
        tx.remove(key::open_run(run.id))?;
    }
    tx.put(key::run(run.id), run)
}
