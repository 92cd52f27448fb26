//! Longer stories of people on their way from one group to another: rings, stops between the two rounds, words whose
//! time is over, answers that come hours late, feeds that are gone. The sandbox over HTTP, mostly the built binary.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails here")]

mod between;
mod gone;
mod late;
mod ring;
mod words;

use crate::{
    daemon::until,
    world::{Setup, World, people, person, put},
};
use rosterd::sandbox::RequestInfo;
use std::fs;

const EAST: &str = "acme-east";
const WEST: &str = "acme-west";
const SOUTH: &str = "demo";

/// A world whose third group is the south, with first syncs that need nobody.
fn three_groups(setup: &Setup) -> World {
    let guard = [setup.guard.as_str(), "first_sync: submit"];
    let guard = guard.iter().filter(|each| !each.is_empty()).copied().collect::<Vec<_>>().join(", ");
    let world = World::new(&Setup { guard, ..setup.clone() });
    edit(&world, "West: acme-west }", "West: acme-west, South: demo }");
    world
}

/// East has 1 to 10, west 21 to 30, south 41 to 50; all are in step.
fn settled(setup: &Setup) -> World {
    let world = three_groups(setup);
    world.arrives(
        "day-1.csv",
        &[people(1..=10, "East"), people(21..=30, "West"), people(41..=50, "South")].concat(),
    );
    world.rosterd(&["sync", "acme"]).ends(0);
    world
}

/// 1 has gone to the west.
fn transfer() -> Vec<String> {
    let rows = [people(2..=10, "East"), people(21..=30, "West"), people(41..=50, "South")].concat();
    [rows, vec![person(1, "West")]].concat()
}

/// Changes the text of the configuration.
fn edit(world: &World, from: &str, to: &str) {
    let path = world.path("rosterd.yaml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    put(&path, &text.replace(from, to));
}

/// Where somebody is covered.
fn places(world: &World, id: &str) -> Vec<&'static str> {
    let has = |group: &&str| world.covered(group).iter().any(|each| each == id);
    [EAST, WEST, SOUTH].into_iter().filter(has).collect()
}

/// The requests that Vitable took after the first so many.
fn taken_since(world: &World, before: usize) -> Vec<RequestInfo> {
    world.sandbox.requests().split_off(before)
}

/// Waits until Vitable has taken so many requests in all.
fn requests(world: &World, number: usize) {
    until(
        "so many requests are taken",
        || (world.sandbox.requests().len() >= number).then_some(()),
        || format!("{:?}", world.sandbox.requests()),
    );
}

fn groups(requests: &[RequestInfo]) -> Vec<&str> {
    requests.iter().map(|request| request.group.as_str()).collect()
}

/// Nobody but these was ever taken out of a group.
#[track_caller]
fn removed_only(world: &World, expected: &[(&str, &str)]) {
    for group in [EAST, WEST, SOUTH] {
        let mut removed: Vec<String> =
            world.sandbox.removed(group).into_iter().map(|each| each.reference_id).collect();
        removed.sort_unstable();
        let allowed: Vec<&str> =
            expected.iter().filter(|(from, _)| *from == group).map(|(_, id)| *id).collect();
        assert_eq!(removed, allowed, "{group}");
    }
}
