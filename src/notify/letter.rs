//! What a mail says, before it is text or HTML.

use super::{
    Affected, Incident, Reason,
    phrase::{clean, cut, fill, is_command},
    policy::is_reminded,
    words::{Words, label, words},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// People shown by name in one section; the rest stands in `rosterd show`.
const PEOPLE: usize = 50;
/// Incidents told whole in one mail; the rest is listed by headline.
pub(super) const SECTIONS: usize = 20;
/// So many more are named in a line each.
const HEADLINES: usize = 100;
/// That a feed is gone, behind "Nothing to do: ".
const GONE: &str = "{feed} is no longer in the configuration, so this is closed. Nobody's coverage changes by \
                    that; a group that has members and no feed is told of by itself.";

/// One incident with the reason why it is in the mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Why it is mailed.
    pub(super) reason: Reason,
    /// What it is.
    pub(super) incident: Incident,
    /// When it opened.
    pub(super) opened: DateTime<Utc>,
    /// When this was to be told: of what is over, its end.
    pub(super) told: DateTime<Utc>,
    /// The Message-ID of its first mail.
    pub(super) thread: Option<String>,
}

/// A whole mail.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// The subject.
    pub(super) subject: String,
    /// The first line: what to do.
    pub(super) first: String,
    /// How many things the mail tells, when there are several.
    pub(super) several: Option<String>,
    /// Lists, of the digest alone.
    pub(super) blocks: Vec<Block>,
    /// One for each incident, the most urgent first.
    pub(super) sections: Vec<Section>,
    /// Headlines of those that have no section.
    pub(super) more: Vec<String>,
    /// When the next mail comes.
    pub(super) footer: String,
    /// Message-IDs of the threads that the mail goes on with, each once.
    pub(super) threads: Vec<String>,
}

/// A list under a title.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// What it is about.
    pub(super) title: String,
    /// A line under the title.
    pub(super) note: Option<String>,
    /// The list; it may be empty.
    pub(super) items: Vec<Item>,
}

/// One of a list: `acme-east:`, `120 members`.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// What it is about.
    pub(super) lead: String,
    /// What there is to say.
    pub(super) text: String,
    /// What to type about it.
    pub(super) command: Option<String>,
}

/// One incident.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// What and where.
    pub(super) headline: String,
    /// What to do after the first line.
    pub(super) steps: Vec<Step>,
    /// That it is a reminder, has changed or is over, and since when it was open.
    pub(super) standing: Option<String>,
    /// What happened: the kind's words and the incident's.
    pub(super) happened: String,
    /// What it means for people's coverage; none for what is over.
    pub(super) means: Option<&'static str>,
    /// Labels with numbers.
    pub(super) counts: Vec<(String, u64)>,
    /// How many people are affected.
    pub(super) affected: usize,
    /// The first of them.
    pub(super) people: Vec<Person>,
    /// Where the others are.
    pub(super) others: Option<String>,
    /// Labels with texts: feed, group, run, ids.
    pub(super) facts: Vec<(&'static str, String)>,
}

/// One step of what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A sentence.
    Say(String),
    /// Something to type.
    Type(String),
}

/// One affected person.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// The reference, or that the row names nobody.
    pub(super) who: String,
    /// The row.
    pub(super) row: Option<String>,
    /// What is the matter.
    pub(super) what: String,
}

impl Letter {
    /// The mail for these entries, the first of which gives the subject.
    pub(super) fn new(entries: &[Entry], remind_every: Duration) -> Self {
        let alone = entries.len() == 1;
        let mut sections: Vec<Section> = entries.iter().take(SECTIONS).map(Section::new).collect();
        let first = sections
            .first()
            .and_then(|section| match section.steps.first() {
                Some(Step::Say(text)) => Some(text.clone()),
                Some(Step::Type(_)) | None => None,
            })
            .unwrap_or_else(|| "Look at what rosterd reports below.".to_owned());
        if alone && let Some(section) = sections.first_mut() {
            // The first line has said it.
            section.steps.retain(|step| *step != Step::Say(first.clone()));
        }
        let mut threads: Vec<String> = Vec::new();
        for thread in entries.iter().filter_map(|entry| entry.thread.as_ref()) {
            if !threads.contains(thread) {
                threads.push(thread.clone());
            }
        }
        Self {
            subject: subject(entries),
            first,
            several: (!alone).then(|| several(entries)),
            blocks: Vec::new(),
            sections,
            more: more(entries),
            footer: footer(entries, remind_every),
            threads,
        }
    }

