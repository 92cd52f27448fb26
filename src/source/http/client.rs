//! One request after the other: who we are, no faster than the rate, repeated where that may help, and bounded in
//! number and size.

use super::{
    auth::Credentials,
    pace::Pace,
    settings::{Auth, Http},
    tls,
};
use crate::{
    clock::Clock,
    http::{self, is_loopback},
    source::{Failure, Hop, Note},
};
use chrono::TimeDelta;
use reqwest::{
    Method, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER},
};
use secrecy::ExposeSecret as _;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};
use url::Url;

/// The largest answer, in bytes.
pub(super) const LARGEST_ANSWER: usize = 128 << 20;
/// How often a request is repeated.
const REPEATS: u32 = 4;
/// How often requests of one read are repeated in all: a server that fails all the time is left alone.
const REPEATS_OF_A_READ: usize = 100;
/// How long a server may ask us to wait; the next run comes back to one that asks for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// An answer that comes in drops is given up after so many times the wait for progress.
const SLOWEST: u32 = 10;
/// How many redirects on one host are followed.
const REDIRECTS: usize = 5;

/// An answer. Only a successful one has a body here.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Where it came from, after redirects.
    pub(super) url: Url,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What is asked.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) post: bool,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
    /// Statuses beside success that mean that there is nothing.
    pub(super) nothing_at: &'static [u16],
}

/// The way to one server, for one read.
pub(super) struct Client<'a> {
    http: reqwest::Client,
    settings: &'a Http,
    clock: &'a dyn Clock,
    note: Note<'a>,
    credentials: Mutex<Credentials>,
    pace: Pace,
    /// How often each request is repeated.
    most: u32,
    repeats: AtomicUsize,
}

/// Why a try came to nothing.
enum Miss {
    /// It may go well in a moment, or when the server says.
    Again { why: String, after: Option<Duration> },
    /// The credential was refused.
    Refused(u16),
    /// It will not.
    Never(Failure),
}

impl<'a> Client<'a> {
    pub(super) fn new(settings: &'a Http, clock: &'a dyn Clock, note: Note<'a>) -> Result<Self, Failure> {
        Self::with(settings, clock, note, REPEATS)
    }

    /// One that repeats nothing: somebody waits for its first answer.
    pub(super) fn once_only(settings: &'a Http, clock: &'a dyn Clock) -> Result<Self, Failure> {
        Self::with(settings, clock, &|_| (), 0)
    }

    fn with(settings: &'a Http, clock: &'a dyn Clock, note: Note<'a>, most: u32) -> Result<Self, Failure> {
        Ok(Self {
            most,
            http: build(settings)?,
            credentials: Mutex::new(Credentials::new(&settings.auth)),
            pace: Pace::new(settings.rate),
            repeats: AtomicUsize::new(0),
            settings,
            clock,
            note,
        })
    }

