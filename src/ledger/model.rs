//! What the ledger remembers, in its own words. Each stored record carries a version (see `codec`).

use super::{schedules::ScheduleMark, told::Told};
use crate::{
    attempt::{Outcome, State},
    roster::{
        Departures, FeedName, GroupId, GroupRef, OrganizationId, PlanId, Problem, RecordRef, ReferenceId,
        RowAt, RunId, SourceShape,
    },
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The number of an attempt; they count up from 1 for the life of a state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(pub u64);

/// To whom a ledger belongs, pinned at first contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The API's base URL.
    pub base_url: String,
    /// The organization that the groups show.
    pub organization: OrganizationId,
}

/// What began a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person typed `sync`.
    Sync,
    /// A person approved a hold.
    Approval,
    /// The start found a run without an end.
    Recovery,
    /// The calendar.
    Schedule,
    /// A person emptied a group.
    Emptying,
}

/// One pass of a feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// Its feed.
    pub feed: FeedName,
    /// What began it.
    pub trigger: Trigger,
    /// When it began.
    pub began: DateTime<Utc>,
    /// When it ended; a run without an end is begun again.
    pub ended: Option<DateTime<Utc>>,
    /// How it ended, and why, in a sentence.
    pub result: Option<RunResult>,
    /// What was read.
    pub read: Option<ReadReport>,
    /// What became of each group.
    pub groups: Vec<GroupReport>,
    /// The only group that was asked for, if one was.
    #[serde(default)]
    pub only: Option<GroupRef>,
    /// The local file that stood in for the source, if one did.
    #[serde(default)]
    pub file: Option<String>,
    /// The run that was cut off before this one began.
    #[serde(default)]
    pub after: Option<RunId>,
    /// The instant of the schedule that it was begun for, if the calendar began it.
    #[serde(default)]
    pub due: Option<DateTime<Utc>>,
    /// Whether rosterd was told to stop while it went on: it is begun again, and that is no crash.
    #[serde(default)]
    pub stopped: bool,
}

/// What a run begins with.
#[derive(Clone, Debug)]
pub struct NewRun<'a> {
    /// Its feed.
    pub feed: &'a FeedName,
    /// What began it.
    pub trigger: Trigger,
    /// The instant of the schedule, through which it is answered for in the same batch.
    pub due: Option<ScheduleMark>,
    /// The only group that is asked for.
    pub only: Option<GroupRef>,
    /// The local file that stands in for the source.
    pub file: Option<String>,
    /// A run of the same feed that was cut off, with its end: it ends in the same batch.
    pub after: Option<&'a Run>,
}

impl Run {
    /// The run as it ends when the process that carried it out is gone.
    #[must_use]
    pub fn cut_off(&self, now: DateTime<Utc>) -> Self {
        let summary = match (self.trigger, self.stopped) {
            (Trigger::Emptying, _) => {
                "rosterd stopped before this run ended; what Vitable took is looked after"
            }
            (_, true) => "rosterd was stopped before this run ended; it was begun again",
            (_, false) => "rosterd stopped before this run ended",
        };
        let summary = summary.to_owned();
        let result = Some(RunResult { outcome: RunOutcome::Failed, summary });
        Self { ended: Some(now), result, ..self.clone() }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunResult {
    /// `done`, `failed`, `held` or `left_out`: the names of the exit codes.
    pub outcome: RunOutcome,
    /// A sentence that stands alone.
    pub summary: String,
}

/// The exit codes of `config.md`, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// 0.
    Done,
    /// 4: members or rows were left out, carried forward or refused by Vitable.
    LeftOut,
    /// 3.
    Held,
    /// 1.
    Failed,
}

/// What a run read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReadReport {
    /// Each file, in the order of the feed's sources; `RowAt::source` counts in it.
    pub files: Vec<FileReport>,
    /// Data rows of all files.
    pub rows: u64,
    /// Rows that cannot be used or of which something was left out, at most 10,000.
    pub problems: Vec<RowProblem>,
    /// How many problem rows there were in all.
    pub problem_rows: u64,
    /// Repairs that were counted, such as ZIP codes whose zeros were restored.
    pub repairs: BTreeMap<String, u64>,
    /// Why the read is suspicious, incomplete or failed; empty for a complete one.
    pub findings: Vec<String>,
    /// Things to know that hold nothing: values that are in no list.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One file that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// The source's name.
    pub source: String,
    /// The path, on this host or on the server.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Of the bytes, in hexadecimal.
    pub sha256: String,
    /// Modification time at the source.
    pub modified: Option<DateTime<Utc>>,
    /// Data rows.
    pub rows: u64,
    /// The first names beside it that fit `path` and were not read: older ones, the newest of them first, then dot files,
    /// partial uploads and folders.
    #[serde(default)]
    pub not_picked: Vec<String>,
    /// How many there were.
    #[serde(default)]
    pub not_picked_files: u64,
    /// The file that its sender wrote when it was whole, where each file has one of its own.
    #[serde(default)]
    pub marker: Option<MarkerReport>,
}

