//! A roster on disk: a file of checksummed frames, whole or as the difference to another one.
//!
//! Each chunk of members is an index frame (ids, plans, fingerprints; compressed) followed by a frame of
//! their records (compressed, then sealed to this place of this file). A frame of removed ids and an end
//! frame close the file. Files and not the store, because a long value costs sled many times its size.

use super::{
    error::{LedgerError, Result},
    files,
    seal::Sealer,
};
use crate::roster::{
    Covered, FIELD_COUNT, Fingerprint, Fingerprints, PlanId, Record, RecordRef, ReferenceId,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, Serializer};
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Members of one chunk: what is in memory at a time.
pub(super) const CHUNK: usize = 16_384;
const MAGIC: &[u8; 8] = b"rosterd\x01";
const PRINTS: usize = (FIELD_COUNT + 1) * 8;
const CHECK: usize = 16;

const INDEX: u8 = 1;
const SEALED: u8 = 2;
const REMOVED: u8 = 3;
const END: u8 = 4;

/// What the store knows of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodeMeta {
    pub(super) id: u64,
    /// The file that this one is the difference to.
    pub(super) base: Option<u64>,
    /// How many files lie under it.
    pub(super) depth: u32,
    /// Members written in it.
    pub(super) written: u64,
    /// BLAKE3 of the whole file, in hexadecimal.
    pub(super) digest: String,
}

/// A node's place in the directory.
pub(super) fn path(dir: &Path, id: u64) -> PathBuf {
    dir.join(id.to_string())
}

/// The file of a node.
///
/// # Errors
/// It is gone, or cannot be read.
pub(super) fn file(dir: &Path, id: u64) -> Result<File> {
    File::open(path(dir, id)).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            LedgerError::damaged(format!("the roster file `{id}` is gone"))
        } else {
            LedgerError::io(format!("read the roster file `{id}`"), error)
        }
    })
}

#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    id: &'a str,
    plan: u32,
    /// Seconds and nanoseconds.
    carried_since: Option<(i64, u32)>,
}

#[derive(Serialize, Deserialize)]
struct Index<'a> {
    #[serde(borrow)]
    plans: Vec<&'a str>,
    entries: Vec<Entry<'a>>,
    #[serde(serialize_with = "as_bytes")]
    prints: &'a [u8],
}

fn as_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// The same form as a [`Record`], without a copy.
#[derive(Serialize)]
struct Sealed<'a> {
    text: &'a str,
    ends: &'a [u16; FIELD_COUNT],
}

/// Writes one node, chunk by chunk.
pub(super) struct NodeWriter<'s> {
    sealer: &'s Sealer,
    id: u64,
    path: PathBuf,
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    frame: u64,
    members: Vec<(String, u32, Option<DateTime<Utc>>)>,
    plans: Vec<PlanId>,
    plan_index: HashMap<PlanId, u32>,
    prints: Vec<u8>,
    records: Zeroizing<Vec<u8>>,
    removed: Vec<String>,
    written: u64,
}

impl<'s> NodeWriter<'s> {
    pub(super) fn create(dir: &Path, id: u64, sealer: &'s Sealer) -> Result<Self> {
        let path = path(dir, id);
        let file = files::create(&path).map_err(|error| LedgerError::io("write a roster", error))?;
        let mut writer = Self {
            sealer,
            id,
            path,
            file: BufWriter::new(file),
            hasher: blake3::Hasher::new(),
            frame: 0,
            members: Vec::new(),
            plans: Vec::new(),
            plan_index: HashMap::new(),
            prints: Vec::new(),
            records: Zeroizing::new(Vec::new()),
            removed: Vec::new(),
            written: 0,
        };
        writer.put(MAGIC)?;
        Ok(writer)
    }

    /// Adds one member.
    pub(super) fn push(
        &mut self,
        (id, plan): (&str, &PlanId),
        prints: &Fingerprints,
        carried_since: Option<DateTime<Utc>>,
        record: RecordRef<'_>,
    ) -> Result<()> {
        let plan = match self.plan_index.get(plan) {
            Some(&index) => index,
            None => {
                let index = u32::try_from(self.plans.len()).unwrap_or(u32::MAX);
                self.plans.push(plan.clone());
                self.plan_index.insert(plan.clone(), index);
                index
            }
        };
        self.members.push((id.to_owned(), plan, carried_since));
        self.prints.extend_from_slice(&prints.whole.0.to_le_bytes());
        for print in &prints.fields {
            self.prints.extend_from_slice(&print.0.to_le_bytes());
        }
        let sealed = Sealed { text: record.text(), ends: record.ends() };
        postcard::to_io(&sealed, &mut *self.records)
            .map_err(|_| LedgerError::defect("a record cannot be written"))?;
        self.written += 1;
        if self.members.len() >= CHUNK {
            self.flush()?;
        }
        Ok(())
    }

