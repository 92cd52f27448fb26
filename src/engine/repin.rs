//! Accepting that a group's reference belongs to another `grp_` id at Vitable.

use super::{Engine, contact::NoContact, tell::Scope};
use crate::{
    ledger::LedgerError,
    notify::Kind,
    roster::{GroupId, GroupRef},
};

/// What a repin would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repin {
    /// The group.
    pub group: GroupRef,
    /// The id known from before.
    pub known: GroupId,
    /// The id that Vitable shows now.
    pub shown: GroupId,
    /// How many members rosterd knows in the group of before: of the other one it knows nobody.
    pub members: usize,
}

/// Why there is nothing to accept.
#[derive(Debug, thiserror::Error)]
pub enum RepinError {
    /// A sentence.
    #[error("{0}")]
    Refused(String),
    /// The ledger fails.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Engine {
    /// Looks at Vitable for the id that a group has now.
    ///
    /// # Errors
    /// When it is the known one, when no group or several have the reference, when a request is in flight, and when
    /// Vitable cannot be reached or belongs to another organization.
    pub async fn to_repin(&self, group: &GroupRef) -> Result<Repin, RepinError> {
        let refused = |why: String| Err(RepinError::Refused(why));
        let Some(known) = self.ledger.group_pin(group) else {
            return refused(format!(
                "no id is known of a group `{group}`: the first sync takes the one that Vitable shows; `rosterd status` lists the groups"
            ));
        };
        let newest = self.ledger.newest_attempt(group)?;
        if let Some(attempt) = newest.filter(|attempt| attempt.state.in_flight()) {
            return refused(format!(
                "a request of run {} is still in flight for `{group}`; it has to end first",
                attempt.run
            ));
        }
        let contact = match self.contact(false).await {
            Ok(contact) => contact,
            Err(NoContact::Ledger(error)) => return Err(error.into()),
            Err(NoContact::Refused(why)) => return refused(why),
        };
        match contact.find(group) {
            Ok(shown) if shown == known => refused(format!(
                "`{group}` is {known} at Vitable, as rosterd knows it; there is nothing to accept"
            )),
            Ok(shown) => {
                let members = self.ledger.coverage_with(group, &|_, _| false)?.len();
                Ok(Repin { group: group.clone(), known, shown, members })
            }
            Err(why) => refused(why),
        }
    }

    /// Accepts the other id on this person's word: from now on the group is a first sync.
    ///
    /// # Errors
    /// When it cannot be recorded, and while a request is in flight.
    pub fn repin(&self, repin: &Repin, by: &str) -> Result<(), LedgerError> {
        self.ledger.set_group_pin(&repin.group, &repin.shown)?;
        tracing::warn!(group = %repin.group, from = %repin.known, to = %repin.shown, by, "a person accepted another group id");
        let scope = Scope { kinds: &[Kind::GroupChangedId], group: Some(&repin.group), ..Scope::NOTHING };
        self.tell(&[], scope)
    }
}
