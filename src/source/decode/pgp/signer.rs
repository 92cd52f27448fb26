//! Whose signature a message bears, and whether the key was good when it signed.
//!
//! RFC 9580, 5.2.3.13: a key ends so many seconds after it was made as its own signature says, and what the newest such
//! signature says counts (5.2.3.10). The file's date decides, as RFC 9580 has it: a file that was signed in time stays
//! good when the key ends later. A revoked key is refused whatever the date says, since whoever has stolen a key writes
//! any date; nor does a later signature give it back, as in GnuPG (`g10/getkey.c`, `merge_selfsigs`). The end or the
//! revocation of a primary key is one of its subkeys too.

use super::Incomplete;
use chrono::DateTime;
use pgp::{
    composed::{Message, SignedPublicKey, VerificationResult},
    packet::{Signature, SignatureType},
    types::{KeyDetails, VerifyingKey},
};

/// Checks that one of the keys has signed the message, which was read to its end, and was good when it did.
///
/// # Errors
/// When none has, or each that has was revoked or had expired.
pub(super) fn check(message: &Message<'_>, signers: &[SignedPublicKey]) -> Result<(), Incomplete> {
    let mut fault = None;
    for signer in signers {
        let primary = Part { key: &signer.primary_key, bound: own(signer), revoked: is_revoked(signer) };
        if let Some(made) = signature_of(message, &signer.primary_key) {
            match primary.fault(made) {
                None => return Ok(()),
                found => fault = found,
            }
        }
        for subkey in &signer.public_subkeys {
            let Some(made) = signature_of(message, &subkey.key) else {
                continue;
            };
            let revoked = |made: &Signature| made.typ() == Some(SignatureType::SubkeyRevocation);
            let part = Part {
                key: &subkey.key,
                bound: subkey.signatures.iter().filter(|made| !revoked(made)).collect(),
                revoked: subkey.signatures.iter().any(revoked),
            };
            match primary.fault(made).or_else(|| part.fault(made)) {
                None => return Ok(()),
                found => fault = found,
            }
        }
    }
    Err(Incomplete(fault.unwrap_or_else(|| {
        "the file does not bear a good signature of the key that `decrypt.signed_by` names, so it may be from anybody; \
         ask the sender to sign it, or which key they sign with"
            .to_owned()
    })))
}

/// When the key has signed the message, in seconds, if it has.
fn signature_of(message: &Message<'_>, key: &dyn VerifyingKey) -> Option<u64> {
    let found = message.verify_nested(&[key]).ok()?;
    found.into_iter().find_map(|result| match result {
        VerificationResult::Valid(made) => made.created().map(|at| u64::from(at.as_secs())),
        VerificationResult::Invalid => None,
    })
}

/// A primary key or a subkey, and what its owner has said of it.
struct Part<'k> {
    key: &'k dyn KeyDetails,
    /// The owner's signatures over it, revocations apart.
    bound: Vec<&'k Signature>,
    revoked: bool,
}

impl Part<'_> {
    /// Why what it has signed at this time is not to be trusted.
    fn fault(&self, made: u64) -> Option<String> {
        let id = self.key.legacy_key_id().to_string().to_uppercase();
        if self.revoked {
            return Some(format!(
                "the file is signed by the sender's key `{id}`, which they have revoked, so it may be from anybody; ask \
                 the sender which key they sign with now, and name it in `decrypt.signed_by`"
            ));
        }
        let end = self.end().filter(|end| *end <= made)?;
        let day = i64::try_from(end).ok().and_then(|end| DateTime::from_timestamp(end, 0));
        let day = day.map(|day| format!(" on {}", day.format("%Y-%m-%d"))).unwrap_or_default();
        Some(format!(
            "the file is signed by the sender's key `{id}`, which had expired{day}, before it signed; ask the sender for \
             the key as it is now, in case they have prolonged it, or for another one, and name it in `decrypt.signed_by`"
        ))
    }

    fn end(&self) -> Option<u64> {
        let newest = self.bound.iter().max_by_key(|made| made.created().map(|at| at.as_secs()))?;
        let lives = newest.key_expiration_time().map(|lives| u64::from(lives.as_secs()))?;
        // RFC 9580, 5.2.3.13: a value of zero is no end.
        (lives > 0).then(|| u64::from(self.key.created_at().as_secs()) + lives)
    }
}

/// The signatures of a key's owner over the key itself: direct ones, and those with a name.
fn own(signer: &SignedPublicKey) -> Vec<&Signature> {
    let names = signer.details.users.iter().flat_map(|user| &user.signatures);
    let with_names = names.filter(|made| made.typ() != Some(SignatureType::CertRevocation));
    signer.details.direct_signatures.iter().chain(with_names).collect()
}

fn is_revoked(signer: &SignedPublicKey) -> bool {
    !signer.details.revocation_signatures.is_empty()
}

/// Leaves of a key what its owner has signed: the signatures of other people say nothing of when it ends, and the
/// library takes each for the owner's.
pub(super) fn keep_own(mut key: SignedPublicKey) -> SignedPublicKey {
    let (id, print) = (key.primary_key.legacy_key_id(), key.primary_key.fingerprint());
    let is_own =
        |made: &Signature| made.issuer_key_id().contains(&&id) || made.issuer_fingerprint().contains(&&print);
    key.details.direct_signatures.retain(is_own);
    for user in &mut key.details.users {
        user.signatures.retain(is_own);
    }
    for attribute in &mut key.details.user_attributes {
        attribute.signatures.retain(is_own);
    }
    key.details.users.retain(|user| !user.signatures.is_empty());
    key.details.user_attributes.retain(|attribute| !attribute.signatures.is_empty());
    key
}
