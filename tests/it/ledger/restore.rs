//! A restored state knows less than Vitable does: every group is a first sync, and nothing of before acts.

use super::{
    care::{Work, die_at},
    *,
};
use rosterd::{
    attempt::State,
    ledger::{Hold, OpenError, Pin, Restore, RestoreError, StoredMail, Todo, Trigger, Word},
    roster::{Certainty, Doubt, OrganizationId},
};

/// A state of which everything is in a copy that must not act any more.
fn eventful(dir: &Path) -> Ledger {
    let ledger = open(dir);
    let organization = OrganizationId::new("org_1").unwrap();
    ledger.set_pin(&Pin { base_url: "https://api.vitable.example".to_owned(), organization }).unwrap();
    ledger.set_group_pin(&group(), &GroupId::new("grp_1").unwrap()).unwrap();
    let run = ledger.begin_run(&feed(), Trigger::Sync, at(0)).unwrap();
    sync(&ledger, &people(0..9, 1));
    let hold = Hold {
        run: run.id,
        last_run: run.id,
        feed: feed(),
        group: group(),
        digest: "d".to_owned(),
        held: Vec::new(),
        reasons: Vec::new(),
        approvable: true,
        since: at(4),
        word: None,
        expired: None,
    };
    ledger.put_holds(&[hold], &[], Facts::default()).unwrap();
    let word =
        Word { approved: true, by: "ann".to_owned(), reason: "seen".to_owned(), at: at(4), expires: None };
    ledger.say(&feed(), &group(), "d", word).unwrap().unwrap();
    let mail = StoredMail::new("m".to_owned(), Vec::new(), String::new(), at(0));
    ledger.record(Facts { incidents: Vec::new(), mails: vec![mail], ..Facts::default() }).unwrap();
    let todo = Todo {
        feed: feed(),
        source: "acme".to_owned(),
        place: "here".to_owned(),
        path: "/outbound/roster.csv".to_owned(),
        size: 1,
        modified: None,
        sha256: "00".to_owned(),
        marker: None,
        run: run.id,
    };
    let mut over = ledger.begin_run(&feed(), Trigger::Sync, at(0)).unwrap();
    over.ended = Some(at(5));
    ledger.end_run_owing(&over, &[todo], Facts::default()).unwrap();
    ledger
}

fn restored(dir: &Path) -> (rosterd::ledger::RestoreDone, Ledger) {
    let done = Restore::from_copy(dir, None).unwrap().commit(at(100)).unwrap();
    let ledger = open(dir);
    is_well(&ledger);
    (done, ledger)
}

fn doubted(ledger: &Ledger) -> bool {
    let certainty = ledger.coverage(&group()).unwrap().certainty;
    matches!(certainty, Certainty::Uncertain(Doubt::Repaired(_)))
}

#[test]
fn every_group_is_a_first_sync_and_no_word_mail_or_run_of_before_acts() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = eventful(dir.path());
    ledger.write_copy(at(50)).unwrap();
    // What comes after the copy is lost by the restore.
    let lost = intend(&ledger, &people(0..12, 2), None).unwrap();
    submit(&ledger, lost);
    let run = ledger.begin_run(&feed(), Trigger::Sync, at(60)).unwrap();
    drop(ledger);

    let restore = Restore::from_copy(dir.path(), None).unwrap();
    let forgotten: Vec<_> = restore.forgotten().iter().map(|each| each.request_id.clone()).collect();
    assert_eq!(forgotten, [Some(request(lost))], "what nobody asks for any more is said");
    drop(restore);
    let (done, ledger) = restored(dir.path());
    let voided = done.voided;
    assert_eq!((voided.groups, voided.holds, voided.words), (1, 1, 1));
    assert_eq!((voided.mails, voided.todos, voided.runs), (1, 1, 1));
    assert_eq!((voided.polled, voided.unknown), (0, 0));
    assert!(ledger.todos(None).unwrap().is_empty(), "a first sync may need the file again");
    assert!(done.aside.join("store/db").exists(), "the former state is set aside");
    assert!(doubted(&ledger));
    assert_eq!(covered(&ledger).len(), 9, "whoever was covered counts as covered");
    assert!(ledger.holds(None).unwrap().is_empty() && ledger.outbox().unwrap().is_empty());
    assert!(ledger.approvals(&feed(), &group(), at(5)).unwrap().is_empty());
    assert!(ledger.open_runs().unwrap().is_empty());
    let ended = &ledger.runs(None, 9).unwrap()[1];
    assert!(ended.result.as_ref().unwrap().summary.contains("not begun again"));
    assert_eq!(ledger.group_pin(&group()), Some(GroupId::new("grp_1").unwrap()));
    assert_eq!(ledger.pin().unwrap().base_url, "https://api.vitable.example");
    assert!(ledger.repeat_owed(&group()).unwrap(), "the lost request may be applied last");
    let other = GroupRef::new("came-after-the-copy").unwrap();
    let certainty = ledger.coverage(&other).unwrap().certainty;
    assert!(matches!(certainty, Certainty::Uncertain(Doubt::Repaired(_))), "it may have been synced since");

    // Numbers of after the copy stand in mails: they do not come again.
    assert!(ledger.begin_run(&feed(), Trigger::Sync, at(101)).unwrap().id.0 > run.id.0 + 900_000);
    let next = sync(&ledger, &people(0..7, 3));
    assert!(next.0 > lost.0 + 900_000);
    let certainty = ledger.coverage(&group()).unwrap().certainty;
    assert_eq!(
        (covered(&ledger).len(), certainty),
        (7, Certainty::Confirmed),
        "a completion makes it certain"
    );
    assert!(ledger.repeat_owed(&group()).unwrap());
    sync(&ledger, &people(0..7, 3));
    assert!(!ledger.repeat_owed(&group()).unwrap());
}

