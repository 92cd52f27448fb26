//! Another state key: everything is sealed anew, nothing else changes, and no kill leaves a state without a key.

use super::{
    care::{SECRET, Work, die_at},
    *,
};
use rosterd::{
    ledger::{NewKey, OpenError, RekeyError, Restore, RestoreError},
    roster::Certainty,
};
use secrecy::SecretString;

/// Some days, so that rosters lie on one another.
fn some_days(dir: &Path) -> (String, String) {
    let ledger = open(dir);
    for day in 1..4_u32 {
        sync(&ledger, &people(0..30 + day as usize, day));
    }
    (told(&ledger), ledger.fingerprint_key().stand_in("219099999"))
}

/// Nothing but the key is another one.
fn is_the_same(ledger: &Ledger, (told_before, stand_in): &(String, String)) {
    assert_eq!(told(ledger), *told_before);
    assert_eq!(ledger.fingerprint_key().stand_in("219099999"), *stand_in, "Vitable knows people by it");
    let ids: Vec<ReferenceId> = covered(ledger).iter().map(|each| id(each)).collect();
    let (coverage, records) = (ledger.coverage(&group()).unwrap(), ledger.records(&group(), &ids).unwrap());
    assert_eq!((coverage.len(), coverage.certainty.clone()), (ids.len(), Certainty::Confirmed));
    for (id, record) in &records {
        assert_eq!(record.view().get(Field::FirstName), CANARY);
        let expected = ledger.fingerprint_key().of(record.view());
        assert_eq!(coverage.get(id.as_str()).unwrap().prints(), Some(expected), "nobody has changed");
    }
    is_well(ledger);
}

#[test]
fn everything_is_sealed_and_fingerprinted_anew_and_reads_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let before = some_days(dir.path());
    let ledger = open(dir.path());
    ledger.write_copy(at(50)).unwrap();
    let prints = ledger.coverage(&group()).unwrap().get("e-1").unwrap().whole;
    let former_key = std::fs::read_to_string(dir.path().join("state.key")).unwrap();
    let backup = dir.path().join("old.backup");
    ledger.backup_to(&backup, false, at(51)).unwrap();

    let done = ledger.rekey(NewKey::OwnFile, false, at(60)).unwrap();
    assert_eq!(done.remedy, None);
    let kept = std::fs::read_to_string(done.former.unwrap()).unwrap();
    assert_eq!(kept, former_key);
    assert_ne!(std::fs::read_to_string(dir.path().join("state.key")).unwrap(), former_key);
    let ledger = open(dir.path());
    is_the_same(&ledger, &before);
    assert_ne!(ledger.coverage(&group()).unwrap().get("e-1").unwrap().whole, prints);
    assert_eq!(ledger.copies().len(), 1, "those that the former key sealed are gone");
    // What follows builds on it.
    sync(&ledger, &people(0..20, 9));
    is_well(&ledger);
    drop(ledger);
    assert!(Restore::from_copy(dir.path(), None).is_ok(), "the copy has the new key");
    let error = Restore::from_file(dir.path(), &backup, None).unwrap_err();
    assert!(matches!(error, RestoreError::WrongKey { .. }), "{error}");

    // To a secret of the configuration's, and back.
    let secret = SecretString::from(SECRET);
    let new = NewKey::Secret { secret: &secret, place: "{ env: STATE_KEY }" };
    let done = open(dir.path()).rekey(new, false, at(70)).unwrap();
    assert!(done.remedy.unwrap().contains("state_key: { env: STATE_KEY }"));
    let error = Ledger::open(dir.path(), None, at(0)).unwrap_err();
    assert!(matches!(error, OpenError::KeyMissing { .. }), "{error}");
    assert!(error.to_string().contains("write `state_key: { env: STATE_KEY }`"), "{error}");
    let ledger = Ledger::open(dir.path(), Some(&secret), at(0)).unwrap();
    assert!(matches!(ledger.rekey(new, true, at(71)), Err(RekeyError::SameKey)));
    let ledger = Ledger::open(dir.path(), Some(&secret), at(0)).unwrap();
    let done = ledger.rekey(NewKey::OwnFile, true, at(72)).unwrap();
    assert!(done.remedy.unwrap().contains("remove `state_key`"));
    let error = Ledger::open(dir.path(), Some(&secret), at(0)).unwrap_err();
    assert!(error.to_string().contains("remove `state_key`"), "{error}");
    is_well(&open(dir.path()));
}

#[test]
fn a_kill_leaves_a_state_that_opens_with_the_former_or_the_new_key() {
    for point in ["ledger-after-rekey-files", "ledger-after-rekey", "ledger-after-rekey-key"] {
        let dir = tempfile::tempdir().unwrap();
        let before = some_days(dir.path());
        die_at(point, 1, Work::Rekey, dir.path());
        is_the_same(&open(dir.path()), &before);
        // A second try goes through.
        open(dir.path()).rekey(NewKey::OwnFile, false, at(120)).unwrap();
        is_the_same(&open(dir.path()), &before);

        let dir = tempfile::tempdir().unwrap();
        let before = some_days(dir.path());
        die_at(point, 1, Work::RekeyToSecret, dir.path());
        let secret = SecretString::from(SECRET);
        match Ledger::open(dir.path(), None, at(0)) {
            Ok(ledger) => {
                assert_eq!(point, "ledger-after-rekey-files");
                is_the_same(&ledger, &before);
            }
            Err(error) => {
                assert!(
                    error.to_string().contains("write `state_key: { env: STATE_KEY }`"),
                    "{point}: {error}"
                );
                is_the_same(&Ledger::open(dir.path(), Some(&secret), at(0)).unwrap(), &before);
            }
        }
        let rosters = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let rosters = rosters.filter(|name| name.to_string_lossy().starts_with("rosters")).count();
        assert_eq!(rosters, 1, "{point}: only the rosters that count are left");
    }
}
