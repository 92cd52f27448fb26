//! A run, for people and for machines.

use super::{
    Failure,
    table::{number, table},
};
use crate::{
    attempt::{Operation, State},
    ledger::{
        Attempt, Consequence, FileReport, GroupReport, GroupVerdict, Ledger, LedgerError, ReadReport,
        RowProblem, Run,
    },
    notify::shell_word,
    roster::{GroupRef, ReferenceId, RunId},
};
use std::{collections::BTreeMap, fmt::Write};

/// How much of a run is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What a person who typed `sync` wants to see.
    Short,
    /// Everything that is remembered.
    Whole,
}

/// The attempts of a run, by number, those that the run itself did not live to remember too.
pub(super) fn attempts(ledger: &Ledger, run: &Run) -> Result<BTreeMap<u64, Attempt>, LedgerError> {
    Ok(ledger.attempts_of_run(run.id)?.into_iter().map(|attempt| (attempt.id.0, attempt)).collect())
}

/// One run as JSON.
pub(super) fn json(run: &Run, attempts: &BTreeMap<u64, Attempt>) -> serde_json::Value {
    let attempts: Vec<&Attempt> = attempts.values().collect();
    serde_json::json!({ "run": run, "attempts": attempts })
}

/// A value for machines, with a line end.
pub(super) fn pretty(value: &serde_json::Value) -> Result<String, Failure> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value).map_err(Failure::failed)?))
}

/// One run as text.
pub(super) fn text(run: &Run, attempts: &BTreeMap<u64, Attempt>, detail: Detail) -> String {
    let mut out = String::new();
    match write_text(&mut out, run, attempts, detail) {
        Ok(()) => out,
        // Writing to a String cannot fail.
        Err(error) => error.to_string(),
    }
}

fn write_text(
    out: &mut String,
    run: &Run,
    attempts: &BTreeMap<u64, Attempt>,
    detail: Detail,
) -> std::fmt::Result {
    heading(out, run)?;
    if let Some(read) = &run.read {
        reading(out, read, detail)?;
    }
    if !run.groups.is_empty() {
        writeln!(out, "\n{}", groups(run, attempts))?;
    }
    for group in &run.groups {
        group_notes(out, run, group, attempts, detail)?;
    }
    for note in run.read.iter().flat_map(|read| &read.notes) {
        writeln!(out, "note: {note}")?;
    }
    Ok(())
}

pub(super) fn heading(out: &mut String, run: &Run) -> std::fmt::Result {
    let number = if run.id.0 == 0 { "plan".to_owned() } else { format!("run {}", run.id) };
    write!(out, "{number} of feed `{}`, {} UTC", run.feed, run.began.format("%Y-%m-%d %H:%M"))?;
    match &run.result {
        Some(result) => writeln!(out, ": {}", result.summary),
        None => writeln!(out, ": not ended"),
    }
}

fn not_picked(out: &mut String, file: &FileReport) -> std::fmt::Result {
    if file.not_picked.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = file.not_picked.iter().map(|name| format!("`{name}`")).collect();
    write!(out, "    not read: {}", names.join(", "))?;
    let shown = u64::try_from(file.not_picked.len()).unwrap_or(u64::MAX);
    match file.not_picked_files.saturating_sub(shown) {
        0 => writeln!(out),
        more => writeln!(out, " and {more} more"),
    }
}

/// So many files are listed where not all of a run is shown.
const BRIEF_FILES: usize = 20;

pub(super) fn reading(out: &mut String, read: &ReadReport, detail: Detail) -> std::fmt::Result {
    let most = if detail == Detail::Whole { usize::MAX } else { BRIEF_FILES };
    for file in read.files.iter().take(most) {
        writeln!(out, "  {}: {} ({} rows, {} bytes)", file.source, file.path, file.rows, file.size)?;
        if detail == Detail::Whole {
            writeln!(out, "    SHA-256 {}", file.sha256)?;
            not_picked(out, file)?;
        }
    }
    if let Some(more) = read.files.len().checked_sub(most).filter(|more| *more > 0) {
        writeln!(out, "  and {more} more files")?;
    }
    for finding in &read.findings {
        writeln!(out, "  ! {finding}")?;
    }
    for (repair, rows) in &read.repairs {
        writeln!(out, "  repaired in {rows} {}: {repair}", if *rows == 1 { "row" } else { "rows" })?;
    }
    if read.problem_rows == 0 {
        return Ok(());
    }
    let most = if detail == Detail::Whole { usize::MAX } else { 20 };
    writeln!(out, "  rows with problems: {}", read.problem_rows)?;
    for row in read.problems.iter().take(most) {
        writeln!(out, "    {}", problem_row(row, read))?;
    }
    let more =
        read.problem_rows.saturating_sub(u64::try_from(most.min(read.problems.len())).unwrap_or(u64::MAX));
    if more > 0 {
        writeln!(out, "    and {more} more")?;
    }
    Ok(())
}

