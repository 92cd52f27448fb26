//! Files that are packed as they should be, and then harmed: no fuzzer makes up a checksum that holds.

use super::{super::input::Input, Digest, MESSAGES, ROSTER, decrypt, read, read_plain};
use flate2::{Compression, write::GzEncoder};
use rosterd::source::Decrypt;
use std::io::{Cursor, Write as _};
use zip::{ZipWriter, write::SimpleFileOptions};

/// Signatures end here: a file that is cut before is no archive any more.
const SIGNATURE: usize = 4;

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    None,
    Cut(usize),
    Flipped(usize, u8),
    /// These come behind it.
    Followed(usize),
}

impl Harm {
    fn chosen(input: &mut Input<'_>) -> Self {
        let kind = input.byte() % 4;
        let place = input.below(1 << 16);
        let bit = input.byte() as u8;
        match kind {
            0 => Self::None,
            1 => Self::Cut(place),
            2 => Self::Flipped(place, 1 << (bit % 8)),
            _ => Self::Followed(place),
        }
    }

    fn done_to(self, file: &[u8]) -> Vec<u8> {
        let mut harmed = file.to_vec();
        match self {
            Self::None => {}
            Self::Cut(at) => harmed.truncate(SIGNATURE + at % (file.len() - SIGNATURE)),
            Self::Flipped(at, bit) => harmed[at % file.len()] ^= bit,
            Self::Followed(bytes) => harmed.resize(file.len() + 1 + bytes % 600, bytes as u8),
        }
        harmed
    }
}

/// What is packed is read as if it were not; cut it is refused; with one bit turned over it is refused or the same.
fn is_whole_or_refused(harm: Harm, packed: &[u8], plain: &Result<Digest, String>, decrypt: Option<&Decrypt>) {
    let found = read(&harm.done_to(packed), decrypt);
    match harm {
        Harm::None => assert_eq!(found.as_ref().ok(), plain.as_ref().ok(), "{found:?} {plain:?}"),
        Harm::Cut(_) if !is_armored(packed) => assert!(found.is_err(), "{harm:?} {found:?}"),
        Harm::Cut(_) | Harm::Flipped(..) | Harm::Followed(_) => {
            assert!(
                found.is_err() || found.as_ref().ok() == plain.as_ref().ok(),
                "{harm:?} {found:?} {plain:?}"
            );
        }
    }
}

/// Armor ends with a line that adds nothing.
fn is_armored(packed: &[u8]) -> bool {
    packed.starts_with(b"-----BEGIN PGP")
}

/// A signature with a bit turned over may leave a file of one odd line, which has no column that is mapped.
fn spares_the_signature(harm: Harm, length: usize) -> bool {
    !matches!(harm, Harm::Flipped(at, _) if at % length < SIGNATURE)
}

pub(super) fn gzip(mut input: Input<'_>) {
    let harm = Harm::chosen(&mut input);
    let level = input.choose(&[Compression::fast(), Compression::none(), Compression::best()]);
    let plain = input.rest();
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(plain).unwrap();
    let packed = encoder.finish().unwrap();
    if spares_the_signature(harm, packed.len()) {
        is_whole_or_refused(harm, &packed, &read_plain(plain), None);
    }
}

pub(super) fn zip(mut input: Input<'_>) {
    let harm = Harm::chosen(&mut input);
    let beside = input.choose(&["", "folder/", "__MACOSX/._roster.csv", "second.csv"]);
    let method = input.choose(&[zip::CompressionMethod::Deflated, zip::CompressionMethod::Stored]);
    let plain = input.rest();
    let options = SimpleFileOptions::default().compression_method(method);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    if beside.ends_with('/') {
        writer.add_directory(beside, options).unwrap();
    } else if !beside.is_empty() {
        writer.start_file(beside, options).unwrap();
        writer.write_all(plain).unwrap();
    }
    writer.start_file("roster.csv", options).unwrap();
    writer.write_all(plain).unwrap();
    let packed = writer.finish().unwrap().into_inner();
    if beside == "second.csv" {
        assert!(read_plain(&packed).is_err(), "of two files nobody knows which is meant");
    } else if spares_the_signature(harm, packed.len()) {
        is_whole_or_refused(harm, &packed, &read_plain(plain), None);
    }
}

/// A message for our key, made by GnuPG.
pub(super) fn encrypted(mut input: Input<'_>) {
    let harm = Harm::chosen(&mut input);
    let message = input.choose(&MESSAGES);
    let plain = read_plain(ROSTER);
    assert!(read(message, None).is_err(), "without a key nothing is read");
    // Whoever asks for a message takes no file in the clear, so that the signature may be harmed too.
    is_whole_or_refused(harm, message, &plain, Some(decrypt()));
}
