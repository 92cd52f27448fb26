//! What can be wrong with one value, in words that never carry it.

use crate::roster::Rule;

/// Why a value cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A rule of Vitable's contract is broken.
    Rule(Rule),
    /// A date in none of the listed forms.
    NoListedDate,
    /// Two listed formats read different days.
    TwoDays,
    /// A birth date after today.
    BornLater,
    /// A birth date more than [`super::date::OLDEST_YEARS`] back.
    BornLongAgo,
    /// A ZIP code of three or four digits, whose zeros may not be restored.
    ZerosLost,
    /// The mapping's `values` do not list it.
    NotInValues,
    /// The status is in neither list.
    UnknownStatus,
    /// The status is blank.
    BlankStatus,
    /// Covered by its status, and the end has passed, without a later start.
    EndedButCovered,
    /// An identifier in a spreadsheet's scientific notation.
    Scientific,
    /// A control character in an identifier.
    ControlInId,
    /// The expression of a field fails.
    FieldExpression,
    /// The expression of a field gives something that is not text.
    FieldNotText,
    /// `when` fails.
    WhenFails,
    /// `when` gives neither true nor false.
    WhenNotBool,
}

impl Fault {
    /// The rule of the contract, when one is broken.
    pub(super) const fn rule(self) -> Option<Rule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::NoListedDate => Some(Rule::NotADate),
            Self::ZerosLost => Some(Rule::NotAZipcode),
            Self::ControlInId => Some(Rule::ControlCharacter),
            Self::TwoDays
            | Self::BornLater
            | Self::BornLongAgo
            | Self::NotInValues
            | Self::UnknownStatus
            | Self::BlankStatus
            | Self::EndedButCovered
            | Self::Scientific
            | Self::FieldExpression
            | Self::FieldNotText
            | Self::WhenFails
            | Self::WhenNotBool => None,
        }
    }

    /// The end of a sentence that begins with the column's name, with what to do.
    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Rule(rule) => of_rule(rule),
            Self::NoListedDate => {
                "is not a date in a form that the mapping lists; correct it in the source, or add its `format`"
            }
            Self::TwoDays => {
                "is read as two different days by two listed formats; keep one of them in the mapping"
            }
            Self::BornLater => "is a date of birth in the future; correct it in the source",
            Self::BornLongAgo => "is a date of birth more than 110 years ago; correct it in the source",
            Self::ZerosLost => {
                "is a ZIP code that has lost its leading zeros; export it as text, or set `restore_zeros: true`"
            }
            Self::NotInValues => {
                "has a value that the mapping does not list; add it to `values`, or correct it in the source"
            }
            Self::UnknownStatus => {
                "is neither in `covered` nor in `ended`; add it to one of the two lists of `eligibility.status`"
            }
            Self::BlankStatus => {
                "is blank, which says neither covered nor ended; fill it in, or list it in `eligibility.status`"
            }
            Self::EndedButCovered => {
                "has passed, while the status says covered and no later start is given; correct the wrong one in the source"
            }
            Self::Scientific => "is in a spreadsheet's scientific notation; export the column as text",
            Self::ControlInId => "has a control character in it; correct it in the source",
            Self::FieldExpression => {
                "cannot be computed, since the expression fails on this row; correct the row or the expression"
            }
            Self::FieldNotText => {
                "cannot be computed, since the expression does not give text; let it give a string"
            }
            Self::WhenFails => {
                "cannot be judged, since the expression `when` fails on this row; correct the row or the expression"
            }
            Self::WhenNotBool => {
                "cannot be judged, since the expression `when` gives neither true nor false; let it compare something"
            }
        }
    }
}

const fn of_rule(rule: Rule) -> &'static str {
    match rule {
        Rule::Missing => "is blank, and Vitable requires it; fill it in at the source",
        Rule::TooLong => "has more than 255 characters; shorten it in the source",
        Rule::ControlCharacter => "has a control character in it; correct it in the source",
        Rule::NotADate => {
            "is not a date in the form `2024-12-31`; correct it in the source, or add its `format`"
        }
        Rule::NotAPhone => "is not a 10-digit US phone number; correct it in the source",
        Rule::NotAState => "is not a US state or territory; correct it in the source",
        Rule::NotAZipcode => "is not a ZIP code such as 15222 or 15222-1234; correct it in the source",
        Rule::NotAnEmail => "is not a mail address; correct it in the source",
        Rule::NotAPlan => {
            "is not a plan id (`pln_…` or `plan_…`); translate it with `values`, or correct it in the source"
        }
    }
}
