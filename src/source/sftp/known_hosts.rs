//! What a `known_hosts` file says of one server (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). Pure: functions over text.

use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::{
    PublicKey,
    ssh_key::{
        known_hosts::{Entry, HostPatterns, Marker},
        public::KeyData,
    },
};
use sha1::Sha1;

/// The lines that concern one server.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Its own keys.
    pub(super) known: Vec<PublicKey>,
    /// Keys that may sign a certificate for it.
    pub(super) authorities: Vec<PublicKey>,
    /// Keys that must never be trusted again, as its own or as an authority's.
    pub(super) revoked: Vec<PublicKey>,
}

impl Lines {
    /// Reads a file for one server.
    ///
    /// A line for port 22 has the bare name, one for another port `[name]:port`, and a server's own key counts
    /// for the port of its line alone. A revocation counts for every port of the host, and so does an authority,
    /// as OpenSSH has it: what it signs names hosts without ports.
    ///
    /// # Errors
    /// The number of a line, from 1, that begins with `@revoked` and cannot be read: a revocation must not be lost.
    /// Of other lines those that cannot be read trust nobody.
    pub(super) fn of(text: &str, host: &str, port: u16) -> Result<Self, usize> {
        let host = host.to_ascii_lowercase();
        let bracketed = format!("[{host}]:{port}");
        let own = if port == 22 { &host } else { &bracketed };
        let mut lines = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Ok(entry) = line.split_whitespace().collect::<Vec<_>>().join(" ").parse::<Entry>() else {
                if line.starts_with("@revoked") {
                    return Err(index + 1);
                }
                continue;
            };
            let patterns = entry.host_patterns();
            let any_port = || names(patterns, &host) || names(patterns, &bracketed);
            // Whoever excludes a host from an authority means each of its ports.
            let excluded = || excludes(patterns, &host) || excludes(patterns, &bracketed);
            match entry.marker() {
                None if names(patterns, own) => lines.known.push(entry.into()),
                Some(Marker::Revoked) if any_port() => lines.revoked.push(entry.into()),
                Some(Marker::CertAuthority) if any_port() && !excluded() => {
                    lines.authorities.push(entry.into())
                }
                None | Some(Marker::Revoked | Marker::CertAuthority) => {}
            }
        }
        Ok(lines)
    }
}

/// Whether a key is among these, whatever their comments say.
pub(super) fn among(keys: &[PublicKey], key: &KeyData) -> bool {
    keys.iter().any(|other| other.key_data() == key)
}

/// Whether a negated pattern of the line fits the name.
fn excludes(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::Patterns(patterns) => {
            patterns.iter().filter_map(|pattern| pattern.strip_prefix('!')).any(|pattern| fits(pattern, name))
        }
        HostPatterns::HashedName { .. } => false,
    }
}

/// Whether a line's names mean this one; a negated pattern that fits wins over all others.
fn names(patterns: &HostPatterns, name: &str) -> bool {
    if excludes(patterns, name) {
        return false;
    }
    match patterns {
        HostPatterns::Patterns(patterns) => {
            let mut wanted = patterns.iter().filter(|pattern| !pattern.starts_with('!'));
            wanted.any(|pattern| fits(pattern, name))
        }
        HostPatterns::HashedName { salt, hash } => Hmac::<Sha1>::new_from_slice(salt).is_ok_and(|mut mac| {
            mac.update(name.as_bytes());
            mac.verify_slice(hash).is_ok()
        }),
    }
}

