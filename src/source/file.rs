//! Files on this host.

mod after;

use super::{
    AfterSuccess, Arrived, Failure, Hop, Note, Pick,
    arrival::{self, Files, take_in},
    pick::{Entry, Look, Pattern},
    spool::Spool,
};
use crate::{clock::Clock, probe::Step};
pub(super) use after::tidy;
use chrono::{DateTime, Utc};
use std::{
    fs::{File, Metadata},
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
};
use tokio::time::Instant;

/// How much is copied at a time, in bytes.
const CHUNK: usize = 256 << 10;

/// The files of this host.
struct Host;

/// As [`super::fetch`], for files on this host.
pub(super) async fn fetch(
    pick: &Pick,
    spool_dir: &Path,
    clock: &dyn Clock,
    note: Note<'_>,
) -> Result<Vec<Arrived>, Failure> {
    arrival::fetch(&Host, pick, spool_dir, clock, note).await
}

/// As [`super::probe`], for files on this host.
pub(super) async fn probe(pick: &Pick, clock: &dyn Clock) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut take = |hop: &'static str, began: Instant, result: Result<String, Failure>| {
        let right = result.is_ok();
        steps.push(Step { hop, took: began.elapsed(), result: result.map_err(Failure::without_hop) });
        right
    };
    let began = Instant::now();
    let found = arrival::probe(&Host, pick, clock.now()).await;
    if take("file", began, found)
        && let AfterSuccess::MoveTo(folder) = &pick.after_success
    {
        let began = Instant::now();
        take("move_to", began, after::into(folder).map(|()| format!("`{folder}` is there")));
    }
    steps
}

impl Files for Host {
    fn at(&self, path: &str) -> String {
        path.to_owned()
    }

    async fn list(&self, pattern: &Pattern) -> Result<Vec<Entry>, Failure> {
        let unlisted = |error: std::io::Error| unlisted(&pattern.folder, &error);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&pattern.folder).map_err(unlisted)? {
            let entry = entry.map_err(unlisted)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !pattern.concerns(&name) {
                continue;
            }
            if entry.file_name().to_str().is_none() {
                return Err(Failure::at(
                    Hop::List,
                    format!(
                        "the name of `{name}` in `{}` is no UTF-8; have the file named so",
                        pattern.folder
                    ),
                ));
            }
            // Followed, so that a link to the newest export works; a link to nowhere is no file. What cannot be looked
            // at may be the newest.
            let found = found(&pattern.path(&name))?;
            entries.push(Entry {
                name,
                is_file: found.as_ref().is_some_and(Metadata::is_file),
                look: found.as_ref().map_or(Look { size: 0, modified: None }, seen),
            });
        }
        Ok(entries)
    }

    async fn enter(&self, folder: &str) -> Result<(), Failure> {
        std::fs::metadata(folder).map(drop).map_err(|error| unlisted(folder, &error))
    }

    async fn look(&self, path: &str) -> Result<Option<Look>, Failure> {
        look(path)
    }

    async fn try_open(&self, path: &str) -> Result<(), Failure> {
        File::open(path).map(drop).map_err(|error| unread(path, &error))
    }

    async fn copy(&self, path: &str, size: u64, spool_dir: &Path) -> Result<Spool, Failure> {
        let (from, folder) = (PathBuf::from(path), spool_dir.to_owned());
        tokio::task::spawn_blocking(move || copy(&from, size, &folder)).await.map_err(|_stopped| {
            Failure::at(Hop::Read, format!("reading `{path}` was broken off; run the feed again"))
        })?
    }
}

/// What the file system says of the file; nothing when it is not there.
fn look(path: &str) -> Result<Option<Look>, Failure> {
    match found(path)? {
        Some(found) if found.is_file() => Ok(Some(seen(&found))),
        Some(_) => Err(Failure::at(
            Hop::List,
            format!("`{path}` is no regular file; correct `path` so that it names one"),
        )),
        None => Ok(None),
    }
}

/// What is there, links followed; nothing when nothing is.
fn found(path: &str) -> Result<Option<Metadata>, Failure> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::at(
            Hop::List,
            format!("cannot look at `{path}` ({error}); let rosterd's user read it"),
        )),
    }
}

fn seen(found: &Metadata) -> Look {
    Look { size: found.len(), modified: found.modified().ok().map(DateTime::<Utc>::from) }
}

fn unlisted(folder: &str, error: &std::io::Error) -> Failure {
    let remedy = if error.kind() == ErrorKind::NotFound {
        "create it or correct `path`"
    } else {
        "let rosterd's user read it"
    };
    Failure::at(Hop::List, format!("cannot list the folder `{folder}` ({error}); {remedy}"))
}

