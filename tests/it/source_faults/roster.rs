//! A good roster of invented people as cells, and what happens to files on their way.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails here")]

use crate::world::HEADER;
use std::collections::BTreeSet;

/// Where a column stands.
pub(super) const COLUMNS: [&str; 13] = [
    "Employee ID",
    "First Name",
    "Last Name",
    "Birth Date",
    "Phone",
    "Email",
    "Plan",
    "Street",
    "City",
    "State",
    "Zip",
    "Status",
    "Division",
];

/// A file as cells.
#[derive(Clone)]
pub(super) struct Sheet {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Sheet {
    /// 40 who are covered, and among them 12 who left long ago, as HR systems export them.
    pub(super) fn good() -> Self {
        let rows = (0..52).map(|n| {
            let left = n % 13 == 3 || n % 13 == 7 || n % 13 == 11;
            person(n, if left { "Terminated" } else { "Active" })
        });
        Self { header: HEADER.split(',').map(str::to_owned).collect(), rows: rows.collect() }
    }

    /// Who is covered, by `reference_id`.
    pub(super) fn covered(&self) -> BTreeSet<String> {
        let covered = self.rows.iter().filter(|row| row[11] == "Active");
        covered.map(|row| row[0].clone()).collect()
    }

    /// The place of a column.
    pub(super) fn column(name: &str) -> usize {
        COLUMNS.iter().position(|each| *each == name).unwrap()
    }

    /// The rows of so many covered people, of the east.
    pub(super) fn some(&mut self, how_many: usize) -> impl Iterator<Item = &mut Vec<String>> {
        let east = self.rows.iter_mut().filter(|row| row[11] == "Active" && row[12] == "East");
        east.take(how_many)
    }

    /// The rows of everybody who is covered.
    pub(super) fn everybody(&mut self) -> impl Iterator<Item = &mut Vec<String>> {
        self.rows.iter_mut()
    }

    /// The values of one column, changed together.
    pub(super) fn turn(mut self, column: &str, change: impl Fn(&mut Vec<String>)) -> Self {
        let at = Self::column(column);
        let mut values: Vec<String> = self.rows.iter().map(|row| row[at].clone()).collect();
        change(&mut values);
        for (row, value) in self.rows.iter_mut().zip(values) {
            row[at] = value;
        }
        self
    }

    /// Each row, changed.
    pub(super) fn each(mut self, change: impl Fn(&mut Vec<String>)) -> Self {
        self.rows.iter_mut().for_each(change);
        self
    }

    /// The file as it is exported.
    pub(super) fn text(&self) -> String {
        self.text_by(",")
    }

    /// With another delimiter.
    pub(super) fn text_by(&self, delimiter: &str) -> String {
        let mut text = String::new();
        for row in std::iter::once(&self.header).chain(&self.rows) {
            let cells: Vec<String> = row.iter().map(|cell| quoted(cell, delimiter)).collect();
            text.push_str(&cells.join(delimiter));
            text.push('\n');
        }
        text
    }
}

fn quoted(cell: &str, delimiter: &str) -> String {
    if cell.contains(['"', '\n', '\r']) || cell.contains(delimiter) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// The cells of an invented person. No two of them have the same value in a column that tells people apart.
pub(super) fn person(n: u32, status: &str) -> Vec<String> {
    // Neither in the order of the ids, so that sorting a column alone does something.
    let mixed = n * 37 % 101;
    let states = [("NY", "12180"), ("PA", "15222"), ("OH", "43004")];
    let (state, zip) = states[n as usize % 3];
    [
        format!("E-{}", 100 + n * 29 % 211),
        format!("First{mixed:02}é"),
        format!("Last{:02}", n * 53 % 101),
        format!("{:02}/{:02}/{}", n % 12 + 1, mixed % 28 + 1, 1950 + mixed % 50),
        format!("55501{mixed:05}"),
        format!("mail{mixed}@people.example"),
        if n % 4 == 1 { "Silver" } else { "Gold" }.to_owned(),
        format!("{mixed} Road, Floor {n}"),
        format!("City{}", n % 7),
        state.to_owned(),
        zip.to_owned(),
        status.to_owned(),
        if n % 8 < 5 { "East" } else { "West" }.to_owned(),
    ]
    .into()
}
