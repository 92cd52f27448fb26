//! The JSON Schema of the file, from the tables of keys.

use super::keys::{Key, ROOT, Shape};
use serde_json::{Map, Value, json};

/// The JSON Schema (2020-12) of the configuration file, for editors. It knows every key, the ones of later
/// versions included, which it refuses with their explanation; `rosterd check` checks more than it can say.
#[must_use]
pub fn schema() -> Value {
    let mut root = section(ROOT);
    if let Some(object) = root.as_object_mut() {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!("rosterd configuration"));
    }
    root
}

fn section(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut value = shape(&key.shape);
        if let Some(object) = value.as_object_mut() {
            object.insert("description".to_owned(), json!(describe(key)));
        }
        properties.insert(key.name.to_owned(), value);
    }
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn describe(key: &Key) -> String {
    match &key.shape {
        Shape::Later(instead) => format!("not supported yet: {instead}"),
        Shape::Text
        | Shape::Flag
        | Shape::Whole(_)
        | Shape::Duration
        | Shape::Share
        | Shape::Choice(_)
        | Shape::List(_)
        | Shape::Named(_)
        | Shape::Section(_)
        | Shape::AnyOf(_)
        | Shape::Any => key.doc.to_owned(),
    }
}

fn shape(shape: &Shape) -> Value {
    match shape {
        // YAML takes a column called 2024 or yes for something else; the reader does not.
        Shape::Text => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Whole(least) => json!({ "type": "integer", "minimum": least }),
        Shape::Duration => json!({ "type": "string", "pattern": "^[0-9]+[smhd]$" }),
        Shape::Share => json!({ "type": "string", "pattern": "^(100|[0-9]{1,2})%$" }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::List(item) => json!({ "type": "array", "items": self::shape(item) }),
        Shape::Named(item) => json!({ "type": "object", "additionalProperties": self::shape(item) }),
        Shape::Section(keys) => section(keys),
        Shape::AnyOf(shapes) => json!({ "anyOf": shapes.iter().map(self::shape).collect::<Vec<_>>() }),
        Shape::Any => json!({}),
        Shape::Later(_) => json!({ "not": {} }),
    }
}
