//! Rows become people: the order of `design.md`, Fates, for each row.

use super::columns::HeaderIndex;
use super::compile::{Compiled, DatePlan, GroupPlan, Slot};
use super::eligibility::{self, Day, Part, Status, Verdict};
use super::expression::{Computed, RowScope};
use super::fill::{Filler, problem};
use super::problem::Fault;
use super::report::{MapReport, Sensitivity};
use super::text;
use super::words::{Meaning, Words};
use crate::roster::{EndedBy, Field, GroupRef, Ineligible, PeopleBuilder, Problem, Route, RowAt, Standing};
use crate::table::{Row, Table};
use cel::Context;
use chrono::NaiveDate;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

/// A mapping bound to the header of one source: takes its rows batch by batch.
///
/// All batches go to the same [`PeopleBuilder`], which several sources of a feed may share.
pub struct Bound {
    compiled: Arc<Compiled>,
    places: Vec<usize>,
    index: HeaderIndex,
    context: Context<'static, 'static>,
    filler: Filler,
    statuses: Words<Status>,
    groups: Words<Route>,
    only_group: Option<Route>,
    filled: Vec<u64>,
    sensitivity: Sensitivity,
    report: MapReport,
}

/// One row with its mapped cells: trimmed, and empty when they count as blank.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) row: Row<'a>,
    pub(super) cells: &'a [&'a str],
    /// Whether no cell of the row needs [`text::clean`]: one look at all of them together.
    pub(super) plain: bool,
    pub(super) scope: RowScope<'a>,
}

impl<'a> Line<'a> {
    pub(super) fn cell(&self, slot: Slot) -> &'a str {
        self.cells.get(slot).copied().unwrap_or("")
    }

    /// The cell of this column as [`text::clean`] makes it.
    pub(super) fn clean<'r>(&self, cell: &'r str, room: &'r mut String) -> &'r str {
        if self.plain { cell } else { text::clean(cell, room) }
    }

    /// Tells identical rows from different ones, within this process.
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.cells.hash(&mut hasher);
        hasher.finish()
    }
}

impl Meaning for Route {
    fn unlisted(self) -> bool {
        self == Self::Unlisted
    }
}

impl Bound {
    pub(super) fn new(compiled: Arc<Compiled>, places: Vec<usize>, index: HeaderIndex) -> Self {
        Self {
            filled: vec![0; places.len()],
            compiled,
            places,
            index,
            context: Context::default(),
            filler: Filler::default(),
            statuses: Words::new(),
            groups: Words::new(),
            only_group: None,
            sensitivity: Sensitivity::default(),
            report: MapReport::default(),
        }
    }

    /// Maps the rows of one batch into `people`. `today` is the day of the eligibility's time zone.
    pub fn map(&mut self, table: &Table, today: NaiveDate, people: &mut PeopleBuilder) {
        let compiled = Arc::clone(&self.compiled);
        // Taken out for the batch, so that rows can point into it while counters change.
        let index = std::mem::take(&mut self.index);
        let mut cells = Vec::with_capacity(self.places.len());
        if let Some(&place) = compiled.reference_id.slot().and_then(|slot| self.places.get(slot)) {
            table.rows().for_each(|row| people.announce(text::trim(row.cell(place))));
        }
        for row in table.rows() {
            people.count_row();
            self.report.rows += 1;
            self.cut(&compiled, row, &mut cells);
            let line = Line {
                row,
                cells: &cells,
                plain: text::is_plain(row.line().as_bytes()),
                scope: RowScope { row, header: &index, blanks: &compiled.blanks },
            };
            self.row(&compiled, line, today, people);
        }
        self.index = index;
    }

