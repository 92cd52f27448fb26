//! Which file of a folder is read, and whether it stands still. Pure: the places bring what they see.

use super::{AfterSuccess, Arrived, Failure, Hop, Pick, spool::Spool};
use chrono::{DateTime, NaiveDate, Utc};
use globset::{GlobBuilder, GlobMatcher};
use std::time::Duration;

/// Endings that upload programs give to a file until it is whole (WinSCP `.filepart`, FileZilla and most
/// scripts `.part`, `.tmp`).
const PARTIAL: [&str; 3] = [".part", ".tmp", ".filepart"];

/// A path whose last component may be a glob.
pub(super) struct Pattern {
    /// Everything before the last `/`; `.` or `/` when there is nothing.
    pub(super) folder: String,
    /// The last component as it is written.
    pub(super) name: String,
    /// What fits; nothing when the name has no wildcard and names one file.
    glob: Option<GlobMatcher>,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) is_file: bool,
    pub(super) look: Look,
}

/// What a place says of a file at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Bytes.
    pub(super) size: u64,
    pub(super) modified: Option<DateTime<Utc>>,
}

/// The names in the folder that are not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// Files that fit and are older, the newest of them first.
    pub(super) older: Vec<String>,
    /// Dot files, partial uploads, folders.
    pub(super) passed_over: Vec<String>,
}

impl Pattern {
    /// Takes a configured path apart.
    ///
    /// # Errors
    /// When its last component is empty or no glob.
    pub(super) fn new(path: &str) -> Result<Self, Failure> {
        let (folder, name) = match path.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some((folder, name)) => (folder, name),
            None => (".", path),
        };
        if name.is_empty() {
            return Err(Failure::at(
                Hop::List,
                format!("the path `{path}` names a folder; add a file name or a pattern such as `*.csv`"),
            ));
        }
        let glob = if name.contains(['*', '?', '[', '{']) {
            let glob = GlobBuilder::new(name).literal_separator(true).build().map_err(|error| {
                Failure::at(
                    Hop::List,
                    format!(
                        "the last part of the path `{path}` is no pattern ({}); correct it",
                        error.kind()
                    ),
                )
            })?;
            Some(glob.compile_matcher())
        } else {
            None
        };
        Ok(Self { folder: folder.to_owned(), name: name.to_owned(), glob })
    }

    /// Whether the path names one file; then that one is read whatever it is called.
    pub(super) fn is_exact(&self) -> bool {
        self.glob.is_none()
    }

    /// The path of a name in the folder.
    pub(super) fn path(&self, name: &str) -> String {
        match self.folder.as_str() {
            "/" => format!("/{name}"),
            "." => name.to_owned(),
            folder => format!("{folder}/{name}"),
        }
    }

    /// Whether a name is worth a second look: it fits, or would without a partial upload's ending.
    pub(super) fn concerns(&self, name: &str) -> bool {
        let fits = |name: &str| self.glob.as_ref().is_some_and(|glob| glob.is_match(name));
        fits(name) || partial(name).is_some_and(fits)
    }

    /// The newest file that fits, and the names of the others: by the date in the name where all have one, else
    /// by time, and then by name.
    pub(super) fn newest(&self, entries: Vec<Entry>) -> (Option<Entry>, Others) {
        let (mut fit, unfit): (Vec<_>, Vec<_>) =
            entries.into_iter().filter(|entry| self.concerns(&entry.name)).partition(|entry| {
                entry.is_file && !entry.name.starts_with('.') && partial(&entry.name).is_none()
            });
        let dated = fit.iter().all(|entry| date_in(&entry.name).is_some());
        let key = |entry: &Entry| {
            let date = if dated { date_in(&entry.name) } else { None };
            (date, entry.look.modified, entry.name.clone())
        };
        fit.sort_by_cached_key(key);
        let newest = fit.pop();
        let older = fit.into_iter().rev().map(|entry| entry.name).collect();
        let mut passed_over: Vec<_> = unfit.into_iter().map(|entry| entry.name).collect();
        passed_over.sort_unstable();
        (newest, Others { older, passed_over })
    }
}

