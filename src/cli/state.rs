//! `rosterd state`: the state directory's care.

use super::{
    Exit, Failure,
    desk::{Desk, Request, Talk},
    open, remote, render,
};
use crate::{
    clock::{Clock, SystemClock},
    config::Settings,
    ledger::{Checked, CopyHead, CopyMade, Ledger, NewKey, RekeyError, Rekeyed, Restore, RestoreDone},
    secret::Secret,
};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

/// A shorter key could be guessed.
const SHORTEST_KEY: usize = 32;

#[derive(Debug, Subcommand)]
pub(super) enum State {
    /// Copy the whole state into one checksummed file.
    Backup(Backup),
    /// Put a copy in the place of the state: every group is a first sync then.
    Restore(RestoreFrom),
    /// Read everything that is in the state directory, and say what is found.
    Check(CheckState),
    /// Seal the state with another key.
    Rekey(Rekey),
}

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct Backup {
    /// The file to make; there must be none of that name.
    file: PathBuf,
    /// Put the key into it, too: whoever has the file can then read the members' records.
    #[arg(long)]
    with_key: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct From {
    /// A backup, or a `before-upgrade-*` of the state directory.
    file: Option<PathBuf>,
    /// The newest copy beside the state.
    #[arg(long)]
    copy: bool,
}

#[derive(Debug, Args)]
pub(super) struct RestoreFrom {
    #[command(flatten)]
    from: From,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, Args, Serialize, Deserialize)]
