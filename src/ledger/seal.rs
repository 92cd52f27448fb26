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
use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The directory's own key.
pub(super) const KEY_FILE: &str = "state.key";
/// A new key while it is not yet the one.
const NEXT_KEY_FILE: &str = "state.next-key";
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

/// The state key itself.
pub(super) type Main = Zeroizing<[u8; 32]>;

/// The key that a configured secret makes.
pub(super) fn main_of(secret: &SecretString) -> Main {
    let context = "rosterd 2026-11-22 state key from the configured secret";
    Zeroizing::new(blake3::derive_key(context, secret.expose_secret().as_bytes()))
}

/// What seals under this key, and what keys the fingerprints.
pub(super) fn derived(main: &Main) -> (Sealer, [u8; 32]) {
    let sealing = Zeroizing::new(blake3::derive_key("rosterd 2026-11-22 sealing", main.as_slice()));
    let prints = blake3::derive_key("rosterd 2026-11-22 fingerprints", main.as_slice());
    (Sealer(XChaCha20Poly1305::new((&*sealing).into())), prints)
}

/// Takes the configured key or the key file, makes a key file where nothing was ever sealed, and checks the
/// key against the store. A new state gets this format.
///
/// # Errors
/// A key that is wrong, gone, or readable for others.
pub(super) fn take(
    dir: &Path,
    configured: Option<&SecretString>,
    store: &Store,
    anything_sealed: bool,
    format: u8,
) -> Result<(Sealer, FingerprintKey), OpenError> {
    let opening = |error: LedgerError| error.opening(dir);
    let name = || dir.display().to_string();
    let check: Option<Vec<u8>> = store.get(key::KEY_CHECK).map_err(opening)?;
    let mut mains = match configured {
        Some(secret) => vec![main_of(secret)],
        None => own(dir)?,
    };
    if mains.is_empty() {
        if check.is_some() || anything_sealed {
            return Err(OpenError::KeyMissing { dir: name(), place: place(store).map_err(opening)? });
        }
        mains.push(make(dir, KEY_FILE).map_err(opening)?);
    }
    let Some(check) = check else {
        let main =
            mains.first().ok_or_else(|| opening(LedgerError::defect("there is no key to begin with")))?;
        let (sealer, prints) = derived(main);
        store
            .write("ledger-after-key", |tx| {
                tx.put(key::KEY_CHECK.to_vec(), &known(&sealer)?)?;
                tx.put(key::STAND_INS.to_vec(), &sealer.seal(key::STAND_INS, &prints)?)?;
                tx.put(key::FORMAT.to_vec(), &format)
            })
            .map_err(opening)?;
        return Ok((sealer, FingerprintKey::new(prints)));
    };
    let found = mains.iter().map(derived).enumerate().find(|(_, (sealer, _))| opens(sealer, &check));
    let Some((at, (sealer, prints))) = found else {
        return Err(OpenError::WrongKey { dir: name(), place: place(store).map_err(opening)? });
    };
    if configured.is_none() {
        settle(dir, at > 0).map_err(opening)?;
    }
    let fingerprints = FingerprintKey::new(prints);
    match store.get::<Vec<u8>>(key::STAND_INS).map_err(opening)? {
        // A state of format 1, whose stand-ins have the key of the fingerprints.
        None => Ok((sealer, fingerprints)),
        Some(sealed) => {
            let bytes = sealer.open(key::STAND_INS, &sealed).map_err(opening)?;
            let bytes = bytes.first_chunk::<32>().copied();
            let bytes = bytes.ok_or_else(|| OpenError::damaged(dir, "the key of the stand-ins is cut"))?;
            Ok((sealer, fingerprints.with_stand_ins(bytes)))
        }
    }
}

/// What is sealed to know the key by.
pub(super) fn known(sealer: &Sealer) -> Result<Vec<u8>> {
    sealer.seal(key::KEY_CHECK, KNOWN)
}

/// Whether this key is the one that sealed a state.
pub(super) fn opens(sealer: &Sealer, check: &[u8]) -> bool {
    sealer.open(key::KEY_CHECK, check).is_ok()
}

