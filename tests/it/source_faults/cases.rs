//! The faults, each with the outcome that the specification demands of it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails here")]

use super::roster::{COLUMNS, Sheet, person};

/// What is wrong with a file, and what becomes of it.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) file: Vec<u8>,
    pub(super) expect: &'static str,
    /// How many lose coverage by it, all of them within the limits.
    pub(super) lose: usize,
}

fn case(name: impl Into<String>, file: impl Into<Vec<u8>>, expect: &'static str) -> Case {
    Case { name: name.into(), file: file.into(), expect, lose: 0 }
}

/// What is no roster at all.
pub(super) fn not_a_roster() -> Vec<Case> {
    let good = Sheet::good();
    let text = good.text();
    let header = good.header.join(",") + "\n";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin: Vec<u8> = text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    let twice: String = text.bytes().map(char::from).collect();
    let json = "{\"employees\": [{\"id\": \"E-100\", \"status\": \"Active\"}]}\n";
    vec![
        case("nothing, 0 bytes", "", "incomplete"),
        case("the header alone", header.as_str(), "incomplete"),
        case("line ends alone", "\n".repeat(60), "incomplete"),
        case("NUL bytes of the same length", vec![0; text.len()], "incomplete"),
        case("a program", b"\x7fELF\x02\x01\x01\0\0\0\0\0\xff\xfe\xfd\n\n".repeat(100), "incomplete"),
        case("an Excel workbook", b"PK\x03\x04\x14\0[Content_Types].xml\n".to_vec(), "incomplete"),
        case("a page of HTML", "<!doctype html>\n<html><body>Sign in</body></html>\n", "incomplete"),
        case("JSON", json, "incomplete"),
        case("the rows without the header", text.replace(&header, ""), "incomplete"),
        case("UTF-16 with its mark", [&b"\xff\xfe"[..], &utf16].concat(), "done"),
        case("UTF-16 without a mark", utf16, "incomplete"),
        case("Windows-1252 (é is one byte)", latin, "done"),
        case("UTF-8 encoded twice (Ã© for é)", twice, "done, 40 with other values"),
        case("the file after a second header", format!("{text}{text}"), "done"),
        case("two lines of a title above the header", format!("Roster\n\n{text}"), "incomplete"),
        case("a line with the total below", format!("{text}Total,52\n"), "done"),
        case("`;` for the delimiter", good.text_by(";"), "done"),
        case("tabs for the delimiter", good.text_by("\t"), "done"),
        case("a BOM in front", format!("\u{feff}{text}"), "done"),
        case("line ends of Windows", text.replace('\n', "\r\n"), "done"),
        case("old line ends of a Macintosh", text.replace('\n', "\r"), "done"),
        case("blank lines between the rows", text.replace('\n', "\n\n"), "done"),
        case("no line end at the end", text.trim_end(), "held: no_line_end"),
        case("a quote that is never closed", text.replacen("Last", "\"Last", 1), "incomplete"),
    ]
}

/// Another roster than today's.
pub(super) fn another_roster() -> Vec<Case> {
    let good = Sheet::good();
    let only = |keep: &dyn Fn(usize, &[String]) -> bool| {
        let mut sheet = good.clone();
        let mut at = 0;
        sheet.rows.retain(|row| {
            at += 1;
            keep(at - 1, row)
        });
        sheet.text()
    };
    let mut other = good.clone();
    other.rows = (200..240).map(|n| person(n, "Active")).collect();
    let strange =
        other.clone().turn("Employee ID", |ids| ids.iter_mut().for_each(|id| *id = format!("C{id}")));
    let mut renamed = good.clone();
    renamed.rows.iter_mut().for_each(|row| row[0] = row[0].replace("E-", "HR-0"));
    vec![
        case(
            "yesterday's file, without three who came to the east today",
            only(&|at, _| at > 2),
            "held: absent; acme-west goes out",
        ),
        case("only the five rows that changed", only(&|at, _| at % 10 == 0), "held: absent, fewer_rows"),
        case(
            "the leavers alone",
            only(&|_, row| row[11] != "Active"),
            "held and no approval: absent, fewer_rows, min_members",
        ),
        case(
            "one group alone",
            only(&|_, row| row[12] == "East"),
            "held: fewer_rows; held and no approval: absent, fewer_rows, min_members",
        ),
        case("the first half", only(&|at, _| at < 26), "held: absent, fewer_rows"),
        case("the second half", only(&|at, _| at >= 26), "held: absent, fewer_rows"),
        case("every second row", only(&|at, _| at % 2 == 0), "held: absent, fewer_rows"),
        case(
            "without the active people of one city",
            only(&|_, row| row[8] != "City3"),
            "held: absent, fewer_rows",
        ),
        case("another client's file", strange.text(), "held: absent, added, fewer_rows"),
        case(
            "another client's file, whose ids are the same in part",
            other.text(),
            "held: absent, changed_people, fewer_rows, moved; held: absent, changed_people, fewer_rows, moved, plan_changes",
        ),
        case("the same people under new ids", renamed.text(), "held: absent, added, renamed_ids"),
    ]
}

