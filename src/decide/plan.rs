//! The difference between what is covered and what was read, by fates, for one group.

use super::{Approved, Cleared, Covering, Fate, Suspicion, fate::fate, identity, identity::Newcomer};
use crate::roster::{
    Certainty, Coverage, Field, FingerprintKey, GroupRef, Known, Past, People, Person, PlanId, Problem,
    Record, RecordRef, ReferenceId, Route, Standing,
};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

/// What is known about one group before it is decided on.
#[derive(Clone, Debug)]
pub struct GroupFacts {
    /// The group.
    pub group: GroupRef,
    /// Who is covered.
    pub coverage: Coverage,
    /// Why it must be passed over now, if it must: a request in flight, a wait after a lost answer.
    pub pass_over: Option<String>,
    /// On whose word the group is retired, if it is: nothing is sent.
    pub retired: Option<String>,
    /// Adds that failed at Vitable before: not counted again.
    pub failed_before: BTreeSet<ReferenceId>,
    /// What persons approved, unexpired and unspent.
    pub approvals: Vec<Approved>,
    /// What shows that somebody else writes to this group, if something does.
    pub second_writer: Option<String>,
    /// What makes the read suspicious for this group, compared with the last read that was accepted for it.
    pub suspicions: Vec<Suspicion>,
    /// The group is not there yet and would be created at Vitable.
    pub missing: bool,
    /// When the last sync completed without any failure, if the last one did.
    pub clean_since: Option<DateTime<Utc>>,
    /// Why no move may leave it or come into it, whatever the guard says: its id is not the known one, or only
    /// another group was asked for.
    pub aside: Option<String>,
    /// That the same read was released for the group in the first round of the same run.
    pub cleared: Option<Cleared>,
    /// People who have left another group of the feed for this one, and are covered nowhere until this one has
    /// them: the guard has let them pass already.
    pub unfinished: BTreeSet<ReferenceId>,
    /// Who left of late, and how large the group was: at least of the last thirty days, when somebody leaves now.
    pub past: Past,
}

/// The plan of one group.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The group.
    pub group: GroupRef,
    /// How sure the picture of who is covered was.
    pub certainty: Certainty,
    /// How many members are covered.
    pub covered: u64,
    /// Every covered member who is not kept, with his fate, in the order of the baseline.
    pub fates: Vec<(ReferenceId, Fate)>,
    /// How many covered members are kept with the values that Vitable has.
    pub unchanged: u64,
    /// Kept members with other values than last accepted, and which.
    pub updated: Vec<(ReferenceId, Vec<Field>)>,
    /// Kept members whose plan is another one than last accepted. Vitable does not apply it.
    pub plan_changes: Vec<ReferenceId>,
    /// Kept members who remain on another plan than the source says.
    pub on_old_plan: Vec<ReferenceId>,
    /// Kept and moving members whose date of birth and name are other ones than last accepted.
    pub changed_people: Vec<(ReferenceId, Newcomer)>,
    /// Who is removed and, under another reference, added, with the same name and date of birth: either here, or
    /// one of the two in another group of the feed.
    pub renamed: Vec<(ReferenceId, ReferenceId)>,
    /// New members: places in [`People::iter`].
    pub added: Vec<u32>,
    /// People covered in another group of the feed who would come here and have to wait: places in
    /// [`People::iter`].
    pub arriving: Vec<u32>,
    /// People covered in another group of the feed who come here now, once that one has let them go: places in
    /// [`People::iter`].
    pub joining: Vec<u32>,
    /// Whether somebody is added who left another group of the feed and is covered nowhere since.
    pub finishes_moves: bool,
    /// Covered members whose rows route to another group of the feed.
    pub moves: Vec<Move>,
    /// People who are not covered and whose rows route here but cannot be used: places in [`People::iter`].
    pub left_out: Vec<u32>,
    /// People with contradicting rows that concern this group.
    pub duplicates: Vec<ReferenceId>,
    /// Covered members whose last accepted record was needed and is not there.
    pub records_missing: Vec<ReferenceId>,
    /// Somebody begins or ceases to be sent as last accepted: the baseline has to learn since when.
    pub carrying_changed: bool,
    /// The plan that a member was added with, where it is not the plan of the record that is sent.
    pub(in crate::decide) added_with: HashMap<ReferenceId, PlanId>,
    pub(in crate::decide) payload: Payload,
}

/// One member who goes to another group of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Who.
    pub id: ReferenceId,
    /// Where to.
    pub to: GroupRef,
    /// Why the move has to wait, if it does; then the member stays in this group's roster as last accepted.
    pub waits: Option<String>,
}

/// The members that would be sent, before the guard has spoken.
#[derive(Clone, Debug, Default)]
pub(in crate::decide) struct Payload {
    /// Record indexes of the read.
    pub(in crate::decide) read: Vec<u32>,
    /// Those of them who come from another group of the feed.
    pub(in crate::decide) joining: HashSet<u32>,
    /// Records that are sent again or patched.
    pub(in crate::decide) again: Vec<(Record, Again)>,
}

