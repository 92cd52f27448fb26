//! Each hop on the way to a file, tried in turn: what `check --connect` shows. And what becomes of a file on a
//! server after it was read.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    sftp::{failed_at, one, put, settings},
    sshd::Sshd,
};
use rosterd::{
    clock::{Clock as _, SystemClock},
    probe::Step,
    secret::Secret,
    source::{self, AfterSuccess, FileRead, Hop, HostKey, Place, Settings, Sftp, Tidied},
};
use std::{path::Path, time::Duration};

async fn probe(settings: &Settings) -> Vec<Step> {
    let steps = source::probe(settings, &SystemClock).await;
    let wrong = steps.iter().position(|step| step.result.is_err());
    assert!(
        wrong.is_none_or(|wrong| wrong + 1 == steps.len()),
        "nothing is tried after a failure: {steps:?}"
    );
    assert!(steps.iter().all(|step| step.took < Duration::from_secs(30)), "{steps:?}");
    steps
}

fn hops(steps: &[Step]) -> Vec<&'static str> {
    steps.iter().map(|step| step.hop).collect()
}

/// The words of the last step.
fn last(steps: &[Step]) -> Result<String, String> {
    steps.last().unwrap().result.clone()
}

#[tokio::test]
async fn every_hop_is_tried_and_the_first_that_fails_is_named() {
    let sshd = Sshd::start();
    put(&sshd.files().join("roster-1.csv"), b"id\n1\n", 7_300);
    let all = |change: &dyn Fn(&mut Sftp, &mut Settings)| {
        let mut server = sshd.settings("ed25519");
        let mut settings = settings(server.clone(), &sshd.files().join("roster-*.csv"), Duration::ZERO);
        change(&mut server, &mut settings);
        settings.place = Place::Sftp(Box::new(server));
        settings
    };
    let steps = probe(&all(&|_, _| ())).await;
    assert_eq!(hops(&steps), ["resolve", "connect", "host key", "login", "sftp", "folder", "file"]);
    let said: Vec<String> = steps.iter().map(|step| step.result.clone().unwrap()).collect();
    let [resolve, _, key, login, _, folder, file] = said.as_slice() else { panic!("seven steps") };
    assert_eq!(resolve, "`127.0.0.1` is 127.0.0.1");
    assert!(key.contains(&sshd.fingerprint("ed25519")), "{key}");
    assert!(login.contains("is let in by publickey (ssh-ed25519 SHA256:"), "{login}");
    assert!(folder.contains("was listed: 1 entry"), "{folder}");
    assert!(file.contains("roster-1.csv`, 5 bytes, written") && file.contains("UTC, 2 h ago"), "{file}");
    let steps = probe(&all(&|_, settings| settings.pick.max_age = Some(Duration::from_secs(3_600)))).await;
    assert!(last(&steps).unwrap().contains("longer than `max_age`"), "{steps:?}");

    type Change<'c> = &'c dyn Fn(&mut Sftp, &mut Settings);
    let fingerprint = sshd.fingerprint("ed25519");
    let cases: [(Change<'_>, &str, String); 6] = [
        (&|server, _| server.host = "nobody.invalid".to_owned(), "resolve", "has no address".to_owned()),
        (&|server, _| server.port = 1, "connect", "look at `host`, `port`".to_owned()),
        (
            &|server, _| server.host_key = HostKey::Fingerprint(format!("SHA256:{}", "0".repeat(43))),
            "host key",
            format!("write `host_key: \"{fingerprint}\"`"),
        ),
        (
            &|server, _| server.private_key = Some(Secret::File(sshd.path("stranger"))),
            "login",
            "register this public key".to_owned(),
        ),
        (
            &|_, settings| settings.pick.path = sshd.path("none/*.csv").to_str().unwrap().to_owned(),
            "folder",
            "correct `path`".to_owned(),
        ),
        (
            &|_, settings| settings.pick.path = sshd.files().join("x-*").to_str().unwrap().to_owned(),
            "file",
            "fits `x-*`".to_owned(),
        ),
    ];
    for (change, hop, words) in cases {
        let steps = probe(&all(change)).await;
        let why = last(&steps).unwrap_err();
        assert_eq!(steps.last().unwrap().hop, hop, "{why}");
        assert!(why.contains(&words), "{why}");
    }

    // Where files are taken away, none is no mistake; the folder that they go to must be there.
    let done = sshd.files().join("done");
    let moving = all(&|_, settings| {
        settings.pick.path = sshd.files().join("x-*").to_str().unwrap().to_owned();
        settings.pick.after_success = AfterSuccess::MoveTo(done.to_str().unwrap().to_owned());
    });
    let steps = probe(&moving).await;
    assert_eq!(steps.last().unwrap().hop, "move_to");
    assert!(last(&steps).unwrap_err().contains("create it on the server"), "{steps:?}");
    std::fs::create_dir(&done).unwrap();
    let steps = probe(&moving).await;
    assert!(last(&steps).unwrap().contains("is there"), "{steps:?}");
}

#[tokio::test]
async fn the_hops_to_a_file_on_this_host() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(Sshd::nowhere(), &folder.path().join("*.csv"), Duration::ZERO);
    settings.place = Place::File;
    assert!(last(&probe(&settings).await).unwrap_err().contains("no file in"));
    put(&folder.path().join("a.csv"), b"id\n", 100);
    let steps = probe(&settings).await;
    assert_eq!(hops(&steps), ["file"]);
    assert!(last(&steps).unwrap().contains("3 bytes"), "{steps:?}");
    settings.pick.after_success =
        AfterSuccess::MoveTo(folder.path().join("done").to_str().unwrap().to_owned());
    assert!(last(&probe(&settings).await).unwrap_err().contains("create it, writable"));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_on_a_server_is_moved_or_deleted_and_none_is_overwritten() {
    let sshd = Sshd::start();
    let path = sshd.files().join("roster.csv");
    let done = sshd.path("done");
    let mut settings = settings(sshd.settings("ed25519"), &path, Duration::ZERO);
    settings.pick.after_success = AfterSuccess::MoveTo(done.to_str().unwrap().to_owned());
    let read = async |settings: &Settings| {
        let spool = tempfile::tempdir().unwrap();
        let arrived = one(source::fetch(settings, spool.path(), &SystemClock, &|_| ()).await).unwrap();
        FileRead {
            path: arrived.path,
            size: arrived.size,
            modified: arrived.modified,
            sha256: Some(arrived.sha256),
        }
    };
    let tidy =
        async |settings: &Settings, read: &FileRead| source::tidy(settings, read, None, &SystemClock).await;
    put(&path, b"id\n1\n", 100);
    let first = read(&settings).await;
    let message = failed_at(tidy(&settings, &first).await.map(drop), Hop::AfterSuccess);
    assert!(message.contains("create it on the server, writable for this account"), "{message}");
    std::fs::create_dir(&done).unwrap();
    let target = done.join("roster.csv").to_str().unwrap().to_owned();
    assert_eq!(tidy(&settings, &first).await.unwrap(), Tidied::Moved(target.clone()));
    assert_eq!(tidy(&settings, &first).await.unwrap(), Tidied::Gone);

    put(&path, b"id\n2\n", 50);
    let second = read(&settings).await;
    put(&path, b"id\n3\n", 40);
    assert_eq!(tidy(&settings, &second).await.unwrap(), Tidied::Changed);
    let third = read(&settings).await;
    let Tidied::Moved(dated) = tidy(&settings, &third).await.unwrap() else { panic!("it was not moved") };
    let time = third.modified.unwrap().format("%Y%m%dT%H%M%SZ");
    assert_eq!(dated, done.join(format!("roster-{time}.csv")).to_str().unwrap());
    assert_eq!(std::fs::read(&target).unwrap(), b"id\n1\n");
    assert_eq!(std::fs::read(&dated).unwrap(), b"id\n3\n");

    settings.pick.after_success = AfterSuccess::Delete;
    put(&path, b"id\n4\n", 30);
    let fourth = read(&settings).await;
    assert_eq!(tidy(&settings, &fourth).await.unwrap(), Tidied::Deleted);
    assert_eq!((names(&sshd.files()).len(), names(&done).len()), (0, 2));
    settings.pick.after_success = AfterSuccess::Leave;
    assert_eq!(tidy(&settings, &fourth).await.unwrap(), Tidied::Left);
    assert!(fourth.modified.unwrap() < SystemClock.now());
}
