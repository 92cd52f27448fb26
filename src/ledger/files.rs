//! Files of ours: written beside, fsynced, renamed, the directory fsynced.

use super::error::{LedgerError, Result};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::Path,
};

/// Makes a directory that nobody else can read, if it is not there.
pub(super) fn make_dir(dir: &Path) -> Result<()> {
    let doing = || format!("make the directory `{}`", dir.display());
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| LedgerError::io(doing(), error))?;
    match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(()),
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| LedgerError::io(format!("make `{}` durable", dir.display()), error))
}

/// A new file, readable for us alone, that replaces what a crash left under its name.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Writes a whole file durably, under its name only when it is complete.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    let written = create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&beside, path)).map_err(|error| {
        remove(&beside);
        LedgerError::io(format!("write `{}`", path.display()), error)
    })?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Removes a file that nothing refers to any more. What cannot be removed is removed at the next start.
pub(super) fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap_or(());
}

/// How many changes were acknowledged, kept beside the store: a store that is behind it has lost something.
///
/// Two slots take turns, so that a torn write leaves the one before.
pub(super) struct Sequence(File);

const SLOT: usize = 32;

impl Sequence {
    /// Opens the file, or makes one that says 0 when it is missing.
    ///
    /// # Errors
    /// Damage when no slot can be read.
    pub(super) fn open(path: &Path) -> Result<(Self, u64)> {
        if !path.exists() {
            write_whole(path, &[slot(0), [0; SLOT]].concat())?;
        }
        let doing = "read the state's sequence file";
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| LedgerError::io(doing, error))?;
        let sequence = Self(file);
        let newest = sequence.newest();
        newest
            .map(|newest| (sequence, newest))
            .ok_or_else(|| LedgerError::damaged("the file `sequence` has no readable number"))
    }

    /// The highest number that can be read.
    pub(super) fn newest(&self) -> Option<u64> {
        let mut newest = None;
        for offset in [0, SLOT] {
            let mut bytes = [0; SLOT];
            let at = u64::try_from(offset).unwrap_or(0);
            if self.0.read_exact_at(&mut bytes, at).is_ok()
                && let Some((head, _)) = bytes.split_first_chunk::<8>()
                && slot(u64::from_le_bytes(*head)) == bytes
            {
                newest = newest.max(Some(u64::from_le_bytes(*head)));
            }
        }
        newest
    }

    /// Notes that this many changes are durable.
    pub(super) fn note(&self, sequence: u64) -> io::Result<()> {
        let at = if sequence.is_multiple_of(2) { 0 } else { SLOT };
        self.0.write_all_at(&slot(sequence), u64::try_from(at).unwrap_or(0))?;
        self.0.sync_data()
    }
}

fn slot(sequence: u64) -> [u8; SLOT] {
    let number = sequence.to_le_bytes();
    let mut slot = [0; SLOT];
    let check = super::codec::checksum(b"sequence", &number);
    for (to, from) in slot.iter_mut().zip(number.iter().chain(&check)) {
        *to = *from;
    }
    slot
}
