//! The bytes of a spooled file as checked text, a buffer at a time: strict UTF-8, no NUL byte.

use super::{Incomplete, unreadable};
use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
};

/// A record larger than this is taken for the rest of a file behind a quote that was never closed, in bytes.
pub(super) const LARGEST_RECORD: usize = 10_000_000;

/// A file that is read forward through one buffer.
pub(super) struct Text<'f> {
    file: &'f mut File,
    buffer: Vec<u8>,
    /// What of the buffer has been taken by the reader.
    taken: usize,
    /// What of the buffer has been read from the file.
    filled: usize,
    at_end: bool,
    last: Option<u8>,
}

impl<'f> Text<'f> {
    /// Begins at the start of `file` with a buffer of `size` bytes, read once.
    pub(super) fn open(file: &'f mut File, size: usize) -> Result<Self, Incomplete> {
        file.seek(SeekFrom::Start(0)).map_err(|error| unreadable(&error))?;
        let mut text =
            Self { file, buffer: vec![0; size.max(8)], taken: 0, filled: 0, at_end: false, last: None };
        text.fill()?;
        Ok(text)
    }

    /// Whether everything has been read from the file (not: taken by the reader).
    pub(super) fn at_end(&self) -> bool {
        self.at_end
    }

    /// The last byte of the file, known at its end.
    pub(super) fn last(&self) -> Option<u8> {
        self.last
    }

    /// What has been read and not been taken, unchecked.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.taken..self.filled).unwrap_or(&[])
    }

    /// What has been read and not been taken, as far as it ends with a whole character. `line` is the
    /// physical line, from 1, on which it begins.
    pub(super) fn chunk(&self, line: u32) -> Result<&str, Incomplete> {
        let bytes = self.bytes();
        if let Some(at) = memchr::memchr(0, bytes) {
            let (line, column) = place(bytes, at, line);
            return Err(Incomplete(format!(
                "line {line}, column {column} (counted in bytes) is a NUL byte, so this is no text in \
                 UTF-8: it was damaged on its way or \
                 is UTF-16; export it again as UTF-8"
            )));
        }
        let whole = if self.at_end { bytes } else { whole_characters(bytes) };
        std::str::from_utf8(whole).map_err(|error| {
            let (line, column) = place(whole, error.valid_up_to(), line);
            Incomplete(format!(
                "line {line}, column {column} (counted in bytes) is not UTF-8, so what stands there \
                 cannot be known; export the file as UTF-8"
            ))
        })
    }

    /// Marks so many bytes of what [`Self::chunk`] gave as read.
    pub(super) fn take(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes).min(self.filled);
    }

    /// Reads on. `line` is where what has not been taken begins.
    pub(super) fn more(&mut self, line: u32) -> Result<(), Incomplete> {
        self.buffer.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        if self.filled > LARGEST_RECORD {
            return Err(too_large(line));
        }
        // A record that fills half of the buffer would be moved and parsed again too often.
        if self.filled.saturating_mul(2) >= self.buffer.len() {
            self.buffer.resize(self.buffer.len().saturating_mul(2), 0);
        }
        self.fill()
    }

    fn fill(&mut self) -> Result<(), Incomplete> {
        while let Some(room) = self.buffer.get_mut(self.filled..).filter(|room| !room.is_empty()) {
            match self.file.read(room) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&error)),
            }
        }
        if let Some(&last) = self.bytes().last() {
            self.last = Some(last);
        }
        Ok(())
    }
}

/// The refusal of a record of more than [`LARGEST_RECORD`] that begins on `line`.
pub(super) fn too_large(line: u32) -> Incomplete {
    Incomplete(format!(
        "the record that begins on line {line} is larger than 10 MB: probably a quote opens there and is \
         never closed; correct the export"
    ))
}

/// How many physical lines end in these bytes: by LF, CRLF or a CR alone.
pub(super) fn line_ends(bytes: &[u8]) -> u32 {
    let mut count = 0_u32;
    let mut after_cr = None;
    for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
        let lf = bytes.get(at) == Some(&b'\n');
        if !(lf && after_cr == Some(at)) {
            count = count.saturating_add(1);
        }
        after_cr = (!lf).then_some(at + 1);
    }
    count
}

/// Line and column, both from 1, of the byte at `at`.
fn place(bytes: &[u8], at: usize, line: u32) -> (u32, usize) {
    let before = bytes.get(..at).unwrap_or(bytes);
    let begin = memchr::memrchr2(b'\n', b'\r', before).map_or(0, |end| end + 1);
    (line.saturating_add(line_ends(before)), before.len() - begin + 1)
}

/// The bytes without a last character of which the rest has not been read yet.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    for back in 1..=3 {
        let Some(at) = bytes.len().checked_sub(back) else {
            break;
        };
        let length = match bytes.get(at) {
            Some(0xC0..=0xDF) => 2,
            Some(0xE0..=0xEF) => 3,
            Some(0xF0..=0xFF) => 4,
            Some(0x80..=0xBF) => continue,
            Some(0..=0x7F) | None => 1,
        };
        return if length > back { bytes.get(..at).unwrap_or(bytes) } else { bytes };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_three_ways() {
        assert_eq!(line_ends(b"a\nb\r\nc\rd"), 3);
        assert_eq!(line_ends(b"\r\r\n\n"), 3);
        assert_eq!(line_ends(b"abc"), 0);
    }

    #[test]
    fn a_character_is_never_cut() {
        let text = "a\u{e9}\u{20ac}\u{1f600}".as_bytes();
        for end in 0..=text.len() {
            let whole = whole_characters(&text[..end]);
            assert!(std::str::from_utf8(whole).is_ok(), "{end}");
            assert!(end - whole.len() <= 3);
        }
    }
}
