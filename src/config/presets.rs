//! Presets: `http` blocks with parameters, a mapping and what is known of the vendor, kept as data.
//!
//! The tree of a preset takes the place of the block that names it, with the values of `with` where a text says
//! `<parameter>`. Every node keeps its place: what is wrong with a value is told where the operator wrote it.

use super::{
    keys::http::{FACT, HTTP, PARAMETER, PRESET},
    problem::Problems,
    read::{Fields, Item, Reader, dotted},
    text::{File, Spot},
    words::{did_you_mean, quoted},
    yaml::{self, Key, Kind, Node},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The presets that rosterd brings, by name, as their files stand in `config/presets`.
const EMBEDDED: [(&str, &str); 6] = [
    ("adp_workforce_now", include_str!("../../config/presets/adp_workforce_now.yaml")),
    ("bamboohr", include_str!("../../config/presets/bamboohr.yaml")),
    ("finch", include_str!("../../config/presets/finch.yaml")),
    ("paylocity", include_str!("../../config/presets/paylocity.yaml")),
    ("personio", include_str!("../../config/presets/personio.yaml")),
    ("workday_raas", include_str!("../../config/presets/workday_raas.yaml")),
];

/// The trees of the presets that a configuration names, by how it names them.
pub(super) type Presets = BTreeMap<String, Node>;

/// What a preset is, for whoever looks for one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct About {
    /// How a configuration names it.
    pub preset: String,
    /// The vendor's or product's own name.
    pub name: String,
    /// What it reads, in a few words.
    pub reads: String,
    /// The known trap.
    pub trap: String,
    /// What rosterd does about it.
    pub answer: String,
    /// What nobody has confirmed.
    pub unconfirmed: Vec<String>,
    /// What it wants to be told.
    pub parameters: Vec<Parameter>,
}

/// Something that a preset wants to be told under `with`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Parameter {
    /// Its key.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Whether it is a place where a secret is.
    pub secret: bool,
    /// What it is when nothing is said, as YAML; without one it is required.
    pub default: Option<String>,
    /// A value as it may look.
    pub example: Option<String>,
}

/// The presets that rosterd brings, by name.
#[must_use]
pub fn presets() -> Vec<About> {
    EMBEDDED.iter().filter_map(|(name, text)| about(name, text)).collect()
}

/// The file of a preset that rosterd brings.
#[must_use]
pub fn preset(name: &str) -> Option<&'static str> {
    EMBEDDED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

fn about(name: &str, text: &str) -> Option<About> {
    let root = yaml::parse(text, 0).ok()?;
    let said = |key: &str| root.get(key).and_then(scalar).unwrap_or_default().to_owned();
    let parameters = root.get("parameters").map(entries).unwrap_or_default();
    let unconfirmed = match root.get("unconfirmed").map(|node| &node.kind) {
        Some(Kind::List(items)) => items.iter().filter_map(scalar).map(str::to_owned).collect(),
        Some(Kind::Null | Kind::Scalar(_) | Kind::Map(_)) | None => Vec::new(),
    };
    let parameter = |(key, node): &(Key, Node)| Parameter {
        name: key.text.clone(),
        about: node.get("about").and_then(scalar).unwrap_or_default().to_owned(),
        secret: node.get("secret").and_then(scalar) == Some("true"),
        default: node.get("default").map(|node| as_written(node, text)),
        example: node.get("example").and_then(scalar).map(str::to_owned),
    };
    Some(About {
        preset: name.to_owned(),
        name: said("name"),
        reads: said("reads"),
        trap: said("trap"),
        answer: said("answer"),
        unconfirmed,
        parameters: parameters.iter().map(parameter).collect(),
    })
}

fn as_written(node: &Node, text: &str) -> String {
    match &node.kind {
        Kind::Scalar(value) => value.clone(),
        Kind::List(items) => {
            format!("[{}]", items.iter().map(|item| as_written(item, text)).collect::<Vec<_>>().join(", "))
        }
        Kind::Null | Kind::Map(_) => text.get(node.at.start..node.at.end).unwrap_or_default().to_owned(),
    }
}

