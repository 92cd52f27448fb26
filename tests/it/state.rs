//! `rosterd state`, with the built binary and the sandbox: nobody loses coverage by a state that was restored.

use crate::daemon::Daemon;
use crate::world::{Setup, World, people, person, put};
use std::fs;

/// A world whose first roster is confirmed, and which lets first syncs pass.
fn settled() -> World {
    let setup = Setup { guard: "first_sync: submit, added: 50".to_owned(), ..Setup::default() };
    let world = World::new(&setup);
    world.arrives("roster.csv", &[people(1..=10, "East"), people(21..=23, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(0);
    world
}

fn file(world: &World, name: &str) -> String {
    world.path(name).display().to_string()
}

#[test]
fn after_a_restore_nothing_is_submitted_before_a_person_has_looked() {
    let world = settled();
    let backup = file(&world, "backup");
    let made = world.rosterd(&["state", "backup", &backup]).ends(0);
    for expected in ["2 groups, 1 runs", "sha256 ", "the key is not in it"] {
        assert!(made.out.contains(expected), "{expected}: {}", made.out);
    }
    let again = world.rosterd(&["state", "backup", &backup]).ends(1);
    assert!(again.err.contains("make the new file"), "{}", again.err);

    // After the backup two people are added, which the restored state does not know.
    world.arrives("roster-2.csv", &[people(1..=12, "East"), people(21..=23, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(0);
    let submits = world.sandbox.submits().len();
    let asked = world.rosterd(&["state", "restore", &backup]).ends(2);
    assert!(asked.err.contains("add `--yes`"), "{}", asked.err);
    let done = world.rosterd(&["state", "restore", &backup, "--yes"]).ends(0);
    assert!(done.out.contains("2 groups are first syncs now"), "{}", done.out);
    world.rosterd(&["state", "check"]).ends(0);
    let status = world.rosterd(&["status"]).ends(0);
    assert!(status.out.contains("the state was restored on"), "{}", status.out);

    // The next file lacks the two, and one more: nobody could count the two, so a person looks first, though
    // first syncs may pass.
    world.arrives("roster-3.csv", &[people(1..=9, "East"), people(21..=23, "West")].concat());
    let held = world.rosterd(&["sync", "acme"]).ends(3);
    assert!(held.out.contains("the state was restored on"), "{}", held.out);
    assert_eq!(world.sandbox.submits().len(), submits, "nothing is sent");
    assert_eq!(world.covered("acme-east").len(), 12);
    assert!(
        world.mails().iter().any(|mail| mail.contains("restored on")),
        "a person is told: {:#?}",
        world.mails()
    );

    // A person has compared: from then on it is as before, after one submit more.
    world.arrives("roster-4.csv", &[people(1..=12, "East"), people(21..=23, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(3);
    world.approve().ends(0);
    assert_eq!(world.covered("acme-east").len(), 12);
    world.rosterd(&["sync", "acme"]).ends(0);
    world.arrives(
        "roster-5.csv",
        &[people(1..=12, "East"), people(21..=23, "West"), vec![person(24, "West")]].concat(),
    );
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.covered("acme-west").len(), 4);
    world.rosterd(&["state", "check"]).ends(0);
}

#[test]
fn an_approval_from_before_a_backup_releases_nothing_after_it() {
    let west = people(21..=23, "West");
    let mut world = World::settled(&Setup::default(), &[people(1..=10, "East"), west.clone()].concat());
    world.arrives("roster-2.csv", &[people(1..=5, "East"), west].concat());
    world.rosterd(&["sync", "acme"]).ends(3);
    // Said, and not carried out: Vitable cannot be reached in that moment.
    let run = world.json(&["runs", "--limit", "1", "--json"])["runs"][0]["id"].to_string();
    world.vitable_goes_away();
    world.rosterd(&["approve", &run, "--all", "--reason", "they left", "--yes"]).ends(1);
    let backup = file(&world, "backup");
    world.rosterd(&["state", "backup", &backup]).ends(0);
    world.vitable_comes_back();
    let done = world.rosterd(&["state", "restore", &backup, "--yes"]).ends(0);
    assert!(done.out.contains("2 holds are void, 2 of them approved or rejected"), "{}", done.out);
    world.rosterd(&["sync", "acme"]).ends(3);
    assert_eq!(world.covered("acme-east").len(), 10, "the five are covered still");
}

#[test]
fn a_damaged_state_says_what_to_type_and_that_helps() {
    let world = settled();
    world.ledger().write_copy(chrono::DateTime::UNIX_EPOCH).unwrap();
    let db = world.path("state/store/db");
    let used = fs::read(&db).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    fs::File::options().write(true).open(&db).unwrap().set_len(used as u64 / 2).unwrap();
    let said = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(said.err.contains("the state is damaged"), "{}", said.err);
    assert!(!said.err.contains("a defect"), "no panic is shown: {}", said.err);
    let typed = said.err.split_once("type: rosterd ").unwrap().1.split('.').next().unwrap();
    assert_eq!(typed, "state restore --copy");
    let checked = world.rosterd(&["state", "check"]).ends(1);
    assert!(checked.err.contains("state restore --copy"), "{}", checked.err);
    world.rosterd(&["state", "restore", "--copy", "--yes"]).ends(0);
    world.rosterd(&["sync", "acme"]).ends(3);
    world.approve().ends(0);
    let checked = world.rosterd(&["state", "check"]).ends(0);
    assert!(checked.out.contains("the state is well"), "{}", checked.out);
    for number in 1..=10 {
        assert!(!checked.out.contains(&format!("E-{number}")), "no person: {}", checked.out);
    }
}

#[test]
fn another_key_changes_nothing_but_the_key() {
    let world = settled();
    let before = world.json(&["status", "--json"]);
    let done = world.rosterd(&["state", "rekey"]).ends(0);
    assert!(done.out.contains("13 records in 2 roster files"), "{}", done.out);
    world.rosterd(&["state", "check"]).ends(0);
    assert_eq!(world.json(&["status", "--json"]), before);
    // The same roster is the same roster: nobody counts as changed.
    let plan = world.json(&["plan", "acme", "--json"]);
    let groups = plan["runs"][0]["run"]["groups"].as_array().unwrap().clone();
    assert_eq!(groups.len(), 2);
    for group in groups {
        assert_eq!(group["counts"]["updated"], 0, "{group}");
        assert_eq!(group["counts"]["unchanged"], group["counts"]["covered"], "{group}");
    }
    // To a secret: the configuration has to follow, and every command says how until it does.
    put(&world.path("state.secret"), "a long secret of an invented partner\n");
    let secret = file(&world, "state.secret");
    let done = world.rosterd(&["state", "rekey", "--to-file", &secret]).ends(0);
    let line = format!("state_key: {{ file: {secret} }}");
    assert!(done.out.contains(&line), "{}", done.out);
    assert!(!done.text().contains("invented partner"), "{}", done.text());
    let refused = world.rosterd(&["status"]).ends(1);
    assert!(refused.err.contains(&line), "{}", refused.err);
    let text = fs::read_to_string(world.path("rosterd.yaml")).unwrap();
    put(&world.path("rosterd.yaml"), &text.replace("state_dir: state", &format!("state_dir: state\n{line}")));
    world.rosterd(&["state", "check"]).ends(0);
    let wrong = world.rosterd(&["state", "backup", &file(&world, "b"), "--with-key"]).ends(2);
    assert!(wrong.err.contains("`--with-key`"), "{}", wrong.err);
    world.arrives("roster-2.csv", &[people(1..=10, "East"), people(21..=24, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.covered("acme-west").len(), 4);
}

#[test]
fn a_daemon_backs_its_state_up_and_keeps_it_to_itself() {
    let world = settled();
    let daemon = Daemon::start(&world);
    let backup = file(&world, "backup");
    let made = world.rosterd(&["state", "backup", &backup, "--with-key"]).ends(0);
    assert!(made.out.contains("the key is in it"), "{}", made.out);
    let checked = world.rosterd(&["state", "check", "--json"]).ends(0);
    assert!(checked.out.contains("\"problems\": []"), "{}", checked.out);
    for command in [["restore", "--copy"].as_slice(), &["restore", &backup, "--yes"], &["rekey"]] {
        let refused = world.rosterd(&[&["state"], command].concat()).ends(1);
        assert!(refused.err.contains("in use by another rosterd"), "{command:?}: {}", refused.err);
    }
    drop(daemon);
    // On another host, with nothing but the backup.
    fs::remove_dir_all(world.path("state")).unwrap();
    world.rosterd(&["state", "restore", &backup, "--yes"]).ends(0);
    world.rosterd(&["state", "check"]).ends(0);
    world.rosterd(&["sync", "acme"]).ends(3);
}