/// Where the key is since it was changed, as the configuration writes it.
fn place(store: &Store) -> Result<Option<String>> {
    store.get(key::KEY_PLACE)
}

/// The directory's own key, and behind it one that a change of the key has left.
fn own(dir: &Path) -> Result<Vec<Main>, OpenError> {
    let files = [KEY_FILE, NEXT_KEY_FILE].into_iter().map(|name| read(dir, name));
    Ok(files.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Ends a change of the key that was cut off: the new key is the one, or it never came to be.
fn settle(dir: &Path, new: bool) -> Result<()> {
    let next = dir.join(NEXT_KEY_FILE);
    if !next.exists() {
        return Ok(());
    }
    if new || !dir.join(KEY_FILE).exists() {
        adopt(dir)
    } else {
        files::remove(&next);
        Ok(())
    }
}

/// Makes a new key that waits beside the old one.
pub(super) fn make_next(dir: &Path) -> Result<Main> {
    make(dir, NEXT_KEY_FILE)
}

/// The new key takes the place of the former one, which is set aside.
pub(super) fn adopt(dir: &Path) -> Result<()> {
    set_aside(dir)?;
    rename(&dir.join(NEXT_KEY_FILE), &dir.join(KEY_FILE))?;
    files::sync_dir(dir)
}

/// Sets the key file aside under a name that was not there. Returns that name, when there was a key file.
pub(super) fn set_aside(dir: &Path) -> Result<Option<PathBuf>> {
    let path = dir.join(KEY_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let names = (1_u32..).map(|number| dir.join(format!("{KEY_FILE}.former-{number}")));
    let mut free = names.filter(|name| !name.exists());
    let name = free.next().ok_or_else(|| LedgerError::defect("there is no name for the former key"))?;
    rename(&path, &name)?;
    files::sync_dir(dir)?;
    Ok(Some(name))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|error| LedgerError::io(format!("rename `{}`", from.display()), error))
}

/// The text of the directory's own key file, for a backup.
///
/// # Errors
/// There is none.
pub(super) fn own_key(dir: &Path) -> Result<Zeroizing<String>> {
    let path = dir.join(KEY_FILE);
    let text = std::fs::read_to_string(&path);
    text.map(Zeroizing::new).map_err(|error| LedgerError::io(format!("read `{}`", path.display()), error))
}

/// The key of a key file's text.
pub(super) fn main_of_text(text: &str) -> Option<Main> {
    blake3::Hash::from_hex(text.trim_end()).ok().map(|hash| Zeroizing::new(*hash.as_bytes()))
}

/// The directory's own key, if it has one.
///
/// # Errors
/// The file is no key, or others may read it.
pub(super) fn own_main(dir: &Path) -> Result<Option<Main>, OpenError> {
    read(dir, KEY_FILE)
}

fn read(dir: &Path, name: &str) -> Result<Option<Main>, OpenError> {
    let path = dir.join(name);
    let bad = |what| OpenError::KeyFile { file: path.display().to_string(), what };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(bad("is not 64 hexadecimal digits; put the former key back"));
        }
        Err(error) => return Err(LedgerError::io(format!("read `{}`", path.display()), error).opening(dir)),
    };
    let mode = std::fs::metadata(&path).map_or(0o777, |about| about.permissions().mode());
    if mode & 0o077 != 0 {
        return Err(bad("may be read by others; `chmod 600` it"));
    }
    main_of_text(&text).map(Some).ok_or_else(|| bad("is not 64 hexadecimal digits; put the former key back"))
}

fn make(dir: &Path, name: &str) -> Result<Main> {
    let mut main = Zeroizing::new([0; 32]);
    random(main.as_mut_slice())?;
    let text = Zeroizing::new(format!("{}\n", blake3::Hash::from_bytes(*main).to_hex()));
    let path = dir.join(name);
    files::write_whole(&path, text.as_bytes())?;
    Ok(main)
}

fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        LedgerError::io("get random bytes from the system", io::Error::other(error.to_string()))
    })
}
