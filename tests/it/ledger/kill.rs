//! `kill -9`, at random moments and after every durable write: nothing acknowledged is lost.

use super::*;
use rosterd::{
    attempt::State,
    ledger::{
        AcceptedRead, CRASH_POINTS, DISK_FULL_POINT, Decided, Hold, OpenError, Pause, Pin, ScheduleMark,
        StoredMail, Trigger, Word,
    },
    roster::{OrganizationId, People},
};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
};

/// Starts this test binary again as a process that can be killed. What it shall do goes through stdin.
fn child(mode: &str, dir: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger::kill::child_of_other_tests", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{mode}\n{}", dir.display()).unwrap();
    child
}

#[test]
#[ignore = "the child of the other tests here: reads from stdin what to do"]
fn child_of_other_tests() {
    let mut lines = std::io::stdin().lines().map(Result::unwrap);
    let (mode, dir) = (lines.next().unwrap(), lines.next().unwrap());
    let dir = Path::new(&dir);
    match mode.as_str() {
        "work" => work(dir),
        "crowd" => crowd(dir),
        "full" => full(dir),
        "still-full" => still_full(dir),
        "no-room" => no_room(dir),
        point => {
            fail::cfg_callback(point, || std::process::abort()).unwrap();
            everything(dir);
        }
    }
}

fn acknowledge(words: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nack {words}").unwrap();
    out.flush().unwrap();
}

/// The payload of an attempt, so that the parent knows it too.
fn payload(attempt: u64) -> Vec<(String, u32)> {
    let version = u32::try_from(attempt).unwrap();
    let ids = (0..60).filter(|at| !(at + version as usize).is_multiple_of(7));
    people(ids, version)
}

/// Submits without end, and says what is durable.
fn work(dir: &Path) {
    let ledger = open(dir);
    recover(&ledger, at(0));
    for flying in ledger.attempts_in_flight().unwrap() {
        ledger.complete(flying.id, &outcome(0, 0, &[]), at(3), Facts::default()).unwrap();
    }
    loop {
        let next = ledger.attempts_of_group(&group(), 1).unwrap().first().map_or(1, |last| last.id.0 + 1);
        let run = ledger.begin_run(&feed(), Trigger::Sync, at(0)).unwrap();
        acknowledge(format_args!("run {}", run.id));
        let attempt = intend(&ledger, &payload(next), None).unwrap();
        assert_eq!(attempt.0, next);
        acknowledge(format_args!("prepared {next}"));
        step(&ledger, attempt, &Event::Connected);
        acknowledge(format_args!("sent {next}"));
        step(&ledger, attempt, &accepted(attempt));
        acknowledge(format_args!("accepted {next}"));
        ledger.complete(attempt, &outcome(0, 0, &[]), at(3), Facts::default()).unwrap();
        acknowledge(format_args!("completed {next}"));
    }
}

/// The last number that was acknowledged for each word, until `count` lines were read; then the kill.
fn kill_after(dir: &Path, count: usize) -> std::collections::HashMap<String, u64> {
    let mut child = child("work", dir);
    let mut said = std::collections::HashMap::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut take = |line: String| {
        if let Some((word, number)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' ')) {
            said.insert(word.to_owned(), number.parse().unwrap());
        }
    };
    // Each acknowledgement is two lines; how far the child is by the time of the kill is chance.
    for line in lines.by_ref().take(2 * count) {
        take(line.unwrap());
    }
    child.kill().unwrap();
    lines.map_while(Result::ok).for_each(take);
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    said
}

#[test]
fn nothing_acknowledged_is_lost_by_kills_at_random_moments() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..12_usize {
        let said = kill_after(dir.path(), 5 + round * 7 % 29);
        let ledger = open(dir.path());
        let state = |attempt: u64| ledger.attempt(AttemptId(attempt)).unwrap().unwrap().state;
        assert!(ledger.run(RunId(said["run"])).unwrap().is_some());
        assert_ne!(state(said["prepared"]).name(), "not sent");
        if let Some(sent) = said.get("sent") {
            assert_ne!(state(*sent), State::Prepared);
        }
        if let Some(number) = said.get("accepted") {
            let expected = request(AttemptId(*number));
            assert_eq!(state(*number).request_id(), Some(&expected));
        }
        let newest = said.get("completed").copied();
        let last = ledger.last_completed(&group()).unwrap().map(|attempt| attempt.id.0);
        assert!(last >= newest, "{last:?} is confirmed, {newest:?} was acknowledged");
        let attempts = ledger.attempts_of_group(&group(), usize::MAX).unwrap();
        let lost = |state: &State| matches!(state, State::OutcomeUnknown { .. });
        let uncertain = attempts.iter().any(|each| Some(each.id.0) > last && lost(&each.state));
        if let (Some(last), false) = (last, uncertain) {
            let mut expected: Vec<String> = payload(last).into_iter().map(|(id, _)| id).collect();
            expected.sort();
            assert_eq!(covered(&ledger), expected);
        }
        assert!(ledger.attempts_in_flight().unwrap().len() <= 1);
    }
}

