//! What happens over and over makes no flood of mails, and what is over is said once: the engine over a real ledger and
//! real files, on a clock that is put forward.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    inside::Inside,
    world::{Setup, people, roster},
};
use chrono::TimeDelta;
use rosterd::{ledger::RunOutcome, notify::Kind};
use std::fs;

/// A host whose roster is confirmed at Vitable.
fn settled() -> Inside {
    let by_default = |text: String| text.replace("  at_most: 1000/1h", "");
    let inside = Inside::new(&Setup::default(), "2026-11-23T06:00:00Z", by_default);
    inside.arrives(roster(&[people(1..=4, "East"), people(21..=23, "West")].concat()).as_bytes());
    inside.sync();
    inside.approve();
    inside.deliver();
    inside
}

/// The source's folder is there, or not.
fn there(inside: &Inside, there: bool) {
    let (inbox, away) = (inside.world.path("inbox"), inside.world.path("away"));
    if inbox.exists() != there {
        let (from, to) = if there { (away, inbox) } else { (inbox, away) };
        fs::rename(from, to).unwrap();
    }
}

/// The subjects of the mails about the source.
fn subjects(inside: &Inside) -> Vec<String> {
    let subject =
        |mail: &String| mail.lines().find_map(|line| Some(line.strip_prefix("Subject: ")?.to_owned()));
    let mut subjects: Vec<String> = inside.world.mails().iter().map(|mail| subject(mail).unwrap()).collect();
    subjects.retain(|subject| subject.contains("source"));
    subjects
}

#[test]
fn two_hundred_failing_runs_in_two_days_are_three_mails_and_then_one_recovery() {
    let inside = settled();
    there(&inside, false);
    for _ in 0..200 {
        inside.passes(TimeDelta::seconds(48 * 3600 / 200));
        assert_eq!(inside.sync().outcome(), RunOutcome::Failed);
        inside.deliver();
    }
    let told = subjects(&inside);
    assert!((2..=3).contains(&told.len()), "opened, and a reminder a day: {told:?}");
    assert!(told.iter().all(|subject| subject.contains("source not read")), "{told:?}");
    there(&inside, true);
    for _ in 0..3 {
        inside.passes(TimeDelta::minutes(15));
        assert_eq!(inside.sync().outcome(), RunOutcome::Done);
        inside.deliver();
    }
    let mut after = subjects(&inside);
    assert_eq!(after.len(), told.len() + 1, "{after:?}");
    after.retain(|subject| !told.contains(subject));
    assert_eq!(after, ["[rosterd] acme: recovered, source read again"]);
}

#[test]
fn a_source_that_comes_and_goes_for_two_days_makes_no_flood() {
    let inside = settled();
    for turn in 0..200 {
        there(&inside, turn % 2 == 1);
        inside.passes(TimeDelta::seconds(48 * 3600 / 200));
        inside.sync();
        inside.deliver();
    }
    let told = subjects(&inside);
    assert!(told.len() <= 12, "six a day, not {told:?}");
    // Nobody is left with the wrong last word: the source is well, and the incident is over.
    let open = inside.engine().ledger().incidents(true).unwrap();
    assert!(!open.iter().any(|one| one.key.contains(Kind::SourceFailed.name())), "{open:?}");
}
