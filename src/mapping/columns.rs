//! Mapped columns are found in the header by name: in any case, white space aside, and never by guess.

use super::text::{self, Shape};
use crate::table::Header;
use hashbrown::HashMap;

/// The form in which two names of columns are compared.
pub(super) fn key(name: &str) -> String {
    text::cleaned(name).to_lowercase()
}

/// Finds columns by name.
#[derive(Debug, Default)]
pub(super) struct HeaderIndex {
    /// Name, both as written and as compared, to column and whether `blanks` do not apply to it.
    names: HashMap<String, (usize, bool)>,
}

impl HeaderIndex {
    /// `keep_blanks` are the compared names of the columns with people's names.
    pub(super) fn new(header: &Header, keep_blanks: &[String]) -> Self {
        let mut names = HashMap::new();
        for (column, name) in header.names.iter().enumerate() {
            let compared = key(name);
            let entry = (column, keep_blanks.contains(&compared));
            names.entry(compared).or_insert(entry);
        }
        for (column, name) in header.names.iter().enumerate() {
            let keeps = keep_blanks.contains(&key(name));
            names.entry(name.clone()).or_insert((column, keeps));
        }
        Self { names }
    }

    /// The column, from 0, and whether `blanks` do not apply to it.
    pub(super) fn find(&self, name: &str) -> Option<(usize, bool)> {
        let exact = self.names.get(name);
        exact.or_else(|| self.names.get(key(name).as_str())).copied()
    }
}

/// A header in which mapped columns are missing or stand twice: the read is incomplete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct LostColumns {
    mapping: String,
    line: u32,
    missing: Vec<String>,
    doubled: Vec<String>,
    seen: Seen,
}

/// What may be shown of the header: it could be a person's row.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// Most of the line is known from the mapping: the cells that are not.
    Names(Vec<String>),
    /// Position, length and kind of each cell.
    Shapes(Vec<String>),
}

impl LostColumns {
    /// The mapped columns that the header lacks, as the configuration names them.
    #[must_use]
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// The mapped columns that stand in the header more than once, as the configuration names them.
    #[must_use]
    pub fn doubled(&self) -> &[String] {
        &self.doubled
    }

    fn sentence(&self) -> String {
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("lacks {}", columns(&self.missing)));
        }
        if !self.doubled.is_empty() {
            parts.push(format!("has more than once {}", columns(&self.doubled)));
        }
        let seen = match &self.seen {
            Seen::Names(names) if names.is_empty() => "there is no other column".to_owned(),
            Seen::Names(names) => {
                format!("also in it: {}", text::listed(names.iter().map(String::as_str)))
            }
            Seen::Shapes(shapes) if shapes.is_empty() => "the line is empty".to_owned(),
            Seen::Shapes(shapes) => format!(
                "most of that line is not known from the mapping, so it is not shown: {}",
                shapes.join("; ")
            ),
        };
        format!(
            "the header in line {} {} of mapping `{}` ({seen}); correct the export, `header_row` or the names in the mapping",
            self.line,
            parts.join(" and "),
            self.mapping
        )
    }
}

fn columns(names: &[String]) -> String {
    let word = if names.len() == 1 { "the column" } else { "the columns" };
    format!("{word} {}", text::listed(names.iter().map(String::as_str)))
}

/// The place in the header, from 0, of each mapped column.
///
/// # Errors
/// When one is missing, or when two cells of the header match one.
pub(super) fn find(mapping: &str, mapped: &[String], header: &Header) -> Result<Vec<usize>, LostColumns> {
    let compared: Vec<String> = header.names.iter().map(|name| key(name)).collect();
    let mut places = Vec::with_capacity(mapped.len());
    let (mut missing, mut doubled) = (Vec::new(), Vec::new());
    for name in mapped {
        let wanted = key(name);
        let mut found =
            compared.iter().enumerate().filter(|(_, known)| **known == wanted).map(|(place, _)| place);
        match (found.next(), found.next()) {
            (Some(place), None) => places.push(place),
            (Some(_), Some(_)) => doubled.push(name.clone()),
            (None, _) => missing.push(name.clone()),
        }
    }
    if missing.is_empty() && doubled.is_empty() {
        return Ok(places);
    }
    let wanted: Vec<String> = mapped.iter().map(|name| key(name)).collect();
    Err(LostColumns {
        mapping: mapping.to_owned(),
        line: header.line,
        missing,
        doubled,
        seen: seen(header, &compared, &wanted),
    })
}

fn seen(header: &Header, compared: &[String], wanted: &[String]) -> Seen {
    const DESCRIBED: usize = 20;
    let (known, unknown): (Vec<_>, Vec<_>) = header
        .names
        .iter()
        .zip(compared)
        .enumerate()
        .partition(|(_, (_, compared))| wanted.contains(*compared));
    if known.len() * 2 > header.names.len() {
        let names = unknown.into_iter().map(|(_, (name, _))| text::cleaned(name));
        return Seen::Names(names.filter(|name| !name.is_empty()).collect());
    }
    let shape = |(place, name): (usize, &String)| format!("column {}: {}", place + 1, Shape::of(name));
    let mut shapes: Vec<_> = header.names.iter().enumerate().take(DESCRIBED).map(shape).collect();
    if let Some(more) = header.names.len().checked_sub(DESCRIBED).filter(|more| *more > 0) {
        shapes.push(format!("and {more} more"));
    }
    Seen::Shapes(shapes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Header {
        Header { names: names.iter().map(|name| (*name).to_owned()).collect(), line: 3 }
    }

    fn mapped() -> Vec<String> {
        ["Employee ID", "City", "Zip"].map(str::to_owned).to_vec()
    }

    #[test]
    fn columns_are_found_in_any_case_and_order() {
        let header = header(&["zip", " employee  id ", "Phone", "\u{feff}CITY"]);
        assert_eq!(find("hr", &mapped(), &header), Ok(vec![1, 3, 0]));
    }

    #[test]
    fn a_lost_column_is_named_beside_what_is_there() {
        let lost = find("hr", &mapped(), &header(&["Employee ID", "City", "Zip Code"])).unwrap_err();
        assert_eq!(lost.missing(), ["Zip"]);
        assert_eq!(
            lost.to_string(),
            "the header in line 3 lacks the column `Zip` of mapping `hr` (also in it: `Zip Code`); \
             correct the export, `header_row` or the names in the mapping"
        );
        let twice = find("hr", &mapped(), &header(&["Employee ID", "City", "Zip", "ZIP", "city"]));
        assert_eq!(twice.unwrap_err().doubled(), ["City", "Zip"]);
    }

    #[test]
    fn a_person_in_place_of_the_header_is_not_shown() {
        let lost = find("hr", &mapped(), &header(&["e-17", "Ada", "Quill", "05/15/1990", "Troy", "12180"]));
        let text = lost.unwrap_err().to_string();
        assert!(text.contains("column 4: 10 characters, digits and `/`"), "{text}");
        for value in ["e-17", "Ada", "Quill", "1990", "Troy", "12180"] {
            assert!(!text.contains(value), "{text}");
        }
    }
}
