//! A small world to decide on: who is covered, and what the rows say.

use crate::{
    decide::{Approved, Decision, Feed, GroupFacts, Guard, Held, Submission, Suspicion, wanted},
    roster::{
        Certainty, Coverage, Covered, Draft, Field, FingerprintKey, GroupRef, Ineligible, Leaving, Left,
        Past, People, PeopleBuilder, PlanId, Problem, Record, Records, ReferenceId, RowAt, Standing,
    },
};
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

/// What one row says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Row {
    Valid,
    /// With another city than last accepted.
    Changed,
    /// With another plan than last accepted.
    OtherPlan,
    /// With another name and another date of birth than last accepted.
    AnotherPerson,
    /// With another last name than last accepted.
    Married,
    /// With another date of birth than last accepted.
    Corrected,
    /// The mail address cannot be used.
    WithoutEmail,
    Ended,
    Unusable,
    Ineligible(Ineligible),
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: DateTime<Utc>,
    pub(super) guard: Guard,
    pub(super) max_members: u64,
    pub(super) resync_after: Option<Duration>,
    pub(super) key: FingerprintKey,
    rows: Vec<(String, Row, String)>,
    nameless: u32,
    groups: BTreeMap<String, GroupFacts>,
}

pub(super) fn east() -> &'static str {
    "east"
}

pub(super) fn record(id: &str, row: Row) -> Record {
    let mut records = Records::default();
    let index = records.push(&draft(id, row)).unwrap();
    records.get(index).unwrap().to_record()
}

