//! What goes wrong between rosterd and Vitable, on the disk and in the state: said plainly, told to a person once,
//! nothing half done, and put right by the next run.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails here")]

use crate::world::{Ran, Setup, World, canaries, people, person, put, row};
use rosterd::{
    attempt::State,
    ledger::Attempt,
    roster::GroupRef,
    sandbox::{Answer, CallKind, FailMember, Faults, NextAnswer, ResultsShape},
};
use std::{fs, io::Write, path::Path, sync::Mutex, time::Duration};

const GROUPS: [&str; 2] = ["acme-east", "acme-west"];

fn day_1() -> Vec<String> {
    [people(1..=10, "East"), people(21..=23, "West")].concat()
}

/// 10 has left, 11 is new.
fn day_2() -> Vec<String> {
    let mut rows = [people(1..=9, "East"), people(21..=23, "West")].concat();
    rows.extend([row(10, "East", "Terminated"), person(11, "East")]);
    rows
}

fn setup(poll: &str) -> Setup {
    Setup {
        guard: "first_sync: submit".to_owned(),
        poll: format!("first: 1s, max: 1s{poll}"),
        ..Setup::default()
    }
}

/// A world whose first day is in step, on the morning of the second.
fn second_day(setup: &Setup) -> World {
    let world = World::new(setup);
    world.arrives("day-1.csv", &day_1());
    world.rosterd(&["sync", "acme"]).ends(0);
    world.arrives("day-2.csv", &day_2());
    world
}

/// The next two submits, one for each group, get this answer.
fn both(answer: Answer) -> Faults {
    Faults { next: vec![NextAnswer::new(CallKind::Submit, 2, answer)], ..Faults::default() }
}

fn status(status: u16, retry_after: Option<&str>) -> Answer {
    Answer::Status { status, retry_after: retry_after.map(str::to_owned) }
}

fn attempts(world: &World, group: &str) -> Vec<Attempt> {
    world.ledger().attempts_of_group(&GroupRef::new(group).unwrap(), usize::MAX).unwrap()
}

/// The second day came to Vitable, and nobody else was removed on the way.
#[track_caller]
fn in_step(world: &World) {
    let east = world.covered("acme-east");
    assert!(east.len() == 10 && east.contains(&"E-11".to_owned()) && !east.contains(&"E-10".to_owned()));
    assert_eq!(world.covered("acme-west").len(), 3);
    let removed = world.sandbox.removed("acme-east");
    assert!(removed.iter().map(|each| each.reference_id.as_str()).eq(["E-10"]), "{removed:?}");
    assert!(world.sandbox.removed("acme-west").is_empty());
    assert!(GROUPS.iter().all(|group| world.sandbox.max_in_flight(group) == 1));
}

/// Waits where the world itself waits: there is nothing to look at until then.
fn pause(milliseconds: u64) {
    std::thread::park_timeout(Duration::from_millis(milliseconds));
}

/// Runs each case in a world of its own, all at once: most of each is waiting.
fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, play: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| play(case));
        }
    });
}

/// Both answers are lost; the run after it waits; one that cannot be sent tells nothing; then it is settled.
fn lost_and_found(world: &World, processed: bool) {
    let (submits, mails) = (world.sandbox.submits().len(), world.mailed("outcome unknown"));
    world.sandbox.set_faults(both(Answer::Close { processed }));
    let lost = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(lost.out.contains("outcome unknown"), "{}", lost.text());
    assert_eq!(world.sandbox.submits().len(), submits + 2, "sent once for each group, and not repeated");
    assert!(world.mailed("outcome unknown") > mails);
    for group in GROUPS {
        let newest = &attempts(world, group)[0].state;
        assert!(matches!(newest, State::OutcomeUnknown { .. }), "{newest:?}");
    }
    let (mails, known) = (world.mails().len(), world.mailed("outcome known"));

    let early = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(early.out.contains("nothing is sent before"), "{}", early.text());
    assert_eq!(world.sandbox.submits().len(), submits + 2);
    assert_eq!(world.mails().len(), mails, "the same again is no news, and nothing is over");

    let until = |wanted: &dyn Fn(&Ran) -> bool| {
        let mut tries = (0..40).map(|_| world.rosterd(&["sync", "acme"]));
        let found = tries.find(|ran| {
            let found = wanted(ran);
            pause(if found { 0 } else { 200 });
            found
        });
        assert!(found.is_some(), "{}", world.rosterd(&["sync", "acme"]).text());
    };
    world.sandbox.set_faults(both(status(429, Some("600"))));
    until(&|ran| ran.out.contains("not sent:"));
    assert_eq!(world.mailed("outcome known"), known, "what was not sent does not say what became of it");
    until(&|ran| ran.code == Some(0));
    assert!(world.mailed("outcome known") > known);
}

