//! Reading from OpenSSH's own SFTP server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::sshd::{Sshd, run};
use rosterd::{
    clock::SystemClock,
    mapping,
    source::{self, AfterSuccess, Arrived, Failure, Format, Hop, HostKey, Pick, Place, Settings, Sftp},
};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{Read as _, Write as _},
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime},
};

pub(crate) fn settings(server: Sftp, path: &Path, settle: Duration) -> Settings {
    Settings {
        name: "acme".to_owned(),
        place: Place::Sftp(Box::new(server)),
        pick: Pick {
            path: path.to_str().unwrap().to_owned(),
            settle,
            take: rosterd::source::Take::Newest,
            done_marker: None,
            max_age: None,
            after_success: AfterSuccess::Leave,
        },
        format: Format::ByName,
        decrypt: None,
        min_rows: 1,
        mapping: Arc::new(mapping::Settings {
            name: "hr".to_owned(),
            fields: std::collections::BTreeMap::new(),
            blanks: Vec::new(),
            eligibility: mapping::Eligibility {
                status: None,
                starts_on: None,
                ends_on: None,
                when: None,
                timezone: chrono_tz::UTC,
            },
        }),
    }
}

/// A file that was written so many seconds ago.
pub(crate) fn put(path: &Path, bytes: &[u8], age: u64) {
    let mut file = File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a file's age is counted from the host's clock")]
    let now = SystemTime::now();
    file.set_modified(now - Duration::from_secs(age)).unwrap();
}

/// Fetches `name` with these settings, each time into a spool folder that must be empty afterwards.
pub(crate) async fn fetch_as(
    sshd: &Sshd,
    server: Sftp,
    name: &str,
    settle: Duration,
) -> Result<Arrived, Failure> {
    let spool = tempfile::tempdir().unwrap();
    let settings = settings(server, &sshd.files().join(name), settle);
    let arrived = source::fetch(&settings, spool.path(), &SystemClock, &|_| ()).await;
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
    one(arrived)
}

/// The one file that arrived.
pub(crate) fn one(arrived: Result<Vec<Arrived>, Failure>) -> Result<Arrived, Failure> {
    let mut arrived = arrived?;
    assert_eq!(arrived.len(), 1);
    Ok(arrived.remove(0))
}

async fn fetch(sshd: &Sshd, name: &str) -> Result<Arrived, Failure> {
    fetch_as(sshd, sshd.settings("ed25519"), name, Duration::from_secs(60)).await
}

/// The message of a failure, once it is sure that it came at this hop.
pub(crate) fn failed(result: Result<Arrived, Failure>, expected: Hop) -> String {
    failed_at(result.map(drop), expected)
}

/// The same, of whatever might have come of it.
pub(crate) fn failed_at(result: Result<(), Failure>, expected: Hop) -> String {
    let found = format!("{result:?}");
    let message = match result {
        Err(Failure::Failed { hop, message, .. }) if hop == expected => Some(message),
        Ok(()) | Err(Failure::NothingYet(_) | Failure::Incomplete(_) | Failure::Failed { .. }) => None,
    };
    assert!(message.is_some(), "expected a failure at `{expected}`, found {found}");
    message.unwrap()
}

#[tokio::test]
async fn the_newest_whole_file_arrives() {
    let sshd = Sshd::start();
    put(&sshd.files().join("roster-1.csv"), b"old", 7_500);
    put(&sshd.files().join("roster-2.csv"), b"id\n1\n", 7_400);
    put(&sshd.files().join("roster-3.csv.filepart"), b"half", 7_300);
    put(&sshd.files().join(".roster-4.csv"), b"hidden", 7_300);
    put(&sshd.files().join("notes.txt"), b"other", 7_300);
    std::fs::create_dir(sshd.files().join("roster-5.csv")).unwrap();
    let arrived = fetch(&sshd, "*roster-*.csv").await.unwrap();
    assert!(arrived.path.ends_with("/files/roster-2.csv"));
    assert_eq!(arrived.size, 5);
    assert_eq!(arrived.passed_over, [".roster-4.csv", "roster-3.csv.filepart", "roster-5.csv"]);
    assert!(arrived.modified.is_some());
    // A link to the newest export is followed.
    std::os::unix::fs::symlink("roster-1.csv", sshd.files().join("latest-1.csv")).unwrap();
    assert_eq!(fetch(&sshd, "latest-*.csv").await.unwrap().size, 3);
    // One file by its name, and one that is not there.
    assert_eq!(fetch(&sshd, "roster-1.csv").await.unwrap().size, 3);
    for name in ["roster-9.csv", "roster-9*.csv"] {
        let none = fetch(&sshd, name).await;
        assert!(matches!(none, Err(Failure::NothingYet(_))), "{none:?}");
    }
    for name in ["none/roster.csv", "none/*.csv"] {
        let message = failed(fetch(&sshd, name).await, Hop::List);
        assert!(message.contains("files/none` (no such file); correct `path`"), "{message}");
    }
    failed(fetch(&sshd, "roster-5.csv").await, Hop::List);
}

