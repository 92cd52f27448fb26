//! What the configuration says of alerts, checked.

use std::{path::PathBuf, time::Duration};

/// Who is told, and how. `alerts: none` is said aloud, never left out.
#[derive(Clone, Debug)]
pub enum Settings {
    /// Nobody shall be told.
    None,
    /// Mails, as files in a folder.
    Folder {
        /// Where the `.eml` files go.
        folder: PathBuf,
        /// The sender, with an optional name; [`super::is_mailbox`] holds.
        from: String,
        /// The recipients; [`super::is_mailbox`] holds for each.
        to: Vec<String>,
        /// An open problem is mailed again this often.
        remind_every: Duration,
    },
}

impl Settings {
    /// How often an open incident is mailed again; none when nobody is told.
    #[must_use]
    pub fn remind_every(&self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Folder { remind_every, .. } => Some(*remind_every),
        }
    }
}
