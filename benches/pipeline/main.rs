//! From a file of 1,000,000 rows to the body of the request, and its parts, beside the bare conversion of the
//! same file with csv and serde_json. `docs/performance.md` says how to read it.

mod bare;
mod invented;

use chrono::{DateTime, NaiveDate, Utc};
use divan::{Bencher, counter::ItemsCount};
use rosterd::{
    config::{self, Secrets},
    decide::{self, Decision, FirstSync, GroupFacts, Guard, Verdict},
    engine::Feed,
    ledger::{Decided, Ledger, Lot, NewRun, TracedGroup, Trigger},
    mapping::{self, GroupRule},
    roster::{
        Certainty, Coverage, Covered, Field, FingerprintKey, GroupRef, People, PeopleBuilder, PlanId,
        ReferenceId,
    },
    source::decode::{self, How, Step, json::Cells},
    table::Table,
    vitable,
};
use std::{
    collections::HashMap,
    fs::File,
    io::{BufWriter, Seek as _, Write},
    path::Path,
    sync::{Arc, OnceLock},
};
use tokio::time::Instant;

const ROWS: u64 = 1_000_000;
/// How often the whole path and the bare conversion are run, in turns, for the ratio.
const ROUNDS: usize = 5;

fn main() {
    divan::main();
    // `cargo test --benches` and `--list` only want to know that it runs.
    if !std::env::args().any(|argument| matches!(argument.as_str(), "--test" | "--list")) {
        said(compare());
    }
}

/// What cannot be done is said, and ends the run.
fn said<T>(result: anyhow::Result<T>) -> T {
    #[expect(clippy::panic, reason = "a benchmark that cannot go on fails here")]
    result.unwrap_or_else(|error| panic!("{error:#}"))
}

/// The file, written once.
struct Roster {
    file: File,
    feed: Feed,
    key: FingerprintKey,
    today: NaiveDate,
    now: DateTime<Utc>,
}

fn roster() -> &'static Roster {
    static ROSTER: OnceLock<Roster> = OnceLock::new();
    ROSTER.get_or_init(|| said(Roster::write()))
}

impl Roster {
    fn write() -> anyhow::Result<Self> {
        let mut out = BufWriter::new(tempfile::tempfile()?);
        invented::write(&mut out, ROWS, 1)?;
        let file = out.into_inner()?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo/rosterd.yaml");
        let settings = config::load(&path, &|_| None, Secrets::Skip)?;
        let feed =
            settings.feeds.into_iter().next().ok_or_else(|| anyhow::anyhow!("the demo has no feed"))?;
        let now = DateTime::parse_from_rfc3339("2026-11-22T12:00:00Z")?.to_utc();
        let guard = Guard { first_sync: FirstSync::Submit, ..feed.guard };
        let feed = Feed { guard, ..feed };
        Ok(Self { file, feed, key: FingerprintKey::new([7; 32]), today: now.date_naive(), now })
    }

