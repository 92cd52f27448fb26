//! A sheet of an Excel workbook. Text stays text, a number is written as a person sees it without a format (`1001`),
//! a real date cell is a date.

use super::{
    Incomplete, Tally,
    rows::{Rows, Sink},
    sniff, unpack,
};
use crate::source::Xlsx;
use calamine::{DataRef, ExcelDateTime, Reader as _, SheetType, SheetVisible};
use std::{fs::File, io::BufReader};

type Book = calamine::Xlsx<BufReader<File>>;

/// From here on Excel has lost digits of a number, and shows it as `1.23E+15`.
const LOST: f64 = 1e15;

/// As [`super::read`], for a file that holds a workbook.
pub(super) fn read(
    file: File,
    settings: &Xlsx,
    source: u16,
    sink: &mut Sink<'_>,
) -> Result<Tally, Incomplete> {
    let mut file = file;
    let start = super::head(&mut file)?;
    if !matches!(sniff::container(&start), Some(sniff::Container::Zip)) {
        let kind = sniff::foreign(&start).unwrap_or("something else, perhaps CSV");
        return Err(Incomplete(format!(
            "the file is no Excel workbook (.xlsx) but {kind}; export it as .xlsx, or say what it is with `csv: {{ … }}`"
        )));
    }
    unpack::verify(&mut file)?;
    let mut book: Book = calamine::Xlsx::new(BufReader::new(file)).map_err(|error| unreadable(&error))?;
    let name = sheet(&book, settings)?;
    let mut cells = book.worksheet_cells_reader(&name).map_err(|error| unreadable(&error))?;
    let mut sheet =
        Sheet { header_row: settings.header_row.max(1), rows: Rows::new(source), row: Vec::new(), line: 0 };
    while let Some(cell) = cells.next_cell().map_err(|error| unreadable(&error))? {
        let (row, column) = cell.get_position();
        if row.saturating_add(1) != sheet.line {
            sheet.end_row(sink)?;
            sheet.line = row.saturating_add(1);
        }
        sheet.put(column, text(cell.get_value()));
    }
    sheet.finish(sink)
}

/// The name of the sheet that is read.
fn sheet(book: &Book, settings: &Xlsx) -> Result<String, Incomplete> {
    let sheets = book.sheets_metadata();
    let found = match &settings.sheet {
        Some(name) => sheets.iter().find(|sheet| sheet.name == *name),
        None => sheets
            .iter()
            .find(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible),
    };
    found.map(|sheet| sheet.name.clone()).ok_or_else(|| {
        let what = match &settings.sheet {
            Some(name) => format!("the workbook has no sheet `{name}`"),
            None => "the workbook has no sheet that is shown".to_owned(),
        };
        Incomplete(format!("{what} among its {}; write its name with `xlsx: {{ sheet: … }}`", sheets.len()))
    })
}

struct Sheet {
    header_row: u32,
    rows: Rows,
    /// The cells of the row that is being read.
    row: Vec<String>,
    /// Its number, from 1; 0 before the first.
    line: u32,
}

impl Sheet {
    fn put(&mut self, column: u32, text: String) {
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        // Nothing beyond the last column that Excel has.
        if text.is_empty() || column > 16_384 {
            return;
        }
        if self.row.len() <= column {
            self.row.resize(column + 1, String::new());
        }
        if let Some(cell) = self.row.get_mut(column) {
            *cell = text;
        }
    }

    fn end_row(&mut self, sink: &mut Sink<'_>) -> Result<(), Incomplete> {
        let mut row = std::mem::take(&mut self.row);
        let width = self.rows.tally.header.names.len();
        if self.line < self.header_row || row.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(());
        }
        if width == 0 {
            if self.line != self.header_row {
                return Err(self.no_header());
            }
            let names = row.iter().map(|name| name.trim().to_owned()).collect();
            return self.rows.header(names, self.line, sink);
        }
        // Empty cells at the end of a row are not written into the file.
        if row.len() < width {
            row.resize(width, String::new());
        }
        let cells = || row.iter().map(String::as_str);
        if self.rows.is_nobodys(cells(), self.line) {
            return Ok(());
        }
        self.rows.release(sink)?;
        let at = self.rows.place(row.len(), self.line);
        self.rows.table.push(at, cells());
        self.rows.hand_on(sink)
    }

    fn no_header(&self) -> Incomplete {
        Incomplete(format!(
            "row {} of the sheet should hold the column names and is blank; name the header's row with `xlsx: {{ \
             header_row: … }}`",
            self.header_row
        ))
    }

    fn finish(mut self, sink: &mut Sink<'_>) -> Result<Tally, Incomplete> {
        self.end_row(sink)?;
        if self.rows.tally.header.names.is_empty() {
            return Err(self.no_header());
        }
        // A sheet has no line ends; its archive proves that it is whole.
        self.rows.tally.ends_with_newline = true;
        self.rows.finish(sink)
    }
}

fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Empty => String::new(),
        DataRef::Int(value) => value.to_string(),
        DataRef::Float(value) => number(*value),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        DataRef::DateTime(value) => date(value),
        DataRef::DateTimeIso(text) => {
            let day = text.get(..10).unwrap_or(text);
            format!("{day}t{}", text.get(11..).filter(|time| !time.is_empty()).unwrap_or("00:00:00"))
        }
        DataRef::DurationIso(text) => text.clone(),
        // With a character that no field of a person may have: a formula that failed is nobody's name.
        DataRef::Error(error) => format!("\u{1a}{error}"),
    }
}

/// A number as it is written: `1001`, `0.5`, and `1.23E+47` where Excel knows no more of it.
fn number(value: f64) -> String {
    if value.abs() >= LOST { format!("{value:E}").replace('E', "E+") } else { value.to_string() }
}

/// A date as `2026-11-24t00:00:00`: the small letter tells the mapping that it is one whatever `format` says. A time of
/// day alone is its number.
fn date(value: &ExcelDateTime) -> String {
    match value.as_datetime().filter(|_| value.is_datetime() && value.as_f64() >= 1.0) {
        Some(at) => at.format("%Y-%m-%dt%H:%M:%S").to_string(),
        None => number(value.as_f64()),
    }
}

fn unreadable(error: &calamine::XlsxError) -> Incomplete {
    Incomplete(format!(
        "the workbook cannot be read ({}): it was damaged on its way, or protected with a password; open it, save it \
         again as .xlsx, or export CSV",
        kind(error)
    ))
}

/// What kind of error it is; its text may show cells.
fn kind(error: &calamine::XlsxError) -> &'static str {
    use calamine::XlsxError;
    if let XlsxError::Password = error {
        "it wants a password"
    } else if let XlsxError::Io(_) | XlsxError::Zip(_) = error {
        "its archive is broken"
    } else if let XlsxError::FileNotFound(_) | XlsxError::WorksheetNotFound(_) = error {
        "a part of it is missing"
    } else {
        "a part of it is not as the format wants it"
    }
}
