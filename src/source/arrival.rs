//! From a pattern to whole copies: which files, that they stand still, and that nothing of them changed meanwhile. The
//! same for files on this host and on a server: [`Files`] is what a place must be able to do.

use super::{
    Arrived, Failure, Marker, MarkerSeen, Note, Pick, Take,
    pick::{self, Entry, Look, Others, Pattern},
    spool::Spool,
};
use crate::clock::Clock;
use chrono::{DateTime, Utc};
use std::path::Path;

/// A place of files. Each answer is of this moment.
pub(super) trait Files: Sync {
    /// How a person finds the path.
    fn at(&self, path: &str) -> String;

    /// The latest moment that a time of the place may stand for.
    fn latest(&self, written: DateTime<Utc>) -> DateTime<Utc> {
        written
    }

    /// The entries of the pattern's folder that concern it. Links are followed.
    fn list(&self, pattern: &Pattern) -> impl Future<Output = Result<Vec<Entry>, Failure>> + Send;

    /// That the folder is there: what tells a file that has not come from a path that is wrong.
    fn enter(&self, folder: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    /// What the place says of the file; nothing when it is not there.
    fn look(&self, path: &str) -> impl Future<Output = Result<Option<Look>, Failure>> + Send;

    /// That the file can be read.
    fn try_open(&self, path: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    /// A copy of the file of `size` bytes in an unlinked file below `spool_dir`.
    ///
    /// # Errors
    /// At the first byte beyond ([`take_in`]): a file without an end would fill the disk on which the state is.
    fn copy(
        &self,
        path: &str,
        size: u64,
        spool_dir: &Path,
    ) -> impl Future<Output = Result<Spool, Failure>> + Send;
}

/// A file that is to be read, as it was when it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chosen {
    path: String,
    look: Look,
}

/// As [`super::fetch`], at a place of files.
pub(super) async fn fetch(
    files: &impl Files,
    pick: &Pick,
    spool_dir: &Path,
    clock: &dyn Clock,
    note: Note<'_>,
) -> Result<Vec<Arrived>, Failure> {
    let pattern = Pattern::new(&pick.path)?;
    let (chosen, mut others) = choose(files, pick, &pattern).await?;
    let mut markers = Vec::new();
    for one in &chosen {
        // One that is for all files is nobody's to take away.
        let own = pick.done_marker.as_ref().is_some_and(Marker::is_of_one_file);
        markers.push(marker(files, pick, one).await?.filter(|_| own));
    }
    settle(files, pick, &chosen, clock.now(), note).await?;
    let mut arrived = Vec::new();
    for (one, marker) in chosen.iter().zip(markers) {
        let spool = files.copy(&one.path, one.look.size, spool_dir).await?;
        let after = files.look(&one.path).await?;
        let copy = whole(spool, &files.at(&one.path), &one.look, after.as_ref())?;
        // Names that were not read are told once.
        let Others { older, passed_over } = std::mem::take(&mut others);
        let path = one.path.clone();
        arrived.push(Arrived { path, older, passed_over, marker, ..copy });
    }
    if pick.take == Take::All && choose(files, pick, &pattern).await?.0 != chosen {
        return Err(Failure::Incomplete(format!(
            "files that fit `path` came, went or changed in `{}` while the parts of the roster were read (`take: all`); \
             run the feed again when the sender has finished",
            files.at(&pattern.folder)
        )));
    }
    Ok(arrived)
}

/// What `check --connect` says of the files.
pub(super) async fn probe(files: &impl Files, pick: &Pick, now: DateTime<Utc>) -> Result<String, Failure> {
    let found = async {
        let (chosen, _) = choose(files, pick, &Pattern::new(&pick.path)?).await?;
        let mut words = Vec::new();
        for one in &chosen {
            files.try_open(&one.path).await?;
            let marked = match marker(files, pick, one).await {
                Ok(None) => "",
                Ok(Some(_)) => ", with its marker",
                Err(Failure::NothingYet(_)) => ", without its marker yet",
                Err(failure) => return Err(failure),
            };
            words.push(format!("{}{marked}", pick::found(&files.at(&one.path), &one.look, pick, now)));
        }
        let more = words.len().saturating_sub(SHOWN_PARTS);
        words.truncate(SHOWN_PARTS);
        let more = if more == 0 { String::new() } else { format!("; and {more} more") };
        Ok(format!("{}{more}", words.join("; ")))
    };
    found.await.or_else(|failure| pick::none_is_well(pick, failure))
}

/// So many parts are named by `check --connect`.
const SHOWN_PARTS: usize = 5;

/// The files that the pattern names now, and what was not picked.
async fn choose(
    files: &impl Files,
    pick: &Pick,
    pattern: &Pattern,
) -> Result<(Vec<Chosen>, Others), Failure> {
    if pattern.is_exact() {
        let path = pattern.path(&pattern.name);
        return match files.look(&path).await? {
            Some(look) => Ok((vec![Chosen { path, look }], Others::default())),
            None => {
                files.enter(&pattern.folder).await?;
                Err(pick::nothing(pattern, &files.at(&path), &[]))
            }
        };
    }
    let (chosen, others) = pattern.choose(pick, files.list(pattern).await?);
    let folder = files.at(&pattern.folder);
    if chosen.is_empty() {
        return Err(pick::nothing(pattern, &folder, &others.passed_over));
    }
    if pick.take == Take::All {
        pick::parts(&chosen, &others, &folder)?;
    }
    let chosen = chosen.into_iter().map(|entry| Chosen { path: pattern.path(&entry.name), look: entry.look });
    Ok((chosen.collect(), others))
}

/// The file's marker, if the configuration knows one.
///
/// # Errors
/// [`Failure::NothingYet`] when it is not there, or older than the file: then it is an earlier export's.
async fn marker(files: &impl Files, pick: &Pick, one: &Chosen) -> Result<Option<MarkerSeen>, Failure> {
    let Some(marker) = &pick.done_marker else { return Ok(None) };
    let path = marker.of(&one.path);
    let unmarked = |stale| pick::unmarked(&files.at(&one.path), &files.at(&path), stale);
    let Some(look) = files.look(&path).await? else { return Err(unmarked(false)) };
    if matches!((look.modified, one.look.modified), (Some(marked), Some(written)) if marked < written) {
        return Err(unmarked(true));
    }
    Ok(Some(MarkerSeen { path, size: look.size, modified: look.modified }))
}

/// Waits until every file has stood still for long enough.
async fn settle(
    files: &impl Files,
    pick: &Pick,
    chosen: &[Chosen],
    now: DateTime<Utc>,
    note: Note<'_>,
) -> Result<(), Failure> {
    let waits = chosen.iter().filter_map(|one| {
        let written = one.look.modified.map(|written| files.latest(written));
        Some((pick::wait(pick.settle, written, now)?, one))
    });
    let Some((wait, longest)) = waits.max_by_key(|(wait, _)| *wait) else { return Ok(()) };
    note(&pick::waiting(&files.at(&longest.path), wait, pick.settle));
    tokio::time::sleep(wait).await;
    for one in chosen {
        let now = files.look(&one.path).await?;
        if now.as_ref() != Some(&one.look) {
            return Err(pick::unsettled(pick, &files.at(&one.path), &one.look, now.as_ref()));
        }
    }
    Ok(())
}

/// Writes the next bytes of a file (`at`, as a person finds it) that had `size` of them when it was chosen.
///
/// # Errors
/// [`Failure::Incomplete`] at the first byte beyond, and as [`Spool::write`].
pub(super) fn take_in(spool: &mut Spool, bytes: &[u8], at: &str, size: u64) -> Result<(), Failure> {
    if spool.size() + bytes.len() as u64 > size {
        return Err(Failure::Incomplete(format!(
            "`{at}` changed while it was read: {size} bytes before, and more now; run the feed again when the upload \
             has ended, or raise `settle`"
        )));
    }
    spool.write(bytes)
}

/// The copy as a whole file, if every count agrees. `at` is the file as a person finds it.
///
/// # Errors
/// [`Failure::Incomplete`] when the file changed while it was read, or the count of bytes differs.
fn whole(spool: Spool, at: &str, before: &Look, after: Option<&Look>) -> Result<Arrived, Failure> {
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
    let copy = Arrived::of(spool, before.modified);
    if copy.size != before.size {
        return Err(Failure::Incomplete(format!(
            "`{at}` has {} bytes and {} were read; run the feed again, and look at the server if it \
             stays so",
            before.size, copy.size
        )));
    }
    Ok(copy)
}
