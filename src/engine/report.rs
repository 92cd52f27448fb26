//! What a run remembers of its plans and problem rows, for `show`, the mails and the exit code.

use crate::{
    decide::{Decision, Plan, Verdict},
    ledger::{Consequence, Counts, GroupReport, RowProblem},
    notify::{Affected, Incident, Kind},
    roster::{Certainty, People, Problem, ReferenceId, Route, Standing},
};
use std::collections::{BTreeMap, HashSet};

/// How many members of one fate a report names, and how many problem rows.
const NAMED: usize = 1_000;
const PROBLEM_ROWS: usize = 10_000;

/// The numbers of a plan.
pub(super) fn counts(plan: &Plan) -> Counts {
    let updated = len(&plan.updated);
    Counts {
        covered: plan.covered,
        payload: plan.payload_len(),
        added: len(&plan.added),
        updated,
        unchanged: plan.unchanged,
        carried: plan.count("carried"),
        ended: plan.count("ended"),
        ineligible: plan.count("ineligible"),
        moved: plan.count("moved"),
        absent: plan.count("absent"),
        plan_changes: len(&plan.plan_changes),
        left_out: len(&plan.left_out),
    }
}

/// What a run remembers of one group, before anything was sent.
pub(super) fn group(decision: &Decision, people: &People) -> GroupReport {
    let plan = &decision.plan;
    let mut members: BTreeMap<String, Vec<ReferenceId>> = BTreeMap::new();
    for (id, fate) in &plan.fates {
        name(&mut members, fate.name(), id);
    }
    for (what, places) in [("added", &plan.added), ("left_out", &plan.left_out), ("arriving", &plan.arriving)]
    {
        for &at in places.iter().take(NAMED) {
            let id = people.person(at).map(|person| people.id_of(person));
            if let Some(Ok(id)) = id.map(ReferenceId::new) {
                name(&mut members, what, &id);
            }
        }
    }
    for (id, _) in plan.updated.iter().take(NAMED) {
        name(&mut members, "updated", id);
    }
    for id in plan.plan_changes.iter().take(NAMED) {
        name(&mut members, "plan_changes", id);
    }
    let (verdict, reasons, digest) = match &decision.verdict {
        Verdict::Submit { approval: None, .. } => ("submit", Vec::new(), None),
        Verdict::Submit { approval: Some(digest), .. } => {
            ("submit", vec!["released by an approval".to_owned()], Some(digest.clone()))
        }
        Verdict::Skip(why) => ("skip", vec![why.clone()], None),
        Verdict::Hold(held) => {
            let reasons = held.reasons.iter().map(|reason| reason.sentence.clone()).collect();
            ("hold", reasons, Some(held.digest.clone()))
        }
    };
    GroupReport {
        group: plan.group.clone(),
        group_id: None,
        verdict: verdict.to_owned(),
        reasons,
        counts: counts(plan),
        members,
        attempt: None,
        digest,
    }
}

fn name(members: &mut BTreeMap<String, Vec<ReferenceId>>, what: &str, id: &ReferenceId) {
    let list = members.entry(what.to_owned()).or_default();
    if list.len() < NAMED {
        list.push(id.clone());
    }
}

/// Every row with a problem and what it led to. The second is how many there are in all. `unplaced` are people
/// whom no group takes, because the value in `column` is blank or unlisted.
pub(super) fn problem_rows(
    people: &People,
    decisions: &[Decision],
    unplaced: &[u32],
    column: &str,
) -> (Vec<RowProblem>, u64) {
    let with = |fate| decisions.iter().flat_map(move |decision| decision.plan.with_fate(fate));
    let carried: HashSet<&str> = with("carried").map(ReferenceId::as_str).collect();
    let unrouted: HashSet<&str> = with("unrouted").map(ReferenceId::as_str).collect();
    let unplaced: HashSet<u32> = unplaced.iter().copied().collect();
    let mut rows: Vec<RowProblem> = people
        .nameless
        .iter()
        .map(|(at, problem)| RowProblem {
            at: *at,
            reference_id: None,
            consequence: Consequence::LeftOut,
            problems: vec![problem.clone()],
        })
        .collect();
    let mut more = 0_u64;
    for (place, (id, person)) in (0_u32..).zip(people.iter()) {
        let mut problems = people.problems_of(id).to_vec();
        let routed = !(unrouted.contains(id) || unplaced.contains(&place));
        let consequence = match person.standing {
            Standing::Duplicate => Consequence::Held,
            Standing::Unusable { .. } if carried.contains(id) => Consequence::Carried,
            Standing::Unusable { .. } => Consequence::LeftOut,
            Standing::Eligible(_) | Standing::Ended | Standing::Ineligible(_) if routed => {
                if problems.is_empty() {
                    continue;
                }
                Consequence::FieldLeftOut
            }
            Standing::Eligible(_) | Standing::Ended | Standing::Ineligible(_) if unrouted.contains(id) => {
                Consequence::Held
            }
            Standing::Eligible(_) | Standing::Ended | Standing::Ineligible(_) => Consequence::LeftOut,
        };
        problems.extend(route_problem(person.route, column).filter(|_| !routed));
        if rows.len() < PROBLEM_ROWS {
            let reference_id = ReferenceId::new(id).ok();
            rows.push(RowProblem { at: person.at, reference_id, consequence, problems });
        } else {
            more += 1;
        }
    }
    rows.sort_by_key(|row| row.at);
    let all = more + len(&rows);
    rows.truncate(PROBLEM_ROWS);
    (rows, all)
}

