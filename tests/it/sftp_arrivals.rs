//! How files arrive at and from OpenSSH's own server while things happen to them: uploads that take their time,
//! files that are replaced while they are read, servers that die or change their keys in the middle, files beyond
//! what 32 bits count, folders with ten thousand names. Through the built binary where it decides something.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    gate::Gate,
    sftp::{fetch_as, put, settings},
    sshd::{Options, Sshd, run},
    world::{HEADER, Ran, Setup, World, people, roster},
};
use chrono::{DateTime, Utc};
use rosterd::{clock::Clock, source};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::{Duration, UNIX_EPOCH},
};

/// A guard that lets everything pass: what holds a file back here is how it is read, and nothing else.
const LOOSE: &str = "first_sync: submit, absent: { share: 100% }, removed_in_7d: { share: 100% }, \
                     absent_in_30d: { share: 100% }, fewer_rows: { share: 100% }, added: { people: 1000 }";

/// A source on the server, reached by this port.
fn setup(sshd: &Sshd, port: u16, path: &str, settle: &str) -> Setup {
    let place = format!(
        "sftp:\n      host: 127.0.0.1\n      port: {port}\n      username: {}\n      private_key: {{ file: {} }}\n      \
         host_key: \"{}\"\n      path: {}/{path}\n      settle: {settle}",
        sshd.settings("ed25519").username,
        sshd.path("ed25519").display(),
        sshd.fingerprint("ed25519"),
        sshd.files().display(),
    );
    Setup { place: Some(place), guard: LOOSE.to_owned(), ..Setup::default() }
}

/// So many people in the east, and three in the west.
fn day(number: u32) -> Vec<String> {
    [people(1..=number, "East"), people(901..=903, "West")].concat()
}

/// Whoever is covered, with all that Vitable knows of them, and how often something was submitted.
fn covered(world: &World) -> (Vec<BTreeMap<String, Value>>, usize) {
    let members = ["acme-east", "acme-west"].map(|group| world.sandbox.members(group));
    (members.to_vec(), world.sandbox.submits().len())
}

/// Nothing of a file is in the state directory, neither under a name of its own nor in another file.
fn keeps_nothing(world: &World) {
    for (path, bytes) in world.files("state") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.starts_with(".tmp"), "{name}");
        assert!(!bytes.windows(6).any(|part| part == b"Zqlast"), "{name}");
    }
}

/// OpenSSH's own client does this.
fn client(sshd: &Sshd, options: &[&str], command: &str) -> Child {
    let mut client = Command::new("sftp")
        .args([
            "-q",
            "-b",
            "-",
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args(options)
        .args(["-P", &sshd.port().to_string(), "-i", sshd.path("ed25519").to_str().unwrap()])
        .arg(format!("{}@127.0.0.1", sshd.settings("ed25519").username))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(command.as_bytes()).unwrap();
    client
}

#[test]
fn an_upload_of_a_kilobyte_a_second_is_nothing_to_read_until_it_has_ended() {
    let sshd = Sshd::start();
    let world = World::new(&setup(&sshd, sshd.port(), "roster-*.csv", "2s"));
    put(&sshd.files().join("roster-1.csv"), roster(&day(20)).as_bytes(), 7_100);
    world.rosterd(&["sync", "acme"]).ends(0);
    let before = covered(&world);

    // It would take a minute, so that it goes on for as long as the sync takes.
    let whole = roster(&day(400));
    put(&sshd.path("day.csv"), whole.as_bytes(), 0);
    let (here, there) = (sshd.path("day.csv"), sshd.files().join("roster-2.csv"));
    let from_to = format!("{} {}\n", here.display(), there.display());
    let mut upload = client(&sshd, &["-l", "8", "-B", "128", "-R", "1"], &format!("put {from_to}"));
    while fs::metadata(&there).map_or(0, |found| found.len()) == 0 {
        assert!(upload.try_wait().unwrap().is_none(), "the upload ended before it began");
        std::thread::yield_now();
    }
    let ran = world.rosterd(&["sync", "acme"]).ends(1);
    let said = ran.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("nothing to read yet: `sftp:") && said.contains("is still being written"),
        "{said}"
    );
    assert!(upload.try_wait().unwrap().is_none(), "the upload ended before the sync");
    assert!(covered(&world) == before, "nobody is touched");

    // The rest of it at once, as a client goes on after its line was lost.
    upload.kill().unwrap();
    upload.wait().unwrap();
    assert!(fs::metadata(&there).unwrap().len() < whole.len() as u64);
    assert!(client(&sshd, &[], &format!("reput {from_to}")).wait().unwrap().success());
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.covered("acme-east").len(), 400);
    keeps_nothing(&world);
}

