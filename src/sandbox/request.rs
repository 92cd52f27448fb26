//! Which call a request is, and who makes it.

use super::{answer::Refused, faults::CallKind, seed::API_KEY};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};

/// A call, with the ids of its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Plans,
    ListGroups,
    CreateGroup,
    GetGroup(String),
    PatchGroup(String),
    Submit(String),
    Poll(String, String),
    WrongMethod,
    Unknown,
}

impl Call {
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (get, post) = (method == Method::GET, method == Method::POST);
        match parts.as_slice() {
            ["v1", "plans"] if get => Self::Plans,
            ["v1", "groups"] if get => Self::ListGroups,
            ["v1", "groups"] if post => Self::CreateGroup,
            ["v1", "groups", id] if get => Self::GetGroup((*id).to_owned()),
            ["v1", "groups", id] if method == Method::PATCH => Self::PatchGroup((*id).to_owned()),
            ["v1", "groups", id, "members", "sync"] if post => Self::Submit((*id).to_owned()),
            ["v1", "groups", id, "members", "sync", request] if get => {
                Self::Poll((*id).to_owned(), (*request).to_owned())
            }
            ["v1", "plans"]
            | ["v1", "groups"]
            | ["v1", "groups", _]
            | ["v1", "groups", _, "members", "sync"]
            | ["v1", "groups", _, "members", "sync", _] => Self::WrongMethod,
            _ => Self::Unknown,
        }
    }

    pub(super) const fn kind(&self) -> CallKind {
        match self {
            Self::Plans => CallKind::Plans,
            Self::ListGroups => CallKind::ListGroups,
            Self::CreateGroup => CallKind::CreateGroup,
            Self::GetGroup(_) => CallKind::GetGroup,
            Self::PatchGroup(_) => CallKind::PatchGroup,
            Self::Submit(_) => CallKind::Submit,
            Self::Poll(..) => CallKind::Poll,
            Self::WrongMethod | Self::Unknown => CallKind::Any,
        }
    }
}

/// The organization that a call acts for.
///
/// # Errors
/// 401 without the key; 400 and 403 for the header, as the guide "Authentication" has it.
pub(super) fn organization<'a>(headers: &HeaderMap, reached: &'a [String]) -> Result<&'a str, Refused> {
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = key.and_then(|text| text.strip_prefix("Bearer "));
    if key != Some(API_KEY) {
        return Err(Refused::new(
            StatusCode::UNAUTHORIZED,
            "authentication_failed",
            "Invalid or missing API key",
        ));
    }
    let Some(header) = headers.get("x-vitable-organization") else {
        return match reached {
            [only] => Ok(only),
            _ => Err(Refused::new(
                StatusCode::BAD_REQUEST,
                "organization_required",
                "X-Vitable-Organization is required: the key reaches several organizations",
            )),
        };
    };
    let wanted = header.to_str().unwrap_or_default();
    let well_formed = wanted.strip_prefix("org_").is_some_and(|rest| {
        !rest.is_empty()
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-' || b == b'=')
    });
    if !well_formed {
        return Err(Refused::new(
            StatusCode::BAD_REQUEST,
            "invalid_organization_header",
            "X-Vitable-Organization is not an organization id",
        ));
    }
    reached.iter().find(|id| *id == wanted).map(String::as_str).ok_or_else(|| {
        Refused::new(
            StatusCode::FORBIDDEN,
            "organization_access_denied",
            "The key has no access to this organization",
        )
    })
}

/// 415 when a body is not said to be JSON.
///
/// # Errors
/// Then.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refused::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "Content-Type must be application/json",
    ))
}

/// A parameter of the query, the last one when it stands there twice.
pub(super) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == name)
        .last()
        .map(|(_, value)| value.into_owned())
}
