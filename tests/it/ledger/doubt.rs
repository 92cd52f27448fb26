//! What is not known for certain, and what an attempt leaves behind that others need.

use super::*;
use rosterd::roster::{Certainty, Doubt};

fn doubt(ledger: &Ledger) -> Option<Doubt> {
    match ledger.coverage(&group()).unwrap().certainty {
        Certainty::Uncertain(doubt) => Some(doubt),
        Certainty::FirstSync | Certainty::Confirmed => None,
    }
}

fn owed(ledger: &Ledger) -> bool {
    ledger.repeat_owed(&group()).unwrap()
}

fn begin(ledger: &Ledger, ids: std::ops::Range<usize>) -> AttemptId {
    let attempt = intend(ledger, &people(ids, 1), None).unwrap();
    submit(ledger, attempt);
    attempt
}

fn lose(ledger: &Ledger, ids: std::ops::Range<usize>) {
    let attempt = intend(ledger, &people(ids, 1), None).unwrap();
    step(ledger, attempt, &Event::Connected);
    step(ledger, attempt, &unclear());
}

fn refuse(ledger: &Ledger, ids: std::ops::Range<usize>) -> AttemptId {
    let attempt = intend(ledger, &people(ids, 1), None).unwrap();
    step(ledger, attempt, &Event::Connected);
    step(ledger, attempt, &Event::Refused { status: 400, message: "no".to_owned(), trace_id: None });
    attempt
}

#[test]
fn a_doubt_says_its_kind_and_only_a_completion_clears_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..3, 1));
    assert_eq!(doubt(&ledger), None);
    let slow = begin(&ledger, 0..4);
    step(&ledger, slow, &Event::GaveUp);
    assert!(matches!(doubt(&ledger), Some(Doubt::TimedOut(_))));
    lose(&ledger, 0..5);
    let lost = doubt(&ledger).unwrap();
    assert!(matches!(lost, Doubt::LostAnswer(_)));
    assert_eq!(lost.to_string(), "nobody knows what became of attempt 3: the answer was lost");
    refuse(&ledger, 0..6);
    let given_up = intend(&ledger, &people(0..6, 1), None).unwrap();
    step(&ledger, given_up, &Event::NotConnected { why: "down".to_owned() });
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!(doubt(&ledger), Some(lost), "neither a refusal nor a start clears it");
    sync(&ledger, &people(0..5, 1));
    assert_eq!(doubt(&ledger), None);
    ledger.complete(slow, &outcome(1, 0, &[]), at(9), Facts::default()).unwrap();
    assert!(matches!(doubt(&ledger), Some(Doubt::LateCompletion(_))));
    sync(&ledger, &people(0..5, 1));
    assert_eq!(doubt(&ledger), None);
}

#[test]
fn a_late_completion_does_not_hide_a_second_writer() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..3, 1));
    let slow = begin(&ledger, 0..4);
    step(&ledger, slow, &Event::GaveUp);
    sync(&ledger, &people(0..4, 1));
    sync(&ledger, &people(0..4, 1));
    assert!(!owed(&ledger));
    let meddled = begin(&ledger, 0..5);
    assert!(!ledger.complete(meddled, &outcome(7, 0, &[]), at(4), Facts::default()).unwrap());
    ledger.complete(slow, &outcome(1, 0, &[]), at(9), Facts::default()).unwrap();
    assert!(matches!(doubt(&ledger), Some(Doubt::SecondWriter(_))), "{:?}", doubt(&ledger));
}

#[test]
fn after_a_lost_answer_two_completions_are_owed_and_no_numbers_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    assert!(!owed(&ledger), "nothing is owed to a group that nobody knows");
    sync(&ledger, &people(0..3, 1));
    lose(&ledger, 0..5);
    assert!(owed(&ledger));
    refuse(&ledger, 0..5);
    sync(&ledger, &people(0..5, 1));
    assert!(owed(&ledger), "the lost roster may be applied after the fresh one");
    assert_eq!(doubt(&ledger), None);
    refuse(&ledger, 0..5);
    drop(ledger);
    let ledger = open(dir.path());
    assert!(owed(&ledger));
    let repeat = begin(&ledger, 0..5);
    let ours = outcome(2, 0, &[]);
    assert_eq!(ledger.check_counts(repeat, &ours).unwrap(), None, "what differs may be our own late roster");
    assert!(ledger.complete(repeat, &ours, at(9), Facts::default()).unwrap());
    assert!(!owed(&ledger));
    assert_eq!(doubt(&ledger), None);
    let next = begin(&ledger, 0..5);
    assert!(ledger.check_counts(next, &ours).unwrap().is_some(), "now they are compared again");
}

