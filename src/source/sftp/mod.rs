//! Files on an SFTP server.

mod connect;
mod host_key;
mod login;

use super::{
    Arrived, Failure, Hop, Pick, Sftp,
    pick::{self, Entry, Look, Pattern},
    spool::Spool,
};
use crate::clock::Clock;
use chrono::DateTime;
use connect::{NO_PROGRESS, Ssh};
use russh_sftp::{
    client::{Config, SftpSession, error::Error, fs::Metadata},
    protocol::StatusCode,
};
use std::path::Path;
use tokio::io::AsyncReadExt as _;

/// How much is read at a time, in bytes: what the measurements in `dependencies.md` found fast.
const CHUNK: usize = 256 << 10;

/// As [`super::fetch`], for a file on a server.
pub(super) async fn fetch(
    server: &Sftp,
    pick: &Pick,
    spool_dir: &Path,
    clock: &dyn Clock,
) -> Result<Arrived, Failure> {
    let pattern = Pattern::new(&pick.path)?;
    let mut ssh = connect::connect(server).await?;
    login::login(&mut ssh, server).await?;
    let sftp = open(&ssh, server).await?;
    let result = Place { sftp: &sftp, server }.fetch(&pattern, pick, spool_dir, clock).await;
    // The answer stands whatever becomes of the farewell.
    drop(sftp.close().await);
    drop(ssh.disconnect(russh::Disconnect::ByApplication, "", "en").await);
    result
}

/// How a person writes the server: `user@host:port`.
fn address(server: &Sftp) -> String {
    format!("{}@{}:{}", server.username, server.host, server.port)
}

async fn open(ssh: &Ssh, server: &Sftp) -> Result<SftpSession, Failure> {
    let failed = |why: String| {
        Failure::at(
            Hop::Sftp,
            format!(
                "`{}` let us in but gives no file transfer ({why}); ask its operator to allow the `sftp` \
                 subsystem for this account",
                address(server)
            ),
        )
    };
    let session = async {
        let channel = ssh.channel_open_session().await.map_err(|error| failed(error.to_string()))?;
        channel.request_subsystem(true, "sftp").await.map_err(|error| failed(error.to_string()))?;
        let config = Config { request_timeout_secs: NO_PROGRESS.as_secs(), ..Config::default() };
        SftpSession::new_with_config(channel.into_stream(), config)
            .await
            .map_err(|error| failed(error.to_string()))
    };
    tokio::time::timeout(NO_PROGRESS, session)
        .await
        .map_err(|_elapsed| failed(format!("no answer for {} s", NO_PROGRESS.as_secs())))?
}

/// A server's files, for one fetch.
struct Place<'s> {
    sftp: &'s SftpSession,
    server: &'s Sftp,
}