    /// Says that a member of the base is not in this one.
    pub(super) fn remove(&mut self, id: &str) {
        self.removed.push(id.to_owned());
    }

    /// Makes the file durable. Returns what the store must know of it.
    pub(super) fn finish(mut self, base: Option<&NodeMeta>) -> Result<NodeMeta> {
        self.flush()?;
        for removed in std::mem::take(&mut self.removed).chunks(CHUNK) {
            self.frame(REMOVED, &packed(&removed)?)?;
        }
        self.frame(END, &[])?;
        let doing = || format!("make the roster `{}` durable", self.path.display());
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .map_err(|error| LedgerError::io(doing(), error))?;
        self.path.parent().map_or(Ok(()), files::sync_dir)?;
        Ok(NodeMeta {
            id: self.id,
            base: base.map(|base| base.id),
            depth: base.map_or(0, |base| base.depth + 1),
            written: self.written,
            digest: self.hasher.finalize().to_hex().to_string(),
        })
    }

    fn flush(&mut self) -> Result<()> {
        if self.members.is_empty() {
            return Ok(());
        }
        let entries = self.members.iter().map(|(id, plan, carried)| Entry {
            id,
            plan: *plan,
            carried_since: carried.map(|at| (at.timestamp(), at.timestamp_subsec_nanos())),
        });
        let index = packed(&Index {
            plans: self.plans.iter().map(PlanId::as_str).collect(),
            entries: entries.collect(),
            prints: &self.prints,
        })?;
        self.frame(INDEX, &index)?;
        let compressed = Zeroizing::new(lz4_flex::compress_prepend_size(&self.records));
        let sealed = self.sealer.seal(&place(self.id, self.frame), &compressed)?;
        self.frame(SEALED, &sealed)?;
        self.members.clear();
        self.plans.clear();
        self.plan_index.clear();
        self.prints.clear();
        self.records.clear();
        Ok(())
    }

    fn frame(&mut self, kind: u8, payload: &[u8]) -> Result<()> {
        let length = u32::try_from(payload.len())
            .map_err(|_| LedgerError::defect("a chunk of a roster is longer than 4 GiB"))?;
        self.put(&[kind])?;
        self.put(&length.to_le_bytes())?;
        self.put(payload)?;
        self.put(&frame_check(self.id, self.frame, kind, payload))?;
        self.frame += 1;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|error| LedgerError::io("write a roster", error))
    }
}

/// What one file says of members: those it has, and those of its base that it has not.
pub(super) struct NodeReader {
    id: u64,
    file: BufReader<File>,
    frame: u64,
}

/// One part of a file.
pub(super) enum Part {
    /// Members; their records follow.
    Members(Vec<Covered>),
    /// Members of the base that are not in this roster.
    Removed(Vec<ReferenceId>),
}

impl NodeReader {
    pub(super) fn open(dir: &Path, id: u64) -> Result<Self> {
        let mut file = BufReader::new(file(dir, id)?);
        let mut magic = [0; 8];
        file.read_exact(&mut magic).map_err(|error| LedgerError::io("read a roster", error))?;
        match magic {
            magic if magic == *MAGIC => Ok(Self { id, file, frame: 0 }),
            [b'r', b'o', b's', b't', b'e', b'r', b'd', found] => Err(LedgerError::NewerVersion { found }),
            _ => Err(damaged(id)),
        }
    }

    /// The next part, `None` at the end. The records of the members before must have been read or skipped.
    pub(super) fn next(&mut self) -> Result<Option<Part>> {
        let (kind, payload) = self.read_frame()?;
        match kind {
            INDEX => self.members(&payload).map(|members| Some(Part::Members(members))),
            REMOVED => {
                let ids: Vec<String> = unpacked(&payload)
                    .and_then(|bytes| postcard::from_bytes(&bytes).map_err(|_| damaged(self.id)))?;
                let ids = ids.iter().map(|id| ReferenceId::new(id).map_err(|_| damaged(self.id)));
                ids.collect::<Result<_>>().map(|ids| Some(Part::Removed(ids)))
            }
            END => Ok(None),
            _ => Err(damaged(self.id)),
        }
    }

