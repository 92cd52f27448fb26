//! Which files of a folder are read, and whether they stand still. Pure: the places bring what they see.

use super::{AfterSuccess, Failure, Hop, Pick, Take, dated::date_in};
use chrono::{DateTime, Utc};
use globset::{GlobBuilder, GlobMatcher};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Endings that upload programs give to a file until it is whole (WinSCP `.filepart`, FileZilla and most
/// scripts `.part`, `.tmp`).
const PARTIAL: [&str; 3] = [".part", ".tmp", ".filepart"];

/// So many files make one roster at most: each is an open copy until the read has ended.
const MOST_PARTS: usize = 1_000;

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

    /// The files that a read is made of, by name, and the names of the others. The newest is told by the date in the
    /// name where all have one, else by time, and then by name. Markers are no rosters, however they are called.
    pub(super) fn choose(&self, pick: &Pick, entries: Vec<Entry>) -> (Vec<Entry>, Others) {
        let (mut fit, unfit): (Vec<_>, Vec<_>) =
            entries.into_iter().filter(|entry| self.concerns(&entry.name)).partition(|entry| {
                entry.is_file && !entry.name.starts_with('.') && partial(&entry.name).is_none()
            });
        if let Some(marker) = &pick.done_marker {
            let markers: BTreeSet<String> =
                fit.iter().map(|entry| marker.of(&self.path(&entry.name))).collect();
            fit.retain(|entry| !markers.contains(&self.path(&entry.name)));
        }
        let mut passed_over: Vec<_> = unfit.into_iter().map(|entry| entry.name).collect();
        passed_over.sort_unstable();
        let dated = fit.iter().all(|entry| date_in(&entry.name).is_some());
        let key = |entry: &Entry| {
            let date = if dated { date_in(&entry.name).map(|date| date.at) } else { None };
            (date, entry.look.modified, entry.name.clone())
        };
        match pick.take {
            Take::All => {
                fit.sort_unstable_by(|one, other| one.name.cmp(&other.name));
                (fit, Others { older: Vec::new(), passed_over })
            }
            Take::Newest => {
                fit.sort_by_cached_key(key);
                let newest = fit.pop();
                let older = fit.into_iter().rev().map(|entry| entry.name).collect();
                (newest.into_iter().collect(), Others { older, passed_over })
            }
        }
    }
}

