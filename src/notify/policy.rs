//! Should a person be told, and why: pure, and the same reason stands in the mail.

use super::{Incident, Kind};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why a mail is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is new, or came back after it was over, or nobody was told of it yet.
    Opened,
    /// What is the matter has changed.
    Changed,
    /// It has been open for another `remind_every`.
    Reminder,
    /// It is over.
    Recovered,
    /// Nobody asks about it any more: its feed is gone from the configuration.
    Withdrawn,
}

impl Reason {
    /// Whether nothing is left to be done.
    #[must_use]
    pub fn is_over(self) -> bool {
        match self {
            Self::Recovered | Self::Withdrawn => true,
            Self::Opened | Self::Changed | Self::Reminder => false,
        }
    }
}

/// What is known of an incident from before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// When it opened.
    pub opened: DateTime<Utc>,
    /// When its reason last changed.
    pub changed: DateTime<Utc>,
    /// When it was last mailed.
    pub mailed: Option<DateTime<Utc>>,
    /// Whether the last mail of it said that it is open.
    pub told_open: bool,
    /// When mails of it were made, the oldest first: those of the last day, also of before it last opened.
    pub recent: Vec<DateTime<Utc>>,
    /// Of the reason last seen; none when it cannot be read any more.
    pub reason_digest: Option<String>,
    /// When it was over.
    pub resolved: Option<DateTime<Utc>>,
    /// The Message-ID of its first mail.
    pub thread: Option<String>,
}

/// What is true of an incident now.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// It is open, and this is what is the matter.
    Open(&'a Incident),
    /// It is over.
    Over(Reason),
}

/// So many mails of one incident within a day are one that comes and goes.
const FLAPPING: usize = 6;
/// An incident that came and went is told again when it has stood still for so long.
const STOOD_STILL: TimeDelta = TimeDelta::hours(1);
/// Mails of an incident are counted for so long.
pub(super) const LATELY: TimeDelta = TimeDelta::days(1);

/// Whether an incident of this kind, as it is at `now`, is worth a mail, and why: one when it opens, one when its
/// reason changes, a reminder each `remind_every`, one when it is over. A number or a person that changes under the
/// same reason waits for the reminder.
///
/// What was told last is compared with what is true, so that a mail that could not be made, or was kept back because
/// the incident came and went, is due until it is made. Nobody hears of an end who did not hear of the beginning.
#[must_use]
pub fn needs_mail(
    kind: Kind,
    sight: Sight<'_>,
    history: Option<&History>,
    now: DateTime<Utc>,
    remind_every: Duration,
) -> Option<Reason> {
    let Some(history) = history else {
        return match sight {
            Sight::Open(_) => Some(Reason::Opened),
            Sight::Over(_) => None,
        };
    };
    let (reason, turned) = match sight {
        // What is over for the first time now has not been recorded as such.
        Sight::Over(reason) => (history.told_open.then_some(reason), history.resolved.unwrap_or(now)),
        Sight::Open(incident) => {
            let same = history.reason_digest.as_ref() == Some(&incident.reason_digest());
            let reason = if history.told_open {
                open_and_told(kind, same, history, now, remind_every)
            } else {
                Some(Reason::Opened)
            };
            // Or it comes back, or changes, at this moment.
            let stands = same && history.resolved.is_none();
            (reason, if stands { history.opened.max(history.changed) } else { now })
        }
    };
    reason.filter(|_| kind.is_urgent() || !comes_and_goes(history, turned, now))
}

/// Of an incident of which the last mail said that it is open; `same` says that its reason has not changed.
fn open_and_told(
    kind: Kind,
    same: bool,
    history: &History,
    now: DateTime<Utc>,
    remind_every: Duration,
) -> Option<Reason> {
    let Some(mailed) = history.mailed else { return Some(Reason::Opened) };
    // A change of which no mail could be made stays a change until one is.
    if !same || history.changed > mailed {
        return Some(Reason::Changed);
    }
    let every = TimeDelta::from_std(remind_every).unwrap_or(TimeDelta::MAX);
    let since = now.signed_duration_since(mailed);
    // A clock that was wrong and went back must not silence an open incident for years.
    let due = since >= every || since <= every.checked_mul(-1).unwrap_or(TimeDelta::MIN);
    let quiet = now.signed_duration_since(history.opened) < quiet_for(kind);
    (due && !quiet).then_some(Reason::Reminder)
}

