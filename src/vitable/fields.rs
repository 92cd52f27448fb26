//! Which fields of which members a refusal names. No shape of it is promised, so every one that is known is
//! understood, and none is trusted: what does not point at a member of the roster that was sent is passed over.

use super::scrub::{scrub_all, values_of};
use crate::{
    decide::Submission,
    roster::{Field, ReferenceId},
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};

/// How many failing fields are brought back to their members, and how many different texts are kept.
const FIELDS: usize = 1_000;
const TEXTS: usize = 200;
/// How deep a body is looked into.
const DEPTH: usize = 12;

/// One field of one member that Vitable refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedField {
    /// Whose.
    pub reference_id: ReferenceId,
    /// Which; `None` when only the member is named.
    pub field: Option<Field>,
    /// Vitable's words about it, scrubbed; empty when it has none.
    pub what: String,
}

/// The failing fields that the body of a refusal names.
pub(super) fn refused_fields(body: &Value, roster: &Submission) -> Vec<RefusedField> {
    let mut texts = Vec::new();
    flatten(body, &mut Vec::new(), &mut texts);
    // Both `message` and `error` have the same text in the library's shape.
    let mut seen = HashSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    let clauses: Vec<Clause<'_>> = texts.iter().flat_map(|text| clauses(text)).map(Clause::read).collect();
    let known = Known::among(&clauses, roster);
    let mut found: BTreeMap<(ReferenceId, Option<Field>), &str> = BTreeMap::new();
    for clause in &clauses {
        if found.len() >= FIELDS {
            break;
        }
        if let Some((id, field)) = clause.whose(&known, roster) {
            found.entry((id, field)).or_insert(clause.rest);
        }
    }
    let mut distinct: Vec<&str> = found.values().copied().collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.truncate(TEXTS);
    let clean = scrub_all(&distinct, roster.members().flat_map(|member| values_of(member.record)));
    let clean: HashMap<&str, String> = distinct.into_iter().zip(clean).collect();
    let field = |((reference_id, field), rest): ((ReferenceId, Option<Field>), &str)| RefusedField {
        reference_id,
        field,
        what: clean.get(rest).map(|text| sentence(text)).unwrap_or_default(),
    };
    found.into_iter().map(field).collect()
}