    /// The source has ended: what was seen.
    #[must_use]
    pub fn finish(mut self) -> MapReport {
        let compiled = &self.compiled;
        let columns = compiled.columns.iter().cloned();
        self.report.filled = columns.zip(self.filled.iter().copied()).collect();
        self.report.repairs = self.filler.repairs();
        let place = |slot: Slot| self.places.get(slot).map(|place| place + 1);
        let status = compiled.status.as_ref();
        self.report.unknown_statuses = self.statuses.unlisted(status.and_then(|plan| place(plan.slot)));
        let group = match compiled.group {
            GroupPlan::All(_) => None,
            GroupPlan::Map { slot, .. } | GroupPlan::AsIs { slot } => place(slot),
        };
        self.report.unlisted_groups = self.groups.unlisted(group);
        let plan =
            compiled.fields.iter().find(|plan| plan.field == Field::PlanId).and_then(|plan| plan.slot());
        self.report.unlisted_plans = self.filler.plans.unlisted(plan.and_then(place));
        if compiled.sensitive.is_none() {
            self.report.sensitive_ids = self.sensitivity.verdict().map(|looks| {
                let column = match &*compiled.reference_id.column {
                    "" => "the computed `reference_id`".to_owned(),
                    column => format!("the column `{column}`, mapped to `reference_id`,"),
                };
                format!(
                    "{column} looks like {looks}, which rosterd does not keep or send as a member's key unasked; in mapping `{}` set `sensitive: hash` for a keyed, stable stand-in, or `sensitive: allow` to use the values as they are",
                    compiled.name
                )
            });
        }
        self.report
    }

    /// Takes the mapped cells out of the row and counts the filled ones.
    fn cut<'a>(&mut self, compiled: &Compiled, row: Row<'a>, cells: &mut Vec<&'a str>) {
        cells.clear();
        let columns = self.places.iter().zip(&compiled.holds_names).zip(&mut self.filled);
        for ((&place, &holds_names), filled) in columns {
            let mut cell = text::trim(row.cell(place));
            if !compiled.blanks.is_empty()
                && !holds_names
                && compiled.blanks.iter().any(|blank| blank == cell)
            {
                cell = "";
            }
            *filled += u64::from(!cell.is_empty());
            cells.push(cell);
        }
    }

    fn row(&mut self, compiled: &Compiled, line: Line<'_>, today: NaiveDate, people: &mut PeopleBuilder) {
        let at = line.row.at();
        self.filler.draft.clear();
        if let Err(nameless) = self.identify(compiled, &line) {
            self.report.unusable += 1;
            self.report.nameless += 1;
            people.add_nameless(at, nameless);
            return;
        }
        let route = self.route(compiled, &line, people);
        let standing = match self.eligible(compiled, &line, today) {
            Ok(None) => None,
            Ok(Some(Out::Ended(by))) => {
                self.report.ended += 1;
                people.add_ended(at, self.filler.draft.value(Field::ReferenceId), by, route);
                return;
            }
            Ok(Some(Out::Ineligible(why))) => Some((Standing::Ineligible(why), Vec::new())),
            Err(problems) => Some((unusable(&line), problems)),
        };
        if let Some((standing, problems)) = standing {
            self.add_other(at, standing, route, problems, people);
            return;
        }
        let mut problems = Vec::new();
        let mut usable = true;
        for plan in &compiled.fields {
            if let Err(problem) = self.filler.fill(plan, &line, &self.context, today) {
                usable = usable && !plan.field.required();
                problems.push(problem);
            }
        }
        if usable {
            if people.add_eligible(at, &self.filler.draft, route, problems) {
                self.report.eligible += 1;
            } else {
                self.report.unusable += 1;
            }
        } else {
            self.add_other(at, unusable(&line), route, problems, people);
        }
    }

    fn add_other(
        &mut self,
        at: RowAt,
        standing: Standing,
        route: Route,
        problems: Vec<Problem>,
        people: &mut PeopleBuilder,
    ) {
        match standing {
            Standing::Ended => self.report.ended += 1,
            Standing::Ineligible(_) => self.report.ineligible += 1,
            Standing::Unusable { .. } | Standing::Duplicate => self.report.unusable += 1,
            Standing::Eligible(_) => self.report.eligible += 1,
        }
        let id = self.filler.draft.value(Field::ReferenceId);
        people.add_other(at, id, standing, route, problems);
    }

    /// Writes the `reference_id`; without one the row could be anybody's.
    fn identify(&mut self, compiled: &Compiled, line: &Line<'_>) -> Result<(), Problem> {
        let plan = &compiled.reference_id;
        match self.filler.identify(plan, line, &self.context, compiled.sensitive, compiled.key.as_ref()) {
            Ok(()) => {}
            Err(fault) => {
                if fault == Fault::Scientific {
                    self.report.add_scientific(line.row.at());
                }
                return Err(problem(Some(Field::ReferenceId), &plan.column, fault));
            }
        }
        if compiled.sensitive.is_none() {
            self.sensitivity.add(self.filler.draft.value(Field::ReferenceId));
        }
        Ok(())
    }

    fn route(&mut self, compiled: &Compiled, line: &Line<'_>, people: &mut PeopleBuilder) -> Route {
        match &compiled.group {
            GroupPlan::All(group) => *self.only_group.get_or_insert_with(|| people.route_to(group)),
            GroupPlan::Map { slot, map } => {
                self.groups.look(line.cell(*slot), |value| match (map.get(value), value.is_empty()) {
                    (Some(group), _) => people.route_to(group),
                    (None, true) => Route::Blank,
                    (None, false) => Route::Unlisted,
                })
            }
            GroupPlan::AsIs { slot } => self.groups.look(line.cell(*slot), |value| {
                if value.is_empty() {
                    return Route::Blank;
                }
                GroupRef::new(value).map_or(Route::Unlisted, |group| people.route_to(&group))
            }),
        }
    }

    /// Whether the person belongs on the roster today: nothing when he does, else what the row says.
    fn eligible(
        &mut self,
        compiled: &Compiled,
        line: &Line<'_>,
        today: NaiveDate,
    ) -> Result<Option<Out>, Vec<Problem>> {
        let status = compiled.status.as_ref().map(|plan| {
            self.statuses.look(line.cell(plan.slot), |value| {
                let blank = if value.is_empty() { Status::Blank } else { Status::Unknown };
                plan.list.get(value).copied().unwrap_or(blank)
            })
        });
        let starts = self.filler.day(compiled.starts_on.as_ref(), line);
        let ends = self.filler.day(compiled.ends_on.as_ref(), line);
        match eligibility::decide(status, starts, ends, today) {
            Verdict::Covered => {}
            Verdict::Ended if status == Some(Status::Ended) => return Ok(Some(Out::Ended(EndedBy::Status))),
            Verdict::Ended => return Ok(Some(Out::Ended(EndedBy::Date))),
            Verdict::StartsLater => return Ok(Some(Out::Ineligible(Ineligible::StartsLater))),
            Verdict::Unusable(faults) => {
                let problems = faults.into_iter();
                return Err(problems.map(|(part, fault)| part_problem(compiled, part, fault)).collect());
            }
        }
        let Some(when) = &compiled.when else {
            return Ok(None);
        };
        let fault = match when.run(&self.context, &line.scope) {
            Computed::Bool(true) => return Ok(None),
            Computed::Bool(false) => return Ok(Some(Out::Ineligible(Ineligible::When))),
            Computed::Failed => Fault::WhenFails,
            Computed::Text(_) | Computed::Absent | Computed::Other => Fault::WhenNotBool,
        };
        Err(vec![problem(None, &Arc::from(""), fault)])
    }
}

