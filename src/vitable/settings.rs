//! What the configuration says of Vitable, checked.

use crate::{roster::OrganizationId, secret::Secret};
use std::{path::PathBuf, time::Duration};
use url::Url;

/// How Vitable is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `https`, or `http` on a loopback address. Without a trailing slash in use.
    pub base_url: Url,
    /// The API key, read afresh when it was refused.
    pub api_key: Secret,
    /// For `X-Vitable-Organization`.
    pub organization: Option<OrganizationId>,
    /// Without progress.
    pub timeout: Duration,
    /// HTTP requests at a time, all feeds together.
    pub max_in_flight: usize,
    /// A larger roster is held.
    pub max_members_per_sync: u64,
    /// How requests in flight are looked after.
    pub poll: Poll,
    /// A proxy for every request.
    pub proxy: Option<Url>,
    /// Certificates added to the system's roots.
    pub ca_file: Option<PathBuf>,
}

/// How a request in flight is looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll {
    /// Between the answer and the first look.
    pub first: Duration,
    /// The longest wait between two looks.
    pub max: Duration,
    /// After this a person is told.
    pub stuck_after: Duration,
    /// After this the attempt is timed out.
    pub give_up_after: Duration,
}

impl Default for Poll {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            max: Duration::from_secs(60),
            stuck_after: Duration::from_secs(15 * 60),
            give_up_after: Duration::from_secs(24 * 60 * 60),
        }
    }
}
