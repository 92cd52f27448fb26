//! Dates, read strictly: what chrono would accept silently wrong is refused (`dependencies.md`, Traps).

use super::problem::Fault;
use super::settings::DateFormat;
use crate::roster::Rule;
use chrono::{Datelike as _, Months, NaiveDate};

/// Nobody on a roster was born longer ago than this many years.
pub(super) const OLDEST_YEARS: u32 = 110;

/// The months as they are written out, in lower case.
pub(crate) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// How a column's dates are read.
#[derive(Clone, Debug)]
pub(super) struct Dates(Vec<Pattern>);

/// A compiled format.
#[derive(Clone, Debug)]
struct Pattern {
    pieces: Vec<Piece>,
    pivot: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// Exactly four digits.
    Year,
    /// Exactly two digits, within the hundred years that end with the pivot.
    ShortYear,
    /// One or two digits, exactly two when a number stands right beside it.
    Month { two: bool },
    /// Likewise.
    Day { two: bool },
    /// A month's English name, whole or its first three letters, in any case.
    MonthName,
    /// This character.
    Literal(char),
}

impl Dates {
    /// Compiles the formats; none means ISO 8601 alone.
    ///
    /// # Errors
    /// What is wrong with which pattern, as the end of a sentence that begins with it.
    pub(super) fn compile(formats: &[DateFormat]) -> Result<Self, (String, &'static str)> {
        let compiled: Result<Vec<_>, _> = formats
            .iter()
            .map(|format| pattern(format).map_err(|why| (format.pattern.clone(), why)))
            .collect();
        Ok(Self(compiled?))
    }

    /// Reads a non-blank text.
    pub(super) fn read(&self, text: &str) -> Result<NaiveDate, Fault> {
        // A real date cell of a sheet is a date whatever the formats say. Decoders write it with this small letter,
        // which no format has (`src/source/decode/xlsx.rs`).
        if text.as_bytes().get(10) == Some(&b't')
            && let Some(day) = iso(text)
        {
            return Ok(day);
        }
        if self.0.is_empty() {
            return iso(text).ok_or(Fault::Rule(Rule::NotADate));
        }
        let mut found = None;
        for each in &self.0 {
            match (found, each.read(text)) {
                (_, None) => {}
                (Some(known), Some(day)) if known != day => return Err(Fault::TwoDays),
                (_, day) => found = day,
            }
        }
        found.ok_or(Fault::NoListedDate)
    }
}

/// Whether somebody on a roster of `today` can be born on that day.
pub(super) fn check_birth(day: NaiveDate, today: NaiveDate) -> Result<(), Fault> {
    if day > today {
        return Err(Fault::BornLater);
    }
    let oldest = today.checked_sub_months(Months::new(OLDEST_YEARS * 12));
    if oldest.is_some_and(|oldest| day < oldest) {
        return Err(Fault::BornLongAgo);
    }
    Ok(())
}

/// Writes the day as `YYYY-MM-DD`; the year has four digits by the way it was read.
pub(super) fn write(day: NaiveDate, out: &mut String) {
    let year = day.year().unsigned_abs();
    let digit = |value: u32| char::from_digit(value % 10, 10).unwrap_or('0');
    for place in [1000, 100, 10, 1] {
        out.push(digit(year / place));
    }
    for part in [day.month(), day.day()] {
        out.push('-');
        out.push(digit(part / 10));
        out.push(digit(part));
    }
}

