//! `rosterd show`.

use super::{
    Exit, Failure,
    desk::{Desk, Talk},
    rejects,
    render::{self, Detail},
};
use crate::roster::RunId;
use clap::Args;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct Show {
    /// The run's number.
    run: u64,
    /// Print the rows that HR has to correct, as CSV (rejects.csv): what is wrong, what to do, what it led to.
    #[arg(long)]
    rejects: bool,
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(desk: &Desk, command: &Show, talk: &dyn Talk) -> Result<Exit, Failure> {
    let Some(run) = desk.ledger().run(RunId(command.run))? else {
        return Err(Failure::wrong(format!("there is no run {}; `rosterd runs` lists them", command.run)));
    };
    if command.rejects {
        let rejects = rejects::of_run(desk.ledger(), &run)?;
        rejects::print(&rejects, command.json, talk)?;
        return Ok(Exit::Done);
    }
    let attempts = render::attempts(desk.ledger(), &run)?;
    if command.json {
        talk.out(&render::pretty(&render::json(&run, &attempts))?)?;
    } else {
        talk.out(&render::text(&run, &attempts, Detail::Whole))?;
    }
    Ok(Exit::Done)
}
