//! Files as the real tools make them: iconv, gzip, zip, gpg, openpyxl.

#![expect(clippy::disallowed_methods, reason = "files of a test, and where its programs are")]

use super::*;
use crate::{
    secret::Secret,
    source::{Decrypt, Encoding},
};
use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

const ROSTER: &str =
    "id;first;last;city;born\n1;Zo\u{eb};Mu\u{f1}oz;Le\u{f3}n;x\n2;Jos\u{e9};B\u{e4}r;Z\u{fc}rich;y\n";

/// A row and its line.
type Line = (u32, Vec<String>);

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let done = Command::new(program).args(arguments).current_dir(self.0.path()).output().unwrap();
        assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// The rows, each with its line, and what was counted.
    fn rows(&self, name: &str, how: &Reads) -> Result<(Vec<Line>, Tally), String> {
        let file = File::open(self.path(name)).unwrap();
        let mut rows = Vec::new();
        let mut sink = |step: Step<'_>| {
            if let Step::Rows(table) = step {
                for row in table.rows() {
                    rows.push((row.at().line, (0..row.len()).map(|at| row.cell(at).to_owned()).collect()));
                }
            }
            Ok(())
        };
        let how = How {
            name,
            format: &how.format,
            decrypt: how.decrypt.as_ref(),
            cells: json::Cells { columns: &[], needed: &[], dates: &[] },
            dir: self.0.path(),
            source_index: 0,
        };
        let tally = read(file, &how, &mut sink);
        tally.map(|tally| (rows, tally)).map_err(|incomplete| incomplete.0)
    }

    fn cells(&self, name: &str, how: &Reads) -> Vec<Vec<String>> {
        self.rows(name, how).unwrap().0.into_iter().map(|(_, cells)| cells).collect()
    }

    fn why(&self, name: &str, how: &Reads) -> String {
        self.rows(name, how).unwrap_err()
    }
}

struct Reads {
    format: Format,
    decrypt: Option<Decrypt>,
}

fn by_name() -> Reads {
    Reads { format: Format::ByName, decrypt: None }
}

fn encoded(name: &str) -> Reads {
    let csv = Csv { encoding: Encoding::named(name).unwrap(), ..Csv::default() };
    Reads { format: Format::Csv(csv), decrypt: None }
}

fn roster() -> Vec<Vec<String>> {
    ROSTER.lines().skip(1).map(|line| line.split(';').map(str::to_owned).collect()).collect()
}

#[test]
fn what_iconv_writes_is_read_as_it_was() {
    let home = Home::new();
    home.put("utf-8.csv", ROSTER.as_bytes());
    assert_eq!(home.cells("utf-8.csv", &by_name()), roster());
    // Every byte of it is a character of windows-1252 too, and would be another one.
    let why = home.why("utf-8.csv", &encoded("windows-1252"));
    assert_eq!(why, "the file is UTF-8, and `encoding` says windows-1252; remove `encoding`");
    for (name, iconv, detected) in [
        ("windows-1252", "WINDOWS-1252", true),
        ("utf-16le", "UTF-16", true),
        ("utf-16be", "UTF-16BE", false),
        ("macintosh", "MACINTOSH", false),
    ] {
        let made = Command::new("iconv")
            .args(["-f", "UTF-8", "-t", iconv])
            .arg(home.path("utf-8.csv"))
            .output()
            .unwrap();
        home.put("other.csv", &made.stdout);
        assert_eq!(home.cells("other.csv", &encoded(name)), roster(), "{name}");
        if detected && iconv == "WINDOWS-1252" {
            // An n with a tilde could be another letter in Poland; without it there is no doubt.
            assert!(home.why("other.csv", &by_name()).contains("(probably `windows-1252`)"));
            let certain: Vec<u8> =
                made.stdout.iter().map(|byte| if *byte == 0xF1 { b'n' } else { *byte }).collect();
            home.put("other.csv", &certain);
            assert_eq!(home.cells("other.csv", &by_name())[0][2..4], ["Munoz", "Le\u{f3}n"]);
        } else if detected {
            assert_eq!(home.cells("other.csv", &by_name()), roster(), "{name} by itself");
        } else {
            let why = home.why("other.csv", &by_name());
            assert!(why.contains("NUL byte") || why.contains("cannot be told for certain"), "{name}: {why}");
        }
    }
}

