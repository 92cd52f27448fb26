//! Bringing a state back from a copy. Nobody else owns the directory meanwhile; the copy is verified whole before
//! anything changes; what was there is set aside and never removed; what comes back knows less than Vitable does,
//! so every group is a first sync (`void`).
//!
//! The new state is built in `restoring.new`, renamed to `restoring` when it is whole, and its parts then take the
//! places of the old ones. From that rename on, the next start ends what a kill has cut off.

use super::{
    AttemptId,
    archive::{CopyHead, Part, Reader},
    attempts::StoredAttempt,
    backup::{self, CopyBeside},
    codec,
    error::{LedgerError, OpenError, RestoreError, Result},
    files, key,
    node::{self, NodeMeta},
    reserve,
    seal::{self, KEY_FILE, Main, Sealer},
    store::{self, Store},
    trace, upgrade,
    void::{self, Voided},
};
use crate::roster::{FingerprintKey, GroupRef, RequestId};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{BufReader, Write},
    path::{Path, PathBuf},
};

const BUILT: &str = "restoring.new";
const READY: &str = "restoring";
/// In the new state until it is in its place: the name under which the old one is set aside.
const ASIDE: &str = "aside";
/// What is exchanged, in this order. `rosters` has the others of its name with it.
const PARTS: &[&str] = &["format", "sequence", "store", "long", "rosters", trace::DIR, "reserve", KEY_FILE];

/// A copy that was read whole, and the directory that it may be restored into, which nobody else can use now.
pub struct Restore {
    dir: PathBuf,
    copy: PathBuf,
    head: CopyHead,
    main: Main,
    /// Text of the key file, when the key is the copy's own.
    key_file: Option<zeroize::Zeroizing<String>>,
    /// Newer copies that are not whole, each with why.
    passed_over: Vec<String>,
    forgotten: Vec<Forgotten>,
    _lock: File,
}

/// A request in flight that the state knows, and the copy does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The group that it was sent to.
    pub group: GroupRef,
    /// What Vitable calls it; none while its answer has not come.
    pub request_id: Option<RequestId>,
}

impl std::fmt::Debug for Restore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restore").field("copy", &self.copy).finish_non_exhaustive()
    }
}

/// A state that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreDone {
    /// Where the former state is.
    pub aside: PathBuf,
    /// What the restored state does not say any more.
    pub voided: Voided,
    /// Request ids that the former state held in its reserve.
    pub notes: Vec<String>,
}

impl Restore {
    /// Reads a copy whole and takes the directory, which is made if it is not there. Changes nothing in it.
    ///
    /// # Errors
    /// Somebody has the directory; the copy is not whole, newer than this rosterd, or sealed with another key.
    pub fn from_file(dir: &Path, copy: &Path, key: Option<&SecretString>) -> Result<Self, RestoreError> {
        let lock = take(dir)?;
        Self::verified(dir, copy, key, lock).map_err(|(error, _)| error)
    }

    /// The same with the newest copy beside the state that is whole.
    ///
    /// # Errors
    /// There is none; of several that cannot be restored the reason of the newest.
    pub fn from_copy(dir: &Path, key: Option<&SecretString>) -> Result<Self, RestoreError> {
        let mut lock = take(dir)?;
        let mut first = None;
        let mut passed_over = Vec::new();
        for CopyBeside { path, .. } in backup::beside(dir) {
            match Self::verified(dir, &path, key, lock) {
                Ok(restore) => return Ok(Self { passed_over, ..restore }),
                Err((error, kept)) => {
                    passed_over.push(error.to_string());
                    first.get_or_insert(error);
                    lock = kept;
                }
            }
        }
        Err(first.unwrap_or_else(|| RestoreError::NoCopy { dir: dir.display().to_string() }))
    }

    fn verified(
        dir: &Path,
        copy: &Path,
        key: Option<&SecretString>,
        lock: File,
    ) -> Result<Self, (RestoreError, File)> {
        let verified = verify(copy).and_then(|verified| {
            let key_file = verified.key_file.as_ref().map(|text| text.as_str());
            let main = key_of(dir, copy, key, key_file, &verified.check)?;
            Ok((verified, main))
        });
        match verified {
            Ok((verified, main)) => Ok(Self {
                dir: dir.to_owned(),
                copy: copy.to_owned(),
                head: verified.head,
                main,
                // A configured key needs no file.
                key_file: verified.key_file.filter(|_| key.is_none()),
                passed_over: Vec::new(),
                forgotten: forgotten(dir, &verified.attempts),
                _lock: lock,
            }),
            Err(error) => Err((error, lock)),
        }
    }

