//! White space and Unicode form: what every cell goes through before anything looks at it.

use std::fmt::Write as _;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// Whether the character is white space or an invisible mark that exports leave behind: a zero-width space,
/// a word joiner, a byte order mark. The joiners of other scripts mean something and stay.
fn is_empty_space(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// The cell without the white space around it.
#[inline]
pub(super) fn trim(cell: &str) -> &str {
    let graphic = |byte: Option<&u8>| byte.is_none_or(|byte| (0x21..0x7f).contains(byte));
    let bytes = cell.as_bytes();
    if graphic(bytes.first()) && graphic(bytes.last()) {
        return cell;
    }
    cell.trim_matches(is_empty_space)
}

/// The trimmed cell with each inner run of white space as one space, invisible marks dropped, in Unicode's
/// form NFC. Plain text is given back as it is, without a copy; `room` is only used for the rest.
#[inline]
pub(super) fn clean<'a>(trimmed: &'a str, room: &'a mut String) -> &'a str {
    if is_plain(trimmed.as_bytes()) {
        return trimmed;
    }
    room.clear();
    let mut gap = false;
    for c in trimmed.chars() {
        if is_invisible(c) {
            continue;
        }
        if c.is_whitespace() {
            gap = true;
            continue;
        }
        if gap && !room.is_empty() {
            room.push(' ');
        }
        gap = false;
        room.push(c);
    }
    if !room.is_ascii() && !is_nfc(room) {
        let composed: String = room.nfc().collect();
        *room = composed;
    }
    room
}

/// [`clean`] for text of the configuration and of headers.
pub(super) fn cleaned(text: &str) -> String {
    let mut room = String::new();
    clean(trim(text), &mut room).to_owned()
}

/// Printable ASCII without two spaces in a row: nothing to do. Two folds without a branch, so that they are
/// vectorised.
#[inline]
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let printable = bytes.iter().fold(true, |all, &byte| all & (byte.wrapping_sub(0x20) < 0x5f));
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    let gap = pairs.fold(false, |found, (&one, &two)| found | ((one == b' ') & (two == b' ')));
    printable && !gap
}

/// What a text is made of, for messages that must not show it: lengths and kinds of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    shortest: Option<usize>,
    longest: usize,
    letters: bool,
    digits: bool,
    spaces: bool,
    others: bool,
    marks: Vec<char>,
}

impl Shape {
    /// The shape of one text.
    pub(super) fn of(text: &str) -> Self {
        let mut shape = Self::default();
        shape.add(text);
        shape
    }

    /// Takes one more text in.
    pub(super) fn add(&mut self, text: &str) {
        const SHOWN_MARKS: usize = 4;
        let length = text.chars().count();
        self.shortest = Some(self.shortest.map_or(length, |known| known.min(length)));
        self.longest = self.longest.max(length);
        for c in text.chars() {
            if c.is_alphabetic() {
                self.letters = true;
            } else if c.is_ascii_digit() {
                self.digits = true;
            } else if c.is_whitespace() {
                self.spaces = true;
            } else if c.is_ascii_punctuation() && self.marks.len() < SHOWN_MARKS {
                if !self.marks.contains(&c) {
                    self.marks.push(c);
                }
            } else if !self.marks.contains(&c) {
                self.others = true;
            }
        }
    }
}

/// What these texts are made of: lengths and kinds of characters, and nothing of them.
pub(crate) fn shape_of<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut shape = Shape::default();
    texts.for_each(|text| shape.add(text));
    shape.to_string()
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shortest = self.shortest.unwrap_or(0);
        if self.longest == 0 {
            return f.write_str("blank");
        }
        if shortest < self.longest {
            write!(f, "{shortest} to {} characters", self.longest)?;
        } else {
            let s = if self.longest == 1 { "" } else { "s" };
            write!(f, "{} character{s}", self.longest)?;
        }
        let mut parts: Vec<String> =
            [(self.letters, "letters"), (self.digits, "digits"), (self.spaces, "spaces")]
                .into_iter()
                .filter(|&(there, _)| there)
                .map(|(_, name)| name.to_owned())
                .collect();
        parts.extend(self.marks.iter().map(|mark| format!("`{mark}`")));
        if self.others {
            parts.push("other characters".to_owned());
        }
        let mut glue = ", ";
        for (index, part) in parts.iter().enumerate() {
            write!(f, "{glue}{part}")?;
            glue = if index + 2 == parts.len() { " and " } else { ", " };
        }
        Ok(())
    }
}

/// Names in backticks, joined as in a sentence.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        let glue = match index {
            0 => "",
            _ if index + 1 == names.len() => " and ",
            _ => ", ",
        };
        // Writing to a String cannot fail.
        if write!(text, "{glue}`{name}`").is_err() {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_trimmed_and_collapsed_and_text_is_composed() {
        let cases = [
            ("Ada", "Ada"),
            ("  Ada  ", "Ada"),
            ("Ada\u{a0}\u{a0} Quill", "Ada Quill"),
            ("\u{feff}Ada", "Ada"),
            ("A\u{200b}da", "Ada"),
            ("1 Elm St\r\n  Apt 2", "1 Elm St Apt 2"),
            ("\u{2003}Ada\u{3000}", "Ada"),
            ("Zoe\u{308}", "Zo\u{eb}"),
            ("a\u{7}b", "a\u{7}b"),
            ("a  b", "a b"),
            (" \u{200b} ", ""),
            ("", ""),
        ];
        for (cell, expected) in cases {
            assert_eq!(cleaned(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn plain_text_is_not_copied() {
        let mut room = String::new();
        let cell = "12 Long Street";
        assert!(std::ptr::eq(clean(cell, &mut room), cell));
        assert_eq!(room.capacity(), 0);
    }

    #[test]
    fn a_shape_tells_kinds_and_no_character_of_a_name() {
        let cases = [
            ("12/31/1999", "10 characters, digits and `/`"),
            ("Mary Quill", "10 characters, letters and spaces"),
            ("a1-b2", "5 characters, letters, digits and `-`"),
            ("7", "1 character, digits"),
            ("", "blank"),
        ];
        for (text, expected) in cases {
            assert_eq!(Shape::of(text).to_string(), expected);
        }
        let mut both = Shape::of("ab");
        both.add("1234");
        assert_eq!(both.to_string(), "2 to 4 characters, letters and digits");
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