#[test]
fn a_byte_that_is_no_character_is_named_by_line_and_column() {
    let home = Home::new();
    home.put("a.csv", b"id,name\r\n1,Jos\xE9\r\n2,Zo\x81\r\n");
    assert!(
        home.why("a.csv", &encoded("windows-1252"))
            .starts_with("line 3, column 5 is no character of windows-1252")
    );
    assert!(home.why("a.csv", &encoded("utf-8")).starts_with("line 2, column 6"));
    // Old DOS and Macintosh programs write the same letters otherwise.
    home.put("b.csv", b"id,name\n1,Jos\x82\n");
    home.put("c.csv", b"id,name\n1,GARC\xEAA\n");
    for name in ["b.csv", "c.csv"] {
        let why = home.why(name, &by_name());
        assert!(why.starts_with("line 2, column") && why.contains("csv: { encoding: … }"), "{why}");
    }
    home.put("d.csv", b"\xFF\xFEi\0d\0\n\0\x00\xD8x\0");
    assert!(home.why("d.csv", &by_name()).contains("line 2, column 1 is no character of UTF-16LE"));
    home.put("e.csv", b"\xFF\xFEi\0d\0");
    assert!(home.why("e.csv", &encoded("windows-1252")).contains("byte order mark of UTF-16LE"));
}

#[test]
fn lines_that_are_nobodys_are_counted_and_in_doubt_they_are_rows() {
    let home = Home::new();
    let header = "id,first,last,city";
    let person = |id: u32| format!("{id},A,B,C");
    let read = |lines: &[&str]| {
        home.put("a.csv", lines.join("\n").as_bytes());
        let (rows, tally) = home.rows("a.csv", &by_name()).unwrap();
        assert_eq!(tally.rows, rows.len() as u64);
        (rows.len(), tally.passed_over)
    };
    let (one, two) = (person(1), person(2));
    assert_eq!(read(&[header, &one, header, &two]), (2, vec![3]));
    assert_eq!(
        read(&[header, &one, "Total,1,,", header, &two, "Grand Total: 2", ",,,", "*** End of Report ***"]),
        (2, vec![3, 4, 6, 7, 8])
    );
    assert_eq!(read(&[header, &one, &two, "", "Report generated on 11/24/2026 06:00,,,"]), (2, vec![5]));
    // Somebody follows; a total of another number; three cells; a name that begins like it; another header.
    assert_eq!(read(&[header, &one, "Total,1,,", &two]), (3, vec![]));
    assert_eq!(read(&[header, &one, "Total employees: 2"]), (2, vec![]));
    assert_eq!(read(&[header, &one, "Total,A,B,"]), (2, vec![]));
    assert_eq!(read(&[header, &one, "Totalis,,,"]), (2, vec![]));
    assert_eq!(read(&[header, &one, "id,first,last,City"]), (2, vec![]));
    assert_eq!(read(&[header, &one, ",,,", &two]), (3, vec![]));
    assert_eq!(read(&["id,first", "1,A", "Total,1"]), (2, vec![]));
}

#[test]
fn the_conformance_suite_csv_spectrum_passes() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/csv_spectrum");
    let mut seen = 0;
    for entry in fs::read_dir(&suite).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "csv") {
            continue;
        }
        let expected = fs::read_to_string(path.with_extension("json")).unwrap();
        let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
        let mut found = Vec::new();
        let mut names = Vec::new();
        csv::read(
            &mut File::open(&path).unwrap(),
            &Csv { delimiter: Some(b','), ..Csv::default() },
            0,
            &mut |step| {
                match step {
                    Step::Header(header) => names.clone_from(&header.names),
                    Step::Rows(table) => found.extend(table.rows().map(|row| {
                        let pairs = names.iter().enumerate();
                        pairs
                            .map(|(at, name)| (name.clone(), row.cell(at).into()))
                            .collect::<serde_json::Map<_, _>>()
                    })),
                }
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(serde_json::to_value(&found).unwrap(), expected, "{}", path.display());
        seen += 1;
    }
    assert_eq!(seen, 11);
}

