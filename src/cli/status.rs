//! `rosterd status`.

use super::{
    Exit, Failure,
    desk::{Desk, Talk},
    next_run::{self, NextRun},
    render::{self, approve_command},
    table::table,
};
use crate::{
    daemon::Handle,
    engine::{Engine, Orphan},
    ledger::{Attempt, Hold, Ledger, LedgerError, Retired, StoredIncident, Undone, WaitList, Waits},
    notify::{Incident, shell_word},
    roster::{Certainty, FeedName, GroupRef},
};
use chrono::{DateTime, Utc};
use std::{cmp::Reverse, fmt::Write};

/// What is known of one group.
#[derive(serde::Serialize)]
struct GroupStatus {
    feed: FeedName,
    group: GroupRef,
    /// Members covered, by the last confirmed picture and everything sent since.
    members: usize,
    certainty: Certainty,
    completed_at: Option<DateTime<Utc>>,
    in_flight: Option<String>,
    /// On whose word the group is retired, if it is.
    retired: Option<Retired>,
    /// On whose word it is no longer retired, until a roster of it has completed since.
    unretired: Option<Undone>,
    /// What is held: what waits for a person first.
    held: Vec<Hold>,
    last: Option<Attempt>,
    waiting: Waiting,
}

/// How many people wait, and since when the first of them.
#[derive(serde::Serialize)]
struct Waiting {
    removals: Waited,
    moves: Waited,
    additions: Waited,
    left_out: Waited,
}

#[derive(serde::Serialize)]
struct Waited {
    total: u64,
    oldest: Option<DateTime<Utc>>,
}

/// Where the digest stands.
#[derive(serde::Serialize)]
struct Digest {
    made: Option<DateTime<Utc>>,
    next: Option<String>,
}

impl Digest {
    /// None when none is configured.
    fn of(engine: &Engine) -> Result<Option<Self>, LedgerError> {
        if engine.settings().digest.is_none() {
            return Ok(None);
        }
        let made = engine.ledger().digest()?.and_then(|state| state.made);
        Ok(Some(Self { made, next: engine.next_digest()? }))
    }
}

pub(super) fn run(desk: &Desk, json: bool, talk: &dyn Talk) -> Result<Exit, Failure> {
    let (engine, ledger) = (desk.engine(), desk.ledger());
    let mut groups = Vec::new();
    for feed in engine.feeds() {
        for group in feed.known_groups(ledger)? {
            groups.push(of_group(ledger, &feed.name, group)?);
        }
    }
    let now = engine.clock().now();
    let schedules = ledger.schedules()?;
    let feeds: Vec<NextRun> = engine
        .feeds()
        .iter()
        .map(|feed| next_run::of(feed, schedules.get(&feed.name), desk.daemon(), now))
        .collect();
    let (incidents, mails) = (ledger.incidents(true)?, ledger.outbox()?.len());
    let orphans = engine.orphans()?;
    let mut retired = ledger.retired_groups()?;
    retired.retain(|each| !groups.iter().any(|group| group.group == each.group));
    let digest = Digest::of(engine)?;
    if json {
        let value = serde_json::json!({
            "groups": groups,
            "feeds": feeds,
            "orphans": orphans,
            "retired": retired,
            "incidents": incidents,
            "mails_waiting": mails,
            "digest": digest,
            "daemon": desk.daemon().map(Handle::about),
        });
        talk.out(&render::pretty(&value)?)?;
        return Ok(Exit::Done);
    }
    let mut out = String::new();
    let unfed = (orphans.as_slice(), retired.as_slice());
    let written = write_text(&mut out, now, &groups, &feeds, unfed, (&incidents, mails))
        .and_then(|()| write_life(&mut out, now, digest.as_ref(), desk.daemon()));
    match written {
        Ok(()) => talk.out(&out)?,
        Err(error) => return Err(Failure::failed(error)),
    }
    Ok(Exit::Done)
}

