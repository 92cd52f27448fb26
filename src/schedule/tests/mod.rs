//! The calendar against tables and against a model that looks at each minute.

mod answers;
mod calendar;
mod clock_changes;
mod patterns;

use super::*;

fn settings(cron: &str, zone: Tz) -> Settings {
    Settings { cron: cron.parse().unwrap(), timezone: zone, jitter: Duration::ZERO, catch_up: true }
}

fn utc(text: &str) -> DateTime<Utc> {
    let text = if text.len() == "2026-03-08 06:00".len() { format!("{text}:00") } else { text.to_owned() };
    chrono::NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S").unwrap().and_utc()
}

/// Every instant between two moments, the first moment left out and the second one not.
fn instants(settings: &Settings, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let all = std::iter::successors(settings.next_after(from), |instant| settings.next_after(*instant));
    all.take_while(|instant| *instant <= to).collect()
}