/// Why a record of the ledger's is in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decide) enum Again {
    /// The row cannot be used, since then.
    Carried(DateTime<Utc>),
    /// The member's group value names no group.
    Unrouted,
    /// The move waits.
    MoveWaits,
    /// The row is used but for an optional field.
    Patched,
}

impl Payload {
    pub(in crate::decide) fn len(&self) -> u64 {
        u64::try_from(self.read.len() + self.again.len()).unwrap_or(u64::MAX)
    }
}

impl Plan {
    /// How many covered members have this fate, by the fate's name.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        u64::try_from(self.with_fate(name).count()).unwrap_or(u64::MAX)
    }

    /// The covered members of this fate, by the fate's name.
    pub fn with_fate<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ReferenceId> + 'a {
        self.fates.iter().filter(move |(_, fate)| fate.name() == name).map(|(id, _)| id)
    }

    /// How many members the payload has.
    #[must_use]
    pub fn payload_len(&self) -> u64 {
        self.payload.len()
    }

    /// The covered members who are not in the payload. A member whose move waits stays for now.
    pub fn removed(&self) -> impl Iterator<Item = &ReferenceId> + '_ {
        let gone = self.fates.iter().filter(|(_, fate)| fate.leaves() && *fate != Fate::Moved);
        gone.map(|(id, _)| id).chain(self.leaving())
    }

    /// The covered members who leave for another group of the feed now.
    pub fn leaving(&self) -> impl Iterator<Item = &ReferenceId> + '_ {
        self.moves.iter().filter(|each| each.waits.is_none()).map(|each| &each.id)
    }

    /// Those whose last accepted record is sent again because their row cannot be used, and since when.
    pub fn carried_since(&self) -> impl Iterator<Item = (&str, DateTime<Utc>)> + '_ {
        self.payload.again.iter().filter_map(|(record, again)| match again {
            Again::Carried(since) => Some((record.view().reference_id(), *since)),
            Again::Unrouted | Again::MoveWaits | Again::Patched => None,
        })
    }

    /// Whether the roster differs from what Vitable has.
    #[must_use]
    pub fn changes_something(&self) -> bool {
        !self.added.is_empty()
            || !self.joining.is_empty()
            || !self.updated.is_empty()
            || self.carrying_changed
            || self.removed().next().is_some()
    }
}

/// Where the people of a read and the covered members of a feed meet.
pub(in crate::decide) struct Meeting<'a> {
    pub(in crate::decide) people: &'a Arc<People>,
    pub(in crate::decide) key: &'a FingerprintKey,
    pub(in crate::decide) now: DateTime<Utc>,
    /// Who is covered in any group of the feed.
    pub(in crate::decide) covering: &'a Covering<'a>,
}