#[test]
fn what_was_in_flight_is_asked_for_and_confirms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = eventful(dir.path());
    let flying = intend(&ledger, &people(0..12, 2), None).unwrap();
    submit(&ledger, flying);
    ledger.write_copy(at(50)).unwrap();
    drop(ledger);
    let (done, ledger) = restored(dir.path());
    assert_eq!((done.voided.polled, done.voided.unknown), (1, 0));
    assert_eq!(ledger.attempts_in_flight().unwrap()[0].state.request_id(), Some(&request(flying)));
    assert!(matches!(intend(&ledger, &people(0..3, 1), None), Err(LedgerError::Busy { .. })));
    ledger.complete(flying, &outcome(3, 0, &[]), at(102), Facts::default()).unwrap();
    assert!(doubted(&ledger), "nobody knows what came after it");
    assert_eq!(covered(&ledger).len(), 12, "both rosters count");
    sync(&ledger, &people(0..4, 3));
    assert_eq!(ledger.coverage(&group()).unwrap().certainty, Certainty::Confirmed);
}

#[test]
fn what_was_prepared_may_have_been_sent_since() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = eventful(dir.path());
    let prepared = intend(&ledger, &people(0..12, 2), None).unwrap();
    ledger.write_copy(at(50)).unwrap();
    // It goes out after the copy, and its request id into the reserve alone.
    step(&ledger, prepared, &Event::Connected);
    drop(ledger);
    let (done, ledger) = restored(dir.path());
    assert_eq!((done.voided.polled, done.voided.unknown), (0, 1));
    let settled = recover(&ledger, at(103));
    assert!(matches!(settled[0].state, State::OutcomeUnknown { .. }), "never `not sent`");
    assert!(doubted(&ledger));
    assert_eq!(covered(&ledger).len(), 12);
}

#[test]
fn a_request_id_in_the_reserve_is_not_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = eventful(dir.path());
    let flying = intend(&ledger, &people(0..12, 2), None).unwrap();
    step(&ledger, flying, &Event::Connected);
    ledger.write_copy(at(50)).unwrap();
    ledger.reserve_accepted(flying, &request(flying)).unwrap();
    drop(ledger);
    let done = Restore::from_copy(dir.path(), None).unwrap().commit(at(100)).unwrap();
    assert_eq!(done.notes, [format!("accepted {} {}", flying.0, request(flying))]);
    let ledger = open(dir.path());
    assert_eq!(ledger.attempts_in_flight().unwrap()[0].state.request_id(), Some(&request(flying)));
}

#[test]
fn a_restore_that_is_killed_anywhere_leaves_the_former_or_the_restored_state() {
    let points = [
        ("ledger-after-restore-part", 1),
        ("ledger-after-restore-part", 2),
        ("ledger-after-restore-built", 1),
    ];
    for (point, times) in points.into_iter().chain((1..7).map(|times| ("ledger-after-restore-moved", times)))
    {
        let dir = tempfile::tempdir().unwrap();
        let ledger = eventful(dir.path());
        ledger.write_copy(at(50)).unwrap();
        sync(&ledger, &people(0..12, 2));
        drop(ledger);
        die_at(point, times, Work::Restore, dir.path());
        let ledger = open(dir.path());
        is_well(&ledger);
        let former = point == "ledger-after-restore-part";
        assert_eq!(
            (doubted(&ledger), covered(&ledger).len()),
            if former { (false, 12) } else { (true, 9) },
            "{point} {times}"
        );
        let aside = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let aside: Vec<_> =
            aside.filter(|path| path.display().to_string().contains("state.replaced-")).collect();
        assert_eq!(aside.len(), usize::from(!former), "{point} {times}");
        if !former {
            for part in ["store/db", "sequence", "rosters", "format", "reserve", "long"] {
                assert!(aside[0].join(part).exists(), "{point} {times}: `{part}` is kept");
            }
        }
        drop(ledger);
        // And it can be done again.
        restored(dir.path());
    }
}

#[test]
fn a_state_in_use_is_not_restored_and_a_missing_copy_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = eventful(dir.path());
    let error = Restore::from_copy(dir.path(), None).unwrap_err();
    assert!(matches!(error, RestoreError::Open(OpenError::InUse { .. })), "{error}");
    drop(ledger);
    let error = Restore::from_copy(dir.path(), None).unwrap_err();
    assert!(error.to_string().contains("rosterd state restore FILE"), "{error}");
    // The newest copy is broken: the one before is taken, and that is said.
    let ledger = open(dir.path());
    ledger.write_copy(at(50)).unwrap();
    sync(&ledger, &people(0..11, 4));
    ledger.write_copy(at(60)).unwrap();
    let newest = ledger.copies()[0].path.clone();
    drop(ledger);
    std::fs::File::options().write(true).open(&newest).unwrap().set_len(700).unwrap();
    let restore = Restore::from_copy(dir.path(), None).unwrap();
    assert_eq!((restore.head().made, restore.passed_over().len()), (at(50), 1));
}
