//! Both days of a clock change, in zones whose clocks go by an hour and by half an hour, north and south.

use super::*;
use chrono_tz::{America::New_York, Australia::Lord_Howe, Europe::Berlin};

/// A pattern, and the wall times with their offset of one day. The day's name is its month and day.
struct Case(Tz, &'static str, &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    // Spring: New York's clocks go from 02:00 to 03:00, Berlin's too, Lord Howe's from 02:00 to 02:30.
    Case(New_York, "2026-03-08", "30 2 * * *", &["03:00 -0400"]),
    Case(New_York, "2026-03-08", "0 2 * * *", &["03:00 -0400"]),
    Case(New_York, "2026-03-08", "0 3 * * *", &["03:00 -0400"]),
    Case(New_York, "2026-03-08", "30 1 * * *", &["01:30 -0500"]),
    Case(New_York, "2026-03-08", "0 6 * * *", &["06:00 -0400"]),
    Case(New_York, "2026-03-08", "30 2,14 * * *", &["03:00 -0400", "14:30 -0400"]),
    Case(New_York, "2026-03-08", "15,45 2 * * *", &["03:00 -0400"]),
    Case(New_York, "2026-03-08", "0,30 2-3 * * SUN", &["03:00 -0400", "03:30 -0400"]),
    Case(
        New_York,
        "2026-03-08",
        "30 */4 * * *",
        &["00:30 -0500", "04:30 -0400", "08:30 -0400", "12:30 -0400", "16:30 -0400", "20:30 -0400"],
    ),
    Case(
        New_York,
        "2026-03-08",
        "*/30 0-3 * * *",
        &["00:00 -0500", "00:30 -0500", "01:00 -0500", "01:30 -0500", "03:00 -0400", "03:30 -0400"],
    ),
    Case(Berlin, "2026-03-29", "30 2 * * *", &["03:00 +0200"]),
    Case(Berlin, "2026-03-29", "0 6 * * MON-FRI", &[]),
    Case(Berlin, "2026-03-29", "59 1,2 * * *", &["01:59 +0100", "03:00 +0200"]),
    Case(Lord_Howe, "2026-10-04", "15 2 * * *", &["02:30 +1100"]),
    Case(Lord_Howe, "2026-10-04", "30 2 * * *", &["02:30 +1100"]),
    Case(Lord_Howe, "2026-10-04", "0,29 2 * * *", &["02:30 +1100"]),
    Case(
        Lord_Howe,
        "2026-10-04",
        "*/15 1-2 * * *",
        &["01:00 +1030", "01:15 +1030", "01:30 +1030", "01:45 +1030", "02:30 +1100", "02:45 +1100"],
    ),
    // Autumn: New York's clocks go from 02:00 to 01:00, Berlin's from 03:00 to 02:00, Lord Howe's from 02:00 to 01:30.
    Case(New_York, "2026-11-01", "30 1 * * *", &["01:30 -0400"]),
    Case(New_York, "2026-11-01", "0 1 * * *", &["01:00 -0400"]),
    Case(New_York, "2026-11-01", "0 2 * * *", &["02:00 -0500"]),
    Case(New_York, "2026-11-01", "30 1,13 * * *", &["01:30 -0400", "13:30 -0500"]),
    Case(New_York, "2026-11-01", "0,30 1 * * *", &["01:00 -0400", "01:30 -0400"]),
    Case(New_York, "2026-11-01", "30 0-1 * * *", &["00:30 -0400", "01:30 -0400"]),
    Case(
        New_York,
        "2026-11-01",
        "*/30 1 * * *",
        &["01:00 -0400", "01:30 -0400", "01:00 -0500", "01:30 -0500"],
    ),
    Case(Berlin, "2026-10-25", "30 2 * * *", &["02:30 +0200"]),
    Case(Berlin, "2026-10-25", "0 3 * * *", &["03:00 +0100"]),
    Case(Berlin, "2026-10-25", "30 2 25 10 *", &["02:30 +0200"]),
    Case(Lord_Howe, "2026-04-05", "45 1 * * *", &["01:45 +1100"]),
    Case(Lord_Howe, "2026-04-05", "0 2 * * *", &["02:00 +1030"]),
    Case(
        Lord_Howe,
        "2026-04-05",
        "*/15 1 * * *",
        &["01:00 +1100", "01:15 +1100", "01:30 +1100", "01:45 +1100", "01:30 +1030", "01:45 +1030"],
    ),
];

