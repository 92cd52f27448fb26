//! `rosterd explain`: one reference_id, from the last read and the ledger alone.

mod gather;
mod words;

use super::{
    Exit, Failure,
    desk::{Desk, Talk},
    open, render,
};
use clap::Args;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct Explain {
    /// The reference_id, exactly as the source has it.
    member: String,
    /// Only what this feed read, and its groups.
    #[arg(long)]
    feed: Option<String>,
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(desk: &Desk, command: &Explain, talk: &dyn Talk) -> Result<Exit, Failure> {
    let feed = match &command.feed {
        Some(name) => Some(open::feed(desk.engine(), name)?.name.clone()),
        None => None,
    };
    let explained = gather::explain(desk, &command.member, feed.as_ref())?;
    if explained.is_unknown() {
        return Err(Failure::text(words::unknown(&explained)));
    }
    if command.json {
        let value = serde_json::to_value(&explained).map_err(Failure::failed)?;
        talk.out(&render::pretty(&value)?)?;
        return Ok(Exit::Done);
    }
    let mut out = String::new();
    words::write(&mut out, desk.engine().clock().now(), &explained).map_err(Failure::failed)?;
    talk.out(&out)?;
    Ok(Exit::Done)
}
