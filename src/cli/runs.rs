//! `rosterd runs`.

use super::{
    Exit, Failure,
    desk::{Desk, Talk},
    render,
    table::table,
};
use crate::roster::FeedName;
use clap::Args;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
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

pub(super) fn run(desk: &Desk, command: &Runs, talk: &dyn Talk) -> Result<Exit, Failure> {
    let feed = command.feed.as_deref().map(FeedName::new).transpose();
    let feed = feed.map_err(|error| Failure::wrong(error.to_string()))?;
    let runs = desk.ledger().runs(feed.as_ref(), command.limit)?;
    if command.json {
        talk.out(&render::pretty(&serde_json::json!({ "runs": runs }))?)?;
        return Ok(Exit::Done);
    }
    if runs.is_empty() {
        talk.out("no run yet; `rosterd sync FEED` begins one\n")?;
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
    talk.out(&format!("{rows}\n"))?;
    Ok(Exit::Done)
}
