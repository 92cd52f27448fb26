//! What the configuration says of an HTTP source, checked.

use crate::{
    secret::Secret,
    source::{
        json::{JsonPath, ListPath},
        settings::Patience,
    },
};
use chrono::NaiveDate;
use std::{path::PathBuf, time::Duration};
use url::Url;

/// An HTTP API that gives rosters, and how it is read whole.
#[derive(Clone, Debug)]
pub struct Http {
    /// The call that gives the list.
    pub request: Request,
    /// How we show who we are.
    pub auth: Auth,
    /// The day from which nobody can rely on the secret in it.
    pub expires: Option<NaiveDate>,
    /// A client certificate beside that.
    pub certificate: Option<Certificate>,
    /// Certificates added to the system's roots.
    pub ca_file: Option<PathBuf>,
    /// Where the records are in an answer.
    pub records: ListPath,
    /// How the list is gone through.
    pub pagination: Pagination,
    /// Where the number of all records is said.
    pub total: Option<Where>,
    /// A record that has something here could not be read.
    pub record_error: Option<JsonPath>,
    /// A second call for each record.
    pub detail: Option<Detail>,
    /// How many requests may be made in how long.
    pub rate: Option<Rate>,
    /// How old the data may be.
    pub fresh: Option<Fresh>,
    /// What makes up the `reference_id`: the same on two pages means that rows moved.
    pub identity: Vec<JsonPath>,
    /// How long the server is waited for.
    pub patience: Patience,
}

/// A request. Texts of a detail's request may name fields of its record in braces.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whether it is a POST; else it is a GET.
    pub post: bool,
    /// Without the query.
    pub url: String,
    /// The query, in order.
    pub query: Vec<(String, String)>,
    /// Headers beside those that we set.
    pub headers: Vec<(String, String)>,
    /// A JSON body.
    pub body: Option<serde_json::Value>,
}

/// How we show who we are.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all, or by the certificate alone.
    None,
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// `Authorization: Basic …`.
    Basic {
        /// In the clear.
        username: String,
        /// A secret.
        password: Secret,
    },
    /// `Authorization: Basic …` with a key for a user name.
    BasicKey(Secret),
    /// A header of its own.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: Secret,
    },
    /// OAuth2 client credentials.
    OAuth2(Box<OAuth2>),
}

/// OAuth2 client credentials (RFC 6749, 4.4).
#[derive(Clone, Debug)]
pub struct OAuth2 {
    /// Where tokens are had.
    pub token_url: Url,
    /// Our id.
    pub client_id: String,
    /// Our secret.
    pub client_secret: Secret,
    /// What the token is for.
    pub scope: Option<String>,
    /// Whether id and secret stand in the form instead of the `Authorization` header.
    pub in_form: bool,
}

/// A client certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate and what is between it and a root, PEM.
    pub certificate: Secret,
    /// Its private key, PEM.
    pub private_key: Secret,
}

/// How a list is gone through.
#[derive(Clone, Debug, PartialEq)]
pub enum Pagination {
    /// One answer has everything.
    None,
    /// Pages have numbers.
    Page {
        /// The parameter with the number.
        param: String,
        /// The first number.
        first: u64,
        /// The parameter with the size.
        size_param: Option<String>,
        /// How many records a page has.
        size: u64,
    },
    /// Pages begin after so many records.
    Offset {
        /// The parameter with the number of records before the page.
        param: String,
        /// The parameter with the size.
        size_param: Option<String>,
        /// How many records a page has.
        size: u64,
    },
    /// Each answer has a mark of the next page.
    Cursor {
        /// The parameter that takes it.
        param: String,
        /// Where it stands.
        from: JsonPath,
        /// The parameter with the size.
        size_param: Option<String>,
        /// How many records a page has, when the API says so.
        size: Option<u64>,
    },
    /// Each answer has the address of the next page.
    NextLink(JsonPath),
    /// Each answer has the address of the next page in its `Link` header (RFC 8288).
    LinkHeader,
}

impl Pagination {
    /// How many records every page but the last has, if that is known.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::Page { size, .. } | Self::Offset { size, .. } => Some(*size),
            Self::Cursor { size, .. } => *size,
            Self::None | Self::NextLink(_) | Self::LinkHeader => None,
        }
    }
}

/// Where an answer says something of the whole list.
#[derive(Clone, Debug, PartialEq)]
pub enum Where {
    /// In the answer.
    Body(JsonPath),
    /// In a header.
    Header(String),
}

impl std::fmt::Display for Where {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Body(path) => f.write_str(path.as_str()),
            Self::Header(name) => f.write_str(name),
        }
    }
}

/// A second call for each record, whose object is merged into it.
#[derive(Clone, Debug)]
pub struct Detail {
    /// The call; `{id}` is a field of the record.
    pub request: Request,
    /// Where the object is in the answer; else the answer is the object.
    pub record: Option<JsonPath>,
    /// How many are made at a time.
    pub at_a_time: usize,
}

/// How many requests may be made in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests.
    pub requests: usize,
    /// In any stretch of this length.
    pub within: Duration,
}

/// How old the data may be, where the API says how old it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Fresh {
    /// Where the time of the data stands in the first answer.
    pub at: Where,
    /// Older data is an incomplete read.
    pub max_age: Duration,
}
