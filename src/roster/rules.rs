//! Vitable's rules for one field (guide, "Group Member Sync", member fields), checked once, here.

use super::Field;
use chrono::NaiveDate;

/// The states and territories that Vitable takes, in the guide's spelling.
pub const US_STATES: [&str; 62] = [
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DC", "DE", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS",
    "KY", "LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC",
    "ND", "OH", "OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WI", "WV", "WY",
    "PR", "GU", "AS", "VI", "MP", "MH", "PW", "FM", "AE", "AA", "AP",
];

/// The rule that a value breaks. Never carries the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A required field is blank.
    Missing,
    /// More than 255 characters.
    TooLong,
    /// A control character stands in it.
    ControlCharacter,
    /// Not `YYYY-MM-DD` on the calendar.
    NotADate,
    /// Not ten digits.
    NotAPhone,
    /// Not a state or territory code.
    NotAState,
    /// Not `15222` or `15222-1234`.
    NotAZipcode,
    /// Not a mail address.
    NotAnEmail,
    /// Does not begin with `pln_` or `plan_`.
    NotAPlan,
}

impl Rule {
    /// What is expected, as the end of a sentence that begins with the column's name.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Missing => "is blank, and Vitable requires it",
            Self::TooLong => "has more than 255 characters",
            Self::ControlCharacter => "has a control character in it",
            Self::NotADate => "is not a date of the calendar",
            Self::NotAPhone => "is not a 10-digit US phone number",
            Self::NotAState => "is not a US state or territory",
            Self::NotAZipcode => "is not a ZIP code such as 15222 or 15222-1234",
            Self::NotAnEmail => "is not a mail address",
            Self::NotAPlan => "is not a plan id (`pln_…` or `plan_…`)",
        }
    }
}

impl Rule {
    /// The rule's name, as it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooLong => "too_long",
            Self::ControlCharacter => "control_character",
            Self::NotADate => "not_a_date",
            Self::NotAPhone => "not_a_phone",
            Self::NotAState => "not_a_state",
            Self::NotAZipcode => "not_a_zipcode",
            Self::NotAnEmail => "not_an_email",
            Self::NotAPlan => "not_a_plan",
        }
    }

    /// What a person who keeps the HR data does about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Missing => "fill it in",
            Self::TooLong => "shorten it to at most 255 characters",
            Self::ControlCharacter => "type it anew, without line breaks or invisible characters",
            Self::NotADate => "give day, month and year in the form that the other rows have",
            Self::NotAPhone => "give a US phone number of ten digits, area code first, without an extension",
            Self::NotAState => "give the two letters of the state or territory, such as NY",
            Self::NotAZipcode => {
                "give five digits or nine, such as 02108 or 15222-1234, in a column that is kept as text, so that zeros \
                 at the beginning stay"
            }
            Self::NotAnEmail => "give one mail address, such as name@company.example, or leave it blank",
            Self::NotAPlan => "give a plan that the benefits team has listed",
        }
    }
}

/// Checks one normalised, non-blank value against the contract.
///
/// # Errors
/// The rule that it breaks.
pub fn check(field: Field, value: &str) -> Result<(), Rule> {
    if value.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == 0x7f)) {
        // In the order of the rules: what is too long is that first.
        return Err(length(value).err().unwrap_or(Rule::ControlCharacter));
    }
    check_printable(field, value)
}

fn length(value: &str) -> Result<(), Rule> {
    if value.is_empty() {
        return Err(Rule::Missing);
    }
    if value.len() > 255 && value.chars().count() > 255 {
        return Err(Rule::TooLong);
    }
    Ok(())
}

/// As [`check`], for a value of which it is known that no control character stands in it.
///
/// # Errors
/// The rule that it breaks.
#[inline]
pub fn check_printable(field: Field, value: &str) -> Result<(), Rule> {
    length(value)?;
    let (holds, rule) = match field {
        Field::ReferenceId
        | Field::FirstName
        | Field::LastName
        | Field::AddressLine1
        | Field::AddressLine2
        | Field::City => return Ok(()),
        Field::DateOfBirth => (is_date(value), Rule::NotADate),
        Field::Phone => (is_digits(value, 10), Rule::NotAPhone),
        Field::Email => (is_email(value), Rule::NotAnEmail),
        Field::PlanId => (is_plan(value), Rule::NotAPlan),
        Field::State => (US_STATES.contains(&value), Rule::NotAState),
        Field::Zipcode => (is_zipcode(value), Rule::NotAZipcode),
    };
    if holds { Ok(()) } else { Err(rule) }
}

/// The characters of a mail address's local part (RFC 5321, Atom), and the dot.
#[expect(
    clippy::indexing_slicing,
    reason = "computed once, by the compiler, which would refuse a wrong index"
)]
const ATOM: [bool; 256] = {
    let mut atom = [false; 256];
    let (mut byte, others) = (0_u8, b".!#$%&'*+/=?^_`{|}~-");
    while byte < 128 {
        atom[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        atom[others[at] as usize] = true;
        at += 1;
    }
    atom
};

fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    if !(is_digits(year, 4) && is_digits(month, 2) && is_digits(day, 2)) {
        return false;
    }
    match (year.parse(), month.parse(), day.parse()) {
        (Ok(year), Ok(month), Ok(day)) => NaiveDate::from_ymd_opt(year, month, day).is_some(),
        _ => false,
    }
}

