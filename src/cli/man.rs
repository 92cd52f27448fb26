//! `rosterd man`: one page with every command, from the same words as `--help`.

use super::{Cli, Exit, Failure};
use clap::{Command, CommandFactory};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use std::io::{self, Write};

/// A section of terms and what they mean.
type Terms = &'static [(&'static str, &'static str)];

const FILES: Terms = &[
    ("/etc/rosterd/rosterd.yaml", "The configuration, unless --config or ROSTERD_CONFIG names another file."),
    (
        "/var/lib/rosterd",
        "The state: who is covered, and every request. state_dir or STATE_DIRECTORY names another folder. Keep it on a local disk, and back it up.",
    ),
    (
        "/run/rosterd/control.sock",
        "Where the daemon listens for the other commands. control_socket names another file; without RUNTIME_DIRECTORY it is control.sock in the state directory.",
    ),
];

const ENVIRONMENT: Terms = &[
    ("ROSTERD_CONFIG", "The configuration's file."),
    (
        "ROSTERD_LOG",
        "What is logged: a level (error, warn, info, debug, trace), or levels for modules such as warn,rosterd=debug. rosterd run logs at info, every other command at warn.",
    ),
    (
        "ROSTERD_LOG_FORMAT",
        "text or json: lines of this form on stderr. Without it they go to the journal, with their fields, when stderr leads there, and are text elsewhere.",
    ),
    (
        "STATE_DIRECTORY, RUNTIME_DIRECTORY",
        "Set by systemd: the state directory, and the folder of the control socket.",
    ),
    ("CREDENTIALS_DIRECTORY", "Set by systemd: where { credential: NAME } is looked for."),
    (
        "JOURNAL_STREAM, NOTIFY_SOCKET, WATCHDOG_USEC",
        "Set by systemd: the journal, and whom rosterd run tells how it fares.",
    ),
    ("HTTPS_PROXY, NO_PROXY", "The proxy on the way to Vitable, unless vitable.proxy names one."),
];

const EXIT_STATUS: Terms = &[
    ("0", "Done, nothing left to do."),
    ("1", "Failed."),
    ("2", "The configuration or the command line is wrong."),
    ("3", "Held, waiting for a person."),
    ("4", "Done, but members or rows were left out, carried forward or refused by Vitable."),
];

const EXIT_ORDER: &str = "With several feeds 2 goes before 1, before 3, before 4, before 0.";

const SIGNALS: Terms = &[
    ("SIGHUP", "rosterd run reads its configuration again. A wrong one changes nothing, and is told."),
    (
        "SIGTERM, SIGINT",
        "rosterd run takes no more work, ends what it has begun, and ends with 0. A second signal means now.",
    ),
];

pub(super) fn run() -> Result<Exit, Failure> {
    let page = page(Cli::command())?;
    io::stdout().lock().write_all(&page)?;
    Ok(Exit::Done)
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone()).manual("rosterd");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    heading(&mut out, "COMMANDS")?;
    for each in command.get_subcommands().filter(|each| !each.is_hide_set()) {
        subcommand(&mut out, each)?;
    }
    terms(&mut out, "EXIT STATUS", EXIT_STATUS)?;
    let mut order = Roff::new();
    order.control("PP", []).text([roman(EXIT_ORDER)]);
    order.to_writer(&mut out)?;
    terms(&mut out, "SIGNALS", SIGNALS)?;
    terms(&mut out, "FILES", FILES)?;
    terms(&mut out, "ENVIRONMENT", ENVIRONMENT)?;
    man.render_version_section(&mut out)?;
    Ok(out)
}

/// A command with its own, `state backup` below `state`.
fn subcommand(out: &mut Vec<u8>, command: &Command) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    // What every command has stands once, at the top.
    let common = |id: &str| matches!(id, "help" | "version" | "config");
    let own =
        command.clone().mut_args(|arg| if common(arg.get_id().as_str()) { arg.hide(true) } else { arg });
    let has_options = own.get_arguments().any(|arg| !arg.is_hide_set());
    let man = Man::new(own);
    Roff::new().control("SS", [name.as_str()]).to_writer(out)?;
    below(out, |part| man.render_synopsis_section(part))?;
    Roff::new().control("PP", []).to_writer(out)?;
    below(out, |part| man.render_description_section(part))?;
    if has_options {
        below(out, |part| man.render_options_section(part))?;
    }
    for each in command.get_subcommands().filter(|each| !each.is_hide_set()) {
        subcommand(out, each)?;
    }
    Ok(())
}

/// A section's text without its heading.
fn below(out: &mut Vec<u8>, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut part = Vec::new();
    render(&mut part)?;
    for line in part.split_inclusive(|byte| *byte == b'\n').filter(|line| !line.starts_with(b".SH ")) {
        out.extend_from_slice(line);
    }
    Ok(())
}

fn heading(out: &mut Vec<u8>, title: &str) -> io::Result<()> {
    Roff::new().control("SH", [title]).to_writer(out)
}

fn terms(out: &mut Vec<u8>, title: &str, terms: Terms) -> io::Result<()> {
    heading(out, title)?;
    let mut roff = Roff::new();
    for (term, meaning) in terms {
        roff.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
    }
    roff.to_writer(out)
}
