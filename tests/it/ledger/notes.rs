//! Runs, reads, incidents and mails.

use super::*;
use rosterd::ledger::{
    AcceptedRead, Consequence, ReadReport, RowProblem, RunOutcome, RunResult, StoredIncident, StoredMail,
    Trigger,
};
use rosterd::roster::{Problem, RowAt, Rule};

fn incident(key: &str, resolved: Option<DateTime<Utc>>) -> StoredIncident {
    StoredIncident {
        key: key.to_owned(),
        body: serde_json::json!({ "kind": "held", "group": "acme-all" }),
        opened: at(0),
        changed: at(0),
        mailed: None,
        thread: None,
        mails: 1,
        resolved,
        told_open: false,
        recent: Vec::new(),
    }
}

fn mail(id: &str, queued: DateTime<Utc>) -> StoredMail {
    let message = "Subject: held\r\n\r\nlook\r\n".repeat(2000);
    StoredMail::new(id.to_owned(), vec!["ops@partner.example".to_owned()], message, queued)
}

#[test]
fn a_run_is_durable_from_its_start_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let other = FeedName::new("other").unwrap();
    let mut first = ledger.begin_run(&feed(), Trigger::Sync, at(0)).unwrap();
    let second = ledger.begin_run(&other, Trigger::Schedule, at(1)).unwrap();
    assert_eq!((first.id, second.id), (RunId(1), RunId(2)));
    let problem = |record| RowProblem {
        since: None,
        at: RowAt { source: 0, record, line: record + 1 },
        reference_id: Some(id(&format!("e-{record}"))),
        consequence: Consequence::Carried,
        problems: vec![Problem {
            field: Some(Field::Phone),
            column: "Mobile Phone".into(),
            what: Rule::NotAPhone.expected().into(),
            rule: Some(Rule::NotAPhone),
        }],
    };
    first.read = Some(ReadReport {
        rows: 10_000,
        problems: (1..10_000).map(problem).collect(),
        ..ReadReport::default()
    });
    ledger.save_run(&first).unwrap();
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!(ledger.open_runs().unwrap(), [first.clone(), second.clone()]);
    assert!(ledger.end_run(&first, Facts::default()).is_err(), "an end has a time");
    first.ended = Some(at(9));
    first.result = Some(RunResult { outcome: RunOutcome::Held, summary: "one group is held".to_owned() });
    let facts = Facts {
        incidents: vec![incident("held/acme", None)],
        mails: vec![mail("m1", at(9))],
        ..Facts::default()
    };
    ledger.end_run(&first, facts).unwrap();
    assert!(ledger.save_run(&first).is_err(), "an ended run does not change");
    assert_eq!(ledger.open_runs().unwrap(), std::slice::from_ref(&second));
    assert_eq!(ledger.run(RunId(1)).unwrap(), Some(first.clone()));
    assert_eq!(ledger.run(RunId(3)).unwrap(), None);
    assert_eq!(ledger.runs(None, 1).unwrap(), [second]);
    assert_eq!(ledger.runs(Some(&feed()), 5).unwrap(), [first]);
    assert_eq!(ledger.incidents(true).unwrap().len(), 1);
    assert_eq!(ledger.outbox().unwrap().len(), 1);
    let long = std::fs::read_dir(dir.path().join("long")).unwrap().count();
    assert!(long >= 1, "a long value is a file, which is fsynced");
}

