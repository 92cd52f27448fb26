//! `kill -9` of the built binary, after every durable write and at random moments, then a restart: every request
//! id whose answer arrived is known, never two requests in flight for a group, the final state equals the last
//! file, and nobody was removed who should not have been.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails here"
)]

use crate::world::{Ran, Setup, World, people, person, put, row};
use rosterd::{
    attempt::State,
    ledger::{CRASH_POINTS, Trigger},
    roster::{Certainty, GroupRef},
    sandbox::{Answer, CallKind, Faults, NextAnswer},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Stdio,
    sync::Mutex,
    time::Duration,
};

/// The groups of the story.
const GROUPS: [&str; 2] = ["acme-east", "acme-west"];

/// What stands in no file of the state directory, no mail and no output: the beginnings of all personal values.
const CANARIES: [&str; 9] =
    ["Zqfirst", "Zqlast", "Zqstreet", "Zqcity", "zqmail", "canary.example", "55542000", "1942-04-", "/1942"];

/// What may be in the state directory: the spool never has a name.
const STATE: [&str; 10] =
    ["copies", "format", "lock", "long", "reserve", "rosters", "sequence", "state.key", "store", "traces"];

/// How many worlds play at a time: most of each is waiting for the next poll.
const AT_A_TIME: usize = 10;

/// A host on which the binary dies now and then, and what it must not have forgotten.
struct Story {
    world: World,
    name: String,
    /// Everything that was ever printed.
    said: String,
    deaths: usize,
    /// For each group, the rosters that a file ever called for.
    rosters: BTreeMap<&'static str, Vec<BTreeSet<String>>>,
    /// Who must have lost coverage, in order.
    ended: Vec<String>,
}

impl Story {
    fn new(name: String, guard: &str) -> Self {
        let setup = Setup {
            guard: guard.to_owned(),
            covered_elsewhere: vec!["E-24".to_owned()],
            processing: Duration::from_millis(300),
            poll: "first: 1s, max: 1s, stuck_after: 1s".to_owned(),
            ..Setup::default()
        };
        let world = World::new(&setup);
        Self { world, name, said: String::new(), deaths: 0, rosters: BTreeMap::new(), ended: Vec::new() }
    }

    /// A file arrives. Whoever is active in it is to be covered.
    fn arrives(&mut self, file: &str, rows: &[String]) {
        self.world.arrives(file, rows);
        for (group, division) in GROUPS.into_iter().zip(["East", "West"]) {
            let active = rows.iter().filter(|row| row.ends_with(&format!(",Active,{division}")));
            let roster = active.map(|row| row.split(',').next().unwrap().to_owned()).collect();
            self.rosters.entry(group).or_default().push(roster);
        }
    }

    fn keep(&mut self, ran: &Ran) {
        self.said.push_str(&ran.text());
        if ran.code.is_none() {
            self.deaths += 1;
            self.nothing_of_a_person_is_left();
        }
    }

    /// A command that may die at a crash point, and if it does the recovery, which may die there too. Returns the
    /// last exit code.
    fn risk(&mut self, arguments: &[&str], crash: &str) -> Option<i32> {
        // Only what was cut off while it was sent gives a recovery something to change.
        let of_recovery = ["ledger-after-recover", "ledger-after-succeed-run"];
        let of_recovery = of_recovery.iter().any(|point| crash.starts_with(point));
        let first = if of_recovery { "ledger-after-advance" } else { crash };
        let mut command = self.world.command(arguments);
        let ran = Ran::of(command.env("ROSTERD_CRASH_AT", first).output().unwrap());
        self.keep(&ran);
        if ran.code.is_some() {
            return ran.code;
        }
        let mut command = self.world.command(&["sync", "acme"]);
        let ran = Ran::of(command.env("ROSTERD_CRASH_AT", crash).output().unwrap());
        self.keep(&ran);
        ran.code
    }