/// Names of columns.
pub(super) fn headers() -> Vec<Case> {
    let good = Sheet::good();
    let named = |change: &dyn Fn(&str) -> String| {
        let mut sheet = good.clone();
        sheet.header.iter_mut().for_each(|name| *name = change(name));
        sheet.text()
    };
    let mut turned = good.clone();
    turned.header.reverse();
    turned.rows.iter_mut().for_each(|row| row.reverse());
    let mut more = good.clone();
    more.header.insert(3, "Shoe Size".to_owned());
    more.rows.iter_mut().for_each(|row| row.insert(3, "42".to_owned()));
    let mut twice = good.clone();
    twice.header.push("Phone".to_owned());
    twice.rows.iter_mut().for_each(|row| row.push("5550000000".to_owned()));
    let mut cases = vec![
        case("names in capitals", named(&|name| name.to_uppercase()), "done"),
        case("more space in names", named(&|name| format!(" {}  ", name.replace(' ', "  "))), "done"),
        case("columns in another order", turned.text(), "done"),
        case("one more column", more.text(), "done"),
        case("one name twice", twice.text(), "incomplete"),
    ];
    for column in COLUMNS {
        let at = Sheet::column(column);
        let mut lost = good.clone();
        lost.header.remove(at);
        lost.rows.iter_mut().for_each(|row| drop(row.remove(at)));
        cases.push(case(format!("`{column}` lost"), lost.text(), "incomplete"));
        let new = |name: &str| if name == column { format!("{name} (new)") } else { name.to_owned() };
        cases.push(case(format!("`{column}` renamed"), named(&new), "incomplete"));
    }
    cases
}

/// What is expected when a column is emptied, swapped with its right neighbour, sorted alone, shifted by a row.
const TURNED: [(&str, [&str; 4]); 13] = [
    (
        "Employee ID",
        [
            "incomplete",
            "held: absent, added",
            "held: changed_people, ended, moved, plan_changes, renamed_ids; held: changed_people, moved, renamed_ids",
            "held: changed_people, ended, plan_changes, renamed_ids; held: changed_people, ended, renamed_ids",
        ],
    ),
    (
        "First Name",
        [
            "incomplete",
            "done, 40 with other values",
            "done, 38 with other values",
            "done, 40 with other values",
        ],
    ),
    ("Last Name", ["incomplete", "incomplete", "done, 39 with other values", "done, 40 with other values"]),
    ("Birth Date", ["incomplete", "incomplete", "done, 38 with other values", "done, 40 with other values"]),
    ("Phone", ["incomplete", "incomplete", "done, 38 with other values", "done, 40 with other values"]),
    (
        "Email",
        ["held: blank_column", "incomplete", "done, 37 with other values", "done, 40 with other values"],
    ),
    ("Plan", ["incomplete", "incomplete", "held: plan_changes", "held: plan_changes"]),
    (
        "Street",
        [
            "incomplete",
            "done, 40 with other values",
            "done, 38 with other values",
            "done, 40 with other values",
        ],
    ),
    ("City", ["incomplete", "incomplete", "done, 33 with other values", "done, 40 with other values"]),
    ("State", ["incomplete", "incomplete", "done, 29 with other values", "done, 39 with other values"]),
    ("Zip", ["incomplete", "incomplete", "done, 24 with other values", "done, 39 with other values"]),
    ("Status", ["incomplete", "incomplete", "", "held: ended"]),
    (
        "Division",
        [
            "held: blank_column, unrouted",
            "held and no approval: absent, min_members",
            "held: moved",
            "held: moved; acme-east goes out",
        ],
    ),
];

/// Columns whose values are no longer those of their rows.
pub(super) fn columns() -> Vec<Case> {
    let mut cases = Vec::new();
    for (column, [emptied, swapped, sorted, shifted]) in TURNED {
        let at = Sheet::column(column);
        let next = (at + 1) % COLUMNS.len();
        let good = Sheet::good;
        let empty = |values: &mut Vec<String>| values.iter_mut().for_each(String::clear);
        cases.push(case(format!("`{column}` emptied"), good().turn(column, empty).text(), emptied));
        let swap = good().each(|row| row.swap(at, next)).text();
        cases.push(case(format!("`{column}` swapped with `{}`", COLUMNS[next]), swap, swapped));
        // What becomes of that stands in another chapter.
        if column != "Status" {
            let sort = good().turn(column, |values| values.sort()).text();
            cases.push(case(format!("`{column}` sorted alone"), sort, sorted));
        }
        let shift = good().turn(column, |values| values.rotate_right(1)).text();
        cases.push(case(format!("`{column}` shifted down by one row"), shift, shifted));
    }
    cases
}

