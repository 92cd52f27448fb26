//! Everything that is known of one reference_id.

use crate::{
    attempt::{Operation, State},
    cli::{Failure, desk::Desk, render::approve_command},
    ledger::{
        Attempt, GroupVerdict, Hold, Ledger, LedgerError, Membership, Run, RunOutcome, TraceHead, TracedRead,
        Waits,
    },
    roster::{Certainty, FeedName, GroupRef, PlanId, RunId},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeSet;

/// How many runs of a feed are looked through for what they say of one person.
const RUNS: usize = 400;
/// How many attempts are looked through: of each group that the last reads and who waits point at, and of all the
/// other groups together.
const ATTEMPTS: usize = 50;
const OTHER_ATTEMPTS: usize = 5_000;

/// One reference_id.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    pub(super) member: String,
    /// What each feed that knows him read last.
    pub(super) reads: Vec<Reading>,
    /// Each group that knows him.
    pub(super) groups: Vec<Group>,
    /// Known references that look like it, when it is not known.
    #[serde(skip)]
    pub(super) alike: Vec<String>,
    /// Feeds with rows that name nobody, with their number.
    #[serde(skip)]
    pub(super) nameless: Vec<(FeedName, u64)>,
    /// Feeds of which no read is remembered.
    #[serde(skip)]
    pub(super) unread: Vec<FeedName>,
    /// Feeds whose last read cannot be told of: what is known is from the ledger alone.
    pub(super) unreadable: Vec<Unreadable>,
}

/// A last read of which nothing can be told.
#[derive(Debug, Serialize)]
pub(super) struct Unreadable {
    pub(super) feed: FeedName,
    pub(super) run: RunId,
    pub(super) why: String,
}

impl Explained {
    pub(super) fn is_unknown(&self) -> bool {
        self.groups.is_empty() && self.reads.iter().all(|read| read.row.is_none() && read.decided.is_empty())
    }
}

/// The last read of a feed that came to a decision.
#[derive(Debug, Serialize)]
pub(super) struct Reading {
    pub(super) feed: FeedName,
    pub(super) run: RunId,
    pub(super) at: DateTime<Utc>,
    /// The source and the path of the file in which the row stands.
    pub(super) source: Option<String>,
    pub(super) path: Option<String>,
    pub(super) row: Option<TracedRead>,
    pub(super) decided: Vec<Decided>,
    /// A read since then that came to nothing.
    pub(super) failed_since: Option<FailedRead>,
}

/// What was decided of him for one group.
#[derive(Debug, Serialize)]
pub(super) struct Decided {
    pub(super) group: GroupRef,
    /// The word for it: a fate, or what becomes of somebody who is not covered.
    pub(super) fate: String,
    /// What was decided for the group as a whole.
    pub(super) verdict: Option<GroupVerdict>,
}

#[derive(Debug, Serialize)]
pub(super) struct FailedRead {
    pub(super) run: RunId,
    pub(super) began: DateTime<Utc>,
    pub(super) summary: String,
}

/// One group that knows him.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    pub(super) group: GroupRef,
    pub(super) feed: Option<FeedName>,
    pub(super) certainty: Certainty,
    pub(super) covered: bool,
    /// The plan that he was added with.
    pub(super) plan: Option<PlanId>,
    pub(super) carried_since: Option<DateTime<Utc>>,
    /// The attempt that added him, if a run that is remembered names him.
    pub(super) added: Option<Step>,
    /// The attempt that confirmed the group last.
    pub(super) confirmed: Option<Step>,
    /// The newest roster that has him.
    pub(super) sent: Option<Step>,
    /// The newest attempt that removes him.
    pub(super) removed: Option<Step>,
    /// What Vitable did not do for him last.
    pub(super) failed: Option<Failed>,
    pub(super) waits: Vec<Waiting>,
    pub(super) holds: Vec<Held>,
}

/// An attempt, short.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    pub(super) run: RunId,
    pub(super) attempt: u64,
    pub(super) at: DateTime<Utc>,
    pub(super) state: State,
}

#[derive(Debug, Serialize)]
pub(super) struct Failed {
    pub(super) run: RunId,
    pub(super) attempt: u64,
    pub(super) at: DateTime<Utc>,
    pub(super) operation: Operation,
    pub(super) reason: String,
}

/// For what he waits, and since when.
#[derive(Debug, Serialize)]
pub(super) struct Waiting {
    pub(super) what: &'static str,
    pub(super) since: DateTime<Utc>,
}

