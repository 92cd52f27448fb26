//! Whether a read that came to its end is good enough to decide on (`config.md`, The guard: incomplete and
//! suspicious).

use super::Guard;
use crate::roster::SourceShape;

/// The rules of [`Suspicion`].
pub const SUSPICIOUS: &[&str] = &["ragged_rows", "fewer_files", "fewer_rows", "no_line_end", "blank_column"];

/// What makes a complete read suspicious: every group of the feed is held, and a person can approve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// The key of the guard, or the name of the rule.
    pub rule: &'static str,
    /// What exactly: part of the digest of the hold, so that an approval is for this and nothing worse.
    pub line: String,
    /// One sentence.
    pub sentence: String,
}

/// What is suspicious about a source's data, compared with its last accepted read. An approval is for exactly
/// this file, so `evidence` (its SHA-256) stands in every line.
#[must_use]
pub fn suspicions(
    source: &str,
    evidence: &str,
    now: &SourceShape,
    before: Option<&SourceShape>,
    guard: &Guard,
) -> Vec<Suspicion> {
    let mut found = Vec::new();
    // An approved read is the new reference: as many ragged rows as it had are its nature.
    if now.ragged_rows > before.map_or(0, |before| before.ragged_rows) {
        found.push(Suspicion {
            rule: "ragged_rows",
            line: format!("ragged_rows:{source}:{evidence}"),
            sentence: format!(
                "source `{source}`: {} more or fewer cells than the header",
                count(now.ragged_rows, "row has", "rows have")
            ),
        });
    }
    let Some(before) = before else { return found };
    if let (Some(was), Some(is)) = (before.files, now.files)
        && is < was
    {
        found.push(Suspicion {
            rule: "fewer_files",
            line: format!("fewer_files:{source}:{evidence}"),
            sentence: format!(
                "source `{source}` has {}, and the last accepted read had {was}: a part of the roster may be missing",
                count(is, "file", "files")
            ),
        });
    }
    let missing = before.rows.saturating_sub(now.rows);
    let allowed = guard.fewer_rows.allows(before.rows);
    if missing > allowed {
        found.push(Suspicion {
            rule: "fewer_rows",
            line: format!("fewer_rows:{source}:{evidence}"),
            sentence: format!(
                "source `{source}` has {} rows, {missing} fewer than the last accepted read's {} (`fewer_rows` allows {allowed})",
                now.rows, before.rows
            ),
        });
    }
    if before.ends_with_newline && !now.ends_with_newline {
        found.push(Suspicion {
            rule: "no_line_end",
            line: format!("no_line_end:{source}:{evidence}"),
            sentence: format!(
                "the file of source `{source}` does not end with a line end, and the last accepted one did: it may be cut off"
            ),
        });
    }
    found.extend(blank_columns(source, evidence, now, before, guard));
    found
}

fn blank_columns<'a>(
    source: &'a str,
    evidence: &'a str,
    now: &'a SourceShape,
    before: &'a SourceShape,
    guard: &'a Guard,
) -> impl Iterator<Item = Suspicion> + 'a {
    before.filled.iter().filter_map(move |(column, &was)| {
        let is = now.filled.get(column).copied()?;
        let (was, is) = (percent(was, before.rows), percent(is, now.rows));
        let fell = was.saturating_sub(is);
        (fell > u64::from(guard.blank_column)).then(|| Suspicion {
            rule: "blank_column",
            line: format!("blank_column:{source}:{column}:{evidence}"),
            sentence: format!(
                "column `{column}` of source `{source}` is filled in {is}% of the rows; it was {was}% in the last accepted read (`blank_column` allows a fall of {})",
                guard.blank_column
            ),
        })
    })
}

/// Why a read that came to its end is incomplete all the same, if it is. No approval changes that.
///
/// `unusable` counts the rows that cannot be used, those without a `reference_id` included.
#[must_use]
pub fn incomplete(source: &str, rows: u64, min_rows: u64, unusable: u64) -> Option<String> {
    if rows < min_rows {
        return Some(format!(
            "source `{source}` has {}, and `min_rows` asks for {min_rows}; nothing was submitted. If so few are right, lower `min_rows`",
            count(rows, "row", "rows")
        ));
    }
    if unusable.saturating_mul(2) > rows {
        return Some(format!(
            "{unusable} of the {rows} rows of source `{source}` cannot be used, which is more than half: this is the source's or the mapping's fault, not the rows'; see the listed problems"
        ));
    }
    None
}

fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or(0)
}

/// `1 row`, `2 rows`.
pub(in crate::decide) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(rows: u64, phones: u64) -> SourceShape {
        SourceShape {
            rows,
            ends_with_newline: true,
            filled: [("Phone".to_owned(), phones)].into(),
            ..SourceShape::default()
        }
    }

    #[test]
    fn a_part_that_is_not_there_is_suspicious_however_few_rows_it_had() {
        let of = |files| SourceShape { files, ..shape(5, 5) };
        for (before, now, expected) in [
            (Some(2), Some(1), true),
            (Some(2), Some(2), false),
            (Some(2), Some(3), false),
            (None, Some(1), false),
            (Some(2), None, false),
        ] {
            let found = suspicions("hr", "ab", &of(now), Some(&of(before)), &Guard::default());
            let rules: Vec<&str> = found.iter().map(|suspicion| suspicion.rule).collect();
            assert_eq!(rules, if expected { vec!["fewer_files"] } else { vec![] }, "{before:?} {now:?}");
        }
    }

    #[test]
    fn each_suspicion_has_its_limit_at_every_size() {
        let guard = Guard::default();
        // Before, now, and whether it is suspicious: 10 % or 3 rows, the larger.
        for (before, now, expected) in [
            (1, 0, false),
            (3, 0, false),
            (8, 5, false),
            (8, 4, true),
            (1_000, 900, false),
            (1_000, 899, true),
            (1_000, 2_000, false),
        ] {
            let found = suspicions("s", "e", &shape(now, now), Some(&shape(before, before)), &guard);
            assert_eq!(found.iter().any(|each| each.rule == "fewer_rows"), expected, "{before} to {now}");
        }
        let blank = |was, is| {
            suspicions("s", "e", &shape(100, is), Some(&shape(100, was)), &guard)
                .iter()
                .any(|each| each.rule == "blank_column")
        };
        assert!(!blank(100, 80));
        assert!(blank(100, 79));
        assert!(!blank(10, 0));
    }

    #[test]
    fn a_missing_line_end_and_ragged_rows_are_suspicious() {
        let guard = Guard::default();
        let cut = SourceShape { ends_with_newline: false, ..shape(5, 5) };
        assert_eq!(suspicions("s", "e", &cut, Some(&shape(5, 5)), &guard)[0].rule, "no_line_end");
        assert!(suspicions("s", "e", &cut, Some(&cut), &guard).is_empty());
        let ragged = SourceShape { ragged_rows: 1, ..shape(5, 5) };
        assert_eq!(suspicions("s", "e", &ragged, None, &guard)[0].rule, "ragged_rows");
    }

    #[test]
    fn too_few_rows_and_more_than_half_unusable_are_incomplete() {
        assert!(incomplete("s", 0, 1, 0).is_some());
        assert!(incomplete("s", 1, 1, 0).is_none());
        assert!(incomplete("s", 4, 1, 2).is_none());
        assert!(incomplete("s", 5, 1, 3).is_some());
    }
}
