//! A roster that Vitable refused: each field that it names is brought back to its row.

use super::{
    Engine, Feed,
    report::and_more,
    submit::{Release, incidents_of},
    tell::Scope,
};
use crate::{
    attempt::{Event, State},
    ledger::{AttemptId, Consequence, LedgerError, RowProblem},
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
        let (fields, feed) = (error.fields, self.feed(release.feed.as_str()));
        let event = Event::Refused {
            status: error.status.unwrap_or(0),
            message: error.message,
            trace_id: error.trace_id,
        };
        let mut incidents: Vec<_> = incidents_of(release, &event);
        for incident in incidents.iter_mut().filter(|incident| incident.kind == Kind::Refused) {
            incident.people = fields.iter().map(|field| affected(field, release, feed)).collect();
            incident.reason.push_str(&named(&fields));
        }
        let rows: Vec<RowProblem> = fields.iter().filter_map(|field| row(field, release, feed)).collect();
        // Only a completion shows that something is over.
        let state = {
            let telling = self.shared.telling();
            let facts = self.facts(&telling, &incidents, Scope::NOTHING)?;
            self.ledger.refuse(attempt, &event, &rows, self.clock.now(), &facts)?
        };
        // The mail does not wait for the slowest group.
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

fn affected(refused: &RefusedField, release: &Release<'_>, feed: Option<&Feed>) -> Affected {
    let row = release.submission.row_of(&refused.reference_id);
    let what = problem(refused, row, feed).to_string();
    Affected { reference_id: refused.reference_id.to_string(), row, what }
}

fn row(refused: &RefusedField, release: &Release<'_>, feed: Option<&Feed>) -> Option<RowProblem> {
    let at = release.submission.row_of(&refused.reference_id)?;
    Some(RowProblem {
        at,
        reference_id: Some(refused.reference_id.clone()),
        consequence: Consequence::Refused,
        problems: vec![problem(refused, Some(at), feed)],
        since: None,
    })
}

fn problem(refused: &RefusedField, at: Option<RowAt>, feed: Option<&Feed>) -> Problem {
    let column = refused.field.map(|field| column(feed, at, field)).unwrap_or_default();
    let words = if refused.what.is_empty() { String::new() } else { format!(" ({})", refused.what) };
    let what = format!("was refused by Vitable{words}; correct it in the source, until Vitable takes it");
    Problem { field: refused.field, column: column.into(), what: what.into(), rule: None }
}

/// What the configuration calls the column that the field comes from; the field's own name when there is none.
fn column(feed: Option<&Feed>, at: Option<RowAt>, field: Field) -> String {
    let source = at.and_then(|at| feed?.sources.get(usize::from(at.source)));
    let from = source.and_then(|source| source.mapping.fields.get(&field));
    match from.map(|from| &from.take) {
        Some(Take::Column(column)) => column.clone(),
        Some(Take::FirstOf(columns)) => columns.join("` or `"),
        Some(Take::Value(_) | Take::Cel(_)) | None => field.name().to_owned(),
    }
}
