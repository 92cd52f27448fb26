//! A roster that may be sent. Only `decide` can build one.

use super::{Approved, Plan, plan::Again, window};
use crate::roster::{
    Coverage, Departures, GroupRef, Leaving, People, PlanId, RecordRef, Records, ReferenceId, RowAt,
};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

/// The complete roster of one group, released by the guard or by a person.
#[derive(Debug)]
pub struct Submission {
    group: GroupRef,
    members: Vec<Place>,
    people: Arc<People>,
    again: Arc<Records>,
    /// What is remembered of a member beside the record; few have any.
    notes: HashMap<ReferenceId, Note>,
    departures: Vec<Departures>,
}

/// A person's word that one group is to be emptied: the only way to an empty roster.
#[derive(Clone, Debug)]
pub struct Emptying {
    group: GroupRef,
}

impl Emptying {
    /// The word counts only when the person has typed the group's name, byte for byte.
    #[must_use]
    pub fn confirmed(group: &GroupRef, typed: &str) -> Option<Self> {
        (group.as_str() == typed).then(|| Self { group: group.clone() })
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &GroupRef {
        &self.group
    }

    /// The empty roster, which removes everybody who is covered. The guard is not asked: a person was.
    #[must_use]
    pub fn submission(&self, covered: &Coverage) -> Submission {
        let members: Vec<ReferenceId> = covered.iter().filter_map(|known| known.reference_id()).collect();
        let all = Departures { how: Leaving::Ended, approved: true, members };
        Submission {
            group: self.group.clone(),
            members: Vec::new(),
            people: Arc::default(),
            again: Arc::default(),
            notes: HashMap::new(),
            departures: vec![all],
        }
    }
}

/// Where the record of one member is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Read(u32),
    Again(u32),
}

#[derive(Clone, Debug, Default)]
struct Note {
    added_with: Option<PlanId>,
    carried_since: Option<DateTime<Utc>>,
}

/// One member of a payload.
#[derive(Clone, Copy, Debug)]
pub struct SubmissionMember<'a> {
    /// What is sent.
    pub record: RecordRef<'a>,
    /// The plan that the member was added with, when it is not the record's own.
    pub added_with: Option<&'a PlanId>,
    /// Since when the last accepted record is sent again, if it is.
    pub carried_since: Option<DateTime<Utc>>,
}

impl Submission {
    /// The group that it is for.
    #[must_use]
    pub fn group(&self) -> &GroupRef {
        &self.group
    }

    /// How many members it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether it removes everybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Who is covered and not in the roster, by how they leave, and whether a person approved just that.
    #[must_use]
    pub fn departures(&self) -> &[Departures] {
        &self.departures
    }

    /// Every member, in the order in which they are sent; the same each time.
    pub fn members(&self) -> impl Iterator<Item = SubmissionMember<'_>> + '_ {
        (0..self.members.len()).filter_map(|index| self.member(index))
    }

    /// The member at this place of the order in which they are sent, from 0; `None` past the end.
    #[must_use]
    #[inline]
    pub fn member(&self, index: usize) -> Option<SubmissionMember<'_>> {
        let record = match *self.members.get(index)? {
            Place::Read(index) => self.people.records.get(index),
            Place::Again(index) => self.again.get(index),
        }?;
        let note = if self.notes.is_empty() { None } else { self.notes.get(record.reference_id()) };
        Some(SubmissionMember {
            record,
            added_with: note.and_then(|note| note.added_with.as_ref()),
            carried_since: note.and_then(|note| note.carried_since),
        })
    }

    /// Where the row of this member stands in the read; `None` when there is none.
    #[must_use]
    pub fn row_of(&self, id: &ReferenceId) -> Option<RowAt> {
        let place = self.people.place_of(id.as_str())?;
        self.people.person(place).map(|person| person.at)
    }

    /// The payload of a plan that was released, by `approved` if a person had to. `renewed` are the members
    /// whose carrying forward begins anew at `now`, because a person approved it.
    pub(in crate::decide) fn new(
        plan: &Plan,
        people: &Arc<People>,
        approved: Option<&Approved>,
        renewed: &BTreeSet<ReferenceId>,
        now: DateTime<Utc>,
    ) -> Self {
        let mut notes: HashMap<ReferenceId, Note> = HashMap::new();
        for (id, added_with) in &plan.added_with {
            notes.entry(id.clone()).or_default().added_with = Some(added_with.clone());
        }
        let mut again = Records::default();
        let mut members: Vec<Place> = plan.payload.read.iter().map(|&index| Place::Read(index)).collect();
        for (record, why) in &plan.payload.again {
            members.push(Place::Again(again.push_record(record.view())));
            if let (Again::Carried(since), Ok(id)) = (why, ReferenceId::new(record.view().reference_id())) {
                let since = if renewed.contains(&id) { now } else { *since };
                notes.entry(id).or_default().carried_since = Some(since);
            }
        }
        let departures = window::departures(plan, approved);
        let again = Arc::new(again);
        Self { group: plan.group.clone(), members, people: Arc::clone(people), again, notes, departures }
    }

    /// The same roster still without these records of the read.
    pub(in crate::decide) fn without(&self, later: &HashSet<u32>) -> Self {
        let now = |place: &&Place| match place {
            Place::Read(index) => !later.contains(index),
            Place::Again(_) => true,
        };
        Self {
            group: self.group.clone(),
            members: self.members.iter().filter(now).copied().collect(),
            people: Arc::clone(&self.people),
            again: Arc::clone(&self.again),
            notes: self.notes.clone(),
            departures: self.departures.clone(),
        }
    }

    /// A roster of these records, for tests of what carries and stores submissions.
    #[cfg(test)]
    pub(crate) fn of(group: GroupRef, records: Records) -> Self {
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        Self {
            group,
            members: (0..count).map(Place::Again).collect(),
            people: Arc::default(),
            again: Arc::new(records),
            notes: HashMap::new(),
            departures: Vec::new(),
        }
    }
}
