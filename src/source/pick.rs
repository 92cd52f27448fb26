//! Which file of a folder is read, and whether it stands still. Pure: the places bring what they see.

use super::{AfterSuccess, Arrived, Failure, Hop, Pick, spool::Spool};
use chrono::{DateTime, Utc};
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

    /// The newest file that fits, by time and then by name, and the names that were passed over.
    pub(super) fn newest(&self, entries: Vec<Entry>) -> (Option<Entry>, Vec<String>) {
        let (fit, unfit): (Vec<_>, Vec<_>) =
            entries.into_iter().filter(|entry| self.concerns(&entry.name)).partition(|entry| {
                entry.is_file && !entry.name.starts_with('.') && partial(&entry.name).is_none()
            });
        let newest =
            fit.into_iter().max_by(|a, b| (a.look.modified, &a.name).cmp(&(b.look.modified, &b.name)));
        let mut passed_over: Vec<_> = unfit.into_iter().map(|entry| entry.name).collect();
        passed_over.sort_unstable();
        (newest, passed_over)
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
    passed_over: Vec<String>,
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
    Ok(Arrived { spool, path, size, sha256, modified: before.modified, passed_over })
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
        let (newest, passed_over) = pattern.newest(entries);
        assert_eq!(newest.unwrap().name, "c.csv");
        assert_eq!(passed_over, [".f.csv", "d.csv.part", "e.csv.TMP", "z.csv"]);
        let (none, passed_over) = pattern.newest(vec![entry("d.csv.filepart", 9)]);
        assert_eq!(none, None);
        let message = nothing(&pattern, "/out", &passed_over).to_string();
        assert!(message.contains("`d.csv.filepart` was passed over"), "{message}");
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
