//! What the schedule answers: missed runs, pauses, clocks that are set, jitter.

use super::*;
use chrono_tz::America::New_York;
use proptest::prelude::*;

/// 06:00 in New York, in winter.
const SIX: &str = "11:00";

fn daily() -> Settings {
    settings("0 6 * * *", New_York)
}

fn at(day: u32) -> DateTime<Utc> {
    utc(&format!("2026-11-{day:02} {SIX}"))
}

fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}

#[test]
fn a_new_feed_and_a_new_schedule_begin_now_and_make_up_for_nothing() {
    let daily = daily();
    let now = at(23) + minutes(10);
    assert_eq!(daily.due("acme", None, None, now), Due::New(daily.mark(now)));
    assert_eq!(daily.next_run("acme", None, None, now), Some(at(24)));
    let other = settings("0 7 * * *", New_York).mark(at(1));
    assert_eq!(daily.due("acme", Some(&other), None, now), Due::New(daily.mark(now)));
    assert_eq!(daily.due("acme", Some(&daily.mark(now)), None, now), Due::Wait(Some(at(24))));
    let jittered = Settings { jitter: Duration::from_secs(600), catch_up: false, ..daily.clone() };
    assert_eq!(jittered.mark(now), daily.mark(now), "only the calendar makes another schedule");
}

#[test]
fn a_run_is_due_at_its_instant_and_once() {
    let daily = daily();
    let mark = daily.mark(at(23));
    assert_eq!(daily.due("acme", Some(&mark), None, at(24) - minutes(1)), Due::Wait(Some(at(24))));
    for late in [0, 1, 5] {
        let due = daily.due("acme", Some(&mark), None, at(24) + minutes(late));
        assert_eq!(due, Due::Run { mark: daily.mark(at(24)), missed: 0 });
        assert_eq!(
            daily.next_run("acme", Some(&mark), None, at(24) + minutes(late)),
            Some(at(24) + minutes(late))
        );
    }
    let mark = daily.mark(at(24));
    assert_eq!(daily.due("acme", Some(&mark), None, at(24) + minutes(2)), Due::Wait(Some(at(25))));
}

#[test]
fn one_run_makes_up_for_all_that_were_missed_or_none_does() {
    let catching = daily();
    let skipping = Settings { catch_up: false, ..daily() };
    let mark = catching.mark(at(20));
    let now = at(23) + minutes(90);
    let expected = Due::Run { mark: catching.mark(at(23)), missed: 3 };
    assert_eq!(catching.due("acme", Some(&mark), None, now), expected);
    let expected = Due::Skip { mark: catching.mark(at(23)), missed: 3 };
    assert_eq!(skipping.due("acme", Some(&mark), None, now), expected);
    assert_eq!(skipping.next_run("acme", Some(&mark), None, now), Some(at(24)));
    assert_eq!(skipping.due("acme", Some(&skipping.mark(at(23))), None, now), Due::Wait(Some(at(24))));
    // The last one is on time, whatever was missed before it.
    for settings in [&catching, &skipping] {
        let due = settings.due("acme", Some(&mark), None, at(23) + minutes(1));
        assert_eq!(due, Due::Run { mark: catching.mark(at(23)), missed: 2 });
    }
    // Two years of every minute are counted as far as anybody reads, and at once.
    let often = settings("* * * * *", New_York);
    let due = often.due("acme", Some(&often.mark(at(23) - TimeDelta::days(730))), None, at(23));
    assert_eq!(due, Due::Run { mark: often.mark(at(23)), missed: super::super::due::MOST_COUNTED - 1 });
}

#[test]
fn a_clock_that_is_set_runs_nothing_twice_and_stops_nothing() {
    let daily = daily();
    let mark = daily.mark(at(23));
    // Set back by some hours: the instant comes again, and is answered for.
    for back in [1, 60, 300, 25 * 60] {
        let due = daily.due("acme", Some(&mark), None, at(23) - minutes(back));
        assert_eq!(due, Due::Wait(Some(at(24))), "{back} minutes back");
    }
    // It was a year ahead: the feed does not stand still for a year.
    let ahead = daily.mark(at(23) + TimeDelta::days(365));
    assert_eq!(daily.due("acme", Some(&ahead), None, at(23)), Due::MarkAhead(daily.mark(at(23))));
    assert_eq!(daily.next_run("acme", Some(&ahead), None, at(23)), Some(at(24)));
    // Set forward: as if the machine had been off.
    let due = daily.due("acme", Some(&mark), None, at(24) + minutes(180));
    assert_eq!(due, Due::Run { mark: daily.mark(at(24)), missed: 1 });
}

