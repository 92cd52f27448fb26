//! The daemon as its commands and its own tasks see it.

use super::{door::Closed, protocol::About};
use crate::{
    engine::{Begun, Engine, Order, Pass, Step},
    ledger::LedgerError,
    roster::{FeedName, GroupRef},
};
use futures_util::future::BoxFuture;
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    time::Instant,
};

/// Runs that read, decide and send at a time, when `max_in_flight` does not ask for more. What they wait for is
/// Vitable and the disk; each has one feed's rows in memory.
const SLOTS: usize = 16;

/// What the keeper is told.
pub(super) enum News {
    /// A run of the feed has sent what it sends: another one may begin.
    Sent(FeedName),
    /// A run has ended.
    Ended(Box<Pass>),
    /// Nobody waits for this request any longer.
    Followed(GroupRef),
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
    /// One run of a feed reads and sends at a time.
    lanes: Mutex<HashMap<FeedName, Arc<tokio::sync::Mutex<()>>>>,
    slots: Semaphore,
    news: mpsc::UnboundedSender<News>,
    /// When something last moved.
    moved: Mutex<Instant>,
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
        };
        let slots = SLOTS.max(engine.settings().vitable.max_in_flight.saturating_mul(2));
        Self(Arc::new(Inner {
            engine: RwLock::new(engine),
            replaced: Notify::new(),
            about,
            door: Mutex::default(),
            lanes: Mutex::default(),
            slots: Semaphore::new(slots.min(Semaphore::MAX_PERMITS)),
            news,
            moved: Mutex::new(Instant::now()),
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
            ..self.0.about.clone()
        }
    }

    pub(super) fn show_door(&self, door: Option<&Closed>) {
        *lock(&self.0.door) = door.cloned();
    }

    /// Runs a feed for a person, to its end. No two runs of a feed read and send at a time, so it may wait its turn.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn run(&self, order: &Order<'_>) -> Result<Pass, LedgerError> {
        let engine = self.engine();
        let result = match self.begin(&engine, order).await {
            Ok(Begun::Over(pass)) => Ok(*pass),
            Ok(Begun::NotYet { run, why }) => engine.no_longer(*run, why),
            Ok(Begun::Waiting(waiting)) => engine.wait(*waiting, order.progress).await,
            Err(error) => Err(error),
        };
        match &result {
            Ok(pass) => self.tell(News::Ended(Box::new(pass.clone()))),
            Err(error) => self.tell(News::Broken(error.to_string())),
        }
        result
    }

    /// The first part of a run, in its feed's lane and in one of the slots.
    pub(super) async fn begin(&self, engine: &Engine, order: &Order<'_>) -> Result<Begun, LedgerError> {
        let feed = &order.feed.name;
        let lane = self.lane(feed);
        let begun = {
            let _turn = match lane.try_lock() {
                Ok(turn) => turn,
                Err(_) => {
                    let note =
                        format!("another run of feed `{feed}` is reading or sending; this one waits for it");
                    order.progress.step(Step::Note(note));
                    lane.lock().await
                }
            };
            let _slot = self.0.slots.acquire().await;
            engine.begin(order).await
        };
        self.moved();
        self.tell(News::Sent(feed.clone()));
        begun
    }

    fn lane(&self, feed: &FeedName) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(lock(&self.0.lanes).entry(feed.clone()).or_default())
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

    /// Whether every slot is taken: work waits.
    pub(super) fn is_full(&self) -> bool {
        self.0.slots.available_permits() == 0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
