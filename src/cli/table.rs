//! Tables for people.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// Narrower terminals get lines that they break by themselves.
const NARROWEST: u16 = 80;

/// A table with these column heads; columns after the first `texts` are numbers.
pub(super) fn table(heads: &[&str], texts: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    // A terminal that knows no size says 0 columns, and each letter would have a line of its own.
    if table.width().is_some_and(|width| width < NARROWEST) {
        table.set_width(NARROWEST);
    }
    table.set_header(heads.iter().enumerate().map(|(at, head)| aligned(head, at >= texts)));
    for (at, column) in table.column_iter_mut().enumerate() {
        if at >= texts {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn aligned(text: &str, right: bool) -> Cell {
    let alignment = if right { CellAlignment::Right } else { CellAlignment::Left };
    Cell::new(text).set_alignment(alignment)
}

/// A number for a table: nothing for zero, so that what changed stands out.
pub(super) fn number(count: u64) -> String {
    if count == 0 { "-".to_owned() } else { count.to_string() }
}