fn draft(id: &str, row: Row) -> Draft {
    let mut draft = Draft::default();
    // What follows a `~` tells who it is, so that `n-1~e-1` is `e-1` under another reference.
    let last = id.rsplit('~').next().unwrap();
    let (last, born) = match row {
        Row::AnotherPerson => ("Other", "1971-01-02"),
        Row::Married => ("Other", "1990-05-15"),
        Row::Corrected => (last, "1990-05-16"),
        Row::Valid
        | Row::Changed
        | Row::OtherPlan
        | Row::WithoutEmail
        | Row::Ended
        | Row::Unusable
        | Row::Ineligible(_) => (last, "1990-05-15"),
    };
    let email = format!("{}@mail.example", id.replace(|c: char| !c.is_ascii_alphanumeric(), ""));
    for (field, value) in [
        (Field::ReferenceId, id),
        (Field::FirstName, "Ada"),
        (Field::LastName, last),
        (Field::DateOfBirth, born),
        (Field::Phone, "5550100200"),
        (Field::Email, if row == Row::WithoutEmail { "" } else { &email }),
        (Field::PlanId, if row == Row::OtherPlan { "pln_b" } else { "pln_a" }),
        (Field::AddressLine1, "1 Elm St"),
        (Field::City, if row == Row::Changed { "Utica" } else { "Troy" }),
        (Field::State, "NY"),
        (Field::Zipcode, "12180"),
    ] {
        draft.value_mut(field).push_str(value);
    }
    draft
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now: Utc.with_ymd_and_hms(2026, 11, 22, 6, 0, 0).unwrap(),
            guard: Guard::default(),
            max_members: 5_000,
            resync_after: None,
            key: FingerprintKey::new([7; 32]),
            rows: Vec::new(),
            nameless: 0,
            groups: BTreeMap::new(),
        }
    }

    pub(super) fn cover(&mut self, group: &str, ids: &[&str]) {
        let members = ids.iter().map(|id| Covered {
            id: ReferenceId::new(id).unwrap(),
            plan: PlanId::new("pln_a").unwrap(),
            prints: self.key.of(record(id, Row::Valid).view()),
            carried_since: None,
        });
        let coverage = Coverage::new(Certainty::Confirmed, members);
        self.group(group, coverage);
    }

    pub(super) fn first_sync(&mut self, group: &str) {
        self.group(group, Coverage::first_sync());
    }

    fn group(&mut self, group: &str, coverage: Coverage) {
        let facts = GroupFacts {
            group: GroupRef::new(group).unwrap(),
            coverage,
            pass_over: None,
            retired: None,
            cleared: None,
            failed_before: std::collections::BTreeSet::new(),
            approvals: Vec::new(),
            second_writer: None,
            suspicions: Vec::new(),
            missing: false,
            clean_since: None,
            aside: None,
            unfinished: std::collections::BTreeSet::new(),
            past: Past::default(),
        };
        self.groups.insert(group.to_owned(), facts);
    }

    pub(super) fn row(&mut self, id: &str, row: Row, group: &str) {
        self.rows.push((id.to_owned(), row, group.to_owned()));
    }

    /// No row is about this reference.
    pub(super) fn forget(&mut self, id: &str) {
        self.rows.retain(|(each, ..)| each != id);
    }

    pub(super) fn nameless(&mut self) {
        self.nameless += 1;
    }

    pub(super) fn approve(&mut self, group: &str, held: &Held) {
        let approved = Approved { digest: held.digest.clone(), lines: held.lines.clone() };
        self.groups.get_mut(group).unwrap().approvals.push(approved);
    }

    pub(super) fn forget_approvals(&mut self) {
        self.groups.values_mut().for_each(|facts| facts.approvals.clear());
    }

    /// Vitable has finished with this roster, and everything was applied.
    pub(super) fn completes(&mut self, submission: &Submission) {
        let key = self.key.clone();
        let members = submission.members().map(|member| Covered {
            id: ReferenceId::new(member.record.reference_id()).unwrap(),
            plan: PlanId::new(member.record.get(Field::PlanId)).unwrap(),
            prints: key.of(member.record),
            carried_since: member.carried_since,
        });
        let facts = self.groups.get_mut(submission.group().as_str()).unwrap();
        for size in [facts.coverage.len(), submission.len()] {
            facts.past.was(self.now, u64::try_from(size).unwrap());
        }
        facts.coverage = Coverage::new(Certainty::Confirmed, members);
        for departures in submission.departures().iter().filter(|each| !each.approved) {
            let left = |id: &ReferenceId| Left { id: id.clone(), how: departures.how, at: self.now };
            facts.past.left.extend(departures.members.iter().map(left));
        }
        facts.approvals.clear();
    }

    /// Some days later another file comes.
    pub(super) fn later(&mut self, days: i64) {
        self.now += TimeDelta::days(days);
        self.rows.clear();
    }

    /// This member left so many days ago, and nobody was asked.
    pub(super) fn left(&mut self, group: &str, id: &str, how: Leaving, days: i64) {
        let (id, at) = (ReferenceId::new(id).unwrap(), self.now - TimeDelta::days(days));
        self.groups.get_mut(group).unwrap().past.left.push(Left { id, how, at });
    }

    /// The group was so large so many days ago.
    pub(super) fn was(&mut self, group: &str, members: u64, days: i64) {
        let at = self.now - TimeDelta::days(days);
        self.groups.get_mut(group).unwrap().past.was(at, members);
    }

    pub(super) fn pass_over(&mut self, group: &str, why: &str) {
        self.groups.get_mut(group).unwrap().pass_over = Some(why.to_owned());
    }

    pub(super) fn second_writer(&mut self, group: &str) {
        self.groups.get_mut(group).unwrap().second_writer = Some("counts do not match".to_owned());
    }

    pub(super) fn suspicious(&mut self, group: &str, suspicion: Suspicion) {
        self.groups.get_mut(group).unwrap().suspicions.push(suspicion);
    }

    pub(super) fn missing(&mut self, group: &str) {
        self.groups.get_mut(group).unwrap().missing = true;
    }

    pub(super) fn clean_since(&mut self, group: &str, at: DateTime<Utc>) {
        self.groups.get_mut(group).unwrap().clean_since = Some(at);
    }

    pub(super) fn certainty(&mut self, group: &str, certainty: Certainty) {
        self.groups.get_mut(group).unwrap().coverage.certainty = certainty;
    }

    pub(super) fn failed_before(&mut self, group: &str, id: &str) {
        self.groups.get_mut(group).unwrap().failed_before.insert(ReferenceId::new(id).unwrap());
    }

    pub(super) fn unfinished(&mut self, group: &str, id: &str) {
        self.groups.get_mut(group).unwrap().unfinished.insert(ReferenceId::new(id).unwrap());
    }

    pub(super) fn carried_since(&mut self, group: &str, id: &str, since: DateTime<Utc>) {
        let coverage = &mut self.groups.get_mut(group).unwrap().coverage;
        let known = coverage.get(id).unwrap();
        let covered = Covered {
            id: known.reference_id().unwrap(),
            plan: known.plan.clone(),
            prints: known.prints().unwrap(),
            carried_since: Some(since),
        };
        coverage.put(&covered);
    }

    pub(super) fn facts(&self, group: &str) -> GroupFacts {
        self.groups[group].clone()
    }

    pub(super) fn people(&self) -> Arc<People> {
        let groups = self.groups.keys().map(|name| GroupRef::new(name).unwrap()).collect();
        let mut people = PeopleBuilder::new(groups);
        let problem = |field| Problem { field, column: "c".into(), what: "is wrong".into(), rule: None };
        for (at, (id, row, group)) in (1_u32..).zip(&self.rows) {
            let at = RowAt { source: 0, record: at, line: at + 1 };
            let route = match group.as_str() {
                "" => crate::roster::Route::Blank,
                "unlisted" => crate::roster::Route::Unlisted,
                group => people.route_to(&GroupRef::new(group).unwrap()),
            };
            people.count_row();
            match row {
                Row::Valid
                | Row::Changed
                | Row::OtherPlan
                | Row::AnotherPerson
                | Row::Married
                | Row::Corrected => {
                    people.add_eligible(at, &draft(id, *row), route, Vec::new());
                }
                Row::WithoutEmail => {
                    people.add_eligible(at, &draft(id, *row), route, vec![problem(Some(Field::Email))]);
                }
                Row::Ended => people.add_other(at, id, Standing::Ended, route, Vec::new()),
                Row::Unusable => {
                    let standing = Standing::Unusable { digest: u64::from(at.record) };
                    people.add_other(at, id, standing, route, vec![problem(Some(Field::Phone))]);
                }
                Row::Ineligible(why) => {
                    people.add_other(at, id, Standing::Ineligible(*why), route, Vec::new());
                }
            }
        }
        for at in 0..self.nameless {
            people.count_row();
            people.add_nameless(RowAt { source: 0, record: 10_000 + at, line: 10_000 + at }, problem(None));
        }
        Arc::new(people.finish())
    }

    pub(super) fn feed<'a>(&'a self, people: &'a Arc<People>) -> Feed<'a> {
        Feed {
            people,
            guard: &self.guard,
            max_members: self.max_members,
            resync_after: self.resync_after,
            key: &self.key,
            now: self.now,
        }
    }

    pub(super) fn decide(&self) -> Vec<Decision> {
        let people = self.people();
        let groups: Vec<GroupFacts> = self.groups.values().cloned().collect();
        let ids = groups.iter().flat_map(|facts| wanted(&people, facts));
        let records: HashMap<_, _> = ids.map(|id| (id.clone(), record(id.as_str(), Row::Valid))).collect();
        self.feed(&people).decide(&groups, &records)
    }
}
