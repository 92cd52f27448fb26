//! From the bytes of a spooled file to rows. Nothing is guessed: whatever proves that something is missing,
//! or cannot be read with certainty, makes the whole read [`Incomplete`].

pub mod csv;
pub mod json;
mod sniff;
mod text;

use crate::{
    roster::RowAt,
    table::{Header, Table},
};

/// Why a read is not complete: what proves it, where, and what to do. No approval can change it; the cure is
/// at the source or in the configuration (`config.md`, The guard). Never holds the text of a cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Incomplete(pub String);

/// What a decoder hands on, in this order: the header once, then the rows in batches.
#[derive(Debug)]
pub enum Step<'a> {
    /// The column names; comes first, once.
    Header(&'a Header),
    /// Some consecutive rows; at least one. The table is reused, so what is needed of it must be copied.
    Rows(&'a Table),
}

/// What was counted in a complete read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Data rows that were handed on: without header, blank lines and trailer.
    pub rows: u64,
    /// Where the first [`RAGGED_SHOWN`] rows stand whose number of cells is not the header's.
    pub ragged: Vec<RowAt>,
    /// How many such rows there are; suspicious, so that a person looks before anything is submitted.
    pub ragged_rows: u64,
    /// Whether the last byte of the file ends a line; suspicious when the last accepted file's did and this
    /// does not.
    pub ends_with_newline: bool,
    /// The header, as it was handed on.
    pub header: Header,
    /// Columns that no record has, and need not have.
    pub unseen: Vec<String>,
}

/// How many ragged rows are named; more than this nobody reads.
pub const RAGGED_SHOWN: usize = 50;
