//! A roster that ends with the number of its people, as it is after something was lost on the way.

use super::{
    input::Input,
    read::{Read, read_by},
};
use rosterd::source::{Csv, Trailer};

/// So many bytes from the end of a file are cut off one after the other.
const EACH: usize = 40;

/// How a trailer with the number may look, `N` for it.
const TRAILERS: [&str; 8] = [
    "TRL,N",
    "TRL,N,",
    "\"TRL\",\"N\"",
    " TRL, N ",
    "TRL,00N",
    "TRL,N,\"two\nlines\"",
    "TRL,N,N",
    "TRL-7,N,0",
];

/// Reads `QTEPAB…`: how cells are quoted, a trailer, a line end, what becomes of the file, two places in it (two bytes
/// each), and then the rows, cut into cells of a few bytes.
pub fn trailer(input: &[u8]) {
    let mut input = Input::new(input);
    let quoted = input.choose(&[false, true]);
    let trailer = input.choose(&TRAILERS);
    let end = input.choose(&["\n", "\r\n", "\r"]);
    let harm = input.byte();
    let (one, two) = (input.below(1 << 16), input.below(1 << 16));
    let body = body(&String::from_utf8_lossy(input.rest()), quoted, end);

    // The number that the sender has counted is the number that a reader finds who wants no trailer.
    let Ok(counted) = read(body.as_bytes(), None) else { return };
    let file = format!("{body}{}{end}", trailer.replace('N', &counted.tally.rows.to_string()));
    // A row that begins as the trailer does is a mistake of the configuration, which the whole file shows.
    let Ok(whole) = read(file.as_bytes(), Some(2)) else { return };
    assert_eq!(whole.cells(), counted.cells());

    let file = file.as_bytes();
    for at in file.len().saturating_sub(EACH)..file.len() {
        is_cut_at(at, file, &whole);
    }
    let (one, two) = (one % file.len(), two % file.len());
    is_cut_at(one, file, &whole);
    is_harmed(harm, one, two, file, &whole);
}

/// The header, then rows of three cells each.
fn body(text: &str, quoted: bool, end: &str) -> String {
    let mut body = format!("id,first,last{end}");
    for row in text.split('\u{1e}').flat_map(|part| part.split('~')) {
        let mut cells = row.splitn(3, '^').map(|cell| written(cell, quoted)).collect::<Vec<_>>();
        cells.resize(3, String::new());
        body.push_str(&cells.join(","));
        body.push_str(end);
    }
    body
}

fn written(cell: &str, quoted: bool) -> String {
    if quoted || cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

fn read(bytes: &[u8], count_column: Option<u32>) -> Result<Read, String> {
    let trailer =
        count_column.map(|column| Trailer { starts_with: "TRL".to_owned(), count_column: Some(column) });
    read_by(256, bytes, &Csv { delimiter: Some(b','), trailer, ..Csv::default() })
}

/// A file whose end is lost is whole only when nobody is missing in it.
fn is_cut_at(at: usize, file: &[u8], whole: &Read) {
    if let Ok(read) = read(&file[..at], Some(2)) {
        assert_eq!(read.cells(), whole.cells(), "cut at {at}");
        assert_eq!(read.tally.passed_over, whole.tally.passed_over, "cut at {at}");
    }
}

/// Bytes are lost from the middle, or lines, or come twice, or in another order, or changed.
fn is_harmed(harm: usize, one: usize, two: usize, file: &[u8], whole: &Read) {
    let (from, to) = (one.min(two), one.max(two));
    let (before, middle, after) = (&file[..from], &file[from..to], &file[to..]);
    let harmed = match harm % 6 {
        0 => [before, after].concat(),
        1 => [before, middle, middle, after].concat(),
        2 => [before, after, middle].concat(),
        3 => [middle, after].concat(),
        4 => {
            let mut lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
            lines.remove(one % lines.len());
            lines.concat()
        }
        _ => {
            let mut file = file.to_vec();
            file[one] = two as u8;
            file
        }
    };
    let Ok(read) = read(&harmed, Some(2)) else { return };
    assert_eq!(Some(read.tally.rows), last_number(&harmed), "the trailer counts who was handed on");
    // One gap or one changed byte cannot take people away and their number too.
    if matches!(harm % 6, 0 | 4 | 5) {
        assert!(read.tally.rows >= whole.tally.rows, "{} of {}", read.tally.rows, whole.tally.rows);
    }
}

/// The number in the second cell of the last line that is not blank, as the `csv` crate reads it.
fn last_number(file: &[u8]) -> Option<u64> {
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let records = reader.records().map(Result::unwrap);
    let last = records.filter(|record| record.len() > 1 || !record[0].trim().is_empty()).last()?;
    assert!(last[0].trim_start().starts_with("TRL"));
    last.get(1)?.trim().parse().ok()
}
