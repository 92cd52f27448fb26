//! Where rows come from.
//!
//! [`fetch`] picks the newest file of a place, waits until it stands still, and copies it into an unlinked
//! spool file; [`decode`] makes rows of the spool. Between the two stands only that file: a read never goes
//! on while a server is still sending, and nothing of it remains on the disk after any kill (`design.md`,
//! What is written, and when).
//!
//! | module | what is in it |
//! | --- | --- |
//! | `settings` | what the configuration says of a source |
//! | `pick` | pure: which file of a folder is read, and how long to wait until it has settled |
//! | `spool` | the unlinked copy, its length and SHA-256 |
//! | `file`, `sftp` | the two places of files |
//! | `http` | APIs: records instead of a file |
//! | `json` | the records of a document, and the cells of a record |
//! | `tidy` | pure: what becomes of a file that was read, and under which name |
//! | `decode` | bytes to rows |
//!
//! A read is complete, incomplete or failed: [`Failure`] tells the last two apart, and only [`Arrived`] goes
//! on.

pub mod decode;
mod file;
mod http;
mod json;
mod pick;
mod settings;
mod sftp;
mod spool;
mod tidy;

pub(crate) use http::braces;
pub use http::{
    Auth, Certificate, Detail, Ending, Fresh, Http, OAuth2, Pagination, Rate, Request, Where, endings,
};
pub use json::{JsonPath, ListPath, NotAList, NotAPath};
pub use settings::{
    AfterSuccess, Csv, Decrypt, Encoding, Format, HostKey, Patience, Pick, Place, Settings, Sftp, Trailer,
    Xlsx,
};
pub use tidy::{FileRead, Tidied};

use crate::{clock::Clock, probe::Step};
use chrono::{DateTime, Utc};
use std::path::Path;

/// A file that was fetched whole.
#[derive(Debug)]
pub struct Arrived {
    /// The copy: unlinked, so that it is gone when this is dropped. Decoders read it from its start.
    pub spool: std::fs::File,
    /// The path of the file at its place.
    pub path: String,
    /// Its length in bytes: as the place said before and after, and as counted.
    pub size: u64,
    /// The SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// When the place says that it was last written, to the precision of the place (seconds on SFTP).
    pub modified: Option<DateTime<Utc>>,
    /// Names that fit the pattern and are older, the newest of them first.
    pub older: Vec<String>,
    /// Names that fit the pattern, whole or but for a partial upload's ending, and were passed over: dot
    /// files, partial uploads, folders. Sorted.
    pub passed_over: Vec<String>,
}

/// Which step of a fetch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// The server's name has no address.
    Resolve,
    /// No SSH connection came about.
    Connect,
    /// The server is not the one that the configuration knows.
    HostKey,
    /// The server did not let the account in, or our own key cannot be used.
    Authenticate,
    /// The account is in, and there is no file transfer.
    Sftp,
    /// The folder cannot be listed, or the file not be looked at.
    List,
    /// The file cannot be read to its end.
    Read,
    /// A call of an HTTP API came to nothing.
    Request,
    /// The copy cannot be written.
    Spool,
    /// The file was read, and what should become of it afterwards cannot be done.
    AfterSuccess,
}

impl std::fmt::Display for Hop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::HostKey => "host key",
            Self::Authenticate => "authenticate",
            Self::Sftp => "sftp",
            Self::List => "list",
            Self::Read => "read",
            Self::Request => "request",
            Self::Spool => "spool",
            Self::AfterSuccess => "after success",
        })
    }
}

/// Why no file arrived. Each message names the place, what was seen, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no file yet, or it still grows: look again later.
    #[error("nothing to read yet: {0}")]
    NothingYet(String),
    /// The place could not be read.
    #[error("{hop}: {message}")]
    Failed {
        /// The step that failed.
        hop: Hop,
        /// What was seen, and what to do.
        message: String,
        /// Whether the same may go well in a moment: a connection that was lost or did not come about.
        passing: bool,
    },
    /// What was read is provably not the whole file.
    #[error("incomplete read: {0}")]
    Incomplete(String),
}

impl From<decode::Incomplete> for Failure {
    fn from(incomplete: decode::Incomplete) -> Self {
        Self::Incomplete(incomplete.0)
    }
}

impl Failure {
    fn at(hop: Hop, message: impl Into<String>) -> Self {
        Self::Failed { hop, message: message.into(), passing: false }
    }

    /// The same, of something that may go well in a moment.
    fn passing(mut self) -> Self {
        if let Self::Failed { passing, .. } = &mut self {
            *passing = true;
        }
        self
    }
}

/// Takes a sentence to know while a fetch goes on, such as that it waits.
pub type Note<'n> = &'n (dyn Fn(&str) + Send + Sync);

/// Fetches the newest file of a source into an unlinked file in `spool_dir`.
///
/// Whether a file has settled is judged by `clock`; a file that was written too lately, or whose time lies
/// ahead of the clock, is looked at twice, at most `settle` apart: `note` is told of the wait. A server whose
/// connection is lost is tried three times in all, each time from the file's beginning; `note` is told of that too.
///
/// # Errors
/// [`Failure::NothingYet`] when no file fits or it has not settled; [`Failure::Incomplete`] when byte counts
/// differ or the file changed while it was read; [`Failure::Failed`] with the hop otherwise.
pub async fn fetch(
    settings: &Settings,
    spool_dir: &Path,
    clock: &dyn Clock,
    note: Note<'_>,
) -> Result<Arrived, Failure> {
    match &settings.place {
        Place::File => file::fetch(&settings.pick, spool_dir, clock, note).await,
        Place::Sftp(server) => sftp::fetch(server, &settings.pick, spool_dir, clock, note).await,
        Place::Http(server) => http::fetch(server, spool_dir, clock, note).await,
    }
}

/// Does what `after_success` says with a file that was read. It is touched only if it is still the one that was
/// read: by size and time, and on this host by its SHA-256 too. Nothing is ever overwritten.
///
/// # Errors
/// When the place cannot be reached, when the folder to move into is not there, and when the place refuses.
pub async fn tidy(settings: &Settings, read: &FileRead, clock: &dyn Clock) -> Result<Tidied, Failure> {
    match &settings.place {
        Place::File => file::tidy(&settings.pick.after_success, read).await,
        Place::Sftp(server) => sftp::tidy(server, &settings.pick.after_success, read, clock).await,
        Place::Http(_) => {
            Err(Failure::at(Hop::AfterSuccess, "an HTTP source has no files; remove the to-do"))
        }
    }
}

/// Tries every hop on the way to the source's file, and stops at the first that fails. Nothing is changed there.
pub async fn probe(settings: &Settings, clock: &dyn Clock) -> Vec<Step> {
    match &settings.place {
        Place::File => file::probe(&settings.pick, clock),
        Place::Sftp(server) => sftp::probe(server, &settings.pick, clock).await,
        Place::Http(server) => http::probe(server, clock).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    /// The daemon's workers move from thread to thread.
    #[test]
    fn every_call_may_be_made_on_any_thread() {
        fn moves<T: Send>(_: T) {}
        fn all(settings: &Settings, read: &FileRead) {
            moves(fetch(settings, Path::new("."), &SystemClock, &|_| ()));
            moves(tidy(settings, read, &SystemClock));
            moves(probe(settings, &SystemClock));
        }
        let _: fn(&Settings, &FileRead) = all;
    }
}