/// A host's clock that stands at this moment.
struct At(DateTime<Utc>);

impl Clock for At {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}

/// A server tells whole seconds: what was written at the end of one is not a second old when the next begins. And its
/// clock may be five minutes behind.
#[tokio::test]
async fn what_a_server_that_is_behind_calls_old_is_looked_at_twice() {
    let sshd = Sshd::start();
    let path = sshd.files().join("roster.csv");
    put(&path, b"id\n1\n", 0);
    let file = File::options().append(true).open(&path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_millis(1_800_000_000_950)).unwrap();
    let spool = tempfile::tempdir().unwrap();
    let settings = settings(sshd.settings("ed25519"), &path, Duration::from_secs(1));
    for (now, waits) in [(1_800_000_301_020, 1), (1_800_000_302_000, 0)] {
        let notes = Mutex::new(Vec::new());
        let note = |words: &str| notes.lock().unwrap().push(words.to_owned());
        let clock = At(DateTime::from_timestamp_millis(now).unwrap());
        source::fetch(&settings, spool.path(), &clock, &note).await.unwrap();
        assert_eq!(notes.lock().unwrap().len(), waits, "{now}");
    }
}

/// A file of a megabyte with a hundred and three people, of whom each bears the mark of this version.
fn version(mark: &str) -> Vec<u8> {
    let mut text = format!("{HEADER},Notes\n");
    for row in day(100) {
        text.push_str(&row.replace("Zqcity", &format!("Zqcity{mark}")));
        text.push_str(&format!(",{}\n", mark.repeat(10_000)));
    }
    text.into_bytes()
}

/// The marks of all whom Vitable covers.
fn marks(world: &World) -> BTreeSet<String> {
    let (groups, _) = covered(world);
    assert_eq!(groups.iter().map(BTreeMap::len).collect::<Vec<_>>(), [100, 3]);
    let mark = |member: &Value| member.to_string().split("Zqcity").nth(1).unwrap().chars().take(1).collect();
    groups.iter().flat_map(BTreeMap::values).map(mark).collect()
}

/// More than all that a server says before the bytes of a file, and less than it answers to the first request for
/// them. The second is sent only after that, so that the rest of the file is not read yet.
const IN_THE_FILE: usize = 100_000;

