//! Plans and groups: lists with pages, and the groups' own calls.

use super::{
    answer::{Answered, Refused, Reply, plus_zero},
    faults::Faults,
    member::Person,
    request::parameter,
    state::State,
    sync::RemovedInfo,
};
use axum::http::{StatusCode, Uri};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// One group and those who are subscribed to its plans.
pub(super) struct Group {
    pub(super) id: String,
    pub(super) organization: String,
    pub(super) reference: String,
    pub(super) name: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) members: BTreeMap<Box<str>, Subscribed>,
    /// The accounts of those who were removed: they come back to them.
    pub(super) former: HashMap<Box<str>, u64>,
    pub(super) removed: Vec<RemovedInfo>,
    pub(super) in_flight: usize,
    pub(super) max_in_flight: usize,
}

/// A subscription.
pub(super) struct Subscribed {
    pub(super) person: Person,
    /// The plan that the member was added with: a later one is not applied.
    pub(super) plan: Arc<str>,
    pub(super) account: u64,
    /// The last request that had the member in its payload.
    pub(super) seen: usize,
}

impl Group {
    fn to_value(&self, faults: &Faults) -> Value {
        let organization = if faults.wrong_organization { "org_somebody_else" } else { &self.organization };
        json!({
            "id": shown_group_id(&self.id, faults),
            "organization_id": organization,
            "name": self.name,
            "external_reference_id": self.reference,
            "created_at": plus_zero(self.created_at),
            "updated_at": plus_zero(self.updated_at),
        })
    }
}

/// The id that answers about one group show.
pub(super) fn shown_group_id<'a>(id: &'a str, faults: &Faults) -> &'a str {
    if faults.wrong_group_id { "grp_somebody_elses" } else { id }
}

/// The id of a group, the same each time a sandbox starts with the same seed.
pub(super) fn group_id(number: usize, reference: &str) -> String {
    super::state::id("grp_", &[&number.to_le_bytes(), reference.as_bytes()])
}

/// One page of a list: `page` from 1, `limit` 20 and at most 100. Only what is on it is shown: a list of ten
/// thousand groups is asked for a hundred times.
fn page<T>(items: &[T], uri: &Uri, faults: &Faults, show: impl Fn(&T) -> Value) -> Reply {
    if faults.no_pagination {
        let data: Vec<Value> = items.iter().map(show).collect();
        return Ok(Answered { status: StatusCode::OK, body: json!({ "data": data }) });
    }
    let number = |name: &str, default: u64| match parameter(uri, name) {
        None => Ok(default),
        Some(text) => match text.parse() {
            Ok(number) if number > 0 => Ok(number),
            Ok(_) | Err(_) => Err(Refused::invalid(format!("{name}: must be a whole number from 1"))),
        },
    };
    let (page, limit) = (number("page", 1)?, number("limit", 20)?.min(100));
    let limit = faults.page_size.unwrap_or(limit).max(1);
    let skipped = usize::try_from((page - 1).saturating_mul(limit)).unwrap_or(usize::MAX);
    let taken = usize::try_from(limit).unwrap_or(usize::MAX);
    let data: Vec<Value> = items.iter().skip(skipped).take(taken).map(show).collect();
    let total = faults.lying_total.unwrap_or(items.len() as u64);
    let pagination =
        json!({ "page": page, "limit": limit, "total": total, "total_pages": total.div_ceil(limit) });
    Ok(Answered { status: StatusCode::OK, body: json!({ "data": data, "pagination": pagination }) })
}

/// A text of 1 to 255 characters in the body of a group call; `None` when it is left out or null.
fn text(body: &Value, field: &str) -> Result<Option<String>, Refused> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() && text.chars().count() <= 255 => {
            Ok(Some(text.clone()))
        }
        Some(_) => Err(Refused::invalid(format!("{field}: must be a text of 1 to 255 characters"))),
    }
}

fn parsed(body: &[u8]) -> Result<Value, Refused> {
    let value: Value = serde_json::from_slice(body).map_err(|error| Refused::malformed(&error))?;
    if value.is_object() { Ok(value) } else { Err(Refused::invalid("the body must be an object".to_owned())) }
}

impl State {
    pub(super) fn list_plans(&self, uri: &Uri) -> Reply {
        page(&self.seed.plans, uri, &self.faults, |(id, name)| json!({ "id": id, "name": name }))
    }

