//! A cron pattern of five fields. croner walks the calendar; which wall times are run on the days of a clock
//! change is decided here.

use super::field::FIELDS;
use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use std::{fmt, str::FromStr, sync::Arc, time::Duration};

/// When something is due, by the wall clock: minute, hour, day of the month, month, day of the week. When both days
/// are given, either is enough, as in cron. It is due at some time: a date that never comes is not one of these.
#[derive(Clone, PartialEq, Eq)]
pub struct Cron(Arc<Parsed>);

#[derive(PartialEq, Eq)]
struct Parsed {
    /// One blank between the fields, names in capitals.
    text: String,
    calendar: croner::Cron,
    /// Hours and minutes are listed: each is run once a day, also on the days of a clock change.
    listed: bool,
    minutes: u64,
    hours: u64,
}

/// Why a text is not a cron pattern, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CronError {
    pub(super) message: String,
    pub(super) help: String,
}

impl CronError {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }

    /// What to do.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }
}

/// What other crons take for five fields.
const WORDS: &[(&str, &str)] = &[
    ("@HOURLY", "0 * * * *"),
    ("@DAILY", "0 0 * * *"),
    ("@MIDNIGHT", "0 0 * * *"),
    ("@WEEKLY", "0 0 * * SUN"),
    ("@MONTHLY", "0 0 1 * *"),
    ("@YEARLY", "0 0 1 1 *"),
    ("@ANNUALLY", "0 0 1 1 *"),
];

const EXAMPLE: &str =
    "write minute, hour, day of the month, month and day of the week, such as `0 6 * * MON-FRI`";

/// No clock has ever gone forward further than this.
const LONGEST_GAP: i32 = 48 * 60;
/// Wall times within a repeated stretch of a clock, at most one a minute: a day of them.
const MOST_REPEATED: usize = 24 * 60 + 1;

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let text = text.to_ascii_uppercase();
        let parts: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts.as_slice() else {
            return Err(not_five(&parts));
        };
        let mut values = [0; 5];
        for ((field, part), values) in FIELDS.iter().zip(&parts).zip(&mut values) {
            *values = field.values(part)?;
        }
        let [minutes, hours, _, _, _] = values;
        // `*/2` beside a Monday: some crons take both, some either, and nobody remembers which.
        let stepped = |part: &str| part.contains('*') && part != "*";
        if (stepped(day) && *weekday != "*") || (stepped(weekday) && *day != "*") {
            return Err(CronError::new(
                "a day of the month and a day of the week, one of them with `*/`: crons differ in what that means",
                "list the days, such as `1,3,5`: then either of the two is enough; or leave one of them `*`",
            ));
        }
        let text = parts.join(" ");
        let calendar = croner::parser::CronParser::builder()
            .seconds(croner::parser::Seconds::Disallowed)
            .year(croner::parser::Year::Disallowed)
            .build()
            .parse(&text)
            .map_err(|_| CronError::new("this is not a cron pattern", EXAMPLE))?;
        let listed = !minute.contains('*') && !hour.contains('*');
        let cron = Self(Arc::new(Parsed { text, calendar, listed, minutes, hours }));
        if cron.next_wall(epoch()).is_none() {
            let message = format!("day {day} never comes in month {month}: nothing would ever run");
            return Err(CronError::new(message, "write a day that the month has"));
        }
        Ok(cron)
    }
}

fn not_five(parts: &[&str]) -> CronError {
    match parts {
        [] => CronError::new("expected five fields, found nothing", EXAMPLE),
        [word] if word.starts_with('@') => {
            let known = WORDS.iter().find(|(known, _)| known == word);
            let help = known.map_or(EXAMPLE.to_owned(), |(_, five)| format!("write `{five}`"));
            CronError::new("expected five fields, found a word", help)
        }
        [_, five @ ..] if five.len() == 5 => CronError::new(
            "expected five fields, found six: seconds and years are not for a roster",
            format!("if the first one is the seconds, write `{}`", five.join(" ")),
        ),
        parts => CronError::new(format!("expected five fields, found {}", parts.len()), EXAMPLE),
    }
}

/// From here on every four hundred years are alike.
fn epoch() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(1999, 12, 31).unwrap_or_default().and_time(chrono::NaiveTime::MIN)
}

impl Cron {
    /// The next matching wall time, in no zone.
    fn next_wall(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        self.0.calendar.find_next_occurrence(&after, false).ok()
    }

    pub(super) fn next_after(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let local = after.with_timezone(&zone);
        if !self.0.listed {
            return self.0.calendar.find_next_occurrence(&local, false).ok().map(|next| next.to_utc());
        }
        let mut wall = local.naive_local();
        for _ in 0..MOST_REPEATED {
            wall = self.next_wall(wall)?;
            // Not after: a wall time of the first pass, seen from the second.
            let instant = once(zone, wall)?;
            if instant > after {
                return Some(instant);
            }
        }
        None
    }

    /// The shortest time between two wall times of the pattern, to the minute.
    #[must_use]
    pub fn shortest_gap(&self) -> Duration {
        let (within, over_night) = self.gaps();
        match within {
            Some(within) if within <= over_night => minutes(within),
            within => {
                let over_days = self.over_days(within.unwrap_or(i64::MAX));
                minutes(over_days)
            }
        }
    }

    /// Whether runs that begin this much later never change places with the next ones.
    #[must_use]
    pub fn is_sparser_than(&self, jitter: Duration) -> bool {
        let (within, over_night) = self.gaps();
        jitter <= minutes(within.unwrap_or(i64::MAX).min(over_night)) || jitter <= self.shortest_gap()
    }

    /// Minutes between two wall times of one day, and from the last to the first of the day after.
    fn gaps(&self) -> (Option<i64>, i64) {
        let at = |hour: i64, minute: i64| {
            ((self.0.hours >> hour) & 1 == 1 && (self.0.minutes >> minute) & 1 == 1)
                .then_some(hour * 60 + minute)
        };
        let times = (0..24).flat_map(|hour| (0..60).filter_map(move |minute| at(hour, minute)));
        let (mut first, mut last, mut within) = (None, None, None::<i64>);
        for time in times {
            first = first.or(Some(time));
            if let Some(last) = last {
                within = Some(within.map_or(time - last, |within| within.min(time - last)));
            }
            last = Some(time);
        }
        (within, 24 * 60 - last.unwrap_or_default() + first.unwrap_or_default())
    }

    /// The same over the days that the pattern really has, within a leap year's cycle.
    fn over_days(&self, within: i64) -> i64 {
        let end = epoch() + TimeDelta::days(8 * 366);
        let mut shortest = within;
        let mut before: Option<NaiveDateTime> = None;
        let mut at = epoch();
        for _ in 0..20_000 {
            let Some(next) = self.next_wall(at).filter(|next| *next < end) else { break };
            if let Some(before) = before {
                shortest = shortest.min((next - before).num_minutes());
            }
            before = Some(next);
            at = next;
        }
        // Once in eight years and less often: any jitter will do.
        shortest.min(8 * 366 * 24 * 60)
    }
}

fn minutes(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or_default().saturating_mul(60))
}

/// The one instant of a wall time: the first of two, and where there is none the first moment after the gap.
fn once(zone: Tz, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
    for late in 0..LONGEST_GAP {
        let wall = wall.checked_add_signed(TimeDelta::minutes(i64::from(late)))?;
        match zone.from_local_datetime(&wall) {
            LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => {
                return Some(instant.to_utc());
            }
            LocalResult::None => {}
        }
    }
    None
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({:?})", self.0.text)
    }
}
