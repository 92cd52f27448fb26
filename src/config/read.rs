//! Reading the tree: each function returns what it read, or nothing and a problem in the list.

use super::{
    Secrets,
    keys::{Key, SECRET, Shape},
    problem::{Problem, Problems},
    secrets::is_literal,
    text::{File, SECRET_KEYS, Spot},
    words::{did_you_mean, nearest, parse_duration, parse_share, quoted},
    yaml::{self, Kind, Node},
};
use std::{cell::RefCell, ops::Range, path::PathBuf, time::Duration};

/// A value, the key that it stands under, and its dotted path.
#[derive(Clone, Debug)]
pub(super) struct Item<'n> {
    pub(super) node: &'n Node,
    pub(super) key: Spot,
    pub(super) path: String,
}

impl Item<'_> {
    /// Where to point at: the value if it is one word, else the key of the section.
    pub(super) fn at(&self) -> Spot {
        match self.node.kind {
            Kind::Scalar(_) => self.node.at,
            Kind::Null | Kind::List(_) | Kind::Map(_) => self.key,
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.node.kind, Kind::Map(_))
    }
}

/// A section whose keys are known.
#[derive(Clone, Debug)]
pub(super) struct Fields<'n> {
    pub(super) path: String,
    pub(super) key: Spot,
    entries: &'n [(yaml::Key, Node)],
}

impl<'n> Fields<'n> {
    /// The value of a key, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<Item<'n>> {
        let (key, node) = self.entries.iter().find(|(key, _)| key.text == name)?;
        Some(Item { node, key: key.at, path: dotted(&self.path, name) })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(key, _)| key.text == name)
    }
}

