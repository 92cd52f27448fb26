//! `rosterd check`.

use super::{Exit, Failure, open};
use std::{io::Write, path::PathBuf};

pub(super) fn run(config: Option<PathBuf>) -> Result<Exit, Failure> {
    let settings = open::settings(config)?;
    let mut out = std::io::stdout().lock();
    for warning in &settings.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    let feeds = settings.feeds.len();
    writeln!(
        out,
        "{}: the configuration is right: {feeds} {}",
        settings.path.display(),
        if feeds == 1 { "feed" } else { "feeds" }
    )?;
    Ok(Exit::Done)
}
