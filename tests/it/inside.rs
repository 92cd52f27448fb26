//! A host in this process: the engine over real files, a real ledger and the sandbox over HTTP, on a clock that stands
//! still until it is put forward. For suites whose hundreds of runs would take too long as processes of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::world::{Setup, World};
use chrono::{DateTime, TimeDelta, Utc};
use rosterd::{
    clock::{Clock, SetClock},
    config::{self, Secrets},
    engine::{self, Engine, Order, Pass, Silent, Spoken},
    ledger::{Hold, Ledger, LedgerError, Trigger},
    roster::FeedName,
    vitable::Client,
};
use std::{
    fs,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// The host.
pub(crate) struct Inside {
    /// The engine of the process that runs now.
    engine: Option<Engine>,
    /// Folder, configuration, Vitable.
    pub(crate) world: World,
    clock: Arc<SetClock>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Inside {
    /// A host on which nothing ran yet. `edit` changes the text of the configuration.
    pub(crate) fn new(setup: &Setup, start: &str, edit: impl Fn(String) -> String) -> Self {
        let clock = Arc::new(SetClock::new(start.parse().unwrap()));
        let world = World::new(&Setup {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            processing: Duration::ZERO,
            ..setup.clone()
        });
        let path = world.path("rosterd.yaml");
        crate::world::put(&path, &edit(fs::read_to_string(&path).unwrap()));
        let mut inside = Self { engine: None, world, clock, runtime: None };
        inside.restart();
        inside
    }

    /// The process is gone, as after `kill -9`, and another one opens the same state.
    pub(crate) fn restart(&mut self) {
        drop(self.engine.take());
        // And with it whatever it had begun beside.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
        self.runtime = Some(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
        let path = self.world.path("rosterd.yaml");
        let mut settings = config::load(&path, &|_| None, Secrets::Check).unwrap();
        // The sandbox has finished by the first look.
        settings.vitable.poll.first = Duration::from_millis(1);
        settings.vitable.poll.max = Duration::from_millis(20);
        let ledger = Ledger::open(&settings.state_dir, None, self.clock.now()).unwrap();
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let client = Client::new(settings.vitable.clone(), Arc::clone(&clock)).unwrap();
        let config::Settings { vitable, alerts, digest, heartbeat, state_dir, feeds, .. } = settings;
        let settings = engine::Settings { vitable, alerts, digest, heartbeat, state_dir, feeds };
        self.engine = Some(Engine::new(settings, Arc::new(ledger), Arc::new(client), clock));
    }

    /// The engine of the process that runs now.
    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// What time it is.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Time passes.
    pub(crate) fn passes(&self, time: TimeDelta) {
        self.clock.set(self.clock.now() + time);
    }

    /// A file takes the place of the one before.
    pub(crate) fn arrives(&self, bytes: &[u8]) {
        let path = self.world.path("inbox/roster.csv");
        drop(fs::remove_file(&path));
        std::io::Write::write_all(&mut fs::File::create(path).unwrap(), bytes).unwrap();
    }

    /// `rosterd sync acme`, to its end.
    pub(crate) fn sync(&self) -> Pass {
        self.begin(Trigger::Sync, usize::MAX).unwrap()
    }

    /// The same, or an approval's run, by a process that is killed when it has waited so many times. Nothing comes
    /// back then, and another process stands ready.
    pub(crate) fn cut_off(&mut self, trigger: Trigger, waits: usize) -> Option<Pass> {
        let pass = self.begin(trigger, waits);
        if pass.is_none() {
            self.restart();
        }
        pass
    }

    /// As the command does it: what was left is taken up, then the feed runs.
    fn begin(&self, trigger: Trigger, waits: usize) -> Option<Pass> {
        let engine = self.engine();
        let feed = engine.feed("acme").unwrap();
        let work = async {
            engine.recover()?;
            let names: Vec<&FeedName> = vec![&feed.name];
            engine.resume(&names, &Silent).await?;
            engine.finish_todos(None, &Silent).await?;
            let order =
                Order { feed, trigger, group: None, file: None, due: None, again: None, progress: &Silent };
            engine.run(&order).await
        };
        let cut = Cut { work: Box::pin(work), left: waits };
        let done: Option<Result<Pass, LedgerError>> = self.runtime.as_ref().unwrap().block_on(cut);
        done.map(Result::unwrap)
    }

    /// The mails that wait go out.
    pub(crate) fn deliver(&self) {
        self.runtime.as_ref().unwrap().block_on(self.engine().deliver()).unwrap();
    }

    /// Does this in the process that runs now.
    pub(crate) fn does<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().unwrap().block_on(work)
    }

    /// What waits for a person.
    pub(crate) fn holds(&self) -> Vec<Hold> {
        self.engine().ledger().holds(None).unwrap()
    }

    /// A person's word; whether it counts.
    pub(crate) fn say(&self, hold: &Hold, approved: bool) -> Option<Hold> {
        if self.engine().word_before(hold).is_some() {
            return None;
        }
        match self.engine().say(hold, approved, "somebody", "looked at it") {
            Ok(Spoken::Counts(hold)) => Some(hold),
            // Nothing waits under this digest any more.
            Ok(Spoken::Before(..)) | Err(_) => None,
        }
    }

    /// Approves everything that waits and can be approved, and runs.
    pub(crate) fn approve(&self) -> Pass {
        for hold in self.holds().iter().filter(|hold| hold.approvable) {
            self.say(hold, true);
        }
        self.begin(Trigger::Approval, usize::MAX).unwrap()
    }
}

/// Work that is dropped when it has waited so many times.
struct Cut<F> {
    work: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Future for Cut<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(done) = self.work.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 { Poll::Ready(None) } else { Poll::Pending }
    }
}
