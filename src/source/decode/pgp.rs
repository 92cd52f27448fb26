//! OpenPGP: a message for our key, decrypted into an unlinked file that is used only when the message was read to its
//! end, its integrity proved, and its signature found good where one is asked for.

mod signer;

use super::{
    Incomplete,
    spool::{Bound, PIECE, copy, length},
};
use crate::{secret::Secret, source::Decrypt};
use pgp::{
    composed::{
        DecryptionOptions, Deserializable as _, Esk, Message, SignedPublicKey, SignedSecretKey, TheRing,
    },
    types::{KeyDetails as _, Password, Seipdv1ReadMode},
};
use secrecy::ExposeSecret as _;
use std::{
    fs::File,
    io::{BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
};

/// So many encrypted bytes are taken at most.
const MOST: u64 = 4 << 30;
/// How deep a message may be packed in itself.
const DEPTH: usize = 4;

/// Decrypts the message.
///
/// # Errors
/// When a key cannot be read, the message is for another one, it was cut or changed, or the signature that is asked
/// for is missing or wrong.
pub(super) fn decrypt(file: File, settings: &Decrypt, dir: &Path) -> Result<File, Incomplete> {
    let size = length(&file)?;
    if size > MOST {
        return Err(Incomplete(
            "the OpenPGP message is larger than 4 GiB; look what was delivered".to_owned(),
        ));
    }
    let keys = secret_keys(&settings.private_key)?;
    let passphrase = match &settings.passphrase {
        Some(secret) => Password::from(read(secret, "passphrase")?.expose_secret()),
        None => Password::empty(),
    };
    let signers = settings.signed_by.as_ref().map(public_keys).transpose()?;
    let mut whole = file.try_clone().map_err(|error| super::unreadable(&error))?;
    let (message, armor) =
        Message::from_reader(BufReader::with_capacity(PIECE, file)).map_err(|_error| damaged())?;
    let wanted = recipients(&message)?;
    let ring = TheRing {
        secret_keys: keys.iter().collect(),
        key_passwords: vec![&passphrase],
        decrypt_options: DecryptionOptions::new()
            .enable_gnupg_aead()
            .set_seipdv1_read_mode(Seipdv1ReadMode::Streaming),
        ..TheRing::default()
    };
    let decrypted = message.decrypt_the_ring(ring, true);
    let (mut message, _) = decrypted.map_err(|error| refused(&error, &keys, &wanted))?;
    for _ in 0..DEPTH {
        if !message.is_compressed() {
            break;
        }
        message = message.decompress().map_err(|_error| unpacked())?;
    }
    let mut bound = Bound::new(size);
    let plain = copy(&mut message, &mut bound, dir, &|_error| damaged())?;
    // What follows a binary message is an error of the library.
    if armor.is_some() && !has_one_armor(&mut whole)? {
        return Err(Incomplete(
            "something follows the OpenPGP message in the file, perhaps a second one, and its people would be lost; \
             have one message sent in each file"
                .to_owned(),
        ));
    }
    if let Some(signers) = signers {
        signer::check(&message, &signers)?;
    }
    Ok(plain)
}

/// Whether a file holds one armored message and no second one, whose people would be lost.
fn has_one_armor(file: &mut File) -> Result<bool, Incomplete> {
    const BEGIN: &[u8] = b"-----BEGIN PGP";
    file.seek(SeekFrom::Start(0)).map_err(|error| super::unreadable(&error))?;
    let mut window = Vec::new();
    let mut found = 0;
    loop {
        let read = file.take(1 << 20).read_to_end(&mut window).map_err(|error| super::unreadable(&error))?;
        if read == 0 {
            return Ok(found == 1);
        }
        found += memchr::memmem::find_iter(&window, BEGIN).count();
        // One byte less than the words, so that none is counted twice.
        window.drain(..window.len().saturating_sub(BEGIN.len() - 1));
    }
}

/// For which keys an encrypted message is; `anybody` for a recipient that is not named.
fn recipients(message: &Message<'_>) -> Result<Vec<String>, Incomplete> {
    let Message::Encrypted { esk, .. } = message else {
        return Err(Incomplete(
            "the file is an OpenPGP message that is not encrypted; ask the sender to encrypt it for our key"
                .to_owned(),
        ));
    };
    let name = |esk: &Esk| match esk {
        Esk::PublicKeyEncryptedSessionKey(key) => match (key.id(), key.fingerprint()) {
            (Ok(id), _) => Some(id.to_string().to_uppercase()),
            (_, Ok(Some(fingerprint))) => Some(fingerprint.to_string().to_uppercase()),
            _ => None,
        },
        Esk::SymKeyEncryptedSessionKey(_) => None,
    };
    Ok(esk.iter().filter_map(name).collect())
}

/// Why a message cannot be decrypted. That a key is the wrong one and that its passphrase is look alike to the
/// library, so both are told by the keys' names.
fn refused(error: &pgp::errors::Error, keys: &[SignedSecretKey], wanted: &[String]) -> Incomplete {
    let ours = ids(keys);
    if wanted.iter().any(|wanted| ours.contains(wanted)) {
        if matches!(error, pgp::errors::Error::MissingKey) {
            return Incomplete(
                "the file is encrypted for our key, and the key cannot be used: `decrypt.passphrase` is missing or \
                 wrong, or the file was damaged on its way"
                    .to_owned(),
            );
        }
        return damaged();
    }
    let list = |ids: &[String]| ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let wants = if wanted.is_empty() { "a password".to_owned() } else { format!("the key {}", list(wanted)) };
    Incomplete(format!(
        "the file is encrypted for {wants}, and `decrypt.private_key` has {}; give the sender our public key, or name \
         the key that they use",
        list(&ours)
    ))
}

/// The ids of the keys with their subkeys, as a message names them.
fn ids(keys: &[SignedSecretKey]) -> Vec<String> {
    let all = keys.iter().flat_map(|key| {
        let subkeys = key.secret_subkeys.iter().map(|subkey| subkey.key.legacy_key_id());
        let public = key.public_subkeys.iter().map(|subkey| subkey.key.legacy_key_id());
        [key.primary_key.legacy_key_id()].into_iter().chain(subkeys).chain(public).collect::<Vec<_>>()
    });
    all.map(|id| id.to_string().to_uppercase()).collect()
}

fn read(secret: &Secret, key: &str) -> Result<secrecy::SecretString, Incomplete> {
    secret.read().map_err(|error| Incomplete(format!("`decrypt.{key}`: {error}")))
}

fn unusable(key: &str, export: &str) -> Incomplete {
    Incomplete(format!(
        "`decrypt.{key}` holds no armored OpenPGP key; write it with `gpg --armor {export} KEY`"
    ))
}

fn secret_keys(secret: &Secret) -> Result<Vec<SignedSecretKey>, Incomplete> {
    let wrong = || unusable("private_key", "--export-secret-keys");
    let text = read(secret, "private_key")?;
    let (keys, _) = SignedSecretKey::from_string_many(text.expose_secret()).map_err(|_error| wrong())?;
    let keys: Vec<_> = keys.collect::<Result<_, _>>().map_err(|_error| wrong())?;
    if keys.is_empty() { Err(wrong()) } else { Ok(keys) }
}

/// The sender's keys; one whose parts are not bound together by its own signatures is none.
fn public_keys(secret: &Secret) -> Result<Vec<SignedPublicKey>, Incomplete> {
    let wrong = || unusable("signed_by", "--export");
    let text = read(secret, "signed_by")?;
    let (keys, _) = SignedPublicKey::from_string_many(text.expose_secret()).map_err(|_error| wrong())?;
    let keys: Vec<_> = keys.collect::<Result<_, _>>().map_err(|_error| wrong())?;
    let keys: Vec<_> = keys.into_iter().map(signer::keep_own).collect();
    if keys.is_empty() || keys.iter().any(|key| key.verify_bindings().is_err()) {
        Err(wrong())
    } else {
        Ok(keys)
    }
}

fn unpacked() -> Incomplete {
    Incomplete(
        "the OpenPGP message is compressed in a way that cannot be read: with bzip2, which rosterd does not take, or it \
         was changed on its way; ask the sender for zip (`gpg --compress-algo zip`), or none"
            .to_owned(),
    )
}

fn damaged() -> Incomplete {
    Incomplete(
        "the OpenPGP message cannot be read to its end: it was cut or changed on its way; ask for it again"
            .to_owned(),
    )
}