impl Meeting<'_> {
    /// The plan of one group. `bucket` are the places of the people who route to it, `records` the last
    /// accepted records that [`wanted`] named.
    pub(in crate::decide) fn plan(
        &self,
        facts: &GroupFacts,
        bucket: &[u32],
        records: &HashMap<ReferenceId, Record>,
    ) -> Plan {
        let mut plan = Plan {
            group: facts.group.clone(),
            certainty: facts.coverage.certainty.clone(),
            covered: u64::try_from(facts.coverage.len()).unwrap_or(u64::MAX),
            fates: Vec::new(),
            unchanged: 0,
            updated: Vec::new(),
            plan_changes: Vec::new(),
            on_old_plan: Vec::new(),
            changed_people: Vec::new(),
            renamed: Vec::new(),
            added: Vec::new(),
            arriving: Vec::new(),
            joining: Vec::new(),
            finishes_moves: false,
            moves: Vec::new(),
            left_out: Vec::new(),
            duplicates: Vec::new(),
            records_missing: Vec::new(),
            carrying_changed: false,
            added_with: HashMap::new(),
            payload: Payload::default(),
        };
        self.covered_members(facts, records, &mut plan);
        self.newcomers(facts, bucket, &mut plan);
        plan
    }

    fn covered_members(&self, facts: &GroupFacts, records: &HashMap<ReferenceId, Record>, plan: &mut Plan) {
        let group = self.people.group_index(&facts.group);
        for covered in facts.coverage.iter() {
            let place = self.people.place_of(covered.id);
            let person = place.and_then(|place| self.people.person(place));
            let fate = fate(person, group);
            let again = match fate {
                Fate::Kept => {
                    if let (Some(place), Some(person)) = (place, person) {
                        self.keep(&covered, (place, person), records, plan);
                    }
                    continue;
                }
                Fate::Carried => {
                    plan.carrying_changed |= covered.carried_since.is_none();
                    Some(Again::Carried(covered.carried_since.unwrap_or(self.now)))
                }
                Fate::Unrouted => Some(Again::Unrouted),
                Fate::Moved => {
                    self.leave(&covered, person, plan);
                    continue;
                }
                Fate::Ended | Fate::Ineligible(_) | Fate::Absent => None,
            };
            let Some(id) = covered.reference_id() else {
                continue;
            };
            if person.is_some_and(|person| person.standing == Standing::Duplicate) {
                plan.duplicates.push(id.clone());
            }
            if let Some(again) = again {
                match records.get(&id) {
                    Some(record) => {
                        note_plan(&covered, record.view(), plan);
                        plan.payload.again.push((record.clone(), again));
                    }
                    None => plan.records_missing.push(id.clone()),
                }
            }
            plan.fates.push((id, fate));
        }
    }

    /// As if the move were made; [`super::moves`] says which ones wait.
    fn leave(&self, covered: &Known<'_>, person: Option<&Person>, plan: &mut Plan) {
        let route = person.map(|person| person.route);
        let to = match route {
            Some(Route::Group(to)) => self.people.groups.get(to as usize),
            Some(Route::Blank | Route::Unlisted) | None => None,
        };
        if let (Some(id), Some(to)) = (covered.reference_id(), to) {
            if let Some(other) = person.and_then(|person| self.another(covered, person)) {
                plan.changed_people.push((id.clone(), other));
            }
            plan.fates.push((id.clone(), Fate::Moved));
            plan.moves.push(Move { id, to: to.clone(), waits: None });
        }
    }

    fn keep(
        &self,
        covered: &Known<'_>,
        (place, person): (u32, &Person),
        records: &HashMap<ReferenceId, Record>,
        plan: &mut Plan,
    ) {
        let (Standing::Eligible(index), Some(read)) = (person.standing, self.people.record_of(person)) else {
            return;
        };
        plan.carrying_changed |= covered.carried_since.is_some();
        let problems = self.people.problems_at(place);
        let patched = if problems.is_empty() { None } else { patch(read, problems, records.get(covered.id)) };
        let record = patched.as_ref().map_or(read, Record::view);
        if self.key.whole(record) == covered.whole {
            plan.unchanged += 1;
        } else if let Some(id) = covered.reference_id() {
            let changed = covered.changed(&self.key.of(record));
            if changed.contains(&Field::PlanId) {
                plan.plan_changes.push(id.clone());
            }
            if identity::is_another(&changed) {
                plan.changed_people.push((id.clone(), self.newcomer(record)));
            }
            plan.updated.push((id, changed));
        }
        if note_plan(covered, record, plan) {
            plan.on_old_plan.extend(covered.reference_id());
        }
        match patched {
            Some(record) => plan.payload.again.push((record, Again::Patched)),
            None => plan.payload.read.push(index),
        }
    }

    fn newcomers(&self, facts: &GroupFacts, bucket: &[u32], plan: &mut Plan) {
        for &at in bucket {
            let Some(person) = self.people.person(at) else {
                continue;
            };
            let id = self.people.id_of(person);
            if facts.coverage.place_of(id).is_some() {
                continue;
            }
            let elsewhere = self.covering.has(id);
            match person.standing {
                Standing::Eligible(index) if elsewhere => {
                    plan.joining.push(at);
                    plan.payload.read.push(index);
                    plan.payload.joining.insert(index);
                }
                Standing::Eligible(index) => {
                    plan.added.push(at);
                    plan.finishes_moves |= facts.unfinished.contains(id);
                    plan.payload.read.push(index);
                }
                Standing::Duplicate => {
                    plan.duplicates.extend(ReferenceId::new(id).ok());
                    if !elsewhere {
                        plan.left_out.push(at);
                    }
                }
                Standing::Unusable { .. } if !elsewhere => plan.left_out.push(at),
                Standing::Unusable { .. } | Standing::Ended | Standing::Ineligible(_) => {}
            }
        }
    }
}

/// Remembers the plan that the member was added with, when the record says another one.
pub(in crate::decide) fn note_plan(covered: &Known<'_>, record: RecordRef<'_>, plan: &mut Plan) -> bool {
    let differs = record.get(Field::PlanId) != covered.plan.as_str();
    if differs && let Some(id) = covered.reference_id() {
        plan.added_with.insert(id, covered.plan.clone());
    }
    differs
}

/// The covered members of a group whose last accepted record a plan needs: those who are sent again, and
/// those of whom an optional field could not be used.
#[must_use]
pub fn wanted(people: &People, facts: &GroupFacts) -> Vec<ReferenceId> {
    let group = people.group_index(&facts.group);
    let needed = |covered: &Known<'_>| {
        let place = people.place_of(covered.id);
        match fate(place.and_then(|place| people.person(place)), group) {
            Fate::Carried | Fate::Unrouted | Fate::Moved => true,
            Fate::Kept => place.is_some_and(|place| !people.problems_at(place).is_empty()),
            Fate::Ended | Fate::Ineligible(_) | Fate::Absent => false,
        }
    };
    facts.coverage.iter().filter(needed).filter_map(|covered| covered.reference_id()).collect()
}

/// The row with its unusable optional fields as last accepted. `None` when the row can go as it is.
fn patch(read: RecordRef<'_>, problems: &[Problem], last: Option<&Record>) -> Option<Record> {
    let last = last?;
    let mut patched: Option<Record> = None;
    for field in problems.iter().filter_map(|problem| problem.field).filter(|field| !field.required()) {
        let value = last.view().get(field);
        let record = patched.as_ref().map_or(read, Record::view);
        if record.get(field) != value {
            patched = Some(record.with(field, value));
        }
    }
    patched
}
