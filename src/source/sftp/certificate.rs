//! Whether a host certificate proves that a server is the one that is meant (PROTOCOL.certkeys). Pure.
//!
//! russh has checked by then that the server holds the key that the certificate is for. Everything else is
//! checked here: that an authority of ours signed it, for a host, for this host, and for now.

use super::{
    connect::fingerprint,
    known_hosts::{Lines, among, fits},
};
use chrono::{DateTime, Utc};
use russh::keys::{
    Algorithm, PublicKey,
    ssh_key::{Certificate, HashAlg, certificate::CertType},
};

/// What a certificate is found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It proves the server.
    Good,
    /// It proves nothing. Why, behind "its host certificate".
    Bad(String),
    /// Its own key, or its authority's, must never be trusted again: that key.
    Revoked(Box<PublicKey>),
}

/// Judges a certificate that `host` showed at `now`.
pub(super) fn judge(certificate: &Certificate, lines: &Lines, host: &str, now: DateTime<Utc>) -> Finding {
    for key in [certificate.public_key(), certificate.signature_key()] {
        if among(&lines.revoked, key) {
            return Finding::Revoked(Box::new(PublicKey::from(key.clone())));
        }
    }
    match proves(certificate, lines, host, now) {
        Ok(()) => Finding::Good,
        Err(why) => Finding::Bad(why),
    }
}

fn proves(certificate: &Certificate, lines: &Lines, host: &str, now: DateTime<Utc>) -> Result<(), String> {
    let authority = PublicKey::from(certificate.signature_key().clone());
    let name = fingerprint(&authority);
    if !among(&lines.authorities, certificate.signature_key()) {
        return Err(format!("is signed by {name}, which no `@cert-authority` line for this server names"));
    }
    // The key of an RSA authority is the same whatever it signs with: the signature itself says it.
    if [Algorithm::Rsa { hash: None }, Algorithm::Dsa].contains(&certificate.signature().algorithm()) {
        return Err(format!(
            "is signed by {name} with SHA-1, which proves nothing any more; have it signed anew with \
             `ssh-keygen -t rsa-sha2-512`"
        ));
    }
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    let print = authority.fingerprint(HashAlg::Sha256);
    // The library checks the times too, in no words; so it is asked about a moment at which they are right.
    let signed = certificate.validate_at(certificate.valid_after(), [&print]);
    if certificate.valid_after() < certificate.valid_before() && signed.is_err() {
        return Err(format!("has a signature that is not the one of {name}"));
    }
    if certificate.cert_type() != CertType::Host {
        return Err("is one for users, not for hosts; have it signed anew with `ssh-keygen -h`".to_owned());
    }
    if seconds < certificate.valid_after() {
        return Err(format!(
            "is valid only from {}; look at this host's clock",
            day(certificate.valid_after())
        ));
    }
    if seconds >= certificate.valid_before() {
        return Err(format!("has expired: it was valid until {}", day(certificate.valid_before())));
    }
    // An empty list means any host, which newer OpenSSH refuses as well: one lost server would be all servers.
    if !certificate.valid_principals().iter().any(|principal| fits(principal, host)) {
        let named: Vec<String> =
            certificate.valid_principals().iter().take(5).map(|name| format!("`{}`", plain(name))).collect();
        let named = if named.is_empty() { "no host".to_owned() } else { named.join(", ") };
        return Err(format!(
            "is for {named}, and not for `{host}`; write `host` as the certificate names it"
        ));
    }
    if let Some((option, _)) = certificate.critical_options().iter().next() {
        return Err(format!("has the critical option `{}`, which rosterd does not know", plain(option)));
    }
    Ok(())
}

/// A moment as a person reads it.
fn day(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.map_or_else(|| "the end of time".to_owned(), |time| time.format("%Y-%m-%d %H:%M UTC").to_string())
}

