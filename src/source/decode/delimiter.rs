//! What stands between the cells, when nobody has said it.

use super::Incomplete;

const CANDIDATES: [u8; 4] = [b',', b';', b'|', b'\t'];
/// So many records are looked at.
const RECORDS: usize = 20;

/// Finds it in the beginning of a file whose header stands on line `header_row`: what cuts the header into cells and
/// the rows below it into as many. A wrong one would lose mapped columns, which is an incomplete read.
///
/// # Errors
/// When two would do equally well.
pub(super) fn find(sample: &[u8], header_row: u32) -> Result<u8, Incomplete> {
    let mut below = sample.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(sample);
    for _ in 1..header_row {
        let end = memchr::memchr2(b'\n', b'\r', below);
        let length =
            end.map_or(
                below.len(),
                |end| if below.get(end..end + 2) == Some(b"\r\n") { end + 2 } else { end + 1 },
            );
        below = below.get(length..).unwrap_or(&[]);
    }
    let cut: Vec<(u8, Vec<usize>)> = CANDIDATES
        .into_iter()
        .map(|delimiter| (delimiter, widths(below, delimiter)))
        .filter(|(_, widths)| widths.first().is_some_and(|width| *width > 1))
        .collect();
    let steady: Vec<u8> = cut
        .iter()
        .filter(|(_, widths)| widths.iter().all(|width| widths.first() == Some(width)))
        .map(|(delimiter, _)| *delimiter)
        .collect();
    let widest = cut.iter().filter_map(|(_, widths)| widths.first()).max().copied();
    let widest: Vec<u8> = cut
        .iter()
        .filter(|(_, widths)| widths.first().copied() == widest)
        .map(|(delimiter, _)| *delimiter)
        .collect();
    match (cut.as_slice(), steady.as_slice(), widest.as_slice()) {
        ([], _, _) => Ok(b','),
        ([(one, _)], _, _) | (_, [one], _) | (_, _, [one]) => Ok(*one),
        _ => Err(Incomplete(
            "it cannot be told what stands between the cells, since more than one of `,`, `;`, `|` and the tab cut the \
             header alike; write `csv: { delimiter: … }`"
                .to_owned(),
        )),
    }
}

/// How many cells each of the first records has; the last one only when it is whole or the only one.
fn widths(text: &[u8], delimiter: u8) -> Vec<usize> {
    let mut widths = Vec::new();
    let (mut cells, mut begins, mut quoted, mut solid) = (1, true, false, false);
    for &byte in text {
        if quoted {
            // A doubled quote closes and opens again, which counts the same.
            quoted = byte != b'"';
            continue;
        }
        match byte {
            b'"' if begins || solid => (quoted, begins) = (true, false),
            b'\n' | b'\r' => {
                if cells > 1 || !begins {
                    widths.push(cells);
                }
                if widths.len() >= RECORDS {
                    return widths;
                }
                (cells, begins, solid) = (1, true, false);
                continue;
            }
            byte if byte == delimiter => {
                cells += 1;
                (begins, solid) = (true, false);
                continue;
            }
            // A quote behind any of them opens a cell.
            byte => begins = CANDIDATES.contains(&byte),
        }
        solid = byte == b'"';
    }
    if widths.is_empty() {
        widths.push(cells);
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cuts_the_header_is_the_delimiter() {
        for (text, row, expected) in [
            ("id,name\n1,a\n", 1, b','),
            ("id;name;mail\r\n1;a,b;c\r\n2;x,y;z", 1, b';'),
            ("id|name\n1|a\n", 1, b'|'),
            ("id\tname, first\n1\ta\n", 1, b'\t'),
            ("\u{feff}id;\"Last, First\"\n1;\"a, b\"\n", 1, b';'),
            ("Roster, of, all\r\nmade today\nid;name\n1;a\n", 3, b';'),
            ("id,Name|Full\n1,a\n2,b\n", 1, b','),
            ("one\nx,y\n", 1, b','),
            ("id,\"a\"\";b\"\n1,2\n", 1, b','),
            ("", 1, b','),
            ("id,name;x,y\n1,2\n3,4;5;6\n", 1, b','),
        ] {
            assert_eq!(find(text.as_bytes(), row).map(char::from), Ok(char::from(expected)), "{text:?}");
        }
        assert!(find(b"a,b;c\n1,2;3\n", 1).is_err());
    }
}
