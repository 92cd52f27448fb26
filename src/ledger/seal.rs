//! The state key: it seals the members' records and keys the fingerprints.

use super::{
    error::{LedgerError, OpenError, Result},
    files, key,
    store::Store,
};
use crate::roster::FingerprintKey;
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use secrecy::{ExposeSecret, SecretString};
use std::{io, os::unix::fs::PermissionsExt, path::Path};
use zeroize::Zeroizing;

const KEY_FILE: &str = "state.key";
const NONCE: usize = 24;
/// Sealed at first, opened at each start: it tells a wrong key before anything is read with it.
const KNOWN: &[u8] = b"rosterd state";

/// What seals and opens.
pub(super) struct Sealer(XChaCha20Poly1305);

impl Sealer {
    /// Seals `text` to the place that `place` names: a random nonce, then the sealed text.
    pub(super) fn seal(&self, place: &[u8], text: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        random(&mut nonce)?;
        let payload = Payload { msg: text, aad: place };
        let sealed = self
            .0
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| LedgerError::defect("a record is too long to be sealed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed to the same place.
    pub(super) fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let damaged = || LedgerError::damaged("sealed records cannot be opened");
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or_else(damaged)?;
        let payload = Payload { msg: sealed, aad: place };
        let text = self.0.decrypt(&XNonce::from(*nonce), payload);
        text.map(Zeroizing::new).map_err(|_| damaged())
    }
}

/// Takes the configured key or the key file, makes a key file where nothing was ever sealed, and checks the
/// key against the store.
///
/// # Errors
/// A key that is wrong, gone, or readable for others.
pub(super) fn take(
    dir: &Path,
    configured: Option<&SecretString>,
    store: &Store,
    anything_sealed: bool,
) -> Result<(Sealer, FingerprintKey), OpenError> {
    let opening = |error: LedgerError| error.opening(dir);
    let name = || dir.display().to_string();
    let check: Option<Vec<u8>> = store.get(key::KEY_CHECK).map_err(opening)?;
    let main = match configured {
        Some(secret) => Zeroizing::new(blake3::derive_key(
            "rosterd 2026-11-22 state key from the configured secret",
            secret.expose_secret().as_bytes(),
        )),
        None => match read(dir)? {
            Some(main) => main,
            None if check.is_some() || anything_sealed => return Err(OpenError::KeyMissing { dir: name() }),
            None => make(dir).map_err(opening)?,
        },
    };
    let sealing = Zeroizing::new(blake3::derive_key("rosterd 2026-11-22 sealing", main.as_slice()));
    let prints = blake3::derive_key("rosterd 2026-11-22 fingerprints", main.as_slice());
    let sealer = Sealer(XChaCha20Poly1305::new((&*sealing).into()));
    match check {
        Some(check) => {
            if sealer.open(key::KEY_CHECK, &check).is_err() {
                return Err(OpenError::WrongKey { dir: name() });
            }
        }
        None => store
            .write("ledger-after-key", |tx| {
                tx.put(key::KEY_CHECK.to_vec(), &sealer.seal(key::KEY_CHECK, KNOWN)?)
            })
            .map_err(opening)?,
    }
    Ok((sealer, FingerprintKey::new(prints)))
}

fn read(dir: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, OpenError> {
    let path = dir.join(KEY_FILE);
    let bad = |what| OpenError::KeyFile { file: path.display().to_string(), what };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LedgerError::io(format!("read `{}`", path.display()), error).opening(dir)),
    };
    let mode = std::fs::metadata(&path).map_or(0o777, |about| about.permissions().mode());
    if mode & 0o077 != 0 {
        return Err(bad("may be read by others; `chmod 600` it"));
    }
    let hash = blake3::Hash::from_hex(text.trim_end())
        .map_err(|_| bad("is not 64 hexadecimal digits; put the former key back"))?;
    Ok(Some(Zeroizing::new(*hash.as_bytes())))
}

fn make(dir: &Path) -> Result<Zeroizing<[u8; 32]>> {
    let mut main = Zeroizing::new([0; 32]);
    random(main.as_mut_slice())?;
    let text = Zeroizing::new(format!("{}\n", blake3::Hash::from_bytes(*main).to_hex()));
    files::write_whole(&dir.join(KEY_FILE), text.as_bytes())?;
    Ok(main)
}

fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        LedgerError::io("get random bytes from the system", io::Error::other(error.to_string()))
    })
}
