//! `rosterd sync`.

use super::{
    Exit, Failure,
    desk::{Desk, Talk},
    open,
    render::{self, Detail},
};
use crate::{
    engine::{Delivery, Engine, Feed, Order, Pass, not_usable},
    ledger::{LedgerError, RunOutcome, Trigger},
    roster::{FeedName, GroupRef},
};
use clap::Args;
use futures_util::{StreamExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Feeds that run at a time; the requests among them are bounded by `max_in_flight`.
const FEEDS_AT_A_TIME: usize = 8;

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
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
    pub(super) file: Option<PathBuf>,
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(desk: &Desk, command: Sync, talk: &dyn Talk) -> Result<Exit, Failure> {
    let engine = desk.engine();
    let feeds = open::feeds(engine, &command.feeds, command.all)?;
    let group = open::narrow(&feeds, command.group.as_deref(), desk.file.is_some())?;
    let orders = feeds.iter().map(|feed| order(desk, feed, Trigger::Sync, group.clone(), talk));
    run_all(desk, &feeds, orders.collect(), command.json, talk).await
}

/// What a person asks for.
pub(super) fn order<'a>(
    desk: &Desk,
    feed: &'a Feed,
    trigger: Trigger,
    group: Option<GroupRef>,
    talk: &'a dyn Talk,
) -> Order<'a> {
    Order { feed, trigger, group, file: desk.file.clone(), due: None, again: None, progress: talk }
}

/// Takes up what an earlier process left: polls what is in flight, and names the feeds whose run had no end. The
/// daemon did so when it started.
async fn pick_up<'a>(desk: &'a Desk, feeds: &[&Feed], talk: &'a dyn Talk) -> Result<Vec<Order<'a>>, Failure> {
    if desk.daemon().is_some() {
        return Ok(Vec::new());
    }
    let engine = desk.engine();
    let recovered = engine.recover()?;
    for attempt in &recovered.changed {
        talk.err(&format!("run {}, group `{}`: {}\n", attempt.run, attempt.group, attempt.state.name()))?;
    }
    for (feed, _) in &recovered.begin_again {
        talk.err(&format!("the last run of feed `{feed}` did not come to its end; it is begun again\n"))?;
    }
    // The mails of what was found do not wait for what is looked after next.
    engine.wake_mails();
    let names: Vec<&FeedName> = feeds.iter().map(|feed| &feed.name).collect();
    engine.resume(&names, talk).await?;
    engine.finish_todos(None, talk).await?;
    let begun = recovered.begin_again.into_iter().filter_map(|(name, group)| {
        let feed = engine.feed(name.as_str())?;
        let trigger = Trigger::Recovery;
        Some(Order { feed, trigger, group, file: None, due: None, again: None, progress: talk })
    });
    Ok(begun.collect())
}

/// Takes up what was left, runs what was asked for, and with it the feeds that are begun again; prints each pass.
/// The mails go out beside that.
/// The exit code is the worst of them, and a broken state comes last, after all that could be done.
pub(super) async fn run_all<'a>(
    desk: &'a Desk,
    feeds: &[&Feed],
    mut orders: Vec<Order<'a>>,
    json: bool,
    talk: &dyn Talk,
) -> Result<Exit, Failure> {
    let engine = desk.engine();
    let asked: Vec<FeedName> = orders.iter().map(|order| order.feed.name.clone()).collect();
    let work = async {
        let again = pick_up(desk, feeds, talk).await?;
        orders.extend(again.into_iter().filter(|order| !asked.contains(&order.feed.name)));
        let mut runs: Vec<BoxFuture<'_, Result<Pass, LedgerError>>> = Vec::new();
        for order in &orders {
            runs.push(Box::pin(desk.run(order)));
        }
        Ok::<Vec<_>, Failure>(futures_util::stream::iter(runs).buffered(FEEDS_AT_A_TIME).collect().await)
    };
    // The mails of the runs that came to their end go out, even when another one failed. A daemon sees to its own.
    let (ended, delivered) = match desk.daemon() {
        None => engine.with_mails(work).await,
        Some(_) => (work.await, Ok(Delivery::default())),
    };
    let (mut passes, mut broken) = (Vec::new(), None);
    for pass in ended? {
        match pass {
            Ok(pass) => passes.push(pass),
            Err(error) => broken = broken.or(Some(error)),
        }
    }
    let exit = print(engine, &passes, json, talk)?;
    if let Some(error) = broken {
        // A daemon tells of it itself.
        if desk.daemon().is_none() {
            engine.tell_directly(&not_usable(&error)).await;
        }
        return Err(error.into());
    }
    let waiting = delivered?.waiting;
    if waiting > 0 {
        let text = "they wait, and each command tries them again";
        talk.err(&format!("mails that could not be handed on: {waiting}; {text}\n"))?;
    }
    keep_copy(desk, talk)?;
    Ok(exit)
}

/// Keeps a copy beside the state, when one is due and no daemon sees to it. That none could be made ends nothing.
fn keep_copy(desk: &Desk, talk: &dyn Talk) -> Result<(), Failure> {
    let now = desk.engine().clock().now();
    if desk.daemon().is_none()
        && desk.ledger().copy_due(now)
        && let Err(error) = desk.ledger().write_copy(now)
    {
        talk.err(&format!("the copy beside the state could not be made: {error}\n"))?;
    }
    Ok(())
}

/// Prints each pass; the exit code is the worst of them.
pub(super) fn print(engine: &Engine, passes: &[Pass], json: bool, talk: &dyn Talk) -> Result<Exit, Failure> {
    let mut values = Vec::new();
    for pass in passes {
        let attempts = render::attempts(engine.ledger(), &pass.run)?;
        if pass.run.stopped {
            let run = pass.run.id;
            let then = match pass.run.trigger {
                Trigger::Emptying => {
                    "the group is retired, and what Vitable took is looked after by the next start"
                }
                Trigger::Sync | Trigger::Approval | Trigger::Recovery | Trigger::Schedule => {
                    "it is begun again at the next start, and what Vitable took is known"
                }
            };
            talk.err(&format!("rosterd was told to stop before run {run} ended; {then}\n"))?;
        }
        if json {
            values.push(render::json(&pass.run, &attempts));
        } else {
            talk.out(&format!("{}\n", render::text(&pass.run, &attempts, Detail::Short)))?;
        }
    }
    if json {
        talk.out(&render::pretty(&serde_json::json!({ "runs": values }))?)?;
    }
    let outcome = passes.iter().map(Pass::outcome).max().unwrap_or(RunOutcome::Done);
    Ok(outcome.into())
}
