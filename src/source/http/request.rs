//! From the configuration's request to one that can be sent.

use super::{client::Ask, settings::Request};
use crate::source::json::JsonPath;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

/// The request with more of a query, its braces filled from `record`.
///
/// # Errors
/// What is wrong with the configuration, or what the record lacks.
pub(super) fn ask(
    request: &Request,
    more: &[(String, String)],
    record: Option<&Value>,
) -> Result<Ask, String> {
    let fill = |text: &str, escape: bool| match record {
        Some(record) => filled(text, record, escape),
        None => Ok(text.to_owned()),
    };
    let mut url = Url::parse(&fill(&request.url, true)?).map_err(|_| "`url` is no URL".to_owned())?;
    // A record fills a path, and never chooses where credentials go.
    let fixed = request.url.split('{').next().and_then(|fixed| Url::parse(fixed).ok());
    if record.is_some() && fixed.is_none_or(|fixed| fixed.origin() != url.origin()) {
        return Err("`url` would lead to another host; keep braces behind the host's `/`".to_owned());
    }
    let query = request.query.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    let mut pairs = Vec::new();
    for (name, value) in query {
        pairs.push((name.clone(), fill(value, false)?));
    }
    pairs.extend_from_slice(more);
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if request.body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in &request.headers {
        let parsed = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
        let (name, value) = parsed.ok_or_else(|| format!("`{name}` is no header"))?;
        headers.insert(name, value);
    }
    let body = match (&request.body, record) {
        (None, _) => None,
        (Some(body), None) => Some(body.to_string().into_bytes()),
        (Some(body), Some(record)) => Some(body_of(body, record)?.to_string().into_bytes()),
    };
    Ok(Ask { post: request.post, url, headers, body, nothing_at: &[] })
}

fn body_of(body: &Value, record: &Value) -> Result<Value, String> {
    Ok(match body {
        Value::String(text) => Value::String(filled(text, record, false)?),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| body_of(item, record)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => {
            let entry =
                |(name, value): (&String, &Value)| Ok::<_, String>((name.clone(), body_of(value, record)?));
            Value::Object(map.iter().map(entry).collect::<Result<_, _>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => body.clone(),
    })
}

/// Every path that a request names in braces: whose call it is.
pub(super) fn named(request: &Request) -> Vec<JsonPath> {
    let mut texts: Vec<&str> = vec![&request.url];
    texts.extend(request.query.iter().map(|(_, value)| value.as_str()));
    if let Some(body) = &request.body {
        texts_of(body, &mut texts);
    }
    texts.into_iter().flat_map(|text| braces(text).unwrap_or_default()).collect()
}

fn texts_of<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, texts)),
        Value::Object(map) => map.values().for_each(|item| texts_of(item, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The names in braces of a text.
///
/// # Errors
/// When a brace is left open, or holds no path.
pub(crate) fn braces(text: &str) -> Result<Vec<JsonPath>, String> {
    let mut found = Vec::new();
    for part in text.split('{').skip(1) {
        let Some((name, _)) = part.split_once('}') else {
            return Err("a brace is left open".to_owned());
        };
        found.push(JsonPath::parse(name).map_err(|why| format!("`{name}` {why}"))?);
    }
    Ok(found)
}

fn filled(text: &str, record: &Value, escape: bool) -> Result<String, String> {
    let mut out = text.to_owned();
    for path in braces(text)? {
        let value = path.text(record);
        let value = value.ok_or_else(|| format!("nothing stands at `{}`", path.as_str()))?;
        let value = if escape { escaped(&value) } else { value };
        out = out.replace(&format!("{{{}}}", path.as_str()), &value);
    }
    Ok(out)
}

/// A text as one segment of a path: an id can never lead to another address.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_detail_request_is_filled_from_its_record_and_leads_nowhere_else() {
        let request = Request {
            post: true,
            url: "https://api.hr.example/v1/people/{person.id}?a=1".to_owned(),
            query: vec![("of".to_owned(), "{person.id}".to_owned()), ("page".to_owned(), "9".to_owned())],
            headers: vec![("X-Version".to_owned(), "2".to_owned())],
            body: Some(json!({"ids": ["{person.id}"], "all": true})),
        };
        let record = json!({"person": {"id": "../a b/\u{e9}?x#y.z"}});
        let asked = ask(&request, &[("page".to_owned(), "2".to_owned())], Some(&record)).unwrap();
        assert_eq!(
            asked.url.as_str(),
            "https://api.hr.example/v1/people/%2E%2E%2Fa%20b%2F%C3%A9%3Fx%23y%2Ez?a=1&of=..%2Fa+b%2F%C3%A9%3Fx%23y.z&page=2"
        );
        let body: Value = serde_json::from_slice(&asked.body.unwrap()).unwrap();
        assert_eq!(body, json!({"ids": ["../a b/\u{e9}?x#y.z"], "all": true}));
        assert_eq!(
            ask(&request, &[], Some(&json!({"person": {}}))).map(|_| ()).unwrap_err(),
            "nothing stands at `person.id`"
        );
        assert_eq!(braces("a{b").unwrap_err(), "a brace is left open");
    }
}
