//! The unit: nothing that systemd would complain of, and as closed as docs/systemd.md says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::world::Ran;
use std::{fs, process::Command};

const UNIT: &str = "systemd/rosterd.service";

/// systemd-analyze reads files and starts nothing. It looks for the program where the unit says, so the built binary
/// lies there, in a mount namespace that nobody else sees.
fn analyze(arguments: &[&str]) -> Ran {
    let script = "set -e; mount -t tmpfs none /usr/local/bin; cp \"$1\" /usr/local/bin/rosterd; shift; exec systemd-analyze \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_rosterd")]);
    Ran::of(command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap())
}

#[test]
fn systemd_has_nothing_to_say_against_the_unit() {
    let ran = analyze(&["verify", "--man=no", UNIT]).ends(0);
    assert_eq!(ran.text(), "");
}

#[test]
fn the_unit_is_as_closed_as_the_docs_say() {
    let docs = fs::read_to_string("docs/systemd.md").unwrap();
    let said = docs.split("exposure level of **").nth(1).unwrap().split("**").next().unwrap();
    // In tenths, as the threshold is.
    let threshold = said.replace('.', "");
    assert!(threshold.parse::<u32>().unwrap() < 20, "{said}");
    let ran =
        analyze(&["security", "--offline=true", "--no-pager", &format!("--threshold={threshold}"), UNIT]);
    let level = ran.out.lines().find(|line| line.contains("Overall exposure level")).unwrap().to_owned();
    ran.ends(0);
    assert!(level.contains(&format!(": {said} ")), "the docs say {said}: {level}");
}

#[test]
fn the_unit_says_what_the_daemon_relies_on() {
    let unit = fs::read_to_string(UNIT).unwrap();
    for line in [
        "Type=notify",
        "ExecStartPre=-/usr/local/bin/rosterd check",
        "ExecStart=/usr/local/bin/rosterd run",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "RestartPreventExitStatus=2",
        "RuntimeDirectoryPreserve=restart",
        "LoadCredential=vitable_api_key:/etc/rosterd/vitable_api_key",
        "PrivateUsers=no",
        "LimitCORE=0",
        "UMask=0077",
    ] {
        assert!(unit.lines().any(|each| each == line), "{line}");
    }
    let users = fs::read_to_string("systemd/rosterd.sysusers").unwrap();
    assert!(users.lines().any(|line| line.starts_with("u rosterd ")), "{users}");
}
