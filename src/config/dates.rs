//! Date formats: which ones are taken, and which ones may not stand in one list (`dependencies.md`, Traps).

use super::read::{Fields, Item, Reader};
use crate::mapping::{DateFormat, MONTHS};
use chrono::{Datelike, Duration, NaiveDate};

/// What a format is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    ShortYear,
    Month,
    MonthName,
    ShortMonthName,
    Day,
    Text(char),
}

/// Reads `format` and `pivot` of a date column.
pub(super) fn formats(reader: &Reader, fields: &Fields<'_>) -> Option<Vec<DateFormat>> {
    let pivot = match fields.get("pivot") {
        Some(item) => Some(i32::try_from(reader.whole(&item, 1900..=2100)?).ok()?),
        None => None,
    };
    let items: Vec<Item<'_>> = match fields.get("format") {
        None => Vec::new(),
        Some(item) if matches!(item.node.kind, super::yaml::Kind::List(_)) => reader.list(&item, false)?,
        Some(item) => vec![item],
    };
    let count = items.len();
    let read: Vec<(Item<'_>, DateFormat, Vec<Part>)> = items
        .into_iter()
        .filter_map(|item| {
            let (format, parts) = format(reader, &item, pivot)?;
            Some((item, format, parts))
        })
        .collect();
    if read.len() < count {
        return None;
    }
    if let Some(item) = fields.get("pivot")
        && !read.iter().any(|(_, _, parts)| parts.contains(&Part::ShortYear))
    {
        reader.wrong(&item, "`pivot` is for a `format` with `%y`", "remove it, or write the format");
        return None;
    }
    for (index, (item, format, parts)) in read.iter().enumerate() {
        for (_, other, other_parts) in read.iter().take(index) {
            if let Some(text) = collision((parts, format.pivot), (other_parts, other.pivot)) {
                let message =
                    format!("`{}` and `{}` read `{text}` as different days", other.pattern, format.pattern);
                reader.wrong(item, message, "keep the one that the source writes");
                return None;
            }
        }
    }
    Some(read.into_iter().map(|(_, format, _)| format).collect())
}

fn format(reader: &Reader, item: &Item<'_>, pivot: Option<i32>) -> Option<(DateFormat, Vec<Part>)> {
    let pattern = reader.text(item)?;
    let parts = match parts(pattern) {
        Ok(parts) => parts,
        Err(message) => {
            reader.wrong(
                item,
                message,
                "use `%Y` or `%y`, `%m`, `%-m`, `%b` or `%B`, and `%d`, `%-d` or `%e`, such as `%m/%d/%Y`",
            );
            return None;
        }
    };
    let short = parts.contains(&Part::ShortYear);
    if short && pivot.is_none() {
        let help =
            "add `pivot: 2010` beside it: the latest year that is meant, so that 10 is 2010 and 11 is 1911";
        reader.wrong(item, "`%y` does not say which century is meant", help);
        return None;
    }
    let pivot = if short { pivot } else { None };
    Some((DateFormat { pattern: pattern.to_owned(), pivot }, parts))
}

fn parts(pattern: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        if character != '%' {
            parts.push(Part::Text(character));
            continue;
        }
        let specifier = rest.next();
        let part = match specifier {
            Some('Y') => Part::Year,
            Some('y') => Part::ShortYear,
            Some('m') => Part::Month,
            Some('b') => Part::ShortMonthName,
            Some('B') => Part::MonthName,
            Some('d' | 'e') => Part::Day,
            Some('-') => match rest.next() {
                Some('m') => Part::Month,
                Some('d') => Part::Day,
                Some(other) => return Err(format!("`%-{other}` is no part of a date here")),
                None => return Err("the format ends in `%-`".to_owned()),
            },
            Some(other) => return Err(format!("`%{other}` is no part of a date here")),
            None => return Err("the format ends in `%`".to_owned()),
        };
        parts.push(part);
    }
    let count = |wanted: &[Part]| parts.iter().filter(|part| wanted.contains(part)).count();
    for (name, wanted) in [
        ("a year", &[Part::Year, Part::ShortYear][..]),
        ("a month", &[Part::Month, Part::MonthName, Part::ShortMonthName]),
        ("a day", &[Part::Day]),
    ] {
        match count(wanted) {
            1 => {}
            0 => return Err(format!("the format lacks {name}")),
            _ => return Err(format!("the format has {name} twice")),
        }
    }
    Ok(parts)
}

type Format<'a> = (&'a [Part], Option<i32>);

/// A text that both formats read, as different days of the last and next lifetimes.
fn collision<'a>(one: (&'a Vec<Part>, Option<i32>), other: (&'a Vec<Part>, Option<i32>)) -> Option<String> {
    let (one, other): (Format<'a>, Format<'a>) = ((one.0, one.1), (other.0, other.1));
    [(one, other), (other, one)].into_iter().find_map(|(writer, reader)| {
        sample().into_iter().find_map(|day| {
            [true, false].into_iter().find_map(|padded| {
                let text = write(writer.0, day, padded);
                let mine = read(writer, &text).filter(plausible)?;
                let theirs = read(reader, &text).filter(plausible)?;
                (mine != theirs).then_some(text)
            })
        })
    })
}