/// The same form as [`super::PlanId`], without building one for each of a million rows.
fn is_plan(text: &str) -> bool {
    text.starts_with("pln_") || text.starts_with("plan_")
}

fn is_zipcode(text: &str) -> bool {
    match text.split_once('-') {
        Some((zip, four)) => is_digits(zip, 5) && is_digits(four, 4),
        None => is_digits(text, 5),
    }
}

/// The shape that every mail server takes: a local part of RFC 5321's atom characters, one `@`, a dotted
/// domain of letters, digits and hyphens. Quoted local parts and address literals are refused: an HR export
/// has none, and a doubtful address would refuse the whole roster.
fn is_email(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(at) = bytes.iter().position(|&byte| byte == b'@') else {
        return false;
    };
    let (Some(local), Some(domain)) = (bytes.get(..at), bytes.get(at + 1..)) else {
        return false;
    };
    is_local_part(local) && is_domain(domain)
}

/// Atoms with single dots between them.
fn is_local_part(local: &[u8]) -> bool {
    let mut before = b'.';
    for &byte in local {
        if ATOM.get(usize::from(byte)) != Some(&true) || (byte == b'.' && before == b'.') {
            return false;
        }
        before = byte;
    }
    before != b'.' && local.len() <= 64
}

/// At least two labels; the last has two characters or more and is no number.
fn is_domain(domain: &[u8]) -> bool {
    let (mut labels, mut length, mut digits) = (0, 0, true);
    let mut before = b'.';
    for &byte in domain {
        match byte {
            b'.' if matches!(before, b'.' | b'-') => return false,
            b'.' => (labels, length, digits) = (labels + 1, 0, true),
            b'-' if before == b'.' => return false,
            b'-' => (length, digits) = (length + 1, false),
            _ if byte.is_ascii_alphanumeric() => {
                (length, digits) = (length + 1, digits && byte.is_ascii_digit());
            }
            _ => return false,
        }
        if length > 63 {
            return false;
        }
        before = byte;
    }
    before != b'-' && labels > 0 && length >= 2 && !digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_of_the_contract_takes_and_refuses() {
        let cases: [(Field, &str, Result<(), Rule>); 24] = [
            (Field::ReferenceId, "emp-1", Ok(())),
            (Field::ReferenceId, "", Err(Rule::Missing)),
            (Field::FirstName, "a\u{7}b", Err(Rule::ControlCharacter)),
            (Field::DateOfBirth, "1990-05-15", Ok(())),
            (Field::DateOfBirth, "1990-5-15", Err(Rule::NotADate)),
            (Field::DateOfBirth, "1990-02-30", Err(Rule::NotADate)),
            (Field::DateOfBirth, "05/15/1990", Err(Rule::NotADate)),
            (Field::Phone, "5551234567", Ok(())),
            (Field::Phone, "+15551234567", Err(Rule::NotAPhone)),
            (Field::Phone, "555123456", Err(Rule::NotAPhone)),
            (Field::State, "PA", Ok(())),
            (Field::State, "pa", Err(Rule::NotAState)),
            (Field::State, "UM", Err(Rule::NotAState)),
            (Field::Zipcode, "15222", Ok(())),
            (Field::Zipcode, "15222-1234", Ok(())),
            (Field::Zipcode, "15222-12", Err(Rule::NotAZipcode)),
            (Field::Zipcode, "1522", Err(Rule::NotAZipcode)),
            (Field::Email, "a.b+c@mail.example", Ok(())),
            (Field::Email, "a b@mail.example", Err(Rule::NotAnEmail)),
            (Field::Email, "a@mail", Err(Rule::NotAnEmail)),
            (Field::Email, "a@b@mail.example", Err(Rule::NotAnEmail)),
            (Field::PlanId, "pln_aBc", Ok(())),
            (Field::PlanId, "plan_aBc", Ok(())),
            (Field::PlanId, "Gold", Err(Rule::NotAPlan)),
        ];
        for (field, value, expected) in cases {
            assert_eq!(check(field, value), expected, "{field}: {value:?}");
        }
        for good in ["a@b.cd", "a.b@c-d.e-f.gh", "a'b@x.y2", "1@2.3x", &format!("a@{}.ab", "b".repeat(63))] {
            assert_eq!(check(Field::Email, good), Ok(()), "{good}");
        }
        let (long, label) = (format!("{}@b.cd", "a".repeat(65)), format!("a@{}.ab", "b".repeat(64)));
        for bad in [
            "@b.cd",
            "a@",
            ".a@b.cd",
            "a.@b.cd",
            "a..b@c.de",
            "a@b",
            "a@.bc",
            "a@b.",
            "a@b..cd",
            "a@-b.cd",
            "a@b-.cd",
            "a@b.cd-",
            "a@b.c",
            "a@b.12",
            "a@b_c.de",
            "a@b.cd@e.fg",
            "a\u{e9}@b.cd",
            "a@b.c\u{e9}",
            &long,
            &label,
        ] {
            assert_eq!(check(Field::Email, bad), Err(Rule::NotAnEmail), "{bad}");
        }
        assert_eq!(check(Field::City, &"é".repeat(255)), Ok(()));
        assert_eq!(check(Field::City, &"é".repeat(256)), Err(Rule::TooLong));
    }
}
