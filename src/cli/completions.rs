//! `rosterd completions`.

use super::{Cli, Exit, Failure};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::Write;

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Whose completions.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(command: &Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Cli::command(), "rosterd", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(Exit::Done)
}
