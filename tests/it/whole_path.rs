//! The main job on real input: the built binary, OpenSSH's server, the sandbox over HTTP, restarts in between.

use crate::{
    sshd::Sshd,
    world::{Setup, World, canaries, people, person, put, roster, row},
};
use rosterd::sandbox::Faults;
use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    time::{Duration, SystemTime},
};

/// A world whose first roster, ten people in the east and three in the west, is confirmed.
fn settled(setup: &Setup) -> World {
    World::settled(setup, &[people(1..=10, "East"), people(21..=23, "West")].concat())
}

fn sftp(sshd: &Sshd, folder: &std::path::Path, host_key: &str) -> String {
    let key = sshd.path("ed25519");
    format!(
        "sftp:\n      host: 127.0.0.1\n      port: {}\n      username: {}\n      private_key: {{ file: {} }}\n      host_key: \"{host_key}\"\n      path: {}/*.csv\n      settle: 0s",
        sshd.port(),
        sshd.settings("ed25519").username,
        key.display(),
        folder.display(),
    )
}

#[test]
fn the_whole_path_twice_over_openssh_and_http() {
    let sshd = Sshd::start();
    let outbound = sshd.files();
    let setup =
        Setup { place: Some(sftp(&sshd, &outbound, &sshd.fingerprint("ed25519"))), ..Setup::default() };
    let world = World::new(&setup);
    let day_1 = [people(1..=10, "East"), people(21..=23, "West")].concat();
    put(&outbound.join("roster-1.csv"), &roster(&day_1));

    world.rosterd(&["check"]).ends(0);
    let held = world.rosterd(&["sync", "acme"]).ends(3);
    assert!(held.out.contains("never synced by rosterd"), "{}", held.out);
    assert!(world.sandbox.submits().is_empty(), "nothing is sent before a person approved it");
    assert!(world.mails().iter().any(|mail| mail.contains("held")), "a person was told");

    let run = world.json(&["runs", "--json"])["runs"][0]["id"].to_string();
    let asked = world.rosterd(&["approve", &run, "--reason", "first roster"]).ends(2);
    assert!(asked.err.contains("--all"), "two groups are held: {}", asked.err);
    world.approve().ends(0);
    assert_eq!(world.covered("acme-east").len(), 10);
    assert_eq!(world.covered("acme-west"), ["E-21", "E-22", "E-23"]);

    // The second day: 10 has left, 11 is new.
    let mut day_2 = [people(1..=9, "East"), people(21..=23, "West")].concat();
    day_2.extend([row(10, "East", "Terminated"), person(11, "East")]);
    put(&outbound.join("roster-2.csv"), &roster(&day_2));
    let later = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    fs::File::options().write(true).open(outbound.join("roster-1.csv")).unwrap().set_modified(later).unwrap();
    let plan = world.rosterd(&["plan", "acme"]).ends(0);
    assert!(plan.out.contains("ended: E-10") && plan.out.contains("added: E-11"), "{}", plan.out);
    world.rosterd(&["sync", "acme"]).ends(0);
    let east: BTreeSet<String> = world.covered("acme-east").into_iter().collect();
    assert!(!east.contains("E-10") && east.contains("E-11") && east.len() == 10);

    // Each command was a new process: the request ids are all known.
    let known: BTreeSet<String> = world.json(&["runs", "--json"])["runs"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|run| {
            let shown = world.json(&["show", &run["id"].to_string(), "--json"]);
            let attempts = shown["attempts"].as_array().unwrap().clone();
            attempts.into_iter().map(|attempt| attempt["state"]["request_id"].as_str().unwrap().to_owned())
        })
        .collect();
    let sent: BTreeSet<String> =
        world.sandbox.requests().into_iter().map(|request| request.request_id).collect();
    assert_eq!(known, sent);
    assert_eq!(sent.len(), 4);
}

#[test]
fn a_wrong_host_key_is_refused_with_the_line_that_would_be_right() {
    let sshd = Sshd::start();
    let wrong = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let setup = Setup { place: Some(sftp(&sshd, &sshd.files(), wrong)), ..Setup::default() };
    let world = World::new(&setup);
    put(&sshd.files().join("roster.csv"), &roster(&people(1..=3, "East")));
    let ran = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(ran.text().contains("host key"), "{}", ran.text());
    let seen = ["ed25519", "rsa"].iter().any(|kind| ran.text().contains(&sshd.fingerprint(kind)));
    assert!(seen, "the fingerprint that was seen: {}", ran.text());
}

