//! From a feed's sources to its people, all or nothing.

use super::{Engine, Feed, LocalFile, Progress, Step, after::Late};
use crate::{
    decide::{self, Suspicion},
    ledger::{FileReport, LedgerError, ReadReport},
    mapping::{self, MapReport, Mapping},
    notify::Kind,
    roster::{GroupRef, People, PeopleBuilder, PlanId, ReferenceId, SourceShape},
    source::{
        self, AfterSuccess, Arrived, Decrypt, Failure, Format, Pick, Place,
        decode::{self, How, Incomplete, Step as Decoded, Tally, json::Cells},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// What a read of a feed came to. Only the first two can become rosters: they alone have people.
#[derive(Debug)]
pub(super) enum Reading {
    /// Every source was read whole.
    Complete(Box<Read>),
    /// Every source was read whole, and something about them is unlike the last read that was accepted: the groups
    /// that it concerns are held, and a person can approve it.
    Suspicious {
        /// What was read.
        read: Box<Read>,
        /// For each group what is suspicious, compared with the read that counts for it.
        why: BTreeMap<GroupRef, Vec<Suspicion>>,
    },
    /// There is nothing to read yet: no incident of a typed `sync`, which says so.
    NotYet {
        /// What there is instead.
        why: String,
        /// That nothing new has come for longer than `max_age`, which is an incident.
        missing: Option<String>,
    },
    /// Something is provably missing. No approval changes that; the cure is at the source or in the configuration.
    Incomplete(Box<Stopped>),
    /// The source could not be read, or nothing has come for longer than `max_age`.
    Failed(Box<Stopped>),
}

/// A read that came to nothing.
#[derive(Debug)]
pub(super) struct Stopped {
    /// Its incident: [`Kind::ReadIncomplete`], [`Kind::SourceFailed`] or [`Kind::FileLate`].
    pub(super) kind: Kind,
    /// What proves it, and what to do.
    pub(super) why: Vec<String>,
    /// What was read until then.
    pub(super) report: ReadReport,
}

/// A complete read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) people: Arc<People>,
    pub(super) report: ReadReport,
    pub(super) shapes: BTreeMap<String, SourceShape>,
    /// For each source the beginning of its file's SHA-256: what an approval of a suspicious read is for.
    pub(super) evidence: BTreeMap<String, String>,
    /// Things to know that hold nothing: unknown statuses, unlisted values.
    pub(super) notes: Vec<Note>,
    /// Files that were read before and are older than `max_age`: the sender has stopped.
    pub(super) late: Vec<String>,
}

/// How many problem rows of an incomplete read are shown.
const SHOWN_PROBLEMS: usize = 20;
/// So many names that were not read are remembered.
const SHOWN_NOT_PICKED: usize = 20;
/// How many pairs of members a note names.
const NAMED_PAIRS: usize = 10;

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

/// What a read depends on beside the feed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Against<'a> {
    /// A local file in place of the source.
    pub(super) file: Option<&'a LocalFile>,
    /// The plans that the organization may use.
    pub(super) plans: &'a BTreeSet<PlanId>,
    /// Whether a person has approved what was held: `max_age` keeps that from nobody.
    pub(super) approved: bool,
}

/// Rows on their way, handed from source to source.
struct Gathering {
    builder: PeopleBuilder,
    report: ReadReport,
    shapes: BTreeMap<String, SourceShape>,
    evidence: BTreeMap<String, String>,
    notes: Vec<Note>,
}

