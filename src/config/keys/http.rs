//! The keys of an HTTP source.

use super::{
    Key, SECRET,
    Shape::{Any, AnyOf, Choice, Duration, Flag, List, Named, Section, Text, Whole},
    key, must,
};
use crate::config::keys::MAPPING;

pub(in crate::config) static HTTP: &[Key] = &[
    key(
        "preset",
        Text,
        "a preset that `rosterd presets` lists, or the path of one of your own, ending in `.yaml`",
    ),
    key("with", Named(&Any), "what the preset wants to be told"),
    key("request", Section(REQUEST), "the call that gives the list"),
    key("auth", Section(AUTH), "how rosterd shows who it is"),
    key("ca_file", Text, "certificates added to the system's roots"),
    key("records", Text, "JSONPath to the list, such as `$.data.employees`"),
    key(
        "pagination",
        AnyOf(&[Choice(&["none"]), Section(PAGINATION)]),
        "how the list is gone through; `none` when one answer has everything",
    ),
    key(
        "total",
        Text,
        "where the answer says how many records there are; the read is complete only when it matches",
    ),
    key("total_header", Text, "the same in a header"),
    key("record_error", Text, "a record that has something here could not be read: the read is incomplete"),
    key("detail", Section(DETAIL), "a second call for each record, joined in"),
    key("rate", Text, "how many requests in how long, such as `50/1m`"),
    key("fresh", Section(FRESH), "how old the data may be, where the API says how old they are"),
];

/// The file of a preset.
pub(in crate::config) static PRESET: &[Key] = &[
    must("name", Text, "the vendor's or product's own name"),
    must("reads", Text, "what it reads, in a few words"),
    key(
        "parameters",
        Named(&Section(PARAMETER)),
        "what it wants to be told; `<name>` stands for it in the texts below",
    ),
    key("trap", Text, "the known trap"),
    key("answer", Text, "what is done about it"),
    key("facts", List(&Section(FACT)), "what is known of the API, and from where"),
    key("unconfirmed", List(&Text), "what nobody has confirmed; `rosterd check` repeats it"),
    must("http", Section(HTTP), "the block"),
    key("mapping", Section(MAPPING), "the mapping of a source that names none"),
];

pub(in crate::config) static PARAMETER: &[Key] = &[
    must("about", Text, "what it is"),
    key("secret", Flag, "whether it is a place where a secret is"),
    key("default", Any, "what it is when nothing is said"),
    key("example", Text, "as it may look"),
];

pub(in crate::config) static FACT: &[Key] = &[
    must("fact", Text, "what is known"),
    must("mark", Choice(&["vendor", "code", "others", "unconfirmed"]), "who says so"),
    must("source", Text, "where it was read"),
];

pub(in crate::config) static REQUEST: &[Key] = &[
    key("method", Choice(&["GET", "POST"]), "default GET"),
    must("url", Text, "https; plain http for loopback addresses alone"),
    key("query", Named(&Text), "parameters after the `?`"),
    key("headers", Named(&Text), "headers; credentials belong under `auth`"),
    key("body", Any, "a JSON body, for POST"),
];

pub(in crate::config) static AUTH: &[Key] = &[
    key("bearer", Section(SECRET), "`Authorization: Bearer …`"),
    key("basic", Section(BASIC), "`Authorization: Basic …`"),
    key("header", Section(HEADER), "a header of the API's own"),
    key("oauth2", Section(OAUTH2), "OAuth2 client credentials"),
    key(
        "expires",
        Text,
        "the day on which the secret beside it ends, such as `2027-03-01`; somebody is told 30, 10 and 5 days before",
    ),
    key("client_certificate", Section(CERTIFICATE), "a client certificate, beside any of them"),
];

pub(in crate::config) static BASIC: &[Key] = &[
    key("username", Text, "in the clear, with `password`"),
    key("password", Section(SECRET), "a secret"),
    key(
        "api_key",
        Section(SECRET),
        "instead of both: a key that is the user name, where the password says nothing",
    ),
];

pub(in crate::config) static HEADER: &[Key] =
    &[must("name", Text, "the header's name"), must("value", Section(SECRET), "a secret")];

pub(in crate::config) static OAUTH2: &[Key] = &[
    must("token_url", Text, "where tokens are had"),
    must("client_id", Text, "in the clear"),
    must("client_secret", Section(SECRET), "a secret"),
    key("scope", Text, "what the token is for"),
    key(
        "send",
        Choice(&["header", "form"]),
        "where id and secret stand: in the `Authorization` header, which is the default, or in the form",
    ),
];

pub(in crate::config) static CERTIFICATE: &[Key] = &[
    must("certificate", Section(SECRET), "PEM, with what is between it and a root"),
    must("private_key", Section(SECRET), "its private key, PEM, not encrypted"),
];

pub(in crate::config) static PAGINATION: &[Key] = &[
    key("page", Section(PAGE), "pages have numbers"),
    key("offset", Section(OFFSET), "pages begin after so many records"),
    key("cursor", Section(CURSOR), "each answer has a mark of the next page"),
    key("next_link", Text, "where each answer has the address of the next page, such as `$.next`"),
    key("link_header", Flag, "each answer has the address of the next page in its `Link` header"),
];

const SIZE_PARAM: Key = key("size_param", Text, "the parameter with the size");

pub(in crate::config) static PAGE: &[Key] = &[
    must("param", Text, "the parameter with the page's number"),
    key("first", Whole(0), "the first number; default 1"),
    SIZE_PARAM,
    must("size", Whole(1), "how many records a page has"),
];

pub(in crate::config) static OFFSET: &[Key] = &[
    must("param", Text, "the parameter with the number of records before the page"),
    SIZE_PARAM,
    must("size", Whole(1), "how many records a page has"),
];

pub(in crate::config) static CURSOR: &[Key] = &[
    must("param", Text, "the parameter that takes the mark"),
    must("from", Text, "where the answer has it, such as `$.next`"),
    SIZE_PARAM,
    key("size", Whole(1), "how many records every page but the last has, if the API says so"),
];

pub(in crate::config) static DETAIL: &[Key] = &[
    must("request", Section(REQUEST), "the call; `{id}` is a field of the record"),
    key("record", Text, "where the object is in the answer; default: the answer is the object"),
    key("at_a_time", Whole(1), "how many are made at a time; default 4"),
];

pub(in crate::config) static FRESH: &[Key] = &[
    key("at", Text, "where the first answer says of when its data are"),
    key("header", Text, "the same in a header"),
    must("max_age", Duration, "older data are an incomplete read"),
];

pub(in crate::config) static JSON: &[Key] = &[must(
    "records",
    Text,
    "JSONPath to the list, such as `$.data.employees`; `$` when the file is the list",
)];