#[test]
fn what_is_not_a_whole_roster_sends_nothing_and_removes_nobody() {
    let world = settled(&Setup::default());
    let before = world.sandbox.submits().len();
    let whole = roster(&[people(1..=10, "East"), people(21..=23, "West")].concat());
    for (name, text, expected) in [
        ("empty", String::new(), "empty"),
        ("header only", roster(&[]), "min_rows"),
        ("html", "<!doctype html><html><body>Login</body></html>\n".to_owned(), "HTML"),
        ("json", "{\"employees\": []}\n".to_owned(), "JSON"),
        ("lost column", whole.replace("Phone", "Telephone"), "Phone"),
        ("open quote", whole.replace("E-23,Zqfirst23", "E-23,\"Zqfirst23"), "quote"),
        ("scientific ids", whole.replace("E-1,", "1.23E+47,"), "scientific"),
        ("mostly unusable", whole.replace(",NY,", ",Atlantis,"), "more than half"),
    ] {
        put(&world.path("inbox/day-2.csv"), &text);
        let ran = world.rosterd(&["sync", "acme"]).ends(1);
        assert!(ran.text().contains(expected), "{name}: {}", ran.text());
        for canary in canaries(23) {
            assert!(!ran.text().contains(&canary), "{name} shows {canary}: {}", ran.text());
        }
        assert_eq!(world.sandbox.submits().len(), before, "{name}");
    }
    // The same cause again is one mail, and the whole roster again is the end of it.
    put(&world.path("inbox/day-3.csv"), &whole);
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.covered("acme-east").len(), 10);
}

#[test]
fn a_truncated_file_never_ends_anybodys_coverage() {
    let world = settled(&Setup::default());
    let whole = roster(&[people(1..=10, "East"), people(21..=23, "West")].concat());
    for percent in [5, 20, 40, 60, 80, 90, 95, 99] {
        let cut = whole.len() * percent / 100;
        put(&world.path("inbox/day-2.csv"), whole.get(..cut).unwrap());
        let ran = world.rosterd(&["sync", "acme"]);
        assert!(matches!(ran.code, Some(1 | 3)), "{percent}%: {}", ran.text());
        assert_eq!(world.covered("acme-east").len(), 10, "{percent}%");
        assert_eq!(world.covered("acme-west").len(), 3, "{percent}%");
    }
}

#[test]
fn a_broken_phone_is_carried_and_a_refused_member_is_told() {
    let setup = Setup { covered_elsewhere: vec!["E-24".to_owned()], ..Setup::default() };
    let world = settled(&setup);
    let mut rows = [people(1..=10, "East"), people(21..=24, "West")].concat();
    rows[2] = rows[2].replace("5554200003", "555");
    world.arrives("day-2.csv", &rows);
    let ran = world.rosterd(&["sync", "acme"]).ends(4);
    assert!(ran.out.contains("E-3") && ran.out.contains("sent as last accepted"), "{}", ran.out);
    assert!(ran.out.contains("E-24: not added"), "{}", ran.out);
    assert_eq!(world.sandbox.members("acme-east")["E-3"]["phone"], "5554200003");
    assert_eq!(world.covered("acme-west").len(), 3);
    let mails = world.mails().join("\n");
    assert!(mails.contains("E-3") && mails.contains("E-24"));
}