#[test]
fn a_lost_answer_is_said_waited_for_and_settled_by_a_fresh_submit() {
    at_once([true, false], |processed| {
        let setup = Setup { feed: "    submit: when_changed\n".to_owned(), ..setup(", stuck_after: 3s") };
        let world = second_day(&setup);
        let changed =
            day_2().iter().map(|row| row.replace("21 Zqstreet", "121 Zqstreet")).collect::<Vec<_>>();
        world.arrives("day-2.csv", &changed);
        lost_and_found(&world, processed);
        in_step(&world);
        // Vitable may have done the lost one last: the newest roster goes once more, and then no more.
        let submits = world.sandbox.submits().len();
        world.rosterd(&["sync", "acme"]).ends(0);
        assert_eq!(world.sandbox.submits().len(), submits + 2);
        world.rosterd(&["sync", "acme"]).ends(0);
        assert_eq!(world.sandbox.submits().len(), submits + 2);
        // Numbers that nobody could foresee are no second writer, also when it happens again.
        world.arrives("day-3.csv", &[day_2(), vec![person(12, "East"), person(24, "West")]].concat());
        lost_and_found(&world, processed);
        assert_eq!((world.covered("acme-east").len(), world.covered("acme-west").len()), (11, 4));
        assert!(world.mailed("somebody else") == 0);
    });
}

#[test]
fn a_throttled_submit_is_repeated_within_its_attempt() {
    let world = second_day(&setup(""));
    world.sandbox.set_faults(both(status(429, Some("1"))));
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.sandbox.requests().len(), 4, "one request for each group and day");
    let submits = world.sandbox.submits();
    assert_eq!(submits.len(), 6);
    let waited = submits[4].at - submits[2].at;
    assert!(waited >= chrono::TimeDelta::seconds(1), "Retry-After: {waited}");
    assert!(GROUPS.iter().all(|group| attempts(&world, group).len() == 2));
    in_step(&world);

    // Longer than anybody waits at a prompt: not sent, and the next run tries again.
    world.sandbox.set_faults(both(status(429, Some("600"))));
    let ran = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(ran.out.contains("not sent"), "{}", ran.text());
    assert_eq!(world.sandbox.requests().len(), 4);
    world.rosterd(&["sync", "acme"]).ends(0);
}

#[test]
fn an_unclear_answer_to_a_submit_is_not_repeated() {
    let answers = [
        status(500, None),
        status(503, Some("1")),
        Answer::Html { status: 502, processed: false },
        Answer::Html { status: 200, processed: true },
        Answer::Empty { status: 202, processed: true },
    ];
    at_once(answers, |answer| {
        let world = second_day(&setup(""));
        world.sandbox.set_faults(both(answer));
        let ran = world.rosterd(&["sync", "acme"]).ends(1);
        assert!(ran.out.contains("outcome unknown"), "{}", ran.text());
        assert!(!ran.text().contains("<html"), "{}", ran.text());
        assert_eq!(world.sandbox.submits().len(), 4, "each once");
        assert!(world.mailed("outcome unknown") > 0);
    });
}

#[test]
fn a_refusal_that_echoes_a_person_is_scrubbed_everywhere() {
    let world = second_day(&setup(""));
    world.sandbox.set_faults(both(Answer::EchoPhone));
    let mut command = world.command(&["sync", "acme"]);
    let ran = Ran::of(command.env("ROSTERD_LOG", "trace").output().unwrap()).ends(1);
    assert!(ran.out.contains("refused by Vitable with 400"), "{}", ran.text());
    assert_eq!(world.sandbox.requests().len(), 2, "nothing was applied");
    assert!(world.mailed("refused") > 0);
    let newest = &attempts(&world, "acme-east")[0].state;
    assert!(matches!(newest, State::Rejected { status: 400, .. }), "{newest:?}");
    let shown = world.rosterd(&["show", "2", "--json"]).ends(0);
    let mut said = ran.text() + &shown.text() + &world.mails().join("\n");
    for (_, bytes) in world.files("state") {
        said.push_str(&String::from_utf8_lossy(&bytes));
    }
    for canary in (1..=23).flat_map(canaries) {
        assert!(!said.contains(&canary), "{canary}");
    }
    world.rosterd(&["sync", "acme"]).ends(0);
    in_step(&world);
    assert!(world.mailed("roster taken") > 0);
}

