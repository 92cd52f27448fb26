//! The copy of a file on this host: unlinked from the start, counted and hashed on the way.

use super::{Failure, Hop};
use sha2::{Digest as _, Sha256};
use std::{fs::File, io::Write as _, path::Path};

/// An unlinked file that is being written.
pub(super) struct Spool {
    file: File,
    size: u64,
    hash: Sha256,
}

impl Spool {
    /// A new, empty one in `folder`: by `O_TMPFILE`, or unlinked at once where the file system has no such
    /// thing.
    ///
    /// # Errors
    /// When no file can be made there.
    pub(super) fn create(folder: &Path) -> Result<Self, Failure> {
        let file = tempfile::tempfile_in(folder).map_err(|error| {
            Failure::at(
                Hop::Spool,
                format!(
                    "cannot make a file in `{}` ({error}); the folder must exist and be writable for \
                     rosterd's user",
                    folder.display()
                ),
            )
        })?;
        Ok(Self { file, size: 0, hash: Sha256::new() })
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| {
            Failure::at(
                Hop::Spool,
                format!(
                    "cannot write the copy of the file after {} bytes ({error}); free some space on the \
                     disk of the state directory",
                    self.size
                ),
            )
        })?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes were written.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The file, its length in bytes, and its SHA-256 in lower-case hexadecimal.
    pub(super) fn finish(self) -> (File, u64, String) {
        let digest = self.hash.finalize();
        let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        (self.file, self.size, hex)
    }
}
