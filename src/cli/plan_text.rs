//! A plan for people: what would happen to whom, why, and what to type next. Fits a terminal of 80 columns.

use super::render::{self, Detail, and_more, approve_command};
use crate::{
    engine::LocalFile,
    ledger::{Because, Counts, GroupReport, GroupVerdict, Ledger, LedgerError, Run, Told},
    notify::shell_word,
    roster::Field,
};
use std::fmt::Write;

/// How many members of one list are named.
const NAMED: usize = 20;
const WIDTH: usize = 80;

/// The plan of a feed. `next` is what [`next_steps`] says.
pub(super) fn text(plan: &Run, next: &[String], full: bool) -> String {
    let mut out = String::new();
    match write_text(&mut out, plan, next, full) {
        Ok(()) => out,
        // Writing to a String cannot fail.
        Err(error) => error.to_string(),
    }
}

fn write_text(out: &mut String, plan: &Run, next: &[String], full: bool) -> std::fmt::Result {
    let mut head = String::new();
    render::heading(&mut head, plan)?;
    wrapped(out, "", head.trim_end(), "  ")?;
    if let Some(read) = &plan.read {
        render::reading(out, read, if full { Detail::Whole } else { Detail::Short })?;
        for note in &read.notes {
            wrapped(out, "  ", &format!("note: {note}"), "    ")?;
        }
    }
    for group in &plan.groups {
        write_group(out, group, full)?;
    }
    if !next.is_empty() {
        writeln!(out, "\nwhat to do next:")?;
    }
    for step in next {
        // A command stays on one line, so that it can be copied.
        if step.starts_with("rosterd ") {
            writeln!(out, "    {step}")?;
        } else {
            wrapped(out, "  ", step, "  ")?;
        }
    }
    Ok(())
}

fn write_group(out: &mut String, group: &GroupReport, full: bool) -> std::fmt::Result {
    let verdict = match group.verdict {
        GroupVerdict::Submit => "would be sent",
        GroupVerdict::Unchanged => "unchanged, nothing would be sent",
        GroupVerdict::Retired => "retired, nothing would be sent",
        GroupVerdict::PassedOver => "has to wait, nothing would be sent",
        GroupVerdict::Hold if group.approvable => "would be held for a person, nothing would be sent",
        GroupVerdict::Hold => "held, and no approval releases it; nothing would be sent",
        GroupVerdict::Refused => "must not be sent to",
    };
    writeln!(out)?;
    wrapped(out, "", &format!("{}: {verdict}", group.group), "  ")?;
    for reason in &group.reasons {
        wrapped(out, "  ", &format!("why: {reason}"), "    ")?;
    }
    wrapped(out, "  ", &numbers(&group.counts), "    ")?;
    let most = if full { usize::MAX } else { NAMED };
    for told in &group.told {
        wrapped(out, "  ", &line(told, most), "    ")?;
    }
    if let Some(body) = &group.body {
        writeln!(out, "  the body has {} bytes, SHA-256", body.bytes)?;
        writeln!(out, "    {}", body.sha256)?;
    }
    Ok(())
}

