//! Should a person be told, and why: pure, and the same reason stands in the mail.

use super::{Incident, Kind};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// Why a mail is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Of the reason last seen; none when it cannot be read any more.
    pub reason_digest: Option<String>,
    /// When it was over.
    pub resolved: Option<DateTime<Utc>>,
    /// The Message-ID of its first mail.
    pub thread: Option<String>,
}

/// Whether this incident, seen at `now`, is worth a mail, and why: one when it opens, one when its reason
/// changes, a reminder each `remind_every`. A number or a person that changes under the same reason waits for
/// the reminder.
#[must_use]
pub fn needs_mail(
    incident: &Incident,
    history: Option<&History>,
    now: DateTime<Utc>,
    remind_every: Duration,
) -> Option<Reason> {
    let Some(history) = history.filter(|history| history.resolved.is_none()) else {
        return Some(Reason::Opened);
    };
    let Some(mailed) = history.mailed else {
        return Some(Reason::Opened);
    };
    // A change of which no mail could be made stays a change until one is.
    if history.reason_digest.as_ref() != Some(&incident.reason_digest()) || history.changed > mailed {
        return Some(Reason::Changed);
    }
    let every = TimeDelta::from_std(remind_every).unwrap_or(TimeDelta::MAX);
    let since = now.signed_duration_since(mailed);
    // A clock that was wrong and went back must not silence an open incident for years.
    let due = since >= every || since <= every.checked_mul(-1).unwrap_or(TimeDelta::MIN);
    let quiet = now.signed_duration_since(history.opened) < quiet_for(incident.kind);
    (due && !quiet).then_some(Reason::Reminder)
}

/// Whether the end of an open incident is worth a mail: only when a mail told of its beginning.
#[must_use]
pub fn worth_its_end(history: &History) -> bool {
    history.resolved.is_none() && history.mailed.is_some()
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
            reason_digest: Some(Incident::new(Kind::Held, "a").reason_digest()),
            resolved: resolved.map(at),
            thread: mailed.map(|_| "<1@x>".to_owned()),
        }
    }

    type Known = Option<(Option<i64>, i64, Option<i64>)>;

    fn verdict(kind: Kind, reason: &str, known: Known, hour: i64, every: Duration) -> Option<Reason> {
        let history = known.map(|(mailed, changed, resolved)| history(mailed, changed, resolved));
        needs_mail(&Incident::new(kind, reason), history.as_ref(), at(hour), every)
    }

    #[test]
    fn every_case_of_the_policy() {
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
    fn the_end_is_told_to_those_who_were_told_of_the_beginning() {
        assert!(worth_its_end(&history(Some(0), 0, None)));
        assert!(!worth_its_end(&history(None, 0, None)));
        assert!(!worth_its_end(&history(Some(0), 0, Some(1))));
    }

    #[test]
    fn what_only_counts_differently_waits_for_the_reminder() {
        let mut incident = Incident::new(Kind::Held, "a");
        incident.counts.push(("removed".into(), 13));
        assert_eq!(needs_mail(&incident, Some(&history(Some(0), 0, None)), at(1), DAY), None);
    }
}
