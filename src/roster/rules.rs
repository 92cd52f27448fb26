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

/// Checks one normalised, non-blank value against the contract.
///
/// # Errors
/// The rule that it breaks.
pub fn check(field: Field, value: &str) -> Result<(), Rule> {
    if value.is_empty() {
        return Err(Rule::Missing);
    }
    if value.len() > 255 && value.chars().count() > 255 {
        return Err(Rule::TooLong);
    }
    if value.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err(Rule::ControlCharacter);
    }
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
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let local_ok = !local.is_empty()
        && local.len() <= 64
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b));
    let labels_ok = domain.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    });
    let top_ok = domain
        .rsplit_once('.')
        .is_some_and(|(_, top)| top.len() >= 2 && !top.bytes().all(|b| b.is_ascii_digit()));
    local_ok && labels_ok && top_ok
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
        assert_eq!(check(Field::City, &"é".repeat(255)), Ok(()));
        assert_eq!(check(Field::City, &"é".repeat(256)), Err(Rule::TooLong));
    }
}