/// Whether there were mails enough of it today, and it does not stand still yet: it turned last at `turned`.
fn comes_and_goes(history: &History, turned: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let lately = history.recent.iter().filter(|mailed| now.signed_duration_since(**mailed) < LATELY).count();
    lately >= FLAPPING && now.signed_duration_since(turned) < STOOD_STILL
}

/// For how long after it opened an incident is not mailed again while it stays the same: a carried record
/// is reminded of from day 7 (`config.md`, `carry_forward_for`), an end that comes
/// nearer only at its steps.
fn quiet_for(kind: Kind) -> TimeDelta {
    if kind == Kind::RowsCarried {
        TimeDelta::days(7)
    } else if !is_reminded(kind) {
        TimeDelta::MAX
    } else {
        TimeDelta::zero()
    }
}

/// Whether an open incident of the kind is mailed again each `remind_every`. Of an end that comes nearer each step is
/// told as a change, and there is nothing else to say.
pub(super) fn is_reminded(kind: Kind) -> bool {
    kind != Kind::SecretExpiring
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + hours * 3600, 0).unwrap()
    }

    /// An incident that opened at hour 0 with the reason `a`.
    fn history(mailed: Option<i64>, changed: i64, resolved: Option<i64>) -> History {
        History {
            opened: at(0),
            changed: at(changed),
            mailed: mailed.map(at),
            told_open: mailed.is_some() && resolved.is_none(),
            recent: mailed.map(at).into_iter().collect(),
            reason_digest: Some(Incident::new(Kind::Held, "a").reason_digest()),
            resolved: resolved.map(at),
            thread: mailed.map(|_| "<1@x>".to_owned()),
        }
    }

    type Known = Option<(Option<i64>, i64, Option<i64>)>;

    fn verdict(kind: Kind, reason: &str, known: Known, hour: i64, every: Duration) -> Option<Reason> {
        let history = known.map(|(mailed, changed, resolved)| history(mailed, changed, resolved));
        let incident = Incident::new(kind, reason);
        needs_mail(kind, Sight::Open(&incident), history.as_ref(), at(hour), every)
    }

    #[test]
    fn every_case_of_an_open_incident() {
        use Reason::{Changed, Opened, Reminder};
        const UNMAILED: Known = Some((None, 0, None));
        const OPEN: Known = Some((Some(0), 0, None));
        const OVER: Known = Some((Some(0), 0, Some(1)));
        let cases: [(&str, &str, Known, i64, Option<Reason>); 13] = [
            ("new", "a", None, 0, Some(Opened)),
            ("known, never mailed", "a", UNMAILED, 1, Some(Opened)),
            ("never mailed, changed", "b", UNMAILED, 1, Some(Opened)),
            ("came back", "a", OVER, 2, Some(Opened)),
            ("came back changed", "b", OVER, 2, Some(Opened)),
            ("seen at once again", "a", OPEN, 0, None),
            ("same after 23 h", "a", OPEN, 23, None),
            ("same after 24 h", "a", OPEN, 24, Some(Reminder)),
            ("reminded", "a", Some((Some(24), 0, None)), 25, None),
            ("other reason", "b", OPEN, 1, Some(Changed)),
            ("unsent", "a", Some((Some(0), 1, None)), 2, Some(Changed)),
            ("clock back", "a", Some((Some(3), 0, None)), 2, None),
            ("far back", "a", Some((Some(99), 0, None)), 2, Some(Reminder)),
        ];
        for (name, reason, known, hour, expected) in cases {
            assert_eq!(verdict(Kind::Held, reason, known, hour, DAY), expected, "{name}");
        }
        assert_eq!(verdict(Kind::Held, "a", OPEN, 9999, Duration::MAX), None);
    }

    #[test]
    fn every_case_of_an_end() {
        let over = |kind, history: Option<&History>, hour| {
            needs_mail(kind, Sight::Over(Reason::Recovered), history, at(hour), DAY)
        };
        let told = history(Some(0), 0, None);
        assert_eq!(over(Kind::Held, Some(&told), 1), Some(Reason::Recovered));
        assert_eq!(over(Kind::Held, None, 1), None, "nobody knows of it");
        assert_eq!(over(Kind::Held, Some(&history(None, 0, None)), 1), None, "nobody was told of it");
        assert_eq!(over(Kind::Held, Some(&history(Some(0), 0, Some(1))), 2), None, "its end was told");
        let owed = History { resolved: Some(at(1)), ..told.clone() };
        assert_eq!(over(Kind::Held, Some(&owed), 2), Some(Reason::Recovered), "its end could not be told");
        let withdrawn = needs_mail(Kind::Held, Sight::Over(Reason::Withdrawn), Some(&told), at(1), DAY);
        assert_eq!(withdrawn, Some(Reason::Withdrawn));
    }

    #[test]
    fn what_comes_and_goes_is_told_when_it_has_stood_still() {
        let often = |told_open, resolved: Option<i64>| History {
            told_open,
            recent: [0, 0, 1, 1, 2, 3].map(at).to_vec(),
            opened: at(3),
            changed: at(3),
            mailed: Some(at(3)),
            ..history(Some(3), 3, resolved)
        };
        let incident = Incident::new(Kind::SourceFailed, "a");
        let seen = |kind, history: &History, minutes: i64| {
            let now = at(3) + TimeDelta::minutes(minutes);
            needs_mail(kind, Sight::Open(&incident), Some(history), now, DAY)
        };
        let over = |history: &History, minutes: i64| {
            let now = at(3) + TimeDelta::minutes(minutes);
            needs_mail(Kind::SourceFailed, Sight::Over(Reason::Recovered), Some(history), now, DAY)
        };
        // The seventh mail of a day waits, whatever it would say.
        assert_eq!(over(&often(true, None), 10), None);
        assert_eq!(seen(Kind::SourceFailed, &often(false, Some(3)), 10), None);
        assert_eq!(seen(Kind::SourceFailed, &often(false, None), 59), None);
        // What has stood still for an hour is told as it is.
        assert_eq!(seen(Kind::SourceFailed, &often(false, None), 60), Some(Reason::Opened));
        assert_eq!(over(&often(true, Some(3)), 60), Some(Reason::Recovered));
        // What cannot wait does not, and a day later nothing is counted any more.
        assert_eq!(seen(Kind::CoverageLost, &often(false, Some(3)), 10), Some(Reason::Opened));
        assert_eq!(over(&often(true, None), 24 * 60), Some(Reason::Recovered));
    }

    #[test]
    fn a_carried_record_is_reminded_of_from_day_7() {
        let known = Some((Some(0), 0, None));
        assert_eq!(verdict(Kind::RowsCarried, "a", known, 6 * 24, DAY), None);
        assert_eq!(verdict(Kind::RowsCarried, "b", known, 1, DAY), Some(Reason::Changed));
        let found = verdict(Kind::RowsCarried, "a", known, 7 * 24, DAY);
        assert_eq!(found, Some(Reason::Reminder));
    }

    #[test]
    fn an_end_that_comes_nearer_is_told_at_its_steps_alone() {
        let known = Some((Some(0), 0, None));
        assert_eq!(verdict(Kind::SecretExpiring, "a", known, 9_999, DAY), None);
        assert_eq!(verdict(Kind::SecretExpiring, "b", known, 1, DAY), Some(Reason::Changed));
    }

    #[test]
    fn what_only_counts_differently_waits_for_the_reminder() {
        let mut incident = Incident::new(Kind::Held, "a");
        incident.counts.push(("removed".into(), 13));
        let known = history(Some(0), 0, None);
        assert_eq!(needs_mail(Kind::Held, Sight::Open(&incident), Some(&known), at(1), DAY), None);
    }
}