    /// A command that is killed after so many milliseconds, if it has not ended by then.
    fn kill_after(&mut self, arguments: &[&str], milliseconds: u64) {
        let mut command = self.world.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        pause(milliseconds);
        child.kill().unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap());
        self.keep(&ran);
    }

    /// Syncs, and approves what is held, until a sync ends with this code.
    fn settle(&mut self, wanted: i32) {
        let mut last = String::new();
        for _ in 0..12 {
            let ran = self.world.rosterd(&["sync", "acme"]);
            self.keep(&ran);
            let ran = if ran.code == Some(3) && wanted != 3 {
                let approved = self.world.approve();
                self.keep(&approved);
                approved
            } else {
                ran
            };
            if ran.code == Some(wanted) {
                return;
            }
            last = ran.text();
            pause(250);
        }
        panic!("{}: does not settle:\n{last}", self.name);
    }

    /// No spool, and no value of a person, is left in the state directory.
    fn nothing_of_a_person_is_left(&self) {
        let name = &self.name;
        for entry in fs::read_dir(self.world.path("state")).unwrap() {
            let found = entry.unwrap().file_name().into_string().unwrap();
            assert!(STATE.contains(&found.as_str()), "{name}: `{found}` is left in the state directory");
        }
        for (path, bytes) in self.world.files("state") {
            for canary in CANARIES {
                let found = memchr::memmem::find(&bytes, canary.as_bytes());
                assert!(found.is_none(), "{name}: `{canary}` stands in {}", path.display());
            }
        }
    }

    /// Everything that must hold once the last file is in step. `failed` could not be added.
    fn check(&self, failed: &[&str]) {
        let name = &self.name;
        self.nothing_of_a_person_is_left();
        let mails = self.world.mails();
        for canary in CANARIES {
            assert!(!self.said.contains(canary), "{name}: `{canary}` was printed");
            assert!(!mails.iter().any(|mail| mail.contains(canary)), "{name}: `{canary}` was mailed");
        }
        let ledger = self.world.ledger();
        assert!(ledger.open_runs().unwrap().is_empty(), "{name}: a run has no end");
        assert!(ledger.attempts_in_flight().unwrap().is_empty(), "{name}");
        assert!(ledger.outbox().unwrap().is_empty(), "{name}: a mail waits");
        let requests = self.world.sandbox.requests();
        let mut lost = 0;
        for group in GROUPS {
            let reference = GroupRef::new(group).unwrap();
            let attempts = ledger.attempts_of_group(&reference, usize::MAX).unwrap();
            let known: BTreeSet<&str> =
                attempts.iter().filter_map(|each| Some(each.state.request_id()?.as_str())).collect();
            let sent: BTreeSet<&str> = requests
                .iter()
                .filter(|request| request.group == group)
                .map(|request| request.request_id.as_str())
                .collect();
            let unknown = attempts.iter().filter(|each| matches!(each.state, State::OutcomeUnknown { .. }));
            let unknown = unknown.count();
            lost += unknown;
            assert!(known.is_subset(&sent), "{name}: {group} knows a request that nobody sent");
            let nobodys = sent.difference(&known).count();
            assert!(nobodys <= unknown, "{name}: {group}: {nobodys} requests are unknown, {unknown} lost");
            let most = self.world.sandbox.max_in_flight(group);
            assert_eq!(most, 1, "{name}: {group}: {most} requests were in flight at a time");

            let mut wanted = self.rosters[group].last().unwrap().clone();
            wanted.retain(|id| !failed.contains(&id.as_str()));
            let covered: BTreeSet<String> = self.world.covered(group).into_iter().collect();
            assert_eq!(covered, wanted, "{name}: {group} is not as the last file says");
            let coverage = ledger.coverage(&reference).unwrap();
            let believed: BTreeSet<String> = coverage.iter().map(|each| each.id.to_string()).collect();
            assert_eq!(believed, wanted, "{name}: {group} is not what rosterd takes it for");
            assert_eq!(coverage.certainty, Certainty::Confirmed, "{name}: {group}");
        }
        // An answer that a process printed had arrived.
        let printed = self.said.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        let runs = ledger.runs(None, usize::MAX).unwrap();
        for id in printed.filter(|word| word.starts_with("grpmsr_")) {
            let mut attempts = runs.iter().flat_map(|run| ledger.attempts_of_run(run.id).unwrap());
            let known =
                attempts.any(|each| each.state.request_id().is_some_and(|known| known.as_str() == id));
            assert!(known, "{name}: no run knows {id}");
        }
        let removed: Vec<String> =
            self.world.sandbox.removed("acme-east").into_iter().map(|each| each.reference_id).collect();
        assert_eq!(removed, self.ended, "{name}: only those who have left are removed, and once");
        assert!(self.world.sandbox.removed("acme-west").is_empty(), "{name}");
        drop(ledger);
        self.check_bodies();
        self.check_mails(&mails, lost);
    }

    /// Every roster that Vitable took was whole: exactly one that a file had called for.
    fn check_bodies(&self) {
        for group in GROUPS {
            let id = self.world.sandbox.group_id(group).unwrap();
            let submits = self.world.sandbox.submits();
            for call in submits.iter().filter(|call| call.request_id.is_some() && call.path.contains(&id)) {
                let body: serde_json::Value = serde_json::from_slice(call.body.as_ref().unwrap()).unwrap();
                let members = body["members"].as_array().unwrap();
                let sent: BTreeSet<String> = members
                    .iter()
                    .map(|member| member["reference_id"].as_str().unwrap().to_owned())
                    .collect();
                assert!(self.rosters[group].contains(&sent), "{}: {group}: {sent:?}", self.name);
            }
        }
    }

    /// What a person had to know was mailed, each thing once.
    fn check_mails(&self, mails: &[String], lost: usize) {
        let name = &self.name;
        let ids: BTreeSet<&str> = mails
            .iter()
            .filter_map(|mail| mail.lines().find(|line| line.starts_with("Message-ID:")))
            .collect();
        assert_eq!(ids.len(), mails.len(), "{name}: a Message-ID stands in two mails");
        let told = mails.join("\n").replace("=\r\n", "");
        assert_eq!(told.contains("outcome unknown"), lost > 0, "{name}: {lost} answers were lost");
        let status = self.world.json(&["status", "--json"]);
        let open = status["incidents"].as_array().unwrap();
        for incident in open {
            assert_eq!(incident["body"]["kind"], "members_failed", "{name}: {incident}");
        }
    }
}

