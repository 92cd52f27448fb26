//! Single words of the configuration: misspelt ones, durations, shares.

use std::{ops::RangeInclusive, str::FromStr, time::Duration};

/// The known name that a misspelt one most likely means.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).clamp(1, 4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, known.iter().copied()) {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None if known.is_empty() || known.len() > 20 => None,
        None => Some(format!("known here: {}", quoted(known))),
    }
}

pub(super) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// `50/1m`: a number of something, and a duration that is not zero.
pub(super) fn parse_rate<N: FromStr + PartialOrd>(
    text: &str,
    allowed: RangeInclusive<N>,
) -> Option<(N, Duration)> {
    let (number, within) = text.split_once('/')?;
    let number = number.trim().parse().ok().filter(|number| allowed.contains(number))?;
    let within = parse_duration(within.trim()).filter(|within| !within.is_zero())?;
    Some((number, within))
}

/// `90s`, `15m`, `36h`, `7d`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let (digits, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(digits) => (digits, text.chars().last()?),
        None => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        _ => 24 * 60 * 60,
    };
    // A thousand years is more than anybody means, and keeps sums of times within the calendar.
    digits
        .parse::<u64>()
        .ok()?
        .checked_mul(seconds)
        .filter(|seconds| *seconds <= 1000 * 366 * 24 * 60 * 60)
        .map(Duration::from_secs)
}

/// `10%`.
pub(super) fn parse_share(text: &str) -> Option<u8> {
    let digits = text.strip_suffix('%')?;
    if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|share| *share <= 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_shares_are_whole_and_have_a_unit() {
        let seconds = |text| parse_duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("15m"), Some(900));
        assert_eq!(seconds("36h"), Some(129_600));
        assert_eq!(seconds("7d"), Some(604_800));
        for wrong in ["", "s", "90", "1.5h", "-1s", "1w", "99999999999999999d", "+1s", "1 s"] {
            assert_eq!(seconds(wrong), None, "{wrong:?}");
        }
        assert_eq!(parse_share("0%"), Some(0));
        assert_eq!(parse_share("100%"), Some(100));
        for wrong in ["", "%", "10", "101%", "-1%", "+5%", "5.5%", "0.1"] {
            assert_eq!(parse_share(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_nearest_name_is_near() {
        assert_eq!(nearest("guards", ["guard", "group", "groups"]), Some("guard"));
        assert_eq!(nearest("TimeOut", ["timeout"]), Some("timeout"));
        assert_eq!(nearest("zebra", ["guard", "group"]), None);
        assert_eq!(nearest("evn", ["env", "file"]), Some("env"));
    }
}
