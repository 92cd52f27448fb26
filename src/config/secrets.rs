//! Secrets by reference: `{ env: NAME }`, `{ file: PATH }`, `{ credential: NAME }`. A literal is an error
//! that never prints it.

use super::{
    Secrets,
    keys::SECRET,
    read::{Item, Reader},
    words::{did_you_mean, nearest, quoted},
    yaml::{Kind, Node},
};
use crate::secret::Secret;
use std::error::Error;

const HOW: &str =
    "write `{ env: NAME }`, `{ file: PATH }` or `{ credential: NAME }`, and put the secret there";

/// Reads a reference to a secret, and tries it unless [`Secrets::Skip`] was asked for.
pub(super) fn secret(reader: &Reader, item: &Item<'_>) -> Option<Secret> {
    let Kind::Map(entries) = &item.node.kind else {
        let message = match item.node.kind {
            Kind::Null => "expected a secret, found nothing",
            Kind::Scalar(_) | Kind::List(_) | Kind::Map(_) => "a secret may not stand in the file itself",
        };
        reader.wrong(item, message, HOW);
        return None;
    };
    let [(key, value)] = entries.as_slice() else {
        reader.wrong(item, format!("expected exactly one of {}", names()), HOW);
        return None;
    };
    let value = Item { node: value, key: key.at, path: item.path.clone() };
    let secret = match key.text.as_str() {
        "env" => Secret::Env(name(reader, &value, "an environment variable")?),
        "credential" => Secret::Credential(name(reader, &value, "a systemd credential")?),
        "file" if is_literal(&key.text, value.node) => {
            reader.wrong(&value, "this looks like the secret itself; `file` wants a path", HOW);
            return None;
        }
        "file" => Secret::File(reader.path(&value)?),
        other => {
            // The key is not named: it may be the secret, in braces.
            let help = match nearest(other, SECRET.iter().map(|key| key.name)) {
                Some(_) => did_you_mean(other, SECRET.iter().map(|key| key.name)),
                None => Some(HOW.to_owned()),
            };
            reader.problem(key.at, &item.path, format!("expected one of {}", names()), help);
            return None;
        }
    };
    if reader.secrets == Secrets::Check
        && let Err(error) = secret.read()
    {
        let cause = error.source().map(|source| format!(" ({source})")).unwrap_or_default();
        reader.problem(value.at(), &item.path, format!("{error}{cause}"), None);
        return None;
    }
    Some(secret)
}

fn names() -> String {
    quoted(SECRET.iter().map(|key| key.name))
}

fn name(reader: &Reader, item: &Item<'_>, what: &str) -> Option<String> {
    let text = reader.text(item)?;
    if is_literal("env", item.node) {
        reader.wrong(item, format!("this looks like the secret itself; expected the name of {what}"), HOW);
        return None;
    }
    Some(text.to_owned())
}

/// Whether a value under `env`, `file` or `credential` cannot be the name of a place, and so may be the secret.
pub(super) fn is_literal(key: &str, node: &Node) -> bool {
    let Kind::Scalar(text) = &node.kind else {
        return true;
    };
    let name = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    let is_key = text.starts_with("vit_") || text.contains("-----") || text.contains('\n');
    match key {
        "file" => is_key,
        "env" | "credential" => is_key || !text.chars().all(name),
        _ => true,
    }
}