pub(super) struct CheckState {
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct Rekey {
    /// The new key is the secret in this file.
    #[arg(long, value_name = "PATH")]
    to_file: Option<PathBuf>,
    /// The new key is the secret in this environment variable.
    #[arg(long, value_name = "NAME")]
    to_env: Option<String>,
    /// The new key is the systemd credential of this name.
    #[arg(long, value_name = "NAME")]
    to_credential: Option<String>,
}

pub(super) async fn run(config: Option<PathBuf>, command: State) -> Result<Exit, Failure> {
    match command {
        State::Backup(command) => {
            // The daemon that makes it has another working directory.
            let file = absolute(&command.file)?;
            remote::run(config, Request::Backup(Backup { file, ..command })).await
        }
        State::Check(command) => remote::run(config, Request::StateCheck(command)).await,
        State::Restore(command) => restore(&open::settings(config)?, &command),
        State::Rekey(command) => {
            let lines = rekey(&open::settings(config)?, &command, SystemClock.now())?;
            writeln!(std::io::stdout(), "{}", lines.join("\n"))?;
            Ok(Exit::Done)
        }
    }
}

pub(super) fn backup(desk: &Desk, command: &Backup, talk: &dyn Talk) -> Result<Exit, Failure> {
    let (ledger, now) = (desk.ledger(), desk.engine().clock().now());
    if command.with_key && !ledger.has_own_key() {
        return Err(Failure::wrong(
            "`--with-key` is about the key file of the state directory, and the state key is the secret that `state_key` names; keep a copy of that secret yourself, and leave `--with-key` out".to_owned(),
        ));
    }
    let made = ledger.backup_to(&command.file, command.with_key, now)?;
    let lines = backed_up(&command.file, &made, ledger.has_own_key());
    talk.out(&format!("{}\n", lines.join("\n")))?;
    Ok(Exit::Done)
}

pub(super) fn check(desk: &Desk, command: CheckState, talk: &dyn Talk) -> Result<Exit, Failure> {
    let checked = desk.ledger().check(desk.engine().clock().now())?;
    if command.json {
        let value = serde_json::to_value(&checked).map_err(Failure::failed)?;
        talk.out(&render::pretty(&value)?)?;
    } else {
        talk.out(&format!("{}\n", findings(&checked).join("\n")))?;
    }
    Ok(if checked.problems.is_empty() { Exit::Done } else { Exit::Failed })
}

/// What is said of a backup that was made.
fn backed_up(file: &Path, made: &CopyMade, own_key: bool) -> Vec<String> {
    let mut lines = vec![format!("{}: {} bytes", file.display(), made.size)];
    lines.extend(contents(&made.head));
    lines.push(format!("sha256 {}", made.sha256));
    lines.push(match (made.head.with_key, own_key) {
        (true, _) => "the key is in it: whoever has this file can read the members' records; keep it as you keep the key".to_owned(),
        (false, false) => "the key is not in it: without the secret that `state_key` names this backup cannot be read; keep that secret in another place, too".to_owned(),
        (false, true) => "the key is not in it: without `state.key` of the state directory this backup cannot be read; keep a copy of that file in another place, or add `--with-key`".to_owned(),
    });
    lines
}

fn contents(head: &CopyHead) -> Vec<String> {
    let change = head.last_change.map_or_else(|| "none".to_owned(), minute);
    vec![
        format!("made {} by rosterd {}, state format {}", minute(head.made), head.version, head.format),
        format!(
            "{} groups, {} runs, {} roster files, {} records; last change {change} (number {})",
            head.groups, head.runs, head.rosters, head.entries, head.sequence
        ),
    ]
}

fn restore(settings: &Settings, command: &RestoreFrom) -> Result<Exit, Failure> {
    let key = key(settings)?;
    let restore = match &command.from.file {
        Some(file) => Restore::from_file(&settings.state_dir, file, key.as_ref()),
        None => Restore::from_copy(&settings.state_dir, key.as_ref()),
    };
    let restore = restore.map_err(Failure::failed)?;
    writeln!(std::io::stderr(), "{}", about_to_restore(&restore).join("\n"))?;
    if !command.yes && !agreed()? {
        return Err(Failure::text("nothing was restored".to_owned()));
    }
    let done = restore.commit(SystemClock.now()).map_err(Failure::failed)?;
    writeln!(std::io::stdout(), "{}", restored(&done).join("\n"))?;
    Ok(Exit::Done)
}

fn key(settings: &Settings) -> Result<Option<SecretString>, Failure> {
    settings.state_key.as_ref().map(Secret::read).transpose().map_err(Failure::failed)
}

/// What is said before a person is asked.
fn about_to_restore(restore: &Restore) -> Vec<String> {
    let mut lines: Vec<String> =
        restore.passed_over().iter().map(|why| format!("passed over: {why}")).collect();
    lines.push(format!("`{}` is whole, and the key opens it", restore.copy().display()));
    lines.extend(contents(restore.head()));
    lines.extend(restore.forgotten().iter().map(|lost| {
        let request = lost.request_id.as_ref().map_or_else(
            || "a request whose answer has not come".to_owned(),
            |id| format!("`{id}`"),
        );
        format!(
            "{request} to {} is in flight and not in it: nobody will ask for it any more; keep this line, and look at Vitable's list of the group before you approve its next roster",
            lost.group
        )
    }));
    lines.push("what happened after that is not in it: every group becomes a first sync, which waits for a person; holds and approvals are void; mails that wait are not sent; open runs are not begun again".to_owned());
    lines
}

fn agreed() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::wrong(
            "there is no terminal to ask on; add `--yes` if this is the copy that you want".to_owned(),
        ));
    }
    write!(std::io::stderr(), "put it in the place of the state? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// What is said of a restore.
fn restored(done: &RestoreDone) -> Vec<String> {
    let voided = &done.voided;
    let mut lines = vec![
        format!(
            "restored; the former state is in `{}`, remove it when nothing of it is needed",
            done.aside.display()
        ),
        format!(
            "{} groups are first syncs now: compare each roster with Vitable's own list before you approve it",
            voided.groups
        ),
    ];
    let mut say = |number: u64, text: String| {
        if number > 0 {
            lines.push(text);
        }
    };
    say(
        voided.holds,
        format!(
            "{} holds are void, {} of them approved or rejected: they are decided afresh",
            voided.holds, voided.words
        ),
    );
    say(voided.runs, format!("{} runs had no end: they have failed, and are not begun again", voided.runs));
    say(
        voided.polled,
        format!("{} requests were in flight: the next `sync` asks Vitable for them", voided.polled),
    );
    say(
        voided.unknown,
        format!("{} requests may have been sent or not: the next `sync` says so by mail", voided.unknown),
    );
    say(
        voided.todos,
        format!(
            "{} files were to be moved or deleted at their sources (`after_success`): they are left where they are",
            voided.todos
        ),
    );
    say(
        voided.mails,
        format!(
            "{} mails waited and are not sent, since they probably were; what is still open is mailed again after `alerts.remind_every`",
            voided.mails
        ),
    );
    for note in &done.notes {
        lines.push(format!("from the reserve of the former state: {note}"));
    }
    lines.push("to begin, type: rosterd sync --all".to_owned());
    lines
}

/// What a check has found.
fn findings(checked: &Checked) -> Vec<String> {
    let mut lines = checked.facts.clone();
    lines.extend(checked.warnings.iter().map(|text| format!("warning: {text}")));
    lines.extend(checked.problems.iter().map(|text| format!("WRONG: {text}")));
    lines.push(if checked.problems.is_empty() {
        "the state is well".to_owned()
    } else {
        "the state is damaged; to go on from the copy beside it, type: rosterd state restore --copy"
            .to_owned()
    });
    lines
}

fn rekey(settings: &Settings, command: &Rekey, now: DateTime<Utc>) -> Result<Vec<String>, Failure> {
    let new = match (&command.to_file, &command.to_env, &command.to_credential) {
        (Some(path), _, _) => Some((Secret::File(absolute(path)?), "file")),
        (_, Some(name), _) => Some((Secret::Env(name.clone()), "env")),
        (_, _, Some(name)) => Some((Secret::Credential(name.clone()), "credential")),
        (None, None, None) => None,
    };
    let secret = new.as_ref().map(|(place, _)| place.read()).transpose().map_err(Failure::failed)?;
    if secret.as_ref().is_some_and(|secret| secret.expose_secret().trim().chars().count() < SHORTEST_KEY) {
        return Err(Failure::wrong(format!(
            "the new key has fewer than {SHORTEST_KEY} characters, so that it could be guessed; make one with `openssl rand -base64 32`, in a file of mode 0600"
        )));
    }
    let words = new.as_ref().map(|(place, kind)| {
        let name = match place {
            Secret::File(path) => path.display().to_string(),
            Secret::Env(name) | Secret::Credential(name) => name.clone(),
        };
        format!("{{ {kind}: {name} }}")
    });
    let key = match (&secret, &words) {
        (Some(secret), Some(place)) => NewKey::Secret { secret, place },
        _ => NewKey::OwnFile,
    };
    let ledger: Ledger = open::ledger(settings)?;
    let done = ledger.rekey(key, settings.state_key.is_some(), now).map_err(|error| match error {
        RekeyError::SameKey => Failure::wrong(error.to_string()),
        RekeyError::Ledger(error) => error.into(),
        RekeyError::Open(error) => error.into(),
    })?;
    Ok(rekeyed(&done))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    Ok(std::path::absolute(path)?)
}

/// What is said of a change of the key.
fn rekeyed(done: &Rekeyed) -> Vec<String> {
    let mut lines = vec![format!(
        "{} records in {} roster files are sealed with the new key; a new copy lies beside the state, the former ones are removed",
        done.members, done.rosters
    )];
    lines.push(match &done.remedy {
        Some(remedy) => format!("now {remedy}"),
        None => "the configuration stays as it is: the new key is in `state.key` of the state directory"
            .to_owned(),
    });
    lines.push(match &done.former {
        Some(former) => format!(
            "the former key is in `{}`: backups of before need it; move it to them, or remove it",
            former.display()
        ),
        None => "backups of before need the former key: keep it as long as you keep them".to_owned(),
    });
    lines
}

fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
