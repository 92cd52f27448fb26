//! The life of the process: what `rosterd run` is.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `mod` | from the start to the end: what is told to the supervisor, reloading, the two steps of stopping |
//! | `keeper` | the loop's memory: starts what is due, and does what a run leaves to be done |
//! | `calendar` | which feed is due when |
//! | `health` | pure: whether all is well |
//! | `heartbeat` | says so to a dead-man's switch |
//! | `door` | whether scheduled runs may go to Vitable at all |
//! | `next` | pure: what follows from a run |
//! | `jobs` | one run that the keeper starts |
//! | `timer` | one one-shot of tokio-cron-scheduler |
//! | `handle` | the daemon as its commands see it |
//! | `socket`, `client`, `protocol` | both ends of the control socket |
//! | `supervisor` | `sd_notify` |
//!
//! Everything that the daemon knows is in the ledger: what is in memory here is found again after any kill.

mod calendar;
mod client;
mod door;
mod handle;
mod health;
mod heartbeat;
mod jobs;
mod keeper;
mod next;
mod protocol;
mod socket;
mod supervisor;
mod timer;

pub use client::{CallError, about, call};
pub use handle::Handle;
pub use protocol::{About, Beat, Event};
pub use socket::{Call, Caller, Commands, bind};

use crate::{
    engine::{self, Engine},
    ledger::LedgerError,
    notify::{Incident, Kind},
    vitable::Client,
};
use keeper::Keeper;
use std::{path::PathBuf, sync::Arc, time::Duration};
use timer::Timer;
use tokio::{
    net::UnixListener,
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

/// How long what is on its way may take after the daemon was told to stop, before it is cut off.
const DRAIN: Duration = Duration::from_secs(25);
/// How long the mails of the end may take.
const LAST_MAILS: Duration = Duration::from_secs(5);
/// How often the wall clock is looked at, whatever the timer says.
const LOOK: Duration = Duration::from_secs(60);
/// How often requests that were given up are looked at.
const GIVEN_UP: Duration = Duration::from_secs(60 * 60);
/// How often it is looked whether a copy of the state is due.
const COPY_LOOK: Duration = Duration::from_secs(10 * 60);
/// How often it is looked whether another day has begun: on each the credentials are looked at.
const ENDS: Duration = Duration::from_secs(10 * 60);
/// When work waits and nothing has moved for this long, the daemon is not alive.
const STALLED: Duration = Duration::from_secs(60 * 60);
/// The keeper's loop turns at least each minute; longer than this, it does not.
const TURN: Duration = Duration::from_secs(5 * 60);
/// How long the ledger may take to answer when it is asked whether it is alive.
const ANSWER: Duration = Duration::from_secs(20);

/// What the daemon is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Read the configuration again.
    Reload,
    /// Stop. The first one lets what is on its way be answered, a second one does not.
    Stop,
}

/// Reads the configuration again, whole; the error is what a person has to correct.
pub type Reread = Arc<dyn Fn() -> Result<engine::Settings, String> + Send + Sync>;

/// Everything that a daemon is made of.
pub struct Parts {
    /// The engine of the configuration that it starts with.
    pub engine: Engine,
    /// Where that configuration is.
    pub config: PathBuf,
    /// Where commands come in.
    pub listener: UnixListener,
    /// Who carries commands out.
    pub commands: Arc<dyn Commands>,
    /// What it is told.
    pub signals: mpsc::Receiver<Signal>,
    /// How the configuration is read again.
    pub reread: Reread,
}

/// How a daemon ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The state cannot be read or written, or a part of rosterd broke. What Vitable took is known.
    #[error("{0}")]
    State(String),
    /// The timer does not start.
    #[error("the timer cannot be started")]
    Timer(#[source] tokio_cron_scheduler::JobSchedulerError),
}

impl From<LedgerError> for Ended {
    fn from(error: LedgerError) -> Self {
        Self::State(error.to_string())
    }
}