fn write_text(
    out: &mut String,
    now: DateTime<Utc>,
    groups: &[GroupStatus],
    feeds: &[NextRun],
    (orphans, retired): (&[Orphan], &[Retired]),
    (incidents, mails): (&[StoredIncident], usize),
) -> std::fmt::Result {
    let mut rows = table(&["feed", "group", "last completed", "state", "members"], 4);
    for group in groups {
        rows.add_row([
            group.feed.to_string(),
            group.group.to_string(),
            group.completed_at.map_or_else(|| "never".to_owned(), |at| age(now, at)),
            state(group, now),
            group.members.to_string(),
        ]);
    }
    writeln!(out, "{rows}")?;
    for group in groups {
        write_waiting(out, now, group)?;
        for hold in group.held.iter().filter(|hold| matters(hold, &group.held)) {
            write_hold(out, now, hold)?;
        }
    }
    for orphan in orphans {
        writeln!(
            out,
            "{}: {} covered, and no feed of the configuration names it (`{}` did)\n  name it again, or type: rosterd empty --reason \"WHY\" {}",
            orphan.group,
            orphan.members,
            orphan.feed,
            shell_word(orphan.group.as_str())
        )?;
    }
    for each in retired {
        writeln!(out, "{}: {}; no feed of the configuration names it", each.group, retired_words(each))?;
    }
    writeln!(out, "open incidents: {}; mails waiting: {mails}", incidents.len())?;
    for stored in incidents {
        let Ok(incident) = serde_json::from_value::<Incident>(stored.body.clone()) else { continue };
        let feed = incident.feed.map_or(String::new(), |feed| format!(" {feed}"));
        let group = incident.group.map_or(String::new(), |group| format!(" {group}"));
        let run = incident.run.map_or(String::new(), |run| format!(" (rosterd show {run})"));
        let kind = incident.kind.name().replace('_', " ");
        // How many people it is about stays in sight for as long as it lasts.
        let people = match incident.people.len() {
            0 => String::new(),
            1 => ", 1 person".to_owned(),
            number => format!(", {number} people"),
        };
        writeln!(out, "  since {}{feed}{group}: {kind}{people}{run}", stored.opened.format("%Y-%m-%d"))?;
    }
    for feed in feeds {
        writeln!(out, "next run of `{}`: {}", feed.feed, feed.text)?;
    }
    Ok(())
}

/// What proves that rosterd lives: the digest, the heartbeat, the daemon itself.
fn write_life(
    out: &mut String,
    now: DateTime<Utc>,
    digest: Option<&Digest>,
    daemon: Option<&Handle>,
) -> std::fmt::Result {
    if let Some(digest) = digest {
        let made = digest
            .made
            .map_or_else(|| "none was made yet".to_owned(), |at| format!("last made {}", age(now, at)));
        let next = digest.next.as_deref().unwrap_or("never again");
        writeln!(out, "digest: {made}; next: {next}")?;
    }
    let Some(daemon) = daemon else {
        return writeln!(out, "no daemon runs here: nothing runs by itself until `rosterd run` does");
    };
    if let Some(beat) = daemon.about().heartbeat {
        let last = beat
            .at
            .map_or_else(|| "none was taken yet".to_owned(), |at| format!("last taken {}", age(now, at)));
        let why = beat.why.map_or_else(String::new, |why| format!("; none goes now: {why}"));
        writeln!(out, "heartbeat: {last}{why}")?;
    }
    Ok(())
}

/// `acme-east: removals waiting: 4, oldest 9 days; additions waiting: 2, oldest 3 days`.
fn write_waiting(out: &mut String, now: DateTime<Utc>, group: &GroupStatus) -> std::fmt::Result {
    let waiting = &group.waiting;
    let additions = Waited {
        total: waiting.additions.total.saturating_add(waiting.left_out.total),
        oldest: waiting.additions.oldest.into_iter().chain(waiting.left_out.oldest).min(),
    };
    let lists = [("removals", &waiting.removals), ("moves", &waiting.moves), ("additions", &additions)];
    let texts = lists.iter().filter_map(|(what, list)| {
        let oldest = list.oldest?;
        let mut text = format!("{what} waiting: {}, oldest {}", list.total, waited(now, oldest));
        if *what == "additions" && waiting.left_out.total > 0 {
            write!(text, " ({} of them with rows that cannot be used)", waiting.left_out.total).ok()?;
        }
        Some(text)
    });
    let texts: Vec<String> = texts.collect();
    if let Some(undone) = &group.unretired {
        let (by, on, why) = (&undone.by, undone.at.format("%Y-%m-%d"), &undone.reason);
        writeln!(out, "{}: no longer retired: {by} took that back on {on} ({why})", group.group)?;
    }
    if texts.is_empty() { Ok(()) } else { writeln!(out, "{}: {}", group.group, texts.join("; ")) }
}

/// A change that was rejected and is not the one that is wanted now is remembered, in case that it comes back.
fn matters(hold: &Hold, held: &[Hold]) -> bool {
    let newest = held.iter().map(|each| each.last_run).max();
    Some(hold.last_run) == newest || hold.word.as_ref().is_none_or(|word| word.approved)
}

