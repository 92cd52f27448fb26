//! Who belongs on the roster today: decided before anything else of the row is looked at (`design.md`, Fates).

use super::problem::Fault;
use super::words::Meaning;
use chrono::NaiveDate;

/// What a status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// In the list `covered`.
    Covered,
    /// In the list `ended`.
    Ended,
    /// In neither list.
    Unknown,
    /// Nothing there.
    Blank,
}

impl Meaning for Status {
    fn unlisted(self) -> bool {
        self == Self::Unknown
    }
}

/// The part of the eligibility that something is wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The status column.
    Status,
    /// The start.
    StartsOn,
    /// The end.
    EndsOn,
}

/// What status and dates say of a row together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Covered today.
    Covered,
    /// The person has left.
    Ended,
    /// The start lies ahead.
    StartsLater,
    /// It cannot be known.
    Unusable(Vec<(Part, Fault)>),
}

/// A date that may be blank or unreadable.
pub(super) type Day = Result<Option<NaiveDate>, Fault>;

/// Brings status and dates together; a part that is not configured is `None` or a blank date.
///
/// An end covers through its day whatever the status says by then. An end that has passed is ignored when a
/// later start follows: a new employment. What is unreadable makes the row unusable, unless the person has
/// ended under every reading of it.
pub(super) fn decide(status: Option<Status>, starts: Day, ends: Day, today: NaiveDate) -> Verdict {
    let mut faults = Vec::new();
    match status {
        Some(Status::Unknown) => faults.push((Part::Status, Fault::UnknownStatus)),
        Some(Status::Blank) => faults.push((Part::Status, Fault::BlankStatus)),
        Some(Status::Covered | Status::Ended) | None => {}
    }
    let end = ends.unwrap_or_else(|fault| {
        faults.push((Part::EndsOn, fault));
        None
    });
    let passed = end.is_some_and(|end| end < today);
    if faults.is_empty() && status == Some(Status::Ended) && (passed || end.is_none()) {
        return Verdict::Ended;
    }
    let start = starts.unwrap_or_else(|fault| {
        faults.push((Part::StartsOn, fault));
        None
    });
    let begins_anew = start.is_some_and(|start| end.is_some_and(|end| start > end));
    if !faults.is_empty() {
        return Verdict::Unusable(faults);
    }
    if passed && !begins_anew {
        return match status {
            Some(Status::Covered) => Verdict::Unusable(vec![(Part::EndsOn, Fault::EndedButCovered)]),
            Some(Status::Ended | Status::Unknown | Status::Blank) | None => Verdict::Ended,
        };
    }
    if start.is_some_and(|start| start > today) {
        return Verdict::StartsLater;
    }
    Verdict::Covered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::Rule;

    const BAD: Fault = Fault::Rule(Rule::NotADate);

    fn day(offset: i64) -> Day {
        let today = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        Ok(Some(today + chrono::Duration::days(offset)))
    }

    #[test]
    fn every_combination_of_status_and_dates_has_its_verdict() {
        use Status::{Blank, Covered, Ended, Unknown};
        use Verdict::{Covered as In, Ended as Out, StartsLater as Later};
        let bad = |faults: &[(Part, Fault)]| Verdict::Unusable(faults.to_vec());
        let none: Day = Ok(None);
        let cases: Vec<(Option<Status>, Day, Day, Verdict)> = vec![
            (None, none, none, In),
            (Some(Covered), none, none, In),
            (Some(Ended), none, none, Out),
            // The end's day itself is covered, and the status does not matter until it has passed.
            (Some(Ended), none, day(0), In),
            (Some(Ended), none, day(9), In),
            (Some(Ended), none, day(-1), Out),
            (None, none, day(0), In),
            (None, none, day(-1), Out),
            // A start on the day counts, a later one does not.
            (Some(Covered), day(0), none, In),
            (Some(Covered), day(1), none, Later),
            (None, day(1), none, Later),
            (Some(Ended), day(1), none, Out),
            (Some(Ended), day(1), day(9), Later),
            // A new employment: the old end is ignored.
            (Some(Covered), day(-1), day(-9), In),
            (None, day(-1), day(-9), In),
            (None, day(3), day(-9), Later),
            (Some(Ended), day(-1), day(-9), Out),
            // What cannot be read removes nobody.
            (Some(Unknown), none, none, bad(&[(Part::Status, Fault::UnknownStatus)])),
            (Some(Unknown), none, day(-1), bad(&[(Part::Status, Fault::UnknownStatus)])),
            (Some(Blank), none, none, bad(&[(Part::Status, Fault::BlankStatus)])),
            (Some(Covered), none, Err(BAD), bad(&[(Part::EndsOn, BAD)])),
            (Some(Ended), none, Err(BAD), bad(&[(Part::EndsOn, BAD)])),
            (None, none, Err(BAD), bad(&[(Part::EndsOn, BAD)])),
            (None, Err(BAD), day(-1), bad(&[(Part::StartsOn, BAD)])),
            (Some(Covered), Err(BAD), none, bad(&[(Part::StartsOn, BAD)])),
            // Ended however the start would read.
            (Some(Ended), Err(BAD), none, Out),
            (Some(Ended), Err(BAD), day(-1), Out),
            (
                Some(Unknown),
                Err(BAD),
                Err(BAD),
                bad(&[(Part::Status, Fault::UnknownStatus), (Part::EndsOn, BAD), (Part::StartsOn, BAD)]),
            ),
        ];
        let today = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        for (status, starts, ends, expected) in cases {
            let found = decide(status, starts, ends, today);
            assert_eq!(found, expected, "{status:?} {starts:?} {ends:?}");
        }
    }

    #[test]
    fn a_covered_status_contradicts_a_past_end_without_a_later_start() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        let contradiction = Verdict::Unusable(vec![(Part::EndsOn, Fault::EndedButCovered)]);
        for starts in [Ok(None), day(-9), day(-1)] {
            let found = decide(Some(Status::Covered), starts, day(-1), today);
            assert_eq!(found, contradiction, "{starts:?}");
        }
    }

    #[test]
    fn every_combination_that_is_not_plainly_ended_keeps_the_person() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        let days = [Ok(None), Err(BAD), day(-2), day(-1), day(0), day(1)];
        let statuses =
            [None, Some(Status::Covered), Some(Status::Ended), Some(Status::Unknown), Some(Status::Blank)];
        for status in statuses {
            for starts in days {
                for ends in days {
                    let found = decide(status, starts, ends, today);
                    let passed = matches!(ends, Ok(Some(end)) if end < today);
                    let says_so = status == Some(Status::Ended) && (passed || ends == Ok(None))
                        || status.is_none() && passed;
                    assert!(found != Verdict::Ended || says_so, "{status:?} {starts:?} {ends:?}");
                }
            }
        }
    }
}