/// Eight writers at a time, whose changes become durable together.
fn crowd(dir: &Path) {
    let ledger = open(dir);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let run = ledger.begin_run(&feed(), Trigger::Sync, at(0)).unwrap();
                    acknowledge(format_args!("run {}", run.id));
                }
            });
        }
    });
}

#[test]
fn nothing_acknowledged_to_one_of_many_writers_is_lost_by_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..6_usize {
        let mut child = child("crowd", dir.path());
        let mut acknowledged = Vec::new();
        let mut take = |line: String| {
            if let Some(number) = line.strip_prefix("ack run ") {
                acknowledged.push(RunId(number.parse().unwrap()));
            }
        };
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.by_ref().take(60 + round * 37).map(Result::unwrap).for_each(&mut take);
        child.kill().unwrap();
        lines.map_while(Result::ok).for_each(&mut take);
        child.wait().unwrap();
        let ledger = open(dir.path());
        is_well(&ledger);
        assert!(acknowledged.len() > 20);
        for run in acknowledged {
            assert!(ledger.run(run).unwrap().is_some(), "run {run} was acknowledged");
        }
    }
}

/// Passes every crash point once.
fn everything(dir: &Path) {
    let ledger = open(dir);
    acknowledge(format_args!("open 0"));
    let pin = Pin {
        base_url: "https://api.vitable.example".to_owned(),
        organization: OrganizationId::new("org_1").unwrap(),
    };
    ledger.set_pin(&pin).unwrap();
    ledger.set_group_pin(&group(), &GroupId::new("grp_1").unwrap()).unwrap();
    let mut run = ledger.begin_run(&feed(), Trigger::Sync, at(0)).unwrap();
    ledger.save_run(&run).unwrap();
    let nobody = People::default();
    let read = Decided { people: &nobody, groups: Vec::new(), unplaced: &[], at: at(0) };
    assert!(ledger.save_decided_run(&run, &read).unwrap().is_none());
    ledger.set_accepted_read(&feed(), &AcceptedRead::default()).unwrap();
    let mark = ScheduleMark { through: at(0), schedule: "0 6 * * * UTC".to_owned() };
    ledger.pass_due(&[(feed(), mark)]).unwrap();
    ledger.pause(&feed(), Some(Pause { until: None, by: "ann".to_owned(), at: at(0) })).unwrap();
    let hold = Hold {
        run: run.id,
        last_run: run.id,
        feed: feed(),
        group: group(),
        digest: "d".to_owned(),
        held: Vec::new(),
        reasons: Vec::new(),
        approvable: true,
        since: at(0),
        word: None,
        expired: None,
    };
    ledger.put_holds(std::slice::from_ref(&hold), &[], Facts::default()).unwrap();
    let word =
        Word { approved: true, by: "ann".to_owned(), reason: "seen".to_owned(), at: at(0), expires: None };
    ledger.say(&feed(), &group(), "d", word).unwrap().unwrap();
    let attempt = intend(&ledger, &people(0..9, 1), Some("d")).unwrap();
    acknowledge(format_args!("prepared {}", attempt.0));
    submit(&ledger, attempt);
    acknowledge(format_args!("accepted {}", attempt.0));
    ledger.reserve_note("a note").unwrap();
    let failures = [("e-1", Operation::Add)];
    ledger.complete(attempt, &outcome(8, 0, &failures), at(3), Facts::default()).unwrap();
    acknowledge(format_args!("completed {}", attempt.0));
    let mail = StoredMail::new("m".to_owned(), Vec::new(), String::new(), at(0));
    let facts = Facts { incidents: Vec::new(), mails: vec![mail.clone()], ..Facts::default() };
    ledger.record(facts).unwrap();
    ledger.mail_waits(&StoredMail { tries: 1, ..mail }, &Facts::default()).unwrap();
    ledger.mail_settled("m", &Facts::default()).unwrap();
    ledger.put_holds(&[hold], &[], Facts::default()).unwrap();
    ledger.put_holds(&[], &[(feed(), group())], Facts::default()).unwrap();
    run.ended = Some(at(9));
    let mut run = ledger.succeed_run(&run, Trigger::Recovery, at(9)).unwrap();
    run.ended = Some(at(9));
    ledger.end_run(&run, Facts::default()).unwrap();
    intend(&ledger, &people(0..9, 1), None).unwrap();
    recover(&ledger, at(9));
}

