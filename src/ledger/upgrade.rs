//! The format of the state directory: looked at first, brought up to date at the start, never taken down.
//!
//! Each format has a number. It stands in the file `format`, which is read before anything else, and in the
//! store, where it changes in one batch with the records that it is about. On the way from one to the next
//! there is a whole copy of the state first, then the file, then the batch: after a kill the next start begins
//! again where it was, and an older rosterd is refused from the file on.

use super::{
    Ledger, archive, backup, codec,
    error::{LedgerError, OpenError, Result},
    files, key,
    seal::Sealer,
    store::{Store, Tx},
};
use crate::roster::FingerprintKey;
use chrono::{DateTime, Utc};
use std::{fs::File, path::Path};

/// The format that this rosterd writes.
pub(super) const CURRENT: u8 = codec::VERSION;
const FILE: &str = "format";
const WORDS: &str = "rosterd state format";

/// What a step may use.
pub(super) struct Keys<'a> {
    pub(super) sealer: &'a Sealer,
    pub(super) fingerprints: &'a FingerprintKey,
}

/// The way from one format to the next. It may be begun again: what it does, it does to records of its format
/// alone, and all steps of a start are one batch.
pub(super) type Step = fn(&mut Tx<'_>, &Keys<'_>) -> Result<()>;

/// The step from format 1 is the first, and so on: there is one for each format but the newest.
pub(super) const STEPS: &[Step] = &[keep_stand_ins];

/// Format 2: the key of the stand-ins is kept under seal, because it outlives a change of the state key; and a
/// group may say that its picture was restored (`GroupState::restored`), which a rosterd that knows nothing of it
/// would take for a first sync that the configuration may let pass.
fn keep_stand_ins(tx: &mut Tx<'_>, keys: &Keys<'_>) -> Result<()> {
    let sealed = keys.sealer.seal(key::STAND_INS, keys.fingerprints.stand_ins())?;
    tx.put(key::STAND_INS.to_vec(), &sealed)
}

/// The newest format that these steps lead to.
pub(super) fn newest(steps: &[Step]) -> u8 {
    u8::try_from(steps.len() + 1).unwrap_or(u8::MAX)
}

/// Refuses a directory of a newer format by its file alone: nothing is written, nothing else is read.
///
/// # Errors
/// A newer format; a file that is damaged or cannot be read.
pub(super) fn refuse_newer(dir: &Path, steps: &[Step]) -> Result<(), OpenError> {
    match of_file(dir).map_err(|error| error.opening(dir))? {
        Some(found) if found > newest(steps) => Err(OpenError::newer(dir, found, newest(steps))),
        Some(_) | None => Ok(()),
    }
}

/// What the file says, when there is one.
fn of_file(dir: &Path) -> Result<Option<u8>> {
    let text = match std::fs::read_to_string(dir.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LedgerError::io(format!("read `{}`", dir.join(FILE).display()), error)),
    };
    let number = text.strip_prefix(WORDS).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    match number {
        Some(format) if text == words(format) => Ok(Some(format)),
        Some(_) | None => Err(LedgerError::damaged("the file `format` is not what was written")),
    }
}

fn words(format: u8) -> String {
    let check = blake3::hash(&[format]).to_hex();
    format!("{WORDS} {format} {}\n", check.get(..16).unwrap_or_default())
}

pub(super) fn write_file(dir: &Path, format: u8) -> Result<()> {
    files::write_whole(&dir.join(FILE), words(format).as_bytes())
}

/// Brings the state up to the newest format that these steps lead to, after a whole copy of it as it was.
///
/// # Errors
/// A newer format; the disk has no room for the copy; the file system refuses. The state is as it was then.
pub(super) fn run(ledger: &Ledger, steps: &[Step], now: DateTime<Utc>) -> Result<()> {
    let (dir, newest) = (&ledger.dir, newest(steps));
    let format = ledger.store.get::<u8>(key::FORMAT)?.unwrap_or(1);
    if format > newest {
        return Err(LedgerError::NewerVersion { found: format });
    }
    if format < newest {
        keep(ledger, format, now)?;
        write_file(dir, newest)?;
        super::crash::reached("ledger-after-upgrade-file");
        let keys = Keys { sealer: &ledger.sealer, fingerprints: &ledger.fingerprint_key };
        apply(&ledger.store, &keys, steps)?;
        tracing::info!(from = format, to = newest, "the state was brought up to a new format");
    } else if of_file(dir)? != Some(newest) {
        write_file(dir, newest)?;
    }
    Ok(())
}

