//! A look at everything in the state directory: what the opening verifies once more, and what it does not, that
//! every sealed record opens and that indexes say what the records say.

use super::{
    Ledger, Retired, Run, StoredIncident,
    attempts::StoredAttempt,
    error::{LedgerError, Result},
    groups::GroupState,
    key,
    node::{self, NodeMeta},
    restore, trace, upgrade,
    void::Restored,
    waits::Waits,
};
use crate::attempt::State;
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeSet, HashMap},
    sync::PoisonError,
};

/// At most so many findings of one kind are listed.
const LISTED: usize = 20;

/// What was found. Without personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// What is there, one sentence each.
    pub facts: Vec<String>,
    /// What deserves a word, though nothing is wrong with the state.
    pub warnings: Vec<String>,
    /// What is wrong; empty when the state is well.
    pub problems: Vec<String>,
}

impl Checked {
    fn fact(&mut self, text: impl Into<String>) {
        self.facts.push(text.into());
    }

    fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    fn compare(&mut self, what: &str, index: &BTreeSet<u64>, records: &BTreeSet<u64>) {
        let wrong: Vec<String> =
            index.symmetric_difference(records).take(LISTED).map(ToString::to_string).collect();
        if !wrong.is_empty() {
            self.problem(format!("the index of {what} is not what the records say: {}", wrong.join(", ")));
        }
    }
}

impl Ledger {
    /// Reads everything and says what it finds. Other threads may go on; what they change meanwhile may be told
    /// as it was or as it is.
    ///
    /// # Errors
    /// When the file system refuses. Damage is a finding, and no error.
    pub fn check(&self, now: DateTime<Utc>) -> Result<Checked> {
        let mut checked = Checked::default();
        let known = |error: LedgerError, checked: &mut Checked| {
            if let LedgerError::Damaged { what } = error {
                checked.problem(what);
                Ok(())
            } else {
                Err(error)
            }
        };
        let format = self.store.get::<u8>(key::FORMAT)?.unwrap_or(1);
        checked.fact(format!(
            "the state has format {format}, the newest that this rosterd knows is {}",
            upgrade::CURRENT
        ));
        match self.store.check() {
            Ok(records) => checked.fact(format!(
                "{records} records after {} changes: each matches its checksum, and none is missing",
                self.store.sequence()
            )),
            Err(error) => known(error, &mut checked)?,
        }
        let parts: [fn(&Self, &mut Checked) -> Result<()>; 5] = [
            Self::check_rosters,
            Self::check_attempts,
            Self::check_runs,
            Self::check_incidents,
            Self::check_reads,
        ];
        for part in parts {
            if let Err(error) = part(self, &mut checked) {
                known(error, &mut checked)?;
            }
        }
        self.surroundings(&mut checked, now);
        Ok(checked)
    }

    fn check_rosters(&self, checked: &mut Checked) -> Result<()> {
        let _reading = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let nodes: Vec<NodeMeta> = self.store.scan(key::NODES)?;
        let groups: Vec<GroupState> = self.store.scan(key::GROUPS)?;
        let bases: HashMap<u64, Option<u64>> = nodes.iter().map(|meta| (meta.id, meta.base)).collect();
        let mut members = 0;
        for meta in &nodes {
            let read = node::verify(&self.rosters, meta)
                .and_then(|()| node::read_through(&self.rosters, meta.id, &self.sealer));
            match read {
                Ok(written) if written == meta.written => members += written,
                Ok(_) => checked.problem(format!("the roster file `{}` has not all members", meta.id)),
                Err(LedgerError::Damaged { what }) => checked.problem(what),
                Err(other) => return Err(other),
            }
            if meta.base.is_some_and(|base| !bases.contains_key(&base)) {
                checked.problem(format!("what the roster file `{}` builds on is not there", meta.id));
            }
        }
        let named: BTreeSet<u64> = groups.iter().flat_map(|group| group.nodes.iter().copied()).collect();
        checked.compare("roster files", &named, &bases.keys().copied().collect());
        for group in &groups {
            let live = group.roots(None).into_iter();
            let kept = group.in_flight.iter().chain(&group.timed_out).map(|kept| kept.node);
            if live.chain(kept).any(|node| !group.nodes.contains(&node)) {
                checked.problem(format!("a roster of `{}` is not among its files", group.group));
            }
        }
        checked.fact(format!(
            "{} groups, {} roster files with {members} sealed records: each file is whole and opens with the key",
            groups.len(),
            nodes.len()
        ));
        Ok(())
    }

    fn check_attempts(&self, checked: &mut Checked) -> Result<()> {
        let (mut flying, mut timed_out, mut busy) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut count = 0_u64;
        for at in self.store.keys(key::ATTEMPTS)? {
            let Some(stored) = self.store.get::<StoredAttempt>(&at)? else { continue };
            count += 1;
            let id = stored.attempt.id;
            if key::number_of(&at) != Some(id.0) {
                checked.problem(format!("attempt {} stands under another number", id.0));
            }
            if stored.attempt.state.in_flight() {
                flying.insert(id.0);
            }
            if matches!(stored.attempt.state, State::TimedOut { .. }) {
                timed_out.insert(id.0);
            }
        }
        let indexed = |prefix| {
            Ok::<BTreeSet<u64>, LedgerError>(self.store.newest(prefix, usize::MAX)?.into_iter().collect())
        };
        checked.compare("requests in flight", &indexed(key::IN_FLIGHT)?, &flying);
        // One whose time is over leaves the index and stays as it is.
        let late = indexed(key::TIMED_OUT)?;
        if !late.is_subset(&timed_out) {
            checked.compare("requests that timed out", &late, &timed_out);
        }
        for group in self.store.scan::<GroupState>(key::GROUPS)? {
            busy.extend(group.in_flight.map(|kept| kept.attempt.0));
        }
        checked.compare("groups in flight", &busy, &flying);
        checked.fact(format!("{count} requests, {} of them in flight", flying.len()));
        Ok(())
    }