/// A value that breaks a rule: which column, what stands there then, what it is.
fn broken() -> Vec<(&'static str, String, &'static str)> {
    let long = "x".repeat(300);
    vec![
        ("First Name", String::new(), "blank"),
        ("Last Name", String::new(), "blank"),
        ("Last Name", long.clone(), "300 characters"),
        ("Last Name", "Last\u{7}Name".to_owned(), "a control character"),
        ("Birth Date", String::new(), "blank"),
        ("Birth Date", "02/30/1990".to_owned(), "no date of the calendar"),
        ("Birth Date", "1990-05-15".to_owned(), "another format"),
        ("Phone", String::new(), "blank"),
        ("Phone", "555-1234".to_owned(), "seven digits"),
        ("Phone", "5.55E+09".to_owned(), "a spreadsheet's number"),
        ("Email", "nobody at people".to_owned(), "no mail address"),
        ("Plan", "Platinum".to_owned(), "an unknown plan"),
        ("Plan", String::new(), "blank"),
        ("Street", String::new(), "blank"),
        ("City", String::new(), "blank"),
        ("City", long, "300 characters"),
        ("State", "Atlantis".to_owned(), "no state"),
        ("Zip", "1218".to_owned(), "four digits"),
        ("Status", "On Leave".to_owned(), "an unknown status"),
        ("Status", String::new(), "blank"),
        ("Division", "North".to_owned(), "an unknown group"),
        ("Division", String::new(), "blank"),
        ("Employee ID", String::new(), "blank"),
        ("Employee ID", "1.23E+05".to_owned(), "a spreadsheet's number"),
    ]
}

/// What each rule comes to when it is broken for one, for four and for all.
fn broken_expect(column: &str, what: &str) -> [&'static str; 3] {
    match (column, what) {
        ("Email", _) => {
            ["done, 1 row without a field", "done, 4 rows without a field", "done, 40 rows without a field"]
        }
        ("Division", "blank") => [
            "held: unrouted; acme-west goes out",
            "held: unrouted; acme-west goes out",
            "held: blank_column, unrouted",
        ],
        ("Division", _) => {
            ["held: unrouted; acme-west goes out", "held: unrouted; acme-west goes out", "held: unrouted"]
        }
        ("Employee ID", "blank") => [
            "held: nameless_rows; acme-west goes out, 1 row left out",
            "held: absent, invalid, nameless_rows; held: invalid",
            "incomplete",
        ],
        ("Employee ID", _) => ["incomplete", "incomplete", "incomplete"],
        _ => ["done, 1 row carried", "held: invalid; acme-west goes out", "incomplete"],
    }
}

/// Rules of the contract, broken for one member, for four of a group, and for all.
pub(super) fn rules() -> Vec<Case> {
    let mut cases = Vec::new();
    for (column, value, what) in broken() {
        let at = Sheet::column(column);
        let [one, four, all] = broken_expect(column, what);
        for (how_many, who, expect) in [(1, "one", one), (4, "four", four), (usize::MAX, "all", all)] {
            let mut sheet = Sheet::good();
            if how_many == usize::MAX {
                sheet.everybody().for_each(|row| row[at].clone_from(&value));
            } else {
                sheet.some(how_many).for_each(|row| row[at].clone_from(&value));
            }
            cases.push(case(format!("`{column}` has {what}, of {who}"), sheet.text(), expect));
        }
    }
    cases
}

