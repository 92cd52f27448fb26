//! `rosterd repin`.

use super::{
    Exit, Failure,
    desk::{Desk, Talk},
};
use crate::{engine::RepinError, roster::GroupRef};
use clap::Args;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct Repin {
    /// The group's `external_reference_id`.
    group: String,
    /// Do not ask.
    #[arg(long)]
    pub(super) yes: bool,
    /// The id that was shown, once the person has agreed to it.
    #[arg(skip)]
    pub(super) agreed: Option<Vec<String>>,
}

/// In two rounds: the first shows both ids, the second accepts the one that was shown and no other.
pub(super) async fn run(desk: &Desk, command: Repin, talk: &dyn Talk) -> Result<Exit, Failure> {
    let engine = desk.engine();
    let group = GroupRef::new(&command.group).map_err(|error| Failure::wrong(error.to_string()))?;
    let found = engine.to_repin(&group).await.map_err(|error| match error {
        RepinError::Refused(why) => Failure::text(why),
        RepinError::Ledger(error) => error.into(),
    })?;
    let Some(agreed) = &command.agreed else {
        talk.err(&format!(
            "{group} was {} and is {} at Vitable. What rosterd knows of it ({} covered) is of the former one and is forgotten; the next sync is a first sync, and replaces whoever Vitable covers there. Ask Vitable first whether it is the same employer.\n",
            found.known, found.shown, found.members
        ))?;
        talk.ask(vec![found.shown.to_string()]);
        return Ok(Exit::Done);
    };
    if !agreed.contains(&found.shown.to_string()) {
        return Err(Failure::wrong(format!(
            "{group} is {} at Vitable by now, which is not the id that was shown; nothing was changed",
            found.shown
        )));
    }
    engine.repin(&found, &desk.by)?;
    if desk.daemon().is_none() {
        engine.deliver().await?;
    }
    talk.out(&format!("{group} is {} from now on; its next sync is a first sync\n", found.shown))?;
    Ok(Exit::Done)
}
