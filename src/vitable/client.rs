//! The connection to Vitable: one client, one pace, one key for the whole daemon.

use super::{
    ApiError, ApiErrorKind, Settings,
    error::{Answer, ERROR_BODY},
};
use crate::{
    clock::Clock,
    http::{self, is_loopback},
    secret::{Secret, SecretError},
};
use backon::{ExponentialBuilder, Retryable};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use secrecy::ExposeSecret;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Semaphore, time::Instant};
use url::Url;

/// When Vitable's clock and ours are further apart than this, nothing is submitted.
pub const MAX_CLOCK_SKEW: TimeDelta = TimeDelta::minutes(10);

/// The longest wait between two tries of a GET.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How often a GET is tried in all.
const TRIES: usize = 5;
/// Between two polls of the whole daemon: 10,000 requests in flight must not ask 10,000 times at once.
const POLL_SPACING: Duration = Duration::from_millis(10);
/// The largest answer to a GET. A completed request names each member that was added or removed.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

/// Why a client cannot be made. Names places, never secrets.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The API key cannot be read.
    #[error("the key of `vitable.api_key` cannot be had")]
    Secret(#[from] SecretError),
    /// The API key cannot stand in a header.
    #[error("the API key {0} has characters that no key has; write the key alone into it, on one line")]
    Key(Secret),
    /// `vitable.ca_file` cannot be read.
    #[error("cannot read `vitable.ca_file`, `{}`; name a readable file", .0.display())]
    CaFile(PathBuf, #[source] std::io::Error),
    /// `vitable.ca_file` holds no certificate.
    #[error("`vitable.ca_file`, `{}`, holds no certificate; it must be PEM, one or more", .0.display())]
    CaFormat(PathBuf),
    /// `vitable.base_url` cannot have a path.
    #[error("`vitable.base_url` must be an address such as `https://api.vitablehealth.com`; correct it")]
    BaseUrl,
    /// The HTTP client refuses its settings.
    #[error("the HTTP client cannot be made; check `vitable.proxy` and `vitable.ca_file`")]
    Http(#[source] reqwest::Error),
}

/// Vitable's API, for the whole daemon.
pub struct Client {
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    /// For GETs: connections are kept.
    reads: reqwest::Client,
    /// For POSTs: a fresh connection each, so that nothing is ever replayed on a stale one.
    pub(super) writes: reqwest::Client,
    pub(super) in_flight: Semaphore,
    key: Mutex<HeaderValue>,
    /// How often another key was taken.
    keys: AtomicU64,
    organization: Option<HeaderValue>,
    next_poll: Mutex<Option<Instant>>,
    skew: Mutex<Option<TimeDelta>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("host", &self.settings.base_url.host_str()).finish_non_exhaustive()
    }
}

/// Whether a GET belongs to the daemon's polling, which has a pace of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// As soon as `max_in_flight` lets it.
    Free,
    /// No sooner than [`POLL_SPACING`] after the poll before it.
    Poll,
}

