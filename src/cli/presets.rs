//! `rosterd presets`.

use super::{Exit, Failure, render, table::table};
use crate::config::{self, Parameter, Preset};
use clap::{Args, Subcommand};
use std::{fmt::Write as _, io::Write as _};

#[derive(Clone, Debug, Args)]
pub(super) struct Presets {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print machine-readable output: docs/json.md is its contract.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Show one: how to use it, its trap, what is known and what is not, and the whole of it.
    Show {
        /// Its name.
        name: String,
    },
}

pub(super) fn run(command: &Presets) -> Result<Exit, Failure> {
    let presets = config::presets();
    let text = match &command.command {
        Some(Command::Show { name }) => {
            let Some(about) = presets.iter().find(|about| about.preset == *name) else {
                let names: Vec<&str> = presets.iter().map(|about| about.preset.as_str()).collect();
                return Err(Failure::wrong(format!(
                    "there is no preset `{name}`; there are {}",
                    names.join(", ")
                )));
            };
            shown(about, config::preset(name).unwrap_or_default()).map_err(Failure::failed)?
        }
        None if command.json => render::pretty(&serde_json::json!({ "presets": presets }))?,
        None => listed(&presets),
    };
    write!(std::io::stdout().lock(), "{text}")?;
    Ok(Exit::Done)
}

fn listed(presets: &[Preset]) -> String {
    let mut rows = table(&["preset", "of", "reads"], 3);
    for about in presets {
        rows.add_row([&about.preset, &about.name, &about.reads]);
    }
    format!(
        "{rows}\nhow to use one, and what is not confirmed of it: rosterd presets show NAME\none of your own: docs/http.md, \"A preset of your own\"\n"
    )
}

fn shown(about: &Preset, file: &str) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(
        out,
        "# {}: reads {}.\n#\n# In your configuration, with a mapping of its own built in:\n",
        about.name, about.reads
    )?;
    out.push_str(&usage(about)?);
    writeln!(out, "\n# What is not confirmed of it, and `rosterd check` repeats:")?;
    for text in &about.unconfirmed {
        writeln!(out, "# - {text}")?;
    }
    writeln!(out, "\n# The whole preset:\n\n{}", file.trim_end())?;
    Ok(out)
}

/// A source that uses the preset, as it may stand in a configuration.
fn usage(about: &Preset) -> Result<String, std::fmt::Error> {
    let mut out = format!("sources:\n  hris:\n    http:\n      preset: {}\n      with:\n", about.preset);
    for parameter in &about.parameters {
        match value(about, parameter) {
            (value, true) => writeln!(out, "        {}: {value}    # {}", parameter.name, parameter.about)?,
            (value, false) => writeln!(
                out,
                "        # {}: {value}    # {}; this is the default",
                parameter.name, parameter.about
            )?,
        }
    }
    out.push_str("    fields: { plan_id: { value: pln_… } }    # no HR system knows Vitable's plans: a constant, or a column with `values`\n");
    Ok(out)
}

/// What may stand for a parameter, and whether it must be said.
fn value(about: &Preset, parameter: &Parameter) -> (String, bool) {
    if let Some(default) = &parameter.default {
        return (default.clone(), false);
    }
    let value = match (&parameter.example, parameter.secret) {
        (Some(example), _) => example.clone(),
        (None, true) => format!("{{ credential: {}_{} }}", about.preset, parameter.name),
        (None, false) => "…".to_owned(),
    };
    (value, true)
}
