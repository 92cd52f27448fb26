//! The submit: one request, on a fresh connection, never repeated here.

use super::{
    ApiError, Client,
    body::{RosterBody, body_length},
    client::{describe, lock},
    error::Answer,
    wire,
};
use crate::{
    decide::Submission,
    roster::{GroupId, RequestId},
};
use chrono::DateTime;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// Called once, when the connection stands and before the first byte leaves; an error keeps every byte back.
/// It is called from the connection's own task, so it owns what it needs, and it may block for an fsync.
pub type OnSent = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The largest readable answer to a submit, in bytes.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// What became of one submit. Every text is scrubbed of the roster's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// Vitable took it.
    Accepted {
        /// To be durable before anything else happens.
        request_id: RequestId,
        /// ISO 8601, as Vitable wrote it; `None` when it is missing or no time.
        accepted_at: Option<String>,
    },
    /// Nothing was sent, not one byte.
    NotConnected {
        /// Why.
        why: String,
    },
    /// 429: Vitable did not look at it.
    Throttled {
        /// How long Vitable asked to wait.
        retry_after: Option<Duration>,
        /// In words.
        why: String,
    },
    /// 400, 401, 403, 404, 409, 422 or a redirect: nothing was applied.
    Refused(ApiError),
    /// Something may have been sent, and nobody knows what became of it.
    Unclear {
        /// Why.
        why: String,
    },
}

/// How far a submit has come, known to the request's body and to the one who waits for the answer.
pub(super) struct Sending {
    on_sent: OnSent,
    stage: Mutex<Stage>,
    last: Mutex<Instant>,
}

#[derive(Clone)]
enum Stage {
    /// No connection yet.
    Waiting,
    /// `on_sent` agreed: bytes may have left.
    Sent,
    /// `on_sent` refused: none left.
    Forbidden(String),
    /// Nobody waits any more: not another byte.
    Abandoned,
}

impl Sending {
    fn new(on_sent: OnSent) -> Arc<Self> {
        Arc::new(Self { on_sent, stage: Mutex::new(Stage::Waiting), last: Mutex::new(Instant::now()) })
    }

    /// Asked by the body before each chunk.
    ///
    /// # Errors
    /// When nothing (more) may leave.
    pub(super) fn proceed(&self) -> io::Result<()> {
        // The lock is held while `on_sent` runs, so that giving up and going on exclude each other.
        let mut stage = lock(&self.stage);
        match &*stage {
            Stage::Sent => {}
            Stage::Waiting => match (self.on_sent)() {
                Ok(()) => *stage = Stage::Sent,
                Err(why) => {
                    *stage = Stage::Forbidden(why);
                    return Err(io::Error::other("the submit was called off before its first byte"));
                }
            },
            Stage::Forbidden(_) | Stage::Abandoned => {
                return Err(io::Error::other("nobody waits for this submit any more"));
            }
        }
        self.progress();
        Ok(())
    }

    fn progress(&self) {
        *lock(&self.last) = Instant::now();
    }

    /// Ends when nothing has happened for `timeout`.
    async fn stalled(&self, timeout: Duration) {
        loop {
            let until = *lock(&self.last) + timeout;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// Forbids every further byte and tells how far it had come.
    fn abandon(&self) -> Stage {
        std::mem::replace(&mut *lock(&self.stage), Stage::Abandoned)
    }
}

/// Abandons the sending when the submit ends or is itself dropped: the connection lives in a task of its own.
struct Abandon(Arc<Sending>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Client {
    /// Sends a roster, once. `settings.timeout` is the longest time without progress, not the time in all.
    ///
    /// `on_sent` is called exactly once when the connection stands, before the first byte; if it returns an
    /// error nothing is sent. It is not called at all when no connection comes about.
    pub async fn submit(&self, group: &GroupId, submission: &Arc<Submission>, on_sent: OnSent) -> Submitted {
        let length = match body_length(submission) {
            Ok(length) => length,
            Err(error) => {
                return Submitted::NotConnected { why: error.to_string() };
            }
        };
        let _permit = self.in_flight.acquire().await;
        let sending = Sending::new(on_sent);
        let abandon = Abandon(Arc::clone(&sending));
        let body = RosterBody::new(Arc::clone(submission), Arc::clone(&sending), length);
        let headers = self.headers();
        let timeout = self.settings.timeout;
        let result = tokio::select! {
            biased;
            result = self.post_roster(group, headers.clone(), body, &sending) => {
                result.map_err(|error| describe(error, timeout))
            }
            () = sending.stalled(timeout) => {
                Err(format!("nothing happened for {} seconds", timeout.as_secs_f64()))
            }
        };
        let stage = abandon.0.abandon();
        match (stage, result) {
            (Stage::Forbidden(why), _) => Submitted::NotConnected { why },
            (Stage::Waiting | Stage::Abandoned, Err(why)) => Submitted::NotConnected { why },
            (Stage::Waiting | Stage::Abandoned, Ok(_)) => {
                Submitted::NotConnected { why: "an answer came before anything was sent".to_owned() }
            }
            (Stage::Sent, Err(why)) => Submitted::Unclear { why },
            (Stage::Sent, Ok(answer)) => {
                if answer.status == 401 {
                    self.refresh_key(&headers);
                }
                classify(&answer, group, submission)
            }
        }
    }

    async fn post_roster(
        &self,
        group: &GroupId,
        headers: HeaderMap,
        body: RosterBody,
        sending: &Sending,
    ) -> Result<Answer, reqwest::Error> {
        let response = self
            .writes
            .post(self.url(&["v1", "groups", group.as_str(), "members", "sync"]))
            .headers(headers)
            .header(CONTENT_TYPE, "application/json")
            .body(reqwest::Body::wrap(body))
            .send()
            .await?;
        self.read(response, LARGEST_ANSWER, || sending.progress()).await
    }
}

/// What an answer to a submit means (`vitable-api.md`, What may be sent again).
fn classify(answer: &Answer, group: &GroupId, submission: &Submission) -> Submitted {
    if answer.success() {
        return match accepted(answer, group) {
            Ok(accepted) => accepted,
            // Our own words: Vitable's are not repeated.
            Err(why) => Submitted::Unclear { why },
        };
    }
    let error = ApiError::of(answer, Some(submission));
    match answer.status {
        429 => {
            Submitted::Throttled { retry_after: error.retry_after, why: error.without_trace().to_string() }
        }
        300..400 | 400 | 401 | 403 | 404 | 409 | 422 => Submitted::Refused(error),
        _ => Submitted::Unclear { why: error.to_string() },
    }
}

fn accepted(answer: &Answer, group: &GroupId) -> Result<Submitted, String> {
    let unreadable = || {
        format!(
            "vitable answered {} with {}, without a readable request_id",
            answer.status,
            answer.kind_of_body()
        )
    };
    let said: wire::Data<wire::SyncRequest> =
        serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
    let said = said.data;
    let request_id = RequestId::new(&said.request_id).map_err(|_| unreadable())?;
    if said.group_id.as_deref().is_some_and(|id| id != group.as_str()) {
        return Err(format!("vitable answered for another group than `{group}`, which was asked for"));
    }
    Ok(Submitted::Accepted {
        request_id,
        accepted_at: said.accepted_at.filter(|text| DateTime::parse_from_rfc3339(text).is_ok()),
    })
}
