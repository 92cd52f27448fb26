//! Takes people out of Vitable's text before it is kept (`design.md`, Personal data).

use crate::{
    decide::Submission,
    roster::{Field, RecordRef},
};
use std::collections::{HashMap, HashSet};

/// How many characters of a text are kept.
const KEPT: usize = 500;
/// How many are looked at: a value that begins among the kept ones ends here, since none is longer than 255.
const LOOKED_AT: usize = KEPT + 256;
/// What stands for whatever was taken out.
const GONE: char = '…';
/// What begins an id of Vitable's.
const ID_PREFIXES: [&str; 6] = ["pln_", "plan_", "grp_", "org_", "grpmsr_", "grpmbr_"];

/// The text without personal data, at most 500 characters of it.
///
/// Every one of `values` that stands in the text as a whole (not as part of a longer word), quoted strings,
/// and runs of four or more digits become `…`; Vitable's ids stay, and so do the contract's field names in
/// quotes. Case does not matter, but for values of two capital letters: `OR` is Oregon, `or` is a word.
/// Values of one character are passed over.
#[must_use]
pub fn scrub<'a>(text: &str, values: impl Iterator<Item = &'a str>) -> String {
    scrub_all(&[text], values).pop().unwrap_or_default()
}

/// [`scrub`] for many texts with one pass over the values; the result is in the order of the texts.
///
/// The room needed grows with the texts: give each distinct text once, and some hundreds at a time.
#[must_use]
pub fn scrub_all<'a>(texts: &[&str], values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut scrubber = Scrubber::new(texts);
    scrubber.take_out(values);
    scrubber.finish()
}

/// [`scrub_all`] for values that come a few at a time.
pub struct Scrubber {
    drafts: Vec<Draft>,
    /// Where each stretch of the texts stands: the draft, its beginning and its end.
    spans: HashMap<String, Vec<(usize, usize, usize)>>,
    lengths: HashSet<usize>,
}

impl Scrubber {
    /// For these texts.
    #[must_use]
    pub fn new(texts: &[&str]) -> Self {
        let drafts: Vec<Draft> = texts.iter().map(|text| Draft::new(text)).collect();
        // The texts are short and the rosters long: what is looked up are the values, in the spans of the texts.
        let mut spans: HashMap<String, Vec<(usize, usize, usize)>> = HashMap::new();
        for (index, draft) in drafts.iter().enumerate() {
            draft.spans(|folded, start, end| spans.entry(folded).or_default().push((index, start, end)));
        }
        let lengths = spans.keys().map(String::len).collect();
        Self { drafts, spans, lengths }
    }

    /// Takes these values out of the texts, wherever they stand in what was given.
    pub fn take_out<'a>(&mut self, values: impl Iterator<Item = &'a str>) {
        let mut folded = String::new();
        for value in values {
            let value = value.trim();
            folded.clear();
            folded.extend(value.chars().map(fold));
            if !self.lengths.contains(&folded.len()) || value.chars().nth(1).is_none() {
                continue;
            }
            let exact = value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase());
            for &(index, start, end) in self.spans.get(&folded).into_iter().flatten() {
                if let Some(draft) = self.drafts.get_mut(index)
                    && (!exact || draft.says(start, end, value))
                {
                    draft.take_out(start, end);
                }
            }
        }
    }

    /// The texts in their order, less what is quoted and what is a number: values are whole until here.
    #[must_use]
    pub fn finish(self) -> Vec<String> {
        self.drafts.into_iter().map(Draft::finish).collect()
    }
}

/// [`scrub`] with every value of the submission but its reference ids and plan ids.
#[must_use]
pub fn scrub_for(text: &str, submission: &Submission) -> String {
    let records = submission.members().map(|member| member.record);
    scrub(text, records.flat_map(values_of))
}

/// The values of a member that must not be shown: all but `reference_id` and `plan_id`.
pub fn values_of(record: RecordRef<'_>) -> impl Iterator<Item = &str> {
    Field::ALL
        .into_iter()
        .filter(|field| !matches!(field, Field::ReferenceId | Field::PlanId))
        .map(move |field| record.get(field))
        .filter(|value| !value.is_empty())
}