#[test]
fn incidents_open_and_end_and_mails_stay_until_they_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let facts = Facts {
        incidents: vec![incident("a", None), incident("b", None)],
        mails: vec![mail("late", at(2)), mail("early", at(1))],
        ..Facts::default()
    };
    ledger.record(facts).unwrap();
    let tried = StoredMail {
        tries: 1,
        next_try: Some(at(2)),
        blocks: true,
        put_off: 1,
        delivered: vec!["ops@partner.example".to_owned()],
        refused: vec!["duty@partner.example".to_owned()],
        last_error: Some("answers 451".to_owned()),
        ..mail("early", at(1))
    };
    let opened = Facts { incidents: vec![incident("mail", None)], mails: Vec::new(), ..Facts::default() };
    ledger.mail_waits(&tried, &opened).unwrap();
    ledger.mail_waits(&mail("unknown", at(1)), &Facts::default()).unwrap();
    drop(ledger);
    let ledger = open(dir.path());
    let late = StoredMail { place: 1, ..mail("late", at(2)) };
    assert_eq!(ledger.outbox().unwrap(), [tried, late.clone()]);
    assert_eq!(ledger.incident("mail").unwrap(), Some(incident("mail", None)));
    let over =
        Facts { incidents: vec![incident("mail", Some(at(3)))], mails: Vec::new(), ..Facts::default() };
    ledger.mail_settled("early", &over).unwrap();
    ledger.mail_settled("early", &Facts::default()).unwrap();
    assert_eq!(ledger.outbox().unwrap(), [late]);
    let over = Facts { incidents: vec![incident("a", Some(at(3)))], mails: Vec::new(), ..Facts::default() };
    ledger.record(over).unwrap();
    assert_eq!(ledger.incidents(true).unwrap(), [incident("b", None)]);
    assert_eq!(ledger.incidents(false).unwrap().len(), 3);
    assert_eq!(ledger.incident("a").unwrap(), Some(incident("a", Some(at(3)))));
    assert_eq!(ledger.incident("c").unwrap(), None);
}

#[test]
fn what_is_over_and_not_told_so_is_found_until_it_is_and_is_no_fault_of_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let facts = |told_open| Facts {
        incidents: vec![StoredIncident { told_open, ..incident("held/acme", Some(at(3))) }],
        ..Facts::default()
    };
    ledger.record(facts(true)).unwrap();
    assert!(ledger.incidents(true).unwrap().is_empty());
    assert!(ledger.open_incident("held/acme").unwrap().is_none());
    assert_eq!(ledger.untold_incidents("").unwrap().len(), 1);
    is_well(&ledger);
    ledger.record(facts(false)).unwrap();
    assert!(ledger.untold_incidents("").unwrap().is_empty());
    is_well(&ledger);
}

#[test]
fn a_mail_of_the_first_version_is_read_as_one_that_was_not_tried_by_this_one() {
    let first = r#"{"message_id":"<1@x>","to":["ops@partner.example"],"message":"m","queued":"2026-11-23T06:00:00Z","tries":3}"#;
    let mail: StoredMail = serde_json::from_str(first).unwrap();
    let fresh = StoredMail::new(mail.message_id.clone(), mail.to.clone(), "m".to_owned(), mail.queued);
    assert_eq!(mail, StoredMail { tries: 3, ..fresh });
}

#[test]
fn the_accepted_read_of_a_feed_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    assert_eq!(ledger.accepted_read(&feed()).unwrap(), None);
    let mut read = AcceptedRead::default();
    read.accept(7, &std::collections::BTreeMap::default(), [GroupRef::new("east").unwrap()]);
    ledger.set_accepted_read(&feed(), &read).unwrap();
    drop(ledger);
    assert_eq!(open(dir.path()).accepted_read(&feed()).unwrap(), Some(read));
}

#[test]
fn a_request_id_in_the_reserve_reaches_its_attempt_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let attempt = intend(&ledger, &people(0..3, 1), None).unwrap();
    step(&ledger, attempt, &Event::Connected);
    ledger.reserve_note("the disk is full").unwrap();
    ledger.reserve_accepted(attempt, &request(attempt)).unwrap();
    let refused = ledger.advance(attempt, &unclear(), at(3), Facts::default());
    assert!(matches!(refused, Err(LedgerError::Stopped { .. })), "the attempt is what the reserve says");
    let refused =
        ledger.record(Facts { incidents: vec![incident("a", None)], mails: Vec::new(), ..Facts::default() });
    assert!(matches!(refused, Err(LedgerError::Stopped { .. })));
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!(ledger.notes(), ["the disk is full", "accepted 1 grpmsr_1"]);
    assert!(recover(&ledger, at(4)).is_empty());
    let state = ledger.attempt(attempt).unwrap().unwrap().state;
    assert_eq!(state.request_id(), Some(&request(attempt)));
    drop(ledger);
    let ledger = open(dir.path());
    assert!(ledger.notes().is_empty());
    let full = (0..100_000).find_map(|_| ledger.reserve_note("again").err());
    assert_eq!(full.map(|error| error.kind()), Some(std::io::ErrorKind::StorageFull));
}

