//! Pure: rows become people.
//!
//! [`compile`] makes the settings ready once, [`Mapping::bind`] finds their columns in a header,
//! [`Bound::map`] takes the rows batch by batch and [`Bound::finish`] says what was seen. How each field is
//! normalised is written down in `docs/normalisation.md`.

mod bound;
mod columns;
mod compile;
mod date;
mod eligibility;
mod expression;
mod fill;
mod phone;
mod place;
mod problem;
mod report;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use bound::Bound;
pub use columns::LostColumns;
pub use compile::{CompileError, Mapping, compile};
pub(crate) use date::MONTHS;
pub(crate) use expression::columns_of;
pub use report::MapReport;
pub(crate) use report::looks_personal;
pub use settings::{
    DateColumn, DateFormat, Eligibility, FieldSource, GroupRule, Grouping, Sensitive, Settings, Status, Take,
    Unmatched, Values,
};
pub(crate) use text::shape_of;
