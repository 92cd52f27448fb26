//! The HTTP driver and certificates: a server that lets in only who shows one, and servers whose own are not right.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails here")]

use crate::http::{read, request, source_at};
use chrono::Datelike as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rosterd::{
    clock::{Clock as _, SystemClock},
    secret::Secret,
    source::{Certificate, Failure, Hop, Http, Pagination},
};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

const BODY: &str = r#"{"data":[{"id":1},{"id":2}]}"#;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer(name: &str) -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, PEM.
struct Issued {
    certificate: String,
    key: String,
}

impl Issued {
    fn server(issuer: &Issuer, name: &str, last_year: i32) -> Self {
        Self::by(issuer, name, last_year, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn client(issuer: &Issuer, last_year: i32) -> Self {
        Self::by(issuer, "rosterd", last_year, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn by(issuer: &Issuer, name: &str, last_year: i32, purpose: ExtendedKeyUsagePurpose) -> Self {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, issuer).unwrap().pem();
        Self { certificate, key: key.serialize_pem() }
    }

    /// As the configuration has it.
    fn put(&self, folder: &Path) -> Certificate {
        let put = |name: &str, text: &str| {
            let path = folder.join(name);
            crate::world::put(&path, text);
            Secret::File(path)
        };
        Certificate {
            certificate: put("client.crt", &self.certificate),
            private_key: put("client.pem", &self.key),
        }
    }
}

/// A server over TLS; it ends when it is dropped.
struct Server {
    address: SocketAddr,
    met: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// One that shows this certificate, and lets in only whom `clients` has issued one, if it is given.
    fn start(own: &Issued, clients: Option<&Issuer>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(issuer) => {
                let mut roots = RootCertStore::empty();
                roots.add(issuer.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
        let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (met, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, ends) = (Arc::clone(&met), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                count.fetch_add(1, Ordering::SeqCst);
                // Whatever a client does, the next one is served.
                drop(serve(stream.unwrap(), &config));
            }
        });
        Self { address, met, over, thread: Some(thread) }
    }

    /// A source there, which trusts whom `issuer` vouches for.
    fn source(&self, folder: &Path, issuer: &Issuer, certificate: Option<Certificate>) -> Http {
        let ca_file = folder.join("ca.pem");
        crate::world::put(&ca_file, &issuer.pem());
        Http {
            request: request(&format!("https://localhost:{}/people", self.address.port())),
            ca_file: Some(ca_file),
            certificate,
            pagination: Pagination::None,
            ..source_at("https://localhost")
        }
    }

    fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(mut stream: TcpStream, config: &Arc<ServerConfig>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut connection = ServerConnection::new(Arc::clone(config)).unwrap();
    let done = answer(&mut connection, &mut stream);
    // Read to the end, so that what was said last arrives and is no reset.
    stream.shutdown(Shutdown::Write)?;
    let mut rest = [0; 4096];
    while stream.read(&mut rest)? > 0 {}
    done
}

fn answer(connection: &mut ServerConnection, stream: &mut TcpStream) -> std::io::Result<()> {
    let mut tls = rustls::Stream::new(connection, stream);
    let (mut asked, mut piece) = (Vec::<u8>::new(), [0; 4096]);
    while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
        match tls.read(&mut piece)? {
            0 => return Ok(()),
            length => asked.extend(piece.iter().take(length)),
        }
    }
    write!(
        tls,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{BODY}",
        BODY.len()
    )?;
    tls.flush()?;
    tls.conn.send_close_notify();
    tls.conn.complete_io(tls.sock).map(drop)
}

async fn failed(http: Http) -> String {
    match read(http).await.0.map(|_| ()).unwrap_err() {
        Failure::Failed { hop, message, passing: false } => {
            assert!([Hop::Authenticate, Hop::Connect].contains(&hop), "{hop}: {message}");
            format!("{hop}: {message}")
        }
        other @ (Failure::Failed { .. } | Failure::Incomplete(_) | Failure::NothingYet(_)) => {
            panic!("{other}")
        }
    }
}

fn next_years() -> i32 {
    SystemClock.now().year() + 2
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_ours_and_another_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (trusted, strangers) = (issuer("House CA"), issuer("Strangers"));
    let server = Server::start(&Issued::server(&trusted, "localhost", next_years()), Some(&trusted));
    let source = |certificate| server.source(folder.path(), &trusted, certificate);

    let right = Issued::client(&trusted, next_years()).put(folder.path());
    let arrived = read(source(Some(right))).await.0.unwrap();
    assert_eq!(arrived.size, "{\"id\":1}\n{\"id\":2}\n".len() as u64);

    let mut all = String::new();
    let before = server.met();
    all.push_str(&format!("none: {}\n", failed(source(None)).await));
    let other = Issued::client(&strangers, next_years()).put(folder.path());
    all.push_str(&format!("another: {}\n", failed(source(Some(other))).await));
    let ended = Issued::client(&trusted, 2021).put(folder.path());
    all.push_str(&format!("ended: {}\n", failed(source(Some(ended))).await));
    assert_eq!(server.met(), before + 3, "what a person has to mend is not tried again");
    let mut key = Issued::client(&trusted, next_years());
    key.key = "no key".to_owned();
    all.push_str(&format!("no key: {}\n", failed(source(Some(key.put(folder.path())))).await));
    insta::assert_snapshot!(all.replace(&server.address.port().to_string(), "PORT"));
}

#[tokio::test]
async fn a_server_whose_own_certificate_is_not_right_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (trusted, strangers) = (issuer("House CA"), issuer("Strangers"));
    let mut all = String::new();
    for (name, own) in [
        ("ended", Issued::server(&trusted, "localhost", 2021)),
        ("for another name", Issued::server(&trusted, "hr.example", next_years())),
        ("by a stranger", Issued::server(&strangers, "localhost", next_years())),
    ] {
        let server = Server::start(&own, None);
        all.push_str(&format!("{name}: {}\n", failed(server.source(folder.path(), &trusted, None)).await));
        assert_eq!(server.met(), 1);
    }
    insta::assert_snapshot!(all);
}