/// A server's text, short and without control characters.
fn plain(text: &str) -> String {
    text.chars().take(80).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::{
        PrivateKey,
        ssh_key::{certificate::Builder, private::Ed25519Keypair},
    };

    const NOW: u64 = 1_800_000_000;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
    }

    fn certificate(change: impl FnOnce(&mut Builder), valid: (u64, u64)) -> Certificate {
        of_kind(CertType::Host, change, valid)
    }

    fn of_kind(kind: CertType, change: impl FnOnce(&mut Builder), valid: (u64, u64)) -> Certificate {
        let mut builder =
            Builder::new(vec![7; 32], key(1).public_key().key_data().clone(), valid.0, valid.1).unwrap();
        builder.cert_type(kind).unwrap();
        change(&mut builder);
        builder.sign(&key(2)).unwrap()
    }

    fn lines(marker: &str, of: u8) -> String {
        let mut key = key(of).public_key().clone();
        key.set_comment("");
        format!("{marker} *.acme.example {}\n", key.to_openssh().unwrap())
    }

    fn judged(certificate: &Certificate, text: &str) -> Finding {
        let lines = Lines::of(text, "sftp.acme.example", 22).unwrap();
        judge(certificate, &lines, "sftp.acme.example", DateTime::from_timestamp(1_800_000_000, 0).unwrap())
    }

    #[test]
    fn a_certificate_proves_only_what_it_says() {
        let ours = lines("@cert-authority", 2);
        let now = (NOW - 10, NOW + 10);
        let named = |name: &'static str| {
            move |builder: &mut Builder| {
                builder.valid_principal(name).unwrap();
            }
        };
        let good = certificate(named("sftp.acme.example"), now);
        assert_eq!(judged(&good, &ours), Finding::Good);
        assert_eq!(judged(&certificate(named("*.ACME.example"), now), &ours), Finding::Good);
        let bad = |certificate: &Certificate, text: &str, words: &str| {
            let Finding::Bad(why) = judged(certificate, text) else { panic!("{words}") };
            assert!(why.contains(words), "{why}");
        };
        bad(&good, "", "no `@cert-authority` line");
        bad(&good, &lines("@cert-authority", 3), "no `@cert-authority` line");
        bad(&good, &lines("", 2), "no `@cert-authority` line");
        bad(&certificate(named("sftp.acme.example"), (NOW - 10, NOW)), &ours, "has expired");
        bad(&certificate(named("sftp.acme.example"), (NOW + 1, NOW + 10)), &ours, "is valid only from");
        bad(
            &certificate(named("other.acme.example"), now),
            &ours,
            "is for `other.acme.example`, and not for",
        );
        let all = |builder: &mut Builder| {
            builder.all_principals_valid().unwrap();
        };
        bad(&certificate(all, now), &ours, "is for no host");
        let user = of_kind(CertType::User, named("sftp.acme.example"), now);
        bad(&user, &ours, "is one for users");
        let option = |builder: &mut Builder| {
            builder.valid_principal("sftp.acme.example").unwrap();
            builder.critical_option("only-on-mondays", "").unwrap();
        };
        bad(&certificate(option, now), &ours, "`only-on-mondays`");
        for of in [1, 2] {
            let text = ours.clone() + &lines("@revoked", of);
            assert_eq!(
                judged(&good, &text),
                Finding::Revoked(Box::new(key(of).public_key().key_data().clone().into()))
            );
        }
    }

    #[test]
    fn a_changed_certificate_has_no_signature() {
        let good = certificate(
            |builder| {
                builder.valid_principal("sftp.acme.example").unwrap();
            },
            (NOW - 10, NOW + 10),
        );
        let bytes = good.to_bytes().unwrap();
        let place = bytes.windows(17).position(|window| window == b"sftp.acme.example").unwrap();
        let mut changed = bytes.clone();
        changed[place] = b'S';
        let changed = Certificate::from_bytes(&changed).unwrap();
        let Finding::Bad(why) = judged(&changed, &lines("@cert-authority", 2)) else {
            panic!("it was taken")
        };
        assert!(why.contains("not the one of"), "{why}");
        // Whatever byte is another one, it is refused or read as the same certificate.
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            if let Ok(other) = Certificate::from_bytes(&bytes) {
                assert_ne!(judged(&other, &lines("@cert-authority", 2)), Finding::Good, "byte {at}");
            }
        }
    }
}
