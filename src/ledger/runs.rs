//! Runs, durable from their start to their end, and the last accepted read of each feed.

use super::{
    AcceptedRead, Facts, Ledger, Run, Trigger,
    error::{LedgerError, Result},
    key, notices,
    store::Tx,
};
use crate::roster::{FeedName, RunId};
use chrono::{DateTime, Utc};

impl Ledger {
    /// Begins a run: it has its number and is durable.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn begin_run(&self, feed: &FeedName, trigger: Trigger, now: DateTime<Utc>) -> Result<Run> {
        self.store.write("ledger-after-begin-run", |tx| begin(tx, feed, trigger, now))
    }

    /// Ends a run and begins its successor of the same feed, in one batch: a kill in between loses neither.
    ///
    /// # Errors
    /// When `ended.ended` is not set, when that run was never begun or has ended, and when it cannot be
    /// recorded.
    pub fn succeed_run(&self, ended: &Run, trigger: Trigger, now: DateTime<Utc>) -> Result<Run> {
        must_have_ended(ended)?;
        self.store.write("ledger-after-succeed-run", |tx| {
            put(tx, ended)?;
            begin(tx, &ended.feed, trigger, now)
        })
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
}

fn must_have_ended(run: &Run) -> Result<()> {
    if run.ended.is_some() {
        Ok(())
    } else {
        Err(LedgerError::defect(format!("run {} was to end without a time", run.id)))
    }
}

fn begin(tx: &mut Tx<'_>, feed: &FeedName, trigger: Trigger, now: DateTime<Utc>) -> Result<Run> {
    let run = Run {
        id: RunId(tx.count_up(key::NEXT_RUN)?),
        feed: feed.clone(),
        trigger,
        began: now,
        ended: None,
        result: None,
        read: None,
        groups: Vec::new(),
        only: None,
        file: None,
        after: None,
    };
    tx.put(key::run(run.id), &run)?;
    tx.put(key::open_run(run.id), &())?;
    tx.put(key::number(&key::runs_of(feed), run.id.0), &())?;
    Ok(run)
}

/// Records a run that goes on, or its end.
fn put(tx: &mut Tx<'_>, run: &Run) -> Result<()> {
    if tx.get::<()>(&key::open_run(run.id))?.is_none() {
        return Err(LedgerError::defect(format!("run {} is not one that goes on", run.id)));
    }
    if run.ended.is_some() {
        tx.remove(key::open_run(run.id))?;
    }
    tx.put(key::run(run.id), run)
}
