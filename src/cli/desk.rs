//! Where a command is carried out: over the state that this process opened, or in the daemon that owns it. The
//! commands are the same functions in both places; only whom they talk to differs.

use super::{
    Exit, Failure, approve, empty, explain, open, pause, plan, repin, runs, show, state, status, sync,
};
use crate::{
    daemon::Handle,
    decide::Emptying,
    engine::{EmptyError, Engine, LocalFile, Order, Pass, Progress},
    ledger::{Ledger, LedgerError},
};
use serde::{Deserialize, Serialize};
use std::{io, path::PathBuf, sync::Arc};

/// A command that needs the state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    Sync(sync::Sync),
    Plan(plan::Plan),
    Status(super::Json),
    Runs(runs::Runs),
    Show(show::Show),
    Explain(explain::Explain),
    Approve(approve::Approve),
    Reject(approve::Reject),
    Empty(empty::Empty),
    Repin(repin::Repin),
    Pause(pause::Pause),
    Resume(pause::Resume),
    Backup(state::Backup),
    StateCheck(state::CheckState),
}

impl Request {
    /// How a log calls it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sync(_) => "sync",
            Self::Plan(_) => "plan",
            Self::Status(_) => "status",
            Self::Runs(_) => "runs",
            Self::Show(_) => "show",
            Self::Explain(_) => "explain",
            Self::Approve(_) => "approve",
            Self::Reject(_) => "reject",
            Self::Empty(_) => "empty",
            Self::Repin(_) => "repin",
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
            Self::Backup(_) => "state backup",
            Self::StateCheck(_) => "state check",
        }
    }

    /// The local file that a command names in place of a source.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Sync(command) => command.file.as_ref(),
            Self::Plan(command) => command.file.as_ref(),
            // The first round of an approval only shows.
            Self::Approve(command) => command.file.as_ref().filter(|_| command.agreed.is_some()),
            Self::Status(_)
            | Self::Runs(_)
            | Self::Show(_)
            | Self::Explain(_)
            | Self::Reject(_)
            | Self::Empty(_)
            | Self::Repin(_)
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::Backup(_)
            | Self::StateCheck(_) => None,
        }
    }
}

/// To whom a command talks.
pub(super) trait Talk: Progress {
    /// Data.
    fn out(&self, text: &str) -> io::Result<()>;
    /// Talk.
    fn err(&self, text: &str) -> io::Result<()>;
    /// The person has to agree to the changes with these digests before the command goes on.
    fn ask(&self, digests: Vec<String>);
}

/// Where a command works, and for whom.
pub(super) struct Desk {
    engine: Arc<Engine>,
    daemon: Option<Handle>,
    /// Who types, by name or uid.
    pub(super) by: String,
    /// The file in place of a source.
    pub(super) file: Option<LocalFile>,
}

impl Desk {
    /// Over the state that this process opened.
    pub(super) fn here(engine: Engine) -> Self {
        Self { engine: Arc::new(engine), daemon: None, by: open::user(open::own_uid()), file: None }
    }

    /// In the daemon, for a caller on its socket.
    pub(super) fn in_daemon(daemon: Handle, by: String, file: Option<LocalFile>) -> Self {
        Self { engine: daemon.engine(), daemon: Some(daemon), by, file }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn ledger(&self) -> &Ledger {
        self.engine.ledger()
    }

    /// The daemon in which this works, if it does.
    pub(super) fn daemon(&self) -> Option<&Handle> {
        self.daemon.as_ref()
    }

    /// The same, with a file in place of a source.
    pub(super) fn with_file(&self, file: Option<LocalFile>) -> Self {
        Self { engine: Arc::clone(&self.engine), daemon: self.daemon.clone(), by: self.by.clone(), file }
    }

    /// Runs a feed to its end.
    pub(super) async fn run(&self, order: &Order<'_>) -> Result<Pass, LedgerError> {
        match &self.daemon {
            Some(daemon) => daemon.run(order).await,
            None => self.engine.run(order).await,
        }
    }

    /// Empties a group, to the end of its request.
    pub(super) async fn empty(
        &self,
        emptying: &Emptying,
        reason: &str,
        progress: &dyn Progress,
    ) -> Result<Pass, EmptyError> {
        let word = (self.by.as_str(), reason);
        match &self.daemon {
            Some(daemon) => daemon.empty(emptying, word, progress).await,
            None => {
                let begun = self.engine.begin_emptying(emptying, word, progress).await?;
                Ok(self.engine.to_its_end(begun, progress).await?)
            }
        }
    }
}

/// Carries a command out.
pub(super) async fn carry_out(desk: &Desk, request: Request, talk: &dyn Talk) -> Result<Exit, Failure> {
    match request {
        Request::Sync(command) => sync::run(desk, command, talk).await,
        Request::Plan(command) => plan::run(desk, command, talk).await,
        Request::Status(json) => status::run(desk, json.json, talk),
        Request::Runs(command) => runs::run(desk, &command, talk),
        Request::Show(command) => show::run(desk, &command, talk),
        Request::Explain(command) => explain::run(desk, &command, talk),
        Request::Approve(command) => approve::approve(desk, command, talk).await,
        Request::Reject(command) => approve::reject(desk, command, talk),
        Request::Empty(command) => empty::run(desk, command, talk).await,
        Request::Repin(command) => repin::run(desk, command, talk).await,
        Request::Pause(command) => pause::pause(desk, &command, talk),
        Request::Resume(command) => pause::resume(desk, &command, talk),
        Request::Backup(command) => state::backup(desk, &command, talk),
        Request::StateCheck(command) => state::check(desk, command, talk),
    }
}