#[test]
fn archives_are_told_by_their_content_and_hold_one_roster() {
    let home = Home::new();
    home.put("roster.csv", ROSTER.as_bytes());
    home.run("gzip", &["-k", "roster.csv"]);
    home.run("zip", &["-q", "roster.zip", "roster.csv"]);
    for name in ["roster.csv.gz", "roster.zip"] {
        assert_eq!(home.cells(name, &by_name()), roster(), "{name}");
        let bytes = fs::read(home.path(name)).unwrap();
        home.put("named.csv", &bytes);
        assert_eq!(home.cells("named.csv", &by_name()), roster(), "{name} under another name");
        for end in 4..bytes.len() {
            home.put("cut", &bytes[..end]);
            assert!(home.rows("cut", &by_name()).is_err(), "{name} cut at {end}");
        }
    }
    let mut flipped = fs::read(home.path("roster.csv.gz")).unwrap();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    home.put("flipped.gz", &flipped);
    assert!(
        home.why("flipped.gz", &by_name()).contains("damaged on its way")
            || !home.why("flipped.gz", &by_name()).is_empty()
    );
    home.put("second.csv", ROSTER.as_bytes());
    home.run("zip", &["-q", "two.zip", "roster.csv", "second.csv"]);
    assert!(home.why("two.zip", &by_name()).contains("holds 2 files"));
    home.run("zip", &["-q", "-P", "secret", "locked.zip", "roster.csv"]);
    assert!(home.why("locked.zip", &by_name()).contains("wants a password"));
    home.put("bomb", &vec![b'a'; 100 << 20]);
    home.run("gzip", &["bomb"]);
    assert!(home.why("bomb.gz", &by_name()).contains("more than 200 times"));
}

#[test]
fn json_under_any_name_is_refused_with_the_line_that_reads_it() {
    let home = Home::new();
    // Commas and semicolons in equal number: what stands between the cells is not asked of what is no CSV.
    home.put("list.json", b"[{\"id\":\"1;2\",\"name\":\"a;b\"}]");
    home.put("object.json", b"\xEF\xBB\xBF\n{ \"employees\": [{\"id\": \"1\"}] }");
    home.run("gzip", &["--keep", "list.json"]);
    for name in ["list.json", "list.json.gz"] {
        let why = home.why(name, &by_name());
        assert!(why.contains("is JSON, not CSV; write `json: { records: \"$\" }` in place"), "{why}");
    }
    let why = home.why("object.json", &by_name());
    assert!(
        why.contains("`json: { records: … }` in place of `csv`, with the path of the list in it"),
        "{why}"
    );
}

#[test]
fn an_archive_in_an_archive_is_bound_by_what_arrived() {
    let home = Home::new();
    let packed = |letters: usize, level| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
        writer.write_all(&vec![b'a'; letters]).unwrap();
        writer.finish().unwrap()
    };
    // Each step is within the bound: a megabyte out of some kilobytes, and a hundred out of one.
    let stored = packed(1 << 20, flate2::Compression::none());
    home.put("twice", &[stored, packed(100 << 20, flate2::Compression::best())].concat());
    home.run("gzip", &["-k", "twice"]);
    home.run("zip", &["-q", "twice.zip", "twice"]);
    for name in ["twice.gz", "twice.zip"] {
        assert!(home.why(name, &by_name()).contains("more than 200 times"), "{name}");
    }
}

fn gpg(home: &Home, arguments: &[&str]) {
    let folder = home.path("gnupg");
    let mut all = vec![
        "--homedir",
        folder.to_str().unwrap(),
        "--batch",
        "--yes",
        "--quiet",
        "--pinentry-mode",
        "loopback",
    ];
    all.extend(["--trust-model", "always"]);
    all.extend(arguments);
    home.run("gpg", &all);
}

fn export(home: &Home, who: &str, passphrase: &str) {
    gpg(home, &["--armor", "--output", &format!("{who}.pub"), "--export", who]);
    gpg(
        home,
        &[
            "--armor",
            "--passphrase",
            passphrase,
            "--output",
            &format!("{who}.key"),
            "--export-secret-keys",
            who,
        ],
    );
}

fn fingerprint(home: &Home, who: &str) -> String {
    let listed = Command::new("gpg")
        .args(["--homedir", home.path("gnupg").to_str().unwrap(), "--with-colons", "--list-keys", who])
        .output()
        .unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap().trim_matches(':').to_owned()
}

fn keys(home: &Home) {
    fs::create_dir(home.path("gnupg")).unwrap();
    home.run("chmod", &["700", "gnupg"]);
    for (who, kind, usage) in [("curve", "ed25519", "cv25519"), ("other", "ed25519", "cv25519")] {
        gpg(home, &["--passphrase", "", "--quick-generate-key", who, kind, "sign", "never"]);
        let print = fingerprint(home, who);
        gpg(home, &["--passphrase", "", "--quick-add-key", &print, usage, "encr", "never"]);
        export(home, who, "");
    }
    gpg(home, &["--passphrase", "Zebra 7", "--quick-generate-key", "rsa", "rsa2048", "sign,encr", "never"]);
    export(home, "rsa", "Zebra 7");
}

