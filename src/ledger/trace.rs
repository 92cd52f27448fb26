//! What the last read of a feed said of every reference: its row, whether the row can be used, where it routes to,
//! and what was decided. `rosterd explain` reads it, and nothing else does.
//!
//! One file for each feed, of compressed frames with a checksum each; the store names it in the batch that has the
//! run's report. It holds references, row numbers, codes and the words of problems, and no value of a row. No
//! decision rests on it: one that is lost or damaged stops nothing, and the next run writes a new one.

use super::{
    Ledger, Run, archive, codec,
    error::{LedgerError, Result},
    files, key, runs,
};
use crate::roster::{FeedName, GroupRef, Ineligible, People, Person, Problem, Route, RowAt, RunId, Standing};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufReader, Read, Write},
    path::{Path, PathBuf},
};

/// Where the traces are, in the state directory.
pub(super) const DIR: &str = "traces";
const MAGIC: &[u8; 8] = b"rosterT\x01";
/// People in one frame.
const CHUNK: usize = 16_384;
const CHECK: usize = 16;
/// How many references that look alike are remembered.
const ALIKE: usize = 5;

const HEAD: u8 = 1;
const ROWS: u8 = 2;
const FATES: u8 = 3;
const END: u8 = 4;

/// What is known of a trace without opening it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceHead {
    /// The feed.
    pub feed: FeedName,
    /// The run that read.
    pub run: RunId,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// How many people the read has.
    pub people: u64,
    /// Rows without a usable reference: each could be anybody.
    pub nameless: u64,
}

/// What the rows of one person say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Valid and eligible.
    Eligible,
    /// The person has left.
    Ended,
    /// The expression `when` is false.
    WhenFalse,
    /// `starts_on` lies ahead.
    StartsLater,
    /// The row cannot be used.
    Unusable,
    /// Several rows contradict each other.
    Contradicts,
}

/// What a read means for somebody who is not covered where his row routes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lot {
    /// New in the group.
    Added,
    /// Covered in another group of the feed, and to come here.
    Arriving,
    /// Not covered, and the row cannot be used.
    LeftOut,
    /// No group takes the row.
    Unplaced,
}

/// What was decided for one group, as the trace wants it.
#[derive(Debug)]
pub struct TracedGroup<'a> {
    /// The group.
    pub group: &'a GroupRef,
    /// Covered members who are not kept, by the word for their fate.
    pub fates: Vec<(&'static str, Vec<&'a str>)>,
    /// Places in the read of those who are not covered, by what becomes of them.
    pub lots: [(Lot, &'a [u32]); 4],
}

/// A read and what was decided of it.
#[derive(Debug)]
pub struct Decided<'a> {
    /// Who was read.
    pub people: &'a People,
    /// Each group that was decided on.
    pub groups: Vec<TracedGroup<'a>>,
    /// Places of those whom no group takes.
    pub unplaced: &'a [u32],
    /// When.
    pub at: DateTime<Utc>,
}

/// What the trace has of one reference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traced {
    /// The row, when there is one.
    pub row: Option<TracedRead>,
    /// The fate in each group in which the person was covered and is not kept.
    pub fates: Vec<(GroupRef, String)>,
    /// When nothing is known of the reference: known ones that look like it.
    pub alike: Vec<String>,
}

/// One person's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TracedRead {
    /// Where it stands.
    pub at: RowAt,
    /// All rows, when they contradict each other.
    pub rows: Vec<RowAt>,
    /// What it says.
    pub said: Said,
    /// The group that it routes to.
    pub group: Option<GroupRef>,
    /// Whether the group value is blank, rather than in no list, when it routes to none.
    pub blank: bool,
    /// What becomes of somebody who is not covered there.
    pub lot: Option<Lot>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// One person, small: record and line are told as the difference to the row before.
#[derive(Serialize, Deserialize)]
struct Row<'a> {
    id: &'a str,
    source: u16,
    record: i64,
    line: i64,
    said: Said,
    /// 0: blank, 1: in no list, else the group's place and 2.
    route: u32,
    lot: Option<Lot>,
}

#[derive(Serialize)]
struct RowsOut<'a> {
    rows: Vec<Row<'a>>,
    problems: Vec<(u32, &'a [Problem])>,
    contradicting: Vec<(u32, Vec<RowAt>)>,
}

#[derive(Deserialize)]
struct RowsIn<'a> {
    #[serde(borrow)]
    rows: Vec<Row<'a>>,
    problems: Vec<(u32, Vec<Problem>)>,
    contradicting: Vec<(u32, Vec<RowAt>)>,
}

#[derive(Serialize, Deserialize)]
struct Fates<'a> {
    group: &'a str,
    fate: &'a str,
    #[serde(borrow)]
    people: Vec<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    run: u64,
    groups: Vec<GroupRef>,
}

