//! How characters are written: strictly as declared, else UTF-8, else what a byte order mark or a certain detection
//! says. What is not UTF-8 is written anew as UTF-8, into an unlinked file.

use super::{
    Incomplete, sniff,
    spool::{self, Copy, PIECE},
    text::line_ends,
};
use crate::source::Encoding;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, UTF_8, UTF_16BE, UTF_16LE};
use std::{
    fs::File,
    io::{Seek as _, SeekFrom},
    path::Path,
};

/// The detector leans to what is usual in a country. A file is certain when no such leaning changes its text: the ñ of
/// Windows-1252 is the ń of Windows-1250, and nothing in a file of names proves which.
const LEANINGS: [Option<&[u8]>; 6] = [None, Some(b"com"), Some(b"fr"), Some(b"pl"), Some(b"cz"), Some(b"tr")];

/// The file as UTF-8, itself if it is.
pub(super) fn to_utf8(mut file: File, declared: Encoding, dir: &Path) -> Result<File, Incomplete> {
    let start = super::head(&mut file)?;
    let mark = encoding_rs::Encoding::for_bom(&start).map(|(encoding, _)| encoding);
    let encoding = match (declared.0, mark) {
        (Some(declared), Some(mark)) if declared != mark => {
            return Err(Incomplete(format!(
                "the file begins with the byte order mark of {}, and `encoding` says {}; correct `encoding`, or \
                 remove it",
                mark.name(),
                declared.name()
            )));
        }
        // Every byte is a character of a single-byte encoding, so that nothing else would tell.
        (Some(declared), None) if declared.is_single_byte() && matches!(look(&mut file)?, Seen::Utf8) => {
            return Err(Incomplete(format!(
                "the file is UTF-8, and `encoding` says {}; remove `encoding`",
                declared.name()
            )));
        }
        (Some(encoding), _) | (None, Some(encoding)) => encoding,
        // What is no text at all is told by what it is.
        (None, None) if sniff::foreign(&start).is_some() => return Ok(file),
        (None, None) => match look(&mut file)? {
            Seen::Ascii | Seen::Utf8 => return Ok(file),
            Seen::Nul => return Ok(file),
            Seen::Otherwise(wrong) => detected(&mut file, &wrong)?,
        },
    };
    if encoding == UTF_8 || start.starts_with(b"\xFF\xFE\0\0") {
        Ok(file)
    } else {
        transcode(file, encoding, dir)
    }
}

enum Seen {
    /// UTF-8, and most other encodings.
    Ascii,
    /// UTF-8 with other characters than those of ASCII.
    Utf8,
    /// A NUL byte comes before anything that is not UTF-8: the reader names it.
    Nul,
    /// The first byte that is not UTF-8, in words.
    Otherwise(String),
}

fn look(file: &mut File) -> Result<Seen, Incomplete> {
    let mut decoder = UTF_8.new_decoder_without_bom_handling();
    let mut place = Place::default();
    let (mut nul, mut wrong, mut ascii) = (false, None, true);
    let mut out = String::with_capacity(PIECE * 3 + 16);
    pieces(file, |piece, last| {
        if wrong.is_some() || nul {
            return Ok(());
        }
        out.clear();
        let (result, _) = decoder.decode_to_string_without_replacement(piece, &mut out, last);
        nul = out.contains('\0');
        ascii &= out.is_ascii();
        place.pass(&out);
        if let DecoderResult::Malformed(..) = result {
            wrong = Some(place.words());
        }
        Ok(())
    })?;
    Ok(match wrong {
        _ if nul => Seen::Nul,
        Some(wrong) => Seen::Otherwise(wrong),
        None if ascii => Seen::Ascii,
        None => Seen::Utf8,
    })
}

/// The encoding of a file that is not UTF-8 from `wrong` on, when there is no doubt about it.
fn detected(file: &mut File, wrong: &str) -> Result<&'static encoding_rs::Encoding, Incomplete> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let mut high = Bytes::default();
    pieces(file, |piece, last| {
        detector.feed(piece, last);
        high.pass(piece);
        Ok(())
    })?;
    let guesses = LEANINGS.map(|leaning| detector.guess(leaning, Utf8Detection::Deny));
    let [first, ..] = guesses;
    if first.is_single_byte()
        && high.are_letters_of(first)
        && guesses.iter().all(|guess| high.read_alike(first, guess))
    {
        return Ok(first);
    }
    Err(Incomplete(format!(
        "{wrong} is not UTF-8, and it cannot be told for certain what it is; say it with `csv: {{ encoding: … }}` \
         (probably `{}`), or export the file as UTF-8",
        first.name().to_lowercase()
    )))
}

