//! Archives and encrypted files: what comes out is what went in, or nothing.

mod packed;

use super::{
    input::Input,
    read::{folder, spool},
};
use rosterd::{
    secret::Secret,
    source::{
        Decrypt, Format,
        decode::{self, How, Step, json::Cells},
    },
};
use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash as _, Hasher as _},
    io::Write as _,
    sync::OnceLock,
};

/// A key that opens nothing but the messages beside it.
const KEY: &str = include_str!("../keys/secret.asc");
/// What those hold.
const ROSTER: &[u8] = include_bytes!("../keys/roster.csv");
const MESSAGES: [&[u8]; 4] = [
    include_bytes!("../keys/plain.gpg"),
    include_bytes!("../keys/zip.gpg"),
    include_bytes!("../keys/signed.gpg"),
    include_bytes!("../keys/armored.asc"),
];

/// Up to here, in bytes, nobody asks how large a file was when it was packed; beyond, it may grow so many times
/// (`decode/spool.rs`).
const FREE: u64 = 64 << 20;
const RATIO: u64 = 200;

/// What was read, in few words: a file may hold more than is good to keep.
#[derive(Debug, PartialEq, Eq)]
struct Digest {
    rows: u64,
    bytes: u64,
    hash: u64,
}

/// Reads `MK…`: how the file is made, and what is done to it; then for `0` and `1` the file, and else places and what
/// is packed.
pub fn archives(input: &[u8]) {
    let mut input = Input::new(input);
    match input.byte() % 5 {
        0 => any_bytes(input.rest(), None),
        1 => any_bytes(input.rest(), Some(decrypt())),
        2 => packed::gzip(input),
        3 => packed::zip(input),
        _ => packed::encrypted(input),
    }
}

/// No file unpacks to more than the bound, or comes in the clear where it was to be encrypted, or encrypted by anybody
/// who cannot: this fuzzer has the key and not the words that are wrapped.
fn any_bytes(bytes: &[u8], decrypt: Option<&Decrypt>) {
    let Ok(read) = read(bytes, decrypt) else { return };
    let size = bytes.len() as u64;
    assert!(read.bytes <= FREE.max(size.saturating_mul(RATIO)), "{} bytes out of {size}", read.bytes);
    if decrypt.is_some() {
        assert_eq!(Ok(read), read_plain(ROSTER), "only what was encrypted for us is read");
    }
}

fn read_plain(bytes: &[u8]) -> Result<Digest, String> {
    read(bytes, None)
}

/// The way of a run.
fn read(bytes: &[u8], decrypt: Option<&Decrypt>) -> Result<Digest, String> {
    let how = How {
        name: "roster.csv",
        format: &Format::ByName,
        decrypt,
        cells: Cells { columns: &[], needed: &[], dates: &[] },
        dir: &folder(),
        source_index: 0,
    };
    let mut digest = Digest { rows: 0, bytes: 0, hash: 0 };
    let mut hasher = DefaultHasher::new();
    let tally = decode::read(spool(bytes), &how, &mut |step| {
        match step {
            Step::Header(header) => header.names.hash(&mut hasher),
            Step::Rows(table) => {
                for row in table.rows() {
                    digest.rows += 1;
                    for cell in (0..row.len()).map(|at| row.cell(at)) {
                        digest.bytes += cell.len() as u64;
                        cell.hash(&mut hasher);
                    }
                }
            }
        }
        Ok(())
    })
    .map_err(|incomplete| incomplete.0)?;
    assert_eq!(tally.rows, digest.rows);
    digest.hash = hasher.finish();
    Ok(digest)
}

/// The key, in a file for as long as this process lives.
fn decrypt() -> &'static Decrypt {
    static KEPT: OnceLock<(tempfile::NamedTempFile, Decrypt)> = OnceLock::new();
    let (_, decrypt) = KEPT.get_or_init(|| {
        let mut file = tempfile::NamedTempFile::new_in(folder()).unwrap();
        file.write_all(KEY.as_bytes()).unwrap();
        let private_key = Secret::File(file.path().to_owned());
        (file, Decrypt { private_key, passphrase: None, signed_by: None, or_clear: false })
    });
    decrypt
}