/// Takes every step that the records need, in one batch.
pub(super) fn apply(store: &Store, keys: &Keys<'_>, steps: &[Step]) -> Result<()> {
    store.write("ledger-after-upgrade", |tx| {
        let format = tx.get::<u8>(key::FORMAT)?.unwrap_or(1);
        for step in steps.iter().skip(usize::from(format).saturating_sub(1)) {
            step(tx, keys)?;
        }
        if format < newest(steps) { tx.put(key::FORMAT.to_vec(), &newest(steps)) } else { Ok(()) }
    })
}

/// A whole copy of the state as it is, unless a start that was cut off has made it already.
fn keep(ledger: &Ledger, format: u8, now: DateTime<Utc>) -> Result<()> {
    let prefix = format!("{}{format}-", backup::BEFORE_UPGRADE);
    let sequence = ledger.store.sequence();
    for path in kept(&ledger.dir) {
        let named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
        let head = File::open(&path).ok().and_then(|file| archive::Reader::new(file).ok());
        if named && head.is_some_and(|reader| reader.head().sequence == sequence) {
            return Ok(());
        }
    }
    let path = ledger.dir.join(format!("{prefix}{}", now.format("%Y-%m-%dT%H%M%SZ")));
    archive::to_file(&path, |out| ledger.stream(out, format, None, now))?;
    super::crash::reached("ledger-after-upgrade-copy");
    tracing::info!(copy = %path.display(), "the state was copied before its format changes");
    Ok(())
}

/// The copies from before an upgrade, by name.
pub(super) fn kept(dir: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let ours = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let name = entry.file_name();
        let name = name.to_str()?;
        (name.starts_with(backup::BEFORE_UPGRADE) && !name.ends_with(".new")).then(|| entry.path())
    };
    let mut kept: Vec<_> = entries.filter_map(ours).collect();
    kept.sort();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Restore;

    fn later(tx: &mut Tx<'_>, _: &Keys<'_>) -> Result<()> {
        tx.put(b"x:later".to_vec(), &"as the third format has it")
    }

    fn latest(tx: &mut Tx<'_>, _: &Keys<'_>) -> Result<()> {
        let before: Option<String> = tx.get(b"x:later")?;
        let before = before.ok_or_else(|| LedgerError::defect("the third step comes before the second"))?;
        tx.put(b"x:later".to_vec(), &format!("{before}, and the fourth"))
    }

    fn refused(_: &mut Tx<'_>, _: &Keys<'_>) -> Result<()> {
        Err(LedgerError::DiskFull)
    }

    fn names(dir: &Path) -> Vec<String> {
        kept(dir).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn several_steps_are_taken_at_once_or_none_and_the_way_back_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let now = DateTime::UNIX_EPOCH;
        drop(Ledger::open(dir.path(), None, now).unwrap());
        let open = |steps: &[Step]| Ledger::open_with(dir.path(), None, steps, now);
        let said = |ledger: &Ledger| ledger.store.get::<String>(b"x:later").unwrap();

        // A step that fails leaves the records as they were, and the copy is made once.
        for _ in 0..2 {
            assert!(open(&[keep_stand_ins, later, refused]).is_err());
            assert_eq!(names(dir.path()), ["before-upgrade-2-1970-01-01T000000Z"]);
        }
        // What has begun is not what it was any more for a rosterd that knows less.
        let error = open(STEPS).unwrap_err();
        assert!(matches!(error, OpenError::NewerVersion { found: 4, known: 2, .. }), "{error}");
        assert!(error.to_string().contains("before-upgrade-2-1970"), "{error}");

        let ledger = open(&[keep_stand_ins, later, latest]).unwrap();
        assert_eq!(said(&ledger).unwrap(), "as the third format has it, and the fourth");
        drop(ledger);
        let ledger = open(&[keep_stand_ins, later, latest]).unwrap();
        assert_eq!(
            said(&ledger).unwrap(),
            "as the third format has it, and the fourth",
            "each step is taken once"
        );
        drop(ledger);
        assert!(matches!(open(STEPS).unwrap_err(), OpenError::NewerVersion { .. }));

        // The copy from before is the way back, also for the rosterd of then.
        let copy = kept(dir.path()).remove(0);
        Restore::from_file(dir.path(), &copy, None).unwrap().commit(now).unwrap();
        assert_eq!(said(&open(STEPS).unwrap()), None);
    }
}