/// What is held in his group.
#[derive(Debug, Serialize)]
pub(super) struct Held {
    pub(super) run: RunId,
    pub(super) since: DateTime<Utc>,
    pub(super) reasons: Vec<String>,
    /// Whether the hold names him, rather than the whole group.
    pub(super) names_member: bool,
    /// `waits`, `approved`, `rejected`, or `not_approvable`.
    pub(super) state: &'static str,
    pub(super) by: Option<String>,
    /// What releases it.
    pub(super) command: Option<String>,
}

impl Step {
    fn of(attempt: Attempt) -> Self {
        Self { run: attempt.run, attempt: attempt.id.0, at: attempt.prepared_at, state: attempt.state }
    }
}

/// Asks the ledger about one reference; of one feed, or of all.
pub(super) fn explain(desk: &Desk, id: &str, feed: Option<&FeedName>) -> Result<Explained, Failure> {
    let ledger = desk.ledger();
    let mut explained = Explained {
        member: id.to_owned(),
        reads: Vec::new(),
        groups: Vec::new(),
        alike: Vec::new(),
        nameless: Vec::new(),
        unread: Vec::new(),
        unreadable: Vec::new(),
    };
    let heads = ledger.traces(feed)?;
    let mut groups: BTreeSet<GroupRef> = BTreeSet::new();
    for head in &heads {
        if let Some(read) = reading(ledger, head, id, &mut explained)? {
            groups.extend(read.decided.iter().map(|decided| decided.group.clone()));
            explained.reads.push(read);
        }
    }
    let without = |name: &FeedName| heads.iter().all(|head| head.feed != *name);
    let feeds = desk.engine().feeds().iter().map(|each| &each.name);
    explained.unread =
        feeds.filter(|name| feed.is_none_or(|feed| feed == *name) && without(name)).cloned().collect();
    let waits = ledger.waits(feed)?;
    let waits: Vec<&Waits> =
        waits.iter().filter(|waits| waits.lists().iter().any(|(_, list)| list.since(id).is_some())).collect();
    groups.extend(waits.iter().map(|waits| waits.group.clone()));
    let touched = groups.clone();
    groups.extend(ledger.known_groups()?);
    let others = (OTHER_ATTEMPTS / groups.len().max(1)).clamp(1, ATTEMPTS);
    for name in groups {
        let attempts = if touched.contains(&name) { ATTEMPTS } else { others };
        let member = ledger.membership(&name, id, attempts)?;
        let mine = feed.is_none_or(|feed| member.owner.as_ref().is_none_or(|owner| owner == feed));
        if touched.contains(&name) || mine && member.knows() {
            explained.groups.push(group(ledger, member, id, &waits)?);
        }
    }
    Ok(explained)
}

fn reading(
    ledger: &Ledger,
    head: &TraceHead,
    id: &str,
    explained: &mut Explained,
) -> Result<Option<Reading>, LedgerError> {
    let (head, traced) = match ledger.traced(head, id) {
        Ok(found) => found,
        // The trace is told from and nothing more: who is covered is in the ledger, which is asked all the same.
        Err(error) => {
            let why =
                if let LedgerError::Damaged { what } = &error { what.clone() } else { error.to_string() };
            let (feed, run) = (head.feed.clone(), head.run);
            explained.unreadable.push(Unreadable { feed, run, why });
            return Ok(None);
        }
    };
    if head.nameless > 0 {
        explained.nameless.push((head.feed.clone(), head.nameless));
    }
    if traced.row.is_none() && traced.fates.is_empty() {
        explained.alike.extend(traced.alike);
        return Ok(None);
    }
    let run = ledger.run(head.run)?;
    let verdict = |group: &GroupRef| {
        let groups = run.iter().flat_map(|run| &run.groups);
        groups.filter(|report| report.group == *group).map(|report| report.verdict).next()
    };
    let file = traced.row.as_ref().and_then(|row| {
        let files = run.as_ref().and_then(|run| run.read.as_ref()).map(|read| &read.files)?;
        files.get(usize::from(row.at.source))
    });
    let mut decided: Vec<Decided> = traced
        .fates
        .iter()
        .map(|(group, fate)| Decided { group: group.clone(), fate: fate.clone(), verdict: verdict(group) })
        .collect();
    if let Some((group, fate)) = traced.row.as_ref().and_then(new_or_kept)
        && !decided.iter().any(|known| known.group == *group)
    {
        decided.push(Decided { group: group.clone(), fate: fate.to_owned(), verdict: verdict(group) });
    }
    Ok(Some(Reading {
        source: file.map(|file| file.source.clone()),
        path: file.map(|file| file.path.clone()),
        decided,
        failed_since: failed_since(ledger, &head)?,
        row: traced.row,
        run: head.run,
        at: head.at,
        feed: head.feed,
    }))
}

