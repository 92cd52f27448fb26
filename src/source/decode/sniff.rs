//! What the first bytes of a file say that it is, when it is no delimited text.

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

/// What the file looks like from its first bytes (some kilobytes of them), or nothing when it may be CSV.
pub(super) fn foreign(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(b"PK\x03\x04") {
        let workbook = memchr::memmem::find(start, b"[Content_Types].xml").is_some()
            || memchr::memmem::find(start, b"xl/").is_some();
        return Some(if workbook { "an Excel workbook (.xlsx)" } else { "a zip archive" });
    }
    if let Some((_, kind)) = SIGNATURES.iter().find(|(bytes, _)| start.starts_with(bytes)) {
        return Some(kind);
    }
    // RFC 4880, 4.2: the packets that an encrypted or signed binary message begins with. None of these bytes
    // can begin UTF-8 text.
    if matches!(start.first(), Some(0x84 | 0x85 | 0x8C | 0x90 | 0xA3 | 0xA8)) || start.first() == Some(&0xC1)
    {
        return Some("a binary OpenPGP message");
    }
    markup(start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start))
}

/// HTML and JSON, with any white space before them. Error pages and API answers arrive under a CSV file's
/// name.
fn markup(text: &[u8]) -> Option<&'static str> {
    let mut solid = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    match (solid.next(), solid.next()) {
        (Some(b'<'), _) => Some("an HTML page or an XML document"),
        (Some(b'{'), Some(b'"' | b'}')) | (Some(b'['), Some(b'{' | b'[' | b']' | b'"')) => Some("JSON"),
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
            (b"\x85\x01\x0C", "a binary OpenPGP message"),
            (b"\xC1\xC0\x4C", "a binary OpenPGP message"),
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
