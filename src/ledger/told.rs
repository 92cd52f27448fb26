//! Why something happens to a member, as a run remembers it.

use crate::roster::{Field, GroupRef, ReferenceId};
use serde::{Deserialize, Serialize};

/// Members to whom the same happens for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What happens, by the names of [`super::GroupReport::members`].
    pub what: String,
    /// Why.
    pub because: Because,
    /// The other group, of a move.
    pub group: Option<GroupRef>,
    /// The fields that change. Never their values.
    pub fields: Vec<Field>,
    /// How many members there are.
    pub count: u64,
    /// Who, at most 1,000 of all to whom the same happens.
    pub members: Vec<ReferenceId>,
}

/// The rule by which something happens to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// The row's status is in `ended`.
    StatusEnded,
    /// `ends_on` has passed.
    EndPassed,
    /// `starts_on` lies ahead.
    StartsLater,
    /// `when` is false.
    WhenFalse,
    /// No row.
    NoRow,
    /// The row names another group of the feed.
    OtherGroup,
    /// The row names another group of the feed, and the move has to wait.
    MoveWaits,
    /// The row names this group, and another one of the feed lets the person go now.
    ComesFromGroup,
    /// The row names this group, and another one of the feed covers the person still.
    CoveredElsewhere,
    /// The row's group value is blank.
    GroupBlank,
    /// The row's group value names no group.
    GroupUnlisted,
    /// The row cannot be used.
    RowUnusable,
    /// Several rows contradict each other.
    RowsContradict,
    /// A valid, eligible row of a person who is not covered.
    NewRow,
    /// A valid row with other values than last accepted.
    FieldsChanged,
    /// The date of birth and a name are other ones than last accepted.
    AnotherPerson,
    /// The same name and date of birth under another reference.
    OtherReference,
    /// Vitable does not change the plan of a member who is subscribed.
    PlanNotApplied,
}
