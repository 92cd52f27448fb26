//! `http:` of a source: an API spelled out.

mod pages;
mod request;

use super::{
    keys::http::{AUTH, BASIC, CERTIFICATE, DETAIL, FRESH, HEADER, JSON, OAUTH2},
    mappings::{Eligibility, optional},
    read::{Fields, Item, Reader},
    secrets::secret,
    vitable::file as readable_file,
    words::parse_rate,
    yaml::Kind,
};
use crate::{
    mapping::FieldSource,
    roster::Field,
    secret::Secret,
    source::{
        AfterSuccess, Auth, Certificate, Detail, Fresh, Http, JsonPath, ListPath, OAuth2, Patience, Pick,
        Rate, Take, Where,
    },
};
use chrono::NaiveDate;
use request::{request, url};
use std::{collections::BTreeMap, time::Duration};

/// Reads an `http:` block that names no preset.
pub(super) fn http(reader: &Reader, fields: &Fields<'_>) -> Option<(Http, Pick)> {
    if let Some(with) = fields.get("with") {
        let help = Some("add `preset`, or remove `with`".to_owned());
        reader.problem(with.key, &with.path, "`with` is for a `preset`, and there is none", help);
    }
    let needed = |name: &str, what: &str| {
        let item = fields.get(name);
        if item.is_none() {
            reader.problem(
                fields.key,
                &fields.path,
                format!("`{name}` is missing, and required"),
                Some(what.to_owned()),
            );
        }
        item
    };
    let request =
        needed("request", "add the call that gives the list").and_then(|item| request(reader, &item, false));
    let records =
        needed("records", "add the path of the list in the answer").and_then(|item| list(reader, &item));
    let pagination =
        needed("pagination", "say how the list is gone through; `none` when one answer has everything")
            .and_then(|item| pages::pagination(reader, &item));
    let auth = match fields.get("auth") {
        Some(item) => auth(reader, &item),
        None => Some((Auth::None, None, None)),
    };
    let total = total(reader, fields);
    if !fields.has("total") && !fields.has("total_header") {
        reader.warn(&fields.path, "there is no `total` and no `total_header`, so that only the pages themselves prove that a list is whole");
    }
    let ca_file = optional(fields.get("ca_file"), |item| readable_file(reader, item));
    let record_error = optional(fields.get("record_error"), |item| path(reader, item));
    let detail = optional(fields.get("detail"), |item| detail(reader, item));
    let rate = optional(fields.get("rate"), |item| rate(reader, item));
    let fresh = optional(fields.get("fresh"), |item| fresh(reader, item));
    if let Some(records) = &records {
        beside(reader, fields, records);
    }
    let (auth, expires, certificate) = auth?;
    let http = Http {
        request: request?,
        auth,
        expires,
        certificate,
        ca_file: ca_file?,
        records: records?,
        pagination: pagination?,
        total: total?,
        record_error: record_error?,
        detail: detail?,
        rate: rate?,
        fresh: fresh?,
        identity: Vec::new(),
        patience: Patience::default(),
    };
    let pick = Pick {
        path: http.request.url.clone(),
        settle: Duration::ZERO,
        take: Take::Newest,
        done_marker: None,
        max_age: None,
        after_success: AfterSuccess::Leave,
    };
    Some((http, pick))
}

/// Reads a `json:` block of a source of files.
pub(super) fn json(reader: &Reader, item: &Item<'_>) -> Option<ListPath> {
    let fields = reader.open(item, JSON)?;
    list(reader, &fields.get("records")?)
}

/// Checks that the names of a mapping are paths in a record, and returns those of the `reference_id`.
pub(super) fn paths(
    reader: &Reader,
    item: &Item<'_>,
    fields: &BTreeMap<Field, FieldSource>,
    eligibility: Option<&Eligibility>,
) -> Option<Vec<JsonPath>> {
    let mut named: Vec<(String, String)> = Vec::new();
    for (field, source) in fields {
        named.extend(source.take.columns().into_iter().map(|column| (field.name().to_owned(), column)));
    }
    for (key, column) in eligibility.map(Eligibility::columns).unwrap_or_default() {
        named.push((format!("eligibility.{key}"), column));
    }
    let mut right = true;
    for (key, column) in named {
        if let Err(why) = JsonPath::parse(&column) {
            let message = format!("the path `{column}` of the mapping's `{key}` {why}");
            let help = "correct it in the mapping, or give the source `fields` of its own";
            reader.wrong(item, message, help);
            right = false;
        }
    }
    let reference = fields.get(&Field::ReferenceId).map(|source| source.take.columns()).unwrap_or_default();
    if reference.is_empty() {
        reader.wrong(item, "the mapping's `reference_id` is not read from the records", "map it to a path");
        return None;
    }
    right.then_some(())?;
    Some(reference.iter().filter_map(|name| JsonPath::parse(name).ok()).collect())
}