impl Engine {
    pub(super) async fn read(
        &self,
        feed: &Feed,
        against: Against<'_>,
        progress: &dyn Progress,
    ) -> Result<Reading, LedgerError> {
        let groups = feed.named_groups().into_iter().collect();
        let mut gathering = Gathering {
            builder: PeopleBuilder::new(groups).with_plans(against.plans.clone()),
            report: ReadReport::default(),
            shapes: BTreeMap::new(),
            evidence: BTreeMap::new(),
            notes: Vec::new(),
        };
        let mut overdue = Vec::new();
        for (index, settings) in (0_u16..).zip(&feed.sources) {
            let settings = match against.file {
                Some(file) => Arc::new(local(settings, &file.path)),
                None => Arc::clone(settings),
            };
            progress.step(Step::Reading { source: settings.name.clone() });
            let note = |words: &str| progress.step(Step::Note(named(&settings.name, words)));
            let fetched = source::fetch(&settings, &self.settings.state_dir, &*self.clock, &note).await;
            let arrived = match fetched {
                Ok(arrived) => match against.file {
                    Some(file) => Arrived { path: file.shown.clone(), ..arrived },
                    None => arrived,
                },
                Err(Failure::NothingYet(why)) => {
                    let missing = self.missing(&feed.name, &settings)?;
                    return Ok(Reading::NotYet { why: named(&settings.name, &why), missing });
                }
                Err(failure) => return Ok(stopped(gathering.report, &settings.name, &failure)),
            };
            match self.late(&feed.name, &settings, &arrived)? {
                Some(Late { reason, read_before: false }) if !against.approved => {
                    return Ok(late(gathering.report, reason));
                }
                Some(late) => overdue.push(late.reason),
                None => {}
            }
            match self.take(feed, index, &settings, arrived, gathering).await {
                Ok(next) => {
                    gathering = next;
                    if let Some(file) = gathering.report.files.last() {
                        let FileReport { source, path, rows, .. } = file.clone();
                        progress.step(Step::Read { source, path, rows });
                    }
                }
                Err(reading) => return Ok(reading),
            }
        }
        let people = Arc::new(gathering.builder.finish());
        gathering.notes.extend(Note::look_alikes(&decide::look_alikes(&people)));
        let read = Box::new(Read {
            people,
            report: gathering.report,
            shapes: gathering.shapes,
            evidence: gathering.evidence,
            notes: gathering.notes,
            late: overdue,
        });
        let why = self.suspicions(feed, &read)?;
        Ok(if why.is_empty() { Reading::Complete(read) } else { Reading::Suspicious { read, why } })
    }

    /// What makes a complete read suspicious, for each group that it concerns.
    fn suspicions(
        &self,
        feed: &Feed,
        read: &Read,
    ) -> Result<BTreeMap<GroupRef, Vec<Suspicion>>, LedgerError> {
        let accepted = self.ledger.accepted_read(&feed.name)?.unwrap_or_default();
        let mut found = BTreeMap::new();
        for group in self.groups_of(feed, &read.people)? {
            // A feed that was renamed goes on where the one before it stood.
            let own = accepted.of(&group);
            let former = if own.is_none() { self.ledger.owner(&group)? } else { None };
            let heritage = match former.filter(|owner| *owner != feed.name) {
                Some(owner) => self.ledger.accepted_read(&owner)?,
                None => None,
            };
            let before = own.or(heritage.as_ref().and_then(|read| read.of(&group)));
            let of_source = |(source, shape): (&String, &SourceShape)| {
                let evidence = read.evidence.get(source).map_or("", String::as_str);
                let before = before.and_then(|shapes| same_source(source, &read.shapes, shapes));
                decide::suspicions(source, evidence, shape, before, &feed.guard)
            };
            let why: Vec<Suspicion> = read.shapes.iter().flat_map(of_source).collect();
            if !why.is_empty() {
                found.insert(group, why);
            }
        }
        Ok(found)
    }