/// A marker that was there when its file was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkerReport {
    /// Its path at its place.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written, as the place said.
    pub modified: Option<DateTime<Utc>>,
}

/// A row with its problems. Never a value of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowProblem {
    /// Where.
    pub at: RowAt,
    /// Who, when the row says so.
    pub reference_id: Option<ReferenceId>,
    /// Carried forward, left out, or only a field left out.
    pub consequence: Consequence,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Since when the last accepted record is sent again, if it is.
    #[serde(default)]
    pub since: Option<DateTime<Utc>>,
}

/// What a row's problem led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// A covered person: the last accepted record is sent again.
    Carried,
    /// A person who is not covered: not on the roster.
    LeftOut,
    /// Only an optional field was left out or sent as last accepted.
    FieldLeftOut,
    /// The groups concerned are held.
    Held,
    /// Vitable refused the whole roster for it.
    Refused,
    /// The read was incomplete, so nothing was sent for anybody.
    NotSent,
}

/// What became of one group in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupReport {
    /// The group.
    pub group: GroupRef,
    /// Its id at Vitable, once known.
    pub group_id: Option<GroupId>,
    /// What was decided.
    pub verdict: GroupVerdict,
    /// Why, one sentence for each reason.
    pub reasons: Vec<String>,
    /// The numbers of the plan.
    pub counts: Counts,
    /// The members named in the report, by fate, at most 1,000 for each fate.
    pub members: BTreeMap<String, Vec<ReferenceId>>,
    /// The attempt, when one was made.
    pub attempt: Option<AttemptId>,
    /// Lower-case hexadecimal digest of what is held, when something is.
    pub digest: Option<String>,
    /// Whether an approval can release what is held.
    #[serde(default)]
    pub approvable: bool,
    /// The body that is sent: of a plan, the one that a run would send, byte for byte.
    #[serde(default)]
    pub body: Option<BodyReport>,
    /// Whether it was not sent for a reason that passes by itself, such as a key that is refused for now.
    #[serde(default)]
    pub again: bool,
    /// The members named in the report with the reason for what happens to them. Runs of earlier versions have none.
    #[serde(default)]
    pub told: Vec<Told>,
}

impl GroupReport {
    /// A report that says nothing yet but what was decided.
    #[must_use]
    pub fn new(group: GroupRef, verdict: GroupVerdict) -> Self {
        Self {
            group,
            group_id: None,
            verdict,
            reasons: Vec::new(),
            counts: Counts::default(),
            members: BTreeMap::new(),
            attempt: None,
            digest: None,
            approvable: false,
            body: None,
            again: false,
            told: Vec::new(),
        }
    }
}

/// What was decided for one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupVerdict {
    /// The roster goes out.
    Submit,
    /// The roster is the one that Vitable has.
    Unchanged,
    /// The group has to wait, for a request in flight or after a lost answer.
    PassedOver,
    /// A person has to look.
    Hold,
    /// A person emptied the group: nothing is submitted until that is taken back.
    Retired,
    /// Something is wrong with the group itself; the reasons say what.
    Refused,
}

impl GroupVerdict {
    /// What a run that has a group with this verdict comes to at least.
    #[must_use]
    pub const fn at_least(self) -> RunOutcome {
        match self {
            Self::Submit | Self::Unchanged | Self::Retired => RunOutcome::Done,
            Self::Hold => RunOutcome::Held,
            Self::PassedOver | Self::Refused => RunOutcome::Failed,
        }
    }
}

/// The body of a submit, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyReport {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of it, in lower-case hexadecimal.
    pub sha256: String,
}

/// The numbers of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Members covered before.
    pub covered: u64,
    /// Members in the payload.
    pub payload: u64,
    /// New ones.
    pub added: u64,
    /// With other values than last accepted.
    pub updated: u64,
    /// Left as they are.
    pub unchanged: u64,
    /// The last accepted record is sent again.
    pub carried: u64,
    /// The row says that they have left.
    pub ended: u64,
    /// Not eligible.
    pub ineligible: u64,
    /// To another group.
    pub moved: u64,
    /// No row.
    pub absent: u64,
    /// Covered members who are not in the payload. A moved member stays in it until his move is made.
    pub removed: u64,
    /// Their plan would change, which Vitable does not apply.
    pub plan_changes: u64,
    /// Not covered, and cannot be used.
    pub left_out: u64,
}