fn write_hold(out: &mut String, now: DateTime<Utc>, hold: &Hold) -> std::fmt::Result {
    let (group, reasons) = (&hold.group, hold.reasons.join("; "));
    if let Some(word) = hold.lapsed(now) {
        let (by, on) = (&word.by, word.at.format("%Y-%m-%d"));
        writeln!(out, "{group}: approval expired: {by} approved it on {on}, and it has not gone out")?;
    }
    match hold.word.as_ref().filter(|word| !word.has_expired(now)) {
        Some(word) => {
            let said = if word.approved { "approved" } else { "rejected" };
            let waits = if word.approved { "" } else { "; the group waits until the change is another one" };
            let (by, on, why) = (&word.by, word.at.format("%Y-%m-%d"), &word.reason);
            writeln!(out, "{group}: {said} by {by} on {on} ({why}){waits}: {reasons}")
        }
        None if hold.approvable => writeln!(
            out,
            "{group}: {reasons}\n  type: rosterd show {}, then: {}",
            hold.last_run,
            approve_command(hold.run, group)
        ),
        None => writeln!(
            out,
            "{group}: {reasons}\n  no approval releases this: correct it at the source or in the configuration"
        ),
    }
}

fn of_group(ledger: &Ledger, feed: &FeedName, group: GroupRef) -> Result<GroupStatus, LedgerError> {
    let coverage = ledger.coverage(&group)?;
    let last = ledger.newest_attempt(&group)?;
    let mut held: Vec<Hold> = ledger.holds(Some(feed))?;
    held.retain(|hold| hold.group == group);
    held.sort_by_key(|hold| (hold.word.is_some(), Reverse(hold.last_run)));
    let in_flight = last.as_ref().filter(|attempt| attempt.state.in_flight()).map(|attempt| {
        attempt.state.request_id().map_or_else(|| attempt.state.name().to_owned(), ToString::to_string)
    });
    let completed_at = ledger.last_completed(&group)?.map(|attempt| attempt.changed_at);
    let retired = ledger.once_retired(&group)?;
    let unretired = retired.as_ref().and_then(|retired| retired.undone.clone());
    Ok(GroupStatus {
        waiting: waiting(ledger.waits_in(feed, &group)?.as_ref()),
        feed: feed.clone(),
        members: coverage.len(),
        certainty: coverage.certainty,
        unretired: unretired.filter(|undone| completed_at.is_none_or(|completed| completed < undone.at)),
        completed_at,
        in_flight,
        retired: retired.filter(|retired| retired.undone.is_none()),
        held,
        last,
        group,
    })
}

fn waiting(waits: Option<&Waits>) -> Waiting {
    let of = |list: fn(&Waits) -> &WaitList| Waited {
        total: waits.map_or(0, |waits| list(waits).total()),
        oldest: waits.and_then(|waits| list(waits).oldest()),
    };
    Waiting {
        removals: of(|waits| &waits.removals),
        moves: of(|waits| &waits.moves),
        additions: of(|waits| &waits.additions),
        left_out: of(|waits| &waits.left_out),
    }
}

/// How long somebody has waited: `9 days`.
pub(super) fn waited(now: DateTime<Utc>, since: DateTime<Utc>) -> String {
    let waited = now.signed_duration_since(since).max(chrono::TimeDelta::zero());
    let (number, unit) = match (waited.num_days(), waited.num_hours()) {
        (0, 0) => (waited.num_minutes(), "minute"),
        (0, hours) => (hours, "hour"),
        (days, _) => (days, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

fn state(group: &GroupStatus, now: DateTime<Utc>) -> String {
    if let Some(request) = &group.in_flight {
        return format!("in flight: {request}");
    }
    if let Some(retired) = &group.retired {
        return retired_words(retired);
    }
    if let Some(hold) = group.held.first() {
        return match &hold.word {
            Some(word) if word.has_expired(now) => "approval expired".to_owned(),
            Some(word) if word.approved => format!("approved by {}", word.by),
            Some(word) => format!("rejected by {} on {}; waits", word.by, word.at.format("%Y-%m-%d")),
            None => format!("held since {}", hold.since.format("%Y-%m-%d")),
        };
    }
    match (&group.certainty, &group.last) {
        (Certainty::Uncertain(why), _) => format!("uncertain: {why}"),
        (_, Some(attempt)) => attempt.state.name().to_owned(),
        (_, None) => "never sent".to_owned(),
    }
}

fn retired_words(retired: &Retired) -> String {
    format!("retired by {} on {}", retired.by, retired.at.format("%Y-%m-%d"))
}

/// `2026-11-22 06:00 UTC (3 h ago)`.
fn age(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let since = now.signed_duration_since(at).max(chrono::TimeDelta::zero());
    let ago = match (since.num_days(), since.num_hours(), since.num_minutes()) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, _) => format!("{hours} h"),
        (days, _, _) => format!("{days} d"),
    };
    format!("{} UTC ({ago} ago)", at.format("%Y-%m-%d %H:%M"))
}
