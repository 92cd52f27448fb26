//! A partner's host in a temporary folder: rosters, a configuration, the sandbox over real HTTP, the built binary.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails here"
)]

use rosterd::{
    clock::{Clock, SystemClock},
    ledger::Ledger,
    sandbox::{self, CoveredElsewhere, Sandbox, Seed},
};
use serde_json::Value;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

/// The header of every roster here.
pub(crate) const HEADER: &str =
    "Employee ID,First Name,Last Name,Birth Date,Phone,Email,Plan,Street,City,State,Zip,Status,Division";

/// What is asked of the world beside its defaults.
#[derive(Clone)]
pub(crate) struct Setup {
    /// The place of the source: what stands below its name, indented by four.
    pub(crate) place: Option<String>,
    /// What stands below `guard:`, in braces.
    pub(crate) guard: String,
    /// Whom another organization covers.
    pub(crate) covered_elsewhere: Vec<String>,
    /// How long Vitable works on a request.
    pub(crate) processing: Duration,
    /// More keys of the feed, each on its own line, indented by four.
    pub(crate) feed: String,
    /// What stands below `poll:`, in braces.
    pub(crate) poll: String,
    /// Vitable's `timeout`.
    pub(crate) timeout: String,
    /// Vitable's clock.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            place: None,
            guard: String::new(),
            covered_elsewhere: Vec::new(),
            processing: Duration::from_millis(20),
            feed: String::new(),
            poll: "first: 1s, max: 1s".to_owned(),
            timeout: "5s".to_owned(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// The host.
pub(crate) struct World {
    /// Everything is below it.
    pub(crate) folder: tempfile::TempDir,
    /// Vitable.
    pub(crate) sandbox: Arc<Sandbox>,
    runtime: Option<tokio::runtime::Runtime>,
    address: std::net::SocketAddr,
}

impl World {
    /// A host on which nothing ran yet.
    pub(crate) fn new(setup: &Setup) -> Self {
        let runtime = runtime();
        let seed = Seed {
            processing: setup.processing,
            covered_elsewhere: setup
                .covered_elsewhere
                .iter()
                .cloned()
                .map(CoveredElsewhere::Reference)
                .collect(),
            ..Seed::demo()
        };
        let sandbox = Arc::new(Sandbox::new(seed, Arc::clone(&setup.clock)));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(sandbox::serve(Arc::clone(&sandbox), listener, std::future::pending()));
        let world = Self { folder: tempfile::tempdir().unwrap(), sandbox, runtime: Some(runtime), address };
        fs::create_dir(world.path("inbox")).unwrap();
        put(&world.path("api.key"), sandbox::API_KEY);
        world.configure(setup);
        world
    }

    /// A host whose first roster is confirmed at Vitable.
    pub(crate) fn settled(setup: &Setup, rows: &[String]) -> Self {
        let world = Self::new(setup);
        world.arrives("roster.csv", rows);
        world.rosterd(&["sync", "acme"]).ends(3);
        world.approve().ends(0);
        world
    }

    /// Where Vitable is.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Nobody answers at Vitable's address any more.
    pub(crate) fn vitable_goes_away(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }

    /// Vitable answers again, and remembers everything.
    pub(crate) fn vitable_comes_back(&mut self) {
        let runtime = runtime();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(self.address)).unwrap();
        runtime.spawn(sandbox::serve(Arc::clone(&self.sandbox), listener, std::future::pending()));
        self.runtime = Some(runtime);
    }

    /// The state directory, opened in this process.
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::open(&self.path("state"), None, SystemClock.now()).unwrap()
    }

    /// Writes the configuration anew.
    pub(crate) fn configure(&self, setup: &Setup) {
        let place = setup
            .place
            .clone()
            .unwrap_or_else(|| "file:\n      path: inbox/*.csv\n      settle: 0s".to_owned());
        let text = format!(
            r#"
vitable:
  base_url: http://{address}
  api_key: {{ file: api.key }}
  timeout: {timeout}
  poll: {{ {poll} }}
state_dir: state
alerts:
  folder: mail
  from: "rosterd <rosterd@partner.example>"
  to: [ops@partner.example]
  at_most: 1000/1h # days follow one another within seconds here
mappings:
  hr:
    fields:
      reference_id: Employee ID
      first_name: First Name
      last_name: Last Name
      date_of_birth: {{ column: Birth Date, format: "%m/%d/%Y" }}
      phone: Phone
      email: Email
      plan_id: {{ column: Plan, values: {{ Gold: pln_gold, Silver: pln_silver }} }}
      address_line_1: Street
      city: City
      state: State
      zipcode: Zip
    eligibility:
      status: {{ column: Status, covered: [Active], ended: [Terminated] }}
sources:
  acme:
    {place}
    mapping: hr
feeds:
  acme:
    sources: [acme]
    groups: {{ by: Division, map: {{ East: acme-east, West: acme-west }} }}
    guard: {{ {guard} }}
{feed}"#,
            address = self.address,
            poll = setup.poll,
            timeout = setup.timeout,
            guard = setup.guard,
            feed = setup.feed,
        );
        put(&self.path("rosterd.yaml"), &text);
    }

