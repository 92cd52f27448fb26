//! What a call is answered with, in the API's shapes.

use super::faults::Faults;
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

/// A success: the status and the whole body.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Answered {
    /// A payload in `data`.
    pub(super) fn data(status: StatusCode, data: &Value) -> Self {
        Self { status, body: json!({ "data": data }) }
    }
}

/// A refusal, in words; the shape is chosen when it is rendered.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) code: Option<&'static str>,
    pub(super) message: String,
}

/// What comes of a call.
pub(super) type Reply = Result<Answered, Refused>;

impl Refused {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code: Some(code), message: message.into() }
    }

    /// 400: fields that break a rule.
    pub(super) fn invalid(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_error", message)
    }

    /// 400: not JSON, or not of the shape. Says where, and repeats nothing.
    pub(super) fn malformed(error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Data => "has the wrong shape",
            serde_json::error::Category::Eof => "ends too early",
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => "is not JSON",
        };
        let (line, column) = (error.line(), error.column());
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed_body",
            format!("the body {what}, at line {line} column {column}"),
        )
    }

    /// 404: not there, or not the organization's.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("{what} not found"))
    }

    fn body(&self, faults: &Faults, now: DateTime<Utc>, trace_id: &str) -> Value {
        if faults.guides_errors {
            let code = self.code.unwrap_or("error");
            return json!({ "error": { "code": code, "message": self.message } });
        }
        json!({
            "timestamp": plus_zero(now),
            "message": self.message,
            "error": self.message,
            "app_error_code": self.code,
            "trace_id": trace_id,
        })
    }
}

/// A timestamp as `…+00:00`.
pub(super) fn plus_zero(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, false)
}

/// A timestamp as `…Z`: both are seen.
pub(super) fn zulu(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// JSON, with the fields that nobody knows when they are asked for.
pub(super) fn render(reply: Reply, faults: &Faults, now: DateTime<Utc>, trace_id: &str) -> Response<Body> {
    let (status, mut body) = match reply {
        Ok(answered) => (answered.status, answered.body),
        Err(refused) => (refused.status, refused.body(faults, now, trace_id)),
    };
    if faults.extra_fields {
        add_extra_fields(&mut body);
    }
    // Values of ours always become JSON; an empty body would be seen by the client's tests.
    let text = serde_json::to_vec(&body).unwrap_or_default();
    raw(status, "application/json", Body::from(text))
}

/// A page as a proxy makes it.
pub(super) fn html(status: StatusCode) -> Response<Body> {
    let text = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n");
    raw(status, "text/html; charset=utf-8", Body::from(text))
}

/// A body as it is.
pub(super) fn raw(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The `Date` header says what our clock does, not the host's: tests and the demo play other days.
pub(super) fn date(response: &mut Response<Body>, now: DateTime<Utc>, skew_seconds: i64) {
    let shown = TimeDelta::try_seconds(skew_seconds).and_then(|skew| now.checked_add_signed(skew));
    let text = shown.unwrap_or(now).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::DATE, value);
    }
}

fn add_extra_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_extra_fields);
            fields.insert("x_new_field".to_owned(), json!({ "since": "later", "of": [1, null, "two"] }));
        }
        Value::Array(items) => items.iter_mut().for_each(add_extra_fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