#[test]
fn what_says_too_little_is_no_completion_and_a_late_one_is_picked_up() {
    let shapes = [
        ResultsShape::Null,
        ResultsShape::WithoutAdded,
        ResultsShape::WithoutRemoved,
        ResultsShape::WithoutFailures,
    ];
    at_once(shapes, |shape| {
        let world = second_day(&setup(", stuck_after: 1s, give_up_after: 3s"));
        world.sandbox.set_faults(Faults { results: shape, ..Faults::default() });
        let ran = world.rosterd(&["sync", "acme"]).ends(1);
        assert!(ran.out.contains("timed out"), "{shape:?}: {}", ran.text());
        for group in GROUPS {
            let newest = attempts(&world, group).remove(0);
            assert!(matches!(newest.state, State::TimedOut { .. }), "{:?}", newest.state);
            let id = newest.state.request_id().unwrap().as_str();
            assert!(world.mailed(id) >= 1, "{shape:?}: the request id");
            for told in ["request stuck at Vitable", "request given up"] {
                let headline = format!("acme, group {group}: {told}");
                assert_eq!(world.mailed(&headline), 1, "{shape:?}: {headline}");
            }
        }
        let groups = world.json(&["status", "--json"]);
        assert!(groups["groups"][0]["certainty"].to_string().contains("ncertain"), "{groups}");
        let submits = world.sandbox.submits().len();

        // Vitable says it all at last; the next run sends afresh.
        world.sandbox.set_faults(Faults::default());
        world.rosterd(&["sync", "acme"]).ends(0);
        assert_eq!(world.sandbox.submits().len(), submits + 2);
        for group in GROUPS {
            let all = attempts(&world, group);
            let completed = all.iter().all(|each| matches!(each.state, State::Completed { .. }));
            assert!(completed, "{shape:?}: the late completion counts: {all:?}");
        }
        in_step(&world);
        let open = world.json(&["status", "--json"]);
        assert!(open["incidents"].as_array().unwrap().is_empty(), "{open}");
    });
}

#[test]
fn numbers_that_do_not_match_hold_the_next_change() {
    let writes: [fn(&World); 2] = [
        |world| world.sandbox.set_faults(Faults { added_off_by: 1, ..Faults::default() }),
        |world| assert!(world.sandbox.second_writer("acme-west", &[], &["E-21"])),
    ];
    at_once(writes, |write| {
        let world = second_day(&setup(""));
        write(&world);
        world.rosterd(&["sync", "acme"]).ends(0);
        assert!(world.mailed("somebody else changes the group") > 0);
        world.sandbox.set_faults(Faults::default());

        world.arrives("day-3.csv", &[day_2(), vec![person(12, "East"), person(24, "West")]].concat());
        let held = world.rosterd(&["sync", "acme"]).ends(3);
        assert!(held.out.contains("writes to this group"), "{}", held.text());
        world.approve().ends(0);
        world.arrives("day-4.csv", &[day_2(), people(12..=13, "East"), people(24..=25, "West")].concat());
        world.rosterd(&["sync", "acme"]).ends(0);
        assert_eq!((world.covered("acme-east").len(), world.covered("acme-west").len()), (12, 5));
    });
}

#[test]
fn an_unknown_operation_leaves_the_member_as_he_was() {
    let world = second_day(&setup(""));
    let fail = |id: &str| FailMember {
        reference_id: id.to_owned(),
        operation: "reactivate".to_owned(),
        reason: "Later".to_owned(),
    };
    world.sandbox.set_faults(Faults { fail_members: vec![fail("E-10"), fail("E-11")], ..Faults::default() });
    let ran = world.rosterd(&["sync", "acme"]).ends(4);
    assert!(ran.out.contains("E-11: reactivate"), "{}", ran.text());
    assert!(world.mailed("E-11") > 0 && world.mailed("somebody else") == 0);
    world.sandbox.set_faults(Faults::default());
    let plan = world.rosterd(&["plan", "acme"]).ends(0);
    assert!(plan.out.contains("ended: E-10") && plan.out.contains("added: E-11"), "{}", plan.out);
    world.rosterd(&["sync", "acme"]).ends(0);
    in_step(&world);
}

