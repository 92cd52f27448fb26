//! What Vitable says of single members, sorted so that each sort has its remedy.

use super::{
    Engine,
    follow::about,
    report::{and_more, len},
};
use crate::{
    attempt::{Failure, FailureKind, Operation, Outcome},
    ledger::{Attempt, LedgerError},
    notify::{Affected, Incident, Kind, shell_word},
    roster::ReferenceId,
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashMap, HashSet};

/// How many members of one sort the reason names.
const NAMED: usize = 10;

impl Engine {
    /// Puts into an outcome what the syncs before know of its failures: since when the same fails, and who was
    /// covered until now.
    pub(super) fn remember_earlier(
        &self,
        attempt: &Attempt,
        outcome: &mut Outcome,
    ) -> Result<(), LedgerError> {
        if outcome.failures.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let before = self.ledger.last_completed(&attempt.group)?.filter(|before| before.id < attempt.id);
        let adds: HashSet<ReferenceId> = failed(outcome, &Operation::Add).cloned().collect();
        let covered = self.ledger.covered_before(attempt.id, adds)?;
        let mut failed_before: HashMap<&ReferenceId, Vec<&Failure>> = HashMap::new();
        for known in
            before.iter().filter_map(|before| before.outcome.as_ref()).flat_map(|each| &each.failures)
        {
            failed_before.entry(&known.reference_id).or_default().push(known);
        }
        for failure in &mut outcome.failures {
            let earlier = before.as_ref().and_then(|before| {
                let of_member = failed_before.get(&failure.reference_id)?;
                let known = of_member.iter().find(|known| known.operation == failure.operation)?;
                Some((known.since.unwrap_or(before.changed_at), known.thought_covered))
            });
            let add = failure.operation == Operation::Add;
            failure.since = Some(earlier.map_or(now, |(since, _)| since));
            // He stays one whose loss nobody decided until he is added, or leaves the roster.
            failure.thought_covered = add
                && (covered.contains(&failure.reference_id) || earlier.is_some_and(|(_, thought)| thought));
        }
        Ok(())
    }
}

fn failed<'a>(outcome: &'a Outcome, operation: &'a Operation) -> impl Iterator<Item = &'a ReferenceId> {
    let failures = outcome.failures.iter().filter(move |failure| failure.operation == *operation);
    failures.map(|failure| &failure.reference_id)
}

/// The incidents of an outcome's failures: one of those who were not applied, and an urgent one of those who had
/// been covered until now.
pub(super) fn failures(attempt: &Attempt, outcome: &Outcome, now: DateTime<Utc>) -> Vec<Incident> {
    let (lost, others): (Vec<&Failure>, Vec<&Failure>) =
        outcome.failures.iter().partition(|failure| failure.thought_covered);
    let lost = (!lost.is_empty()).then(|| Incident {
        people: lost.iter().map(|failure| affected(failure, now)).collect(),
        counts: vec![("failed".to_owned(), len(&lost))],
        ..about(attempt, Kind::CoverageLost, sorted(&lost))
    });
    let others = (!others.is_empty()).then(|| Incident {
        what_to_do: remedies(attempt, &others),
        people: others.iter().map(|failure| affected(failure, now)).collect(),
        counts: vec![("failed".to_owned(), len(&others))],
        ..about(attempt, Kind::MembersFailed, sorted(&others))
    });
    lost.into_iter().chain(others).collect()
}

/// The sorts of failure, in the order in which they are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Add(FailureKind),
    Remove,
    Unknown(String),
}

impl Sort {
    fn of(failure: &Failure) -> Self {
        match &failure.operation {
            Operation::Add => Self::Add(failure.kind),
            Operation::Remove => Self::Remove,
            Operation::Unknown(other) => Self::Unknown(other.clone()),
        }
    }

