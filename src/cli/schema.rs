//! `rosterd schema`.

use super::{Exit, Failure};
use std::io::Write;

pub(super) fn run() -> Result<Exit, Failure> {
    let text = serde_json::to_string_pretty(&crate::config::schema()).map_err(Failure::failed)?;
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(Exit::Done)
}
