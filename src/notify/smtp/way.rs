//! The way to a mail server, hop by hop: name, connection, TLS, login.

use super::{
    super::{Encryption, Smtp},
    Session, tls,
    words::{Words, io_words, limited},
};
use crate::probe::Step;
use futures_util::FutureExt;
use lettre::transport::smtp::{
    authentication::{Credentials, DEFAULT_MECHANISMS, Mechanism},
    client::{AsyncSmtpConnection, TlsParameters},
    extension::{ClientId, Extension},
};
use secrecy::ExposeSecret;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    panic::AssertUnwindSafe,
    time::Duration,
};
use tokio::{net::TcpStream, time::Instant};

/// Where the kernel keeps this host's name.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// The hops so far, and the one that is under way.
pub(super) struct Way {
    pub(super) steps: Vec<Step>,
    hop: &'static str,
    since: Instant,
}

impl Default for Way {
    fn default() -> Self {
        Self { steps: Vec::new(), hop: "settings", since: Instant::now() }
    }
}

impl Way {
    fn begin(&mut self, hop: &'static str) {
        (self.hop, self.since) = (hop, Instant::now());
    }

    fn end(&mut self, result: Result<String, String>) {
        self.steps.push(Step { hop: self.hop, took: self.since.elapsed(), result });
    }
}

/// What is read from this host before the network is asked.
struct Luggage {
    tls: Option<TlsParameters>,
    login: Option<Credentials>,
    words: Words,
}

/// Goes the whole way within `time_limit`. The last hop is the one that failed, if one did. `try_port` looks
/// whether anybody listens before TLS is begun, so that the two are told apart.
///
/// # Errors
/// Why the last hop failed, as a sentence can go on behind the server's name.
pub(super) async fn walk(smtp: &Smtp, way: &mut Way, try_port: bool) -> Result<Session, String> {
    let walking = AssertUnwindSafe(hops(smtp, way, try_port)).catch_unwind();
    let walked = match tokio::time::timeout(smtp.time_limit, walking).await {
        Ok(Ok(walked)) => walked,
        // lettre trusts a server's answers in places.
        Ok(Err(_panic)) => Err("gave an answer that cannot be read".to_owned()),
        Err(_) => Err(limited(smtp.time_limit)),
    };
    if let Err(why) = &walked {
        way.end(Err(why.clone()));
    }
    walked
}

async fn hops(smtp: &Smtp, way: &mut Way, try_port: bool) -> Result<Session, String> {
    let Luggage { tls, login, words } = pack(smtp).await?;
    way.begin("resolve");
    let found = tokio::net::lookup_host((smtp.host.as_str(), smtp.port)).await;
    let addresses: Vec<SocketAddr> = found
        .map_err(|error| format!("cannot be found: {error}; correct `alerts.smtp.host`, or this host's DNS"))?
        .collect();
    let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    way.end(Ok(shown.join(", ")));
    let hello = hello(&addresses);
    let share = smtp.time_limit / u32::try_from(addresses.len() + 1).unwrap_or(u32::MAX);

    way.begin("connect");
    let connection = match (smtp.encryption, tls) {
        (Encryption::Tls, tls) => {
            if try_port {
                let address = connect(&addresses, share).await?.peer_addr();
                way.end(Ok(address.map(|address| address.to_string()).unwrap_or_default()));
                way.begin("tls");
            }
            let opened =
                AsyncSmtpConnection::connect_tokio1(addresses.as_slice(), Some(share), &hello, tls, None)
                    .await;
            opened.map_err(|error| words.of(&error))?
        }
        (encryption, tls) => {
            let stream = connect(&addresses, share).await?;
            let opened = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await;
            let mut connection = opened.map_err(|error| words.of(&error))?;
            if let (Encryption::StartTls, Some(tls)) = (encryption, tls) {
                way.end(Ok(greeting(&connection)));
                way.begin("tls");
                if !connection.can_starttls() {
                    return Err("offers no STARTTLS, and nothing is sent in the clear; if it wants TLS from the first byte, write `encryption: tls`".to_owned());
                }
                connection.starttls(tls, &hello).await.map_err(|error| words.of(&error))?;
            }
            connection
        }
    };
    way.end(Ok(match smtp.encryption {
        Encryption::None => greeting(&connection),
        Encryption::StartTls | Encryption::Tls => "the certificate is right".to_owned(),
    }));
    let mut session = Session { connection, words, limit: smtp.time_limit, usable: true, sent: 0 };
    if let Some(login) = login {
        way.begin("login");
        let mechanism = session.log_in(&login).await?;
        way.end(Ok(format!("AUTH {mechanism}")));
    }
    Ok(session)
}

impl Session {
    async fn log_in(&mut self, login: &Credentials) -> Result<Mechanism, String> {
        let info = self.connection.server_info();
        let Some(mechanism) = info.get_auth_mechanism(DEFAULT_MECHANISMS) else {
            return Err("offers neither AUTH PLAIN nor AUTH LOGIN on this connection; remove `username` and `password` if it wants no login".to_owned());
        };
        let answer = self.connection.auth(&[mechanism], login).await;
        answer.map(|_| mechanism).map_err(|error| self.words.login(&error))
    }
}

/// Reads what may take a moment on a thread where that harms nobody.
async fn pack(smtp: &Smtp) -> Result<Luggage, String> {
    let smtp = smtp.clone();
    let packing = tokio::task::spawn_blocking(move || {
        let tls = match smtp.encryption {
            Encryption::None => None,
            Encryption::StartTls | Encryption::Tls => Some(tls::parameters(&smtp)?),
        };
        let Some(login) = &smtp.login else {
            return Ok(Luggage { tls, login: None, words: Words::default() });
        };
        let password = login
            .password
            .read()
            .map_err(|error| format!("cannot be tried, because of `alerts.smtp.password`: {error}"))?;
        let words = Words::hiding(&login.username, password.expose_secret());
        let login = Credentials::new(login.username.clone(), password.expose_secret().to_owned());
        Ok(Luggage { tls, login: Some(login), words })
    });
    packing.await.unwrap_or_else(|_stopped| Err("cannot be tried, because rosterd is ending".to_owned()))
}

/// Tries each address in turn, each for its share of the time: one that is lost in the net leaves the others theirs.
async fn connect(addresses: &[SocketAddr], share: Duration) -> Result<TcpStream, String> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for address in addresses {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::from(io::ErrorKind::TimedOut),
        }
    }
    let why = io_words(&last);
    Err(format!("cannot be reached: {why}; look at `alerts.smtp`, the network and the firewall"))
}

fn greeting(connection: &AsyncSmtpConnection) -> String {
    let info = connection.server_info();
    let starttls = if info.supports_feature(Extension::StartTls) { ", offers STARTTLS" } else { "" };
    format!("it greets{starttls}")
}

/// What we are called: the host's whole name if it has one, else the address that the server sees
/// (RFC 5321, 4.1.4).
fn hello(addresses: &[SocketAddr]) -> ClientId {
    let name = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
    let name = name.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if name.contains('.') && name.len() <= 255 && name.chars().all(plain) {
        return ClientId::Domain(name.to_owned());
    }
    match addresses.first().and_then(own_address) {
        Some(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Some(IpAddr::V6(address)) => ClientId::Ipv6(address),
        None => ClientId::Ipv4(Ipv4Addr::LOCALHOST),
    }
}

/// The address from which this host would speak to another. A datagram socket that only connects sends nothing.
fn own_address(peer: &SocketAddr) -> Option<IpAddr> {
    let any = match peer {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
    socket.connect(peer).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
