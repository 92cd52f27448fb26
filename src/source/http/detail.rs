//! The second call for each record.

use super::{
    client::Client,
    flawed,
    page::{self, Records},
    request,
    settings::{Detail, Http},
};
use crate::source::{
    Failure,
    json::{JsonPath, exact},
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

/// The most that the records of a page may have with their details, in bytes.
const LARGEST_JOINED: usize = 256 << 20;

/// The records of a page, each with what the second call says of it, in their order.
pub(super) async fn join(
    client: &Client<'_>,
    settings: &Http,
    detail: &Detail,
    records: Records,
    number: u64,
) -> Result<Records, Failure> {
    let one = |(place, line): (usize, String)| async move {
        let refused =
            |why: &str| flawed(number, &format!("has a person in place {} whose details {why}", place + 1));
        let mut record: Value = serde_json::from_str(&line).map_err(|_| refused("cannot be read"))?;
        let asked = request::ask(&detail.request, &[], Some(&record))
            .map_err(|why| refused(&format!("cannot be asked for: {why}; correct `detail`")))?;
        let answer = client.ask(&asked).await?;
        let text =
            page::document(&answer).map_err(|why| refused(&format!("cannot be had: the answer {why}")))?;
        let found: Value = serde_json::from_str(&exact(text)).map_err(|error| {
            let why = page::not_json(error.line(), error.column(), error.is_eof());
            refused(&format!("cannot be had: the answer {why}"))
        })?;
        merge(&mut record, found, settings, detail).map_err(|why| refused(&why))?;
        Ok::<_, Failure>(record)
    };
    let lines: Vec<String> = records.lines.lines().map(str::to_owned).collect();
    let mut merged =
        futures_util::stream::iter(lines.into_iter().enumerate().map(one)).buffered(detail.at_a_time.max(1));
    let mut joined = Records::default();
    while let Some(record) = merged.try_next().await? {
        joined.push(&record, settings);
        if joined.lines.len() > LARGEST_JOINED {
            let why =
                format!("has more than {} MiB with its details; ask for smaller pages", LARGEST_JOINED >> 20);
            return Err(flawed(number, &why));
        }
    }
    Ok(joined)
}

fn merge(record: &mut Value, found: Value, settings: &Http, detail: &Detail) -> Result<(), String> {
    let found = match &detail.record {
        Some(path) => path.find(&found).cloned(),
        None => Some(found),
    };
    let texts = |record: &Value| -> Vec<Option<String>> {
        let named = request::named(&detail.request);
        settings.identity.iter().chain(&named).map(|path: &JsonPath| path.text(record)).collect()
    };
    let before = texts(record);
    match (&mut *record, found) {
        (Value::Object(record), Some(Value::Object(more))) => record.extend(more),
        (_, Some(_) | None) => return Err("are no object; correct `detail`".to_owned()),
    }
    let is_other = |(before, after): (Option<String>, Option<String>)| {
        before.zip(after).is_some_and(|(before, after)| before != after)
    };
    if before.into_iter().zip(texts(record)).any(is_other) {
        return Err("are those of another person; correct the `request` of `detail`".to_owned());
    }
    match page::error_in(record, settings) {
        Some(path) => {
            Err(format!("could not be read: `{path}` is there; look at the HR system what is wrong"))
        }
        None => Ok(()),
    }
}