    /// The file, to be read from its start.
    fn open(&self) -> anyhow::Result<File> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(file)
    }

    fn groups(&self) -> Vec<GroupRef> {
        match &self.feed.grouping.rule {
            GroupRule::Map { map, .. } => map.values().cloned().collect(),
            GroupRule::All(group) => vec![group.clone()],
            GroupRule::AsIs { .. } => Vec::new(),
        }
    }

    /// Cuts the file into rows and gives each batch away.
    fn rows(&self, each: &mut dyn FnMut(Step<'_>) -> anyhow::Result<()>) -> anyhow::Result<u64> {
        let source = self.feed.sources.first().ok_or_else(|| anyhow::anyhow!("the feed has no source"))?;
        let mut failed = None;
        let how = How {
            name: "roster.csv",
            format: &source.format,
            decrypt: source.decrypt.as_ref(),
            cells: Cells { columns: &[], needed: &[], dates: &[] },
            dir: &std::env::temp_dir(),
            source_index: 0,
        };
        let tally = decode::read(self.open()?, &how, &mut |step| {
            if failed.is_none() {
                failed = each(step).err();
            }
            Ok(())
        })?;
        failed.map_or(Ok(tally.rows), Err)
    }

    /// The people of the file.
    fn people(&self) -> anyhow::Result<Arc<People>> {
        let source = self.feed.sources.first().ok_or_else(|| anyhow::anyhow!("the feed has no source"))?;
        let mapping = mapping::compile(&source.mapping, &self.feed.grouping, Some(&self.key))?;
        let plans = ["pln_gold", "pln_silver"].into_iter().map(PlanId::new).collect::<Result<_, _>>()?;
        let mut builder = PeopleBuilder::new(self.groups()).with_plans(plans);
        let mut bound = None;
        self.rows(&mut |step| {
            match (step, &mut bound) {
                (Step::Header(header), _) => bound = Some(mapping.bind(header)?),
                (Step::Rows(table), Some(bound)) => bound.map(table, self.today, &mut builder),
                (Step::Rows(_), None) => {}
            }
            Ok(())
        })?;
        Ok(Arc::new(builder.finish()))
    }

    fn decide(&self, people: &Arc<People>, facts: &[GroupFacts]) -> Vec<Decision> {
        let rules = decide::Feed {
            people,
            guard: &self.feed.guard,
            max_members: ROWS,
            resync_after: None,
            key: &self.key,
            now: self.now,
        };
        rules.decide(facts, &HashMap::new())
    }

    fn facts(
        &self,
        coverage: impl Fn(&GroupRef) -> anyhow::Result<Coverage>,
    ) -> anyhow::Result<Vec<GroupFacts>> {
        let facts = self.groups().into_iter().map(|group| {
            Ok(GroupFacts {
                coverage: coverage(&group)?,
                group,
                pass_over: None,
                retired: None,
                failed_before: std::collections::BTreeSet::new(),
                approvals: Vec::new(),
                second_writer: None,
                suspicions: Vec::new(),
                missing: false,
                clean_since: None,
                aside: None,
                cleared: None,
                unfinished: std::collections::BTreeSet::new(),
                past: rosterd::roster::Past::default(),
            })
        });
        facts.collect()
    }

    fn first(&self) -> anyhow::Result<Vec<GroupFacts>> {
        self.facts(|_| Ok(Coverage::first_sync()))
    }

    /// Everybody is covered with the values of the file.
    fn again(&self, people: &People) -> anyhow::Result<Vec<GroupFacts>> {
        self.facts(|group| {
            let route = people.group_index(group).map(rosterd::roster::Route::Group);
            let members = people.iter().filter(|(_, person)| Some(person.route) == route);
            let members = members.filter_map(|(_, person)| people.record_of(person));
            let covered = members.map(|record| {
                anyhow::Ok(Covered {
                    id: ReferenceId::new(record.reference_id())?,
                    plan: PlanId::new(record.get(Field::PlanId))?,
                    prints: self.key.of(record),
                    carried_since: None,
                })
            });
            let mut coverage = Coverage::new(Certainty::Confirmed, []);
            for member in covered {
                let member: Covered = member?;
                let asked = (member.id.as_str(), member.prints.whole);
                if decide::asked(people, &self.key, people.group_index(group), asked).fields {
                    coverage.put(&member);
                } else {
                    coverage.put_whole(&member);
                }
            }
            Ok(coverage)
        })
    }

    /// The bodies of all requests. Returns their members and bytes.
    fn bodies(&self, decisions: &[Decision]) -> anyhow::Result<(usize, u64)> {
        let (mut members, mut bytes) = (0, 0);
        for decision in decisions {
            let Verdict::Submit { submission, .. } = &decision.verdict else {
                anyhow::bail!("group `{}` is not submitted: {:?}", decision.plan.group, decision.verdict);
            };
            members += submission.len();
            bytes += vitable::write_body(submission, &mut std::io::sink())?;
        }
        anyhow::ensure!(members as u64 == ROWS, "{members} members of {ROWS} rows are submitted");
        Ok((members, bytes))
    }

    /// The whole path: file, rows, table, people, decision, bodies.
    fn whole(&self) -> anyhow::Result<(usize, u64)> {
        let people = self.people()?;
        self.bodies(&self.decide(&people, &self.first()?))
    }
}

