//! The few values of a status, plan or group column: each is cleaned and looked up once, then known.

use super::text::{self, Shape};
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// Beyond this many different cells a column's values are no longer kept, only looked up: it is no list of
/// words, and memory must not grow with the file.
const KEPT: usize = 65_536;

/// A column's values are shown only when it has at most this many (`design.md`, Personal data).
const SHOWN: usize = 20;

/// What a word of a column means.
pub(super) trait Meaning: Copy {
    /// Whether the configuration does not list the word.
    fn unlisted(self) -> bool;
}

/// The words of one column, as they come.
#[derive(Debug)]
pub(super) struct Words<T> {
    index: HashMap<Box<str>, usize>,
    words: Vec<Word<T>>,
    room: String,
    overflowed: bool,
    beyond: (u64, Shape),
}

#[derive(Debug)]
struct Word<T> {
    text: Box<str>,
    meaning: T,
    rows: u64,
}

impl<T: Meaning> Words<T> {
    pub(super) fn new() -> Self {
        Self {
            index: HashMap::new(),
            words: Vec::new(),
            room: String::new(),
            overflowed: false,
            beyond: (0, Shape::default()),
        }
    }

    /// The meaning of a trimmed cell; `mean` is asked for each different cell once, and gets it cleaned.
    pub(super) fn look(&mut self, cell: &str, mean: impl FnOnce(&str) -> T) -> T {
        if let Some(word) = self.index.get(cell).and_then(|&at| self.words.get_mut(at)) {
            word.rows += 1;
            return word.meaning;
        }
        let text = text::clean(cell, &mut self.room);
        let meaning = mean(text);
        if self.words.len() < KEPT {
            self.words.push(Word { text: text.into(), meaning, rows: 1 });
            self.index.insert(cell.into(), self.words.len() - 1);
        } else {
            self.overflowed = true;
            if meaning.unlisted() {
                self.beyond.0 += 1;
                self.beyond.1.add(text);
            }
        }
        meaning
    }

    /// The words that the configuration does not list, with how many rows have each, the most frequent first.
    /// When the column has too many different values to be shown, one entry describes them; `column` is its
    /// place, from 1.
    pub(super) fn unlisted(&self, column: Option<usize>) -> Vec<(String, u64)> {
        let mut unlisted: BTreeMap<&str, u64> = BTreeMap::new();
        let mut different: Vec<&str> = Vec::new();
        for word in &self.words {
            if different.len() <= SHOWN && !word.text.is_empty() && !different.contains(&&*word.text) {
                different.push(&word.text);
            }
            if word.meaning.unlisted() {
                *unlisted.entry(&word.text).or_default() += word.rows;
            }
        }
        if different.len() <= SHOWN && !self.overflowed {
            let mut shown: Vec<_> =
                unlisted.into_iter().map(|(text, rows)| (text.to_owned(), rows)).collect();
            shown.sort_by_key(|&(_, rows)| std::cmp::Reverse(rows));
            return shown;
        }
        let (mut rows, mut shape) = self.beyond.clone();
        for (text, more) in unlisted {
            rows += more;
            shape.add(text);
        }
        if rows == 0 {
            return Vec::new();
        }
        let place = column.map_or_else(String::new, |column| format!("column {column}: "));
        vec![(format!("{place}{shape}"), rows)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Meaning for bool {
        fn unlisted(self) -> bool {
            !self
        }
    }

    #[test]
    fn few_values_are_named_many_are_only_described() {
        let mut words = Words::new();
        for cell in ["Active", "Actve", "Actve", "On  Leave", "On Leave", "On Leave", "Active"] {
            words.look(cell, |text| text == "Active");
        }
        let named = [("On Leave".to_owned(), 3), ("Actve".to_owned(), 2)];
        assert_eq!(words.unlisted(Some(3)), named);
        for number in 0..20 {
            words.look(&format!("n{number:02}"), |text| text == "Active");
        }
        let described = words.unlisted(Some(3));
        assert_eq!(described, [("column 3: 3 to 8 characters, letters, digits and spaces".to_owned(), 25)]);
    }

    #[test]
    fn memory_does_not_grow_with_the_file() {
        let mut words = Words::new();
        for number in 0..KEPT + 10 {
            words.look(&number.to_string(), |_| false);
        }
        assert_eq!(words.words.len(), KEPT);
        assert_eq!(words.unlisted(None).first().unwrap().1, (KEPT + 10) as u64);
    }
}