/// One character for one, so that places in the folded text are places in the text.
fn fold(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// A text on its way to be kept: its characters, and which of them go.
struct Draft {
    chars: Vec<char>,
    gone: Vec<bool>,
    cut: bool,
}

impl Draft {
    fn new(text: &str) -> Self {
        let chars: Vec<char> =
            text.chars().take(LOOKED_AT).map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { gone: vec![false; chars.len()], cut: text.chars().nth(KEPT).is_some(), chars }
    }

    fn at(&self, index: usize) -> Option<char> {
        self.chars.get(index).copied()
    }

    fn alphanumeric(&self, index: Option<usize>) -> bool {
        index.and_then(|index| self.at(index)).is_some_and(char::is_alphanumeric)
    }

    /// Whether a word may begin or end before this character.
    fn is_edge(&self, index: usize) -> bool {
        !(self.alphanumeric(index.checked_sub(1)) && self.alphanumeric(Some(index)))
    }

    /// Every stretch from edge to edge that could be a value, folded.
    fn spans(&self, mut found: impl FnMut(String, usize, usize)) {
        let edges: Vec<usize> = (0..=self.chars.len()).filter(|&index| self.is_edge(index)).collect();
        for (nth, &start) in edges.iter().enumerate() {
            if start >= KEPT || self.at(start).is_none_or(char::is_whitespace) {
                continue;
            }
            let ends = edges.iter().skip(nth + 1).take_while(|&&end| end - start <= 255);
            for &end in ends.filter(|&&end| end - start >= 2) {
                if let Some(span) = self.chars.get(start..end) {
                    found(span.iter().copied().map(fold).collect(), start, end);
                }
            }
        }
    }

    fn says(&self, start: usize, end: usize, value: &str) -> bool {
        self.chars.get(start..end).is_some_and(|span| span.iter().copied().eq(value.chars()))
    }

    fn take_out(&mut self, start: usize, end: usize) {
        if let Some(span) = self.gone.get_mut(start..end) {
            span.fill(true);
        }
    }

    fn finish(mut self) -> String {
        self.take_out_quoted();
        self.take_out_digits();
        let mut text = String::new();
        let mut before = false;
        let kept = if self.cut { KEPT - 1 } else { KEPT };
        for (&c, &gone) in self.chars.iter().zip(&self.gone).take(kept) {
            if !gone {
                text.push(c);
            } else if !before {
                text.push(GONE);
            }
            before = gone;
        }
        if self.cut && !before {
            text.push(GONE);
        }
        text
    }

    /// Quoted strings, with their quotes. One that does not end goes to the end of the text.
    fn take_out_quoted(&mut self) {
        let mut at = 0;
        while let Some(open) = self.at(at) {
            let close = match open {
                '"' | '`' => open,
                // An apostrophe inside a word opens nothing.
                '\'' if !self.alphanumeric(at.checked_sub(1)) => '\'',
                '“' => '”',
                '‘' => '’',
                _ => {
                    at += 1;
                    continue;
                }
            };
            let closes = |index: &usize| {
                self.at(*index) == Some(close) && (close != '\'' || !self.alphanumeric(Some(index + 1)))
            };
            let end = (at + 1..self.chars.len()).find(closes);
            let inside: String =
                self.chars.get(at + 1..end.unwrap_or(self.chars.len())).unwrap_or_default().iter().collect();
            let harmless = inside.is_empty() || is_id(&inside) || is_field(&inside);
            let after = end.map_or(self.chars.len(), |end| end + 1);
            if !(harmless && end.is_some()) {
                self.take_out(at, after);
            }
            at = after;
        }
    }

    /// Runs of four or more digits, and numbers written in groups (`555-123-4567`) of seven or more together,
    /// unless they are part of an id.
    fn take_out_digits(&mut self) {
        let mut at = 0;
        while at < self.chars.len() {
            let token = self.chars.iter().skip(at).take_while(|c| is_token(**c)).count();
            if self.is_edge(at) && token > 0 {
                let word: String = self.chars.iter().skip(at).take(token).collect();
                if is_id(&word) {
                    at += token;
                    continue;
                }
            }
            if !self.at(at).is_some_and(|c| c.is_ascii_digit()) {
                at += 1;
                continue;
            }
            let (end, digits, longest) = self.number(at);
            if longest >= 4 || digits >= 7 {
                self.take_out(at, end);
            }
            at = end;
        }
    }

    /// The number in groups that begins here: where it ends, its digits, and those of its longest run.
    fn number(&self, start: usize) -> (usize, usize, usize) {
        let (mut end, mut digits, mut longest) = (start, 0, 0);
        let mut next = start;
        loop {
            let rest = self.chars.iter().skip(next);
            let run = rest.take_while(|c| c.is_ascii_digit()).count();
            if run == 0 {
                return (end, digits, longest);
            }
            digits += run;
            longest = longest.max(run);
            end = next + run;
            let gap = self.chars.iter().skip(end).take_while(|c| "-./ ()".contains(**c)).count();
            if gap == 0 || gap > 2 {
                return (end, digits, longest);
            }
            next = end + gap;
        }
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn is_id(word: &str) -> bool {
    ID_PREFIXES.iter().any(|prefix| word.len() > prefix.len() && word.starts_with(prefix))
        && word.chars().all(is_token)
}

/// A field of the contract, also as a path: `members[3].address.zipcode`.
fn is_field(text: &str) -> bool {
    let known = |part: &str| {
        part.is_empty()
            || ["members", "address"].contains(&part)
            || (part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit()))
            || Field::ALL.iter().any(|field| field.name() == part)
    };
    text.split(['.', '[', ']']).all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [&str; 9] = [
        "Ada",
        "Quill-Doe",
        "5551234567",
        "1990-05-15",
        "ada@mail.example",
        "12 Elm Street #5",
        "Troy",
        "OR",
        "A",
    ];

    fn scrubbed(text: &str) -> String {
        scrub(text, VALUES.into_iter())
    }

    #[test]
    fn values_of_the_roster_go_whatever_their_case_and_words_that_contain_them_stay() {
        for (text, expected) in [
            ("member ada QUILL-DOE was refused", "member … … was refused"),
            ("12 elm street #5, troy: bad", "…, …: bad"),
            ("Adams of Troyes", "Adams of Troyes"),
            ("ADA's address", "…'s address"),
            ("mail=ada@mail.example;", "mail=…;"),
            ("born 1990-05-15", "born …"),
            ("state OR is wrong, or missing", "state … is wrong, or missing"),
            ("A plan", "A plan"),
            ("", ""),
        ] {
            assert_eq!(scrubbed(text), expected, "{text}");
        }
    }

    #[test]
    fn quotes_and_digits_go_and_ids_and_field_names_stay() {
        for (text, expected) in [
            ("Plan pln_1234567 not found", "Plan pln_1234567 not found"),
            ("Plan \"plan_98765\" not found", "Plan \"plan_98765\" not found"),
            ("got \"Zed\" and 'Zed Zed' and `Zed` and “Zed”", "got … and … and … and …"),
            ("the member's phone isn't 10 digits", "the member's phone isn't 10 digits"),
            ("'members[3].phone' is invalid", "'members[3].phone' is invalid"),
            ("phone (555) 987-6543 or 555.987.6543", "phone (… or …"),
            ("+15559876543 at 15222-1234", "+…"),
            ("row 17 of 999", "row 17 of 999"),
            ("xpln_12345", "xpln_…"),
            ("cut off: \"Zed Zo", "cut off: …"),
        ] {
            let found = scrubbed(text);
            if text.contains(" at ") {
                assert_eq!(found, "+… at …");
            } else {
                assert_eq!(found, expected, "{text}");
            }
        }
    }

    #[test]
    fn a_long_text_is_cut_and_a_value_across_the_cut_does_not_show() {
        let text = format!("{}12 Elm Street #5 and more{}", "x ".repeat(247), " y".repeat(400));
        let found = scrubbed(&text);
        assert!(found.chars().count() <= KEPT);
        assert!(found.ends_with('…') && !found.contains("12"), "{found}");
        assert_eq!(scrubbed(&"z".repeat(600)).chars().count(), KEPT);
        assert_eq!(scrubbed(&"z".repeat(KEPT)), "z".repeat(KEPT));
    }

    #[test]
    fn many_texts_are_scrubbed_in_one_pass_in_their_order() {
        let found = scrub_all(&["Ada left", "fine", "Troy"], VALUES.into_iter());
        assert_eq!(found, ["… left", "fine", "…"]);
    }

    #[test]
    fn values_that_come_one_by_one_are_looked_for_in_the_whole_text() {
        let texts = ["Ada of 1234 Elm Street left", "the \"Elm\" of Troy"];
        let all = ["Ada", "Troy", "1234 Elm Street"];
        let mut scrubber = Scrubber::new(&texts);
        all.into_iter().for_each(|value| scrubber.take_out([value].into_iter()));
        let found = scrubber.finish();
        assert_eq!(found, ["… of … left", "the … of …"]);
        assert_eq!(found, scrub_all(&texts, all.into_iter()));
    }
}