fn route_problem(route: Route, column: &str) -> Option<Problem> {
    let what = match route {
        Route::Group(_) => return None,
        Route::Blank => "is blank, so that no group takes the person; fill it in at the source",
        Route::Unlisted => {
            "names no group of the feed; add the value to `groups`, or correct it at the source"
        }
    };
    Some(Problem { field: None, column: column.into(), what: what.into(), rule: None })
}

/// The incidents that the problem rows make: people left out, and people carried forward.
pub(super) fn row_incidents(rows: &[RowProblem], notes: &[String]) -> Vec<Incident> {
    let mut incidents = Vec::new();
    for (kind, consequence, count, sentence) in [
        (
            Kind::RowsCarried,
            Consequence::Carried,
            "carried",
            "Their rows cannot be used, so that these covered members are sent as last accepted",
        ),
        (
            Kind::RowsLeftOut,
            Consequence::LeftOut,
            "left_out",
            "These rows cannot be used, and nobody of them is covered: they are not on the roster",
        ),
    ] {
        let people: Vec<Affected> =
            rows.iter().filter(|row| row.consequence == consequence).map(affected).collect();
        if people.is_empty() {
            continue;
        }
        let mut names: Vec<String> = people
            .iter()
            .map(|who| match (who.reference_id.as_str(), who.row) {
                ("", Some(at)) => format!("row {}", at.record),
                (id, _) => id.to_owned(),
            })
            .collect();
        names.sort();
        let shown = names.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(10);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let mut reason = format!("{sentence}: {shown}{more}.");
        for note in notes {
            reason.push(' ');
            reason.push_str(note);
            reason.push('.');
        }
        let total = u64::try_from(people.len()).unwrap_or(u64::MAX);
        incidents.push(Incident {
            people,
            counts: vec![(count.to_owned(), total)],
            ..Incident::new(kind, reason)
        });
    }
    incidents
}

fn affected(row: &RowProblem) -> Affected {
    let what: Vec<String> = row
        .problems
        .iter()
        .map(|problem| match &*problem.column {
            "" => problem.what.to_string(),
            column => format!("`{column}` {}", problem.what),
        })
        .collect();
    Affected {
        reference_id: row.reference_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        row: Some(row.at),
        what: what.join("; "),
    }
}

/// The incident of a held group.
pub(super) fn held_incident(decision: &Decision) -> Option<Incident> {
    let Verdict::Hold(held) = &decision.verdict else {
        return None;
    };
    let sentences: Vec<&str> = held.reasons.iter().map(|reason| reason.sentence.as_str()).collect();
    let plan = &decision.plan;
    let people = plan.fates.iter().filter(|(_, fate)| fate.leaves()).map(|(id, fate)| Affected {
        reference_id: id.to_string(),
        row: None,
        what: fate.name().to_owned(),
    });
    let counts = counts(plan);
    let mut numbers = vec![("covered".to_owned(), counts.covered), ("payload".to_owned(), counts.payload)];
    if plan.certainty != Certainty::FirstSync {
        numbers.push(("removed".to_owned(), counts.removed()));
    }
    numbers.push(("added".to_owned(), counts.added));
    Some(Incident {
        group: Some(plan.group.clone()),
        people: people.collect(),
        counts: numbers,
        ..Incident::new(Kind::Held, format!("{}.", sentences.join(". ")))
    })
}

fn len<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}