/// `YYYY-MM-DD`, also with a time behind it, which is cut off: a calendar date is never shifted by a zone.
fn iso(text: &str) -> Option<NaiveDate> {
    let (date, time) = text.split_at_checked(10)?;
    if !(time.is_empty() || is_time(time)) {
        return None;
    }
    let mut rest = date;
    let year = number(&mut rest, 4, 4)?;
    rest = rest.strip_prefix('-')?;
    let month = number(&mut rest, 2, 2)?;
    rest = rest.strip_prefix('-')?;
    let day = number(&mut rest, 2, 2)?;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

/// `T` or a space, `HH:MM`, then seconds, fractions and a zone as ISO 8601 writes them.
fn is_time(text: &str) -> bool {
    let Some(clock) = text.strip_prefix(['T', 't', ' ']) else {
        return false;
    };
    let mut rest = clock;
    let hour = number(&mut rest, 2, 2).is_some_and(|hour| hour < 24);
    let Some(mut rest) = rest.strip_prefix(':') else {
        return false;
    };
    let minute = number(&mut rest, 2, 2).is_some_and(|minute| minute < 60);
    let tail = |byte: u8| byte.is_ascii_digit() || b":.,+-Zz ".contains(&byte);
    hour && minute && rest.bytes().all(tail)
}

/// Takes between `least` and `most` digits off the front, as many as there are.
fn number(rest: &mut &str, least: usize, most: usize) -> Option<u32> {
    let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    let (digits, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(digits.bytes().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
}

impl Pattern {
    fn read(&self, text: &str) -> Option<NaiveDate> {
        let mut rest = text;
        let (mut year, mut month, mut day) = (0, 0, 0);
        for piece in &self.pieces {
            match *piece {
                Piece::Year => year = i32::try_from(number(&mut rest, 4, 4)?).ok()?,
                Piece::ShortYear => year = self.full_year(number(&mut rest, 2, 2)?)?,
                Piece::Month { two } => month = number(&mut rest, if two { 2 } else { 1 }, 2)?,
                Piece::Day { two } => day = number(&mut rest, if two { 2 } else { 1 }, 2)?,
                Piece::MonthName => month = month_name(&mut rest)?,
                Piece::Literal(c) => rest = rest.strip_prefix(c)?,
            }
        }
        if !rest.is_empty() {
            return None;
        }
        NaiveDate::from_ymd_opt(year, month, day)
    }

    /// The year with these last two digits that is at most the pivot and less than a hundred years before it.
    fn full_year(&self, short: u32) -> Option<i32> {
        let short = i32::try_from(short).ok()?;
        let back = (self.pivot - short).rem_euclid(100);
        Some(self.pivot - back)
    }
}

fn month_name(rest: &mut &str) -> Option<u32> {
    let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (word, after) = rest.split_at_checked(length)?;
    let matches = |name: &&str| {
        word.eq_ignore_ascii_case(name) || name.get(..3).is_some_and(|short| word.eq_ignore_ascii_case(short))
    };
    let at = MONTHS.iter().position(matches)?;
    *rest = after;
    u32::try_from(at + 1).ok()
}

fn pattern(format: &DateFormat) -> Result<Pattern, &'static str> {
    let mut pieces = Vec::new();
    let mut chars = format.pattern.trim().chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            pieces.push(Piece::Literal(c));
            continue;
        }
        let code = match chars.next() {
            Some('-') => chars.next(),
            other => other,
        };
        pieces.push(match code {
            Some('Y') => Piece::Year,
            Some('y') => Piece::ShortYear,
            Some('m') => Piece::Month { two: false },
            Some('d' | 'e') => Piece::Day { two: false },
            Some('b' | 'B') => Piece::MonthName,
            Some('%') => Piece::Literal('%'),
            _ => {
                return Err(
                    "has a part that is not known; use `%Y %y %m %d %e %b %B`, separators between them",
                );
            }
        });
    }
    widen(&mut pieces);
    let count = |test: fn(&Piece) -> bool| pieces.iter().filter(|piece| test(piece)).count();
    let years = count(|piece| matches!(piece, Piece::Year | Piece::ShortYear));
    let months = count(|piece| matches!(piece, Piece::Month { .. } | Piece::MonthName));
    let days = count(|piece| matches!(piece, Piece::Day { .. }));
    if (years, months, days) != (1, 1, 1) {
        return Err("must have one year, one month and one day");
    }
    let pivot = match format.pivot {
        Some(pivot) => pivot,
        None if pieces.contains(&Piece::ShortYear) => {
            return Err("has `%y`, which needs a `pivot`: the latest year that two digits may mean");
        }
        None => 0,
    };
    Ok(Pattern { pieces, pivot })
}

