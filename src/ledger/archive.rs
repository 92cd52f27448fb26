//! A whole state as one stream: parts with a checksum each, and one over all of them at the end. A backup, the
//! copy beside the state and the copy before an upgrade are such files.
//!
//! What was sealed stays sealed. Values are JSON under their keys, as every format of the state has them, so
//! that a later rosterd reads the copy of an older state and brings it up to date.

use super::{
    codec,
    error::{LedgerError, Result},
    files,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"rosterB\x01";
const CHECK: usize = 16;
/// The longest part that is read: a damaged length must not reserve gigabytes.
const LONGEST: u32 = 256 << 20;
/// Bytes of a roster file in one part.
const PIECE: usize = 256 << 10;

const HEAD: u8 = 1;
const ENTRIES: u8 = 2;
const ROSTER: u8 = 3;
const DATA: u8 = 4;
const KEY: u8 = 5;
const END: u8 = 6;

/// What a copy of the state says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyHead {
    /// The format of the state that was copied.
    pub format: u8,
    /// The rosterd that made it.
    pub version: String,
    /// When it was made.
    pub made: DateTime<Utc>,
    /// How many changes the state had seen.
    pub sequence: u64,
    /// Records of the store.
    pub entries: u64,
    /// Roster files.
    pub rosters: u64,
    /// Groups that are known.
    pub groups: u64,
    /// Runs that are remembered.
    pub runs: u64,
    /// When the newest run or request last changed.
    pub last_change: Option<DateTime<Utc>>,
    /// Whether the key is in it that opens the members' records.
    pub with_key: bool,
}

/// Keys with their values, as JSON.
pub(super) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// What closes the stream.
#[derive(Serialize, Deserialize)]
struct Seal {
    /// BLAKE3 of everything before, in hexadecimal.
    digest: String,
}

/// Writes a state, part by part.
pub(super) struct Writer<'w> {
    out: &'w mut dyn Write,
    hasher: blake3::Hasher,
    ordinal: u64,
}

/// Packs entries, so that they can lie in a file until their turn comes.
pub(super) fn pack(entries: &Entries) -> Result<Vec<u8>> {
    postcard::to_stdvec(entries)
        .map(|bytes| lz4_flex::compress_prepend_size(&bytes))
        .map_err(|_| LedgerError::defect("records cannot be packed"))
}

impl<'w> Writer<'w> {
    pub(super) fn new(out: &'w mut dyn Write, head: &CopyHead) -> Result<Self> {
        let mut writer = Self { out, hasher: blake3::Hasher::new(), ordinal: 0 };
        writer.put(MAGIC)?;
        writer.part(HEAD, &codec::to_json(head)?)?;
        Ok(writer)
    }

    /// Entries that [`pack`] has packed.
    pub(super) fn entries(&mut self, packed: &[u8]) -> Result<()> {
        self.part(ENTRIES, packed)
    }

    /// A roster file, which must be what `digest` says.
    pub(super) fn roster(&mut self, id: u64, file: &mut File, digest: &str) -> Result<()> {
        let reading = |error| LedgerError::io(format!("read the roster file `{id}`"), error);
        let length = file.metadata().map_err(reading)?.len();
        self.part(ROSTER, &[id.to_le_bytes(), length.to_le_bytes()].concat())?;
        let mut hasher = blake3::Hasher::new();
        let mut piece = vec![0; PIECE];
        let mut left = length;
        while left > 0 {
            let read = file.read(&mut piece).map_err(reading)?;
            let bytes = piece.get(..read).unwrap_or_default();
            if bytes.is_empty() || bytes.len() as u64 > left {
                break;
            }
            hasher.update(bytes);
            self.part(DATA, bytes)?;
            left -= bytes.len() as u64;
        }
        if left > 0 || hasher.finalize().to_hex().as_str() != digest {
            return Err(LedgerError::damaged(format!("the roster file `{id}` is not what was written")));
        }
        Ok(())
    }

    /// The text of the key file.
    pub(super) fn key(&mut self, text: &str) -> Result<()> {
        self.part(KEY, text.as_bytes())
    }

    pub(super) fn finish(mut self) -> Result<()> {
        let digest = self.hasher.finalize().to_hex().to_string();
        self.part(END, &codec::to_json(&Seal { digest })?)?;
        self.out.flush().map_err(writing)
    }

    fn part(&mut self, kind: u8, payload: &[u8]) -> Result<()> {
        let length = u32::try_from(payload.len()).ok().filter(|length| *length <= LONGEST);
        let length = length.ok_or_else(|| LedgerError::defect("a part of a copy is too long"))?;
        self.put(&[kind])?;
        self.put(&length.to_le_bytes())?;
        self.put(payload)?;
        self.put(&check(self.ordinal, kind, payload))?;
        self.ordinal += 1;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes).map_err(writing)
    }
}

fn writing(error: std::io::Error) -> LedgerError {
    LedgerError::io("write the copy of the state", error)
}

