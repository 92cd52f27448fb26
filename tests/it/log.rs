//! Where log lines go: lines on stderr in two forms, or fields to the journal.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails here")]

use crate::world::{Ran, Setup, World, people, put};
use serde_json::Value;
use std::{collections::BTreeMap, os::unix::net::UnixDatagram, process::Command, time::Duration};

/// A run that fails, since Vitable refuses the key: an error of ours is logged.
fn failing(world: &World) -> Command {
    world.arrives("roster.csv", &people(1..=3, "East"));
    put(&world.path("api.key"), "a-key-of-somebody-else");
    let mut command = world.command(&["sync", "acme"]);
    command.env("ROSTERD_LOG", "error").env_remove("JOURNAL_STREAM").env_remove("ROSTERD_LOG_FORMAT");
    command
}

#[test]
fn lines_on_stderr_are_text_or_json() {
    let world = World::new(&Setup::default());
    let text = Ran::of(failing(&world).output().unwrap()).ends(1);
    let line = text.err.lines().find(|line| line.contains(" ERROR ")).unwrap();
    assert!(line.contains("nothing was submitted"), "{line}");

    let json = Ran::of(failing(&world).env("ROSTERD_LOG_FORMAT", "json").output().unwrap()).ends(1);
    let line = json.err.lines().find(|line| line.starts_with('{')).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line.pointer("/level").unwrap(), "ERROR");
    assert!(line.pointer("/message").unwrap().as_str().unwrap().contains("nothing was submitted"), "{line}");
    assert!(line.pointer("/timestamp").is_some(), "{line}");
    assert!(!json.err.contains(" ERROR "), "{}", json.err);

    // Without a wish a command logs warnings alone, and a form that is none is said.
    let mut command = failing(&world);
    let odd = Ran::of(command.env_remove("ROSTERD_LOG").env("ROSTERD_LOG_FORMAT", "xml").output().unwrap());
    assert!(odd.err.contains("`xml`, which is no form of a log; write `text` or `json`"), "{}", odd.err);
    assert!(!odd.err.contains(" INFO "), "{}", odd.err);
}

/// The journal's own form: `KEY=value`, or `KEY`, a length and a value of several lines.
fn fields(mut datagram: &[u8]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while let Some(end) = datagram.iter().position(|byte| *byte == b'\n') {
        let (line, rest) = datagram.split_at(end);
        let line = String::from_utf8(line.to_vec()).unwrap();
        datagram = &rest[1..];
        match line.split_once('=') {
            Some((key, value)) => drop(found.insert(key.to_owned(), value.to_owned())),
            None => {
                let (length, rest) = datagram.split_at(8);
                let length = usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
                let value = String::from_utf8(rest[..length].to_vec()).unwrap();
                found.insert(line, value);
                datagram = &rest[length + 1..];
            }
        }
    }
    found
}

/// A socket of the test's in the journal's place, seen by the command alone: a mount namespace of its own.
fn with_a_journal(folder: &std::path::Path, command: &Command, stream: &str) -> Command {
    let script = format!(
        "set -e; mount -t tmpfs none /run; mkdir -p /run/systemd/journal; mount --bind \"$1\" /run/systemd/journal; \
         shift; JOURNAL_STREAM={stream}; export JOURNAL_STREAM; exec \"$@\""
    );
    let mut inside = Command::new("unshare");
    // Whoever is not root is root of a user namespace.
    inside.args(["--mount", "--map-root-user", "sh", "-c", &script, "sh"]).arg(folder);
    inside.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside
}

const THE_REAL_STREAM: &str = "$(stat -Lc %d:%i /proc/self/fd/2)";

#[test]
fn the_journal_has_the_fields_and_stderr_has_none_of_it() {
    let world = World::new(&Setup::default());
    let folder = tempfile::tempdir().unwrap();
    let journal = UnixDatagram::bind(folder.path().join("socket")).unwrap();
    journal.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let command = failing(&world);
    let read = || {
        let mut datagram = vec![0; 1 << 16];
        let mut all = Vec::new();
        while let Ok(length) = journal.recv(&mut datagram) {
            all.push(fields(&datagram[..length]));
        }
        all
    };

    let ran = Ran::of(with_a_journal(folder.path(), &command, THE_REAL_STREAM).output().unwrap()).ends(1);
    let entries = read();
    let entry = entries.iter().find(|entry| entry.contains_key("ROSTERD_FEED")).unwrap_or_else(|| {
        panic!("no entry has the feed: {entries:?}\n{}", ran.text());
    });
    assert!(entry["MESSAGE"].contains("nothing was submitted"), "{entry:?}");
    assert_eq!((entry["ROSTERD_FEED"].as_str(), entry["PRIORITY"].as_str()), ("acme", "3"));
    assert_eq!(entry["SYSLOG_IDENTIFIER"], "rosterd");
    assert!(!ran.err.contains(" ERROR "), "{}", ran.err);
    for text in entries.iter().flat_map(BTreeMap::values).chain([&ran.err]) {
        assert!(!text.contains("Zq"), "a person: {text}");
    }

    // stderr was led elsewhere, while the variable is still set: systemd.exec says to compare.
    let elsewhere = Ran::of(with_a_journal(folder.path(), &command, "8:1").output().unwrap()).ends(1);
    assert!(elsewhere.err.contains(" ERROR "), "{}", elsewhere.err);
    assert!(read().is_empty());
    // Whoever asks for a form gets lines.
    let mut asked = with_a_journal(folder.path(), &command, THE_REAL_STREAM);
    let asked = Ran::of(asked.env("ROSTERD_LOG_FORMAT", "text").output().unwrap()).ends(1);
    assert!(asked.err.contains(" ERROR "), "{}", asked.err);
    assert!(read().is_empty());
}