    /// Passes over the records of the members that were just read.
    pub(super) fn skip_records(&mut self) -> Result<()> {
        let (kind, length) = self.head()?;
        let check = i64::try_from(CHECK).unwrap_or(0);
        self.file
            .seek_relative(i64::from(length) + check)
            .map_err(|error| LedgerError::io("read a roster", error))?;
        self.frame += 1;
        if kind == SEALED { Ok(()) } else { Err(damaged(self.id)) }
    }

    /// Opens the records of the members that were just read, in their order.
    pub(super) fn records(&mut self, sealer: &Sealer, count: usize) -> Result<Vec<Record>> {
        let place = place(self.id, self.frame);
        let (kind, payload) = self.read_frame()?;
        if kind != SEALED {
            return Err(damaged(self.id));
        }
        let compressed = sealer.open(&place, &payload)?;
        let bytes =
            Zeroizing::new(lz4_flex::decompress_size_prepended(&compressed).map_err(|_| damaged(self.id))?);
        let mut rest: &[u8] = &bytes;
        let mut records = Vec::with_capacity(count);
        for _ in 0..count {
            let (record, after) = postcard::take_from_bytes::<Record>(rest).map_err(|_| damaged(self.id))?;
            records.push(record);
            rest = after;
        }
        Ok(records)
    }

    fn head(&mut self) -> Result<(u8, u32)> {
        let mut head = [0; 5];
        self.file.read_exact(&mut head).map_err(|error| LedgerError::io("read a roster", error))?;
        let [kind, length @ ..] = head;
        Ok((kind, u32::from_le_bytes(length)))
    }

    fn read_frame(&mut self) -> Result<(u8, Vec<u8>)> {
        let failed = |error| LedgerError::io("read a roster", error);
        let (kind, length) = self.head()?;
        let mut payload = Vec::new();
        // A damaged length must not reserve four gigabytes: the bytes come first.
        let read = (&mut self.file).take(u64::from(length)).read_to_end(&mut payload).map_err(failed)?;
        let mut check = [0; CHECK];
        self.file.read_exact(&mut check).map_err(failed)?;
        if u32::try_from(read) != Ok(length) || check != frame_check(self.id, self.frame, kind, &payload) {
            return Err(damaged(self.id));
        }
        self.frame += 1;
        Ok((kind, payload))
    }

    fn members(&self, payload: &[u8]) -> Result<Vec<Covered>> {
        let damaged = || damaged(self.id);
        let bytes = unpacked(payload)?;
        let index: Index<'_> = postcard::from_bytes(&bytes).map_err(|_| damaged())?;
        let plans = index.plans.iter().map(|plan| PlanId::new(plan).map_err(|_| damaged()));
        let plans = plans.collect::<Result<Vec<_>>>()?;
        let (prints, rest) = index.prints.as_chunks::<PRINTS>();
        if prints.len() != index.entries.len() || !rest.is_empty() {
            return Err(damaged());
        }
        let members = index.entries.iter().zip(prints).map(|(entry, prints)| {
            let plan = usize::try_from(entry.plan).ok().and_then(|at| plans.get(at));
            let carried_since = entry
                .carried_since
                .map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).ok_or_else(damaged));
            Ok(Covered {
                id: ReferenceId::new(entry.id).map_err(|_| damaged())?,
                plan: plan.cloned().ok_or_else(damaged)?,
                prints: fingerprints(prints),
                carried_since: carried_since.transpose()?,
            })
        });
        members.collect()
    }
}

/// Looks at the whole file as it was when it was finished.
pub(super) fn verify(dir: &Path, meta: &NodeMeta) -> Result<()> {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_reader(file(dir, meta.id)?)
        .map_err(|error| LedgerError::io(format!("read the roster file `{}`", meta.id), error))?;
    if hasher.finalize().to_hex().as_str() == meta.digest { Ok(()) } else { Err(damaged(meta.id)) }
}

/// Reads a node to its end, every sealed record of it. Returns how many members are written in it.
///
/// # Errors
/// Damage, and records that this key does not open.
pub(super) fn read_through(dir: &Path, id: u64, sealer: &Sealer) -> Result<u64> {
    let mut reader = NodeReader::open(dir, id)?;
    let mut members = 0;
    while let Some(part) = reader.next()? {
        if let Part::Members(of_chunk) = part {
            members += reader.records(sealer, of_chunk.len())?.len() as u64;
        }
    }
    Ok(members)
}