/// Which bytes beyond ASCII a file has.
#[derive(Default)]
struct Bytes {
    seen: std::collections::BTreeSet<u8>,
    /// Some that stand between two capitals.
    among_capitals: std::collections::BTreeSet<u8>,
}

impl Bytes {
    fn pass(&mut self, piece: &[u8]) {
        for (at, &byte) in piece.iter().enumerate().filter(|(_, byte)| !byte.is_ascii()) {
            self.seen.insert(byte);
            let beside = [at.checked_sub(1), at.checked_add(1)];
            let capital =
                |at: &Option<usize>| at.and_then(|at| piece.get(at)).is_some_and(u8::is_ascii_uppercase);
            if beside.iter().all(capital) {
                self.among_capitals.insert(byte);
            }
        }
    }

    /// Whether each of them is a letter, and none a small one among capitals. In the encodings of old Macintosh and
    /// DOS programs, which the detector does not know, the same bytes are other letters or stand below 0xA0.
    fn are_letters_of(&self, encoding: &'static encoding_rs::Encoding) -> bool {
        let letter = |byte: &u8| *byte >= 0xA0 && read(encoding, *byte).is_some_and(char::is_alphabetic);
        let small = |byte: &u8| read(encoding, *byte).is_some_and(char::is_lowercase);
        self.seen.iter().all(letter) && !self.among_capitals.iter().any(small)
    }

    fn read_alike(&self, one: &'static encoding_rs::Encoding, other: &'static encoding_rs::Encoding) -> bool {
        one == other
            || self.seen.iter().all(|byte| other.is_single_byte() && read(one, *byte) == read(other, *byte))
    }
}

fn read(encoding: &'static encoding_rs::Encoding, byte: u8) -> Option<char> {
    let bytes = [byte];
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes)?;
    text.chars().next()
}

/// Writes the file anew as UTF-8; what cannot be read is named and ends it.
fn transcode(
    mut file: File,
    encoding: &'static encoding_rs::Encoding,
    dir: &Path,
) -> Result<File, Incomplete> {
    let mut copy = Copy::create(dir)?;
    let mut decoder = encoding.new_decoder_with_bom_removal();
    let mut place = Place::default();
    let mut out = String::with_capacity(PIECE * 3 + 16);
    pieces(&mut file, |piece, last| {
        out.clear();
        let (result, _) = decoder.decode_to_string_without_replacement(piece, &mut out, last);
        let controls =
            encoding.is_single_byte().then(|| out.find(|c: char| ('\u{80}'..='\u{9f}').contains(&c)));
        if let Some(at) = controls.flatten() {
            place.pass(out.get(..at).unwrap_or(""));
            return Err(wrong(&place, encoding));
        }
        place.pass(&out);
        if let DecoderResult::Malformed(..) = result {
            return Err(wrong(&place, encoding));
        }
        copy.write(out.as_bytes())
    })?;
    copy.finish()
}

fn wrong(place: &Place, encoding: &'static encoding_rs::Encoding) -> Incomplete {
    let other = if [UTF_16LE, UTF_16BE].contains(&encoding) {
        "it was damaged on its way"
    } else {
        "`encoding` is wrong"
    };
    Incomplete(format!(
        "{} is no character of {}, so what stands there cannot be known; {other}, or the file is: have it exported \
         again, best as UTF-8",
        place.words(),
        encoding.name()
    ))
}

/// Reads the file from its start in pieces; the last one is empty and said to be the last.
fn pieces(
    file: &mut File,
    mut each: impl FnMut(&[u8], bool) -> Result<(), Incomplete>,
) -> Result<(), Incomplete> {
    file.seek(SeekFrom::Start(0)).map_err(|error| super::unreadable(&error))?;
    spool::pieces(file, &super::unreadable, &mut |piece| each(piece, false))?;
    each(&[], true)
}

/// Where a read stands, in lines and characters.
struct Place {
    line: u32,
    column: usize,
    after_cr: bool,
}

impl Default for Place {
    fn default() -> Self {
        Self { line: 1, column: 1, after_cr: false }
    }
}

impl Place {
    fn pass(&mut self, text: &str) {
        let mut rest = text;
        if self.after_cr && rest.starts_with('\n') {
            rest = rest.get(1..).unwrap_or("");
        }
        if !text.is_empty() {
            self.after_cr = text.ends_with('\r');
        }
        self.line = self.line.saturating_add(line_ends(rest.as_bytes()));
        match rest.rfind(['\n', '\r']) {
            Some(end) => self.column = 1 + rest.get(end + 1..).unwrap_or("").chars().count(),
            None => self.column += rest.chars().count(),
        }
    }

    fn words(&self) -> String {
        format!("line {}, column {}", self.line, self.column)
    }
}