    /// A mail that tells nothing but that mails arrive; of feeds, when these have recipients of their own.
    pub(super) fn test(feeds: &[String]) -> Self {
        let about = match feeds {
            [] => "everything that has no recipients of its own".to_owned(),
            feeds => format!("the feeds that have these recipients: {}", feeds.join(", ")),
        };
        Self {
            subject: "[rosterd] test mail".to_owned(),
            first: "Nothing to do: this is a test, and it has arrived.".to_owned(),
            several: Some(format!("Whoever reads this is told of {}.", clean(&about))),
            blocks: Vec::new(),
            sections: Vec::new(),
            more: Vec::new(),
            footer: "Sent by rosterd because somebody typed `rosterd alert-test`.".to_owned(),
            threads: Vec::new(),
        }
    }
}

/// The incidents that have no part of the mail for themselves.
fn more(entries: &[Entry]) -> Vec<String> {
    let mut lines: Vec<String> = entries.iter().skip(SECTIONS).take(HEADLINES).map(headline).collect();
    if let Some(left) = entries.len().checked_sub(SECTIONS + HEADLINES).filter(|left| *left > 0) {
        lines.push(format!("and {left} more, which `rosterd status` lists"));
    }
    lines
}

impl Section {
    fn new(entry: &Entry) -> Self {
        let incident = &entry.incident;
        let words = words(incident.kind);
        let over = entry.reason.is_over();
        let reason = sentence(&clean(&incident.reason));
        let happened = if over {
            format!("It was: {reason}")
        } else {
            format!("{} {reason}", fill(words.happened, incident).unwrap_or_default())
        };
        let affected = if over { &[][..] } else { incident.people.as_slice() };
        let files = affected.iter().any(|one| one.row.is_some_and(|row| row.source > 0));
        Self {
            headline: headline(entry),
            steps: steps(entry, words),
            standing: standing(entry),
            happened: happened.trim().to_owned(),
            means: (!over).then_some(words.means),
            counts: if over { Vec::new() } else { counts(incident) },
            affected: affected.len(),
            people: affected.iter().take(PEOPLE).map(|one| Person::new(one, files)).collect(),
            others: others(affected.len(), incident),
            facts: facts(incident),
        }
    }
}

impl Person {
    fn new(affected: &Affected, files: bool) -> Self {
        let who = clean(&affected.reference_id);
        Self {
            who: if who.trim().is_empty() { "(no reference_id)".to_owned() } else { who },
            row: affected.row.map(|row| {
                let file =
                    if files { format!("file {}, ", u32::from(row.source) + 1) } else { String::new() };
                format!("{file}row {} (line {})", row.record, row.line)
            }),
            what: clean(&affected.what),
        }
    }
}

/// What stands between sentences is one: what a source or the log says begins small and ends without a stop.
fn sentence(reason: &str) -> String {
    let reason = match reason.strip_prefix("source `") {
        Some(rest) => format!("Source `{rest}"),
        None => reason.to_owned(),
    };
    let open = reason.ends_with(|last: char| last.is_alphanumeric() || matches!(last, '`' | '"' | ')'));
    if open { format!("{reason}.") } else { reason }
}

/// Where it is: the feed, else the group, else the whole daemon.
fn place(incident: &Incident) -> String {
    match (&incident.feed, &incident.group) {
        (Some(feed), _) => cut(&clean(feed.as_str()), 60),
        (None, Some(group)) => format!("group {}", cut(&clean(group.as_str()), 60)),
        (None, None) => "all feeds".to_owned(),
    }
}

/// The kind's subject with the number that says how bad it is: `held, 12 removals wait`.
fn phrase(incident: &Incident, words: &Words) -> String {
    let tally = words.tally.iter().find_map(|(name, one, many)| {
        let (_, number) = incident.counts.iter().find(|(known, number)| known == name && *number > 0)?;
        Some(format!(", {number} {}", if *number == 1 { one } else { many }))
    });
    format!("{}{}", words.subject, tally.unwrap_or_default())
}