fn plausible(day: &NaiveDate) -> bool {
    (1900..2100).contains(&day.year())
}

/// Days of every month and day of the month, over years whose digits look like months and days and not.
fn sample() -> Vec<NaiveDate> {
    [1912, 1985, 2001, 2012, 2024]
        .into_iter()
        .filter_map(|year| NaiveDate::from_ymd_opt(year, 1, 1))
        .flat_map(|first| (0..365).map(move |days| first + Duration::days(days)))
        .collect()
}

fn write(parts: &[Part], day: NaiveDate, padded: bool) -> String {
    let two = |number: u32| {
        if padded { format!("{number:02}") } else { number.to_string() }
    };
    let name = |length: usize| {
        let month = MONTHS.get(day.month0() as usize).copied().unwrap_or_default();
        month.chars().take(length).collect::<String>()
    };
    let part = |part: &Part| match part {
        Part::Year => format!("{:04}", day.year()),
        Part::ShortYear => format!("{:02}", day.year() % 100),
        Part::Month => two(day.month()),
        Part::MonthName => name(usize::MAX),
        Part::ShortMonthName => name(3),
        Part::Day => two(day.day()),
        Part::Text(character) => character.to_string(),
    };
    parts.iter().map(part).collect()
}

/// Reads as the mapping does: years exact, months and days of one or two digits only beside a separator.
fn read((parts, pivot): Format<'_>, text: &str) -> Option<NaiveDate> {
    let (mut year, mut month, mut day) = (None, None, None);
    let mut rest = text;
    for (index, part) in parts.iter().enumerate() {
        let is_number = |part: &Part| matches!(part, Part::Year | Part::ShortYear | Part::Month | Part::Day);
        let next_is_number = parts.get(index + 1).is_some_and(is_number);
        let after_number = index.checked_sub(1).and_then(|before| parts.get(before)).is_some_and(is_number);
        let least = if next_is_number || after_number { 2 } else { 1 };
        match part {
            Part::Year => year = Some(digits(&mut rest, 4, 4)?),
            Part::ShortYear => year = Some(century(digits(&mut rest, 2, 2)?, pivot?)),
            Part::Month => month = Some(digits(&mut rest, least, 2)?),
            Part::Day => day = Some(digits(&mut rest, least, 2)?),
            Part::MonthName | Part::ShortMonthName => {
                let length = if *part == Part::ShortMonthName { 3 } else { usize::MAX };
                let found = MONTHS.iter().zip(1..).find_map(|(name, number)| {
                    let name: String = name.chars().take(length).collect();
                    Some((rest.strip_prefix(name.as_str())?, number))
                });
                let (after, number) = found?;
                month = Some(number);
                rest = after;
            }
            Part::Text(character) => rest = rest.strip_prefix(*character)?,
        }
    }
    if !rest.is_empty() {
        return None;
    }
    NaiveDate::from_ymd_opt(i32::try_from(year?).ok()?, month?, day?)
}

fn century(two: u32, pivot: i32) -> u32 {
    let pivot = u32::try_from(pivot).unwrap_or(2000);
    let year = pivot - pivot % 100 + two;
    if year > pivot { year - 100 } else { year }
}

fn digits(rest: &mut &str, least: usize, most: usize) -> Option<u32> {
    let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    let (number, after) = rest.split_at_checked(count)?;
    *rest = after;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collide(one: &str, other: &str) -> bool {
        let (one, other) = (parts(one).unwrap(), parts(other).unwrap());
        collision((&one, Some(2010)), (&other, Some(2010))).is_some()
    }

    #[test]
    fn formats_that_read_a_text_differently_collide() {
        assert!(collide("%m/%d/%Y", "%d/%m/%Y"));
        assert!(collide("%m/%d/%y", "%y/%m/%d"));
        assert!(collide("%-m/%-d/%Y", "%d/%m/%Y"));
        assert!(collide("%y%m%d", "%m%d%y"));
        assert!(!collide("%m/%d/%Y", "%m/%d/%y"));
        assert!(!collide("%m/%d/%Y", "%-m/%-d/%Y"));
        assert!(!collide("%m/%d/%Y", "%Y-%m-%d"));
        assert!(!collide("%m%d%Y", "%Y%m%d"));
        assert!(!collide("%d %b %Y", "%d %B %Y"));
    }

    #[test]
    fn a_format_has_each_part_once() {
        assert!(parts("%d-%b-%Y").is_ok());
        assert_eq!(parts("%m/%Y"), Err("the format lacks a day".to_owned()));
        assert_eq!(parts("%Y-%m-%d %y"), Err("the format has a year twice".to_owned()));
        assert_eq!(parts("%H"), Err("`%H` is no part of a date here".to_owned()));
        assert_eq!(parts("%"), Err("the format ends in `%`".to_owned()));
    }

    #[test]
    fn the_pivot_is_the_latest_year() {
        assert_eq!(century(10, 2010), 2010);
        assert_eq!(century(11, 2010), 1911);
        assert_eq!(century(45, 2010), 1945);
    }
}
