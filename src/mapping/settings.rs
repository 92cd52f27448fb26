//! What the configuration says of a mapping, checked.

use super::expression::{columns_of, needed_by};
use crate::roster::{Field, GroupRef};
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// How the rows of a source become members. Complete: every required field has a source.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The mapping's name, for messages.
    pub name: String,
    /// Where each field comes from; a field that is not mapped is not in it.
    pub fields: BTreeMap<Field, FieldSource>,
    /// Cells that count as blank beside the empty one, exact case; not in names.
    pub blanks: Vec<String>,
    /// Who belongs on the roster.
    pub eligibility: Eligibility,
}

/// Where one field comes from, and what is done with it.
#[derive(Clone, Debug)]
pub struct FieldSource {
    /// The place.
    pub take: Take,
    /// Date formats, for `date_of_birth`; empty means ISO 8601 alone.
    pub formats: Vec<DateFormat>,
    /// A translation of the cell.
    pub values: Option<Values>,
    /// A ZIP code of fewer than five digits gets its leading zeros back, and is counted.
    pub restore_zeros: bool,
    /// What to do with a sensitive `reference_id` column.
    pub sensitive: Option<Sensitive>,
}

/// The place that a field comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// A column.
    Column(String),
    /// The first of these columns that is not blank.
    FirstOf(Vec<String>),
    /// A constant.
    Value(String),
    /// A CEL expression over `row`, which compiled when the configuration was read.
    Cel(String),
}

impl Take {
    /// The columns that are read by a written name; none for a constant.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        match self {
            Self::Column(column) => vec![column.clone()],
            Self::FirstOf(columns) => columns.clone(),
            Self::Cel(text) => columns_of(text),
            Self::Value(_) => Vec::new(),
        }
    }
}

impl Settings {
    /// What must be somewhere in the records of a source whose records leave out what they do not have: of each set one
    /// column at least. The required fields, the status, `when`, and the group's own column; an optional field that nobody
    /// has is no sign of anything.
    #[must_use]
    pub fn needed_columns(&self, by: &str) -> Vec<Vec<String>> {
        let mut needed = Vec::new();
        for (field, source) in &self.fields {
            match &source.take {
                Take::Cel(text) => needed.extend(needed_by(text).into_iter().map(|column| vec![column])),
                Take::Column(_) | Take::FirstOf(_) if field.required() => needed.push(source.take.columns()),
                Take::Column(_) | Take::FirstOf(_) | Take::Value(_) => {}
            }
        }
        let when = self.eligibility.when.iter().flat_map(|text| needed_by(text));
        let status = self.eligibility.status.iter().map(|status| status.column.clone());
        let by = Some(by).filter(|by| !by.is_empty()).map(str::to_owned);
        needed.extend(when.chain(status).chain(by).map(|column| vec![column]));
        needed
    }

    /// The columns that are read as dates and as nothing else.
    #[must_use]
    pub fn date_columns(&self) -> Vec<String> {
        let birth = match self.fields.get(&Field::DateOfBirth).map(|source| &source.take) {
            Some(take @ (Take::Column(_) | Take::FirstOf(_))) => take.columns(),
            Some(Take::Value(_) | Take::Cel(_)) | None => Vec::new(),
        };
        let days = [&self.eligibility.starts_on, &self.eligibility.ends_on];
        birth.into_iter().chain(days.into_iter().flatten().map(|day| day.column.clone())).collect()
    }
}

/// A translation of cells, such as plan names into plan ids.
#[derive(Clone, Debug)]
pub struct Values {
    /// Cell to value.
    pub map: BTreeMap<String, String>,
    /// For a cell in no list; without it such a cell is a row problem.
    pub otherwise: Option<String>,
}

/// One way to read a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateFormat {
    /// A strftime pattern of `%Y %y %m %d %b %B %e %-m %-d` and separators.
    pub pattern: String,
    /// Required with `%y`: the latest year that two digits may mean. With `pivot: 2010`, `10` is 2010 and
    /// `11` is 1911.
    pub pivot: Option<i32>,
}

/// What to do with a `reference_id` whose values look like social security numbers or mail addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensitive {
    /// A keyed, stable stand-in is used in its place.
    Hash,
    /// It is used as it is.
    Allow,
}

/// Who belongs on the roster. Without a part, that part excludes nobody.
#[derive(Clone, Debug)]
pub struct Eligibility {
    /// By a status column.
    pub status: Option<Status>,
    /// Not covered before that day.
    pub starts_on: Option<DateColumn>,
    /// Covered through that day.
    pub ends_on: Option<DateColumn>,
    /// A CEL expression, which compiled when the configuration was read.
    pub when: Option<String>,
    /// Whose "today" counts.
    pub timezone: Tz,
}

/// A status column; a value in neither list is a row problem.
#[derive(Clone, Debug)]
pub struct Status {
    /// The column.
    pub column: String,
    /// Values that mean covered.
    pub covered: Vec<String>,
    /// Values that mean that the person has left.
    pub ended: Vec<String>,
}

/// A column with a date.
#[derive(Clone, Debug)]
pub struct DateColumn {
    /// The column.
    pub column: String,
    /// How to read it; empty means ISO 8601 alone.
    pub formats: Vec<DateFormat>,
}

/// How rows find their group.
#[derive(Clone, Debug)]
pub struct Grouping {
    /// The rule.
    pub rule: GroupRule,
    /// What a row means that names no listed group.
    pub unmatched: Unmatched,
    /// Whether an unknown reference is created at Vitable, after a person approved it.
    pub create_missing: bool,
}

impl Grouping {
    /// The column that names the group; empty when every row belongs to one.
    #[must_use]
    pub fn column(&self) -> &str {
        match &self.rule {
            GroupRule::All(_) => "",
            GroupRule::Map { by, .. } | GroupRule::AsIs { by } => by,
        }
    }
}

/// The rule of a [`Grouping`].
#[derive(Clone, Debug)]
pub enum GroupRule {
    /// Every row belongs to one group.
    All(GroupRef),
    /// A column's value is looked up.
    Map {
        /// The column.
        by: String,
        /// Value to group.
        map: BTreeMap<String, GroupRef>,
    },
    /// A column's value is the group's reference.
    AsIs {
        /// The column.
        by: String,
    },
}

/// What a row means that names no listed group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// A problem: a covered person's group is held.
    Hold,
    /// No problem for new people; covered people are still never removed by it.
    Omit,
}