#[test]
fn what_falls_into_a_pause_is_not_made_up_for() {
    let daily = daily();
    let mark = daily.mark(at(20));
    let open = Some(Pause::Open);
    assert_eq!(daily.due("acme", Some(&mark), open, at(23)), Due::Wait(None));
    let until = Some(Pause::Until(at(23) + minutes(30)));
    let next = Due::Wait(Some(at(24)));
    for now in [at(20) + minutes(1), at(22), at(23), at(23) + minutes(31), at(24) - minutes(1)] {
        assert_eq!(daily.due("acme", Some(&mark), until, now), next, "{now}");
    }
    let run = |missed| Due::Run { mark: daily.mark(at(24)), missed };
    assert_eq!(daily.due("acme", Some(&mark), until, at(24)), run(0));
    assert_eq!(daily.due("acme", Some(&mark), until, at(24) + minutes(60)), run(1));
    // The very moment of the end is run.
    assert_eq!(daily.due("acme", Some(&mark), Some(Pause::Until(at(24))), at(24)), run(0));
    // Resumed by a person: from that moment on.
    assert_eq!(daily.due("acme", Some(&daily.mark(at(23) + minutes(1))), None, at(23) + minutes(1)), next);
}

#[test]
fn jitter_spreads_ten_thousand_feeds_and_is_the_same_after_a_restart() {
    let settings = Settings { jitter: Duration::from_secs(1800), ..daily() };
    let wait = |feed: &str, day| (settings.run_at(feed, at(day)) - at(day)).num_seconds();
    let waits: Vec<i64> = (0..10_000).map(|feed| wait(&format!("feed-{feed}"), 24)).collect();
    assert!(waits.iter().all(|wait| (0..1800).contains(wait)));
    for minute in 0..30 {
        let count = waits.iter().filter(|wait| **wait / 60 == minute).count();
        // 333 on average, and 18 of standard deviation.
        assert!((230..450).contains(&count), "{count} feeds in minute {minute}");
    }
    // Written down: a later version that hashed otherwise would run an instant at two times.
    assert_eq!([wait("acme", 24), wait("acme", 25), wait("globex", 24)], JITTERS);
    assert_eq!(daily().run_at("acme", at(24)), at(24));

    let late = settings.run_at("acme", at(24));
    let mark = settings.mark(at(23));
    assert_eq!(settings.due("acme", Some(&mark), None, late - TimeDelta::seconds(1)), Due::Wait(Some(late)));
    assert_eq!(
        settings.due("acme", Some(&mark), None, late),
        Due::Run { mark: settings.mark(at(24)), missed: 0 }
    );
    let late = settings.run_at("acme", at(25));
    assert_eq!(settings.due("acme", Some(&settings.mark(at(24))), None, at(24)), Due::Wait(Some(late)));
}

const JITTERS: [i64; 3] = [603, 1281, 139];

#[derive(Clone, Copy, Debug)]
enum Move {
    /// Time goes on, as while the daemon runs, or is off, or sleeps.
    On(i64),
    /// The clock is set back.
    Back(i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let on = prop_oneof![4 => 1i64..120, 1 => 120i64..200_000];
    proptest::collection::vec(
        prop_oneof![9 => on.prop_map(Move::On), 1 => (1i64..20_000).prop_map(Move::Back)],
        1..400,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever the clock does, no instant is answered for twice, none is passed over in silence, and what it says
    /// is due is never early.
    #[test]
    fn each_instant_is_answered_for_once(
        moves in moves(), jitter in prop::sample::select(vec![0u64, 60, 600, 900]), catch_up in any::<bool>(),
        cron in prop::sample::select(vec!["*/15 * * * *", "0 6 * * *", "30 1,2 * * *", "0 6 * * MON-FRI"]),
        start in prop::sample::select(vec!["2026-03-07 12:00", "2026-10-31 12:00", "2026-11-23 10:59"]),
    ) {
        let settings = Settings { jitter: Duration::from_secs(jitter), catch_up, ..settings(cron, New_York) };
        let mut now = utc(start);
        let mut mark = settings.mark(now);
        let mut answered = 0;
        for step in moves {
            match step {
                Move::On(seconds) => now += TimeDelta::seconds(seconds),
                // Further back than a day is told aloud, and begins anew.
                Move::Back(seconds) => {
                    now = (now - TimeDelta::seconds(seconds)).max(mark.through - TimeDelta::hours(24));
                }
            }
            let (new, count, late) = match settings.due("acme", Some(&mark), None, now) {
                Due::Wait(next) => {
                    prop_assert!(next.unwrap() > now);
                    continue;
                }
                Due::Run { mark: new, missed } => {
                    let late = now - settings.run_at("acme", new.through) > ON_TIME;
                    (new, if late { missed } else { missed + 1 }, late)
                }
                Due::Skip { mark: new, missed } => (new, missed, true),
                due @ (Due::New(_) | Due::MarkAhead(_)) => panic!("{due:?}"),
            };
            prop_assert!(new.through > mark.through, "an instant is never answered for twice");
            prop_assert!(settings.run_at("acme", new.through) <= now);
            let skipped = matches!(settings.due("acme", Some(&mark), None, now), Due::Skip { .. });
            prop_assert_eq!(skipped, late && !catch_up);
            prop_assert_eq!(instants(&settings, mark.through, new.through).len(), count as usize);
            answered += count as usize;
            mark = new;
        }
        prop_assert_eq!(instants(&settings, utc(start), mark.through).len(), answered);
    }
}