fn key(home: &Home, who: &str) -> Reads {
    let private_key = Secret::File(home.path(&format!("{who}.key")));
    Reads {
        format: Format::ByName,
        decrypt: Some(Decrypt { private_key, passphrase: None, signed_by: None, or_clear: false }),
    }
}

fn with(mut how: Reads, change: impl FnOnce(&mut Decrypt)) -> Reads {
    how.decrypt.as_mut().map(change).unwrap();
    how
}

#[test]
#[expect(clippy::too_many_lines, reason = "the keys are made once for all that is tried with them")]
fn what_gpg_encrypts_is_read_only_when_it_is_whole_and_for_us() {
    let home = Home::new();
    keys(&home);
    home.put("roster.csv", ROSTER.as_bytes());
    home.put("phrase", b"Zebra 7\n");
    home.put("wrong", b"Zebra 8\n");
    gpg(&home, &["-o", "curve.pgp", "-r", "curve", "-e", "roster.csv"]);
    gpg(&home, &["-o", "curve.asc", "--armor", "-r", "curve", "-e", "roster.csv"]);
    gpg(&home, &["-o", "mdc.pgp", "--rfc4880", "-r", "curve", "-e", "roster.csv"]);
    gpg(&home, &["-o", "plain.pgp", "--compress-algo", "none", "-r", "curve", "-e", "roster.csv"]);
    gpg(&home, &["-o", "rsa.pgp", "-r", "rsa", "-e", "roster.csv"]);
    gpg(
        &home,
        &["-o", "signed.pgp", "--passphrase", "", "-u", "other", "-s", "-r", "curve", "-e", "roster.csv"],
    );
    for name in ["curve.pgp", "curve.asc", "mdc.pgp", "plain.pgp", "signed.pgp"] {
        assert_eq!(home.cells(name, &key(&home, "curve")), roster(), "{name}");
        let bytes = fs::read(home.path(name)).unwrap();
        // Armor has characters that change nothing; of the binary forms every byte counts.
        let flips: Vec<usize> =
            if name.ends_with("asc") { vec![bytes.len() / 2] } else { (0..bytes.len()).collect() };
        for at in flips {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            home.put("flipped.pgp", &flipped);
            // What is read then is the roster or nothing: of the packet with the session key a bit may not matter.
            let read = home.rows("flipped.pgp", &key(&home, "curve")).map(|(rows, _)| rows);
            let right = read.is_err() || home.cells("flipped.pgp", &key(&home, "curve")) == roster();
            assert!(right, "{name}, byte {at} of {}", bytes.len());
        }
        for end in (1..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
            home.put("cut.pgp", &bytes[..end]);
            let whole = name.ends_with("asc") && end + 40 > bytes.len();
            assert!(whole || home.rows("cut.pgp", &key(&home, "curve")).is_err(), "{name} cut at {end}");
        }
    }
    let phrase = |name: &str| Some(Secret::File(home.path(name)));
    let rsa = || key(&home, "rsa");
    assert_eq!(home.cells("rsa.pgp", &with(rsa(), |d| d.passphrase = phrase("phrase"))), roster());
    for how in [rsa(), with(rsa(), |d| d.passphrase = phrase("wrong"))] {
        assert!(home.why("rsa.pgp", &how).contains("`decrypt.passphrase` is missing or wrong"));
    }
    let why = home.why("rsa.pgp", &key(&home, "curve"));
    assert!(
        why.starts_with("the file is encrypted for the key `") && why.contains("`decrypt.private_key` has"),
        "{why}"
    );
    let signed = |who: &str| {
        with(key(&home, "curve"), |d| d.signed_by = Some(Secret::File(home.path(&format!("{who}.pub")))))
    };
    assert_eq!(home.cells("signed.pgp", &signed("other")), roster());
    for (file, who) in [("signed.pgp", "rsa"), ("curve.pgp", "other")] {
        assert!(home.why(file, &signed(who)).contains("does not bear a good signature"));
    }
    assert!(home.why("curve.pgp", &by_name()).contains("name our private key"));
    assert!(home.why("roster.csv", &key(&home, "curve")).contains("is not encrypted"));
    assert_eq!(home.cells("roster.csv", &with(key(&home, "curve"), |d| d.or_clear = true)), roster());
    assert!(
        home.why("curve.pgp", &with(key(&home, "curve"), |d| d.private_key = phrase("phrase").unwrap()))
            .contains("holds no armored OpenPGP key")
    );
    for name in ["curve.pgp", "curve.asc", "mdc.pgp", "plain.pgp", "signed.pgp"] {
        let one = fs::read(home.path(name)).unwrap();
        home.put("two.pgp", &[&one[..], &one[..]].concat());
        let why = home.why("two.pgp", &key(&home, "curve"));
        let followed = "something follows the OpenPGP message";
        assert!(
            why.contains(if name.ends_with("asc") { followed } else { "cut or changed" }),
            "{name}: {why}"
        );
    }
    gpg(&home, &["-o", "bzip2.pgp", "--compress-algo", "bzip2", "-r", "curve", "-e", "roster.csv"]);
    assert!(home.why("bzip2.pgp", &key(&home, "curve")).contains("with bzip2, which rosterd does not take"));
    home.run("zip", &["-q", "packed.zip", "curve.pgp"]);
    assert_eq!(home.cells("packed.zip", &key(&home, "curve")), roster());
}