fn subject(entries: &[Entry]) -> String {
    let Some(lead) = entries.first() else {
        return "[rosterd]".to_owned();
    };
    let words = words(lead.incident.kind);
    let phrase = match lead.reason {
        Reason::Opened => phrase(&lead.incident, words),
        Reason::Changed => format!("{} (changed)", phrase(&lead.incident, words)),
        Reason::Reminder => format!("{} (reminder)", phrase(&lead.incident, words)),
        Reason::Recovered | Reason::Withdrawn => ended(lead.reason, words),
    };
    let more = match entries.len() {
        0 | 1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    format!("[rosterd] {}: {phrase}{more}", place(&lead.incident))
}

/// How the subject tells that it is over.
fn ended(reason: Reason, words: &Words) -> String {
    match reason {
        Reason::Withdrawn => format!("feed gone, was: {}", words.subject),
        Reason::Recovered | Reason::Opened | Reason::Changed | Reason::Reminder => {
            format!("recovered, {}", words.over_subject)
        }
    }
}

/// What and where.
pub(super) fn headline(entry: &Entry) -> String {
    let incident = &entry.incident;
    let words = words(incident.kind);
    let phrase = if entry.reason.is_over() { ended(entry.reason, words) } else { phrase(incident, words) };
    match &incident.group {
        Some(group) if incident.feed.is_some() => {
            format!("{}, group {}: {phrase}", place(incident), cut(&clean(group.as_str()), 60))
        }
        Some(_) | None => format!("{}: {phrase}", place(incident)),
    }
}

fn several(entries: &[Entry]) -> String {
    let over = entries.iter().filter(|entry| entry.reason.is_over()).count();
    let open = entries.len() - over;
    match (open, over) {
        (_, 0) => format!("This mail tells {open} things, the most urgent first."),
        (0, _) => format!("This mail tells that {over} things are over."),
        (1, 1) => "This mail tells one thing that is open, then one that is over.".to_owned(),
        (_, _) => format!("This mail tells {open} open and {over} recovered, the most urgent first."),
    }
}

fn steps(entry: &Entry, words: &Words) -> Vec<Step> {
    let incident = &entry.incident;
    let over = match entry.reason {
        Reason::Recovered => fill(words.over, incident),
        Reason::Withdrawn => fill(GONE, incident),
        Reason::Opened | Reason::Changed | Reason::Reminder => None,
    };
    if entry.reason.is_over() {
        return vec![Step::Say(format!("Nothing to do: {}", over.unwrap_or_default()))];
    }
    let texts = if incident.what_to_do.is_empty() {
        remedy(incident)
    } else {
        incident.what_to_do.iter().map(|step| clean(step)).collect()
    };
    let step = |text: String| {
        if is_command(&text) { Step::Type(text) } else { Step::Say(text) }
    };
    texts.into_iter().map(step).collect()
}

/// The steps that a mail names for an incident of this kind, its names filled in: sentences, and commands to
/// type.
#[must_use]
pub fn remedy(incident: &Incident) -> Vec<String> {
    words(incident.kind).remedy.iter().filter_map(|step| fill(step, incident)).collect()
}

fn standing(entry: &Entry) -> Option<String> {
    let since = time(entry.opened);
    match entry.reason {
        Reason::Opened => None,
        Reason::Changed => Some(format!("This has changed since the last mail. Open since {since}.")),
        Reason::Reminder => Some(format!("A reminder: this is still open, since {since}.")),
        Reason::Recovered | Reason::Withdrawn => {
            Some(format!("It was open from {since} to {}.", time(entry.told)))
        }
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn counts(incident: &Incident) -> Vec<(String, u64)> {
    incident
        .counts
        .iter()
        .map(|(name, number)| {
            (label(name).map_or_else(|| clean(name).replace('_', " "), str::to_owned), *number)
        })
        .collect()
}

fn others(affected: usize, incident: &Incident) -> Option<String> {
    let hidden = affected.checked_sub(PEOPLE).filter(|hidden| *hidden > 0)?;
    Some(match incident.run {
        Some(run) => format!("and {hidden} more: rosterd show {run}"),
        None => format!("and {hidden} more: rosterd status --json"),
    })
}

fn facts(incident: &Incident) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut fact = |name, value: Option<String>| {
        if let Some(value) = value {
            facts.push((name, clean(&value)));
        }
    };
    fact("feed", incident.feed.as_ref().map(ToString::to_string));
    fact("group", incident.group.as_ref().map(ToString::to_string));
    fact("run", incident.run.map(|run| run.to_string()));
    fact("request_id", incident.request_id.as_ref().map(ToString::to_string));
    fact("trace_id", incident.trace_id.clone());
    facts
}

fn footer(entries: &[Entry], remind_every: Duration) -> String {
    if entries.iter().all(|entry| entry.reason.is_over()) {
        return "Sent by rosterd because something that it had reported is over.".to_owned();
    }
    if entries.iter().all(|entry| entry.reason.is_over() || !is_reminded(entry.incident.kind)) {
        return "Sent by rosterd. The next mail about this comes 10 and 5 days before the end, at the end, and when it \
                is over."
            .to_owned();
    }
    format!(
        "Sent by rosterd. The next mail about this comes when it changes, after {} if it is still open, and when \
         it is over.",
        span(remind_every)
    )
}

/// A duration in the largest unit that fits it: `24 h`.
fn span(every: Duration) -> String {
    let seconds = every.as_secs();
    match seconds {
        s if s >= 3600 && s % 3600 == 0 => format!("{} h", s / 3600),
        s if s >= 60 && s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}