fn scalar(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Scalar(text) => Some(text),
        Kind::Null | Kind::List(_) | Kind::Map(_) => None,
    }
}

fn entries(node: &Node) -> &[(Key, Node)] {
    match &node.kind {
        Kind::Map(entries) => entries,
        Kind::Null | Kind::Scalar(_) | Kind::List(_) => &[],
    }
}

/// Reads every preset that the sources of these files name, once.
///
/// # Errors
/// When a file of an operator's own is no YAML. One that cannot be read is told where it is named.
pub(super) fn load(reader: &mut Reader, roots: &[Node]) -> Result<Presets, Problems> {
    let mut wanted: BTreeSet<(&str, usize)> = BTreeSet::new();
    for source in roots.iter().filter_map(|root| root.get("sources")).flat_map(entries) {
        let named = source.1.get("http").and_then(|http| http.get("preset"));
        wanted.extend(named.and_then(|node| Some((scalar(node)?, node.at.file))));
    }
    let mut presets = Presets::new();
    for (name, named_in) in wanted {
        if let Some(text) = preset(name) {
            let file = reader.files.len();
            let path = Path::new("presets").join(format!("{name}.yaml"));
            reader.files.push(File::new(path, text.to_owned()));
            presets.extend(yaml::parse(text, file).ok().map(|root| (name.to_owned(), root)));
        } else if is_file(name)
            && let Some(folder) = reader.files.get(named_in).map(|file| file.folder.clone())
            && folder.join(name).is_file()
        {
            let root = super::read_file(reader, &folder.join(name))?;
            presets.insert(name.to_owned(), root);
        }
    }
    Ok(presets)
}

/// Whether a name is the path of a preset of the operator's own.
fn is_file(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// A block that named a preset, with the preset in its place.
pub(super) struct Expanded {
    /// The `http` block.
    pub(super) http: Node,
    /// The preset's own mapping.
    pub(super) mapping: Option<Node>,
}

/// What stands for a parameter.
struct Given<'n> {
    node: &'n Node,
    secret: bool,
    /// Whether it stands in the configuration, and not in the preset.
    own: bool,
}

/// Puts the preset in the place of the block that names it.
pub(super) fn expand(
    reader: &Reader,
    item: &Item<'_>,
    fields: &Fields<'_>,
    presets: &Presets,
) -> Option<Expanded> {
    let named = fields.get("preset")?;
    let name = reader.text(&named)?;
    let Some(tree) = presets.get(name) else {
        if is_file(name) {
            reader.wrong(
                &named,
                "there is no such file",
                "correct the path; it is taken from this file's folder",
            );
        } else {
            let help = did_you_mean(name, EMBEDDED.iter().map(|(known, _)| *known)).unwrap_or_else(|| {
                "`rosterd presets` lists them; a file of your own is named with its `.yaml`".to_owned()
            });
            reader.wrong(&named, format!("there is no preset `{name}`"), &help);
        }
        return None;
    };
    let start = Spot { file: tree.at.file, line: 1, column: 1, start: 0, end: 1 };
    let root = Item { node: tree, key: start, path: format!("preset `{name}`") };
    let preset = reader.open(&root, PRESET)?;
    facts(reader, &preset)?;
    let given = given(reader, fields, &named, &preset)?;
    let (http, mapping) = (preset.get("http")?, preset.get("mapping"));
    let filled = |item: &Item<'_>| fill(reader, item.node, &item.path, &given);
    let mut http = filled(&http)?;
    let mapping = match mapping {
        Some(item) => Some(filled(&item)?),
        None => None,
    };
    // What the block says itself takes the place of what the preset says.
    if let (Kind::Map(all), Kind::Map(own)) = (&mut http.kind, &item.node.kind) {
        let known = |key: &Key| HTTP.iter().any(|known| known.name == key.text);
        let of_preset = |key: &Key| key.text == "preset" || key.text == "with";
        for (key, node) in own.iter().filter(|(key, _)| known(key) && !of_preset(key)) {
            all.retain(|(known, _)| known.text != key.text);
            all.push((key.clone(), node.clone()));
        }
    }
    for (text, _) in preset.get("unconfirmed").and_then(|item| reader.texts(&item, true)).unwrap_or_default()
    {
        reader.warn(&item.path, &format!("preset `{name}`, unconfirmed: {text}"));
    }
    Some(Expanded { http, mapping })
}