/// `roster.csv row 3 (line 4), E-7: carried: `Phone` is not a 10-digit US phone number`.
fn problem_row(row: &RowProblem, read: &ReadReport) -> String {
    let file = read.files.get(usize::from(row.at.source));
    let name = file.map_or("", |file| file.path.rsplit('/').next().unwrap_or(&file.path));
    let who = row.reference_id.as_ref().map_or(String::new(), |id| format!(", {id}"));
    let consequence = match row.consequence {
        Consequence::Carried => match row.since {
            Some(since) => &format!("sent as last accepted since {}", since.format("%Y-%m-%d")),
            None => "sent as last accepted",
        },
        Consequence::LeftOut => "left out",
        Consequence::FieldLeftOut => "the field was left out",
        Consequence::Held => "held",
        Consequence::Refused => "the roster was refused",
        Consequence::NotSent => "nothing was sent",
    };
    let what: Vec<String> = row.problems.iter().map(ToString::to_string).collect();
    let what = if what.is_empty() { String::new() } else { format!(": {}", what.join("; ")) };
    format!("{name} row {} (line {}){who}: {consequence}{what}", row.at.record, row.at.line)
}

fn groups(run: &Run, attempts: &BTreeMap<u64, Attempt>) -> comfy_table::Table {
    let heads = ["group", "result", "before", "now", "added", "updated", "removed", "carried", "left out"];
    let mut rows = table(&heads, 2);
    for group in &run.groups {
        let counts = &group.counts;
        rows.add_row([
            group.group.to_string(),
            result(group, attempt_of(attempts, group), run.id.0 == 0),
            counts.covered.to_string(),
            counts.payload.to_string(),
            number(counts.added),
            number(counts.updated),
            number(counts.removed),
            number(counts.carried),
            number(counts.left_out),
        ]);
    }
    rows
}

fn result(group: &GroupReport, attempt: Option<&Attempt>, plan: bool) -> String {
    match (group.verdict, attempt) {
        (_, Some(attempt)) => match (&attempt.state, &attempt.outcome) {
            (State::Completed { .. }, Some(outcome)) if !outcome.failures.is_empty() => {
                format!("completed, {} not applied", outcome.failures.len())
            }
            (state, _) => state.name().to_owned(),
        },
        (GroupVerdict::Hold, None) => "held".to_owned(),
        (GroupVerdict::Unchanged, None) => "unchanged".to_owned(),
        (GroupVerdict::Retired, None) => "retired".to_owned(),
        (GroupVerdict::Submit, None) if plan => "would be sent".to_owned(),
        (GroupVerdict::Submit | GroupVerdict::PassedOver | GroupVerdict::Refused, None) => {
            "not sent".to_owned()
        }
    }
}

/// The attempt that a run made for a group.
fn attempt_of<'a>(attempts: &'a BTreeMap<u64, Attempt>, group: &GroupReport) -> Option<&'a Attempt> {
    attempts.values().rev().find(|attempt| attempt.group == group.group)
}

fn group_notes(
    out: &mut String,
    run: &Run,
    group: &GroupReport,
    attempts: &BTreeMap<u64, Attempt>,
    detail: Detail,
) -> std::fmt::Result {
    for reason in &group.reasons {
        writeln!(out, "{}: {reason}", group.group)?;
    }
    if let Some(body) = &group.body {
        writeln!(out, "{}: the body has {} bytes, SHA-256 {}", group.group, body.bytes, body.sha256)?;
    }
    for (what, members) in &group.members {
        let quiet = matches!(what.as_str(), "added" | "updated") && detail == Detail::Short && run.id.0 != 0;
        if !quiet && !members.is_empty() {
            writeln!(out, "{}: {what}: {}", group.group, listed(members, detail))?;
        }
    }
    if let Some(attempt) = attempt_of(attempts, group) {
        if let Some(request_id) = attempt.state.request_id() {
            writeln!(out, "{}: request {request_id}", group.group)?;
        }
        for failure in attempt.outcome.iter().flat_map(|outcome| &outcome.failures) {
            let operation = match &failure.operation {
                Operation::Add if failure.thought_covered => "was covered before, not added",
                Operation::Add => "not added",
                Operation::Remove => "not removed, still covered",
                Operation::Unknown(other) => other,
            };
            let tried = failure.tried(attempt.changed_at);
            writeln!(
                out,
                "{}: {}: {operation}{tried}: {}",
                group.group, failure.reference_id, failure.reason
            )?;
        }
        let most = if detail == Detail::Whole { usize::MAX } else { 20 };
        for row in attempt.refused.iter().take(most) {
            let read = run.read.as_ref();
            writeln!(out, "{}: {}", group.group, read.map_or(String::new(), |read| problem_row(row, read)))?;
        }
    }
    if group.verdict == GroupVerdict::Hold && group.approvable && run.id.0 != 0 {
        writeln!(out, "{}: to release it, type: {}", group.group, approve_command(run.id, &group.group))?;
    }
    Ok(())
}

fn listed(members: &[ReferenceId], detail: Detail) -> String {
    let most = if detail == Detail::Whole { usize::MAX } else { 50 };
    and_more(members, most, u64::try_from(members.len()).unwrap_or(u64::MAX))
}

/// The first `most` of these members, and how many more there are of `all`.
pub(super) fn and_more(members: &[ReferenceId], most: usize, all: u64) -> String {
    let shown: Vec<&str> = members.iter().take(most).map(ReferenceId::as_str).collect();
    match all.saturating_sub(u64::try_from(shown.len()).unwrap_or(u64::MAX)) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What a person types to release a held group.
pub(super) fn approve_command(run: RunId, group: &GroupRef) -> String {
    format!("rosterd approve {run} --reason \"WHY\" {}", shell_word(group.as_str()))
}
