//! YAML text → a tree of nodes that know where they stand. The only user of the YAML library.

use super::text::Spot;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{DuplicateKeyPolicy, NonFiniteFloatPolicy, Spanned};
use std::fmt;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Spot,
    pub(super) kind: Kind,
}

impl Node {
    /// What stands under a key of a map.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node),
            Kind::Null | Kind::Scalar(_) | Kind::List(_) => None,
        }
    }
}

/// What a value is. YAML's guesses are undone: `yes`, `010` and `2024` are the text that was written.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    Scalar(String),
    List(Vec<Node>),
    /// Keys may repeat: the reader reports that with the other mistakes.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) at: Spot,
    pub(super) text: String,
}

/// Why a text is not YAML. The message names no value.
pub(super) struct SyntaxError {
    pub(super) at: Spot,
    pub(super) message: String,
}

/// Reads one document.
///
/// # Errors
/// The first syntax error.
pub(super) fn parse(text: &str, file: usize) -> Result<Node, SyntaxError> {
    let options = serde_yaml::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    match serde_yaml::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(root) => Ok(node(root, text, file)),
        Err(error) => {
            let at =
                error.location().map_or(Spot { file, line: 1, column: 1, start: 0, end: 0 }, |location| {
                    spot(&location, file)
                });
            let at = Spot { start: offset_of(text, at), ..at };
            // The library may quote what it met; only what stands before the first quotation is kept.
            let full = error.without_snippet().to_string();
            let first = full.lines().next().unwrap_or_default();
            let first = first.split(" at line ").next().unwrap_or_default();
            let message = unquoted(first);
            Err(SyntaxError { at, message: message.trim().trim_end_matches(':').to_lowercase() })
        }
    }
}

/// Where a line and column are in the text: a syntax error has no byte offset.
fn offset_of(text: &str, at: Spot) -> usize {
    let before: usize = text.split('\n').take(at.line.saturating_sub(1)).map(|line| line.len() + 1).sum();
    let line = text.split('\n').nth(at.line.saturating_sub(1)).unwrap_or_default();
    let within = line.char_indices().nth(at.column.saturating_sub(1)).map_or(line.len(), |(index, _)| index);
    before + within
}

/// A message up to its first quotation of more than two characters.
fn unquoted(message: &str) -> String {
    let mut kept = String::new();
    let mut parts = message.split(['"', '\'', '`']);
    kept.push_str(parts.next().unwrap_or_default());
    while let (Some(quoted), Some(after)) = (parts.next(), parts.next()) {
        if quoted.chars().count() > 2 {
            break;
        }
        kept.push('`');
        kept.push_str(quoted);
        kept.push('`');
        kept.push_str(after);
    }
    kept
}

/// What the library sees: scalars that it took for a number or a truth value are marked, to be read again
/// from the text.
enum Raw {
    Null,
    Text(String),
    Guessed(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Guessed(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Guessed(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Guessed(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Guessed(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

fn node(raw: Spanned<Raw>, text: &str, file: usize) -> Node {
    let at = spot(&raw.defined, file);
    let kind = match raw.value {
        Raw::Null => Kind::Null,
        Raw::Text(value) => Kind::Scalar(value),
        Raw::Guessed(value) => {
            let written = text.get(at.start..at.end).map(str::trim).filter(|text| !text.is_empty());
            Kind::Scalar(written.map_or(value, str::to_owned))
        }
        Raw::List(items) => Kind::List(items.into_iter().map(|item| node(item, text, file)).collect()),
        Raw::Map(entries) => {
            let entry = |(key, value): (Spanned<String>, Spanned<Raw>)| {
                let key = Key { at: spot(&key.defined, file), text: key.value };
                (key, node(value, text, file))
            };
            Kind::Map(entries.into_iter().map(entry).collect())
        }
    };
    Node { at, kind }
}

fn spot(location: &serde_yaml::Location, file: usize) -> Spot {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let span = location.span();
    let start = number(span.byte_offset().unwrap_or(0));
    Spot {
        file,
        line: number(location.line()).max(1),
        column: number(location.column()).max(1),
        start,
        end: start.saturating_add(number(span.byte_len().unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(node: &Node) -> &str {
        match &node.kind {
            Kind::Scalar(text) => text,
            other @ (Kind::Null | Kind::List(_) | Kind::Map(_)) => panic!("not a scalar: {other:?}"),
        }
    }

    fn entries(text: &str) -> Vec<(Key, Node)> {
        match parse(text, 0).map_err(|error| error.message).unwrap().kind {
            Kind::Map(entries) => entries,
            other @ (Kind::Null | Kind::List(_) | Kind::Scalar(_)) => panic!("not a map: {other:?}"),
        }
    }

    #[test]
    fn every_scalar_is_the_text_that_was_written() {
        let text = "a: yes\nb: 010\nc: 2024 # year\nd: 1e3\ne: .nan\nf: 99999999999999999999999\ng: 'quoted'\nh: 0x1F\ni: &x 1_000\nj: *x\n2024: No\non: [1.10, -0]\nk: plain text\n";
        let read = entries(text);
        let flat: Vec<(String, String)> = read
            .iter()
            .filter(|(_, node)| matches!(node.kind, Kind::Scalar(_)))
            .map(|(key, node)| (key.text.clone(), scalar(node).to_owned()))
            .collect();
        let expected = [
            ("a", "yes"),
            ("b", "010"),
            ("c", "2024"),
            ("d", "1e3"),
            ("e", ".nan"),
            ("f", "99999999999999999999999"),
            ("g", "quoted"),
            ("h", "0x1F"),
            ("i", "1_000"),
            ("j", "1_000"),
            ("2024", "No"),
            ("k", "plain text"),
        ];
        let flat: Vec<(&str, &str)> = flat.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(flat, expected);
        let Kind::List(list) = &read[11].1.kind else { panic!("a list") };
        assert_eq!(list.iter().map(scalar).collect::<Vec<_>>(), ["1.10", "-0"]);
    }

    #[test]
    fn keys_and_values_know_their_place_and_repeated_keys_are_kept() {
        let text = "é: 1\nouter:\n  inner: two words\n  inner: 3\n";
        let read = entries(text);
        let Kind::Map(inner) = &read[1].1.kind else { panic!("a map") };
        assert_eq!(inner.len(), 2);
        let (key, value) = &inner[0];
        assert_eq!((key.at.line, key.at.column), (3, 3));
        assert_eq!(text.get(key.at.start..key.at.end), Some("inner"));
        assert_eq!((value.at.line, value.at.column), (3, 10));
        assert_eq!(text.get(value.at.start..value.at.end), Some("two words"));
    }

    #[test]
    fn merge_keys_are_expanded() {
        let read = entries("base: &base { a: 1 }\nuse: { <<: *base, b: 2 }\n");
        let Kind::Map(used) = &read[1].1.kind else { panic!("a map") };
        let mut keys: Vec<&str> = used.iter().map(|(key, _)| key.text.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["a", "b"]);
    }

    #[test]
    fn a_syntax_error_has_a_place_and_no_value() {
        let error = parse("a: 1\nb: [hunter2, 'x\n", 0).map(|_| ()).unwrap_err();
        assert!(error.at.line >= 2, "{}", error.at.line);
        assert!(!error.message.contains("hunter2"), "{}", error.message);
        assert!(!error.message.is_empty());
    }
}
