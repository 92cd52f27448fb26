//! `schedule:` of a feed and of `defaults`. A feed's parts stand over those of `defaults`, each by itself.

use super::{
    keys::SCHEDULE,
    mappings::{optional, timezone},
    read::{Fields, Item, Reader},
};
use crate::schedule::{Cron, Settings};
use chrono_tz::Tz;
use std::{cell::RefCell, collections::BTreeMap, time::Duration};

/// Each pattern once: thousands of feeds have few patterns, and each holds a calendar of its own.
pub(super) type Crons = RefCell<BTreeMap<String, Cron>>;

/// What is said so far; each part may be missing.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    cron: Option<Cron>,
    /// Also whose today counts for dates that decide who is covered, without a `cron` too.
    pub(super) timezone: Option<Tz>,
    jitter: Option<Duration>,
    catch_up: Option<bool>,
}

/// Whose schedule is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// The parts may be for different feeds.
    Defaults,
    /// The parts must make a schedule, or none.
    Feed,
}

/// Reads the schedule in these fields over `base`.
pub(super) fn schedule(
    reader: &Reader,
    fields: &Fields<'_>,
    base: &Schedule,
    of: Of,
    crons: &Crons,
) -> Option<Schedule> {
    let Some(item) = fields.get("schedule") else {
        let zoned = of == Of::Defaults || base.cron.is_none() || base.timezone.is_some();
        if !zoned {
            let help =
                "add `schedule: { timezone: America/New_York }` to the feed or to `defaults`".to_owned();
            reader.problem(fields.key, &fields.path, NO_ZONE, Some(help));
        }
        return zoned.then(|| base.clone());
    };
    let own = reader.open(&item, SCHEDULE)?;
    let cron = optional(own.get("cron"), |item| cron(reader, item, crons));
    let zone = optional(own.get("timezone"), |item| timezone(reader, item));
    let jitter = optional(own.get("jitter"), |item| reader.duration(item, Duration::ZERO));
    let catch_up = optional(own.get("catch_up"), |item| reader.flag(item));
    let whole = Schedule {
        cron: cron?.or_else(|| base.cron.clone()),
        timezone: zone?.or(base.timezone),
        jitter: jitter?.or(base.jitter),
        catch_up: catch_up?.or(base.catch_up),
    };
    fits(reader, &own, &whole, of).then_some(whole)
}

pub(super) const NO_ZONE: &str = "nothing says in which time zone `cron` is meant";

/// Whether the parts go together.
fn fits(reader: &Reader, own: &Fields<'_>, whole: &Schedule, of: Of) -> bool {
    let Some(cron) = &whole.cron else {
        let mut right = true;
        for item in ["jitter", "catch_up"].into_iter().filter_map(|key| own.get(key)) {
            if of == Of::Feed {
                let name = item.path.rsplit('.').next().unwrap_or_default();
                let message = format!("`{name}` is for a `cron`, and there is none");
                let help = format!("add `cron: \"0 6 * * MON-FRI\"`, or remove `{name}`");
                reader.problem(item.key, &item.path, message, Some(help));
                right = false;
            }
        }
        return right;
    };
    let mut right = true;
    if of == Of::Feed && whole.timezone.is_none() {
        let help =
            "add `timezone: America/New_York` beside it, or to the `schedule` of `defaults`".to_owned();
        match own.get("cron") {
            Some(item) => reader.wrong(&item, NO_ZONE, &help),
            None => reader.problem(own.key, &own.path, NO_ZONE, Some(help)),
        }
        right = false;
    }
    if let Some(jitter) = whole.jitter
        && let Some(item) = own.get("jitter").or_else(|| own.get("cron"))
        && !cron.is_sparser_than(jitter)
    {
        let gap = shown(cron.shortest_gap());
        let message =
            format!("a `jitter` of {} is longer than the {gap} between two runs of `{cron}`", shown(jitter));
        reader.wrong(
            &item,
            message,
            &format!("write a jitter of at most `{gap}`, or a `cron` with fewer runs"),
        );
        right = false;
    }
    right
}

impl Schedule {
    /// The schedule of a feed; nothing when it is never run by itself.
    pub(super) fn settings(&self) -> Option<Settings> {
        Some(Settings {
            cron: self.cron.clone()?,
            timezone: self.timezone?,
            jitter: self.jitter.unwrap_or_default(),
            catch_up: self.catch_up.unwrap_or(true),
        })
    }
}

pub(super) fn cron(reader: &Reader, item: &Item<'_>, crons: &Crons) -> Option<Cron> {
    let text = reader.text(item)?;
    if let Some(cron) = crons.borrow().get(text) {
        return Some(cron.clone());
    }
    match text.parse::<Cron>() {
        Ok(cron) => {
            crons.borrow_mut().insert(text.to_owned(), cron.clone());
            Some(cron)
        }
        Err(error) => {
            reader.wrong(item, error.to_string(), error.help());
            None
        }
    }
}

/// A duration as it is written in the file, in the largest unit that is whole.
fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(24 * 60 * 60, 'd'), (60 * 60, 'h'), (60, 'm')];
    match units.iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit)) {
        Some((unit, letter)) => format!("{}{letter}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// Says once which feeds are never run by themselves.
pub(super) fn warn_unscheduled(reader: &Reader, names: &[&str]) {
    match names {
        [] => {}
        [name] => reader.warn(
            &format!("feeds.{name}"),
            &format!("no `schedule` with a `cron`: it runs only when somebody types `rosterd sync {name}`"),
        ),
        [first, second, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            reader.warn(
                "feeds",
                &format!(
                    "`{first}`, `{second}`{more} have no `schedule` with a `cron`: they run only when somebody types `rosterd sync`"
                ),
            );
        }
    }
}