#[test]
fn a_stopped_state_keeps_each_accepted_request_id_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let attempt = intend(&ledger, &people(0..3, 1), None).unwrap();
    step(&ledger, attempt, &Event::Connected);
    ledger.reserve_note("nothing stops because of a note").unwrap();
    let impossible = ledger.advance(AttemptId(9), &accepted(attempt), at(2), Facts::default());
    assert!(matches!(impossible, Err(LedgerError::Defect { .. })));
    ledger.record(Facts::default()).unwrap();
    ledger.reserve_accepted(AttemptId(9), &request(AttemptId(9))).unwrap();
    let refused = ledger.advance(attempt, &accepted(attempt), at(2), Facts::default());
    assert!(matches!(refused, Err(LedgerError::Stopped { .. })));
    let full = (0..100_000).find_map(|_| ledger.reserve_note("again").err());
    assert!(full.is_some());
    let lost = ledger.advance(attempt, &accepted(attempt), at(2), Facts::default()).unwrap_err();
    assert!(
        matches!(lost, LedgerError::NotReserved { .. }) && lost.to_string().contains("grpmsr_1"),
        "{lost}"
    );
    drop(ledger);
    let ledger = open(dir.path());
    let ids = ledger.notes().iter().filter(|note| note.starts_with("accepted 1 "));
    assert_eq!(ids.count(), 1);
    assert_eq!(ledger.attempt(attempt).unwrap().unwrap().state.name(), "accepted");
}

#[test]
fn a_run_hands_over_to_its_successor_in_one_step() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let mut first = ledger.begin_run(&feed(), Trigger::Schedule, at(0)).unwrap();
    assert!(ledger.succeed_run(&first, Trigger::Recovery, at(1)).is_err(), "an end has a time");
    first.ended = Some(at(1));
    let second = ledger.succeed_run(&first, Trigger::Recovery, at(1)).unwrap();
    assert_eq!((second.id, second.trigger, &second.feed), (RunId(2), Trigger::Recovery, &feed()));
    assert!(ledger.succeed_run(&first, Trigger::Recovery, at(2)).is_err(), "it has a successor already");
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!(ledger.open_runs().unwrap(), std::slice::from_ref(&second));
    assert_eq!(ledger.runs(Some(&feed()), 9).unwrap(), [second, first]);
}

#[test]
fn the_start_tells_what_it_found_in_the_same_step() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let asked = ledger.recover(at(4), &mut |_| Err(LedgerError::DiskFull)).unwrap();
    assert!(asked.is_empty(), "where nothing changes there is nothing to tell");
    let attempt = intend(&ledger, &people(0..3, 1), None).unwrap();
    step(&ledger, attempt, &Event::Connected);
    assert!(ledger.recover(at(4), &mut |_| Err(LedgerError::DiskFull)).is_err());
    let untold = ledger.attempt(attempt).unwrap().unwrap().state;
    assert_eq!(untold.name(), "sent", "a state without its incident is not recorded");
    let mut seen = Vec::new();
    let changed = ledger.recover(at(4), &mut |changed| {
        seen = changed.to_vec();
        // What a mail says may depend on what is remembered.
        assert!(ledger.incidents(true)?.is_empty());
        Ok(Facts {
            incidents: vec![incident("lost", None)],
            mails: vec![mail("m", at(4))],
            ..Facts::default()
        })
    });
    let changed = changed.unwrap();
    assert_eq!(changed, seen);
    assert_eq!(changed, [ledger.attempt(attempt).unwrap().unwrap()]);
    assert_eq!((changed[0].state.name(), changed[0].changed_at), ("outcome unknown", at(4)));
    assert_eq!((ledger.incidents(true).unwrap().len(), ledger.outbox().unwrap().len()), (1, 1));
}