/// Everything that must be durable before a POST. The ledger computes the fingerprints and stores a delta
/// to what is covered.
pub struct Intent<'a> {
    /// The run it belongs to.
    pub run: RunId,
    /// The feed of the run.
    pub feed: &'a FeedName,
    /// The group.
    pub group: &'a GroupRef,
    /// The group's id that the POST will name.
    pub group_id: &'a GroupId,
    /// The whole payload in its order.
    pub members: &'a mut dyn Iterator<Item = IntentMember<'a>>,
    /// Members that the payload removes, by how they leave.
    pub removed: &'a [Departures],
    /// The numbers of the plan.
    pub counts: Counts,
    /// The digest of the approval that releases it, if one does.
    pub approval: Option<String>,
    /// Whether it is the first half of a decision: the same one sends another roster with those who come in.
    pub half: bool,
}

/// One member of a payload, for the intent.
pub struct IntentMember<'a> {
    /// What is sent.
    pub record: RecordRef<'a>,
    /// The plan that the member was added with.
    pub plan: PlanId,
    /// Since when the last accepted record is sent again, if it is.
    pub carried_since: Option<DateTime<Utc>>,
}

/// One submit to one group, as remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number.
    pub id: AttemptId,
    /// Its run.
    pub run: RunId,
    /// Its feed.
    pub feed: FeedName,
    /// Its group.
    pub group: GroupRef,
    /// The group's id that the POST named.
    pub group_id: GroupId,
    /// Where it stands.
    pub state: State,
    /// When the intent became durable.
    pub prepared_at: DateTime<Utc>,
    /// When it came into its state.
    pub changed_at: DateTime<Utc>,
    /// The numbers of the plan.
    pub counts: Counts,
    /// Members that the payload removes.
    pub removed: Vec<ReferenceId>,
    /// The same members, by how they leave. Attempts of earlier versions have none.
    #[serde(default)]
    pub departures: Vec<Departures>,
    /// The digest of the approval that released it.
    pub approval: Option<String>,
    /// Whether it is the first half of a decision: the same one sends another roster with those who come in. No word
    /// is spent by it.
    #[serde(default)]
    pub half: bool,
    /// What Vitable said, once completed.
    pub outcome: Option<Outcome>,
    /// The fields of a refused roster that Vitable named, by their rows, at most 1,000.
    #[serde(default)]
    pub refused: Vec<RowProblem>,
}

impl Attempt {
    /// Whether its roster is the empty one, which only a person's word for one group makes.
    #[must_use]
    pub fn empties(&self) -> bool {
        self.counts.payload == 0
    }
}

/// A plan that waits for a person, or that a person has spoken about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// The run that held it first: yesterday's mail can be answered today.
    pub run: RunId,
    /// The newest run that held the same.
    pub last_run: RunId,
    /// The feed.
    pub feed: FeedName,
    /// The group.
    pub group: GroupRef,
    /// Digest of what is held.
    pub digest: String,
    /// What is held, so that a subset can be told: one line for each thing, `removed:E-1`, `first_sync`, ….
    pub held: Vec<String>,
    /// Why, one sentence for each reason.
    pub reasons: Vec<String>,
    /// Whether an approval can release it; otherwise the cure is at the source or in the configuration.
    #[serde(default = "yes")]
    pub approvable: bool,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What a person said.
    pub word: Option<Word>,
    /// The newest approval whose time was over before Vitable had completed the change.
    #[serde(default)]
    pub expired: Option<Word>,
}

fn yes() -> bool {
    true
}

/// What a person said to a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Approved or rejected.
    pub approved: bool,
    /// Who: a user name or uid.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when an approval is good.
    pub expires: Option<DateTime<Utc>>,
}

/// What the next read of a feed is compared with: for each group the last read from which Vitable completed a
/// roster of it. An approval for one group moves no other's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AcceptedRead {
    /// The reads that a group still refers to, by run: one shape for each source, by name.
    pub reads: BTreeMap<u64, BTreeMap<String, SourceShape>>,
    /// The run whose read counts for a group.
    pub groups: BTreeMap<GroupRef, u64>,
}

impl AcceptedRead {
    /// The shapes that count for a group.
    #[must_use]
    pub fn of(&self, group: &GroupRef) -> Option<&BTreeMap<String, SourceShape>> {
        self.groups.get(group).and_then(|run| self.reads.get(run))
    }

    /// This read counts for these groups from now on. Reads that no group refers to are forgotten.
    pub fn accept(
        &mut self,
        run: u64,
        shapes: &BTreeMap<String, SourceShape>,
        groups: impl IntoIterator<Item = GroupRef>,
    ) {
        self.groups.extend(groups.into_iter().map(|group| (group, run)));
        self.reads.insert(run, shapes.clone());
        let referred: std::collections::BTreeSet<u64> = self.groups.values().copied().collect();
        self.reads.retain(|run, _| referred.contains(run));
    }
}
