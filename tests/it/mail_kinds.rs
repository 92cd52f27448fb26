//! The kinds of mail as the built binary really sends them, with people whose every value is a canary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    inside::Inside,
    sshd::Sshd,
    world::{Ran, Setup, World, canaries, decoded, people, person, put, roster, row},
};
use chrono::TimeDelta;
use rosterd::{
    engine::Direct,
    notify::{Incident, Kind},
    sandbox::{Answer, CallKind, Faults, NextAnswer},
};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::FileExt,
    process::Command,
};

fn setup() -> Setup {
    Setup { guard: "fewer_rows: 100%, invalid: 100%".to_owned(), ..Setup::default() }
}

/// These people in one group, and one in the other: nobody empties a group here.
fn everybody(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    [people(numbers, "East"), people(30..=30, "West")].concat()
}

/// The subjects of the mails, without what stands in front.
fn subjects(world: &World) -> Vec<String> {
    let lines = world.mails().into_iter().map(|mail| {
        let line = mail.lines().find_map(|line| line.strip_prefix("Subject: [rosterd] ")).unwrap();
        line.trim_end().to_owned()
    });
    lines.collect()
}

#[track_caller]
fn shows_nobody(world: &World, numbers: std::ops::RangeInclusive<u32>) {
    for mail in world.mails() {
        let mail = decoded(&mail);
        for canary in numbers.clone().flat_map(canaries).chain(["Zqyear".to_owned(), "zqmail".to_owned()]) {
            assert!(!mail.contains(&canary), "`{canary}` in {mail}");
        }
    }
}

/// A day with everything that can happen to a row, then every trouble of the way to Vitable and of the source.
#[test]
fn no_mail_of_any_kind_that_a_feed_can_bring_shows_a_person() {
    let world = World::settled(&setup(), &everybody(1..=12));
    let fault = |kind, answer| {
        world
            .sandbox
            .set_faults(Faults { next: vec![NextAnswer::new(kind, 99, answer)], ..Faults::default() })
    };
    // Carried, left out, a nameless row, an unlisted group, and half of the people gone.
    let mut rows = everybody(4..=9);
    rows.push(row(1, "East", "Left"));
    rows.push(person(2, "North"));
    rows.push(person(3, "East").replace("55542", "1"));
    rows.push(person(20, "East").replace("/1942", "/Zqyear"));
    rows.push(person(21, "East").replacen("E-21", "", 1));
    world.arrives("roster.csv", &rows);
    world.rosterd(&["sync", "acme"]).ends(3);
    // Refused as a whole; then Vitable refuses the key; then the answer is lost.
    world.configure(&Setup { guard: "fewer_rows: 100%, invalid: 100%, absent: 100%, ended: 100%, removed_in_7d: 100%, absent_in_30d: 100%, added: 100%".to_owned(), ..Setup::default() });
    world.arrives("roster.csv", &everybody(1..=14));
    for answer in [400, 401, 500] {
        fault(CallKind::Submit, Answer::Status { status: answer, retry_after: None });
        world.rosterd(&["sync", "acme"]).ends(1);
    }
    world.sandbox.set_faults(Faults::default());
    // The source: a lost column whose place has people's values, a file that is cut off, and none that can be read.
    let path = world.path("inbox/roster.csv");
    let text = fs::read_to_string(&path).unwrap();
    put(&path, text.split_once('\n').unwrap().1);
    world.rosterd(&["sync", "acme"]).ends(1);
    put(&path, &text.replacen("Zqfirst1,", "\"Zqfirst1,", 1));
    world.rosterd(&["sync", "acme"]).ends(1);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    world.rosterd(&["sync", "acme"]).ends(1);
    shows_nobody(&world, 1..=30);
    let told: BTreeSet<String> = world
        .ledger()
        .incidents(false)
        .unwrap()
        .into_iter()
        .filter(|incident| incident.mails > 0)
        .filter_map(|incident| Some(incident.body["kind"].as_str()?.to_owned()))
        .collect();
    for kind in [
        "held",
        "rows_carried",
        "rows_left_out",
        "refused",
        "outcome_unknown",
        "key_may_not_submit",
        "read_incomplete",
    ] {
        assert!(told.contains(kind), "no mail tells of {kind}: {told:?}");
    }
}

