//! The limits within which a change passes without a person (`config.md`, The guard).

use std::time::Duration;

/// A limit on people: the larger of the two passes, more holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Percent of the covered members, rounded down.
    pub share: u8,
    /// A number of people.
    pub people: u64,
}

impl Limit {
    /// How many of `covered` members pass without a person.
    #[must_use]
    pub fn allows(self, covered: u64) -> u64 {
        // 128 bits: no number of members overflows.
        let share = u128::from(covered) * u128::from(self.share) / 100;
        u64::try_from(share).unwrap_or(u64::MAX).max(self.people)
    }
}

/// What a first sync of a group needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstSync {
    /// A person's approval.
    Hold,
    /// Nothing: nobody can know who is covered there already.
    Submit,
}

/// What a covered member's unusable row means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidRows {
    /// The last accepted record is sent again.
    CarryForward,
    /// The group is held.
    Hold,
}

/// Every limit of a feed.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Gone from the source without a word.
    pub absent: Limit,
    /// The row says that they have left.
    pub ended: Limit,
    /// `when` is false, or the start lies ahead.
    pub ineligible: Limit,
    /// To another group of the feed.
    pub moved: Limit,
    /// All removals of seven days.
    pub removed_in_7d: Limit,
    /// Absent ones of thirty days.
    pub absent_in_30d: Limit,
    /// New members.
    pub added: Limit,
    /// Members whose plan would change.
    pub plan_changes: Limit,
    /// Rows that cannot be used.
    pub invalid: Limit,
    /// Removed and added under another reference with the same name and date of birth.
    pub renamed_ids: Limit,
    /// Same reference, another person.
    pub changed_people: Limit,
    /// The source shrank since its last accepted read; `people` counts rows.
    pub fewer_rows: Limit,
    /// Percent points by which a mapped column's filled share may fall.
    pub blank_column: u8,
    /// The smallest roster that may be submitted; at least 1.
    pub min_members: u64,
    /// What a first sync needs.
    pub first_sync: FirstSync,
    /// What a covered member's unusable row means.
    pub invalid_rows: InvalidRows,
    /// For how long a record is carried forward before the group is held.
    pub carry_forward_for: Duration,
    /// For how long an approval is good.
    pub approval_expires: Duration,
}

impl Default for Guard {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        let limit = |share, people| Limit { share, people };
        Self {
            absent: limit(5, 1),
            ended: limit(20, 3),
            ineligible: limit(5, 1),
            moved: limit(20, 3),
            removed_in_7d: limit(25, 4),
            absent_in_30d: limit(10, 3),
            added: limit(50, 10),
            plan_changes: limit(10, 3),
            invalid: limit(5, 3),
            renamed_ids: limit(0, 0),
            changed_people: limit(0, 0),
            fewer_rows: limit(10, 3),
            blank_column: 20,
            min_members: 1,
            first_sync: FirstSync::Hold,
            invalid_rows: InvalidRows::CarryForward,
            carry_forward_for: Duration::from_secs(90 * DAY),
            approval_expires: Duration::from_secs(3 * DAY),
        }
    }
}