/// Runs until it is told to stop.
///
/// # Errors
/// When the state takes nothing more: then nothing can be done but to start again.
pub async fn run(parts: Parts) -> Result<(), Ended> {
    let Parts { engine, config, listener, commands, mut signals, reread } = parts;
    let (news, mut heard) = mpsc::unbounded_channel();
    let handle = Handle::new(Arc::new(engine), config, news);
    let timer = Timer::start().await.map_err(Ended::Timer)?;
    let mut keeper = Keeper::new(handle.clone(), timer)?;
    let mut background = JoinSet::new();
    let (stop_serving, stopping) = watch::channel(false);
    let mut serving = JoinSet::new();
    serving.spawn(socket::serve(listener, handle.clone(), commands, stopping.clone()));
    let healths = health::found(&handle.engine())?;
    handle.health(|known| *known = healths);
    keeper.take_up().await?;
    // Whoever starts by a configuration has one that can be used.
    handle.engine().is_over(&[Kind::ReloadRefused])?;
    keeper.look().await;
    supervisor::ready(&keeper.status());
    tracing::info!(feeds = handle.engine().feeds().len(), "rosterd runs");
    if let Some(every) = supervisor::watched_every() {
        background.spawn(watched(handle.clone(), every));
    }
    background.spawn(look_at_given_up(handle.clone()));
    background.spawn(look_at_ends(handle.clone()));
    background.spawn(copy_state(handle.clone()));
    background.spawn(make_digests(handle.clone()));
    background.spawn(heartbeat::beat(handle.clone()));
    let mut mails = JoinSet::new();
    mails.spawn(hand_on_mails(handle.clone(), stopping.clone()));
    let mut minute = interval(LOOK);
    minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while keeper.broken.is_none() {
        tokio::select! {
            signal = signals.recv() => match signal {
                Some(Signal::Reload) => reload(&mut keeper, &reread).await?,
                Some(Signal::Stop) | None => break,
            },
            Some(news) = heard.recv() => keeper.heard(news).await,
            Some(done) = keeper.jobs.join_next() => match done {
                Ok(done) => keeper.done(done),
                Err(error) => keeper.broken = Some(broke(defect(&error))),
            },
            Some(Err(error)) = keeper.tasks.join_next() => keeper.broken = Some(broke(defect(&error))),
            // These go on for as long as the daemon does.
            Some(ended) = background.join_next() => keeper.broken = Some(broke(ended_early(ended))),
            Some(ended) = mails.join_next() => keeper.broken = Some(broke(ended_early(ended))),
            Some(ended) = serving.join_next() => keeper.broken = Some(broke(ended_early(ended))),
            () = keeper.timer.fired() => keeper.timer.disarm(),
            _ = minute.tick() => supervisor::status(&keeper.status()),
        }
        keeper.look().await;
        handle.turned();
    }
    stop_serving.send_replace(true);
    let broken = keeper.broken.clone();
    if let Some((kind, why)) = &broken {
        tracing::error!("rosterd ends, and nothing more is submitted: {why}");
        handle.engine().tell_directly(&Incident::new(*kind, format!("rosterd ended: {why}."))).await;
    }
    stop(keeper, serving, heard, &mut signals).await?;
    last_mails(&handle, mails).await;
    background.shutdown().await;
    match broken {
        None => Ok(()),
        Some((_, why)) => Err(Ended::State(why)),
    }
}

/// A task that panicked: its place has been printed. What is durable is whole, so the process ends and is started
/// again.
fn defect(error: &tokio::task::JoinError) -> String {
    tracing::error!(%error, "a task ended by a defect");
    "a task ended by a defect of rosterd; please report the place that was printed".to_owned()
}

fn broke(why: String) -> (Kind, String) {
    (Kind::Defect, why)
}

fn ended_early(ended: Result<(), tokio::task::JoinError>) -> String {
    match ended {
        Err(error) => defect(&error),
        Ok(()) => "a part of rosterd ended that should not; please report it".to_owned(),
    }
}

