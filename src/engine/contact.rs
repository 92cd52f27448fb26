//! First contact of a run: is this the Vitable that the ledger belongs to, and which groups and plans does it have?

use super::{
    Engine, Feed,
    shared::Look,
    tell::{CONTACT, Scope},
};
use crate::{
    ledger::{LedgerError, Pin},
    notify::{Incident, Kind},
    roster::{GroupId, GroupRef, OrganizationId, PlanId},
    vitable::{ApiError, ApiErrorKind, FindError, Groups, MAX_CLOCK_SKEW, wire},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::Instant;

/// For how long nobody looks again for runs in the background.
const LOOK_IS_FRESH_FOR: Duration = Duration::from_secs(30);
/// For how long a look at Vitable's groups and plans will do for them, while one of them looks again.
const LOOK_IS_GOOD_FOR: Duration = Duration::from_secs(90);

/// What Vitable has, as of now.
#[derive(Debug)]
pub(super) struct Contact {
    groups: Groups,
    /// The plans that the organization may use.
    pub(super) plans: BTreeSet<PlanId>,
    /// The organization that the groups show; none while there is no group.
    organization: Option<OrganizationId>,
}

impl Contact {
    /// The id of the one group with this reference, whatever was known from before; or why there is none.
    pub(super) fn find(&self, group: &GroupRef) -> Result<GroupId, String> {
        self.groups.find(group).map(|found| found.id).map_err(|error| error.to_string())
    }
}

/// What a reference names at Vitable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// Exactly one group, the one known from before if there was one.
    Group(GroupId),
    /// No group, and the configuration says to create it.
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
    /// Looks at every group and plan, and that base URL, organization and clock are right. For a run in the
    /// background a look of the last 90 seconds will do, whatever it found: thousands of feeds may be due at once.
    pub(super) async fn contact(&self, in_background: bool) -> Result<Arc<Contact>, NoContact> {
        let known = || self.shared.last_look(&self.client).filter(|_| in_background);
        let use_of = |look: Look| look.found.map_err(NoContact::Refused);
        let _looking = match known() {
            Some(look) if look.at.elapsed() < LOOK_IS_FRESH_FOR => return use_of(look),
            // One run looks again; the others go on by the look of before meanwhile.
            Some(look) if look.at.elapsed() < LOOK_IS_GOOD_FOR => match self.shared.looking.try_lock() {
                Ok(looking) => looking,
                Err(_) => return use_of(look),
            },
            Some(_) | None => {
                let looking = self.shared.looking.lock().await;
                match known() {
                    Some(look) if look.at.elapsed() < LOOK_IS_FRESH_FOR => return use_of(look),
                    Some(_) | None => looking,
                }
            }
        };
        let key = self.client.key_count();
        let found = self.contact_now().await;
        let kept = match &found {
            Ok(contact) => Some(Ok(Arc::clone(contact))),
            Err(NoContact::Refused(why)) => Some(Err(why.clone())),
            Err(NoContact::Ledger(_)) => None,
        };
        let client = Arc::clone(&self.client);
        self.shared.keep_look(kept.map(|found| Look { at: Instant::now(), client, key, found }));
        found
    }

    /// Whether Vitable lets us work again after it did not: one look, told like every other.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn knock(&self) -> Result<bool, LedgerError> {
        let contact = tokio::select! {
            biased;
            () = self.shared.stopped() => return Ok(false),
            contact = self.contact(false) => contact,
        };
        match contact {
            Ok(_) => Ok(true),
            Err(NoContact::Refused(_)) => Ok(false),
            Err(NoContact::Ledger(error)) => Err(error),
        }
    }

    async fn contact_now(&self) -> Result<Arc<Contact>, NoContact> {
        match self.look().await {
            Ok(contact) => {
                if let (None, Some(organization)) = (self.ledger.pin(), &contact.organization) {
                    self.pin(organization.clone())?;
                }
                self.shared.key_is_taken();
                self.tell(&[], Scope { kinds: CONTACT, host: true, ..Scope::NOTHING })?;
                Ok(Arc::new(contact))
            }
            Err(Trouble::Incident(incident)) => {
                self.tell(std::slice::from_ref(&*incident), Scope::NOTHING)?;
                Err(NoContact::Refused(incident.reason))
            }
            Err(Trouble::Ledger(error)) => Err(NoContact::Ledger(error)),
        }
    }

    /// A call that failed, with where it went and whose key it had.
    fn trouble(&self, error: ApiError) -> Trouble {
        let kind = match error.kind {
            ApiErrorKind::Credential => Kind::Credential,
            ApiErrorKind::Connect
            | ApiErrorKind::NotFound
            | ApiErrorKind::Throttled
            | ApiErrorKind::Server
            | ApiErrorKind::Unreadable
            | ApiErrorKind::Refused => Kind::ApiUnreachable,
        };
        let place = match error.kind {
            ApiErrorKind::Credential => {
                format!("The key is {} (`vitable.api_key`).", self.settings.vitable.api_key)
            }
            ApiErrorKind::Connect
            | ApiErrorKind::NotFound
            | ApiErrorKind::Throttled
            | ApiErrorKind::Server
            | ApiErrorKind::Unreadable
            | ApiErrorKind::Refused => format!("The address is {} (`vitable.base_url`).", self.base_url()),
        };
        let mut incident = Incident::new(kind, format!("{} {place} Nothing was submitted.", failing(&error)));
        incident.trace_id = error.trace_id;
        incident.into()
    }

    pub(super) async fn look(&self) -> Result<Contact, Trouble> {
        let base_url = self.base_url();
        if let Some(pin) = self.ledger.pin()
            && pin.base_url != base_url
        {
            return Err(other_ledger("base URL", &pin.base_url, &base_url).into());
        }
        let groups = self.client.groups().await.map_err(|error| self.trouble(error))?;
        if let Some(skew) = self.client.clock_skew()
            && skew.abs() > MAX_CLOCK_SKEW
        {
            return Err(Incident::new(
                Kind::ClockWrong,
                "This host's clock and Vitable's are more than ten minutes apart. Nothing was submitted.",
            )
            .into());
        }
        let plans = self.client.plans().await.map_err(|error| self.trouble(error))?;
        let plans: BTreeSet<PlanId> = plans.iter().filter_map(|plan| PlanId::new(&plan.id).ok()).collect();
        if plans.is_empty() {
            let why = "Vitable lists no plan for this organization, so that nobody could be added. Nothing was submitted.";
            return Err(Incident::new(Kind::ConfigWrong, why).into());
        }
        let organization = organization_of(&groups)?;
        if let (Some(pin), Some(seen)) = (self.ledger.pin(), &organization)
            && pin.organization != *seen
        {
            return Err(other_ledger("organization", pin.organization.as_str(), seen.as_str()).into());
        }
        Ok(Contact { groups: Groups::new(groups), plans, organization })
    }

    /// Whether a group that was just created belongs to the pinned organization, which it pins if none is.
    pub(super) fn belongs(&self, seen: &OrganizationId) -> Result<Result<(), Incident>, LedgerError> {
        match self.ledger.pin() {
            Some(pin) if pin.organization != *seen => {
                Ok(Err(other_ledger("organization", pin.organization.as_str(), seen.as_str())))
            }
            Some(_) => Ok(Ok(())),
            None => self.pin(seen.clone()).map(Ok),
        }
    }

    fn pin(&self, organization: OrganizationId) -> Result<(), LedgerError> {
        self.ledger.set_pin(&Pin { base_url: self.base_url(), organization })
    }

    fn base_url(&self) -> String {
        self.settings.vitable.base_url.as_str().trim_end_matches('/').to_owned()
    }

    /// What a reference names: byte for byte, on every page, with the id known from before, and fed by no other
    /// feed.
    pub(super) fn named(
        &self,
        contact: &Contact,
        feed: &Feed,
        group: &GroupRef,
    ) -> Result<Named, LedgerError> {
        if let Some(owner) = self.ledger.owner(group)?
            && owner != feed.name
            && self.settings.feeds.iter().any(|other| other.name == owner && other.may_feed(group))
        {
            return Ok(Named::Wrong(
                Kind::ConfigWrong,
                format!("`{group}` is fed by feed `{owner}`: two feeds would remove each other's people."),
            ));
        }
        Ok(self.found(contact, group, feed.grouping.create_missing))
    }

    /// What a reference names at Vitable, whoever feeds it: with the id known from before.
    pub(super) fn found(&self, contact: &Contact, group: &GroupRef, create_missing: bool) -> Named {
        match contact.groups.find(group) {
            Ok(found) => match self.ledger.group_pin(group) {
                Some(known) if known != found.id => Named::Wrong(
                    Kind::GroupChangedId,
                    format!(
                        "`{group}` was {known} and is now {} at Vitable: it may be another group.",
                        found.id
                    ),
                ),
                Some(_) | None => Named::Group(found.id),
            },
            Err(FindError::NotFound(_)) => match self.ledger.group_pin(group) {
                Some(known) => Named::Wrong(
                    Kind::GroupChangedId,
                    format!(
                        "`{group}` was {known}, and Vitable lists it no more: nothing is created in its place."
                    ),
                ),
                None if create_missing => Named::Nothing,
                None => Named::Wrong(
                    Kind::GroupUnknown,
                    format!(
                        "No group at Vitable has the external_reference_id `{group}`, looked for byte for byte on every page."
                    ),
                ),
            },
            Err(error @ (FindError::Ambiguous { .. } | FindError::Api(_))) => {
                Named::Wrong(Kind::GroupUnknown, format!("{error}."))
            }
        }
    }
}

