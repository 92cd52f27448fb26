//! Any text as a `known_hosts` file: whom it trusts.
//!
//! The module under test is private, and pure text. It is compiled in from its file, so that no door has to be opened.

#[path = "../../src/source/sftp/known_hosts.rs"]
mod under_test;

mod slow;

use super::input::Input;
use russh::keys::{PublicKey, parse_public_key_base64};
use std::sync::OnceLock;
use under_test::{Lines, among, fits};

/// What stands for a key in an input.
const KEYS: [(&str, &str); 2] = [
    ("KEY", "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"),
    ("OTHER", "AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti"),
];

const HOSTS: [&str; 6] = [
    "sftp.acme.example",
    "SFTP.Acme.Example",
    "h",
    "192.0.2.7",
    "2001:db8::7",
    "a-very.long-name.hr.example",
];
const PORTS: [u16; 4] = [22, 2222, 1, 65_535];

/// Which keys the three lists of a file hold: for each list, whether each of [`KEYS`] is in it.
#[derive(Debug, Default, PartialEq)]
struct Trusted {
    known: [bool; 2],
    authorities: [bool; 2],
    revoked: [bool; 2],
}

/// A server, and the file.
struct Asked {
    text: String,
    host: &'static str,
    port: u16,
}

impl Asked {
    fn lines(&self) -> Result<(Lines, Trusted), usize> {
        let lines = Lines::of(&self.text, self.host, self.port)?;
        let within = |list: &[PublicKey]| keys().each_ref().map(|key| among(list, key.key_data()));
        let trusted = Trusted {
            known: within(&lines.known),
            authorities: within(&lines.authorities),
            revoked: within(&lines.revoked),
        };
        Ok((lines, trusted))
    }

    fn with(&self, text: String) -> Self {
        Self { text, host: self.host, port: self.port }
    }
}

fn keys() -> &'static [PublicKey; 2] {
    static PARSED: OnceLock<[PublicKey; 2]> = OnceLock::new();
    PARSED.get_or_init(|| KEYS.map(|(_, text)| parse_public_key_base64(text).unwrap()))
}

/// Reads `HPP…`: a host, a port, a place, and then the file, in which `KEY` and `OTHER` stand for keys and `HASHED`
/// and `HASHEDHOST` for what `ssh-keygen -H` makes of the server's name with its port and without.
pub fn known_hosts(input: &[u8]) {
    let mut input = Input::new(input);
    let host = input.choose(&HOSTS);
    let port = input.choose(&PORTS);
    let place = input.byte();
    let text = slow::filled(&String::from_utf8_lossy(input.rest()), host, port);
    let asked = Asked { text, host, port };

    match asked.lines() {
        Ok((lines, trusted)) => {
            let listed = lines.known.len() + lines.authorities.len() + lines.revoked.len();
            assert!(listed <= asked.text.lines().count(), "each line is in one list");
            if slow::is_plain(&asked.text) {
                assert_eq!(trusted, slow::trusted(&asked), "{}", asked.text);
            }
            nothing_is_lost_by_a_line_more(&asked, &lines);
        }
        Err(number) => {
            let line = asked.text.lines().nth(number - 1).expect("a line of the file").trim();
            assert!(line.starts_with("@revoked"), "only a revocation must be readable: {line}");
            assert!(!slow::is_plain(line) || !slow::can_be_read(line), "this can be read: {line}");
        }
    }
    a_revoked_key_never_passes(place, &asked);
    patterns_are_as_the_slow_one_has_them(&asked.text, host);
}

/// Whoever adds a line that trusts nobody takes no trust and no revocation away.
fn nothing_is_lost_by_a_line_more(asked: &Asked, lines: &Lines) {
    let more = asked.with(format!("{}\nnobody nonsense", asked.text));
    let (more, _) = more.lines().expect("nonsense is passed over");
    assert_eq!(more.known, lines.known);
    assert_eq!(more.authorities, lines.authorities);
    assert_eq!(more.revoked, lines.revoked);
}

/// With a revocation of the key anywhere in the file, the file is refused or the key is among those that are refused
/// before anything else is looked at (`host_key::Known::judge`).
fn a_revoked_key_never_passes(place: usize, asked: &Asked) {
    let name = match (place / 64, asked.port) {
        (0, _) => "*".to_owned(),
        (1, _) => asked.host.to_owned(),
        (2, port) => format!("[{}]:{port}", asked.host),
        (_, _) => slow::filled("HASHED", asked.host, asked.port),
    };
    let revocation = format!("@revoked {name} ssh-ed25519 {}", KEYS[0].1);
    let mut lines: Vec<&str> = asked.text.lines().collect();
    lines.insert(place % 64 % (lines.len() + 1), &revocation);
    if let Ok((_, trusted)) = asked.with(lines.join("\n")).lines() {
        assert!(trusted.revoked[0], "{}", lines.join("\n"));
    }
}

fn patterns_are_as_the_slow_one_has_them(text: &str, host: &str) {
    for pattern in text.split([' ', ',', '\n', '!']).take(64) {
        for name in [host, "", pattern] {
            assert_eq!(
                fits(pattern, name),
                slow::fits(pattern.as_bytes(), name.as_bytes()),
                "{pattern} {name}"
            );
        }
    }
}
