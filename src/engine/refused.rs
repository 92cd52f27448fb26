//! A roster that Vitable refused: each field that it names is brought back to its row.

use super::{
    Engine, Feed,
    report::and_more,
    submit::{Release, incidents_of},
    tell::Scope,
};
use crate::{
    attempt::{Event, State},
    ledger::{AttemptId, Consequence, LedgerError, RowProblem, Run},
    mapping::Take,
    notify::{Affected, Kind},
    roster::{Field, Problem, RowAt},
    vitable::{ApiError, RefusedField},
};

/// How many fields the incident's reason names.
const NAMED: usize = 10;

impl Engine {
    /// The refusal, the rows that it names, its incident and its mail are one batch.
    pub(super) fn refused(
        &self,
        attempt: AttemptId,
        release: &Release<'_>,
        error: ApiError,
    ) -> Result<State, LedgerError> {
        let fields = error.fields;
        let from = From { feed: self.feed(release.feed.as_str()), run: release.run };
        let event = Event::Refused {
            status: error.status.unwrap_or(0),
            message: error.message,
            trace_id: error.trace_id,
        };
        let mut incidents: Vec<_> = incidents_of(release, &event);
        for incident in incidents.iter_mut().filter(|incident| incident.kind == Kind::Refused) {
            incident.people = fields.iter().map(|field| affected(field, release, from)).collect();
            incident.reason.push_str(&named(&fields));
        }
        let rows: Vec<RowProblem> = fields.iter().filter_map(|field| row(field, release, from)).collect();
        // Only a completion shows that something is over.
        let state = {
            let telling = self.shared.telling();
            let facts = self.facts(&telling, &incidents, Scope::NOTHING)?;
            self.ledger.refuse(attempt, &event, &rows, self.clock.now(), &facts)?
        };
        // A mail that cannot wait does not wait for the slowest group.
        self.wake_mails();
        Ok(state)
    }
}

/// The sentence that names the fields; empty when none could be brought back.
fn named(fields: &[RefusedField]) -> String {
    if fields.is_empty() {
        return String::new();
    }
    let names = fields.iter().map(|each| match each.field {
        Some(field) => format!("`{field}` of {}", each.reference_id),
        None => format!("something of {}", each.reference_id),
    });
    format!(" It names {}.", and_more(&names.collect::<Vec<_>>(), NAMED))
}

/// Where a row came from: the files that were read, and the configuration of their sources.
#[derive(Clone, Copy)]
struct From<'a> {
    feed: Option<&'a Feed>,
    run: &'a Run,
}

fn affected(refused: &RefusedField, release: &Release<'_>, from: From<'_>) -> Affected {
    let row = release.submission.row_of(&refused.reference_id);
    let what = problem(refused, row, from).to_string();
    Affected { reference_id: refused.reference_id.to_string(), row, what }
}

fn row(refused: &RefusedField, release: &Release<'_>, from: From<'_>) -> Option<RowProblem> {
    let at = release.submission.row_of(&refused.reference_id)?;
    Some(RowProblem {
        at,
        reference_id: Some(refused.reference_id.clone()),
        consequence: Consequence::Refused,
        problems: vec![problem(refused, Some(at), from)],
        since: None,
    })
}

fn problem(refused: &RefusedField, at: Option<RowAt>, from: From<'_>) -> Problem {
    let column = refused.field.map(|field| column(from, at, field)).unwrap_or_default();
    let words = if refused.what.is_empty() { String::new() } else { format!(" ({})", refused.what) };
    let what = format!("was refused by Vitable{words}; correct it in the source, until Vitable takes it");
    Problem { field: refused.field, column: column.into(), what: what.into(), rule: None }
}

/// What the configuration calls the column that the field comes from; the field's own name when there is none.
fn column(from: From<'_>, at: Option<RowAt>, field: Field) -> String {
    let file = at.and_then(|at| from.run.read.as_ref()?.files.get(usize::from(at.source)));
    let source = file.and_then(|file| from.feed?.sources.iter().find(|source| source.name == file.source));
    match source.and_then(|source| source.mapping.fields.get(&field)).map(|field| &field.take) {
        Some(Take::Column(column)) => column.clone(),
        Some(Take::FirstOf(columns)) => columns.join("` or `"),
        Some(Take::Value(_) | Take::Cel(_)) | None => field.name().to_owned(),
    }
}
