//! Which file of a place is read, and what becomes of it: the keys that `file:` and `sftp:` have in common.

use super::{
    keys::MOVE,
    mappings::optional,
    read::{Fields, Item, Reader},
    words::did_you_mean,
    yaml::Kind,
};
use crate::source::{AfterSuccess, Marker, Pick, Take};
use std::time::Duration;

/// Reads the keys from `path` on. `path` makes of a written path what the place understands.
pub(super) fn pick(
    reader: &Reader,
    fields: &Fields<'_>,
    settle: Duration,
    path: &dyn Fn(&Item<'_>) -> Option<String>,
) -> Option<Pick> {
    let take = match fields.get("take") {
        Some(item) => reader.choice(&item, &[("newest", Take::Newest), ("all", Take::All)]),
        None => Some(Take::Newest),
    };
    let settle = match fields.get("settle") {
        Some(item) => reader.duration(&item, Duration::ZERO),
        None => Some(settle),
    };
    let max_age = optional(fields.get("max_age"), |item| reader.duration(item, Duration::from_secs(1)));
    if !fields.has("max_age") {
        let message = "there is no `max_age`, so nobody is told when no new file comes any more; write one such as `36h`";
        reader.warn(&fields.path, message);
    }
    let written = fields.get("path").and_then(|item| {
        glob(reader, &item)?;
        path(&item)
    });
    let after_success = match fields.get("after_success") {
        Some(item) => after_success(reader, &item, written.as_deref(), path),
        None => Some(AfterSuccess::Leave),
    };
    let done_marker =
        optional(fields.get("done_marker"), |item| marker(reader, item, written.as_deref(), path));
    Some(Pick {
        path: written?,
        take: take?,
        settle: settle?,
        max_age: max_age?,
        done_marker: done_marker?,
        after_success: after_success?,
    })
}

/// The path of the file that the sender writes when another one is whole.
fn marker(
    reader: &Reader,
    item: &Item<'_>,
    source: Option<&str>,
    path: &dyn Fn(&Item<'_>) -> Option<String>,
) -> Option<Marker> {
    let text = reader.text(item)?;
    // What begins with a place is a path already.
    let written = if text.starts_with('{') { text.to_owned() } else { path(item)? };
    let marker = match Marker::new(written.clone()) {
        Ok(marker) => marker,
        Err(unknown) if unknown.is_empty() => {
            reader.wrong(item, "a brace has no other half", PLACES);
            return None;
        }
        Err(unknown) => {
            let help = did_you_mean(&unknown, Marker::PLACES).unwrap_or_else(|| PLACES.to_owned());
            reader.wrong(item, format!("`{{{unknown}}}` is no part of a file's path"), &help);
            return None;
        }
    };
    if text.is_empty() || text.contains(['*', '?', '[']) {
        reader.wrong(item, "expected the path of one file", PLACES);
        return None;
    }
    if text == "{path}" || source == Some(&*written) {
        reader.wrong(item, "the marker would be the file itself", PLACES);
        return None;
    }
    Some(marker)
}

const PLACES: &str =
    "write it such as `\"{path}.done\"`, with `{path}`, `{folder}`, `{name}` or `{stem}` of the file";

/// A path whose last part alone may have wildcards.
fn glob(reader: &Reader, item: &Item<'_>) -> Option<()> {
    let text = reader.text(item)?;
    let (folder, name) = text.rsplit_once('/').unwrap_or(("", text));
    if folder.contains(WILD) {
        reader.wrong(item, "a wildcard stands in a folder's name", "use wildcards in the file's name alone");
        return None;
    }
    if name.is_empty() {
        reader.wrong(
            item,
            "the path names a folder",
            "end it with a file's name or a glob such as `roster-*.csv`",
        );
        return None;
    }
    if let Err(error) = globset::Glob::new(name) {
        let message = format!("the glob cannot be read: {}", error.kind());
        reader.wrong(item, message, "write it as `roster-*.csv`");
        return None;
    }
    Some(())
}

const WILD: [char; 4] = ['*', '?', '[', '{'];

/// `leave`, `delete` or a folder, which must be another one than the file's.
fn after_success(
    reader: &Reader,
    item: &Item<'_>,
    source: Option<&str>,
    path: &dyn Fn(&Item<'_>) -> Option<String>,
) -> Option<AfterSuccess> {
    if !item.is_map() {
        let choices = [("leave", true), ("delete", false)];
        if !matches!(&item.node.kind, Kind::Scalar(text) if choices.iter().any(|(word, _)| word == text)) {
            let help = "write one of them; `leave` is the default";
            reader.wrong(item, "expected `leave`, `delete` or `{ move_to: FOLDER }`", help);
            return None;
        }
        let leave = reader.choice(item, &choices)?;
        return Some(if leave { AfterSuccess::Leave } else { AfterSuccess::Delete });
    }
    let fields = reader.open(item, MOVE)?;
    let item = fields.get("move_to")?;
    if reader.text(&item)?.contains(WILD) {
        reader.wrong(&item, "a wildcard stands in the folder's name", "name one folder");
        return None;
    }
    let folder = path(&item)?;
    if folder.is_empty() {
        reader.wrong(&item, "the folder has no name", "name the folder that files are moved into");
        return None;
    }
    let source = source?;
    if folder.starts_with('/') != source.starts_with('/') {
        let message =
            "`path` and `move_to` do not begin at the same place, so that nobody can tell them apart";
        reader.wrong(&item, message, "write both from `/` on, or both from the account's own folder");
        return None;
    }
    let home = source.rsplit_once('/').map_or("", |(folder, _)| folder);
    if parts(&folder) == parts(home) {
        let message = "the file would be moved to where `path` finds it again";
        reader.wrong(&item, message, "name another folder, such as `processed` beside the files");
        return None;
    }
    Some(AfterSuccess::MoveTo(folder))
}

/// The names on the way to a folder, without those that lead nowhere.
fn parts(folder: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in folder.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts
}
