//! `rosterd empty`.

use super::{
    Exit, Failure,
    desk::{Desk, Talk},
    sync,
};
use crate::{decide::Emptying, engine::EmptyError, roster::GroupRef};
use clap::Args;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct Empty {
    /// The group's `external_reference_id`.
    group: String,
    /// Why; kept with the group.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The group's name once more, instead of being asked for it.
    #[arg(long, value_name = "NAME", conflicts_with = "undo")]
    pub(super) confirm: Option<String>,
    /// Take it back: the group's rosters are submitted again from the next sync on.
    #[arg(long)]
    undo: bool,
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
}

/// In two rounds, as an approval: the first says what it means and asks for the group's name.
pub(super) async fn run(desk: &Desk, command: Empty, talk: &dyn Talk) -> Result<Exit, Failure> {
    let engine = desk.engine();
    let group = GroupRef::new(&command.group).map_err(|error| Failure::wrong(error.to_string()))?;
    if command.undo {
        let word = (desk.by.as_str(), command.reason.as_str());
        let retired = engine.no_longer_empty(&group, word).map_err(failure)?;
        if desk.daemon().is_none() {
            engine.deliver().await?;
        }
        talk.out(&format!(
            "{group} is no longer retired ({} had emptied it on {}); the next sync of its feed submits its roster, within the guard: more people than `added` allows wait for your approval\n",
            retired.by,
            retired.at.format("%Y-%m-%d")
        ))?;
        return Ok(Exit::Done);
    }
    let members = engine.before_emptying(&group).map_err(failure)?;
    let Some(typed) = &command.confirm else {
        talk.err(&format!(
            "{group}: every member that rosterd knows there ({members}) loses coverage at Vitable. The group is retired then: no feed submits to it until `rosterd empty {group} --undo`.\n"
        ))?;
        talk.ask(vec![group.to_string()]);
        return Ok(Exit::Done);
    };
    let Some(emptying) = Emptying::confirmed(&group, typed) else {
        return Err(Failure::wrong(format!("`{typed}` is not the group's name; nothing was submitted")));
    };
    let pass = desk.empty(&emptying, &command.reason, talk).await.map_err(failure)?;
    if desk.daemon().is_none() {
        engine.deliver().await?;
    }
    sync::print(engine, &[pass], command.json, talk)
}

fn failure(error: EmptyError) -> Failure {
    match error {
        EmptyError::Refused(why) => Failure::text(why),
        EmptyError::Ledger(error) => error.into(),
    }
}
