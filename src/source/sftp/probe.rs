//! Every hop on the way to a file on a server, tried in turn.

use super::{Session, address, connect, files, login, place::Place};
use crate::{
    clock::Clock,
    probe::Step,
    source::{
        AfterSuccess, Failure, Pick, Sftp,
        arrival::{self, Files as _},
        pick::Pattern,
    },
};
use tokio::time::Instant;

/// The steps so far, with the time at which the next one began.
struct Steps {
    done: Vec<Step>,
    began: Instant,
}

impl Steps {
    /// Takes down a step. Returns what it found, or nothing when it failed.
    fn take<T>(&mut self, hop: &'static str, result: Result<(T, String), Failure>) -> Option<T> {
        let (found, result) = match result {
            Ok((found, words)) => (Some(found), Ok(words)),
            Err(failure) => (None, Err(failure.without_hop())),
        };
        let now = Instant::now();
        self.done.push(Step { hop, took: now.duration_since(self.began), result });
        self.began = now;
        found
    }
}

/// As [`crate::source::probe`], for a server.
pub(in crate::source) async fn probe(server: &Sftp, pick: &Pick, clock: &dyn Clock) -> Vec<Step> {
    let mut steps = Steps { done: Vec::new(), began: Instant::now() };
    if let Some(session) = enter(server, clock, &mut steps).await {
        look_around(&session.place(), pick, clock, &mut steps).await;
        session.close().await;
    }
    steps.done
}

/// From the name to the account's files.
async fn enter<'s>(server: &'s Sftp, clock: &dyn Clock, steps: &mut Steps) -> Option<Session<'s>> {
    let found = connect::resolve(server).await;
    let addresses = steps.take(
        "resolve",
        found.map(|addresses| {
            let named = addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>();
            (addresses, format!("`{}` is {}", server.host, named.join(", ")))
        }),
    )?;
    // Another connection than the one that the next step makes: that one is refused by its key at times.
    let socket = tokio::time::timeout(server.patience.no_progress, connect::reach(server, &addresses)).await;
    let socket = socket.unwrap_or_else(|_elapsed| Err(connect::unanswered(server)));
    steps.take("connect", socket.map(|socket| (drop(socket), format!("port {} is open", server.port))))?;
    let ssh = connect::connect(server, clock.now()).await;
    let mut ssh = steps.take(
        "host key",
        ssh.map(|ssh| {
            let words = format!("it is the known one: {}", ssh.key);
            (ssh, words)
        }),
    )?;
    let login = login::login(&mut ssh, server).await;
    steps.take("login", login.map(|how| ((), format!("`{}` is let in by {how}", address(server)))))?;
    let sftp = files(&ssh, server).await;
    let sftp = steps.take("sftp", sftp.map(|sftp| (sftp, "file transfer is open".to_owned())))?;
    Some(Session { ssh, sftp, server })
}

/// The folder, the file, and the folder that files are moved into.
async fn look_around(place: &Place<'_>, pick: &Pick, clock: &dyn Clock, steps: &mut Steps) -> Option<()> {
    let pattern = Pattern::new(&pick.path);
    let listed = match &pattern {
        Ok(pattern) => place.listed(pattern).await.map(|words| ((), words)),
        Err(failure) => Err(failure.clone()),
    };
    steps.take("folder", listed)?;
    let found = arrival::probe(place, pick, clock.now()).await;
    steps.take("file", found.map(|words| ((), words)))?;
    if let AfterSuccess::MoveTo(folder) = &pick.after_success {
        let there = place.into(folder).await;
        steps.take("move_to", there.map(|()| ((), format!("`{}` is there", place.at(folder)))))?;
    }
    Some(())
}
