//! States and ZIP codes.

use super::phone::without_point_zero;
use super::problem::Fault;
use crate::roster::{Rule, US_STATES};

/// Names of states and territories, in small letters and without dots, sorted, with the code that Vitable takes.
const NAMES: [(&str, &str); 71] = [
    ("alabama", "AL"),
    ("alaska", "AK"),
    ("american samoa", "AS"),
    ("arizona", "AZ"),
    ("arkansas", "AR"),
    ("armed forces americas", "AA"),
    ("armed forces europe", "AE"),
    ("armed forces pacific", "AP"),
    ("california", "CA"),
    ("colorado", "CO"),
    ("connecticut", "CT"),
    ("delaware", "DE"),
    ("district of columbia", "DC"),
    ("federated states of micronesia", "FM"),
    ("florida", "FL"),
    ("georgia", "GA"),
    ("guam", "GU"),
    ("hawaii", "HI"),
    ("idaho", "ID"),
    ("illinois", "IL"),
    ("indiana", "IN"),
    ("iowa", "IA"),
    ("kansas", "KS"),
    ("kentucky", "KY"),
    ("louisiana", "LA"),
    ("maine", "ME"),
    ("marshall islands", "MH"),
    ("maryland", "MD"),
    ("massachusetts", "MA"),
    ("michigan", "MI"),
    ("micronesia", "FM"),
    ("minnesota", "MN"),
    ("mississippi", "MS"),
    ("missouri", "MO"),
    ("montana", "MT"),
    ("nebraska", "NE"),
    ("nevada", "NV"),
    ("new hampshire", "NH"),
    ("new jersey", "NJ"),
    ("new mexico", "NM"),
    ("new york", "NY"),
    ("north carolina", "NC"),
    ("north dakota", "ND"),
    ("northern mariana islands", "MP"),
    ("ohio", "OH"),
    ("oklahoma", "OK"),
    ("oregon", "OR"),
    ("palau", "PW"),
    ("pennsylvania", "PA"),
    ("puerto rico", "PR"),
    ("republic of palau", "PW"),
    ("republic of the marshall islands", "MH"),
    ("rhode island", "RI"),
    ("south carolina", "SC"),
    ("south dakota", "SD"),
    ("tennessee", "TN"),
    ("texas", "TX"),
    ("united states virgin islands", "VI"),
    ("us virgin islands", "VI"),
    ("utah", "UT"),
    ("vermont", "VT"),
    ("virgin islands", "VI"),
    ("virgin islands of the us", "VI"),
    ("virgin islands us", "VI"),
    ("virginia", "VA"),
    ("washington", "WA"),
    ("washington dc", "DC"),
    ("washington, dc", "DC"),
    ("west virginia", "WV"),
    ("wisconsin", "WI"),
    ("wyoming", "WY"),
];

/// Writes the two-letter code of a state or territory, given by code or by name in any case.
pub(super) fn state(text: &str, out: &mut String) -> Result<(), Rule> {
    if let &[a, b] = text.as_bytes() {
        return code([a, b], out);
    }
    // ISO 3166-2, as some systems export it.
    if let Some((country, part)) = text.split_once('-')
        && country.eq_ignore_ascii_case("us")
        && let &[a, b] = part.as_bytes()
    {
        return code([a, b], out);
    }
    let start = out.len();
    out.extend(text.chars().filter(|&c| c != '.').map(|c| c.to_ascii_lowercase()));
    let name = out.get(start..).unwrap_or("");
    let found = if name == "dc" {
        Some("DC")
    } else {
        let at = NAMES.binary_search_by(|(known, _)| (*known).cmp(name));
        at.ok().and_then(|at| NAMES.get(at)).map(|&(_, code)| code)
    };
    out.truncate(start);
    found.map(|code| out.push_str(code)).ok_or(Rule::NotAState)
}

/// For each first letter the second ones of the codes, a bit for each.
#[expect(
    clippy::indexing_slicing,
    reason = "computed once, by the compiler, which would refuse a wrong index"
)]
const CODES: [u32; 26] = {
    let mut codes = [0; 26];
    let mut at = 0;
    while at < US_STATES.len() {
        let code = US_STATES[at].as_bytes();
        codes[(code[0] - b'A') as usize] |= 1 << (code[1] - b'A');
        at += 1;
    }
    codes
};

fn code(letters: [u8; 2], out: &mut String) -> Result<(), Rule> {
    let [first, second] = letters.map(|letter| letter.to_ascii_uppercase());
    let seconds = CODES.get(usize::from(first.wrapping_sub(b'A'))).copied().unwrap_or(0);
    if !second.is_ascii_uppercase() || seconds & (1 << (second - b'A')) == 0 {
        return Err(Rule::NotAState);
    }
    out.push(char::from(first));
    out.push(char::from(second));
    Ok(())
}