fn check(ordinal: u64, kind: u8, payload: &[u8]) -> [u8; CHECK] {
    let mut head = ordinal.to_le_bytes().to_vec();
    head.push(kind);
    codec::checksum(&head, payload)
}

/// One part that was read.
pub(super) enum Part {
    /// Records of the store.
    Entries(Entries),
    /// A roster file begins: its number and its length in bytes.
    Roster(u64, u64),
    /// The next bytes of the roster file.
    Data(Vec<u8>),
    /// The text of the key file.
    Key(Zeroizing<String>),
}

/// Reads a state, part by part. Nothing may be built on it before [`Reader::next`] has said `None`: only then
/// is it known to be whole.
pub(super) struct Reader<R> {
    from: R,
    hasher: blake3::Hasher,
    ordinal: u64,
    head: CopyHead,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(from: R) -> Result<Self> {
        let head = CopyHead {
            format: 0,
            version: String::new(),
            made: DateTime::UNIX_EPOCH,
            sequence: 0,
            entries: 0,
            rosters: 0,
            groups: 0,
            runs: 0,
            last_change: None,
            with_key: false,
        };
        let mut reader = Self { from, hasher: blake3::Hasher::new(), ordinal: 0, head };
        let mut magic = [0; 8];
        reader.take(&mut magic)?;
        match magic {
            magic if magic == *MAGIC => {}
            [b'r', b'o', b's', b't', b'e', b'r', b'B', found] => {
                return Err(LedgerError::NewerVersion { found });
            }
            _ => return Err(LedgerError::damaged("it does not begin as one")),
        }
        match reader.part()? {
            (HEAD, json) => reader.head = codec::from_json(&json)?,
            _ => return Err(torn()),
        }
        Ok(reader)
    }

    pub(super) fn head(&self) -> &CopyHead {
        &self.head
    }

    /// The next part; `None` at the end of a whole file.
    pub(super) fn next(&mut self) -> Result<Option<Part>> {
        let digest = self.hasher.finalize();
        let (kind, payload) = self.part()?;
        Ok(Some(match kind {
            ENTRIES => {
                let bytes = lz4_flex::decompress_size_prepended(&payload).map_err(|_| torn())?;
                Part::Entries(postcard::from_bytes(&bytes).map_err(|_| torn())?)
            }
            ROSTER => {
                let (id, length) = payload.split_first_chunk::<8>().ok_or_else(torn)?;
                let length = length.first_chunk::<8>().ok_or_else(torn)?;
                Part::Roster(u64::from_le_bytes(*id), u64::from_le_bytes(*length))
            }
            DATA => Part::Data(payload),
            KEY => Part::Key(Zeroizing::new(String::from_utf8(payload).map_err(|_| torn())?)),
            END => {
                let seal: Seal = codec::from_json(&payload)?;
                let more = self.from.read(&mut [0]).map_err(reading)?;
                if seal.digest != digest.to_hex().as_str() || more > 0 {
                    return Err(torn());
                }
                return Ok(None);
            }
            _ => return Err(torn()),
        }))
    }

    fn part(&mut self) -> Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.take(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        if length > LONGEST {
            return Err(torn());
        }
        let mut payload = Vec::new();
        (&mut self.from).take(u64::from(length)).read_to_end(&mut payload).map_err(reading)?;
        self.hasher.update(&payload);
        let mut found = [0; CHECK];
        self.take(&mut found)?;
        if u32::try_from(payload.len()) != Ok(length) || found != check(self.ordinal, kind, &payload) {
            return Err(torn());
        }
        self.ordinal += 1;
        Ok((kind, payload))
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.from.read_exact(bytes).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                LedgerError::damaged("it ends early")
            } else {
                reading(error)
            }
        })?;
        self.hasher.update(bytes);
        Ok(())
    }
}

fn torn() -> LedgerError {
    LedgerError::damaged("a part of it does not match its checksum")
}

fn reading(error: std::io::Error) -> LedgerError {
    LedgerError::io("read the copy of the state", error)
}

/// Writes a whole copy under `path`, which appears when all of it is on the disk; readable for us alone. `fill`
/// writes it. Returns its length in bytes and what `fill` returns.
pub(super) fn to_file<T>(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<(u64, T)> {
    let failed = |error| LedgerError::io(format!("write `{}`", path.display()), error);
    let beside = beside(path);
    let written = files::create(&beside).map_err(failed).and_then(|file| {
        let mut out = std::io::BufWriter::with_capacity(PIECE, file);
        let filled = fill(&mut out)?;
        let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        Ok((file.metadata().map_err(failed)?.len(), filled))
    });
    let written = written.and_then(|written| {
        std::fs::rename(&beside, path).map_err(failed)?;
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => files::sync_dir(parent)?,
            Some(_) | None => files::sync_dir(Path::new("."))?,
        }
        Ok(written)
    });
    if written.is_err() {
        files::remove(&beside);
    }
    written
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}
