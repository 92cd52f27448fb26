//! One hop on the way to a peer, tried: what `rosterd check --connect` shows. Whoever knows the way makes the
//! list, and the last step of it is the one that failed, if one did.

use std::time::Duration;

/// One step of the way to a server of files, to Vitable or to a mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name, such as `resolve`, `host key` or `login`.
    pub hop: &'static str,
    /// How long it took.
    pub took: Duration,
    /// What was found; or what was seen instead, and what to do. Never a secret, never personal data.
    pub result: Result<String, String>,
}
