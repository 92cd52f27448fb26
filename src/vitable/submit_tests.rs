//! The submit against real TCP peers: what leaves, when it leaves, and what each answer means.

use super::*;
use crate::{
    clock::SetClock,
    decide::Submission,
    roster::{Draft, Field, GroupId, GroupRef, OrganizationId, Records, RequestId},
    secret::Secret,
};
use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn submission(count: usize) -> Arc<Submission> {
    let mut records = Records::default();
    for number in 0..count {
        let mut draft = Draft::default();
        for (field, value) in [
            (Field::ReferenceId, format!("e-{number}").as_str()),
            (Field::FirstName, "Zelda \"Z\""),
            (Field::LastName, "Quillfeather"),
            (Field::DateOfBirth, "1990-05-15"),
            (Field::Phone, "5551234567"),
            (Field::Email, "zelda@mail.example"),
            (Field::PlanId, "pln_a"),
            (Field::AddressLine1, "1 Elm St"),
            (Field::City, "Troy"),
            (Field::State, "NY"),
            (Field::Zipcode, "12180"),
        ] {
            draft.value_mut(field).push_str(value);
        }
        records.push(&draft).unwrap();
    }
    Arc::new(Submission::of(GroupRef::new("acme").unwrap(), records))
}

/// A peer that takes one connection; joins to what `serve` returns.
fn peer<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handle = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        serve(stream)
    });
    (address, handle)
}

fn client(scheme: &str, address: SocketAddr, timeout: Duration, key: &tempfile::NamedTempFile) -> Client {
    let settings = Settings {
        base_url: format!("{scheme}://{address}").parse().unwrap(),
        api_key: Secret::File(key.path().to_owned()),
        organization: Some(OrganizationId::new("org_1").unwrap()),
        timeout,
        max_in_flight: 2,
        max_members_per_sync: 5000,
        poll: Poll::default(),
        proxy: None,
        ca_file: None,
    };
    let now = chrono::DateTime::parse_from_rfc3339("2026-11-22T09:00:00Z").unwrap();
    Client::new(settings, Arc::new(SetClock::new(now.to_utc()))).unwrap()
}

fn key() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"vit_apk_one\n").unwrap();
    file
}

fn group() -> GroupId {
    GroupId::new("grp_1").unwrap()
}

