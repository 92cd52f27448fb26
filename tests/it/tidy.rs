//! The architecture, enforced: the table of `src/lib.rs` (`design.md`, How data flows) holds, in what modules
//! use and in what they must not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Which modules a module may name. `config` builds every settings type and is used by `cli` alone.
const MAY_USE: &[(&str, &[&str])] = &[
    ("roster", &[]),
    ("clock", &[]),
    ("secret", &[]),
    ("probe", &[]),
    ("http", &[]),
    ("schedule", &[]),
    ("table", &["roster"]),
    ("attempt", &["roster"]),
    ("mapping", &["roster", "table"]),
    ("decide", &["roster"]),
    ("source", &["roster", "table", "mapping", "clock", "secret", "probe", "http"]),
    ("vitable", &["roster", "decide", "attempt", "clock", "secret", "probe", "http"]),
    ("ledger", &["roster", "attempt"]),
    ("notify", &["roster", "secret", "probe", "http"]),
    (
        "engine",
        &[
            "roster", "clock", "secret", "table", "attempt", "mapping", "decide", "source", "vitable",
            "ledger", "notify", "schedule",
        ],
    ),
    (
        "config",
        &[
            "roster", "secret", "http", "mapping", "decide", "source", "vitable", "notify", "engine",
            "schedule",
        ],
    ),
    ("daemon", &["roster", "attempt", "schedule", "vitable", "ledger", "notify", "engine"]),
    ("sandbox", &["vitable", "clock", "roster"]),
    (
        "cli",
        &[
            "roster", "clock", "secret", "table", "attempt", "mapping", "decide", "source", "vitable",
            "ledger", "notify", "engine", "config", "daemon", "sandbox", "probe", "schedule",
        ],
    ),
];

/// Words that only one module may use.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("sled::", &["ledger"]),
    ("lettre::", &["notify"]),
    ("russh", &["source"]),
    ("reqwest", &["http", "vitable", "source", "notify"]),
    ("println!", &["cli"]),
    ("io::stdout", &["cli"]),
    ("io::stderr", &["cli"]),
    ("serde_yaml", &["config"]),
    ("tokio_cron_scheduler", &["daemon"]),
    ("sd_notify", &["daemon"]),
    ("hyper", &["daemon", "vitable"]),
    ("croner", &["schedule"]),
];

/// Pure modules take `now`: none of these words may stand in them.
const PURE: &[&str] = &["roster", "table", "mapping", "decide", "attempt", "schedule"];
const CLOCKS: &[&str] = &["Utc::now", "Local::now", "Instant::now", "SystemTime", "Clock"];

const LONGEST_FILE: usize = 600;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The top module of a file under `src/`, `None` for `lib.rs` and `main.rs`.
fn module(root: &Path, file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(name, "lib" | "main")).then(|| name.to_owned())
}

/// The code of a file without its comments.
fn code(text: &str) -> String {
    let kept = text.lines().map(|line| line.find("//").map_or(line, |at| line.get(..at).unwrap_or("")));
    kept.collect::<Vec<_>>().join("\n")
}

/// The modules that a text names: `crate::x`, and each of `crate::{x, y::{…}}`.
fn named(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `pub(in crate::decide)` names the module itself and no dependency; it is the same name anyway.
        let rest = code.get(at + "crate::".len()..).unwrap_or("");
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut word = String::new();
            let mut heads = true;
            for letter in list.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                if depth == 1 && letter == ',' {
                    found.insert(std::mem::take(&mut word));
                    heads = true;
                } else if heads && (letter.is_alphanumeric() || letter == '_') {
                    word.push(letter);
                } else if !word.is_empty() {
                    heads = false;
                }
            }
            found.insert(word);
        } else {
            found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found.into_iter().filter(|word| !word.is_empty()).collect()
}

#[test]
fn modules_use_only_what_the_table_lets_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut broken = Vec::new();
    let mut seen = BTreeSet::new();
    for file in sources(&root) {
        let Some(own) = module(&root, &file) else { continue };
        let Some(may) = table.get(own.as_str()) else {
            panic!("`{own}` is missing in the table of tests/it/tidy.rs")
        };
        seen.insert(own.clone());
        let code = code(&fs::read_to_string(&file).unwrap());
        for used in named(&code).into_iter().filter(|used| table.contains_key(used.as_str())) {
            if used != own && !may.contains(&used.as_str()) {
                broken.push(format!("{}: `{own}` must not use `{used}`", file.display()));
            }
        }
        for (word, allowed) in ONLY_IN {
            if code.contains(word) && !allowed.contains(&own.as_str()) {
                broken.push(format!("{}: only {allowed:?} may use `{word}`", file.display()));
            }
        }
        if PURE.contains(&own.as_str()) {
            for word in CLOCKS.iter().filter(|word| code.contains(**word)) {
                broken.push(format!("{}: `{own}` is pure and takes `now`, not `{word}`", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "the table of src/lib.rs is broken:\n{}", broken.join("\n"));
    let listed: BTreeSet<String> = table.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(seen, listed, "every module of the table exists");
}

#[test]
fn no_file_is_past_its_size() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files =
        ["src", "tests", "benches"].iter().map(|folder| root.join(folder)).filter(|folder| folder.exists());
    let long: Vec<String> = files
        .flat_map(|folder| sources(&folder))
        .filter_map(|file| {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            (lines > LONGEST_FILE).then(|| format!("{}: {lines} lines", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "split these: {}", long.join(", "));
}

#[test]
fn the_table_is_read_as_it_is_written() {
    let text = "use crate::{a, b::{c, d}, e_f::G}; crate::h::i(); pub(in crate::j) x";
    let expected = ["a", "b", "e_f", "h", "j"].map(str::to_owned);
    assert_eq!(named(text), BTreeSet::from(expected));
}
