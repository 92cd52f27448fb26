//! Damage is said, never a panic and never a silent loss.

use super::*;
use rosterd::ledger::{OpenError, Trigger};

/// What the directory tells, to be compared.
fn told(ledger: &Ledger) -> String {
    let mut ids = covered(ledger);
    ids.sort();
    format!(
        "{ids:?} {:?} {:?}",
        ledger.attempts_of_group(&group(), usize::MAX).unwrap(),
        ledger.runs(None, usize::MAX).unwrap()
    )
}

fn write_some(dir: &Path) -> String {
    let ledger = open(dir);
    for day in 1..6_u32 {
        ledger.begin_run(&feed(), Trigger::Sync, at(i64::from(day))).unwrap();
        sync(&ledger, &people(0..40 + day as usize, day));
    }
    told(&ledger)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Opens a copy of the directory in which one file was changed, and says whether that was noticed.
fn noticed(whole: &Path, expected: &str, file: &Path, change: impl Fn(&mut Vec<u8>)) -> bool {
    let dir = tempfile::tempdir().unwrap();
    copy(whole, dir.path());
    let path = dir.path().join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    let mut target = std::fs::File::create(&path).unwrap();
    std::io::Write::write_all(&mut target, &bytes).unwrap();
    match Ledger::open(dir.path(), None, at(0)) {
        Ok(ledger) => {
            assert_eq!(told(&ledger), expected, "a silent loss after a change of {}", file.display());
            false
        }
        Err(OpenError::Damaged { .. }) => true,
        Err(other) => panic!("a change of {} is not damage but: {other}", file.display()),
    }
}

#[test]
fn a_flipped_byte_of_the_store_is_noticed_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let expected = write_some(dir.path());
    let db = Path::new("store/db");
    let bytes = std::fs::read(dir.path().join(db)).unwrap();
    let used: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
    let step = (used.len() / 48).max(1);
    let found = used
        .iter()
        .step_by(step)
        .filter(|&&at| noticed(dir.path(), &expected, db, |bytes| bytes[at] ^= 0x10));
    assert!(found.count() > 0, "some of these bytes matter");
}

#[test]
fn a_store_that_was_cut_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let expected = write_some(dir.path());
    let db = Path::new("store/db");
    let used = std::fs::read(dir.path().join(db)).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    for part in 0..10 {
        let length = used * part / 10;
        assert!(
            noticed(dir.path(), &expected, db, |bytes| bytes.truncate(length)),
            "{length} of {used} bytes"
        );
    }
}

#[test]
fn a_store_from_yesterday_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    write_some(dir.path());
    let yesterday = tempfile::tempdir().unwrap();
    copy(&dir.path().join("store"), yesterday.path());
    sync(&open(dir.path()), &people(0..5, 9));
    std::fs::remove_dir_all(dir.path().join("store")).unwrap();
    copy(yesterday.path(), &dir.path().join("store"));
    let error = Ledger::open(dir.path(), None, at(0)).unwrap_err();
    assert!(error.to_string().contains("were acknowledged"), "{error}");
    std::fs::remove_dir_all(dir.path().join("store")).unwrap();
    let error = Ledger::open(dir.path(), None, at(0)).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "a store that is gone is no new one: {error}");
}

#[test]
fn damage_of_rosters_and_of_the_sequence_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let expected = write_some(dir.path());
    for entry in std::fs::read_dir(dir.path().join("rosters")).unwrap() {
        let file = Path::new("rosters").join(entry.unwrap().file_name());
        assert!(noticed(dir.path(), &expected, &file, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }));
        assert!(noticed(dir.path(), &expected, &file, |bytes| bytes.truncate(bytes.len() - 1)));
    }
    assert!(noticed(dir.path(), &expected, Path::new("sequence"), |bytes| { bytes.fill(7) }));
    std::fs::remove_file(dir.path().join("sequence")).unwrap();
    let error = Ledger::open(dir.path(), None, at(0)).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_snapshot_that_a_kill_left_half_written_does_not_stop_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let expected = write_some(dir.path());
    std::fs::File::create(dir.path().join("store/snap.0000000000000001.generating")).unwrap();
    std::fs::File::create(dir.path().join("rosters/99")).unwrap();
    assert_eq!(told(&open(dir.path())), expected);
    assert!(!dir.path().join("rosters/99").exists(), "what nothing names is swept");
}
