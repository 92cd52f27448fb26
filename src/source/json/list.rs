//! The list of records in a document, handed on record by record: a page is never a tree in memory.

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The path of one list: `$.data.employees`, or `$` when the document is the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPath {
    text: String,
    parts: Vec<String>,
}

/// A text that is not the path of one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not the path of one list; write names alone, such as `$.data.employees`, or `$` for the whole answer"
)]
pub struct NotAList;

impl ListPath {
    /// Reads the path: names alone, since a list that is picked by a condition could not be told from an empty one.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, NotAList> {
        let text = text.trim();
        let rest = text.strip_prefix('$').unwrap_or(text);
        let rest = if text.starts_with('$') { rest.strip_prefix('.').unwrap_or(rest) } else { rest };
        let parts: Vec<String> =
            if rest.is_empty() { Vec::new() } else { rest.split('.').map(str::to_owned).collect() };
        let name =
            |part: &String| !part.is_empty() && !part.contains(['*', '[', ']', '?', '@', '\'', '"', ' ']);
        if text.is_empty() || text == "$." || !parts.iter().all(name) {
            return Err(NotAList);
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Why a document's records cannot be had. Shows nothing of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source) enum Broken {
    /// It is no JSON, from here on.
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// Whether it ends too early.
        cut: bool,
    },
    /// There is nothing at the list's path, or something else than a list.
    NoList,
    /// Whoever takes the records wants no more.
    Refused(String),
}

/// Hands each record of the list to `each`, in order, and returns the rest of the document.
pub(in crate::source) fn records(
    text: &str,
    path: &ListPath,
    each: &mut dyn FnMut(Value) -> Result<(), String>,
) -> Result<Value, Broken> {
    let (mut found, mut refused) = (false, None);
    let mut document = serde_json::Deserializer::from_str(text);
    let walk = Walk { path: &path.parts, each, found: &mut found, refused: &mut refused };
    let rest = walk.deserialize(&mut document).and_then(|rest| document.end().map(|()| rest));
    if let Some(why) = refused {
        return Err(Broken::Refused(why));
    }
    match rest {
        Ok(rest) if found => Ok(rest),
        Ok(_) => Err(Broken::NoList),
        Err(error) if error.is_data() => Err(Broken::NoList),
        Err(error) => {
            Err(Broken::Json { line: error.line(), column: error.column().max(1), cut: error.is_eof() })
        }
    }
}

struct Walk<'a> {
    path: &'a [String],
    each: &'a mut dyn FnMut(Value) -> Result<(), String>,
    found: &'a mut bool,
    refused: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the way to a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        if !self.path.is_empty() || *self.found {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Err(A::Error::custom("another list"));
        }
        *self.found = true;
        while let Some(record) = list.next_element()? {
            if let Err(why) = (self.each)(record) {
                *self.refused = Some(why);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut rest = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = match self.path.split_first() {
                Some((name, below)) if *name == key => map.next_value_seed(Walk {
                    path: below,
                    each: &mut *self.each,
                    found: &mut *self.found,
                    refused: &mut *self.refused,
                })?,
                Some(_) | None => map.next_value()?,
            };
            rest.insert(key, value);
        }
        Ok(Value::Object(rest))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str, path: &str) -> Result<(Vec<Value>, Value), Broken> {
        let mut list = Vec::new();
        let rest = records(text, &ListPath::parse(path).unwrap(), &mut |record| {
            list.push(record);
            Ok(())
        })?;
        Ok((list, rest))
    }

    #[test]
    fn the_list_is_found_and_the_rest_is_kept() {
        let text = r#"{"meta":{"total":2},"data":{"list":[{"id":1},{"id":2}],"next":null}}"#;
        let rest = json!({"meta": {"total": 2}, "data": {"list": null, "next": null}});
        assert_eq!(read(text, "$.data.list"), Ok((vec![json!({"id": 1}), json!({"id": 2})], rest)));
        assert_eq!(read("[1]", "$"), Ok((vec![json!(1)], Value::Null)));
        assert_eq!(read(r#"{"l":[]}"#, "l"), Ok((vec![], json!({"l": null}))));
    }

    #[test]
    fn what_is_no_list_is_told_from_what_is_no_json() {
        for (text, path) in [
            (r#"{"data":[]}"#, "$.list"),
            (r#"{"list":null}"#, "$.list"),
            (r#"{"list":{"a":1}}"#, "$.list"),
            (r#"{"list":"a"}"#, "$.list"),
            (r#"{"list":[1],"list":[2]}"#, "$.list"),
            (r#"[[1]]"#, "$.list"),
            ("17", "$"),
        ] {
            assert_eq!(read(text, path), Err(Broken::NoList), "{text}");
        }
        assert_eq!(read(r#"{"l":[1,2"#, "$.l"), Err(Broken::Json { line: 1, column: 9, cut: true }));
        assert_eq!(read("<html>", "$.l"), Err(Broken::Json { line: 1, column: 1, cut: false }));
        assert!(matches!(read(r#"{"l":[1]} x"#, "$.l"), Err(Broken::Json { cut: false, .. })));
        let list = ListPath::parse("$.l").unwrap();
        let refuse = &mut |_| Err("enough".to_owned());
        assert_eq!(records(r#"{"l":[1]}"#, &list, refuse), Err(Broken::Refused("enough".to_owned())));
        for text in ["", "$.", "$.a[*]", "$..a", "a..b", "$.a[?@.b]"] {
            assert_eq!(ListPath::parse(text), Err(NotAList), "{text}");
        }
    }
}