impl Client {
    /// A client for these settings. Reads the API key and `ca_file`; opens no connection.
    ///
    /// # Errors
    /// When the key or `ca_file` cannot be read, or the settings make no client.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, ClientError> {
        let key = read_key(&settings.api_key)?;
        let organization = settings
            .organization
            .as_ref()
            .map(|id| HeaderValue::from_str(id.as_str()))
            .transpose()
            .map_err(|_| ClientError::BaseUrl)?;
        if settings.base_url.cannot_be_a_base() {
            return Err(ClientError::BaseUrl);
        }
        let reads = builder(&settings)?.read_timeout(settings.timeout);
        let writes = builder(&settings)?.pool_max_idle_per_host(0);
        Ok(Self {
            reads: reads.build().map_err(unusable)?,
            writes: writes.build().map_err(unusable)?,
            in_flight: Semaphore::new(settings.max_in_flight.clamp(1, Semaphore::MAX_PERMITS)),
            key: Mutex::new(key),
            keys: AtomicU64::new(0),
            organization,
            next_poll: Mutex::default(),
            skew: Mutex::default(),
            settings,
            clock,
        })
    }

    /// How far Vitable's clock is ahead of ours (negative: behind), from the last answer with a `Date`
    /// header; `None` before the first. Beyond [`MAX_CLOCK_SKEW`] either way nothing may be submitted.
    #[must_use]
    pub fn clock_skew(&self) -> Option<TimeDelta> {
        *lock(&self.skew)
    }

    /// The address of an endpoint; each part is one segment of the path, escaped.
    pub(super) fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.settings.base_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    /// The headers that every request has, with the key of now.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, lock(&self.key).clone());
        if let Some(organization) = &self.organization {
            headers.insert("x-vitable-organization", organization.clone());
        }
        headers
    }

    /// A client for other settings, by the same clock.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn renewed(&self, settings: Settings) -> Result<Self, ClientError> {
        Self::new(settings, Arc::clone(&self.clock))
    }

    /// Reads the key again: the configuration was read again, and the key may have been put in its place anew.
    ///
    /// # Errors
    /// When it cannot be read, or no key can look so; the former one stays.
    pub fn reread_key(&self) -> Result<(), ClientError> {
        self.take_key(read_key(&self.settings.api_key)?);
        Ok(())
    }

    /// Which of its keys the client has: what one key sees need not be there for another.
    #[must_use]
    pub fn key_count(&self) -> u64 {
        self.keys.load(Ordering::SeqCst)
    }

    fn take_key(&self, key: HeaderValue) {
        let mut known = lock(&self.key);
        if *known != key {
            *known = key;
            self.keys.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Reads the key again after it was refused, so that a rotated one is taken without a restart.
    /// Returns whether there is another one than the refused.
    pub(super) fn refresh_key(&self, refused: &HeaderMap) -> bool {
        if let Ok(key) = read_key(&self.settings.api_key) {
            self.take_key(key);
        }
        refused.get(AUTHORIZATION) != Some(&*lock(&self.key))
    }

    /// A GET whose answer is `T`, repeated as `vitable-api.md` allows.
    pub(super) async fn get<T: serde::de::DeserializeOwned>(
        &self,
        url: &Url,
        pace: Pace,
    ) -> Result<T, ApiError> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(TRIES - 1)
            .with_jitter();
        let answer = (|| self.get_once(url, pace))
            .retry(backoff)
            .when(ApiError::is_transient)
            .adjust(|error, wait| wait.and_then(|wait| asked_wait(error, wait)))
            .await?;
        if !answer.whole {
            return Err(ApiError::unreadable(Some(answer.status), answer.kind_of_body()));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|_| ApiError::unreadable(Some(answer.status), answer.kind_of_body()))
    }

    /// One try, with a key that was just rotated as a second.
    pub(super) async fn get_once(&self, url: &Url, pace: Pace) -> Result<Answer, ApiError> {
        let headers = self.headers();
        let mut answer = self.try_get(url, pace, headers.clone()).await?;
        if answer.status == 401 && self.refresh_key(&headers) {
            answer = self.try_get(url, pace, self.headers()).await?;
        }
        if answer.success() { Ok(answer) } else { Err(ApiError::of(&answer, None)) }
    }

    async fn try_get(&self, url: &Url, pace: Pace, headers: HeaderMap) -> Result<Answer, ApiError> {
        if pace == Pace::Poll {
            tokio::time::sleep_until(self.poll_slot()).await;
        }
        let _permit = self.in_flight.acquire().await;
        let exchange = async {
            let request = self.reads.get(url.clone()).headers(headers);
            self.read(request.send().await?, LARGEST_ANSWER, || {}).await
        };
        exchange.await.map_err(|error| ApiError::connect(describe(error, self.settings.timeout)))
    }

    /// The instant at which the next poll may leave.
    fn poll_slot(&self) -> Instant {
        let now = Instant::now();
        let mut next = lock(&self.next_poll);
        let at = next.map_or(now, |next| next.max(now));
        *next = Some(at + POLL_SPACING);
        at
    }

    /// Reads an answer to its end, a success up to `limit` bytes, and notes what its headers say.
    pub(super) async fn read(
        &self,
        mut response: reqwest::Response,
        limit: usize,
        progress: impl Fn(),
    ) -> Result<Answer, reqwest::Error> {
        progress();
        let now = self.clock.now();
        let headers = response.headers();
        if let Some(theirs) = headers.get(DATE).and_then(http::date) {
            *lock(&self.skew) = Some(theirs - now);
        }
        let html = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let mut answer = Answer {
            status: response.status().as_u16(),
            retry_after: retry_after(headers, now),
            body: Vec::new(),
            whole: true,
            html,
        };
        let limit = if answer.success() { limit } else { ERROR_BODY };
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(answer),
                // The status of a failure is known already, whatever becomes of its text.
                Err(_) if !answer.success() => return Ok(answer),
                Err(error) => return Err(error),
            };
            progress();
            let room = limit.saturating_sub(answer.body.len());
            answer.body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if chunk.len() > room {
                answer.whole = false;
                return Ok(answer);
            }
        }
    }
}

