//! A year, minute by minute, as a naive model sees it.

use super::*;
use chrono::{Datelike, NaiveDateTime, Timelike};
use chrono_tz::{America::New_York, Australia::Lord_Howe, Europe::Berlin};
use proptest::prelude::*;

/// The five fields as sets, read by nobody's parser: the patterns below are written as sets.
#[derive(Clone, Debug)]
struct Pattern {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Vec<u32>,
    months: Vec<u32>,
    weekdays: Vec<u32>,
    star: bool,
}

impl Pattern {
    /// As it is typed. An empty set is a `*`, and `star` writes the minutes as `*/n`.
    fn text(&self) -> String {
        let list = |values: &Vec<u32>| match values.as_slice() {
            [] => "*".to_owned(),
            values => values.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        };
        let minutes = if self.star { "*/20".to_owned() } else { list(&self.minutes) };
        let hours = list(&self.hours);
        format!("{minutes} {hours} {} {} {}", list(&self.days), list(&self.months), list(&self.weekdays))
    }

    fn listed(&self) -> bool {
        !self.star && !self.minutes.is_empty() && !self.hours.is_empty()
    }

    fn hits(&self, wall: NaiveDateTime) -> bool {
        let has = |values: &[u32], value: u32| values.is_empty() || values.contains(&value);
        let minute =
            if self.star { wall.minute().is_multiple_of(20) } else { has(&self.minutes, wall.minute()) };
        let weekday = wall.weekday().num_days_from_sunday();
        let day = match (self.days.as_slice(), self.weekdays.as_slice()) {
            ([], []) => true,
            ([], weekdays) => weekdays.contains(&weekday),
            (days, []) => days.contains(&wall.day()),
            (days, weekdays) => days.contains(&wall.day()) || weekdays.contains(&weekday),
        };
        minute && has(&self.hours, wall.hour()) && has(&self.months, wall.month()) && day
    }

    /// Each minute is looked at; of a wall clock that jumps, the walls that it leaves out as well.
    fn model(&self, zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let minute = TimeDelta::minutes(1);
        let wall = |instant: DateTime<Utc>| instant.with_timezone(&zone).naive_local();
        // Walls that have been: a listed time is run the first time alone.
        let (mut found, mut furthest) = (Vec::new(), wall(from));
        let mut at = from;
        while at < to {
            at += minute;
            let now = wall(at);
            let run = if self.listed() {
                let mut passed = furthest + minute;
                let mut run = false;
                while passed <= now {
                    run |= self.hits(passed);
                    passed += minute;
                }
                run
            } else {
                self.hits(now)
            };
            furthest = furthest.max(now);
            if run {
                found.push(at);
            }
        }
        found
    }
}

fn pattern(minutes: &[u32], hours: &[u32], days: &[u32], months: &[u32], weekdays: &[u32]) -> Pattern {
    Pattern {
        minutes: minutes.to_vec(),
        hours: hours.to_vec(),
        days: days.to_vec(),
        months: months.to_vec(),
        weekdays: weekdays.to_vec(),
        star: false,
    }
}

#[test]
fn a_year_minute_by_minute_agrees_with_a_naive_model() {
    let patterns = [
        pattern(&[0], &[6], &[], &[], &[1, 2, 3, 4, 5]),
        pattern(&[30], &[1, 2], &[], &[], &[]),
        pattern(&[15, 45], &[1, 2, 3, 14], &[1, 8, 29, 31], &[3, 4, 10, 11], &[0]),
        pattern(&[0], &[], &[], &[], &[]),
        Pattern { star: true, ..pattern(&[], &[1, 2], &[], &[3, 4, 10, 11], &[]) },
    ];
    let (from, to) = (utc("2026-01-01 00:00"), utc("2027-01-01 00:00"));
    for zone in [New_York, Berlin, Lord_Howe] {
        for pattern in &patterns {
            let settings = settings(&pattern.text(), zone);
            let found = instants(&settings, from, to);
            assert!(found == pattern.model(zone, from, to), "`{}` in {zone}", pattern.text());
            assert!(found.len() > 200);
        }
    }
}

fn some(values: std::ops::RangeInclusive<u32>, most: usize) -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::btree_set(values, 0..=most).prop_map(|set| set.into_iter().collect())
}

prop_compose! {
    fn patterns()(
        minutes in some(0..=59, 3), hours in some(0..=23, 3), days in some(1..=28, 3), months in some(1..=12, 3),
        weekdays in some(0..=6, 3), star in any::<bool>(),
    ) -> Pattern {
        Pattern { minutes, hours, days, months, weekdays, star }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_pattern_agrees_with_the_model_around_a_clock_change(
        pattern in patterns(), zone in prop::sample::select(vec![New_York, Berlin, Lord_Howe]),
        change in prop::sample::select(vec!["2026-03-08", "2026-03-29", "2026-10-03", "2026-10-25", "2026-11-01", "2026-04-04"]),
        second in 0i64..60,
    ) {
        let settings = settings(&pattern.text(), zone);
        let from = utc(&format!("{change} 00:00")) - TimeDelta::days(1);
        let to = from + TimeDelta::days(4);
        prop_assert_eq!(instants(&settings, from, to), pattern.model(zone, from, to));
        // Between two minutes it is the same.
        let first = instants(&settings, from, to).first().copied();
        let between = settings.next_after(from - TimeDelta::seconds(second)).filter(|next| *next > from);
        prop_assert!(first.is_none() || second > 0 || between == first);
    }

    #[test]
    fn the_next_instant_is_after_and_never_goes_back(
        pattern in patterns(), start in 0i64..4_000_000_000, step in 1i64..10_000_000,
        zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
    ) {
        let settings = settings(&pattern.text(), zone);
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let (one, other) = (settings.next_after(at(start)).unwrap(), settings.next_after(at(start + step)).unwrap());
        prop_assert!(one > at(start));
        prop_assert!(one <= other);
        if one > at(start + step) {
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn the_shortest_gap_is_the_shortest(pattern in patterns()) {
        let settings = settings(&pattern.text(), Tz::UTC);
        let all = instants(&settings, utc("2026-01-01 00:00"), utc("2028-03-01 00:00"));
        let gaps = all.windows(2).map(|two| (two[1] - two[0]).to_std().unwrap());
        if let Some(shortest) = gaps.min() {
            prop_assert!(settings.cron.shortest_gap() <= shortest);
            let dense = pattern.days.is_empty() && pattern.months.is_empty();
            prop_assert!(!dense || settings.cron.shortest_gap() == shortest, "{}", pattern.text());
            prop_assert!(settings.cron.is_sparser_than(settings.cron.shortest_gap()));
            prop_assert!(!settings.cron.is_sparser_than(settings.cron.shortest_gap() + Duration::from_secs(1)));
        }
    }
}
