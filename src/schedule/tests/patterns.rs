//! What is a pattern, and what is refused with which words.

use super::*;

#[test]
fn patterns_are_shown_in_one_form() {
    for (typed, shown) in [
        ("  0   6 * * mon-fri ", "0 6 * * MON-FRI"),
        ("0\t6 1 Jan,JUL *", "0 6 1 JAN,JUL *"),
        ("*/15 8-18/2 * * 1-5", "*/15 8-18/2 * * 1-5"),
        ("0 6 29 2 *", "0 6 29 2 *"),
        ("0 6 1,15 * SUN", "0 6 1,15 * SUN"),
        ("0 6 * * SAT-SUN", "0 6 * * SAT-SUN"),
        ("00 06 * * 7", "00 06 * * 7"),
    ] {
        let cron: Cron = typed.parse().unwrap_or_else(|error| panic!("{typed}: {error}"));
        assert_eq!(cron.to_string(), shown);
        assert_eq!(shown.parse::<Cron>().unwrap(), cron);
    }
}

#[test]
fn what_is_no_pattern_is_refused_with_what_to_write() {
    for (text, message, help) in [
        ("", "found nothing", "`0 6 * * MON-FRI`"),
        ("0 6 * *", "found 4", "day of the week"),
        ("0 0 6 * * MON-FRI", "found six", "write `0 6 * * MON-FRI`"),
        ("0 0 6 * * * 2027", "found 7", "minute, hour"),
        ("@daily", "found a word", "write `0 0 * * *`"),
        ("@reboot", "found a word", "`0 6 * * MON-FRI`"),
        ("60 6 * * *", "the minute cannot be `60`", "0 to 59"),
        ("0 24 * * *", "the hour cannot be `24`", "0 to 23"),
        ("0 6 0 * *", "the day of the month cannot be `0`", "1 to 31"),
        ("0 6 32 * *", "the day of the month cannot be `32`", "1 to 31"),
        ("0 6 * 13 *", "the month cannot be `13`", "JAN FEB"),
        ("0 6 * * 8", "the day of the week cannot be `8`", "SUN MON"),
        ("0 6 * MON *", "the month cannot be `MON`", "JAN FEB"),
        ("0 6 * * JAN", "the day of the week cannot be `JAN`", "SUN MON"),
        ("0 6 * * MONDAY", "the day of the week cannot be `MONDAY`", "SUN MON"),
        ("MON 6 * * *", "the minute cannot be `MON`", "0 to 59"),
        ("+5 6 * * *", "the minute cannot be `+5`", "0 to 59"),
        ("5, 6 * * *", "the minute cannot be ``", "0 to 59"),
        ("0 6 L * *", "the day of the month cannot be `L`", "1 to 31"),
        ("0 6 ? * *", "the day of the month cannot be `?`", "1 to 31"),
        ("0 6 * * MON#2", "the day of the week cannot be `MON#2`", "SUN MON"),
        ("0 6 * * +MON", "the day of the week cannot be `+MON`", "SUN MON"),
        ("5/10 6 * * *", "minute `5/10` has a step and no range", "`5-59/…`"),
        ("*/0 6 * * *", "minute `*/0` has a step", "1 to 59"),
        ("*/90 6 * * *", "minute `*/90` has a step", "1 to 59"),
        ("0 22-5 * * *", "hour `22-5` runs backwards", "`22-23,0-5`"),
        ("0 6 * * FRI-MON", "day of the week `FRI-MON` runs backwards", "`FRI-SAT,SUN-MON`"),
        ("0 6 30 2 *", "day 30 never comes in month 2", "a day that the month has"),
        ("0 6 31 4,6,9,11 *", "never comes", "a day that the month has"),
        ("0 6 */2 * MON", "crons differ", "list the days"),
        ("0 6 1 * */2", "crons differ", "list the days"),
        ("0 6 * * * ; rm", "found 7", "minute, hour"),
        ("0 6 * * мон", "the day of the week cannot be `мон`", "SUN MON"),
    ] {
        let error = text.parse::<Cron>().expect_err(text);
        assert!(error.to_string().contains(message), "{text}: {error}");
        assert!(error.help().contains(help), "{text}: {}", error.help());
    }
}

#[test]
fn the_shortest_gap_knows_nights_and_weekends() {
    let hours = |text: &str| text.parse::<Cron>().unwrap().shortest_gap().as_secs() as f64 / 3600.0;
    assert_eq!(hours("0 6 * * *"), 24.0);
    assert_eq!(hours("0 6 * * MON"), 168.0);
    assert_eq!(hours("0 6 1 * *"), 28.0 * 24.0);
    assert_eq!(hours("0 6 1,2 * *"), 24.0);
    assert_eq!(hours("0 0,23 * * *"), 1.0);
    assert_eq!(hours("0 0,23 * * MON,THU"), 23.0);
    assert_eq!(hours("*/15 * * * *"), 0.25);
}

proptest::proptest! {
    #[test]
    fn no_text_panics_and_what_is_taken_is_due_some_time(text in "[-0-9*/,A-Z# ]{0,24}") {
        if let Ok(cron) = text.parse::<Cron>() {
            let settings = Settings { cron, timezone: Tz::UTC, jitter: Duration::ZERO, catch_up: true };
            proptest::prop_assert!(settings.next_after(utc("2026-11-23 00:00")).is_some());
        }
    }
}
