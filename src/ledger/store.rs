//! The one place that knows sled. Four traps (`dependencies.md`): `flush` is not fsync, a left
//! `snap.*.generating` stops every later open, damage panics or opens silently with records missing, a full disk
//! stops everything. And a fifth: a `snap.*` that is whole belongs to the log, see `open_tree`.

use super::{
    codec::{self, Stored},
    error::{LedgerError, OpenError, Result},
    files::{self, Sequence},
    key,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// sled writes an item over 128 KiB to a file that it does not fsync, and up to 20 values share an item.
const INLINE: usize = 4096;

/// How often a store of this very process that is just closing is tried again, 20 ms apart.
const CLOSING_TRIES: u32 = 250;

/// What the last change left: all values together are checked against it at the start.
#[derive(Serialize, Deserialize)]
struct Mark {
    sequence: u64,
    /// Exclusive or of the hashes of all other entries, in hexadecimal.
    digest: String,
}

struct Writer {
    sequence: u64,
    digest: u128,
    /// Why nothing more is taken.
    stopped: Option<String>,
    /// Whether a write failed half-way.
    half_way: bool,
}

/// Values under keys; a change is durable when `write` returns.
pub(super) struct Store {
    tree: sled::Db,
    db: File,
    long: PathBuf,
    acknowledged: Sequence,
    writer: Mutex<Writer>,
    /// How many changes are durable. Whoever holds it makes them so, for all who have come by then. Taken before
    /// `writer` where both are held.
    durable: Mutex<u64>,
}

/// A change in the making, which sees itself.
pub(super) struct Tx<'s> {
    store: &'s Store,
    /// JSON under its key; `None` removes.
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// Takes a key and its value as JSON.
pub(super) type Each<'a> = dyn FnMut(&[u8], Vec<u8>) -> Result<()> + 'a;

impl Store {
    /// Opens the store in `dir`; the caller holds the directory's lock.
    ///
    /// # Errors
    /// Damage, a newer version, a full disk, or the file system refuses.
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        let opening = |error: LedgerError| error.opening(dir);
        let (path, long) = (dir.join("store"), dir.join("long"));
        files::make_dir(&path).map_err(opening)?;
        files::make_dir(&long).map_err(opening)?;
        let known = path.join("db").exists();
        if known && !dir.join("sequence").exists() {
            return Err(OpenError::damaged(dir, "the file `sequence` is gone"));
        }
        let (acknowledged, expected) = Sequence::open(&dir.join("sequence")).map_err(opening)?;
        let folder = long.clone();
        // Damage makes sled panic while it opens; on a thread of its own the panic ends nothing else.
        let opened = std::thread::Builder::new()
            .name("ledger-open".to_owned())
            .spawn(move || {
                let tree = open_tree(&path)?;
                let (sequence, digest, named) = verify(&tree, &folder)?;
                files::sync_dir(&path)?;
                let db =
                    File::open(path.join("db")).map_err(|error| LedgerError::io("open the store", error))?;
                sweep(&folder, |name| named.contains(name))?;
                Ok::<_, LedgerError>((tree, db, sequence, digest))
            })
            .map_err(|error| opening(LedgerError::io("start a thread", error)))?
            .join();
        let (tree, db, sequence, digest) = match opened {
            Ok(opened) => opened.map_err(opening)?,
            Err(_) => return Err(OpenError::damaged(dir, "the store cannot be read (`store/db`)")),
        };
        if sequence < expected {
            return Err(OpenError::damaged(
                dir,
                format!("the store ends at change {sequence}, and {expected} were acknowledged"),
            ));
        }
        if sequence > expected {
            // Killed between the two, or one slot was lost: from here on the file counts from the store again.
            acknowledged
                .note(sequence)
                .map_err(|error| opening(LedgerError::io("make the state durable", error)))?;
        }
        Ok(Self {
            tree,
            db,
            long,
            acknowledged,
            durable: Mutex::new(sequence),
            writer: Mutex::new(Writer { sequence, digest, stopped: None, half_way: false }),
        })
    }

    /// The value under a key.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>> {
        self.json(key)?.map(|json| codec::from_json(&json)).transpose()
    }

    fn raw(&self, key: &[u8]) -> Result<Option<sled::IVec>> {
        self.tree.get(key).map_err(|error| LedgerError::store("read", error))
    }

    fn json(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut bytes = self.raw(key)?;
        loop {
            let json = bytes.as_ref().map(|bytes| unpack(&self.long, key, bytes)).transpose();
            if json.is_ok() {
                return json;
            }
            // A change in between may have replaced a long value and removed its file.
            let again = self.raw(key)?;
            if again == bytes {
                return json;
            }
            bytes = again;
        }
    }

    /// Every value whose key begins so, in the order of the keys.
    pub(super) fn scan<T: DeserializeOwned>(&self, prefix: &[u8]) -> Result<Vec<T>> {
        let keys = self.tree.scan_prefix(prefix).keys();
        keys.filter_map(|key| {
            key.map_err(|error| LedgerError::store("read", error)).and_then(|key| self.get(&key)).transpose()
        })
        .collect()
    }

    /// The keys that begin so, in their order.
    pub(super) fn keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let keys = self.tree.scan_prefix(prefix).keys();
        keys.map(|key| key.map(|key| key.to_vec()).map_err(|error| LedgerError::store("read", error)))
            .collect()
    }

    /// Tells every key with its value as JSON, as they are at one moment: no change comes in between. Returns
    /// how many changes there were.
    ///
    /// # Errors
    /// What `each` says, and when a write failed half-way: nobody knows what is durable then.
    pub(super) fn snapshot(&self, each: &mut Each<'_>) -> Result<u64> {
        let writer = self.quiet()?;
        for pair in self.tree.iter() {
            let (key, bytes) = pair.map_err(|error| LedgerError::store("read", error))?;
            if key != key::SEQUENCE {
                each(&key, unpack(&self.long, &key, &bytes)?)?;
            }
        }
        Ok(writer.sequence)
    }

    /// Reads everything once more, as the opening did. Returns how many records there are.
    ///
    /// # Errors
    /// Damage.
    pub(super) fn check(&self) -> Result<u64> {
        let writer = self.quiet()?;
        let (sequence, digest, _) = verify(&self.tree, &self.long)?;
        if (sequence, digest) != (writer.sequence, writer.digest) {
            return Err(LedgerError::damaged("the records are not those of the last change"));
        }
        let noted = self.acknowledged.newest();
        if noted != Some(sequence) {
            return Err(LedgerError::damaged(format!(
                "the store ends at change {sequence}, and the file `sequence` says otherwise"
            )));
        }
        Ok(u64::try_from(self.tree.len()).unwrap_or(u64::MAX))
    }

    /// How many changes were made.
    pub(super) fn sequence(&self) -> u64 {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).sequence
    }

    /// The numbers at the ends of the keys that begin so, the highest first, at most `limit`.
    pub(super) fn newest(&self, prefix: &[u8], limit: usize) -> Result<Vec<u64>> {
        let keys = self.tree.scan_prefix(prefix).keys().rev().take(limit);
        keys.map(|key| {
            let key = key.map_err(|error| LedgerError::store("read", error))?;
            key::number_of(&key).ok_or_else(|| LedgerError::damaged("an index entry has no number"))
        })
        .collect()
    }

    /// Makes a change, all of it or none, and returns when it is durable. `point` is the crash point after it.
    ///
    /// Changes are made one after the other, and become durable together: those that come while the disk works
    /// for an earlier one share the next turn. What was made first is never durable last, the log has it before.
    ///
    /// # Errors
    /// Whatever `change` says; a full disk; every write after one that found no room or failed half-way.
    pub(super) fn write<R>(&self, point: &str, change: impl FnOnce(&mut Tx<'_>) -> Result<R>) -> Result<R> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = &writer.stopped {
            return Err(LedgerError::Stopped { why: why.clone() });
        }
        let mut tx = Tx { store: self, changes: BTreeMap::new() };
        let answer = change(&mut tx)?;
        let changes = tx.changes;
        if changes.is_empty() {
            return Ok(answer);
        }
        let prepared = match self.prepare(&writer, changes) {
            Ok(prepared) => prepared,
            Err(error) => {
                // A later write that happens to find room would tell of a story with a gap.
                if matches!(error, LedgerError::DiskFull) {
                    writer.stopped = Some(error.to_string());
                }
                return Err(error);
            }
        };
        let applied = self.tree.apply_batch(prepared.batch);
        if let Err(error) = applied.map_err(|error| LedgerError::store("write", error)) {
            writer.break_off(&error);
            return Err(error);
        }
        writer.sequence = prepared.sequence;
        writer.digest = prepared.digest;
        drop(writer);
        self.settle(prepared.sequence)?;
        for name in prepared.unnamed {
            files::remove(&self.long.join(name));
        }
        super::crash::reached(point);
        Ok(answer)
    }

    /// Whether a write failed half-way, so that nobody knows what is durable.
    pub(super) fn is_broken(&self) -> bool {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.half_way
    }

    /// Whether a change would be taken.
    pub(super) fn takes_writes(&self) -> bool {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).stopped.is_none()
    }

    /// Takes nothing more from here on. The first reason stays.
    pub(super) fn stop(&self, why: &str) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.stopped.get_or_insert_with(|| why.to_owned());
    }

    fn prepare(&self, writer: &Writer, changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<Prepared> {
        super::crash::refuse_when_asked()?;
        let mut prepared = Prepared {
            batch: sled::Batch::default(),
            sequence: writer.sequence + 1,
            digest: writer.digest,
            unnamed: Vec::new(),
        };
        for (key, json) in changes {
            if let Some(old) = self.raw(&key)? {
                prepared.digest ^= codec::entry_hash(&key, &old);
                if let Stored::Elsewhere(name) = codec::decode(&key, &old)? {
                    prepared.unnamed.push(name);
                }
            }
            match json {
                Some(json) => {
                    let mut bytes = codec::encode(&key, &json);
                    if bytes.len() > INLINE {
                        let name = blake3::hash(&bytes).to_hex().to_string();
                        files::write_whole(&self.long.join(&name), &bytes)?;
                        prepared.unnamed.retain(|old| *old != name);
                        bytes = codec::encode_elsewhere(&key, &name);
                    }
                    prepared.digest ^= codec::entry_hash(&key, &bytes);
                    prepared.batch.insert(key, bytes);
                }
                None => prepared.batch.remove(key),
            }
        }
        let mark = codec::to_json(&Mark {
            sequence: prepared.sequence,
            digest: format!("{:032x}", prepared.digest),
        })?;
        prepared.batch.insert(key::SEQUENCE, codec::encode(key::SEQUENCE, &mark));
        Ok(prepared)
    }

    /// Returns when this change is durable.
    fn settle(&self, sequence: u64) -> Result<()> {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if *durable >= sequence {
            return Ok(());
        }
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let (true, Some(why)) = (writer.half_way, &writer.stopped) {
            // The turn that this change was to share has failed, and another try may only seem to work.
            return Err(LedgerError::Stopped { why: why.clone() });
        }
        let newest = writer.sequence;
        drop(writer);
        self.make_durable(newest).inspect_err(|error| {
            self.writer.lock().unwrap_or_else(PoisonError::into_inner).break_off(error);
        })?;
        *durable = newest;
        Ok(())
    }

    fn make_durable(&self, newest: u64) -> Result<()> {
        self.tree.flush().map_err(|error| LedgerError::store("write", error))?;
        self.db
            .sync_all()
            .and_then(|()| self.acknowledged.note(newest))
            .map_err(|error| LedgerError::io("make the state durable", error))
    }

    /// Nobody writes while the answer is held, and everything is durable.
    fn quiet(&self) -> Result<MutexGuard<'_, Writer>> {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let (true, Some(why)) = (writer.half_way, &writer.stopped) {
            return Err(LedgerError::Stopped { why: why.clone() });
        }
        if *durable < writer.sequence {
            self.make_durable(writer.sequence).inspect_err(|error| writer.break_off(error))?;
            *durable = writer.sequence;
        }
        Ok(writer)
    }
}

