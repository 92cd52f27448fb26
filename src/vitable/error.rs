//! What Vitable, or something between, answers instead of what was asked for.

use super::{
    fields::{RefusedField, refused_fields},
    scrub::scrub,
};
use crate::decide::Submission;
use serde_json::Value;
use std::{fmt, time::Duration};

/// How much of an error's body is read, in bytes.
pub(super) const ERROR_BODY: usize = 64 * 1024;

/// What sort of failure it is; decides what is repeated and whose problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiErrorKind {
    /// No connection, or it broke, or no answer in time.
    Connect,
    /// 401 or 403: the daemon's problem, not a feed's.
    Credential,
    /// 404.
    NotFound,
    /// 429.
    Throttled,
    /// 408 or 500 and above.
    Server,
    /// A success that cannot be understood, or that is not about what was asked for.
    Unreadable,
    /// Any other status.
    Refused,
}

/// A call that did not give what was asked for. `Display` is one sentence without personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What sort of failure it is.
    pub kind: ApiErrorKind,
    /// The HTTP status, when an answer came.
    pub status: Option<u16>,
    /// Vitable's own code (`organization_required`), in either error shape.
    pub code: Option<String>,
    /// Vitable's message, scrubbed, or our own words for what came instead.
    pub message: String,
    /// What Vitable's support finds the call by.
    pub trace_id: Option<String>,
    /// How long Vitable asked to wait.
    pub retry_after: Option<Duration>,
    /// The failing fields of a refused roster, as far as they could be brought back to its members.
    pub fields: Vec<RefusedField>,
}

/// An HTTP answer, read up to a bound.
pub(super) struct Answer {
    /// The status code.
    pub(super) status: u16,
    /// From any of the three headers that say it.
    pub(super) retry_after: Option<Duration>,
    /// At most as much as the caller asked for.
    pub(super) body: Vec<u8>,
    /// Whether the body ended within the bound.
    pub(super) whole: bool,
    /// Whether the header says HTML.
    pub(super) html: bool,
}

impl Answer {
    /// Whether the status is a success.
    pub(super) fn success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What the body is, without showing any of it.
    pub(super) fn kind_of_body(&self) -> String {
        let length = self.body.len();
        let start = self.body.trim_ascii_start();
        if length == 0 {
            "an empty body".to_owned()
        } else if !self.whole {
            format!("a body of more than {length} bytes")
        } else if self.html || start.starts_with(b"<") {
            format!("an HTML page of {length} bytes")
        } else if serde_json::from_slice::<serde::de::IgnoredAny>(&self.body).is_ok() {
            format!("{length} bytes of JSON in a shape that rosterd does not know")
        } else {
            format!("a body of {length} bytes that is not JSON")
        }
    }
}

impl ApiError {
    /// A failure below HTTP.
    pub(super) fn connect(message: String) -> Self {
        Self::plain(ApiErrorKind::Connect, None, message)
    }

    /// A success that does not say what was asked for. `message` is in our own words.
    pub(super) fn unreadable(status: Option<u16>, message: String) -> Self {
        Self::plain(ApiErrorKind::Unreadable, status, message)
    }

    pub(super) fn plain(kind: ApiErrorKind, status: Option<u16>, message: String) -> Self {
        Self { kind, status, code: None, message, trace_id: None, retry_after: None, fields: Vec::new() }
    }

    /// An answer that is no success. Its text is scrubbed of every value of `roster`, when one was sent.
    pub(super) fn of(answer: &Answer, roster: Option<&Submission>) -> Self {
        let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let fields = match (&said, roster, answer.status) {
            (Some(body), Some(roster), 400 | 422) => refused_fields(body, roster),
            _ => Vec::new(),
        };
        let said = said.as_ref().map(Said::read).unwrap_or_default();
        let message = match said.message {
            Some(text) => roster
                .map_or_else(|| scrub(text, std::iter::empty()), |roster| super::scrub_for(text, roster)),
            None if (300..400).contains(&answer.status) => {
                "a redirect, and redirects are never followed".to_owned()
            }
            None => answer.kind_of_body(),
        };
        Self {
            kind: kind_of(answer.status),
            status: Some(answer.status),
            code: said.code.filter(|text| is_code(text)).map(str::to_owned),
            message,
            trace_id: said.trace_id.filter(|text| is_token(text)).map(str::to_owned),
            retry_after: answer.retry_after,
            fields,
        }
    }

    /// The same without its trace id: two failures of one cause read alike, so that the second is no news.
    #[must_use]
    pub fn without_trace(&self) -> Self {
        Self { trace_id: None, ..self.clone() }
    }

    /// Whether a GET that failed so may be repeated (`vitable-api.md`, What may be sent again).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self.kind {
            ApiErrorKind::Connect | ApiErrorKind::Throttled | ApiErrorKind::Server => true,
            ApiErrorKind::Credential
            | ApiErrorKind::NotFound
            | ApiErrorKind::Unreadable
            | ApiErrorKind::Refused => false,
        }
    }
}

/// The parts of both error shapes: the library's and the guides'.
#[derive(Default)]
struct Said<'a> {
    code: Option<&'a str>,
    message: Option<&'a str>,
    trace_id: Option<&'a str>,
}