fn unread(path: &str, error: &std::io::Error) -> Failure {
    Failure::at(Hop::Read, format!("cannot read `{path}` ({error}); let rosterd's user read it"))
}

fn copy(path: &Path, size: u64, spool_dir: &Path) -> Result<Spool, Failure> {
    let at = path.display().to_string();
    let failed = |error: std::io::Error| unread(&at, &error);
    let mut file = File::open(path).map_err(failed)?;
    let mut spool = Spool::create(spool_dir)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(spool),
            Ok(read) => take_in(&mut spool, buffer.get(..read).unwrap_or(&[]), &at, size)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use std::{io::Write as _, time::Duration};

    fn put(path: &Path, text: &str, seconds: u64) {
        let mut file = File::create(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds);
        file.set_modified(time).unwrap();
    }

    fn pick(path: &Path, settle: Duration) -> Pick {
        Pick {
            path: path.to_str().unwrap().to_owned(),
            take: crate::source::Take::Newest,
            settle,
            max_age: None,
            done_marker: None,
            after_success: crate::source::AfterSuccess::Leave,
        }
    }

    #[tokio::test]
    async fn the_newest_file_arrives_whole_and_nothing_stays() {
        let home = tempfile::tempdir().unwrap();
        let spool = tempfile::tempdir().unwrap();
        put(&home.path().join("roster-1.csv"), "old", 5);
        put(&home.path().join("roster-2.csv"), "abc", 6);
        put(&home.path().join("roster-3.csv.part"), "half", 7);
        std::fs::create_dir(home.path().join("roster-4.csv")).unwrap();
        let pick = pick(&home.path().join("roster-*.csv"), Duration::from_secs(60));
        let mut arrived = fetch(&pick, spool.path(), &SystemClock, &|_| ()).await.unwrap().remove(0);
        assert!(arrived.path.ends_with("/roster-2.csv"));
        assert_eq!(arrived.size, 3);
        // The first test vector of FIPS 180-2.
        assert_eq!(arrived.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(arrived.modified.unwrap().timestamp(), 1_700_000_006);
        assert_eq!(arrived.passed_over, ["roster-3.csv.part", "roster-4.csv"]);
        let header = super::super::decode::csv::read(
            &mut arrived.spool,
            &super::super::Csv::default(),
            0,
            &mut |_| Ok(()),
        );
        assert_eq!(header.unwrap().header.names, ["abc"]);
        assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_missing_file_waits_and_a_missing_folder_fails() {
        let home = tempfile::tempdir().unwrap();
        for name in ["a.csv", "*.csv"] {
            let there =
                fetch(&pick(&home.path().join(name), Duration::ZERO), home.path(), &SystemClock, &|_| ())
                    .await;
            assert!(matches!(there, Err(Failure::NothingYet(_))), "{there:?}");
            let path = home.path().join("none").join(name);
            let gone = fetch(&pick(&path, Duration::ZERO), home.path(), &SystemClock, &|_| ()).await;
            assert!(matches!(gone, Err(Failure::Failed { hop: Hop::List, .. })), "{gone:?}");
        }
        put(&home.path().join("b.csv"), "x", 0);
        let path = home.path().join("b.csv");
        let no_spool =
            fetch(&pick(&path, Duration::ZERO), &home.path().join("none"), &SystemClock, &|_| ()).await;
        assert!(matches!(no_spool, Err(Failure::Failed { hop: Hop::Spool, .. })));
    }

    #[tokio::test]
    async fn a_file_that_changes_between_two_looks_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.csv");
        put(&path, "id\n", 0);
        let written = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let clock = crate::clock::SetClock::new(written);
        let pick = pick(&path, Duration::from_millis(50));
        // The fetch is polled first: the file grows when the first look is over and the wait has begun.
        let grow = async { put(&path, "id\n1\n", 59) };
        let (arrived, ()) = tokio::join!(fetch(&pick, home.path(), &clock, &|_| ()), grow);
        let message = arrived.unwrap_err().to_string();
        assert!(message.contains("still being written: 3 bytes, then 5"), "{message}");
        // It stands still now: by two looks, since its time lies ahead of the clock, and by its age.
        for later in [0, 70] {
            clock.set(written + chrono::Duration::seconds(later));
            let arrived = fetch(&pick, home.path(), &clock, &|_| ()).await.unwrap();
            assert_eq!(arrived.iter().map(|file| file.size).collect::<Vec<_>>(), [5]);
        }
    }
}
