//! What can go wrong with the memory, said so that a person knows what to do.

use super::{backup, upgrade};
use crate::{
    attempt::Impossible,
    roster::{FeedName, GroupRef, RequestId},
};
use std::{io, path::Path};

/// Why the state directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds it.
    #[error(
        "the state directory `{dir}` is in use by another rosterd; stop that one, or name another `state_dir`"
    )]
    InUse {
        /// The directory.
        dir: String,
    },
    /// Something is missing or not what was written.
    #[error("the state is damaged: {what}; nothing is submitted. {remedy}")]
    Damaged {
        /// What was found.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// No room.
    #[error(
        "the disk that holds `{dir}` is full; make room and start rosterd again: nothing is submitted that cannot be recorded"
    )]
    DiskFull {
        /// The directory.
        dir: String,
    },
    /// The key does not open what was sealed.
    #[error(
        "the state key is not the one that sealed `{dir}`; {}",
        .place.as_deref().unwrap_or("configure the former `state_key`, or put its `state.key` back")
    )]
    WrongKey {
        /// The directory.
        dir: String,
        /// What `state rekey` left: where the key is since then, and what to write.
        place: Option<String>,
    },
    /// Sealed records are there, and no key is.
    #[error(
        "`{dir}` holds sealed records, but its `state.key` is gone and no `state_key` is configured; {}",
        .place.as_deref().unwrap_or("put the former key back")
    )]
    KeyMissing {
        /// The directory.
        dir: String,
        /// What `state rekey` left: where the key is since then, and what to write.
        place: Option<String>,
    },
    /// The key file is not one, or others may read it.
    #[error("the key file `{file}` {what}")]
    KeyFile {
        /// The file.
        file: String,
        /// What is wrong and what to do.
        what: &'static str,
    },
    /// A newer rosterd wrote it.
    #[error(
        "the state in `{dir}` has format {found}, and this rosterd ({}) knows formats up to {known}; install the newer rosterd again, or go back with it: rosterd state restore FILE, with a backup from before it{before}. Nothing was touched",
        env!("CARGO_PKG_VERSION")
    )]
    NewerVersion {
        /// The directory.
        dir: String,
        /// The format that was found.
        found: u8,
        /// The newest format that this rosterd knows.
        known: u8,
        /// The copy that was made before the upgrade, if one lies there.
        before: String,
    },
    /// The file system refuses.
    #[error("cannot {doing}; look at the directory's owner and mode")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Why a copy is not restored. The state is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The copy is damaged, cut, or none.
    #[error("`{file}` is no whole copy of a state: {what}; nothing was changed, name another one")]
    NotWhole {
        /// The copy.
        file: String,
        /// What was found.
        what: String,
    },
    /// A newer rosterd made it.
    #[error(
        "`{file}` has a state of format {found}, and this rosterd ({}) knows formats up to {known}; install the newer rosterd, or name an older copy. Nothing was changed",
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The copy.
        file: String,
        /// Its format.
        found: u8,
        /// The newest format that this rosterd knows.
        known: u8,
    },
    /// There is no key.
    #[error(
        "the key that opens `{file}` is not there: it is looked for in {place}, since the configuration has no `state_key`; put the former key there, or write `state_key`. Without it the copy cannot be read. Nothing was changed"
    )]
    NoKey {
        /// The copy.
        file: String,
        /// Where the key was looked for.
        place: String,
    },
    /// Another key sealed it.
    #[error(
        "`{file}` was sealed with another key than {place}; put the key of that time there. Without it the copy cannot be read. Nothing was changed"
    )]
    WrongKey {
        /// The copy.
        file: String,
        /// Which key was tried.
        place: String,
    },
    /// No copy lies beside the state.
    #[error("there is no copy beside the state in `{dir}`; name a backup: rosterd state restore FILE")]
    NoCopy {
        /// The directory.
        dir: String,
    },
    /// The directory cannot be had.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The disk is full, or the file system refuses.
    #[error(transparent)]
    Ledger(LedgerError),
}