/// Waits where there is nothing to wait for: a kill comes at its moment.
fn pause(milliseconds: u64) {
    std::thread::park_timeout(Duration::from_millis(milliseconds));
}

/// First sync, held; approved; a refused key; half a file, held; a second day with an addition, an update, a leaver and somebody whom another
/// organization covers. Each command dies at the crash point when it comes there for the `nth` time. Returns
/// how often one died.
fn play(point: &str, nth: u32) -> usize {
    let crash = format!("{point}:{nth}");
    let mut story = Story::new(crash.clone(), "");
    story.arrives("day-1.csv", &[people(1..=10, "East"), people(21..=23, "West")].concat());
    // The mails cannot be handed out at first.
    put(&story.world.path("mail"), "");
    if story.risk(&["sync", "acme"], &crash) != Some(3) {
        story.settle(3);
    }
    assert!(story.world.sandbox.submits().is_empty(), "{crash}: nothing is sent before a person approved");
    fs::remove_file(story.world.path("mail")).unwrap();
    let run = story.world.json(&["runs", "--limit", "1", "--json"])["runs"][0]["id"].to_string();
    let approve = ["approve", &run, "--all", "--reason", "looked at it", "--yes"];
    if story.risk(&approve, &crash) != Some(0) {
        story.settle(0);
    }
    story.check(&[]);
    assert!(story.world.mails().iter().any(|mail| mail.contains("held")), "{crash}: the hold was mailed");

    // A key that is refused, and a file that somebody cut: neither of them changes anything.
    let refused = NextAnswer::new(CallKind::ListGroups, 1, Answer::Status { status: 401, retry_after: None });
    story.world.sandbox.set_faults(Faults { next: vec![refused], ..Faults::default() });
    story.risk(&["sync", "acme"], &crash);
    story.world.arrives("day-2.csv", &[people(1..=5, "East"), people(21..=23, "West")].concat());
    if story.risk(&["sync", "acme"], &crash) != Some(3) {
        story.settle(3);
    }

    let mut day_2 = [people(1..=9, "East"), people(21..=24, "West")].concat();
    day_2.extend([row(10, "East", "Terminated"), person(11, "East")]);
    day_2[2] = day_2[2].replace("3 Zqstreet", "33 Zqstreet");
    story.arrives("day-2.csv", &day_2);
    story.ended.push("E-10".to_owned());
    if story.risk(&["sync", "acme"], &crash) != Some(4) {
        story.settle(4);
    }
    story.check(&["E-24"]);
    let told = story.world.mails().join("\n");
    assert!(told.contains("E-24"), "{crash}: whom Vitable did not add was mailed");
    let street = &story.world.sandbox.members("acme-east")["E-3"]["address"]["address_line_1"];
    assert_eq!(street, "33 Zqstreet Road", "{crash}");
    assert!(!story.said.contains("panicked"), "{crash}: {}", story.said);
    story.deaths
}