/// The two steps of stopping: nothing new is begun and what is on its way may be answered; then it is cut off.
async fn stop(
    mut keeper: Keeper,
    mut serving: JoinSet<()>,
    mut heard: mpsc::UnboundedReceiver<handle::News>,
    signals: &mut mpsc::Receiver<Signal>,
) -> Result<(), Ended> {
    supervisor::stopping("stopping: rosters that are on their way are answered first").await;
    tracing::info!(at_work = keeper.jobs.len(), "rosterd stops");
    keeper.engine().stop();
    let until = Instant::now() + DRAIN;
    let drained = loop {
        tokio::select! {
            biased;
            Some(Signal::Stop) = signals.recv() => break false,
            () = tokio::time::sleep_until(until) => break false,
            Some(done) = keeper.jobs.join_next() => if let Ok(done) = done {
                keeper.stopped(done);
            },
            Some(_) = keeper.tasks.join_next() => {}
            Some(news) = heard.recv() => if let handle::News::Task(task) = news {
                keeper.tasks.spawn(task);
            },
            Some(_) = serving.join_next() => {}
            else => break true,
        }
        if keeper.jobs.is_empty() && keeper.tasks.is_empty() && serving.is_empty() {
            break true;
        }
    };
    if !drained {
        tracing::warn!(
            at_work = keeper.jobs.len(),
            "what was on its way is cut off; the next start says what became of it"
        );
    }
    keeper.jobs.shutdown().await;
    keeper.tasks.shutdown().await;
    serving.shutdown().await;
    if keeper.broken.is_none() {
        keeper.leave_waiting()?;
    }
    keeper.timer.stop().await;
    Ok(())
}

/// Takes a new configuration whole, or goes on with the old one and says so.
async fn reload(keeper: &mut Keeper, reread: &Reread) -> Result<(), Ended> {
    supervisor::reloading();
    let reread = Arc::clone(reread);
    // Thousands of feeds take a while to check.
    let read = tokio::task::spawn_blocking(move || reread()).await;
    let old = keeper.engine();
    let taken = match read {
        Ok(Ok(settings)) => client_for(&old, &settings).map(|client| old.reconfigured(settings, client)),
        Ok(Err(why)) => Err(why),
        Err(error) => Err(defect(&error)),
    };
    match taken {
        Ok(engine) => {
            engine.is_over(&[Kind::ReloadRefused])?;
            tracing::info!(
                feeds = engine.feeds().len(),
                "the configuration was read again and counts from now on"
            );
            let heirs = engine.settle_moves_of_gone_feeds()?;
            engine.tell_orphans()?;
            engine.tell_every_expiring()?;
            keeper.handle.set_engine(Arc::new(engine));
            keeper.plan_anew()?;
            keeper.try_the_door();
            heirs.into_iter().for_each(|feed| keeper.finish_moves(feed));
        }
        Err(why) => {
            tracing::error!("the new configuration is refused, the old one counts on: {why}");
            old.tell_of(&Incident::new(Kind::ReloadRefused, why))?;
        }
    }
    supervisor::ready(&keeper.status());
    Ok(())
}