/// Why the ledger cannot remember or tell something.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// No room: nothing was recorded.
    #[error("the disk that holds the state is full; make room and start rosterd again")]
    DiskFull,
    /// An earlier write failed, so nothing more is taken.
    #[error("the state takes nothing more since a write failed ({why}); start rosterd again")]
    Stopped {
        /// What failed.
        why: String,
    },
    /// Something is missing or not what was written.
    #[error("the state is damaged: {what}; stop rosterd and type: rosterd state check")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// A newer rosterd wrote it.
    #[error("the state was written by a newer rosterd (format {found}); install that version again")]
    NewerVersion {
        /// The format that was found.
        found: u8,
    },
    /// The group has an attempt in flight: a second one must wait for it.
    #[error("attempt {attempt} to `{group}` is still in flight; wait until it has ended")]
    Busy {
        /// The group.
        group: GroupRef,
        /// Its attempt.
        attempt: u64,
    },
    /// What is covered changed between the decision and the intent, so the removals would not be those decided.
    #[error("what is covered in `{group}` is not what this roster was decided on; run the feed again")]
    Stale {
        /// The group.
        group: GroupRef,
    },
    /// There is no such hold, or its approval is spent or expired.
    #[error(
        "nothing of `{feed}` is held or approved for `{group}` under that digest; look at `rosterd status`"
    )]
    NoHold {
        /// The feed.
        feed: FeedName,
        /// The group.
        group: GroupRef,
    },
    /// The roster of an attempt that is long over is not kept.
    #[error("the roster of attempt {attempt} to `{group}` is not kept any more; run the feed again")]
    RosterGone {
        /// The group.
        group: GroupRef,
        /// The attempt.
        attempt: u64,
    },
    /// Vitable accepted a roster, and its request id could be written nowhere. It is not lost while this is
    /// in a log.
    #[error(
        "`{request_id}` of attempt {attempt} can be kept neither in the state nor in the reserve; keep this line, make room and start rosterd again"
    )]
    NotReserved {
        /// What Vitable gave.
        request_id: RequestId,
        /// The attempt.
        attempt: u64,
        /// Why the reserve refused.
        #[source]
        source: io::Error,
    },
    /// An event that cannot happen in the attempt's state.
    #[error(transparent)]
    Impossible(#[from] Impossible),
    /// A caller asked for what cannot be.
    #[error("{what}; this is a defect of rosterd, please report it")]
    Defect {
        /// What was asked.
        what: String,
    },
    /// The file system refuses.
    #[error("cannot {doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// What the ledger's methods return.
pub type Result<T, E = LedgerError> = std::result::Result<T, E>;

impl LedgerError {
    /// Whether it concerns one group alone, so that the others can go on: the store itself is well.
    #[must_use]
    pub const fn is_about_the_group(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::Stale { .. } | Self::NoHold { .. } | Self::RosterGone { .. } => true,
            Self::DiskFull
            | Self::Stopped { .. }
            | Self::Damaged { .. }
            | Self::NewerVersion { .. }
            | Self::NotReserved { .. }
            | Self::Impossible(_)
            | Self::Defect { .. }
            | Self::Io { .. } => false,
        }
    }

    /// Translates an error of the file system; a full disk has a name of its own.
    pub(super) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        let doing = doing.into();
        let is = |kind| source.kind() == kind;
        if is(io::ErrorKind::StorageFull) || is(io::ErrorKind::QuotaExceeded) {
            Self::DiskFull
        } else if is(io::ErrorKind::UnexpectedEof) || is(io::ErrorKind::InvalidData) {
            Self::Damaged { what: format!("cannot {doing}: the data ends early or is not what was written") }
        } else {
            Self::Io { doing, source }
        }
    }

    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }

    pub(super) fn defect(what: impl Into<String>) -> Self {
        Self::Defect { what: what.into() }
    }

    /// Translates an error of the store.
    pub(super) fn store(doing: &str, error: sled::Error) -> Self {
        match error {
            sled::Error::Io(source) => Self::io(doing, source),
            sled::Error::Corruption { .. } => {
                Self::damaged("a page of the store does not match its checksum")
            }
            sled::Error::ReportableBug(_)
            | sled::Error::Unsupported(_)
            | sled::Error::CollectionNotFound(_) => {
                // The store's own words may repeat stored bytes.
                Self::damaged(format!("the store cannot {doing}"))
            }
        }
    }

    /// The same, seen while the directory is opened.
    pub(super) fn opening(self, dir: &Path) -> OpenError {
        match self {
            Self::DiskFull => OpenError::DiskFull { dir: dir.display().to_string() },
            Self::Damaged { what } => OpenError::damaged(dir, what),
            Self::NewerVersion { found } => OpenError::newer(dir, found, upgrade::CURRENT),
            Self::Io { doing, source } => OpenError::Io { doing, source },
            other @ (Self::Stopped { .. }
            | Self::Busy { .. }
            | Self::Stale { .. }
            | Self::NoHold { .. }
            | Self::RosterGone { .. }
            | Self::NotReserved { .. }
            | Self::Impossible(_)
            | Self::Defect { .. }) => OpenError::damaged(dir, other.to_string()),
        }
    }
}

impl OpenError {
    /// Damage, with what to type: the newest copy beside the state, or a backup.
    pub(super) fn damaged(dir: &Path, what: impl Into<String>) -> Self {
        let remedy = match backup::beside(dir).first() {
            Some(copy) => format!(
                "To go on from the copy of {} UTC, type: rosterd state restore --copy. What was there is set aside, and every group is a first sync then, which waits for a person",
                copy.made.format("%Y-%m-%d %H:%M")
            ),
            None => "There is no copy beside the state: type `rosterd state restore FILE` with a backup, or move the directory away. Every group is a first sync then, which waits for a person".to_owned(),
        };
        Self::Damaged { what: what.into(), remedy }
    }

    pub(super) fn newer(dir: &Path, found: u8, known: u8) -> Self {
        let before = upgrade::kept(dir).into_iter().next_back();
        Self::NewerVersion {
            dir: dir.display().to_string(),
            found,
            known,
            before: before.map(|path| format!(" (`{}`)", path.display())).unwrap_or_default(),
        }
    }
}
