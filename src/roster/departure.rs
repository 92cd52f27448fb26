//! Who leaves a roster and how: what the guard's windows are counted from.

use super::ReferenceId;
use chrono::{DateTime, Utc};
use std::collections::HashSet;

/// How a member leaves a roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leaving {
    /// The row says that the person has left.
    Ended,
    /// The row is there, but the person is not eligible.
    Ineligible,
    /// No row.
    Absent,
    /// To another group of the feed.
    Moved,
}

/// Members who leave a roster in the same way.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Departures {
    /// How they leave.
    pub how: Leaving,
    /// Whether the approval that released the roster names them.
    pub approved: bool,
    /// Who.
    pub members: Vec<ReferenceId>,
}

/// A member who left a group without anybody's approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Who.
    pub id: ReferenceId,
    /// How.
    pub how: Leaving,
    /// When.
    pub at: DateTime<Utc>,
}

/// What a group went through of late, as far as the guard's windows ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Who left, each removal once, without those whom a person approved and those who moved.
    pub left: Vec<Left>,
    /// How large the group was, and when.
    pub sizes: Vec<(DateTime<Utc>, u64)>,
}

impl Past {
    /// Notes a size. What a later size exceeds tells nothing more, so that sizes noted from the newest to the
    /// oldest stay few.
    pub fn was(&mut self, at: DateTime<Utc>, members: u64) {
        if self.sizes.iter().all(|(later, size)| *later < at || *size < members) {
            self.sizes.push((at, members));
        }
    }

    /// The largest that the group was since then.
    #[must_use]
    pub fn largest_since(&self, since: DateTime<Utc>) -> u64 {
        self.sizes.iter().filter(|(at, _)| *at >= since).map(|(_, size)| *size).max().unwrap_or(0)
    }

    /// Who left since then in one of these ways, each member once.
    #[must_use]
    pub fn left_since(&self, since: DateTime<Utc>, ways: &[Leaving]) -> HashSet<&ReferenceId> {
        let counts = |left: &&Left| left.at >= since && ways.contains(&left.how);
        self.left.iter().filter(counts).map(|left| &left.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_each_member_once_and_the_largest_size() {
        let at = |day: i64| DateTime::UNIX_EPOCH + chrono::TimeDelta::days(day);
        let left = |id: &str, how, day| Left { id: ReferenceId::new(id).unwrap(), how, at: at(day) };
        let mut past = Past {
            left: vec![
                left("e-1", Leaving::Absent, 9),
                left("e-1", Leaving::Absent, 8),
                left("e-2", Leaving::Ended, 7),
                left("e-3", Leaving::Ended, 1),
            ],
            sizes: Vec::new(),
        };
        for (day, size) in [(9, 10), (8, 9), (7, 10), (3, 12)] {
            past.was(at(day), size);
        }
        assert_eq!(past.sizes.len(), 2, "{:?}", past.sizes);
        assert_eq!((past.largest_since(at(4)), past.largest_since(at(3))), (10, 12));
        assert_eq!(past.largest_since(at(10)), 0);
        assert_eq!(past.left_since(at(2), &[Leaving::Absent, Leaving::Ended]).len(), 2);
        assert_eq!(past.left_since(at(7), &[Leaving::Absent]).len(), 1);
        assert_eq!(past.left_since(at(0), &[Leaving::Ended]).len(), 2);
    }
}
