//! One group through its days.

use super::*;
use rosterd::{
    attempt::State,
    ledger::{OpenError, Pin, StoredMail},
    roster::{Certainty, Doubt, OrganizationId},
};
use secrecy::SecretString;

fn certainty(ledger: &Ledger) -> Certainty {
    ledger.coverage(&group()).unwrap().certainty
}

#[test]
fn a_completed_roster_is_the_baseline_after_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    assert_eq!(certainty(&ledger), Certainty::FirstSync);
    let first = sync(&ledger, &people(0..50, 1));
    let mut day2 = people(0..49, 1);
    day2[7].1 = 2;
    day2.push(("e-99".to_owned(), 1));
    let second = sync(&ledger, &day2);
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!(certainty(&ledger), Certainty::Confirmed);
    let coverage = ledger.coverage(&group()).unwrap();
    assert_eq!(coverage.len(), 50);
    assert!(coverage.get("e-49").is_none() && coverage.get("e-99").is_some());
    let expected = records(&day2);
    for record in expected.iter() {
        let prints = coverage.get(record.reference_id()).unwrap().prints();
        assert_eq!(prints, Some(ledger.fingerprint_key().of(record)));
    }
    let found = ledger.records(&group(), &[id("e-7"), id("e-8"), id("e-49")]).unwrap();
    assert_eq!(found.len(), 2, "nobody has a record who is not covered");
    assert_eq!(found[&id("e-7")].view().get(Field::City), "Town 2");
    assert_eq!(found[&id("e-8")].view().get(Field::City), "Town 1");
    assert_eq!(ledger.last_completed(&group()).unwrap().unwrap().id, second);
    let newest: Vec<_> = ledger.attempts_of_group(&group(), 9).unwrap().iter().map(|a| a.id).collect();
    assert_eq!(newest, [second, first]);
    assert_eq!(ledger.known_groups().unwrap(), [group()]);
}

#[test]
fn the_baseline_is_the_payload_less_failed_adds_plus_failed_removes() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..4, 1));
    let attempt = intend(&ledger, &people(2..8, 2), None).unwrap();
    submit(&ledger, attempt);
    let other = || Operation::Unknown("transfer".to_owned());
    let failures = [
        ("e-0", Operation::Remove),
        ("e-1", other()),
        ("e-2", other()),
        ("e-4", Operation::Add),
        ("e-5", other()),
    ];
    let outcome = outcome(2, 0, &failures);
    assert_eq!(ledger.check_counts(attempt, &outcome).unwrap(), None);
    assert!(ledger.complete(attempt, &outcome, at(9), Facts::default()).unwrap());
    assert_eq!(covered(&ledger), ["e-0", "e-1", "e-2", "e-3", "e-6", "e-7"]);
    assert_eq!(certainty(&ledger), Certainty::Confirmed);
    let ids = ["e-0", "e-2", "e-3"].map(id);
    let found = ledger.records(&group(), &ids).unwrap();
    let towns = ids.map(|id| found[&id].view().get(Field::City).to_owned());
    assert_eq!(towns, ["Town 1", "Town 1", "Town 2"], "an unknown operation leaves him as he was");
    let stored = ledger.attempt(attempt).unwrap().unwrap();
    assert_eq!(stored.outcome, Some(outcome));
}

#[test]
fn while_uncertain_everybody_in_any_roster_sent_since_is_covered() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..3, 1));
    let lost = intend(&ledger, &people(1..5, 2), None).unwrap();
    step(&ledger, lost, &Event::Connected);
    step(&ledger, lost, &unclear());
    assert_eq!(covered(&ledger), ["e-0", "e-1", "e-2", "e-3", "e-4"]);
    assert!(matches!(certainty(&ledger), Certainty::Uncertain(_)));
    let refused = intend(&ledger, &people(1..9, 2), None).unwrap();
    step(&ledger, refused, &Event::Connected);
    let event = Event::Refused { status: 400, message: "no".to_owned(), trace_id: None };
    step(&ledger, refused, &event);
    assert_eq!(covered(&ledger).len(), 5, "of a refused roster nothing was applied");
    let found = ledger.records(&group(), &[id("e-1")]).unwrap();
    assert_eq!(found[&id("e-1")].view().get(Field::City), "Town 2");
    let again = intend(&ledger, &people(2..6, 3), None).unwrap();
    submit(&ledger, again);
    let wrong = outcome(77, 77, &[]);
    assert!(
        ledger.complete(again, &wrong, at(9), Facts::default()).unwrap(),
        "numbers are compared with a confirmed baseline alone"
    );
    assert_eq!(certainty(&ledger), Certainty::Confirmed);
    assert_eq!(covered(&ledger), ["e-2", "e-3", "e-4", "e-5"]);
}

