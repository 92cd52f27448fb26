//! Groups that a person emptied on purpose: nothing is submitted for them until a person takes that back. That it was
//! taken back is kept too, on whose word and why.

use super::{
    Facts, Ledger, NewRun, Run,
    error::Result,
    groups::{busy, group_state},
    key,
    notices::put_facts,
    runs,
};
use crate::roster::GroupRef;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// That a group is retired, and on whose word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// The group.
    pub group: GroupRef,
    /// Who: a user name or uid.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Who took it back, if somebody did: then the group is an ordinary one again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<Undone>,
}

/// That a group is no longer retired, and on whose word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// Who: a user name or uid.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Ledger {
    /// Whether the group is retired.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn retired(&self, group: &GroupRef) -> Result<Option<Retired>> {
        Ok(self.once_retired(group)?.filter(|retired| retired.undone.is_none()))
    }

    /// The last time that the group was retired, also when that was taken back.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn once_retired(&self, group: &GroupRef) -> Result<Option<Retired>> {
        self.store.get(&key::retired(group))
    }

    /// Every retired group, by reference.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn retired_groups(&self) -> Result<Vec<Retired>> {
        let mut retired: Vec<Retired> = self.store.scan(key::RETIRED)?;
        retired.retain(|each| each.undone.is_none());
        Ok(retired)
    }

    /// Retires a group, and begins the run that empties it, in one batch: from now on nothing is submitted for it but
    /// what empties it, and whoever is killed here finds the run again.
    ///
    /// # Errors
    /// While a request of the group is in flight ([`super::LedgerError::Busy`]), and when it cannot be recorded.
    pub fn retire(&self, retired: &Retired, new: &NewRun<'_>) -> Result<Run> {
        self.store.write("ledger-after-begin-run", |tx| {
            if let Some(kept) = group_state(tx, &retired.group)?.in_flight {
                return Err(busy(&retired.group, &kept));
            }
            tx.put(key::retired(&retired.group), retired)?;
            runs::begin(tx, new, retired.at)
        })
    }

    /// The group is an ordinary one again. What is told of it is in the same batch. Says who had retired it; `None` when
    /// nobody had.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn no_longer_retired(
        &self,
        group: &GroupRef,
        undone: &Undone,
        facts: &Facts,
    ) -> Result<Option<Retired>> {
        let at = key::retired(group);
        self.store.write("ledger-after-record", |tx| {
            let Some(before) = tx.get::<Retired>(&at)?.filter(|retired| retired.undone.is_none()) else {
                return Ok(None);
            };
            tx.put(at.clone(), &Retired { undone: Some(undone.clone()), ..before.clone() })?;
            put_facts(tx, facts)?;
            Ok(Some(before))
        })
    }
}