#[test]
fn a_death_after_any_durable_write_loses_nothing_and_removes_nobody() {
    // The reserve is written when the disk is full, which has its own test; schedules and pauses are the daemon's.
    let elsewhere = ["ledger-after-reserve", "ledger-after-pass-due", "ledger-after-pause"];
    let points = Mutex::new(CRASH_POINTS.iter().filter(|point| !elsewhere.contains(point)));
    let reached = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let next = points.lock().unwrap().next();
                    let Some(point) = next else { return };
                    let deaths: Vec<usize> =
                        (1..=3).map(|nth| play(point, nth)).take_while(|deaths| *deaths > 0).collect();
                    reached.lock().unwrap().insert(*point, deaths);
                }
            });
        }
    });
    let reached: BTreeMap<&str, Vec<usize>> = reached.into_inner().unwrap();
    let missed: Vec<_> = reached.iter().filter(|(_, deaths)| deaths.is_empty()).collect();
    assert!(missed.is_empty(), "the story never comes to {missed:?}");
}

/// How many kills at random moments; `ROSTERD_KILLS` asks for a longer campaign.
#[expect(clippy::disallowed_methods, reason = "a test is told how long to go on by the environment alone")]
fn kills() -> u64 {
    std::env::var("ROSTERD_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(15)
}

/// One world that is killed `kills` times, on as many days.
fn campaign(seed: u64, kills: u64) -> usize {
    let mut story = Story::new(format!("campaign {seed}"), "first_sync: submit");
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut below = move |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    story.arrives("day-000.csv", &[people(1..=10, "East"), people(21..=23, "West")].concat());
    story.settle(0);
    for day in 1..=u32::try_from(kills).unwrap() {
        let mut rows = [people(1..=9, "East"), people(21..=23, "West")].concat();
        rows.push(person(100 + day, "East"));
        let before = if day == 1 { 10 } else { 100 + day - 1 };
        rows.push(row(before, "East", "Terminated"));
        let file = format!("day-{day:03}.csv");
        story.arrives(&file, &rows);
        fs::remove_file(story.world.path(&format!("inbox/day-{:03}.csv", day - 1))).unwrap();
        story.ended.push(format!("E-{before}"));
        // Half of the kills come while everything happens, half while Vitable is waited for.
        let moment = if below(2) == 0 { below(300) } else { below(1_600) };
        story.kill_after(&["sync", "acme"], moment);
        if below(3) == 0 {
            story.kill_after(&["sync", "acme"], below(600));
        }
        story.settle(0);
        story.check(&[]);
    }
    story.deaths
}

#[test]
fn kills_at_random_moments_lose_nothing_and_remove_nobody() {
    const WORLDS: u64 = 3;
    let each = kills().div_ceil(WORLDS);
    let deaths: usize = std::thread::scope(|scope| {
        let worlds: Vec<_> = (1..=WORLDS).map(|seed| scope.spawn(move || campaign(seed, each))).collect();
        worlds.into_iter().map(|world| world.join().unwrap()).sum()
    });
    assert!(deaths > 0, "no kill came in time");
}

/// Two feeds: `acme`, whose first sync goes by itself, and `other`, whose first sync is held.
fn two_feeds() -> World {
    let file = |folder: &str| format!("file:\n      path: {folder}/*.csv\n      settle: 0s");
    let world = World::new(&Setup {
        place: Some(format!("{}\n    mapping: hr\n  other:\n    {}", file("inbox"), file("other"))),
        guard: "first_sync: submit".to_owned(),
        feed: "  other:\n    sources: [other]\n    group: demo\n".to_owned(),
        ..Setup::default()
    });
    world.arrives("day-1.csv", &[people(1..=4, "East"), people(21..=22, "West")].concat());
    fs::create_dir(world.path("other")).unwrap();
    put(&world.path("other/day-1.csv"), &crate::world::roster(&people(31..=33, "East")));
    world
}

fn dies(world: &World, arguments: &[&str], crash: &str) {
    let mut command = world.command(arguments);
    let ran = Ran::of(command.env("ROSTERD_CRASH_AT", crash).output().unwrap());
    assert_eq!(ran.code, None, "{crash}: {}", ran.text());
}

/// The runs of `acme`, the newest first: what began each, and whether it ended.
fn runs_of_acme(world: &World) -> Vec<(Trigger, bool)> {
    let runs = world.ledger().runs(None, usize::MAX).unwrap();
    let runs = runs.into_iter().filter(|run| run.feed.as_str() == "acme");
    runs.map(|run| (run.trigger, run.ended.is_some())).collect()
}

#[test]
fn a_run_without_an_end_is_begun_again_by_the_next_sync_of_any_feed() {
    use Trigger::{Recovery, Sync};
    let world = two_feeds();
    dies(&world, &["sync", "acme"], "ledger-after-begin-run");
    // Another death before it could be begun again does not make anybody forget it.
    dies(&world, &["sync", "other"], "ledger-after-begin-run");
    assert_eq!(runs_of_acme(&world), [(Sync, false)]);
    let ran = world.rosterd(&["sync", "other"]).ends(3);
    assert!(ran.err.contains("`acme` did not come to its end; it is begun again"), "{}", ran.err);
    assert_eq!(runs_of_acme(&world), [(Recovery, true), (Sync, true)]);
    assert_eq!(world.covered("acme-east").len(), 4);

    // With a fresh read: the file of now, not that of the run that was cut off.
    dies(&world, &["sync", "acme"], "ledger-after-save-run");
    world.arrives("day-2.csv", &[people(1..=5, "East"), people(21..=22, "West")].concat());
    let held = world.json(&["runs", "other", "--limit", "1", "--json"])["runs"][0]["id"].to_string();
    world.rosterd(&["approve", &held, "--reason", "looked at it", "--yes"]).ends(0);
    assert_eq!(world.covered("demo").len(), 3);
    assert_eq!(world.covered("acme-east").len(), 5, "an approval takes up the other feed's run too");
    assert_eq!(runs_of_acme(&world)[..2], [(Recovery, true), (Sync, true)]);
}

#[test]
fn a_recovery_that_dies_too_is_an_incident_and_not_begun_again() {
    use Trigger::{Recovery, Sync};
    let world = two_feeds();
    dies(&world, &["sync", "acme"], "ledger-after-begin-run");
    dies(&world, &["sync", "other"], "ledger-after-succeed-run");
    assert_eq!(runs_of_acme(&world), [(Recovery, false), (Sync, true)]);
    world.rosterd(&["sync", "other"]).ends(3);
    assert_eq!(runs_of_acme(&world), [(Recovery, true), (Sync, true)]);
    assert!(world.covered("acme-east").is_empty());
    let told = |subject: &str| world.mails().iter().any(|mail| mail.contains(subject));
    assert!(told("run did not end"), "{:?}", world.mails());
    world.rosterd(&["sync", "acme"]).ends(0);
    assert_eq!(world.covered("acme-east").len(), 4);
    assert!(told("run ended"), "{:?}", world.mails());
}
