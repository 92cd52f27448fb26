//! JSON records as rows: the header is what the mapping asks for, and each record is one row of it.

use super::{
    Incomplete, Step, Tally,
    rows::{Rows, Sink},
};
use crate::source::json::{Broken, JsonPath, ListPath, exact, records, text_of};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Seek as _},
};

/// The largest document that is read as a whole, in bytes.
const LARGEST_DOCUMENT: u64 = 256 << 20;

/// What is made of a record.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a> {
    /// The columns, as the mapping names them: dotted paths, or JSONPath.
    pub columns: &'a [String],
    /// Of each of these sets at least one must be in some record: else a field was lost on the way.
    pub needed: &'a [Vec<String>],
    /// Those of them that hold dates alone: a time after the date is cut off, and no day is shifted.
    pub dates: &'a [String],
}

/// How records lie in a spooled file.
#[derive(Clone, Copy, Debug)]
pub enum Layout<'a> {
    /// One on each line, as the HTTP driver writes them.
    Lines,
    /// In the list of one document.
    List(&'a ListPath),
}

/// Reads a spooled file of JSON records from its start. `source_index` goes into every place of a row.
///
/// # Errors
/// When something is missing: a path that is in no record, a record that is none, a document that ends too early, or
/// when the sink says so.
pub fn read(
    spool: &mut File,
    layout: Layout<'_>,
    cells: Cells<'_>,
    source_index: u16,
    sink: &mut dyn FnMut(Step<'_>) -> Result<(), Incomplete>,
) -> Result<Tally, Incomplete> {
    spool.rewind().map_err(unreadable)?;
    let mut records = Records::new(cells, source_index, sink)?;
    match layout {
        Layout::Lines => {
            let mut lines = BufReader::with_capacity(1 << 20, spool);
            let mut line = String::new();
            while lines.read_line(&mut line).map_err(unreadable)? > 0 {
                let record = serde_json::from_str(&line).map_err(|_| {
                    Incomplete("the copy of the records cannot be read; run the feed again".to_owned())
                })?;
                records.take(&record)?;
                line.clear();
            }
        }
        Layout::List(path) => document(spool, path, &mut records)?,
    }
    records.finish()
}

fn document(spool: &mut File, path: &ListPath, taken: &mut Records<'_, '_>) -> Result<(), Incomplete> {
    let mut bytes = Vec::new();
    spool.take(LARGEST_DOCUMENT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_DOCUMENT {
        return Err(Incomplete("the file is larger than 256 MiB; write it in parts".to_owned()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        Incomplete(format!("the file is not UTF-8 from byte {} on", error.valid_up_to() + 1))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut refused = None;
    let read = records(&exact(text), path, &mut |record| {
        taken.take(&record).map_err(|error| {
            refused = Some(error);
            String::new()
        })
    });
    match (read, refused) {
        (_, Some(error)) => Err(error),
        (Ok(_), None) => Ok(()),
        (Err(Broken::Json { line, column, cut }), None) => {
            let what = if cut { "ends too early" } else { "is no JSON" };
            Err(Incomplete(format!(
                "the file {what}, at line {line}, column {column}; have it written again"
            )))
        }
        (Err(Broken::NoList | Broken::Refused(_)), None) => Err(Incomplete(format!(
            "the file has no list at `{}`; correct `records`, or look whether it is the right file",
            path.as_str()
        ))),
    }
}

fn unreadable(error: std::io::Error) -> Incomplete {
    Incomplete(format!("the copy of the records cannot be read ({error}); run the feed again"))
}

struct Column {
    path: JsonPath,
    date: bool,
    /// Whether any record has something there, be it null.
    seen: bool,
}

/// The records on their way into rows.
struct Records<'a, 's> {
    columns: Vec<Column>,
    needed: Vec<Vec<String>>,
    rows: Rows,
    /// The cells of one record, and where each begins and ends.
    line: String,
    places: Vec<(usize, usize)>,
    sink: &'a mut Sink<'s>,
}

impl<'a, 's> Records<'a, 's> {
    fn new(cells: Cells<'_>, source: u16, sink: &'a mut Sink<'s>) -> Result<Self, Incomplete> {
        let column = |name: &String| match JsonPath::parse(name) {
            Ok(path) => Ok(Column { path, date: cells.dates.contains(name), seen: false }),
            Err(why) => Err(Incomplete(format!("the path `{name}` of the mapping {why}"))),
        };
        let columns = cells.columns.iter().map(column).collect::<Result<_, _>>()?;
        let mut rows = Rows::new(source);
        rows.header(cells.columns.to_vec(), 0, sink)?;
        let needed = cells.needed.to_vec();
        Ok(Self { columns, needed, rows, line: String::new(), places: Vec::new(), sink })
    }

    fn take(&mut self, record: &Value) -> Result<(), Incomplete> {
        let number = self.rows.tally.rows + 1;
        if !record.is_object() {
            return Err(Incomplete(format!(
                "record {number} is not an object; `records` must lead to a list of objects"
            )));
        }
        self.line.clear();
        self.places.clear();
        for column in &mut self.columns {
            let start = self.line.len();
            if let Some(value) = column.path.find(record) {
                column.seen = true;
                if !text_of(value, &mut self.line) {
                    return Err(Incomplete(format!(
                        "in record {number} an object stands at `{}`; name a field in it",
                        column.path.as_str()
                    )));
                }
                if column.date {
                    let length = date(self.line.get(start..).unwrap_or_default()).len();
                    self.line.truncate(start + length);
                }
            }
            self.places.push((start, self.line.len()));
        }
        let at = self.rows.place(self.places.len(), u32::try_from(number).unwrap_or(u32::MAX));
        self.rows.table.push_line(at, &self.line, self.places.iter().copied());
        self.rows.hand_on(self.sink)
    }

    fn finish(self) -> Result<Tally, Incomplete> {
        let unseen: Vec<&str> =
            self.columns.iter().filter(|column| !column.seen).map(|column| column.path.as_str()).collect();
        let lost = self.needed.iter().filter(|set| set.iter().all(|name| unseen.contains(&name.as_str())));
        let lost: BTreeSet<String> = lost.flatten().map(|name| format!("`{name}`")).collect();
        if self.rows.tally.rows > 0 && !lost.is_empty() {
            return Err(Incomplete(format!(
                "no record has anything at {}; correct the path in the mapping, or look whether the account may still see the field",
                lost.into_iter().collect::<Vec<_>>().join(", ")
            )));
        }
        let unseen = unseen.into_iter().map(str::to_owned).collect();
        let mut tally = self.rows.finish(self.sink)?;
        tally.ends_with_newline = true;
        if tally.rows > 0 {
            tally.unseen = unseen;
        }
        Ok(tally)
    }
}

/// The date of a date-time, as it is written: its time zone decides nothing, so that no day is shifted.
fn date(text: &str) -> &str {
    let bytes = text.as_bytes();
    let is_date = bytes.len() > 10
        && bytes.iter().take(10).enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let is_time = |time: &str| {
        time.len() >= 5
            && time.as_bytes().iter().take(5).enumerate().all(|(at, byte)| match at {
                2 => *byte == b':',
                _ => byte.is_ascii_digit(),
            })
            && time.chars().all(|c| c.is_ascii_digit() || ":.+-Z".contains(c))
    };
    match text.get(10..).and_then(|rest| rest.strip_prefix(['T', ' '])) {
        Some(time) if is_date && is_time(time) => text.get(..10).unwrap_or(text),
        Some(_) | None => text,
    }
}

#[cfg(test)]
mod tests;
