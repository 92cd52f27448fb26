//! The file of `plan --baseline`: a CSV with the columns `reference_id` and, where it is needed, `group`; or one
//! reference a line. Its values stand in no message.

use super::Failure;
use crate::{
    engine::Baseline,
    roster::{GroupRef, ReferenceId},
};
use std::path::Path;

/// Reads it whole, or says what is wrong with which line.
pub(super) fn read(path: &Path) -> Result<Baseline, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::wrong(format!("cannot read `{shown}` as UTF-8 text ({error})")))?;
    let named = parse(text.trim_start_matches('\u{feff}'))
        .map_err(|why| Failure::wrong(format!("`{shown}`: {why}")))?;
    if named.is_empty() {
        return Err(Failure::wrong(format!("`{shown}` names nobody")));
    }
    Ok(named)
}

/// Where in a row the cells are.
#[derive(Clone, Copy)]
enum Shape {
    /// One reference a line.
    List,
    /// Under a header.
    Columns { id: usize, group: Option<usize> },
}

fn parse(text: &str) -> Result<Baseline, String> {
    let (mut named, mut shape) = (Baseline::new(), None);
    for (place, line) in (1_u64..).zip(text.lines()) {
        let row = cells(line).ok_or_else(|| format!("row {place} has a quote that does not end"))?;
        let cell = |at: usize| row.get(at).map(|cell| cell.trim()).filter(|cell| !cell.is_empty());
        if row.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let find = |name: &str| row.iter().position(|cell| cell.trim().eq_ignore_ascii_case(name));
        let now = match (shape, find("reference_id")) {
            (None, Some(id)) => {
                shape = Some(Shape::Columns { id, group: find("group") });
                continue;
            }
            (None, None) => Shape::List,
            (Some(shape), _) => shape,
        };
        shape = Some(now);
        let (id, group) = match now {
            Shape::List if row.len() > 1 => {
                return Err(format!(
                    "row {place} has several cells, and no header names a column `reference_id`"
                ));
            }
            Shape::List => (cell(0), None),
            Shape::Columns { id, group: None } => (cell(id), None),
            Shape::Columns { id, group: Some(at) } => {
                let group = cell(at).ok_or_else(|| format!("row {place} has no `group`"))?;
                let group =
                    GroupRef::new(group).map_err(|_| format!("row {place}: `group` is no reference"))?;
                (cell(id), Some(group))
            }
        };
        let id = id.ok_or_else(|| format!("row {place} has no reference_id"))?;
        let id = ReferenceId::new(id).map_err(|_| format!("row {place}: that is no reference_id"))?;
        named.entry(group).or_default().insert(id);
    }
    Ok(named)
}

/// The cells of one line. References have no line end in them, so that a quoted cell ends on its line.
fn cells(line: &str) -> Option<Vec<String>> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' if quoted || cell.is_empty() => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    cells.push(cell);
    (!quoted).then_some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Result<Vec<(String, Vec<String>)>, String> {
        let named = parse(text)?;
        let names =
            |ids: &std::collections::BTreeSet<ReferenceId>| ids.iter().map(ToString::to_string).collect();
        let group = |group: &Option<GroupRef>| group.as_ref().map(ToString::to_string).unwrap_or_default();
        Ok(named.iter().map(|(of, ids)| (group(of), names(ids))).collect())
    }

    #[test]
    fn a_list_and_a_csv_are_read_and_what_is_neither_is_refused() {
        let all =
            |group: &str, ids: &[&str]| (group.to_owned(), ids.iter().map(|id| (*id).to_owned()).collect());
        assert_eq!(shape("E-2\nE-1\r\n\nE-1\n"), Ok(vec![all("", &["E-1", "E-2"])]));
        assert_eq!(shape("name,Reference_ID\nx,E-1\n"), Ok(vec![all("", &["E-1"])]));
        let grouped = "reference_id,group\nE-1,east\n\"E,2\",west\n,\n";
        assert_eq!(shape(grouped), Ok(vec![all("east", &["E-1"]), all("west", &["E,2"])]));
        for (text, words) in [
            ("id,group\nE-1,east\n", "row 1 has several cells"),
            ("reference_id,group\nE-1,\n", "row 2 has no `group`"),
            ("name,reference_id\nZq,\n", "row 2 has no reference_id"),
            ("reference_id\n\"Zq\n", "row 2 has a quote"),
            ("E-1\nE-2,east\n", "row 2 has several cells"),
        ] {
            let why = shape(text).unwrap_err();
            assert!(why.contains(words) && !why.contains("Zq"), "{why}");
        }
    }
}
