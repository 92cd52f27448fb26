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
        /// The sender, with an optional name.
        from: String,
        /// The recipients.
        to: Vec<String>,
        /// An open problem is mailed again this often.
        remind_every: Duration,
    },
}
