//! `docs/faults.md`, written from the cases that are tested.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use super::{Chapter, cases, roster::Sheet};
use crate::world::Setup;
use std::{collections::BTreeMap, fmt::Write as _, fs};

const INTRODUCTION: &str = "# What happens when a file is wrong

<!-- Written by a test from the cases that it tests (tests/it/source_faults/). Do not edit it by hand. -->

For each fault below a good roster of 40 people, 26 in `acme-east` and 14 in `acme-west`, is covered at a local Vitable.
Then the file comes with the fault, a run is made, and it is counted who is no longer covered: **nobody**, but for those
in the last chapters, where a limit of the guard allows it. Every limit is at its default (`docs/guard.md`).

- **incomplete**: nothing of the feed is sent, and no approval changes that. The cure is at the source.
- **held**: nothing is sent for the group until a person approves it; the rule follows. Where two groups are held by
  different rules, both stand there. *And no approval* means that none can release it.
- **done**: the roster is sent. *Carried*: the last accepted record is sent again. *With other values*: the file says so,
  and no limit is on it.
";

const TRAILER: &str = "file:
      path: inbox/*.csv
      settle: 0s
    csv: { trailer: { starts_with: TRL, count_column: 2 } }";

/// The chapters, in their order.
#[expect(clippy::too_many_lines, reason = "one list, as the document has it")]
pub(super) fn chapters() -> Vec<Chapter> {
    let text = Sheet::good().text();
    let chapter =
        |title, about, cases| Chapter { title, about, setup: Setup::default(), end: "", cases, stated: true };
    let careful = Setup { guard: "absent: 0".to_owned(), ..Setup::default() };
    vec![
        chapter("No roster at all", "", cases::not_a_roster()),
        chapter("Another roster than today's", "", cases::another_roster()),
        chapter("Names of columns", "", cases::headers()),
        chapter("Columns whose values are not those of their rows", "", cases::columns()),
        chapter(
            "Rules broken",
            "One of the east, four of the east (`invalid` allows three), or all 52 rows.",
            cases::rules(),
        ),
        chapter("Rows that are there twice, or say too little", "", cases::rows()),
        Chapter { stated: false, ..chapter("Cut off within a line", "", cases::cut_within_a_line()) },
        Chapter {
            stated: false,
            ..chapter(
                "Cut off at the end of a line, six rows or more before the end",
                "",
                cases::cut_at_line_ends(),
            )
        },
        chapter(
            "Cut off at the end of one of the last lines",
            "Nothing in such a file tells that rows are missing. So many people may be gone without a word: one, or 5 % of a \
             group (`absent`). **Whoever is *removed* here has lost coverage.** The next two chapters close that hole.",
            cases::cut_near_the_end(
                [
                    "done, 1 removed",
                    "done, 1 removed",
                    "held: absent; acme-west goes out",
                    "held: absent; acme-west goes out",
                    "held: absent; acme-west goes out, 1 removed",
                    "held: absent, fewer_rows; held: fewer_rows",
                ],
                [1, 1, 0, 0, 1, 0],
                &text,
            ),
        ),
        Chapter {
            setup: careful,
            ..chapter(
                "The same with `guard: { absent: 0 }`",
                "For a source that marks leavers by a status, and leaves nobody out.",
                cases::cut_near_the_end(
                    [
                        "held: absent; acme-west goes out",
                        "held: absent; acme-west goes out",
                        "held: absent; acme-west goes out",
                        "held: absent; acme-west goes out",
                        "held: absent",
                        "held: absent, fewer_rows",
                    ],
                    [0; 6],
                    &text,
                ),
            )
        },
        Chapter {
            setup: Setup { place: Some(TRAILER.to_owned()), ..Setup::default() },
            end: "TRL,52\n",
            ..chapter(
                "The same with a last line that counts the rows (`trailer`)",
                "The best there is: ask for one where the export can write it.",
                cases::cut_near_the_end(["incomplete"; 6], [0; 6], &format!("{text}TRL,52\n")),
            )
        },
        chapter(
            "Within the limits",
            "A right file could say the same, and a limit of the guard lets it pass. **Whoever is *removed* here has lost \
             coverage.** `ended: 0` and `absent: 0` ask a person about each of them.",
            cases::within_the_limits(),
        ),
    ]
}

/// The document.
pub(super) fn text<'a>(chapters: &[Chapter], found: impl Iterator<Item = &'a [String]>) -> String {
    let mut text = INTRODUCTION.to_owned();
    for (chapter, found) in chapters.iter().zip(found) {
        write!(text, "\n## {}\n\n", chapter.title).unwrap();
        if !chapter.about.is_empty() {
            write!(text, "{}\n\n", chapter.about).unwrap();
        }
        if chapter.stated {
            text.push_str("| fault | what happens |\n| --- | --- |\n");
            for (case, found) in chapter.cases.iter().zip(found) {
                writeln!(text, "| {} | {found} |", case.name).unwrap();
            }
        } else {
            text.push_str("| what happens | in so many places |\n| --- | --- |\n");
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            found.iter().for_each(|found| *counts.entry(found).or_default() += 1);
            for (found, count) in counts {
                writeln!(text, "| {found} | {count} |").unwrap();
            }
        }
    }
    text
}

/// Fails when the document is another one; `INSTA_UPDATE=always` writes it.
#[expect(clippy::disallowed_methods, reason = "the documents are written anew when the snapshots are")]
pub(super) fn compare(text: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md");
    let update = std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always");
    if update {
        fs::write(path, text).unwrap();
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == text,
        "docs/faults.md is not what the cases say: run this test with INSTA_UPDATE=always"
    );
}
