//! What `rosterd explain` says to a person.

use super::gather::{Decided, Explained, Failed, Group, Held, Reading, Step, Unreadable};
use crate::{
    attempt::Operation,
    cli::status::waited,
    ledger::{GroupVerdict, Said, TracedRead},
    notify::shell_word,
    roster::{Certainty, RowAt},
};
use chrono::{DateTime, Utc};
use std::fmt::{Result, Write};

/// That nothing is known of the reference, and what may help.
pub(super) fn unknown(explained: &Explained) -> String {
    let known = if explained.unreadable.is_empty() {
        ("no last read and no group knows", "neither on a roster nor covered")
    } else {
        ("no group knows", "not covered")
    };
    let mut text = format!("{} the reference_id `{}`: it is {}", known.0, explained.member, known.1);
    let said = |text: &mut String, more: &str| {
        text.push_str("; ");
        text.push_str(more);
    };
    if !explained.alike.is_empty() {
        let alike: Vec<String> = explained.alike.iter().map(|known| format!("`{known}`")).collect();
        said(&mut text, &format!("did you mean {}?", alike.join(" or ")));
    }
    for (feed, rows) in &explained.nameless {
        let rows = if *rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
        said(&mut text, &format!("the last read of feed `{feed}` has {rows} without a usable reference_id"));
    }
    for lost in &explained.unreadable {
        said(&mut text, &unreadable(lost));
    }
    for feed in &explained.unread {
        let sync = shell_word(feed.as_str());
        said(
            &mut text,
            &format!("no read of feed `{feed}` is remembered yet: `rosterd sync {sync}` makes one"),
        );
    }
    text
}

/// Everything, in paragraphs: what was read, then each group.
pub(super) fn write(out: &mut String, now: DateTime<Utc>, explained: &Explained) -> Result {
    writeln!(out, "{}", explained.member)?;
    for read in &explained.reads {
        writeln!(out)?;
        reading(out, read)?;
    }
    for lost in &explained.unreadable {
        writeln!(out, "\n{}", unreadable(lost))?;
    }
    if explained.reads.is_empty() && explained.unreadable.is_empty() {
        writeln!(out, "\nno feed has a row for it in its last read")?;
    }
    for group in &explained.groups {
        writeln!(out)?;
        about(out, now, group)?;
    }
    Ok(())
}

/// That a last read cannot be told of, why, and what cures it.
fn unreadable(lost: &Unreadable) -> String {
    format!(
        "what feed `{0}` read last, in run {1}, cannot be told ({2}): the groups are as the ledger knows them; `rosterd sync {3}` reads anew",
        lost.feed,
        lost.run,
        lost.why,
        shell_word(lost.feed.as_str())
    )
}

fn reading(out: &mut String, read: &Reading) -> Result {
    writeln!(out, "feed `{}`, read by run {} on {}", read.feed, read.run, time(read.at))?;
    match &read.row {
        Some(row) => row_of(out, read, row)?,
        None => writeln!(out, "  there is no row for it")?,
    }
    for decided in &read.decided {
        writeln!(out, "  {}", fate(decided))?;
    }
    if read.decided.is_empty() {
        writeln!(out, "  not covered by this feed, and not added")?;
    }
    if let Some(failed) = &read.failed_since {
        writeln!(
            out,
            "  a newer read, run {} on {}, came to nothing: {}",
            failed.run,
            time(failed.began),
            failed.summary
        )?;
    }
    Ok(())
}

fn row_of(out: &mut String, read: &Reading, row: &TracedRead) -> Result {
    let place = match (&read.path, &read.source) {
        (Some(path), Some(source)) => format!(" of {path} (source `{source}`)"),
        _ => String::new(),
    };
    writeln!(out, "  row {} (line {}){place}", row.at.record, row.at.line)?;
    let problems: Vec<String> = row.problems.iter().map(ToString::to_string).collect();
    let problems = problems.join("; ");
    match row.said {
        Said::Eligible if problems.is_empty() => writeln!(out, "  it is valid and eligible")?,
        Said::Eligible => {
            writeln!(out, "  it is valid and eligible, but for what need not be there: {problems}")?;
        }
        Said::Ended => writeln!(
            out,
            "  it says that the person has left: a status in `ended`, or an `ends_on` that has passed"
        )?,
        Said::WhenFalse => writeln!(out, "  not eligible: `when` is false for it")?,
        Said::StartsLater => writeln!(out, "  not eligible yet: its `starts_on` lies ahead")?,
        Said::Unusable => writeln!(out, "  it cannot be used: {problems}")?,
        Said::Contradicts => writeln!(
            out,
            "  {} of the same reference_id contradict each other: keep the right one at the source",
            rows(&row.rows)
        )?,
    }
    match (&row.group, row.blank) {
        (Some(group), _) => writeln!(out, "  it routes to group `{group}`"),
        (None, true) => writeln!(out, "  its group value is blank, so that no group takes it"),
        (None, false) => writeln!(out, "  its group value names no group of the feed"),
    }
}

