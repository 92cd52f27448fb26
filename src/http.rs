//! What every HTTP client of rosterd has in common, to Vitable and to the APIs of HR systems: nothing is sent where
//! nobody said, and nothing is repeated unseen.

use chrono::{DateTime, Utc};
use reqwest::{Certificate, ClientBuilder, header::HeaderValue};
use std::{error::Error, io, path::Path, sync::Once};
use url::{Host, Url};

/// A client to be: TLS by rustls and ring, HTTP/1.1, no redirect followed, nothing repeated, no `Referer`.
pub fn builder() -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    // A provider that somebody installed before is the same one: there is only ring in the tree.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    reqwest::Client::builder()
        .user_agent(concat!("rosterd/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
}

/// Whether a URL leads to this host: what stays here may go in the clear.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The certificates of a PEM file, to be trusted beside the system's. None when there is none in it.
///
/// # Errors
/// When the file cannot be read.
pub fn certificates(path: &Path) -> io::Result<Vec<Certificate>> {
    Ok(Certificate::from_pem_bundle(&std::fs::read(path)?).unwrap_or_default())
}

/// The date of a header such as `Date` or `Retry-After` (RFC 9110, 5.6.7).
#[must_use]
pub fn date(value: &HeaderValue) -> Option<DateTime<Utc>> {
    let date = DateTime::parse_from_rfc2822(value.to_str().ok()?.trim()).ok()?;
    Some(date.with_timezone(&Utc))
}

/// The innermost cause of an error, which says what happened; those around it say who noticed.
#[must_use]
pub fn innermost<'e>(error: &'e (dyn Error + 'static)) -> &'e (dyn Error + 'static) {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause
}