fn facts(reader: &Reader, preset: &Fields<'_>) -> Option<()> {
    for item in preset.get("facts").map_or(Some(Vec::new()), |item| reader.list(&item, true))? {
        let fact = reader.open(&item, FACT)?;
        reader.choice(
            &fact.get("mark")?,
            &["vendor", "code", "others", "unconfirmed"].map(|mark| (mark, ())),
        )?;
    }
    Some(())
}

/// A value for each parameter of the preset: what `with` says, or its default.
fn given<'n>(
    reader: &Reader,
    fields: &Fields<'n>,
    named: &Item<'_>,
    preset: &Fields<'n>,
) -> Option<BTreeMap<&'n str, Given<'n>>> {
    let parameters = preset.get("parameters").map_or(Some(Vec::new()), |item| reader.named(&item))?;
    let with = fields.get("with").map_or(Some(Vec::new()), |item| reader.named(&item))?;
    let mut right = true;
    for (name, item) in &with {
        if !parameters.iter().any(|(known, _)| known == name) {
            reader.hide(item.node);
            let help = did_you_mean(name, parameters.iter().map(|(known, _)| *known))
                .unwrap_or_else(|| format!("it has {}", quoted(parameters.iter().map(|(known, _)| *known))));
            reader.problem(item.key, &item.path, format!("the preset has no parameter `{name}`"), Some(help));
            right = false;
        }
    }
    let mut given = BTreeMap::new();
    for (name, item) in &parameters {
        let parameter = reader.open(item, PARAMETER)?;
        let about = parameter.get("about").and_then(|item| reader.text(&item))?;
        let secret = parameter.get("secret").is_some_and(|item| reader.flag(&item) == Some(true));
        let own = with.iter().find(|(known, _)| known == name).map(|(_, item)| item);
        if let Some(item) = own.filter(|item| secret && !item.is_map()) {
            reader.hide(item.node);
        }
        match own.or(parameter.get("default").as_ref()) {
            Some(value) => drop(given.insert(*name, Given { node: value.node, secret, own: own.is_some() })),
            None => {
                let at = fields.get("with").map_or(named.at(), |item| item.key);
                let path = dotted(&fields.path, "with");
                let message = format!("the preset wants `{name}`: {about}");
                reader.problem(at, &path, message, Some(format!("add `{name}` under `with`")));
                right = false;
            }
        }
    }
    right.then_some(given)
}

/// The same tree with values in the place of `<parameter>`.
fn fill(reader: &Reader, node: &Node, path: &str, given: &BTreeMap<&str, Given<'_>>) -> Option<Node> {
    let kind = match &node.kind {
        Kind::Null => Kind::Null,
        Kind::Scalar(text) => return fill_text(reader, node, text, path, given),
        Kind::List(items) => {
            Kind::List(items.iter().map(|item| fill(reader, item, path, given)).collect::<Option<_>>()?)
        }
        Kind::Map(entries) => {
            let entry = |(key, node): &(Key, Node)| {
                Some((key.clone(), fill(reader, node, &dotted(path, &key.text), given)?))
            };
            Kind::Map(entries.iter().map(entry).collect::<Option<_>>()?)
        }
    };
    Some(Node { at: node.at, kind })
}