impl Ledger {
    /// As [`Ledger::save_run`], with the trace of what it read, which takes the place of the feed's last one. A
    /// trace that cannot be written stops no run: then the feed has none, and the answer is why.
    ///
    /// # Errors
    /// As [`Ledger::save_run`].
    pub fn save_decided_run(&self, run: &Run, decided: &Decided<'_>) -> Result<Option<LedgerError>> {
        let path = self.trace_path(run.id);
        let left_out = archive::to_file(&path, |out| write(out, run.id, decided)).err();
        super::crash::reached("ledger-after-trace-file");
        let head = TraceHead {
            feed: run.feed.clone(),
            run: run.id,
            at: decided.at,
            people: decided.people.len() as u64,
            nameless: decided.people.nameless.len() as u64,
        };
        let written = self.store.write("ledger-after-save-run", |tx| {
            runs::put(tx, run)?;
            let at = key::trace(&run.feed);
            let before: Option<TraceHead> = tx.get(&at)?;
            // The one before is about another read.
            if left_out.is_some() {
                tx.remove(at)?
            } else {
                tx.put(at, &head)?
            }
            Ok(before.map(|before| before.run).filter(|before| *before != run.id))
        });
        match written {
            Ok(before) => before.into_iter().for_each(|before| files::remove(&self.trace_path(before))),
            Err(error) => {
                if !self.store.is_broken() {
                    files::remove(&path);
                }
                return Err(error);
            }
        }
        Ok(left_out)
    }

    /// The traces of all feeds, or of one.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn traces(&self, feed: Option<&FeedName>) -> Result<Vec<TraceHead>> {
        match feed {
            Some(feed) => Ok(self.store.get(&key::trace(feed))?.into_iter().collect()),
            None => self.store.scan(key::TRACES),
        }
    }

    /// What a feed's trace has of a reference, with the trace's head. While a run writes a new one, the new one is
    /// told.
    ///
    /// # Errors
    /// The trace is damaged, or the state cannot be read.
    pub fn traced(&self, head: &TraceHead, id: &str) -> Result<(TraceHead, Traced)> {
        let mut head = head.clone();
        loop {
            let read = read(&self.trace_path(head.run), head.run, id);
            let newest: Option<TraceHead> = self.store.get(&key::trace(&head.feed))?;
            match (read, newest) {
                // It was replaced between the two.
                (Err(_), Some(newest)) if newest.run != head.run => head = newest,
                (read, _) => return read.map(|traced| (head, traced)),
            }
        }
    }

    /// Where these references stood in the read of a run, as far as the feed's trace is of that run and can be read:
    /// nothing rests on it.
    #[must_use]
    pub fn rows_of(&self, feed: &FeedName, run: RunId, ids: &BTreeSet<&str>) -> BTreeMap<String, RowAt> {
        let head: Option<TraceHead> = self.store.get(&key::trace(feed)).ok().flatten();
        match head.filter(|head| head.run == run) {
            Some(_) => places(&self.trace_path(run), run, ids).unwrap_or_default(),
            None => BTreeMap::new(),
        }
    }

    fn trace_path(&self, run: RunId) -> PathBuf {
        self.dir.join(DIR).join(run.to_string())
    }
}

/// Makes the directory of the traces, and removes what a crash left in it.
pub(super) fn open(dir: &Path, store: &super::store::Store) -> Result<()> {
    let traces = dir.join(DIR);
    files::make_dir(&traces)?;
    let named: Vec<TraceHead> = store.scan(key::TRACES)?;
    super::store::sweep(&traces, |name| named.iter().any(|head| head.run.to_string() == name))
}

/// Reads the whole trace of a feed in this state directory.
pub(super) fn verify(dir: &Path, head: &TraceHead) -> Result<()> {
    read(&dir.join(DIR).join(head.run.to_string()), head.run, "").map(|_| ())
}

fn write(out: &mut dyn Write, run: RunId, decided: &Decided<'_>) -> Result<()> {
    let mut writer = Frames { out, run: run.0, frame: 0 };
    writer.out.write_all(MAGIC).map_err(writing)?;
    let people = decided.people;
    writer.frame(HEAD, &packed(&Head { run: run.0, groups: people.groups.clone() })?)?;
    let mut lots: Vec<Option<Lot>> = vec![None; people.len()];
    let of_groups = decided.groups.iter().flat_map(|group| group.lots);
    for (lot, places) in of_groups.chain([(Lot::Unplaced, decided.unplaced)]) {
        for &place in places {
            if let Some(known) = lots.get_mut(place as usize) {
                *known = Some(lot);
            }
        }
    }
    let mut people = (0_u32..).zip(people.iter()).zip(lots).peekable();
    while people.peek().is_some() {
        let chunk = people.by_ref().take(CHUNK).map(|((place, (id, person)), lot)| (place, id, person, lot));
        writer.frame(ROWS, &packed(&rows(decided.people, chunk))?)?;
    }
    for group in &decided.groups {
        for (fate, all) in &group.fates {
            for people in all.chunks(CHUNK) {
                let fates = Fates { group: group.group.as_str(), fate, people: people.to_vec() };
                writer.frame(FATES, &packed(&fates)?)?;
            }
        }
    }
    writer.frame(END, &[])
}

