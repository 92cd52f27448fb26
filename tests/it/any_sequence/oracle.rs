//! Who may be removed, read once more from `config.md` and not from the code: the limits of a small group by default,
//! counted over the files as text and over what Vitable did.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// In a group of at most 19 the number of people is the larger part of each limit, whatever the share.
const ABSENT: usize = 1;
const ENDED: usize = 3;
const MOVED: usize = 3;
const REMOVED_IN_7D: usize = 4;
const ABSENT_IN_30D: usize = 3;
const FEWER_ROWS: usize = 3;

/// What a file says of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Says {
    /// A row that can be used, in this group.
    Covered(&'static str),
    Ended,
    /// A row that cannot be used, or two that contradict each other, or no group: never a reason to remove anybody.
    Nothing,
}

/// A file, as whoever reads its lines understands it.
#[derive(Clone, Debug)]
pub(super) struct File {
    rows: usize,
    ragged: usize,
    ends_with_newline: bool,
    nameless: bool,
    people: BTreeMap<String, Says>,
    evidence: String,
}

impl File {
    pub(super) fn read(text: &str) -> Self {
        let mut people: BTreeMap<String, Says> = BTreeMap::new();
        let (mut rows, mut nameless, mut ragged) = (0, false, 0);
        let mut lines: BTreeMap<String, &str> = BTreeMap::new();
        for line in text.lines().skip(1) {
            rows += 1;
            let cells: Vec<&str> = line.split(',').collect();
            ragged += usize::from(cells.len() != 13);
            let id = cells[0].to_owned();
            nameless |= id.is_empty();
            let cell = |at: usize| cells.get(at).copied().unwrap_or("");
            let says = match (cell(11), cell(12), cell(4).len()) {
                ("Terminated", ..) => Says::Ended,
                ("Active", "East", 10) => Says::Covered("acme-east"),
                ("Active", "West", 10) => Says::Covered("acme-west"),
                _ => Says::Nothing,
            };
            let alike = lines.insert(id.clone(), line).is_none_or(|before| before == line);
            people.insert(id, if alike { says } else { Says::Nothing });
        }
        let hash: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let (ends_with_newline, evidence) = (text.ends_with('\n'), hash.chars().take(16).collect());
        Self { rows, ragged, ends_with_newline, nameless, people, evidence }
    }
}

/// How somebody left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Ended,
    Absent,
    Moved,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Absent => "absent",
            Self::Moved => "moved",
        }
    }
}

/// A person's approval for one group.
#[derive(Clone, Debug)]
struct Approval {
    at: DateTime<Utc>,
    lines: BTreeSet<String>,
}

/// What is known of a group.
#[derive(Clone, Debug, Default)]
struct Group {
    approvals: Vec<Approval>,
    /// Who left without an approval, how, and when.
    left: Vec<(String, Way, DateTime<Utc>)>,
    /// The reads that may be the one that the next is compared with.
    accepted: Vec<File>,
}

/// Whoever watches.
#[derive(Clone, Debug, Default)]
pub(super) struct Oracle {
    groups: BTreeMap<String, Group>,
    /// How many removals were looked at.
    pub(super) removals: usize,
    /// How many of them needed an approval.
    pub(super) approved: usize,
}

impl Oracle {
    /// The first roster of a group is covered.
    pub(super) fn begins(&mut self, group: &str, file: &File) {
        self.groups.entry(group.to_owned()).or_default().accepted = vec![file.clone()];
    }

    /// A person approved these lines.
    pub(super) fn approved(&mut self, group: &str, lines: &[String], at: DateTime<Utc>) {
        let approval = Approval { at, lines: lines.iter().cloned().collect() };
        self.groups.entry(group.to_owned()).or_default().approvals.push(approval);
    }

