//! Vitable takes hours: requests that were given up, and a morning of backlog.

use super::{EAST, WEST, groups, places, removed_only, requests, settled, taken_since, transfer};
use crate::{
    daemon::{Daemon, until},
    faked_clock::FakedClock,
    world::{Setup, World, people, row},
};
use chrono::{DateTime, Utc};
use rosterd::{
    clock::Clock,
    ledger::{GroupVerdict, Run, Trigger},
    sandbox::Faults,
};
use std::{collections::BTreeMap, process::Stdio, sync::Arc};

/// Vitable works for so long on what it takes first, and is quick afterwards.
fn slow_at_first(world: &World, milliseconds: u64) {
    world.sandbox.set_faults(Faults { processing_ms: Some(milliseconds), ..Faults::default() });
}

fn done_at_vitable(world: &World, place: usize) -> bool {
    world.sandbox.requests()[place].completed_at.is_some()
}

#[test]
fn a_losing_group_that_ends_after_it_was_given_up_is_followed_first_of_all_by_the_next_sync() {
    let poll = "first: 1s, max: 1s, stuck_after: 1s, give_up_after: 3s".to_owned();
    let world = settled(&Setup { guard: "added: 0".to_owned(), poll, ..Setup::default() });
    world.arrives("day-2.csv", &transfer());
    slow_at_first(&world, 8_000);
    std::thread::scope(|scope| {
        let sync = scope.spawn(|| world.rosterd(&["sync", "acme"]).ends(1));
        requests(&world, 5);
        world.sandbox.set_faults(Faults::default());
        sync.join().unwrap();
    });
    assert_eq!(places(&world, "E-1"), [EAST], "the east was given up, and so he did not move");
    assert_eq!(world.mailed("unfinished move"), 0);
    until(
        "Vitable has finished after all",
        || (places(&world, "E-1").is_empty() && done_at_vitable(&world, 4)).then_some(()),
        || format!("{:?}", world.sandbox.requests()),
    );
    let before = world.sandbox.requests().len();
    world.rosterd(&["sync", "acme"]).ends(0);
    let sent = taken_since(&world, before);
    assert_eq!((sent[0].group.as_str(), sent[0].members, sent.len()), (WEST, 11, 3), "{sent:?}");
    assert_eq!(places(&world, "E-1"), [WEST]);
    assert_eq!((world.mailed("unfinished move, urgent"), world.mailed("move finished")), (1, 1));
    removed_only(&world, &[(EAST, "E-1")]);
}

