//! The shapes of Vitable's JSON (`vitable-api.md`). Read leniently: unknown fields may appear anywhere.

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor},
};
use std::fmt;

/// Every success body wraps its payload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Data<T> {
    /// The payload.
    pub data: T,
}

/// A list page. The guides' plan list has no `pagination`: then it is the only page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items of this page.
    pub data: Vec<T>,
    /// Where this page stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Pagination>,
}

/// Where a page stands in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pagination {
    /// From 1.
    pub page: u64,
    /// Items on a full page.
    pub limit: u64,
    /// Items of all pages.
    pub total: u64,
    /// Number of pages.
    pub total_pages: u64,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// `pln_…` or `plan_…`.
    pub id: String,
    /// For people.
    #[serde(default)]
    pub name: Option<String>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// `grp_…`.
    pub id: String,
    /// `org_…`.
    pub organization_id: String,
    /// For people.
    #[serde(default)]
    pub name: Option<String>,
    /// The partner's own name, unique within the organization.
    #[serde(default)]
    pub external_reference_id: Option<String>,
    /// ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
}

/// The body of `POST /v1/groups`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewGroup {
    /// For people.
    pub name: String,
    /// The partner's own name.
    pub external_reference_id: String,
}

/// The answer to a submit, and of a poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRequest {
    /// `grpmsr_…`.
    pub request_id: String,
    /// The group that was asked for.
    #[serde(default)]
    pub group_id: Option<String>,
    /// ISO 8601.
    #[serde(default)]
    pub accepted_at: Option<String>,
    /// ISO 8601, null while in flight.
    #[serde(default)]
    pub completed_at: Option<String>,
    /// Null while in flight.
    #[serde(default)]
    pub results: Option<SyncResults>,
}

/// What Vitable did. A list that is missing stays `None`: that is not completion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncResults {
    /// `grpmbr_…` of those who were added.
    pub added_group_member_ids: Option<Ids>,
    /// `grpmbr_…` of those who were removed.
    pub removed_group_member_ids: Option<Ids>,
    /// Those to whom nothing was applied.
    pub failures: Option<Vec<SyncFailure>>,
}

/// A list of ids of which only the number is kept: rosterd knows no member by these, and a first sync may have
/// a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ids(pub u64);

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Counting)
    }
}

struct Counting;

impl<'de> Visitor<'de> for Counting {
    type Value = Ids;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of ids")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ids, A::Error> {
        let mut count = 0;
        while list.next_element::<Text>()?.is_some() {
            count += 1;
        }
        Ok(Ids(count))
    }
}

/// A string that is read and forgotten.
struct Text;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Forgetting)
    }
}

struct Forgetting;

impl Visitor<'_> for Forgetting {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Text, E> {
        Ok(Text)
    }
}

/// One member to whom nothing was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncFailure {
    /// The member's key.
    pub reference_id: String,
    /// `add` or `remove`; may gain values.
    pub operation: String,
    /// For people; `null` is read as empty.
    #[serde(default, deserialize_with = "or_empty")]
    pub reason: String,
}

/// A reason that is missing must not make the whole outcome unreadable.
fn or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(deserializer).map(Option::unwrap_or_default)
}
