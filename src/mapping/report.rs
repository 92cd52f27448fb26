//! What a source's rows showed beside the people: for the report, for the guard, and proofs that the read
//! is incomplete.

use crate::roster::RowAt;
use std::collections::BTreeMap;

/// How many rows a finding lists; all of them are counted.
const LISTED_ROWS: usize = 50;

/// What was seen while the rows of one source were mapped. Carries no personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapReport {
    /// Data rows.
    pub rows: u64,
    /// Rows of valid, eligible members, before rows of the same person are brought together.
    pub eligible: u64,
    /// Rows that say that the person has left.
    pub ended: u64,
    /// Rows whose `when` is false or whose start lies ahead.
    pub ineligible: u64,
    /// Rows that cannot be used, the nameless ones among them.
    pub unusable: u64,
    /// Rows whose `reference_id` is blank or invalid.
    pub nameless: u64,
    /// For each mapped column, as the configuration names it: in how many rows it is not blank.
    pub filled: BTreeMap<String, u64>,
    /// Repairs by name, with how many rows each was done in, such as "zipcodes whose leading zeros were
    /// restored".
    pub repairs: BTreeMap<String, u64>,
    /// Values of the status column in neither list, with their rows, the most frequent first; one entry that
    /// describes them when the column has more than 20 different values.
    pub unknown_statuses: Vec<(String, u64)>,
    /// Values of the group column that name no group, likewise.
    pub unlisted_groups: Vec<(String, u64)>,
    /// Values of the plan column that give no plan, likewise.
    pub unlisted_plans: Vec<(String, u64)>,
    /// The `reference_id` column looks like social security numbers or mail addresses, and the configuration
    /// does not say what to do then: the read is incomplete. Names the column and the two ways out.
    pub sensitive_ids: Option<String>,
    /// Rows whose identifier is in scientific notation, at most 50: the read is incomplete.
    pub scientific_ids: Vec<RowAt>,
    /// How many rows have such an identifier.
    pub scientific_rows: u64,
}

impl MapReport {
    /// Everything in these rows that proves that the read is incomplete (`config.md`, Incomplete), in words.
    #[must_use]
    pub fn proofs(&self) -> Vec<String> {
        let mut proofs: Vec<String> = self.sensitive_ids.iter().cloned().collect();
        if let Some(first) = self.scientific_ids.first() {
            proofs.push(format!(
                "{} rows have an identifier in a spreadsheet's scientific notation, the first in line {}: its digits are lost; export the column as text",
                self.scientific_rows, first.line
            ));
        }
        proofs
    }

    pub(super) fn add_scientific(&mut self, at: RowAt) {
        self.scientific_rows += 1;
        if self.scientific_ids.len() < LISTED_ROWS {
            self.scientific_ids.push(at);
        }
    }
}

/// Whether identifiers are of a sensitive kind, counted over all rows.
#[derive(Debug, Default)]
pub(super) struct Sensitivity {
    ids: u64,
    social_security: u64,
    mail: u64,
}

/// The kind of identifier that must not become a member's key unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `123-45-6789`, with or without its dashes.
    SocialSecurity,
    /// Something with an `@` and a dotted domain.
    Mail,
}

impl Sensitivity {
    pub(super) fn add(&mut self, id: &str) {
        self.ids += 1;
        match kind(id) {
            Some(Kind::SocialSecurity) => self.social_security += 1,
            Some(Kind::Mail) => self.mail += 1,
            None => {}
        }
    }

    /// What most of the identifiers are: more than half of them.
    pub(super) fn verdict(&self) -> Option<&'static str> {
        if self.social_security * 2 > self.ids {
            Some("social security numbers")
        } else if self.mail * 2 > self.ids {
            Some("mail addresses")
        } else {
            None
        }
    }
}

/// Whether a text is a mail address or has the form of a social security number, whether or not that was ever given out:
/// it is never shown.
pub(crate) fn looks_personal(text: &str) -> bool {
    let number: String =
        text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    text.contains('@') || number == "000-00-0000"
}

/// What an identifier looks like. A number that was never given out (area 000, 666 or 9xx, group 00, serial
/// 0000) is no social security number, so that numbers filled up with zeros pass.
pub(super) fn kind(id: &str) -> Option<Kind> {
    let bytes = id.as_bytes();
    if bytes.contains(&b'@') {
        let (local, domain) = id.split_once('@')?;
        let mail = !local.is_empty() && domain.contains('.') && !id.contains(' ');
        return mail.then_some(Kind::Mail);
    }
    if !matches!(bytes.len(), 9..=11) {
        return None;
    }
    let mut parts = [0_u32; 3];
    let mut rest = bytes;
    for (part, digits) in parts.iter_mut().zip([3, 2, 4]) {
        let (head, tail) = rest.split_at_checked(digits)?;
        if !head.iter().all(u8::is_ascii_digit) {
            return None;
        }
        *part = head.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
        rest = match tail.split_first() {
            Some((b'-', after)) if digits < 4 => after,
            _ => tail,
        };
    }
    let [area, group, serial] = parts;
    let given = area != 0 && area != 666 && area < 900 && group != 0 && serial != 0;
    (rest.is_empty() && given).then_some(Kind::SocialSecurity)
}

/// `^\d(\.\d+)?E\+\d+$`: what a spreadsheet makes of a long number or of `123E45`. Its digits are lost.
pub(super) fn is_scientific(id: &str) -> bool {
    let Some((mantissa, exponent)) = id.split_once("E+").or_else(|| id.split_once("e+")) else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some((whole, fraction)) => whole.len() == 1 && digits(whole) && digits(fraction),
        None => mantissa.len() == 1 && digits(mantissa),
    };
    mantissa_ok && digits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensitive_identifiers_are_told_from_employee_numbers() {
        let cases = [
            ("219-09-9999", Some(Kind::SocialSecurity)),
            ("219099999", Some(Kind::SocialSecurity)),
            ("219-099999", Some(Kind::SocialSecurity)),
            ("000123456", None),
            ("900-12-3456", None),
            ("666-12-3456", None),
            ("219-00-9999", None),
            ("219-09-0000", None),
            ("2190999991", None),
            ("219-09-99990", None),
            ("E219099999", None),
            ("219--09999", None),
            ("12345", None),
            ("é12345678", None),
            ("ada@mail.example", Some(Kind::Mail)),
            ("a@b", None),
            ("@mail.example", None),
        ];
        for (id, expected) in cases {
            assert_eq!(kind(id), expected, "{id}");
        }
    }

    #[test]
    fn half_of_the_rows_is_not_most_of_them() {
        let mut seen = Sensitivity::default();
        assert_eq!(seen.verdict(), None);
        for id in ["219-09-9999", "e-1"] {
            seen.add(id);
        }
        assert_eq!(seen.verdict(), None);
        seen.add("219-09-9998");
        assert_eq!(seen.verdict(), Some("social security numbers"));
    }

    #[test]
    fn scientific_notation_is_recognised() {
        for id in ["1.23E+47", "1E+5", "9.0e+10"] {
            assert!(is_scientific(id), "{id}");
        }
        for id in ["123E45", "1.23E-4", "12.3E+4", "E+5", "1.E+5", "1E+", "A1E+5", "1.23"] {
            assert!(!is_scientific(id), "{id}");
        }
    }
}