impl Place<'_> {
    async fn fetch(
        &self,
        pattern: &Pattern,
        pick: &Pick,
        spool_dir: &Path,
        clock: &dyn Clock,
    ) -> Result<Arrived, Failure> {
        let (name, before, passed_over) = self.choose(pattern).await?;
        let path = pattern.path(&name);
        let at = self.at(&path);
        if let Some(wait) = pick::wait(pick.settle, before.modified, clock.now()) {
            tokio::time::sleep(wait).await;
            let now = self.look(&path).await?;
            if now.as_ref() != Some(&before) {
                return Err(pick::unsettled(pick, &at, &before, now.as_ref()));
            }
        }
        let spool = self.copy(&path, spool_dir).await?;
        let after = self.look(&path).await?;
        pick::arrived(spool, &at, path, &before, after.as_ref(), passed_over)
    }

    /// The file that the pattern names now, and what was passed over.
    async fn choose(&self, pattern: &Pattern) -> Result<(String, Look, Vec<String>), Failure> {
        if pattern.is_exact() {
            let path = pattern.path(&pattern.name);
            return match self.look(&path).await? {
                Some(look) => Ok((pattern.name.clone(), look, Vec::new())),
                None => {
                    let folder = self.sftp.metadata(&pattern.folder).await;
                    folder.map_err(|error| self.unlisted(&pattern.folder, &error))?;
                    Err(pick::nothing(pattern, &self.at(&path), &[]))
                }
            };
        }
        let folder = self.sftp.read_dir(&pattern.folder).await;
        let folder = folder.map_err(|error| self.unlisted(&pattern.folder, &error))?;
        let mut entries = Vec::new();
        for entry in folder.filter(|entry| pattern.concerns(&entry.file_name())) {
            let name = entry.file_name();
            let mut found = Some(entry.metadata());
            if !found.as_ref().is_some_and(is_told) {
                found = self.sftp.metadata(pattern.path(&name)).await.ok();
            }
            let is_file = found.as_ref().is_some_and(is_file);
            let look = found.as_ref().and_then(seen).unwrap_or(Look { size: 0, modified: None });
            entries.push(Entry { name, is_file, look });
        }
        match pattern.newest(entries) {
            (Some(newest), passed_over) => Ok((newest.name, newest.look, passed_over)),
            (None, passed_over) => Err(pick::nothing(pattern, &self.at(&pattern.folder), &passed_over)),
        }
    }

    /// What the server says of the file; nothing when it is not there.
    async fn look(&self, path: &str) -> Result<Option<Look>, Failure> {
        let found = match self.sftp.metadata(path).await {
            Ok(found) => found,
            Err(Error::Status(status)) if status.status_code == StatusCode::NoSuchFile => return Ok(None),
            Err(error) => {
                return Err(Failure::at(
                    Hop::List,
                    format!("cannot look at `{}` ({}); {}", self.at(path), said(&error), remedy(&error)),
                ));
            }
        };
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

    async fn copy(&self, path: &str, spool_dir: &Path) -> Result<Spool, Failure> {
        let mut spool = Spool::create(spool_dir)?;
        let mut file = self.sftp.open(path).await.map_err(|error| {
            Failure::at(
                Hop::Read,
                format!("cannot open `{}` ({}); {}", self.at(path), said(&error), remedy(&error)),
            )
        })?;
        let mut buffer = vec![0; CHUNK];
        let mut total = 0_u64;
        loop {
            let broken = |why: String| {
                Failure::at(
                    Hop::Read,
                    format!(
                        "reading `{}` broke off after {total} bytes ({why}); run the feed again, and look \
                         at the network and the server if it stays so",
                        self.at(path)
                    ),
                )
            };
            let read = tokio::time::timeout(NO_PROGRESS, file.read(&mut buffer))
                .await
                .map_err(|_elapsed| broken(format!("nothing came for {} s", NO_PROGRESS.as_secs())))?
                .map_err(|error| broken(error.to_string()))?;
            if read == 0 {
                break;
            }
            spool.write(buffer.get(..read).unwrap_or(&[]))?;
            total += read as u64;
        }
        // Everything has been read: a server that stumbles over the close has lost nothing of it.
        drop(file.close().await);
        Ok(spool)
    }

    /// How a person finds the path.
    fn at(&self, path: &str) -> String {
        format!("sftp://{}/{}", address(self.server), path.trim_start_matches('/'))
    }

    fn unlisted(&self, folder: &str, error: &Error) -> Failure {
        Failure::at(
            Hop::List,
            format!("cannot list the folder `{}` ({}); {}", self.at(folder), said(error), remedy(error)),
        )
    }
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

fn said(error: &Error) -> String {
    match error {
        Error::Status(status) => status.status_code.to_string().to_lowercase(),
        Error::Timeout => format!("no answer for {} s", NO_PROGRESS.as_secs()),
        Error::IO(_) | Error::Limited(_) | Error::UnexpectedPacket | Error::UnexpectedBehavior(_) => {
            error.to_string()
        }
    }
}

fn remedy(error: &Error) -> &'static str {
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
