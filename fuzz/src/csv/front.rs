//! The way that a file takes in a run, which looks for archives and encodings first.

use super::super::read::{CHUNK, Read, collect, folder, read_by, spool};
use encoding_rs::{Encoding, UTF_8};
use rosterd::source::{
    Csv, Format,
    decode::{self, How, json::Cells},
};

/// What may be found out without being said: each encoding of one byte, and the two that a byte order mark names.
const DETECTED: [&str; 30] = [
    "utf-16le",
    "utf-16be",
    "windows-1252",
    "windows-1250",
    "windows-1251",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "windows-874",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-6",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-8-i",
    "iso-8859-10",
    "iso-8859-13",
    "iso-8859-14",
    "iso-8859-15",
    "iso-8859-16",
    "koi8-r",
    "koi8-u",
    "macintosh",
    "x-mac-cyrillic",
    "ibm866",
];

/// Whether the way of a run comes to the same as the reader of UTF-8, on the text as this encoding has it.
pub(super) fn agrees(bytes: &[u8], encoding: &str, settings: &Csv, utf_8: &Result<Read, String>) {
    if is_packed(bytes) {
        return;
    }
    let how = How {
        name: "roster.csv",
        format: &Format::Csv(settings.clone()),
        decrypt: None,
        cells: Cells { columns: &[], needed: &[], dates: &[] },
        dir: &folder(),
        source_index: 0,
    };
    let read = collect(|sink| decode::read(spool(bytes), &how, sink));
    super::says_nothing_of_a_person(&read, settings);
    match Encoding::for_label(encoding.as_bytes()) {
        Some(declared) if declared != UTF_8 => is_read_as(declared, bytes, settings, &read),
        None if std::str::from_utf8(bytes).is_err() => is_read_as_one(bytes, settings, &read),
        // A byte order mark that says otherwise is named.
        Some(_) if read.is_err() => assert!(utf_8.is_err()),
        Some(_) | None => assert_eq!(&read, utf_8),
    }
}

/// Declared is declared: nothing is read another way, and nothing is refused that this encoding can write.
fn is_read_as(encoding: &'static Encoding, bytes: &[u8], settings: &Csv, read: &Result<Read, String>) {
    let other_mark = Encoding::for_bom(bytes).is_some_and(|(mark, _)| mark != encoding);
    let text = strictly(encoding, bytes);
    match text {
        Some(text) if !other_mark => {
            let expected = read_by(CHUNK, text.as_bytes(), settings);
            assert_eq!(read.as_ref().ok(), expected.as_ref().ok(), "{read:?} {expected:?}");
        }
        Some(_) | None => assert!(read.is_err(), "{}", encoding.name()),
    }
}

/// Not declared: if it is read at all, then as one of the encodings reads it.
fn is_read_as_one(bytes: &[u8], settings: &Csv, read: &Result<Read, String>) {
    let Ok(read) = read else { return };
    let one = DETECTED.iter().any(|name| {
        let encoding = Encoding::for_label(name.as_bytes()).unwrap();
        let text = strictly(encoding, bytes);
        text.is_some_and(|text| read_by(CHUNK, text.as_bytes(), settings).as_ref() == Ok(read))
    });
    assert!(one, "{read:?}");
}

/// The text, if each byte is a character of this encoding that people write.
fn strictly(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    let (text, wrong) = encoding.decode_with_bom_removal(bytes);
    let control = encoding.is_single_byte() && text.contains(|c: char| ('\u{80}'..='\u{9f}').contains(&c));
    (!wrong && !control).then(|| text.into_owned())
}

/// Whether it may be taken for an archive or an OpenPGP message, which `archives` is about.
fn is_packed(bytes: &[u8]) -> bool {
    let message = bytes.first().is_some_and(|byte| *byte >= 0x80)
        && bytes.iter().take(8).skip(1).any(|version| *version <= 6);
    message
        || bytes.starts_with(b"PK")
        || bytes.starts_with(b"\x1F\x8B")
        || bytes.trim_ascii_start().starts_with(b"-----BEGIN PGP")
}
