//! The path of a cell in a record: dotted names, or JSONPath where it begins with `$`.

use serde_json::Value;

/// Where something stands in a JSON value.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    text: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// Names one below the other; digits are a place in a list.
    Dotted(Vec<String>),
    /// RFC 9535.
    Query(serde_json_path::JsonPath),
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPath {
    /// There is nothing between two dots.
    #[error("has an empty part; write names with one dot between them, such as `home.city`")]
    Empty,
    /// RFC 9535 does not know it.
    #[error("is no JSONPath (RFC 9535) from character {0} on")]
    Query(usize),
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NotAPath> {
        let text = text.trim();
        let kind = if text.starts_with('$') {
            let query = serde_json_path::JsonPath::parse(text);
            Kind::Query(query.map_err(|error| NotAPath::Query(error.position() + 1))?)
        } else {
            let parts: Vec<String> = text.split('.').map(|part| part.trim().to_owned()).collect();
            if parts.iter().any(String::is_empty) {
                return Err(NotAPath::Empty);
            }
            Kind::Dotted(parts)
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands there: of several, the first that is not blank. `None` when there is nothing, which is not null.
    pub(in crate::source) fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match &self.kind {
            Kind::Dotted(parts) => parts.iter().try_fold(value, |value, part| match value {
                Value::Object(map) => map.get(part),
                Value::Array(list) => list.get(part.parse::<usize>().ok()?),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
            }),
            Kind::Query(query) => {
                let found = query.query(value).all();
                let blank = |value: &Value| {
                    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
                };
                found.iter().copied().find(|value| !blank(value)).or(found.first().copied())
            }
        }
    }

    /// Everything that stands there.
    pub(in crate::source) fn find_all<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match &self.kind {
            Kind::Dotted(_) => self.find(value).into_iter().collect(),
            Kind::Query(query) => query.query(value).all(),
        }
    }

    /// Whether it leads to the list, or into it: what is there is handed on record by record, and is not around it.
    #[must_use]
    pub fn is_within(&self, list: &super::ListPath) -> bool {
        let names = |text: &str| text.strip_prefix('$').unwrap_or(text).trim_start_matches('.').to_owned();
        let (path, list) = (names(&self.text), names(list.as_str()));
        let rest = path.strip_prefix(&list);
        list.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// The text that stands there, if there is one.
    pub(in crate::source) fn text(&self, value: &Value) -> Option<String> {
        let mut text = String::new();
        (text_of(self.find(value)?, &mut text) && !text.is_empty()).then_some(text)
    }
}

/// Adds the text of a value: null is blank, a list is joined by `, `. False when it is an object or holds one.
pub(in crate::source) fn text_of(value: &Value, out: &mut String) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => {
            out.push_str(if *flag { "true" } else { "false" });
            true
        }
        Value::Number(number) => {
            out.push_str(&number.to_string());
            true
        }
        Value::String(text) => {
            out.push_str(text);
            true
        }
        Value::Array(items) => {
            let mut first = true;
            for item in items.iter().filter(|item| !item.is_null()) {
                if !std::mem::take(&mut first) {
                    out.push_str(", ");
                }
                if item.is_array() || !text_of(item, out) {
                    return false;
                }
            }
            true
        }
        Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dotted_names_and_json_paths_find_their_cells() {
        let record = json!({
            "id": 17, "on": true, "none": null, "tags": ["a", null, "b"], "homes": [{"city": "Troy"}],
            "home": {"line1": "1 Elm"}, "$odd": "x",
            "phones": [{"type": "work", "number": "1"}, {"type": "mobile", "number": null}, {"type": "mobile", "number": "2"}],
        });
        let text = |path: &str| {
            JsonPath::parse(path).unwrap().find(&record).map(|value| {
                let mut text = String::new();
                if text_of(value, &mut text) { text } else { "an object".to_owned() }
            })
        };
        for (path, expected) in [
            ("id", Some("17")),
            ("on", Some("true")),
            ("none", Some("")),
            ("tags", Some("a, b")),
            ("home.line1", Some("1 Elm")),
            ("home", Some("an object")),
            ("homes", Some("an object")),
            ("homes.0.city", Some("Troy")),
            ("home.line2", None),
            ("none.city", None),
            ("$['$odd']", Some("x")),
            ("$.phones[?@.type=='mobile'].number", Some("2")),
            ("$.phones[?@.type=='fax'].number", None),
        ] {
            assert_eq!(text(path).as_deref(), expected, "{path}");
        }
        assert_eq!(JsonPath::parse("home..city"), Err(NotAPath::Empty));
        assert_eq!(
            JsonPath::parse("$.phones[").unwrap_err().to_string(),
            "is no JSONPath (RFC 9535) from character 9 on"
        );
    }
}
