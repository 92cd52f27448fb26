//! CSV (RFC 4180), strictly and in one pass.
//!
//! A lenient reader turns a missing quote into one long cell and a hundred lost people, so this one is ours:
//! the balance of quotes, the number of cells, the line numbers and the trailer are checked while the cells
//! are cut. Three searches do the work (`memchr`): for the end of a plain cell, for the end of a quoted one,
//! and for NUL; a cell is copied once, into the table.

use super::{
    Incomplete, Step, Tally, delimiter,
    rows::{Rows, Sink},
    sniff,
    text::{LARGEST_RECORD, Text, line_ends, too_large},
};
use crate::{
    roster::RowAt,
    source::{Csv, Trailer},
    table::Table,
};
use memchr::{memchr, memchr2, memchr3};
use std::{fs::File, ops::Range};

/// How much is read at a time, in bytes.
const CHUNK: usize = 1 << 20;

/// Reads a CSV file in UTF-8 from its start: the header, then the rows in batches. `source_index` is the
/// source's place in the feed's read, and goes into every [`RowAt`].
///
/// # Errors
/// When the file cannot be taken for the whole of what was exported, or the sink says so. What the sink was
/// given before must be forgotten then.
pub fn read(
    spool: &mut File,
    csv: &Csv,
    source_index: u16,
    sink: &mut dyn FnMut(Step<'_>) -> Result<(), Incomplete>,
) -> Result<Tally, Incomplete> {
    read_by(CHUNK, spool, csv, source_index, sink)
}

/// As [`read`], reading `chunk` bytes at a time. Public for the fuzz targets alone (`fuzz/`), which prove that this
/// changes nothing: at the usual size they would never see the end of a chunk.
///
/// # Errors
/// As [`read`].
#[doc(hidden)]
pub fn read_by(
    chunk: usize,
    spool: &mut File,
    csv: &Csv,
    source_index: u16,
    sink: &mut dyn FnMut(Step<'_>) -> Result<(), Incomplete>,
) -> Result<Tally, Incomplete> {
    let start = super::head(spool)?;
    if let Some(kind) = sniff::foreign(&start) {
        return Err(foreign(kind, &start));
    }
    let delimiter = match csv.delimiter {
        Some(delimiter) => delimiter,
        None => delimiter::find(&start, csv.header_row)?,
    };
    let mut text = Text::open(spool, chunk)?;
    if text.bytes().is_empty() {
        return Err(Incomplete(
            "the file is empty, not even a header is there; look why the export wrote nothing".to_owned(),
        ));
    }
    if text.bytes().starts_with(b"\xEF\xBB\xBF") {
        text.take(3);
    }
    let mut reader = Reader::new(csv, delimiter, source_index);
    loop {
        let taken = reader.feed(text.chunk(reader.line)?, text.at_end(), sink)?;
        text.take(taken);
        if text.at_end() {
            break;
        }
        text.more(reader.line)?;
    }
    let newline = matches!(text.last(), Some(b'\n' | b'\r'));
    reader.finish(newline, sink)
}

/// Says what to write for a file that is no CSV, as far as it can be read at all.
fn foreign(kind: &str, start: &[u8]) -> Incomplete {
    let instead = match kind {
        sniff::WORKBOOK => "write `xlsx: {}` in place of `csv`",
        sniff::JSON if sniff::is_list(start) => {
            "write `json: { records: \"$\" }` in place of `csv`, since the whole file is the list of records"
        }
        sniff::JSON => {
            "write `json: { records: … }` in place of `csv`, with the path of the list in it, such as `$.employees`"
        }
        _ => "export it as CSV in UTF-8",
    };
    Incomplete(format!(
        "the file is {kind}, not CSV; {instead}, or look whether the right file is named by `path`"
    ))
}

/// What the next line is.
enum Expect {
    /// So many lines before the header, the header included.
    Header(u32),
    /// Rows of people.
    Rows,
    /// Nothing: the trailer stood on this line.
    Nothing(u32),
}

struct Reader<'c> {
    csv: &'c Csv,
    delimiter: u8,
    expect: Expect,
    /// The physical line of what is read next, from 1.
    line: u32,
    record: Record,
    rows: Rows,
}

impl<'c> Reader<'c> {
    fn new(csv: &'c Csv, delimiter: u8, source: u16) -> Self {
        Self {
            csv,
            delimiter,
            expect: Expect::Header(csv.header_row.max(1)),
            line: 1,
            record: Record::default(),
            rows: Rows::new(source),
        }
    }

    /// Reads every whole record of `text` and returns how many bytes they had.
    fn feed(&mut self, text: &str, at_end: bool, sink: &mut Sink<'_>) -> Result<usize, Incomplete> {
        let mut from = 0;
        while from < text.len() {
            if let Expect::Header(lines @ 2..) = self.expect {
                let Some(next) = next_line(text.as_bytes(), from, at_end) else {
                    break;
                };
                from = next;
                self.line = self.line.saturating_add(1);
                self.expect = Expect::Header(lines - 1);
                continue;
            }
            let Some(end) = self.record.cut(text, from, at_end, self.delimiter, self.line)? else {
                break;
            };
            let line = self.line;
            if end.next - from > LARGEST_RECORD {
                return Err(too_large(line));
            }
            from = end.next;
            self.line = line.saturating_add(end.lines);
            match self.expect {
                Expect::Header(_) => self.header(text, line, sink)?,
                Expect::Rows | Expect::Nothing(_) if self.record.is_blank(text) => {}
                Expect::Rows => self.row(text, line, sink)?,
                Expect::Nothing(trailer) => {
                    return Err(Incomplete(format!(
                        "line {line} follows the trailer on line {trailer}, which must be the last; the \
                         file was put together wrongly, or \
                         `trailer.starts_with` also fits a person's row; correct one of them"
                    )));
                }
            }
        }
        Ok(from)
    }

    fn header(&mut self, text: &str, line: u32, sink: &mut Sink<'_>) -> Result<(), Incomplete> {
        let names: Vec<String> = self.record.cells(text).map(|name| name.trim().to_owned()).collect();
        if names.iter().all(String::is_empty) {
            return Err(Incomplete(format!(
                "line {line} should hold the column names and is blank; name the header's line with `csv: \
                 {{ header_row: … }}`"
            )));
        }
        self.expect = Expect::Rows;
        self.rows.header(names, line, sink)
    }

    fn row(&mut self, text: &str, line: u32, sink: &mut Sink<'_>) -> Result<(), Incomplete> {
        if let Some(trailer) = &self.csv.trailer {
            let first = self.record.cells(text).next().unwrap_or("");
            if first.trim_start().starts_with(&trailer.starts_with) {
                self.check_count(trailer, text, line)?;
                self.expect = Expect::Nothing(line);
                return Ok(());
            }
        }
        if self.rows.is_nobodys(self.record.cells(text), line) {
            return Ok(());
        }
        self.rows.release(sink)?;
        let at = self.rows.place(self.record.cells.len(), line);
        self.record.put(text, at, &mut self.rows.table);
        self.rows.hand_on(sink)
    }

    fn check_count(&self, trailer: &Trailer, text: &str, line: u32) -> Result<(), Incomplete> {
        let Some(column) = trailer.count_column else {
            return Ok(());
        };
        let cell = self.record.cells(text).nth(column.saturating_sub(1) as usize).map(str::trim);
        let Some(cell) = cell else {
            return Err(Incomplete(format!(
                "the trailer on line {line} has {} cells and no column {column} with the number of rows; \
                 the file was cut, or \
                 `trailer.count_column` is wrong",
                self.record.cells.len()
            )));
        };
        let digits = !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit());
        let Some(count) = cell.parse::<u64>().ok().filter(|_| digits) else {
            return Err(Incomplete(format!(
                "column {column} of the trailer on line {line} is not a number of rows ({} characters); \
                 the file was cut, or \
                 `trailer.count_column` is wrong",
                cell.chars().count()
            )));
        };
        if count == self.rows.tally.rows {
            return Ok(());
        }
        Err(Incomplete(format!(
            "the trailer on line {line} counts {count} rows, the file has {}; ask for the file again, it \
             is not the whole of what was exported",
            self.rows.tally.rows
        )))
    }

    fn finish(mut self, ends_with_newline: bool, sink: &mut Sink<'_>) -> Result<Tally, Incomplete> {
        match (&self.expect, &self.csv.trailer) {
            (Expect::Header(_), _) => Err(Incomplete(format!(
                "the file ends on line {} before the header on line {}; it was cut, or `header_row` is wrong",
                self.line, self.csv.header_row
            ))),
            (Expect::Rows, Some(trailer)) => Err(Incomplete(format!(
                "the last line does not begin with `{}`, so the trailer is missing and the file was cut \
                 after {} rows; ask for it again",
                trailer.starts_with, self.rows.tally.rows
            ))),
            (Expect::Rows, None) | (Expect::Nothing(_), _) => {
                self.rows.tally.ends_with_newline = ends_with_newline;
                self.rows.finish(sink)
            }
        }
    }
}

