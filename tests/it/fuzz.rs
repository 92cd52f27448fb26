//! The corpus of the fuzz targets through the checks of the fuzz targets (`fuzz/README.md`): what was once found out
//! stays true, without the tools of a fuzzer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::{fs, path::Path};

#[path = "../../fuzz/src/lib.rs"]
#[expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    reason = "a library of its own beside, whose checks fail by a panic"
)]
mod targets;

/// Every input that is kept for a target.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 20, "the corpus is there");
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        assert!(std::panic::catch_unwind(|| check(&bytes)).is_ok(), "{}", path.display());
    }
}

#[test]
fn csv_files_are_read_as_they_stand() {
    replay("csv", targets::csv);
}

#[test]
fn a_trailer_tells_of_everybody_who_is_missing() {
    replay("trailer", targets::trailer);
}

#[test]
fn archives_give_what_was_put_in_or_nothing() {
    replay("archives", targets::archives);
}

#[test]
fn known_hosts_trust_nobody_whom_they_should_not() {
    replay("known_hosts", targets::known_hosts);
}
