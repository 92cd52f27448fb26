//! `rosterd plan`.

use super::{Exit, Failure, open, sync};
use crate::{engine::Order, ledger::Trigger};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// The feeds to plan.
    feeds: Vec<String>,
    /// Plan every feed.
    #[arg(long, conflicts_with = "feeds")]
    all: bool,
    /// Read this local file in place of the feed's source.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Option<PathBuf>, command: Plan) -> Result<Exit, Failure> {
    let engine = open::engine(open::settings(config)?)?;
    let feeds = open::feeds(&engine, &command.feeds, command.all)?;
    open::narrow(&feeds, None, command.file.as_deref())?;
    let mut passes = Vec::new();
    for feed in feeds {
        let order = Order { feed, trigger: Trigger::Sync, group: None, file: command.file.clone() };
        passes.push(engine.plan(&order).await?);
    }
    sync::print(&engine, &passes, command.json)
}
