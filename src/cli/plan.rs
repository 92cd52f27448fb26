//! `rosterd plan`.

use super::{
    Exit, Failure,
    desk::{Desk, Talk},
    open, sync,
};
use crate::ledger::Trigger;
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
}

pub(super) async fn run(desk: &Desk, command: Plan, talk: &dyn Talk) -> Result<Exit, Failure> {
    let engine = desk.engine();
    let feeds = open::feeds(engine, &command.feeds, command.all)?;
    open::narrow(&feeds, None, desk.file.is_some())?;
    let mut passes = Vec::new();
    for feed in feeds {
        passes.push(engine.plan(&sync::order(desk, feed, Trigger::Sync, None, talk)).await?);
    }
    sync::print(engine, &passes, command.json, talk)
}