fn rows<'a>(
    all: &'a People,
    chunk: impl Iterator<Item = (u32, &'a str, &'a Person, Option<Lot>)>,
) -> RowsOut<'a> {
    let mut out =
        RowsOut { rows: Vec::with_capacity(CHUNK), problems: Vec::new(), contradicting: Vec::new() };
    let mut before = (0_i64, 0_i64);
    for (at, (place, id, person, lot)) in (0_u32..).zip(chunk) {
        let here = (i64::from(person.at.record), i64::from(person.at.line));
        let said = match person.standing {
            Standing::Eligible(_) => Said::Eligible,
            Standing::Ended => Said::Ended,
            Standing::Ineligible(Ineligible::When) => Said::WhenFalse,
            Standing::Ineligible(Ineligible::StartsLater) => Said::StartsLater,
            Standing::Unusable { .. } => Said::Unusable,
            Standing::Duplicate => Said::Contradicts,
        };
        let route = match person.route {
            Route::Blank => 0,
            Route::Unlisted => 1,
            Route::Group(group) => group.saturating_add(2),
        };
        out.rows.push(Row {
            id,
            source: person.at.source,
            record: here.0 - before.0,
            line: here.1 - before.1,
            said,
            route,
            lot,
        });
        before = here;
        let problems = all.problems_at(place);
        if !problems.is_empty() {
            out.problems.push((at, problems));
        }
        let contradicting = all.duplicates_at(place);
        if !contradicting.is_empty() {
            out.contradicting.push((at, contradicting.iter().map(|(at, _)| *at).collect()));
        }
    }
    out
}

struct Frames<'w> {
    out: &'w mut dyn Write,
    run: u64,
    frame: u64,
}

impl Frames<'_> {
    fn frame(&mut self, kind: u8, payload: &[u8]) -> Result<()> {
        let length = u32::try_from(payload.len())
            .map_err(|_| LedgerError::defect("a chunk of a trace is longer than 4 GiB"))?;
        let check = check(self.run, self.frame, kind, payload);
        for bytes in [&[kind][..], &length.to_le_bytes(), payload, &check] {
            self.out.write_all(bytes).map_err(writing)?;
        }
        self.frame += 1;
        Ok(())
    }
}

/// Reads the whole file, and remembers what it has of one reference.
fn read(path: &Path, run: RunId, id: &str) -> Result<Traced> {
    let torn = || torn(run);
    let (mut found, mut groups, wanted) = (Traced::default(), Vec::new(), looks(id));
    frames(path, run, &mut |kind, bytes| {
        match kind {
            HEAD => groups = postcard::from_bytes::<Head>(bytes).map_err(|_| torn())?.groups,
            ROWS => {
                let rows: RowsIn<'_> = postcard::from_bytes(bytes).map_err(|_| torn())?;
                find(rows, &groups, (id, &wanted), &mut found);
            }
            FATES => {
                let fates: Fates<'_> = postcard::from_bytes(bytes).map_err(|_| torn())?;
                if fates.people.contains(&id) {
                    let group = GroupRef::new(fates.group).map_err(|_| torn())?;
                    found.fates.push((group, fates.fate.to_owned()));
                }
                fates.people.iter().for_each(|known| alike(known, (id, &wanted), &mut found));
            }
            _ => return Err(torn()),
        }
        Ok(())
    })?;
    if found.row.is_some() || !found.fates.is_empty() {
        found.alike.clear();
    }
    Ok(found)
}

