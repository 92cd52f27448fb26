//! A decoded form of a file: unlinked from the start, and bounded.

use super::Incomplete;
use std::{
    fs::File,
    io::{ErrorKind, Read, Seek as _, SeekFrom, Write as _},
    path::Path,
};

/// How much is read and written at a time, in bytes.
pub(super) const PIECE: usize = 256 << 10;
/// A file may not unpack to more than this, in bytes: four times the largest roster that anybody has asked for.
const MOST: u64 = 8 << 30;
/// Up to here nobody asks how much of it there was when it was packed.
const FREE: u64 = 64 << 20;
/// Beyond it, an archive that grows by more than this holds no roster: names and dates pack by ten or twenty.
const RATIO: u64 = 200;

pub(super) struct Copy(File);

impl Copy {
    pub(super) fn create(dir: &Path) -> Result<Self, Incomplete> {
        let file = tempfile::tempfile_in(dir).map_err(|error| {
            Incomplete(format!(
                "cannot make a file in `{}` for the decoded file ({error}); the folder must be writable for rosterd's \
                 user",
                dir.display()
            ))
        })?;
        Ok(Self(file))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Incomplete> {
        self.0.write_all(bytes).map_err(|error| {
            Incomplete(format!(
                "cannot write the decoded file ({error}); free some space on the disk of the state directory"
            ))
        })
    }

    pub(super) fn finish(mut self) -> Result<File, Incomplete> {
        self.0.seek(SeekFrom::Start(0)).map_err(|error| super::unreadable(&error))?;
        Ok(self.0)
    }
}

/// Counts what comes out of `packed` bytes.
pub(super) struct Bound {
    packed: u64,
    unpacked: u64,
}

impl Bound {
    pub(super) fn new(packed: u64) -> Self {
        Self { packed, unpacked: 0 }
    }

    /// # Errors
    /// When it is too much.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), Incomplete> {
        self.unpacked = self.unpacked.saturating_add(bytes as u64);
        if self.unpacked > MOST {
            return Err(Incomplete(
                "the file unpacks to more than 8 GiB, which no roster has; look what was delivered"
                    .to_owned(),
            ));
        }
        if self.unpacked > FREE && self.unpacked / RATIO > self.packed {
            return Err(Incomplete(format!(
                "the file unpacks to more than {RATIO} times its size, which no roster does; look what was delivered"
            )));
        }
        Ok(())
    }
}

/// Copies what `from` gives into an unlinked file in `dir`. `broken` says what an error of `from` means.
pub(super) fn copy(
    from: &mut dyn Read,
    bound: &mut Bound,
    dir: &Path,
    broken: &dyn Fn(&std::io::Error) -> Incomplete,
) -> Result<File, Incomplete> {
    let mut copy = Copy::create(dir)?;
    pieces(from, broken, &mut |piece| {
        bound.add(piece.len())?;
        copy.write(piece)
    })?;
    copy.finish()
}

/// Reads to the end and hands on what comes in full pieces, but for the last: some readers give a few kilobytes at a
/// time, and each piece is a call of the kernel. `broken` says what an error of `from` means.
pub(super) fn pieces(
    from: &mut dyn Read,
    broken: &dyn Fn(&std::io::Error) -> Incomplete,
    each: &mut dyn FnMut(&[u8]) -> Result<(), Incomplete>,
) -> Result<(), Incomplete> {
    let mut buffer = vec![0; PIECE];
    loop {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match from.read(room) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(&error)),
            }
        }
        let piece = buffer.get(..filled).unwrap_or(&[]);
        if !piece.is_empty() {
            each(piece)?;
        }
        if piece.len() < PIECE {
            return Ok(());
        }
    }
}

pub(super) fn length(file: &File) -> Result<u64, Incomplete> {
    file.metadata().map(|found| found.len()).map_err(|error| super::unreadable(&error))
}
