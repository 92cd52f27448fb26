//! rejects.csv: what HR has to correct, row by row.

use super::{Failure, desk::Talk, render};
use crate::{
    attempt::{self, FailureKind, Operation},
    ledger::{Attempt, Consequence, FileReport, Ledger, LedgerError, ReadReport, RowProblem, Run},
    roster::Problem,
};
use serde::Serialize;

/// The heads of the columns, in their order.
const HEADS: [&str; 10] = [
    "source",
    "file",
    "row",
    "line",
    "reference_id",
    "column",
    "rule",
    "what_is_wrong",
    "what_to_do",
    "consequence",
];

/// One thing to correct. Names columns and rules, never a value but the `reference_id`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Reject {
    source: Option<String>,
    file: Option<String>,
    /// Data row, from 1.
    row: Option<u32>,
    /// Physical line of the file, from 1.
    line: Option<u32>,
    reference_id: Option<String>,
    column: Option<String>,
    rule: Option<String>,
    what_is_wrong: String,
    what_to_do: String,
    consequence: String,
}

/// Everything to correct.
#[derive(Debug, Default, Serialize)]
pub(super) struct Rejects {
    rejects: Vec<Reject>,
    /// Rows with problems that are not listed, because a run keeps 10,000.
    left_off: u64,
}

impl Rejects {
    pub(super) fn add(&mut self, other: Self) {
        self.rejects.extend(other.rejects);
        self.left_off += other.left_off;
    }

    fn rows(&mut self, read: &ReadReport) {
        self.rejects.extend(read.problems.iter().flat_map(|row| of_row(row, read)));
        let kept = u64::try_from(read.problems.len()).unwrap_or(u64::MAX);
        self.left_off += read.problem_rows.saturating_sub(kept);
    }

    fn answers(&mut self, attempt: &Attempt, read: &ReadReport) {
        self.rejects.extend(attempt.refused.iter().flat_map(|row| of_row(row, read)));
        let failures = attempt.outcome.iter().flat_map(|outcome| &outcome.failures);
        self.rejects.extend(failures.map(|failure| of_failure(failure, attempt, read)));
    }
}

/// What a run found wrong, and what Vitable said of its members.
pub(super) fn of_run(ledger: &Ledger, run: &Run) -> Result<Rejects, LedgerError> {
    let mut rejects = Rejects::default();
    let nothing = ReadReport::default();
    let read = run.read.as_ref().unwrap_or(&nothing);
    rejects.rows(read);
    for attempt in ledger.attempts_of_run(run.id)? {
        rejects.answers(&attempt, read);
    }
    Ok(rejects)
}

/// What a plan found wrong, and what Vitable said last of the members of its groups.
pub(super) fn of_plan(ledger: &Ledger, plan: &Run) -> Result<Rejects, LedgerError> {
    let mut rejects = Rejects::default();
    if let Some(read) = &plan.read {
        rejects.rows(read);
    }
    for group in &plan.groups {
        for attempt in ledger.attempts_of_group(&group.group, 1)? {
            // Its rows stand in the file of its own run.
            let read = ledger.run(attempt.run)?.and_then(|run| run.read).unwrap_or_default();
            rejects.answers(&attempt, &read);
        }
    }
    Ok(rejects)
}

/// Prints them; what is left off is said beside the data.
pub(super) fn print(rejects: &Rejects, json: bool, talk: &dyn Talk) -> Result<(), Failure> {
    if json {
        talk.out(&render::pretty(&serde_json::to_value(rejects).map_err(Failure::failed)?)?)?;
    } else {
        talk.out(&csv(&rejects.rejects))?;
    }
    if rejects.left_off > 0 {
        talk.err(&format!(
            "{} more rows have problems and are not listed: a run keeps 10,000 of them. Correct these first, then look again\n",
            rejects.left_off
        ))?;
    }
    Ok(())
}

