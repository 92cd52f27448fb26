//! Copies of the whole state while it is in use: backups elsewhere, and the newest two copies beside the state.

use super::{
    Ledger,
    archive::{self, CopyHead, Entries, Writer},
    codec,
    error::{LedgerError, Result},
    files, key,
    node::{self, NodeMeta},
    seal, upgrade,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::PoisonError,
};
use zeroize::Zeroizing;

/// Where the copies beside the state are, in the state directory.
pub(super) const COPIES: &str = "copies";
/// How the name of a copy from before an upgrade begins.
pub(super) const BEFORE_UPGRADE: &str = "before-upgrade-";
/// How many copies beside the state are kept.
const KEPT: usize = 2;
/// A copy is due this long after the last one…
const EVERY: TimeDelta = TimeDelta::hours(24);
/// …or after so many changes, but not more often than each hour.
const CHANGES: u64 = 10_000;
const AT_MOST_EVERY: TimeDelta = TimeDelta::hours(1);
/// Bytes of values that are packed together.
const PACK: usize = 1 << 20;

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyMade {
    /// What it says of itself.
    pub head: CopyHead,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of it, in lower-case hexadecimal.
    pub sha256: String,
}

/// A copy that lies beside the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyBeside {
    /// Where.
    pub path: PathBuf,
    /// When it was made, by its name.
    pub made: DateTime<Utc>,
    /// How many changes the state had seen, by its name.
    pub sequence: u64,
    /// Bytes.
    pub size: u64,
}

/// The records of one moment, packed, in a file without a name.
struct Moment {
    head: CopyHead,
    spool: File,
    /// The length of each pack in the spool.
    packs: Vec<usize>,
    nodes: Vec<NodeMeta>,
}

/// What a run and an attempt say of when they last changed.
#[derive(Deserialize)]
struct Changed {
    began: Option<DateTime<Utc>>,
    ended: Option<DateTime<Utc>>,
    attempt: Option<ChangedAt>,
}

#[derive(Deserialize)]
struct ChangedAt {
    changed_at: DateTime<Utc>,
}

impl Ledger {
    /// Writes a copy of the whole state to `out`, as it is at one moment; other threads may go on changing it.
    /// What was sealed stays sealed. With `with_key` the directory's own key file is in it.
    ///
    /// # Errors
    /// There is no key file to be included; something is damaged; `out` or the file system refuses. What was
    /// written until then is no whole copy, and is refused as that.
    pub fn backup(&self, out: &mut dyn Write, with_key: bool, now: DateTime<Utc>) -> Result<CopyMade> {
        let key = if with_key { Some(seal::own_key(&self.dir)?) } else { None };
        let mut counted = Counted { out, hasher: Sha256::new(), size: 0 };
        let head = self.stream(&mut counted, upgrade::CURRENT, key, now)?;
        let sha256 = counted.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(CopyMade { head, size: counted.size, sha256 })
    }

    /// Whether the key is in the key file of the state directory, and not a secret of the configuration's.
    #[must_use]
    pub fn has_own_key(&self) -> bool {
        let check = self.store.get::<Vec<u8>>(key::KEY_CHECK).ok().flatten();
        let main = seal::own_main(&self.dir).ok().flatten();
        check.zip(main).is_some_and(|(check, main)| seal::opens(&seal::derived(&main).0, &check))
    }

    /// As [`Ledger::backup`], into a new file of mode 0600 that appears when all of it is on the disk.
    ///
    /// # Errors
    /// As [`Ledger::backup`], and when there is something under that name already.
    pub fn backup_to(&self, path: &Path, with_key: bool, now: DateTime<Utc>) -> Result<CopyMade> {
        // The name is taken first, so that nothing that comes meanwhile is overwritten.
        let taken = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        taken.map_err(|error| LedgerError::io(format!("make the new file `{}`", path.display()), error))?;
        let made = archive::to_file(path, |out| self.backup(out, with_key, now));
        if made.is_err() {
            files::remove(path);
        }
        made.map(|(_, made)| made)
    }

    /// Writes a copy of the state beside it, and removes all but the newest two.
    ///
    /// # Errors
    /// Something is damaged; the disk is full; the file system refuses. Earlier copies stay.
    pub fn write_copy(&self, now: DateTime<Utc>) -> Result<CopyMade> {
        let dir = self.dir.join(COPIES);
        files::make_dir(&dir)?;
        let sequence = self.store.sequence();
        let path = dir.join(format!("{}-{sequence}.rosterd", now.format("%Y%m%dT%H%M%SZ")));
        let (_, made) = archive::to_file(&path, |out| self.backup(out, false, now))?;
        super::crash::reached("ledger-after-copy");
        let mut copies = beside(&self.dir);
        copies.retain(|copy| copy.path != path);
        // Newest first, the one just made aside: also when the clock was set back.
        for old in copies.iter().skip(KEPT - 1) {
            files::remove(&old.path);
        }
        Ok(made)
    }

    /// Whether it is time for [`Ledger::write_copy`]: a day after the last one or 10,000 changes later, when
    /// anything changed at all.
    #[must_use]
    pub fn copy_due(&self, now: DateTime<Utc>) -> bool {
        let sequence = self.store.sequence();
        let Some(last) = beside(&self.dir).into_iter().next() else { return sequence > 0 };
        let age = now.signed_duration_since(last.made);
        let changes = sequence.saturating_sub(last.sequence);
        // After a restore the count begins anew, and a clock that was set back says nothing.
        let other = sequence < last.sequence || age < TimeDelta::zero();
        other || (changes > 0 && (age >= EVERY || (changes >= CHANGES && age >= AT_MOST_EVERY)))
    }

