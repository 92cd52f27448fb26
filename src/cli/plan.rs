//! `rosterd plan`.

use super::{
    Exit, Failure,
    desk::{Desk, Talk},
    open, plan_text, rejects, render, sync,
};
use crate::{
    engine::Pass,
    ledger::{RunOutcome, Trigger},
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The feeds to plan.
    feeds: Vec<String>,
    /// Plan every feed.
    #[arg(long, conflicts_with = "feeds")]
    all: bool,
    /// Read this local file in place of the feed's source.
    #[arg(long, value_name = "PATH")]
    pub(super) file: Option<PathBuf>,
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
    /// Name every member that the plan names, at most 1,000 for each list, instead of the first 20.
    #[arg(long)]
    full: bool,
    /// Print the rows that HR has to correct, as CSV (rejects.csv), instead of the plan.
    #[arg(long)]
    rejects: bool,
}

pub(super) async fn run(desk: &Desk, command: Plan, talk: &dyn Talk) -> Result<Exit, Failure> {
    let engine = desk.engine();
    let feeds = open::feeds(engine, &command.feeds, command.all)?;
    open::narrow(&feeds, None, desk.file.is_some())?;
    let mut passes = Vec::new();
    for feed in feeds {
        passes.push(engine.plan(&sync::order(desk, feed, Trigger::Sync, None, talk)).await?);
    }
    if command.rejects {
        let mut rejects = rejects::Rejects::default();
        for pass in &passes {
            rejects.add(rejects::of_plan(engine.ledger(), &pass.run)?);
        }
        rejects::print(&rejects, command.json, talk)?;
    } else if command.json {
        let mut plans = Vec::new();
        for pass in &passes {
            let next = plan_text::next_steps(engine.ledger(), &pass.run, desk.file.as_ref())?;
            plans.push(serde_json::json!({ "run": pass.run, "attempts": [], "next": next }));
        }
        talk.out(&render::pretty(&serde_json::json!({ "runs": plans }))?)?;
    } else {
        for pass in &passes {
            let next = plan_text::next_steps(engine.ledger(), &pass.run, desk.file.as_ref())?;
            talk.out(&format!("{}\n", plan_text::text(&pass.run, &next, command.full)))?;
        }
    }
    let outcome = passes.iter().map(Pass::outcome).max().unwrap_or(RunOutcome::Done);
    Ok(outcome.into())
}
