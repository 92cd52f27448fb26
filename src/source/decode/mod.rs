//! From the bytes of a spooled file to rows. Nothing is guessed: whatever proves that something is missing,
//! or cannot be read with certainty, makes the whole read [`Incomplete`].

pub mod csv;
mod delimiter;
mod encoding;
pub mod json;
mod pgp;
mod rows;
mod sniff;
mod spool;
#[cfg(test)]
mod tests;
mod text;
mod unpack;
mod xlsx;

use super::{Csv, Decrypt, Format, Xlsx};
use crate::{
    roster::RowAt,
    table::{Header, Table},
};
use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

/// How much of a file is looked at to tell what it is, in bytes.
const HEAD: u64 = 64 << 10;

/// How a file is read.
#[derive(Clone, Copy, Debug)]
pub struct How<'a> {
    /// Its name, which says what it holds when the settings do not.
    pub name: &'a str,
    /// What it holds.
    pub format: &'a Format,
    /// How it is decrypted.
    pub decrypt: Option<&'a Decrypt>,
    /// What is made of a JSON record.
    pub cells: json::Cells<'a>,
    /// Where unlinked files are made.
    pub dir: &'a Path,
    /// Goes into every [`RowAt`].
    pub source_index: u16,
}

/// Reads a file that has arrived whole: decrypts and unpacks it as far as it goes, and hands on its rows.
///
/// # Errors
/// When the file cannot be taken for the whole of what was exported, or the sink says so. What the sink was given
/// before must be forgotten then.
pub fn read(
    mut file: File,
    how: &How<'_>,
    sink: &mut dyn FnMut(Step<'_>) -> Result<(), Incomplete>,
) -> Result<Tally, Incomplete> {
    let index = how.source_index;
    let mut named_workbook = false;
    // What we have written ourselves is not packed.
    if *how.format != Format::Lines {
        let (inside, name) = unpack::unpack(file, how.name, how.decrypt, how.dir)?;
        (file, named_workbook) = (inside, name.to_ascii_lowercase().ends_with(".xlsx"));
    }
    match how.format {
        Format::ByName if named_workbook => xlsx::read(file, &Xlsx::default(), index, sink),
        Format::ByName => delimited(file, &Csv::default(), how, sink),
        Format::Csv(csv) => delimited(file, csv, how, sink),
        Format::Xlsx(sheet) => xlsx::read(file, sheet, index, sink),
        Format::Json(list) => json::read(&mut file, json::Layout::List(list), how.cells, index, sink),
        Format::Lines => json::read(&mut file, json::Layout::Lines, how.cells, index, sink),
    }
}

fn delimited(
    file: File,
    csv: &Csv,
    how: &How<'_>,
    sink: &mut dyn FnMut(Step<'_>) -> Result<(), Incomplete>,
) -> Result<Tally, Incomplete> {
    let mut file = encoding::to_utf8(file, csv.encoding, how.dir)?;
    csv::read(&mut file, csv, how.source_index, sink)
}

/// The beginning of a file.
fn head(file: &mut File) -> Result<Vec<u8>, Incomplete> {
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(|error| unreadable(&error))?;
    file.take(HEAD).read_to_end(&mut start).map_err(|error| unreadable(&error))?;
    file.seek(SeekFrom::Start(0)).map_err(|error| unreadable(&error))?;
    Ok(start)
}

fn unreadable(error: &std::io::Error) -> Incomplete {
    Incomplete(format!(
        "the spooled copy of the file cannot be read ({error}); look at the disk of the state directory, \
         then run the feed again"
    ))
}

/// Why a read is not complete: what proves it, where, and what to do. No approval can change it; the cure is
/// at the source or in the configuration (`config.md`, The guard). Never holds the text of a cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Incomplete(pub String);

/// What a decoder hands on, in this order: the header once, then the rows in batches.
#[derive(Debug)]
pub enum Step<'a> {
    /// The column names; comes first, once.
    Header(&'a Header),
    /// Some consecutive rows; at least one. The table is reused, so what is needed of it must be copied.
    Rows(&'a Table),
}

/// What was counted in a complete read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Data rows that were handed on: without header, blank lines and trailer.
    pub rows: u64,
    /// Where the first [`RAGGED_SHOWN`] rows stand whose number of cells is not the header's.
    pub ragged: Vec<RowAt>,
    /// How many such rows there are; suspicious, so that a person looks before anything is submitted.
    pub ragged_rows: u64,
    /// On which lines the first [`RAGGED_SHOWN`] lines stand that are nobody's: the header once more, totals, "report
    /// generated", empty rows below the last person.
    pub passed_over: Vec<u32>,
    /// How many such lines there are.
    pub passed_over_lines: u64,
    /// Whether the last byte of the file ends a line; suspicious when the last accepted file's did and this
    /// does not.
    pub ends_with_newline: bool,
    /// The header, as it was handed on.
    pub header: Header,
    /// Columns that no record has, and need not have.
    pub unseen: Vec<String>,
}

/// How many ragged rows are named; more than this nobody reads.
pub const RAGGED_SHOWN: usize = 50;
