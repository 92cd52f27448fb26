//! Every command works while the daemon owns the state, through its socket.

use super::{
    super::world::{Setup, World, put, roster, shows_nobody},
    Daemon, all, day, until,
};
use rosterd::sandbox::Faults;
use std::{os::unix::fs::PermissionsExt, process::Stdio};

#[test]
fn a_whole_day_goes_over_the_socket() {
    let world = World::new(&Setup::default());
    let daemon = Daemon::start(&world);
    let mode = std::fs::metadata(world.path("state/control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);

    world.arrives("day-1.csv", &day(5));
    let held = world.rosterd(&["sync", "acme"]).ends(3);
    assert!(held.err.contains("reading source `acme`"), "progress is streamed: {}", held.err);
    assert!(held.out.contains("held: 2 groups waiting"), "{}", held.out);
    let shown = world.rosterd(&["show", "1"]).ends(0);
    assert!(shown.out.contains("acme-east"), "{}", shown.out);

    // Nobody is at a terminal: the change is shown, and nothing is released.
    let refused = world.rosterd(&["approve", "1", "--all", "--reason", "seen"]).ends(2);
    assert!(refused.err.contains("change ") && refused.err.contains("add `--yes`"), "{}", refused.err);
    let approved = world.rosterd(&["approve", "1", "--all", "--reason", "seen", "--yes"]).ends(0);
    assert!(approved.err.contains("acme-east: completed: 5 added"), "{}", approved.err);
    assert_eq!(world.covered("acme-east").len(), 5);
    let again = world.rosterd(&["approve", "1", "--reason", "seen", "--yes"]).ends(2);
    assert!(again.err.contains("nothing is held under run 1"), "{}", again.err);

    // A local file travels with the command, and keeps its name.
    let elsewhere = tempfile::tempdir().unwrap();
    let corrected = elsewhere.path().join("corrected.csv");
    put(&corrected, &roster(&day(6)));
    let named = corrected.display().to_string();
    let plan = world.rosterd(&["plan", "acme", "--file", &named]).ends(0);
    assert!(plan.out.contains(&named) && plan.out.contains("nothing was submitted"), "{}", plan.out);
    let sent = world.rosterd(&["sync", "acme", "--file", &named]).ends(0);
    assert!(sent.out.contains(&named), "{}", sent.out);
    assert_eq!(world.covered("acme-east").len(), 6);
    put(&corrected, "");
    let empty = world.rosterd(&["sync", "acme", "--file", &named]).ends(1);
    assert!(empty.err.contains("is empty; nothing was read"), "{}", empty.err);

    let runs = world.json(&["runs", "--json"]);
    assert_eq!(runs["runs"].as_array().unwrap().len(), 3, "{runs}");
    let status = world.json(&["status", "--json"]);
    assert_eq!(status["daemon"]["pid"], daemon.pid());
    assert_eq!(status["groups"][0]["members"], 6);
    world.rosterd(&["status"]).ends(0);
    let wrong = world.rosterd(&["sync", "globex"]).ends(2);
    assert!(wrong.err.contains("there is no feed `globex`; the feeds are: `acme`"), "{}", wrong.err);
    let said = daemon.stop();
    shows_nobody(&said);

    // Without it the same commands work over the state.
    let status = world.json(&["status", "--json"]);
    assert!(status["daemon"].is_null());
}

#[test]
fn who_approves_is_the_account_at_the_other_end_of_the_socket() {
    let world = World::new(&Setup::default());
    let daemon = Daemon::start(&world);
    world.arrives("day-1.csv", &day(3));
    world.rosterd(&["sync", "acme"]).ends(3);
    world.rosterd(&["reject", "1", "acme-east", "--reason", "wrong client"]).ends(0);
    let status = world.json(&["status", "--json"]);
    let name =
        String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    assert_eq!(status["groups"][0]["held"][0]["word"]["by"], name.trim());
    daemon.stop();
}

#[test]
fn a_command_whose_person_goes_away_goes_on() {
    let world = World::new(&Setup { guard: "first_sync: submit".to_owned(), ..Setup::default() });
    world.sandbox.set_faults(Faults { processing_ms: Some(1500), ..Faults::default() });
    let daemon = Daemon::start(&world);
    world.arrives("day-1.csv", &day(3));
    let mut sync = world.command(&["sync", "acme"]);
    let mut sync = sync.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the roster is accepted", || (!world.sandbox.submits().is_empty()).then_some(()), || daemon.said());
    sync.kill().unwrap();
    sync.wait().unwrap();
    drop(all(sync.stderr.take().unwrap()));
    until(
        "the run ends all the same",
        || {
            let runs = world.json(&["runs", "--json"]);
            (runs["runs"][0]["result"]["outcome"] == "done").then_some(())
        },
        || daemon.said(),
    );
    assert_eq!(world.covered("acme-east").len(), 3);
    daemon.stop();
}

#[test]
fn a_second_daemon_and_a_state_in_use_are_refused_and_a_left_socket_is_not_in_the_way() {
    let world = World::new(&Setup::default());
    let daemon = Daemon::start(&world);
    let second = world.rosterd(&["run"]).ends(1);
    assert!(second.err.contains("in use by another rosterd"), "{}", second.err);
    // The first one goes on.
    world.rosterd(&["status"]).ends(0);
    daemon.kill();
    assert!(world.path("state/control.sock").exists(), "a killed daemon leaves its socket");
    let direct = world.rosterd(&["status"]).ends(0);
    assert!(direct.out.contains("no daemon runs here"), "{}", direct.out);
    Daemon::start(&world).stop();
    assert!(!world.path("state/control.sock").exists(), "a stopped one takes it away");
}

#[test]
fn two_syncs_of_one_feed_take_turns() {
    let world = World::new(&Setup { guard: "first_sync: submit".to_owned(), ..Setup::default() });
    let daemon = Daemon::start(&world);
    world.arrives("day-1.csv", &day(3));
    let spawn = || {
        let mut command = world.command(&["sync", "acme"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both: Vec<_> =
        [spawn(), spawn()].into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let codes: Vec<_> = both.iter().map(|output| output.status.code().unwrap()).collect();
    // Whoever comes second finds the groups in flight, or done: never two at a time.
    assert!(
        codes.contains(&0) && codes.iter().all(|code| [0, 1].contains(code)),
        "{codes:?}: {}",
        daemon.said()
    );
    assert_eq!(world.covered("acme-east").len(), 3);
    daemon.stop();
}