/// Writes a ZIP code as `15222` or `15222-1234`; returns whether leading zeros were restored.
pub(super) fn zipcode(text: &str, restore_zeros: bool, out: &mut String) -> Result<bool, Fault> {
    let text = without_point_zero(text);
    let bytes = text.as_bytes();
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if bytes.len() == 5 && digits(text) {
        out.push_str(text);
        return Ok(false);
    }
    let (zip, four) = match text.split_once(['-', '\u{2010}', '\u{2011}', '\u{2013}']) {
        // A dash without anything after it is an empty ZIP+4 part.
        Some((zip, four)) => (zip.trim_end(), four.trim_start()),
        None if bytes.len() == 9 => text.split_at_checked(5).unwrap_or((text, "")),
        None => (text, ""),
    };
    if !(digits(zip) && digits(four) && matches!(four.len(), 0 | 4)) {
        return Err(Fault::Rule(Rule::NotAZipcode));
    }
    let zeros = match zip.len() {
        5 => "",
        3 | 4 if !restore_zeros => return Err(Fault::ZerosLost),
        4 => "0",
        3 => "00",
        _ => return Err(Fault::Rule(Rule::NotAZipcode)),
    };
    out.push_str(zeros);
    out.push_str(zip);
    if !four.is_empty() {
        out.push('-');
        out.push_str(four);
    }
    Ok(!zeros.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{Field, check};

    #[test]
    fn the_names_are_sorted_and_their_codes_are_the_contracts() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        for (name, code) in NAMES {
            assert!(US_STATES.contains(&code), "{name}");
        }
        for code in US_STATES {
            assert!(NAMES.iter().any(|(_, known)| *known == code), "{code}");
        }
    }

    #[test]
    fn exactly_the_codes_of_the_contract_are_codes() {
        for first in 0..=127 {
            for second in 0..=127 {
                let (text, mut out) =
                    ([first, second].map(char::from).iter().collect::<String>(), String::new());
                let upper = text.to_ascii_uppercase();
                let known = US_STATES.contains(&upper.as_str());
                assert_eq!((code([first, second], &mut out).is_ok(), out == upper), (known, known), "{text}");
            }
        }
    }

    #[test]
    fn states_come_by_code_and_by_name_in_any_case() {
        let cases = [
            ("PA", Some("PA")),
            ("pa", Some("PA")),
            ("Pennsylvania", Some("PA")),
            ("NEW YORK", Some("NY")),
            ("US-PA", Some("PA")),
            ("D.C.", Some("DC")),
            ("Washington, D.C.", Some("DC")),
            ("U.S. Virgin Islands", Some("VI")),
            ("Puerto Rico", Some("PR")),
            ("Armed Forces Europe", Some("AE")),
            ("ON", None),
            ("UM", None),
            ("Penn", None),
            ("P A", None),
            ("zz", None),
            ("éé", None),
        ];
        for (text, expected) in cases {
            let mut out = String::new();
            let found = state(text, &mut out);
            match expected {
                Some(code) => assert_eq!((found, out.as_str()), (Ok(()), code), "{text}"),
                None => assert_eq!((found, out.as_str()), (Err(Rule::NotAState), ""), "{text}"),
            }
        }
    }

    #[test]
    fn zip_codes_are_written_as_the_contract_wants_them() {
        let wrong = Err(Fault::Rule(Rule::NotAZipcode));
        let lost = Err(Fault::ZerosLost);
        let cases = [
            ("15222", false, Ok(false), "15222"),
            ("15222-1234", false, Ok(false), "15222-1234"),
            ("152221234", false, Ok(false), "15222-1234"),
            ("15222 - 1234", false, Ok(false), "15222-1234"),
            ("15222\u{2013}1234", false, Ok(false), "15222-1234"),
            ("15222-", false, Ok(false), "15222"),
            ("15222.0", false, Ok(false), "15222"),
            ("2108", true, Ok(true), "02108"),
            ("2108.0", true, Ok(true), "02108"),
            ("501", true, Ok(true), "00501"),
            ("2108-1234", true, Ok(true), "02108-1234"),
            ("15222", true, Ok(false), "15222"),
            ("2108", false, lost, ""),
            ("21", true, wrong, ""),
            ("152223", true, wrong, ""),
            ("15222-12", true, wrong, ""),
            ("15222+1234", true, wrong, ""),
            ("K1A 0B1", true, wrong, ""),
            ("1522é", true, wrong, ""),
            ("-", true, wrong, ""),
        ];
        for (text, restore, expected, value) in cases {
            let mut out = String::new();
            assert_eq!(zipcode(text, restore, &mut out), expected, "{text}");
            assert_eq!(out, value, "{text}");
            assert!(out.is_empty() || check(Field::Zipcode, &out).is_ok());
        }
    }
}