    /// What the copy says of itself.
    #[must_use]
    pub fn head(&self) -> &CopyHead {
        &self.head
    }

    /// The file that is restored.
    #[must_use]
    pub fn copy(&self) -> &Path {
        &self.copy
    }

    /// Newer copies that cannot be restored, each with why.
    #[must_use]
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    /// Requests in flight that the present state knows, when it can still be read, and the copy does not: nobody
    /// asks for them any more once it is restored.
    #[must_use]
    pub fn forgotten(&self) -> &[Forgotten] {
        &self.forgotten
    }

    /// Puts the copy in the place of the state.
    ///
    /// # Errors
    /// The disk is full or the file system refuses: then the state is as it was.
    pub fn commit(self, now: DateTime<Utc>) -> Result<RestoreDone, RestoreError> {
        let built = self.dir.join(BUILT);
        let made = self.build(&built, now).inspect_err(|_| discard(&built));
        let (voided, notes) = made.map_err(RestoreError::Ledger)?;
        let aside = aside_name(&self.dir, now);
        let ready = self.dir.join(READY);
        let named = files::write_whole(&built.join(ASIDE), aside.as_bytes())
            .and_then(|()| rename(&built, &ready))
            .and_then(|()| files::sync_dir(&self.dir));
        if let Err(error) = named {
            discard(&built);
            return Err(RestoreError::Ledger(error));
        }
        super::crash::reached("ledger-after-restore-built");
        finish(&self.dir).map_err(RestoreError::Ledger)?;
        Ok(RestoreDone { aside: self.dir.join(aside), voided, notes })
    }

    /// Builds the whole state beside the old one.
    fn build(&self, built: &Path, now: DateTime<Utc>) -> Result<(Voided, Vec<String>)> {
        discard(built);
        files::make_dir(built)?;
        let rosters = built.join("rosters");
        files::make_dir(&rosters)?;
        // The traces of the former state go aside with it.
        files::make_dir(&built.join(trace::DIR))?;
        let (sealer, prints) = seal::derived(&self.main);
        let opened = Store::open(built).map_err(|error| LedgerError::defect(error.to_string()))?;
        let voided = self.fill(&opened, &rosters, &sealer, prints, now)?;
        drop(opened);
        store::wait_until_closed(built)?;
        upgrade::write_file(built, upgrade::CURRENT)?;
        if let Some(text) = &self.key_file {
            files::write_whole(&built.join(KEY_FILE), text.as_bytes())?;
        }
        // Request ids that found no other place must not be set aside with the rest.
        let notes = reserve::carry_over(&self.dir.join("reserve"), &built.join("reserve"))?;
        for dir in [&rosters, &built.join("store"), &built.join("long"), &built.to_path_buf()] {
            files::sync_dir(dir)?;
        }
        Ok((voided, notes))
    }

