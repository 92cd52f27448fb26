//! `rosterd run` as its supervisor and its operator see it: the built binary, the sandbox over HTTP, a notify socket of
//! the test's own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails here"
)]

mod clock_change;
mod commands;
mod hours;
mod life;
mod schedule;
mod trouble;
mod unit;

use super::{
    faked_clock::{FakedClock, forget},
    world::{World, people},
};
use std::{
    io::{BufRead, BufReader, Read},
    os::unix::net::UnixDatagram,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};
use tokio::time::Instant;

/// How long a test waits for a fact before it fails. Nothing here takes a tenth of it.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that runs, killed when the value is dropped.
pub(crate) struct Daemon {
    child: Child,
    told: UnixDatagram,
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Daemon {
    /// Starts one and waits until it is ready.
    pub(crate) fn start(world: &World) -> Self {
        let daemon = Self::begin(world, &[]);
        daemon.hears("READY=1");
        daemon
    }

    /// Starts one under a clock that runs fast, and waits until it is ready.
    pub(crate) fn start_by(world: &World, clock: &FakedClock) -> Self {
        let mut command = world.command(&["run"]);
        clock.dress(&mut command);
        let daemon = Self::spawn(command);
        daemon.hears("READY=1");
        daemon
    }

    /// Starts one with more of an environment.
    pub(super) fn begin(world: &World, environment: &[(&str, &str)]) -> Self {
        let mut command = world.command(&["run"]);
        command.envs(environment.iter().copied());
        Self::spawn(command)
    }

    /// Starts a command that is a daemon.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let told = UnixDatagram::bind(&path).unwrap();
        told.set_read_timeout(Some(PATIENCE)).unwrap();
        command.env("NOTIFY_SOCKET", &path).env("ROSTERD_LOG", "info");
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&said));
        let reader = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        Self { child, told, said, reader: Some(reader), _folder: folder }
    }

    /// Waits until the supervisor is told this.
    #[track_caller]
    pub(crate) fn hears(&self, wanted: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let Ok(length) = self.told.recv(&mut buffer) else {
                panic!("`{wanted}` was never told:\n{}", self.said());
            };
            let told = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if told.lines().any(|line| line.starts_with(wanted)) {
                return told;
            }
        }
    }

    /// What it has logged so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has logged this.
    #[track_caller]
    pub(crate) fn says(&self, wanted: &str) {
        until(
            &format!("the log says `{wanted}`"),
            || self.said().contains(wanted).then_some(()),
            || self.said(),
        );
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end. Returns the exit code and everything that it logged.
    #[track_caller]
    pub(crate) fn ends(mut self) -> (Option<i32>, String) {
        let child = &mut self.child;
        let status = until("the daemon ends", || child.try_wait().unwrap(), || "it still runs".to_owned());
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        forget(self.pid());
        (status.code(), self.said())
    }

    /// Stops it as systemd does.
    #[track_caller]
    pub(crate) fn stop(self) -> String {
        self.signal("TERM");
        let (code, said) = self.ends();
        assert_eq!(code, Some(0), "{said}");
        said
    }

    /// Kills it as nobody should.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A roster with so many people in the east, and one in the west.
pub(super) fn day(east: u32) -> Vec<String> {
    [people(1..=east, "East"), people(9..=9, "West")].concat()
}

/// Waits for a fact.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut fact: impl FnMut() -> Option<T>, otherwise: impl Fn() -> String) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = fact() {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}\n{}", otherwise());
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Everything of a reader that ends soon.
pub(super) fn all(mut reader: impl Read) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}
