//! Stories with a date in them: the same file on another day, a rehire, a renewal, a week of downtime. The engine in
//! this process, the sandbox over HTTP, a clock that is put forward.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    inside::Inside,
    world::{HEADER, Setup, people, person, row},
};
use chrono::{DateTime, TimeDelta, Utc};
use rosterd::{
    ledger::{RunOutcome, Trigger},
    sandbox::Faults,
};

const EAST: &str = "acme-east";

/// With the dates of employment, judged by New York's day.
fn with_dates(text: String) -> String {
    let dates = r#"    eligibility:
      starts_on: { column: Start, format: "%m/%d/%Y" }
      ends_on: { column: End, format: "%m/%d/%Y" }
      timezone: America/New_York"#;
    text.replace("    eligibility:", dates)
}

/// A file whose rows have a start and an end, both blank where nothing else is said.
fn file(rows: &[String], dated: &[(String, &str, &str)]) -> Vec<u8> {
    let mut text = format!("{HEADER},Start,End\n");
    rows.iter().for_each(|row| text.push_str(&format!("{row},,\n")));
    dated.iter().for_each(|(row, start, end)| text.push_str(&format!("{row},{start},{end}\n")));
    text.into_bytes()
}

/// The first roster is covered on the 24th of November, at one in the morning in New York.
fn covered(edit: impl Fn(String) -> String, file: &[u8]) -> Inside {
    let inside = Inside::new(&Setup::default(), "2026-11-24T06:00:00Z", edit);
    inside.arrives(file);
    assert_eq!(inside.sync().outcome(), RunOutcome::Held);
    inside.approve();
    inside
}

fn until(inside: &Inside, time: &str) {
    let time: DateTime<Utc> = time.parse().unwrap();
    inside.passes(time - inside.now());
}

fn has(inside: &Inside, id: &str) -> bool {
    inside.world.covered(EAST).iter().any(|each| each == id)
}

fn open(inside: &Inside, kind: &str) -> bool {
    inside.engine().ledger().incidents(true).unwrap().iter().any(|each| each.key.contains(kind))
}

#[test]
fn the_same_file_on_another_day_ends_and_begins_coverage_at_the_zones_midnight() {
    let rows = [people(1..=9, "East"), people(21..=25, "West")].concat();
    let leaver = row(10, "East", "Terminated");
    let dated = [(leaver, "", "11/25/2026"), (person(11, "East"), "11/27/2026", "")];
    let inside = covered(with_dates, &file(&rows, &dated));
    assert!(has(&inside, "E-10"), "through his last day, whatever the status says by then");
    for (time, leaver, joiner) in [
        ("2026-11-25T18:00:00Z", true, false),
        // 23:30 of his last day in New York is the next day in UTC.
        ("2026-11-26T04:30:00Z", true, false),
        ("2026-11-26T05:30:00Z", false, false),
        ("2026-11-27T04:30:00Z", false, false),
        ("2026-11-27T05:30:00Z", false, true),
    ] {
        until(&inside, time);
        assert_eq!(inside.sync().outcome(), RunOutcome::Done, "{time}");
        assert_eq!((has(&inside, "E-10"), has(&inside, "E-11")), (leaver, joiner), "{time}");
    }
    assert_eq!(inside.world.covered(EAST).len(), 10);
}

#[test]
fn a_rehire_is_covered_and_an_end_that_contradicts_the_status_removes_nobody() {
    let rows = [people(1..=8, "East"), people(21..=25, "West")].concat();
    let whole = [rows.clone(), people(9..=10, "East")].concat();
    let inside = covered(with_dates, &file(&whole, &[]));
    let rehired = (person(9, "East"), "11/01/2026", "10/01/2026");
    let contradicts = (person(10, "East"), "", "10/01/2026");
    inside.arrives(&file(&rows, &[rehired, contradicts]));
    let pass = inside.sync();
    assert_eq!(pass.outcome(), RunOutcome::LeftOut, "one is carried");
    let carried: u64 = pass.run.groups.iter().map(|group| group.counts.carried).sum();
    assert_eq!(carried, 1);
    assert!(has(&inside, "E-9") && has(&inside, "E-10"));
    assert!(inside.world.sandbox.removed(EAST).is_empty());
}

