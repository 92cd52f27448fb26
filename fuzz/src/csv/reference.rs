//! The `csv` crate beside our reader: where both take a file, they differ in nothing but what is nobody's.

use super::super::read::Read;
use rosterd::source::Csv;
use std::collections::BTreeMap;

/// A record of the reference.
struct Record {
    line: u32,
    cells: Vec<String>,
    /// A line of nothing but white space.
    blank: bool,
}

/// Whether both find the same records on the same lines, and what rosterd has passed over is nobody's.
pub(super) fn agrees(text: &str, starts: &[usize], delimiter: u8, settings: &Csv, read: &Read) {
    let mut records = records(text, starts, delimiter, settings.header_row).into_iter();
    let header = records.next().expect("who reads a header sees one");
    let names = &read.tally.header.names;
    assert_eq!(header.line, read.tally.header.line);
    assert!(header.cells.iter().map(|name| name.trim()).eq(names), "{:?} {names:?}", header.cells);
    let mut rows: BTreeMap<u32, &[String]> =
        read.rows.iter().map(|row| (row.line, row.cells.as_slice())).collect();
    let mut passed_over = 0;
    let mut trailer = None;
    for record in records.filter(|record| !record.blank) {
        assert!(trailer.is_none(), "nothing but blank lines follows the trailer");
        if let Some(cells) = rows.remove(&record.line) {
            assert_eq!(cells, record.cells, "line {}", record.line);
        } else if is_trailer(&record, settings) {
            trailer = Some(record);
        } else {
            passed_over += 1;
            assert!(is_nobodys(&record, names), "line {} is lost: {:?}", record.line, record.cells);
        }
    }
    assert!(rows.is_empty(), "made up: {rows:?}");
    assert_eq!(read.tally.passed_over_lines, passed_over);
    let Some(wanted) = &settings.trailer else { return };
    let found = trailer.expect("no file is whole without its trailer");
    if let Some(column) = wanted.count_column {
        assert_eq!(found.cells[column as usize - 1].trim().parse(), Ok(read.tally.rows));
    }
}

/// The records from the header on.
fn records(text: &str, starts: &[usize], delimiter: u8, header_row: u32) -> Vec<Record> {
    let from = starts[header_row as usize - 1];
    // The reference takes a byte order mark away wherever it is set to work.
    let marked = format!("\u{feff}{}", &text[from..]);
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(marked.as_bytes());
    let records = reader.records().map(|record| {
        let record = record.unwrap();
        // It says where it began to look, which is before the empty lines that it skips.
        let looked = (record.position().unwrap().byte() as usize).saturating_sub(3);
        let rest = &text[from + looked..];
        let begin = text.len() - rest.trim_start_matches(['\n', '\r']).len();
        let cells: Vec<String> = record.iter().map(str::to_owned).collect();
        Record {
            line: starts.partition_point(|start| *start <= begin) as u32,
            blank: cells.len() == 1 && cells[0].trim().is_empty() && !text[begin..].starts_with('"'),
            cells,
        }
    });
    records.collect()
}

fn is_trailer(record: &Record, settings: &Csv) -> bool {
    settings
        .trailer
        .as_ref()
        .is_some_and(|trailer| record.cells[0].trim_start().starts_with(&trailer.starts_with))
}

/// The header once more, nothing at all, or a word and a value: no person.
fn is_nobodys(record: &Record, names: &[String]) -> bool {
    let solid = record.cells.iter().filter(|cell| !cell.trim().is_empty());
    record.cells.iter().map(|cell| cell.trim()).eq(names) || solid.count() <= 2
}
