//! From a name to a server whose key is the known one.

use super::host_key::{Known, Verdict};
use crate::source::{Failure, Hop, Sftp};
use russh::{
    client::{self, Handle},
    keys::{Algorithm, HashAlg, PublicKey, PublicKeyOrCertificate},
};
use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::net::TcpStream;

/// How long resolving, connecting and the key exchange together may take.
const CONNECT: Duration = Duration::from_secs(20);
/// How long nothing may come from the server.
pub(super) const NO_PROGRESS: Duration = Duration::from_secs(60);

/// A connection to a server whose key is known.
pub(super) type Ssh = Handle<Gate>;

/// Lets only the known server through.
pub(super) struct Gate {
    known: Arc<Known>,
    seen: Arc<Mutex<Option<(PublicKey, Verdict)>>>,
}

impl client::Handler for Gate {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let key = shown.public_key();
        let verdict = self.known.judge(&key);
        let passes = verdict == Verdict::Known;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((key, verdict));
        Ok(passes)
    }
}

/// Connects, and proves that the server is the known one.
///
/// A server has a key of each kind and shows the one that we prefer, while the configuration may know another
/// of them (vendors often publish only the RSA fingerprint). So a key that is not known is asked for in
/// another kind, until the server has shown them all.
///
/// # Errors
/// With hop `resolve`, `connect` or `host key`.
pub(super) async fn connect(server: &Sftp) -> Result<Ssh, Failure> {
    let known = Arc::new(Known::load(server)?);
    let mut kinds: Vec<Algorithm> = client::Config::default().preferred.key.into_owned();
    // A signature by SHA-1 proves nothing any more (RFC 9142).
    kinds.retain(|kind| *kind != Algorithm::Rsa { hash: None });
    let mut shown = Vec::new();
    while !kinds.is_empty() {
        let seen = Arc::new(Mutex::new(None));
        let gate = Gate { known: Arc::clone(&known), seen: Arc::clone(&seen) };
        let attempt = tokio::time::timeout(CONNECT, once(server, kinds.clone(), gate)).await;
        let error = match attempt {
            Ok(Ok(ssh)) => return Ok(ssh),
            Ok(Err(error)) => error,
            Err(_elapsed) => Stop::Other(Failure::at(
                Hop::Connect,
                format!(
                    "`{}:{}` did not answer within {} s; look at `host`, `port`, and the firewalls between",
                    server.host,
                    server.port,
                    CONNECT.as_secs()
                ),
            )),
        };
        let refused = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (error, refused) {
            (_, Some((key, Verdict::Revoked))) => return Err(known.revoked(&key)),
            (_, Some((key, Verdict::Unknown))) => {
                let kind = family(&key.algorithm());
                kinds.retain(|other| family(other) != kind);
                shown.push(key);
            }
            (Stop::NoKeyOfThisKind, _) if !shown.is_empty() => break,
            (Stop::Other(failure), _) => return Err(failure),
            (Stop::NoKeyOfThisKind, _) => return Err(no_common(server)),
        }
    }
    Err(known.unknown(&shown))
}

/// Keys whose kinds have the same family are the same key, signed differently.
fn family(kind: &Algorithm) -> String {
    if matches!(kind, Algorithm::Rsa { .. }) { "rsa".to_owned() } else { kind.as_str().to_owned() }
}

enum Stop {
    NoKeyOfThisKind,
    Other(Failure),
}

async fn once(server: &Sftp, kinds: Vec<Algorithm>, gate: Gate) -> Result<Ssh, Stop> {
    let socket = socket(server).await.map_err(Stop::Other)?;
    let mut config = client::Config {
        nodelay: true,
        // A server that is gone without a word is noticed: three of these without an answer end the
        // connection.
        keepalive_interval: Some(NO_PROGRESS / 3),
        ..client::Config::default()
    };
    config.preferred.key = Cow::Owned(kinds);
    // Twice as fast as the default with AES instructions (`dependencies.md`).
    let mut ciphers = vec![russh::cipher::AES_256_GCM];
    ciphers
        .extend(config.preferred.cipher.iter().filter(|name| **name != russh::cipher::AES_256_GCM).copied());
    config.preferred.cipher = Cow::Owned(ciphers);
    client::connect_stream(Arc::new(config), socket, gate).await.map_err(|error| stopped(server, &error))
}

fn stopped(server: &Sftp, error: &russh::Error) -> Stop {
    if let russh::Error::NoCommonAlgo { kind: russh::AlgorithmKind::Key, .. } = error {
        return Stop::NoKeyOfThisKind;
    }
    Stop::Other(Failure::at(
        Hop::Connect,
        format!(
            "`{}:{}` took the connection, but no SSH session came about ({error}); look whether `port` is \
             the one for SFTP, \
             and whether the server admits this host's address",
            server.host, server.port
        ),
    ))
}

async fn socket(server: &Sftp) -> Result<TcpStream, Failure> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((server.host.as_str(), server.port))
        .await
        .map_err(|error| unresolved(server, &error.to_string()))?
        .collect();
    let mut last = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(socket) => {
                // Without it small requests wait for one another; it fails only on a connection that is
                // broken already.
                drop(socket.set_nodelay(true));
                return Ok(socket);
            }
            Err(error) => last = Some((address, error)),
        }
    }
    Err(match last {
        None => unresolved(server, "no address"),
        Some((address, error)) => Failure::at(
            Hop::Connect,
            format!(
                "cannot connect to `{}:{}` at {address} ({error}); look at `host`, `port`, and the \
                 firewalls between",
                server.host, server.port
            ),
        ),
    })
}

fn unresolved(server: &Sftp, why: &str) -> Failure {
    Failure::at(
        Hop::Resolve,
        format!(
            "the name `{}` has no address ({why}); correct `host`, or look at this host's DNS",
            server.host
        ),
    )
}

fn no_common(server: &Sftp) -> Failure {
    Failure::at(
        Hop::HostKey,
        format!(
            "`{}:{}` has no host key of a kind that is still safe (Ed25519, ECDSA, or RSA with SHA-2); \
             ask its operator for one",
            server.host, server.port
        ),
    )
}

/// The fingerprint as OpenSSH and the configuration write it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}
