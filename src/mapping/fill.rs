//! The fields of one row: taken from their place, normalised, checked (`docs/normalisation.md`).

use super::bound::Line;
use super::compile::{FieldPlan, Form, From, Slot, ValuesPlan};
use super::date;
use super::expression::Computed;
use super::problem::Fault;
use super::report::{self, Kind};
use super::settings::Sensitive;
use super::words::{Meaning, Words};
use super::{phone, place, text};
use crate::roster::{Draft, Field, FingerprintKey, PlanId, Problem, Rule, check, check_printable};
use cel::Context;
use chrono::NaiveDate;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a word of the plan column means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlanWord {
    /// The plan with this index in [`Filler::plan_ids`].
    Plan(usize),
    /// Nothing there.
    Blank,
    /// A value that the mapping's `values` do not list.
    Unlisted,
    /// No plan's id.
    Wrong,
}

impl Meaning for PlanWord {
    fn unlisted(self) -> bool {
        matches!(self, Self::Unlisted | Self::Wrong)
    }
}

/// The text of a field before normalisation.
struct Taken<'a> {
    text: &'a str,
    /// The column that it comes from.
    column: &'a Arc<str>,
    /// Whether it is clean already.
    clean: bool,
}

/// Fills the draft of a row, field by field.
pub(super) struct Filler {
    pub(super) draft: Draft,
    pub(super) room: String,
    pub(super) plans: Words<PlanWord>,
    plan_ids: Vec<String>,
    restored_zeros: u64,
}

impl Default for Filler {
    fn default() -> Self {
        Self {
            draft: Draft::default(),
            room: String::new(),
            plans: Words::new(),
            plan_ids: Vec::new(),
            restored_zeros: 0,
        }
    }
}

impl FieldPlan {
    /// The column, when the field comes from a single one.
    pub(super) fn slot(&self) -> Option<Slot> {
        match &self.from {
            From::Column(slot) => Some(*slot),
            From::FirstOf(_) | From::Value(_) | From::Cel(_) => None,
        }
    }

    /// The text before normalisation. `computed` is the room for an expression's text.
    fn take<'a>(
        &'a self,
        line: &Line<'a>,
        context: &Context<'static, 'static>,
        computed: &'a mut String,
    ) -> Result<Taken<'a>, Fault> {
        let column = &self.column;
        match &self.from {
            From::Column(slot) => Ok(Taken { text: line.cell(*slot), column, clean: line.plain }),
            From::FirstOf(several) => {
                let filled = several
                    .iter()
                    .map(|(slot, column)| (line.cell(*slot), column))
                    .find(|(cell, _)| !cell.is_empty());
                let (text, column) = filled.unwrap_or(("", column));
                Ok(Taken { text, column, clean: line.plain })
            }
            From::Value(value) => Ok(Taken { text: text::trim(value), column, clean: false }),
            From::Cel(expression) => {
                match expression.run(context, &line.scope) {
                    Computed::Text(text) => *computed = text,
                    Computed::Absent => {}
                    Computed::Bool(_) | Computed::Other => return Err(Fault::FieldNotText),
                    Computed::Failed => return Err(Fault::FieldExpression),
                }
                Ok(Taken { text: text::trim(computed), column, clean: false })
            }
        }
    }
}

impl Taken<'_> {
    fn cleaned<'r>(&'r self, room: &'r mut String) -> &'r str {
        if self.clean { self.text } else { text::clean(self.text, room) }
    }
}

impl ValuesPlan {
    fn translate<'a>(&'a self, text: &'a str) -> Result<&'a str, Fault> {
        match self.map.get(text) {
            Some(value) => Ok(value),
            // A blank cell is absent; `otherwise` is for what is there and in no list.
            None if text.is_empty() => Ok(text),
            None => self.otherwise.as_deref().ok_or(Fault::NotInValues),
        }
    }
}

impl Filler {
    /// The repairs that were done, by name.
    pub(super) fn repairs(&self) -> BTreeMap<String, u64> {
        let zeros = ("zipcodes whose leading zeros were restored".to_owned(), self.restored_zeros);
        [zeros].into_iter().filter(|(_, rows)| *rows > 0).collect()
    }

