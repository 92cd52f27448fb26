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

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Wrong => 2,
            Self::Held => 3,
            Self::LeftOut => 4,
        }
    }

    /// What a daemon of the same or another version says: a number that is unknown here is a failure.
    pub(super) fn of_code(code: u8) -> Self {
        let known = [Self::Done, Self::Failed, Self::Wrong, Self::Held, Self::LeftOut];
        known.into_iter().find(|exit| exit.code() == code).unwrap_or(Self::Failed)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
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

    /// The error that it is made of, if it is one of these.
    pub(super) fn cause<E: std::error::Error + Send + Sync + 'static>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }

    /// The exit code that it leads to.
    pub(super) fn code(&self) -> u8 {
        self.exit.code()
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

/// The whole chain, once, as it is shown.
pub(super) fn text(failure: &Failure) -> String {
    format!("rosterd: {}\n", format!("{:#}", failure.error).trim_end())
}

/// Prints it to stderr.
pub(super) fn report(failure: &Failure) -> Exit {
    // Whoever closed stderr does not want to hear it.
    drop(write!(std::io::stderr(), "{}", text(failure)));
    failure.exit
}

/// A panic is a defect, and its text may quote what was being read: only its place is shown.
pub(super) fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        drop(writeln!(std::io::stderr(), "rosterd: a defect at {place}; please report it"));
    }));
}