    fn fill(
        &self,
        store: &Store,
        rosters: &Path,
        sealer: &Sealer,
        prints: [u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Voided> {
        let mut reader = open(&self.copy)?;
        let mut file: Option<File> = None;
        let failed = |error| LedgerError::io("write a roster", error);
        while let Some(part) = reader.next()? {
            match part {
                Part::Entries(entries) => store.write("ledger-after-restore-part", |tx| {
                    entries.into_iter().for_each(|(key, json)| tx.put_json(key, json));
                    Ok(())
                })?,
                Part::Roster(id, _) => {
                    sync(file.take())?;
                    file = Some(files::create(&node::path(rosters, id)).map_err(failed)?);
                }
                Part::Data(bytes) => {
                    if let Some(file) = &mut file {
                        file.write_all(&bytes).map_err(failed)?;
                    }
                }
                Part::Key(_) => {}
            }
        }
        sync(file)?;
        for meta in store.scan::<NodeMeta>(key::NODES)? {
            node::verify(rosters, &meta)?;
            node::read_through(rosters, meta.id, sealer)?;
        }
        let fingerprints = FingerprintKey::new(prints);
        upgrade::apply(store, &upgrade::Keys { sealer, fingerprints: &fingerprints }, upgrade::STEPS)?;
        store.write("ledger-after-restore-part", |tx| void::run(tx, self.head.made, now))
    }
}

/// Makes what was written durable.
fn sync(file: Option<File>) -> Result<()> {
    let synced = file.map_or(Ok(()), |file| file.sync_all());
    synced.map_err(|error| LedgerError::io("make a roster durable", error))
}

/// Takes the directory's lock.
fn take(dir: &Path) -> Result<File, OpenError> {
    let opening = |error: LedgerError| error.opening(dir);
    files::make_dir(dir).map_err(opening)?;
    let lock = super::lock(dir)?;
    // One that was cut off comes to its end first: it has set a state aside.
    finish(dir).map_err(opening)?;
    Ok(lock)
}

fn open(copy: &Path) -> Result<Reader<BufReader<File>>> {
    let file = File::open(copy);
    let file = file.map_err(|error| LedgerError::io(format!("read `{}`", copy.display()), error))?;
    Reader::new(BufReader::with_capacity(1 << 20, file))
}

/// What is in flight in the present state and not among these attempts. Of a state that cannot be read nothing.
fn forgotten(dir: &Path, known: &HashSet<AttemptId>) -> Vec<Forgotten> {
    if !dir.join("store").join("db").exists() {
        return Vec::new();
    }
    let Ok(store) = Store::open(dir) else { return Vec::new() };
    let ids = store.newest(key::IN_FLIGHT, usize::MAX).unwrap_or_default();
    let stored = ids.into_iter().rev().map(AttemptId).filter(|id| !known.contains(id));
    let stored = stored.filter_map(|id| store.get::<StoredAttempt>(&key::attempt(id)).ok().flatten());
    let unknown = stored.map(|stored| Forgotten {
        request_id: stored.attempt.state.request_id().cloned(),
        group: stored.attempt.group,
    });
    let unknown = unknown.collect();
    drop(store);
    // Its files are moved soon; one that does not close stops the restore then.
    store::wait_until_closed(dir).unwrap_or(());
    unknown
}

/// What a whole copy has shown of itself.
struct Verified {
    head: CopyHead,
    /// What the key can be known by.
    check: Vec<u8>,
    key_file: Option<zeroize::Zeroizing<String>>,
    attempts: HashSet<AttemptId>,
}

/// Reads all of the copy: every checksum, every roster that the records name.
fn verify(copy: &Path) -> Result<Verified, RestoreError> {
    let name = copy.display().to_string();
    let read = || -> Result<Verified> {
        let mut reader = open(copy)?;
        if reader.head().format > upgrade::CURRENT {
            return Err(LedgerError::NewerVersion { found: reader.head().format });
        }
        let (mut check, mut key_file, mut attempts) = (None, None, HashSet::new());
        let mut named: HashMap<u64, String> = HashMap::new();
        let mut current: Option<(u64, u64, blake3::Hasher)> = None;
        let mut entries = 0;
        while let Some(part) = reader.next()? {
            match part {
                Part::Entries(list) => {
                    entries += list.len() as u64;
                    for (key, json) in list {
                        if key == key::KEY_CHECK {
                            check = Some(codec::from_json::<Vec<u8>>(&json)?);
                        } else if key.starts_with(key::NODES) {
                            let meta: NodeMeta = codec::from_json(&json)?;
                            named.insert(meta.id, meta.digest);
                        } else if key.starts_with(key::ATTEMPTS) {
                            attempts.extend(key::number_of(&key).map(AttemptId));
                        }
                    }
                }
                Part::Roster(id, length) => {
                    close(current.replace((id, length, blake3::Hasher::new())), &mut named)?;
                }
                Part::Data(bytes) => {
                    if let Some((_, left, hasher)) = &mut current {
                        *left = left.saturating_sub(bytes.len() as u64);
                        hasher.update(&bytes);
                    }
                }
                Part::Key(text) => key_file = Some(text),
            }
        }
        close(current, &mut named)?;
        if !named.is_empty() || entries != reader.head().entries {
            return Err(LedgerError::damaged("something that it names is not in it"));
        }
        let check = check.ok_or_else(|| LedgerError::damaged("nothing in it tells the key"))?;
        Ok(Verified { head: reader.head().clone(), check, key_file, attempts })
    };
    read().map_err(|error| {
        if let LedgerError::NewerVersion { found } = error {
            RestoreError::Newer { file: name, found, known: upgrade::CURRENT }
        } else if let LedgerError::Damaged { what } = error {
            RestoreError::NotWhole { file: name, what }
        } else {
            RestoreError::Ledger(error)
        }
    })
}

/// A roster of the copy has come to its end.
fn close(roster: Option<(u64, u64, blake3::Hasher)>, named: &mut HashMap<u64, String>) -> Result<()> {
    let Some((id, left, hasher)) = roster else { return Ok(()) };
    if left == 0 && named.remove(&id).is_some_and(|digest| digest == hasher.finalize().to_hex().as_str()) {
        return Ok(());
    }
    Err(LedgerError::damaged(format!("the roster file `{id}` in it is not what was written")))
}

/// The key that the restored state will be opened with, which must be the one that sealed the copy.
fn key_of(
    dir: &Path,
    copy: &Path,
    configured: Option<&SecretString>,
    key_file: Option<&str>,
    check: &[u8],
) -> Result<Main, RestoreError> {
    let (main, place) = match (configured, key_file) {
        (Some(secret), _) => (Some(seal::main_of(secret)), "the configured `state_key`".to_owned()),
        (None, Some(text)) => (seal::main_of_text(text), "the key in it".to_owned()),
        (None, None) => (seal::own_main(dir)?, format!("`{}`", dir.join(KEY_FILE).display())),
    };
    let file = copy.display().to_string();
    let main = main.ok_or_else(|| RestoreError::NoKey { file: file.clone(), place: place.clone() })?;
    if seal::opens(&seal::derived(&main).0, check) {
        Ok(main)
    } else {
        Err(RestoreError::WrongKey { file, place })
    }
}

fn aside_name(dir: &Path, now: DateTime<Utc>) -> String {
    let date = now.format("%Y-%m-%dT%H%M%SZ");
    let names = (1_u32..).map(|number| match number {
        1 => format!("state.replaced-{date}"),
        _ => format!("state.replaced-{date}-{number}"),
    });
    let mut free = names.filter(|name| !dir.join(name).exists());
    free.next().unwrap_or_else(|| format!("state.replaced-{date}"))
}

/// Ends an exchange of states that was cut off: each part of the new one that is not yet in its place sends the
/// old one aside and takes it. The caller holds the directory's lock.
pub(super) fn finish(dir: &Path) -> Result<()> {
    let ready = dir.join(READY);
    // What was built and never became whole is nothing.
    discard(&dir.join(BUILT));
    if !ready.exists() {
        return Ok(());
    }
    let Ok(aside) = std::fs::read_to_string(ready.join(ASIDE)) else {
        // Its name goes last: everything is in its place.
        discard(&ready);
        return Ok(());
    };
    let aside = dir.join(aside);
    files::make_dir(&aside)?;
    for part in PARTS {
        let (new, place) = (ready.join(part), dir.join(part));
        if !new.exists() {
            continue;
        }
        if *part == "rosters" {
            for other in others(dir) {
                rename(&dir.join(&other), &aside.join(&other))?;
            }
        }
        if place.exists() {
            rename(&place, &aside.join(part))?;
            files::sync_dir(&aside)?;
            files::sync_dir(dir)?;
        }
        rename(&new, &place)?;
        files::sync_dir(dir)?;
        super::crash::reached("ledger-after-restore-moved");
    }
    files::remove(&ready.join(ASIDE));
    files::sync_dir(&ready)?;
    discard(&ready);
    Ok(())
}

/// Directories of rosters that changes of the key have made.
pub(super) fn others(dir: &Path) -> Vec<String> {
    named(dir, "rosters.")
}

/// States that were set aside, by name.
pub(super) fn replaced(dir: &Path) -> Vec<String> {
    named(dir, "state.replaced-")
}

fn named(dir: &Path, prefix: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort();
    names
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|error| LedgerError::io(format!("move `{}`", from.display()), error))
}

/// Removes what was never a state. What cannot be removed is removed at the next start.
pub(super) fn discard(dir: &Path) {
    std::fs::remove_dir_all(dir).unwrap_or(());
}
