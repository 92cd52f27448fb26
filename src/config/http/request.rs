//! `request:`, of the list and of a detail.

use crate::{
    config::{
        keys::http::REQUEST,
        read::{Item, Reader},
        vitable::url as plain_url,
        yaml::{Kind, Node},
    },
    http::is_loopback,
    source::{Request, braces},
};
use serde_json::Value;
use url::Url;

/// Words in the names of headers and parameters that hold credentials.
const CREDENTIALS: [&str; 12] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "api_key",
    "api-key",
    "access_key",
    "access-key",
    "subscription-key",
    "functions-key",
    "signature",
];

/// Reads a request. `of_record` is for a detail, whose texts may name fields of its record in braces.
pub(super) fn request(reader: &Reader, item: &Item<'_>, of_record: bool) -> Option<Request> {
    let fields = reader.open(item, REQUEST)?;
    let post = match fields.get("method") {
        Some(item) => reader.choice(&item, &[("GET", false), ("POST", true)]),
        None => Some(false),
    };
    let url = fields.get("url").and_then(|item| {
        let parsed = url(reader, &item)?;
        filled(reader, &item, of_record)?;
        let text = reader.text(&item)?;
        let host_ends =
            text.find("://").and_then(|at| text.get(at + 3..)?.find('/').map(|slash| at + 3 + slash));
        if of_record && text.find('{').is_some_and(|brace| host_ends.is_none_or(|end| brace < end)) {
            let help = "keep braces behind the host's `/`";
            reader.wrong(&item, "a record would choose the host that credentials go to", help);
            return None;
        }
        // The braces of a detail stay as they are written until a record fills them.
        Some(if of_record { reader.text(&item)?.to_owned() } else { parsed.into() })
    });
    let pairs = |name: &str| match fields.get(name) {
        Some(item) => pairs(reader, &item, of_record),
        None => Some(Vec::new()),
    };
    let (query, headers) = (pairs("query"), pairs("headers"));
    if let Some(item) = fields.get("headers") {
        for (_, entry) in reader.named(&item)? {
            header_text(reader, &entry);
        }
    }
    let body = match fields.get("body") {
        Some(item) if post == Some(false) => {
            let help = "add `method: POST`, or remove the body".to_owned();
            reader.problem(item.key, &item.path, "a GET has no `body`", Some(help));
            None
        }
        Some(item) => Some(Some(json(reader, item.node))),
        None => Some(None),
    };
    Some(Request { post: post?, url: url?, query: query?, headers: headers?, body: body? })
}

/// A URL that credentials and people may travel to.
pub(super) fn url(reader: &Reader, item: &Item<'_>) -> Option<Url> {
    let url = plain_url(reader, item, &["https", "http"])?;
    if url.scheme() == "http" && !is_loopback(&url) {
        let help = "write `https://`; plain `http` is for `localhost`, `127.0.0.1` or `[::1]`";
        reader.wrong(item, "personal data and credentials would travel in the clear", help);
        return None;
    }
    if url.query_pairs().any(|(name, _)| is_credential(&name)) {
        reader.hide(item.node);
        reader.wrong(item, "a credential may not stand in the URL", "give it under `auth`");
        return None;
    }
    if url.fragment().is_some() {
        reader.wrong(item, "the URL of a call has no `#`", "remove what follows it");
        return None;
    }
    Some(url)
}

fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    CREDENTIALS.iter().any(|word| name.contains(word)) || name == "apikey" || name == "key"
}

/// Names and texts, none of which is a credential.
fn pairs(reader: &Reader, item: &Item<'_>, of_record: bool) -> Option<Vec<(String, String)>> {
    let mut right = true;
    let mut found = Vec::new();
    for (name, item) in reader.named(item)? {
        if is_credential(name) {
            reader.hide(item.node);
            reader.wrong(
                &item,
                format!("`{name}` looks like a credential, which may not stand here"),
                "give it under `auth`",
            );
            right = false;
        } else if let Some(text) = reader.text(&item) {
            right &= filled(reader, &item, of_record).is_some();
            found.push((name.to_owned(), text.to_owned()));
        } else {
            right = false;
        }
    }
    right.then_some(found)
}

/// Checks the braces of a text.
fn filled(reader: &Reader, item: &Item<'_>, of_record: bool) -> Option<()> {
    let text = reader.text(item)?;
    if !of_record && text.contains('{') {
        reader.wrong(item, "there is no record yet that could fill the braces", "write the value itself");
        return None;
    }
    if let Err(why) = braces(text) {
        reader.wrong(item, why, "write fields of the record as `{id}` or `{person.id}`");
        return None;
    }
    Some(())
}

/// The name of a header.
pub(super) fn header_name(reader: &Reader, item: &Item<'_>) -> Option<String> {
    let text = reader.text(item)?;
    if !is_header_name(text) {
        reader.wrong(item, "expected the name of a header", "write letters, digits and `-` alone");
        return None;
    }
    Some(text.to_owned())
}

fn is_header_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A header that can be sent.
fn header_text(reader: &Reader, item: &Item<'_>) {
    let name = item.path.rsplit('.').next().unwrap_or_default();
    let plain = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if !is_header_name(name) || !reader.text(item).is_some_and(plain) {
        reader.wrong(item, "this is no header", "write a name of letters, digits and `-`, and a plain text");
    }
}

/// A value of the configuration as JSON: what stands in quotes is a text.
fn json(reader: &Reader, node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::List(items) => items.iter().map(|item| json(reader, item)).collect(),
        Kind::Map(entries) => {
            entries.iter().map(|(key, value)| (key.text.clone(), json(reader, value))).collect()
        }
        Kind::Scalar(text) => {
            let written = reader.files.get(node.at.file).and_then(|file| file.text.get(node.at.start..));
            let quoted = written.is_some_and(|written| written.starts_with(['"', '\'', '|', '>']));
            match serde_json::from_str::<Value>(text) {
                Ok(value @ (Value::Bool(_) | Value::Number(_))) if !quoted => value,
                Ok(_) | Err(_) => Value::String(text.clone()),
            }
        }
    }
}
