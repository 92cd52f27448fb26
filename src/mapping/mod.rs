//! Pure: rows become people.

mod settings;

pub use settings::{
    DateColumn, DateFormat, Eligibility, FieldSource, GroupRule, Grouping, Sensitive, Settings, Status, Take,
    Unmatched, Values,
};
