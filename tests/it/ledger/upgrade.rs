//! A state of the first format, as the code of then wrote it (`tests/state/v1`: invented people of two groups, three
//! completed days, a request in flight, a run without an end, a hold and a mail that waits).

use super::{
    care::{Work, die_at},
    *,
};
use rosterd::{
    ledger::{OpenError, Restore},
    roster::FingerprintKey,
};
use std::os::unix::fs::PermissionsExt;

fn first_format() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/state/v1"), dir.path());
    // git keeps no modes.
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(dir.path().join("state.key"), private).unwrap();
    dir
}

/// Everything that the state of the first format tells.
fn is_what_it_was(ledger: &Ledger) {
    let east = GroupRef::new("acme-east").unwrap();
    let west = GroupRef::new("acme-west").unwrap();
    let of = |group: &GroupRef| {
        let coverage = ledger.coverage(group).unwrap();
        let mut ids: Vec<String> = coverage.iter().map(|known| known.id.to_owned()).collect();
        ids.sort();
        ids
    };
    assert_eq!(of(&west), ["E-21", "E-22", "E-23", "E-24"]);
    assert_eq!(of(&east).len(), 10);
    let record = &ledger.records(&east, &[id("E-3")]).unwrap()[&id("E-3")];
    assert_eq!(record.view().get(Field::FirstName), "Zqfirst3");
    let fingerprints = ledger.fingerprint_key().of(record.view());
    assert_eq!(ledger.coverage(&east).unwrap().get("E-3").unwrap().prints(), Some(fingerprints));
    let flying = ledger.attempts_in_flight().unwrap();
    assert_eq!(flying.iter().map(|each| each.id.0).collect::<Vec<_>>(), [5]);
    assert_eq!(flying[0].state.request_id().unwrap().as_str(), "grpmsr_WriUEAd3doP2_pqrh1g85g");
    assert_eq!(ledger.open_runs().unwrap().iter().map(|run| run.id.0).collect::<Vec<_>>(), [4]);
    assert_eq!((ledger.holds(None).unwrap().len(), ledger.outbox().unwrap().len()), (1, 1));
    assert_eq!(ledger.pin().unwrap().base_url, "http://127.0.0.1:8677");
    is_well(ledger);
}

fn kept(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.display().to_string().contains("/before-upgrade-1-")).collect()
}

/// The stand-in of a reference under the key of the first format, computed by hand.
fn stand_in(dir: &Path) -> String {
    let text = std::fs::read_to_string(dir.join("state.key")).unwrap();
    let main = *blake3::Hash::from_hex(text.trim()).unwrap().as_bytes();
    FingerprintKey::new(blake3::derive_key("rosterd 2026-11-22 fingerprints", &main)).stand_in("219099999")
}

#[test]
fn a_state_of_the_first_format_is_brought_up_and_a_copy_of_it_kept() {
    let dir = first_format();
    let ledger = open(dir.path());
    is_what_it_was(&ledger);
    assert_eq!(ledger.fingerprint_key().stand_in("219099999"), stand_in(dir.path()));
    let said = ledger.check(at(0)).unwrap().facts.join("\n");
    assert!(said.contains("format 2") && said.contains("before-upgrade-1-"), "{said}");
    drop(ledger);
    let text = std::fs::read_to_string(dir.path().join("format")).unwrap();
    assert!(text.starts_with("rosterd state format 2 "), "{text}");
    is_what_it_was(&open(dir.path()));
    let kept = kept(dir.path());
    assert_eq!(kept.len(), 1, "one copy, of the first start alone");

    // The copy is the state as it was: it can be restored, through the same steps.
    let restore = Restore::from_file(dir.path(), &kept[0], None).unwrap();
    assert_eq!((restore.head().format, restore.head().groups, restore.head().runs), (1, 2, 4));
    let done = restore.commit(at(9)).unwrap();
    assert_eq!((done.voided.polled, done.voided.holds, done.voided.mails, done.voided.runs), (1, 1, 1, 1));
    let ledger = open(dir.path());
    is_well(&ledger);
    assert_eq!(ledger.fingerprint_key().stand_in("219099999"), stand_in(dir.path()));
}

#[test]
fn an_upgrade_that_is_killed_anywhere_is_begun_again() {
    for point in ["ledger-after-upgrade-copy", "ledger-after-upgrade-file", "ledger-after-upgrade"] {
        let dir = first_format();
        die_at(point, 1, Work::Open, dir.path());
        let ledger = open(dir.path());
        is_what_it_was(&ledger);
        assert_eq!(ledger.fingerprint_key().stand_in("219099999"), stand_in(dir.path()), "{point}");
        assert_eq!(kept(dir.path()).len(), 1, "{point}: the copy is made once");
    }
}

#[test]
fn a_newer_format_is_refused_and_nothing_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    sync(&open(dir.path()), &people(0..4, 1));
    let check = blake3::hash(&[7]).to_hex();
    let words = format!("rosterd state format 7 {}\n", check.get(..16).unwrap());
    std::io::Write::write_all(
        &mut std::fs::File::create(dir.path().join("format")).unwrap(),
        words.as_bytes(),
    )
    .unwrap();
    let before = files(dir.path());
    let error = Ledger::open(dir.path(), None, at(0)).unwrap_err();
    assert!(matches!(error, OpenError::NewerVersion { found: 7, known: 2, .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("format 7") && said.contains("formats up to 2"), "{said}");
    assert!(said.contains("install the newer rosterd again") && said.contains("state restore"), "{said}");
    assert_eq!(files(dir.path()), before, "nothing is touched");

    // Without its file the store says it itself, and a file that says less is put right.
    std::fs::remove_file(dir.path().join("format")).unwrap();
    is_well(&open(dir.path()));
    assert!(dir.path().join("format").exists());
}

/// Every file with its content and when it was last written.
fn files(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let written = path.metadata().unwrap().modified().unwrap();
            found.push((path.clone(), std::fs::read(&path).unwrap(), written));
        }
    }
    found.sort();
    found
}
