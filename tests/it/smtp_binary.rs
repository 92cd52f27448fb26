//! The built binary before a real mail server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    smtp::{MailServer, Manner, PASSWORD, put},
    world::{Ran, Setup, World, people},
};
use std::{collections::BTreeMap, fs};

/// A host whose mails go to this server, with two feeds, one of which has recipients of its own.
fn world(server: &MailServer, setup: &Setup) -> World {
    let world = World::new(setup);
    let text = fs::read_to_string(world.path("rosterd.yaml")).unwrap();
    let smtp = format!(
        "smtp: {{ host: localhost, port: {}, encryption: starttls, username: rosterd, password: {{ file: {} }}, ca_file: {} }}",
        server.port(),
        server.path("password").display(),
        server.path("ca.pem").display(),
    );
    let second =
        "  globex:\n    sources: [acme]\n    group: globex-all\n    alerts: { to: [hr@globex.example] }\n";
    put(&world.path("rosterd.yaml"), &(text.replace("folder: mail", &smtp) + second));
    world
}

fn server() -> Option<MailServer> {
    MailServer::start(Manner { mode: "starttls", auth: Some("login"), certificate: "right" })
}

#[test]
fn alert_test_shows_what_the_server_says_to_each_recipient() {
    let Some(server) = server() else { return };
    let world = world(&server, &Setup::default());
    let ran = world.rosterd(&["alert-test"]).ends(0);
    assert_eq!(
        ran.out,
        "ops@partner.example: taken: 250 2.0.0 queued as 0001\nhr@globex.example: taken: 250 2.0.0 queued as 0002\n"
    );
    assert_eq!(server.taken()[1].header("Subject"), "[rosterd] test mail");
    server.behave(&serde_json::json!({ "refuse": { "hr@globex.example": "550 5.1.1 no such user" } }));
    let ran = world.rosterd(&["alert-test"]).ends(1);
    assert!(
        ran.out.ends_with("\nhr@globex.example: refused: answers 550 5.1.1 no such user\n"),
        "{}",
        ran.out
    );
    put(&server.path("password"), "wrong-Zq\n");
    let ran = world.rosterd(&["alert-test"]).ends(1);
    let why = format!(
        "ops@partner.example: not sent: the mail server `localhost:{}` refuses the login (answers 535 5.7.8",
        server.port()
    );
    assert!(ran.out.starts_with(&why) && !ran.text().contains("wrong-Zq"), "{}", ran.text());
    assert!(!world.path("state").exists(), "no state is needed, so it works while a daemon runs");
    let text = fs::read_to_string(world.path("rosterd.yaml")).unwrap();
    let (head, rest) = text.split_once("alerts:\n").unwrap();
    let rest =
        rest.split_once("mappings:").unwrap().1.replace("    alerts: { to: [hr@globex.example] }\n", "");
    put(&world.path("rosterd.yaml"), &format!("{head}alerts: none\nmappings:{rest}"));
    let ran = world.rosterd(&["alert-test"]).ends(2);
    assert!(ran.err.contains("`alerts` is `none`, so nobody is told of anything"), "{}", ran.err);
}

#[test]
fn a_sync_mails_what_is_held_and_what_all_feeds_meet_comes_once() {
    let Some(server) = server() else { return };
    let mut world = world(&server, &Setup::default());
    world.arrives("roster.csv", &people(1..=5, "East"));
    world.rosterd(&["sync", "acme"]).ends(3);
    let taken = server.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].to, ["ops@partner.example"]);
    assert!(taken[0].header("Subject").starts_with("[rosterd] acme: held"), "{}", taken[0].message);
    world.rosterd(&["sync", "globex"]).ends(1);
    let taken = server.taken();
    assert_eq!((taken.len(), taken[1].to.as_slice()), (2, ["hr@globex.example".to_owned()].as_slice()));
    world.vitable_goes_away();
    world.rosterd(&["sync", "--all"]).ends(1);
    let taken = server.taken();
    assert_eq!(taken.len(), 3, "two feeds met it");
    assert_eq!(taken[2].header("Subject"), "[rosterd] all feeds: Vitable not reachable");
    assert_eq!(taken[2].to, ["ops@partner.example"]);
    let all: String = taken.iter().map(|taken| taken.message.as_str()).collect();
    assert!(!all.contains("Zq") && !all.contains(PASSWORD));
}

#[test]
fn a_kill_between_the_servers_answer_and_our_record_costs_one_more_mail_at_most() {
    let Some(mut server) = server() else { return };
    let world = world(&server, &Setup::default());
    world.arrives("roster.csv", &people(1..=5, "East"));
    // Several mails wait: two days of a server that was away.
    server.go_away();
    let ran = world.rosterd(&["sync", "acme"]).ends(3);
    assert!(ran.err.contains("mails that could not be handed on: 1"), "{}", ran.err);
    world.rosterd(&["sync", "globex"]).ends(1);
    server.come_back();
    for nth in ["mail-handed-on:1", "mail-handed-on:2"] {
        let mut command = world.command(&["sync", "acme"]);
        let ran = Ran::of(command.env("ROSTERD_CRASH_AT", nth).output().unwrap());
        assert_eq!(ran.code, None, "it died: {}", ran.err);
    }
    world.rosterd(&["sync", "acme"]).ends(3);
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    for taken in server.taken() {
        *ids.entry(taken.header("Message-ID").to_owned()).or_default() += 1;
    }
    // Two deaths, so at most two copies more in all; and nothing is lost.
    assert_eq!(ids.values().sum::<usize>(), ids.len() + 2, "{ids:?}");
    assert!(world.ledger().outbox().unwrap().is_empty());
    let text: String = server.taken().iter().map(|taken| taken.header("Subject").to_owned()).collect();
    assert!(text.contains("acme: held") && text.contains("globex: group not found"), "{text}");
}
