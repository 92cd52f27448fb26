//! Whether scheduled runs may go to Vitable at all. A refused key, an unreachable API, a wrong clock are the
//! daemon's trouble and not a feed's: while such an incident is open the schedule waits, and one try at a time finds
//! out whether it is over (`vitable-api.md`, What may be sent again). A typed `sync` is not held back by it.

use crate::notify::Kind;
use chrono::{DateTime, TimeDelta, Utc};

/// What closes the door, and the order in which it is looked for.
pub(super) const CLOSING: &[Kind] = &[
    Kind::OtherLedger,
    Kind::ClockWrong,
    Kind::Credential,
    Kind::KeyMayNotSubmit,
    Kind::NotSent,
    Kind::ApiUnreachable,
    Kind::ConfigWrong,
];

/// A closed door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    /// The incident that closed it.
    pub(super) kind: Kind,
    /// Since when.
    pub(super) since: DateTime<Utc>,
    tries: u32,
    /// When it is tried next.
    pub(super) next: DateTime<Utc>,
}

/// Whether a key that may read is one that may submit, and whether rosters are taken, shows only when something is
/// submitted: then the try is the run of one feed, otherwise a look at groups and plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    Look,
    Run,
}

impl Closed {
    /// The door closes.
    pub(super) fn new(kind: Kind, now: DateTime<Utc>) -> Self {
        Self { kind, since: now, tries: 0, next: now + wait(kind, 0) }
    }

    /// The door was closed when the daemon started: tried at once.
    pub(super) fn found(kind: Kind, now: DateTime<Utc>) -> Self {
        Self { next: now, ..Self::new(kind, now) }
    }

    /// A try was in vain, and this is what it found.
    pub(super) fn tried(&mut self, kind: Kind, now: DateTime<Utc>) {
        self.tries = if kind == self.kind { self.tries.saturating_add(1) } else { 0 };
        self.kind = kind;
        self.next = now + wait(kind, self.tries);
    }

    pub(super) fn how(&self) -> Try {
        if matches!(self.kind, Kind::KeyMayNotSubmit | Kind::NotSent) { Try::Run } else { Try::Look }
    }
}

/// One try an hour for what a person has to change; minutes for what may be over by itself.
fn wait(kind: Kind, tries: u32) -> TimeDelta {
    if matches!(kind, Kind::ApiUnreachable | Kind::NotSent) {
        TimeDelta::minutes(1_i64 << tries.min(3)).min(TimeDelta::minutes(5))
    } else if kind == Kind::ClockWrong {
        TimeDelta::minutes(5)
    } else {
        TimeDelta::hours(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_key_is_tried_once_an_hour_and_a_silent_api_within_minutes() {
        let at = |minutes: i64| DateTime::from_timestamp(1_800_000_000 + minutes * 60, 0).unwrap();
        let mut closed = Closed::new(Kind::Credential, at(0));
        assert_eq!((closed.next, closed.how()), (at(60), Try::Look));
        closed.tried(Kind::Credential, at(60));
        assert_eq!(closed.next, at(120));
        closed.tried(Kind::KeyMayNotSubmit, at(120));
        assert_eq!((closed.next, closed.how()), (at(180), Try::Run));
        closed.tried(Kind::NotSent, at(180));
        assert_eq!(
            (closed.next, closed.how()),
            (at(181), Try::Run),
            "a good look shows nothing about rosters"
        );
        let mut silent = Closed::new(Kind::ApiUnreachable, at(0));
        let mut waits = Vec::new();
        for _ in 0..5 {
            let now = silent.next;
            silent.tried(Kind::ApiUnreachable, now);
            waits.push((silent.next - now).num_minutes());
        }
        assert_eq!(waits, [2, 4, 5, 5, 5]);
        assert_eq!(Closed::found(Kind::ApiUnreachable, at(7)).next, at(7), "a start tries at once");
        for kind in CLOSING {
            assert!(Closed::new(*kind, at(0)).next > at(0), "{}: no storm of tries", kind.name());
        }
    }
}