/// A sync that has the beginning of the file and no more.
fn begin(world: &World, sshd: &Sshd, gate: &Gate) -> Child {
    world.configure(&setup(sshd, gate.port(), "roster.csv", "1s"));
    let mut command = world.command(&["sync", "acme"]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    gate.holds();
    keeps_nothing(world);
    running
}

/// What becomes of it when the rest is let go.
fn end(running: Child, gate: &Gate) -> Ran {
    gate.open();
    Ran::of(running.wait_with_output().unwrap())
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_is_one_version_or_none() {
    let sshd = Sshd::start();
    let world = World::new(&setup(&sshd, sshd.port(), "roster.csv", "1s"));
    let (path, beside) = (sshd.files().join("roster.csv"), sshd.files().join("roster.csv.part"));
    put(&path, &version("A"), 7_100);
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(marks(&world), BTreeSet::from(["A".to_owned()]));
    let before = covered(&world);

    let half = version("C").get(..600_000).unwrap().to_vec();
    let renamed = |bytes: &[u8], age: u64| {
        put(&beside, bytes, age);
        fs::rename(&beside, &path).unwrap();
    };
    let cases: [(&str, &str, &dyn Fn()); 6] = [
        ("another is renamed over it", "changed while it was read", &|| renamed(&version("C"), 0)),
        ("a longer one is renamed over it", "changed while it was read", &|| renamed(&version("CC"), 7_100)),
        ("it is written anew in its place", "changed while it was read", &|| put(&path, &version("C"), 0)),
        ("it is written anew and not at its end", "changed while it was read", &|| put(&path, &half, 0)),
        ("it is emptied", "changed while it was read", &|| put(&path, b"", 0)),
        ("it is moved away", "was moved away while it was read", &|| fs::remove_file(&path).unwrap()),
    ];
    for (what, why, act) in cases {
        put(&path, &version("B"), 7_100);
        let gate = Gate::before(sshd.port(), IN_THE_FILE);
        let running = begin(&world, &sshd, &gate);
        act();
        let ran = end(running, &gate);
        assert_eq!(ran.code, Some(1), "{what}: {}", ran.text());
        assert!(ran.text().contains("incomplete read") && ran.text().contains(why), "{what}: {}", ran.text());
        assert!(covered(&world) == before, "{what}");
        assert_eq!(gate.connections(), 1, "{what}");
        keeps_nothing(&world);
    }

    // One that looks the same from outside, renamed over it: the open file is still the one from before.
    put(&path, &version("B"), 7_100);
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let gate = Gate::before(sshd.port(), IN_THE_FILE);
    let running = begin(&world, &sshd, &gate);
    put(&beside, &version("C"), 0);
    File::options().append(true).open(&beside).unwrap().set_modified(time).unwrap();
    fs::rename(&beside, &path).unwrap();
    end(running, &gate).ends(0);
    assert_eq!(marks(&world), BTreeSet::from(["B".to_owned()]));
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(marks(&world), BTreeSet::from(["C".to_owned()]));
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_file_is_asked_again_or_nothing_is_done() {
    let mut sshd = Sshd::start();
    let world = World::new(&setup(&sshd, sshd.port(), "roster.csv", "1s"));
    let path = sshd.files().join("roster.csv");
    put(&path, &version("A"), 7_100);
    world.rosterd(&["sync", "acme"]).ends(0);

    // The session dies and the server lives: the whole file again, in the same run.
    put(&path, &version("B"), 7_100);
    let gate = Gate::before(sshd.port(), IN_THE_FILE);
    let running = begin(&world, &sshd, &gate);
    sshd.kill_sessions();
    let ran = end(running, &gate).ends(0);
    assert!(ran.text().contains("broke off after"), "{}", ran.text());
    assert!(ran.text().contains("(try 1 of 3; the next one follows by itself)"), "{}", ran.text());
    assert_eq!(gate.connections(), 2);
    assert_eq!(marks(&world), BTreeSet::from(["B".to_owned()]));
    keeps_nothing(&world);

    // All of it dies, and does not come back.
    put(&path, &version("C"), 7_100);
    let before = covered(&world);
    let gate = Gate::before(sshd.port(), IN_THE_FILE);
    let running = begin(&world, &sshd, &gate);
    sshd.kill();
    let ran = end(running, &gate).ends(1);
    assert!(ran.text().contains("(tried 3 times)"), "{}", ran.text());
    assert_eq!(gate.connections(), 3);
    assert!(covered(&world) == before, "nobody is touched");
    keeps_nothing(&world);
}

/// How often the server took new keys, by its log.
fn new_keys(sshd: &Sshd) -> usize {
    let log = fs::read_to_string(sshd.path("log")).unwrap();
    log.lines().filter(|line| line.contains("ssh_set_newkeys: rekeying out")).count()
}

#[tokio::test]
async fn a_server_that_takes_new_keys_for_each_megabyte_gives_the_file_unchanged() {
    for cipher in ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr"] {
        let config = format!("RekeyLimit 1M\nLogLevel DEBUG1\nCiphers {cipher}");
        let sshd = Sshd::start_with(&Options { config: &config, ..Options::default() });
        // No two blocks of it are alike, so that none can stand in another's place.
        let bytes: Vec<u8> =
            (0..4_194_304_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let path = sshd.files().join("big.csv");
        put(&path, &bytes, 7_100);
        let arrived = fetch_as(&sshd, sshd.settings("ed25519"), "big.csv", Duration::from_secs(60)).await;
        let arrived = arrived.unwrap();
        assert_eq!((arrived.size, arrived.sha256), (16 << 20, sha256(&path)), "{cipher}");
        assert!(new_keys(&sshd) >= 10, "{cipher}: new keys {} times", new_keys(&sshd));
    }
}

/// The SHA-256 of a file, by another program than ours.
fn sha256(path: &Path) -> String {
    run(Command::new("sha256sum").arg(path)).split(' ').next().unwrap().to_owned()
}

/// Fetches a file that is empty but for a few places, those around 2 and 4 GiB among them if it reaches so far.
async fn of_size(sshd: &Sshd, size: u64) {
    let path = sshd.files().join("large.csv");
    put(&path, b"", 0);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(size).unwrap();
    for place in [0, 1 << 20, (1 << 31) - 4, 1 << 31, (1 << 32) - 4, size - 8] {
        if place + 8 <= size {
            file.write_all_at(&place.to_be_bytes(), place).unwrap();
        }
    }
    let arrived = fetch_as(sshd, sshd.settings("ed25519"), "large.csv", Duration::ZERO).await.unwrap();
    assert_eq!((arrived.size, arrived.sha256), (size, sha256(&path)));
    assert_eq!(arrived.spool.metadata().unwrap().len(), size);
}

#[tokio::test]
async fn a_file_with_an_odd_number_of_bytes_arrives_whole() {
    of_size(&Sshd::start(), (48 << 20) + 1).await;
}

#[tokio::test]
#[ignore = "takes a minute and 4 GiB on the disk; benches/sftp_large.sh does the same with a release build"]
async fn files_beyond_two_and_four_gib_arrive_whole() {
    let sshd = Sshd::start();
    of_size(&sshd, 2 << 30).await;
    of_size(&sshd, (4 << 30) + 1).await;
}

#[test]
fn of_ten_thousand_names_the_newest_is_taken_and_no_file_is_asked_for_by_itself() {
    let config = "ForceCommand /usr/lib/openssh/sftp-server -e -l DEBUG3 2>>{home}/requests";
    let sshd = Sshd::start_with(&Options { config, ..Options::default() });
    // Links to two files are made faster than ten thousand files, and look the same.
    put(&sshd.path("old"), b"old", 8_000);
    put(&sshd.path("half"), b"half", 0);
    let link = |of: &str, name: String| fs::hard_link(sshd.path(of), sshd.files().join(name)).unwrap();
    (0..9_000)
        .filter(|number| *number != 4_711)
        .for_each(|number| link("old", format!("roster-{number}.csv")));
    for number in 0..500 {
        link("half", format!("roster-{number}.csv.part"));
        link("half", format!(".roster-{number}.csv"));
    }
    // Neither the first nor the last by name or in the folder.
    put(&sshd.files().join("roster-4711.csv"), roster(&day(20)).as_bytes(), 7_100);
    let world = World::new(&setup(&sshd, sshd.port(), "*roster-*.csv", "60s"));
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.covered("acme-east").len(), 20);
    let log = fs::read_to_string(sshd.path("requests")).unwrap();
    let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    let asked: BTreeSet<&str> =
        log.lines().filter_map(|line| line.split("request ").nth(1)?.split(':').next()).collect();
    assert!(count("stat name") <= 2, "{} files were asked for", count("stat name"));
    assert!(asked.len() < 200, "{} requests", asked.len());

    let runs = world.json(&["runs", "--limit", "1", "--json"]);
    let shown = world.rosterd(&["show", &runs.pointer("/runs/0/id").unwrap().to_string()]).ends(0).out;
    let line = shown.lines().find(|line| line.contains("not read: ")).unwrap();
    assert!(line.len() < 1_000 && line.contains(" more"), "{line}");
}