    /// The beginning of a sentence that goes on with who they are.
    fn words(&self) -> String {
        match self {
            Self::Add(FailureKind::PlanNotFound) => {
                "Not covered, because Vitable does not know the plan".to_owned()
            }
            Self::Add(FailureKind::CoveredElsewhere) => {
                "Not covered here, because another organization covers the person".to_owned()
            }
            Self::Add(FailureKind::Other) => "Not covered, for another reason".to_owned(),
            Self::Remove => "Still covered, because Vitable could not remove the person".to_owned(),
            Self::Unknown(operation) => format!("Left as before, because `{operation}` failed"),
        }
    }

    const fn remedy(&self) -> &'static str {
        match self {
            Self::Add(FailureKind::PlanNotFound) => {
                "Of a plan that is not found: correct the plan in the export, or `plan_id` in the mapping, or ask Vitable \
                 to give the plan to your organization."
            }
            Self::Add(FailureKind::CoveredElsewhere) => {
                "Of a person whom another organization covers: ask that organization to end its coverage. The first sync \
                 after that adds the person here."
            }
            Self::Add(FailureKind::Other) => {
                "Of a person who is not covered for another reason: read the reason below; if it does not help, ask \
                 Vitable's support with the request_id."
            }
            Self::Remove => {
                "Of a person who is still covered: ask Vitable's support with the request_id to end the coverage; you pay \
                 for it until then."
            }
            Self::Unknown(_) => {
                "Of an operation that this rosterd does not know: ask Vitable's support with the request_id what it means."
            }
        }
    }
}

fn by_sort(failures: &[&Failure]) -> BTreeMap<Sort, Vec<String>> {
    let mut sorts: BTreeMap<Sort, Vec<String>> = BTreeMap::new();
    for failure in failures {
        sorts.entry(Sort::of(failure)).or_default().push(failure.reference_id.to_string());
    }
    sorts
}

/// Each sort with its number and who they are. Vitable's own words are not in it, since they could differ from
/// sync to sync: only another member or another sort is news.
fn sorted(failures: &[&Failure]) -> String {
    let sorts = by_sort(failures).into_iter().map(|(sort, mut members)| {
        members.sort();
        format!("{} ({}): {}.", sort.words(), members.len(), and_more(&members, NAMED))
    });
    sorts.collect::<Vec<_>>().join(" ")
}

fn remedies(attempt: &Attempt, failures: &[&Failure]) -> Vec<String> {
    let mut steps = vec![format!(
        "Settle for each of these people of `{}` why Vitable did not apply them; each sync tries them again.",
        attempt.group
    )];
    steps.push(format!("rosterd show {}", attempt.run));
    steps.extend(by_sort(failures).keys().map(|sort| sort.remedy().to_owned()));
    steps.push("To try again at once:".to_owned());
    steps.push(format!("rosterd sync {}", shell_word(attempt.feed.as_str())));
    steps
}

fn affected(failure: &Failure, now: DateTime<Utc>) -> Affected {
    let since = failure.tried(now);
    let what = match &failure.operation {
        Operation::Add if failure.thought_covered => {
            format!("was covered before, is not now{since}: {}", failure.reason)
        }
        Operation::Add => format!("not covered{since}: {}", failure.reason),
        Operation::Remove => format!("still covered{since}: {}", failure.reason),
        Operation::Unknown(other) => format!("{other}{since}: {}", failure.reason),
    };
    Affected { reference_id: failure.reference_id.to_string(), row: None, what }
}

pub(super) fn old_plan(attempt: &Attempt, members: &[ReferenceId]) -> Incident {
    let people = members.iter().map(|id| Affected {
        reference_id: id.to_string(),
        row: None,
        what: "remains on the plan that the member was added with".to_owned(),
    });
    let count = members.len();
    Incident {
        people: people.collect(),
        counts: vec![("plan_changes".to_owned(), u64::try_from(count).unwrap_or(u64::MAX))],
        ..about(
            attempt,
            Kind::OldPlan,
            format!(
                "{count} {} on another plan than the source says: Vitable does not apply a changed plan to a covered member.",
                if count == 1 { "member remains" } else { "members remain" }
            ),
        )
    }
}