#[test]
fn members_who_fail_again_for_the_same_reason_are_not_mailed_again() {
    let world =
        second_day(&Setup { covered_elsewhere: vec!["E-24".to_owned()], processing: ONCE, ..setup("") });
    world.arrives("day-3.csv", &[day_2(), vec![person(24, "West")]].concat());
    world.rosterd(&["sync", "acme"]).ends(4);
    let mails = world.mails().len();
    assert!(world.mailed("E-24") == 1);
    world.rosterd(&["sync", "acme"]).ends(4);
    assert_eq!(world.mails().len(), mails, "nothing is new");
    let fail = FailMember {
        reference_id: "E-24".to_owned(),
        operation: "add".to_owned(),
        reason: "Plan pln_gold not found".to_owned(),
    };
    world.sandbox.set_faults(Faults { fail_members: vec![fail], ..Faults::default() });
    world.rosterd(&["sync", "acme"]).ends(4);
    assert_eq!(world.mails().len(), mails + 1, "another reason is news");
    assert_eq!(attempts(&world, "acme-west")[0].outcome.as_ref().unwrap().failures.len(), 1);
}

const ONCE: Duration = Duration::from_millis(20);

#[test]
fn while_vitable_is_away_nothing_is_half_done_and_one_mail_says_so() {
    let mut world = second_day(&setup(""));
    // Two refusals differ by their trace ids, and are one problem.
    let refuse = NextAnswer::new(CallKind::ListGroups, 2, status(403, None));
    world.sandbox.set_faults(Faults { next: vec![refuse], ..Faults::default() });
    for _ in 0..2 {
        world.rosterd(&["sync", "acme"]).ends(1);
        assert_eq!(world.mails().len(), 1, "{:?}", world.mails());
    }
    world.vitable_goes_away();
    for _ in 0..2 {
        let ran = world.rosterd(&["sync", "acme"]).ends(1);
        assert!(ran.text().contains("no connection"), "{}", ran.text());
        assert_eq!(world.mails().len(), 2, "one mail however many runs");
    }
    assert!(world.mailed("Vitable not reachable") == 1);
    assert!(GROUPS.iter().all(|group| attempts(&world, group).len() == 1), "no attempt was begun");
    world.vitable_comes_back();
    world.rosterd(&["sync", "acme"]).ends(0);
    in_step(&world);
    assert_eq!(world.mails().len(), 3, "and one when it is all over");
    assert!(world.mailed("reachable again") == 1);
}

/// What became of a first sync on a disk that is full from a certain write on.
#[derive(Clone, Copy, PartialEq)]
enum Filled {
    /// It did not come to that write.
    Lasted,
    /// Before anything was sent.
    Unsent,
    /// After a request.
    Requested,
    /// A power cut came once the reserve had a request id.
    Died,
}

/// A first sync on a disk that is full from its `full_at`-th write on, and if `dies` a power cut once the reserve
/// has a request id.
fn on_a_full_disk(full_at: u32, dies: bool) -> Filled {
    let world = World::new(&setup(", stuck_after: 1s"));
    world.arrives("day-1.csv", &day_1());
    let mut command = world.command(&["sync", "acme"]);
    command.env("ROSTERD_DISK_FULL_AT", full_at.to_string());
    if dies {
        command.env("ROSTERD_CRASH_AT", "ledger-after-reserve");
    }
    let ran = Ran::of(command.output().unwrap());
    if ran.code == Some(0) {
        return Filled::Lasted;
    }
    let requests = world.sandbox.requests();
    let died = dies && ran.code.is_none();
    assert!(died || ran.code == Some(1), "{full_at}: {}", ran.text());
    assert!(died || ran.err.contains("full; make room"), "{full_at}: {}", ran.text());
    // Whatever Vitable took is known, but for an answer that was still under way at the power cut.
    let known: Vec<Attempt> = GROUPS.iter().flat_map(|group| attempts(&world, group)).collect();
    let forgotten = requests.iter().filter(|request| {
        !known.iter().any(|each| each.state.request_id().is_some_and(|id| id.as_str() == request.request_id))
    });
    let sent = known.iter().filter(|each| matches!(each.state, State::Sent)).count();
    assert!(forgotten.count() <= if died { sent } else { 0 }, "{full_at}: {known:?}");
    assert!(world.sandbox.submits().len() <= known.len(), "{full_at}: what is sent was recorded before");
    let settled = (0..20).any(|_| {
        let code = world.rosterd(&["sync", "acme"]).code;
        pause(if code == Some(0) { 0 } else { 300 });
        code == Some(0)
    });
    assert!(settled, "{full_at}");
    assert_eq!((world.covered("acme-east").len(), world.covered("acme-west").len()), (10, 3));
    assert!(GROUPS.iter().all(|group| world.sandbox.removed(group).is_empty()));
    match (died, requests.is_empty()) {
        (true, _) => Filled::Died,
        (false, true) => Filled::Unsent,
        (false, false) => Filled::Requested,
    }
}