fn rows(rows: &[RowAt]) -> String {
    let rows: Vec<String> = rows.iter().map(|at| format!("{} (line {})", at.record, at.line)).collect();
    format!("rows {}", rows.join(", "))
}

fn fate(decided: &Decided) -> String {
    let group = &decided.group;
    let what = match decided.fate.as_str() {
        "kept" => "stays covered, by the row",
        "ended" => "is to be removed: the row says that the person has left",
        "carried" => "stays covered, with the record that was last accepted",
        "moved" => "is to move to the group that the row names",
        "unrouted" => "stays covered, and the group is held: no group takes the row",
        "ineligible" => "is to be removed: not eligible",
        "absent" => "is to be removed: there is no row",
        "added" => "is new",
        "arriving" => "is to come from another group of the feed",
        "left_out" => "is left out: not covered, and the row cannot be used",
        other => other,
    };
    let verdict = match decided.verdict {
        Some(GroupVerdict::Submit) => "; the roster went out",
        Some(GroupVerdict::Unchanged) => "; the roster is the one that Vitable has",
        Some(GroupVerdict::PassedOver) => "; the group had to wait",
        Some(GroupVerdict::Hold) => "; the group was held",
        Some(GroupVerdict::Retired) => "; the group is retired",
        Some(GroupVerdict::Refused) => "; the group could not be submitted",
        None => "",
    };
    format!("decided, in `{group}`: {} ({what}{verdict})", decided.fate.replace('_', " "))
}

fn about(out: &mut String, now: DateTime<Utc>, group: &Group) -> Result {
    let fed = group.feed.as_ref().map_or_else(String::new, |feed| format!(", fed by `{feed}`"));
    let covered = if group.covered { "covered" } else { "not covered" };
    writeln!(out, "group `{}`{fed}: {covered}", group.group)?;
    match &group.certainty {
        Certainty::Uncertain(why) => writeln!(out, "  this is uncertain: {why}")?,
        Certainty::FirstSync => writeln!(out, "  Vitable has never confirmed a roster of this group")?,
        Certainty::Confirmed => {}
    }
    if let Some(plan) = &group.plan {
        writeln!(out, "  added with plan {plan}")?;
    }
    let steps = [
        ("added by", &group.added),
        ("confirmed by", &group.confirmed),
        ("last sent by", &group.sent),
        ("removed by", &group.removed),
    ];
    for (what, step) in steps {
        let wanted = group.covered || !what.starts_with("confirmed");
        if let Some(step) = step.as_ref().filter(|_| wanted) {
            writeln!(out, "  {what} {}", of(step))?;
        }
    }
    if let Some(since) = group.carried_since {
        writeln!(out, "  the last accepted record is sent again since {}", time(since))?;
    }
    if let Some(failed) = &group.failed {
        writeln!(out, "  {}", not_done(failed))?;
    }
    for waiting in &group.waits {
        let what = match waiting.what {
            "removal" => "waits to be removed",
            "move" => "waits to be moved",
            "addition" => "waits to be added",
            _ => "left out, waits for a row that can be used",
        };
        writeln!(out, "  {what} since {} ({})", time(waiting.since), waited(now, waiting.since))?;
    }
    group.holds.iter().try_for_each(|hold| held(out, hold))
}

fn of(step: &Step) -> String {
    let request = step.state.request_id().map_or_else(String::new, |id| format!(", request {id}"));
    format!(
        "run {} (attempt {}) on {}: {}{request}",
        step.run,
        step.attempt,
        time(step.at),
        step.state.name()
    )
}

fn not_done(failed: &Failed) -> String {
    let what = match &failed.operation {
        Operation::Add => "not added",
        Operation::Remove => "not removed",
        Operation::Unknown(other) => other,
    };
    format!(
        "{what} by Vitable in run {} (attempt {}) on {}: {}",
        failed.run,
        failed.attempt,
        time(failed.at),
        failed.reason
    )
}

fn held(out: &mut String, hold: &Held) -> Result {
    let whom = if hold.names_member { "" } else { ", of the whole group" };
    let by = hold.by.as_deref().unwrap_or("a person");
    let word = match hold.state {
        "approved" => format!("approved by {by}"),
        "rejected" => format!("rejected by {by}: it waits until the change is another one"),
        "waits" => "waits for a person".to_owned(),
        _ => "no approval releases it: correct it at the source or in the configuration".to_owned(),
    };
    writeln!(
        out,
        "  held by run {} since {}{whom}, {word}: {}",
        hold.run,
        time(hold.since),
        hold.reasons.join("; ")
    )?;
    hold.command.iter().try_for_each(|command| writeln!(out, "    to release it, type: {command}"))
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
