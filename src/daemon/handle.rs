//! The daemon as its commands and its own tasks see it.

use super::{
    door::Closed,
    health::{self, Healths},
    protocol::{About, Beat},
};
use crate::{
    engine::{EmptyError, Emptying, Engine, Order, Pass, Progress, Step},
    ledger::{LedgerError, Run},
    roster::{FeedName, GroupRef},
};
use futures_util::future::BoxFuture;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};
use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit, mpsc},
    time::Instant,
};

/// Runs that read, decide and send at a time, when `max_in_flight` does not ask for more. What they wait for is
/// Vitable and the disk; each has one feed's rows in memory.
const SLOTS: usize = 16;

/// Runs that persons asked for, beside those.
const TYPED: usize = 4;

/// A run's turn to read and send: its feed's lane and a slot.
pub(super) struct Turn<'a> {
    _lane: tokio::sync::OwnedMutexGuard<()>,
    _slot: Option<SemaphorePermit<'a>>,
}

/// Tells the keeper of each request that has ended, and whoever listens of everything.
pub(super) struct Told<'a> {
    pub(super) handle: &'a Handle,
    pub(super) inner: &'a dyn Progress,
}

impl Progress for Told<'_> {
    fn step(&self, step: Step) {
        self.handle.moved();
        if let Step::Completed { group, .. } = &step {
            self.handle.tell(News::Followed(group.clone()));
        }
        self.inner.step(step);
    }
}

/// What the keeper is told.
pub(super) enum News {
    /// A run of the feed has sent what it sends: another one may begin.
    Sent(FeedName),
    /// A run has ended.
    Ended(Box<Pass>),
    /// Nobody waits for this request any longer.
    Followed(GroupRef),
    /// Nobody waits any longer for this request of an earlier process.
    TakenUp(FeedName, GroupRef),
    /// A request of the feed that was given up has ended after all.
    Late(FeedName),
    /// A person paused or resumed the feed.
    Paused(FeedName),
    /// A task to look after.
    Task(BoxFuture<'static, ()>),
    /// The state cannot be read or written.
    Broken(String),
    /// Vitable was looked at again, and lets us work or not.
    Knocked,
}

/// A daemon that runs. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

struct Inner {
    engine: RwLock<Arc<Engine>>,
    /// Another engine has taken the place of the one before.
    replaced: Notify,
    about: About,
    door: Mutex<Option<Closed>>,
    /// How the last due run of each feed went.
    healths: Mutex<Healths>,
    beat: Mutex<Option<Beat>>,
    slots: Semaphore,
    /// Slots for persons, who do not stand behind a wave of scheduled runs.
    typed: Semaphore,
    news: mpsc::UnboundedSender<News>,
    /// When something last moved.
    moved: Mutex<Instant>,
    /// When the keeper's loop last turned.
    turned: Mutex<Instant>,
}

impl Handle {
    pub(super) fn new(engine: Arc<Engine>, config: PathBuf, news: mpsc::UnboundedSender<News>) -> Self {
        let about = About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            state_dir: engine.settings().state_dir.clone(),
            config,
            started: engine.clock().now(),
            waits_for: None,
            tried_at: None,
            heartbeat: None,
        };
        let slots = SLOTS.max(engine.settings().vitable.max_in_flight.saturating_mul(2));
        Self(Arc::new(Inner {
            engine: RwLock::new(engine),
            replaced: Notify::new(),
            about,
            door: Mutex::default(),
            healths: Mutex::default(),
            beat: Mutex::default(),
            slots: Semaphore::new(slots.min(Semaphore::MAX_PERMITS)),
            typed: Semaphore::new(TYPED),
            news,
            moved: Mutex::new(Instant::now()),
            turned: Mutex::new(Instant::now()),
        }))
    }

    /// The engine for the present configuration.
    #[must_use]
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.0.engine.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_engine(&self, engine: Arc<Engine>) {
        *self.0.engine.write().unwrap_or_else(PoisonError::into_inner) = engine;
        self.0.replaced.notify_one();
    }

    /// Comes back when another engine has taken the place of the one before.
    pub(super) async fn replaced(&self) {
        self.0.replaced.notified().await;
    }

    /// What the daemon says of itself.
    #[must_use]
    pub fn about(&self) -> About {
        let door = lock(&self.0.door).clone();
        About {
            waits_for: door.as_ref().map(|closed| closed.kind.name().to_owned()),
            tried_at: door.map(|closed| closed.next),
            heartbeat: lock(&self.0.beat).clone(),
            ..self.0.about.clone()
        }
    }

    pub(super) fn show_door(&self, door: Option<&Closed>) {
        *lock(&self.0.door) = door.cloned();
    }

    pub(super) fn show_beat(&self, beat: Option<Beat>) {
        *lock(&self.0.beat) = beat;
    }

    /// Looks at, or changes, what is known of the feeds' last due runs.
    pub(super) fn health<T>(&self, look: impl FnOnce(&mut Healths) -> T) -> T {
        look(&mut lock(&self.0.healths))
    }