    /// Asks, and asks again where that may help.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Answer, Failure> {
        let mut tries = 0;
        let mut renewed = false;
        loop {
            let (generation, headers) = {
                let mut credentials = self.credentials.lock().await;
                credentials.headers(self).await?
            };
            let miss = match self.once(ask, headers).await {
                Ok(answer) => return Ok(answer),
                Err(miss) => miss,
            };
            match miss {
                Miss::Never(failure) => return Err(failure),
                Miss::Refused(status) => {
                    let mut credentials = self.credentials.lock().await;
                    if status != 401 || renewed || !credentials.renew(generation) {
                        return Err(refused(status));
                    }
                    renewed = true;
                }
                Miss::Again { why, after } => self.pause(&mut tries, why, after).await?,
            }
        }
    }

    /// Has a token, where the settings want one.
    pub(super) async fn log_in(&self) -> Result<(), Failure> {
        self.credentials.lock().await.headers(self).await.map(drop)
    }

    /// Waits before the next try; an error when there is none.
    async fn pause(&self, tries: &mut u32, why: String, after: Option<Duration>) -> Result<(), Failure> {
        let all = self.repeats.fetch_add(1, Ordering::SeqCst);
        let failed = |message: String| Failure::at(Hop::Request, message).passing();
        if *tries >= self.most {
            let tried = if self.most == 0 {
                String::new()
            } else {
                format!("; tried {} times, the next run tries again", self.most + 1)
            };
            return Err(failed(format!("{why}{tried}")));
        }
        if all >= REPEATS_OF_A_READ {
            return Err(failed(format!(
                "{why}; {REPEATS_OF_A_READ} requests of this read were repeated already"
            )));
        }
        let wait = match after {
            Some(after) if after > LONGEST_WAIT => {
                let until = TimeDelta::from_std(after).ok();
                let until = until.and_then(|after| self.clock.now().checked_add_signed(after));
                let until = until.map_or_else(
                    || "for very long".to_owned(),
                    |until| format!("until {} UTC", until.format("%Y-%m-%d %H:%M")),
                );
                return Err(failed(format!(
                    "{why}; the server asks to be left alone {until}, so a later run tries again"
                )));
            }
            // A server that asks for no wait at all gets the usual one.
            Some(after) => after.max(self.settings.patience.pause),
            None => self.settings.patience.pause * 2_u32.pow(*tries),
        };
        *tries += 1;
        (self.note)(&format!("{why}; asking again in {} seconds", wait.as_secs().max(1)));
        if after.is_some() {
            // What was said to one request is meant for those beside it too.
            self.pace.quiet_until(Instant::now() + wait);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// One try. Redirects are followed on the same host, each of them a request that the rate counts.
    async fn once(&self, ask: &Ask, headers: HeaderMap) -> Result<Answer, Miss> {
        let mut url = ask.url.clone();
        for _ in 0..=REDIRECTS {
            let method = if ask.post { Method::POST } else { Method::GET };
            let request =
                self.http.request(method, url).headers(ask.headers.clone()).headers(headers.clone());
            let answer = match &ask.body {
                Some(body) => self.exchange(request.body(body.clone())).await?,
                None => self.exchange(request).await?,
            };
            match redirect(ask, &answer) {
                Some(there) => url = there,
                None => return self.judge(ask, answer),
            }
        }
        Err(Miss::Never(Failure::at(
            Hop::Request,
            format!("the server redirects more than {REDIRECTS} times; correct `url`"),
        )))
    }

    fn judge(&self, ask: &Ask, answer: Answer) -> Result<Answer, Miss> {
        let status = answer.status;
        if status == 202 {
            let why = "the server answered 202: its data are not ready yet, and a later run tries again";
            return Err(Miss::Never(Failure::at(Hop::Request, why).passing()));
        }
        if answer.is_success() || ask.nothing_at.contains(&status) {
            return Ok(answer);
        }
        let known = StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("?");
        let said = format!("the server answered {status} ({known})");
        Err(match status {
            401 | 403 => Miss::Refused(status),
            300..=399 => Miss::Never(Failure::at(
                Hop::Request,
                format!(
                    "the server answered {status} and sends us elsewhere; credentials never follow to another \
                     host, so correct `url`"
                ),
            )),
            408 | 429 | 500..600 => Miss::Again { why: said, after: self.asked(&answer.headers) },
            _ => Miss::Never(Failure::at(
                Hop::Request,
                format!("{said}; correct `request`, or ask whoever keeps the API"),
            )),
        })
    }

    /// Sends a request and reads a successful answer to its end; of any other the status says enough.
    async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<Answer, Miss> {
        let slowest = self.settings.patience.no_progress * SLOWEST;
        let turn = self.pace.turn().await;
        let exchange = async {
            let mut response = request.send().await.map_err(|error| self.missed(error))?;
            drop(turn);
            let (status, headers, url) =
                (response.status().as_u16(), response.headers().clone(), response.url().clone());
            let mut answer = Answer { status, headers, body: Vec::new(), url };
            if !answer.is_success() {
                return Ok(answer);
            }
            let length = response.content_length().and_then(|length| usize::try_from(length).ok());
            if length.is_some_and(|length| length > LARGEST_ANSWER) {
                return Err(too_large());
            }
            while let Some(chunk) = response.chunk().await.map_err(|error| self.missed(error))? {
                if answer.body.len() + chunk.len() > LARGEST_ANSWER {
                    return Err(too_large());
                }
                answer.body.extend_from_slice(&chunk);
            }
            Ok(answer)
        };
        match tokio::time::timeout(slowest, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Miss::Again {
                why: format!("an answer had not ended after {} seconds", slowest.as_secs()),
                after: None,
            }),
        }
    }

    /// As [`Client::ask`], for a token: with no credential of ours but what stands in the request.
    pub(super) async fn token(&self, url: &Url, form: &str, headers: HeaderMap) -> Result<Answer, Failure> {
        let mut tries = 0;
        loop {
            let request = self
                .http
                .post(url.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .headers(headers.clone())
                .body(form.to_owned());
            match self.exchange(request).await {
                Ok(answer) if answer.status == 429 || answer.status >= 500 => {
                    let why = format!("`token_url` answered {}", answer.status);
                    self.pause(&mut tries, why, self.asked(&answer.headers)).await?;
                }
                Ok(answer) => return Ok(answer),
                Err(Miss::Again { why, after }) => self.pause(&mut tries, why, after).await?,
                Err(Miss::Refused(status)) => return Err(refused(status)),
                Err(Miss::Never(failure)) => return Err(failure),
            }
        }
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.clock
    }

    fn missed(&self, error: reqwest::Error) -> Miss {
        let host = error.url().and_then(Url::host_str).unwrap_or("the server").to_owned();
        let error = error.without_url();
        let (timeout, connect) = (error.is_timeout(), error.is_connect());
        if error.is_builder() || error.is_redirect() {
            return Miss::Never(Failure::at(Hop::Request, "the request cannot be made; correct `request`"));
        }
        if let Some(failure) = tls::explain(&error, &host, self.settings.certificate.is_some()) {
            return Miss::Never(failure);
        }
        let cause = http::innermost(&error);
        let why = match (timeout, connect) {
            (true, _) => format!("nothing came for {} seconds", self.settings.patience.no_progress.as_secs()),
            (false, true) => {
                format!("no connection to `{host}` ({cause}); check the address and the firewall")
            }
            (false, false) => format!("the connection broke: {cause}"),
        };
        Miss::Again { why, after: None }
    }

    /// How long the server asks to wait, in seconds or until a date.
    fn asked(&self, headers: &HeaderMap) -> Option<Duration> {
        let value = headers.get(RETRY_AFTER)?;
        if let Ok(seconds) = value.to_str().ok()?.trim().parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        Some((http::date(value)? - self.clock.now()).to_std().unwrap_or_default())
    }
}

fn too_large() -> Miss {
    Miss::Never(Failure::Incomplete(format!(
        "an answer is larger than {} MiB; ask for smaller pages",
        LARGEST_ANSWER >> 20
    )))
}

/// Where an answer sends a GET on the same host.
fn redirect(ask: &Ask, answer: &Answer) -> Option<Url> {
    let there = answer.headers.get(LOCATION)?.to_str().ok()?;
    let there = answer.url.join(there).ok()?;
    let is_one = matches!(answer.status, 301 | 302 | 303 | 307 | 308) && !ask.post;
    (is_one && there.origin() == ask.url.origin()).then_some(there)
}

fn refused(status: u16) -> Failure {
    let what = if status == 401 {
        "the credential was refused (401); look whether it has expired or was replaced"
    } else {
        "the account may not read this (403); ask whoever keeps it for the permission"
    };
    Failure::at(Hop::Authenticate, what)
}

fn build(settings: &Http) -> Result<reqwest::Client, Failure> {
    let mut builder = http::builder()
        .connect_timeout(settings.patience.no_progress)
        .read_timeout(settings.patience.no_progress);
    // What goes to this host goes through no proxy, whichever of the two it is: it may go in the clear.
    let token = match &settings.auth {
        Auth::OAuth2(oauth2) => Some(oauth2.token_url.clone()),
        Auth::None | Auth::Bearer(_) | Auth::Basic { .. } | Auth::BasicKey(_) | Auth::Header { .. } => None,
    };
    if Url::parse(&settings.request.url).ok().into_iter().chain(token).any(|url| is_loopback(&url)) {
        builder = builder.no_proxy();
    }
    let unusable = |what: &str| Failure::at(Hop::Authenticate, what);
    if let Some(path) = &settings.ca_file {
        let found = http::certificates(path)
            .map_err(|error| unusable(&format!("cannot read `ca_file` `{}` ({error})", path.display())))?;
        if found.is_empty() {
            return Err(unusable("`ca_file` holds no PEM certificate"));
        }
        builder = builder.tls_certs_merge(found);
    }
    if let Some(certificate) = &settings.certificate {
        let read = |secret: &crate::secret::Secret| {
            secret.read().map_err(|error| Failure::at(Hop::Authenticate, error.to_string()))
        };
        let (key, certificate) = (read(&certificate.private_key)?, read(&certificate.certificate)?);
        let pem = format!("{}\n{}\n", certificate.expose_secret(), key.expose_secret());
        let identity = reqwest::Identity::from_pem(pem.as_bytes()).map_err(|_| {
            unusable("`client_certificate` is no PEM certificate with its unencrypted private key")
        })?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|error| {
        unusable(&format!("no HTTP client can be made of these settings: {}", error.without_url()))
    })
}