/// systemd starts a daemon that cannot open its state again each half minute.
#[test]
fn a_state_that_cannot_be_opened_is_mailed_once_and_not_with_each_start() {
    let world = World::settled(&setup(), &everybody(1..=3));
    let before = subjects(&world).len();
    let store = world.path("state/store/db");
    let whole = fs::read(&store).unwrap();
    let file = File::options().write(true).open(&store).unwrap();
    file.write_all_at(&vec![0xA5; whole.len()], 0).unwrap();
    drop(file);
    for command in [["run", ""], ["run", ""], ["sync", "acme"]] {
        let arguments: Vec<&str> = command.into_iter().filter(|word| !word.is_empty()).collect();
        let ran = world.rosterd(&arguments).ends(1);
        assert!(ran.err.contains("damaged"), "{}", ran.err);
    }
    let told: Vec<String> = subjects(&world);
    let damaged = |subject: &&String| subject.contains("its state cannot be used");
    assert_eq!(told.len() - before, 1, "{told:?}");
    assert_eq!(told.iter().filter(damaged).count(), 1, "{told:?}");
    shows_nobody(&world, 1..=3);
    // A person who asks something else reads what is the matter, and nobody is mailed.
    world.rosterd(&["status"]).ends(1);
    assert_eq!(subjects(&world).len() - before, 1);
}

/// The state on a disk of its own, in a mount namespace that nobody else sees, and no byte of that disk is left.
const FULL: &str = "set -e
mount -t tmpfs -o size=4m none \"$1/other\"
cp -a \"$1/state/.\" \"$1/other\"
cat /dev/zero > \"$1/other/zeros\" 2>/dev/null || true
mount --bind \"$1/other\" \"$1/state\"
shift
exec \"$@\"";

