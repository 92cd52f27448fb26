//! What the files of a feed come to, put together from file to file and judged source by source.

use super::reading::{Reading, incomplete, named};
use crate::{
    decide,
    ledger::{FileReport, ReadReport},
    mapping::MapReport,
    roster::{PeopleBuilder, ReferenceId, SourceShape},
    source::{self, Take, decode::Tally},
};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// How many problem rows of an incomplete read are shown.
const SHOWN_PROBLEMS: usize = 20;
/// How many pairs of members a note names.
const NAMED_PAIRS: usize = 10;
/// So many digits of a SHA-256 stand for what was read.
const EVIDENCE: usize = 16;

/// Something to know that holds nothing.
#[derive(Debug)]
pub(super) struct Note {
    /// The sentence, without any number.
    pub(super) text: String,
    /// In how many rows.
    rows: u64,
    /// Whether it may be why rows cannot be used.
    pub(super) explains: bool,
}

impl Note {
    /// Members who are probably one person twice. Nothing is held for them: whether they are, only a person can
    /// tell.
    pub(super) fn look_alikes(pairs: &[(ReferenceId, ReferenceId)]) -> Option<Self> {
        let named: Vec<String> =
            pairs.iter().take(NAMED_PAIRS).map(|(one, other)| format!("{one} and {other}")).collect();
        let more = if pairs.len() > NAMED_PAIRS { ", and others" } else { "" };
        let members: BTreeSet<&ReferenceId> = pairs.iter().flat_map(|(one, other)| [one, other]).collect();
        (!pairs.is_empty()).then(|| Self {
            text: format!(
                "the same mail address and date of birth, so probably one person twice: {}{more}",
                named.join(", ")
            ),
            rows: u64::try_from(members.len()).unwrap_or(u64::MAX),
            explains: false,
        })
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} {})", self.text, self.rows, if self.rows == 1 { "row" } else { "rows" })
    }
}

/// Rows on their way, handed from file to file.
pub(super) struct Gathering {
    pub(super) builder: PeopleBuilder,
    pub(super) report: ReadReport,
    pub(super) shapes: BTreeMap<String, SourceShape>,
    pub(super) evidence: BTreeMap<String, String>,
    pub(super) notes: Vec<Note>,
    /// The files so far of the source that is read now.
    source: Parts,
}

/// The files of one source, taken together.
#[derive(Default)]
struct Parts {
    shape: SourceShape,
    /// Rows that cannot be used.
    unusable: u64,
    /// What proves that the read is incomplete.
    findings: Vec<String>,
    /// The SHA-256 of each file.
    hashes: Vec<String>,
    /// Paths at which no record of any file has anything.
    unseen: Option<BTreeSet<String>>,
}

impl Gathering {
    pub(super) fn new(builder: PeopleBuilder) -> Self {
        Self {
            builder,
            report: ReadReport::default(),
            shapes: BTreeMap::new(),
            evidence: BTreeMap::new(),
            notes: Vec::new(),
            source: Parts::default(),
        }
    }

    /// Takes down what one file came to.
    pub(super) fn add(
        &mut self,
        settings: &source::Settings,
        file: FileReport,
        tally: Tally,
        map: MapReport,
    ) {
        self.report.rows += tally.rows;
        for (repair, rows) in &map.repairs {
            *self.report.repairs.entry(repair.clone()).or_default() += rows;
        }
        self.note_values(&settings.name, &map);
        if tally.passed_over_lines > 0 {
            let what = "nobody's lines were passed over: the header once more, totals, empty rows at the end";
            self.note(named(&settings.name, what), tally.passed_over_lines, false);
        }
        let whose = match settings.pick.take {
            Take::Newest => format!("source `{}`", settings.name),
            Take::All => format!("source `{}`, file `{}`", settings.name, file.path),
        };
        let parts = &mut self.source;
        parts.findings.extend(map.proofs().iter().map(|proof| format!("{whose}: {proof}")));
        parts.unusable += map.unusable;
        parts.hashes.push(file.sha256.clone());
        parts.add(tally, map.filled);
        self.report.files.push(file);
    }

    /// What the counts of a source prove, when all its files have been read. Of a file that was named in place of the
    /// source's own (`by_hand`) nobody can say how many there should be.
    pub(super) fn judge(mut self, settings: &source::Settings, by_hand: bool) -> Result<Self, Reading> {
        let Parts { mut shape, unusable, mut findings, hashes, unseen } = std::mem::take(&mut self.source);
        for path in unseen.into_iter().flatten() {
            let what = format!("no record has anything at `{path}`, so nobody has that");
            self.note(named(&settings.name, &what), shape.rows, false);
        }
        findings.extend(decide::incomplete(&settings.name, shape.rows, settings.min_rows, unusable));
        if !findings.is_empty() {
            findings.extend(self.notes.iter().map(ToString::to_string));
            // What is wrong with the rows is what the reader needs: the first of them stand for all.
            let people = self.builder.finish();
            self.report.problems = super::report::first_problems(&people, SHOWN_PROBLEMS);
            self.report.problem_rows = unusable;
            return Err(incomplete(self.report, findings));
        }
        if by_hand {
            shape.files = None;
        }
        self.evidence.insert(settings.name.clone(), evidence(&hashes));
        self.shapes.insert(settings.name.clone(), shape);
        Ok(self)
    }

    fn note_values(&mut self, source: &str, map: &MapReport) {
        for (what, values) in [
            ("status", &map.unknown_statuses),
            ("group value", &map.unlisted_groups),
            ("plan", &map.unlisted_plans),
        ] {
            for (value, rows) in values {
                self.note(named(source, &format!("{what} `{value}` is in no list")), *rows, true);
            }
        }
    }

    /// Says something once, however many files it is true of.
    fn note(&mut self, text: String, rows: u64, explains: bool) {
        match self.notes.iter_mut().find(|note| note.text == text) {
            Some(note) => note.rows += rows,
            None => self.notes.push(Note { text, rows, explains }),
        }
    }
}

impl Parts {
    fn add(&mut self, tally: Tally, filled: BTreeMap<String, u64>) {
        let first = self.shape.files.is_none();
        let shape = &mut self.shape;
        shape.files = Some(shape.files.unwrap_or(0) + 1);
        shape.rows += tally.rows;
        shape.ragged_rows += tally.ragged_rows;
        shape.ends_with_newline = tally.ends_with_newline && (first || shape.ends_with_newline);
        for (column, rows) in filled {
            *shape.filled.entry(column).or_default() += rows;
        }
        if first {
            shape.header = tally.header.names;
        }
        let unseen = tally.unseen.into_iter();
        self.unseen = Some(match self.unseen.take() {
            None => unseen.collect(),
            Some(before) => unseen.filter(|path| before.contains(path)).collect(),
        });
    }
}

/// What an approval of a suspicious read is for: the file, or all of them together.
fn evidence(hashes: &[String]) -> String {
    let all = match hashes {
        [one] => one.clone(),
        hashes => {
            let mut all = Sha256::new();
            hashes.iter().for_each(|hash| all.update(hash));
            all.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
        }
    };
    all.chars().take(EVIDENCE).collect()
}