/// Every text of a body, with the way to it before it when that way leads through the members: `members.3.phone: …`.
fn flatten(value: &Value, way: &mut Vec<String>, texts: &mut Vec<String>) {
    if way.len() > DEPTH {
        return;
    }
    match value {
        Value::String(text) => texts.push(placed(&way.join("."), text)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                way.push(index.to_string());
                flatten(item, way, texts);
                way.pop();
            }
        }
        Value::Object(fields) => {
            if let Some(text) = located(fields) {
                texts.push(text);
                return;
            }
            for (name, inner) in fields {
                way.push(name.clone());
                flatten(inner, way, texts);
                way.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn placed(way: &str, text: &str) -> String {
    match way.find("members") {
        Some(at) => format!("{}: {text}", way.get(at..).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// `{"loc": ["body", "members", 3, "phone"], "msg": "…"}` and its like.
fn located(fields: &serde_json::Map<String, Value>) -> Option<String> {
    let get = |names: &[&str]| names.iter().find_map(|name| fields.get(*name));
    let way = match get(&["loc", "path", "field", "pointer", "property"])? {
        Value::String(way) => way.clone(),
        Value::Array(parts) => {
            let parts =
                parts.iter().map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned));
            parts.collect::<Vec<_>>().join(".")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    };
    let text = get(&["msg", "message", "detail", "reason", "error"])?.as_str()?;
    way.contains("members").then(|| placed(&way, text))
}

/// The parts of a text that are about one member each: between semicolons and line ends, and from one way through
/// the members to the next. Nothing inside double quotes ends a part.
fn clauses(text: &str) -> Vec<&str> {
    let mut cuts = vec![0];
    let (mut quoted, mut before) = (false, ' ');
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        match c {
            '"' => quoted = !quoted,
            ';' | '\n' if !quoted => cuts.push(at + 1),
            'm' | 'M' if !quoted && !before.is_alphanumeric() && Way::read(rest).is_some() => cuts.push(at),
            _ => {}
        }
        before = c;
    }
    cuts.push(text.len());
    let parts = cuts.windows(2).filter_map(|pair| match pair {
        [from, to] => text.get(*from..*to),
        _ => None,
    });
    parts.filter(|part| !part.trim().is_empty()).collect()
}

/// `members[3].address.zipcode`, `members.3.phone`, `/members/3/phone`, `members -> 3 -> phone`.
struct Way<'t> {
    index: usize,
    field: Option<Field>,
    rest: &'t str,
}

impl<'t> Way<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let (word, rest) = word(text);
        if !["members", "member"].iter().any(|name| word.eq_ignore_ascii_case(name)) {
            return None;
        }
        let (digits, mut rest) = self::word(step(rest)?);
        if digits.len() > 7 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let index = digits.parse().ok()?;
        rest = rest.trim_start_matches([']', '"', '\'']);
        let mut field = None;
        while let Some(next) = step(rest) {
            let (name, after) = self::word(next);
            if name.is_empty() {
                break;
            }
            field = field_named(name).or(field);
            rest = after.trim_start_matches([']', '"', '\'']);
        }
        Some(Self { index, field, rest })
    }
}

/// What follows the sign that leads one step down a way.
fn step(text: &str) -> Option<&str> {
    let arrows = ["->", " -> ", " → "];
    if let Some(rest) = arrows.iter().rev().find_map(|arrow| text.strip_prefix(arrow)) {
        return Some(rest);
    }
    let rest = text.strip_prefix(['.', '/', '['])?;
    Some(rest.trim_start_matches(['[', '"', '\'']))
}

/// The letters, digits and underscores at the beginning, and what follows them.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The field of this name, however its words are joined.
fn field_named(name: &str) -> Option<Field> {
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    let name = plain(name);
    let alias = match name.as_str() {
        "zip" => Some(Field::Zipcode),
        "dob" | "birthdate" => Some(Field::DateOfBirth),
        "phonenumber" => Some(Field::Phone),
        _ => None,
    };
    alias.or_else(|| Field::ALL.into_iter().find(|field| plain(field.name()) == name))
}

/// One part of a text, and what in it could say whom it is about.
struct Clause<'t> {
    index: Option<usize>,
    field: Option<Field>,
    /// Named as `reference_id "…"`.
    named: Option<&'t str>,
    quoted: Vec<&'t str>,
    rest: &'t str,
}

impl<'t> Clause<'t> {
    fn read(text: &'t str) -> Self {
        let way = Way::read(text);
        let rest = way.as_ref().map_or(text, |way| way.rest);
        let field = way.as_ref().and_then(|way| way.field);
        let mut named = named(rest);
        if way.is_none() && named.is_none() {
            // `E-7: the phone …`
            let start = text.trim_start().split_once(": ").map(|(start, _)| start.trim());
            named = start.filter(|start| !start.contains(char::is_whitespace));
        }
        let words = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let spoken = words.filter_map(field_named).find(|field| *field != Field::ReferenceId);
        Self { index: way.map(|way| way.index), field: field.or(spoken), named, quoted: quoted(rest), rest }
    }

