//! Groups that a person emptied on purpose: nothing is submitted for them until a person takes that back.

use super::{Ledger, error::Result, key};
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
}

impl Ledger {
    /// Whether the group is retired.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn retired(&self, group: &GroupRef) -> Result<Option<Retired>> {
        self.store.get(&key::retired(group))
    }

    /// Every retired group, by reference.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn retired_groups(&self) -> Result<Vec<Retired>> {
        self.store.scan(key::RETIRED)
    }

    /// Retires a group: from now on nothing is submitted for it but what empties it.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn retire(&self, retired: &Retired) -> Result<()> {
        self.store.write("ledger-after-record", |tx| tx.put(key::retired(&retired.group), retired))
    }

    /// The group is an ordinary one again.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn no_longer_retired(&self, group: &GroupRef) -> Result<()> {
        self.store.write("ledger-after-record", |tx| tx.remove(key::retired(group)))
    }
}