/// What an answer says of the whole list stands beside the list, never in it.
fn beside(reader: &Reader, fields: &Fields<'_>, records: &ListPath) {
    let pages = fields.get("pagination").and_then(|item| match &item.node.kind {
        Kind::Map(_) => Some(item),
        Kind::Null | Kind::Scalar(_) | Kind::List(_) => None,
    });
    let under = |item: &Item<'_>, name: &str| item.node.get(name).cloned();
    let cursor =
        pages.as_ref().and_then(|item| under(item, "cursor")).and_then(|node| node.get("from").cloned());
    let link = pages.as_ref().and_then(|item| under(item, "next_link"));
    let fresh = fields.get("fresh").and_then(|item| under(&item, "at"));
    let total = fields.get("total").map(|item| item.node.clone());
    for (name, node) in [
        ("pagination.cursor.from", cursor),
        ("pagination.next_link", link),
        ("fresh.at", fresh),
        ("total", total),
    ] {
        let Some(node) = node else { continue };
        let Kind::Scalar(text) = &node.kind else { continue };
        if JsonPath::parse(text).is_ok_and(|path| path.is_within(records)) {
            let item = Item { node: &node, key: node.at, path: super::read::dotted(&fields.path, name) };
            let message = format!(
                "`{text}` leads into the list at `{}`, where nothing is said of the whole of it",
                records.as_str()
            );
            reader.wrong(&item, message, "name a field that stands beside the list");
        }
    }
}

fn list(reader: &Reader, item: &Item<'_>) -> Option<ListPath> {
    let text = reader.text(item)?;
    let list = ListPath::parse(text);
    if let Err(why) = &list {
        reader.wrong(
            item,
            format!("`{text}` {why}"),
            "take the field that holds the list in the API's own example",
        );
    }
    list.ok()
}

pub(super) fn path(reader: &Reader, item: &Item<'_>) -> Option<JsonPath> {
    let text = reader.text(item)?;
    let path = JsonPath::parse(text);
    if let Err(why) = &path {
        reader.wrong(
            item,
            format!("`{text}` {why}"),
            "write names with dots, such as `meta.total`, or JSONPath",
        );
    }
    path.ok()
}

/// Who we are, the day on which the secret ends, and a certificate beside it.
type WhoWeAre = (Auth, Option<NaiveDate>, Option<Certificate>);

fn auth(reader: &Reader, item: &Item<'_>) -> Option<WhoWeAre> {
    let fields = reader.open(item, AUTH)?;
    let kinds = ["bearer", "basic", "header", "oauth2"];
    let certificate = optional(fields.get("client_certificate"), |item| {
        let fields = reader.open(item, CERTIFICATE)?;
        let certificate = fields.get("certificate").and_then(|item| hidden(reader, &item));
        let private_key = fields.get("private_key").and_then(|item| secret(reader, &item));
        Some(Certificate { certificate: certificate?, private_key: private_key? })
    });
    let expires = optional(fields.get("expires"), |item| day(reader, item));
    if fields.has("client_certificate") && !kinds.iter().any(|kind| fields.has(kind)) {
        if let Some(item) = fields.get("expires") {
            let help = "remove it; rosterd reads the end of a certificate from the certificate".to_owned();
            reader.problem(item.key, &item.path, "`expires` is for a secret, and there is none", Some(help));
            return None;
        }
        return Some((Auth::None, None, certificate?));
    }
    let item = reader.one_of(&fields, &kinds, &[])?;
    let auth = if fields.has("bearer") {
        Auth::Bearer(secret(reader, &item)?)
    } else if fields.has("basic") {
        basic(reader, &item)?
    } else if fields.has("header") {
        let fields = reader.open(&item, HEADER)?;
        let name = fields.get("name").and_then(|item| request::header_name(reader, &item));
        let value = fields.get("value").and_then(|item| hidden(reader, &item));
        Auth::Header { name: name?, value: value? }
    } else {
        oauth2(reader, &item)?
    };
    Some((auth, expires?, certificate?))
}

