//! What rosterd remembers. The only user of sled.

mod model;

pub use model::{
    AcceptedRead, Attempt, AttemptId, Consequence, Counts, Facts, FileReport, GroupReport, Hold, Intent,
    IntentMember, Pin, ReadReport, RowProblem, Run, RunOutcome, RunResult, StoredIncident, StoredMail,
    Trigger, Word,
};
