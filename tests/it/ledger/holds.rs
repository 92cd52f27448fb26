//! What waits for a person, and how long a word is good.

use super::*;
use rosterd::ledger::{Hold, Word};

fn hold(run: u64, digest: &str, since: DateTime<Utc>) -> Hold {
    Hold {
        run: RunId(run),
        last_run: RunId(run),
        feed: feed(),
        group: group(),
        digest: digest.to_owned(),
        held: vec!["removed:e-1".to_owned()],
        reasons: vec!["`absent` allows 1, this has 2".to_owned()],
        approvable: true,
        since,
        word: None,
        expired: None,
    }
}

fn word(approved: bool, by: &str) -> Word {
    Word {
        approved,
        by: by.to_owned(),
        reason: "seen".to_owned(),
        at: at(0),
        expires: approved.then(|| at(100)),
    }
}

fn put(ledger: &Ledger, hold: &Hold) -> Hold {
    ledger.put_holds(std::slice::from_ref(hold), &[], Facts::default()).unwrap().remove(0)
}

fn drop_held(ledger: &Ledger) {
    ledger.put_holds(&[], &[(feed(), group())], Facts::default()).unwrap();
}

fn say(ledger: &Ledger, digest: &str, word: Word) -> Result<Hold, Word> {
    ledger.say(&feed(), &group(), digest, word).unwrap()
}

fn digests(ledger: &Ledger) -> Vec<String> {
    ledger.holds(None).unwrap().into_iter().map(|hold| hold.digest).collect()
}

#[test]
fn an_approval_is_spent_by_completion_alone() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let good = |now| ledger.approvals(&feed(), &group(), now).unwrap().len();
    let unknown = intend(&ledger, &people(0..3, 1), Some("d1")).unwrap_err();
    assert!(matches!(unknown, LedgerError::NoHold { .. }), "nobody approved that");
    assert!(unknown.is_about_the_group());
    put(&ledger, &hold(4, "d1", at(0)));
    let again = put(&ledger, &hold(5, "d1", at(0)));
    assert_eq!((again.run, again.last_run), (RunId(4), RunId(5)));
    let first = word(true, "ann");
    say(&ledger, "d1", first.clone()).unwrap();
    assert_eq!(say(&ledger, "d1", word(false, "bob")), Err(first));
    assert_eq!((good(at(1)), good(at(100))), (1, 0));
    let attempt = intend(&ledger, &people(0..3, 1), Some("d1")).unwrap();
    assert_eq!(good(at(1)), 0, "bound to what is in flight");
    drop_held(&ledger);
    assert_eq!(digests(&ledger), ["d1"], "what is in flight needs its approval");
    step(&ledger, attempt, &Event::Connected);
    step(&ledger, attempt, &unclear());
    assert_eq!(good(at(1)), 1, "valid again after any other end");
    let attempt = intend(&ledger, &people(0..3, 1), Some("d1")).unwrap();
    submit(&ledger, attempt);
    ledger.complete(attempt, &outcome(3, 0, &[]), at(3), Facts::default()).unwrap();
    assert_eq!(good(at(1)), 0);
    assert!(digests(&ledger).is_empty());
    let spent = ledger.say(&feed(), &group(), "d1", word(true, "ann"));
    assert!(matches!(spent, Err(LedgerError::NoHold { .. })));
}

#[test]
fn another_change_ends_a_hold_but_not_an_approval() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    put(&ledger, &hold(1, "d1", at(0)));
    put(&ledger, &hold(2, "d2", at(1)));
    assert_eq!(ledger.holds(Some(&feed())).unwrap().len(), 1);
    say(&ledger, "d2", word(true, "ann")).unwrap();
    put(&ledger, &hold(3, "d3", at(2)));
    assert_eq!(digests(&ledger), ["d2", "d3"]);
    let late = put(&ledger, &hold(9, "d2", at(200)));
    assert_eq!((late.word, late.run), (None, RunId(2)), "asked again after the approval expired");
    drop_held(&ledger);
    assert!(digests(&ledger).is_empty());
}