    /// A path below the host's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A roster arrives in the inbox, newer than every one before.
    pub(crate) fn arrives(&self, name: &str, rows: &[String]) {
        put(&self.path(&format!("inbox/{name}")), &roster(rows));
    }

    /// The binary with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"));
        command.arg("--config").arg(self.path("rosterd.yaml")).args(arguments);
        command.env_remove("ROSTERD_LOG").env("RUST_BACKTRACE", "0").stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn rosterd(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Approves everything that the newest run holds.
    pub(crate) fn approve(&self) -> Ran {
        let runs = self.json(&["runs", "--limit", "1", "--json"]);
        let run = runs["runs"][0]["id"].to_string();
        self.rosterd(&["approve", &run, "--all", "--reason", "looked at it", "--yes"])
    }

    /// What a command prints as JSON, whatever its exit code.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.rosterd(arguments);
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
    }

    /// Who is covered in a group at Vitable.
    pub(crate) fn covered(&self, group: &str) -> Vec<String> {
        self.sandbox.members(group).into_keys().collect()
    }

    /// Every mail in the folder, oldest first by name.
    pub(crate) fn mails(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("mail")) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        // A running daemon may be writing one beside.
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "eml"));
        paths.sort();
        paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    /// How many mails have these words, in the subject or in the text, however their lines are broken.
    pub(crate) fn mailed(&self, words: &str) -> usize {
        let unfolded = |mail: &String| decoded(mail).replace("\r\n ", " ").replace("\r\n", " ");
        self.mails().iter().filter(|mail| unfolded(mail).contains(words)).count()
    }

    /// Every file below a folder, as bytes.
    pub(crate) fn files(&self, folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else if path.is_file() {
                    found.push((path.clone(), fs::read(&path).unwrap()));
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path(folder), &mut found);
        found
    }
}

/// A mail as text: quoted-printable is undone, so that no value hides behind a line break.
pub(crate) fn decoded(mail: &str) -> String {
    mail.replace("=\r\n", "").replace("=3D", "=")
}

impl Drop for World {
    /// Whatever a test is about, no mail of it shows a person.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for mail in self.mails() {
                shows_nobody(&decoded(&mail));
            }
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    /// Data.
    pub(crate) out: String,
    /// Talk.
    pub(crate) err: String,
}

impl Ran {
    /// Reads a finished process.
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Fails the test unless the command ended with this exit code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Everything that was printed.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// A roster of these rows, with the header and a line end at the end.
pub(crate) fn roster(rows: &[String]) -> String {
    let mut text = String::from(HEADER);
    for row in rows {
        text.push('\n');
        text.push_str(row);
    }
    text.push('\n');
    text
}

/// The row of an invented person, whose every personal value begins with the canary `Zq`, or has 42 in it.
pub(crate) fn person(number: u32, division: &str) -> String {
    row(number, division, "Active")
}

/// The same with a status.
pub(crate) fn row(number: u32, division: &str, status: &str) -> String {
    format!(
        "E-{number},Zqfirst{number},Zqlast{number},04/{day:02}/1942,55542{number:05},zqmail{number}@canary.example,Gold,{number} Zqstreet Road,Zqcity,NY,12180,{status},{division}",
        day = number % 28 + 1,
    )
}

/// The personal values of [`person`], as they are sent.
pub(crate) fn canaries(number: u32) -> Vec<String> {
    vec![
        format!("Zqfirst{number}"),
        format!("Zqlast{number}"),
        format!("1942-04-{:02}", number % 28 + 1),
        format!("04/{:02}/1942", number % 28 + 1),
        format!("55542{number:05}"),
        format!("zqmail{number}"),
        format!("{number} Zqstreet"),
        "Zqcity".to_owned(),
    ]
}

/// What stands in every personal value of a [`person`] and in nothing else: `Zq` alone may stand in a random id.
const CANARIES: [&str; 9] =
    ["Zqfirst", "Zqlast", "Zqstreet", "Zqcity", "Zqyear", "zqmail", "/1942", "1942-04", "55542000"];

/// No [`person`] is shown by any value.
#[track_caller]
pub(crate) fn shows_nobody(text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "`{canary}` in {text}");
    }
}

/// Several of them.
pub(crate) fn people(numbers: std::ops::RangeInclusive<u32>, division: &str) -> Vec<String> {
    numbers.map(|number| person(number, division)).collect()
}

/// Writes a whole file.
pub(crate) fn put(path: &Path, text: &str) {
    let mut file = fs::File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
