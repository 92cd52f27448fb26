//! Files as they really arrive, made by the real tools (iconv, gzip, zip, gpg, openpyxl), through the built binary to
//! the sandbox: the right people are covered, and what cannot be proved whole removes nobody.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]
#![expect(clippy::disallowed_methods, reason = "files of a test, and where its programs are")]

use crate::{
    sshd::Sshd,
    world::{Setup, World, canaries, people, roster},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// A source of the inbox that says more of its files.
fn setup(more: &str) -> Setup {
    Setup { place: Some(format!("file: {{ path: inbox/*, settle: 0s }}\n    {more}")), ..Setup::default() }
}

/// So many people in the east, whose names have letters beyond ASCII, and three in the west.
fn day(number: u32) -> String {
    let rows = [people(1..=number, "East"), people(21..=23, "West")].concat();
    roster(&rows).replace("Zqfirst", "Zqfirst\u{e9}").replace("Zqcity", "Zqcity M\u{fc}nchen")
}

fn run(world: &World, program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).current_dir(world.path("made")).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {arguments:?}: {said}");
}

/// Where files are made, so that the inbox has nothing but what arrived.
fn made(world: &World, name: &str, bytes: &[u8]) {
    fs::write(world.path("made").join(name), bytes).unwrap();
}

/// The file is the only one in the inbox.
fn arrives(world: &World, name: &str) {
    fs::remove_dir_all(world.path("inbox")).unwrap();
    fs::create_dir(world.path("inbox")).unwrap();
    fs::copy(world.path("made").join(name), world.path("inbox").join(name)).unwrap();
}

fn settled(more: &str) -> World {
    let world = World::new(&setup(more));
    fs::create_dir(world.path("made")).unwrap();
    world
}

fn members(world: &World) -> [BTreeMap<String, Value>; 2] {
    ["acme-east", "acme-west"].map(|group| world.sandbox.members(group))
}

/// The first day is confirmed at Vitable.
fn first_day(world: &World) {
    made(world, "first.csv", day(10).as_bytes());
    arrives(world, "first.csv");
    world.rosterd(&["sync", "acme"]).ends(3);
    world.approve().ends(0);
}

/// The file is read, and exactly its people are covered, with each letter of their names.
#[track_caller]
fn covers(world: &World, name: &str, number: u32) {
    arrives(world, name);
    let ran = world.rosterd(&["sync", "acme"]);
    assert_eq!(ran.code, Some(0), "{name}: {}", ran.text());
    let [east, west] = members(world);
    assert_eq!((east.len(), west.len()), (number as usize, 3), "{name}");
    for (who, member) in east.iter().chain(&west) {
        let number = who.strip_prefix("E-").unwrap();
        let shown = member.to_string();
        for part in [&format!("Zqfirst\u{e9}{number}"), "Zqcity M\u{fc}nchen", "1942-04-"] {
            assert!(shown.contains(part), "{name}: {who} is {shown}");
        }
    }
}

const TO_SHEET: &str = r#"
import csv, datetime, openpyxl, sys
book = openpyxl.Workbook()
sheet = book.active
sheet.append(["Roster of the day"])
for number, row in enumerate(csv.reader(open(sys.argv[1], encoding="utf-8"))):
    if number:
        row[3] = datetime.datetime.strptime(row[3], "%m/%d/%Y").date()
        row[4] = int(row[4])
        row[10] = int(row[10])
    sheet.append(row)
sheet.append(["Total", 2])
book.save(sys.argv[2])
"#;