#[test]
fn a_rejection_outlives_another_change_and_the_oldest_of_many_goes() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    put(&ledger, &hold(1, "first", at(0)));
    say(&ledger, "first", word(false, "ann")).unwrap();
    put(&ledger, &hold(2, "other", at(1)));
    let back = put(&ledger, &hold(3, "first", at(2)));
    assert_eq!((back.run, back.last_run), (RunId(1), RunId(3)));
    assert_eq!(back.word, Some(word(false, "ann")));
    assert_eq!(digests(&ledger), ["first"], "nobody had spoken about the other one");
    for number in 10..40 {
        let digest = format!("r{number}");
        put(&ledger, &hold(number, &digest, at(i64::try_from(number).unwrap())));
        say(&ledger, &digest, word(false, "ann")).unwrap();
    }
    let kept = digests(&ledger);
    assert_eq!((kept.len(), kept.first().map(String::as_str)), (21, Some("r19")), "{kept:?}");
    drop_held(&ledger);
    assert!(digests(&ledger).is_empty());
}

#[test]
fn an_approval_whose_time_is_over_is_remembered_and_a_new_one_counts() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    put(&ledger, &hold(1, "d1", at(0)));
    let first = say(&ledger, "d1", word(true, "ann")).unwrap();
    assert_eq!((first.lapsed(at(99)), first.lapsed(at(100))), (None, first.word.as_ref()));
    for run in 2..4 {
        let again = put(&ledger, &hold(run, "d1", at(200)));
        assert_eq!((again.word.as_ref(), again.lapsed(at(200))), (None, first.word.as_ref()));
        assert_eq!(again.run, RunId(1));
    }
    let late = Word { at: at(201), expires: Some(at(300)), ..word(true, "bob") };
    let second = say(&ledger, "d1", late).unwrap();
    assert_eq!(second.lapsed(at(202)), None);
    assert_eq!(ledger.approvals(&feed(), &group(), at(202)).unwrap().len(), 1);
}

#[test]
fn a_read_that_needs_no_approval_ends_it_unless_its_attempt_is_in_flight() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    put(&ledger, &hold(1, "d1", at(0)));
    say(&ledger, "d1", word(true, "ann")).unwrap();
    put(&ledger, &hold(1, "d2", at(0)));
    let attempt = intend(&ledger, &people(0..3, 1), Some("d1")).unwrap();
    step(&ledger, attempt, &Event::Connected);
    drop_held(&ledger);
    assert_eq!(digests(&ledger), ["d1"]);
    step(&ledger, attempt, &unclear());
    let other = Hold { group: GroupRef::new("acme-other").unwrap(), ..hold(2, "d9", at(2)) };
    let dropped = [(feed(), group())];
    ledger.put_holds(&[other], &dropped, Facts::default()).unwrap();
    assert_eq!(digests(&ledger), ["d9"], "bound to an attempt that is over it is one like others");
    drop(ledger);
    assert_eq!(digests(&open(dir.path())), ["d9"]);
}

#[test]
fn no_word_outlives_the_completion_of_a_roster_that_was_decided_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    for (digest, approved) in [("unused", true), ("d1", true), ("turned down", false)] {
        put(&ledger, &hold(1, digest, at(0)));
        say(&ledger, digest, word(approved, "ann")).unwrap();
    }
    put(&ledger, &hold(1, "unanswered", at(0)));
    let elsewhere = Hold { feed: FeedName::new("other").unwrap(), ..hold(1, "elsewhere", at(0)) };
    put(&ledger, &elsewhere);
    let attempt = intend_at(&ledger, &people(0..3, 1), None, at(1)).unwrap();
    submit(&ledger, attempt);
    put(&ledger, &hold(2, "since", at(2)));
    say(&ledger, "since", Word { at: at(2), ..word(true, "ann") }).unwrap();
    put(&ledger, &hold(2, "asked since", at(2)));
    ledger.complete(attempt, &outcome(3, 0, &[]), at(3), Facts::default()).unwrap();
    assert_eq!(digests(&ledger), ["asked since", "since", "elsewhere"], "those are about a later change");
    let good = ledger.approvals(&feed(), &group(), at(4)).unwrap();
    assert_eq!(good.into_iter().map(|hold| hold.digest).collect::<Vec<_>>(), ["since"]);
}

#[test]
fn a_released_approval_is_spent_though_the_clock_went_back() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    put(&ledger, &hold(1, "d1", at(50)));
    say(&ledger, "d1", Word { at: at(50), ..word(true, "ann") }).unwrap();
    let attempt = intend_at(&ledger, &people(0..3, 1), Some("d1"), at(1)).unwrap();
    submit(&ledger, attempt);
    ledger.complete(attempt, &outcome(3, 0, &[]), at(3), Facts::default()).unwrap();
    assert!(digests(&ledger).is_empty());
}
