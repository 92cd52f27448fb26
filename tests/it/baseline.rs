//! A first sync beside the members of a previous system: `plan --baseline`.

use crate::{
    daemon::Daemon,
    world::{Setup, World, people, person, put, row},
};

/// A file of a previous system in the host's folder.
fn previous(world: &World, text: &str) -> String {
    let path = world.path("previous.csv");
    put(&path, text);
    path.display().to_string()
}

#[test]
fn a_first_sync_is_shown_beside_whom_a_previous_system_covered_and_keeps_nothing() {
    let world = World::new(&Setup::default());
    let unusable = person(4, "East").replace("5554200004", "555");
    let rows = [people(1..=3, "East"), vec![unusable, row(5, "East", "Terminated")], people(21..=22, "West")];
    world.arrives("roster.csv", &rows.concat());
    // In the east 1 and 2 stay, 3 is new, 4 cannot be used, 5 has left, 6 and 7 have no row.
    let east = ["1", "2", "4", "5", "6", "7"].map(|id| format!("E-{id},acme-east\n")).concat();
    let file = previous(&world, &format!("reference_id,group\n{east}E-21,acme-west\n"));
    for daemon in [false, true] {
        let daemon = daemon.then(|| Daemon::start(&world));
        let plain = world.json(&["plan", "acme", "--json"]);
        let plan = world.json(&["plan", "acme", "--baseline", &file, "--json"]);
        let group = &plan["runs"][0]["run"]["groups"][0];
        let counts = &group["counts"];
        let numbers = ["covered", "unchanged", "added", "removed", "absent", "ended"]
            .map(|name| counts[name].as_u64().unwrap());
        assert_eq!(numbers, [6, 2, 1, 4, 2, 1], "{group}");
        assert_eq!(group["members"]["absent"], serde_json::json!(["E-6", "E-7"]));
        assert_eq!(group["members"]["added"], serde_json::json!(["E-3"]));
        let reasons = group["reasons"].to_string();
        for words in [
            "2 would be kept, 1 added, and 4 would lose coverage",
            "their row cannot be used: E-4",
            "`absent` allows 1",
        ] {
            assert!(reasons.contains(words), "{words}: {reasons}");
        }
        // What a run would do is the same with and without the file.
        let of_plain = &plain["runs"][0]["run"]["groups"][0];
        for same in ["verdict", "digest", "approvable"] {
            assert_eq!(group[same], of_plain[same]);
        }
        drop(daemon.map(Daemon::stop));
    }
    assert!(world.sandbox.submits().is_empty());
    assert!(world.ledger().holds(None).unwrap().is_empty(), "nothing is kept");
    world.rosterd(&["plan", "acme", "--baseline", &file]).ends(3);
    // The hold of the first sync is as ever, and says who is on the roster before it asks.
    world.rosterd(&["sync", "acme"]).ends(3);
    let shown = world.rosterd(&["approve", "1", "--all", "--reason", "compared"]).ends(2);
    assert!(shown.err.contains("on the roster: E-1, E-2, E-3"), "{}", shown.err);
}

#[test]
fn a_baseline_file_that_cannot_be_compared_is_refused() {
    let world = World::new(&Setup::default());
    world.arrives("roster.csv", &[people(1..=3, "East"), people(21..=22, "West")].concat());
    let says = |text: &str, code: i32, words: &str| {
        let file = previous(&world, text);
        let ran = world.rosterd(&["plan", "acme", "--baseline", &file]).ends(code);
        assert!(ran.text().contains(words), "{words}: {}", ran.text());
    };
    says("E-1\nE-2\n", 1, "needs a column `group`");
    says("reference_id,group\nE-1,acme-north\n", 1, "`acme-north`, which this feed does not feed");
    says("reference_id,group\nzq@canary.example,acme-east\n", 1, "look like mail addresses");
    says("reference_id,group\nE-1,\n", 2, "row 2 has no `group`");
    says("", 2, "names nobody");
    let missing = world.rosterd(&["plan", "acme", "--baseline", "no-such-file.csv"]).ends(2);
    assert!(missing.err.contains("no-such-file.csv"), "{}", missing.err);
    world.rosterd(&["sync", "acme"]).ends(3);
    world.approve().ends(0);
    says("reference_id,group\nE-1,acme-east\n", 1, "`--baseline` is for a first sync");
}
