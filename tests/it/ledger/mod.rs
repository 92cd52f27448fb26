//! The ledger from outside: what it remembers, over restarts, kills and damage.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails here"
)]

mod care;
mod copies;
mod damage;
mod doubt;
mod holds;
mod kill;
mod life;
mod model;
mod notes;
mod readers;
mod rekey;
mod removals;
mod restore;
mod upgrade;

use chrono::{DateTime, TimeDelta, Utc};
use rosterd::{
    attempt::{Event, Failure, Operation, Outcome},
    ledger::{Attempt, AttemptId, Counts, Facts, Intent, IntentMember, Ledger, LedgerError},
    roster::{
        Departures, Draft, FeedName, Field, GroupId, GroupRef, Leaving, PlanId, Records, ReferenceId,
        RequestId, RunId,
    },
};
use std::{collections::BTreeSet, path::Path};

/// A name that stands nowhere but in the sealed records.
pub(crate) const CANARY: &str = "Zanzibeth";

pub(crate) fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minutes)
}

pub(crate) fn feed() -> FeedName {
    FeedName::new("acme").unwrap()
}

pub(crate) fn group() -> GroupRef {
    GroupRef::new("acme-all").unwrap()
}

pub(crate) fn id(text: &str) -> ReferenceId {
    ReferenceId::new(text).unwrap()
}

pub(crate) fn open(dir: &Path) -> Ledger {
    Ledger::open(dir, None, at(0)).unwrap()
}

/// Invented people: a reference and a version, which is in the city's name.
pub(crate) fn records(people: &[(String, u32)]) -> Records {
    let mut records = Records::default();
    let mut draft = Draft::default();
    for (id, version) in people {
        draft.clear();
        for (field, value) in [
            (Field::ReferenceId, id.as_str()),
            (Field::FirstName, CANARY),
            (Field::LastName, "Quillfeather"),
            (Field::DateOfBirth, "1987-03-09"),
            (Field::Phone, "5550199123"),
            (Field::PlanId, "pln_a"),
            (Field::AddressLine1, "17 Wombat Crescent"),
            (Field::State, "NY"),
            (Field::Zipcode, "12180"),
        ] {
            draft.value_mut(field).push_str(value);
        }
        draft.value_mut(Field::City).push_str(&format!("Town {version}"));
        records.push(&draft).unwrap();
    }
    records
}

pub(crate) fn people(ids: impl IntoIterator<Item = usize>, version: u32) -> Vec<(String, u32)> {
    ids.into_iter().map(|id| (format!("e-{id}"), version)).collect()
}

/// These members leave because they have no row any more, and nobody was asked.
pub(crate) fn absent(members: Vec<ReferenceId>) -> Vec<Departures> {
    vec![Departures { how: Leaving::Absent, approved: false, members }]
}

/// Intends this payload, which removes whoever else is covered.
pub(crate) fn intend(
    ledger: &Ledger,
    people: &[(String, u32)],
    approval: Option<&str>,
) -> Result<AttemptId, LedgerError> {
    intend_at(ledger, people, approval, at(1))
}

pub(crate) fn intend_at(
    ledger: &Ledger,
    people: &[(String, u32)],
    approval: Option<&str>,
    now: DateTime<Utc>,
) -> Result<AttemptId, LedgerError> {
    let stays: BTreeSet<&str> = people.iter().map(|(id, _)| id.as_str()).collect();
    let covered = ledger.coverage(&group())?;
    let gone = covered.iter().filter(|member| !stays.contains(member.id));
    let gone = absent(gone.map(|member| member.reference_id().unwrap()).collect());
    leave(ledger, people, (&gone, Counts::default()), approval, now)
}

/// Intends this payload, which these leave, with these numbers.
pub(crate) fn leave(
    ledger: &Ledger,
    people: &[(String, u32)],
    (removed, counts): (&[Departures], Counts),
    approval: Option<&str>,
    now: DateTime<Utc>,
) -> Result<AttemptId, LedgerError> {
    let records = records(people);
    let mut members = records.iter().map(|record| IntentMember {
        record,
        plan: PlanId::new("pln_a").unwrap(),
        carried_since: None,
    });
    let intent = Intent {
        run: RunId(1),
        feed: &feed(),
        group: &group(),
        group_id: &GroupId::new("grp_1").unwrap(),
        members: &mut members,
        removed,
        counts,
        approval: approval.map(str::to_owned),
        half: false,
    };
    ledger.intend(intent, now)
}

/// What a start does, with nothing to say about it.
pub(crate) fn recover(ledger: &Ledger, now: DateTime<Utc>) -> Vec<Attempt> {
    ledger.recover(now, &mut |_| Ok(Facts::default())).unwrap()
}

pub(crate) fn step(ledger: &Ledger, attempt: AttemptId, event: &Event) {
    ledger.advance(attempt, event, at(2), Facts::default()).unwrap();
}

pub(crate) fn request(attempt: AttemptId) -> RequestId {
    RequestId::new(&format!("grpmsr_{}", attempt.0)).unwrap()
}

pub(crate) fn accepted(attempt: AttemptId) -> Event {
    Event::Accepted { request_id: request(attempt) }
}

pub(crate) fn unclear() -> Event {
    Event::Unclear { why: "the answer was lost".to_owned() }
}

/// Takes an intended attempt to `Accepted`.
pub(crate) fn submit(ledger: &Ledger, attempt: AttemptId) {
    step(ledger, attempt, &Event::Connected);
    step(ledger, attempt, &accepted(attempt));
}

pub(crate) fn outcome(added: u64, removed: u64, failures: &[(&str, Operation)]) -> Outcome {
    let failures = failures.iter().map(|(member, operation)| Failure {
        kind: rosterd::attempt::FailureKind::Other,
        since: None,
        thought_covered: false,
        reference_id: id(member),
        operation: operation.clone(),
        reason: "refused".to_owned(),
    });
    Outcome { added, removed, failures: failures.collect() }
}

/// Intends, submits and completes a payload with the numbers that it ought to have.
pub(crate) fn sync(ledger: &Ledger, people: &[(String, u32)]) -> AttemptId {
    let covered: BTreeSet<String> = covered(ledger).into_iter().collect();
    let payload: BTreeSet<String> = people.iter().map(|(id, _)| id.clone()).collect();
    let attempt = intend(ledger, people, None).unwrap();
    submit(ledger, attempt);
    let (added, removed) = (payload.difference(&covered).count(), covered.difference(&payload).count());
    let outcome = outcome(added as u64, removed as u64, &[]);
    assert!(ledger.complete(attempt, &outcome, at(3), Facts::default()).unwrap());
    attempt
}

/// The references that are covered, sorted.
pub(crate) fn covered(ledger: &Ledger) -> Vec<String> {
    let coverage = ledger.coverage(&group()).unwrap();
    let mut ids: Vec<String> = coverage.iter().map(|member| member.id.to_string()).collect();
    ids.sort();
    ids
}

/// Copies a directory with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Fails the test unless everything in the directory is as it ought to be.
pub(crate) fn is_well(ledger: &Ledger) {
    let checked = ledger.check(at(0)).unwrap();
    assert!(checked.problems.is_empty(), "{checked:#?}");
}

/// What the directory tells, to be compared.
pub(crate) fn told(ledger: &Ledger) -> String {
    format!(
        "{:?} {:?} {:?}",
        covered(ledger),
        ledger.attempts_of_group(&group(), usize::MAX).unwrap(),
        ledger.runs(None, usize::MAX).unwrap()
    )
}
