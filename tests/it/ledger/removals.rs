//! What the guard's windows are counted from: who left by which attempt, and on whose word.

use super::{
    absent, accepted, at, group, id, intend, intend_at, open, outcome, people, step, submit, sync, unclear,
};
use chrono::{DateTime, TimeDelta, Utc};
use rosterd::{
    attempt::{Event, Operation},
    ledger::{AttemptId, Counts, Facts, Ledger},
    roster::{Departures, GroupId, Leaving, Past},
};

fn day(day: i64) -> DateTime<Utc> {
    at(day * 24 * 60)
}

fn finish(ledger: &Ledger, attempt: AttemptId, removed: u64, failures: &[(&str, Operation)], day_at: i64) {
    ledger.complete(attempt, &outcome(0, removed, failures), day(day_at), Facts::default()).unwrap();
}

fn names(past: &Past) -> Vec<(String, Leaving)> {
    past.left.iter().map(|left| (left.id.to_string(), left.how)).collect()
}

/// Intends a roster that these leave, each in his own way.
fn leave(ledger: &Ledger, stay: std::ops::Range<usize>, removed: &[Departures], now: i64) -> AttemptId {
    let counts = Counts { payload: stay.len() as u64, ..Counts::default() };
    super::leave(ledger, &people(stay, 1), (removed, counts), None, day(now)).unwrap()
}

#[test]
fn who_left_is_told_with_how_and_without_those_who_were_approved_or_moved() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..10, 1));
    let left = |how, approved, member: &str| Departures { how, approved, members: vec![id(member)] };
    let attempt = leave(
        &ledger,
        0..5,
        &[
            left(Leaving::Ended, false, "e-9"),
            left(Leaving::Ended, true, "e-8"),
            left(Leaving::Moved, false, "e-7"),
            left(Leaving::Absent, false, "e-6"),
            left(Leaving::Ineligible, false, "e-5"),
        ],
        1,
    );
    submit(&ledger, attempt);
    finish(&ledger, attempt, 4, &[("e-5", Operation::Remove)], 1);
    drop(ledger);
    let ledger = open(dir.path());
    let past = ledger.removals_since(&group(), day(0)).unwrap();
    assert_eq!(
        names(&past),
        [("e-9".to_owned(), Leaving::Ended), ("e-6".to_owned(), Leaving::Absent)],
        "e-5 was not removed"
    );
    assert_eq!(past.largest_since(day(0)), 5);
    assert!(ledger.removals_since(&group(), day(2)).unwrap().left.is_empty(), "that is long ago");
    // Another group at Vitable: who left the former one says nothing of this one.
    ledger.set_group_pin(&group(), &GroupId::new("grp_1").unwrap()).unwrap();
    ledger.set_group_pin(&group(), &GroupId::new("grp_2").unwrap()).unwrap();
    assert_eq!(ledger.removals_since(&group(), day(0)).unwrap(), Past::default());
}

#[test]
fn what_may_have_been_applied_counts_and_what_was_not_does_not() {
    let cases: [(&str, &[Event], usize); 5] = [
        ("on its way", &[Event::Connected], 1),
        ("lost", &[Event::Connected, unclear()], 1),
        ("timed out", &[Event::Connected, accepted(AttemptId(2)), Event::GaveUp], 1),
        ("not sent", &[Event::NotConnected { why: "no route".to_owned() }], 0),
        (
            "refused",
            &[Event::Connected, Event::Refused { status: 400, message: "no".to_owned(), trace_id: None }],
            0,
        ),
    ];
    for (name, events, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        sync(&ledger, &people(0..3, 1));
        let attempt = intend(&ledger, &people(0..2, 1), None).unwrap();
        for event in events {
            step(&ledger, attempt, event);
        }
        let past = ledger.removals_since(&group(), day(0)).unwrap();
        assert_eq!(past.left.len(), expected, "{name}");
    }
}

/// A request that timed out may finish days later: its removals are as old as its end.
#[test]
fn a_late_completion_counts_from_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..3, 1));
    let attempt = intend_at(&ledger, &people(0..2, 1), None, day(1)).unwrap();
    submit(&ledger, attempt);
    step(&ledger, attempt, &Event::GaveUp);
    finish(&ledger, attempt, 1, &[], 8);
    assert_eq!(ledger.removals_since(&group(), day(7)).unwrap().left.len(), 1);
    assert!(ledger.removals_since(&group(), day(9)).unwrap().left.is_empty());
}

#[test]
fn a_window_has_only_what_ended_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..60, 1));
    for n in 1..50_usize {
        let attempt = leave(&ledger, 0..60 - n, &absent(vec![id(&format!("e-{}", 60 - n))]), n as i64);
        submit(&ledger, attempt);
        finish(&ledger, attempt, 1, &[], n as i64);
    }
    let since = day(49) - TimeDelta::days(7);
    let past = ledger.removals_since(&group(), since).unwrap();
    assert_eq!(past.left.len(), 8, "the eighth is just seven days old");
    assert_eq!(past.largest_since(since), 18);
}
