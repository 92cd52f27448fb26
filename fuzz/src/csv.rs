//! Any bytes as a CSV file, with any settings: what is taken for a whole file is what stands in it.

mod front;
mod reference;

use super::{
    input::Input,
    read::{CHUNK, PERSONAL, Read, Row, read_by},
};
use rosterd::source::{Csv, Encoding, Trailer};

/// Each of the five can be set by an operator.
const DELIMITERS: [Option<u8>; 7] =
    [None, Some(b','), Some(b';'), Some(b'|'), Some(b'\t'), Some(b'*'), Some(b' ')];
/// What can be found when nothing is said.
const FOUND: [u8; 4] = [b',', b';', b'|', b'\t'];
/// The first is to find out.
const ENCODINGS: [&str; 12] = [
    "",
    "utf-8",
    "windows-1252",
    "utf-16le",
    "utf-16be",
    "macintosh",
    "shift_jis",
    "windows-1250",
    "gb18030",
    "iso-2022-jp",
    "koi8-r",
    "windows-1254",
];

/// Reads `DHTEC…`: a delimiter, the header's line, a trailer, an encoding, a size of chunks, and then the file.
pub fn csv(input: &[u8]) {
    let mut input = Input::new(input);
    let delimiter = input.choose(&DELIMITERS);
    let header_row = input.choose(&[1, 2, 3, 4]);
    let trailer = input.byte();
    let encoding = input.choose(&ENCODINGS);
    let chunk = 8 + input.byte();
    let bytes = input.rest();
    let settings = Csv {
        delimiter,
        encoding: Encoding::named(encoding).unwrap_or_default(),
        header_row,
        trailer: trailer_of(trailer, bytes),
    };

    let whole = read_by(CHUNK, bytes, &settings);
    says_nothing_of_a_person(&whole, &settings);
    front::agrees(bytes, encoding, &settings, &whole);
    is_the_same_in_chunks(chunk, bytes, &settings, &whole);
    let Ok(read) = whole else { return };
    let text = std::str::from_utf8(bytes).expect("what is read is UTF-8");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let delimiter = settings.delimiter.unwrap_or_else(|| found(bytes, &settings, &read));
    let starts = line_starts(text);
    for row in &read.rows {
        assert!(stands(text, starts[row.line as usize - 1], row, delimiter), "line {}: {row:?}", row.line);
    }
    reference::agrees(text, &starts, delimiter, &settings, &read);
    comes_back(chunk, delimiter, &read);
}

/// Without a trailer, with one of these, or with one that begins as the last line of the file does.
fn trailer_of(choice: usize, bytes: &[u8]) -> Option<Trailer> {
    let (starts_with, count_column) = match choice % 8 {
        1 => ("TRL", None),
        2 => ("TRL", Some(2)),
        3 => ("T", Some(3)),
        4 => ("TRL", Some(1)),
        choice @ 5..=7 => {
            let text = String::from_utf8_lossy(bytes);
            let last = text.trim_end().rsplit(['\n', '\r']).next().unwrap_or("").trim_start_matches('"');
            let starts_with: String = last.chars().take(choice - 4).collect();
            return Some(Trailer { starts_with, count_column: [None, Some(2), Some(3)][choice - 5] });
        }
        _ => return None,
    };
    Some(Trailer { starts_with: starts_with.to_owned(), count_column })
}

fn says_nothing_of_a_person(read: &Result<Read, String>, settings: &Csv) {
    let configured = settings.trailer.as_ref().is_some_and(|trailer| trailer.starts_with.contains(PERSONAL));
    if let Err(message) = read {
        assert!(configured || !message.contains(PERSONAL), "{message}");
    }
}

fn is_the_same_in_chunks(chunk: usize, bytes: &[u8], settings: &Csv, whole: &Result<Read, String>) {
    // What a file is in place of CSV is told from its first bytes, more than a small chunk has.
    if whole.as_ref().is_err_and(|message| message.contains("not CSV")) {
        return;
    }
    // Two findings in one file may come the other way round.
    assert_eq!(read_by(chunk, bytes, settings).ok().as_ref(), whole.as_ref().ok(), "in chunks of {chunk}");
}

/// The delimiter that nobody has said: one that gives the same when it is.
fn found(bytes: &[u8], settings: &Csv, read: &Read) -> u8 {
    let said = |delimiter: &u8| {
        let settings = Csv { delimiter: Some(*delimiter), ..settings.clone() };
        read_by(CHUNK, bytes, &settings).as_ref() == Ok(read)
    };
    FOUND.into_iter().find(said).expect("what is found is one of those that can be said")
}

/// Where each line begins, by LF, CRLF or a CR alone.
fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    [0].into_iter().chain(ends.map(|(at, _)| at + 1)).collect()
}

/// Whether these cells stand at this place of the text, each in quotes or bare, with nothing between them but what
/// should be.
fn stands(text: &str, from: usize, row: &Row, delimiter: u8) -> bool {
    let mut rest = &text[from..];
    for (at, cell) in row.cells.iter().enumerate() {
        if at > 0 {
            let Some(after) = rest.strip_prefix(char::from(delimiter)) else { return false };
            rest = after;
        }
        let written =
            if rest.starts_with('"') { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.clone() };
        let Some(after) = rest.strip_prefix(&written) else { return false };
        rest = after;
    }
    rest.is_empty() || rest.starts_with(['\n', '\r'])
}

/// What was read, written with every cell in quotes, is read again as the same.
fn comes_back(chunk: usize, delimiter: u8, read: &Read) {
    let mut writer = ::csv::WriterBuilder::new()
        .delimiter(delimiter)
        .quote_style(::csv::QuoteStyle::Always)
        .flexible(true)
        .from_writer(Vec::new());
    writer.write_record(&read.tally.header.names).unwrap();
    for row in &read.rows {
        writer.write_record(&row.cells).unwrap();
    }
    let bytes = writer.into_inner().unwrap();
    let settings = Csv { delimiter: Some(delimiter), ..Csv::default() };
    let again = read_by(chunk, &bytes, &settings).unwrap();
    assert_eq!(again.tally.header.names, read.tally.header.names);
    assert_eq!(again.cells(), read.cells());
    assert_eq!(again.tally.passed_over_lines, 0, "a person is a person in quotes too");
}
