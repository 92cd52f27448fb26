//! `rosterd check --connect`: which hop works, which one fails, and what to do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::world::{Ran, Setup, World, put};
use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
};

/// The configuration with another address of Vitable.
fn checked(world: &World, base_url: &str, more: &str) -> Ran {
    let text = fs::read_to_string(world.path("rosterd.yaml")).unwrap();
    let line = text.lines().find(|line| line.contains("base_url")).unwrap();
    put(&world.path("other.yaml"), &text.replace(line, &format!("  base_url: {base_url}\n  {more}")));
    let mut command = world.command(&["check", "--connect"]);
    Ran::of(command.arg("--config").arg(world.path("other.yaml")).output().unwrap())
}

/// The lines of the way to Vitable: hop, word, text.
fn hops(ran: &Ran) -> Vec<(String, String, String)> {
    let way = ran.out.split("\n\n").find(|way| way.starts_with("Vitable, ")).unwrap();
    let hop = |line: &str| {
        let (hop, rest) = line.trim_start().split_once("  ").unwrap();
        let (time, rest) = rest.trim_start().split_once("  ").unwrap();
        assert!(time.ends_with(" ms") || time.ends_with(" s"), "{line}");
        let (word, text) = rest.split_once(' ').unwrap();
        (hop.to_owned(), word.to_owned(), text.trim_start().to_owned())
    };
    way.lines().skip(1).map(hop).collect()
}

/// The hop that failed, which is the last one, and its text.
fn failed(ran: &Ran) -> (String, String) {
    let hops = hops(ran);
    let ((hop, word, text), before) = hops.split_last().unwrap();
    assert_eq!(word, "FAILED", "{}", ran.out);
    assert!(before.iter().all(|(_, word, _)| word == "ok"), "{}", ran.out);
    (hop.clone(), text.clone())
}

#[test]
fn every_hop_to_vitable_is_shown_with_its_time() {
    let world = World::new(&Setup::default());
    world.arrives("roster.csv", &[]);
    std::fs::create_dir(world.path("mail")).unwrap();
    let ran = world.rosterd(&["check", "--connect"]).ends(0);
    let hops = hops(&ran);
    let names: Vec<&str> = hops.iter().map(|(hop, _, _)| hop.as_str()).collect();
    assert_eq!(names, ["resolve", "connect", "key", "organization", "clock", "plans"], "{}", ran.out);
    assert!(hops.iter().all(|(_, word, _)| word == "ok"), "{}", ran.out);
    assert!(ran.out.contains("org_sandbox, 3 groups"), "{}", ran.out);
    assert!(ran.out.contains("\nsource `acme`\n") && ran.out.contains("\nmail\n"), "{}", ran.out);
    assert!(!world.path("state").exists(), "a check leaves nothing behind");
    assert!(world.sandbox.submits().is_empty());
    let offline = world.rosterd(&["check"]).ends(0);
    assert!(!offline.out.contains("Vitable,"), "{}", offline.out);
}

#[test]
fn the_hop_that_fails_is_named_with_the_remedy() {
    let world = World::new(&Setup::default());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = checked(&world, &format!("http://{free}"), "").ends(1);
    let (hop, text) = failed(&ran);
    assert_eq!(hop, "connect");
    assert!(text.contains("Connection refused") && text.contains("`vitable.base_url`"), "{text}");
    assert!(ran.out.contains("\nsource `acme`\n"), "the others are tried all the same: {}", ran.out);

    let (hop, text) = failed(&checked(&world, "https://no-such-host.invalid", "").ends(1));
    assert_eq!(hop, "resolve");
    assert!(text.contains("no-such-host.invalid") && text.contains("name server"), "{text}");

    let proxied = checked(&world, "https://api.vitable.example", &format!("proxy: http://{free}")).ends(1);
    let (hop, text) = failed(&proxied);
    assert_eq!(hop, "connect", "the proxy is the first that is reached");
    assert!(text.contains("check `vitable.proxy`"), "{text}");

    put(&world.path("api.key"), "a-key-of-somebody-else");
    let (hop, text) = failed(&world.rosterd(&["check", "--connect"]).ends(1));
    assert_eq!(hop, "key");
    assert!(text.contains("api.key` (`vitable.api_key`)"), "{text}");
    assert!(!text.contains("somebody"), "{text}");
}

/// A server in a thread of its own, for one connection.
fn serves(answer: impl FnOnce(std::net::TcpStream) + Send + 'static) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        // The first one tries whether somebody listens, and sends nothing.
        drop(listener.accept().unwrap());
        answer(listener.accept().unwrap().0);
    });
    address
}

#[test]
fn what_is_not_vitable_is_told_from_a_certificate_that_nobody_knows() {
    let world = World::new(&Setup::default());
    let page = serves(|mut stream| {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        let html = "<html>sign in to the guest network</html>";
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close";
        write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{html}", html.len()).unwrap();
    });
    let (hop, text) = failed(&checked(&world, &format!("http://{page}"), "").ends(1));
    assert_eq!(hop, "answer");
    assert!(text.contains("an HTML page") && text.contains("not Vitable's API"), "{text}");

    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let address = serves(move |mut stream| {
        let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let mut connection = rustls::ServerConnection::new(std::sync::Arc::new(config)).unwrap();
        while connection.complete_io(&mut stream).is_ok() && !connection.is_handshaking() {}
    });
    let (hop, text) = failed(&checked(&world, &format!("https://localhost:{}", address.port()), "").ends(1));
    assert_eq!(hop, "TLS");
    assert!(text.contains("certificate") && text.contains("`vitable.ca_file`"), "{text}");
}
