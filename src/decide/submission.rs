//! A roster that may be sent. Only `decide` can build one.

use crate::roster::{GroupRef, People, PlanId, RecordRef, Records};
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// The complete roster of one group, released by the guard or by a person.
#[derive(Clone, Debug)]
pub struct Submission {
    pub(in crate::decide) group: GroupRef,
    pub(in crate::decide) members: Vec<Slot>,
    pub(in crate::decide) people: Arc<People>,
    pub(in crate::decide) sent_again: Arc<Records>,
}

/// Where the record of one member of the payload is, and what the next baseline needs to know.
#[derive(Clone, Debug)]
pub(in crate::decide) struct Slot {
    pub(in crate::decide) record: Place,
    pub(in crate::decide) plan: Option<PlanId>,
    pub(in crate::decide) carried_since: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::decide) enum Place {
    Read(u32),
    SentAgain(u32),
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

    /// Every member, in the order in which they are sent; the same each time.
    pub fn members(&self) -> impl Iterator<Item = SubmissionMember<'_>> + '_ {
        self.members.iter().filter_map(|slot| {
            let record = match slot.record {
                Place::Read(index) => self.people.records.get(index),
                Place::SentAgain(index) => self.sent_again.get(index),
            }?;
            Some(SubmissionMember {
                record,
                added_with: slot.plan.as_ref(),
                carried_since: slot.carried_since,
            })
        })
    }

    /// A roster of these records, for tests of what carries and stores submissions.
    #[cfg(test)]
    pub(crate) fn of(group: GroupRef, records: Records) -> Self {
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let slot = |index| Slot {
            record: Place::SentAgain(index),
            plan: None,
            carried_since: None,
        };
        Self {
            group,
            members: (0..count).map(slot).collect(),
            people: Arc::default(),
            sent_again: Arc::new(records),
        }
    }
}
