//! What becomes of a file that was read, once every group has its roster. Pure: the places do it.

use super::pick::Look;
use chrono::{DateTime, Utc};

/// How many names are tried in the folder that files are moved into.
const NAMES: u32 = 20;

/// A file that was read, as it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRead {
    /// Its path at its place.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written, as the place said.
    pub modified: Option<DateTime<Utc>>,
    /// The SHA-256 of its bytes, in lower-case hexadecimal; nothing when they were not read.
    pub sha256: Option<String>,
}

/// A marker that was there when its file was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkerSeen {
    /// Its path at its place.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written, as the place said.
    pub modified: Option<DateTime<Utc>>,
}

impl From<MarkerSeen> for FileRead {
    fn from(seen: MarkerSeen) -> Self {
        Self { path: seen.path, size: seen.size, modified: seen.modified, sha256: None }
    }
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tidied {
    /// It is deleted.
    Deleted,
    /// It is moved to this path.
    Moved(String),
    /// It was not there any more.
    Gone,
    /// Another file has its path: that one is left alone.
    Changed,
    /// The configuration says to leave it.
    Left,
}

impl FileRead {
    /// Whether what the place says now is still this file.
    pub(super) fn is(&self, now: &Look) -> bool {
        self.size == now.size && self.modified == now.modified
    }

    /// The paths in `folder` that the file may have, the first that is free counts: its own name, with the time
    /// at which it was written, and with a number behind that.
    pub(super) fn targets(&self, folder: &str) -> impl Iterator<Item = String> {
        let folder = folder.trim_end_matches('/').to_owned();
        let name = self.path.rsplit_once('/').map_or(self.path.as_str(), |(_, name)| name);
        let (stem, ending) = match name.rsplit_once('.') {
            Some((stem, ending)) if !stem.is_empty() => (stem.to_owned(), format!(".{ending}")),
            Some(_) | None => (name.to_owned(), String::new()),
        };
        let time = self.modified.map_or_else(String::new, |time| time.format("-%Y%m%dT%H%M%SZ").to_string());
        (0..NAMES).map(move |number| match number {
            0 => format!("{folder}/{stem}{ending}"),
            1 => format!("{folder}/{stem}{time}{ending}"),
            number => format!("{folder}/{stem}{time}-{number}{ending}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_a_name_of_its_own() {
        let mut read = FileRead {
            path: "/out/roster.csv".into(),
            size: 3,
            modified: DateTime::from_timestamp(1_800_000_000, 0),
            sha256: None,
        };
        let first: Vec<String> = read.targets("/done/").take(3).collect();
        let dated = "/done/roster-20270115T080000Z";
        assert_eq!(first, ["/done/roster.csv".to_owned(), format!("{dated}.csv"), format!("{dated}-2.csv")]);
        (read.path, read.modified) = (".hidden".into(), None);
        assert_eq!(read.targets("done").nth(2).unwrap(), "done/.hidden-2");
    }
}
