//! First contact of a run: is this the Vitable that the ledger belongs to, and which groups and plans does it have?

use super::{
    Engine,
    tell::{CONTACT, Scope},
};
use crate::{
    ledger::{LedgerError, Pin},
    notify::{Incident, Kind},
    roster::{GroupId, GroupRef, OrganizationId, PlanId},
    vitable::{ApiError, ApiErrorKind, FindError, Groups, MAX_CLOCK_SKEW, wire},
};
use std::collections::BTreeSet;

/// What Vitable has, as of now.
#[derive(Debug)]
pub(super) struct Contact {
    groups: Groups,
    /// The plans that the organization may use.
    pub(super) plans: BTreeSet<PlanId>,
}

/// What a reference names at Vitable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// Exactly one group, the one known from before if there was one.
    Group(GroupId),
    /// No group.
    Nothing,
    /// Something that must not be submitted to. The sentence says why; the kind is its incident's.
    Wrong(Kind, String),
}

/// Why a run does not come to Vitable. Already told.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoContact {
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Engine {
    /// Looks at every group and plan, and that base URL, organization and clock are right.
    pub(super) async fn contact(&self) -> Result<Contact, NoContact> {
        match self.look().await {
            Ok(contact) => {
                self.tell(&[], Scope { kinds: CONTACT, feed: None, group: None, except: &[] })?;
                Ok(contact)
            }
            Err(Trouble::Incident(incident)) => {
                self.tell(std::slice::from_ref(&*incident), Scope::NOTHING)?;
                Err(NoContact::Refused(incident.reason))
            }
            Err(Trouble::Ledger(error)) => Err(NoContact::Ledger(error)),
        }
    }

    pub(super) async fn look(&self) -> Result<Contact, Trouble> {
        let base_url = self.settings.vitable.base_url.as_str().trim_end_matches('/').to_owned();
        if let Some(pin) = self.ledger.pin()
            && pin.base_url != base_url
        {
            return Err(other_ledger("base URL", &pin.base_url, &base_url).into());
        }
        let groups = self.client.groups().await?;
        if let Some(skew) = self.client.clock_skew()
            && skew.abs() > MAX_CLOCK_SKEW
        {
            return Err(Incident::new(
                Kind::ClockWrong,
                format!(
                    "This host's clock and Vitable's are {} minutes apart; nothing was submitted.",
                    skew.abs().num_minutes()
                ),
            )
            .into());
        }
        let plans = self.client.plans().await?;
        let plans = plans.iter().filter_map(|plan| PlanId::new(&plan.id).ok()).collect();
        self.pin_organization(&groups, &base_url)?;
        Ok(Contact { groups: Groups::new(groups), plans })
    }

    fn pin_organization(&self, groups: &[wire::Group], base_url: &str) -> Result<(), Trouble> {
        let seen: BTreeSet<&str> = groups.iter().map(|group| group.organization_id.as_str()).collect();
        let mut seen = seen.into_iter();
        let (organization, other) = (seen.next(), seen.next());
        if let (Some(one), Some(other)) = (organization, other) {
            return Err(other_ledger("organization", one, other).into());
        }
        // No group yet, so nothing to submit to either: the pin waits.
        let Some(organization) = organization.and_then(|text| OrganizationId::new(text).ok()) else {
            return Ok(());
        };
        match self.ledger.pin() {
            Some(pin) if pin.organization != organization => {
                Err(other_ledger("organization", pin.organization.as_str(), organization.as_str()).into())
            }
            Some(_) => Ok(()),
            None => Ok(self.ledger.set_pin(&Pin { base_url: base_url.to_owned(), organization })?),
        }
    }

    /// What a reference names: byte for byte, on every page, and with the id known from before.
    pub(super) fn named(&self, contact: &Contact, group: &GroupRef) -> Named {
        let id = match contact.groups.find(group) {
            Ok(found) => found.id,
            Err(FindError::NotFound(_)) => return Named::Nothing,
            Err(error @ (FindError::Ambiguous { .. } | FindError::Api(_))) => {
                return Named::Wrong(Kind::GroupUnknown, format!("{error}."));
            }
        };
        match self.ledger.group_pin(group) {
            Some(known) if known != id => Named::Wrong(
                Kind::GroupChangedId,
                format!("`{group}` was {known} and is now {id} at Vitable: it may be another group."),
            ),
            Some(_) | None => Named::Group(id),
        }
    }
}

/// Why the look at Vitable stopped.
pub(super) enum Trouble {
    Incident(Box<Incident>),
    Ledger(LedgerError),
}

impl From<Incident> for Trouble {
    fn from(incident: Incident) -> Self {
        Self::Incident(Box::new(incident))
    }
}

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        let kind = match error.kind {
            ApiErrorKind::Credential => Kind::Credential,
            ApiErrorKind::Connect
            | ApiErrorKind::NotFound
            | ApiErrorKind::Throttled
            | ApiErrorKind::Server
            | ApiErrorKind::Unreadable
            | ApiErrorKind::Refused => Kind::ApiUnreachable,
        };
        let mut incident = Incident::new(kind, format!("{error}. Nothing was submitted."));
        incident.trace_id = error.trace_id;
        Self::Incident(Box::new(incident))
    }
}

fn other_ledger(what: &str, pinned: &str, seen: &str) -> Incident {
    Incident::new(
        Kind::OtherLedger,
        format!(
            "This state belongs to the {what} {pinned}, and the configuration leads to {seen}. Nothing was submitted."
        ),
    )
}