/// What becomes of a person in the group that his row routes to, when he has no fate there.
fn new_or_kept(row: &TracedRead) -> Option<(&GroupRef, &'static str)> {
    use crate::ledger::{Lot, Said};
    let group = row.group.as_ref()?;
    match (row.lot, row.said) {
        (Some(Lot::Added), _) => Some((group, "added")),
        (Some(Lot::Arriving), _) => Some((group, "arriving")),
        (Some(Lot::LeftOut), _) => Some((group, "left_out")),
        (None, Said::Eligible) => Some((group, "kept")),
        (Some(Lot::Unplaced) | None, _) => None,
    }
}

/// The newest read of the feed, if it is newer than the trace and came to nothing.
fn failed_since(ledger: &Ledger, head: &TraceHead) -> Result<Option<FailedRead>, LedgerError> {
    let ended = |run: Run| run.ended.is_some().then_some(run);
    let newest = ledger.find_in_runs(&head.feed, RUNS, ended)?;
    Ok(newest.filter(|run| run.id > head.run && run.groups.is_empty()).and_then(|run| {
        let result = run.result.filter(|result| result.outcome == RunOutcome::Failed)?;
        Some(FailedRead { run: run.id, began: run.began, summary: result.summary })
    }))
}

fn group(ledger: &Ledger, member: Membership, id: &str, waits: &[&Waits]) -> Result<Group, LedgerError> {
    let waits = waits.iter().find(|waits| waits.group == member.group);
    let feed = member.owner.clone().or_else(|| waits.map(|waits| waits.feed.clone()));
    let waiting: Vec<Waiting> = waits
        .iter()
        .flat_map(|waits| waits.lists())
        .filter_map(|(what, list)| list.since(id).map(|since| Waiting { what, since }))
        .collect();
    let mut holds = ledger.holds(feed.as_ref())?;
    holds.retain(|hold| hold.group == member.group && (names(hold, id) || !waiting.is_empty()));
    let added =
        if member.covered.is_some() { added(ledger, feed.as_ref(), &member.group, id)? } else { None };
    let failed = member.failed.map(|failed| Failed {
        run: failed.attempt.run,
        attempt: failed.attempt.id.0,
        at: failed.attempt.changed_at,
        operation: failed.failure.operation,
        reason: failed.failure.reason,
    });
    Ok(Group {
        feed,
        certainty: member.certainty,
        covered: member.covered.is_some(),
        plan: member.covered.as_ref().map(|covered| covered.plan.clone()),
        carried_since: member.covered.as_ref().and_then(|covered| covered.carried_since),
        added,
        confirmed: member.confirmed.map(Step::of),
        sent: member.sent.map(Step::of),
        removed: member.removed.map(Step::of),
        failed,
        waits: waiting,
        holds: holds.iter().map(|hold| held(hold, id)).collect(),
        group: member.group,
    })
}

fn names(hold: &Hold, id: &str) -> bool {
    hold.held.iter().any(|line| line.split_once(':').is_some_and(|(_, who)| who == id))
}

fn held(hold: &Hold, id: &str) -> Held {
    let (state, by) = match &hold.word {
        Some(word) if word.approved => ("approved", Some(word.by.clone())),
        Some(word) => ("rejected", Some(word.by.clone())),
        None if hold.approvable => ("waits", None),
        None => ("not_approvable", None),
    };
    Held {
        run: hold.run,
        since: hold.since,
        reasons: hold.reasons.clone(),
        names_member: names(hold, id),
        state,
        by,
        command: (state == "waits").then(|| approve_command(hold.run, &hold.group)),
    }
}

/// The attempt that added him, by the newest run whose report names him among the new ones.
fn added(
    ledger: &Ledger,
    feed: Option<&FeedName>,
    group: &GroupRef,
    id: &str,
) -> Result<Option<Step>, LedgerError> {
    let Some(feed) = feed else { return Ok(None) };
    let found = ledger.find_in_runs(feed, RUNS, |run| {
        let report = run.groups.into_iter().find(|report| report.group == *group)?;
        let added = report.members.get("added")?;
        added.iter().any(|added| added.as_str() == id).then_some(report.attempt).flatten()
    })?;
    let attempt = found.map(|attempt| ledger.attempt(attempt)).transpose()?.flatten();
    Ok(attempt.filter(|attempt| matches!(attempt.state, State::Completed { .. })).map(Step::of))
}
