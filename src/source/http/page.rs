//! One answer as records: each checked, and written on a line of its own.

use super::{
    client::Answer,
    settings::{Http, Pagination},
};
use crate::source::json::{Broken, JsonPath, exact, records, text_of};
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

/// Tells one `reference_id` from another within a read.
pub(super) type Id = [u8; 16];

/// The records of one answer.
pub(super) struct Page {
    /// What stands around the list.
    pub(super) rest: Value,
    pub(super) records: Records,
    pub(super) count: u64,
    pub(super) digest: [u8; 32],
}

/// Records as they are kept.
#[derive(Default)]
pub(super) struct Records {
    /// Each on a line of its own, its names in order.
    pub(super) lines: String,
    /// Of those that are not blank.
    pub(super) ids: Vec<Id>,
}

impl Records {
    pub(super) fn push(&mut self, record: &Value, settings: &Http) {
        self.ids.extend(identity(record, &settings.identity));
        self.lines.push_str(&record.to_string());
        self.lines.push('\n');
    }
}

impl Page {
    fn empty() -> Self {
        Self { rest: Value::Null, records: Records::default(), count: 0, digest: [0; 32] }
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// What proves that it is not what it should be. Shows nothing of it.
    pub(super) fn read(answer: &Answer, settings: &Http) -> Result<Self, String> {
        let counted = matches!(settings.pagination, Pagination::Page { .. } | Pagination::Offset { .. });
        match answer.status {
            // A page past the end; anywhere else it is no list.
            204 if counted => return Ok(Self::empty()),
            204 => return Err("has no content (204), which is no list; ask whoever keeps the API".to_owned()),
            206 if settings.total.is_none() => {
                return Err(
                    "is a part of the list (206), and nothing says how much there is; add `total`".to_owned()
                );
            }
            200..300 => {}
            _ => return Ok(Self::empty()),
        }
        let text = document(answer)?;
        let mut page = Self::empty();
        let rest = records(&exact(text), &settings.records, &mut |record| page.take(&record, settings));
        page.rest = rest.map_err(|broken| match broken {
            Broken::Refused(why) => why,
            Broken::Json { line, column, cut } => not_json(line, column, cut),
            Broken::NoList => format!(
                "has no list at `{}`; correct `records`, or look what the API says instead",
                settings.records.as_str()
            ),
        })?;
        page.digest = *blake3::hash(page.records.lines.as_bytes()).as_bytes();
        Ok(page)
    }

    fn take(&mut self, record: &Value, settings: &Http) -> Result<(), String> {
        self.count += 1;
        let number = self.count;
        if !record.is_object() {
            return Err(format!("has in place {number} something else than an object; correct `records`"));
        }
        if let Some(path) = error_in(record, settings) {
            return Err(format!(
                "has a person in place {number} who could not be read: `{path}` is there; look at the HR system what is wrong with the record"
            ));
        }
        self.records.push(record, settings);
        Ok(())
    }
}

/// The text of an answer that should be JSON.
pub(super) fn document(answer: &Answer) -> Result<&str, String> {
    let html = answer.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if html {
        return Err(
            "is a web page and no JSON; look whether the URL is the API's, and whether it wants a login"
                .to_owned(),
        );
    }
    let text = std::str::from_utf8(&answer.body).map_err(|error| {
        format!("is not UTF-8 from byte {} on; ask whoever keeps the API", error.valid_up_to() + 1)
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

pub(super) fn not_json(line: usize, column: usize, cut: bool) -> String {
    let what = if cut { "ends too early" } else { "is no JSON" };
    format!(
        "{what}, at line {line}, column {column}; run the feed again, and ask whoever keeps the API if it stays"
    )
}

/// The path of the error that a record carries, if it does.
pub(super) fn error_in<'s>(record: &Value, settings: &'s Http) -> Option<&'s str> {
    let path = settings.record_error.as_ref()?;
    let there = path.find_all(record).into_iter().any(|value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => true,
    });
    there.then_some(path.as_str())
}

/// What the `reference_id` is made of; nothing when it is blank.
fn identity(record: &Value, paths: &[JsonPath]) -> Option<Id> {
    let mut text = String::new();
    let mut blank = true;
    for path in paths {
        let start = text.len();
        if let Some(value) = path.find(record) {
            text_of(value, &mut text);
        }
        blank &= text.get(start..).is_none_or(|part| part.trim().is_empty());
        text.push('\0');
    }
    if blank {
        return None;
    }
    let hash = blake3::hash(text.as_bytes());
    hash.as_bytes().first_chunk::<16>().copied()
}
