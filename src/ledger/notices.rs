//! Incidents and the outbox: written in the batch of what they tell, kept until a person can know it.

use super::{Facts, Ledger, StoredIncident, StoredMail, error::Result, key, store::Tx};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

impl Ledger {
    /// Every incident, or those that are open, in the order of their keys.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn incidents(&self, open_only: bool) -> Result<Vec<StoredIncident>> {
        if open_only { self.open_incidents("") } else { self.store.scan(key::INCIDENTS) }
    }

    /// The open incidents whose keys begin so: among ten thousand open ones those of one feed.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn open_incidents(&self, beginning: &str) -> Result<Vec<StoredIncident>> {
        let mut open = self.untold_incidents(beginning)?;
        open.retain(|incident| incident.resolved.is_none());
        Ok(open)
    }

    /// The same, and those that are over and whose end nobody was told yet.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn untold_incidents(&self, beginning: &str) -> Result<Vec<StoredIncident>> {
        let keys: Vec<String> = self.store.scan(&key::open_incidents(beginning))?;
        keys.iter().filter_map(|key| self.incident(key).transpose()).collect()
    }

    /// The mails of the last while, by list of recipients.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn mail_budget(&self) -> Result<BTreeMap<String, Vec<DateTime<Utc>>>> {
        Ok(self.store.get(key::MAIL_BUDGET)?.unwrap_or_default())
    }

    /// The incident with this key.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn incident(&self, key: &str) -> Result<Option<StoredIncident>> {
        self.store.get(&key::incident(key))
    }

    /// The same, if it is open.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn open_incident(&self, key: &str) -> Result<Option<StoredIncident>> {
        Ok(self.incident(key)?.filter(|incident| incident.resolved.is_none()))
    }

    /// Records incidents and mails that no other change of state brings, in one batch.
    ///
    /// # Errors
    /// When they cannot be recorded.
    pub fn record(&self, facts: Facts) -> Result<()> {
        self.store.write("ledger-after-record", |tx| put_facts(tx, &facts))
    }

    /// The mails that wait for their transport, in the order in which they came.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn outbox(&self) -> Result<Vec<StoredMail>> {
        let mut mails: Vec<StoredMail> = self.store.scan(key::OUTBOX)?;
        mails.sort_by(|a, b| (a.place, a.queued, &a.message_id).cmp(&(b.place, b.queued, &b.message_id)));
        Ok(mails)
    }

    /// The mail with this Message-ID, if it waits.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn mail(&self, message_id: &str) -> Result<Option<StoredMail>> {
        self.store.get(&key::mail(message_id))
    }

    /// Nothing more becomes of the mail: whoever takes it has it, or it was given up. It leaves the outbox, in one
    /// batch with what this brings. Of a mail that is not there the facts alone are recorded.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn mail_settled(&self, message_id: &str, facts: &Facts) -> Result<()> {
        self.store.write("ledger-after-mail-settled", |tx| {
            tx.remove(key::mail(message_id))?;
            put_facts(tx, facts)
        })
    }

    /// The mail goes on waiting, with what the last try has changed, in one batch with what this brings. A mail
    /// that is not there any more does not come back.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn mail_waits(&self, mail: &StoredMail, facts: &Facts) -> Result<()> {
        self.store.write("ledger-after-mail-waits", |tx| {
            let key = key::mail(&mail.message_id);
            if tx.get::<StoredMail>(&key)?.is_some() {
                tx.put(key, mail)?;
            }
            put_facts(tx, facts)
        })
    }
}

/// Adds incidents and mails to a change.
pub(super) fn put_facts(tx: &mut Tx<'_>, facts: &Facts) -> Result<()> {
    for incident in &facts.incidents {
        tx.put(key::incident(&incident.key), incident)?;
        let open = key::open_incident(&incident.key);
        if incident.is_untold() {
            tx.put(open, &incident.key)?;
        } else {
            tx.remove(open)?;
        }
    }
    for mail in &facts.mails {
        let place = if mail.place == 0 { tx.count_up(key::MAILS)? } else { mail.place };
        tx.put(key::mail(&mail.message_id), &StoredMail { place, ..mail.clone() })?;
    }
    if let Some(budget) = &facts.budget {
        tx.put(key::MAIL_BUDGET.to_vec(), budget)?;
    }
    Ok(())
}
