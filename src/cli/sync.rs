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
use std::{io::Write, path::PathBuf};

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
    let again = pick_up(&engine, &feeds).await?;
    let orders = feeds.iter().map(|feed| Order {
        feed,
        trigger: Trigger::Sync,
        group: group.clone(),
        file: command.file.clone(),
    });
    run_all(&engine, orders.collect(), again, command.json).await
}

/// Takes up what an earlier process left: polls what is in flight, and names the feeds whose run had no end.
pub(super) async fn pick_up<'a>(engine: &'a Engine, feeds: &[&Feed]) -> Result<Vec<Order<'a>>, Failure> {
    let recovered = engine.recover()?;
    // The talk is done before the wait: a lock on stderr must not be held over it.
    let mut talk = String::new();
    for attempt in &recovered.changed {
        talk.push_str(&format!("run {}, group `{}`: {}\n", attempt.run, attempt.group, attempt.state.name()));
    }
    for (feed, _) in &recovered.begin_again {
        talk.push_str(&format!("the last run of feed `{feed}` did not come to its end; it is begun again\n"));
    }
    write!(std::io::stderr(), "{talk}")?;
    // The mails of what was found do not wait for what is looked after next.
    engine.deliver()?;
    let names: Vec<&FeedName> = feeds.iter().map(|feed| &feed.name).collect();
    engine.resume(&names).await?;
    let begun = recovered.begin_again.into_iter().filter_map(|(name, group)| {
        let feed = engine.feed(name.as_str())?;
        Some(Order { feed, trigger: Trigger::Recovery, group, file: None })
    });
    Ok(begun.collect())
}

/// Runs what was asked for, and beside it the feeds that are begun again; hands out the mails; prints each pass.
/// The exit code is the worst of them, and a broken state comes last, after all that could be done.
pub(super) async fn run_all<'a>(
    engine: &'a Engine,
    mut orders: Vec<Order<'a>>,
    again: Vec<Order<'a>>,
    json: bool,
) -> Result<Exit, Failure> {
    let asked: Vec<FeedName> = orders.iter().map(|order| order.feed.name.clone()).collect();
    orders.extend(again.into_iter().filter(|order| !asked.contains(&order.feed.name)));
    let runs = orders.iter().map(|order| engine.run(order));
    let ended: Vec<_> = futures_util::stream::iter(runs).buffered(FEEDS_AT_A_TIME).collect().await;
    // The mails of the runs that came to their end go out, even when another one failed.
    let delivered = engine.deliver();
    let (mut passes, mut broken) = (Vec::new(), None);
    for pass in ended {
        match pass {
            Ok(pass) => passes.push(pass),
            Err(error) => broken = broken.or(Some(error)),
        }
    }
    let exit = print(engine, &passes, json)?;
    if let Some(error) = broken {
        return Err(error.into());
    }
    let waiting = delivered?.waiting;
    if waiting > 0 {
        writeln!(
            std::io::stderr(),
            "mails that could not be written: {waiting}; they wait for the next command"
        )?;
    }
    Ok(exit)
}

/// Prints each pass; the exit code is the worst of them.
pub(super) fn print(engine: &Engine, passes: &[Pass], json: bool) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    let mut values = Vec::new();
    for pass in passes {
        let attempts = render::attempts(engine.ledger(), &pass.run)?;
        if json {
            values.push(render::json(&pass.run, &attempts));
        } else {
            writeln!(out, "{}", render::text(&pass.run, &attempts, Detail::Short))?;
        }
    }
    if json {
        let text = serde_json::to_string_pretty(&serde_json::json!({ "runs": values }));
        writeln!(out, "{}", text.map_err(Failure::failed)?)?;
    }
    let outcome = passes.iter().map(Pass::outcome).max().unwrap_or(RunOutcome::Done);
    Ok(outcome.into())
}