#[test]
fn who_is_carried_too_long_is_asked_about_and_carried_on_and_never_removed() {
    let rows = [people(1..=10, "East"), people(21..=25, "West")].concat();
    let text = crate::world::roster(&rows);
    let inside = covered(|text| text, text.as_bytes());
    inside.arrives(text.replace("5554200003", "555").as_bytes());
    for days in [0, 30, 59] {
        inside.passes(TimeDelta::days(days));
        assert_eq!(inside.sync().outcome(), RunOutcome::LeftOut, "{days} days more");
    }
    inside.passes(TimeDelta::days(2));
    let held = inside.sync();
    assert_eq!(held.outcome(), RunOutcome::Held, "after 91 days");
    assert!(inside.holds().iter().any(|hold| hold.held.contains(&"carried_long:E-3".to_owned())));
    assert_eq!(inside.approve().outcome(), RunOutcome::LeftOut);
    inside.passes(TimeDelta::days(80));
    assert_eq!(inside.sync().outcome(), RunOutcome::LeftOut, "for as long again");
    inside.passes(TimeDelta::days(11));
    assert_eq!(inside.sync().outcome(), RunOutcome::Held, "and then a person is asked again");
    assert!(has(&inside, "E-3") && inside.world.sandbox.removed(EAST).is_empty());
}

#[test]
fn after_a_renewal_of_all_plans_those_on_the_old_one_stay_covered_and_visible() {
    let rows = [people(1..=10, "East"), people(21..=25, "West")].concat();
    let text = crate::world::roster(&rows);
    let inside = covered(|text| text, text.as_bytes());
    inside.arrives(text.replace(",Gold,", ",Silver,").as_bytes());
    assert_eq!(inside.sync().outcome(), RunOutcome::Held);
    assert!(inside.holds().iter().all(|hold| hold.held.iter().all(|line| line.starts_with("plan_changes:"))));
    inside.approve();
    for days in [0, 1, 30] {
        inside.passes(TimeDelta::days(days));
        let outcome = inside.sync().outcome();
        assert_ne!(outcome, RunOutcome::Held, "it was approved");
        assert!(open(&inside, "old_plan"), "for as long as Vitable's rules leave it so");
        let members = inside.world.sandbox.members(EAST);
        let old = members.values().filter(|member| member.to_string().contains("pln_gold"));
        assert_eq!((members.len(), old.count()), (10, 10));
    }
    assert!(inside.world.sandbox.removed(EAST).is_empty());
}

#[test]
fn after_a_week_of_downtime_a_request_in_flight_is_picked_up_and_the_newest_file_has_the_last_word() {
    let rows = [people(1..=10, "East"), people(21..=25, "West")].concat();
    let mut inside = covered(|text| text, crate::world::roster(&rows).as_bytes());
    let before = inside.world.sandbox.requests().len();
    let leaver = |number: u32, rows: &[String]| -> Vec<String> {
        let ended = row(number, "East", "Terminated");
        rows.iter()
            .map(|row| if row.starts_with(&format!("E-{number},")) { ended.clone() } else { row.clone() })
            .collect()
    };
    let second = leaver(3, &rows);
    inside.arrives(crate::world::roster(&second).as_bytes());
    inside.world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
    assert!(inside.cut_off(Trigger::Sync, 60).is_none(), "Vitable is not done with it");
    assert_eq!(inside.world.sandbox.requests().len(), before + 2);
    assert_eq!(inside.engine().ledger().attempts_in_flight().unwrap().len(), 2);

    inside.passes(TimeDelta::days(7));
    inside.world.sandbox.set_faults(Faults::default());
    inside.arrives(crate::world::roster(&leaver(4, &second)).as_bytes());
    assert_eq!(inside.sync().outcome(), RunOutcome::Done);
    assert_eq!(inside.world.covered(EAST).len(), 8);
    assert!(!has(&inside, "E-3") && !has(&inside, "E-4"));
    assert_eq!(inside.world.sandbox.removed(EAST).len(), 2);
    assert_eq!(inside.world.sandbox.max_in_flight(EAST), 1);
    assert!(inside.engine().ledger().attempts_in_flight().unwrap().is_empty());
}
