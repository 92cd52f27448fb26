//! What the keeper starts by itself: one run of a feed, or of one group of it.

use super::handle::Handle;
use crate::{
    engine::{Begun, Engine, Order, Pass, Progress, Step},
    ledger::{LedgerError, Run, ScheduleMark, Trigger},
    roster::{FeedName, GroupRef},
};
use std::sync::Arc;

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
}

impl Job {
    pub(super) fn new(feed: FeedName, only: Option<GroupRef>, trigger: Trigger) -> Self {
        Self { feed, only, trigger, due: None, again: None, tries: 0 }
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
    /// The feed is not in the configuration any more.
    Gone(Job),
    Broken(Job, LedgerError),
}

/// Carries a job out, to the end of every request that it makes.
pub(super) async fn carry_out(handle: Handle, engine: Arc<Engine>, job: Job) -> Done {
    let Some(feed) = engine.feed(job.feed.as_str()) else { return Done::Gone(job) };
    let progress = Beat(&handle);
    let order = Order {
        feed,
        trigger: job.trigger,
        group: job.only.clone(),
        file: None,
        due: job.due.clone(),
        again: job.again.clone(),
        progress: &progress,
    };
    let ended = match handle.begin(&engine, &order).await {
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

/// Each step shows that the engine moves.
struct Beat<'a>(&'a Handle);

impl Progress for Beat<'_> {
    fn step(&self, step: Step) {
        self.0.moved();
        tracing::debug!(?step, "a step");
    }
}