    fn check_runs(&self, checked: &mut Checked) -> Result<()> {
        let (mut open, mut count) = (BTreeSet::new(), 0_u64);
        for at in self.store.keys(key::RUNS)? {
            let Some(run) = self.store.get::<Run>(&at)? else { continue };
            count += 1;
            if run.ended.is_none() {
                open.insert(run.id.0);
            }
            if self.store.get::<()>(&key::number(&key::runs_of(&run.feed), run.id.0))?.is_none() {
                checked.problem(format!("run {} is not among those of its feed", run.id));
            }
        }
        let indexed = self.store.newest(key::OPEN_RUNS, usize::MAX)?.into_iter().collect();
        checked.compare("runs without an end", &indexed, &open);
        checked.fact(format!("{count} runs, {} of them without an end", open.len()));
        Ok(())
    }

    fn check_incidents(&self, checked: &mut Checked) -> Result<()> {
        let all: Vec<StoredIncident> = self.store.scan(key::INCIDENTS)?;
        let untold: BTreeSet<&String> =
            all.iter().filter(|each| each.is_untold()).map(|each| &each.key).collect();
        let open = all.iter().filter(|each| each.resolved.is_none()).count();
        let indexed: Vec<String> = self.store.scan(key::OPEN_INCIDENTS)?;
        let indexed: BTreeSet<&String> = indexed.iter().collect();
        let wrong = untold.symmetric_difference(&indexed).count();
        if wrong > 0 {
            checked.problem(format!("the index of open incidents is wrong about {wrong} of them"));
        }
        let mails = self.store.keys(key::OUTBOX)?.len();
        checked.fact(format!("{} incidents, {} of them open; {mails} mails waiting", all.len(), open));
        Ok(())
    }

    /// What `explain` reads, who waits, and which groups are retired.
    fn check_reads(&self, checked: &mut Checked) -> Result<()> {
        let traces = self.traces(None)?;
        let mut people = 0;
        for head in &traces {
            match trace::verify(&self.dir, head) {
                Ok(()) => people += head.people,
                // A run may just have replaced it.
                Err(_) if self.traces(Some(&head.feed))?.first() != Some(head) => {}
                Err(LedgerError::Damaged { what }) => checked.problem(format!(
                    "{what}; only `explain` reads it, and the next run of feed `{}` writes a new one",
                    head.feed
                )),
                Err(other) => return Err(other),
            }
        }
        for at in self.store.keys(key::RETIRED)? {
            let Some(retired) = self.store.get::<Retired>(&at)? else { continue };
            if at != key::retired(&retired.group) {
                checked.problem(format!("that `{}` is retired stands under another name", retired.group));
            }
        }
        checked.fact(format!("{} retired groups", self.retired_groups()?.len()));
        checked.fact(format!("{} traces of last reads, with {people} people", traces.len()));
        for at in self.store.keys(key::WAITS)? {
            let Some(waits) = self.store.get::<Waits>(&at)? else { continue };
            if at != key::waits(&waits.feed, &waits.group) {
                checked.problem(format!("who waits in `{}` stands under another name", waits.group));
            }
        }
        Ok(())
    }

    /// What is around the state: its copies, and room for more.
    fn surroundings(&self, checked: &mut Checked, now: DateTime<Utc>) {
        match self.copies().first() {
            Some(copy) => {
                let hours = now.signed_duration_since(copy.made).num_hours();
                checked.fact(format!(
                    "the newest copy beside the state is of {} UTC ({hours} h ago, {} bytes): `{}`",
                    copy.made.format("%Y-%m-%d %H:%M"),
                    copy.size,
                    copy.path.display()
                ));
                if self.copy_due(now) {
                    checked.warnings.push(
                        "the copy beside the state is old; the next `sync` or `run` makes one".to_owned(),
                    );
                }
            }
            None => checked
                .warnings
                .push("there is no copy beside the state yet; the next `sync` or `run` makes one".to_owned()),
        }
        for path in upgrade::kept(&self.dir) {
            checked.fact(format!(
                "`{}` is the state before its format changed; remove it when you do not go back",
                path.display()
            ));
        }
        for name in restore::replaced(&self.dir) {
            checked.fact(format!(
                "`{}` is what a restore set aside; remove it when nothing of it is needed",
                self.dir.join(name).display()
            ));
        }
        if let Ok(Some(restored)) = self.store.get::<Restored>(key::RESTORED) {
            checked.fact(restored.doubt().to_string());
        }
        let Ok(room) = rustix::fs::statvfs(&self.dir) else {
            checked.problem("the room on the disk cannot be told");
            return;
        };
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        checked.fact(format!("{} MB are free on the disk", free / 1_000_000));
        let needed = self.copies().first().map_or(0, |copy| copy.size).saturating_mul(3).max(64 << 20);
        if free < needed {
            checked.warnings.push(format!("less than {} MB are free: make room", needed / 1_000_000));
        }
    }
}