/// Signs and encrypts at a time of the clock that gpg believes in, when our own key was not yet made.
fn sign(home: &Home, at: &str, out: &str) {
    let mut all = vec!["--faked-system-time", at, "--ignore-time-conflict", "--ignore-valid-from", "-o", out];
    all.extend(["--passphrase", "", "-u", "sender", "-s", "-r", "curve", "-e", "roster.csv"]);
    gpg(home, &all);
}

fn gpg_says(home: &Home, arguments: &[&str], name: &str) {
    gpg(home, &[&["-o", name, "--armor"], arguments].concat());
}

#[test]
fn a_signature_counts_when_its_key_was_good_as_it_signed() {
    let home = Home::new();
    keys(&home);
    home.put("roster.csv", ROSTER.as_bytes());
    let made = ["--faked-system-time", "20200101T000000", "--passphrase", ""];
    let ends = ["--quick-generate-key", "sender", "ed25519", "sign,cert", "seconds=864000"];
    gpg(&home, &[&made[..], &ends].concat());
    gpg_says(&home, &["--export", "sender"], "ends.pub");
    sign(&home, "20200105T000000", "in-time.pgp");
    // gpg signs with no key that has ended, so its end is moved first, and the sender's old key stays as it was.
    let print = fingerprint(&home, "sender");
    let moved =
        ["--faked-system-time", "20200106T000000", "--passphrase", "", "--quick-set-expire", &print, "0"];
    gpg(&home, &moved);
    gpg_says(&home, &["--export", "sender"], "prolonged.pub");
    sign(&home, "20200111T000000", "late.pgp");
    // Somebody else has signed the key too, which says nothing of the sender.
    gpg(&home, &["--passphrase", "", "-u", "other", "--quick-sign-key", &print]);
    gpg_says(&home, &["--export", "sender"], "vouched.pub");
    let revocation = fs::read_to_string(home.path(&format!("gnupg/openpgp-revocs.d/{print}.rev"))).unwrap();
    home.put("revocation", revocation.replace(":-----BEGIN", "-----BEGIN").as_bytes());
    gpg(&home, &["--import", "revocation"]);
    gpg_says(&home, &["--export", "sender"], "revoked.pub");
    let by =
        |public: &str| with(key(&home, "curve"), |d| d.signed_by = Some(Secret::File(home.path(public))));
    for (file, public) in [
        ("in-time.pgp", "ends.pub"),
        ("in-time.pgp", "prolonged.pub"),
        ("late.pgp", "prolonged.pub"),
        ("late.pgp", "vouched.pub"),
    ] {
        assert_eq!(home.cells(file, &by(public)), roster(), "{file} {public}");
    }
    let why = home.why("late.pgp", &by("ends.pub"));
    assert!(why.contains("which had expired on 2020-01-11, before it signed"), "{why}");
    for file in ["in-time.pgp", "late.pgp"] {
        let why = home.why(file, &by("revoked.pub"));
        assert!(why.contains("which they have revoked"), "{file}: {why}");
    }
}

