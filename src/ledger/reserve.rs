//! The reserve: room that is taken at the start, so that a request id survives even when the disk is full.

use super::{
    AttemptId, Facts, Ledger, codec, crash,
    error::{LedgerError, Result},
    files,
};
use crate::{
    attempt::{Event, State},
    roster::RequestId,
};
use chrono::{DateTime, Utc};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{Mutex, PoisonError},
};

/// Bytes of the file: some hundred request ids.
const SIZE: usize = 64 * 1024;
/// A length and a checksum before each note.
const HEAD: usize = 2 + 16;

/// The file, open since the start, and where the next note goes.
pub(super) struct Reserve {
    file: File,
    end: Mutex<usize>,
}

impl Reserve {
    /// Opens or makes the file. Returns the notes in it too.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<String>)> {
        let failed = |error| LedgerError::io(format!("open `{}`", path.display()), error);
        let whole = std::fs::metadata(path).is_ok_and(|about| usize::try_from(about.len()) == Ok(SIZE));
        if !whole {
            files::write_whole(path, &vec![0; SIZE])?;
        }
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
        let mut bytes = vec![0; SIZE];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        let notes = notes(&bytes);
        let end = notes.iter().map(|note| HEAD + note.len()).sum();
        let reserve = Self { file, end: Mutex::new(end) };
        Ok((reserve, notes))
    }

    fn note(&self, text: &str) -> io::Result<()> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let length = u16::try_from(text.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        if *end + HEAD + text.len() > SIZE {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(&codec::checksum(b"reserve", text.as_bytes()));
        bytes.extend_from_slice(text.as_bytes());
        self.file.write_all_at(&bytes, u64::try_from(*end).unwrap_or(u64::MAX))?;
        self.file.sync_data()?;
        *end += bytes.len();
        crash::reached("ledger-after-reserve");
        Ok(())
    }

    fn clear(&self) -> io::Result<()> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        self.file.write_all_at(&vec![0; SIZE], 0)?;
        self.file.sync_data()?;
        *end = 0;
        Ok(())
    }
}

/// Copies a reserve that holds notes to another place, durably. Returns the notes. One that cannot be read holds
/// none.
pub(super) fn carry_over(from: &Path, to: &Path) -> Result<Vec<String>> {
    let bytes = std::fs::read(from).ok().filter(|bytes| bytes.len() == SIZE);
    let bytes = bytes.unwrap_or_else(|| vec![0; SIZE]);
    files::write_whole(to, &bytes)?;
    Ok(notes(&bytes))
}

fn notes(bytes: &[u8]) -> Vec<String> {
    let mut notes = Vec::new();
    let mut rest = bytes;
    // A torn note at the end was never acknowledged.
    while let Some((length, after)) = rest.split_first_chunk::<2>()
        && let Some((check, after)) = after.split_first_chunk::<16>()
        && let Some((text, after)) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))
        && !text.is_empty()
        && codec::checksum(b"reserve", text) == *check
    {
        notes.push(String::from_utf8_lossy(text).into_owned());
        rest = after;
    }
    notes
}

impl Ledger {
    /// Keeps a line durably when the ledger itself takes nothing more: it needs no room on the disk.
    ///
    /// # Errors
    /// When 64 KiB of notes are there already, or the file system refuses.
    pub fn reserve_note(&self, text: &str) -> io::Result<()> {
        self.reserve.note(text)
    }

    /// Keeps the request id of an attempt in the reserve, and takes nothing more from here on: every later
    /// write is refused with [`LedgerError::Stopped`]. The next [`Ledger::open`] takes the id over. What
    /// [`Ledger::advance`] cannot record it keeps here by itself; to log it is the caller's.
    ///
    /// # Errors
    /// As [`Ledger::reserve_note`].
    pub fn reserve_accepted(&self, id: AttemptId, request_id: &RequestId) -> io::Result<()> {
        self.store.stop("a request id had to go to the reserve");
        self.reserve_note(&format!("accepted {} {request_id}", id.0))
    }

    /// What the reserve held when the directory was opened, to be logged: request ids in it are in their
    /// attempts by now.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Brings the request ids of the reserve into their attempts, then empties it.
    pub(super) fn take_over_notes(&self, now: DateTime<Utc>) -> Result<()> {
        for note in &self.notes {
            let Some((id, request_id)) = accepted(note) else {
                continue;
            };
            let Some(attempt) = self.attempt(id)? else {
                continue;
            };
            let mut events = vec![Event::Accepted { request_id }];
            match attempt.state {
                State::Prepared => events.insert(0, Event::Connected),
                State::Sent => {}
                State::Accepted { .. }
                | State::Completed { .. }
                | State::TimedOut { .. }
                | State::NotSent { .. }
                | State::OutcomeUnknown { .. }
                | State::Rejected { .. } => events.clear(),
            }
            for event in events {
                // Not `advance`: on a disk that is full still it would note the id once more.
                self.advance_recorded(id, &event, now, &Facts::default(), |_| {})?;
            }
        }
        if self.notes.is_empty() {
            return Ok(());
        }
        self.reserve.clear().map_err(|error| LedgerError::io("empty the reserve", error))
    }
}

fn accepted(note: &str) -> Option<(AttemptId, RequestId)> {
    let (id, request_id) = note.strip_prefix("accepted ")?.split_once(' ')?;
    Some((AttemptId(id.parse().ok()?), RequestId::new(request_id).ok()?))
}
