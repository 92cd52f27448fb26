//! Whether a server's key is the one that the configuration knows: by fingerprint, or by a `known_hosts` file
//! with its patterns, hashed names and `@revoked` lines (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

use super::connect::fingerprint;
use crate::source::{Failure, Hop, HostKey, Sftp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::{
    PublicKey,
    ssh_key::known_hosts::{Entry, HostPatterns, Marker},
};
use sha1::Sha1;
use std::path::Path;

/// What a key is found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The known one.
    Known,
    /// Another one.
    Unknown,
    /// One that must never be trusted again.
    Revoked,
}

/// What is known of a server.
pub(super) struct Known {
    host: String,
    port: u16,
    by: By,
}

enum By {
    Fingerprint(String),
    File { path: String, known: Vec<PublicKey>, revoked: Vec<PublicKey> },
}

impl Known {
    /// What the configuration knows of the server.
    ///
    /// # Errors
    /// When the `known_hosts` file cannot be read, or holds an `@revoked` line that cannot.
    pub(super) fn load(server: &Sftp) -> Result<Self, Failure> {
        let by = match &server.host_key {
            // `ssh-keygen` leaves the padding out, other programs show it.
            HostKey::Fingerprint(text) => By::Fingerprint(text.trim().trim_end_matches('=').to_owned()),
            HostKey::KnownHosts(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Failure::at(
                        Hop::HostKey,
                        format!(
                            "cannot read the known_hosts file `{}` ({error}); create it, or name the \
                             server's key by `host_key`",
                            path.display()
                        ),
                    )
                })?;
                by_file(&text, path, &server.host, server.port)?
            }
        };
        Ok(Self { host: server.host.clone(), port: server.port, by })
    }

    /// What the key is.
    pub(super) fn judge(&self, key: &PublicKey) -> Verdict {
        let among = |keys: &[PublicKey]| keys.iter().any(|other| other.key_data() == key.key_data());
        match &self.by {
            By::Fingerprint(text) if *text == fingerprint(key) => Verdict::Known,
            By::File { revoked, .. } if among(revoked) => Verdict::Revoked,
            By::File { known, .. } if among(known) => Verdict::Known,
            By::Fingerprint(_) | By::File { .. } => Verdict::Unknown,
        }
    }

    /// The refusal of a server that showed these keys, the preferred one first.
    pub(super) fn unknown(&self, shown: &[PublicKey]) -> Failure {
        let server = format!("`{}:{}`", self.host, self.port);
        let seen: Vec<String> =
            shown.iter().map(|key| format!("{} {}", key.algorithm().as_str(), fingerprint(key))).collect();
        let seen = seen.join(", ");
        let line = shown.first().map(fingerprint).unwrap_or_default();
        let message = match &self.by {
            By::Fingerprint(expected) => format!(
                "{server} is not the server that the configuration knows: it showed {seen}, expected was \
                 `{expected}`; nothing was sent to it. Ask its \
                 operator for the fingerprint by another way, and if this one is right write `host_key: \
                 \"{line}\"`"
            ),
            By::File { path, known, .. } => {
                let entry = shown.first().and_then(|key| self.line(key)).unwrap_or_default();
                let what = if known.is_empty() {
                    format!("`{path}` has no line for it")
                } else {
                    format!("`{path}` has another key for it")
                };
                format!(
                    "{server} is not known: it showed {seen}, and {what}; nothing was sent to it. Ask its \
                     operator for the fingerprint by another way, \
                     and if this one is right put the line `{entry}` into `{path}`, or write `host_key: \
                     \"{line}\"` in place of `known_hosts`"
                )
            }
        };
        Failure::at(Hop::HostKey, message)
    }

    /// The refusal of a revoked key.
    pub(super) fn revoked(&self, key: &PublicKey) -> Failure {
        let path = match &self.by {
            By::File { path, .. } => path.as_str(),
            By::Fingerprint(_) => "known_hosts",
        };
        Failure::at(
            Hop::HostKey,
            format!(
                "`{}:{}` showed the key {}, which `{path}` marks as `@revoked`; nothing was sent to it. \
                 Ask its operator whether the server was taken over",
                self.host,
                self.port,
                fingerprint(key)
            ),
        )
    }

    /// The line for a `known_hosts` file.
    fn line(&self, key: &PublicKey) -> Option<String> {
        let name = match self.port {
            22 => self.host.clone(),
            port => format!("[{}]:{port}", self.host),
        };
        let mut key = key.clone();
        key.set_comment("");
        key.to_openssh().ok().map(|key| format!("{name} {}", key.trim_end()))
    }
}