fn day(reader: &Reader, item: &Item<'_>) -> Option<NaiveDate> {
    let text = reader.text(item)?;
    let day = text.parse().ok().filter(|day: &NaiveDate| day.to_string() == text);
    if day.is_none() {
        reader.wrong(item, "expected a day", "write it as `2027-03-01`");
    }
    day
}

fn basic(reader: &Reader, item: &Item<'_>) -> Option<Auth> {
    let fields = reader.open(item, BASIC)?;
    if let Some(item) = fields.get("api_key") {
        if fields.has("username") || fields.has("password") {
            let help = Some("remove one of the two".to_owned());
            reader.problem(item.key, &item.path, "`api_key` stands for `username` and `password`", help);
            return None;
        }
        return Some(Auth::BasicKey(secret(reader, &item)?));
    }
    if !fields.has("username") || !fields.has("password") {
        let help = Some("add `username` and `password`, or `api_key`".to_owned());
        reader.problem(fields.key, &fields.path, "nothing says who logs in", help);
        return None;
    }
    let username = fields.get("username").and_then(|item| reader.text(&item));
    let password = fields.get("password").and_then(|item| secret(reader, &item));
    Some(Auth::Basic { username: username?.to_owned(), password: password? })
}

fn oauth2(reader: &Reader, item: &Item<'_>) -> Option<Auth> {
    let fields = reader.open(item, OAUTH2)?;
    let token_url = fields.get("token_url").and_then(|item| url(reader, &item));
    let client_id = fields.get("client_id").and_then(|item| reader.text(&item));
    let client_secret = fields.get("client_secret").and_then(|item| secret(reader, &item));
    let scope = optional(fields.get("scope"), |item| Some(reader.text(item)?.to_owned()));
    let in_form = match fields.get("send") {
        Some(item) => reader.choice(&item, &[("header", false), ("form", true)]),
        None => Some(false),
    };
    Some(Auth::OAuth2(Box::new(OAuth2 {
        token_url: token_url?,
        client_id: client_id?.to_owned(),
        client_secret: client_secret?,
        scope: scope?,
        in_form: in_form?,
    })))
}

/// A secret under a key that is not always one: a literal is hidden here.
fn hidden(reader: &Reader, item: &Item<'_>) -> Option<Secret> {
    if !item.is_map() {
        reader.hide(item.node);
    }
    secret(reader, item)
}

fn total(reader: &Reader, fields: &Fields<'_>) -> Option<Option<Where>> {
    match (fields.get("total"), fields.get("total_header")) {
        (None, None) => Some(None),
        (Some(item), None) => Some(Some(Where::Body(path(reader, &item)?))),
        (None, Some(item)) => Some(Some(Where::Header(request::header_name(reader, &item)?))),
        (Some(_), Some(item)) => {
            let help = "keep the one that the API has and remove the other".to_owned();
            reader.problem(
                item.key,
                &item.path,
                "only one of `total`, `total_header` may be given",
                Some(help),
            );
            None
        }
    }
}

fn detail(reader: &Reader, item: &Item<'_>) -> Option<Detail> {
    let fields = reader.open(item, DETAIL)?;
    let request = fields.get("request").and_then(|item| request(reader, &item, true));
    let record = optional(fields.get("record"), |item| path(reader, item));
    let at_a_time = match fields.get("at_a_time") {
        Some(item) => reader.whole(&item, 1..=64).and_then(|number| usize::try_from(number).ok()),
        None => Some(4),
    };
    Some(Detail { request: request?, record: record?, at_a_time: at_a_time? })
}

fn rate(reader: &Reader, item: &Item<'_>) -> Option<Rate> {
    let parsed =
        parse_rate(reader.text(item)?, 1..=100_000).map(|(requests, within)| Rate { requests, within });
    if parsed.is_none() {
        reader.wrong(item, "expected a number of requests and a duration", "write it as `50/1m` or `5/1s`");
    }
    parsed
}

fn fresh(reader: &Reader, item: &Item<'_>) -> Option<Fresh> {
    let fields = reader.open(item, FRESH)?;
    let item = reader.one_of(&fields, &["at", "header"], &[])?;
    let at = if fields.has("at") {
        path(reader, &item).map(Where::Body)
    } else {
        request::header_name(reader, &item).map(Where::Header)
    };
    let max_age = fields.get("max_age").and_then(|item| reader.duration(&item, Duration::from_secs(1)));
    Some(Fresh { at: at?, max_age: max_age? })
}

/// Whether a value is one word.
fn is_word(item: &Item<'_>) -> bool {
    matches!(item.node.kind, Kind::Scalar(_))
}
