//! Rows of text with where each came from. One allocation for the cells of many rows, so that a million rows
//! are not sixteen million strings. A decoder fills a table, hands it on and clears it for the next rows:
//! what a read needs in memory does not depend on the size of the file.

use crate::roster::RowAt;

/// The column names of a source, as they stand in its header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// One name for each column, white space around it removed.
    pub names: Vec<String>,
    /// The physical line of the header, from 1.
    pub line: u32,
}

/// Some consecutive rows of one source.
#[derive(Debug, Default)]
pub struct Table {
    text: String,
    ends: Vec<u32>,
    rows: Vec<(usize, RowAt)>,
}

impl Table {
    /// Forgets the rows and keeps the room.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.rows.clear();
    }

    /// Adds a row of these cells.
    pub fn push<'a>(&mut self, at: RowAt, cells: impl Iterator<Item = &'a str>) {
        self.rows.push((self.ends.len(), at));
        for cell in cells {
            self.text.push_str(cell);
            self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        }
    }

    /// How many bytes of text the cells have: a decoder hands the table on before this nears 4 GiB.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Every row in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> + '_ {
        self.rows.iter().enumerate().map(|(index, &(first, at))| {
            let last = self.rows.get(index + 1).map_or(self.ends.len(), |&(next, _)| next);
            let start = first.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
            Row { text: &self.text, ends: self.ends.get(first..last).unwrap_or(&[]), start, at }
        })
    }
}

/// One row of a [`Table`].
#[derive(Clone, Copy)]
pub struct Row<'a> {
    text: &'a str,
    ends: &'a [u32],
    start: u32,
    at: RowAt,
}

impl<'a> Row<'a> {
    /// Where the row came from.
    #[must_use]
    pub fn at(self) -> RowAt {
        self.at
    }

    /// How many cells the row has.
    #[must_use]
    pub fn len(self) -> usize {
        self.ends.len()
    }

    /// Whether the row has no cell.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.ends.is_empty()
    }

    /// The cell of this column, from 0; empty when the row is too short.
    #[must_use]
    pub fn cell(self, column: usize) -> &'a str {
        let end = self.ends.get(column).copied().unwrap_or(0);
        let before = column.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let start = before.unwrap_or(self.start);
        self.text.get(start as usize..end as usize).unwrap_or("")
    }
}

impl std::fmt::Debug for Row<'_> {
    /// Cells are personal data: only the place is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("at", &self.at).field("cells", &self.ends.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_by_row_and_column() {
        let mut table = Table::default();
        let at = |record, line| RowAt { source: 0, record, line };
        table.push(at(1, 2), ["a", "", "ccc"].into_iter());
        table.push(at(2, 3), ["d"].into_iter());
        table.push(at(3, 4), ["", "e", "f"].into_iter());
        let rows: Vec<_> = table.rows().collect();
        assert_eq!(rows.len(), 3);
        assert_eq!((rows[0].cell(0), rows[0].cell(1), rows[0].cell(2)), ("a", "", "ccc"));
        assert_eq!((rows[1].cell(0), rows[1].cell(1)), ("d", ""));
        assert_eq!((rows[2].cell(0), rows[2].cell(1), rows[2].cell(2)), ("", "e", "f"));
        assert_eq!(rows[2].at(), at(3, 4));
        assert!(!format!("{:?}", rows[0]).contains("ccc"));
    }
}