/// Numbers that touch want their exact width: `1011970` is no `%m%d%Y`.
fn widen(pieces: &mut [Piece]) {
    let numeric: Vec<bool> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Year | Piece::ShortYear | Piece::Month { .. } | Piece::Day { .. } => true,
            Piece::MonthName | Piece::Literal(_) => false,
        })
        .collect();
    let at = |index: Option<usize>| index.and_then(|index| numeric.get(index)) == Some(&true);
    for (index, piece) in pieces.iter_mut().enumerate() {
        let touches = at(index.checked_sub(1)) || at(index.checked_add(1));
        match piece {
            Piece::Month { two } | Piece::Day { two } => *two = touches,
            Piece::Year | Piece::ShortYear | Piece::MonthName | Piece::Literal(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(patterns: &[&str]) -> Dates {
        let formats: Vec<_> = patterns
            .iter()
            .map(|pattern| DateFormat {
                pattern: (*pattern).to_owned(),
                pivot: pattern.contains("%y").then_some(2010),
            })
            .collect();
        Dates::compile(&formats).unwrap()
    }

    fn read(patterns: &[&str], text: &str) -> Result<String, Fault> {
        dates(patterns).read(text).map(|day| {
            let mut out = String::new();
            write(day, &mut out);
            out
        })
    }

    #[test]
    fn each_format_reads_its_own_dates() {
        let cases: [(&[&str], &str, &str); 22] = [
            (&[], "1990-05-15", "1990-05-15"),
            (&[], "1990-05-15T23:59:59Z", "1990-05-15"),
            (&[], "1990-05-15T00:00:00.000+00:00", "1990-05-15"),
            (&[], "1990-05-15 00:00", "1990-05-15"),
            (&["%m/%d/%Y"], "05/15/1990", "1990-05-15"),
            (&["%m/%d/%Y"], "5/5/1990", "1990-05-05"),
            (&["%-m/%-d/%Y"], "5/15/1990", "1990-05-15"),
            (&["%d.%m.%Y"], "15.05.1990", "1990-05-15"),
            (&["%m%d%Y"], "05151990", "1990-05-15"),
            (&["%Y%m%d"], "19900515", "1990-05-15"),
            (&["%m/%d/%y"], "05/15/90", "1990-05-15"),
            (&["%m/%d/%y"], "05/15/10", "2010-05-15"),
            (&["%m/%d/%y"], "05/15/11", "1911-05-15"),
            (&["%m%d%y"], "051590", "1990-05-15"),
            (&["%d-%b-%Y"], "15-MAY-1990", "1990-05-15"),
            (&["%d-%b-%Y"], "5-Jun-1990", "1990-06-05"),
            (&["%B %e, %Y"], "September 5, 1990", "1990-09-05"),
            (&["%B %d, %Y"], "sep 05, 1990", "1990-09-05"),
            (&["%d%b%Y"], "15MAY1990", "1990-05-15"),
            (&["%m/%d/%Y", "%Y-%m-%d"], "1990-05-15", "1990-05-15"),
            (&["%m/%d/%Y", "%m/%d/%y"], "05/15/90", "1990-05-15"),
            (&["%m/%d/%Y", "%d/%m/%Y"], "05/05/1990", "1990-05-05"),
        ];
        for (patterns, text, expected) in cases {
            assert_eq!(read(patterns, text).as_deref(), Ok(expected), "{patterns:?} {text}");
        }
    }

    #[test]
    fn what_would_be_read_wrong_is_refused() {
        let iso = Err(Fault::Rule(Rule::NotADate));
        let none = Err(Fault::NoListedDate);
        let cases: [(&[&str], &str, Result<&str, Fault>); 19] = [
            (&[], "05/15/1990", iso),
            (&[], "1990-5-15", iso),
            (&[], "1990-02-30", iso),
            (&[], "1990-05-15T", iso),
            (&[], "1990-05-15T25:00", iso),
            (&[], "1990-05-151", iso),
            (&[], "é990-05-15", iso),
            (&[], "+990-05-15", iso),
            (&["%m/%d/%Y"], "05/15/90", none),
            (&["%m/%d/%Y"], "15/05/1990", none),
            (&["%m/%d/%Y"], "05/15/19900", none),
            (&["%m/%d/%Y"], "05/15/1990 x", none),
            (&["%m/%d/%Y"], "1990-05-15", none),
            (&["%m%d%Y"], "1011970", none),
            (&["%m%d%Y"], "011011970", none),
            (&["%m/%d/%y"], "05/15/1990", none),
            (&["%d-%b-%Y"], "15-Sept-1990", none),
            (&["%d-%b-%Y"], "15-05-1990", none),
            (&["%m/%d/%Y", "%d/%m/%Y"], "05/06/1990", Err(Fault::TwoDays)),
        ];
        for (patterns, text, expected) in cases {
            assert_eq!(read(patterns, text), expected.map(str::to_owned), "{patterns:?} {text}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_right_does_not_compile() {
        for pattern in ["%m/%d", "%m/%d/%Y %H", "%Y-%m-%m", "%m/%d/%y", "%", "", "%F"] {
            let format = DateFormat { pattern: pattern.to_owned(), pivot: None };
            assert!(Dates::compile(&[format]).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_birth_date_lies_within_the_last_110_years() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        let today = day(2026, 11, 22);
        let cases = [
            (today, Ok(())),
            (day(2026, 11, 23), Err(Fault::BornLater)),
            (day(1916, 11, 22), Ok(())),
            (day(1916, 11, 21), Err(Fault::BornLongAgo)),
            (day(90, 5, 15), Err(Fault::BornLongAgo)),
        ];
        for (born, expected) in cases {
            assert_eq!(check_birth(born, today), expected, "{born}");
        }
    }
}