/// Rows that are there too often, or say two things.
pub(super) fn rows() -> Vec<Case> {
    let add = |rows: &dyn Fn(&Sheet) -> Vec<Vec<String>>| {
        let mut sheet = Sheet::good();
        let more = rows(&sheet);
        sheet.rows.extend(more);
        sheet.text()
    };
    let east = |sheet: &Sheet, how_many: usize| -> Vec<Vec<String>> {
        sheet.clone().some(how_many).map(|row| row.clone()).collect()
    };
    let changed = |mut row: Vec<String>, column: &str, value: &str| {
        row[Sheet::column(column)] = value.to_owned();
        row
    };
    let contradict = |how_many: usize| {
        add(&move |sheet| {
            east(sheet, how_many).into_iter().map(|row| changed(row, "City", "Elsewhere")).collect()
        })
    };
    let everybody = Sheet::good();
    let blank_half =
        Sheet::good().turn("Employee ID", |ids| ids.iter_mut().step_by(2).for_each(String::clear));
    let mut nameless = Sheet::good();
    nameless.rows.remove(0);
    nameless.rows.push(changed(person(300, "Active"), "Employee ID", ""));
    let ragged = everybody.text().replacen("\n\"", "\n", 1).replacen("Active,East\n", "Active\n", 1);
    let comma = everybody.text().replacen("\"", "", 2);
    vec![
        case("one row twice, alike", add(&|sheet| east(sheet, 1)), "done"),
        case("all rows twice, alike", add(&|sheet| sheet.rows.clone()), "done"),
        case("one person twice, in two cities", contradict(1), "held: duplicates; acme-west goes out"),
        case(
            "four people twice, in two cities",
            contradict(4),
            "held: duplicates, invalid; acme-west goes out",
        ),
        case(
            "one person twice, in two groups",
            add(&|sheet| east(sheet, 1).into_iter().map(|row| changed(row, "Division", "West")).collect()),
            "held: duplicates",
        ),
        case(
            "one person covered and ended",
            add(&|sheet| {
                east(sheet, 1).into_iter().map(|row| changed(row, "Status", "Terminated")).collect()
            }),
            "done",
        ),
        case(
            "every second id blank",
            blank_half.text(),
            "held: absent, blank_column, invalid, nameless_rows",
        ),
        case(
            "one person gone, and one row without an id",
            nameless.text(),
            "held: nameless_rows; acme-west goes out, 1 row left out",
        ),
        case("a row with a cell too few", ragged, "held: ragged_rows; held: ragged_rows, unrouted"),
        case("a street with a comma and no quotes", comma, "held: ragged_rows"),
    ]
}

/// Faults that look like what the limits allow: a right file could say the same. Whoever they concern loses coverage.
pub(super) fn within_the_limits() -> Vec<Case> {
    let mut yesterday = Sheet::good();
    yesterday.rows.remove(0);
    let mut two = Sheet::good();
    let left = two.rows.iter().position(|row| row[11] != "Active").unwrap();
    let status = two.rows[left - 1][11].clone();
    two.rows[left - 1][11] = std::mem::replace(&mut two.rows[left][11], status);
    vec![
        Case {
            lose: 1,
            ..case("yesterday's file, without the one who came today", yesterday.text(), "done, 1 removed")
        },
        Case {
            lose: 1,
            ..case("`Status` of two neighbours taken for each other", two.text(), "done, 1 added, 1 removed")
        },
        Case {
            lose: 2,
            ..case(
                "`Status` sorted alone",
                Sheet::good().turn("Status", |values| values.sort()).text(),
                "held: ended; acme-west goes out, 3 added, 2 removed",
            )
        },
    ]
}

/// Cut after each percent of its bytes, and before each line end.
pub(super) fn cut_within_a_line() -> Vec<Case> {
    let text = Sheet::good().text();
    let bytes = text.as_bytes();
    let percents =
        (1..100).map(|percent| (format!("after {percent} % of its bytes"), text.len() * percent / 100));
    // One that happens to fall on a line end is in the other chapter.
    let percents = percents.filter(|(_, at)| bytes[at - 1] != b'\n');
    let lines = text.match_indices('\n').enumerate();
    let lines = lines.map(|(line, (at, _))| (format!("before the end of line {}", line + 1), at));
    percents.chain(lines).map(|(name, at)| case(name, &bytes[..at], "")).collect()
}

/// Cut after the line end of each line but the last few.
pub(super) fn cut_at_line_ends() -> Vec<Case> {
    let text = Sheet::good().text();
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let far = ends.len() - 7;
    let far = ends.iter().take(far).enumerate();
    far.map(|(line, at)| case(format!("after line {}", line + 1), &text.as_bytes()[..*at], "")).collect()
}

/// Cut after the line end of the last few lines: so many rows are lost, and nothing else tells.
pub(super) fn cut_near_the_end(expect: [&'static str; 6], lose: [usize; 6], text: &str) -> Vec<Case> {
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    (1..=6)
        .map(|rows| {
            let at = ends[ends.len() - 1 - rows];
            let name = if rows == 1 {
                "the last line lost".to_owned()
            } else {
                format!("the last {rows} lines lost")
            };
            Case { lose: lose[rows - 1], ..case(name, &text.as_bytes()[..at], expect[rows - 1]) }
        })
        .collect()
}