#[tokio::test]
async fn eight_mebibytes_arrive_unchanged() {
    let sshd = Sshd::start();
    // No two blocks of it are alike, so that none can stand in another's place.
    let bytes: Vec<u8> =
        (0..2_097_152_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    put(&sshd.files().join("big.csv"), &bytes, 7_100);
    let mut arrived = fetch(&sshd, "big.csv").await.unwrap();
    let expected: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(arrived.sha256, expected);
    assert_eq!(arrived.size, 8 << 20);
    let mut copy = Vec::new();
    std::io::Seek::rewind(&mut arrived.spool).unwrap();
    arrived.spool.read_to_end(&mut copy).unwrap();
    assert!(copy == bytes);
}

#[tokio::test]
async fn a_growing_file_is_not_read_yet() {
    let sshd = Sshd::start();
    let path = sshd.files().join("roster.csv");
    put(&path, b"id\n", 0);
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let grow = async {
        let mut bytes = b"id\n".to_vec();
        while stopped.try_recv().is_err() {
            bytes.push(b'x');
            put(&path, &bytes, 0);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let read = async {
        let result =
            fetch_as(&sshd, sshd.settings("ed25519"), "roster.csv", Duration::from_millis(1500)).await;
        stop.send(()).unwrap();
        result
    };
    let (result, ()) = tokio::join!(read, grow);
    let message = result.unwrap_err().to_string();
    assert!(message.contains("nothing to read yet") && message.contains("still being written"), "{message}");
    // Written just now and still: two looks prove it.
    fetch_as(&sshd, sshd.settings("ed25519"), "roster.csv", Duration::from_millis(300)).await.unwrap();
}

#[tokio::test]
async fn only_the_known_server_is_spoken_to() {
    let sshd = Sshd::start();
    put(&sshd.files().join("roster.csv"), b"id\n1\n", 7_100);
    let get = async |host_key: HostKey| {
        let server = Sftp { host_key, ..sshd.settings("ed25519") };
        fetch_as(&sshd, server, "roster.csv", Duration::ZERO).await
    };
    let known_hosts = |text: String| {
        let path = sshd.path("known_hosts");
        let mut file = File::create(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        HostKey::KnownHosts(path)
    };
    let name = format!("[127.0.0.1]:{}", sshd.port());

    // Each of the server's keys will do, not only the preferred one.
    for kind in ["ed25519", "rsa"] {
        get(HostKey::Fingerprint(sshd.fingerprint(kind))).await.unwrap();
        get(known_hosts(format!("{name} {}\n", sshd.host_key(kind)))).await.unwrap();
    }
    let other = HostKey::Fingerprint("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU".to_owned());
    let message = failed(get(other).await, Hop::HostKey);
    let line = format!("write `host_key: \"{}\"`", sshd.fingerprint("ed25519"));
    assert!(message.contains(&line), "{message}");
    assert!(message.contains(&sshd.fingerprint("rsa")), "{message}");

    // Hashed by OpenSSH itself.
    let HostKey::KnownHosts(path) = known_hosts(format!("{name} {}\n", sshd.host_key("ed25519"))) else {
        unreachable!("it was made as a file")
    };
    run(Command::new("ssh-keygen").arg("-q").arg("-H").arg("-f").arg(&path));
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("|1|"));
    get(HostKey::KnownHosts(path)).await.unwrap();

    let key = sshd.host_key("ed25519");
    let message = failed(get(known_hosts(format!("{name} {key}\n@revoked * {key}\n"))).await, Hop::HostKey);
    assert!(message.contains("marks as `@revoked`"), "{message}");
    let message = failed(get(known_hosts(format!("127.0.0.1 {key}\n"))).await, Hop::HostKey);
    assert!(
        message.contains("has no line for it") && message.contains(&format!("`{name} {key}`")),
        "{message}"
    );
    let message = failed(get(HostKey::KnownHosts(sshd.path("none"))).await, Hop::HostKey);
    assert!(message.contains("cannot read the known_hosts file"), "{message}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_from_one_that_is_not_ssh() {
    let sshd = Sshd::start();
    let at = |host: &str, port: u16| Sftp { host: host.to_owned(), port, ..sshd.settings("ed25519") };
    let get = async |server: Sftp| fetch_as(&sshd, server, "roster.csv", Duration::ZERO).await;
    failed(get(at("nobody.invalid", 22)).await, Hop::Resolve);
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let message = failed(get(at("127.0.0.1", port)).await, Hop::Connect);
    assert!(message.contains("cannot connect to"), "{message}");

    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let web = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
        }
    };
    let result = tokio::select! {
        result = get(at("127.0.0.1", port)) => result,
        () = web => unreachable!("it has no end"),
    };
    let message = failed(result, Hop::Connect);
    assert!(message.contains("no SSH session came about"), "{message}");
}
