//! What the keeper starts by itself: one run of a feed, or of one group of it.

use super::handle::{Handle, Told};
use crate::{
    engine::{Begun, Order, Pass, Silent},
    ledger::{LedgerError, Run, ScheduleMark, Trigger},
    roster::{FeedName, GroupRef},
};

/// A run to start.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) feed: FeedName,
    /// Only this group.
    pub(super) only: Option<GroupRef>,
    pub(super) trigger: Trigger,
    /// The mark of the schedule to keep with its beginning.
    pub(super) due: Option<ScheduleMark>,
    /// The run that found nothing to read yet, and goes on.
    pub(super) again: Option<Box<Run>>,
    /// How often it was tried before.
    pub(super) tries: u32,
    /// Whether it finds out if the door opens again.
    pub(super) trial: bool,
}

impl Job {
    pub(super) fn new(feed: FeedName, only: Option<GroupRef>, trigger: Trigger) -> Self {
        Self { feed, only, trigger, due: None, again: None, tries: 0, trial: false }
    }

    /// Takes in a newer one of the same: a run that goes on goes on, and the newest instant is the one to keep.
    pub(super) fn merge(&mut self, newer: Self) {
        self.due = newer.due.or(self.due.take());
        self.again = self.again.take().or(newer.again);
        self.tries = self.tries.max(newer.tries);
    }

    /// What is the same job, whatever instant it is for.
    pub(super) fn key(&self) -> (FeedName, Option<GroupRef>) {
        (self.feed.clone(), self.only.clone())
    }
}

/// What became of a job.
pub(super) enum Done {
    Over(Job, Box<Pass>),
    NotYet(Job, Box<Run>, String),
    /// The door was shut before its turn came.
    HeldBack(Job),
    /// The feed is not in the configuration any more.
    Gone(Job),
    Broken(Job, LedgerError),
}

/// Carries a job out, to the end of every request that it makes, by the configuration of when its turn comes.
pub(super) async fn carry_out(handle: Handle, job: Job) -> Done {
    let progress = Told { handle: &handle, inner: &Silent };
    let turn = handle.turn_by_itself(&job.feed, &progress).await;
    if handle.is_shut() && !job.trial {
        return Done::HeldBack(job);
    }
    let engine = handle.engine();
    let Some(feed) = engine.feed(job.feed.as_str()) else { return Done::Gone(job) };
    // Who has left one group and is not in the other yet is helped by no run of the first one alone.
    let group = match engine.ledger().open_moves(Some(&job.feed)) {
        Ok(open) if open.is_empty() || job.again.is_some() => job.only.clone(),
        Ok(_) => None,
        Err(error) => return Done::Broken(job, error),
    };
    let order = Order {
        feed,
        trigger: job.trigger,
        group,
        file: None,
        due: job.due.clone(),
        again: job.again.clone(),
        progress: &progress,
    };
    let begun = engine.begin(&order).await;
    handle.sent(&job.feed, turn);
    let ended = match begun {
        Ok(Begun::Over(pass)) => Ok(*pass),
        Ok(Begun::NotYet { run, why }) => return Done::NotYet(job, run, why),
        Ok(Begun::Waiting(waiting)) => engine.wait(*waiting, &progress).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(pass) => Done::Over(job, Box::new(pass)),
        Err(error) => Done::Broken(job, error),
    }
}
