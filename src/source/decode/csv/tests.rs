use super::*;
use proptest::prelude::*;
use std::io::Write as _;

/// Header names, then each row with its record, line and cells.
type Seen = (Vec<String>, Vec<(u32, u32, Vec<String>)>);

fn spool(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn read_all(chunk: usize, bytes: &[u8], csv: &Csv) -> Result<(Tally, Seen), String> {
    let mut seen: Seen = Default::default();
    let tally = read_by(chunk, &mut spool(bytes), csv, 7, &mut |step| {
        match step {
            Step::Header(header) => seen.0 = header.names.clone(),
            Step::Rows(table) => {
                assert!(!table.is_empty());
                for row in table.rows() {
                    assert_eq!(row.at().source, 7);
                    let cells = (0..row.len()).map(|column| row.cell(column).to_owned()).collect();
                    seen.1.push((row.at().record, row.at().line, cells));
                }
            }
        }
        Ok(())
    })
    .map_err(|incomplete| incomplete.0)?;
    assert_eq!(tally.header.names, seen.0);
    assert_eq!(tally.rows, seen.1.len() as u64);
    Ok((tally, seen))
}

fn rows(bytes: &[u8], csv: &Csv) -> Vec<(u32, u32, Vec<String>)> {
    let whole = read_all(CHUNK, bytes, csv).unwrap();
    for chunk in [8, 9, 13, 64] {
        assert_eq!(read_all(chunk, bytes, csv).unwrap(), whole, "in chunks of {chunk}");
    }
    whole.1.1
}

fn why(bytes: &[u8], csv: &Csv) -> String {
    let whole = read_all(CHUNK, bytes, csv).unwrap_err();
    for chunk in [8, 9, 13, 64] {
        // What the file looks like is told from its first bytes, more than the smallest chunks have.
        assert!(read_all(chunk, bytes, csv).is_err(), "in chunks of {chunk}");
    }
    whole
}

fn with_trailer(count_column: Option<u32>) -> Csv {
    Csv { trailer: Some(Trailer { starts_with: "TRL".into(), count_column }), ..Csv::default() }
}

fn row(record: u32, line: u32, cells: &[&str]) -> (u32, u32, Vec<String>) {
    (record, line, cells.iter().map(|&cell| cell.to_owned()).collect())
}

#[test]
fn cells_come_back_as_rfc_4180_writes_them() {
    let csv = Csv::default();
    for (text, expected) in [
        ("a,b\n1,2\n", vec![row(1, 2, &["1", "2"])]),
        ("a,b\r\n1,2\r\n3,4", vec![row(1, 2, &["1", "2"]), row(2, 3, &["3", "4"])]),
        ("a,b\r1,2\r3,4\r", vec![row(1, 2, &["1", "2"]), row(2, 3, &["3", "4"])]),
        ("\u{feff}a,b\n1,\n", vec![row(1, 2, &["1", ""])]),
        ("a,b\n1,", vec![row(1, 2, &["1", ""])]),
        ("a,b\n\"x\"\"y\",\"\"\n", vec![row(1, 2, &["x\"y", ""])]),
        ("a,b\n\"\"\"\",\"a,b\"\n", vec![row(1, 2, &["\"", "a,b"])]),
        ("a,b\n5\" pipe,x\"y\n", vec![row(1, 2, &["5\" pipe", "x\"y"])]),
        ("a,b\n\u{e9},\u{20ac}\u{1f600}\n", vec![row(1, 2, &["\u{e9}", "\u{20ac}\u{1f600}"])]),
        ("a,b\n\"1\r\n\n2\",x\n\n  \n3,4\n", vec![row(1, 2, &["1\r\n\n2", "x"]), row(2, 7, &["3", "4"])]),
        ("a\n\"\"\n\nx\n", vec![row(1, 2, &[""]), row(2, 4, &["x"])]),
        ("a,b\n", vec![]),
        ("a,b", vec![]),
    ] {
        assert_eq!(rows(text.as_bytes(), &csv), expected, "{text:?}");
    }
}

#[test]
fn the_header_may_stand_below_a_title() {
    let csv = Csv { header_row: 3, delimiter: Some(b';'), ..Csv::default() };
    let text = b"Roster \"of\r\nmade, today\r\n id ;\"Last;Name\"\r\n1;2\r\n";
    assert_eq!(rows(text, &csv), vec![row(1, 4, &["1", "2"])]);
    let (tally, seen) = read_all(CHUNK, text, &csv).unwrap();
    assert_eq!(seen.0, ["id", "Last;Name"]);
    assert_eq!(tally.header.line, 3);
    assert!(why(b"one\ntwo\n", &csv).contains("before the header on line 3"));
    assert!(why(b"one\ntwo\n\n1,2\n", &csv).contains("line 3 should hold the column names"));
}

#[test]
fn ragged_rows_are_counted_and_handed_on() {
    let mut text = String::from("a,b\n1,2\n");
    for _ in 0..60 {
        text.push_str("1\n1,2,3\n");
    }
    let (tally, seen) = read_all(CHUNK, text.as_bytes(), &Csv::default()).unwrap();
    assert_eq!((tally.rows, tally.ragged_rows, tally.ragged.len()), (121, 120, 50));
    assert_eq!((tally.ragged[0].record, tally.ragged[0].line), (2, 3));
    assert_eq!(seen.1[2], row(3, 4, &["1", "2", "3"]));
    assert!(tally.ends_with_newline);
    assert!(!read_all(CHUNK, b"a,b\n1,2", &Csv::default()).unwrap().0.ends_with_newline);
}

#[test]
fn what_proves_that_something_is_missing_is_said() {
    let csv = Csv::default();
    for (bytes, expected) in [
        (&b""[..], "the file is empty"),
        (b"\n\n", "line 1 should hold the column names"),
        (b"\xEF\xBB\xBF", "before the header on line 1"),
        (b"a,b\n1,\"2\n3,4\n", "the one that opens on line 2 is never closed"),
        (b"a,b\n\"1\n2\",\"2\n3,4\n", "the one that opens on line 3 is never closed"),
        (b"a,b\n\"1\"x,2\n", "the quoted cell 1 of the record on line 2, opened on line 2,"),
        (b"a,b\n\"1\n\",\"2\" \n", "the quoted cell 2 of the record on line 2, opened on line 3,"),
        (b"a,b\nx,y\0z\n", "line 2, column 4 (counted in bytes) is a NUL byte"),
        (b"a,b\n1,2\nJos\xE9,2\n", "line 3, column 4 (counted in bytes) is not UTF-8"),
        (b"a,b\n1,Jos\xC3", "line 2, column 6 (counted in bytes) is not UTF-8"),
        (b"<html><body>Sign in</body></html>", "an HTML page"),
        (b"\xFF\xFEa\0,\0b\0", "text in UTF-16"),
        (b"a\0,\0b\0\n\0", "a NUL byte"),
    ] {
        let message = why(bytes, &csv);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn no_message_holds_the_text_of_a_cell() {
    for bytes in [
        &b"id,name\nQuirin,\"Zebedee\n"[..],
        b"id,name\n\"Quirin\"Zebedee,x\n",
        b"id,name\nQuirin,Zebedee\0\n",
        b"id,name\nQuirin,Zebedee\xE9\n",
        b"id,name\nTRL,Zebedee\n",
        b"id,name\nTRL,1\nQuirin,Zebedee\n",
        b"id,name\nTRL,0\nQuirin,Zebedee\n",
    ] {
        let message = why(bytes, &with_trailer(Some(2)));
        assert!(!message.contains("Zebedee") && !message.contains("Quirin"), "{message}");
    }
}

#[test]
fn the_trailer_proves_that_the_file_is_whole() {
    let counted = with_trailer(Some(2));
    assert_eq!(rows(b"a,b\n1,2\n3,4\nTRL,2\n\n", &counted).len(), 2);
    assert_eq!(rows(b"a,b\n1,2\n\"TRL\", 0001 \n", &counted).len(), 1);
    assert_eq!(rows(b"a,b\n1,2\nTRL\n", &with_trailer(None)).len(), 1);
    let (tally, _) = read_all(CHUNK, b"a,b\n1,2\nTRL,1,x\n", &counted).unwrap();
    assert_eq!(tally.ragged_rows, 0);
    for (bytes, expected) in [
        (&b"a,b\n1,2\n"[..], "does not begin with `TRL`"),
        (b"a,b\n1,2\nTRL,2\n", "counts 2 rows, the file has 1"),
        (b"a,b\n1,2\nTRL\n", "no column 2"),
        (b"a,b\n1,2\nTRL,\n", "is not a number of rows (0 characters)"),
        (b"a,b\n1,2\nTRL,+1\n", "is not a number of rows (2 characters)"),
        (b"a,b\n1,2\nTRL,1\n3,4\n", "line 4 follows the trailer on line 3"),
    ] {
        let message = why(bytes, &counted);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_cut_file_is_never_taken_for_a_whole_one() {
    let text = "id,name\r\n1,\"O\"\"Neil, \u{e9}\"\r\n2,\"two\r\nlines\"\r\n3,c\r\nTRL,3\r\n".as_bytes();
    let counted = with_trailer(Some(2));
    let (_, whole) = read_all(CHUNK, text, &counted).unwrap();
    // Only a line end may be missing: then everybody is still there.
    for end in 0..text.len() - 2 {
        assert!(read_all(CHUNK, &text[..end], &counted).is_err(), "cut at {end}");
    }
    for end in text.len() - 2..text.len() {
        let (tally, seen) = read_all(CHUNK, &text[..end], &counted).unwrap();
        assert_eq!(seen, whole);
        assert_eq!(tally.ends_with_newline, end == text.len() - 1);
    }
    // Without a trailer a cut inside a quoted cell or a character is still noticed.
    let plain = &text[..text.len() - 7];
    for end in 0..plain.len() {
        let cut = &plain[..end];
        let inside = cut.iter().filter(|&&byte| byte == b'"').count() % 2 == 1;
        if inside || std::str::from_utf8(cut).is_err() {
            assert!(read_all(CHUNK, cut, &Csv::default()).is_err(), "cut at {end}");
        }
    }
}

#[test]
fn a_record_of_more_than_ten_megabytes_is_refused() {
    let mut text = b"a,b\n1,\"".to_vec();
    text.resize(10_100_000, b'x');
    text.extend(b"\",2\n");
    let message = read_all(CHUNK, &text, &Csv::default()).unwrap_err();
    assert!(message.contains("begins on line 2 is larger than 10 MB"), "{message}");
}

#[test]
fn batches_are_bounded_and_complete() {
    let mut text = String::from("id,name\n");
    for id in 0..40_000 {
        text.push_str(&format!("{id},name of {id}\n"));
    }
    let (mut batches, mut people) = (0, 0);
    let tally = read(&mut spool(text.as_bytes()), &Csv::default(), 0, &mut |step| {
        if let Step::Rows(table) = step {
            assert!(table.len() <= crate::source::decode::rows::BATCH_ROWS);
            for row in table.rows() {
                assert_eq!(row.cell(0), people.to_string());
                assert_eq!(row.at().line, people + 2);
                people += 1;
            }
            batches += 1;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(
        (tally.rows, batches),
        (40_000, 40_000_usize.div_ceil(crate::source::decode::rows::BATCH_ROWS))
    );
}

#[test]
fn what_the_sink_refuses_ends_the_read() {
    let refused = read(&mut spool(b"a\n1\n"), &Csv::default(), 0, &mut |_| Err(Incomplete("no".into())));
    assert_eq!(refused, Err(Incomplete("no".into())));
}

proptest! {
    #[test]
    fn what_the_csv_crate_writes_comes_back(
        table in (2_usize..5).prop_flat_map(|width| prop::collection::vec(
            prop::collection::vec("[ -~\\n\\r\"\"\",\u{e9}\u{20ac}\u{1f600}]{0,12}", width..=width), 0..12)),
        chunk in 8_usize..80,
        crlf: bool,
    ) {
        let width = table.first().map_or(2, Vec::len);
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
        writer.write_record((0..width).map(|column| format!("h{column}"))).unwrap();
        for cells in &table {
            writer.write_record(cells).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let (tally, (_, found)) = read_all(chunk, &bytes, &Csv::default()).unwrap();
        let found: Vec<Vec<String>> = found.into_iter().map(|(_, _, cells)| cells).collect();
        let mut table = table;
        // Empty rows below the last person are nobody's.
        while table.last().is_some_and(|cells| cells.iter().all(|cell| cell.trim().is_empty())) {
            table.pop();
        }
        prop_assert_eq!(found, table);
        prop_assert_eq!(tally.ragged_rows, 0);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), chunk in 8_usize..80) {
        let in_chunks = read_all(chunk, &bytes, &Csv::default());
        let whole = read_all(CHUNK, &bytes, &Csv::default());
        prop_assert_eq!(in_chunks.is_ok(), whole.is_ok());
    }
}
