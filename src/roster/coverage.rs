//! Who is covered in a group, as far as rosterd can know.

use super::{FIELD_COUNT, Field, Fingerprint, Fingerprints, PlanId, ReferenceId, places::Places};
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// How sure the picture of a group is (`design.md`, What we know about a group).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Nothing was ever confirmed here: a first sync.
    FirstSync,
    /// Vitable confirmed it, and nothing unclear happened since.
    Confirmed,
    /// Something was sent whose outcome is not known, or counts did not match.
    Uncertain(Doubt),
}

/// Why the picture of a group is uncertain, each with a sentence that says what happened, without a full
/// stop and without personal data. Only a completed attempt clears it (`design.md`, What we know about a
/// group).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// A roster may have reached Vitable, and its answer was lost.
    LostAnswer(String),
    /// Vitable took a roster and did not finish it in time.
    TimedOut(String),
    /// The numbers of a completion show that somebody else writes to the group.
    SecondWriter(String),
    /// An older roster finished after a newer one was confirmed.
    LateCompletion(String),
    /// The state was repaired or restored.
    Repaired(String),
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LostAnswer(why)
            | Self::TimedOut(why)
            | Self::SecondWriter(why)
            | Self::LateCompletion(why)
            | Self::Repaired(why) => f.write_str(why),
        }
    }
}

/// One covered member, without personal data.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Covered {
    /// The member's key.
    pub id: ReferenceId,
    /// The plan that the member was added with; Vitable does not apply a change of it.
    pub plan: PlanId,
    /// Of the record that Vitable last accepted (of the last one sent, while uncertain).
    pub prints: Fingerprints,
    /// Since when the last accepted record is sent again because the row cannot be used.
    pub carried_since: Option<DateTime<Utc>>,
}

/// The members of one group: the last confirmed baseline and, while that is uncertain, everybody in any
/// roster sent since.
///
/// A million of them are in memory together with a whole read, so that they are kept in few large pieces, and
/// the fingerprints of the fields (nine tenths of a member) only where somebody asks for them.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// How sure this is.
    pub certainty: Certainty,
    places: Places,
    members: Vec<Entry>,
    plans: Vec<PlanId>,
    fields: Vec<[Fingerprint; FIELD_COUNT]>,
    carried: HashMap<u32, DateTime<Utc>>,
}

/// One member, with indexes into the lists of [`Coverage`].
#[derive(Clone, Copy, Debug)]
struct Entry {
    whole: Fingerprint,
    plan: u32,
    /// [`NOT_KEPT`] or an index.
    fields: u32,
}

const NOT_KEPT: u32 = u32::MAX;

/// One covered member, as [`Coverage`] has him.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The member's key.
    pub id: &'a str,
    /// The plan that the member was added with.
    pub plan: &'a PlanId,
    /// The fingerprint of the record as a whole.
    pub whole: Fingerprint,
    /// The fingerprints of its fields, where they were kept.
    pub fields: Option<&'a [Fingerprint; FIELD_COUNT]>,
    /// Since when the last accepted record is sent again because the row cannot be used.
    pub carried_since: Option<DateTime<Utc>>,
}

impl Known<'_> {
    /// The member's key as one that stands alone.
    #[must_use]
    pub fn reference_id(&self) -> Option<ReferenceId> {
        ReferenceId::new(self.id).ok()
    }

    /// The fingerprints, where those of the fields were kept.
    #[must_use]
    pub fn prints(&self) -> Option<Fingerprints> {
        self.fields.map(|fields| Fingerprints { whole: self.whole, fields: *fields })
    }

    /// The fields in which the member differs from these. All of them when nobody knows.
    #[must_use]
    pub fn changed(&self, now: &Fingerprints) -> Vec<Field> {
        self.prints().map_or_else(|| Field::ALL.to_vec(), |prints| prints.changed(now).collect())
    }
}

impl Coverage {
    /// A group of which nothing is known.
    #[must_use]
    pub fn first_sync() -> Self {
        Self::new(Certainty::FirstSync, Vec::new())
    }

    /// A picture of these members. A reference that comes twice is kept once, the later one.
    #[must_use]
    pub fn new(certainty: Certainty, members: impl IntoIterator<Item = Covered>) -> Self {
        let mut coverage = Self {
            certainty,
            places: Places::default(),
            members: Vec::new(),
            plans: Vec::new(),
            fields: Vec::new(),
            carried: HashMap::new(),
        };
        for member in members {
            coverage.put(&member);
        }
        coverage
    }

