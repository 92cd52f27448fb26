//! What a run remembers of its plans and problem rows, for `show`, the mails and the exit code.

use super::gathering::Note;
use crate::{
    decide::{self, Decision, Plan, Round, Suspicion, Verdict},
    ledger::{Consequence, Counts, GroupReport, GroupVerdict, RowProblem},
    notify::{Affected, Incident, Kind},
    roster::{Certainty, People, Problem, ReferenceId, Route, RowAt, Standing},
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

/// How much of a digest is shown: what `approve --change` needs at least.
pub(super) const SHORT: usize = 8;
/// What a line of a hold says of the member that it names; nothing of a line that names none.
fn what_waits(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "absent" => "has no row any more",
        "ended" => "has left, by the row",
        "ineligible" => "is not eligible, by the row",
        "moved" => "would move to another group of the feed",
        "arriving" => "would come from another group of the feed",
        "added" => "is new, and would be covered",
        "plan_changes" => "has another plan than before",
        "duplicate" => "has rows that contradict each other",
        "unrouted" => "has a group value that is blank or in no list",
        "carried" => "has a row that cannot be used",
        "carried_long" => "has had a row that cannot be used for longer than `carry_forward_for`",
        "removed" => "would lose coverage",
        "changed_person" => "would become another person: birth date and a name changed together",
        _ => return None,
    })
}
/// How many members of one fate a report names, and how many problem rows.
const NAMED: usize = 1_000;
const PROBLEM_ROWS: usize = 10_000;

