//! Each covered member's one fate (`design.md`, Fates).

use crate::roster::{Ineligible, Person, Route, Standing};

/// What becomes of one covered member. The order of the variants is the order of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// A valid, eligible row that routes to this group.
    Kept,
    /// The row says that the person has left.
    Ended,
    /// The row is there and cannot be used: the last accepted record is sent again.
    Carried,
    /// A valid, eligible row that routes to another group of the same run.
    Moved,
    /// The row's group value is blank or unlisted: never a removal.
    Unrouted,
    /// The row is there, but the person is not eligible today.
    Ineligible(Ineligible),
    /// No row.
    Absent,
}

impl Fate {
    /// Whether a covered member of this fate leaves the payload once everything is released.
    #[must_use]
    pub const fn leaves(self) -> bool {
        match self {
            Self::Ended | Self::Moved | Self::Ineligible(_) | Self::Absent => true,
            Self::Kept | Self::Carried | Self::Unrouted => false,
        }
    }

    /// The word for it in plans, mails, logs and the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Ended => "ended",
            Self::Carried => "carried",
            Self::Moved => "moved",
            Self::Unrouted => "unrouted",
            Self::Ineligible(_) => "ineligible",
            Self::Absent => "absent",
        }
    }
}

/// The fate of a member who is covered in the group with index `group` of the read's groups, by his person in the
/// read.
///
/// A person with contradicting rows is carried: his rows are there and cannot be used. His groups are held
/// for it elsewhere.
#[must_use]
pub(super) fn fate(person: Option<&Person>, group: Option<u32>) -> Fate {
    let Some(person) = person else {
        return Fate::Absent;
    };
    match (person.standing, person.route) {
        (Standing::Ended, _) => Fate::Ended,
        (Standing::Unusable { .. } | Standing::Duplicate, _) => Fate::Carried,
        (Standing::Eligible(_), Route::Group(to)) if Some(to) == group => Fate::Kept,
        (Standing::Eligible(_), Route::Group(_)) => Fate::Moved,
        (Standing::Eligible(_) | Standing::Ineligible(_), Route::Blank | Route::Unlisted) => Fate::Unrouted,
        (Standing::Ineligible(why), Route::Group(_)) => Fate::Ineligible(why),
    }
}