    /// Adds a member, or replaces the one of the same reference.
    pub fn put(&mut self, member: &Covered) {
        let fields = u32::try_from(self.fields.len()).unwrap_or(NOT_KEPT);
        self.fields.push(member.prints.fields);
        self.insert(member, fields);
    }

    /// As [`Coverage::put`], without the fingerprints of the fields: for a member of whom nothing has changed.
    pub fn put_whole(&mut self, member: &Covered) {
        self.insert(member, NOT_KEPT);
    }

    fn insert(&mut self, member: &Covered, fields: u32) {
        // Groups have few plans, and neighbours often the same.
        let known = self.plans.iter().rposition(|plan| *plan == member.plan);
        let plan = known.unwrap_or_else(|| {
            self.plans.push(member.plan.clone());
            self.plans.len() - 1
        });
        let entry =
            Entry { whole: member.prints.whole, plan: u32::try_from(plan).unwrap_or(u32::MAX), fields };
        let place = match self.places.insert(member.id.as_str()) {
            Ok(new) => {
                self.members.push(entry);
                new
            }
            Err(known) => {
                if let Some(member) = self.members.get_mut(known as usize) {
                    *member = entry;
                }
                known
            }
        };
        match member.carried_since {
            Some(since) => self.carried.insert(place, since),
            None => self.carried.remove(&place),
        };
    }

    /// The member with this reference.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Known<'_>> {
        self.at(self.place_of(id)?)
    }

    /// The place in [`Coverage::iter`] of the member with this reference.
    #[must_use]
    pub fn place_of(&self, id: &str) -> Option<u32> {
        self.places.find(id)
    }

    /// The member at this place of [`Coverage::iter`].
    #[must_use]
    pub fn at(&self, place: u32) -> Option<Known<'_>> {
        let entry = self.members.get(place as usize)?;
        Some(Known {
            id: self.places.id(place),
            plan: self.plans.get(entry.plan as usize)?,
            whole: entry.whole,
            fields: self.fields.get(entry.fields as usize),
            carried_since: if self.carried.is_empty() { None } else { self.carried.get(&place).copied() },
        })
    }

    /// Every member, in the order of adding.
    pub fn iter(&self) -> impl Iterator<Item = Known<'_>> + '_ {
        (0..u32::try_from(self.members.len()).unwrap_or(u32::MAX)).filter_map(|place| self.at(place))
    }

    /// How many members are covered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is covered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, plan: &str, print: u64) -> Covered {
        Covered {
            id: ReferenceId::new(id).unwrap(),
            plan: PlanId::new(plan).unwrap(),
            prints: Fingerprints {
                whole: Fingerprint(print),
                fields: std::array::from_fn(|_| Fingerprint(print)),
            },
            carried_since: None,
        }
    }

    #[test]
    fn a_later_member_replaces_an_earlier_one_in_its_place() {
        let since = DateTime::from_timestamp(1_000, 0);
        let mut coverage = Coverage::new(
            Certainty::Confirmed,
            [Covered { carried_since: since, ..member("e-1", "pln_a", 1) }, member("e-2", "pln_b", 2)],
        );
        assert_eq!(coverage.get("e-1").unwrap().carried_since, since);
        coverage.put_whole(&member("e-1", "pln_b", 3));
        let first = coverage.at(0).unwrap();
        assert_eq!((first.id, first.plan.as_str(), first.whole.0), ("e-1", "pln_b", 3));
        assert_eq!((first.carried_since, first.prints()), (None, None));
        assert_eq!(first.changed(&member("e-1", "pln_b", 3).prints), Field::ALL);
        let second = coverage.get("e-2").unwrap();
        assert_eq!(second.prints(), Some(member("e-2", "pln_b", 2).prints));
        assert!(second.changed(&member("e-2", "pln_b", 2).prints).is_empty());
        assert_eq!((coverage.len(), coverage.place_of("e-2"), coverage.place_of("e-3")), (2, Some(1), None));
        assert_eq!(coverage.iter().map(|known| known.id).collect::<Vec<_>>(), ["e-1", "e-2"]);
    }
}