#[test]
fn a_new_loss_begins_anew_and_an_older_request_settles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..3, 1));
    let slow = begin(&ledger, 0..4);
    step(&ledger, slow, &Event::GaveUp);
    assert!(owed(&ledger));
    sync(&ledger, &people(0..4, 1));
    let lost = intend(&ledger, &people(0..5, 1), None).unwrap();
    step(&ledger, lost, &Event::Connected);
    recover(&ledger, at(4));
    ledger.complete(slow, &outcome(1, 0, &[]), at(5), Facts::default()).unwrap();
    sync(&ledger, &people(0..5, 1));
    assert!(owed(&ledger), "the first since the loss");
    sync(&ledger, &people(0..5, 1));
    assert!(!owed(&ledger));
    ledger.set_group_pin(&group(), &GroupId::new("grp_1").unwrap()).unwrap();
    lose(&ledger, 0..6);
    ledger.set_group_pin(&group(), &GroupId::new("grp_2").unwrap()).unwrap();
    assert!(!owed(&ledger), "another group at Vitable was never sent anything");
}

#[test]
fn every_record_of_a_payload_is_told_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let towns = |attempt| {
        let mut told = Vec::new();
        ledger.payload_records(attempt, &mut |record| {
            told.push((record.reference_id().to_owned(), record.get(Field::City).to_owned()));
        })?;
        told.sort();
        Ok::<_, LedgerError>(told)
    };
    let expected = |people: &[(String, u32)]| -> Vec<(String, String)> {
        let mut all: Vec<_> = people.iter().map(|(id, of)| (id.clone(), format!("Town {of}"))).collect();
        all.sort();
        all
    };
    let first = sync(&ledger, &people(0..200, 1));
    let mut second = people(3..200, 1);
    second[0].1 = 2;
    second.extend(people(200..205, 2));
    let flying = intend(&ledger, &second, None).unwrap();
    submit(&ledger, flying);
    assert_eq!(towns(first).unwrap(), expected(&people(0..200, 1)));
    assert_eq!(towns(flying).unwrap(), expected(&second), "base and difference, the newest of each");
    assert!(matches!(towns(AttemptId(9)), Err(LedgerError::Defect { .. })));
    step(&ledger, flying, &Event::GaveUp);
    assert_eq!(towns(flying).unwrap().len(), 202, "a request that timed out may still complete");
    let refused = refuse(&ledger, 0..3);
    let gone = towns(refused).unwrap_err();
    assert!(matches!(gone, LedgerError::RosterGone { attempt: 3, .. }), "{gone}");
    assert!(gone.is_about_the_group());
}

#[test]
fn attempts_are_found_by_their_run_and_a_group_by_its_newest_feed() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    assert_eq!(ledger.owner(&group()).unwrap(), None);
    ledger.set_group_pin(&group(), &GroupId::new("grp_1").unwrap()).unwrap();
    assert_eq!(ledger.owner(&group()).unwrap(), None, "a pin is no intent");
    let first = sync(&ledger, &people(0..3, 1));
    let second = refuse(&ledger, 0..4);
    assert_eq!(ledger.owner(&group()).unwrap(), Some(feed()));
    let other = FeedName::new("other").unwrap();
    let records = records(&people(0..3, 1));
    let mut members = records.iter().map(|record| IntentMember {
        record,
        plan: PlanId::new("pln_a").unwrap(),
        carried_since: None,
    });
    let intent = Intent {
        run: RunId(257),
        feed: &other,
        group: &group(),
        group_id: &GroupId::new("grp_1").unwrap(),
        members: &mut members,
        removed: &[],
        counts: Counts { removed: 4, moved: 2, ..Counts::default() },
        approval: None,
        half: false,
    };
    let third = ledger.intend(intent, at(1)).unwrap();
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!(ledger.owner(&group()).unwrap(), Some(other));
    let of = |run| -> Vec<AttemptId> {
        ledger.attempts_of_run(RunId(run)).unwrap().iter().map(|attempt| attempt.id).collect()
    };
    assert_eq!((of(1), of(257), of(2)), (vec![first, second], vec![third], vec![]));
    let counts = ledger.attempt(third).unwrap().unwrap().counts;
    assert_eq!((counts.removed, counts.moved), (4, 2), "who moves stays in the payload for now");
    let busy = intend(&ledger, &people(0..3, 1), None).unwrap_err();
    assert!(busy.is_about_the_group() && !LedgerError::DiskFull.is_about_the_group(), "{busy}");
}
