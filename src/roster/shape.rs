//! The shape of a source's data: what a later read is compared with.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The shape of one source's data in one read. Holds no value of any person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceShape {
    /// Data rows.
    pub rows: u64,
    /// Rows that have more or fewer cells than the header.
    pub ragged_rows: u64,
    /// Whether the file ended with a line end.
    pub ends_with_newline: bool,
    /// For each mapped column, how many rows have a value.
    pub filled: BTreeMap<String, u64>,
    /// How many files the rows came from; nothing where that says nothing about a later read.
    #[serde(default)]
    pub files: Option<u64>,
    /// The header, so that a later one can be recognised and shown.
    pub header: Vec<String>,
}