    /// Takes note of how a run went.
    pub(super) fn note_end(&self, run: &Run) -> Result<(), LedgerError> {
        let bad = health::bad_groups(self.engine().ledger(), run)?;
        self.health(|healths| healths.entry(run.feed.clone()).or_default().ended(run, bad));
        Ok(())
    }

    /// Runs a feed for a person, to its end, by the configuration of when its turn comes. No two runs of a feed read
    /// and send at a time, so it may wait.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn run(&self, order: &Order<'_>) -> Result<Pass, LedgerError> {
        let result = self.run_in_turn(order).await;
        match &result {
            Ok(pass) => self.tell(News::Ended(Box::new(pass.clone()))),
            Err(error) => self.tell(News::Broken(error.to_string())),
        }
        result
    }

    /// Empties a group for a person, to the end of its request, in the lane of the feed that fed it: no roster that
    /// was decided before is sent beside it.
    ///
    /// # Errors
    /// When it cannot be done now, and when the ledger cannot be read or written.
    pub async fn empty(
        &self,
        emptying: &Emptying,
        word: (&str, &str),
        progress: &dyn Progress,
    ) -> Result<Pass, EmptyError> {
        let result = self.empty_in_turn(emptying, word, progress).await;
        match &result {
            Ok(pass) => self.tell(News::Ended(Box::new(pass.clone()))),
            Err(EmptyError::Ledger(error)) => self.tell(News::Broken(error.to_string())),
            Err(EmptyError::Refused(_)) => {}
        }
        result
    }

    async fn empty_in_turn(
        &self,
        emptying: &Emptying,
        word: (&str, &str),
        progress: &dyn Progress,
    ) -> Result<Pass, EmptyError> {
        let feed = self.engine().owner_to_empty(emptying.group())?;
        let progress = Told { handle: self, inner: progress };
        let turn = self.turn(&feed, &self.0.typed, &progress).await;
        let engine = self.engine();
        let begun = engine.begin_emptying(emptying, word, &progress).await;
        self.sent(&feed, turn);
        Ok(engine.to_its_end(begun?, &progress).await?)
    }

    async fn run_in_turn(&self, order: &Order<'_>) -> Result<Pass, LedgerError> {
        let name = &order.feed.name;
        let progress = Told { handle: self, inner: order.progress };
        let turn = self.turn(name, &self.0.typed, &progress).await;
        let engine = self.engine();
        let Some(feed) = engine.feed(name.as_str()) else {
            return Ok(engine
                .left_out(order, format!("feed `{name}` is no longer configured; nothing was submitted")));
        };
        let begun = engine.begin(&Order { feed, progress: &progress, ..order.clone() }).await;
        self.sent(name, turn);
        engine.to_its_end(begun?, &progress).await
    }

    /// The turn of a run that the keeper starts.
    pub(super) async fn turn_by_itself(&self, feed: &FeedName, progress: &dyn Progress) -> Turn<'_> {
        self.turn(feed, &self.0.slots, progress).await
    }

    /// Waits for the feed's lane, and then for a slot.
    async fn turn<'a>(&'a self, feed: &FeedName, slots: &'a Semaphore, progress: &dyn Progress) -> Turn<'a> {
        let lane = self.engine().lane(feed);
        let lane = match Arc::clone(&lane).try_lock_owned() {
            Ok(lane) => lane,
            Err(_) => {
                let note =
                    format!("another run of feed `{feed}` is reading or sending; this one waits for it");
                progress.step(Step::Note(note));
                lane.lock_owned().await
            }
        };
        Turn { _lane: lane, _slot: slots.acquire().await.ok() }
    }

    /// A run has sent what it sends: its turn is over.
    pub(super) fn sent(&self, feed: &FeedName, turn: Turn<'_>) {
        drop(turn);
        self.moved();
        self.tell(News::Sent(feed.clone()));
    }

    /// Whether scheduled runs wait for the end of an incident.
    pub(super) fn is_shut(&self) -> bool {
        lock(&self.0.door).is_some()
    }

    /// A person paused or resumed a feed: the calendar looks at it again.
    pub fn paused(&self, feed: &FeedName) {
        self.tell(News::Paused(feed.clone()));
    }

    /// Has a task looked after: it goes on whoever goes away.
    pub(super) fn task(&self, task: BoxFuture<'static, ()>) {
        self.tell(News::Task(task));
    }

    pub(super) fn tell(&self, news: News) {
        // The keeper is gone only when the process ends.
        drop(self.0.news.send(news));
    }

    pub(super) fn moved(&self) {
        *lock(&self.0.moved) = Instant::now();
    }

    pub(super) fn last_moved(&self) -> Instant {
        *lock(&self.0.moved)
    }

    pub(super) fn turned(&self) {
        *lock(&self.0.turned) = Instant::now();
    }

    pub(super) fn last_turn(&self) -> Instant {
        *lock(&self.0.turned)
    }

    /// Whether every slot is taken: work waits.
    pub(super) fn is_full(&self) -> bool {
        self.0.slots.available_permits() == 0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