#[test]
fn on_a_full_disk_nothing_is_sent_that_cannot_be_recorded() {
    let next = Mutex::new(Some(0));
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let taken = next.lock().unwrap().as_mut().map(|next| std::mem::replace(next, *next + 1));
                    let Some(full_at) = taken else { return };
                    let filled = on_a_full_disk(full_at, false);
                    if filled == Filled::Lasted {
                        *next.lock().unwrap() = None;
                        return;
                    }
                    found.lock().unwrap().push(filled);
                    if filled == Filled::Requested {
                        found.lock().unwrap().push(on_a_full_disk(full_at, true));
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    let count = |wanted| found.iter().filter(|each| **each == wanted).count();
    assert!(count(Filled::Unsent) >= 5 && count(Filled::Requested) >= 4, "the disk was full at every write");
    assert!(count(Filled::Died) >= 1, "the reserve was used");
}

/// Turns one bit in the middle of a file, or at a place of its own choosing.
fn damage(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    let mut file = fs::File::create(path).unwrap();
    file.write_all(&bytes).unwrap();
}

#[test]
fn a_damaged_state_is_said_and_nothing_is_submitted() {
    let world = second_day(&setup(""));
    let submits = world.sandbox.submits().len();
    let store = world.path("state/store/db");
    let bytes = fs::read(&store).unwrap();
    let used: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
    let rosters = fs::read_dir(world.path("state/rosters")).unwrap().map(|entry| entry.unwrap().path());
    let middle = |path: &Path| usize::try_from(fs::metadata(path).unwrap().len()).unwrap() / 2;
    let mut places: Vec<_> = rosters.map(|path| (path.clone(), middle(&path))).collect();
    assert_eq!(places.len(), 2, "the sealed records of each group");
    places.extend(used.iter().step_by(used.len() / 8).map(|&at| (store.clone(), at)));
    let saved = world.files("state");
    let mut noticed = 0;
    for (path, at) in places {
        damage(&path, at);
        let status = world.rosterd(&["status"]);
        // A byte of the store that nothing reads any more is no damage.
        if status.code != Some(0) {
            let ran = world.rosterd(&["sync", "acme"]).ends(1);
            assert!(ran.err.starts_with("rosterd: the state is damaged: "), "{}", ran.err);
            assert!(
                ran.err.contains("rosterd state restore --copy") && ran.err.lines().count() == 1,
                "{}",
                ran.err
            );
            noticed += 1;
        }
        assert_eq!(world.sandbox.submits().len(), submits);
        fs::remove_dir_all(world.path("state/store")).unwrap();
        fs::create_dir(world.path("state/store")).unwrap();
        for (path, bytes) in &saved {
            fs::File::create(path).unwrap().write_all(bytes).unwrap();
        }
    }
    assert!(noticed >= 3, "{noticed}");
    world.rosterd(&["sync", "acme"]).ends(0);
    in_step(&world);
}

#[test]
fn a_missing_group_is_created_after_the_approval_of_its_first_sync() {
    let world = World::new(&Setup { guard: String::new(), ..setup("") });
    let config = fs::read_to_string(world.path("rosterd.yaml")).unwrap();
    let config = config.replace("West: acme-west } }", "West: acme-new }, create_missing: true }");
    put(&world.path("rosterd.yaml"), &config);
    world.arrives("day-1.csv", &day_1());
    let creations = || world.sandbox.calls().iter().filter(|call| call.call == CallKind::CreateGroup).count();
    world.rosterd(&["sync", "acme"]).ends(3);
    assert_eq!(creations(), 0, "nothing is made before a person approved it");
    assert!(world.sandbox.group_id("acme-new").is_none());

    // Vitable will not, this time: the other group goes, and a person is told once.
    let refuse = NextAnswer::new(CallKind::CreateGroup, 2, status(422, None));
    world.sandbox.set_faults(Faults { next: vec![refuse], ..Faults::default() });
    let ran = world.approve().ends(1);
    assert!(ran.out.contains("could not be created"), "{}", ran.text());
    assert_eq!(world.covered("acme-east").len(), 10);
    let mails = world.mails().len();
    world.rosterd(&["sync", "acme"]).ends(1);
    assert_eq!(world.mails().len(), mails, "the same again is no news, and nothing is over");

    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(creations(), 3);
    assert_eq!(world.covered("acme-new"), ["E-21", "E-22", "E-23"]);
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(creations(), 3, "it is there now");
    assert!(world.mailed("group found") > 0);
}