pub(super) fn dotted(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

struct Found {
    at: Spot,
    path: String,
    message: String,
    help: Option<String>,
}

/// The files, and what was found wrong with them so far.
pub(super) struct Reader {
    pub(super) files: Vec<File>,
    pub(super) secrets: Secrets,
    found: RefCell<Vec<Found>>,
    hidden: RefCell<Vec<(usize, Range<usize>)>>,
    warnings: RefCell<Vec<String>>,
}

impl Reader {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self {
            files: Vec::new(),
            secrets,
            found: RefCell::default(),
            hidden: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    pub(super) fn problem(&self, at: Spot, path: &str, message: impl Into<String>, help: Option<String>) {
        let found = Found { at, path: path.to_owned(), message: message.into(), help };
        self.found.borrow_mut().push(found);
    }

    /// A problem of a value, with what to do.
    pub(super) fn wrong(&self, item: &Item<'_>, message: impl Into<String>, help: &str) {
        self.problem(item.at(), &item.path, message, Some(help.to_owned()));
    }

    pub(super) fn warn(&self, path: &str, message: &str) {
        self.warnings.borrow_mut().push(format!("{path}: {message}"));
    }

    pub(super) fn is_clean(&self) -> bool {
        self.found.borrow().is_empty()
    }

    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings.into_inner()
    }

    pub(super) fn hide_range(&self, file: usize, range: Range<usize>) {
        self.hidden.borrow_mut().push((file, range));
    }

    /// No scalar of this value is shown.
    pub(super) fn hide(&self, node: &Node) {
        match &node.kind {
            Kind::Null => {}
            Kind::Scalar(_) => self.hide_range(node.at.file, node.at.start..node.at.end),
            Kind::List(items) => items.iter().for_each(|item| self.hide(item)),
            Kind::Map(entries) => {
                for (key, value) in entries {
                    self.hide_range(key.at.file, key.at.start..key.at.end);
                    self.hide(value);
                }
            }
        }
    }

    /// Hides every literal under a secret's key and reports keys that stand twice, in the whole tree.
    pub(super) fn survey(&self, node: &Node, path: &str) {
        match &node.kind {
            Kind::Null | Kind::Scalar(_) => {}
            Kind::List(items) => items.iter().for_each(|item| self.survey(item, path)),
            Kind::Map(entries) => {
                for (index, (key, value)) in entries.iter().enumerate() {
                    let path = dotted(path, &key.text);
                    if SECRET_KEYS.contains(&key.text.as_str()) {
                        self.hide_secret(key, value);
                    }
                    let first = entries.iter().take(index).find(|(other, _)| other.text == key.text);
                    if let Some((first, _)) = first {
                        let message = format!(
                            "`{}` is defined twice; the first one is in line {}",
                            key.text, first.at.line
                        );
                        self.hide(value);
                        self.problem(key.at, &path, message, Some("keep one of the two".to_owned()));
                    }
                    self.survey(value, &path);
                }
            }
        }
    }

    /// Hides what stands where a secret belongs, and leaves the names of places. Tags, anchors and aliases
    /// before the value are hidden with it.
    fn hide_secret(&self, key: &yaml::Key, node: &Node) {
        let text = self.files.get(key.at.file).map_or("", |file| file.text.as_str());
        let rest = text.get(key.at.end..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start_matches([':', ' ', '"', '\'']).len();
        let start = key.at.end + blank;
        if node.at.start < key.at.end || node.at.file != key.at.file {
            let line = rest.find('\n').unwrap_or(rest.len());
            self.hide_range(key.at.file, start..key.at.end + line);
        } else if !text.get(start..node.at.start).unwrap_or_default().trim().is_empty() {
            self.hide_range(key.at.file, start..node.at.start);
        }
        let Kind::Map(entries) = &node.kind else {
            return self.hide(node);
        };
        for (key, value) in entries {
            if is_literal(&key.text, value) {
                self.hide(value);
                if !SECRET.iter().any(|known| known.name == key.text) {
                    self.hide_range(key.at.file, key.at.start..key.at.end);
                }
            }
        }
    }

    /// Takes a value as a section: every key must be known and supported, and the required ones there.
    pub(super) fn open<'n>(&self, item: &Item<'n>, keys: &[Key]) -> Option<Fields<'n>> {
        let Kind::Map(entries) = &item.node.kind else {
            let names = quoted(keys.iter().map(|key| key.name));
            self.wrong(
                item,
                format!("expected a section with the keys {names}"),
                "write the keys indented below it",
            );
            return None;
        };
        for (key, value) in entries {
            self.known(key, value, &item.path, keys);
        }
        let fields = Fields { path: item.path.clone(), key: item.key, entries };
        self.complete(&fields, keys);
        Some(fields)
    }

    /// The same for an included file, where nothing is required and another message tells of what is misplaced.
    pub(super) fn open_included<'n>(&self, item: &Item<'n>, keys: &[Key]) -> Option<Fields<'n>> {
        let Kind::Map(entries) = &item.node.kind else {
            self.wrong(
                item,
                "expected `mappings`, `sources` or `feeds`",
                "write at least one of the sections",
            );
            return None;
        };
        for (key, value) in entries.iter().filter(|(key, _)| !keys.iter().any(|known| known.name == key.text))
        {
            self.known(key, value, &item.path, keys);
        }
        Some(Fields { path: item.path.clone(), key: item.key, entries })
    }

    fn complete(&self, fields: &Fields<'_>, keys: &[Key]) {
        for key in keys.iter().filter(|key| key.required && !fields.has(key.name)) {
            let help = format!("add `{}`: {}", key.name, key.doc);
            self.problem(
                fields.key,
                &fields.path,
                format!("`{}` is missing, and required", key.name),
                Some(help),
            );
        }
    }

    fn known(&self, key: &yaml::Key, value: &Node, path: &str, keys: &[Key]) {
        let path = dotted(path, &key.text);
        match keys.iter().find(|known| known.name == key.text) {
            Some(Key { shape: Shape::Later(instead), .. }) => {
                self.hide(value);
                let message = format!("`{}` is not supported yet", key.text);
                self.problem(key.at, &path, message, Some((*instead).to_owned()));
            }
            Some(_) => {}
            None => {
                // A misspelt `api_key` may hold a literal key.
                self.hide(value);
                let help = did_you_mean(&key.text, keys.iter().map(|key| key.name));
                self.problem(key.at, &path, format!("unknown key `{}`", key.text), help);
            }
        }
    }

    pub(super) fn text<'n>(&self, item: &Item<'n>) -> Option<&'n str> {
        match &item.node.kind {
            Kind::Scalar(text) if !text.is_empty() => Some(text),
            Kind::Scalar(_) | Kind::Null => {
                self.wrong(item, "expected a text, found nothing", "write a value, or remove the key");
                None
            }
            Kind::List(_) | Kind::Map(_) => {
                self.wrong(item, "expected one text, found a list or a section", "write one value");
                None
            }
        }
    }

    /// The items of a list that is not empty unless `empty` allows it.
    pub(super) fn list<'n>(&self, item: &Item<'n>, empty: bool) -> Option<Vec<Item<'n>>> {
        let Kind::List(nodes) = &item.node.kind else {
            self.wrong(item, "expected a list", "write it as `[one, two]`");
            return None;
        };
        if nodes.is_empty() && !empty {
            self.problem(item.key, &item.path, "the list is empty", Some("name at least one".to_owned()));
            return None;
        }
        let item = |(index, node): (usize, &'n Node)| Item {
            node,
            key: if node.at.line > 0 { node.at } else { item.key },
            path: format!("{}[{index}]", item.path),
        };
        Some(nodes.iter().enumerate().map(item).collect())
    }

    /// A list of texts, each with its place.
    pub(super) fn texts<'n>(&self, item: &Item<'n>, empty: bool) -> Option<Vec<(&'n str, Item<'n>)>> {
        let items = self.list(item, empty)?;
        let count = items.len();
        let texts: Vec<_> = items.into_iter().filter_map(|item| Some((self.text(&item)?, item))).collect();
        (texts.len() == count).then_some(texts)
    }

    /// A map with the operator's own names.
    pub(super) fn named<'n>(&self, item: &Item<'n>) -> Option<Vec<(&'n str, Item<'n>)>> {
        let Kind::Map(entries) = &item.node.kind else {
            self.wrong(
                item,
                "expected a section with a name for each entry",
                "write `name: …` indented below it",
            );
            return None;
        };
        let mut named: Vec<(&str, Item<'n>)> = Vec::new();
        for (key, node) in entries {
            if key.text.is_empty() {
                self.problem(key.at, &item.path, "a name is empty", Some("give it a name".to_owned()));
            } else if !named.iter().any(|(name, _)| *name == key.text) {
                let path = dotted(&item.path, &key.text);
                named.push((&key.text, Item { node, key: key.at, path }));
            }
        }
        Some(named)
    }

    pub(super) fn flag(&self, item: &Item<'_>) -> Option<bool> {
        match self.text(item)? {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.wrong(item, "expected `true` or `false`", "write one of the two");
                None
            }
        }
    }

    pub(super) fn whole(&self, item: &Item<'_>, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let number = self.text(item)?.parse::<u64>().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let expected = match *range.end() {
                u64::MAX => format!("expected a whole number of at least {}", range.start()),
                end => format!("expected a whole number from {} to {end}", range.start()),
            };
            self.wrong(item, expected, "write a number of that range in digits alone");
        }
        number
    }

    pub(super) fn duration(&self, item: &Item<'_>, least: Duration) -> Option<Duration> {
        let duration = parse_duration(self.text(item)?);
        match duration {
            None => self.wrong(
                item,
                "expected a duration",
                "write a whole number and its unit: `90s`, `15m`, `36h` or `7d`",
            ),
            Some(duration) if duration < least => {
                self.wrong(item, "the duration is too short", "write at least `1s`");
                return None;
            }
            Some(_) => {}
        }
        duration
    }

    /// Percent, 0 to 100.
    pub(super) fn share(&self, item: &Item<'_>) -> Option<u8> {
        let share = parse_share(self.text(item)?);
        if share.is_none() {
            self.wrong(item, "expected a share", "write whole percents from `0%` to `100%`");
        }
        share
    }

    pub(super) fn choice<T: Copy>(&self, item: &Item<'_>, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(item)?;
        let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if chosen.is_none() {
            let words = || choices.iter().map(|(word, _)| *word);
            let help = nearest(text, words())
                .map_or("write one of them".to_owned(), |word| format!("did you mean `{word}`?"));
            self.problem(item.at(), &item.path, format!("expected one of {}", quoted(words())), Some(help));
        }
        chosen
    }

    /// A path, taken from the folder of the file that it stands in.
    pub(super) fn path(&self, item: &Item<'_>) -> Option<PathBuf> {
        let text = self.text(item)?;
        let folder = self.files.get(item.node.at.file).map(|file| file.folder.clone());
        Some(folder.unwrap_or_default().join(text))
    }

    /// Exactly one of these keys; a later version's key among them has been reported already.
    pub(super) fn one_of<'n>(&self, fields: &Fields<'n>, names: &[&str], later: &[&str]) -> Option<Item<'n>> {
        let there: Vec<Item<'n>> = names.iter().filter_map(|name| fields.get(name)).collect();
        match there.as_slice() {
            [one] => return Some(one.clone()),
            [] if later.iter().any(|name| fields.has(name)) => {}
            [] => self.problem(
                fields.key,
                &fields.path,
                match names {
                    [name] => format!("`{name}` is missing, and required"),
                    names => format!("one of {} is required", quoted(names.iter().copied())),
                },
                Some(if names.len() == 1 { "add it" } else { "add exactly one of them" }.to_owned()),
            ),
            [_, second, ..] => self.problem(
                second.key,
                &fields.path,
                format!("only one of {} may be given", quoted(names.iter().copied())),
                Some("keep the one that is meant and remove the other".to_owned()),
            ),
        }
        None
    }

    /// The list for the operator, in the order of files and lines.
    pub(super) fn into_problems(self) -> Problems {
        let mut hidden = self.hidden.into_inner();
        for (index, file) in self.files.iter().enumerate() {
            hidden.extend(file.literal_keys().into_iter().map(|range| (index, range)));
        }
        let mut found = self.found.into_inner();
        found.sort_by_key(|found| (found.at.file, found.at.line, found.at.column));
        let list = found.into_iter().filter_map(|found| {
            let file = self.files.get(found.at.file)?;
            let ranges: Vec<Range<usize>> = hidden
                .iter()
                .filter(|(index, _)| *index == found.at.file)
                .map(|(_, range)| range.clone())
                .collect();
            Some(Problem {
                file: file.path.clone(),
                line: found.at.line,
                column: found.at.column,
                path: found.path,
                message: found.message,
                excerpt: file.excerpt(found.at, &ranges),
                help: found.help,
            })
        });
        Problems { list: list.collect() }
    }
}
