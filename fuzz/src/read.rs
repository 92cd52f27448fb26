//! A read by rosterd, collected, with what must hold for every read.

use rosterd::source::{
    Csv,
    decode::{Incomplete, RAGGED_SHOWN, Step, Tally, csv},
};
use std::{
    fs::File,
    io::{Seek as _, Write as _},
    path::{Path, PathBuf},
};

/// So much is read at a time where nobody watches (`csv::read`).
pub(crate) const CHUNK: usize = 1 << 20;

/// What a cell may say and a message never: a message goes to the log and into mails.
pub(crate) const PERSONAL: &str = "Zq";

#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) line: u32,
    pub(crate) cells: Vec<String>,
}

/// A complete read.
#[derive(Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) rows: Vec<Row>,
    pub(crate) tally: Tally,
}

impl Read {
    pub(crate) fn cells(&self) -> Vec<&[String]> {
        self.rows.iter().map(|row| row.cells.as_slice()).collect()
    }
}

/// Whoever takes the steps of a read.
pub(crate) type Sink<'s> = dyn FnMut(Step<'_>) -> Result<(), Incomplete> + 's;

/// Where unlinked files are made: in memory, if there is such a place.
pub(crate) fn folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// An unlinked file of these bytes.
pub(crate) fn spool(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile_in(folder()).unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// What a reader hands on, and whether its tally is true.
pub(crate) fn collect(
    reader: impl FnOnce(&mut Sink<'_>) -> Result<Tally, Incomplete>,
) -> Result<Read, String> {
    let (mut header, mut rows) = (None, Vec::new());
    let tally = reader(&mut |step| {
        match step {
            Step::Header(given) => {
                assert!(header.is_none() && rows.is_empty(), "the header comes first, and once");
                header = Some(given.clone());
            }
            Step::Rows(table) => {
                assert!(header.is_some() && !table.is_empty(), "no batch is empty, or before the header");
                for row in table.rows() {
                    assert_eq!(row.at().record as usize, rows.len() + 1, "records are counted without a gap");
                    let cells: Vec<_> = (0..row.len()).map(|at| row.cell(at).to_owned()).collect();
                    assert!(
                        cells.iter().all(|cell| row.line().contains(cell)),
                        "each cell lies in the row's line"
                    );
                    rows.push(Row { line: row.at().line, cells });
                }
            }
        }
        Ok(())
    })
    .map_err(|incomplete| incomplete.0)?;
    let header = header.expect("a complete read has a header");
    assert_eq!(tally.header, header);
    assert_eq!(tally.rows, rows.len() as u64, "who is counted is handed on");
    let ragged: Vec<u32> =
        rows.iter().filter(|row| row.cells.len() != header.names.len()).map(|row| row.line).collect();
    assert_eq!(tally.ragged_rows, ragged.len() as u64);
    assert!(tally.ragged.iter().map(|at| at.line).eq(ragged.into_iter().take(RAGGED_SHOWN)));
    assert_eq!(tally.passed_over.len() as u64, tally.passed_over_lines.min(RAGGED_SHOWN as u64));
    let lines = [header.line].into_iter().chain(rows.iter().map(|row| row.line));
    assert!(lines.is_sorted_by(|before, after| before < after), "lines stand in the order of the file");
    Ok(Read { rows, tally })
}

/// Reads UTF-8 in chunks of this size.
pub(crate) fn read_by(chunk: usize, bytes: &[u8], settings: &Csv) -> Result<Read, String> {
    collect(|sink| csv::read_by(chunk, &mut spool(bytes), settings, 0, sink))
}
