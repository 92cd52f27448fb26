//! From a name to a server whose key is the known one.

use super::{
    host_key::{Known, Verdict},
    watch::{Watch, Watched},
};
use crate::source::{Failure, Hop, Sftp};
use chrono::{DateTime, Utc};
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
/// How often a server is asked for a sign of life while nothing comes, so that firewalls between keep the
/// connection. What is too long is for [`Watch`] to say.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A connection to a server whose key is known.
pub(super) struct Ssh {
    pub(super) handle: Handle<Gate>,
    pub(super) watch: Watch,
    /// The key that it showed, and how it is known.
    pub(super) key: String,
}

/// Lets only the known server through.
pub(super) struct Gate {
    known: Arc<Known>,
    now: DateTime<Utc>,
    seen: Arc<Mutex<Option<(PublicKey, Verdict)>>>,
}

impl client::Handler for Gate {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let verdict = self.known.judge(shown, self.now);
        let passes = matches!(verdict, Verdict::Known(_));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((shown.public_key(), verdict));
        Ok(passes)
    }
}

/// Connects, and proves that the server is the known one at `now`.
///
/// A server has a key of each kind and shows the one that we prefer, while the configuration may know another
/// of them (vendors often publish only the RSA fingerprint). So a key that is not known is asked for in
/// another kind, until the server has shown them all. Certificates are asked for only where an authority for
/// this server is known.
///
/// # Errors
/// With hop `resolve`, `connect` or `host key`.
pub(super) async fn connect(server: &Sftp, now: DateTime<Utc>) -> Result<Ssh, Failure> {
    let known = Arc::new(Known::load(server)?);
    let mut kinds: Vec<Algorithm> = client::Config::default().preferred.key.into_owned();
    // A signature by SHA-1 proves nothing any more (RFC 9142).
    kinds.retain(|kind| *kind != Algorithm::Rsa { hash: None });
    let (mut shown, mut against) = (Vec::new(), Vec::new());
    while !kinds.is_empty() {
        let seen = Arc::new(Mutex::new(None));
        let gate = Gate { known: Arc::clone(&known), now, seen: Arc::clone(&seen) };
        let watch = Watch::new(server.patience.no_progress);
        let attempt = once(server, &kinds, gate, &watch);
        let attempt = tokio::time::timeout(CONNECT, attempt)
            .await
            .unwrap_or_else(|_elapsed| Err(Stop::Other(unanswered(server))));
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (attempt, seen) {
            (Ok(handle), Some((_, Verdict::Known(key)))) => return Ok(Ssh { handle, watch, key }),
            // Not reached: nobody passes the gate unseen.
            (Ok(_), _) => return Err(no_common(server)),
            (Err(_), Some((_, Verdict::Revoked(key)))) => return Err(known.revoked(&key)),
            (Err(_), Some((key, Verdict::Unknown(why)))) => {
                let kind = family(&key.algorithm());
                kinds.retain(|other| family(other) != kind);
                shown.push(key);
                against.extend(why);
            }
            (Err(Stop::NoKeyOfThisKind), _) if !shown.is_empty() => break,
            (Err(Stop::Other(failure)), _) => return Err(failure),
            (Err(Stop::NoKeyOfThisKind), _) => return Err(no_common(server)),
        }
    }
    Err(known.unknown(&shown, &against))
}

/// The failure when no answer comes in time.
pub(super) fn unanswered(server: &Sftp) -> Failure {
    Failure::at(
        Hop::Connect,
        format!(
            "`{}:{}` did not answer within {} s; look at `host`, `port`, and the firewalls between",
            server.host,
            server.port,
            CONNECT.as_secs()
        ),
    )
    .passing()
}

/// Keys whose kinds have the same family are the same key, signed differently.
fn family(kind: &Algorithm) -> String {
    if matches!(kind, Algorithm::Rsa { .. }) { "rsa".to_owned() } else { kind.as_str().to_owned() }
}

enum Stop {
    NoKeyOfThisKind,
    Other(Failure),
}

async fn once(server: &Sftp, kinds: &[Algorithm], gate: Gate, watch: &Watch) -> Result<Handle<Gate>, Stop> {
    let addresses = resolve(server).await.map_err(Stop::Other)?;
    let socket: Watched<TcpStream> = watch.over(reach(server, &addresses).await.map_err(Stop::Other)?);
    let mut config = client::Config {
        nodelay: true,
        keepalive_interval: Some(KEEP_ALIVE),
        // Of a slow server a whole packet may take longer than the signs of life that are asked for.
        keepalive_max: 0,
        ..client::Config::default()
    };
    config.preferred.key = Cow::Owned(kinds.to_vec());
    if gate.known.takes_certificates() {
        config.preferred.host_key_certificates = Cow::Owned(kinds.to_vec());
    }
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
    )
    .passing())
}

/// The addresses of the server's name.
///
/// # Errors
/// With hop `resolve`.
pub(super) async fn resolve(server: &Sftp) -> Result<Vec<SocketAddr>, Failure> {
    let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await;
    let addresses: Vec<SocketAddr> = found.map_err(|error| unresolved(server, &error.to_string()))?.collect();
    if addresses.is_empty() { Err(unresolved(server, "no address")) } else { Ok(addresses) }
}

/// Connects to the first address that answers.
///
/// # Errors
/// With hop `connect`.
pub(super) async fn reach(server: &Sftp, addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
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
        )
        .passing(),
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
