//! Backups and the copies beside the state: of one moment, whole or refused, and read with the key alone.

use super::{
    care::{Work, die_at},
    *,
};
use rosterd::ledger::{Restore, RestoreError, Trigger};
use std::{
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicBool, Ordering},
};

#[test]
fn a_backup_is_one_moment_of_a_state_that_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..50, 1));
    let stop = AtomicBool::new(false);
    let out = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for version in 2.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                ledger.begin_run(&feed(), Trigger::Sync, at(1)).unwrap();
                sync(&ledger, &people((version % 3) as usize..50, version));
            }
        });
        for number in 0..8 {
            let path = out.path().join(number.to_string());
            ledger.backup_to(&path, true, at(number)).unwrap();
        }
        stop.store(true, Ordering::SeqCst);
    });
    let mut last = 0;
    for number in 0..8 {
        let target = tempfile::tempdir().unwrap();
        let path = out.path().join(number.to_string());
        let restore = Restore::from_file(target.path(), &path, None).unwrap();
        assert!(restore.head().sequence >= last && restore.head().with_key);
        last = restore.head().sequence;
        restore.commit(at(100)).unwrap();
        let ledger = open(target.path());
        is_well(&ledger);
        assert!(covered(&ledger).len() >= 48);
    }
    assert!(last > 10, "the state went on meanwhile");
}

#[test]
fn a_backup_replaces_nothing_is_private_and_tells_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.begin_run(&feed(), Trigger::Sync, at(1)).unwrap();
    sync(&ledger, &people(0..50, 1));
    let path = dir.path().join("mine");
    std::fs::File::create(&path).unwrap();
    assert!(ledger.backup_to(&path, false, at(5)).is_err());
    assert_eq!(path.metadata().unwrap().len(), 0, "what was there stays");
    let path = dir.path().join("yours");
    let made = ledger.backup_to(&path, false, at(5)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(made.size, bytes.len() as u64);
    let sum = std::process::Command::new("sha256sum").arg(&path).output().unwrap();
    assert!(String::from_utf8(sum.stdout).unwrap().starts_with(&made.sha256), "as sha256sum says");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!((made.head.groups, made.head.runs, made.head.rosters), (1, 1, 1));
    assert_eq!(made.head.last_change, Some(at(3)));
    let key = std::fs::read_to_string(dir.path().join("state.key")).unwrap();
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!has(&bytes, key.trim()) && !has(&bytes, CANARY), "neither the key nor a person");
    let with_key = dir.path().join("with");
    ledger.backup_to(&with_key, true, at(5)).unwrap();
    assert!(has(&std::fs::read(&with_key).unwrap(), key.trim()));
    drop(ledger);

    // Without the key it cannot be read, and says so before anything changes.
    let other = tempfile::tempdir().unwrap();
    let error = Restore::from_file(other.path(), &path, None).unwrap_err();
    assert!(matches!(error, RestoreError::NoKey { .. }), "{error}");
    assert!(error.to_string().contains("Without it the copy cannot be read"), "{error}");
    drop(open(other.path()));
    let error = Restore::from_file(other.path(), &path, None).unwrap_err();
    assert!(matches!(error, RestoreError::WrongKey { .. }), "{error}");
    Restore::from_file(other.path(), &with_key, None).unwrap().commit(at(9)).unwrap();
    assert_eq!(covered(&open(other.path())).len(), 50);
}

#[test]
fn a_flipped_byte_anywhere_and_every_lost_end_of_a_backup_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..40, 1));
    sync(&ledger, &people(1..41, 2));
    let path = dir.path().join("backup");
    ledger.backup_to(&path, true, at(5)).unwrap();
    drop(ledger);
    let whole = std::fs::read(&path).unwrap();
    let broken = dir.path().join("broken");
    let refused = |bytes: &[u8]| {
        std::io::Write::write_all(&mut std::fs::File::create(&broken).unwrap(), bytes).unwrap();
        let error = Restore::from_file(dir.path(), &broken, None).unwrap_err();
        // A flipped version of the file's form is a newer one.
        let known = matches!(error, RestoreError::NotWhole { .. } | RestoreError::Newer { .. });
        assert!(known, "{error}");
        assert!(!error.to_string().contains(CANARY));
    };
    let step = whole.len() / 150 + 1;
    for place in (0..whole.len()).step_by(step).chain([0, 7, 8, whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        refused(&bytes);
    }
    for length in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
        refused(&whole[..length]);
    }
    refused(&[whole.as_slice(), b"x"].concat());
    Restore::from_file(dir.path(), &path, None).unwrap();
}

#[test]
fn copies_beside_the_state_are_made_in_time_and_two_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..5, 1));
    assert!(ledger.copy_due(at(0)), "there is none yet");
    ledger.write_copy(at(0)).unwrap();
    assert!(!ledger.copy_due(at(60 * 30)), "nothing has changed since");
    sync(&ledger, &people(0..6, 1));
    assert!(!ledger.copy_due(at(60 * 23)));
    assert!(ledger.copy_due(at(60 * 24)));
    for day in 1..4 {
        sync(&ledger, &people(0..7, day));
        ledger.write_copy(at(60 * 24 * i64::from(day))).unwrap();
    }
    let made: Vec<_> = ledger.copies().iter().map(|copy| copy.made).collect();
    assert_eq!(made, [at(60 * 24 * 3), at(60 * 24 * 2)]);
    // A clock that was set back does not cost the copy that is made then.
    sync(&ledger, &people(0..8, 1));
    assert!(ledger.copy_due(at(60)));
    ledger.write_copy(at(60)).unwrap();
    assert_eq!(ledger.copies().len(), 2);
    assert!(ledger.copies().iter().any(|copy| copy.made == at(60)));
    drop(ledger);
    die_at("ledger-after-copy", 1, Work::Copy, dir.path());
    // What a kill in the midst of writing leaves is no copy, and takes no room for long.
    let unfinished = ["copies/20241004T002000Z-9.rosterd.new", "before-upgrade-1-2024-10-04T002000Z.new"];
    for name in unfinished {
        std::fs::File::create(dir.path().join(name)).unwrap();
    }
    let ledger = open(dir.path());
    assert!(unfinished.iter().all(|name| !dir.path().join(name).exists()));
    is_well(&ledger);
    ledger.write_copy(at(60 * 24 * 5)).unwrap();
    assert_eq!(ledger.copies().len(), 2);
}
