//! Files on an SFTP server.
//!
//! | module | what is in it |
//! | --- | --- |
//! | `connect` | from a name to a server whose key is the known one |
//! | `host_key`, `known_hosts`, `certificate` | which server is the known one |
//! | `login` | proving to the server who we are |
//! | `watch` | whether a connection still moves |
//! | `place` | a server's files: which one, its copy |
//! | `after` | what becomes of a file after it was read |
//! | `probe` | each hop, tried |

mod after;
mod certificate;
mod connect;
mod host_key;
mod known_hosts;
mod login;
mod place;
mod probe;
mod watch;

use super::{AfterSuccess, Arrived, Failure, FileRead, Hop, Note, Pick, Sftp, Tidied, arrival};
use crate::clock::Clock;
use connect::Ssh;
use place::Place;
pub(super) use probe::probe;
use russh_sftp::client::{Config, SftpSession};
use std::{path::Path, time::Duration};

/// How often a server is tried whose connection is lost.
const TRIES: u32 = 3;

/// How long the library waits for the answer to one request, in seconds: for ever, since of a slow server one
/// answer may take long. Whether the connection moves is for [`watch::Watch`] to say.
const NEVER: u64 = 365 * 24 * 60 * 60;

/// As [`super::fetch`], for files on a server.
pub(super) async fn fetch(
    server: &Sftp,
    pick: &Pick,
    spool_dir: &Path,
    clock: &dyn Clock,
    note: Note<'_>,
) -> Result<Vec<Arrived>, Failure> {
    let mut tries = Tries::new(server);
    loop {
        match fetch_once(server, pick, spool_dir, clock, note).await {
            Err(failure) => tries.again(failure, note).await?,
            arrived => return arrived,
        }
    }
}

async fn fetch_once(
    server: &Sftp,
    pick: &Pick,
    spool_dir: &Path,
    clock: &dyn Clock,
    note: Note<'_>,
) -> Result<Vec<Arrived>, Failure> {
    let session = Session::open(server, clock).await?;
    let result = arrival::fetch(&session.place(), pick, spool_dir, clock, note).await;
    session.close().await;
    result
}

/// As [`super::tidy`], for a file on a server.
pub(super) async fn tidy(
    server: &Sftp,
    action: &AfterSuccess,
    read: &FileRead,
    clock: &dyn Clock,
) -> Result<Tidied, Failure> {
    if *action == AfterSuccess::Leave {
        return Ok(Tidied::Left);
    }
    let mut tries = Tries::new(server);
    loop {
        match tidy_once(server, action, read, clock).await {
            Err(failure) => tries.again(failure, &|_| ()).await?,
            tidied => return tidied,
        }
    }
}

async fn tidy_once(
    server: &Sftp,
    action: &AfterSuccess,
    read: &FileRead,
    clock: &dyn Clock,
) -> Result<Tidied, Failure> {
    let session = Session::open(server, clock).await?;
    let result = session.place().tidy(action, read).await;
    session.close().await;
    result
}

/// What a lost connection kept from its end is tried again, each time from the beginning and over a fresh connection.
struct Tries {
    done: u32,
    pause: Duration,
}

impl Tries {
    fn new(server: &Sftp) -> Self {
        Self { done: 0, pause: server.patience.pause }
    }

    /// Waits before the next try, if the failure may pass and there is one.
    ///
    /// # Errors
    /// The failure, when it is final.
    async fn again(&mut self, failure: Failure, note: Note<'_>) -> Result<(), Failure> {
        self.done += 1;
        match failure {
            Failure::Failed { hop, message, passing: true } if self.done < TRIES => {
                let tries = self.done;
                note(&format!("{hop}: {message} (try {tries} of {TRIES}; the next one follows by itself)"));
                tokio::time::sleep(self.pause).await;
                self.pause *= 3;
                Ok(())
            }
            Failure::Failed { hop, message, passing: true } => {
                let message = format!("{message} (tried {TRIES} times)");
                Err(Failure::Failed { hop, message, passing: true })
            }
            failure @ (Failure::NothingYet(_) | Failure::Incomplete(_) | Failure::Failed { .. }) => {
                Err(failure)
            }
        }
    }
}

/// How a person writes the server: `user@host:port`.
fn address(server: &Sftp) -> String {
    format!("{}@{}:{}", server.username, server.host, server.port)
}

/// A server that let us in and gives files.
struct Session<'s> {
    ssh: Ssh,
    sftp: SftpSession,
    server: &'s Sftp,
}

impl<'s> Session<'s> {
    async fn open(server: &'s Sftp, clock: &dyn Clock) -> Result<Self, Failure> {
        let mut ssh = connect::connect(server, clock.now()).await?;
        login::login(&mut ssh, server).await?;
        let sftp = files(&ssh, server).await?;
        Ok(Self { ssh, sftp, server })
    }

    fn place(&self) -> Place<'_> {
        Place { sftp: &self.sftp, watch: &self.ssh.watch, server: self.server }
    }

    /// Says farewell; what was done stands whatever becomes of it.
    async fn close(self) {
        let farewell = async {
            drop(self.sftp.close().await);
            drop(self.ssh.handle.disconnect(russh::Disconnect::ByApplication, "", "en").await);
        };
        drop(self.ssh.watch.moving(farewell).await);
    }
}

async fn files(ssh: &Ssh, server: &Sftp) -> Result<SftpSession, Failure> {
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
        let channel = ssh.handle.channel_open_session().await.map_err(|error| failed(error.to_string()))?;
        channel.request_subsystem(true, "sftp").await.map_err(|error| failed(error.to_string()))?;
        let config = Config { request_timeout_secs: NEVER, ..Config::default() };
        SftpSession::new_with_config(channel.into_stream(), config)
            .await
            .map_err(|error| failed(error.to_string()))
    };
    ssh.watch.moving(session).await.map_err(|_stalled| failed(ssh.watch.words()))?
}
