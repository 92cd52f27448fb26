//! What outlives one configuration: a reload makes a new engine over the same of these.

use super::{contact::Contact, direct::Direct, outbox::Post};
use crate::{
    ledger::Run,
    roster::{FeedName, RunId},
    vitable::Client,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use tokio::{sync::watch, time::Instant};

/// Why nothing more is submitted in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Vitable refuses the key. Over as soon as it is taken again.
    Key,
    /// The state takes nothing more. Over with this process.
    State(String),
}

impl std::fmt::Display for Halt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key => f.write_str("Vitable refuses the API key, so nothing more is submitted"),
            Self::State(why) => write!(f, "nothing more is submitted: {why}"),
        }
    }
}

/// A look at Vitable's groups and plans.
#[derive(Clone)]
pub(super) struct Look {
    /// When it was.
    pub(super) at: Instant,
    /// By which client, and with which of its keys: another one may reach another organization.
    pub(super) client: Arc<Client>,
    pub(super) key: u64,
    /// What was seen, or why nothing could be.
    pub(super) found: Result<Arc<Contact>, String>,
}

/// What every engine of a process has in common.
pub(super) struct Shared {
    halt: Mutex<Option<Halt>>,
    stop: watch::Sender<bool>,
    /// Runs that an earlier process left without an end, by feed: the next run of the feed ends them.
    cut_off: Mutex<BTreeMap<FeedName, Run>>,
    /// Held from the look at what is known of an incident to the batch that changes it: two tasks that see the
    /// same trouble at once must not both find it new.
    telling: Mutex<()>,
    /// The mails: whose turn it is to hand them on.
    pub(super) post: Post,
    /// The feeds of which runs go on, and how many of each.
    going: Mutex<BTreeMap<FeedName, usize>>,
    /// How what the state cannot keep is told.
    pub(super) direct: OnceLock<Direct>,
    look: Mutex<Option<Look>>,
    /// One run of a feed reads, decides and sends at a time.
    lanes: Mutex<HashMap<FeedName, Arc<tokio::sync::Mutex<()>>>>,
    /// Held while a look is made, so that a thousand feeds that are due at once look once.
    pub(super) looking: tokio::sync::Mutex<()>,
}

/// That a run of a feed goes on.
pub(super) struct Going {
    shared: Arc<Shared>,
    feed: FeedName,
}

impl std::fmt::Debug for Going {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Going").field(&self.feed).finish()
    }
}

impl Drop for Going {
    /// What the run has to tell is complete: the mail goes.
    fn drop(&mut self) {
        let mut going = lock(&self.shared.going);
        if let Some(runs) = going.get_mut(&self.feed) {
            *runs = runs.saturating_sub(1);
        }
        going.retain(|_, runs| *runs > 0);
        drop(going);
        self.shared.post.wake();
    }
}

/// That nobody else tells of incidents now.
pub(super) type Telling<'a> = MutexGuard<'a, ()>;

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            halt: Mutex::default(),
            stop: watch::Sender::new(false),
            cut_off: Mutex::default(),
            telling: Mutex::default(),
            post: Post::default(),
            going: Mutex::default(),
            direct: OnceLock::new(),
            look: Mutex::default(),
            lanes: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// The lane of a feed.
    pub(super) fn lane(&self, feed: &FeedName) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(lock(&self.lanes).entry(feed.clone()).or_default())
    }

    /// A run of the feed goes on until what is returned is dropped.
    pub(super) fn goes_on(self: &Arc<Self>, feed: &FeedName) -> Going {
        *lock(&self.going).entry(feed.clone()).or_default() += 1;
        Going { shared: Arc::clone(self), feed: feed.clone() }
    }

    /// Those of the feeds of which a run goes on.
    pub(super) fn going<'f>(&self, feeds: impl IntoIterator<Item = &'f FeedName>) -> Vec<FeedName> {
        let going = lock(&self.going);
        feeds.into_iter().filter(|feed| going.contains_key(*feed)).cloned().collect()
    }

    /// Nothing more is submitted. A state that takes nothing is worse than a key that is refused.
    pub(super) fn halt(&self, why: Halt) {
        let mut halt = lock(&self.halt);
        if !matches!(*halt, Some(Halt::State(_))) {
            *halt = Some(why);
        }
    }

    /// Vitable takes the key.
    pub(super) fn key_is_taken(&self) {
        let mut halt = lock(&self.halt);
        if *halt == Some(Halt::Key) {
            *halt = None;
        }
    }

    pub(super) fn halted(&self) -> Option<Halt> {
        lock(&self.halt).clone()
    }

    /// Nothing new is begun, and nobody waits any longer. What is on its way to Vitable is answered first.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Comes back when the process is to stop.
    pub(super) async fn stopped(&self) {
        // The sender lives as long as this.
        drop(self.stop.subscribe().wait_for(|stop| *stop).await);
    }

    pub(super) fn remember_cut_off(&self, run: Run) {
        lock(&self.cut_off).insert(run.feed.clone(), run);
    }

    pub(super) fn cut_off(&self, feed: &FeedName) -> Option<Run> {
        lock(&self.cut_off).get(feed).cloned()
    }

    /// The run has been ended by its successor.
    pub(super) fn forget_cut_off(&self, feed: &FeedName, run: RunId) {
        let mut runs = lock(&self.cut_off);
        if runs.get(feed).is_some_and(|known| known.id == run) {
            runs.remove(feed);
        }
    }

    /// The last look, if it was made by this client with the key of now.
    pub(super) fn last_look(&self, client: &Arc<Client>) -> Option<Look> {
        let look = lock(&self.look);
        look.as_ref()
            .filter(|look| Arc::ptr_eq(&look.client, client) && look.key == client.key_count())
            .cloned()
    }

    pub(super) fn keep_look(&self, look: Option<Look>) {
        *lock(&self.look) = look;
    }

    pub(super) fn telling(&self) -> Telling<'_> {
        lock(&self.telling)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