/// The one date in a name, year first as `20261124`, `2026-11-24`, `2026_11_24` or `2026.11.24`, with the four or six
/// digits of a time behind it if they are there. Other orders are no dates here: day and month could be the other way
/// round. Nothing when there are two.
fn date_in(name: &str) -> Option<(NaiveDate, u32)> {
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
        found = Some((date, time));
        after = at + length + used;
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

/// The name without a partial upload's ending, if it has one; upper case counts too.
fn partial(name: &str) -> Option<&str> {
    let lower = name.to_ascii_lowercase();
    PARTIAL.iter().find_map(|ending| lower.strip_suffix(ending)).and_then(|stem| name.get(..stem.len()))
}

/// How long to wait before a second look; nothing when the file has stood still for `settle` already. A time
/// that is unknown or ahead of the clock proves nothing, so then the whole of `settle` is waited.
pub(super) fn wait(
    settle: Duration,
    modified: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<Duration> {
    if settle.is_zero() {
        return None;
    }
    let age = modified.and_then(|modified| (now - modified).to_std().ok());
    let left = settle.saturating_sub(age.unwrap_or_default());
    (!left.is_zero()).then_some(left)
}

/// What a person is told when the place waits until a file has settled.
pub(super) fn waiting(at: &str, wait: Duration, settle: Duration) -> String {
    format!(
        "`{at}` was written a moment ago; it is read in {} s if it stands still until then (`settle: {} s`)",
        wait.as_secs_f32().ceil(),
        settle.as_secs_f32()
    )
}

/// A file as `check --connect` shows it.
pub(super) fn found(at: &str, look: &Look, pick: &Pick, now: DateTime<Utc>) -> String {
    let Some(modified) = look.modified else {
        return format!("`{at}`, {} bytes, written nobody knows when", look.size);
    };
    let age = (now - modified).to_std().unwrap_or_default();
    let late = pick.max_age.is_some_and(|max_age| age > max_age);
    format!(
        "`{at}`, {} bytes, written {} UTC, {} ago{}",
        look.size,
        modified.format("%Y-%m-%d %H:%M"),
        span(age),
        if late { ", which is longer than `max_age`: a new file is waited for" } else { "" }
    )
}

/// Where files are taken away after they were read, none is no mistake: then this is what `check --connect` says.
pub(super) fn none_is_well(pick: &Pick, failure: Failure) -> Result<String, Failure> {
    match failure {
        Failure::NothingYet(why) if pick.after_success != AfterSuccess::Leave => {
            Ok(format!("nothing to read now: {why}"))
        }
        Failure::NothingYet(_) | Failure::Incomplete(_) | Failure::Failed { .. } => Err(failure),
    }
}

/// A span of time in its largest unit, rounded down.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The failure when nothing fits. `at` is the folder or file as a person finds it, `place` its server or
/// nothing.
pub(super) fn nothing(pattern: &Pattern, at: &str, passed_over: &[String]) -> Failure {
    let mut message = if pattern.is_exact() {
        format!("`{at}` is not there")
    } else {
        format!("no file in `{at}` fits `{}`", pattern.name)
    };
    match passed_over {
        [] => message.push_str("; wait for the export, or correct `path`"),
        [one] => message.push_str(&format!(
            "; `{one}` was passed over as a dot file, a folder or an upload under way; wait for the \
             upload's end, or correct `path`"
        )),
        [first, rest @ ..] => message.push_str(&format!(
            "; `{first}` and {} more were passed over as dot files, folders or uploads under way; wait \
             for their end, or correct `path`",
            rest.len()
        )),
    }
    Failure::NothingYet(message)
}

/// The failure when the second look differs from the first. `now` is nothing when the file is gone.
pub(super) fn unsettled(pick: &Pick, at: &str, before: &Look, now: Option<&Look>) -> Failure {
    Failure::NothingYet(match now {
        None => format!("`{at}` was there and is gone; look who moves it, or wait for the next export"),
        Some(now) => format!(
            "`{at}` is still being written: {} bytes, then {}; it is read when size and time have stood \
             still for {} s (`settle`)",
            before.size,
            now.size,
            pick.settle.as_secs_f32()
        ),
    })
}

/// The copy as a whole file, if every count agrees.
///
/// # Errors
/// [`Failure::Incomplete`] when the file changed while it was read, or the count of bytes differs.
pub(super) fn arrived(
    spool: Spool,
    at: &str,
    path: String,
    before: &Look,
    after: Option<&Look>,
    others: Others,
) -> Result<Arrived, Failure> {
    let Some(after) = after else {
        return Err(Failure::Incomplete(format!(
            "`{at}` was moved away while it was read; run the feed again when the export has come to rest"
        )));
    };
    if before != after {
        return Err(Failure::Incomplete(format!(
            "`{at}` changed while it was read: {} bytes before, {} after; run the feed again when the \
             upload has ended, or raise `settle`",
            before.size, after.size
        )));
    }
    let (spool, size, sha256) = spool.finish();
    if size != before.size {
        return Err(Failure::Incomplete(format!(
            "`{at}` has {} bytes and {size} were read; run the feed again, and look at the server if it \
             stays so",
            before.size
        )));
    }
    let Others { older, passed_over } = others;
    Ok(Arrived { spool, path, size, sha256, modified: before.modified, older, passed_over })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn entry(name: &str, seconds: i64) -> Entry {
        Entry { name: name.into(), is_file: true, look: Look { size: 1, modified: Some(time(seconds)) } }
    }

    #[test]
    fn a_path_is_a_folder_and_a_pattern() {
        for (path, folder, name, exact, back) in [
            ("/out/roster-*.csv", "/out", "roster-*.csv", false, "/out/x"),
            ("/roster.csv", "/", "roster.csv", true, "/x"),
            ("roster.csv", ".", "roster.csv", true, "x"),
            ("a/b/[0-9].csv", "a/b", "[0-9].csv", false, "a/b/x"),
        ] {
            let pattern = Pattern::new(path).unwrap();
            assert_eq!((pattern.folder.as_str(), pattern.name.as_str()), (folder, name));
            assert_eq!((pattern.is_exact(), pattern.path("x").as_str()), (exact, back));
        }
        assert!(Pattern::new("/out/").is_err());
        assert!(Pattern::new("/out/[").is_err());
    }

    #[test]
    fn the_newest_whole_file_is_taken() {
        let pattern = Pattern::new("/out/*.csv").unwrap();
        let mut folder = entry("z.csv", 99);
        folder.is_file = false;
        let entries = vec![
            entry("a.csv", 5),
            entry("c.csv", 7),
            entry("b.csv", 7),
            entry("d.csv.part", 9),
            entry("e.csv.TMP", 9),
            entry(".f.csv", 9),
            entry("g.txt", 9),
            folder,
        ];
        let (newest, others) = pattern.newest(entries);
        assert_eq!(newest.unwrap().name, "c.csv");
        assert_eq!(others.older, ["b.csv", "a.csv"]);
        assert_eq!(others.passed_over, [".f.csv", "d.csv.part", "e.csv.TMP", "z.csv"]);
        let (none, others) = pattern.newest(vec![entry("d.csv.filepart", 9)]);
        assert_eq!(none, None);
        let message = nothing(&pattern, "/out", &others.passed_over).to_string();
        assert!(message.contains("`d.csv.filepart` was passed over"), "{message}");
    }

    #[test]
    fn the_date_in_the_name_says_which_is_newest_where_all_have_one() {
        let pattern = Pattern::new("/out/*.csv").unwrap();
        let newest = |names: &[(&str, i64)]| {
            let entries = names.iter().map(|(name, seconds)| entry(name, *seconds)).collect();
            pattern.newest(entries).0.unwrap().name
        };
        // Copied again later.
        assert_eq!(newest(&[("r-20261123.csv", 9), ("r-20261124.csv", 5)]), "r-20261124.csv");
        assert_eq!(
            newest(&[("r-2026-11-23.csv", 9), ("r-20261124T060000Z.csv", 5)]),
            "r-20261124T060000Z.csv"
        );
        assert_eq!(newest(&[("r_20261124_0600.csv", 9), ("r_20261124_1200.csv", 5)]), "r_20261124_1200.csv");
        // One without a date, or with one that may be read two ways: the time decides.
        assert_eq!(newest(&[("roster.csv", 9), ("r-20261124.csv", 5)]), "roster.csv");
        assert_eq!(newest(&[("r-11-12-2026.csv", 5), ("r-12-11-2026.csv", 9)]), "r-12-11-2026.csv");
        for none in
            ["r-20261324.csv", "r-2026112400.csv", "20261124-20261125.csv", "r-2026-1124.csv", "1234567.csv"]
        {
            assert_eq!(date_in(none), None, "{none}");
        }
        assert_eq!(date_in("20261124060000.csv").unwrap().1, 60_000);
    }

    #[test]
    fn a_file_settles_by_its_age_or_by_two_looks() {
        let minute = Duration::from_secs(60);
        assert_eq!(wait(Duration::ZERO, Some(time(0)), time(0)), None);
        assert_eq!(wait(minute, Some(time(0)), time(60)), None);
        assert_eq!(wait(minute, Some(time(0)), time(20)), Some(Duration::from_secs(40)));
        // A clock that goes after the server's, and a server that tells no time.
        assert_eq!(wait(minute, Some(time(30)), time(0)), Some(minute));
        assert_eq!(wait(minute, None, time(0)), Some(minute));
    }
}
