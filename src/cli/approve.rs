//! `rosterd approve` and `rosterd reject`.

use super::{
    Exit, Failure,
    desk::{Desk, Talk},
    open, render, sync,
};
use crate::{
    engine::{Engine, Feed, Spoken, WordError},
    ledger::{Hold, Trigger, Word},
    roster::{FeedName, GroupRef, RunId},
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf};

/// How many lines of a change are shown before it is asked about.
const SHOWN: usize = 50;

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
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

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct Approve {
    #[command(flatten)]
    which: Which,
    /// Only if the change still has this digest (at least its first 8 characters); for exactly one group.
    #[arg(long, value_name = "DIGEST")]
    change: Option<String>,
    /// Read this local file in place of the source, as the `sync --file` did that was held.
    #[arg(long, value_name = "PATH")]
    pub(super) file: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    pub(super) yes: bool,
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
    /// The digests of the changes that were shown, once the person has agreed to them.
    #[arg(skip)]
    pub(super) agreed: Option<Vec<String>>,
}

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct Reject {
    #[command(flatten)]
    which: Which,
}

/// In two rounds: the first shows the change and asks for an agreement, the second releases what was shown and
/// nothing else.
pub(super) async fn approve(desk: &Desk, command: Approve, talk: &dyn Talk) -> Result<Exit, Failure> {
    let engine = desk.engine();
    let mut holds = meant(engine, &command.which, command.change.as_deref())?;
    if command.which.all {
        // What somebody approved before is approved: the run sends it with the rest.
        holds.retain(|hold| !engine.word_before(hold).is_some_and(|word| word.approved));
    }
    if holds.is_empty() {
        return Err(Failure::text(format!(
            "everything that run {} holds was approved before; `rosterd sync` of its feed sends it",
            command.which.run
        )));
    }
    let feeds = feeds_of(engine, &holds)?;
    open::narrow(&feeds, None, command.file.is_some())?;
    let Some(agreed) = &command.agreed else {
        talk.err(&shown(&holds))?;
        talk.err(&first_rosters(engine, &holds)?)?;
        if let Some(hold) = holds.iter().find(|hold| !hold.approvable) {
            return Err(Failure::wrong(format!(
                "{} cannot be released by an approval: correct it at the source or in the configuration, then run the feed again",
                hold.group
            )));
        }
        talk.ask(holds.into_iter().map(|hold| hold.digest).collect());
        return Ok(Exit::Done);
    };
    if let Some(hold) = holds.iter().find(|hold| !agreed.contains(&hold.digest)) {
        return Err(Failure::wrong(format!(
            "{}: the change that waits is another one by now (digest {}); nothing was approved, look again with `rosterd show {}`",
            hold.group, hold.digest, hold.last_run
        )));
    }
    speak(desk, &holds, true, &command.which.reason)?;
    let orders = feeds.iter().map(|feed| sync::order(desk, feed, Trigger::Approval, None, talk));
    sync::run_all(desk, &feeds, orders.collect(), command.json, talk).await
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

pub(super) fn reject(desk: &Desk, command: Reject, talk: &dyn Talk) -> Result<Exit, Failure> {
    let holds = meant(desk.engine(), &command.which, None)?;
    talk.err(&shown(&holds))?;
    speak(desk, &holds, false, &command.which.reason)?;
    for hold in &holds {
        talk.out(&format!(
            "{}: rejected; it is not asked for again while it stays the same, and no later word releases it: the change has to become another one at the source. The group waits meanwhile, its new people too\n",
            hold.group
        ))?;
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

fn shown(holds: &[Hold]) -> String {
    let mut text = String::new();
    for hold in holds {
        let since = hold.since.format("%Y-%m-%d");
        text.push_str(&format!("{} of feed `{}`, held since {since}:\n", hold.group, hold.feed));
        for reason in &hold.reasons {
            text.push_str(&format!("  {reason}\n"));
        }
        for line in hold.held.iter().take(SHOWN) {
            text.push_str(&format!("    {line}\n"));
        }
        if hold.held.len() > SHOWN {
            text.push_str(&format!("    and {} more\n", hold.held.len() - SHOWN));
        }
        text.push_str(&format!("  change {}\n", hold.digest));
    }
    text
}

/// Who would be on the roster of each first sync: its change is for exactly these members.
fn first_rosters(engine: &Engine, holds: &[Hold]) -> Result<String, Failure> {
    let mut text = String::new();
    for hold in holds.iter().filter(|hold| hold.held.iter().any(|line| line.starts_with("first_sync:"))) {
        let Some(run) = engine.ledger().run(hold.last_run)? else { continue };
        let Some(report) = run.groups.iter().find(|report| report.group == hold.group) else { continue };
        let Some(members) = report.members.get("added") else { continue };
        let named = render::and_more(members, SHOWN, report.counts.payload);
        text.push_str(&format!("{}: on the roster: {named}\n", hold.group));
    }
    Ok(text)
}

/// Says the word to all of them, or to none.
fn speak(desk: &Desk, holds: &[Hold], approved: bool, reason: &str) -> Result<(), Failure> {
    let engine = desk.engine();
    for hold in holds {
        if let Some(word) = engine.word_before(hold) {
            return Err(was_first(hold, &word));
        }
    }
    for hold in holds {
        if let Spoken::Before(hold, word) = engine.say(hold, approved, &desk.by, reason)? {
            return Err(was_first(&hold, &word));
        }
    }
    Ok(())
}

fn was_first(hold: &Hold, word: &Word) -> Failure {
    let said = if word.approved { "approved" } else { "rejected" };
    let next = if word.approved {
        format!("; to send it, type: rosterd sync {}", hold.feed)
    } else {
        "; the first word counts. Have the change become another one at the source: for people without a row, rows that say that they have left".to_owned()
    };
    Failure::text(format!(
        "{} was first: {} was {said} on {} UTC ({}){next}",
        word.by,
        hold.group,
        word.at.format("%Y-%m-%d %H:%M"),
        word.reason
    ))
}
