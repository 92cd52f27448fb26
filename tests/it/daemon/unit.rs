//! The unit's own command lines, where it has them, from READY to STOPPING: in a private mount namespace, with the
//! directories and the credential that systemd would give.

use super::{
    super::world::{Setup, World, put},
    Daemon, day, until,
};
use std::process::Command;

/// The value of a line of the unit, without the minus that lets it fail.
fn line(key: &str) -> String {
    let unit = std::fs::read_to_string("systemd/rosterd.service").unwrap();
    let value = unit.lines().find_map(|line| line.strip_prefix(&format!("{key}=")).map(str::to_owned));
    value.unwrap().trim_start_matches('-').to_owned()
}

/// The program and the configuration lie where the unit has them; nobody else sees it.
const INSIDE: &str = "set -e
mount -t tmpfs none /usr/local/bin
cp \"$1\" /usr/local/bin/rosterd
mkdir -p \"$2/upper\" \"$2/work\"
mount -t overlay overlay -o lowerdir=/etc,upperdir=\"$2/upper\",workdir=\"$2/work\" /etc
mkdir -p /etc/rosterd
cp \"$2/rosterd.yaml\" /etc/rosterd/rosterd.yaml
$3
exec $4";

#[test]
fn the_units_command_lines_run_from_ready_to_stopping() {
    let world = World::new(&Setup { guard: "first_sync: submit".to_owned(), ..Setup::default() });
    let folder = world.folder.path().display().to_string();
    // As docs/systemd.md has it: a credential, the state and the socket where systemd puts them.
    let text = std::fs::read_to_string(world.path("rosterd.yaml")).unwrap();
    let text = text
        .replace("api_key: { file: api.key }", "api_key: { credential: vitable_api_key }")
        .replace("state_dir: state\n", "")
        .replace("folder: mail", &format!("folder: {folder}/mail"))
        .replace("path: inbox/", &format!("path: {folder}/inbox/"));
    put(&world.path("rosterd.yaml"), &text);
    std::fs::create_dir(world.path("credentials")).unwrap();
    std::fs::create_dir(world.path("runtime")).unwrap();
    put(&world.path("credentials/vitable_api_key"), rosterd::sandbox::API_KEY);
    world.arrives("day-1.csv", &day(3));

    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", INSIDE, "sh"]);
    command.args([env!("CARGO_BIN_EXE_rosterd"), &folder, &line("ExecStartPre"), &line("ExecStart")]);
    command.env("STATE_DIRECTORY", world.path("state")).env("RUNTIME_DIRECTORY", world.path("runtime"));
    command.env("CREDENTIALS_DIRECTORY", world.path("credentials")).env("WATCHDOG_USEC", "600000");
    let daemon = Daemon::spawn(command);
    daemon.hears("READY=1");
    daemon.hears("WATCHDOG=1");

    // A command that is typed has neither the credential nor systemd's directories.
    let socket = world.path("runtime/control.sock");
    let typed = text.replacen(
        "alerts:\n",
        &format!("state_dir: state\ncontrol_socket: {}\nalerts:\n", socket.display()),
        1,
    );
    put(&world.path("rosterd.yaml"), &typed);
    let sync = world.rosterd(&["sync", "acme"]).ends(0);
    assert!(sync.out.contains("done: 2 groups submitted"), "{}", sync.out);
    assert_eq!(world.covered("acme-east").len(), 3);

    let reload = line("ExecReload").replace("$MAINPID", &daemon.pid().to_string());
    assert!(Command::new("sh").args(["-c", &reload]).status().unwrap().success());
    daemon.hears("RELOADING=1");
    daemon.hears("READY=1");
    daemon.signal("TERM");
    daemon.hears("STOPPING=1");
    let (code, said) = daemon.ends();
    assert_eq!(code, Some(0), "{said}");
    until("the socket is gone", || (!socket.exists()).then_some(()), || said.clone());
}
