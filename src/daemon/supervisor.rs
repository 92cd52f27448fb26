//! What the process tells its supervisor (`sd_notify(3)`). Without one, nothing is told.

use sd_notify::NotifyState;
use std::time::Duration;

/// Tells systemd these states; who cannot be told is none who waits for it.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the supervisor could not be told; look at `NOTIFY_SOCKET` and the unit's `NotifyAccess`");
    }
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

/// Nothing new is begun.
pub(super) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// It is alive.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often it has to say so; nothing when nobody asks.
pub(super) fn watched_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|every| (every / 3).max(Duration::from_millis(100)))
}
