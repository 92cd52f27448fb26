//! Numbers as they are written.

use std::borrow::Cow;

/// The longest run of digits that the parser keeps as it is written.
const DIGITS: usize = 18;

/// A JSON text in which every number that the parser would not keep as it is written (decimals, exponents, more than
/// 18 digits, `-0`) is a text instead. What is no JSON stays so.
pub(in crate::source) fn exact(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let (mut kept, mut from, mut at) = (String::new(), 0, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = after_text(bytes, at + 1),
            b'-' | b'0'..=b'9' => {
                let end = number_end(bytes, at);
                let number = text.get(at..end).unwrap_or_default();
                if is_number(number) && !is_plain(number) {
                    kept.push_str(text.get(from..at).unwrap_or_default());
                    kept.push('"');
                    kept.push_str(number);
                    kept.push('"');
                    from = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(kept)
}

/// The byte after a text that begins before `at`.
fn after_text(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

fn number_end(bytes: &[u8], from: usize) -> usize {
    let part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let length = bytes.get(from..).map_or(0, |rest| rest.iter().take_while(|byte| part(byte)).count());
    from + length.max(1)
}

/// Whether the parser gives it back as it is written.
fn is_plain(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    number != "-0" && digits.len() <= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it is a number in the grammar of RFC 8259: `01` and `1.` are none.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_stay_as_they_are_written() {
        for (written, kept) in [
            (r#"{"a": 1001, "b": 1001.0}"#, r#"{"a": 1001, "b": "1001.0"}"#),
            (r#"[1e3, -0, -7, 0, 0.10]"#, r#"["1e3", "-0", -7, 0, "0.10"]"#),
            ("[12345678901234567890]", r#"["12345678901234567890"]"#),
            (r#"{"a\"1.5": "2.50 \\", "b":1.50}"#, r#"{"a\"1.5": "2.50 \\", "b":"1.50"}"#),
            // What is no number is left for the parser to refuse.
            ("[01, 1., .5, 1e, --1]", "[01, 1., .5, 1e, --1]"),
            (r#"["open 1.5"#, r#"["open 1.5"#),
        ] {
            assert_eq!(exact(written), kept, "{written}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_without_a_panic_and_json_stays_json(text in r#"[\[\]{}":,\\0-9.eE+\-a é]{0,40}"#) {
            let kept = exact(&text);
            let before = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            // A number beyond every float is refused as a number and kept as a text.
            prop_assert!(!before || serde_json::from_str::<serde_json::Value>(&kept).is_ok());
        }
    }
}