fn day(zone: Tz, text: &str) -> (DateTime<Utc>, DateTime<Utc>) {
    let date = text.parse::<chrono::NaiveDate>().unwrap();
    let midnight = |date: chrono::NaiveDate| {
        let local = date.and_time(chrono::NaiveTime::MIN).and_local_timezone(zone).unwrap();
        local.to_utc() - TimeDelta::seconds(1)
    };
    (midnight(date), midnight(date.succ_opt().unwrap()))
}

#[test]
fn both_days_of_a_clock_change_have_their_runs_once() {
    for Case(zone, date, cron, expected) in CASES {
        let settings = settings(cron, *zone);
        let (from, to) = day(*zone, date);
        let found: Vec<String> = instants(&settings, from, to)
            .into_iter()
            .map(|instant| instant.with_timezone(zone).format("%H:%M %z").to_string())
            .collect();
        assert_eq!(found, *expected, "`{cron}` on {date} in {zone}");
        // From whichever second it is asked, the next instant is the next one of the list.
        let all = instants(&settings, from, to + TimeDelta::days(400));
        let mut at = from;
        while at < to {
            let next = all.iter().find(|instant| **instant > at).copied();
            assert_eq!(settings.next_after(at), next, "`{cron}` in {zone} after {at}");
            at += TimeDelta::seconds(437);
        }
    }
}

/// Samoa had no 30 December 2011: a whole day of wall times that never were.
#[test]
fn a_day_that_a_zone_left_out_is_run_at_the_first_moment_after_it() {
    let settings = settings("0 6 * * *", chrono_tz::Pacific::Apia);
    let found = instants(&settings, utc("2011-12-29 12:00"), utc("2011-12-31 00:00"));
    assert_eq!(found, [utc("2011-12-29 16:00"), utc("2011-12-30 10:00"), utc("2011-12-30 16:00")]);
}

/// A run of the instant at the clock change is one run, whenever and however often the daemon looks.
#[test]
fn looking_every_minute_begins_each_run_once_through_both_changes() {
    for (zone, start, cron, runs) in [
        (New_York, "2026-03-07 12:00", "30 2 * * *", ["2026-03-08 07:00", "2026-03-09 06:30"]),
        (New_York, "2026-10-31 12:00", "30 1 * * *", ["2026-11-01 05:30", "2026-11-02 06:30"]),
        (Lord_Howe, "2026-10-03 03:00", "15 2 * * *", ["2026-10-03 15:30", "2026-10-04 15:15"]),
        (Lord_Howe, "2026-04-04 03:00", "45 1 * * *", ["2026-04-04 14:45", "2026-04-05 15:15"]),
    ] {
        let settings = settings(cron, zone);
        let mut now = utc(start);
        let mut mark = settings.mark(now);
        let mut begun = Vec::new();
        while now < utc(start) + TimeDelta::days(2) {
            match settings.due("acme", Some(&mark), None, now) {
                Due::Wait(next) => assert!(next.unwrap() > now),
                Due::Run { mark: new, missed: 0 } => {
                    begun.push(new.through);
                    mark = new;
                }
                due @ (Due::New(_) | Due::Run { .. } | Due::Skip { .. } | Due::MarkAhead(_)) => {
                    panic!("`{cron}` in {zone} at {now}: {due:?}")
                }
            }
            now += TimeDelta::seconds(59);
        }
        assert_eq!(begun, runs.map(utc), "`{cron}` in {zone}");
    }
}