/// Whether files can be taken for all the parts of one roster.
///
/// # Errors
/// When an upload is under way, since what it brings is a part too; when two files are one part of two days, since who
/// is in the older one and not in the newer has left; when there are more than anybody means.
pub(super) fn parts(fit: &[Entry], others: &Others, folder: &str) -> Result<(), Failure> {
    if let Some(name) = others.passed_over.iter().find(|name| partial(name).is_some()) {
        return Err(Failure::NothingYet(format!(
            "`{name}` in `{folder}` is an upload under way, and every file is one part of the roster (`take: all`); \
             wait for its end, or remove it if nobody goes on with it"
        )));
    }
    // Dot files are nobody's part.
    if let Some(name) = others.passed_over.iter().find(|name| !name.starts_with('.')) {
        return Err(Failure::Incomplete(format!(
            "`{name}` in `{folder}` fits `path` and is no file (a folder, or a link to nowhere), and every file is one \
             part of the roster (`take: all`); mend or remove it, or narrow `path`"
        )));
    }
    if fit.len() > MOST_PARTS {
        return Err(Failure::Incomplete(format!(
            "{} files in `{folder}` fit `path`, and at most {MOST_PARTS} make one roster (`take: all`); narrow `path`, \
             or have the files of earlier days moved away (`after_success`)",
            fit.len()
        )));
    }
    let mut families = BTreeMap::new();
    for entry in fit {
        let Some(dated) = date_in(&entry.name) else { continue };
        if let Some(other) = families.insert(dated.family, &entry.name) {
            return Err(Failure::Incomplete(format!(
                "`{other}` and `{}` in `{folder}` are the same part of two days: whoever has left is still in the \
                 older one; have it moved away (`after_success`), or write `take: newest`",
                entry.name
            )));
        }
    }
    Ok(())
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
        "`{at}` was written not long ago; it is read in {} s if it stands still until then (`settle: {} s`)",
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

/// The failure when the file that a sender writes last is not there, or is of an earlier export.
pub(super) fn unmarked(at: &str, marker: &str, stale: bool) -> Failure {
    Failure::NothingYet(if stale {
        format!(
            "`{at}` was written after its marker `{marker}` (`done_marker`), which is of an earlier export then; wait \
             until the sender writes the marker again"
        )
    } else {
        format!(
            "`{at}` is there, and its marker `{marker}` (`done_marker`) is not: the sender has not finished; wait for \
             it, or ask the sender whether the marker is called so"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Marker;

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

    fn pick(take: Take, marker: Option<&str>) -> Pick {
        Pick {
            path: "/out/*".to_owned(),
            take,
            settle: Duration::ZERO,
            max_age: None,
            done_marker: marker.map(|marker| Marker::new(marker.to_owned()).unwrap()),
            after_success: AfterSuccess::Leave,
        }
    }

    fn names(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.name.as_str()).collect()
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
        let newest = pick(Take::Newest, None);
        let (chosen, others) = pattern.choose(&newest, entries.clone());
        assert_eq!(names(&chosen), ["c.csv"]);
        assert_eq!(others.older, ["b.csv", "a.csv"]);
        assert_eq!(others.passed_over, [".f.csv", "d.csv.part", "e.csv.TMP", "z.csv"]);
        let (all, others) = pattern.choose(&pick(Take::All, None), entries);
        assert_eq!((names(&all), others.older), (vec!["a.csv", "b.csv", "c.csv"], Vec::new()));
        assert_eq!(others.passed_over.len(), 4);
        let (none, others) = pattern.choose(&newest, vec![entry("d.csv.filepart", 9)]);
        assert_eq!(none, []);
        let message = nothing(&pattern, "/out", &others.passed_over).to_string();
        assert!(message.contains("`d.csv.filepart` was passed over"), "{message}");
    }

    #[test]
    fn the_date_in_the_name_says_which_is_newest_where_all_have_one() {
        let pattern = Pattern::new("/out/*.csv").unwrap();
        let newest = |names: &[(&str, i64)]| {
            let entries = names.iter().map(|(name, seconds)| entry(name, *seconds)).collect();
            pattern.choose(&pick(Take::Newest, None), entries).0.pop().unwrap().name
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
    }

    #[test]
    fn markers_are_no_rosters_and_parts_are_of_one_day() {
        let pattern = Pattern::new("/out/*").unwrap();
        let files = |names: &[&str]| names.iter().map(|name| entry(name, 5)).collect::<Vec<_>>();
        let marked = pick(Take::All, Some("{folder}/{stem}.done"));
        let (all, others) = pattern.choose(&marked, files(&["b.csv", "b.done", "a.csv", "c.done"]));
        assert_eq!(names(&all), ["a.csv", "b.csv"]);
        parts(&all, &others, "/out").unwrap();
        let refused = |names: &[&str]| {
            let (all, others) = pattern.choose(&pick(Take::All, None), files(names));
            parts(&all, &others, "/out").unwrap_err().to_string()
        };
        let message = refused(&["a.csv", "b.csv.part"]);
        assert!(message.starts_with("nothing to read yet: `b.csv.part` in `/out` is an upload"), "{message}");
        let message = refused(&["west-20261124.csv", "east-20261124.csv", "east-20261123.csv"]);
        let same = "incomplete read: `east-20261123.csv` and `east-20261124.csv` in `/out` are the same part";
        assert!(message.starts_with(same), "{message}");
        let many: Vec<String> = (0..=MOST_PARTS).map(|number| format!("{number}.csv")).collect();
        let message = refused(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(message.starts_with("incomplete read: 1001 files in `/out`"), "{message}");
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