#[test]
fn the_end_of_a_subkey_and_of_its_primary_key_count() {
    let home = Home::new();
    keys(&home);
    home.put("roster.csv", ROSTER.as_bytes());
    let at = |time| ["--faked-system-time", time, "--passphrase", ""];
    let made = at("20200101T000000");
    gpg(&home, &[&made[..], &["--quick-generate-key", "sender", "ed25519", "cert", "never"]].concat());
    let print = fingerprint(&home, "sender");
    gpg(&home, &[&made[..], &["--quick-add-key", &print, "ed25519", "sign", "seconds=864000"]].concat());
    gpg_says(&home, &["--export", "sender"], "ends.pub");
    let moved = at("20200106T000000");
    gpg(&home, &[&moved[..], &["--quick-set-expire", &print, "0", "*"]].concat());
    gpg_says(&home, &["--export", "sender"], "prolonged.pub");
    sign(&home, "20200112T000000", "late.pgp");
    let primary = at("20200113T000000");
    gpg(&home, &[&primary[..], &["--quick-set-expire", &print, "20200202T000000"]].concat());
    gpg_says(&home, &["--export", "sender"], "primary-ends.pub");
    sign(&home, "20200114T000000", "before.pgp");
    let by =
        |public: &str| with(key(&home, "curve"), |d| d.signed_by = Some(Secret::File(home.path(public))));
    assert!(home.why("late.pgp", &by("ends.pub")).contains("which had expired on 2020-01-11"));
    assert_eq!(home.cells("late.pgp", &by("prolonged.pub")), roster());
    assert_eq!(home.cells("before.pgp", &by("primary-ends.pub")), roster());
    gpg(&home, &[&at("20200115T000000")[..], &["--quick-set-expire", &print, "0"]].concat());
    sign(&home, "20200303T000000", "after.pgp");
    assert!(home.why("after.pgp", &by("primary-ends.pub")).contains("which had expired on 2020-02-02"));
}

const SHEETS: &str = r#"
import datetime, openpyxl
book = openpyxl.Workbook()
sheet = book.active
sheet.title = "People"
sheet.append(["Roster of all"])
sheet.append(["id", " born ", "zip", "name", "score", "big"])
sheet.append([1001, datetime.date(1990, 2, 3), "02108", "Zo\u00eb", 12.5, 1.23e47])
sheet.append(["0042", datetime.datetime(1985, 12, 31, 0, 0), 2108, "42", True, None])
sheet.append([])
sheet.append(["Total", 2])
other = book.create_sheet("Other")
other.append(["id"])
other.append(["x"])
book.save("book.xlsx")
"#;

#[test]
fn a_sheet_is_read_as_a_person_sees_it() {
    let home = Home::new();
    let python = std::env::var("ROSTERD_TEST_PYTHON")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target/python/bin/python").to_owned());
    let mut made =
        Command::new(python).arg("-").current_dir(home.0.path()).stdin(Stdio::piped()).spawn().unwrap();
    made.stdin.take().unwrap().write_all(SHEETS.as_bytes()).unwrap();
    assert!(made.wait().unwrap().success());
    let sheet = |name: Option<&str>, header_row| {
        let format = Format::Xlsx(Xlsx { sheet: name.map(str::to_owned), header_row });
        Reads { format, decrypt: None }
    };
    let (rows, tally) = home.rows("book.xlsx", &sheet(None, 2)).unwrap();
    let row = |line, cells: &[&str]| (line, cells.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>());
    assert_eq!(
        rows,
        [
            row(3, &["1001", "1990-02-03t00:00:00", "02108", "Zo\u{eb}", "12.5", "1.23E+47"]),
            row(4, &["0042", "1985-12-31t00:00:00", "2108", "42", "TRUE", ""]),
        ]
    );
    assert_eq!((tally.header.names[1].as_str(), tally.ragged_rows, tally.passed_over), ("born", 0, vec![6]));
    assert_eq!(home.cells("book.xlsx", &sheet(Some("Other"), 1)), [["x"]]);
    assert!(home.why("book.xlsx", &sheet(Some("None"), 1)).contains("has no sheet `None` among its 2"));
    assert!(home.rows("book.xlsx", &by_name()).is_ok());
    let bytes = fs::read(home.path("book.xlsx")).unwrap();
    home.put("book.csv", &bytes);
    assert!(home.why("book.csv", &by_name()).contains("an Excel workbook (.xlsx), not CSV"));
    home.put("roster.xlsx", ROSTER.as_bytes());
    assert!(home.why("roster.xlsx", &by_name()).contains("no Excel workbook"));
    home.put("cut.xlsx", &bytes[..bytes.len() / 2]);
    assert!(home.why("cut.xlsx", &by_name()).contains("cut or damaged"));
    home.run("zip", &["-q", "book.zip", "book.xlsx"]);
    assert_eq!(home.cells("book.zip", &sheet(None, 2)).len(), 2);
}
