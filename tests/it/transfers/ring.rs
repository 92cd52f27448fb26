//! Three groups that each let somebody go and take somebody in.

use super::{EAST, SOUTH, WEST, groups, places, removed_only, settled, taken_since};
use crate::world::{Setup, people, person};
use rosterd::{ledger::Run, sandbox::Faults};

fn ring() -> Vec<String> {
    let stay = [people(2..=10, "East"), people(22..=30, "West"), people(42..=50, "South")].concat();
    [stay, vec![person(1, "West"), person(21, "South"), person(41, "East")]].concat()
}

#[test]
fn in_a_ring_of_three_groups_everybody_arrives_within_one_run() {
    let world = settled(&Setup::default());
    world.arrives("day-2.csv", &ring());
    let plan = world.json(&["plan", "acme", "--json"]);
    let plan: Run = serde_json::from_value(plan["runs"][0]["run"].clone()).unwrap();
    let calls = world.sandbox.submits().len();
    world.rosterd(&["sync", "acme"]).ends(0);

    assert_eq!(places(&world, "E-1"), [WEST]);
    assert_eq!(places(&world, "E-21"), [SOUTH]);
    assert_eq!(places(&world, "E-41"), [EAST]);
    removed_only(&world, &[(EAST, "E-1"), (WEST, "E-21"), (SOUTH, "E-41")]);

    // Each group twice: first all without those who come in, then all with them.
    let sent = taken_since(&world, 3);
    assert_eq!(sent.len(), 6, "{sent:?}");
    let (first, second) = sent.split_at(3);
    for (round, members, added, removed) in [(first, 9, 0, 1), (second, 10, 1, 0)] {
        let mut names = groups(round);
        names.sort_unstable();
        assert_eq!(names, [EAST, WEST, SOUTH]);
        for request in round {
            assert_eq!(
                (request.members, request.added, request.removed.len(), request.failed.len()),
                (members, added, removed, 0),
                "{request:?}"
            );
        }
    }
    // Nothing of the second round was sent before all of the first was finished, and nothing came in between.
    let left = first.iter().map(|request| request.completed_at.unwrap()).max().unwrap();
    assert!(second.iter().all(|request| request.accepted_at >= left), "{sent:?}");
    // The body that was planned is the one that was sent first, byte for byte.
    let bodies = world.sandbox.submits();
    for (report, request) in plan.groups.iter().flat_map(|report| {
        first.iter().filter(|request| request.group == report.group.as_str()).map(move |each| (report, each))
    }) {
        let call = bodies[calls..]
            .iter()
            .find(|call| call.request_id.as_deref() == Some(request.request_id.as_str()))
            .unwrap();
        assert_eq!(report.body.as_ref().map(|body| &body.sha256), call.sha256.as_ref(), "{}", report.group);
    }

    assert!(world.mails().is_empty(), "{:?}", world.mails());
    assert!(world.ledger().open_moves(None).unwrap().is_empty());
    let shown = world.json(&["show", "2", "--json"]);
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 6);
    for group in [EAST, WEST, SOUTH] {
        assert_eq!((world.covered(group).len(), world.sandbox.max_in_flight(group)), (10, 1), "{group}");
    }
    // And it is at rest.
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(taken_since(&world, 9).len(), 3);
    removed_only(&world, &[(EAST, "E-1"), (WEST, "E-21"), (SOUTH, "E-41")]);
}

/// One link of the ring is not clear: then none of its moves is made, since each would leave a place that nobody
/// takes or take one that nobody leaves.
#[test]
fn a_ring_with_a_held_group_turns_by_no_step_until_it_is_clear() {
    let world = settled(&Setup { guard: "added: 1".to_owned(), ..Setup::default() });
    world.arrives("day-2.csv", &[ring(), people(31..=32, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(3);
    assert_eq!((places(&world, "E-1"), places(&world, "E-21")), (vec![EAST], vec![WEST]));
    // 41 leaves the south for the east, and no one of the two is held.
    assert_eq!(places(&world, "E-41"), [EAST]);
    world.sandbox.set_faults(Faults { processing_ms: Some(200), ..Faults::default() });
    world.approve().ends(0);
    assert_eq!((places(&world, "E-1"), places(&world, "E-21")), (vec![WEST], vec![SOUTH]));
    removed_only(&world, &[(EAST, "E-1"), (WEST, "E-21"), (SOUTH, "E-41")]);
    assert_eq!(world.mailed("unfinished move"), 0, "{:?}", world.mails());
}