    /// Vitable removed these people by a roster that was decided on with this file at this time.
    pub(super) fn removed(
        &mut self,
        group: &str,
        ids: &[String],
        file: &File,
        at: DateTime<Utc>,
    ) -> Result<(), String> {
        let known = self.groups.entry(group.to_owned()).or_default();
        self.removals += ids.len();
        let mut by: BTreeMap<Way, Vec<String>> = BTreeMap::new();
        for id in ids {
            let way = match file.people.get(id) {
                None => Way::Absent,
                Some(Says::Ended) => Way::Ended,
                Some(Says::Covered(to)) if *to != group => Way::Moved,
                Some(Says::Covered(_)) => return Err(format!("{id} was removed, and is in the file")),
                Some(Says::Nothing) => return Err(format!("{id} was removed, and his row says nothing")),
            };
            by.entry(way).or_default().push(id.clone());
        }
        let live: Vec<Approval> = known
            .approvals
            .iter()
            .filter(|each| each.at <= at && at < each.at + TimeDelta::hours(72))
            .cloned()
            .collect();
        let needed = known.needed(&by, file, at);
        if !needed.is_empty() {
            self.approved += ids.len();
            if !live.iter().any(|approval| needed.is_subset(&approval.lines)) {
                return Err(format!(
                    "{ids:?} of {group} needed an approval of {needed:?}; there are {live:?}"
                ));
            }
        }
        for (way, ids) in by {
            let named = |id: &String| {
                live.iter().any(|approval| approval.lines.contains(&format!("{}:{id}", way.name())))
            };
            known.left.extend(ids.into_iter().filter(|id| !named(id)).map(|id| (id, way, at)));
        }
        Ok(())
    }

    /// A roster of this file went out: whether it has completed for rosterd too is not known.
    pub(super) fn sent(&mut self, group: &str, file: &File) {
        self.groups.entry(group.to_owned()).or_default().accepted.push(file.clone());
    }

    /// rosterd knows that it has completed: every older word is spent, and the read is the new reference.
    pub(super) fn completed(&mut self, group: &str, file: &File) {
        let known = self.groups.entry(group.to_owned()).or_default();
        known.approvals.clear();
        known.accepted = vec![file.clone()];
    }
}

impl Group {
    /// What an approval must name, so that these may go.
    fn needed(&self, by: &BTreeMap<Way, Vec<String>>, file: &File, at: DateTime<Utc>) -> BTreeSet<String> {
        let mut needed = BTreeSet::new();
        let mut asks = |way: Way| {
            let ids = by.get(&way).into_iter().flatten();
            needed.extend(ids.map(|id| format!("{}:{id}", way.name())));
        };
        let count = |way: Way| by.get(&way).map_or(0, Vec::len);
        if count(Way::Absent) > ABSENT || (count(Way::Absent) > 0 && file.nameless) {
            asks(Way::Absent);
        }
        if count(Way::Ended) > ENDED {
            asks(Way::Ended);
        }
        if count(Way::Moved) > MOVED {
            asks(Way::Moved);
        }
        let gone = |ways: &[Way], days: i64| {
            let since = at - TimeDelta::days(days);
            let before = self.left.iter().filter(|(_, way, when)| ways.contains(way) && *when > since);
            let now = by.iter().filter(|(way, _)| ways.contains(way)).flat_map(|(_, ids)| ids);
            before.map(|(id, ..)| id).chain(now).collect::<BTreeSet<_>>().len()
        };
        if count(Way::Absent) > 0 && gone(&[Way::Absent], 30) > ABSENT_IN_30D {
            asks(Way::Absent);
        }
        if count(Way::Absent) + count(Way::Ended) > 0 && gone(&[Way::Absent, Way::Ended], 7) > REMOVED_IN_7D {
            asks(Way::Absent);
            asks(Way::Ended);
        }
        // Whichever of the reads is the reference, the group had to be held.
        let suspicious = |is: &dyn Fn(&File) -> bool| self.accepted.iter().all(is);
        for (rule, is) in [
            ("fewer_rows", suspicious(&|before| file.rows + FEWER_ROWS < before.rows)),
            ("no_line_end", suspicious(&|before| before.ends_with_newline && !file.ends_with_newline)),
            ("ragged_rows", suspicious(&|before| file.ragged > before.ragged)),
        ] {
            if is {
                needed.insert(format!("{rule}:acme:{}", file.evidence));
            }
        }
        needed
    }
}