/// The same client where nothing about Vitable has changed, with the key of now: its pace and its connections go on.
fn client_for(old: &Engine, settings: &engine::Settings) -> Result<Arc<Client>, String> {
    if settings.vitable == old.settings().vitable {
        old.client().reread_key().map_err(|error| chain(&error))?;
        return Ok(Arc::clone(old.client()));
    }
    old.client().renewed(settings.vitable.clone()).map(Arc::new).map_err(|error| chain(&error))
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// Tells the supervisor that the daemon is alive, as long as it is: the runtime turns, the ledger answers, and work
/// that waits moves.
async fn watched(handle: Handle, every: Duration) {
    let mut ticks = interval(every);
    loop {
        ticks.tick().await;
        let (answers, stalled) = gets_on(&handle).await;
        if answers && !stalled {
            supervisor::alive();
        } else {
            tracing::error!(
                answers,
                stalled,
                "rosterd does not get on; the supervisor is not told that it is alive"
            );
        }
    }
}

/// Whether the ledger answers, and whether work that waits stands still.
async fn gets_on(handle: &Handle) -> (bool, bool) {
    let engine = handle.engine();
    let asked = tokio::task::spawn_blocking(move || engine.ledger().answers());
    let answers = matches!(tokio::time::timeout(ANSWER, asked).await, Ok(Ok(true)));
    let stalled =
        (handle.is_full() && handle.last_moved().elapsed() > STALLED) || handle.last_turn().elapsed() > TURN;
    (answers, stalled)
}

/// Makes the digest when it is due. One that was missed while nobody ran is made at the start.
async fn make_digests(handle: Handle) {
    loop {
        let engine = handle.engine();
        let sleep = match tokio::task::spawn_blocking(move || until_next_digest(&engine)).await {
            Ok(Ok(sleep)) => sleep,
            Ok(Err(error)) => {
                handle.tell(handle::News::Broken(error.to_string()));
                LOOK
            }
            Err(error) => {
                handle.tell(handle::News::Broken(defect(&error)));
                LOOK
            }
        };
        tokio::time::sleep(sleep).await;
    }
}

/// Makes one that is due, and says how long nothing is to be done. Never longer than a minute: a clock may be set, and
/// a configuration read again.
fn until_next_digest(engine: &Engine) -> Result<Duration, LedgerError> {
    let next = engine.make_digest()?;
    let wait = next.map(|next| next.signed_duration_since(engine.clock().now()));
    Ok(wait.map_or(LOOK, |wait| wait.to_std().unwrap_or_default()).clamp(Duration::from_secs(1), LOOK))
}

/// Hands the mails on by the configuration of now, until the daemon stops.
async fn hand_on_mails(handle: Handle, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        let stop = async {
            tokio::select! {
                () = handle.replaced() => {}
                // Whoever would say so is gone: that is the end too.
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        };
        handle.engine().post_mails(stop).await;
    }
}

/// The mails of the end go out too, if the mail server is quick; what is left waits for the next start.
async fn last_mails(handle: &Handle, mut mails: JoinSet<()>) {
    let last = async {
        while mails.join_next().await.is_some() {}
        handle.engine().deliver().await
    };
    match tokio::time::timeout(LAST_MAILS, last).await {
        Ok(Ok(delivery)) if delivery.waiting == 0 => {}
        Ok(Ok(delivery)) => tracing::warn!(waiting = delivery.waiting, "mails wait for the next start"),
        Ok(Err(error)) => tracing::error!("mails wait for the next start: {error}"),
        Err(_) => tracing::warn!("mails wait for the next start, because the mail server does not answer"),
    }
}

/// Keeps a whole copy of the state beside it, for a day on which a file of the state is damaged.
async fn copy_state(handle: Handle) {
    let mut looks = interval(COPY_LOOK);
    loop {
        looks.tick().await;
        let engine = handle.engine();
        let copied = tokio::task::spawn_blocking(move || {
            let now = engine.clock().now();
            let due = engine.ledger().copy_due(now);
            due.then(|| engine.ledger().write_copy(now))
        });
        match copied.await {
            Ok(Some(Err(error))) => tracing::error!(%error, "the copy beside the state could not be made"),
            Ok(Some(Ok(_))) => tracing::info!("a copy was made beside the state"),
            Ok(None) | Err(_) => {}
        }
    }
}

/// Looks at the start and on each day whether a credential is about to end: a paused feed, or one without a schedule,
/// has no run that would.
async fn look_at_ends(handle: Handle) {
    let mut hours = interval(ENDS);
    let mut last = None;
    loop {
        hours.tick().await;
        let engine = handle.engine();
        let today = engine.clock().now().date_naive();
        if last.replace(today) == Some(today) {
            continue;
        }
        let looked = tokio::task::spawn_blocking(move || engine.tell_every_expiring()).await;
        if let Ok(Err(error)) = looked {
            handle.tell(handle::News::Broken(error.to_string()));
        }
    }
}

/// For seven days an answer to a request that was given up may still come; and an approval may have expired while no run
/// saw it; and what an earlier process told past the outbox may be over.
async fn look_at_given_up(handle: Handle) {
    let mut hours = interval(GIVEN_UP);
    loop {
        hours.tick().await;
        let engine = handle.engine();
        let told = engine.tell_lapsed_approvals().and_then(|()| engine.end_what_was_told_directly());
        if let Err(error) = told {
            handle.tell(handle::News::Broken(error.to_string()));
        }
        match handle.engine().look_at_given_up().await {
            Ok(feeds) => feeds.into_iter().for_each(|feed| handle.tell(handle::News::Late(feed))),
            Err(error) => handle.tell(handle::News::Broken(error.to_string())),
        }
    }
}