/// Of whom a walk tells, and whether with their records.
pub(super) enum Ask<'a> {
    /// Every member, without records.
    Members,
    /// These members with their records; only chunks that have one of them are opened.
    Records(&'a Sealer, &'a HashSet<ReferenceId>),
    /// Every member with his record.
    EveryRecord(&'a Sealer),
}

impl Ask<'_> {
    fn wants(&self, id: &ReferenceId) -> bool {
        match self {
            Self::Members | Self::EveryRecord(_) => true,
            Self::Records(_, wanted) => wanted.contains(id),
        }
    }

    fn sealer(&self) -> Option<&Sealer> {
        match self {
            Self::Members => None,
            Self::Records(sealer, _) | Self::EveryRecord(sealer) => Some(sealer),
        }
    }
}

/// Calls `each` with the members of a roster that are asked for: the newest file's first, then what its bases
/// add.
pub(super) fn walk(
    dir: &Path,
    chain: &[u64],
    ask: &Ask<'_>,
    each: &mut dyn FnMut(Covered, Option<Record>),
) -> Result<()> {
    // What a newer file said of members; the oldest file's own need not be remembered.
    let mut said: HashSet<ReferenceId> = HashSet::new();
    for (at, &id) in chain.iter().enumerate() {
        let oldest = at + 1 == chain.len();
        let mut now: Vec<ReferenceId> = Vec::new();
        let mut reader = NodeReader::open(dir, id)?;
        while let Some(part) = reader.next()? {
            let members = match part {
                Part::Members(members) => members,
                Part::Removed(ids) => {
                    now.extend(ids);
                    continue;
                }
            };
            let take = |member: &Covered| !said.contains(&member.id);
            let mut records = Vec::new().into_iter();
            match ask.sealer() {
                Some(sealer) if members.iter().any(|m| take(m) && ask.wants(&m.id)) => {
                    records = reader.records(sealer, members.len())?.into_iter();
                }
                Some(_) | None => reader.skip_records()?,
            }
            for member in members {
                let record = records.next();
                if !oldest {
                    now.push(member.id.clone());
                }
                if ask.wants(&member.id) && take(&member) {
                    each(member, record);
                }
            }
        }
        said.extend(now);
    }
    Ok(())
}

/// One member of a roster: the newest file that says something of him counts.
pub(super) fn find(dir: &Path, chain: &[u64], wanted: &str) -> Result<Option<Covered>> {
    for &id in chain {
        let mut reader = NodeReader::open(dir, id)?;
        while let Some(part) = reader.next()? {
            match part {
                Part::Members(members) => {
                    let found = members.into_iter().find(|member| member.id.as_str() == wanted);
                    if found.is_some() {
                        return Ok(found);
                    }
                    reader.skip_records()?;
                }
                Part::Removed(ids) if ids.iter().any(|gone| gone.as_str() == wanted) => return Ok(None),
                Part::Removed(_) => {}
            }
        }
    }
    Ok(None)
}

fn fingerprints(bytes: &[u8; PRINTS]) -> Fingerprints {
    let mut prints = bytes.as_chunks::<8>().0.iter().map(|print| Fingerprint(u64::from_le_bytes(*print)));
    let mut next = || prints.next().unwrap_or(Fingerprint(0));
    let whole = next();
    Fingerprints { whole, fields: std::array::from_fn(|_| next()) }
}

fn packed<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_stdvec(value)
        .map(|bytes| lz4_flex::compress_prepend_size(&bytes))
        .map_err(|_| LedgerError::defect("a chunk of a roster cannot be written"))
}

fn unpacked(payload: &[u8]) -> Result<Vec<u8>> {
    lz4_flex::decompress_size_prepended(payload)
        .map_err(|_| LedgerError::damaged("a chunk of a roster cannot be unpacked"))
}

fn place(id: u64, frame: u64) -> [u8; 16] {
    let mut place = [0; 16];
    let numbers = id.to_le_bytes().into_iter().chain(frame.to_le_bytes());
    for (to, from) in place.iter_mut().zip(numbers) {
        *to = from;
    }
    place
}

fn frame_check(id: u64, frame: u64, kind: u8, payload: &[u8]) -> [u8; CHECK] {
    let mut head = place(id, frame).to_vec();
    head.push(kind);
    super::codec::checksum(&head, payload)
}

fn damaged(id: u64) -> LedgerError {
    LedgerError::damaged(format!("the roster file `{id}` is not what was written"))
}
