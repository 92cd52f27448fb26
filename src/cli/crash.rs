//! Crash points for the kill tests. Only with the feature `failpoints`, which no release has.

use std::sync::atomic::{AtomicU64, Ordering};

/// Aborts the process, as a power cut would, when the crash point of `ROSTERD_CRASH_AT` (`name` or `name:N`) is
/// passed for the Nth time. `ROSTERD_DISK_FULL_AT=N` lets every ledger write from the Nth on fail as on a full disk.
#[expect(
    clippy::disallowed_methods,
    reason = "a test of the built binary can only speak through the environment"
)]
pub(super) fn arm() {
    if let Ok(point) = std::env::var("ROSTERD_CRASH_AT") {
        let (name, nth) = point.split_once(':').unwrap_or((&point, "1"));
        let left = AtomicU64::new(nth.parse().unwrap_or(1));
        let passed = move || {
            if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                std::process::abort();
            }
        };
        drop(fail::cfg_callback(name, passed));
    }
    if let Ok(after) = std::env::var("ROSTERD_DISK_FULL_AT") {
        let actions = format!("{after}*off->return");
        drop(fail::cfg(crate::ledger::DISK_FULL_POINT, &actions));
    }
}
