//! Incidents and mails in the ledger's own words, and what is written of them together with a change of state.

use crate::roster::FeedName;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An incident as remembered: `notify` writes and reads the body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredIncident {
    /// Its identity: kind, feed, group and what distinguishes it.
    pub key: String,
    /// The incident itself.
    pub body: serde_json::Value,
    /// When it opened.
    pub opened: DateTime<Utc>,
    /// When it last changed.
    pub changed: DateTime<Utc>,
    /// When it was last mailed, and how often.
    pub mailed: Option<DateTime<Utc>>,
    /// The Message-ID of its first mail: the thread.
    pub thread: Option<String>,
    /// How many mails it led to.
    pub mails: u32,
    /// When it was over.
    pub resolved: Option<DateTime<Utc>>,
    /// Whether the last mail of it said that it is open.
    #[serde(default)]
    pub told_open: bool,
    /// When mails of it were made, the oldest first: those of the last day.
    #[serde(default)]
    pub recent: Vec<DateTime<Utc>>,
}

impl StoredIncident {
    /// Whether it is not over, or nobody was told yet that it is: then it stands in the index of open ones.
    pub(super) fn is_untold(&self) -> bool {
        self.resolved.is_none() || self.told_open
    }
}

/// A mail that waits for its transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMail {
    /// Fixed when it enters the outbox, so that a second delivery is recognised.
    pub message_id: String,
    /// Who gets it.
    pub to: Vec<String>,
    /// The whole message as it is sent.
    pub message: String,
    /// When it entered the outbox.
    pub queued: DateTime<Utc>,
    /// Its place among all mails: the ledger counts them as they come. Zero until then, and in records of 0.1.
    #[serde(default)]
    pub place: u64,
    /// What else may still come into it; nothing once it may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gathering: Option<Box<Gathering>>,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried again; none before the first try. Records of 0.1 have none of these.
    #[serde(default)]
    pub next_try: Option<DateTime<Utc>>,
    /// Whether what failed last was the transport rather than this mail: then no later mail overtakes it.
    #[serde(default)]
    pub blocks: bool,
    /// How often a server that took others' mails put this one off for everybody.
    #[serde(default)]
    pub put_off: u32,
    /// Who has it already.
    #[serde(default)]
    pub delivered: Vec<String>,
    /// Who is refused for good.
    #[serde(default)]
    pub refused: Vec<String>,
    /// Why the last try failed, in words without personal data.
    #[serde(default)]
    pub last_error: Option<String>,
}

impl StoredMail {
    /// A mail that enters the outbox.
    #[must_use]
    pub fn new(message_id: String, to: Vec<String>, message: String, queued: DateTime<Utc>) -> Self {
        Self {
            message_id,
            to,
            message,
            queued,
            place: 0,
            gathering: None,
            tries: 0,
            next_try: None,
            blocks: false,
            put_off: 0,
            delivered: Vec::new(),
            refused: Vec::new(),
            last_error: None,
        }
    }
}

/// That a mail waits for what else the runs of these feeds have to tell, so that what belongs together comes together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gathering {
    /// It goes then at the latest.
    pub until: DateTime<Utc>,
    /// It goes when no run of these goes on.
    pub feeds: Vec<FeedName>,
    /// What it tells so far: `notify` writes and reads it.
    pub tells: serde_json::Value,
}

/// What is written together with a change of state, in the same batch.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Incidents that opened, changed or were resolved.
    pub incidents: Vec<StoredIncident>,
    /// Their mails.
    pub mails: Vec<StoredMail>,
    /// The mails of the last while by list of recipients, when these are among them.
    pub budget: Option<BTreeMap<String, Vec<DateTime<Utc>>>>,
}
