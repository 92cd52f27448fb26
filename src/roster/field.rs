//! The twelve fields of a member.

use std::fmt;

/// How many fields a member has.
pub const FIELD_COUNT: usize = 12;

/// One field of a member, in the order in which records keep them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The key that matches a member across syncs.
    ReferenceId,
    /// Given name.
    FirstName,
    /// Family name.
    LastName,
    /// ISO 8601 calendar date.
    DateOfBirth,
    /// Ten digits.
    Phone,
    /// Optional mail address.
    Email,
    /// A plan that the organization may use.
    PlanId,
    /// Street line of the address. The names carry Vitable's digits.
    #[serde(rename = "address_line_1")]
    AddressLine1,
    /// Optional second line of the address.
    #[serde(rename = "address_line_2")]
    AddressLine2,
    /// City of the address.
    City,
    /// Two-letter state or territory code.
    State,
    /// `15222` or `15222-1234`.
    Zipcode,
}

impl Field {
    /// Every field, in the order of the enum.
    pub const ALL: [Self; FIELD_COUNT] = [
        Self::ReferenceId,
        Self::FirstName,
        Self::LastName,
        Self::DateOfBirth,
        Self::Phone,
        Self::Email,
        Self::PlanId,
        Self::AddressLine1,
        Self::AddressLine2,
        Self::City,
        Self::State,
        Self::Zipcode,
    ];

    /// The name that the configuration and Vitable use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReferenceId => "reference_id",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::DateOfBirth => "date_of_birth",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::PlanId => "plan_id",
            Self::AddressLine1 => "address_line_1",
            Self::AddressLine2 => "address_line_2",
            Self::City => "city",
            Self::State => "state",
            Self::Zipcode => "zipcode",
        }
    }

    /// Whether Vitable refuses a member without it (guide, "Group Member Sync"). The library calls the
    /// phone optional; the guide is the contract.
    #[must_use]
    pub const fn required(self) -> bool {
        !matches!(self, Self::Email | Self::AddressLine2)
    }

    /// The position in [`Field::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