impl std::fmt::Debug for Bound {
    /// The draft and the words of the columns are people's data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound")
            .field("mapping", &self.compiled.name)
            .field("rows", &self.report.rows)
            .finish_non_exhaustive()
    }
}

impl Filler {
    fn day(&mut self, plan: Option<&DatePlan>, line: &Line<'_>) -> Day {
        let Some(plan) = plan else {
            return Ok(None);
        };
        match line.clean(line.cell(plan.slot), &mut self.room) {
            "" => Ok(None),
            value => plan.dates.read(value).map(Some),
        }
    }
}

/// Why a person is not on the roster today.
#[derive(Clone, Copy)]
enum Out {
    Ended(EndedBy),
    Ineligible(Ineligible),
}

fn unusable(line: &Line<'_>) -> Standing {
    Standing::Unusable { digest: line.digest() }
}

fn part_problem(compiled: &Compiled, part: Part, fault: Fault) -> Problem {
    let column = match part {
        Part::Status => compiled.status.as_ref().map(|plan| &plan.column),
        Part::StartsOn => compiled.starts_on.as_ref().map(|plan| &plan.column),
        Part::EndsOn => compiled.ends_on.as_ref().map(|plan| &plan.column),
    };
    column.map_or_else(|| problem(None, &Arc::from(""), fault), |column| problem(None, column, fault))
}