fn of_row(row: &RowProblem, read: &ReadReport) -> Vec<Reject> {
    let file: Option<&FileReport> = read.files.get(usize::from(row.at.source));
    let place = Reject {
        source: file.map(|file| file.source.clone()),
        file: file.map(|file| file.path.clone()),
        row: Some(row.at.record),
        line: Some(row.at.line),
        reference_id: row.reference_id.as_ref().map(ToString::to_string),
        consequence: consequence(row),
        ..Reject::default()
    };
    let nothing = vec![Problem { field: None, column: "".into(), what: "cannot be used".into(), rule: None }];
    let problems = if row.problems.is_empty() { &nothing } else { &row.problems };
    let of_problem = |problem: &Problem| {
        let (wrong, remedy) = split(problem);
        Reject {
            column: Some(problem.column.to_string()).filter(|column| !column.is_empty()),
            rule: rule(problem, row.consequence).map(str::to_owned),
            what_is_wrong: wrong,
            what_to_do: remedy,
            ..place.clone()
        }
    };
    problems.iter().map(of_problem).collect()
}

/// What is wrong and what to do about it: a rule of the contract has words for HR, other problems say both.
fn split(problem: &Problem) -> (String, String) {
    let (wrong, remedy) =
        problem.what.rsplit_once("; ").unwrap_or((&problem.what, "correct it in the source"));
    match problem.rule {
        Some(rule) => (wrong.to_owned(), rule.remedy().to_owned()),
        None => (wrong.to_owned(), remedy.to_owned()),
    }
}

fn rule(problem: &Problem, consequence: Consequence) -> Option<&'static str> {
    match (problem.rule, consequence) {
        (Some(rule), _) => Some(rule.name()),
        (None, Consequence::Refused) => Some("refused_by_vitable"),
        (
            None,
            Consequence::Carried
            | Consequence::LeftOut
            | Consequence::FieldLeftOut
            | Consequence::Held
            | Consequence::NotSent,
        ) => None,
    }
}

fn consequence(row: &RowProblem) -> String {
    match (row.consequence, row.since) {
        (Consequence::Carried, Some(since)) => {
            format!("still covered, as last accepted, since {}", since.format("%Y-%m-%d"))
        }
        (Consequence::Carried, None) => "still covered, as last accepted".to_owned(),
        (Consequence::LeftOut, _) => "left out: not covered".to_owned(),
        (Consequence::FieldLeftOut, _) => "only this field was left out".to_owned(),
        (Consequence::Held, _) => "held: the whole group waits".to_owned(),
        (Consequence::Refused, _) => "refused: the whole group waits".to_owned(),
        (Consequence::NotSent, _) => "nothing was sent: too much of the file cannot be used".to_owned(),
    }
}

fn of_failure(failure: &attempt::Failure, attempt: &Attempt, read: &ReadReport) -> Reject {
    let (rule, remedy) = match (&failure.operation, failure.kind) {
        (Operation::Add, FailureKind::PlanNotFound) => {
            ("plan_not_found", "give a plan that the benefits team has listed")
        }
        (Operation::Add, FailureKind::CoveredElsewhere) => (
            "covered_elsewhere",
            "have the person's other employer end its coverage; nothing in this row is wrong",
        ),
        (Operation::Add, FailureKind::Other) => {
            ("not_added", "read the reason; if it does not help, ask the benefits team")
        }
        (Operation::Remove, _) => ("not_removed", "nothing in the file; the benefits team asks Vitable"),
        (Operation::Unknown(_), _) => ("not_applied", "nothing in the file; the benefits team asks Vitable"),
    };
    let tried = failure.tried(attempt.changed_at);
    let consequence = match failure.operation {
        Operation::Add if failure.thought_covered => format!("was covered before, is not now{tried}"),
        Operation::Add => format!("not covered{tried}"),
        Operation::Remove => format!("still covered{tried}"),
        Operation::Unknown(_) => format!("as before{tried}"),
    };
    // The row is known when something else is wrong with it.
    let row = read.problems.iter().find(|row| row.reference_id.as_ref() == Some(&failure.reference_id));
    let file = row.and_then(|row| read.files.get(usize::from(row.at.source)));
    Reject {
        source: file.map(|file| file.source.clone()),
        file: file.map(|file| file.path.clone()),
        row: row.map(|row| row.at.record),
        line: row.map(|row| row.at.line),
        reference_id: Some(failure.reference_id.to_string()),
        column: (rule == "plan_not_found").then(|| "plan_id".to_owned()),
        rule: Some(rule.to_owned()),
        what_is_wrong: failure.reason.clone(),
        what_to_do: remedy.to_owned(),
        consequence,
    }
}

