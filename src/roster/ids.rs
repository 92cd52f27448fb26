//! Identifiers, each a type of its own, so that one cannot be passed where another belongs.

use std::{fmt, sync::Arc};

/// Why a text is not an identifier of its kind. Does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {kind} {expected}")]
pub struct IdError {
    kind: &'static str,
    expected: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text if it is one.
            ///
            /// # Errors
            /// When the text does not have the identifier's form.
            pub fn new(text: &str) -> Result<Self, IdError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(IdError { kind: $kind, expected: $expected })
                }
            }

            /// The text, byte for byte.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

fn visible(text: &str) -> bool {
    !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control)
}

text_id! {
    /// A member's key at the employer, 1 to 255 characters (guide, "Group Member Sync").
    ReferenceId, "reference_id", "has 1 to 255 characters, none of them a control character",
    |text| { let n = text.chars().count(); (1..=255).contains(&n) && !text.chars().any(char::is_control) }
}
text_id! {
    /// A group's `external_reference_id`: the partner's own name for it.
    GroupRef, "external_reference_id", "has 1 to 255 visible characters", visible
}
text_id! {
    /// A group's id at Vitable, `grp_…`.
    GroupId, "group id", "begins with `grp_`", |text| text.starts_with("grp_") && visible(text)
}
text_id! {
    /// An organization's id at Vitable, `org_…`.
    OrganizationId, "organization id", "begins with `org_`", |text| text.starts_with("org_") && visible(text)
}
text_id! {
    /// The id of an accepted sync, `grpmsr_…`. Any non-empty text is kept: losing one for its form would be worse.
    RequestId, "request id", "has 1 to 255 visible characters", visible
}
text_id! {
    /// A plan's id, `pln_…` in the guides and `plan_…` in the library: both are taken, `GET /v1/plans` decides.
    PlanId, "plan id", "begins with `pln_` or `plan_`",
    |text| (text.starts_with("pln_") || text.starts_with("plan_")) && visible(text)
}
text_id! {
    /// A feed's name in the configuration.
    FeedName, "feed name", "has 1 to 255 visible characters", visible
}

/// The number of a run; they count up from 1 for the life of a state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