#[test]
fn the_hourly_look_at_a_request_that_was_given_up_has_the_move_finished_by_itself() {
    let clock = FakedClock::new("2026-11-24 06:00:00", 600);
    let setup = Setup {
        guard: "added: 0".to_owned(),
        poll: "first: 5m, max: 5m, stuck_after: 20m, give_up_after: 40m".to_owned(),
        timeout: "12h".to_owned(),
        clock: Arc::new(clock.clone()),
        ..Setup::default()
    };
    let world = super::three_groups(&setup);
    world.arrives(
        "day-1.csv",
        &[people(1..=10, "East"), people(21..=30, "West"), people(41..=50, "South")].concat(),
    );
    let daemon = Daemon::start_by(&world, &clock);
    world.rosterd(&["sync", "acme"]).ends(0);
    world.arrives("day-2.csv", &transfer());
    slow_at_first(&world, 5_500);
    let mut sync =
        world.command(&["sync", "acme"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    requests(&world, 5);
    world.sandbox.set_faults(Faults::default());
    assert_eq!(sync.wait().unwrap().code(), Some(1), "given up");
    assert_eq!((places(&world, "E-1"), world.sandbox.requests().len()), (vec![EAST], 6));
    // Nobody types anything.
    until("he is there", || (places(&world, "E-1") == [WEST]).then_some(()), || daemon.said());
    until("it is told", || (world.mailed("move finished") == 1).then_some(()), || daemon.said());
    assert_eq!(world.mailed("unfinished move, urgent"), 1, "{:?}", world.mails());
    let runs = world.json(&["runs", "--json"]);
    let runs: Vec<Run> = serde_json::from_value(runs["runs"].clone()).unwrap();
    assert_eq!((runs.len(), runs[0].trigger, &runs[0].only), (3, Trigger::Schedule, &None), "{runs:?}");
    daemon.stop();
    assert_eq!(world.sandbox.requests()[6].group, WEST, "first of all");
    removed_only(&world, &[(EAST, "E-1")]);
}

fn runs(world: &World) -> Vec<Run> {
    serde_json::from_value(world.json(&["runs", "--limit", "50", "--json"])["runs"].clone()).unwrap()
}

#[test]
fn six_hours_of_backlog_are_waited_for_with_one_request_for_each_group_and_one_mail() {
    let clock = FakedClock::new("2026-11-24 05:30:00", 600);
    let setup = Setup {
        guard: "first_sync: submit".to_owned(),
        feed: "    schedule: { cron: \"0 6-11 * * *\", timezone: UTC }".to_owned(),
        poll: "first: 2m, max: 5m, stuck_after: 15m, give_up_after: 24h".to_owned(),
        timeout: "12h".to_owned(),
        clock: Arc::new(clock.clone()),
        ..Setup::default()
    };
    let world = World::new(&setup);
    world.arrives("day-1.csv", &[people(1..=10, "East"), people(21..=30, "West")].concat());
    clock.run(world.command(&["sync", "acme"])).ends(0);
    let west = people(21..=30, "West");
    world.arrives(
        "day-2.csv",
        &[people(2..=10, "East"), vec![row(1, "East", "Terminated")], west.clone()].concat(),
    );
    world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
    let daemon = Daemon::start_by(&world, &clock);
    let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc);
    until("nine o'clock", || (clock.now() > at("2026-11-24T09:10:00Z")).then_some(()), || daemon.said());
    // A newer file comes meanwhile.
    let left = vec![row(1, "East", "Terminated"), row(2, "East", "Terminated")];
    world.arrives("day-3.csv", &[people(3..=10, "East"), left, west].concat());
    until("noon", || (clock.now() > at("2026-11-24T12:05:00Z")).then_some(()), || daemon.said());

    // Two requests wait at Vitable, and nothing else was sent in six hours.
    let waiting = taken_since(&world, 2);
    assert_eq!(waiting.len(), 2, "{waiting:?}");
    assert!(waiting.iter().all(|request| request.completed_at.is_none()));
    let passed_over: Vec<Run> = runs(&world).into_iter().filter(|run| run.id.0 > 2).collect();
    assert_eq!(passed_over.len(), 5, "seven to eleven: {passed_over:?}");
    for report in passed_over.iter().flat_map(|run| &run.groups) {
        assert_eq!(report.verdict, GroupVerdict::PassedOver, "{report:?}");
        let request = waiting.iter().find(|request| request.group == report.group.as_str()).unwrap();
        let said = format!("request {} of run 2 is still in flight", request.request_id);
        assert!(report.reasons.iter().any(|reason| reason.contains(&said)), "{report:?}");
    }
    for request in &waiting {
        let about =
            |mail: &&String| mail.contains("Subject: [rosterd] ") && mail.contains(&request.request_id);
        let mails: Vec<String> = world.mails();
        assert_eq!(mails.iter().filter(about).count(), 1, "one mail for {}: {mails:?}", request.request_id);
    }
    let status = world.rosterd(&["status"]).ends(0).out;
    assert!(status.contains(&waiting[0].request_id), "{status}");

    world.sandbox.set_faults(Faults::default());
    until("the newest file", || (world.covered(EAST).len() == 8).then_some(()), || daemon.said());
    until(
        "both groups are sent again",
        || {
            let again = taken_since(&world, 4);
            let done = again.iter().all(|request| request.completed_at.is_some());
            (again.len() == 2 && done && runs(&world).iter().all(|run| run.ended.is_some())).then_some(())
        },
        || daemon.said(),
    );
    daemon.stop();
    let mut each: BTreeMap<String, usize> = BTreeMap::new();
    for request in world.sandbox.requests() {
        *each.entry(request.group).or_default() += 1;
    }
    assert_eq!(each, [(EAST.to_owned(), 3), (WEST.to_owned(), 3)].into(), "nothing twice");
    assert_eq!(groups(&taken_since(&world, 6)).len(), 0);
    assert_eq!((world.sandbox.max_in_flight(EAST), world.sandbox.max_in_flight(WEST)), (1, 1));
    removed_only(&world, &[(EAST, "E-1"), (EAST, "E-2")]);
    assert!(world.ledger().incidents(true).unwrap().is_empty());
}