/// Vitable's own wish for the wait, in place of ours. None when it is longer than a caller should be kept: asking
/// earlier would be rude, so the call fails and the next run asks again.
fn asked_wait(error: &ApiError, ours: Duration) -> Option<Duration> {
    match error.retry_after.filter(|wait| !wait.is_zero()) {
        Some(asked) => (asked <= LONGEST_WAIT).then_some(asked),
        None => Some(ours),
    }
}

/// How long an answer asks to wait: `retry-after-ms`, `Retry-After` in seconds or as a date, or
/// `x-ratelimit-reset` in seconds since 1970, as the official library reads them.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let until = |then: DateTime<Utc>| (then - now).to_std().unwrap_or_default();
    if let Some(milliseconds) = number("retry-after-ms") {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    if let Some(seconds) = number(RETRY_AFTER.as_str()) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    if let Some(date) = headers.get(RETRY_AFTER).and_then(http::date) {
        return Some(until(date));
    }
    let reset = headers.get("x-ratelimit-reset")?.to_str().ok()?.trim().parse().ok()?;
    DateTime::from_timestamp(reset, 0).map(until)
}

/// A failure below HTTP in words: the innermost cause, never an address with its query.
pub(super) fn describe(error: reqwest::Error, timeout: Duration) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return format!("nothing happened for {} seconds", timeout.as_secs_f64());
    }
    let phase = if error.is_connect() { "no connection" } else { "the connection broke" };
    format!("{phase}: {}", http::innermost(&error))
}

fn read_key(secret: &Secret) -> Result<HeaderValue, ClientError> {
    let key = secret.read()?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret().trim()))
        .map_err(|_| ClientError::Key(secret.clone()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What both clients share.
fn builder(settings: &Settings) -> Result<reqwest::ClientBuilder, ClientError> {
    let mut builder = http::builder().connect_timeout(settings.timeout);
    if let Some(proxy) = &settings.proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.as_str()).map_err(unusable)?);
    } else if is_loopback(&settings.base_url) {
        builder = builder.no_proxy();
    }
    if let Some(path) = &settings.ca_file {
        builder = builder.tls_certs_merge(certificates(path)?);
    }
    Ok(builder)
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let found = http::certificates(path).map_err(|error| ClientError::CaFile(path.to_owned(), error))?;
    if found.is_empty() { Err(ClientError::CaFormat(path.to_owned())) } else { Ok(found) }
}

fn unusable(error: reqwest::Error) -> ClientError {
    ClientError::Http(error.without_url())
}

/// A lock that a panic elsewhere does not take from us: what it guards is one value.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ApiErrorKind {
    /// Whether a POST that failed so may nevertheless have been carried out.
    pub(super) fn leaves_doubt(self) -> bool {
        match self {
            Self::Connect | Self::Server | Self::Unreadable => true,
            Self::Credential | Self::NotFound | Self::Throttled | Self::Refused => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_say_how_long_to_wait_is_understood() {
        let now = DateTime::parse_from_rfc3339("2026-11-22T09:00:00Z").unwrap().to_utc();
        let headers = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(
                reqwest::header::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )])
        };
        for (name, value, expected) in [
            ("retry-after-ms", "1500", Some(1.5)),
            ("retry-after", "7", Some(7.0)),
            ("retry-after", "Sun, 22 Nov 2026 09:02:00 GMT", Some(120.0)),
            ("retry-after", "Sun, 22 Nov 2026 08:00:00 GMT", Some(0.0)),
            ("retry-after", "soon", None),
            ("retry-after", "-1", None),
            ("x-ratelimit-reset", "1795338030", Some(30.0)),
            ("server", "x", None),
        ] {
            let found = retry_after(&headers(name, value), now).map(|wait| wait.as_secs_f64());
            assert_eq!(found, expected, "{name}: {value}");
        }
    }
}