    /// Writes the `reference_id`.
    pub(super) fn identify(
        &mut self,
        plan: &FieldPlan,
        line: &Line<'_>,
        context: &Context<'static, 'static>,
        sensitive: Option<Sensitive>,
        key: Option<&FingerprintKey>,
    ) -> Result<(), Fault> {
        let mut computed = String::new();
        let taken = plan.take(line, context, &mut computed)?;
        let mut id = taken.cleaned(&mut self.room);
        if let Some(values) = &plan.values {
            id = values.translate(id)?;
        }
        check(Field::ReferenceId, id).map_err(Fault::Rule)?;
        if report::is_scientific(id) {
            return Err(Fault::Scientific);
        }
        if !id.is_ascii() && id.chars().any(char::is_control) {
            return Err(Fault::ControlInId);
        }
        let out = self.draft.value_mut(Field::ReferenceId);
        match (sensitive, key) {
            (Some(Sensitive::Hash), Some(key)) => out.push_str(&stand_in(key, id)),
            // Compiling refuses `hash` without a key; a row that came here all the same has no name.
            (Some(Sensitive::Hash), None) => return Err(Fault::Rule(Rule::Missing)),
            (Some(Sensitive::Allow) | None, _) => out.push_str(id),
        }
        Ok(())
    }

    /// Writes one field into the draft, normalised; leaves it empty when it is absent or wrong.
    pub(super) fn fill(
        &mut self,
        plan: &FieldPlan,
        line: &Line<'_>,
        context: &Context<'static, 'static>,
        today: NaiveDate,
    ) -> Result<(), Problem> {
        let mut computed = String::new();
        let failed = |fault| problem(Some(plan.field), &plan.column, fault);
        let taken = plan.take(line, context, &mut computed).map_err(failed)?;
        let written = match plan.form {
            Form::Plan => self.plan(plan, taken.text),
            Form::Text | Form::BirthDate(_) | Form::Phone | Form::State | Form::Zipcode { .. } => {
                self.write(plan, &taken, today)
            }
        };
        written.map_err(|fault| {
            self.draft.value_mut(plan.field).clear();
            problem(Some(plan.field), taken.column, fault)
        })
    }

    fn write(&mut self, plan: &FieldPlan, taken: &Taken<'_>, today: NaiveDate) -> Result<(), Fault> {
        let mut text = taken.cleaned(&mut self.room);
        if let Some(values) = &plan.values {
            text = values.translate(text)?;
        }
        if text.is_empty() {
            return absent(plan.field);
        }
        let out = self.draft.value_mut(plan.field);
        match &plan.form {
            Form::Text | Form::Plan => {
                // A clean cell is printable; a translation need not be.
                let check = if taken.clean && plan.values.is_none() { check_printable } else { check };
                check(plan.field, text).map_err(Fault::Rule)?;
                out.push_str(text);
            }
            Form::BirthDate(dates) => {
                let day = dates.read(text)?;
                date::check_birth(day, today)?;
                date::write(day, out);
            }
            Form::Phone => phone::normalise(text, out).map_err(Fault::Rule)?,
            Form::State => place::state(text, out).map_err(Fault::Rule)?,
            Form::Zipcode { restore_zeros } => {
                let restored = place::zipcode(text, *restore_zeros, out)?;
                self.restored_zeros += u64::from(restored);
            }
        }
        Ok(())
    }

    fn plan(&mut self, plan: &FieldPlan, cell: &str) -> Result<(), Fault> {
        let Self { plans, plan_ids, .. } = self;
        let word = plans.look(cell, |text| {
            let id = match plan.values.as_ref().map_or(Ok(text), |values| values.translate(text)) {
                Ok("") => return PlanWord::Blank,
                Ok(id) => id,
                Err(_) => return PlanWord::Unlisted,
            };
            if check(Field::PlanId, id).is_err() || PlanId::new(id).is_err() {
                return PlanWord::Wrong;
            }
            let known = plan_ids.iter().position(|known| known == id);
            PlanWord::Plan(known.unwrap_or_else(|| {
                plan_ids.push(id.to_owned());
                plan_ids.len() - 1
            }))
        });
        let id = match word {
            PlanWord::Plan(index) => self.plan_ids.get(index),
            PlanWord::Blank => return absent(Field::PlanId),
            PlanWord::Unlisted => return Err(Fault::NotInValues),
            PlanWord::Wrong => return Err(Fault::Rule(Rule::NotAPlan)),
        };
        let id = id.ok_or(Fault::Rule(Rule::NotAPlan))?;
        self.draft.value_mut(Field::PlanId).push_str(id);
        Ok(())
    }
}

/// A stand-in that does not change when an export drops the dashes of a number or writes a mail address in
/// capitals.
fn stand_in(key: &FingerprintKey, id: &str) -> String {
    match report::kind(id) {
        Some(Kind::SocialSecurity) => key.stand_in(&id.replace('-', "")),
        Some(Kind::Mail) => key.stand_in(&id.to_lowercase()),
        None => key.stand_in(id),
    }
}

fn absent(field: Field) -> Result<(), Fault> {
    if field.required() { Err(Fault::Rule(Rule::Missing)) } else { Ok(()) }
}

/// A problem in words that do not carry the value.
pub(super) fn problem(field: Option<Field>, column: &Arc<str>, fault: Fault) -> Problem {
    Problem { field, column: Arc::clone(column), what: fault.what().into(), rule: fault.rule() }
}
