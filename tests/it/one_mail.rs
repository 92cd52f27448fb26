//! What belongs together comes in one mail: the engine over a real ledger, real files and the sandbox, and the built
//! binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    inside::Inside,
    world::{Setup, World, people, person, roster},
};
use chrono::TimeDelta;
use rosterd::{
    engine::{Begun, Order, Silent},
    ledger::{AttemptId, Trigger},
    notify::{Incident, Kind},
    roster::{FeedName, RequestId},
    sandbox::{Answer, CallKind, Faults, NextAnswer},
};

/// The subjects of these mails, without what stands in front.
fn subjects(world: &World) -> Vec<String> {
    let subject = |mail: &String| {
        let line = mail.lines().find_map(|line| line.strip_prefix("Subject: [rosterd] ")).unwrap();
        line.trim_end().to_owned()
    };
    world.mails().iter().map(subject).collect()
}

/// East has lost half of its people, and a row of a new person cannot be used; West has a new one.
fn troubled() -> Vec<String> {
    let mut rows = [people(1..=6, "East"), people(30..=34, "West")].concat();
    rows.push(person(40, "East").replace("/1942", "/Zqyear"));
    rows
}

fn everybody() -> Vec<String> {
    [people(1..=12, "East"), people(30..=33, "West")].concat()
}

fn setup() -> Setup {
    Setup { guard: "fewer_rows: 100%, invalid: 100%".to_owned(), ..Setup::default() }
}

/// The next rosters are refused.
fn refuses() -> Faults {
    let no = Answer::Status { status: 400, retry_after: None };
    Faults { next: vec![NextAnswer::new(CallKind::Submit, 9, no)], ..Faults::default() }
}

#[test]
fn a_run_with_several_troubles_is_one_mail_that_tells_each() {
    let world = World::settled(&setup(), &everybody());
    let before = subjects(&world);
    world.arrives("roster.csv", &troubled());
    world.sandbox.set_faults(refuses());
    world.rosterd(&["sync", "acme"]).ends(1);
    let mut after = subjects(&world);
    assert_eq!(after.len(), before.len() + 1, "{after:?}");
    after.retain(|subject| !before.contains(subject));
    assert_eq!(after, ["acme: submit refused (and 2 more)"]);
    let mail = world.mails().into_iter().find(|mail| mail.contains("(and 2 more)")).unwrap();
    let mail = mail.replace("=\r\n", "");
    for told in [
        "acme, group acme-west: submit refused",
        "acme, group acme-east: held, 6 removals wait",
        "acme: rows left out, 1 person not covered",
    ] {
        assert!(mail.contains(told), "`{told}` in {mail}");
    }
    // All of it is over with the next day, and that is one mail too.
    world.sandbox.set_faults(Faults::default());
    world.arrives("roster.csv", &everybody());
    let before = subjects(&world);
    world.rosterd(&["sync", "acme"]).ends(0);
    let mut after = subjects(&world);
    assert_eq!(after.len(), before.len() + 1, "{after:?}");
    after.retain(|subject| !before.contains(subject));
    assert!(after.iter().all(|subject| subject.ends_with("(and 2 more)")), "{after:?}");
}

/// A host of which a run waits for Vitable, while a group of it is held.
fn in_the_midst() -> (Inside, Begun) {
    let inside = Inside::new(&setup(), "2026-11-23T06:00:00Z", |text| text);
    inside.arrives(roster(&everybody()).as_bytes());
    inside.sync();
    inside.approve();
    inside.deliver();
    inside.arrives(roster(&troubled()).as_bytes());
    inside.world.sandbox.set_faults(Faults { backlog: true, ..Faults::default() });
    let feed = inside.engine().feed("acme").unwrap();
    let order = Order {
        feed,
        trigger: Trigger::Sync,
        group: None,
        file: None,
        due: None,
        again: None,
        progress: &Silent,
    };
    let begun = inside.does(inside.engine().begin(&order)).unwrap();
    assert!(matches!(begun, Begun::Waiting(_)), "{begun:?}");
    (inside, begun)
}

/// What is due goes, as in the life of a daemon. How many mails there are then.
fn mails(inside: &Inside) -> usize {
    inside.does(inside.engine().post_mails(std::future::ready(())));
    inside.world.mails().len()
}

