//! The date in a file's name: which of two exports is the newer one, and which two are one part of two days. Pure.

use chrono::{DateTime, NaiveDate, Utc};

/// A name that has one date, year first as `20261124`, `2026-11-24`, `2026_11_24` or `2026.11.24`, with the four or
/// six digits of a time behind it if they are there. Other orders are no dates here: day and month could be the other
/// way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dated {
    /// The day, and the time as a number to compare.
    pub(super) at: (NaiveDate, u32),
    /// The name without them: what the exports of all days have in common.
    pub(super) family: String,
}

/// The date in a name; nothing when there is none, or two.
pub(super) fn date_in(name: &str) -> Option<Dated> {
    let mut found = None;
    let mut after = 0;
    for (at, _) in name.char_indices() {
        let before = name.get(..at).and_then(|text| text.chars().next_back());
        if at < after || before.is_some_and(|c| c.is_ascii_digit()) {
            continue;
        }
        let Some((date, length)) = name.get(at..).and_then(date_at) else {
            continue;
        };
        if found.is_some() {
            return None;
        }
        let rest = name.get(at + length..).unwrap_or("");
        let (time, used) = time_at(rest);
        after = at + length + used;
        let family = format!("{}*{}", name.get(..at).unwrap_or(""), rest.get(used..).unwrap_or(""));
        found = Some(Dated { at: (date, time), family });
    }
    found
}

/// The date with which a text begins, and its length.
fn date_at(text: &str) -> Option<(NaiveDate, usize)> {
    let mark = text.as_bytes().get(4).copied().filter(|byte| b"-_.".contains(byte));
    let length = if mark.is_some() { 10 } else { 8 };
    let part = text.get(..length)?;
    if mark.is_some_and(|mark| part.as_bytes().get(7) != Some(&mark)) {
        return None;
    }
    let digits: String = part.chars().filter(char::is_ascii_digit).collect();
    // Without marks ten digits in a row are no date, with fourteen a time stands behind it.
    let more = text.get(length..)?.bytes().take_while(u8::is_ascii_digit).count();
    if digits.len() != 8 || !matches!(more, 0 | 4 | 6) {
        return None;
    }
    let number = |from: usize, to: usize| digits.get(from..to).and_then(|digits| digits.parse::<u32>().ok());
    let year = i32::try_from(number(0, 4)?).ok().filter(|year| (1990..2100).contains(year))?;
    Some((NaiveDate::from_ymd_opt(year, number(4, 6)?, number(6, 8)?)?, length))
}

/// The time behind a date as a number to compare, and the length of its text.
fn time_at(rest: &str) -> (u32, usize) {
    let mark = usize::from(rest.starts_with(['T', 't', '_', '-', '.']));
    let digits = rest.bytes().skip(mark).take_while(u8::is_ascii_digit).count();
    let number = rest.get(mark..mark + digits).and_then(|digits| digits.parse::<u32>().ok());
    match (digits, number) {
        (4, Some(time)) => (time * 100, mark + digits),
        (6, Some(time)) => (time, mark + digits),
        _ => (0, 0),
    }
}

/// A file as far as its age can be told: its path, and when it was last written, as its place said.
#[derive(Clone, Copy, Debug)]
pub struct Aged<'f> {
    /// Its path.
    pub path: &'f str,
    /// When it was last written.
    pub modified: Option<DateTime<Utc>>,
}

impl Aged<'_> {
    fn dated(&self) -> Option<Dated> {
        date_in(self.path.rsplit('/').next().unwrap_or(self.path))
    }

    /// Whether this export is older than that one: by the dates in their names where the names are alike but for
    /// them, else by the time at which they were written. What cannot be told is not older.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        match (self.dated(), other.dated()) {
            (Some(mine), Some(its)) if mine.family == its.family && mine.at != its.at => mine.at < its.at,
            _ => matches!((self.modified, other.modified), (Some(mine), Some(its)) if mine < its),
        }
    }

    /// Whether they are exports of one part: the same name, but for a date in it.
    #[must_use]
    pub fn is_of_the_part_of(&self, other: &Self) -> bool {
        let part = |of: &Self| of.dated().map(|dated| dated.family);
        let name = |of: &Self| of.path.rsplit('/').next().unwrap_or(of.path).to_owned();
        match (part(self), part(other)) {
            (Some(mine), Some(its)) => mine == its,
            (None, None) => name(self) == name(other),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_one_that_can_be_read_one_way_only() {
        for none in
            ["r-20261324.csv", "r-2026112400.csv", "20261124-20261125.csv", "r-2026-1124.csv", "1234567.csv"]
        {
            assert_eq!(date_in(none), None, "{none}");
        }
        let dated = date_in("east-20261124060000-final.csv").unwrap();
        assert_eq!((dated.at.1, dated.family.as_str()), (60_000, "east-*-final.csv"));
    }

    #[test]
    fn the_name_says_which_is_older_before_the_time_does() {
        let time = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0);
        let file = |path, seconds| Aged { path, modified: time(seconds) };
        for (one, other, older, part) in [
            // Copied again later.
            (file("/out/r-20261123.csv", 9), file("/out/r-20261124.csv", 5), true, true),
            (file("/out/r-20261124.csv", 5), file("/tmp/r-20261123.csv", 9), false, true),
            (file("/out/r-20261124.csv", 5), file("/out/r-20261124.csv", 9), true, true),
            (file("/out/r-20261124.csv", 5), file("/out/r-20261124.csv", 5), false, true),
            // Other names: the time is all that there is.
            (file("/out/r-20261124.csv", 5), file("/tmp/fixed-20261123.csv", 9), true, false),
            (file("/out/roster.csv", 5), file("/out/roster.csv", 9), true, true),
            (file("/out/east.csv", 9), file("/out/west.csv", 5), false, false),
            (Aged { path: "a.csv", modified: None }, file("a.csv", 5), false, true),
        ] {
            assert_eq!(one.is_older_than(&other), older, "{one:?} {other:?}");
            assert_eq!(one.is_of_the_part_of(&other), part, "{one:?} {other:?}");
        }
    }
}