impl Writer {
    /// The store may now show what is not durable: nothing may be built on it.
    fn break_off(&mut self, error: &LedgerError) {
        self.stopped.get_or_insert_with(|| error.to_string());
        self.half_way = true;
    }
}

struct Prepared {
    batch: sled::Batch,
    sequence: u64,
    digest: u128,
    /// Files of long values that this change replaces.
    unnamed: Vec<String>,
}

impl Tx<'_> {
    pub(super) fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>> {
        match self.changes.get(key) {
            Some(Some(json)) => codec::from_json(json).map(Some),
            Some(None) => Ok(None),
            None => self.store.get(key),
        }
    }

    pub(super) fn put<T: Serialize>(&mut self, key: Vec<u8>, value: &T) -> Result<()> {
        let json = codec::to_json(value)?;
        self.changes.insert(key, Some(json));
        Ok(())
    }

    /// A value that is JSON already.
    pub(super) fn put_json(&mut self, key: Vec<u8>, json: Vec<u8>) {
        self.changes.insert(key, Some(json));
    }

    /// The keys that begin so, as they were before this change.
    pub(super) fn keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        self.store.keys(prefix)
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) -> Result<()> {
        if self.changes.contains_key(&key) || self.store.raw(&key)?.is_some() {
            self.changes.insert(key, None);
        }
        Ok(())
    }

    /// The next number of a counter, from 1.
    pub(super) fn count_up(&mut self, counter: &[u8]) -> Result<u64> {
        let number = self.get::<u64>(counter)?.unwrap_or(0) + 1;
        self.put(counter.to_vec(), &number)?;
        Ok(number)
    }

    /// The stored values whose key begins so, as they were before this change.
    pub(super) fn scan<T: DeserializeOwned>(&self, prefix: &[u8]) -> Result<Vec<T>> {
        self.store.scan(prefix)
    }
}