#[test]
fn a_mail_waits_for_the_end_of_its_run_and_no_longer_than_that() {
    let (inside, begun) = in_the_midst();
    let before = mails(&inside);
    assert_eq!(inside.engine().ledger().outbox().unwrap().len(), 1, "it waits, and is durable");
    let due = inside.engine().next_mail_due().unwrap();
    assert_eq!(due, Some(inside.now() + TimeDelta::minutes(5)));
    inside.passes(TimeDelta::minutes(4));
    assert_eq!(mails(&inside), before);
    // One of those who are to be added is refused by Vitable: that comes to it.
    let fail = serde_json::from_value(serde_json::json!({
        "fail_members": [{ "reference_id": "E-34", "operation": "add", "reason": "no" }]
    }));
    inside.world.sandbox.set_faults(fail.unwrap());
    inside.does(inside.engine().to_its_end(begun, &Silent)).unwrap();
    assert_eq!(mails(&inside), before + 1);
    let told = subjects(&inside.world);
    assert!(told.iter().any(|subject| subject.ends_with("(and 2 more)")), "{told:?}");
    assert!(inside.engine().ledger().outbox().unwrap().is_empty());
}

#[test]
fn a_run_that_waits_for_long_holds_back_no_mail_for_long() {
    let (inside, begun) = in_the_midst();
    let before = mails(&inside);
    inside.passes(TimeDelta::minutes(5));
    assert_eq!(mails(&inside), before + 1);
    // What comes afterwards is a mail of its own, and cannot be lost in one that has gone.
    let fail = serde_json::from_value(serde_json::json!({
        "fail_members": [{ "reference_id": "E-34", "operation": "add", "reason": "no" }]
    }));
    inside.world.sandbox.set_faults(fail.unwrap());
    inside.does(inside.engine().to_its_end(begun, &Silent)).unwrap();
    assert_eq!(mails(&inside), before + 2);
}

#[test]
fn a_kill_while_a_mail_waits_for_its_run_loses_nothing() {
    let (mut inside, begun) = in_the_midst();
    let before = mails(&inside);
    drop(begun);
    inside.restart();
    assert_eq!(mails(&inside), before + 1, "a new process waits for no run of the old one");
    assert_eq!(mails(&inside), before + 1);
}

#[test]
fn what_cannot_wait_goes_at_once_and_takes_what_waits_with_it() {
    let (inside, _begun) = in_the_midst();
    let before = mails(&inside);
    inside.engine().tell_of(&Incident::new(Kind::Disk, "the disk that holds the state is full.")).unwrap();
    assert_eq!(mails(&inside), before + 1);
    let told = subjects(&inside.world);
    assert!(
        told.iter().any(|subject| subject == "all feeds: state cannot be written (and 2 more)"),
        "{told:?}"
    );
}

/// Another feed is in trouble.
fn globex() -> Incident {
    let feed = FeedName::new("globex").unwrap();
    Incident { feed: Some(feed), ..Incident::new(Kind::SourceFailed, "nobody listens there.") }
}

#[test]
fn another_feed_has_a_mail_of_its_own() {
    let (inside, _begun) = in_the_midst();
    let before = mails(&inside);
    inside.engine().tell_of(&globex()).unwrap();
    assert_eq!(mails(&inside), before + 1, "no run of it goes on");
    assert!(subjects(&inside.world).contains(&"globex: source not read".to_owned()));
    assert_eq!(inside.engine().ledger().outbox().unwrap().len(), 1, "the other one waits on");
}

#[test]
fn a_state_that_takes_nothing_keeps_no_other_mail_back() {
    let (inside, _begun) = in_the_midst();
    let before = mails(&inside);
    inside.engine().tell_of(&globex()).unwrap();
    // What the state cannot take goes to the reserve, and it takes nothing more.
    let request = RequestId::new("grpmsr_1").unwrap();
    inside.engine().ledger().reserve_accepted(AttemptId(99), &request).unwrap();
    assert!(inside.does(inside.engine().deliver()).is_err(), "it cannot be recorded");
    assert_eq!(inside.world.mails().len(), before + 1);
}

#[test]
fn whoever_ends_hands_on_what_still_waits_for_a_run() {
    let (inside, _begun) = in_the_midst();
    let before = mails(&inside);
    inside.deliver();
    assert_eq!(inside.world.mails().len(), before + 1);
}