/// The disk is full when it starts, again and again: it ends with an error, and one mail says so.
#[test]
fn a_disk_that_is_full_at_the_start_is_mailed_once() {
    let world = World::settled(&setup(), &everybody(1..=3));
    let before = subjects(&world);
    fs::create_dir(world.path("other")).unwrap();
    for _ in 0..2 {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", FULL, "sh"])
            .arg(world.folder.path());
        let typed = world.command(&["run"]);
        command.arg(typed.get_program()).args(typed.get_args());
        command.envs(typed.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = Ran::of(command.current_dir(world.folder.path()).output().unwrap());
        assert_eq!(ran.code, Some(1), "{}", ran.text());
        assert!(ran.err.contains("full") || ran.err.contains("No space left"), "{}", ran.text());
    }
    let mut told = subjects(&world);
    told.retain(|subject| !before.contains(subject));
    assert_eq!(told, ["all feeds: state cannot be written"]);
    // With room it goes on where it was.
    world.arrives("roster.csv", &everybody(1..=4));
    world.rosterd(&["sync", "acme"]).ends(0);
}

/// A file that rosterd's user may not read is no credential; a folder that is refused neither.
#[test]
fn what_is_no_credential_is_told_as_a_source_that_cannot_be_read() {
    let world = World::settled(&setup(), &everybody(1..=3));
    fs::rename(world.path("inbox"), world.path("elsewhere")).unwrap();
    world.rosterd(&["sync", "acme"]).ends(1);
    let found: BTreeSet<String> = subjects(&world).into_iter().collect();
    assert!(found.contains("acme: source not read"), "{found:?}");
    fs::rename(world.path("elsewhere"), world.path("inbox")).unwrap();
    world.rosterd(&["sync", "acme"]).ends(0);
    let over = subjects(&world);
    assert!(over.iter().any(|subject| subject == "acme: recovered, source read again"), "{over:?}");
}

/// A column that slid has addresses where the groups should be: with three people as with three hundred none is shown.
#[test]
fn a_group_column_with_personal_values_shows_none_of_them_however_few() {
    let world = World::new(&setup());
    let text = fs::read_to_string(world.path("rosterd.yaml")).unwrap();
    let text = text.replace(
        "groups: { by: Division, map: { East: acme-east, West: acme-west } }",
        "groups: { by: Email, as_is: true }",
    );
    put(&world.path("rosterd.yaml"), &text);
    world.arrives("roster.csv", &everybody(1..=3));
    let ran = world.rosterd(&["sync", "acme"]).ends(1);
    assert!(ran.text().contains("4 values that are no group"), "{}", ran.text());
    assert!(!ran.text().contains("canary.example"), "{}", ran.text());
    let found = subjects(&world);
    assert!(found.iter().any(|subject| subject == "acme: incomplete read"), "{found:?}");
    shows_nobody(&world, 1..=3);
    let status = world.json(&["status", "--json"]).to_string();
    assert!(!status.contains("canary.example"), "{status}");
    assert_eq!(world.json(&["runs", "--json"])["runs"][0]["groups"].as_array().unwrap().len(), 0);
}

/// One real server after the other: another key than the known one, then a login that it refuses, then neither.
#[test]
fn a_changed_host_key_and_a_refused_login_are_told_each_by_itself_and_are_over() {
    let sshd = Sshd::start();
    put(&sshd.files().join("roster.csv"), &roster(&everybody(1..=3)));
    let place = |key: &str, host_key: &str| {
        let known = sshd.settings("ed25519");
        let (port, user) = (sshd.port(), known.username);
        let (key, folder) = (sshd.path(key), sshd.files());
        let place = format!(
            "sftp:\n      host: 127.0.0.1\n      port: {port}\n      username: {user}\n      private_key: {{ file: {} }}\n      host_key: \"{host_key}\"\n      path: {}/*.csv\n      settle: 0s",
            key.display(),
            folder.display()
        );
        Setup { place: Some(place), ..setup() }
    };
    crate::sshd::keygen(&sshd.path("host_stranger"), "ed25519", "");
    let (right, wrong) = (sshd.fingerprint("ed25519"), sshd.fingerprint("stranger"));
    let world = World::new(&place("ed25519", &wrong));
    let open = |world: &World| {
        let open = world.ledger().incidents(true).unwrap();
        let kinds = open.iter().map(|incident| incident.body["kind"].as_str().unwrap().to_owned());
        kinds.collect::<Vec<_>>()
    };
    world.rosterd(&["sync", "acme"]).ends(1);
    assert_eq!(open(&world), ["host_key_changed"]);
    // A key that the server does not know.
    world.configure(&place("host_stranger", &right));
    world.rosterd(&["sync", "acme"]).ends(1);
    assert_eq!(open(&world), ["source_credential"], "the server is the known one");
    world.configure(&place("ed25519", &right));
    world.rosterd(&["sync", "acme"]).ends(3);
    assert!(!open(&world).contains(&"source_credential".to_owned()), "it lets us in");
    let found: BTreeSet<String> = subjects(&world).into_iter().collect();
    for subject in [
        "acme: host key changed or unknown",
        "acme: source refuses the login (and 1 more)",
        "acme: held, 3 additions wait (and 2 more)",
    ] {
        assert!(found.contains(subject), "{found:?}");
    }
    shows_nobody(&world, 1..=30);
}

/// What the state cannot keep is told once a day by whichever process meets it, and is over when it has gone well for an hour.
#[test]
fn what_was_told_past_the_outbox_is_over_in_its_thread() {
    let mut inside = Inside::new(&setup(), "2026-11-24T06:00:00Z", |text| text);
    let direct = Direct::new(inside.world.path("inbox"));
    let full = Incident::new(Kind::Disk, "rosterd ended: the disk that holds the state is full.");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Each start of a process breaks, for three hours.
    for _ in 0..6 {
        inside.restart();
        inside.engine().tell_directly_by(direct.clone());
        runtime.block_on(inside.engine().tell_directly(&full));
        inside.passes(TimeDelta::minutes(30));
        inside.engine().end_what_was_told_directly().unwrap();
    }
    runtime.block_on(inside.engine().deliver()).unwrap();
    assert_eq!(subjects(&inside.world), ["all feeds: state cannot be written"]);
    inside.passes(TimeDelta::minutes(31));
    for _ in 0..2 {
        inside.engine().end_what_was_told_directly().unwrap();
        runtime.block_on(inside.engine().deliver()).unwrap();
    }
    let mails = inside.world.mails();
    assert_eq!(mails.len(), 2, "{mails:?}");
    let end =
        mails.iter().find(|mail| mail.contains("all feeds: recovered, state can be written again")).unwrap();
    let beginning = mails.iter().find(|mail| !mail.contains("recovered")).unwrap();
    let id = beginning.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap();
    assert!(end.contains(&format!("In-Reply-To: {}", id.trim_end())), "{end}");
    // After a day without an end it is told again, in the same thread.
    for hours in [0, 23, 2] {
        inside.passes(TimeDelta::hours(hours));
        inside.restart();
        inside.engine().tell_directly_by(direct.clone());
        runtime.block_on(inside.engine().tell_directly(&full));
    }
    let reminded = inside.world.mails().into_iter().filter(|mail| mail.contains("(reminder)")).count();
    assert_eq!((inside.world.mails().len(), reminded), (4, 1));
}