/// Removes the files of a directory that are not to be kept: what a crash left.
pub(super) fn sweep(dir: &Path, keep: impl Fn(&str) -> bool) -> Result<()> {
    let failed = |error| LedgerError::io(format!("list `{}`", dir.display()), error);
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_str().is_some_and(&keep) {
            files::remove(&entry.path());
        }
    }
    Ok(())
}

/// Returns when the store in this directory, which was dropped, has let go of its files.
pub(super) fn wait_until_closed(dir: &Path) -> Result<()> {
    let failed = |error| LedgerError::io("close the store", error);
    let file = File::open(dir.join("store").join("db")).map_err(failed)?;
    for _ in 0..CLOSING_TRIES {
        // The lock that sled holds; ours goes with the file.
        if file.try_lock().is_ok() {
            return Ok(());
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Err(LedgerError::defect("the store does not close"))
}

fn open_tree(path: &Path) -> Result<sled::Db> {
    let failed = |error| LedgerError::io("look into the store", error);
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // A half-written snapshot stops every open. A whole one must stay: when sled opens it overwrites segments
        // that hold nothing any more, and without the snapshot it takes the first gap for the end of its log,
        // opens as if it were empty, and overwrites the rest.
        if entry.file_name().to_string_lossy().ends_with(".generating") {
            std::fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    let config = sled::Config::new().path(path).cache_capacity(64 << 20).flush_every_ms(None);
    let mut tries = 0;
    loop {
        match config.open() {
            // Our own lock is held, so this is a store of this process whose threads are still ending.
            Err(sled::Error::Io(error))
                if error.to_string().contains("could not acquire lock") && tries < CLOSING_TRIES =>
            {
                tries += 1;
                std::thread::park_timeout(Duration::from_millis(20));
            }
            other => return other.map_err(|error| LedgerError::store("open", error)),
        }
    }
}

/// Reads everything once: each value against its checksum, all together against the last mark. Returns the
/// mark and the files that values name.
fn verify(tree: &sled::Db, long: &Path) -> Result<(u64, u128, HashSet<String>)> {
    let mut named = HashSet::new();
    let (mut digest, mut count, mut mark) = (0, 0_u64, None);
    for pair in tree.iter() {
        let (key, bytes) = pair.map_err(|error| LedgerError::store("read", error))?;
        if key == key::SEQUENCE {
            mark = Some(codec::from_json::<Mark>(&unpack(long, &key, &bytes)?)?);
            continue;
        }
        if let Stored::Elsewhere(name) = codec::decode(&key, &bytes)? {
            unpack(long, &key, &bytes)?;
            named.insert(name);
        }
        digest ^= codec::entry_hash(&key, &bytes);
        count += 1;
    }
    match mark {
        None if count == 0 => Ok((0, 0, named)),
        Some(mark) if mark.digest == format!("{digest:032x}") => Ok((mark.sequence, digest, named)),
        Some(_) | None => Err(LedgerError::damaged("records of the store are missing")),
    }
}

fn unpack(long: &Path, key: &[u8], bytes: &[u8]) -> Result<Vec<u8>> {
    let name = match codec::decode(key, bytes)? {
        Stored::Here(json) => return Ok(json),
        Stored::Elsewhere(name) => name,
    };
    let bytes = std::fs::read(long.join(&name)).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            LedgerError::damaged(format!("the file `long/{name}` is gone"))
        } else {
            LedgerError::io(format!("read `long/{name}`"), error)
        }
    })?;
    match codec::decode(key, &bytes)? {
        Stored::Here(json) => Ok(json),
        Stored::Elsewhere(_) => Err(LedgerError::damaged("a long value names another")),
    }
}
