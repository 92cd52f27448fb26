//! `rosterd approve` and `rosterd reject`.

use super::{Exit, Failure, open, sync};
use crate::{
    engine::{Engine, Feed, Order, Spoken, WordError},
    ledger::{Hold, Trigger, Word},
    roster::{FeedName, GroupRef, RunId},
};
use clap::Args;
use std::{
    collections::BTreeSet,
    io::{IsTerminal, Write},
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

/// How many lines of a change are shown before it is asked about.
const SHOWN: usize = 50;

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The run that holds it, as the mail and `status` name it.
    run: u64,
    /// The groups; without one there must be exactly one held.
    groups: Vec<String>,
    /// Why; kept with the run.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Every group that the run holds.
    #[arg(long, conflicts_with = "groups")]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Approve {
    #[command(flatten)]
    which: Which,
    /// Only if the change still has this digest (at least its first 8 characters); for exactly one group.
    #[arg(long, value_name = "DIGEST")]
    change: Option<String>,
    /// Read this local file in place of the source, as the `sync --file` did that was held.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Reject {
    #[command(flatten)]
    which: Which,
}

pub(super) async fn approve(config: Option<PathBuf>, command: Approve) -> Result<Exit, Failure> {
    let engine = open::engine(open::settings(config)?)?;
    let mut holds = meant(&engine, &command.which, command.change.as_deref())?;
    if command.which.all {
        // What somebody approved before is approved: the run sends it with the rest.
        holds.retain(|hold| !engine.word_before(hold).is_some_and(|word| word.approved));
    }
    let feeds = feeds_of(&engine, &holds)?;
    open::narrow(&feeds, None, command.file.as_deref())?;
    show(&holds)?;
    if let Some(hold) = holds.iter().find(|hold| !hold.approvable) {
        return Err(Failure::wrong(format!(
            "{} cannot be released by an approval: correct it at the source or in the configuration, then run the feed again",
            hold.group
        )));
    }
    if !command.yes && !agreed()? {
        return Err(Failure::text("nothing was approved".to_owned()));
    }
    speak(&engine, &holds, true, &command.which.reason)?;
    let again = sync::pick_up(&engine, &feeds).await?;
    let orders = feeds.iter().map(|feed| Order {
        feed,
        trigger: Trigger::Approval,
        group: None,
        file: command.file.clone(),
    });
    sync::run_all(&engine, orders.collect(), again, command.json).await
}

/// The feeds of these holds, each once.
fn feeds_of<'a>(engine: &'a Engine, holds: &[Hold]) -> Result<Vec<&'a Feed>, Failure> {
    let names: BTreeSet<&FeedName> = holds.iter().map(|hold| &hold.feed).collect();
    let find = |name: &FeedName| {
        engine.feed(name.as_str()).ok_or_else(|| {
            Failure::wrong(format!("feed `{name}` is no longer configured; nothing was submitted"))
        })
    };
    names.into_iter().map(find).collect()
}

pub(super) fn reject(config: Option<PathBuf>, command: Reject) -> Result<Exit, Failure> {
    let engine = open::engine(open::settings(config)?)?;
    let holds = meant(&engine, &command.which, None)?;
    show(&holds)?;
    speak(&engine, &holds, false, &command.which.reason)?;
    let mut out = std::io::stdout().lock();
    for hold in &holds {
        writeln!(out, "{}: rejected; it is not asked for again while it stays the same", hold.group)?;
    }
    Ok(Exit::Done)
}

fn meant(engine: &Engine, which: &Which, change: Option<&str>) -> Result<Vec<Hold>, Failure> {
    let groups: Result<Vec<GroupRef>, _> = which.groups.iter().map(|group| GroupRef::new(group)).collect();
    let groups = groups.map_err(|error| Failure::wrong(error.to_string()))?;
    engine.meant(RunId(which.run), &groups, which.all, change).map_err(|error| match error {
        WordError::Ledger(error) => error.into(),
        error @ (WordError::Nothing(_)
        | WordError::Several { .. }
        | WordError::NotHeld { .. }
        | WordError::Changed { .. }
        | WordError::Digest) => Failure::wrong(error.to_string()),
    })
}

fn show(holds: &[Hold]) -> Result<(), Failure> {
    let mut err = std::io::stderr().lock();
    for hold in holds {
        writeln!(
            err,
            "{} of feed `{}`, held since {}:",
            hold.group,
            hold.feed,
            hold.since.format("%Y-%m-%d")
        )?;
        for reason in &hold.reasons {
            writeln!(err, "  {reason}")?;
        }
        for line in hold.held.iter().take(SHOWN) {
            writeln!(err, "    {line}")?;
        }
        if hold.held.len() > SHOWN {
            writeln!(err, "    and {} more", hold.held.len() - SHOWN)?;
        }
        writeln!(err, "  change {}", hold.digest)?;
    }
    Ok(())
}

fn agreed() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::wrong(
            "there is no terminal to ask on; add `--yes` if you looked at the change".to_owned(),
        ));
    }
    write!(std::io::stderr(), "release this change? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Says the word to all of them, or to none.
fn speak(engine: &Engine, holds: &[Hold], approved: bool, reason: &str) -> Result<(), Failure> {
    for hold in holds {
        if let Some(word) = engine.word_before(hold) {
            return Err(was_first(hold, &word));
        }
    }
    let by = user();
    for hold in holds {
        if let Spoken::Before(hold, word) = engine.say(hold, approved, &by, reason)? {
            return Err(was_first(&hold, &word));
        }
    }
    Ok(())
}

fn was_first(hold: &Hold, word: &Word) -> Failure {
    let said = if word.approved { "approved" } else { "rejected" };
    let next =
        if word.approved { format!("; to send it, type: rosterd sync {}", hold.feed) } else { String::new() };
    Failure::text(format!(
        "{} was first: {} was {said} on {} UTC ({}){next}",
        word.by,
        hold.group,
        word.at.format("%Y-%m-%d %H:%M"),
        word.reason
    ))
}

/// Who types: the account of this process, by name where `/etc/passwd` has one.
fn user() -> String {
    let Ok(uid) = std::fs::metadata("/proc/self").map(|about| about.uid()) else {
        return "unknown".to_owned();
    };
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = accounts.lines().find_map(|line| {
        let mut parts = line.split(':');
        let (name, number) = (parts.next()?, parts.nth(1)?);
        (number == uid.to_string()).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {uid}"))
}
