//! Connections that are lost, slow or silent on the way: a file arrives whole or not at all.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    sftp::{failed, one, put, settings},
    sshd::Sshd,
};
use rosterd::{
    clock::SystemClock,
    source::{self, Arrived, Failure, Hop, Patience, Sftp},
};
use sha2::{Digest as _, Sha256};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    task::JoinSet,
};

/// What a proxy does to what a server sends.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Cuts this many connections off after so many bytes each; those after them are left alone.
    Cut { connections: u32, after: u64 },
    /// Passes on so many bytes as they come, and then so many a second.
    Slow { after: u64, per_second: u64 },
    /// Passes on so many bytes, and then nothing.
    Silent { after: u64 },
}

/// A proxy before a server. It ends when it is dropped, with all its connections.
struct Proxy {
    port: u16,
    connections: Arc<AtomicU32>,
    sent: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    async fn start(to: u16, fault: Fault) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, sent) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU64::new(0)));
        let (count, total) = (Arc::clone(&connections), Arc::clone(&sent));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut streams = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let total = Arc::clone(&total);
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { continue };
                streams.spawn(async move {
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::select! {
                        () = plain(from_client, to_server) => {}
                        () = faulty(from_server, to_client, fault, number, &total) => {}
                    }
                });
            }
        });
        Self { port, connections, sent, _tasks: tasks }
    }

    fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn plain(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    drop(tokio::io::copy(&mut from, &mut to).await);
}

async fn faulty(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    fault: Fault,
    number: u32,
    sent: &AtomicU64,
) {
    let mut passed = 0_u64;
    let mut buffer = vec![0; 4096];
    loop {
        let most = match fault {
            Fault::Slow { after, per_second } if passed >= after => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                usize::try_from(per_second / 10).unwrap()
            }
            Fault::Cut { connections, after } if number <= connections && passed >= after => return,
            Fault::Silent { after } if passed >= after => std::future::pending().await,
            Fault::Slow { .. } | Fault::Cut { .. } | Fault::Silent { .. } => buffer.len(),
        };
        let piece = buffer.get_mut(..most).unwrap();
        match from.read(piece).await {
            Ok(0) | Err(_) => return,
            Ok(read) => {
                passed += read as u64;
                sent.fetch_add(read as u64, Ordering::SeqCst);
                if to.write_all(piece.get(..read).unwrap()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Reads a file with little patience, and returns what was said on the way.
async fn fetch(sshd: &Sshd, port: u16, no_progress: Duration) -> (Result<Arrived, Failure>, Vec<String>) {
    let patience = Patience { no_progress, pause: Duration::from_millis(50) };
    let server = Sftp { port, patience, ..sshd.settings("ed25519") };
    let settings = settings(server, &sshd.files().join("roster.csv"), Duration::ZERO);
    let spool = tempfile::tempdir().unwrap();
    let notes = Mutex::new(Vec::new());
    let note = |words: &str| notes.lock().unwrap().push(words.to_owned());
    let result = one(source::fetch(&settings, spool.path(), &SystemClock, &note).await);
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0, "nothing half read is left");
    (result, notes.into_inner().unwrap())
}

/// Two mebibytes of which no two blocks are alike, and their SHA-256.
fn big() -> (Vec<u8>, String) {
    let bytes: Vec<u8> = (0..524_288_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let hash = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    (bytes, hash)
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_is_cut_off_is_read_again_from_its_beginning() {
    let sshd = Sshd::start();
    let (bytes, hash) = big();
    put(&sshd.files().join("roster.csv"), &bytes, 7_100);
    // Twice in the middle of the file, and the third try is left alone.
    let proxy = Proxy::start(sshd.port(), Fault::Cut { connections: 2, after: 1_000_000 }).await;
    let (result, notes) = fetch(&sshd, proxy.port, MINUTE).await;
    let arrived = result.unwrap();
    assert_eq!((arrived.size, arrived.sha256), (bytes.len() as u64, hash));
    assert_eq!((proxy.connections(), notes.len()), (3, 2));
    assert!(notes.iter().all(|note| note.contains("broke off after") && note.contains("of 3")), "{notes:?}");
    assert!(proxy.sent.load(Ordering::SeqCst) > 4_000_000, "the whole file again, not its rest");

    // Three times: then it has failed, and says so.
    let proxy = Proxy::start(sshd.port(), Fault::Cut { connections: 9, after: 1_000_000 }).await;
    let (result, _) = fetch(&sshd, proxy.port, MINUTE).await;
    let message = failed(result, Hop::Read);
    assert!(message.contains("broke off after") && message.contains("(tried 3 times)"), "{message}");
    assert!(message.contains("run the feed again"), "{message}");
    assert_eq!(proxy.connections(), 3);
}

#[tokio::test]
async fn a_server_that_is_killed_on_the_way_is_a_clean_failure() {
    let mut sshd = Sshd::start();
    let (bytes, _) = big();
    put(&sshd.files().join("roster.csv"), &bytes, 7_100);
    let proxy = Proxy::start(sshd.port(), Fault::Slow { after: 200_000, per_second: 100_000 }).await;
    let sent = Arc::clone(&proxy.sent);
    let port = proxy.port;
    let mut files = sshd.settings("ed25519");
    files.port = port;
    files.patience.pause = Duration::from_millis(50);
    let settings = settings(files, &sshd.files().join("roster.csv"), Duration::ZERO);
    let spool = tempfile::tempdir().unwrap();
    let read = async { one(source::fetch(&settings, spool.path(), &SystemClock, &|_| ()).await) };
    let kill = async {
        while sent.load(Ordering::SeqCst) < 250_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sshd.kill();
    };
    let (result, ()) = tokio::join!(read, kill);
    let message = failed(result, Hop::Connect);
    assert!(message.contains("(tried 3 times)"), "{message}");
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_slow_server_is_waited_for_and_a_silent_one_is_not() {
    let sshd = Sshd::start();
    // What comes before the file's own bytes is let through at once, the rest at a kilobyte a second.
    let bytes = vec![b'x'; 9 * 1024];
    put(&sshd.files().join("roster.csv"), &bytes, 7_100);
    let proxy = Proxy::start(sshd.port(), Fault::Slow { after: 4_096, per_second: 1_024 }).await;
    let began = tokio::time::Instant::now();
    let (result, notes) = fetch(&sshd, proxy.port, Duration::from_millis(2_500)).await;
    assert_eq!(result.unwrap_or_else(|failure| panic!("{failure}")).size, 9 * 1024);
    assert!(began.elapsed() > Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(notes.is_empty(), "{notes:?}");

    let (bytes, _) = big();
    put(&sshd.files().join("roster.csv"), &bytes, 7_100);
    let proxy = Proxy::start(sshd.port(), Fault::Silent { after: 500_000 }).await;
    let (result, notes) = fetch(&sshd, proxy.port, Duration::from_millis(500)).await;
    let message = failed(result, Hop::Read);
    assert!(message.contains("nothing came for 0.5 s"), "{message}");
    assert_eq!((notes.len(), proxy.connections()), (2, 3));
}