/// RFC 4180: lines end with CR LF, and what has a comma, a quote or a line end in it stands in quotes.
fn csv(rejects: &[Reject]) -> String {
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let mut out = line(HEADS.iter().map(|head| (*head).to_owned()));
    for reject in rejects {
        let cells = [
            reject.source.clone(),
            reject.file.clone(),
            number(reject.row),
            number(reject.line),
            reject.reference_id.clone(),
            reject.column.clone(),
            reject.rule.clone(),
            Some(reject.what_is_wrong.clone()),
            Some(reject.what_to_do.clone()),
            Some(reject.consequence.clone()),
        ];
        out.push_str(&line(cells.into_iter().map(Option::unwrap_or_default)));
    }
    out
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| cell_of(&cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell that no spreadsheet takes for a formula: one that begins like it has an apostrophe before it.
fn cell_of(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) || text.trim() != text {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{ReferenceId, RowAt, Rule};

    const RULES: [Rule; 9] = [
        Rule::Missing,
        Rule::TooLong,
        Rule::ControlCharacter,
        Rule::NotADate,
        Rule::NotAPhone,
        Rule::NotAState,
        Rule::NotAZipcode,
        Rule::NotAnEmail,
        Rule::NotAPlan,
    ];

    fn problem(column: &str, what: &str, rule: Option<Rule>) -> Problem {
        Problem { field: None, column: column.into(), what: what.into(), rule }
    }

    fn row(id: &str, problems: Vec<Problem>) -> RowProblem {
        RowProblem {
            at: RowAt { source: 0, record: 3, line: 4 },
            reference_id: ReferenceId::new(id).ok(),
            consequence: Consequence::Carried,
            problems,
            since: None,
        }
    }

    #[test]
    fn every_rule_has_a_name_and_a_remedy_of_its_own() {
        let problems = RULES.map(|rule| problem("Col", "is wrong; do this", Some(rule)));
        let rejects = of_row(&row("E-1", problems.to_vec()), &ReadReport::default());
        assert_eq!(rejects.len(), RULES.len());
        let mut remedies: Vec<&str> = rejects.iter().map(|reject| reject.what_to_do.as_str()).collect();
        remedies.sort_unstable();
        remedies.dedup();
        assert_eq!(remedies.len(), RULES.len());
        for rule in RULES {
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.name());
        }
    }

    #[test]
    fn a_problem_says_both_what_is_wrong_and_what_to_do() {
        let problem = problem("Status", "is neither; nor; add it to a list", None);
        assert_eq!(split(&problem), ("is neither; nor".to_owned(), "add it to a list".to_owned()));
    }

    #[test]
    fn no_cell_is_a_formula_or_breaks_the_file() {
        let cases = [
            ("E-1", "E-1"),
            ("=1+1", "'=1+1"),
            ("-7", "'-7"),
            ("@x", "'@x"),
            ("+1,2", "\"'+1,2\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("a\r\nb", "\"a\r\nb\""),
            ("\tx", "'\tx"),
            (" x", "\" x\""),
        ];
        for (text, expected) in cases {
            assert_eq!(cell_of(text), expected, "{text:?}");
        }
    }
}
