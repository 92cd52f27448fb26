//! `rosterd show`.

use super::{
    Exit, Failure, open,
    render::{self, Detail},
};
use crate::roster::RunId;
use clap::Args;
use std::{io::Write, path::PathBuf};

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The run's number.
    run: u64,
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: Option<PathBuf>, command: &Show) -> Result<Exit, Failure> {
    let settings = open::settings(config)?;
    let ledger = open::ledger(&settings)?;
    let Some(run) = ledger.run(RunId(command.run))? else {
        return Err(Failure::wrong(format!("there is no run {}; `rosterd runs` lists them", command.run)));
    };
    let attempts = render::attempts(&ledger, &run)?;
    let mut out = std::io::stdout().lock();
    if command.json {
        let text = serde_json::to_string_pretty(&render::json(&run, &attempts));
        writeln!(out, "{}", text.map_err(Failure::failed)?)?;
    } else {
        write!(out, "{}", render::text(&run, &attempts, Detail::Whole))?;
    }
    Ok(Exit::Done)
}
