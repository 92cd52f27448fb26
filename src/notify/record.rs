//! An incident as it is remembered between runs.

use super::{History, Incident, policy::LATELY};
use chrono::{DateTime, Utc};

/// The same fields as the ledger's stored incident, since `notify` knows no ledger; the engine copies them
/// one by one.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// [`Incident::key`].
    pub key: String,
    /// The [`Incident`] as it was last seen.
    pub body: serde_json::Value,
    /// When it opened.
    pub opened: DateTime<Utc>,
    /// When its reason last changed.
    pub changed: DateTime<Utc>,
    /// When it was last mailed.
    pub mailed: Option<DateTime<Utc>>,
    /// The Message-ID of its first mail: the thread.
    pub thread: Option<String>,
    /// How many mails it led to since it opened.
    pub mails: u32,
    /// When it was over.
    pub resolved: Option<DateTime<Utc>>,
    /// Whether the last mail of it said that it is open.
    pub told_open: bool,
    /// When mails of it were made, the oldest first: those of the last day.
    pub recent: Vec<DateTime<Utc>>,
}

impl Record {
    /// The incident, unless a newer rosterd wrote a body that this one cannot read.
    #[must_use]
    pub fn incident(&self) -> Option<Incident> {
        serde_json::from_value(self.body.clone()).ok()
    }

    /// Whether it is not over.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.resolved.is_none()
    }

    /// What the policy needs of it.
    #[must_use]
    pub fn history(&self) -> History {
        History {
            opened: self.opened,
            changed: self.changed,
            mailed: self.mailed,
            told_open: self.told_open,
            recent: self.recent.clone(),
            reason_digest: self.incident().map(|incident| incident.reason_digest()),
            resolved: self.resolved,
            thread: self.thread.clone(),
        }
    }

    /// A record of an incident that opens now and was not mailed yet.
    pub(crate) fn opened(incident: &Incident, now: DateTime<Utc>) -> Self {
        Self {
            key: incident.key(),
            body: body_of(incident),
            opened: now,
            changed: now,
            mailed: None,
            thread: None,
            mails: 0,
            resolved: None,
            told_open: false,
            recent: Vec::new(),
        }
    }

    /// The record of an incident that was over and comes back. Where its end was not told, nothing has happened for
    /// whoever reads the mails.
    pub(crate) fn came_back(&self, incident: &Incident, now: DateTime<Utc>) -> Self {
        if self.told_open {
            return Self { resolved: None, ..self.seen_again(incident, now) };
        }
        Self { recent: self.recent.clone(), ..Self::opened(incident, now) }
    }

    /// The record of an incident that was mailed past the outbox, when it opened and when it was mailed last.
    #[must_use]
    pub fn told_directly(
        incident: &Incident,
        (opened, mailed): (DateTime<Utc>, DateTime<Utc>),
        thread: &str,
    ) -> Self {
        let mut record = Self::opened(incident, opened);
        record.note_mail(thread, mailed);
        record
    }

    /// The record of an open incident that is seen again.
    pub(crate) fn seen_again(&self, incident: &Incident, now: DateTime<Utc>) -> Self {
        let same = self.history().reason_digest == Some(incident.reason_digest());
        Self { body: body_of(incident), changed: if same { self.changed } else { now }, ..self.clone() }
    }

    /// Notes that the mail that tells of it, and has not gone yet, tells of it as it is now: no other mail.
    pub(crate) fn note_change(&mut self, now: DateTime<Utc>) {
        self.mailed = Some(now);
        self.told_open = self.is_open();
    }

    /// Notes that a mail with this Message-ID tells of it as it is.
    pub(crate) fn note_mail(&mut self, message_id: &str, now: DateTime<Utc>) {
        self.note_change(now);
        self.recent.retain(|mailed| now.signed_duration_since(*mailed) < LATELY);
        self.recent.push(now);
        self.mails = self.mails.saturating_add(1);
        self.thread.get_or_insert_with(|| message_id.to_owned());
    }
}

fn body_of(incident: &Incident) -> serde_json::Value {
    // Texts, numbers and lists of them: this cannot fail.
    serde_json::to_value(incident).unwrap_or_default()
}
