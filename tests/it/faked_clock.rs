//! Another day on a clock that runs fast, for the built binary: its calendar, its timers and its waiting alike.
//!
//! libfaketime (Debian's `faketime`, 0.9.10) stands before the C library: `clock_gettime`, `epoll_wait` and the sleeps,
//! which is all that tokio's timers use. It is loaded into the command itself and not through the wrapper `faketime`,
//! whose child would not get our signals. What it does not turn: waiting on a condition with a time-out (a futex), which
//! takes as long as on any day, and the times of files, which Rust reads by `statx`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails here")]

use crate::world::{Ran, Setup, World, people};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use rosterd::clock::Clock;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

/// A clock that began at some instant and runs some times as fast as the host's. It is Vitable's too, by
/// [`Setup::clock`]; Vitable's processing alone takes its time by the host's.
#[derive(Clone, Debug)]
pub(crate) struct FakedClock {
    start: DateTime<Utc>,
    rate: u32,
    began: Instant,
    /// How many seconds it was put forward.
    ahead: Arc<AtomicI64>,
}

impl FakedClock {
    /// Begins now, at `start` (`2026-03-08 06:58:00`, in UTC).
    pub(crate) fn new(start: &str, rate: u32) -> Self {
        let start = NaiveDateTime::parse_from_str(start, "%Y-%m-%d %H:%M:%S").unwrap().and_utc();
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let began = Instant::now();
        Self { start, rate, began, ahead: Arc::default() }
    }

    /// Puts it forward, for commands that are run from then on and for Vitable.
    pub(crate) fn put_forward(&self, by: TimeDelta) {
        self.ahead.fetch_add(by.num_seconds(), Ordering::SeqCst);
    }

    /// Starts a command whose clock shows what this one does, to within a second of the host's. Its time-outs
    /// run as fast as its clock: give it long ones.
    pub(crate) fn spawn(&self, mut command: Command) -> Faked {
        self.dress(&mut command);
        Faked { child: Some(command.spawn().unwrap()) }
    }

    /// Gives a command this clock; [`forget`] what is left of it when its process has ended.
    pub(crate) fn dress(&self, command: &mut Command) {
        let now = self.now().format("@%Y-%m-%d %H:%M:%S");
        command
            .env("LD_PRELOAD", library())
            .env("FAKETIME", format!("{now} x{}", self.rate))
            .env("TZ", "UTC");
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, mut command: Command) -> Ran {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.spawn(command).ended()
    }
}

impl Clock for FakedClock {
    fn now(&self) -> DateTime<Utc> {
        let ahead = TimeDelta::seconds(self.ahead.load(Ordering::SeqCst));
        self.start + ahead + TimeDelta::from_std(self.began.elapsed() * self.rate).unwrap()
    }
}

/// A command under a faked clock. Dropped, it is killed, and nothing of it stays behind.
pub(crate) struct Faked {
    child: Option<Child>,
}

impl Faked {
    /// The process, for its output and for signals.
    pub(crate) fn process(&mut self) -> &mut Child {
        self.child.as_mut().unwrap()
    }

    /// Waits for the end.
    pub(crate) fn ended(mut self) -> Ran {
        let child = self.child.take().unwrap();
        let process = child.id();
        let output = child.wait_with_output().unwrap();
        forget(process);
        Ran::of(output)
    }
}

impl Drop for Faked {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
            forget(child.id());
        }
    }
}

/// The library leaves what it shares with children.
pub(crate) fn forget(process: u32) {
    for name in [format!("faketime_shm_{process}"), format!("sem.faketime_sem_{process}")] {
        drop(fs::remove_file(Path::new("/dev/shm").join(name)));
    }
}

/// The library for programs with threads.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries.into_iter().find(|path| path.exists()).expect("libfaketime; tests/run.sh installs it")
}

#[test]
fn dates_and_timers_run_fast_and_together() {
    let clock = FakedClock::new("2026-03-08 06:58:00", 120);
    let setup = Setup {
        guard: "first_sync: submit".to_owned(),
        poll: "first: 4m, max: 4m".to_owned(),
        timeout: "1h".to_owned(),
        clock: Arc::new(clock.clone()),
        ..Setup::default()
    };
    let world = World::new(&setup);
    world.arrives("roster.csv", &[people(1..=3, "East"), people(4..=5, "West")].concat());
    let before = clock.now();
    clock.run(world.command(&["sync", "acme"])).ends(0);
    let after = clock.now();

    let runs = clock.run(world.command(&["runs", "--json"])).ends(0);
    let runs: serde_json::Value = serde_json::from_str(&runs.out).unwrap();
    let at = |key: &str| {
        let text = runs.pointer(&format!("/runs/0/{key}")).unwrap().as_str().unwrap();
        text.parse::<DateTime<Utc>>().unwrap()
    };
    let (began, ended) = (at("began"), at("ended"));
    // Its clock was set to the second.
    let second = TimeDelta::seconds(1);
    assert!(before - second <= began && ended <= after + second, "{before} {began} {ended} {after}");
    // Between the two lies one timer of four minutes, which took two seconds of ours.
    assert!(ended - began >= TimeDelta::minutes(4), "{began} {ended}");
    assert!(began >= clock.start && after - clock.start < TimeDelta::hours(1), "{began} {after}");
    assert_eq!(world.covered("acme-east").len(), 3);
}

/// What a daemon needs: its own signals, its own exit code, its output while it runs.
#[test]
fn a_signal_reaches_the_command_itself() {
    let clock = FakedClock::new("2026-11-01 05:29:00", 60);
    let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"));
    command.args(["sandbox", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut sandbox = clock.spawn(command);
    let mut address = String::new();
    let stdout = sandbox.process().stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut address).unwrap();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    let process = sandbox.process().id().to_string();
    assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
    sandbox.ended().ends(0);
    assert!(!Path::new("/dev/shm").join(format!("faketime_shm_{process}")).exists());
}
