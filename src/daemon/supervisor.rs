//! What the process tells its supervisor (`sd_notify(3)`). Without one, nothing is told.
//!
//! A thread of its own speaks: a supervisor that does not listen lets a sender wait, after ten words on some kernels
//! (`net.unix.max_dgram_qlen`), and no work of rosterd may wait for that.

use sd_notify::NotifyState;
use std::{
    sync::{
        LazyLock,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};
use tokio::sync::oneshot;

/// Words, and what is dropped when they have been spoken.
type Words = (String, oneshot::Sender<()>);

/// The way to the thread that speaks; words are told in the order in which they came.
static SPEAKER: LazyLock<Sender<Words>> = LazyLock::new(|| {
    let (words, heard) = channel();
    // Without a thread nothing is told, and whoever tries it says so.
    drop(std::thread::Builder::new().name("supervisor".to_owned()).spawn(move || speak(&heard)));
    words
});

fn speak(heard: &Receiver<Words>) {
    for (words, _spoken) in heard {
        if let Err(error) = sd_notify::notify(&[NotifyState::Custom(&words)]) {
            tracing::warn!(%error, "the supervisor could not be told; look at `NOTIFY_SOCKET` and the unit's `NotifyAccess`");
        }
    }
}

/// Tells systemd these states; who cannot be told is none who waits for it.
fn tell(states: &[NotifyState<'_>]) {
    drop(spoken(states));
}

/// The same; what is returned ends when they were told.
fn spoken(states: &[NotifyState<'_>]) -> oneshot::Receiver<()> {
    let words: Vec<String> = states.iter().map(ToString::to_string).collect();
    let (done, told) = oneshot::channel();
    if SPEAKER.send((words.join("\n"), done)).is_err() {
        tracing::warn!("the supervisor could not be told: there is no thread for it");
    }
    told
}

/// The daemon answers its control socket and runs what is due.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// What it is doing, for `systemctl status`.
pub(super) fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The configuration is read again; [`ready`] ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// Nothing new is begun. The process may end soon, so this is waited for: a second at most.
pub(super) async fn stopping(status: &str) {
    let told = spoken(&[NotifyState::Stopping, NotifyState::Status(status)]);
    // It ends either way: spoken, or after a second.
    drop(tokio::time::timeout(Duration::from_secs(1), told).await);
}

/// It is alive.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often it has to say so; nothing when nobody asks.
pub(super) fn watched_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|every| (every / 3).max(Duration::from_millis(100)))
}
