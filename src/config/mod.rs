//! The configuration file → checked settings (`config.md`, The file).
//!
//! The file's shape is a table of keys (`keys`); reading functions take values out of a tree that knows
//! its places (`yaml`) and collect every mistake; what comes out are the other modules' own settings.

mod alerts;
mod dates;
mod feeds;
mod files;
mod formats;
mod guard;
mod http;
mod keys;
mod mappings;
mod places;
mod presets;
mod problem;
mod read;
mod schedule;
mod schema;
mod secrets;
mod sources;
mod text;
mod vitable;
mod watch;
mod words;
mod yaml;

pub use presets::{About as Preset, Parameter, preset, presets};
pub use problem::{Excerpt, Problem, Problems};
pub use schema::schema;

use crate::{engine, notify, secret::Secret};
use keys::{INCLUDABLE, Key, ROOT};
use read::{Fields, Item, Reader};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use text::{File, Spot};
use yaml::Node;

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that it was read from.
    pub path: PathBuf,
    /// How Vitable is reached.
    pub vitable: crate::vitable::Settings,
    /// Where rosterd keeps its state.
    pub state_dir: PathBuf,
    /// Where the daemon listens for the other commands.
    pub control_socket: PathBuf,
    /// What seals the member records; without it a key file is made in the state directory.
    pub state_key: Option<Secret>,
    /// Who is told of problems.
    pub alerts: notify::Settings,
    /// When the digest is made; nothing when none is.
    pub digest: Option<crate::schedule::Settings>,
    /// Where the sign of life goes; nothing when none does.
    pub heartbeat: Option<notify::Heartbeat>,
    /// Every feed, in the order of their names.
    pub feeds: Vec<engine::Feed>,
    /// What is allowed and yet deserves a word, each with its dotted path.
    pub warnings: Vec<String>,
}

/// Whether secrets and the files that the configuration names are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// Each secret is read once, so that a missing one is found before anything runs.
    Check,
    /// The file alone is judged: for examples, and for a check on another host.
    Skip,
}

/// Reads and checks a configuration with the files that it includes. `env` is asked for
/// `STATE_DIRECTORY` and `RUNTIME_DIRECTORY`.
///
/// # Errors
/// Every mistake that was found; after a YAML syntax error that one alone.
pub fn load(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    secrets: Secrets,
) -> Result<Settings, Problems> {
    let mut reader = Reader::new(secrets);
    let root = read_file(&mut reader, path)?;
    let mut roots = vec![root];
    for path in includes(&reader, roots.first()) {
        roots.push(read_file(&mut reader, &path)?);
    }
    for root in &roots {
        reader.survey(root, "");
    }
    let presets = presets::load(&mut reader, &roots)?;
    match settings(&reader, &roots, &presets, path, env) {
        Some(settings) if reader.is_clean() => Ok(Settings { warnings: reader.into_warnings(), ..settings }),
        Some(_) | None => {
            if reader.is_clean() {
                // Not reached: what is not read has been reported. Without a list nothing may start either.
                reader.problem(Spot::default(), "", "the configuration cannot be read", None);
            }
            Err(reader.into_problems())
        }
    }
}

/// Where a daemon of this configuration may listen, though the rest of it may be wrong: what it says itself, as far as it
/// can be read at all.
#[must_use]
pub fn sockets(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let root = yaml::parse(&text, 0).ok();
    let folder = path.parent().unwrap_or(Path::new(""));
    let said = |key: &str| match root.as_ref().map(|root| &root.kind) {
        Some(yaml::Kind::Map(entries)) => entries.iter().find_map(|(name, node)| match &node.kind {
            yaml::Kind::Scalar(value) if name.text == key => Some(folder.join(value)),
            yaml::Kind::Scalar(_) | yaml::Kind::Null | yaml::Kind::List(_) | yaml::Kind::Map(_) => None,
        }),
        Some(_) | None => None,
    };
    let usual = || PathBuf::from("/var/lib/rosterd");
    let state_dir =
        said("state_dir").or_else(|| env("STATE_DIRECTORY").map(PathBuf::from)).unwrap_or_else(usual);
    said("control_socket").into_iter().chain([state_dir.join("control.sock")]).collect()
}