/// `12 covered now, 11 on the new roster: 1 added, 2 removed`.
fn numbers(counts: &Counts) -> String {
    let changes: Vec<String> = [
        (counts.added, "added"),
        (counts.updated, "updated"),
        (counts.removed, "removed"),
        (counts.moved, "to another group"),
        (counts.carried, "sent as last accepted"),
        (counts.left_out, "left out"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{number} {what}"))
    .collect();
    let changes = if changes.is_empty() { "nothing changes".to_owned() } else { changes.join(", ") };
    format!("{} covered now, {} on the new roster: {changes}", counts.covered, counts.payload)
}

/// `ended: E-10, E-12 (2; the status is in `ended`)`.
fn line(told: &Told, most: usize) -> String {
    let what = told.what.replace('_', " ");
    format!("{what}: {} ({}; {})", and_more(&told.members, most, told.count), told.count, because(told))
}

fn because(told: &Told) -> String {
    let plain = match told.because {
        Because::StatusEnded => "the status is in `ended`",
        Because::EndPassed => "`ends_on` has passed",
        Because::StartsLater => "`starts_on` lies ahead",
        Because::WhenFalse => "`when` is false",
        Because::NoRow => "there is no row",
        Because::OtherGroup | Because::MoveWaits => {
            let to = told.group.as_ref().map_or("another group", |group| group.as_str());
            let waits = told.because == Because::MoveWaits;
            return format!(
                "the row names `{to}`{}",
                if waits { "; the move waits, and they stay here" } else { "" }
            );
        }
        Because::ComesFromGroup => "from another group of the feed, once that one has finished",
        Because::CoveredElsewhere => "covered in another group of the feed, where the move waits",
        Because::GroupBlank => "the group value is blank: kept, and the group is held",
        Because::GroupUnlisted => "the group value names no group: kept, and the group is held",
        Because::RowUnusable if told.what == "left_out" => {
            "the row cannot be used, and the person is not covered"
        }
        Because::RowUnusable => "the row cannot be used: sent as last accepted",
        Because::RowsContradict => "several rows contradict each other",
        Because::NewRow => "a new row",
        Because::FieldsChanged => {
            let fields: Vec<&str> = told.fields.iter().map(|field| Field::name(*field)).collect();
            return if fields.is_empty() {
                "changed".to_owned()
            } else {
                format!("changed: {}", fields.join(", "))
            };
        }
        Because::AnotherPerson => "the date of birth and a name are other ones",
        Because::OtherReference => "the same name and date of birth, in this order",
        Because::PlanNotApplied => "remains on the plan of the beginning: Vitable does not change it",
    };
    plain.to_owned()
}

/// What a person does after this plan: sentences, and commands to type, which begin with `rosterd `.
pub(super) fn next_steps(
    ledger: &Ledger,
    plan: &Run,
    file: Option<&LocalFile>,
) -> Result<Vec<String>, LedgerError> {
    let holds = ledger.holds(Some(&plan.feed))?;
    let file = file.map_or_else(String::new, |file| format!("--file {} ", shell_word(&file.shown)));
    let again = |command: &str| format!("rosterd {command} {file}{}", shell_word(plan.feed.as_str()));
    let mut next = Vec::new();
    let has = |verdict| plan.groups.iter().any(|group| group.verdict == verdict);
    if plan.groups.is_empty() {
        next.push("Correct what is named above, then look again:".to_owned());
        next.push(again("plan"));
        return Ok(next);
    }
    if has(GroupVerdict::Submit) {
        next.push("To send what would be sent:".to_owned());
        next.push(again("sync"));
    }
    let mut fresh = false;
    for group in plan.groups.iter().filter(|group| group.verdict == GroupVerdict::Hold) {
        let known = holds
            .iter()
            .find(|hold| hold.group == group.group && Some(&hold.digest) == group.digest.as_ref());
        match known {
            Some(hold) if group.approvable && hold.word.is_none() => {
                let since = hold.since.format("%Y-%m-%d");
                next.push(format!("The change of {} waits since {since}. To release it:", group.group));
                next.push(approve_command(hold.run, &group.group));
            }
            None if group.approvable => fresh = true,
            Some(_) | None => next.push(format!(
                "Correct {} at the source or in the configuration: no approval releases it.",
                group.group
            )),
        }
    }
    if fresh {
        next.push(
            "A run holds what waits for a person, mails it, and says what to type to release it:".to_owned(),
        );
        next.push(again("sync"));
    }
    if has(GroupVerdict::PassedOver) {
        next.push("What has to wait goes with a later run. How it stands:".to_owned());
        next.push("rosterd status".to_owned());
    }
    if has(GroupVerdict::Refused) {
        next.push("A group that must not be sent to says why above. After the correction:".to_owned());
        next.push(again("plan"));
    }
    if plan.read.as_ref().is_some_and(|read| read.problem_rows > 0) {
        next.push("The rows that HR has to correct, as a file to hand back:".to_owned());
        next.push(format!("{} > rejects.csv", again("plan --rejects")));
    }
    Ok(next)
}

/// Writes a text in lines of at most 80 characters, broken at spaces; the lines after the first begin with `more`.
fn wrapped(out: &mut String, first: &str, text: &str, more: &str) -> std::fmt::Result {
    let mut line = first.to_owned();
    let mut begun = false;
    for word in text.split(' ') {
        if begun && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(out, "{line}")?;
            more.clone_into(&mut line);
            begun = false;
        }
        if begun {
            line.push(' ');
        }
        line.push_str(word);
        begun = true;
    }
    writeln!(out, "{line}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::ReferenceId;

    #[test]
    fn lines_are_broken_at_spaces_and_no_longer_than_the_screen() {
        let mut out = String::new();
        let ids: Vec<String> = (1_000..1_060).map(|number| format!("E-{number}")).collect();
        wrapped(&mut out, "  ", &format!("ended: {}", ids.join(", ")), "    ").unwrap();
        assert!(out.lines().count() > 5 && out.lines().all(|line| line.chars().count() <= WIDTH), "{out}");
        assert!(
            out.starts_with("  ended: E-1000, E-1001,") && out.lines().nth(1).unwrap().starts_with("    E-")
        );
    }

    #[test]
    fn a_list_names_twenty_and_counts_the_rest() {
        let id = |number: u32| ReferenceId::new(&format!("E-{number}")).unwrap();
        let mut told = Told {
            what: "updated".to_owned(),
            because: Because::FieldsChanged,
            group: None,
            fields: vec![Field::Phone, Field::City],
            count: 25,
            members: (0..25).map(id).collect(),
        };
        assert!(line(&told, NAMED).ends_with("E-19 and 5 more (25; changed: phone, city)"));
        (told.count, told.members) = (1, vec![id(7)]);
        assert_eq!(line(&told, NAMED), "updated: E-7 (1; changed: phone, city)");
    }
}