fn fill_text(
    reader: &Reader,
    node: &Node,
    text: &str,
    path: &str,
    given: &BTreeMap<&str, Given<'_>>,
) -> Option<Node> {
    let (mut out, mut rest, mut at) = (String::new(), text, node.at);
    while let Some((before, name, after)) = placeholder(rest) {
        let item = |node| Item { node, key: node.at, path: path.to_owned() };
        let Some(value) = given.get(name) else {
            let message = format!("`<{name}>` is no parameter of the preset");
            reader.wrong(&item(node), message, "define it under `parameters`, or correct its name");
            return None;
        };
        if before.is_empty() && after.is_empty() && out.is_empty() {
            return Some(value.node.clone());
        }
        let value_item = item(value.node);
        if value.secret {
            reader.wrong(
                &item(node),
                format!("the secret `{name}` stands in a longer text"),
                "give it a value of its own",
            );
            return None;
        }
        let word = reader.text(&value_item)?;
        if !is_plain(word) {
            let help =
                "write letters, digits, `.`, `_`, `~`, `@` and `-` alone, or a whole address with https://";
            reader.wrong(
                &value_item,
                format!("`{name}` becomes part of a longer text and may change it"),
                help,
            );
            return None;
        }
        out.push_str(before);
        out.push_str(word.trim_end_matches('/'));
        if value.own {
            at = value.node.at;
        }
        rest = after;
    }
    out.push_str(rest);
    Some(Node { at, kind: Kind::Scalar(out) })
}

/// The first `<name>` of a text, with what stands before and after it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(open) = text.get(from..)?.find('<').map(|at| from + at) {
        let rest = text.get(open + 1..)?;
        let length = rest.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))?;
        if length > 0 && rest.get(length..)?.starts_with('>') {
            return Some((text.get(..open)?, rest.get(..length)?, rest.get(length + 1..)?));
        }
        from = open + 1;
    }
    None
}

/// Whether a value changes nothing of the text around it, such as a URL or an expression.
fn is_plain(value: &str) -> bool {
    let word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._~@-".contains(c));
    let address = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    match address {
        Some(rest) => rest.chars().all(|c| c.is_ascii_alphanumeric() || "._~-:/[]".contains(c)),
        None => word(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_a_name_in_angles_and_nothing_else() {
        assert_eq!(placeholder("a<b>c"), Some(("a", "b", "c")));
        assert_eq!(placeholder("$.x[?@.a < 3 && @.b > 1]"), None);
        assert_eq!(placeholder("<base_url>/x"), Some(("", "base_url", "/x")));
        assert_eq!(placeholder("<>"), None);
        assert_eq!(placeholder("<a"), None);
        assert_eq!(placeholder("ä < <b>"), Some(("ä < ", "b", "")));
    }

    #[test]
    fn a_value_within_a_text_cannot_change_it() {
        for plain in ["globex", "ISU_x@globex", "https://api.example.com/v1", "http://127.0.0.1:80"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in ["a/b", "a?b", "a b", "a\" + \"b", "https://x/?a", "{id}", "a#b", "ä"] {
            assert!(!is_plain(other), "{other}");
        }
    }

    #[test]
    fn every_preset_says_what_it_is_and_uses_every_parameter() {
        assert_eq!(presets().len(), EMBEDDED.len());
        for about in presets() {
            let text = preset(&about.preset).unwrap();
            for said in [&about.name, &about.reads, &about.trap, &about.answer] {
                assert!(!said.is_empty(), "{}", about.preset);
            }
            assert!(!about.unconfirmed.is_empty() && !about.parameters.is_empty(), "{}", about.preset);
            for parameter in &about.parameters {
                assert!(
                    text.contains(&format!("<{}>", parameter.name)),
                    "{}: {}",
                    about.preset,
                    parameter.name
                );
                assert!(!parameter.about.is_empty());
            }
        }
    }
}