    /// Whom it is about. A reference that is named counts before a place, which could be counted from anywhere.
    fn whose(&self, known: &Known<'_>, roster: &Submission) -> Option<(ReferenceId, Option<Field>)> {
        if let Some(named) = self.named {
            if known.references.contains(named) {
                return Some((ReferenceId::new(named).ok()?, self.field));
            }
            if self.index.is_some() {
                return None;
            }
        }
        if let Some(index) = self.index {
            let member = roster.member(index)?;
            return Some((ReferenceId::new(member.record.reference_id()).ok()?, self.field));
        }
        let mut references = self.quoted.iter().filter(|text| known.references.contains(**text));
        if let Some(only) = references.next() {
            let alone = references.all(|other| other == only);
            return alone.then(|| Some((ReferenceId::new(only).ok()?, self.field))).flatten();
        }
        // A value that one member alone has says who it is; it is compared and never kept.
        let mut holders = self.quoted.iter().filter_map(|value| match known.values.get(*value)?.as_slice() {
            [(field, id)] if self.field.is_none_or(|wanted| wanted == *field) => Some((*id, *field)),
            _ => None,
        });
        let (id, field) = holders.next()?;
        holders.all(|other| other == (id, field)).then_some(())?;
        Some((ReferenceId::new(id).ok()?, Some(field)))
    }
}

/// What stands behind `reference_id`, in quotes or after a colon or an equals sign.
fn named(text: &str) -> Option<&str> {
    let at = text.to_ascii_lowercase().find("reference_id")?;
    let after = text.get(at + "reference_id".len()..)?.trim_start_matches(['"', '\'', '`']);
    let value = after.trim_start_matches([' ', ':', '=']);
    for quote in ['"', '\'', '`'] {
        if let Some(inside) = value.strip_prefix(quote) {
            return inside.split_once(quote).map(|(inside, _)| inside);
        }
    }
    let marked = after.trim_start().starts_with([':', '=']);
    let end = value.find(|c: char| c.is_whitespace() || ",;)".contains(c)).unwrap_or(value.len());
    value.get(..end).filter(|value| marked && !value.is_empty())
}

/// What stands in quotes of one kind.
fn quoted(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['"', '\'', '`']) {
        let Some(quote) = rest.get(open..).and_then(|text| text.chars().next()) else { break };
        let Some((inside, after)) = rest.get(open + 1..).and_then(|text| text.split_once(quote)) else {
            break;
        };
        found.push(inside);
        rest = after;
    }
    found
}

/// What of the texts is a reference or a value of the roster.
#[derive(Default)]
struct Known<'r> {
    references: HashSet<&'r str>,
    values: HashMap<&'r str, Vec<(Field, &'r str)>>,
}