fn to_sheet(world: &World, csv: &str, sheet: &str) {
    let python = std::env::var("ROSTERD_TEST_PYTHON")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target/python/bin/python").to_owned());
    let mut made = Command::new(python)
        .args(["-", csv, sheet])
        .current_dir(world.path("made"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    made.stdin.take().unwrap().write_all(TO_SHEET.as_bytes()).unwrap();
    assert!(made.wait().unwrap().success());
}

#[test]
fn encodings_delimiters_and_archives_cover_the_people_of_the_file() {
    let world = settled("");
    first_day(&world);
    let mut number = 10;
    let mut next = |name: &str, make: &dyn Fn(String)| {
        number += 1;
        make(day(number));
        covers(&world, name, number);
    };
    next("mark.csv", &|text| made(&world, "mark.csv", format!("\u{feff}{text}").as_bytes()));
    for encoding in ["UTF-16", "CP1252"] {
        next("other.csv", &|text| {
            made(&world, "plain.csv", text.as_bytes());
            run(&world, "iconv", &["-f", "UTF-8", "-t", encoding, "-o", "other.csv", "plain.csv"]);
        });
    }
    for delimiter in [";", "|", "\t"] {
        next("cut.csv", &|text| made(&world, "cut.csv", text.replace(',', delimiter).as_bytes()));
    }
    next("lines.csv", &|text| {
        let text = text.replace('\n', "\r\n");
        let header = text.lines().next().unwrap();
        let rows = text.lines().count() - 1;
        let below = format!(
            "{header}\r\n,,,,,,,,,,,,\r\nTotal employees,{rows}\r\nReport generated on,11/24/2026\r\n"
        );
        made(&world, "lines.csv", format!("{text}{below}").as_bytes());
    });
    next("roster.csv.gz", &|text| {
        made(&world, "roster.csv", text.as_bytes());
        run(&world, "gzip", &["-f", "roster.csv"]);
    });
    next("named-wrongly.csv", &|text| {
        made(&world, "roster.csv", text.as_bytes());
        run(&world, "zip", &["-q", "roster.zip", "roster.csv"]);
        fs::rename(world.path("made/roster.zip"), world.path("made/named-wrongly.csv")).unwrap();
    });
}

#[test]
fn what_the_source_says_of_its_file_is_how_it_is_read() {
    let world = settled("");
    first_day(&world);
    world.configure(&setup("csv: { encoding: windows-1252, header_row: 3 }"));
    let titled = format!("Acme\u{a0}Roster,\n\"Se\u{f1}ores\n{}", day(11));
    made(&world, "plain.csv", titled.as_bytes());
    run(&world, "iconv", &["-f", "UTF-8", "-t", "CP1252", "-o", "titled.csv", "plain.csv"]);
    covers(&world, "titled.csv", 11);

    world.configure(&setup("csv: { trailer: { starts_with: TRL, count_column: 2 } }"));
    made(&world, "trailer.csv", format!("{}TRL,15\n", day(12)).as_bytes());
    covers(&world, "trailer.csv", 12);

    world.configure(&setup("xlsx: { header_row: 2 }"));
    made(&world, "sheet.csv", day(13).as_bytes());
    to_sheet(&world, "sheet.csv", "sheet.xlsx");
    covers(&world, "sheet.xlsx", 13);
}

fn gpg(world: &World, arguments: &[&str]) {
    let folder = world.path("gnupg");
    let mut all = vec!["--homedir", folder.to_str().unwrap(), "--batch", "--yes", "--quiet"];
    all.extend(["--pinentry-mode", "loopback", "--trust-model", "always"]);
    all.extend(arguments);
    run(world, "gpg", &all);
}

/// Keys of a partner, a sender and somebody else; the partner's has a passphrase.
fn keys(world: &World) {
    let folder = world.path("gnupg");
    fs::create_dir(&folder).unwrap();
    run(world, "chmod", &["700", folder.to_str().unwrap()]);
    for (who, phrase) in [("partner", "Zebra 7"), ("sender", ""), ("other", "")] {
        gpg(
            world,
            &["--passphrase", phrase, "--quick-generate-key", who, "future-default", "default", "never"],
        );
        gpg(world, &["--armor", "--output", &format!("{who}.pub"), "--export", who]);
        let key = format!("{who}.key");
        gpg(world, &["--passphrase", phrase, "--armor", "--output", &key, "--export-secret-keys", who]);
    }
    made(world, "phrase", b"Zebra 7\n");
}

const DECRYPT: &str = "decrypt: { private_key: { file: made/partner.key }, passphrase: { file: made/phrase }, signed_by: { file: made/sender.pub } }";

fn encrypt(world: &World, from: &str, to: &str, more: &[&str]) {
    let mut all = vec!["--passphrase", "", "-o", to];
    all.extend(more);
    all.extend(["-e", from]);
    gpg(world, &all);
}

/// The run fails for the reason, nobody's coverage changes, and no person is shown anywhere.
#[track_caller]
fn removes_nobody(world: &World, name: &str, why: &str) {
    let before = members(world);
    arrives(world, name);
    let ran = world.rosterd(&["sync", "acme"]);
    assert_eq!(ran.code, Some(1), "{name}: {}", ran.text());
    assert!(ran.text().contains(why), "{name}: {}", ran.text());
    assert!(before == members(world), "{name}");
    let mut shown = world.mails();
    shown.extend([ran.text(), world.rosterd(&["show", &newest(world)]).text()]);
    for canary in (1..=3).flat_map(canaries) {
        assert!(!shown.iter().any(|text| text.contains(&canary)), "{name}: {canary} is shown");
    }
}

fn newest(world: &World) -> String {
    world.json(&["runs", "--limit", "1", "--json"]).pointer("/runs/0/id").unwrap().to_string()
}

/// One byte in the middle is another one.
fn flipped(world: &World, name: &str) -> Vec<u8> {
    let mut bytes = fs::read(world.path("made").join(name)).unwrap();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    bytes
}

fn half(world: &World, name: &str) -> Vec<u8> {
    let mut bytes = fs::read(world.path("made").join(name)).unwrap();
    bytes.truncate(bytes.len() / 2);
    bytes
}

#[test]
fn an_encrypted_file_covers_its_people_only_when_it_is_whole_signed_and_for_us() {
    let world = settled("");
    first_day(&world);
    keys(&world);
    world.configure(&setup(DECRYPT));
    let to_us = ["-r", "partner", "-u", "sender", "-s"];
    made(&world, "day.csv", day(11).as_bytes());
    encrypt(&world, "day.csv", "binary.csv.pgp", &to_us);
    covers(&world, "binary.csv.pgp", 11);
    made(&world, "day.csv", day(12).as_bytes());
    run(&world, "gzip", &["-kf", "day.csv"]);
    encrypt(&world, "day.csv.gz", "armored.csv.gz.asc", &["--armor", "-r", "partner", "-u", "sender", "-s"]);
    covers(&world, "armored.csv.gz.asc", 12);

    // Ten people fewer each time, if anything of it were taken.
    made(&world, "day.csv", day(2).as_bytes());
    encrypt(&world, "day.csv", "whole.pgp", &to_us);
    encrypt(&world, "day.csv", "unsigned.pgp", &["-r", "partner"]);
    encrypt(&world, "day.csv", "signed-by-another.pgp", &["-r", "partner", "-u", "other", "-s"]);
    encrypt(&world, "day.csv", "for-another.pgp", &["-r", "other", "-u", "sender", "-s"]);
    made(&world, "cut.pgp", &half(&world, "whole.pgp"));
    made(&world, "flipped.pgp", &flipped(&world, "whole.pgp"));
    let one = fs::read(world.path("made/whole.pgp")).unwrap();
    made(&world, "two.pgp", &[one.clone(), one].concat());
    for (name, why) in [
        ("unsigned.pgp", "does not bear a good signature"),
        ("signed-by-another.pgp", "does not bear a good signature"),
        ("for-another.pgp", "the file is encrypted for the key `"),
        ("cut.pgp", "cut or changed on its way"),
        ("flipped.pgp", "cut or changed on its way"),
        ("two.pgp", "cut or changed on its way"),
        ("day.csv", "is not encrypted"),
    ] {
        removes_nobody(&world, name, why);
    }
    // What a person names may be in the clear.
    made(&world, "by-hand.csv", day(13).as_bytes());
    let by_hand = world.path("made/by-hand.csv");
    world.rosterd(&["sync", "acme", "--file", by_hand.to_str().unwrap()]).ends(0);
    assert_eq!(world.covered("acme-east").len(), 13);
    fs::write(world.path("made/phrase"), "Zebra 8\n").unwrap();
    removes_nobody(&world, "whole.pgp", "`decrypt.passphrase` is missing or wrong");
}

#[test]
fn what_cannot_be_proved_whole_removes_nobody() {
    let world = settled("");
    first_day(&world);
    let text = day(2);
    made(&world, "day.csv", text.as_bytes());
    run(&world, "gzip", &["-kf", "day.csv"]);
    run(&world, "zip", &["-q", "day.zip", "day.csv"]);
    run(&world, "zip", &["-q", "two.zip", "day.csv", "first.csv"]);
    run(&world, "zip", &["-q", "-P", "secret", "locked.zip", "day.csv"]);
    run(&world, "iconv", &["-f", "UTF-8", "-t", "MACINTOSH", "-o", "macintosh.csv", "day.csv"]);
    run(&world, "iconv", &["-f", "UTF-8", "-t", "UTF-16", "-o", "utf-16.csv", "day.csv"]);
    made(&world, "cut.gz", &half(&world, "day.csv.gz"));
    made(&world, "flipped.gz", &flipped(&world, "day.csv.gz"));
    made(&world, "cut.zip", &half(&world, "day.zip"));
    made(&world, "flipped.zip", &flipped(&world, "day.zip"));
    let whole = fs::read(world.path("made/day.zip")).unwrap();
    run(&world, "zip", &["-q", "before.zip", "first.csv"]);
    let before = fs::read(world.path("made/before.zip")).unwrap();
    made(&world, "behind.zip", &[before, whole.clone()].concat());
    made(&world, "longer.zip", &[&whole[..], b"and more"].concat());
    let mut odd = fs::read(world.path("made/utf-16.csv")).unwrap();
    odd.pop();
    made(&world, "odd.csv", &odd);
    to_sheet(&world, "day.csv", "sheet.xlsx");
    made(&world, "cut.xlsx", &half(&world, "sheet.xlsx"));
    made(&world, "sheet.csv", &fs::read(world.path("made/sheet.xlsx")).unwrap());
    made(&world, "message.csv", b"-----BEGIN PGP MESSAGE-----\n\nabcd\n-----END PGP MESSAGE-----\n");
    for (name, why) in [
        ("cut.gz", "ends too early"),
        ("flipped.gz", "damaged on its way"),
        ("cut.zip", "cut or damaged"),
        ("flipped.zip", "damaged on its way"),
        ("two.zip", "holds 2 files"),
        ("behind.zip", "more than one zip archive"),
        ("longer.zip", "more than one zip archive"),
        ("locked.zip", "wants a password"),
        ("macintosh.csv", "say it with `csv: { encoding: … }`"),
        ("odd.csv", "is no character of UTF-16LE"),
        ("cut.xlsx", "cut or damaged"),
        ("sheet.csv", "write `xlsx: {}`"),
        ("message.csv", "name our private key"),
    ] {
        removes_nobody(&world, name, why);
    }
}

#[test]
fn an_encrypted_archive_comes_over_openssh_and_nothing_of_it_stays() {
    let sshd = Sshd::start();
    let world = settled("");
    keys(&world);
    let place = format!(
        "sftp:\n      host: 127.0.0.1\n      port: {}\n      username: {}\n      private_key: {{ file: {} }}\n      host_key: \"{}\"\n      path: {}/*.pgp\n      settle: 0s\n    {DECRYPT}",
        sshd.port(),
        sshd.settings("ed25519").username,
        sshd.path("ed25519").display(),
        sshd.fingerprint("ed25519"),
        sshd.files().display(),
    );
    world.configure(&Setup { place: Some(place), ..Setup::default() });
    let comes = |name: &str, number: u32| {
        made(&world, "day.csv", day(number).as_bytes());
        run(&world, "gzip", &["-kf", "day.csv"]);
        encrypt(&world, "day.csv.gz", "day.pgp", &["-r", "partner", "-u", "sender", "-s"]);
        fs::copy(world.path("made/day.pgp"), sshd.files().join(name)).unwrap();
    };
    // The older day is copied last: the date in the name says which is the newest.
    comes("roster-20261124.csv.gz.pgp", 11);
    comes("roster-20261123.csv.gz.pgp", 5);
    world.rosterd(&["sync", "acme"]).ends(3);
    world.approve().ends(0);
    assert_eq!(world.covered("acme-east").len(), 11);
    let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("Zqlast");
    let left = world.files("state").into_iter().filter(|(_, bytes)| holds(bytes));
    let left: Vec<_> = left.map(|(path, _)| path).collect();
    assert!(left.is_empty() && only_ours(&world.path("state")), "{left:?}");
}

/// No spool has a name in the state directory.
fn only_ours(folder: &Path) -> bool {
    !fs::read_dir(folder)
        .unwrap()
        .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with(".tmp"))
}