/// Where the line after the one at `from` begins, if that can be said already.
fn next_line(bytes: &[u8], from: usize, at_end: bool) -> Option<usize> {
    match memchr2(b'\n', b'\r', bytes.get(from..)?) {
        Some(length) => past_line_end(bytes, from + length, at_end),
        None => at_end.then_some(bytes.len()),
    }
}

/// Where the line after the line end at `at` begins; nothing when a CR is the last byte and its LF may
/// follow.
fn past_line_end(bytes: &[u8], at: usize, at_end: bool) -> Option<usize> {
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Some(at + 2),
        (Some(b'\r'), None) if !at_end => None,
        _ => Some(at + 1),
    }
}

/// The cells of one record, as places in the text, or in `unquoted` where doubled quotes had to be taken out.
#[derive(Default)]
struct Record {
    cells: Vec<Cell>,
    unquoted: String,
    /// Whether the first cell stood in quotes: such a line is not blank.
    quoted: bool,
}

struct Cell {
    at: Range<usize>,
    unquoted: bool,
}

/// Where a record ended.
struct End {
    next: usize,
    lines: u32,
}

impl Record {
    /// Cuts the record at `from`, which stands on `line`. Nothing when the text ends before the record is
    /// whole.
    fn cut(
        &mut self,
        text: &str,
        from: usize,
        at_end: bool,
        delimiter: u8,
        line: u32,
    ) -> Result<Option<End>, Incomplete> {
        let bytes = text.as_bytes();
        self.cells.clear();
        self.unquoted.clear();
        self.quoted = bytes.get(from) == Some(&b'"');
        let mut at = from;
        let mut lines = 0_u32;
        loop {
            let end = if bytes.get(at) == Some(&b'"') {
                let opened = line.saturating_add(lines);
                let Some(end) = self.cut_quoted(text, at, at_end, opened)? else {
                    return Ok(None);
                };
                lines = lines.saturating_add(line_ends(bytes.get(at..end).unwrap_or(&[])));
                if !matches!(bytes.get(end), None | Some(b'\n' | b'\r')) && bytes.get(end) != Some(&delimiter)
                {
                    return Err(Incomplete(format!(
                        "unbalanced quote: the quoted cell {} of the record on line {line}, opened on \
                         line {opened}, goes on after its closing quote; where \
                         rows end cannot be known, so correct the export (a quote inside a quoted cell is \
                         doubled)",
                        self.cells.len()
                    )));
                }
                end
            } else {
                let rest = bytes.get(at..).unwrap_or(&[]);
                let end = match memchr3(delimiter, b'\n', b'\r', rest) {
                    Some(length) => at + length,
                    None if at_end => bytes.len(),
                    None => return Ok(None),
                };
                self.cells.push(Cell { at: at..end, unquoted: false });
                end
            };
            match bytes.get(end) {
                Some(byte) if *byte == delimiter => at = end + 1,
                Some(_) => {
                    let lines = lines.saturating_add(1);
                    return Ok(past_line_end(bytes, end, at_end).map(|next| End { next, lines }));
                }
                None if at_end => return Ok(Some(End { next: end, lines })),
                None => return Ok(None),
            }
        }
    }