impl<'r> Known<'r> {
    fn among(clauses: &[Clause<'_>], roster: &'r Submission) -> Self {
        let quoted: HashSet<&str> = clauses.iter().flat_map(|clause| clause.quoted.iter().copied()).collect();
        let mut wanted: HashSet<&str> = clauses.iter().filter_map(|clause| clause.named).collect();
        wanted.extend(&quoted);
        let mut known = Self::default();
        if wanted.is_empty() {
            return known;
        }
        for member in roster.members() {
            let id = member.record.reference_id();
            if wanted.contains(id) {
                known.references.insert(id);
            }
            for field in Field::ALL.into_iter().filter(|field| *field != Field::ReferenceId) {
                let value = member.record.get(field);
                if !value.is_empty() && quoted.contains(value) {
                    let holders = known.values.entry(value).or_default();
                    // Two are as good as a thousand.
                    if holders.len() < 2 {
                        holders.push((field, id));
                    }
                }
            }
        }
        known
    }
}

/// The words without what was read out of them already.
fn sentence(text: &str) -> String {
    let mut text = text.trim().trim_start_matches([':', ',', '-', ' ']);
    if let Some((inside, after)) = text.strip_prefix('(').and_then(|text| text.split_once(')'))
        && inside.to_ascii_lowercase().contains("reference_id")
    {
        text = after.trim_start_matches([':', ',', '-', ' ']);
    }
    text.trim_end_matches(['.', ',', ' ', ';']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{Draft, GroupRef, Records};
    use serde_json::json;

    fn roster() -> Submission {
        let mut records = Records::default();
        for (id, phone) in [("e-0", "5551234560"), ("10", "5551234561"), ("e-2", "5551234562")] {
            let mut draft = Draft::default();
            for (field, value) in [
                (Field::ReferenceId, id),
                (Field::FirstName, "Zelda"),
                (Field::LastName, "Quillfeather"),
                (Field::DateOfBirth, "1990-05-15"),
                (Field::Phone, phone),
                (Field::PlanId, "pln_a"),
                (Field::AddressLine1, "1 Elm St"),
                (Field::City, "Troy"),
                (Field::State, "NY"),
                (Field::Zipcode, "12180"),
            ] {
                draft.value_mut(field).push_str(value);
            }
            records.push(&draft).unwrap();
        }
        Submission::of(GroupRef::new("acme").unwrap(), records)
    }

    fn found(body: &Value) -> Vec<String> {
        let fields = refused_fields(body, &roster()).into_iter();
        let shown = fields.map(|each| {
            let field = each.field.map_or("-", Field::name);
            format!("{} {field}: {}", each.reference_id, each.what)
        });
        shown.collect()
    }

    #[test]
    fn every_known_shape_of_a_message_is_brought_back_to_its_member() {
        let cases = [
            ("members[1].phone (reference_id \"10\"): must have 10 digits", "10 phone: must have 10 digits"),
            ("members.2.address.zipcode is not valid.", "e-2 zipcode: is not valid"),
            ("/members/0/address/zip_code: required", "e-0 zipcode: required"),
            ("members -> 2 -> phone: bad", "e-2 phone: bad"),
            ("members[2]['date_of_birth']: bad", "e-2 date_of_birth: bad"),
            ("body.members[0]: the phone is bad", "e-0 phone: the phone is bad"),
            ("e-2: phone is bad", "e-2 phone: e-2: phone is bad"),
            ("Duplicate reference_id: e-2", "e-2 -: Duplicate reference_id: e-2"),
            ("phone '5551234562' is not valid", "e-2 phone: phone … is not valid"),
            ("'e-0' has a bad state", "e-0 state: … has a bad state"),
        ];
        for (text, expected) in cases {
            assert_eq!(found(&json!({ "message": text, "error": text })), [expected], "{text}");
            assert_eq!(found(&json!({ "error": { "code": "x", "message": text } })), [expected], "{text}");
        }
    }

    #[test]
    fn many_in_one_text_and_structured_bodies_are_understood() {
        let text = "members[0].phone: a; members[1].phone: b, members.2.city: c";
        assert_eq!(found(&json!({ "message": text })), ["10 phone: b", "e-0 phone: a", "e-2 city: c"]);
        let pydantic =
            json!({ "detail": [{ "loc": ["body", "members", 2, "address", "state"], "msg": "bad" }] });
        assert_eq!(found(&pydantic), ["e-2 state: bad"]);
        let nested = json!({ "errors": { "members": [{}, { "phone": ["bad"] }] } });
        assert_eq!(found(&nested), ["10 phone: bad"]);
        let flat = json!({ "errors": { "members.0.email": ["bad"] } });
        assert_eq!(found(&flat), ["e-0 email: bad"]);
    }

    #[test]
    fn what_does_not_point_at_a_member_is_passed_over() {
        for text in [
            "members[7].phone: bad",
            "members[99999999999].phone: bad",
            "members[1].phone (reference_id \"somebody else\"): bad",
            "members: 3 errors",
            "2 members failed",
            "reference_id is required",
            "phone must have 10 digits",
            "city 'Troy' is not valid",
            "members[",
            "members[]",
            "\"members[1].phone",
            "",
        ] {
            assert_eq!(found(&json!({ "message": text })), [""; 0], "{text}");
        }
        assert_eq!(found(&json!([[[[[[[[[[[[[["members[1].phone: deep"]]]]]]]]]]]]]])), [""; 0]);
    }

    #[test]
    fn no_value_of_a_person_stays_in_the_words() {
        let text = "members[1].phone: 5551234561 of Zelda Quillfeather, 1 Elm St, is bad (555-123-4561)";
        let found = found(&json!({ "message": text })).join("\n");
        for canary in ["5551234561", "Zelda", "Quillfeather", "Elm", "4561"] {
            assert!(!found.contains(canary), "{found}");
        }
    }
}
