//! The text of the configuration's files: places in it, and lines of it that may be shown.

use super::problem::Excerpt;
use std::{ops::Range, path::PathBuf};

/// Keys whose value is a secret, wherever they stand.
pub(super) const SECRET_KEYS: [&str; 8] = [
    "api_key",
    "state_key",
    "password",
    "passphrase",
    "private_key",
    "client_secret",
    "bearer",
    "heartbeat_url",
];

/// A place in one of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    /// Which file, in the order of loading.
    pub(super) file: usize,
    /// From 1.
    pub(super) line: usize,
    /// In characters, from 1.
    pub(super) column: usize,
    /// Byte offsets in the file's text.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// One file of the configuration.
#[derive(Debug)]
pub(super) struct File {
    /// As it was named.
    pub(super) path: PathBuf,
    /// Paths in the file are relative to it.
    pub(super) folder: PathBuf,
    pub(super) text: String,
}

impl File {
    pub(super) fn new(path: PathBuf, text: String) -> Self {
        let folder = path.parent().unwrap_or(std::path::Path::new("")).to_owned();
        Self { path, folder, text }
    }

    /// The line of a spot with every hidden range replaced by one `…`.
    pub(super) fn excerpt(&self, spot: Spot, hidden: &[Range<usize>]) -> Option<Excerpt> {
        let (begin, line) = self.line(spot.line)?;
        let mut shown = String::new();
        let (mut indent, mut width, mut in_hidden) = (None, 0, false);
        for (offset, character) in line.char_indices() {
            let at = begin + offset;
            if indent.is_none() && at >= spot.start {
                indent = Some(shown.chars().count());
            }
            let hide = hidden.iter().any(|range| range.contains(&at));
            let character = if character == '\t' { ' ' } else { character };
            let drawn = !(hide && in_hidden);
            if drawn {
                shown.push(if hide { '…' } else { character });
            }
            if at >= spot.start && at < spot.end && drawn {
                width += 1;
            }
            in_hidden = hide;
        }
        let shown = shown.trim_end().to_owned();
        let indent = indent.unwrap_or_else(|| shown.chars().count());
        let limit = shown.chars().count().saturating_sub(indent).max(1);
        Some(Excerpt { indent, width: width.clamp(1, limit), text: shown })
    }

    fn line(&self, number: usize) -> Option<(usize, &str)> {
        let mut begin = 0;
        for (index, line) in self.text.split('\n').enumerate() {
            if index + 1 == number {
                return Some((begin, line));
            }
            begin += line.len() + 1;
        }
        None
    }

    /// What looks like a key wherever it stands, in a comment too: Vitable's own keys and PEM blocks.
    pub(super) fn literal_keys(&self) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for prefix in ["vit_apk_", "vit_at_"] {
            for (start, _) in self.text.match_indices(prefix) {
                let rest = self.text.get(start..).unwrap_or_default();
                let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c)));
                found.push(start..start + length.unwrap_or(rest.len()));
            }
        }
        for (start, _) in self.text.match_indices("-----BEGIN") {
            let rest = self.text.get(start..).unwrap_or_default();
            let end = rest.find("-----END").unwrap_or(rest.len());
            found.push(start..start + end);
        }
        found
    }

    /// What may be a secret when the file could not be parsed: each line with a secret's key, from the key
    /// on, and every line after it until one that begins a key no deeper. A line too many is hidden rather
    /// than one too few.
    pub(super) fn suspects(&self) -> Vec<Range<usize>> {
        let mut found = self.literal_keys();
        let mut secret_at: Option<usize> = None;
        let mut begin = 0;
        let mut unclosed = false;
        for line in self.text.split('\n') {
            let depth = line.len() - line.trim_start().len();
            let begins_key = line.trim_start().split_once(':').is_some_and(|(key, _)| {
                !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.\"' ".contains(&b))
            });
            if !unclosed && secret_at.is_some_and(|secret| begins_key && depth <= secret) {
                secret_at = None;
            }
            if secret_at.is_some() {
                found.push(begin + depth..begin + line.len());
            } else if let Some(end_of_key) = secret_key_end(line) {
                secret_at = Some(depth);
                // Where a quotation of several lines ends cannot be told from a file that is wrong.
                let value = line.get(end_of_key..).unwrap_or_default();
                unclosed = ['"', '\''].iter().any(|quote| value.matches(*quote).count() % 2 == 1);
                found.push(begin + end_of_key..begin + line.len());
            }
            begin += line.len() + 1;
        }
        found
    }
}

/// Where the first key of a secret in a line ends.
fn secret_key_end(line: &str) -> Option<usize> {
    let ends = SECRET_KEYS.iter().filter_map(|key| Some(line.find(key)? + key.len()));
    ends.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File::new(PathBuf::from("x.yaml"), text.to_owned())
    }

    #[test]
    fn a_hidden_value_moves_the_caret_and_is_not_shown() {
        let file = file("a: { password: hunter2, prot: 22 }\n");
        let spot = Spot { file: 0, line: 1, column: 25, start: 24, end: 28 };
        let hidden = std::iter::once(15..22).collect::<Vec<_>>();
        let excerpt = file.excerpt(spot, &hidden).unwrap();
        assert_eq!(excerpt.text, "a: { password: …, prot: 22 }");
        assert_eq!((excerpt.indent, excerpt.width), (18, 4));
    }

    #[test]
    fn without_a_tree_everything_after_a_secrets_key_is_hidden() {
        let file = file("vitable:\n  api_key: |\n    abc\n    def: ghi\n  timeout: 60s\n");
        let hidden = file.suspects();
        let shown = |line| {
            let spot = Spot { file: 0, line, column: 1, start: 0, end: 0 };
            file.excerpt(spot, &hidden).unwrap().text
        };
        assert_eq!(shown(2), "  api_key…");
        assert_eq!(shown(3), "    …");
        assert_eq!(shown(4), "    …");
        assert_eq!(shown(5), "  timeout: 60s");
    }
}
