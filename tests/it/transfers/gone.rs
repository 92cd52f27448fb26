//! Feeds that go from the configuration while somebody is between two of their groups.

use super::{EAST, SOUTH, WEST, edit, places, removed_only, requests, settled, transfer};
use crate::{
    daemon::{Daemon, until},
    world::{Setup, World},
};
use rosterd::sandbox::{FailMember, Faults};
use std::process::Stdio;

/// 1 has left the east, and the west does not take him.
fn in_neither() -> World {
    let world = settled(&Setup { guard: "added: 0".to_owned(), ..Setup::default() });
    world.arrives("day-2.csv", &transfer());
    let not_now = FailMember {
        reference_id: "E-1".to_owned(),
        operation: "add".to_owned(),
        reason: "not now".to_owned(),
    };
    world.sandbox.set_faults(Faults { fail_members: vec![not_now], ..Faults::default() });
    world.rosterd(&["sync", "acme"]).ends(1);
    assert!(places(&world, "E-1").is_empty());
    assert_eq!(world.mailed("Subject: [rosterd] acme: unfinished move, urgent"), 1, "{:?}", world.mails());
    world.sandbox.set_faults(Faults::default());
    world
}

fn renamed(world: &World) {
    edit(world, "feeds:\n  acme:", "feeds:\n  renamed:");
}

/// The only feed left has the south alone.
fn without_east_and_west(world: &World) {
    edit(world, "feeds:\n  acme:", "feeds:\n  south:");
    edit(world, "East: acme-east, West: acme-west, South: demo }", "South: demo }");
}

fn open_moves(world: &World) -> Vec<String> {
    world.ledger().open_moves(None).unwrap().into_iter().map(|open| open.feed.to_string()).collect()
}

#[test]
fn a_feed_that_names_the_groups_of_one_that_is_gone_finishes_its_moves_by_itself() {
    let world = in_neither();
    let daemon = Daemon::start(&world);
    // A start has every open move finished, under the name of before too.
    until("it is told", || (world.mailed("move finished") == 1).then_some(()), || daemon.said());
    assert_eq!(places(&world, "E-1"), [WEST]);
    daemon.stop();
    assert!(open_moves(&world).is_empty());

    let world = in_neither();
    renamed(&world);
    let daemon = Daemon::start(&world);
    until("he is there", || (places(&world, "E-1") == [WEST]).then_some(()), || daemon.said());
    until("it is told", || (world.mailed("move finished") == 1).then_some(()), || daemon.said());
    daemon.stop();
    assert!(open_moves(&world).is_empty());
    // Told of under both names, and of its end once, when it was the end.
    assert_eq!(world.mailed("renamed: unfinished move, urgent"), 1, "{:?}", world.mails());
    assert_eq!(world.mailed("renamed: recovered"), 1, "{:?}", world.mails());
    removed_only(&world, &[(EAST, "E-1")]);
    assert!(world.ledger().incidents(true).unwrap().is_empty());
}

#[test]
fn the_next_sync_of_a_feed_that_took_the_groups_over_finishes_the_move_first_of_all() {
    let world = in_neither();
    renamed(&world);
    let before = world.sandbox.requests().len();
    world.rosterd(&["sync", "renamed"]).ends(0);
    assert_eq!(world.sandbox.requests()[before].group, WEST);
    assert_eq!(places(&world, "E-1"), [WEST]);
    assert!(open_moves(&world).is_empty());
    assert!(world.ledger().incidents(true).unwrap().is_empty());
}

#[test]
fn a_move_of_a_feed_that_is_gone_stays_urgent_and_says_so_until_its_group_is_emptied() {
    let world = in_neither();
    without_east_and_west(&world);
    let daemon = Daemon::start(&world);
    until(
        "it is told",
        || (world.mailed("The feed is gone from the configuration") == 1).then_some(()),
        || daemon.said(),
    );
    daemon.stop();
    let told = world.mails().into_iter().find(|mail| mail.contains("gone from the")).unwrap();
    assert!(!told.contains("rosterd sync acme"), "{told}");
    assert_eq!(open_moves(&world), ["acme"]);
    assert_eq!(world.mailed("move finished"), 0);
    // The other orphan says nothing of him.
    world.rosterd(&["empty", WEST, "--reason", "the client has left", "--confirm", WEST]).ends(0);
    assert_eq!(open_moves(&world), ["acme"]);
    world.rosterd(&["empty", EAST, "--reason", "the client has left", "--confirm", EAST]).ends(0);
    assert!(open_moves(&world).is_empty());
    let open = world.ledger().incidents(true).unwrap();
    assert!(!open.iter().any(|each| each.key.contains("unfinished_move")), "{open:?}");
    assert_eq!(world.covered(SOUTH).len(), 10);
}

#[test]
fn a_request_of_a_feed_that_is_gone_ends_its_move_when_it_covers_the_person() {
    let world = settled(&Setup::default());
    let daemon = Daemon::start(&world);
    world.arrives("day-2.csv", &transfer());
    world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
    let mut sync =
        world.command(&["sync", "acme"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    requests(&world, 5);
    // The east is finished, and the west on its way.
    world.sandbox.set_faults(Faults { processing_ms: Some(6_000), ..Faults::default() });
    requests(&world, 6);
    daemon.stop();
    sync.wait().unwrap();
    assert!(places(&world, "E-1").is_empty());
    without_east_and_west(&world);
    let daemon = Daemon::start(&world);
    until(
        "it is told",
        || (world.mailed("The feed is gone from the configuration") == 1).then_some(()),
        || daemon.said(),
    );
    until("he is there", || (places(&world, "E-1") == [WEST]).then_some(()), || daemon.said());
    until("it is told", || (world.mailed("move finished") == 1).then_some(()), || daemon.said());
    daemon.stop();
    assert!(open_moves(&world).is_empty());
    removed_only(&world, &[(EAST, "E-1")]);
}