    /// The copies beside the state, the newest first.
    #[must_use]
    pub fn copies(&self) -> Vec<CopyBeside> {
        beside(&self.dir)
    }

    /// Writes the state, which is in this format.
    pub(super) fn stream(
        &self,
        out: &mut dyn Write,
        format: u8,
        key: Option<Zeroizing<String>>,
        now: DateTime<Utc>,
    ) -> Result<CopyHead> {
        // Rosters that go while we read stay until we have read them.
        let _reading = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let mut moment = self.moment(format, now)?;
        moment.head.with_key = key.is_some();
        let mut writer = Writer::new(out, &moment.head)?;
        let spooled = |error| LedgerError::io("read what was just copied", error);
        moment.spool.seek(SeekFrom::Start(0)).map_err(spooled)?;
        for length in &moment.packs {
            let mut packed = vec![0; *length];
            moment.spool.read_exact(&mut packed).map_err(spooled)?;
            writer.entries(&packed)?;
        }
        for meta in &moment.nodes {
            writer.roster(meta.id, &mut node::file(&self.rosters, meta.id)?, &meta.digest)?;
        }
        if let Some(text) = key {
            writer.key(&text)?;
        }
        writer.finish()?;
        Ok(moment.head)
    }

    /// The records as they are at one moment. They go into a file first: whoever takes them may be slow, and
    /// nobody can write meanwhile.
    fn moment(&self, format: u8, now: DateTime<Utc>) -> Result<Moment> {
        let spool = tempfile::tempfile_in(&self.dir)
            .map_err(|error| LedgerError::io(format!("write into `{}`", self.dir.display()), error))?;
        let mut gather = Gather {
            spool,
            packs: Vec::new(),
            open: Vec::new(),
            bytes: 0,
            nodes: Vec::new(),
            newest: [None, None],
            counts: [0; 3],
        };
        let sequence = self.store.snapshot(&mut |key, json| gather.take(key, json))?;
        gather.pack()?;
        let [entries, groups, runs] = gather.counts;
        let changed =
            gather.newest.iter().flatten().filter_map(|json| codec::from_json::<Changed>(json).ok());
        let last_change = changed
            .filter_map(|each| each.began.max(each.ended).max(each.attempt.map(|attempt| attempt.changed_at)))
            .max();
        let head = CopyHead {
            format,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made: now,
            sequence,
            entries,
            rosters: gather.nodes.len() as u64,
            groups,
            runs,
            last_change,
            with_key: false,
        };
        Ok(Moment { head, spool: gather.spool, packs: gather.packs, nodes: gather.nodes })
    }
}

/// Records on their way into the spool.
struct Gather {
    spool: File,
    packs: Vec<usize>,
    open: Entries,
    bytes: usize,
    nodes: Vec<NodeMeta>,
    /// The newest run and the newest attempt.
    newest: [Option<Vec<u8>>; 2],
    /// Records, groups, runs.
    counts: [u64; 3],
}

impl Gather {
    fn take(&mut self, key: &[u8], json: Vec<u8>) -> Result<()> {
        // Which directory the rosters are in is of this directory alone, and so are the traces: what is restored
        // reads anew before anything else.
        if key == key::ROSTERS || key.starts_with(key::TRACES) {
            return Ok(());
        }
        let [entries, groups, runs] = &mut self.counts;
        let [run, attempt] = &mut self.newest;
        *entries += 1;
        if key.starts_with(key::NODES) {
            self.nodes.push(codec::from_json(&json)?);
        } else if key.starts_with(key::GROUPS) {
            *groups += 1;
        } else if key.starts_with(key::RUNS) {
            *runs += 1;
            *run = Some(json.clone());
        } else if key.starts_with(key::ATTEMPTS) {
            // Keys come in their order, so that the last one is the newest.
            *attempt = Some(json.clone());
        }
        self.bytes += key.len() + json.len();
        self.open.push((key.to_vec(), json));
        if self.bytes >= PACK { self.pack() } else { Ok(()) }
    }

    fn pack(&mut self) -> Result<()> {
        let packed = archive::pack(&self.open)?;
        self.spool.write_all(&packed).map_err(|error| LedgerError::io("copy the state's records", error))?;
        self.packs.push(packed.len());
        self.open.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// Passes on what it is given, and knows its length and its SHA-256.
struct Counted<'w> {
    out: &'w mut dyn Write,
    hasher: Sha256,
    size: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// Removes copies that a kill has left unfinished. The caller has just opened the directory: nobody makes one.
pub(super) fn sweep(dir: &Path) {
    let of = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let unfinished = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| name.ends_with(".new"))
    };
    let upgrades = of(dir).filter(|entry| entry.file_name().to_string_lossy().starts_with(BEFORE_UPGRADE));
    for entry in of(&dir.join(COPIES)).chain(upgrades).filter(unfinished) {
        files::remove(&entry.path());
    }
}

/// The copies beside the state in this directory, the newest first.
pub(super) fn beside(dir: &Path) -> Vec<CopyBeside> {
    let Ok(entries) = std::fs::read_dir(dir.join(COPIES)) else { return Vec::new() };
    let copy = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let name = entry.file_name();
        let (made, sequence) = name.to_str()?.strip_suffix(".rosterd")?.split_once('-')?;
        let made = chrono::NaiveDateTime::parse_from_str(made, "%Y%m%dT%H%M%SZ").ok()?.and_utc();
        let size = entry.metadata().ok()?.len();
        Some(CopyBeside { path: entry.path(), made, sequence: sequence.parse().ok()?, size })
    };
    let mut copies: Vec<CopyBeside> = entries.filter_map(copy).collect();
    copies.sort_by_key(|copy| std::cmp::Reverse((copy.made, copy.sequence)));
    copies
}