fn read_file(reader: &mut Reader, path: &Path) -> Result<Node, Problems> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let index = reader.files.len();
    let file = File::new(path.to_owned(), text);
    let parsed = yaml::parse(&file.text, index);
    parsed
        .map_err(|error| {
            let problem = Problem {
                file: path.to_owned(),
                line: error.at.line,
                column: error.at.column,
                path: String::new(),
                message: format!("this is not YAML: {}", error.message),
                excerpt: file.excerpt(error.at, &file.suspects()),
                help: Some("correct the syntax; the other mistakes are shown after that".to_owned()),
            };
            Problems { list: vec![problem] }
        })
        .inspect(|_| reader.files.push(file))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problems {
    let problem = Problem {
        file: path.to_owned(),
        line: 0,
        column: 0,
        path: String::new(),
        message: format!("cannot read the file ({error})"),
        excerpt: None,
        help: Some("name another one with `--config FILE`, or make this one readable".to_owned()),
    };
    Problems { list: vec![problem] }
}

fn root_item(root: &Node) -> Item<'_> {
    let start = Spot { file: root.at.file, line: 1, column: 1, start: 0, end: 1 };
    Item { node: root, key: start, path: String::new() }
}

/// The files that `include` names, sorted for each glob.
fn includes(reader: &Reader, root: Option<&Node>) -> Vec<PathBuf> {
    let yaml::Kind::Map(entries) = (match root {
        Some(root) => &root.kind,
        None => return Vec::new(),
    }) else {
        return Vec::new();
    };
    let Some((key, node)) = entries.iter().find(|(key, _)| key.text == "include") else {
        return Vec::new();
    };
    let item = Item { node, key: key.at, path: "include".to_owned() };
    let mut files: Vec<PathBuf> = Vec::new();
    for (_, item) in reader.texts(&item, true).unwrap_or_default() {
        for path in matching(reader, &item).unwrap_or_default() {
            if !files.contains(&path) {
                files.push(path);
            }
        }
    }
    files
}

fn matching(reader: &Reader, item: &Item<'_>) -> Option<Vec<PathBuf>> {
    let path = reader.path(item)?;
    let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
    let wild = ['*', '?', '[', '{'];
    if !name.contains(wild) {
        if path.is_file() {
            return Some(vec![path]);
        }
        reader.wrong(item, "there is no such file", "correct the path, or use a glob for what may be absent");
        return None;
    }
    let glob = match globset::Glob::new(name) {
        Ok(glob) => glob.compile_matcher(),
        Err(error) => {
            let message = format!("the glob cannot be read: {}", error.kind());
            reader.wrong(
                item,
                message,
                "write it as `feeds.d/*.yaml`, with wildcards in the file's name alone",
            );
            return None;
        }
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("cannot list the folder `{}` ({error})", folder.display());
            reader.wrong(item, message, "create it, or correct the path");
            return None;
        }
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| glob.is_match(entry.file_name()))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    Some(found)
}

