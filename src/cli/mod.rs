//! What people type. One file for each command; the only module that prints. Data goes to stdout, talk to
//! stderr.

mod alert_test;
mod approve;
mod baseline;
mod check;
mod completions;
#[cfg(feature = "failpoints")]
mod crash;
mod demo;
mod desk;
mod empty;
mod exit;
mod explain;
mod log;
mod man;
mod next_run;
mod open;
mod pause;
mod plan;
mod plan_text;
mod presets;
mod rejects;
mod remote;
mod render;
mod repin;
mod run;
mod runs;
mod sandbox;
mod schema;
mod show;
mod start;
mod state;
mod status;
mod sync;
mod table;
mod terminal;

pub use exit::{Exit, Failure};

use clap::{Args, Parser, Subcommand};
use desk::Request;
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, process::ExitCode};
use tracing::level_filters::LevelFilter;

/// Keeps Vitable group rosters in step with HR exports, and never removes anyone because of bad data.
#[derive(Debug, Parser)]
#[command(name = "rosterd", version, max_term_width = 100)]
struct Cli {
    /// The configuration [default: $ROSTERD_CONFIG, else /etc/rosterd/rosterd.yaml].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon, in the foreground: feeds by their schedules, and commands over the control socket.
    Run,
    /// Check the configuration and report every mistake at once.
    Check(check::Check),
    /// Run feeds now, wait until Vitable has finished, print what happened.
    Sync(sync::Sync),
    /// Show what a sync would do, member by member; submits nothing.
    Plan(plan::Plan),
    /// Show every feed and group: last completed roster, members, what is in flight or held, who waits since when.
    Status(Json),
    /// Show the history of runs.
    Runs(runs::Runs),
    /// Show one run whole: files, problem rows, each group, each request and its results.
    Show(show::Show),
    /// Explain one reference_id: its row in the last read, what was decided, where it is covered, what it waits for.
    Explain(explain::Explain),
    /// Release what a run holds, after showing it.
    Approve(approve::Approve),
    /// Refuse what a run holds, for good: it is not asked for again while it stays the same, and the group waits.
    Reject(approve::Reject),
    /// Empty a group on purpose and retire it: everybody in it loses coverage; or take that back.
    Empty(empty::Empty),
    /// Accept another `grp_` id for a group's reference: the group is a first sync then.
    Repin(repin::Repin),
    /// Let a feed not run by itself for a while.
    Pause(pause::Pause),
    /// Let a paused feed run by its schedule again.
    Resume(pause::Resume),
    /// Care for the state directory: back it up, restore it, check it, change its key.
    #[command(subcommand)]
    State(state::State),
    /// Send a test mail to everybody who is told of problems, and show what the mail server says.
    AlertTest,
    /// Serve a local Vitable API with the real one's behaviour, to try a configuration against.
    Sandbox(sandbox::Sandbox),
    /// Play the whole job against the sandbox: two days, with everything that can happen to a row.
    Demo(demo::Demo),
    /// List the presets for HR systems' APIs, or show one.
    Presets(presets::Presets),
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Print the completions of a shell.
    Completions(completions::Completions),
    /// Print the manual page: `rosterd man | man -l -`.
    Man,
}

/// For commands that report.
#[derive(Clone, Copy, Debug, Args, Serialize, Deserialize)]
struct Json {
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wrong = error.use_stderr();
            // A closed terminal is no reason to fail differently.
            drop(error.print());
            return if wrong { Exit::Wrong } else { Exit::Done }.into();
        }
    };
    // The daemon's log is read afterwards; a command's person sees what happens.
    log::start(if matches!(cli.command, Command::Run) { LevelFilter::INFO } else { LevelFilter::WARN });
    exit::quiet_panics();
    #[cfg(feature = "failpoints")]
    crash::arm();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return exit::report(&Failure::text(format!("cannot start the runtime: {error}"))).into();
        }
    };
    runtime.block_on(run(cli)).unwrap_or_else(|failure| exit::report(&failure)).into()
}

async fn run(cli: Cli) -> Result<Exit, Failure> {
    let config = cli.config;
    match cli.command {
        Command::Run => run::run(config).await,
        Command::Check(command) => check::run(config, command).await,
        Command::Sync(command) => remote::run(config, Request::Sync(command)).await,
        Command::Plan(command) => remote::run(config, Request::Plan(command)).await,
        Command::Status(json) => remote::run(config, Request::Status(json)).await,
        Command::Runs(command) => remote::run(config, Request::Runs(command)).await,
        Command::Show(command) => remote::run(config, Request::Show(command)).await,
        Command::Explain(command) => remote::run(config, Request::Explain(command)).await,
        Command::Approve(command) => remote::run(config, Request::Approve(command)).await,
        Command::Reject(command) => remote::run(config, Request::Reject(command)).await,
        Command::Empty(command) => remote::run(config, Request::Empty(command)).await,
        Command::Repin(command) => remote::run(config, Request::Repin(command)).await,
        Command::Pause(command) => remote::run(config, Request::Pause(command)).await,
        Command::Resume(command) => remote::run(config, Request::Resume(command)).await,
        Command::State(command) => state::run(config, command).await,
        Command::AlertTest => alert_test::run(config).await,
        Command::Sandbox(command) => sandbox::run(command).await,
        Command::Demo(command) => demo::run(command).await,
        Command::Presets(command) => presets::run(&command),
        Command::Schema => schema::run(),
        Command::Completions(command) => completions::run(&command),
        Command::Man => man::run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        notify::{Incident, Kind, remedy},
        roster::{FeedName, GroupRef, RequestId, RunId},
    };

    #[test]
    fn every_command_that_a_mail_names_can_be_typed() {
        let mut commands = 0;
        for &kind in Kind::ALL {
            let incident = Incident {
                feed: Some(FeedName::new("acme").unwrap()),
                group: Some(GroupRef::new("acme-east").unwrap()),
                run: Some(RunId(7)),
                request_id: Some(RequestId::new("grpmsr_1").unwrap()),
                ..Incident::new(kind, "")
            };
            for line in remedy(&incident).iter().filter(|line| line.starts_with("rosterd ")) {
                let parsed = Cli::try_parse_from(line.split_whitespace());
                assert!(parsed.is_ok(), "{}: `{line}`: {}", kind.name(), parsed.err().unwrap());
                commands += 1;
            }
        }
        assert!(commands > 20, "the words name commands");
    }
}
