//! Where a test may kill the process, or fill its disk. Nothing of it is in a release.

use super::error::Result;

/// The points right after each durable write. A crash test aborts the process at each in turn.
pub const CRASH_POINTS: &[&str] = &[
    "ledger-after-key",
    "ledger-after-pin",
    "ledger-after-group-pin",
    "ledger-after-begin-run",
    "ledger-after-trace-file",
    "ledger-after-save-run",
    "ledger-after-end-run",
    "ledger-after-succeed-run",
    "ledger-after-intent-file",
    "ledger-after-intend",
    "ledger-after-advance",
    "ledger-after-completion-file",
    "ledger-after-complete",
    "ledger-after-recover",
    "ledger-after-put-holds",
    "ledger-after-say",
    "ledger-after-accepted-read",
    "ledger-after-record",
    "ledger-after-mail-settled",
    "ledger-after-mail-waits",
    "ledger-after-reserve",
    "ledger-after-pass-due",
    "ledger-after-pause",
];

/// The points on the way of an upgrade, a copy, a restore and a change of the key.
pub const CARE_POINTS: &[&str] = &[
    "ledger-after-upgrade-copy",
    "ledger-after-upgrade-file",
    "ledger-after-upgrade",
    "ledger-after-copy",
    "ledger-after-restore-part",
    "ledger-after-restore-built",
    "ledger-after-restore-moved",
    "ledger-after-rekey-files",
    "ledger-after-rekey",
    "ledger-after-rekey-key",
];

/// When this one returns, every write is refused as on a full disk.
pub const DISK_FULL_POINT: &str = "ledger-disk-full";

/// Passes a crash point.
pub(super) fn reached(point: &str) {
    let known = CRASH_POINTS.contains(&point) || CARE_POINTS.contains(&point);
    debug_assert!(known, "a crash point without a place in the list");
    fail::fail_point!(point);
}

/// Refuses the write when a test asks for a full disk.
pub(super) fn refuse_when_asked() -> Result<()> {
    fail::fail_point!(DISK_FULL_POINT, |_| Err(super::error::LedgerError::DiskFull));
    Ok(())
}
