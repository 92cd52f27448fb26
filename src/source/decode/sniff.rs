//! What the first bytes of a file say that it is, when it is no delimited text.

/// What has a key of its own beside `csv`.
pub(super) const WORKBOOK: &str = "an Excel workbook (.xlsx)";
/// The other one.
pub(super) const JSON: &str = "JSON";

/// Signatures of what HR systems and file servers send in place of a CSV file, longest first where one begins
/// another (each format's own specification).
const SIGNATURES: [(&[u8], &str); 12] = [
    (b"\x00\x00\xFE\xFF", "text in UTF-32"),
    (b"\xFF\xFE\x00\x00", "text in UTF-32"),
    (b"\xFF\xFE", "text in UTF-16"),
    (b"\xFE\xFF", "text in UTF-16"),
    (b"\x1F\x8B", "a gzip file"),
    (b"-----BEGIN PGP", "an OpenPGP message"),
    (b"%PDF-", "a PDF document"),
    (b"\xD0\xCF\x11\xE0", "an old Excel workbook (.xls)"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (b"Rar!\x1A", "a RAR archive"),
    (b"BZh", "a bzip2 file"),
    (b"\xFD7zXZ", "an xz file"),
];

/// What wraps a file that is meant.
pub(super) enum Container {
    OpenPgp,
    Gzip,
    /// A zip archive, which a workbook is too.
    Zip,
}

/// What is around the file, by its first bytes.
pub(super) fn container(start: &[u8]) -> Option<Container> {
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        Some(Container::Zip)
    } else if start.starts_with(b"\x1F\x8B") {
        Some(Container::Gzip)
    } else if start.trim_ascii_start().starts_with(b"-----BEGIN PGP") || is_openpgp(start) {
        Some(Container::OpenPgp)
    } else {
        None
    }
}

/// RFC 9580, 4.2: the packets that an encrypted or signed binary message begins with, and the version that stands
/// behind the length. Such a byte cannot begin UTF-8, and a number below 7 behind it is no text in any encoding.
fn is_openpgp(start: &[u8]) -> bool {
    let (Some(&tag), rest) = (start.first(), start.get(1..).unwrap_or(&[])) else {
        return false;
    };
    let (kind, header) = match tag {
        0x80..=0xBF => ((tag >> 2) & 0x0F, [1, 2, 4, 0].get(usize::from(tag & 3)).copied().unwrap_or(0)),
        0xC0..=0xFF => match rest.first() {
            Some(0xC0..=0xDF) => (tag & 0x3F, 2),
            Some(0xFF) => (tag & 0x3F, 5),
            _ => (tag & 0x3F, 1),
        },
        0..=0x7F => return false,
    };
    let version = rest.get(header).copied().unwrap_or(0xFF);
    match kind {
        // An encrypted session key, a signature that follows, a signature.
        1..=4 => (1..=6).contains(&version),
        // Compressed or encrypted data.
        8 => version <= 3,
        18 | 20 => (1..=2).contains(&version),
        _ => false,
    }
}

/// What the file looks like from its first bytes (some kilobytes of them), or nothing when it may be CSV.
pub(super) fn foreign(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(b"PK\x03\x04") {
        let workbook = memchr::memmem::find(start, b"[Content_Types].xml").is_some()
            || memchr::memmem::find(start, b"xl/").is_some();
        return Some(if workbook { WORKBOOK } else { "a zip archive" });
    }
    if let Some((_, kind)) = SIGNATURES.iter().find(|(bytes, _)| start.starts_with(bytes)) {
        return Some(kind);
    }
    if is_openpgp(start) {
        return Some("a binary OpenPGP message");
    }
    markup(start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start))
}

/// Whether JSON is a list from its first character on.
pub(super) fn is_list(start: &[u8]) -> bool {
    start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start().starts_with(b"[")
}

/// HTML and JSON, with any white space before them. Error pages and API answers arrive under a CSV file's
/// name.
fn markup(text: &[u8]) -> Option<&'static str> {
    let mut solid = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    match (solid.next(), solid.next()) {
        (Some(b'<'), _) => Some("an HTML page or an XML document"),
        (Some(b'{'), Some(b'"' | b'}')) | (Some(b'['), Some(b'{' | b'[' | b']' | b'"')) => Some(JSON),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_csv_is_named() {
        for (start, kind) in [
            (&b"PK\x03\x04....[Content_Types].xml"[..], "an Excel workbook (.xlsx)"),
            (b"PK\x03\x04....roster.csv", "a zip archive"),
            (b"\x1F\x8B\x08", "a gzip file"),
            (b"-----BEGIN PGP MESSAGE-----", "an OpenPGP message"),
            (b"\x85\x01\x0C\x03", "a binary OpenPGP message"),
            (b"\xC1\xC0\x4C\x03", "a binary OpenPGP message"),
            (b"\xFF\xFEI\x00", "text in UTF-16"),
            (b"  <!DOCTYPE html>", "an HTML page or an XML document"),
            (b"\xEF\xBB\xBF<html>", "an HTML page or an XML document"),
            (b"{ \"employees\": []", "JSON"),
            (b"[\n {\"id\"", "JSON"),
        ] {
            assert_eq!(foreign(start), Some(kind));
        }
        for start in [&b"id,name\n"[..], b"[id],name\n", b"\xEF\xBB\xBFid", b"", b"{id},b"] {
            assert_eq!(foreign(start), None);
        }
    }
}