#[test]
fn numbers_that_do_not_agree_with_a_confirmed_baseline_make_it_uncertain() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..3, 1));
    let attempt = intend(&ledger, &people(1..4, 1), None).unwrap();
    submit(&ledger, attempt);
    let outcome = outcome(1, 2, &[]);
    let why = ledger.check_counts(attempt, &outcome).unwrap().unwrap();
    assert!(why.contains("someone else writes to this group"), "{why}");
    assert!(!ledger.complete(attempt, &outcome, at(9), Facts::default()).unwrap());
    assert_eq!(certainty(&ledger), Certainty::Uncertain(Doubt::SecondWriter(why)));
    sync(&ledger, &people(1..4, 1));
    assert_eq!(certainty(&ledger), Certainty::Confirmed);
}

#[test]
fn a_late_completion_after_a_newer_one_confirms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..3, 1));
    let slow = intend(&ledger, &people(0..5, 1), None).unwrap();
    submit(&ledger, slow);
    step(&ledger, slow, &Event::GaveUp);
    assert_eq!(ledger.timed_out().unwrap().len(), 1);
    assert_eq!(covered(&ledger).len(), 5);
    let newer = intend(&ledger, &people(1..4, 1), None).unwrap();
    submit(&ledger, newer);
    ledger.complete(newer, &outcome(0, 0, &[]), at(9), Facts::default()).unwrap();
    assert_eq!(covered(&ledger), ["e-1", "e-2", "e-3"]);
    drop(ledger);
    let ledger = open(dir.path());
    ledger.complete(slow, &outcome(2, 0, &[]), at(10), Facts::default()).unwrap();
    assert!(matches!(certainty(&ledger), Certainty::Uncertain(_)));
    assert_eq!(covered(&ledger), ["e-0", "e-1", "e-2", "e-3", "e-4"]);
    assert!(ledger.timed_out().unwrap().is_empty());
    assert_eq!(ledger.last_completed(&group()).unwrap().unwrap().id, newer);
}

#[test]
fn the_start_settles_what_was_left_and_keeps_what_was_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let first = intend(&ledger, &people(0..3, 1), None).unwrap();
    assert_eq!(recover(&ledger, at(5))[0].state.name(), "not sent");
    let second = intend(&ledger, &people(0..3, 1), None).unwrap();
    step(&ledger, second, &Event::Connected);
    assert_eq!(recover(&ledger, at(5))[0].state.name(), "outcome unknown");
    assert_eq!(certainty(&ledger), Certainty::FirstSync, "nothing was ever confirmed here");
    assert_eq!(covered(&ledger).len(), 3);
    let third = intend(&ledger, &people(0..3, 1), None).unwrap();
    submit(&ledger, third);
    drop(ledger);
    let ledger = open(dir.path());
    assert!(recover(&ledger, at(5)).is_empty());
    let flying = ledger.attempts_in_flight().unwrap();
    assert_eq!((flying.len(), flying[0].id), (1, third));
    assert_eq!(flying[0].state, State::Accepted { request_id: request(third) });
    assert_ne!(first, second);
}

#[test]
fn what_must_not_be_sent_gets_no_intent() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..3, 1));
    let records = records(&people(0..2, 1));
    let try_to = |removed: &[ReferenceId], group_id: &str| {
        let mut members = records.iter().map(|record| IntentMember {
            record,
            plan: PlanId::new("pln_a").unwrap(),
            carried_since: None,
        });
        let intent = Intent {
            run: RunId(1),
            feed: &feed(),
            group: &group(),
            group_id: &GroupId::new(group_id).unwrap(),
            members: &mut members,
            removed: &absent(removed.to_vec()),
            counts: Counts::default(),
            approval: None,
            half: false,
        };
        ledger.intend(intent, at(1))
    };
    assert!(matches!(try_to(&[], "grp_1"), Err(LedgerError::Stale { .. })), "e-2 would go unsaid");
    assert!(matches!(try_to(&[id("e-0")], "grp_1"), Err(LedgerError::Stale { .. })));
    ledger.set_group_pin(&group(), &GroupId::new("grp_1").unwrap()).unwrap();
    assert!(matches!(try_to(&[id("e-2")], "grp_2"), Err(LedgerError::Defect { .. })));
    try_to(&[id("e-2")], "grp_1").unwrap();
    assert!(matches!(try_to(&[id("e-2")], "grp_1"), Err(LedgerError::Busy { attempt: 2, .. })));
    assert!(matches!(
        ledger.advance(AttemptId(2), &accepted(AttemptId(2)), at(2), Facts::default()),
        Err(LedgerError::Impossible(_))
    ));
    let files = std::fs::read_dir(dir.path().join("rosters")).unwrap().count();
    assert_eq!(files, 2, "a refused intent leaves no file");
}

#[test]
fn pins_stay_and_another_group_id_is_a_first_sync() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let pin = Pin {
        base_url: "https://api.vitable.example".to_owned(),
        organization: OrganizationId::new("org_1").unwrap(),
    };
    assert_eq!((ledger.pin(), ledger.group_pin(&group())), (None, None));
    ledger.set_pin(&pin).unwrap();
    ledger.set_group_pin(&group(), &GroupId::new("grp_1").unwrap()).unwrap();
    sync(&ledger, &people(0..3, 1));
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!(ledger.pin(), Some(pin.clone()));
    assert_eq!(ledger.group_pin(&group()), Some(GroupId::new("grp_1").unwrap()));
    let other = Pin { organization: OrganizationId::new("org_2").unwrap(), ..pin };
    assert!(ledger.set_pin(&other).is_err());
    ledger.set_group_pin(&group(), &GroupId::new("grp_9").unwrap()).unwrap();
    assert_eq!(certainty(&ledger), Certainty::FirstSync);
    assert!(covered(&ledger).is_empty());
}