    pub(super) fn list_groups(&self, organization: &str, uri: &Uri) -> Reply {
        let wanted = parameter(uri, "external_reference_id").filter(|_| !self.faults.filter_ignored);
        let faults = Faults { wrong_group_id: false, ..self.faults.clone() };
        let groups: Vec<&Group> = self
            .groups
            .iter()
            .filter(|group| group.organization == organization)
            .filter(|group| wanted.as_ref().is_none_or(|wanted| group.reference == *wanted))
            .collect();
        page(&groups, uri, &self.faults, |group| group.to_value(&faults))
    }

    /// The position of an organization's group.
    pub(super) fn group_at(&self, organization: &str, id: &str) -> Result<usize, Refused> {
        self.group_index
            .get(id)
            .copied()
            .filter(|&at| self.groups.get(at).is_some_and(|group| group.organization == organization))
            .ok_or_else(|| Refused::not_found("Group"))
    }

    /// The first group with this reference, of whatever organization.
    pub(super) fn group_named(&self, reference: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.reference == reference)
    }

    pub(super) fn get_group(&self, organization: &str, id: &str) -> Reply {
        let at = self.group_at(organization, id)?;
        self.show_group(StatusCode::OK, at)
    }

    fn show_group(&self, status: StatusCode, at: usize) -> Reply {
        let group = self.groups.get(at).ok_or_else(|| Refused::not_found("Group"))?;
        Ok(Answered::data(status, &group.to_value(&self.faults)))
    }

    pub(super) fn create_group(&mut self, organization: &str, body: &[u8], now: DateTime<Utc>) -> Reply {
        let body = parsed(body)?;
        let (name, reference) = (text(&body, "name")?, text(&body, "external_reference_id")?);
        let (Some(name), Some(reference)) = (name, reference) else {
            return Err(Refused::invalid("name, external_reference_id: both are required".to_owned()));
        };
        self.refuse_taken(organization, &reference, None)?;
        let at = self.add_group(organization, &reference, &name, now);
        self.show_group(StatusCode::CREATED, at)
    }

    /// The reference is unique within the organization.
    fn refuse_taken(&self, organization: &str, reference: &str, but: Option<usize>) -> Result<(), Refused> {
        let taken = self.groups.iter().enumerate().any(|(at, group)| {
            group.organization == organization && group.reference == reference && Some(at) != but
        });
        if !taken {
            return Ok(());
        }
        Err(Refused::new(
            StatusCode::CONFLICT,
            "external_reference_id_taken",
            "A group with this external_reference_id already exists",
        ))
    }

    /// Gives the reference of a group, and nobody of its members, to a new one.
    pub(super) fn replace_group(&mut self, reference: &str, now: DateTime<Utc>) -> bool {
        let Some(at) = self.groups.iter().position(|group| group.reference == reference) else {
            return false;
        };
        let Some(group) = self.groups.get_mut(at) else { return false };
        let organization = group.organization.clone();
        group.reference = format!("{reference}-former");
        group.members.clear();
        self.subscribed.retain(|_, &mut place| place != at);
        self.add_group(&organization, reference, reference, now);
        true
    }

    pub(super) fn add_group(
        &mut self,
        organization: &str,
        reference: &str,
        name: &str,
        now: DateTime<Utc>,
    ) -> usize {
        let at = self.groups.len();
        let id = group_id(at, reference);
        self.group_index.insert(id.clone(), at);
        self.groups.push(Group {
            id,
            organization: organization.to_owned(),
            reference: reference.to_owned(),
            name: name.to_owned(),
            created_at: now,
            updated_at: now,
            members: BTreeMap::new(),
            former: HashMap::new(),
            removed: Vec::new(),
            in_flight: 0,
            max_in_flight: 0,
        });
        at
    }

    pub(super) fn patch_group(
        &mut self,
        organization: &str,
        id: &str,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Reply {
        let at = self.group_at(organization, id)?;
        let body = parsed(body)?;
        let (name, reference) = (text(&body, "name")?, text(&body, "external_reference_id")?);
        if let Some(reference) = &reference {
            self.refuse_taken(organization, reference, Some(at))?;
        }
        if let Some(group) = self.groups.get_mut(at) {
            group.name = name.unwrap_or_else(|| group.name.clone());
            group.reference = reference.unwrap_or_else(|| group.reference.clone());
            group.updated_at = now;
        }
        self.show_group(StatusCode::OK, at)
    }
}
