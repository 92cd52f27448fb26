//! What goes over the control socket: HTTP/1.1, a command as JSON with an optional file behind it, an answer as one
//! JSON value a line.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /v1/about` | [`About`] |
//! | `POST /v1/command`: the length of the command in `x-rosterd-command`, the command, then the bytes of the local file, if it names one | lines of [`Event`], the last one [`Event::Exit`] |

use crate::engine::Step;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The header that says how many bytes of the body are the command.
pub(super) const COMMAND: &str = "x-rosterd-command";
/// The largest command. It holds names and reasons, never rows; the longest are the references of a million members
/// whom a previous system covered.
pub(super) const LARGEST_COMMAND: usize = 64 << 20;

/// What a daemon says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The version of its program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The state directory that it owns.
    pub state_dir: PathBuf,
    /// The configuration that it works by.
    pub config: PathBuf,
    /// Since when it runs.
    pub started: DateTime<Utc>,
    /// Why scheduled runs wait, if they do: the name of the incident's kind.
    pub waits_for: Option<String>,
    /// When Vitable is tried again, while they wait.
    pub tried_at: Option<DateTime<Utc>>,
    /// How the heartbeat goes; none when none is configured.
    #[serde(default)]
    pub heartbeat: Option<Beat>,
}

/// How the heartbeat goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// When it was last taken, since the daemon started.
    pub at: Option<DateTime<Utc>>,
    /// Why none goes now, if none does.
    pub why: Option<String>,
}

/// Something that a command says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Data, for stdout.
    Out(String),
    /// Talk, for stderr.
    Err(String),
    /// A step of the work.
    Step(Step),
    /// The person has to agree to the changes with these digests.
    Ask(Vec<String>),
    /// It is over, with this exit code. Always the last one.
    Exit(u8),
}
