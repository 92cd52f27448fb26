//! Where rows come from.
//!
//! [`fetch`] picks the files of a place, waits until they stand still, and copies each into an unlinked
//! spool file; [`decode`] makes rows of the spool. Between the two stands only that file: a read never goes
//! on while a server is still sending, and nothing of it remains on the disk after any kill (`design.md`,
//! What is written, and when).
//!
//! | module | what is in it |
//! | --- | --- |
//! | `settings` | what the configuration says of a source |
//! | `pick` | pure: which files of a folder are read, and how long to wait until they have settled |
//! | `dated` | pure: the date in a file's name, and which of two exports is the older one |
//! | `arrival` | from a pattern to whole copies, at any place of files |
//! | `spool` | the unlinked copy, its length and SHA-256 |
//! | `file`, `sftp` | the two places of files |
//! | `http` | APIs: records instead of a file |
//! | `json` | the records of a document, and the cells of a record |
//! | `tidy` | pure: what becomes of a file that was read, and under which name |
//! | `decode` | bytes to rows |
//!
//! A read is complete, incomplete or failed: [`Failure`] tells the last two apart, and only [`Arrived`] goes
//! on.

mod arrival;
mod dated;
pub mod decode;
mod file;
mod http;
mod json;
mod pick;
mod settings;
mod sftp;
mod spool;
mod tidy;

pub use dated::Aged;
pub(crate) use http::braces;
pub use http::{
    Auth, Certificate, Detail, Ending, Fresh, Http, OAuth2, Pagination, Rate, Request, Where, endings,
};
pub use json::{JsonPath, ListPath, NotAList, NotAPath};
pub use settings::{
    AfterSuccess, Csv, Decrypt, Encoding, Format, HostKey, Marker, Patience, Pick, Place, Settings, Sftp,
    Take, Trailer, Xlsx,
};
pub use tidy::{FileRead, MarkerSeen, Tidied};

use crate::{clock::Clock, probe::Step};
use chrono::{DateTime, Utc};
use spool::Spool;
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
    /// Names that fit the pattern and are older than the one that is read, the newest of them first.
    pub older: Vec<String>,
    /// Names that fit the pattern, whole or but for a partial upload's ending, and were passed over: dot
    /// files, partial uploads, folders. Sorted.
    pub passed_over: Vec<String>,
    /// The file that its sender wrote when this one was whole, where each file has one of its own.
    pub marker: Option<MarkerSeen>,
}

impl Arrived {
    /// A copy whose bytes have all come.
    fn of(spool: Spool, modified: Option<DateTime<Utc>>) -> Self {
        let (spool, size, sha256) = spool.finish();
        let (older, passed_over) = (Vec::new(), Vec::new());
        Self { spool, path: String::new(), size, sha256, modified, older, passed_over, marker: None }
    }
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

    /// What is said beside the hop's name, or where no hop is of interest.
    fn without_hop(self) -> String {
        match self {
            Self::Failed { message, .. } => message,
            Self::NothingYet(_) | Self::Incomplete(_) => self.to_string(),
        }
    }
}

/// Takes a sentence to know while a fetch goes on, such as that it waits.
pub type Note<'n> = &'n (dyn Fn(&str) + Send + Sync);

/// Fetches the files that a read of a source is made of, each into an unlinked file in `spool_dir`: the newest one, or
/// with [`Take::All`] every one, in the order of their names; never none.
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
) -> Result<Vec<Arrived>, Failure> {
    match &settings.place {
        Place::File => file::fetch(&settings.pick, spool_dir, clock, note).await,
        Place::Sftp(server) => sftp::fetch(server, &settings.pick, spool_dir, clock, note).await,
        Place::Http(server) => Ok(vec![http::fetch(server, spool_dir, clock, note).await?]),
    }
}

/// Does what `after_success` says with a file that was read. It is touched only if it is still the one that was
/// read: by size and time, and on this host by its SHA-256 too. Nothing is ever overwritten. Its marker goes the same
/// way behind it, so that a kill in between leaves nothing that the next try does not find.
///
/// # Errors
/// When the place cannot be reached, when the folder to move into is not there, and when the place refuses.
pub async fn tidy(
    settings: &Settings,
    read: &FileRead,
    marker: Option<&MarkerSeen>,
    clock: &dyn Clock,
) -> Result<Tidied, Failure> {
    let tidied = tidy_one(settings, read, clock).await?;
    match (&tidied, marker) {
        (Tidied::Deleted | Tidied::Moved(_) | Tidied::Gone, Some(marker)) => {
            tidy_one(settings, &marker.clone().into(), clock).await?;
        }
        (Tidied::Changed | Tidied::Left, Some(_)) | (_, None) => {}
    }
    Ok(tidied)
}

async fn tidy_one(settings: &Settings, read: &FileRead, clock: &dyn Clock) -> Result<Tidied, Failure> {
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
        Place::File => file::probe(&settings.pick, clock).await,
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
            moves(tidy(settings, read, None, &SystemClock));
            moves(probe(settings, &SystemClock));
        }
        let _: fn(&Settings, &FileRead) = all;
    }
}
