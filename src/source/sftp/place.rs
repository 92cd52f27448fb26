//! A server's files: which one is read, whether it stands still, and its copy.

use super::{address, watch::Watch};
use crate::source::{
    Failure, Hop, Sftp,
    arrival::{Files, take_in},
    pick::{Entry, Look, Pattern},
    spool::Spool,
};
use chrono::{DateTime, TimeDelta, Utc};
use russh_sftp::{
    client::{
        SftpSession,
        error::Error,
        fs::{File, Metadata},
    },
    protocol::StatusCode,
};
use std::path::Path;
use tokio::io::AsyncReadExt as _;

/// How much is read at a time, in bytes: what the measurements in `dependencies.md` found fast.
const CHUNK: usize = 256 << 10;

/// So far a server's clock may be behind this host's: a file may have been written as much later than the server says. So
/// what is younger than this and `settle` is looked at twice. More would cost each run of a fresh file the time.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(5);

/// A server's files, over one connection.
#[derive(Clone, Copy)]
pub(super) struct Place<'s> {
    pub(super) sftp: &'s SftpSession,
    pub(super) watch: &'s Watch,
    pub(super) server: &'s Sftp,
}

impl Place<'_> {
    /// What `check --connect` says of the pattern's folder.
    pub(super) async fn listed(&self, pattern: &Pattern) -> Result<String, Failure> {
        let folder = &pattern.folder;
        if pattern.is_exact() {
            self.enter(folder).await?;
            return Ok(format!("`{}` is there", self.at(folder)));
        }
        let entries = self
            .ask(self.sftp.read_dir(folder))
            .await
            .map_err(|error| self.unlisted(folder, &error))?
            .count();
        Ok(format!(
            "`{}` was listed: {entries} {}",
            self.at(folder),
            if entries == 1 { "entry" } else { "entries" }
        ))
    }

    /// Opens a file for reading.
    pub(super) async fn open(&self, path: &str) -> Result<File, Failure> {
        self.ask(self.sftp.open(path)).await.map_err(|error| {
            let message =
                format!("cannot open `{}` ({}); {}", self.at(path), self.said(&error), remedy(&error));
            failed(Hop::Read, message, &error)
        })
    }

    /// Waits for an answer for as long as the connection moves.
    pub(super) async fn ask<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.watch.moving(request).await.unwrap_or(Err(Error::Timeout))
    }

    /// What is there, links followed; nothing when nothing is.
    async fn found(&self, path: &str) -> Result<Option<Metadata>, Failure> {
        match self.ask(self.sftp.metadata(path)).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::Status(status)) if status.status_code == StatusCode::NoSuchFile => Ok(None),
            Err(error) => {
                let message =
                    format!("cannot look at `{}` ({}); {}", self.at(path), self.said(&error), remedy(&error));
                Err(failed(Hop::List, message, &error))
            }
        }
    }

    fn unlisted(&self, folder: &str, error: &Error) -> Failure {
        let message =
            format!("cannot list the folder `{}` ({}); {}", self.at(folder), self.said(error), remedy(error));
        failed(Hop::List, message, error)
    }

    pub(super) fn said(&self, error: &Error) -> String {
        match error {
            Error::Status(status) => status.status_code.to_string().to_lowercase(),
            Error::Timeout => self.watch.words(),
            Error::IO(_) | Error::Limited(_) | Error::UnexpectedPacket | Error::UnexpectedBehavior(_) => {
                error.to_string()
            }
        }
    }
}