    /// Decodes and maps one file on a thread of its own, and judges it.
    async fn take(
        &self,
        feed: &Feed,
        index: u16,
        settings: &Arc<source::Settings>,
        arrived: Arrived,
        mut gathering: Gathering,
    ) -> Result<Gathering, Reading> {
        let (source, path) = (settings.name.clone(), arrived.path.clone());
        let mut file = FileReport {
            source: source.clone(),
            path: arrived.path.clone(),
            size: arrived.size,
            sha256: arrived.sha256.clone(),
            modified: arrived.modified,
            rows: 0,
            not_picked: arrived
                .older
                .iter()
                .chain(&arrived.passed_over)
                .take(SHOWN_NOT_PICKED)
                .cloned()
                .collect(),
            not_picked_files: (arrived.older.len() + arrived.passed_over.len()) as u64,
        };
        let mapping =
            mapping::compile(&settings.mapping, &feed.grouping, Some(self.ledger.fingerprint_key()));
        let mapping = match mapping {
            Ok(mapping) => mapping,
            Err(error) => {
                gathering.report.files.push(file);
                return Err(incomplete(gathering.report, vec![named(&source, &error.to_string())]));
            }
        };
        let today = self.clock.now().with_timezone(&settings.mapping.eligibility.timezone).date_naive();
        let (read_by, dir) = (Arc::clone(settings), self.settings.state_dir.clone());
        let builder = std::mem::take(&mut gathering.builder);
        let by = feed.grouping.column().to_owned();
        let work = move || decode(arrived, (&read_by, &by), &dir, index, &mapping, today, builder);
        let (tally, map, builder) = match tokio::task::spawn_blocking(work).await {
            Ok(Ok(decoded)) => decoded,
            Ok(Err(error)) => {
                gathering.report.files.push(file);
                let finding = format!("source `{source}`, file `{path}`: {error}");
                return Err(incomplete(gathering.report, vec![finding]));
            }
            Err(_) => {
                gathering.report.files.push(file);
                let finding =
                    named(&source, "reading the file failed; this is a defect of rosterd, please report it");
                return Err(incomplete(gathering.report, vec![finding]));
            }
        };
        gathering.builder = builder;
        file.rows = tally.rows;
        let evidence = file.sha256.chars().take(16).collect();
        gathering.evidence.insert(source.clone(), evidence);
        gathering.report.files.push(file);
        gathering.judge(settings, &tally, map)
    }
}

/// How the source looked before: under its name, or, when just one of the names of then is gone and just one is new, under
/// the other one.
fn same_source<'b>(
    source: &String,
    now: &BTreeMap<String, SourceShape>,
    before: &'b BTreeMap<String, SourceShape>,
) -> Option<&'b SourceShape> {
    if let Some(known) = before.get(source) {
        return Some(known);
    }
    let mut gone = before.iter().filter(|(name, _)| !now.contains_key(*name)).map(|(_, shape)| shape);
    let new = now.keys().filter(|name| !before.contains_key(*name)).count();
    match (gone.next(), gone.next(), new) {
        (Some(renamed), None, 1) => Some(renamed),
        (None | Some(_), None | Some(_), _) => None,
    }
}

type Taken = (Tally, MapReport, PeopleBuilder);

fn decode(
    arrived: Arrived,
    (settings, by): (&source::Settings, &str),
    dir: &Path,
    index: u16,
    mapping: &Mapping,
    today: chrono::NaiveDate,
    mut builder: PeopleBuilder,
) -> Result<Taken, Incomplete> {
    let mut bound = None;
    let dates = settings.mapping.date_columns();
    let needed = settings.mapping.needed_columns(by);
    let how = How {
        name: &arrived.path,
        format: &settings.format,
        decrypt: settings.decrypt.as_ref(),
        cells: Cells { columns: mapping.columns(), needed: &needed, dates: &dates },
        dir,
        source_index: index,
    };
    let tally = decode::read(arrived.spool, &how, &mut |step: Decoded<'_>| {
        match (step, &mut bound) {
            (Decoded::Header(header), _) => {
                bound = Some(mapping.bind(header).map_err(|lost| Incomplete(lost.to_string()))?);
            }
            (Decoded::Rows(table), Some(bound)) => bound.map(table, today, &mut builder),
            (Decoded::Rows(_), None) => {}
        }
        Ok(())
    })?;
    let report = bound.map(mapping::Bound::finish).unwrap_or_default();
    Ok((tally, report, builder))
}