fn settings(
    reader: &Reader,
    roots: &[Node],
    presets: &presets::Presets,
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Option<Settings> {
    let sections = open_roots(reader, roots);
    let first = sections.first()?;
    let vitable = first.get("vitable").and_then(|item| vitable::vitable(reader, &item));
    let mut alerts = first.get("alerts").and_then(|item| alerts::alerts(reader, &item));
    let state_dir = places::state_dir(reader, first, env);
    let control_socket = places::control_socket(reader, first, state_dir.as_deref(), env);
    let state_key = mappings::optional(first.get("state_key"), |item| secrets::secret(reader, item));
    let crons = schedule::Crons::default();
    let defaults = match first.get("defaults") {
        // A feed is judged with the program's own when these are wrong: all mistakes in one go.
        Some(item) => feeds::defaults(reader, &item, &crons).unwrap_or_default(),
        None => feeds::Defaults::default(),
    };
    let watch = watch::watch(reader, first.get("alerts").as_ref(), defaults.schedule.timezone, &crons);
    let named = |key: &str| collect(reader, &sections, key);
    let mappings: BTreeMap<&str, _> =
        named("mappings").into_iter().map(|(name, item)| (name, mappings::mapping(reader, &item))).collect();
    let sources: BTreeMap<&str, _> = named("sources")
        .into_iter()
        .map(|(name, item)| (name, sources::source(reader, &item, &mappings, presets)))
        .collect();
    let named_feeds = named("feeds");
    alerts::of_feeds(reader, &named_feeds, alerts.as_mut());
    if named_feeds.is_empty() && !sections.iter().any(|section| section.has("feeds")) {
        let help = "add `feeds` here or in an included file".to_owned();
        reader.problem(first.key, "", "no feed is configured, so nothing would ever run", Some(help));
    }
    let parts = feeds::Parts { sources: &sources, defaults: &defaults, crons: &crons };
    let mut feeds = feeds::feeds(reader, &named_feeds, &parts).into_iter().collect::<Option<Vec<_>>>();
    if let Some(feeds) = &mut feeds {
        feeds.sort_by(|one, other| one.name.cmp(&other.name));
        let unscheduled = feeds.iter().filter(|feed| feed.schedule.is_none());
        schedule::warn_unscheduled(reader, &unscheduled.map(|feed| feed.name.as_str()).collect::<Vec<_>>());
    }
    let watch = watch?;
    Some(Settings {
        path: path.to_owned(),
        vitable: vitable?,
        state_dir: state_dir?,
        control_socket: control_socket?,
        state_key: state_key?,
        alerts: alerts?,
        digest: watch.digest,
        heartbeat: watch.heartbeat,
        feeds: feeds?,
        warnings: Vec::new(),
    })
}

/// Opens every file; included ones have mappings, sources and feeds alone.
fn open_roots<'n>(reader: &Reader, roots: &'n [Node]) -> Vec<Fields<'n>> {
    let mut sections = Vec::new();
    for (index, root) in roots.iter().enumerate() {
        let item = root_item(root);
        if index > 0 {
            for item in ROOT.iter().filter_map(|key| misplaced(&item, key)) {
                reader.hide(item.node);
                let help = "move it to the main file; an included one has `mappings`, `sources` and `feeds`";
                let message = format!("`{}` may not stand in an included file", item.path);
                reader.problem(item.key, &item.path, message, Some(help.to_owned()));
            }
        }
        let opened = if index == 0 { reader.open(&item, ROOT) } else { reader.open_included(&item, ROOT) };
        sections.extend(opened);
    }
    sections
}

fn misplaced<'n>(root: &Item<'n>, key: &Key) -> Option<Item<'n>> {
    let yaml::Kind::Map(entries) = &root.node.kind else {
        return None;
    };
    let (found, node) = entries.iter().find(|(found, _)| found.text == key.name)?;
    let item = Item { node, key: found.at, path: key.name.to_owned() };
    (!INCLUDABLE.contains(&key.name)).then_some(item)
}

/// The named entries of a section over all files; a name defined in two of them is a mistake.
fn collect<'n>(reader: &Reader, sections: &[Fields<'n>], key: &str) -> Vec<(&'n str, Item<'n>)> {
    let mut all: Vec<(&str, Item<'n>)> = Vec::new();
    for section in sections {
        let Some(item) = section.get(key) else { continue };
        for (name, item) in reader.named(&item).unwrap_or_default() {
            match all.iter().find(|(other, _)| *other == name) {
                Some((_, first)) => {
                    let file = reader.files.get(first.key.file).map(|file| file.path.display().to_string());
                    let place = format!("{}:{}", file.unwrap_or_default(), first.key.line);
                    let message = format!("`{name}` is defined twice; the first one is in {place}");
                    reader.problem(item.key, &item.path, message, Some("rename one of the two".to_owned()));
                }
                None => all.push((name, item)),
            }
        }
    }
    all
}