/// Where these references stand, in one pass.
fn places(path: &Path, run: RunId, wanted: &BTreeSet<&str>) -> Result<BTreeMap<String, RowAt>> {
    let mut found = BTreeMap::new();
    frames(path, run, &mut |kind, bytes| {
        if kind != ROWS {
            return Ok(());
        }
        let rows: RowsIn<'_> = postcard::from_bytes(bytes).map_err(|_| torn(run))?;
        let mut here = (0_i64, 0_i64);
        for row in &rows.rows {
            here = (here.0 + row.record, here.1 + row.line);
            if wanted.contains(row.id) {
                found.insert(row.id.to_owned(), at(row, here));
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// Each frame of a trace, unpacked.
fn frames(path: &Path, run: RunId, each: &mut dyn FnMut(u8, &[u8]) -> Result<()>) -> Result<()> {
    let torn = || torn(run);
    let file = File::open(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            LedgerError::damaged(format!("the trace of run {run} is gone"))
        } else {
            LedgerError::io(format!("read the trace of run {run}"), error)
        }
    })?;
    let mut from = BufReader::with_capacity(1 << 18, file);
    let mut magic = [0; 8];
    from.read_exact(&mut magic).map_err(|_| torn())?;
    if magic != *MAGIC {
        return Err(torn());
    }
    for frame in 0_u64.. {
        let (kind, payload) = take(&mut from, run, frame)?;
        if kind == END {
            break;
        }
        each(kind, &lz4_flex::decompress_size_prepended(&payload).map_err(|_| torn())?)?;
    }
    Ok(())
}

fn at(row: &Row<'_>, (record, line): (i64, i64)) -> RowAt {
    let number = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    RowAt { source: row.source, record: number(record), line: number(line) }
}

fn find(rows: RowsIn<'_>, groups: &[GroupRef], wanted: (&str, &str), found: &mut Traced) {
    let mut here = (0_i64, 0_i64);
    for (place, row) in (0_u32..).zip(&rows.rows) {
        here = (here.0 + row.record, here.1 + row.line);
        if row.id != wanted.0 {
            alike(row.id, wanted, found);
            continue;
        }
        let group = row.route.checked_sub(2).and_then(|at| groups.get(at as usize));
        let problems = rows.problems.iter().find(|(of, _)| *of == place);
        let contradicting = rows.contradicting.iter().find(|(of, _)| *of == place);
        found.row = Some(TracedRead {
            at: at(row, here),
            rows: contradicting.map_or_else(Vec::new, |(_, rows)| rows.clone()),
            said: row.said,
            group: group.cloned(),
            blank: row.route == 0,
            lot: row.lot,
            problems: problems.map_or_else(Vec::new, |(_, problems)| problems.clone()),
        });
    }
}

/// Remembers a known reference that differs from the wanted one only in looks.
fn alike(known: &str, (id, wanted): (&str, &str), found: &mut Traced) {
    if found.alike.len() < ALIKE
        && known != id
        && !wanted.is_empty()
        && letters(known).eq(wanted.chars())
        && !found.alike.iter().any(|other| other == known)
    {
        found.alike.push(known.to_owned());
    }
}

/// What is left of a reference without case, space, punctuation and leading zeros.
fn looks(id: &str) -> String {
    letters(id).collect()
}

fn letters(id: &str) -> impl Iterator<Item = char> + '_ {
    let mut digits = false;
    id.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).filter(move |letter| {
        let leading = *letter == '0' && !digits;
        digits = letter.is_ascii_digit() && !leading;
        !leading
    })
}

fn take(from: &mut impl Read, run: RunId, frame: u64) -> Result<(u8, Vec<u8>)> {
    let torn = |_: std::io::Error| torn(run);
    let mut head = [0; 5];
    from.read_exact(&mut head).map_err(torn)?;
    let [kind, length @ ..] = head;
    let length = u32::from_le_bytes(length);
    let mut payload = Vec::new();
    // A damaged length must not reserve four gigabytes: the bytes come first.
    let read = from.by_ref().take(u64::from(length)).read_to_end(&mut payload).map_err(torn)?;
    let mut found = [0; CHECK];
    from.read_exact(&mut found).map_err(torn)?;
    if u32::try_from(read) != Ok(length) || found != check(run.0, frame, kind, &payload) {
        return Err(self::torn(run));
    }
    Ok((kind, payload))
}

fn check(run: u64, frame: u64, kind: u8, payload: &[u8]) -> [u8; CHECK] {
    let mut head = [run.to_le_bytes(), frame.to_le_bytes()].concat();
    head.push(kind);
    codec::checksum(&head, payload)
}

fn packed<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_stdvec(value)
        .map(|bytes| lz4_flex::compress_prepend_size(&bytes))
        .map_err(|_| LedgerError::defect("a chunk of a trace cannot be written"))
}

fn writing(error: std::io::Error) -> LedgerError {
    LedgerError::io("write the trace of a read", error)
}

fn torn(run: RunId) -> LedgerError {
    LedgerError::damaged(format!("the trace of run {run} is not what was written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_that_differ_in_looks_alone_are_alike() {
        for (one, other) in [("123", "00123"), ("e-7", "E-007"), (" E-7 ", "E-7"), ("A 1", "a01")] {
            assert_eq!(looks(one), looks(other), "{one} and {other}");
        }
        for (one, other) in [("E-70", "E-7"), ("E-107", "E-17"), ("100", "1"), ("E-7", "F-7")] {
            assert_ne!(looks(one), looks(other), "{one} and {other}");
        }
    }
}