/// The one organization that the groups show.
fn organization_of(groups: &[wire::Group]) -> Result<Option<OrganizationId>, Trouble> {
    let seen: BTreeSet<&str> = groups.iter().map(|group| group.organization_id.as_str()).collect();
    match seen.into_iter().collect::<Vec<_>>().as_slice() {
        [] => Ok(None),
        [one] => OrganizationId::new(one).map(Some).map_err(|error| {
            Incident::new(
                Kind::ApiUnreachable,
                format!(
                    "Vitable shows groups without a readable organization ({error}). Nothing was submitted."
                ),
            )
            .into()
        }),
        [one, other, ..] => Err(Incident::new(
            Kind::OtherLedger,
            format!(
                "The API key reaches several organizations ({one}, {other}). Nothing was submitted: write `vitable.organization`."
            ),
        )
        .into()),
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

fn other_ledger(what: &str, pinned: &str, seen: &str) -> Incident {
    Incident::new(
        Kind::OtherLedger,
        format!(
            "This state belongs to the {what} {pinned}, and the configuration leads to {seen}. Nothing was submitted."
        ),
    )
}

/// A failing call in words that do not differ from run to run: each new wording would be a mail.
pub(super) fn failing(error: &ApiError) -> String {
    let what = match error.kind {
        ApiErrorKind::Connect => "Vitable cannot be reached",
        ApiErrorKind::Credential => "Vitable refuses the API key",
        ApiErrorKind::NotFound => "Vitable does not know what was asked for",
        ApiErrorKind::Throttled => "Vitable asks for fewer requests",
        ApiErrorKind::Server => "Vitable fails to answer",
        ApiErrorKind::Unreadable => "Vitable's answer cannot be used",
        ApiErrorKind::Refused => "Vitable refuses the request",
    };
    match (error.status, &error.code) {
        (Some(status), Some(code)) => format!("{what} (status {status}, `{code}`)."),
        (Some(status), None) => format!("{what} (status {status})."),
        (None, _) => format!("{what}: {}.", error.message.trim_end_matches(['.', ' '])),
    }
}
