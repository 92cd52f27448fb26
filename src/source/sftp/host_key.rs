//! Whether a server is the one that the configuration knows: by its key's fingerprint, or by a `known_hosts` file.

use super::{
    certificate::{self, Finding},
    connect::fingerprint,
    known_hosts::{Lines, among},
};
use crate::source::{Failure, Hop, HostKey, Sftp};
use chrono::{DateTime, Utc};
use russh::keys::{PublicKey, PublicKeyOrCertificate};

/// What a server's key or certificate is found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The known one, and how it is known.
    Known(String),
    /// Another key; and what is wrong with the certificate that it came in, if it came in one.
    Unknown(Option<String>),
    /// This key must never be trusted again: the server's own, or its certificate's authority.
    Revoked(Box<PublicKey>),
}

/// What is known of a server.
pub(super) struct Known {
    host: String,
    port: u16,
    by: By,
}

enum By {
    Fingerprint(String),
    File { path: String, lines: Lines },
}

impl Known {
    /// What the configuration knows of the server.
    ///
    /// # Errors
    /// When the `known_hosts` file cannot be read, or holds an `@revoked` line that cannot.
    pub(super) fn load(server: &Sftp) -> Result<Self, Failure> {
        let failed = |message: String| Failure::at(Hop::HostKey, message);
        let by = match &server.host_key {
            // `ssh-keygen` leaves the padding out, other programs show it.
            HostKey::Fingerprint(text) => By::Fingerprint(text.trim().trim_end_matches('=').to_owned()),
            HostKey::KnownHosts(path) => {
                let shown = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|error| {
                    failed(format!(
                        "cannot read the known_hosts file `{shown}` ({error}); create it, or name the server's \
                         key by `host_key`"
                    ))
                })?;
                let lines = Lines::of(&text, &server.host, server.port).map_err(|line| {
                    failed(format!(
                        "line {line} of `{shown}` begins with `@revoked` and cannot be read; correct it"
                    ))
                })?;
                By::File { path: shown, lines }
            }
        };
        Ok(Self { host: server.host.clone(), port: server.port, by })
    }

    /// Whether certificates are of any use: some authority may sign for this server.
    pub(super) fn takes_certificates(&self) -> bool {
        matches!(&self.by, By::File { lines, .. } if !lines.authorities.is_empty())
    }

    /// What the server showed is.
    pub(super) fn judge(&self, shown: &PublicKeyOrCertificate, now: DateTime<Utc>) -> Verdict {
        let key = shown.public_key();
        let lines = match &self.by {
            By::Fingerprint(text) if *text == fingerprint(&key) => return Verdict::Known(told(&key)),
            By::Fingerprint(_) => return Verdict::Unknown(None),
            By::File { lines, .. } => lines,
        };
        if among(&lines.revoked, key.key_data()) {
            return Verdict::Revoked(Box::new(key));
        }
        let mut against = None;
        if let Some(shown) = shown.certificate() {
            match certificate::judge(shown, lines, &self.host, now) {
                Finding::Revoked(key) => return Verdict::Revoked(key),
                Finding::Good => {
                    let authority = PublicKey::from(shown.signature_key().clone());
                    let by = fingerprint(&authority);
                    return Verdict::Known(format!("{}, in a certificate of {by}", told(&key)));
                }
                Finding::Bad(why) => against = Some(why),
            }
        }
        // The server has proved that it holds the key, so that a line with the key itself is as good as ever.
        if among(&lines.known, key.key_data()) {
            return Verdict::Known(told(&key));
        }
        Verdict::Unknown(against)
    }

    /// The refusal of a server that showed these keys, the preferred one first, and these certificates.
    pub(super) fn unknown(&self, shown: &[PublicKey], against: &[String]) -> Failure {
        let server = format!("`{}:{}`", self.host, self.port);
        let seen = shown.iter().map(told).collect::<Vec<_>>().join(", ");
        let line = shown.first().map(fingerprint).unwrap_or_default();
        let message = match &self.by {
            By::Fingerprint(expected) => format!(
                "{server} is not the server that the configuration knows: it showed {seen}, expected was \
                 `{expected}`; nothing was sent to it. Ask its operator for the fingerprint by another way, and if \
                 this one is right write `host_key: \"{line}\"`"
            ),
            By::File { path, lines } if against.is_empty() => {
                let entry = shown.first().and_then(|key| self.line(key)).unwrap_or_default();
                let what = match (lines.known.is_empty(), lines.authorities.is_empty()) {
                    (false, _) => format!("`{path}` has another key for it"),
                    (true, true) => format!("`{path}` has no line for it"),
                    (true, false) => format!(
                        "`{path}` has only an `@cert-authority` for it, while the server showed no certificate"
                    ),
                };
                format!(
                    "{server} is not known: it showed {seen}, and {what}; nothing was sent to it. Ask its operator \
                     for the fingerprint by another way, and if this one is right put the line `{entry}` into \
                     `{path}`, or write `host_key: \"{line}\"` in place of `known_hosts`"
                )
            }
            By::File { path, .. } => format!(
                "{server} is not known: its host certificate {}; `{path}` has no line for its key {seen} either; \
                 nothing was sent to it. Ask its operator for a certificate that is good for it, or for the \
                 fingerprint of its key by another way",
                against.join("; another one ")
            ),
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
                "`{}:{}` showed the key {}, or a certificate of it, which `{path}` marks as `@revoked`; nothing was \
                 sent to it. Ask its operator whether the server was taken over",
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

/// A key as a person compares it: its kind and its fingerprint.
fn told(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm().as_str(), fingerprint(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::parse_public_key_base64;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn known(by: By) -> Known {
        Known { host: "sftp.acme.example".into(), port: 2222, by }
    }

    fn file(text: &str) -> By {
        let text = text.replace("KEY", &format!("ssh-ed25519 {KEY}"));
        By::File { path: "known_hosts".into(), lines: Lines::of(&text, "sftp.acme.example", 2222).unwrap() }
    }

    #[test]
    fn a_revoked_key_is_not_known_whatever_else_is_said() {
        let key = parse_public_key_base64(KEY).unwrap();
        let now = DateTime::UNIX_EPOCH;
        let shown = PublicKeyOrCertificate::from(key.clone());
        let judged = |text: &str| known(file(text)).judge(&shown, now);
        assert!(matches!(judged("[sftp.acme.example]:2222 KEY"), Verdict::Known(_)));
        assert_eq!(judged("@cert-authority * KEY"), Verdict::Unknown(None), "an authority is no server");
        let revoked = "[sftp.acme.example]:2222 KEY\n@revoked sftp.acme.example KEY";
        assert_eq!(judged(revoked), Verdict::Revoked(Box::new(key.clone())));
        assert!(!known(file("* KEY")).takes_certificates());
        assert!(known(file("@cert-authority * KEY")).takes_certificates());
        let by = By::Fingerprint(fingerprint(&key));
        assert!(!known(by).takes_certificates());
    }

    #[test]
    fn a_refusal_shows_what_to_write() {
        let key = parse_public_key_base64(KEY).unwrap();
        let print = fingerprint(&key);
        let shown = std::slice::from_ref(&key);
        let says = |by: By, against: &[String], words: &str| {
            let message = known(by).unknown(shown, against).to_string();
            assert!(message.contains(words), "{message}");
        };
        says(By::Fingerprint("SHA256:other".into()), &[], &format!("write `host_key: \"{print}\"`"));
        says(file(""), &[], "has no line for it");
        says(file(""), &[], &format!("`[sftp.acme.example]:2222 ssh-ed25519 {KEY}`"));
        says(file("@cert-authority * KEY"), &[], "the server showed no certificate");
        says(
            file("@cert-authority * KEY"),
            &["has expired".into()],
            "its host certificate has expired; `known_hosts`",
        );
    }
}
