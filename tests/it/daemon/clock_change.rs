//! Both days of a clock change in two zones: the built daemon with its real timer, under a clock that runs fast.

use super::{
    super::{
        faked_clock::FakedClock,
        world::{Setup, World},
    },
    Daemon, day, until,
};
use chrono::{DateTime, TimeDelta, Utc};
use rosterd::{
    clock::Clock,
    ledger::{Run, Trigger},
};
use std::sync::Arc;

/// A day of a clock change.
struct Day {
    zone: &'static str,
    cron: &'static str,
    /// When the daemon starts, half an hour ahead (six seconds of the host, which a start may take when it has much else
    /// to do), and until when it is watched.
    from: &'static str,
    until: &'static str,
    /// The only instant at which it must run.
    due: &'static str,
}

const DAYS: [Day; 4] = [
    // 02:30 does not exist: 03:00.
    Day {
        zone: "America/New_York",
        cron: "30 2 * * *",
        from: "2026-03-08 06:27:00",
        until: "2026-03-08T07:33:00Z",
        due: "2026-03-08T07:00:00Z",
    },
    // 01:30 comes twice: the first one.
    Day {
        zone: "America/New_York",
        cron: "30 1 * * *",
        from: "2026-11-01 05:00:00",
        until: "2026-11-01T06:33:00Z",
        due: "2026-11-01T05:30:00Z",
    },
    Day {
        zone: "Europe/Berlin",
        cron: "30 2 * * *",
        from: "2026-03-29 00:27:00",
        until: "2026-03-29T01:33:00Z",
        due: "2026-03-29T01:00:00Z",
    },
    Day {
        zone: "Europe/Berlin",
        cron: "30 2 * * *",
        from: "2026-10-25 00:00:00",
        until: "2026-10-25T01:33:00Z",
        due: "2026-10-25T00:30:00Z",
    },
];

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn runs_on(day_of_change: &Day) -> (Vec<Run>, String) {
    let clock = FakedClock::new(day_of_change.from, 300);
    let world = World::new(&Setup {
        guard: "first_sync: submit".to_owned(),
        timeout: "1h".to_owned(),
        clock: Arc::new(clock.clone()),
        feed: format!(
            "    schedule: {{ cron: \"{}\", timezone: {} }}",
            day_of_change.cron, day_of_change.zone
        ),
        ..Setup::default()
    });
    world.arrives("day-1.csv", &day(3));
    let daemon = Daemon::start_by(&world, &clock);
    until(
        "the hours of the change are over",
        || (clock.now() > at(day_of_change.until)).then_some(()),
        || daemon.said(),
    );
    daemon.signal("TERM");
    let (_, said) = daemon.ends();
    let runs = world.ledger().runs(None, 10).unwrap();
    (runs, said)
}

#[test]
fn a_run_in_the_hour_of_a_clock_change_happens_once_and_at_its_time() {
    std::thread::scope(|scope| {
        for day_of_change in &DAYS {
            scope.spawn(move || {
                let (runs, said) = runs_on(day_of_change);
                let name = format!("{} {}", day_of_change.zone, day_of_change.from);
                let [run] = runs.as_slice() else { panic!("{name}: {runs:?}\n{said}") };
                assert_eq!(run.trigger, Trigger::Schedule, "{name}");
                assert_eq!(run.due, Some(at(day_of_change.due)), "{name}");
                let late = run.began - at(day_of_change.due);
                assert!(late >= TimeDelta::zero() && late < TimeDelta::minutes(20), "{name}: {late}");
                assert!(run.ended.is_some(), "{name}: {said}");
            });
        }
    });
}
