//! From a feed's sources to its people, all or nothing.

use super::{
    Engine, Feed, LocalFile, Progress, Step,
    after::Unread,
    gathering::{Gathering, Note},
    trouble,
};
use crate::{
    decide::{self, Suspicion},
    ledger::{FileReport, LedgerError, MarkerReport, ReadReport},
    mapping::{self, MapReport, Mapping},
    notify::Kind,
    roster::{GroupRef, People, PeopleBuilder, PlanId, SourceShape},
    source::{
        self, AfterSuccess, Arrived, Decrypt, Failure, Format, Pick, Place, Take,
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
    /// Its incident: what [`trouble::kind_of`] says, [`Kind::ReadIncomplete`] or [`Kind::FileLate`].
    pub(super) kind: Kind,
    /// What proves it, and what to do.
    pub(super) why: Vec<String>,
    /// Kinds that are over, since the read came further than what they tell of.
    pub(super) over: &'static [Kind],
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

/// So many names that were not read are remembered.
const SHOWN_NOT_PICKED: usize = 20;

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

impl Engine {
    pub(super) async fn read(
        &self,
        feed: &Feed,
        against: Against<'_>,
        progress: &dyn Progress,
    ) -> Result<Reading, LedgerError> {
        let groups = feed.named_groups().into_iter().collect();
        let builder = PeopleBuilder::new(groups).with_plans(against.plans.clone());
        let mut gathering = Gathering::new(builder);
        let mut overdue = Vec::new();
        for settings in &feed.sources {
            let settings = match against.file {
                Some(file) => Arc::new(local(settings, &file.path)),
                None => Arc::clone(settings),
            };
            progress.step(Step::Reading { source: settings.name.clone() });
            let note = |words: &str| progress.step(Step::Note(named(&settings.name, words)));
            let fetched = source::fetch(&settings, &self.settings.state_dir, &*self.clock, &note).await;
            let mut files = match fetched {
                Ok(files) => files,
                Err(Failure::NothingYet(why)) => {
                    let missing = self.missing(&feed.name, &settings)?;
                    let why = named(&settings.name, &format!("nothing to read yet: {why}"));
                    return Ok(Reading::NotYet { why, missing });
                }
                Err(failure) => return Ok(stopped(gathering.report, &settings.name, &failure)),
            };
            match against.file {
                Some(file) => files.iter_mut().for_each(|copy| copy.path.clone_from(&file.shown)),
                None => match self.unread(feed, &settings, &files, against.approved)? {
                    Ok(late) => overdue.extend(late),
                    Err(Unread::Old(why)) => {
                        let missing = self.missing(&feed.name, &settings)?;
                        return Ok(Reading::NotYet { why: format!("nothing to read yet: {why}"), missing });
                    }
                    Err(Unread::Wrong(kind, why)) => {
                        return Ok(not_read((kind, trouble::CAME), vec![why], gathering.report));
                    }
                },
            }
            for file in files {
                gathering = match self.take(feed, &settings, file, gathering).await {
                    Ok(next) => next,
                    Err(reading) => return Ok(reading),
                };
                if let Some(FileReport { source, path, rows, .. }) = gathering.report.files.last().cloned() {
                    progress.step(Step::Read { source, path, rows });
                }
            }
            gathering = match gathering.judge(&settings, against.file.is_some()) {
                Ok(next) => next,
                Err(reading) => return Ok(reading),
            };
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
        settings: &Arc<source::Settings>,
        arrived: Arrived,
        mut gathering: Gathering,
    ) -> Result<Gathering, Reading> {
        let (source, path) = (settings.name.clone(), arrived.path.clone());
        let mut file = reported(&source, &arrived);
        let Ok(index) = u16::try_from(gathering.report.files.len()) else {
            let why = format!("a feed is read from at most {} files; narrow `path`", u16::MAX);
            return Err(incomplete(gathering.report, vec![named(&source, &why)]));
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
        gathering.add(settings, file, tally, map);
        Ok(gathering)
    }
}

/// A file before it is known how many rows it has.
fn reported(source: &str, arrived: &Arrived) -> FileReport {
    let not_picked = || arrived.older.iter().chain(&arrived.passed_over);
    FileReport {
        source: source.to_owned(),
        path: arrived.path.clone(),
        size: arrived.size,
        sha256: arrived.sha256.clone(),
        modified: arrived.modified,
        rows: 0,
        not_picked: not_picked().take(SHOWN_NOT_PICKED).cloned().collect(),
        not_picked_files: not_picked().count() as u64,
        marker: arrived.marker.clone().map(|seen| MarkerReport {
            path: seen.path,
            size: seen.size,
            modified: seen.modified,
        }),
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
            take: Take::Newest,
            settle: Duration::ZERO,
            max_age: None,
            done_marker: None,
            after_success: AfterSuccess::Leave,
        },
        format,
        decrypt: settings.decrypt.clone().map(|decrypt| Decrypt { or_clear: true, ..decrypt }),
        ..settings.clone()
    }
}

pub(super) fn named(source: &str, why: &str) -> String {
    format!("source `{source}`: {why}")
}

pub(super) fn incomplete(report: ReadReport, why: Vec<String>) -> Reading {
    not_read((Kind::ReadIncomplete, trouble::CAME), why, report)
}

fn stopped(report: ReadReport, source: &str, failure: &Failure) -> Reading {
    let why = vec![named(source, &failure.to_string())];
    not_read((trouble::kind_of(failure), trouble::over_by(failure)), why, report)
}

fn not_read((kind, over): (Kind, &'static [Kind]), why: Vec<String>, report: ReadReport) -> Reading {
    let stopped = Box::new(Stopped { kind, why, over, report });
    if kind == Kind::ReadIncomplete { Reading::Incomplete(stopped) } else { Reading::Failed(stopped) }
}
