//! The manual page and the completions know every command.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::world::Ran;
use std::{
    io::Write,
    process::{Command, Stdio},
};

fn rosterd(arguments: &[&str]) -> Ran {
    Ran::of(Command::new(env!("CARGO_BIN_EXE_rosterd")).args(arguments).output().unwrap())
}

/// As `--help` lists them.
fn commands() -> Vec<String> {
    let help = rosterd(&["--help"]).ends(0).out;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<String> = names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(names.len() > 10 && names.contains(&"sync".to_owned()), "{help}");
    names.into_iter().filter(|name| name != "help").collect()
}

#[test]
fn the_manual_page_has_every_command_and_no_fault() {
    let page = rosterd(&["man"]).ends(0).out;
    // groff warns of whatever it does not understand, and draws the page all the same.
    let mut groff = Command::new("groff")
        .args(["-man", "-Tutf8", "-ww", "-P-cbou"])
        .env("MANWIDTH", "100")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("groff; tests/run.sh installs it");
    groff.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let drawn = Ran::of(groff.wait_with_output().unwrap()).ends(0);
    assert_eq!(drawn.err, "");
    for name in commands() {
        assert!(drawn.out.contains(&format!("   rosterd {name}\n")), "`{name}` is missing:\n{}", drawn.out);
    }
    for section in ["EXIT STATUS", "SIGNALS", "FILES", "ENVIRONMENT", "VERSION"] {
        assert!(drawn.out.lines().any(|line| line == section), "{section}:\n{}", drawn.out);
    }
    for word in [
        "ROSTERD_CONFIG",
        "ROSTERD_LOG_FORMAT",
        "/etc/rosterd/rosterd.yaml",
        "SIGHUP",
        "waiting for a person",
    ] {
        assert!(drawn.out.contains(word), "{word}:\n{}", drawn.out);
    }
}

#[test]
fn every_shell_completes_every_command() {
    let commands = commands();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = rosterd(&["completions", shell]).ends(0).out;
        for name in &commands {
            assert!(script.contains(name.as_str()), "{shell} does not know `{name}`");
        }
    }
    let script = rosterd(&["completions", "bash"]).out;
    let syntax = Ran::of(Command::new("bash").args(["-n", "-c", &script]).output().unwrap()).ends(0);
    assert_eq!(syntax.err, "");
    let wrong = rosterd(&["completions", "tcsh"]).ends(2);
    assert!(wrong.err.contains("possible values"), "{}", wrong.err);
}
