//! Damage is said, never a panic and never a silent loss.

use super::*;
use rosterd::{
    ledger::{OpenError, Restore, Trigger},
    roster::{Certainty, Doubt},
};

fn write_some(dir: &Path) -> String {
    let ledger = open(dir);
    for day in 1..6_u32 {
        ledger.begin_run(&feed(), Trigger::Sync, at(i64::from(day))).unwrap();
        sync(&ledger, &people(0..40 + day as usize, day));
    }
    told(&ledger)
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

/// Every file of the directory that a state is made of, below it.
fn files(dir: &Path, below: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        if entry.path().is_dir() {
            found.extend(files(dir, &path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

type Harm = (&'static str, fn(&mut Vec<u8>));

/// What can become of a file's content.
const HARMS: &[Harm] = &[
    ("flipped at its start", |bytes| bytes.iter_mut().take(1).for_each(|byte| *byte ^= 0x10)),
    ("flipped in its middle", |bytes| {
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        bytes.iter_mut().skip(used / 2).take(64).for_each(|byte| *byte ^= 0x10);
    }),
    ("without its tail", |bytes| {
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        bytes.truncate(used.saturating_sub(200));
    }),
    ("empty", Vec::clear),
    ("full of zeros", |bytes| bytes.fill(0)),
];

#[test]
fn damage_of_any_file_is_refused_or_harmless_and_the_copy_beside_helps() {
    let dir = tempfile::tempdir().unwrap();
    write_some(dir.path());
    let ledger = open(dir.path());
    let mut run = ledger.begin_run(&feed(), Trigger::Sync, at(9)).unwrap();
    // Long enough for a file of its own.
    run.file = Some((0..9000).map(|number| format!("{number:x}")).collect());
    ledger.save_run(&run).unwrap();
    let expected = told(&ledger);
    ledger.write_copy(at(20)).unwrap();
    drop(ledger);
    let parts = files(dir.path(), Path::new(""));
    let parts = parts.iter().filter(|path| !path.starts_with("copies") && !path.ends_with("lock"));
    let (mut refused, mut kinds) = (0, BTreeSet::new());
    for part in parts {
        for (harm, change) in HARMS.iter().copied().map(Some).chain([None]).map(|harm| harm.unzip()) {
            let dir_now = tempfile::tempdir().unwrap();
            copy(dir.path(), dir_now.path());
            let path = dir_now.path().join(part);
            match change {
                Some(change) => {
                    let mut bytes = std::fs::read(&path).unwrap();
                    change(&mut bytes);
                    // Truncated, so that the mode stays.
                    let mut file = std::fs::File::create(&path).unwrap();
                    std::io::Write::write_all(&mut file, &bytes).unwrap();
                }
                None => std::fs::remove_file(&path).unwrap(),
            }
            let harm = format!("`{}` {}", part.display(), harm.unwrap_or("gone"));
            let error = match Ledger::open(dir_now.path(), None, at(30)) {
                Ok(ledger) => {
                    assert_eq!(told(&ledger), expected, "{harm}: a silent loss");
                    is_well(&ledger);
                    continue;
                }
                Err(error) => error,
            };
            refused += 1;
            kinds.insert(part.components().next().unwrap().as_os_str().to_owned());
            if part.ends_with("state.key") {
                let known = matches!(
                    error,
                    OpenError::KeyFile { .. } | OpenError::KeyMissing { .. } | OpenError::WrongKey { .. }
                );
                assert!(known, "{harm}: {error}");
                continue;
            }
            assert!(matches!(error, OpenError::Damaged { .. }), "{harm}: {error}");
            assert!(error.to_string().contains("rosterd state restore --copy"), "{harm}: {error}");
            Restore::from_copy(dir_now.path(), None).unwrap().commit(at(40)).unwrap();
            let ledger = open(dir_now.path());
            is_well(&ledger);
            assert_eq!(covered(&ledger).len(), 45, "{harm}");
            let certainty = ledger.coverage(&group()).unwrap().certainty;
            assert!(matches!(certainty, Certainty::Uncertain(Doubt::Repaired(_))), "{harm}");
            sync(&ledger, &people(0..45, 7));
        }
    }
    assert!(refused > 30, "{refused}");
    for part in ["format", "long", "rosters", "sequence", "state.key", "store"] {
        assert!(kinds.contains(std::ffi::OsStr::new(part)), "damage of `{part}` matters: {kinds:?}");
    }
}
