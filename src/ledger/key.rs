//! The keys of the store. One letter for the kind; texts end in a zero byte, which none of them can hold;
//! numbers are big-endian, so that they sort.

use super::model::AttemptId;
use crate::roster::{FeedName, GroupRef, ReferenceId, RunId};

pub(super) const SEQUENCE: &[u8] = b"m:sequence";
pub(super) const KEY_CHECK: &[u8] = b"m:key";
/// The format of the directory; none says 1.
pub(super) const FORMAT: &[u8] = b"m:format";
/// Where the state key is since it was last changed, in words.
pub(super) const KEY_PLACE: &[u8] = b"m:key-place";
/// The sealed key of the stand-ins.
pub(super) const STAND_INS: &[u8] = b"m:stand-ins";
/// Which directory the rosters are in; none says `rosters`.
pub(super) const ROSTERS: &[u8] = b"m:rosters";
/// From what the state was restored last.
pub(super) const RESTORED: &[u8] = b"m:restored";
/// Where the digest stands.
pub(super) const DIGEST: &[u8] = b"m:digest";
pub(super) const PIN: &[u8] = b"m:pin";
pub(super) const NEXT_RUN: &[u8] = b"m:next-run";
pub(super) const NEXT_ATTEMPT: &[u8] = b"m:next-attempt";
/// The mails of the last while, by list of recipients.
pub(super) const MAIL_BUDGET: &[u8] = b"m:mail-budget";
/// How many mails have entered the outbox.
pub(super) const MAILS: &[u8] = b"m:mails";
pub(super) const NEXT_NODE: &[u8] = b"m:next-node";

pub(super) const RUNS: &[u8] = b"r";
pub(super) const OPEN_RUNS: &[u8] = b"R";
pub(super) const ATTEMPTS: &[u8] = b"a";
pub(super) const IN_FLIGHT: &[u8] = b"A";
pub(super) const TIMED_OUT: &[u8] = b"T";
pub(super) const GROUPS: &[u8] = b"G";
pub(super) const NODES: &[u8] = b"n";
pub(super) const HOLDS: &[u8] = b"h";
pub(super) const INCIDENTS: &[u8] = b"i";
pub(super) const OPEN_INCIDENTS: &[u8] = b"I";
pub(super) const OUTBOX: &[u8] = b"o";
pub(super) const SCHEDULES: &[u8] = b"d";
pub(super) const TODOS: &[u8] = b"D";
pub(super) const MOVES: &[u8] = b"v";
pub(super) const RETIRED: &[u8] = b"x";

/// Who waits in a group.
pub(super) const WAITS: &[u8] = b"w";
/// The trace of a feed's last read.
pub(super) const TRACES: &[u8] = b"t";

pub(super) fn waits_of(feed: &FeedName) -> Vec<u8> {
    texts(WAITS, &[feed.as_str()])
}

pub(super) fn waits(feed: &FeedName, group: &GroupRef) -> Vec<u8> {
    texts(WAITS, &[feed.as_str(), group.as_str()])
}

pub(super) fn trace(feed: &FeedName) -> Vec<u8> {
    texts(TRACES, &[feed.as_str()])
}

pub(super) fn run(id: RunId) -> Vec<u8> {
    number(RUNS, id.0)
}

pub(super) fn open_run(id: RunId) -> Vec<u8> {
    number(OPEN_RUNS, id.0)
}

pub(super) fn runs_of(feed: &FeedName) -> Vec<u8> {
    texts(b"f", &[feed.as_str()])
}

pub(super) fn attempt(id: AttemptId) -> Vec<u8> {
    number(ATTEMPTS, id.0)
}

pub(super) fn in_flight(id: AttemptId) -> Vec<u8> {
    number(IN_FLIGHT, id.0)
}

pub(super) fn timed_out(id: AttemptId) -> Vec<u8> {
    number(TIMED_OUT, id.0)
}

pub(super) fn attempts_of(group: &GroupRef) -> Vec<u8> {
    texts(b"g", &[group.as_str()])
}

pub(super) fn attempts_of_run(run: RunId) -> Vec<u8> {
    number(b"q", run.0)
}

pub(super) fn group(group: &GroupRef) -> Vec<u8> {
    texts(GROUPS, &[group.as_str()])
}

pub(super) fn node(id: u64) -> Vec<u8> {
    number(NODES, id)
}

pub(super) fn holds_of(feed: &FeedName) -> Vec<u8> {
    texts(HOLDS, &[feed.as_str()])
}

pub(super) fn holds_at(feed: &FeedName, group: &GroupRef) -> Vec<u8> {
    texts(HOLDS, &[feed.as_str(), group.as_str()])
}

pub(super) fn hold(feed: &FeedName, group: &GroupRef, digest: &str) -> Vec<u8> {
    texts(HOLDS, &[feed.as_str(), group.as_str(), digest])
}

pub(super) fn accepted_read(feed: &FeedName) -> Vec<u8> {
    texts(b"s", &[feed.as_str()])
}

pub(super) fn todos_of(feed: &FeedName) -> Vec<u8> {
    texts(TODOS, &[feed.as_str()])
}

pub(super) fn todo(feed: &FeedName, source: &str, path: &str) -> Vec<u8> {
    texts(TODOS, &[feed.as_str(), source, path])
}

pub(super) fn moves_of(feed: &FeedName) -> Vec<u8> {
    texts(MOVES, &[feed.as_str()])
}

pub(super) fn open_move(feed: &FeedName, id: &ReferenceId) -> Vec<u8> {
    texts(MOVES, &[feed.as_str(), id.as_str()])
}

pub(super) fn retired(group: &GroupRef) -> Vec<u8> {
    texts(RETIRED, &[group.as_str()])
}

pub(super) fn incident(key: &str) -> Vec<u8> {
    texts(INCIDENTS, &[key])
}

pub(super) fn open_incident(key: &str) -> Vec<u8> {
    texts(OPEN_INCIDENTS, &[key])
}

/// How the keys of open incidents begin whose own keys begin so.
pub(super) fn open_incidents(beginning: &str) -> Vec<u8> {
    [OPEN_INCIDENTS, beginning.as_bytes()].concat()
}

pub(super) fn schedule(feed: &FeedName) -> Vec<u8> {
    texts(SCHEDULES, &[feed.as_str()])
}

pub(super) fn mail(message_id: &str) -> Vec<u8> {
    texts(OUTBOX, &[message_id])
}

/// A prefix followed by a number.
pub(super) fn number(prefix: &[u8], number: u64) -> Vec<u8> {
    [prefix, &number.to_be_bytes()].concat()
}

/// The number at the end of a key.
pub(super) fn number_of(key: &[u8]) -> Option<u64> {
    key.split_last_chunk::<8>().map(|(_, last)| u64::from_be_bytes(*last))
}

fn texts(prefix: &[u8], texts: &[&str]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    for text in texts {
        key.extend_from_slice(text.as_bytes());
        key.push(0);
    }
    key
}