fn by_file(text: &str, path: &Path, host: &str, port: u16) -> Result<By, Failure> {
    let host = host.to_ascii_lowercase();
    let bracketed = format!("[{host}]:{port}");
    // A line for port 22 has the bare name. A key that was revoked for the host is revoked on every port of
    // it.
    let name = if port == 22 { &host } else { &bracketed };
    let (mut known, mut revoked) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Ok(entry) = line.split_whitespace().collect::<Vec<_>>().join(" ").parse::<Entry>() else {
            // A key of a kind that we do not know trusts nobody, but a revocation must not be lost.
            if line.starts_with("@revoked") {
                return Err(Failure::at(
                    Hop::HostKey,
                    format!(
                        "line {} of `{}` begins with `@revoked` and cannot be read; correct it",
                        index + 1,
                        path.display()
                    ),
                ));
            }
            continue;
        };
        let patterns = entry.host_patterns();
        match entry.marker() {
            None if names(patterns, name) => known.push(entry.into()),
            Some(Marker::Revoked) if names(patterns, &host) || names(patterns, &bracketed) => {
                revoked.push(entry.into())
            }
            // Host certificates are not asked for, so their authorities are nobody here.
            None | Some(Marker::Revoked | Marker::CertAuthority) => {}
        }
    }
    Ok(By::File { path: path.display().to_string(), known, revoked })
}

/// Whether a line's names mean this one; a negated pattern that fits wins over all others.
fn names(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::Patterns(patterns) => {
            let fits = |pattern: &str| fits(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes());
            let (against, wanted): (Vec<_>, Vec<_>) =
                patterns.iter().partition(|pattern| pattern.starts_with('!'));
            let refused = against.iter().filter_map(|pattern| pattern.strip_prefix('!')).any(fits);
            !refused && wanted.iter().any(|pattern| fits(pattern))
        }
        HostPatterns::HashedName { salt, hash } => Hmac::<Sha1>::new_from_slice(salt).is_ok_and(|mut mac| {
            mac.update(name.as_bytes());
            mac.verify_slice(hash).is_ok()
        }),
    }
}

/// Whether a pattern with `*` and `?` fits the whole name (ssh_config(5), PATTERNS).
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            (0..=name.len()).any(|skip| name.get(skip..).is_some_and(|left| fits(rest, left)))
        }
        (Some((b'?', rest)), Some((_, left))) => fits(rest, left),
        (Some((a, rest)), Some((b, left))) if a == b => fits(rest, left),
        (Some(_) | None, Some(_) | None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::parse_public_key_base64;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn judge(text: &str, host: &str, port: u16) -> Verdict {
        let by = by_file(text, Path::new("known_hosts"), host, port).unwrap();
        let known = Known { host: host.into(), port, by };
        known.judge(&parse_public_key_base64(KEY).unwrap())
    }

    #[test]
    fn a_known_hosts_file_is_read_as_openssh_reads_it() {
        const HOST: &str = "sftp.acme.example";
        use Verdict::{Known, Revoked, Unknown};
        for (lines, port, verdict) in [
            ("sftp.acme.example KEY", 22, Known),
            ("SFTP.acme.example,10.0.0.1 KEY a comment", 22, Known),
            ("sftp.acme.example KEY", 2222, Unknown),
            ("[sftp.acme.example]:2222\tKEY", 2222, Known),
            ("*.acme.example KEY", 22, Known),
            ("sft?.*.example,!sftp.acme.* KEY", 22, Unknown),
            ("sftp.acme.example OTHER", 22, Unknown),
            ("other.acme.example KEY", 22, Unknown),
            ("# sftp.acme.example KEY", 22, Unknown),
            ("@cert-authority * KEY", 22, Unknown),
            ("sftp.acme.example KEY\n@revoked * KEY", 22, Revoked),
            ("[sftp.acme.example]:2222 KEY\n@revoked sftp.acme.example KEY", 2222, Revoked),
            ("sftp.acme.example KEY\n@revoked other.example KEY", 22, Known),
            ("nonsense\nsftp.acme.example KEY", 22, Known),
        ] {
            let text = lines
                .replace("KEY", &format!("ssh-ed25519 {KEY}"))
                .replace("OTHER", &format!("ssh-ed25519 {OTHER}"));
            assert_eq!(judge(&text, HOST, port), verdict, "{lines}");
            assert_eq!(judge(&text, "SFTP.Acme.Example", port), verdict, "{lines}");
        }
        assert!(by_file("@revoked * ssh-ed25519 AAAA", Path::new("k"), "h", 22).is_err());
    }

    #[test]
    fn a_refusal_shows_what_to_write() {
        let key = parse_public_key_base64(KEY).unwrap();
        let print = fingerprint(&key);
        let by = By::Fingerprint("SHA256:other".into());
        let mut known = Known { host: "sftp.acme.example".into(), port: 2222, by };
        let message = known.unknown(std::slice::from_ref(&key)).to_string();
        assert!(message.contains(&format!("write `host_key: \"{print}\"`")), "{message}");
        known.by = By::File { path: "known_hosts".into(), known: Vec::new(), revoked: Vec::new() };
        let message = known.unknown(&[key]).to_string();
        assert!(message.contains(&format!("`[sftp.acme.example]:2222 ssh-ed25519 {KEY}`")), "{message}");
    }
}
