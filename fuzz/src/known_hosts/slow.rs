//! The same by another way, from sshd(8), SSH_KNOWN_HOSTS FILE FORMAT, and ssh_config(5), PATTERNS: slow and simple, for
//! lines that are written plainly and for the keys that we know.

use super::{Asked, KEYS, Trusted};
use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::ssh_key::known_hosts::HostPatterns;
use sha1::Sha1;

/// A salt is 20 bytes that somebody has chosen.
const SALT: &[u8; 20] = b"twenty bytes of salt";

/// The text with keys and hashes put in.
pub(super) fn filled(text: &str, host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    let mut text = text
        .replace("HASHEDHOST", &hashed(&host))
        .replace("HASHED", &hashed(&own(&host, port)))
        .replace("HOST", &host);
    for (name, key) in KEYS {
        text = text.replace(name, &format!("ssh-ed25519 {key}"));
    }
    text
}

/// The name under which a server has its own line.
fn own(host: &str, port: u16) -> String {
    if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") }
}

fn hashed(name: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(SALT).unwrap();
    mac.update(name.as_bytes());
    let hash = <[u8; 20]>::from(mac.finalize().into_bytes());
    HostPatterns::HashedName { salt: SALT.to_vec(), hash }.to_string()
}

/// Whether the text is of the kind that this module reads: ASCII, in lines of words between single blanks and tabs.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'))
}

/// Whether a line is a marker or none, names, and one of our keys with a comment or none.
pub(super) fn can_be_read(line: &str) -> bool {
    parts(line).is_some()
}

/// The marker, the names, and which key it is.
fn parts(line: &str) -> Option<(&str, &str, usize)> {
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let first = words.next()?;
    let (marker, names) = if first.starts_with('@') { (first, words.next()?) } else { ("", first) };
    if first.starts_with('#') || !["", "@revoked", "@cert-authority"].contains(&marker) {
        return None;
    }
    // A hash that is none names nobody, whether it can be read or not.
    if names.starts_with("|1|") && names.len() != hashed("").len() {
        return None;
    }
    let (kind, key) = (words.next()?, words.next()?);
    let which = KEYS.iter().position(|(_, known)| *known == key)?;
    (kind == "ssh-ed25519").then_some((marker, names, which))
}

/// Whom the file trusts.
pub(super) fn trusted(asked: &Asked) -> Trusted {
    let host = asked.host.to_ascii_lowercase();
    let bracketed = format!("[{host}]:{}", asked.port);
    let mut trusted = Trusted::default();
    for (marker, names, which) in asked.text.lines().filter_map(parts) {
        let any = named(names, &host) || named(names, &bracketed);
        match marker {
            "@revoked" => trusted.revoked[which] |= any,
            "@cert-authority" => {
                let out = excluded(names, &host) || excluded(names, &bracketed);
                trusted.authorities[which] |= any && !out;
            }
            _ => trusted.known[which] |= named(names, &own(&host, asked.port)),
        }
    }
    trusted
}

/// Whether a list of patterns, or a hash, means this name.
fn named(names: &str, name: &str) -> bool {
    if names.starts_with("|1|") {
        return names == hashed(name);
    }
    let fit = names
        .split(',')
        .any(|pattern| !pattern.starts_with('!') && fits(pattern.as_bytes(), name.as_bytes()));
    fit && !excluded(names, name)
}

fn excluded(names: &str, name: &str) -> bool {
    let mut patterns = names.split(',').filter_map(|pattern| pattern.strip_prefix('!'));
    patterns.any(|pattern| fits(pattern.as_bytes(), name.as_bytes()))
}

/// Which beginnings of the name are fit by the pattern's first bytes, one byte more each time.
pub(super) fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let mut fit = vec![false; name.len() + 1];
    fit[0] = true;
    for want in pattern {
        let mut next = vec![false; name.len() + 1];
        for at in 0..=name.len() {
            next[at] = match want {
                b'*' => fit[at] || at > 0 && next[at - 1],
                _ => at > 0 && fit[at - 1] && (*want == b'?' || want.eq_ignore_ascii_case(&name[at - 1])),
            };
        }
        fit = next;
    }
    fit[name.len()]
}
