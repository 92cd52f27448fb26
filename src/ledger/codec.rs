//! The form of each stored value: a version, how it is packed, the value, a checksum of our own.
//!
//! The checksum covers the key too, so that a value under a wrong key is noticed, and it is looked at before
//! the version: a newer version keeps this outer form.

use super::error::{LedgerError, Result};
use serde::{Serialize, de::DeserializeOwned};

/// The format of the state directory that this rosterd writes. Each record that is written carries it, so that
/// a rosterd of an older format refuses the state whatever else it looks at. Older ones are read: what they mean
/// is brought up to date by `upgrade`.
pub(super) const VERSION: u8 = 2;
/// No record was ever written with less.
const OLDEST: u8 = 1;
const CHECK: usize = 16;
/// What is longer is compressed.
const PLAIN_LIMIT: usize = 512;

const PLAIN: u8 = 0;
const PACKED: u8 = 1;
const ELSEWHERE: u8 = 2;

/// A value as it is stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// The value itself, as JSON.
    Here(Vec<u8>),
    /// The name of the file that holds it; sled writes long values to files that it does not fsync.
    Elsewhere(String),
}

/// The value as JSON: the stored types carry internally tagged enums, which no binary form takes.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| LedgerError::defect(format!("a record cannot be written: {error}")))
}

/// The value of JSON that passed its checksum.
pub(super) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    // The position alone: serde's words repeat values.
    serde_json::from_slice(json).map_err(|error| {
        LedgerError::damaged(format!("a record cannot be understood at byte {}", error.column()))
    })
}

/// Packs a value for the store.
pub(super) fn encode(key: &[u8], json: &[u8]) -> Vec<u8> {
    if json.len() > PLAIN_LIMIT {
        seal(key, PACKED, &lz4_flex::compress_prepend_size(json))
    } else {
        seal(key, PLAIN, json)
    }
}

/// Packs the name of the file that holds a long value.
pub(super) fn encode_elsewhere(key: &[u8], name: &str) -> Vec<u8> {
    seal(key, ELSEWHERE, name.as_bytes())
}

/// Unpacks a stored value.
///
/// # Errors
/// Damage, or a newer version.
pub(super) fn decode(key: &[u8], bytes: &[u8]) -> Result<Stored> {
    let damaged = || LedgerError::damaged("a record does not match its checksum");
    let (body, check) = bytes.split_last_chunk::<CHECK>().ok_or_else(damaged)?;
    if checksum(key, body) != *check {
        return Err(damaged());
    }
    match body {
        [version, ..] if *version > VERSION => Err(LedgerError::NewerVersion { found: *version }),
        [OLDEST..=VERSION, PLAIN, json @ ..] => Ok(Stored::Here(json.to_vec())),
        [OLDEST..=VERSION, PACKED, packed @ ..] => {
            lz4_flex::decompress_size_prepended(packed).map(Stored::Here).map_err(|_| damaged())
        }
        [OLDEST..=VERSION, ELSEWHERE, name @ ..] => {
            String::from_utf8(name.to_vec()).map(Stored::Elsewhere).map_err(|_| damaged())
        }
        _ => Err(damaged()),
    }
}

/// A hash of one key with its stored value: all of them together, combined by exclusive or, tell whether
/// anything is missing.
pub(super) fn entry_hash(key: &[u8], stored: &[u8]) -> u128 {
    u128::from_le_bytes(checksum(key, stored))
}

fn seal(key: &[u8], kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 2 + CHECK);
    bytes.extend_from_slice(&[VERSION, kind]);
    bytes.extend_from_slice(payload);
    let check = checksum(key, &bytes);
    bytes.extend_from_slice(&check);
    bytes
}

/// The first 16 bytes of BLAKE3 over both, the key's length first.
pub(super) fn checksum(key: &[u8], body: &[u8]) -> [u8; CHECK] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&u64::try_from(key.len()).unwrap_or(u64::MAX).to_le_bytes());
    hasher.update(key);
    hasher.update(body);
    let mut check = [0; CHECK];
    hasher.finalize_xof().fill(&mut check);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_and_a_changed_one_does_not() {
        for json in [b"null".to_vec(), vec![b'7'; 5000]] {
            let bytes = encode(b"k", &json);
            assert_eq!(decode(b"k", &bytes).unwrap(), Stored::Here(json));
            assert!(matches!(decode(b"other", &bytes), Err(LedgerError::Damaged { .. })));
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert!(matches!(decode(b"k", &changed), Err(LedgerError::Damaged { .. })));
            }
            assert!(decode(b"k", &bytes[..bytes.len() - 1]).is_err());
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut body = vec![VERSION + 1, PLAIN, b'1'];
        let check = checksum(b"k", &body);
        body.extend_from_slice(&check);
        assert!(
            matches!(decode(b"k", &body), Err(LedgerError::NewerVersion { found }) if found == VERSION + 1)
        );
    }
}
