//! `kill -9` in the midst of an upgrade, a copy, a restore or a change of the key.

use super::*;
use rosterd::ledger::{CARE_POINTS, NewKey, Restore};
use std::{
    io::Write,
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
};

/// What a child does until it dies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Open,
    Copy,
    /// From the newest copy beside the state.
    Restore,
    /// To a fresh key file.
    Rekey,
    /// To the secret `another secret`, for a state whose key is a file.
    RekeyToSecret,
}

pub(crate) const SECRET: &str = "another secret";

/// Lets another process do this, and kills it when it passes this point for the `times`th time.
pub(crate) fn die_at(point: &str, times: u32, work: Work, dir: &Path) {
    assert!(CARE_POINTS.contains(&point), "{point}");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger::care::child_of_other_tests", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{point}\n{times}\n{work:?}\n{}", dir.display()).unwrap();
    drop(stdin);
    assert_eq!(child.wait().unwrap().signal(), Some(6), "{work:?} never reaches `{point}` {times} times");
}

#[test]
#[ignore = "the child of the other tests: reads from stdin what to do"]
fn child_of_other_tests() {
    let mut lines = std::io::stdin().lines().map(Result::unwrap);
    let mut next = || lines.next().unwrap();
    let (point, times, work, dir) = (next(), next(), next(), next());
    let left = std::sync::atomic::AtomicU32::new(times.parse().unwrap());
    let pass = move || {
        if left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 1 {
            std::process::abort();
        }
    };
    fail::cfg_callback(point, pass).unwrap();
    let dir = Path::new(&dir);
    match work.as_str() {
        "Open" => drop(open(dir)),
        "Copy" => drop(open(dir).write_copy(at(90))),
        "Restore" => drop(Restore::from_copy(dir, None).unwrap().commit(at(100)).unwrap()),
        "Rekey" => drop(open(dir).rekey(NewKey::OwnFile, false, at(110)).unwrap()),
        "RekeyToSecret" => {
            let new = NewKey::Secret { secret: &SECRET.into(), place: "{ env: STATE_KEY }" };
            drop(open(dir).rekey(new, false, at(110)).unwrap());
        }
        other => panic!("{other}"),
    }
}
