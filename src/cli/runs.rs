//! `rosterd runs`.

use super::{Exit, Failure, open, table::table};
use crate::roster::FeedName;
use clap::Args;
use std::{io::Write, path::PathBuf};

#[derive(Debug, Args)]
pub(super) struct Runs {
    /// Only the runs of this feed.
    feed: Option<String>,
    /// How many, the newest first.
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: Option<PathBuf>, command: &Runs) -> Result<Exit, Failure> {
    let settings = open::settings(config)?;
    let ledger = open::ledger(&settings)?;
    let feed = command.feed.as_deref().map(FeedName::new).transpose();
    let feed = feed.map_err(|error| Failure::wrong(error.to_string()))?;
    let runs = ledger.runs(feed.as_ref(), command.limit)?;
    let mut out = std::io::stdout().lock();
    if command.json {
        let text = serde_json::to_string_pretty(&serde_json::json!({ "runs": runs }));
        writeln!(out, "{}", text.map_err(Failure::failed)?)?;
        return Ok(Exit::Done);
    }
    if runs.is_empty() {
        writeln!(out, "no run yet; `rosterd sync FEED` begins one")?;
        return Ok(Exit::Done);
    }
    let mut rows = table(&["run", "began (UTC)", "feed", "result"], 4);
    for run in runs {
        let result = run.result.map_or_else(|| "not ended".to_owned(), |result| result.summary);
        rows.add_row([
            run.id.to_string(),
            run.began.format("%Y-%m-%d %H:%M").to_string(),
            run.feed.to_string(),
            result,
        ]);
    }
    writeln!(out, "{rows}")?;
    Ok(Exit::Done)
}