#[test]
fn a_death_at_any_crash_point_loses_nothing_acknowledged() {
    for point in CRASH_POINTS {
        let dir = tempfile::tempdir().unwrap();
        let output = child(point, dir.path()).wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(6), "`{point}` is never reached");
        let said = String::from_utf8(output.stdout).unwrap();
        let ledger = open(dir.path());
        if said.contains("ack completed") {
            assert_eq!(covered(&ledger).len(), 8, "{point}");
        } else if said.contains("ack accepted") {
            let state = ledger.attempt(AttemptId(1)).unwrap().unwrap().state;
            assert_eq!(state.request_id(), Some(&request(AttemptId(1))), "{point}");
        } else if said.contains("ack prepared") {
            assert!(ledger.attempt(AttemptId(1)).unwrap().is_some(), "{point}");
        }
        // Whichever of the two it was, one run of the feed goes on until the second has ended.
        let (runs, open) = (ledger.runs(None, 9).unwrap(), ledger.open_runs().unwrap());
        assert!(open.len() == 1 || runs.is_empty() || runs.iter().all(|run| run.ended.is_some()), "{point}");
        recover(&ledger, at(5));
        if ledger.attempts_in_flight().unwrap().is_empty() {
            sync(&ledger, &people(0..4, 2));
        }
    }
}

/// The disk fills up between the first byte and the answer.
fn full(dir: &Path) {
    let ledger = open(dir);
    let attempt = intend(&ledger, &people(0..9, 1), None).unwrap();
    step(&ledger, attempt, &Event::Connected);
    fail::cfg(DISK_FULL_POINT, "return").unwrap();
    let refused = ledger.advance(attempt, &accepted(attempt), at(2), Facts::default());
    assert!(matches!(refused, Err(LedgerError::DiskFull)));
    fail::remove(DISK_FULL_POINT);
    let refused = ledger.begin_run(&feed(), Trigger::Sync, at(3));
    assert!(matches!(refused, Err(LedgerError::Stopped { .. })), "room that came back does not help");
    acknowledge(format_args!("full 0"));
    std::process::abort();
}

/// The next start, with no more room than before.
fn still_full(dir: &Path) {
    fail::cfg(DISK_FULL_POINT, "return").unwrap();
    assert!(matches!(Ledger::open(dir, None, at(0)), Err(OpenError::DiskFull { .. })));
    fail::remove(DISK_FULL_POINT);
    acknowledge(format_args!("still-full 0"));
    std::process::abort();
}

/// The disk fills up, and no request id is about to be lost.
fn no_room(dir: &Path) {
    let ledger = open(dir);
    fail::cfg(DISK_FULL_POINT, "return").unwrap();
    assert!(matches!(ledger.begin_run(&feed(), Trigger::Sync, at(3)), Err(LedgerError::DiskFull)));
    fail::remove(DISK_FULL_POINT);
    let refused = intend(&ledger, &people(0..9, 1), None);
    assert!(matches!(refused, Err(LedgerError::Stopped { .. })), "nothing is sent after it");
    let files = std::fs::read_dir(dir.join("rosters")).unwrap().count();
    assert_eq!(files, 0, "an intent that was not recorded leaves no file");
    acknowledge(format_args!("no-room 0"));
    std::process::abort();
}

#[test]
fn a_full_disk_does_not_lose_the_request_id() {
    let dir = tempfile::tempdir().unwrap();
    let output = child("full", dir.path()).wait_with_output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("ack full"));
    let reserve = std::fs::read(dir.path().join("reserve")).unwrap();
    for _ in 0..2 {
        let output = child("still-full", dir.path()).wait_with_output().unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().contains("ack still-full"));
        let now = std::fs::read(dir.path().join("reserve")).unwrap();
        assert!(now == reserve, "a start on a full disk neither takes a note away nor adds one");
    }
    let ledger = open(dir.path());
    let state = ledger.attempt(AttemptId(1)).unwrap().unwrap().state;
    assert_eq!(state, State::Accepted { request_id: request(AttemptId(1)) });
}

#[test]
fn a_write_that_found_no_room_is_the_last_one() {
    let dir = tempfile::tempdir().unwrap();
    let output = child("no-room", dir.path()).wait_with_output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("ack no-room"));
    assert!(open(dir.path()).runs(None, 9).unwrap().is_empty());
}