    /// Cuts the quoted cell whose quote stands at `open`; returns where its closing quote ends.
    fn cut_quoted(
        &mut self,
        text: &str,
        open: usize,
        at_end: bool,
        line: u32,
    ) -> Result<Option<usize>, Incomplete> {
        let bytes = text.as_bytes();
        let begin = self.unquoted.len();
        let mut piece = open + 1;
        loop {
            let Some(length) = memchr(b'"', bytes.get(piece..).unwrap_or(&[])) else {
                return if at_end {
                    Err(Incomplete(format!(
                        "unbalanced quote: the one that opens on line {line} is never closed, so the file \
                         was cut or its quoting is broken; ask for \
                         it again or correct the export"
                    )))
                } else {
                    Ok(None)
                };
            };
            let quote = piece + length;
            match bytes.get(quote + 1) {
                Some(b'"') => {
                    self.unquoted.push_str(text.get(piece..=quote).unwrap_or(""));
                    piece = quote + 2;
                }
                None if !at_end => return Ok(None),
                Some(_) | None => {
                    let plain = piece == open + 1;
                    if !plain {
                        self.unquoted.push_str(text.get(piece..quote).unwrap_or(""));
                    }
                    self.cells.push(Cell {
                        at: if plain { piece..quote } else { begin..self.unquoted.len() },
                        unquoted: !plain,
                    });
                    return Ok(Some(quote + 1));
                }
            }
        }
    }

    fn cells<'t>(&'t self, text: &'t str) -> impl Iterator<Item = &'t str> + Clone + 't {
        self.cells.iter().map(move |cell| {
            let text = if cell.unquoted { &self.unquoted } else { text };
            text.get(cell.at.clone()).unwrap_or("")
        })
    }

    /// Adds the record to the table as it stands, unless doubled quotes had to be taken out of it.
    fn put(&self, text: &str, at: RowAt, table: &mut Table) {
        let start = self.cells.first().map_or(0, |cell| cell.at.start);
        let end = self.cells.last().map_or(0, |cell| cell.at.end);
        match text.get(start..end) {
            Some(line) if self.unquoted.is_empty() => {
                table.push_line(
                    at,
                    line,
                    self.cells.iter().map(|cell| (cell.at.start - start, cell.at.end - start)),
                );
            }
            Some(_) | None => table.push(at, self.cells(text)),
        }
    }

    /// A line with nothing but white space is nobody's row.
    fn is_blank(&self, text: &str) -> bool {
        self.cells.len() == 1 && !self.quoted && self.cells(text).all(|cell| cell.trim().is_empty())
    }
}

#[cfg(test)]
mod tests;
