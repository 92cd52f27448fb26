//! The settings made ready once: columns numbered, formats and expressions compiled, lists put into tables.

use super::bound::Bound;
use super::columns::{self, HeaderIndex, LostColumns};
use super::date::Dates;
use super::eligibility::Status;
use super::expression::Expression;
use super::settings::{
    DateColumn, FieldSource, GroupRule, Grouping, Sensitive, Settings, Status as StatusSettings, Take, Values,
};
use super::text;
use crate::roster::{Field, FingerprintKey, GroupRef};
use crate::table::Header;
use hashbrown::HashMap;
use std::sync::Arc;

/// A compiled mapping: cheap to copy, bound to one header after the other.
#[derive(Clone, Debug)]
pub struct Mapping {
    compiled: Arc<Compiled>,
}

/// Settings that no row could be mapped with. `rosterd check` finds them before anything runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A CEL expression cannot be read.
    #[error("the expression `{place}` of mapping `{mapping}` {why}; correct it")]
    Expression {
        /// The mapping.
        mapping: String,
        /// The key in the configuration.
        place: String,
        /// Where and why.
        why: String,
    },
    /// A date format cannot be right.
    #[error("the format `{pattern}` at `{place}` of mapping `{mapping}` {why}")]
    Format {
        /// The mapping.
        mapping: String,
        /// The key in the configuration.
        place: String,
        /// The pattern.
        pattern: String,
        /// What is wrong, and what to do.
        why: &'static str,
    },
    /// Two entries of a list are the same once white space is set right.
    #[error("`{place}` of mapping `{mapping}` lists `{value}` twice; keep one of the two")]
    Twice {
        /// The mapping.
        mapping: String,
        /// The key in the configuration.
        place: String,
        /// The value.
        value: String,
    },
    /// A required field has no source.
    #[error("mapping `{mapping}` has no `{field}`, which Vitable requires; add it to `fields`")]
    Unmapped {
        /// The mapping.
        mapping: String,
        /// The field.
        field: Field,
    },
    /// `sensitive: hash` without a key.
    #[error("mapping `{mapping}` has `sensitive: hash`, which needs the state key; set `state_key`")]
    NoKey {
        /// The mapping.
        mapping: String,
    },
}

/// A column of the mapping by its number, see [`Compiled::columns`].
pub(super) type Slot = usize;

/// What [`Mapping`] holds.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) name: String,
    /// Every mapped column once, as the configuration names it first.
    pub(super) columns: Vec<String>,
    /// For each of the columns: whether it holds people's names, to which `blanks` do not apply.
    pub(super) holds_names: Vec<bool>,
    pub(super) blanks: Vec<String>,
    pub(super) reference_id: FieldPlan,
    /// The other mapped fields.
    pub(super) fields: Vec<FieldPlan>,
    pub(super) status: Option<StatusPlan>,
    pub(super) starts_on: Option<DatePlan>,
    pub(super) ends_on: Option<DatePlan>,
    pub(super) when: Option<Expression>,
    pub(super) group: GroupPlan,
    pub(super) sensitive: Option<Sensitive>,
    pub(super) key: Option<FingerprintKey>,
}

/// Where one field comes from and what becomes of it.
#[derive(Debug)]
pub(super) struct FieldPlan {
    pub(super) field: Field,
    pub(super) from: From,
    pub(super) values: Option<ValuesPlan>,
    pub(super) form: Form,
    /// The column's name for problems; several are joined, and a constant or an expression has none.
    pub(super) column: Arc<str>,
}

#[derive(Debug)]
pub(super) enum From {
    Column(Slot),
    FirstOf(Vec<(Slot, Arc<str>)>),
    Value(String),
    Cel(Expression),
}

/// The normalisation of a field (`docs/normalisation.md`).
#[derive(Debug)]
pub(super) enum Form {
    Text,
    BirthDate(Dates),
    Phone,
    State,
    Zipcode { restore_zeros: bool },
    Plan,
}

#[derive(Debug)]
pub(super) struct ValuesPlan {
    pub(super) map: HashMap<String, String>,
    pub(super) otherwise: Option<String>,
}

#[derive(Debug)]
pub(super) struct StatusPlan {
    pub(super) slot: Slot,
    pub(super) list: HashMap<String, Status>,
    pub(super) column: Arc<str>,
}

#[derive(Debug)]
pub(super) struct DatePlan {
    pub(super) slot: Slot,
    pub(super) dates: Dates,
    pub(super) column: Arc<str>,
}