#[test]
fn a_rejected_change_is_not_asked_for_again() {
    let world = settled(&Setup::default());
    world.arrives("day-2.csv", &[people(1..=5, "East"), people(21..=23, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(3);
    let mails = world.mails().len();
    let run = world.json(&["runs", "--limit", "1", "--json"])["runs"][0]["id"].to_string();
    // fewer_rows holds both groups.
    world.rosterd(&["reject", &run, "--all", "--reason", "the export is wrong"]).ends(0);
    let second = world.rosterd(&["approve", &run, "--all", "--reason", "no", "--yes"]).ends(1);
    assert!(second.err.contains("was first"), "{}", second.err);
    world.rosterd(&["sync", "acme"]).ends(3);
    let status = world.rosterd(&["status"]).ends(0);
    assert!(status.out.contains("rejected"), "{}", status.out);
    let held_again = world.mails().len() - mails;
    assert!(held_again <= 1, "at most the end of the incident is mailed: {held_again}");
    assert_eq!(world.covered("acme-east").len(), 10);
}

#[test]
fn the_api_away_or_strange_leaves_nothing_half_done() {
    let world = settled(&Setup::default());
    let faults = |faults: Faults| world.sandbox.set_faults(faults);
    let answer = |call: &str, json: serde_json::Value| -> Faults {
        let mut next = json;
        next["call"] = call.into();
        serde_json::from_value(serde_json::json!({ "next": [next] })).unwrap()
    };
    world.arrives("day-2.csv", &[people(1..=11, "East"), people(21..=23, "West")].concat());

    faults(Faults {
        filter_ignored: true,
        page_size: Some(1),
        extra_fields: true,
        guides_errors: true,
        ..Faults::default()
    });
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.covered("acme-east").len(), 11, "the right group on a late page");

    faults(Faults { wrong_organization: true, ..Faults::default() });
    let other = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(other.text().contains("org_"), "both organizations are named: {}", other.text());

    faults(Faults { date_skew_seconds: 1_200, ..Faults::default() });
    let clock = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(clock.text().contains("clock"), "{}", clock.text());

    faults(answer(
        "list_groups",
        serde_json::json!({ "answer": { "status": { "status": 401 } }, "times": 9 }),
    ));
    let refused = world.rosterd(&["sync", "acme"]);
    assert_ne!(refused.code, Some(0), "{}", refused.text());
    faults(Faults::default());
    world.rosterd(&["sync", "acme"]).ends(0);
}

#[test]
fn two_processes_are_one_too_many() {
    let world = World::new(&Setup { processing: Duration::from_secs(600), ..Setup::default() });
    world.arrives("day-1.csv", &people(1..=3, "East"));
    let key = None;
    let ledger =
        rosterd::ledger::Ledger::open(&world.path("state"), key, chrono::DateTime::UNIX_EPOCH).unwrap();
    let second = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(second.err.contains("in use"), "{}", second.err);
    drop(ledger);
}

#[test]
fn no_file_mail_or_word_of_ours_shows_a_person() {
    let world = settled(&Setup { covered_elsewhere: vec!["E-24".to_owned()], ..Setup::default() });
    let mut rows = [people(1..=10, "East"), people(21..=24, "West")].concat();
    rows[2] = rows[2].replace("5554200003", "555-Zq");
    rows[4] = rows[4].replace("Active", "Zqstatus5");
    world.arrives("day-2.csv", &rows);
    let mut said = String::new();
    for arguments in [
        &["plan", "acme"][..],
        &["plan", "acme", "--json"],
        &["sync", "acme"],
        &["status"],
        &["status", "--json"],
        &["runs", "--json"],
        &["show", "3"],
        &["show", "3", "--json"],
        &["sync", "acme", "--json"],
        &["explain", "E-3"],
        &["explain", "E-5", "--json"],
        &["explain", "E-24"],
        &["explain", "nobody"],
    ] {
        let mut command = world.command(arguments);
        let output = command.env("ROSTERD_LOG", "trace").output().unwrap();
        said.push_str(&String::from_utf8_lossy(&output.stdout));
        said.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    said.push_str(&world.mails().join("\n"));
    let state = world.files("state");
    for number in (1..=10).chain(21..=24) {
        for canary in canaries(number) {
            assert!(!said.contains(&canary), "{canary} was said");
            for (path, bytes) in &state {
                let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
                assert!(!found, "{canary} stands in {}", path.display());
            }
        }
    }
    assert!(!said.contains("vit_apk_sandbox"), "the API key was said");
    assert!(state.iter().any(|(path, _)| path.starts_with(world.path("state/traces"))), "the trace too");
    assert!(state.iter().any(|(path, _)| path.ends_with("state.key")), "the state was looked at");
}

#[test]
fn the_demo_goes_as_told() {
    let output = Command::new(env!("CARGO_BIN_EXE_rosterd")).arg("demo").output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    for expected in ["Day 1", "Day 2", "held", "E-2006", "Subject:"] {
        assert!(text.contains(expected), "`{expected}` is missing in:\n{text}");
    }
}

#[test]
fn help_is_there_for_every_command() {
    let help = Command::new(env!("CARGO_BIN_EXE_rosterd")).arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    for command in [
        "check", "sync", "plan", "status", "runs", "show", "explain", "approve", "reject", "sandbox", "demo",
        "schema",
    ] {
        assert!(text.contains(command), "{text}");
        let help = Command::new(env!("CARGO_BIN_EXE_rosterd")).args([command, "--help"]).output().unwrap();
        assert!(help.status.success());
    }
    let wrong = Command::new(env!("CARGO_BIN_EXE_rosterd")).arg("snyc").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("sync"), "the nearest name is offered");
}