fn counted() -> (Arc<AtomicUsize>, OnSent) {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let on_sent: OnSent = Arc::new(move || {
        seen.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    (calls, on_sent)
}

/// Reads one request: its head, and as many bytes as Content-Length says.
fn read_request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let mut body = vec![0; content_length(&head)];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

fn content_length(head: &str) -> usize {
    let (_, rest) = head.split_once("content-length: ").unwrap();
    rest.lines().next().unwrap().parse().unwrap()
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}").into_bytes()
}

const ACCEPTED: &str =
    r#"{"data":{"request_id":"grpmsr_9","group_id":"grp_1","accepted_at":"2026-11-22T09:00:00Z"}}"#;

/// Submits to a peer that reads the request and answers with these bytes; also how often `on_sent` was called.
async fn submit_to(bytes: Vec<u8>) -> (Submitted, usize) {
    let (address, peer) = peer(move |mut stream| {
        read_request(&mut stream);
        stream.write_all(&bytes).unwrap();
    });
    let (calls, on_sent) = counted();
    let client = client("http", address, PATIENCE, &key());
    let submitted = client.submit(&group(), &submission(3), on_sent).await;
    peer.join().unwrap();
    (submitted, calls.load(Ordering::SeqCst))
}

#[tokio::test]
async fn the_first_byte_leaves_after_on_sent_and_the_body_is_what_write_body_shows() {
    let (looked, wait) = mpsc::channel();
    let (address, peer) = peer(move |mut stream| {
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let early = stream.peek(&mut [0]).map_err(|error| error.kind());
        looked.send(early).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = read_request(&mut stream);
        stream.write_all(&answer("202 Accepted", "", ACCEPTED)).unwrap();
        request
    });
    let roster = submission(1000);
    let wait = std::sync::Mutex::new(wait);
    // The peer looks for bytes while `on_sent` waits for it to have looked.
    let on_sent: OnSent = Arc::new(move || match wait.lock().unwrap().recv_timeout(PATIENCE).unwrap() {
        Err(ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
        other => Err(format!("bytes came early: {other:?}")),
    });
    let key = key();
    let submitted = client("http", address, PATIENCE, &key).submit(&group(), &roster, on_sent).await;
    let accepted = Submitted::Accepted {
        request_id: RequestId::new("grpmsr_9").unwrap(),
        accepted_at: Some("2026-11-22T09:00:00Z".into()),
    };
    assert_eq!(submitted, accepted);
    let (head, body) = peer.join().unwrap();
    let mut shown = Vec::new();
    write_body(&roster, &mut shown).unwrap();
    assert_eq!(body, shown);
    assert!(!head.contains("transfer-encoding"), "{head}");
    assert!(head.starts_with("post /v1/groups/grp_1/members/sync http/1.1\r\n"), "{head}");
    for line in [
        "authorization: bearer vit_apk_one\r\n",
        "x-vitable-organization: org_1\r\n",
        "content-type: application/json\r\n",
        concat!("user-agent: rosterd/", env!("CARGO_PKG_VERSION"), "\r\n"),
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    let read: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(read["members"][999]["first_name"], "Zelda \"Z\"");
}

#[tokio::test]
async fn when_on_sent_refuses_not_one_byte_leaves() {
    let (address, peer) = peer(|mut stream| {
        let mut all = Vec::new();
        // A reset in place of an orderly end is as good: nothing came.
        drop(stream.read_to_end(&mut all));
        all
    });
    let on_sent: OnSent = Arc::new(|| Err("the ledger is full".into()));
    let key = key();
    let client = client("http", address, PATIENCE, &key);
    let submitted = client.submit(&group(), &submission(5000), on_sent).await;
    let why = "the ledger is full".to_owned();
    assert_eq!(submitted, Submitted::NotConnected { why });
    assert_eq!(peer.join().unwrap(), b"");
}

#[tokio::test]
async fn without_a_connection_on_sent_is_not_called() {
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (released, hold) = mpsc::channel::<()>();
    let (silent, silent_peer) = peer(move |_stream| hold.recv_timeout(PATIENCE).ok());
    let (garbling, garbling_peer) = peer(|mut stream| stream.write_all(b"this is no TLS\r\n\r\n").unwrap());
    let key = key();
    for (scheme, address) in [("http", refusing), ("https", silent), ("https", garbling)] {
        let (calls, on_sent) = counted();
        let client = client(scheme, address, Duration::from_millis(400), &key);
        let submitted = client.submit(&group(), &submission(3), on_sent).await;
        let Submitted::NotConnected { why } = submitted else {
            panic!("{scheme}: {submitted:?}");
        };
        assert!(!why.contains("127.0.0.1") && !why.is_empty(), "{why}");
        assert_eq!(calls.load(Ordering::SeqCst), 0);
    }
    released.send(()).unwrap();
    silent_peer.join().unwrap();
    garbling_peer.join().unwrap();
}

#[tokio::test]
async fn each_status_has_its_meaning() {
    let said = r#"{"error":{"code":"bad","message":"No."}}"#;
    for (status, expected) in [
        ("301 Moved", "refused"),
        ("307 Temporary Redirect", "refused"),
        ("400 Bad Request", "refused"),
        ("401 Unauthorized", "refused"),
        ("403 Forbidden", "refused"),
        ("404 Not Found", "refused"),
        ("409 Conflict", "refused"),
        ("422 Unprocessable", "refused"),
        ("429 Too Many", "throttled"),
        ("408 Timeout", "unclear"),
        ("413 Too Large", "unclear"),
        ("500 Oops", "unclear"),
        ("502 Bad Gateway", "unclear"),
        ("503 Away", "unclear"),
        ("200 OK", "unclear"),
        ("202 Accepted", "unclear"),
    ] {
        let (submitted, calls) =
            submit_to(answer(status, "Location: http://127.0.0.1:9/\r\nRetry-After: 7\r\n", said)).await;
        let found = match &submitted {
            Submitted::Refused(error) => {
                assert_eq!(error.status, status.split(' ').next().and_then(|code| code.parse().ok()));
                "refused"
            }
            Submitted::Throttled { retry_after, .. } => {
                assert_eq!(*retry_after, Some(Duration::from_secs(7)));
                "throttled"
            }
            Submitted::Unclear { .. } => "unclear",
            Submitted::Accepted { .. } | Submitted::NotConnected { .. } => "other",
        };
        assert_eq!((found, calls), (expected, 1), "{status}: {submitted:?}");
    }
}

#[tokio::test]
async fn an_answer_without_a_readable_request_id_for_this_group_is_unclear() {
    for body in [
        "",
        "<html>ok</html>",
        r#"{"data":{}}"#,
        r#"{"data":{"request_id":""}}"#,
        r#"{"request_id":"grpmsr_9"}"#,
        r#"{"data":{"request_id":"grpmsr_9","group_id":"grp_2"}}"#,
    ] {
        let (submitted, _) = submit_to(answer("202 Accepted", "", body)).await;
        assert!(matches!(submitted, Submitted::Unclear { .. }), "{body}: {submitted:?}");
    }
    for body in [r#"{"data":{"request_id":"grpmsr_9","accepted_at":"soon"}}"#, ACCEPTED] {
        let (submitted, _) = submit_to(answer("200 OK", "", body)).await;
        assert!(matches!(submitted, Submitted::Accepted { .. }), "{body}: {submitted:?}");
    }
}

#[tokio::test]
async fn what_vitable_echoes_of_a_person_is_taken_out() {
    let echo = r#"{"message":"members[1]: Quillfeather of Troy, phone 5551234567: \"Zelda\" is bad","trace_id":"t-1"}"#;
    for status in ["400 Bad Request", "429 Slow", "500 Oops"] {
        let (submitted, _) = submit_to(answer(status, "", echo)).await;
        let text = format!("{submitted:?}");
        assert!(text.contains("members[1]: … of …, phone …: … is bad"), "{text}");
        // A 429 is tried again and told only in the end: a trace id would make each telling news.
        assert_eq!(text.contains("t-1"), !status.starts_with("429"), "{text}");
        for value in ["Quillfeather", "Troy", "555", "Zelda"] {
            assert!(!text.contains(value), "{text}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_first_byte_is_unclear() {
    let half = answer("202 Accepted", "", ACCEPTED)[..60].to_vec();
    for bytes in [Vec::new(), b"HTTP/1.1 20".to_vec(), half] {
        let (submitted, calls) = submit_to(bytes).await;
        assert!(matches!(submitted, Submitted::Unclear { .. }), "{submitted:?}");
        assert_eq!(calls, 1);
    }
}

#[tokio::test]
async fn without_progress_it_ends_unclear_and_the_rest_of_the_body_stays_here() {
    let (released, hold) = mpsc::channel::<()>();
    let (address, peer) = peer(move |mut stream| {
        hold.recv_timeout(PATIENCE).unwrap();
        let mut all = Vec::new();
        let end = stream.read_to_end(&mut all).map_err(|error| error.kind());
        (all, end)
    });
    let key = key();
    let (_, on_sent) = counted();
    let client = client("http", address, Duration::from_millis(500), &key);
    let submitted = client.submit(&group(), &submission(110_000), on_sent).await;
    let why = "nothing happened for 0.5 seconds".to_owned();
    assert_eq!(submitted, Submitted::Unclear { why });
    released.send(()).unwrap();
    // Not in this thread: the connection's task must run to see that nobody waits any more.
    let (all, end) = tokio::task::spawn_blocking(|| peer.join().unwrap()).await.unwrap();
    // The connection was closed; the peer did not just run out of patience.
    assert!(!matches!(end, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{end:?}");
    let head = String::from_utf8_lossy(&all[..400]).to_lowercase();
    assert!(all.len() < content_length(&head), "{} of {head}", all.len());
}

#[tokio::test]
async fn an_answer_that_does_not_come_ends_unclear() {
    let (released, hold) = mpsc::channel::<()>();
    let (address, peer) = peer(move |mut stream| {
        read_request(&mut stream);
        hold.recv_timeout(PATIENCE).ok();
    });
    let key = key();
    let (_, on_sent) = counted();
    let client = client("http", address, Duration::from_millis(300), &key);
    let submitted = client.submit(&group(), &submission(3), on_sent).await;
    assert!(matches!(submitted, Submitted::Unclear { .. }), "{submitted:?}");
    released.send(()).unwrap();
    peer.join().unwrap();
}

#[tokio::test]
async fn a_slow_peer_that_goes_on_reading_is_waited_for_beyond_the_time_out() {
    let timeout = Duration::from_millis(1500);
    let (_never, pause) = mpsc::channel::<()>();
    let (address, peer) = peer(move |mut stream| {
        let mut head = vec![0; 4096];
        let mut came = stream.read(&mut head).unwrap();
        let text = String::from_utf8_lossy(&head[..came]).to_lowercase();
        let all = text.find("\r\n\r\n").unwrap() + 4 + content_length(&text);
        let mut rest = vec![0; 1024 * 1024];
        let mut since = 0;
        while came < all {
            let read = stream.read(&mut rest).unwrap();
            assert!(read > 0);
            came += read;
            since += read;
            // As many pauses for the same body, however much one read takes.
            while since > 1_000_000 {
                since -= 1_000_000;
                pause.recv_timeout(Duration::from_millis(100)).ok();
            }
        }
        stream.write_all(&answer("202 Accepted", "", ACCEPTED)).unwrap();
    });
    let key = key();
    let (_, on_sent) = counted();
    let begun = tokio::time::Instant::now();
    let submitted =
        client("http", address, timeout, &key).submit(&group(), &submission(110_000), on_sent).await;
    assert!(matches!(submitted, Submitted::Accepted { .. }), "{submitted:?}");
    assert!(begun.elapsed() > timeout);
    peer.join().unwrap();
}

#[tokio::test]
async fn a_submit_that_is_given_up_before_it_connects_never_leaves() {
    let (address, peer) = peer(|mut stream| {
        let mut all = Vec::new();
        drop(stream.read_to_end(&mut all));
        all
    });
    let (calls, on_sent) = counted();
    let key = key();
    let client = client("http", address, PATIENCE, &key);
    let roster = submission(3);
    let group = group();
    {
        let mut submit = Box::pin(client.submit(&group, &roster, on_sent));
        let poll = futures_util::poll!(submit.as_mut());
        assert!(poll.is_pending());
    }
    // What the HTTP library still does in its own tasks, it does here; then the peer sees the end.
    drop(client);
    let all = tokio::task::spawn_blocking(move || {
        // In case the connection was never made: the peer must not wait for it for ever.
        drop(TcpStream::connect(address));
        peer.join().unwrap()
    });
    assert_eq!(all.await.unwrap(), b"");
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_refused_key_is_read_again_for_the_next_request() {
    let key = key();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        ["401 Unauthorized", "202 Accepted"].map(|status| {
            let (mut stream, _) = listener.accept().unwrap();
            let (head, _) = read_request(&mut stream);
            stream.write_all(&answer(status, "", ACCEPTED)).unwrap();
            head
        })
    });
    let client = client("http", address, PATIENCE, &key);
    let mut file = std::fs::File::create(key.path()).unwrap();
    file.write_all(b"vit_apk_two\n").unwrap();
    let roster = submission(1);
    let first = client.submit(&group(), &roster, counted().1).await;
    assert!(matches!(first, Submitted::Refused(_)), "{first:?}");
    let second = client.submit(&group(), &roster, counted().1).await;
    assert!(matches!(second, Submitted::Accepted { .. }), "{second:?}");
    let [first, second] = peer.join().unwrap();
    assert!(first.contains("vit_apk_one") && second.contains("vit_apk_two"));
}
