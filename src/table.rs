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
    /// Where each cell begins and ends in the text.
    cells: Vec<(u32, u32)>,
    rows: Vec<Entry>,
}

/// Where a row begins in the text and in the cells, and where it came from.
#[derive(Clone, Copy, Debug)]
struct Entry {
    text: usize,
    cells: usize,
    at: RowAt,
}

impl Table {
    /// Forgets the rows and keeps the room.
    pub fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
        self.rows.clear();
    }

    /// Adds a row of these cells.
    pub fn push<'a>(&mut self, at: RowAt, cells: impl Iterator<Item = &'a str>) {
        self.rows.push(Entry { text: self.text.len(), cells: self.cells.len(), at });
        for cell in cells {
            let start = self.text.len();
            self.text.push_str(cell);
            self.cells.push((place(start), place(self.text.len())));
        }
    }

    /// Adds a row whose cells lie in `line`, each from and to these bytes of it: one copy for all of them.
    #[inline]
    pub fn push_line(&mut self, at: RowAt, line: &str, cells: impl Iterator<Item = (usize, usize)>) {
        let start = self.text.len();
        self.rows.push(Entry { text: start, cells: self.cells.len(), at });
        self.text.push_str(line);
        self.cells.extend(cells.map(|(from, to)| (place(start + from), place(start + to))));
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
        self.rows.iter().enumerate().map(|(index, entry)| {
            let next = self.rows.get(index + 1);
            let cells = entry.cells..next.map_or(self.cells.len(), |next| next.cells);
            let line = (entry.text, next.map_or(self.text.len(), |next| next.text));
            Row { text: &self.text, line, cells: self.cells.get(cells).unwrap_or(&[]), at: entry.at }
        })
    }
}

/// A place that lies beyond 4 GiB is beyond every text, so that its cell reads as empty.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// One row of a [`Table`].
#[derive(Clone, Copy)]
pub struct Row<'a> {
    text: &'a str,
    cells: &'a [(u32, u32)],
    line: (usize, usize),
    at: RowAt,
}

impl<'a> Row<'a> {
    /// Where the row came from.
    #[must_use]
    #[inline]
    pub fn at(self) -> RowAt {
        self.at
    }

    /// How many cells the row has.
    #[must_use]
    pub fn len(self) -> usize {
        self.cells.len()
    }

    /// Whether the row has no cell.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.cells.is_empty()
    }

    /// The cell of this column, from 0; empty when the row is too short.
    #[must_use]
    #[inline]
    pub fn cell(self, column: usize) -> &'a str {
        let (start, end) = self.cells.get(column).copied().unwrap_or((0, 0));
        self.text.get(start as usize..end as usize).unwrap_or("")
    }

    /// A text in which every cell lies, perhaps with what stood between them.
    #[must_use]
    #[inline]
    pub fn line(self) -> &'a str {
        self.text.get(self.line.0..self.line.1).unwrap_or("")
    }
}

impl std::fmt::Debug for Row<'_> {
    /// Cells are personal data: only the place is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("at", &self.at).field("cells", &self.cells.len()).finish()
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
        assert_eq!(rows[2].line(), "ef");
        table.push_line(at(4, 5), "x,\"y\"", [(0, 1), (3, 4)].into_iter());
        let row = table.rows().last().unwrap();
        assert_eq!((row.cell(0), row.cell(1), row.cell(2), row.line()), ("x", "y", "", "x,\"y\""));
    }
}