#[derive(Debug)]
pub(super) enum GroupPlan {
    All(GroupRef),
    Map { slot: Slot, map: HashMap<String, GroupRef> },
    AsIs { slot: Slot },
}

/// Makes the settings ready. The configuration has been checked before, so an error here is one that `check`
/// shows. `key` makes the stand-ins of `sensitive: hash`.
///
/// # Errors
/// When an expression or a format does not compile, a list contradicts itself, a required field has no
/// source, or the key is missing.
pub fn compile(
    settings: &Settings,
    grouping: &Grouping,
    key: Option<&FingerprintKey>,
) -> Result<Mapping, CompileError> {
    let mut compiler = Compiler { mapping: &settings.name, columns: Vec::new() };
    let mut reference_id = None;
    let mut fields = Vec::new();
    for field in Field::ALL {
        let Some(source) = settings.fields.get(&field) else {
            if field.required() {
                return Err(CompileError::Unmapped { mapping: settings.name.clone(), field });
            }
            continue;
        };
        let plan = compiler.field(field, source)?;
        if field == Field::ReferenceId {
            reference_id = Some((plan, source.sensitive));
        } else {
            fields.push(plan);
        }
    }
    let Some((reference_id, sensitive)) = reference_id else {
        return Err(CompileError::Unmapped { mapping: settings.name.clone(), field: Field::ReferenceId });
    };
    if sensitive == Some(Sensitive::Hash) && key.is_none() {
        return Err(CompileError::NoKey { mapping: settings.name.clone() });
    }
    let eligibility = &settings.eligibility;
    let status = eligibility.status.as_ref();
    let status = status.map(|status| compiler.status(status)).transpose()?;
    let starts_on = compiler.date("eligibility.starts_on", eligibility.starts_on.as_ref())?;
    let ends_on = compiler.date("eligibility.ends_on", eligibility.ends_on.as_ref())?;
    let when = eligibility.when.as_deref();
    let when = when.map(|source| compiler.expression("eligibility.when", source)).transpose()?;
    let group = compiler.group(&grouping.rule)?;
    let columns = compiler.columns;
    Ok(Mapping {
        compiled: Arc::new(Compiled {
            name: settings.name.clone(),
            holds_names: names_of_people(settings, &columns),
            columns,
            blanks: settings.blanks.iter().map(|blank| text::cleaned(blank)).collect(),
            reference_id,
            fields,
            status,
            starts_on,
            ends_on,
            when,
            group,
            sensitive,
            key: key.cloned(),
        }),
    })
}

impl Mapping {
    /// The mapped columns, as the configuration names them.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.compiled.columns
    }

    /// Finds the mapped columns in a source's header.
    ///
    /// # Errors
    /// When a mapped column is missing or stands there twice: the read is incomplete.
    pub fn bind(&self, header: &Header) -> Result<Bound, LostColumns> {
        let places = columns::find(&self.compiled.name, &self.compiled.columns, header)?;
        let columns = self.compiled.columns.iter().zip(&self.compiled.holds_names);
        let names: Vec<String> = columns
            .filter(|(_, holds_names)| **holds_names)
            .map(|(column, _)| columns::key(column))
            .collect();
        let index = HeaderIndex::new(header, &names);
        Ok(Bound::new(Arc::clone(&self.compiled), places, index))
    }
}

/// Which of the columns hold people's names: somebody may be called like a blank.
fn names_of_people(settings: &Settings, columns: &[String]) -> Vec<bool> {
    let mut keys = Vec::new();
    for field in [Field::FirstName, Field::LastName] {
        match settings.fields.get(&field).map(|source| &source.take) {
            Some(Take::Column(column)) => keys.push(columns::key(column)),
            Some(Take::FirstOf(several)) => keys.extend(several.iter().map(|column| columns::key(column))),
            Some(Take::Value(_) | Take::Cel(_)) | None => {}
        }
    }
    columns.iter().map(|column| keys.contains(&columns::key(column))).collect()
}

struct Compiler<'a> {
    mapping: &'a str,
    columns: Vec<String>,
}

