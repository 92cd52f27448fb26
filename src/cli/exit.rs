//! The one place that turns an error into text and an exit code (`config.md`, The commands).

use crate::ledger::{LedgerError, OpenError, RunOutcome};
use std::{io::Write, process::ExitCode};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, nothing left to do.
    Done,
    /// 1: failed.
    Failed,
    /// 2: the configuration or the command line is wrong.
    Wrong,
    /// 3: held, waiting for a person.
    Held,
    /// 4: done, but members or rows were left out, carried forward or refused by Vitable.
    LeftOut,
}

impl From<RunOutcome> for Exit {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Done => Self::Done,
            RunOutcome::LeftOut => Self::LeftOut,
            RunOutcome::Held => Self::Held,
            RunOutcome::Failed => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Wrong => 2,
            Exit::Held => 3,
            Exit::LeftOut => 4,
        })
    }
}

/// Why a command came to nothing.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// Exit code 1 and this text.
    pub fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Failed, error: error.into() }
    }

    /// Exit code 1 and a text.
    #[must_use]
    pub fn text(text: String) -> Self {
        Self { exit: Exit::Failed, error: anyhow::Error::msg(text) }
    }

    /// Exit code 2 and this text.
    #[must_use]
    pub fn wrong(text: String) -> Self {
        Self { exit: Exit::Wrong, error: anyhow::Error::msg(text) }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::failed(error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::failed(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

/// Prints the whole chain once, to stderr.
pub(super) fn report(failure: &Failure) -> Exit {
    let text = format!("{:#}", failure.error);
    // Whoever closed stderr does not want to hear it.
    drop(writeln!(std::io::stderr(), "rosterd: {}", text.trim_end()));
    failure.exit
}

/// A panic is a defect, and its text may quote what was being read: only its place is shown.
pub(super) fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        drop(writeln!(std::io::stderr(), "rosterd: a defect at {place}; please report it"));
    }));
}
