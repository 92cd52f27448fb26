//! US phone numbers, as people and spreadsheets write them.

use crate::roster::Rule;

/// Writes the ten digits of a phone number.
///
/// Cut away: punctuation, `+1` or a leading 1, an extension, a spreadsheet's `.0`. What is left has to be ten
/// digits; a number of another country or a letter in it is refused, never guessed at.
#[inline]
pub(super) fn normalise(text: &str, out: &mut String) -> Result<(), Rule> {
    let bytes = text.as_bytes();
    if bytes.len() == 10 && bytes.iter().all(u8::is_ascii_digit) {
        out.push_str(text);
        return Ok(());
    }
    let start = out.len();
    let number = without_extension(without_point_zero(text)).ok_or(Rule::NotAPhone)?;
    let (international, number) = match number.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    for c in number.chars() {
        match c {
            '0'..='9' => out.push(c),
            ' ' | '-' | '.' | '(' | ')' | '/' | ',' | ';' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
            _ => {
                out.truncate(start);
                return Err(Rule::NotAPhone);
            }
        }
    }
    let digits = out.len() - start;
    let leading_one = out.as_bytes().get(start) == Some(&b'1');
    match (digits, international) {
        (10, false) => Ok(()),
        (11, _) if leading_one => {
            out.remove(start);
            Ok(())
        }
        _ => {
            out.truncate(start);
            Err(Rule::NotAPhone)
        }
    }
}

/// A number cell that a spreadsheet wrote as a float: digits, then `.0`.
pub(super) fn without_point_zero(text: &str) -> &str {
    match text.strip_suffix(".0") {
        Some(whole) if !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit()) => whole,
        _ => text,
    }
}

/// The text before an extension such as `x123`, `ext. 5`, `#5`; nothing when letters mean something else.
fn without_extension(text: &str) -> Option<&str> {
    let Some(at) = text.find(|c: char| c.is_ascii_alphabetic() || c == '#') else {
        return Some(text);
    };
    let (head, tail) = text.split_at_checked(at)?;
    let digits = tail.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '#');
    let (word, digits) = tail.split_at_checked(tail.len() - digits.len())?;
    let known = ["x", "ext", "extn", "extension", "#"];
    if !known.iter().any(|each| word.eq_ignore_ascii_case(each)) {
        return None;
    }
    let digits = digits.trim_start_matches([' ', '.', ':', '=']);
    let number = digits.len() <= 7 && digits.bytes().all(|byte| byte.is_ascii_digit());
    number.then_some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_digits_are_found_or_the_number_is_refused() {
        let good = [
            "5551234567",
            "(555) 123-4567",
            "555.123.4567",
            "555-123-4567",
            "555\u{2013}123\u{2013}4567",
            "555/123-4567",
            "+1 555 123 4567",
            "+15551234567",
            "1-555-123-4567",
            "15551234567",
            "5551234567.0",
            "15551234567.0",
            "555-123-4567 x123",
            "555-123-4567x123",
            "(555)123-4567 ext. 5",
            "555-123-4567 EXT 5",
            "555-123-4567, extension: 1234",
            "+1-555-123-4567;ext=5",
            "555-123-4567 #9",
            "555-123-4567 x",
        ];
        for text in good {
            let mut out = String::new();
            assert_eq!(normalise(text, &mut out), Ok(()), "{text}");
            assert_eq!(out, "5551234567", "{text}");
        }
        let bad = [
            "555123456",
            "55512345678",
            "25551234567",
            "+5551234567",
            "+44 20 7946 0958",
            "0015551234567",
            "555-CALL-NOW",
            "555-123-4567 home",
            "555-123-4567 x12345678",
            "tel 555-123-4567",
            "555-123-4567 / 555-765-4321",
            "5551234567.5",
            "+1+5551234567",
            "５５５１２３４５６７",
            "-",
            "x",
        ];
        for text in bad {
            let mut out = String::new();
            assert_eq!(normalise(text, &mut out), Err(Rule::NotAPhone), "{text}");
            assert_eq!(out, "", "{text}");
        }
    }
}