fn bench<T>(bencher: Bencher<'_, '_>, work: impl Fn() -> anyhow::Result<T> + Sync) {
    bencher.counter(ItemsCount::new(ROWS)).bench(|| said(work()));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn a1_bare_csv_alone(bencher: Bencher<'_, '_>) {
    let roster = roster();
    bench(bencher, || bare::count(roster.open()?));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn a2_bare_csv_to_json(bencher: Bencher<'_, '_>) {
    let roster = roster();
    bench(bencher, || bare::convert(roster.open()?));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn a3_bare_csv_to_json_by_serde(bencher: Bencher<'_, '_>) {
    let roster = roster();
    bench(bencher, || bare::convert_by_serde(roster.open()?));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn b1_rows(bencher: Bencher<'_, '_>) {
    let roster = roster();
    bench(bencher, || {
        let mut cells = 0;
        let mut count = |table: &Table| cells += table.bytes();
        roster.rows(&mut |step| {
            if let Step::Rows(table) = step {
                count(table);
            }
            Ok(())
        })
    });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn b2_rows_and_people(bencher: Bencher<'_, '_>) {
    let roster = roster();
    bench(bencher, || roster.people());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn b3_decide_first_sync(bencher: Bencher<'_, '_>) {
    let roster = roster();
    let (people, facts) = (said(roster.people()), said(roster.first()));
    bench(bencher, || Ok(roster.decide(&people, &facts)));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn b4_decide_against_baseline(bencher: Bencher<'_, '_>) {
    let roster = roster();
    let people = said(roster.people());
    let facts = said(roster.again(&people));
    bench(bencher, || Ok(roster.decide(&people, &facts)));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn b5_bodies(bencher: Bencher<'_, '_>) {
    let roster = roster();
    let people = said(roster.people());
    let decisions = roster.decide(&people, &said(roster.first()));
    bench(bencher, || roster.bodies(&decisions));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn c_whole(bencher: Bencher<'_, '_>) {
    let roster = roster();
    bench(bencher, || roster.whole());
}

/// What `explain` reads afterwards: a run writes it beside the path above, before anything is sent.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn d_trace(bencher: Bencher<'_, '_>) {
    let roster = roster();
    let people = said(roster.people());
    let decisions = roster.decide(&people, &said(roster.first()));
    let folder = said(tempfile::tempdir().map_err(Into::into));
    let ledger = said(Ledger::open(folder.path(), None, roster.now).map_err(Into::into));
    let run =
        said(ledger.begin(&NewRun::of(&roster.feed.name, Trigger::Sync), roster.now).map_err(Into::into));
    bench(bencher, || {
        fn group(decision: &Decision) -> TracedGroup<'_> {
            let none: &[u32] = &[];
            let added = decision.plan.added.as_slice();
            TracedGroup {
                group: &decision.plan.group,
                fates: Vec::new(),
                lots: [
                    (Lot::Added, added),
                    (Lot::Arriving, none),
                    (Lot::LeftOut, none),
                    (Lot::Unplaced, none),
                ],
            }
        }
        let groups = decisions.iter().map(group).collect();
        let decided = Decided { people: &people, groups, unplaced: &[], at: roster.now };
        let left_out = ledger.save_decided_run(&run, &decided)?;
        anyhow::ensure!(left_out.is_none(), "{left_out:?}");
        Ok(())
    });
}

/// The whole path and the bare conversion in turns; the median of the ratios is what counts.
fn compare() -> anyhow::Result<()> {
    let roster = roster();
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{ROWS} rows, {} bytes; members a second", roster.file.metadata()?.len())?;
    let speed = |work: &dyn Fn() -> anyhow::Result<()>| {
        let began = Instant::now();
        work().map(|()| ROWS as f64 / began.elapsed().as_secs_f64())
    };
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let bare = speed(&|| bare::convert(roster.open()?).map(drop))?;
        let by_serde = speed(&|| bare::convert_by_serde(roster.open()?).map(drop))?;
        let whole = speed(&|| roster.whole().map(drop))?;
        ratios.push((whole / bare, whole / by_serde));
        writeln!(
            out,
            "bare {bare:>9.0}   by serde {by_serde:>9.0}   rosterd {whole:>9.0}   ratio {:.2} and {:.2}",
            whole / bare,
            whole / by_serde
        )?;
    }
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((bare, by_serde)) = ratios.get(ROUNDS / 2) {
        writeln!(out, "median ratio: {bare:.2} of the bare conversion, {by_serde:.2} of the one by serde")?;
    }
    Ok(())
}
