use super::*;
use std::io::Write as _;

fn spool(text: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn read_all(
    text: &str,
    layout: Layout<'_>,
    columns: &[&str],
    dates: &[&str],
) -> Result<Vec<Vec<String>>, String> {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (columns, dates) = (own(columns), own(dates));
    let mut rows = Vec::new();
    let needed: Vec<Vec<String>> = columns.iter().map(|column| vec![column.clone()]).collect();
    let cells = Cells { columns: &columns, needed: &needed, dates: &dates };
    let tally = read(&mut spool(text), layout, cells, 0, &mut |step| {
        if let Step::Rows(table) = step {
            rows.extend(
                table
                    .rows()
                    .map(|row| (0..row.len()).map(|cell| row.cell(cell).to_owned()).collect::<Vec<_>>()),
            );
        }
        Ok(())
    })
    .map_err(|error| error.0)?;
    assert_eq!(tally.rows, rows.len() as u64);
    Ok(rows)
}

#[test]
fn records_become_rows_of_the_columns_that_the_mapping_asks_for() {
    let text = r#"{"data":[{"id":1001,"born":"1990-05-03T00:00:00-05:00","note":"1990-05-03T00:00:00Z","score":1001.0},
        {"id":"007","born":null,"note":"x","score":false}]}"#;
    let path = ListPath::parse("$.data").unwrap();
    let rows = read_all(text, Layout::List(&path), &["id", "born", "note", "score"], &["born"]).unwrap();
    assert_eq!(rows, [["1001", "1990-05-03", "1990-05-03T00:00:00Z", "1001.0"], ["007", "", "x", "false"]]);
}

#[test]
fn what_proves_that_something_is_missing_makes_the_read_incomplete() {
    let path = ListPath::parse("$.data").unwrap();
    let failed = |text: &str| read_all(text, Layout::List(&path), &["id", "home.city"], &[]).unwrap_err();
    let all: Vec<String> = [
        r#"{"data":[{"id":1},{"id":2,"home":null}]}"#,
        r#"{"data":[{"id":1,"home":{"city":{"name":"Troy"}}}]}"#,
        r#"{"data":[{"id":1,"home":{"city":"Troy"}},17]}"#,
        r#"{"data":[{"id":1,"home":{"city":"Troy"}}"#,
        r#"{"list":[]}"#,
        "<html>",
    ]
    .into_iter()
    .map(failed)
    .collect();
    assert!(!all.join("\n").contains("Troy"));
    insta::assert_snapshot!(all.join("\n"));
    // One record that has it is enough, and an empty list lacks no column: `min_rows` judges it.
    assert_eq!(
        read_all("{\"a\":1}\n{\"b\":null}\n", Layout::Lines, &["b"], &[]),
        Ok(vec![vec![String::new()]; 2])
    );
    assert_eq!(read_all("", Layout::Lines, &["b"], &[]), Ok(vec![]));
}

#[test]
fn only_the_time_after_a_date_is_cut() {
    for (text, expected) in [
        ("1990-05-03T23:59:59.999+14:00", "1990-05-03"),
        ("1990-05-03 00:00:00", "1990-05-03"),
        ("1990-05-03T00:00", "1990-05-03"),
        ("1990-05-03", "1990-05-03"),
        ("1990-05-03Tonight", "1990-05-03Tonight"),
        ("1990-05-03T", "1990-05-03T"),
        ("05/03/1990 00:00:00", "05/03/1990 00:00:00"),
        ("äöü-05-03T00:00", "äöü-05-03T00:00"),
    ] {
        assert_eq!(date(text), expected, "{text}");
    }
}
