//! `rosterd plan`.

use super::{
    Exit, Failure,
    desk::{Desk, Talk},
    open, plan_text, rejects, render, sync,
};
use crate::{
    engine::{Baseline, Pass},
    ledger::{RunOutcome, Trigger},
    roster::{GroupRef, ReferenceId},
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf};

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
    /// For a first sync: compare with the members that this file names as covered by a previous system, one
    /// reference_id a line, or a CSV with the columns `reference_id` and `group`.
    #[arg(long, value_name = "PATH")]
    pub(super) baseline: Option<PathBuf>,
    /// What that file names, read by whoever typed the command.
    #[arg(skip)]
    pub(super) named: Option<Vec<(Option<GroupRef>, BTreeSet<ReferenceId>)>>,
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
    if command.baseline.is_some() && feeds.len() != 1 {
        return Err(Failure::wrong("`--baseline` goes with exactly one feed".to_owned()));
    }
    let baseline: Option<Baseline> = command.named.map(|named| named.into_iter().collect());
    let mut passes = Vec::new();
    for feed in feeds {
        let order = sync::order(desk, feed, Trigger::Sync, None, talk);
        passes.push(engine.plan_beside(&order, baseline.as_ref()).await?);
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