impl<'a> Said<'a> {
    fn read(body: &'a Value) -> Self {
        let text = |value: &'a Value, key: &str| {
            value.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
        };
        let inner = body.get("error").unwrap_or(&Value::Null);
        Self {
            code: text(inner, "code").or_else(|| text(body, "app_error_code")),
            message: text(inner, "message")
                .or_else(|| text(body, "message"))
                .or_else(|| inner.as_str().filter(|text| !text.trim().is_empty())),
            trace_id: text(body, "trace_id").or_else(|| text(inner, "trace_id")),
        }
    }
}

/// A code is a word of the contract: nothing that could be a person's value passes.
fn is_code(text: &str) -> bool {
    text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_uppercase() || b"_-.".contains(&byte))
}

/// A trace id is one token.
fn is_token(text: &str) -> bool {
    text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte))
}

fn kind_of(status: u16) -> ApiErrorKind {
    match status {
        401 | 403 => ApiErrorKind::Credential,
        404 => ApiErrorKind::NotFound,
        429 => ApiErrorKind::Throttled,
        408 | 500.. => ApiErrorKind::Server,
        _ => ApiErrorKind::Refused,
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, remedy) = match self.kind {
            ApiErrorKind::Connect => {
                ("vitable cannot be reached", "check the network, `vitable.base_url` and `vitable.proxy`")
            }
            ApiErrorKind::Credential => {
                ("vitable refused the API key", "check `vitable.api_key` and `vitable.organization`")
            }
            ApiErrorKind::NotFound => (
                "vitable does not know what was asked for",
                "check that the key belongs to the organization that owns it",
            ),
            ApiErrorKind::Throttled => ("vitable asks for fewer requests", "rosterd tries again later"),
            ApiErrorKind::Server => (
                "vitable failed to answer",
                "rosterd tries again later; when it lasts, tell Vitable's support",
            ),
            ApiErrorKind::Unreadable => {
                ("vitable's answer cannot be used", "check `vitable.base_url`, and tell Vitable's support")
            }
            ApiErrorKind::Refused => ("vitable refused the request", "correct what the message names"),
        };
        f.write_str(what)?;
        match (self.status, &self.code) {
            (Some(status), Some(code)) => write!(f, " (status {status}, `{code}`)")?,
            (Some(status), None) => write!(f, " (status {status})")?,
            (None, Some(code)) => write!(f, " (`{code}`)")?,
            (None, None) => {}
        }
        write!(f, ": {}", self.message.trim_end_matches(['.', ' ']))?;
        if let Some(trace_id) = &self.trace_id {
            write!(f, " (trace id `{trace_id}`)")?;
        }
        write!(f, "; {remedy}")
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> ApiError {
        let answer =
            Answer { status, retry_after: None, body: body.as_bytes().to_vec(), whole: true, html: false };
        ApiError::of(&answer, None)
    }

    #[test]
    fn both_error_shapes_and_none_are_understood() {
        let library = error(
            409,
            r#"{"timestamp":"t","message":"In use.","error":"Conflict","app_error_code":"taken","trace_id":"tr-1"}"#,
        );
        assert_eq!(
            library.to_string(),
            "vitable refused the request (status 409, `taken`): In use (trace id `tr-1`); correct what the message names"
        );
        let guide = error(400, r#"{"error":{"code":"organization_required","message":"Say which."}}"#);
        assert_eq!(guide.code.as_deref(), Some("organization_required"));
        assert_eq!(guide.message, "Say which.");
        assert_eq!(error(400, r#"{"error":"Bad Request"}"#).message, "Bad Request");
        assert_eq!(error(502, "<html>Bad gateway</html>").message, "an HTML page of 24 bytes");
        assert_eq!(error(500, "").message, "an empty body");
        assert_eq!(error(500, "oops").message, "a body of 4 bytes that is not JSON");
        assert_eq!(
            error(500, r#"{"detail":[]}"#).message,
            "13 bytes of JSON in a shape that rosterd does not know"
        );
    }

    #[test]
    fn what_could_be_a_person_does_not_pass_as_code_trace_id_or_message() {
        let error = error(
            400,
            r#"{"message":"'Ada' has 555-123-4567","app_error_code":"5551234567","trace_id":"Ada Quill"}"#,
        );
        assert_eq!((error.code.as_deref(), error.trace_id.as_deref()), (None, None));
        assert_eq!(error.message, "… has …");
    }

    #[test]
    fn each_status_has_its_kind_and_only_passing_ones_are_repeated() {
        use ApiErrorKind::{Credential, NotFound, Refused, Server, Throttled};
        for (status, kind, again) in [
            (302, Refused, false),
            (400, Refused, false),
            (401, Credential, false),
            (403, Credential, false),
            (404, NotFound, false),
            (408, Server, true),
            (409, Refused, false),
            (422, Refused, false),
            (429, Throttled, true),
            (500, Server, true),
            (503, Server, true),
        ] {
            let error = error(status, "");
            assert_eq!((error.kind, error.is_transient()), (kind, again), "{status}");
        }
    }
}