/// The numbers of a plan.
pub(super) fn counts(plan: &Plan) -> Counts {
    let updated = len(&plan.updated);
    Counts {
        covered: plan.covered,
        payload: plan.payload_len(),
        added: len(&plan.added) + len(&plan.joining),
        updated,
        unchanged: plan.unchanged,
        carried: plan.count("carried"),
        ended: plan.count("ended"),
        ineligible: plan.count("ineligible"),
        moved: plan.count("moved"),
        absent: plan.count("absent"),
        removed: u64::try_from(plan.removed().count()).unwrap_or(u64::MAX),
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
    for (what, places) in [
        ("added", &plan.added),
        ("joining", &plan.joining),
        ("left_out", &plan.left_out),
        ("arriving", &plan.arriving),
    ] {
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
    for (id, _) in plan.changed_people.iter().take(NAMED) {
        name(&mut members, "changed_people", id);
    }
    for (old, new) in plan.renamed.iter().take(NAMED) {
        name(&mut members, "renamed_from", old);
        name(&mut members, "renamed_to", new);
    }
    let (verdict, mut reasons, digest, approvable) = match &decision.verdict {
        Verdict::Submit { approval: None, .. } => (GroupVerdict::Submit, Vec::new(), None, false),
        Verdict::Submit { approval: Some(digest), .. } => {
            let reasons = vec!["released by an approval".to_owned()];
            (GroupVerdict::Submit, reasons, Some(digest.clone()), false)
        }
        Verdict::Unchanged => {
            let reasons = vec!["unchanged since the last completed sync".to_owned()];
            (GroupVerdict::Unchanged, reasons, None, false)
        }
        Verdict::Retired(why) => (GroupVerdict::Retired, vec![why.clone()], None, false),
        Verdict::PassOver(why) => (GroupVerdict::PassedOver, vec![why.clone()], None, false),
        Verdict::Hold(held) => {
            let reasons = held.reasons.iter().map(|reason| reason.sentence.clone()).collect();
            (GroupVerdict::Hold, reasons, Some(held.digest.clone()), held.approvable())
        }
    };
    reasons.extend(of_moves(decision));
    GroupReport {
        reasons,
        counts: counts(plan),
        members,
        digest,
        approvable,
        told: super::told::told(plan, people),
        ..GroupReport::new(plan.group.clone(), verdict)
    }
}

/// What becomes of the moves of a group, a sentence each.
fn of_moves(decision: &Decision) -> Vec<String> {
    let plan = &decision.plan;
    let mut said = Vec::new();
    let mut waits: BTreeMap<&str, u64> = BTreeMap::new();
    for why in plan.moves.iter().filter_map(|each| each.waits.as_deref()) {
        *waits.entry(why).or_default() += 1;
    }
    for (why, number) in waits {
        let moves = if number == 1 { "1 move waits" } else { &format!("{number} moves wait") };
        said.push(format!("{moves}, and these members stay covered here: {why}"));
    }
    let from_others = |number: usize| match number {
        1 => "1 member comes from another group".to_owned(),
        more => format!("{more} members come from other groups"),
    };
    if !plan.arriving.is_empty() {
        let come = from_others(plan.arriving.len());
        said.push(format!("{come} of the feed as soon as that one is clear and lets them go"));
    }
    match decision.round {
        Round::First => {}
        Round::Second => {
            let come = from_others(plan.joining.len());
            said.push(format!("{come} of the feed, so that this one is sent when those have finished"));
        }
        Round::Both(_) => {
            let come = from_others(plan.joining.len());
            said.push(format!("{come} of the feed, so that this one is sent again when those have finished"));
        }
    }
    said
}

fn name(members: &mut BTreeMap<String, Vec<ReferenceId>>, what: &str, id: &ReferenceId) {
    let list = members.entry(what.to_owned()).or_default();
    if list.len() < NAMED {
        list.push(id.clone());
    }
}

/// The problem rows of a read, and what they led to. Each kind is counted whole; the rows are kept up to a
/// bound, those that cost somebody's place on the roster first.
#[derive(Debug, Default)]
pub(super) struct ProblemRows {
    costly: Vec<RowProblem>,
    mild: Vec<RowProblem>,
    counts: BTreeMap<&'static str, u64>,
}

impl ProblemRows {
    fn push(&mut self, row: RowProblem) {
        let list = match row.consequence {
            Consequence::FieldLeftOut => &mut self.mild,
            Consequence::Carried
            | Consequence::LeftOut
            | Consequence::Held
            | Consequence::Refused
            | Consequence::NotSent => &mut self.costly,
        };
        *self.counts.entry(consequence_name(row.consequence)).or_default() += 1;
        if list.len() < PROBLEM_ROWS {
            list.push(row);
        }
    }

    /// Whether somebody was left out, carried forward or held for it.
    pub(super) fn costly(&self) -> bool {
        !self.costly.is_empty()
    }

    /// How many rows have a problem, kept or not.
    pub(super) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The rows that are kept, in the order of the files.
    pub(super) fn into_rows(self) -> Vec<RowProblem> {
        let mut rows = self.costly;
        rows.extend(self.mild);
        rows.truncate(PROBLEM_ROWS);
        rows.sort_by_key(|row| row.at);
        rows
    }

    /// The incidents that the rows make: people left out, and people carried forward.
    /// Of who is carried forward they say since when, and when `carried_for` is over.
    pub(super) fn incidents(
        &self,
        notes: &[Note],
        carried_for: Duration,
        now: DateTime<Utc>,
    ) -> Vec<Incident> {
        let carried = (
            Kind::RowsCarried,
            Consequence::Carried,
            "These members are covered and their rows cannot be used, so that they are sent as last accepted",
        );
        let left_out = (
            Kind::RowsLeftOut,
            Consequence::LeftOut,
            "These rows cannot be used, and bring nobody onto the roster",
        );
        [carried, left_out]
            .into_iter()
            .filter_map(|(kind, consequence, sentence)| self.incident(kind, consequence, sentence, notes))
            .map(|incident| self.with_ages(incident, carried_for, now))
            .collect()
    }

    /// The age of what is carried forward is no part of the reason, which would change each day.
    fn with_ages(&self, mut incident: Incident, carried_for: Duration, now: DateTime<Utc>) -> Incident {
        let ages: BTreeMap<RowAt, DateTime<Utc>> =
            self.costly.iter().filter_map(|row| Some((row.at, row.since?))).collect();
        let oldest = ages.values().min().map(|since| now.signed_duration_since(since).num_days());
        if incident.kind == Kind::RowsCarried
            && let Some(days) = oldest.and_then(|days| u64::try_from(days).ok())
        {
            incident.counts.push(("carried_days".to_owned(), days));
        }
        for person in &mut incident.people {
            let Some(since) = person.row.and_then(|row| ages.get(&row)) else { continue };
            person.what.push_str(&format!("; carried forward since {}", since.format("%Y-%m-%d")));
            let end = TimeDelta::from_std(carried_for).ok().and_then(|long| since.checked_add_signed(long));
            if let Some(end) = end {
                person.what.push_str(&format!(", held after {}", end.format("%Y-%m-%d")));
            }
        }
        incident
    }

    fn incident(
        &self,
        kind: Kind,
        consequence: Consequence,
        sentence: &str,
        notes: &[Note],
    ) -> Option<Incident> {
        let name = consequence_name(consequence);
        let total = self.counts.get(name).copied().filter(|total| *total > 0)?;
        let people: Vec<Affected> =
            self.costly.iter().filter(|row| row.consequence == consequence).map(affected).collect();
        let mut names: Vec<String> = people
            .iter()
            .map(|who| match (who.reference_id.as_str(), who.row) {
                ("", Some(at)) => format!("row {}", at.record),
                (id, _) => id.to_owned(),
            })
            .collect();
        names.sort();
        let mut reason = format!("{sentence}: {}.", and_others(&names));
        if consequence == Consequence::LeftOut && people.iter().any(|who| who.reference_id.is_empty()) {
            reason.push_str(" Rows without a reference_id could be anybody, covered people too.");
        }
        for note in notes.iter().filter(|note| note.explains) {
            reason.push(' ');
            reason.push_str(&note.text);
            reason.push('.');
        }
        Some(Incident { people, counts: vec![(name.to_owned(), total)], ..Incident::new(kind, reason) })
    }
}

/// The first ten of these, and that there are others. Without a number, which differs from run to run: each new wording
/// would be a mail.
pub(super) fn and_others<S: AsRef<str>>(names: &[S]) -> String {
    let shown: Vec<&str> = names.iter().take(10).map(AsRef::as_ref).collect();
    format!("{}{}", shown.join(", "), if names.len() > shown.len() { " and others" } else { "" })
}

/// The first `most` of these, and how many more there are.
pub(super) fn and_more<S: AsRef<str>>(names: &[S], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

const fn consequence_name(consequence: Consequence) -> &'static str {
    match consequence {
        Consequence::Carried => "carried",
        Consequence::LeftOut => "left_out",
        Consequence::FieldLeftOut => "field_left_out",
        Consequence::Held => "held",
        Consequence::Refused => "refused",
        Consequence::NotSent => "not_sent",
    }
}

/// Every row with a problem and what it led to. `unplaced` are people whom no group takes, because the value in
/// `column` is blank or unlisted.
pub(super) fn problem_rows(
    people: &People,
    decisions: &[Decision],
    unplaced: &[u32],
    column: &str,
) -> ProblemRows {
    let with = |fate| decisions.iter().flat_map(move |decision| decision.plan.with_fate(fate));
    let carried: HashSet<&str> = with("carried").map(ReferenceId::as_str).collect();
    let unrouted: HashSet<&str> = with("unrouted").map(ReferenceId::as_str).collect();
    let since: HashMap<&str, DateTime<Utc>> =
        decisions.iter().flat_map(|decision| decision.plan.carried_since()).collect();
    let unplaced: HashSet<u32> = unplaced.iter().copied().collect();
    let mut rows = ProblemRows::default();
    for (at, problem) in &people.nameless {
        let problems = vec![problem.clone()];
        let consequence = Consequence::LeftOut;
        rows.push(RowProblem { at: *at, reference_id: None, consequence, problems, since: None });
    }
    for (place, (id, person)) in (0_u32..).zip(people.iter()) {
        let routed = !(unrouted.contains(id) || unplaced.contains(&place));
        let problems = people.problems_at(place);
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
        let mut problems = problems.to_vec();
        let others: Vec<String> =
            people.duplicate_rows(id).iter().skip(1).map(|(at, _)| at.record.to_string()).collect();
        if !others.is_empty() {
            let what = format!("contradicts row {} of the same reference_id", others.join(", "));
            problems.push(Problem { field: None, column: "".into(), what: what.into(), rule: None });
        }
        problems.extend(route_problem(person.route, column).filter(|_| !routed));
        let reference_id = ReferenceId::new(id).ok();
        let since = since.get(id).copied().filter(|_| consequence == Consequence::Carried);
        rows.push(RowProblem { at: person.at, reference_id, consequence, problems, since });
    }
    rows
}

/// The first rows that cannot be used, for a read that comes to nothing because of them.
pub(super) fn first_problems(people: &People, most: usize) -> Vec<RowProblem> {
    let nameless = people.nameless.iter().map(|(at, problem)| (*at, None, vec![problem.clone()]));
    let others = people
        .iter()
        .filter(|(_, person)| matches!(person.standing, Standing::Unusable { .. } | Standing::Duplicate))
        .map(|(id, person)| (person.at, ReferenceId::new(id).ok(), people.problems_of(id).to_vec()));
    let rows = nameless.take(most).chain(others.take(most));
    let mut rows: Vec<RowProblem> = rows
        .map(|(at, reference_id, problems)| RowProblem {
            at,
            reference_id,
            consequence: Consequence::NotSent,
            problems,
            since: None,
        })
        .collect();
    rows.sort_by_key(|row| row.at);
    rows.truncate(most);
    rows
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

fn affected(row: &RowProblem) -> Affected {
    let what: Vec<String> = row.problems.iter().map(ToString::to_string).collect();
    Affected {
        reference_id: row.reference_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        row: Some(row.at),
        what: what.join("; "),
    }
}

/// The incident of a suspicious read, which holds every group of its feed.
pub(super) fn suspicious_incident(suspicions: &[Suspicion]) -> Option<Incident> {
    let sentences: Vec<&str> = suspicions.iter().map(|each| each.sentence.as_str()).collect();
    (!sentences.is_empty()).then(|| Incident::new(Kind::ReadSuspicious, paragraph(&sentences)))
}

/// The incident of a held group. What is suspicious about the read as a whole has an incident of its own.
pub(super) fn held_incident(decision: &Decision, people: &People) -> Option<Incident> {
    let Verdict::Hold(held) = &decision.verdict else { return None };
    let own = held.reasons.iter().filter(|reason| !decide::SUSPICIOUS.contains(&reason.rule));
    let sentences: Vec<&str> = own.map(|reason| reason.sentence.as_str()).collect();
    if sentences.is_empty() {
        return None;
    }
    let plan = &decision.plan;
    let row = |id: &str| people.place_of(id).and_then(|place| people.person(place)).map(|person| person.at);
    let named = held.lines.iter().filter_map(|line| {
        let (rule, id) = line.split_once(':')?;
        // Behind the reference stands who the row is about now.
        let id = if rule == "changed_person" { id.rsplit_once(':').map_or(id, |(id, _)| id) } else { id };
        let what = what_waits(rule)?.to_owned();
        Some(Affected { reference_id: id.to_owned(), row: row(id), what })
    });
    // Which group either of the two is in stands in the lines of fates; here, who becomes whom.
    let renamed = plan.renamed.iter().map(|(old, new)| Affected {
        reference_id: old.to_string(),
        row: row(new.as_str()),
        what: format!("comes as `{new}`"),
    });
    let renamed = renamed.filter(|_| held.reasons.iter().any(|reason| reason.rule == "renamed_ids"));
    let counts = counts(plan);
    let mut numbers = vec![("covered".to_owned(), counts.covered), ("payload".to_owned(), counts.payload)];
    if plan.certainty != Certainty::FirstSync {
        numbers.push(("removed".to_owned(), counts.removed));
    }
    numbers.push(("added".to_owned(), counts.added));
    Some(Incident {
        group: Some(plan.group.clone()),
        people: named.chain(renamed).collect(),
        counts: numbers,
        // Another change is another cause, also when its numbers are the same: what was mailed can be typed no more.
        cause: held.digest.clone(),
        ..Incident::new(
            Kind::Held,
            format!(
                "{} This is change {}.",
                paragraph(&sentences),
                held.digest.get(..SHORT).unwrap_or(&held.digest)
            ),
        )
    })
}

pub(super) fn len<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

/// Sentences one after the other, each with a capital letter and a full stop.
fn paragraph(sentences: &[&str]) -> String {
    let finished = sentences.iter().map(|sentence| {
        let mut letters = sentence.chars();
        let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
        format!("{first}{}.", letters.as_str().trim_end_matches('.'))
    });
    finished.collect::<Vec<_>>().join(" ")
}