impl Compiler<'_> {
    fn slot(&mut self, column: &str) -> Slot {
        let wanted = columns::key(column);
        let known = self.columns.iter().position(|each| columns::key(each) == wanted);
        known.unwrap_or_else(|| {
            self.columns.push(column.to_owned());
            self.columns.len() - 1
        })
    }

    fn field(&mut self, field: Field, source: &FieldSource) -> Result<FieldPlan, CompileError> {
        let place = format!("fields.{field}");
        let (from, column) = match &source.take {
            Take::Column(column) => (From::Column(self.slot(column)), column.clone()),
            Take::FirstOf(several) => {
                let slots = several.iter().map(|column| (self.slot(column), column.as_str().into()));
                (From::FirstOf(slots.collect()), several.join(", "))
            }
            Take::Value(value) => (From::Value(value.clone()), String::new()),
            Take::Cel(text) => (From::Cel(self.expression(&place, text)?), String::new()),
        };
        let form = match field {
            Field::ReferenceId
            | Field::FirstName
            | Field::LastName
            | Field::Email
            | Field::AddressLine1
            | Field::AddressLine2
            | Field::City => Form::Text,
            Field::DateOfBirth => Form::BirthDate(self.dates(&place, &source.formats)?),
            Field::Phone => Form::Phone,
            Field::PlanId => Form::Plan,
            Field::State => Form::State,
            Field::Zipcode => Form::Zipcode { restore_zeros: source.restore_zeros },
        };
        let values = source.values.as_ref();
        Ok(FieldPlan {
            field,
            from,
            values: values.map(|values| self.values(&place, values)).transpose()?,
            form,
            column: column.into(),
        })
    }

    fn values(&self, place: &str, values: &Values) -> Result<ValuesPlan, CompileError> {
        let pairs = values.map.iter().map(|(cell, value)| (cell, value.clone()));
        Ok(ValuesPlan {
            map: self.list(&format!("{place}.values"), pairs)?,
            otherwise: values.otherwise.clone(),
        })
    }

    fn status(&mut self, status: &StatusSettings) -> Result<StatusPlan, CompileError> {
        let covered = status.covered.iter().map(|value| (value, Status::Covered));
        let ended = status.ended.iter().map(|value| (value, Status::Ended));
        Ok(StatusPlan {
            slot: self.slot(&status.column),
            list: self.list("eligibility.status", covered.chain(ended))?,
            column: status.column.as_str().into(),
        })
    }

    fn date(&mut self, place: &str, column: Option<&DateColumn>) -> Result<Option<DatePlan>, CompileError> {
        let Some(column) = column else {
            return Ok(None);
        };
        Ok(Some(DatePlan {
            slot: self.slot(&column.column),
            dates: self.dates(place, &column.formats)?,
            column: column.column.as_str().into(),
        }))
    }

    fn dates(&self, place: &str, formats: &[super::settings::DateFormat]) -> Result<Dates, CompileError> {
        Dates::compile(formats).map_err(|(pattern, why)| CompileError::Format {
            mapping: self.mapping.to_owned(),
            place: place.to_owned(),
            pattern,
            why,
        })
    }

    fn expression(&mut self, place: &str, source: &str) -> Result<Expression, CompileError> {
        let expression = Expression::compile(source).map_err(|why| CompileError::Expression {
            mapping: self.mapping.to_owned(),
            place: place.to_owned(),
            why,
        })?;
        for column in expression.columns() {
            self.slot(column);
        }
        Ok(expression)
    }

    fn group(&mut self, rule: &GroupRule) -> Result<GroupPlan, CompileError> {
        Ok(match rule {
            GroupRule::All(group) => GroupPlan::All(group.clone()),
            GroupRule::Map { by, map } => GroupPlan::Map {
                slot: self.slot(by),
                map: self.list("groups.map", map.iter().map(|(value, group)| (value, group.clone())))?,
            },
            GroupRule::AsIs { by } => GroupPlan::AsIs { slot: self.slot(by) },
        })
    }

    /// A table whose keys are cleaned as cells are; the same key may stand twice only with the same meaning.
    fn list<'v, T: PartialEq>(
        &self,
        place: &str,
        pairs: impl Iterator<Item = (&'v String, T)>,
    ) -> Result<HashMap<String, T>, CompileError> {
        let mut list = HashMap::new();
        for (value, meaning) in pairs {
            let key = text::cleaned(value);
            if list.get(&key).is_some_and(|known| *known != meaning) {
                return Err(CompileError::Twice {
                    mapping: self.mapping.to_owned(),
                    place: place.to_owned(),
                    value: value.clone(),
                });
            }
            list.insert(key, meaning);
        }
        Ok(list)
    }
}