/// Whether a pattern with `*` and `?` fits the whole name, whatever the case (ssh_config(5), PATTERNS). Takes time
/// in proportion to the product of their lengths at most: a pattern may come from a server.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut seen) = (0, 0);
    // Where the last star stands, and what was seen of the name when it was met.
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(at), name.get(seen)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                star = Some((at, seen));
                at += 1;
            }
            (Some(want), Some(have)) if *want == b'?' || want.eq_ignore_ascii_case(have) => {
                at += 1;
                seen += 1;
            }
            (Some(_) | None, Some(_)) | (Some(_), None) => {
                // The last star takes one more; without one, or past the end, nothing fits.
                let Some((place, taken)) = star.filter(|(_, taken)| *taken < name.len()) else {
                    return false;
                };
                star = Some((place, taken + 1));
                (at, seen) = (place + 1, taken + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use russh::keys::parse_public_key_base64;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn a_file_is_read_as_openssh_reads_it() {
        const HOST: &str = "sftp.acme.example";
        let key = parse_public_key_base64(KEY).unwrap();
        // The letters of the lists that the key is found in.
        for (lines, port, found) in [
            ("sftp.acme.example KEY", 22, "k"),
            ("SFTP.acme.example,10.0.0.1 KEY a comment", 22, "k"),
            ("sftp.acme.example KEY", 2222, ""),
            ("[sftp.acme.example]:2222\tKEY", 2222, "k"),
            ("*.acme.example KEY", 22, "k"),
            ("sft?.*.example,!sftp.acme.* KEY", 22, ""),
            ("sftp.acme.example OTHER", 22, ""),
            ("other.acme.example KEY", 22, ""),
            ("# sftp.acme.example KEY", 22, ""),
            ("@cert-authority * KEY", 22, "a"),
            ("@cert-authority *.acme.example KEY", 2222, "a"),
            ("@cert-authority [sftp.acme.example]:2222 KEY", 2222, "a"),
            ("@cert-authority [sftp.acme.example]:2222 KEY", 22, ""),
            ("@cert-authority *.acme.example,!sftp.* KEY", 22, ""),
            ("@cert-authority *,!sftp.acme.example KEY", 2222, ""),
            ("@cert-authority other.example KEY", 22, ""),
            ("@cert-authority * KEY\n@revoked * KEY", 22, "ar"),
            ("sftp.acme.example KEY\n@revoked * KEY", 22, "kr"),
            ("[sftp.acme.example]:2222 KEY\n@revoked sftp.acme.example KEY", 2222, "kr"),
            ("sftp.acme.example KEY\n@revoked other.example KEY", 22, "k"),
            ("nonsense\n@cert-authority * nonsense\n@other * KEY\nsftp.acme.example KEY", 22, "k"),
        ] {
            let text = lines
                .replace("KEY", &format!("ssh-ed25519 {KEY}"))
                .replace("OTHER", &format!("ssh-ed25519 {OTHER}"));
            for host in [HOST, "SFTP.Acme.Example"] {
                let lines = Lines::of(&text, host, port).unwrap();
                let lists = [("k", &lines.known), ("a", &lines.authorities), ("r", &lines.revoked)];
                let letters = lists.iter().filter(|(_, list)| among(list, key.key_data()));
                assert_eq!(letters.map(|(letter, _)| *letter).collect::<String>(), found, "{text}");
            }
        }
        assert_eq!(Lines::of("\n@revoked * ssh-ed25519 AAAA", "h", 22).unwrap_err(), 2);
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, name, fit) in [
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcdf", false),
            ("*.example", "a.b.EXAMPLE", true),
            ("a", "ab", false),
            ("ab", "a", false),
            ("**?", "x", true),
            ("*a*a*a*a*a*a*a*a*a*b", &"a".repeat(2_000), false),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in "(?s)[ -~\n|@*?!,\\[\\]:]{0,200}", host in "[a-z.]{0,20}", port: u16) {
            if let Ok(lines) = Lines::of(&text, &host, port) {
                prop_assert!(lines.known.len() + lines.authorities.len() <= text.lines().count());
            }
        }

        #[test]
        fn a_pattern_made_of_the_name_fits_it(name in "[a-z.]{1,20}", at in 0_usize..20, wild in "[*?]") {
            let at = at.min(name.len() - 1);
            let put = |(place, letter)| if place == at { wild.clone() } else { String::from(letter) };
            let pattern: String = name.chars().enumerate().map(put).collect();
            prop_assert!(fits(&pattern, &name));
            // No name has a digit: a `*` cannot swallow what comes after it.
            let longer = format!("{pattern}0");
            prop_assert!(!fits(&longer, &name));
        }
    }
}
