//! Who is covered in a group, as far as rosterd can know.

use super::{Fingerprints, PlanId, ReferenceId};
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
#[derive(Clone, Debug)]
pub struct Coverage {
    /// How sure this is.
    pub certainty: Certainty,
    members: Vec<Covered>,
    index: HashMap<ReferenceId, usize>,
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
        let mut coverage = Self { certainty, members: Vec::new(), index: HashMap::new() };
        for member in members {
            coverage.put(member);
        }
        coverage
    }

    /// Adds a member, or replaces the one of the same reference.
    pub fn put(&mut self, member: Covered) {
        if let Some(&at) = self.index.get(&member.id)
            && let Some(known) = self.members.get_mut(at)
        {
            *known = member;
            return;
        }
        self.index.insert(member.id.clone(), self.members.len());
        self.members.push(member);
    }

    /// The member with this reference.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Covered> {
        self.index.get(id).and_then(|&at| self.members.get(at))
    }

    /// Every member, in the order of adding.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Covered> + '_ {
        self.members.iter()
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