impl Files for Place<'_> {
    fn at(&self, path: &str) -> String {
        format!("sftp://{}/{}", address(self.server), path.trim_start_matches('/'))
    }

    /// It tells whole seconds and leaves the rest out, so that what was written at the end of one would be taken for a
    /// second older than it is; and it tells them by a clock of its own.
    fn latest(&self, written: DateTime<Utc>) -> DateTime<Utc> {
        written + TimeDelta::seconds(1) + CLOCKS_DIFFER
    }

    async fn list(&self, pattern: &Pattern) -> Result<Vec<Entry>, Failure> {
        let folder = self.ask(self.sftp.read_dir(&pattern.folder)).await;
        let folder = folder.map_err(|error| self.unlisted(&pattern.folder, &error))?;
        let mut entries = Vec::new();
        for entry in folder.filter(|entry| pattern.concerns(&entry.file_name())) {
            let name = entry.file_name();
            let mut found = Some(entry.metadata());
            if !found.as_ref().is_some_and(is_told) {
                // A link to nowhere is no file. What the server does not let us look at may be the newest.
                found = self.found(&pattern.path(&name)).await?;
            }
            let is_file = found.as_ref().is_some_and(is_file);
            let look = found.as_ref().and_then(seen).unwrap_or(Look { size: 0, modified: None });
            entries.push(Entry { name, is_file, look });
        }
        Ok(entries)
    }

    async fn enter(&self, folder: &str) -> Result<(), Failure> {
        let found = self.ask(self.sftp.metadata(folder)).await;
        found.map(drop).map_err(|error| self.unlisted(folder, &error))
    }

    async fn look(&self, path: &str) -> Result<Option<Look>, Failure> {
        let Some(found) = self.found(path).await? else { return Ok(None) };
        match seen(&found).filter(|_| is_file(&found)) {
            Some(look) => Ok(Some(look)),
            None => Err(Failure::at(
                Hop::List,
                format!(
                    "`{}` is no regular file with a size; correct `path` so that it names one",
                    self.at(path)
                ),
            )),
        }
    }

    async fn try_open(&self, path: &str) -> Result<(), Failure> {
        self.open(path).await.map(drop)
    }

    async fn copy(&self, path: &str, size: u64, spool_dir: &Path) -> Result<Spool, Failure> {
        let mut spool = Spool::create(spool_dir)?;
        let mut file = self.open(path).await?;
        let mut buffer = vec![0; CHUNK];
        let at = self.at(path);
        loop {
            let total = spool.size();
            let broken = |why: String| {
                Failure::at(
                    Hop::Read,
                    format!(
                        "reading `{at}` broke off after {total} bytes ({why}); run the feed again, and look \
                         at the network and the server if it stays so"
                    ),
                )
                .passing()
            };
            let read = self.watch.moving(file.read(&mut buffer)).await;
            let read = read
                .map_err(|_stalled| broken(self.watch.words()))?
                .map_err(|error| broken(error.to_string()))?;
            if read == 0 {
                break;
            }
            take_in(&mut spool, buffer.get(..read).unwrap_or(&[]), &at, size)?;
        }
        // Everything has been read: a server that stumbles over the close has lost nothing of it.
        drop(self.watch.moving(file.close()).await);
        Ok(spool)
    }
}

/// What the server said no to is final; where it said nothing, the connection is lost.
pub(super) fn failed(hop: Hop, message: String, error: &Error) -> Failure {
    let failure = Failure::at(hop, message);
    if matches!(error, Error::Status(_)) { failure } else { failure.passing() }
}

/// The bits of POSIX's `st_mode` that tell the kind, and their value for a regular file. The library's own
/// question takes a link for a file, since the bits of one contain those of the other.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// Whether it is a regular file; a server that tells no kind is believed when the file can be read.
fn is_file(found: &Metadata) -> bool {
    found.permissions.is_none_or(|mode| mode & KIND == REGULAR)
}

/// Whether a listing tells all of a file: of a link it tells of the link and not of the file behind it, and
/// some servers leave things out.
fn is_told(found: &Metadata) -> bool {
    found.permissions.is_some() && is_file(found) && found.size.is_some() && found.mtime.is_some()
}

fn seen(found: &Metadata) -> Option<Look> {
    let modified = found.mtime.and_then(|seconds| DateTime::from_timestamp(i64::from(seconds), 0));
    found.size.map(|size| Look { size, modified })
}

pub(super) fn remedy(error: &Error) -> &'static str {
    let code = match error {
        Error::Status(status) => Some(status.status_code),
        Error::IO(_)
        | Error::Timeout
        | Error::Limited(_)
        | Error::UnexpectedPacket
        | Error::UnexpectedBehavior(_) => None,
    };
    match code {
        Some(StatusCode::NoSuchFile) => {
            "correct `path`, or ask the server's operator where the export is put"
        }
        Some(StatusCode::PermissionDenied) => "ask the server's operator to let this account read it",
        _ => "run the feed again, and look at the network and the server if it stays so",
    }
}