#[test]
fn a_second_owner_and_a_wrong_key_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    assert!(matches!(Ledger::open(dir.path(), None, at(0)), Err(OpenError::InUse { .. })));
    sync(&ledger, &people(0..3, 1));
    drop(ledger);
    let secret = SecretString::from("another key");
    assert!(matches!(Ledger::open(dir.path(), Some(&secret), at(0)), Err(OpenError::WrongKey { .. })));
    let key = dir.path().join("state.key");
    std::fs::rename(&key, dir.path().join("kept")).unwrap();
    assert!(matches!(Ledger::open(dir.path(), None, at(0)), Err(OpenError::KeyMissing { .. })));
    assert!(!key.exists(), "no new key while sealed records are there");
    std::fs::rename(dir.path().join("kept"), &key).unwrap();
    let mut open_to_all = std::fs::metadata(&key).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&open_to_all) & 0o777, 0o600);
    std::os::unix::fs::PermissionsExt::set_mode(&mut open_to_all, 0o644);
    std::fs::set_permissions(&key, open_to_all).unwrap();
    assert!(matches!(Ledger::open(dir.path(), None, at(0)), Err(OpenError::KeyFile { .. })));
    let other = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(other.path(), Some(&secret), at(0)).unwrap();
    sync(&ledger, &people(0..3, 1));
    drop(ledger);
    assert!(!other.path().join("state.key").exists());
    assert!(matches!(Ledger::open(other.path(), None, at(0)), Err(OpenError::KeyMissing { .. })));
    let ledger = Ledger::open(other.path(), Some(&secret), at(0)).unwrap();
    assert_eq!(covered(&ledger).len(), 3);
}

#[test]
fn many_days_keep_few_files() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let mut payload = people(0..20_000, 1);
    sync(&ledger, &payload);
    for day in 2..14_u32 {
        payload.remove(usize::try_from(day).unwrap());
        payload[100].1 = day;
        sync(&ledger, &payload);
    }
    let files = std::fs::read_dir(dir.path().join("rosters")).unwrap().count();
    assert!(files <= 9, "{files} files: a whole roster is written from time to time");
    let coverage = ledger.coverage(&group()).unwrap();
    assert_eq!(coverage.len(), payload.len());
    let changed = ledger.records(&group(), &[id(&payload[100].0)]).unwrap();
    assert_eq!(changed[&id(&payload[100].0)].view().get(Field::City), "Town 13");
}

#[test]
fn no_file_of_the_state_directory_shows_a_person() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..500, 1));
    let attempt = intend(&ledger, &people(10..500, 2), None).unwrap();
    submit(&ledger, attempt);
    let failures = [("e-3", Operation::Remove)];
    ledger.complete(attempt, &outcome(0, 9, &failures), at(9), Facts::default()).unwrap();
    let mut open_folders = vec![dir.path().to_owned()];
    let mut seen = 0;
    while let Some(folder) = open_folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open_folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            seen += 1;
            for canary in [CANARY, "Quillfeather", "1987-03-09", "5550199123", "Wombat", "Town "] {
                let found = bytes.windows(canary.len()).any(|part| part == canary.as_bytes());
                assert!(!found, "`{canary}` is in {}", path.display());
            }
        }
    }
    assert!(seen > 6);
    assert!(!format!("{ledger:?} {:?}", ledger.fingerprint_key()).contains(CANARY));
}

#[test]
fn a_store_whose_first_segment_holds_nothing_any_more_opens_whole() {
    let dir = tempfile::tempdir().unwrap();
    for day in 0..60 {
        let ledger = open(dir.path());
        let known = ledger.outbox().unwrap();
        assert!(day == 0 || known[0].queued == at(day - 1), "day {day}");
        for each in 0..5_u8 {
            // Text that does not shrink much.
            let parts =
                (0..46_u8).map(|part| blake3::hash(&[u8::try_from(day).unwrap(), each, part]).to_hex());
            let message = parts.map(|part| part.to_string()).collect();
            let mail = StoredMail::new("m".to_owned(), Vec::new(), message, at(day));
            ledger.record(Facts { incidents: Vec::new(), mails: vec![mail], ..Facts::default() }).unwrap();
        }
    }
    // A snapshot is named for how far the log has come; sled's segments are 512 KiB.
    let mut names =
        std::fs::read_dir(dir.path().join("store")).unwrap().map(|entry| entry.unwrap().file_name());
    let reached =
        names.find_map(|name| u64::from_str_radix(name.to_str().unwrap().strip_prefix("snap.")?, 16).ok());
    assert!(reached > Some(2 * 512 * 1024), "the log did not outgrow its first segments: {reached:?}");
}
