//! `rosterd sync`.

use super::{
    Exit, Failure, open,
    render::{self, Detail},
};
use crate::{
    engine::{Engine, Feed, Order, Pass},
    ledger::{RunOutcome, Trigger},
    roster::FeedName,
};
use clap::Args;
use futures_util::StreamExt;
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// Feeds that run at a time; the requests among them are bounded by `max_in_flight`.
const FEEDS_AT_A_TIME: usize = 8;

#[derive(Debug, Args)]
pub(super) struct Sync {
    /// The feeds to run.
    feeds: Vec<String>,
    /// Run every feed.
    #[arg(long, conflicts_with = "feeds")]
    all: bool,
    /// Submit this group alone; the whole feed is read and decided all the same.
    #[arg(long, value_name = "REF")]
    group: Option<String>,
    /// Read this local file in place of the feed's source, through the same guard.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Option<PathBuf>, command: Sync) -> Result<Exit, Failure> {
    let engine = open::engine(open::settings(config)?)?;
    let feeds = open::feeds(&engine, &command.feeds, command.all)?;
    let group = open::narrow(&feeds, command.group.as_deref(), command.file.as_deref())?;
    let names: Vec<&FeedName> = feeds.iter().map(|feed| &feed.name).collect();
    let again = pick_up(&engine, &names).await?;
    let begun = again.iter().filter(|feed| !feeds.iter().any(|named| named.name == feed.name));
    let orders = feeds
        .iter()
        .map(|feed| order(feed, Trigger::Sync, group.clone(), command.file.as_deref()))
        .chain(begun.map(|feed| order(feed, Trigger::Recovery, None, None)));
    let passes: Vec<_> = futures_util::stream::iter(orders.map(|order| {
        let engine = &engine;
        async move { engine.run(&order).await }
    }))
    .buffered(FEEDS_AT_A_TIME)
    .collect()
    .await;
    // The mails of the runs that came to their end go out, even when another one failed.
    engine.deliver()?;
    let passes = passes.into_iter().collect::<Result<Vec<_>, _>>()?;
    print(&engine, &passes, command.json)
}

/// Takes up what an earlier process left: polls what is in flight, and names the feeds whose run had no end.
pub(super) async fn pick_up<'a>(engine: &'a Engine, feeds: &[&FeedName]) -> Result<Vec<&'a Feed>, Failure> {
    let recovered = engine.recover()?;
    let mut err = std::io::stderr().lock();
    for attempt in &recovered.changed {
        writeln!(err, "run {}, group `{}`: {}", attempt.run, attempt.group, attempt.state.name())?;
    }
    for feed in &recovered.begin_again {
        writeln!(err, "the last run of feed `{feed}` did not come to its end; it is begun again")?;
    }
    drop(err);
    engine.resume(feeds).await?;
    Ok(recovered.begin_again.iter().filter_map(|name| engine.feed(name.as_str())).collect())
}

fn order<'a>(
    feed: &'a Feed,
    trigger: Trigger,
    group: Option<crate::roster::GroupRef>,
    file: Option<&Path>,
) -> Order<'a> {
    Order { feed, trigger, group, file: file.map(Path::to_owned) }
}

/// Prints each pass; the exit code is the worst of them.
pub(super) fn print(engine: &Engine, passes: &[Pass], json: bool) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    let mut values = Vec::new();
    for pass in passes {
        let attempts = render::attempts(engine.ledger(), &pass.run)?;
        if json {
            values.push(render::json(&pass.run, &attempts, &pass.notes));
        } else {
            writeln!(out, "{}", render::text(&pass.run, &attempts, &pass.notes, Detail::Short))?;
        }
    }
    if json {
        let text = serde_json::to_string_pretty(&serde_json::json!({ "runs": values }));
        writeln!(out, "{}", text.map_err(Failure::failed)?)?;
    }
    let outcome = passes.iter().map(Pass::outcome).max().unwrap_or(RunOutcome::Done);
    Ok(outcome.into())
}