impl Gathering {
    /// What the counts of one source prove.
    fn judge(mut self, settings: &source::Settings, tally: &Tally, map: MapReport) -> Result<Self, Reading> {
        self.report.rows += tally.rows;
        for (repair, rows) in &map.repairs {
            *self.report.repairs.entry(repair.clone()).or_default() += rows;
        }
        self.note(&settings.name, &map);
        for path in &tally.unseen {
            let text =
                format!("source `{}`: no record has anything at `{path}`, so nobody has that", settings.name);
            self.notes.push(Note { text, rows: tally.rows, explains: false });
        }
        if tally.passed_over_lines > 0 {
            let text = format!(
                "source `{}`: nobody's lines were passed over: the header once more, totals, empty rows at the end",
                settings.name
            );
            self.notes.push(Note { text, rows: tally.passed_over_lines, explains: false });
        }
        let mut findings: Vec<String> =
            map.proofs().iter().map(|proof| named(&settings.name, proof)).collect();
        findings.extend(decide::incomplete(&settings.name, tally.rows, settings.min_rows, map.unusable));
        if !findings.is_empty() {
            findings.extend(self.notes.iter().map(ToString::to_string));
            // What is wrong with the rows is what the reader needs: the first of them stand for all.
            let people = self.builder.finish();
            self.report.problems = super::report::first_problems(&people, SHOWN_PROBLEMS);
            self.report.problem_rows = map.unusable;
            return Err(incomplete(self.report, findings));
        }
        let shape = SourceShape {
            rows: tally.rows,
            ragged_rows: tally.ragged_rows,
            ends_with_newline: tally.ends_with_newline,
            filled: map.filled,
            header: tally.header.names.clone(),
        };
        self.shapes.insert(settings.name.clone(), shape);
        Ok(self)
    }

    fn note(&mut self, source: &str, map: &MapReport) {
        for (what, values) in [
            ("status", &map.unknown_statuses),
            ("group value", &map.unlisted_groups),
            ("plan", &map.unlisted_plans),
        ] {
            for (value, rows) in values {
                let text = format!("source `{source}`: {what} `{value}` is in no list");
                self.notes.push(Note { text, rows: *rows, explains: true });
            }
        }
    }
}

/// A local file in place of the source, through the same mapping and guard.
fn local(settings: &source::Settings, path: &Path) -> source::Settings {
    // In place of an API a person names a document of the same form.
    let format = match &settings.place {
        Place::Http(http) => Format::Json(http.records.clone()),
        Place::File | Place::Sftp(_) => settings.format.clone(),
    };
    source::Settings {
        place: Place::File,
        pick: Pick {
            path: globset::escape(&path.to_string_lossy()),
            settle: Duration::ZERO,
            max_age: None,
            after_success: AfterSuccess::Leave,
        },
        format,
        decrypt: settings.decrypt.clone().map(|decrypt| Decrypt { or_clear: true, ..decrypt }),
        ..settings.clone()
    }
}

fn named(source: &str, why: &str) -> String {
    format!("source `{source}`: {why}")
}

fn incomplete(report: ReadReport, why: Vec<String>) -> Reading {
    Reading::Incomplete(Box::new(Stopped { kind: Kind::ReadIncomplete, why, report }))
}

fn late(report: ReadReport, reason: String) -> Reading {
    Reading::Failed(Box::new(Stopped { kind: Kind::FileLate, why: vec![reason], report }))
}

fn stopped(report: ReadReport, source: &str, failure: &Failure) -> Reading {
    let why = vec![named(source, &failure.to_string())];
    match failure {
        Failure::Incomplete(_) => incomplete(report, why),
        Failure::NothingYet(_) | Failure::Failed { .. } => {
            Reading::Failed(Box::new(Stopped { kind: Kind::SourceFailed, why, report }))
        }
    }
}
