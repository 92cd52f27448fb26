//! A member as it is submitted: read leniently, so that every mistake can be listed, then packed.

use crate::roster::US_STATES;
use serde::{
    Deserialize,
    de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Map, Value};
use std::fmt;

/// The fields, in the order in which a [`Person`] packs them.
const NAMES: [&str; 12] = [
    "reference_id",
    "first_name",
    "last_name",
    "date_of_birth",
    "phone",
    "email",
    "plan_id",
    "address_line_1",
    "address_line_2",
    "city",
    "state",
    "zipcode",
];
/// Positions in [`NAMES`].
pub(super) const REFERENCE: usize = 0;
pub(super) const FIRST: usize = 1;
pub(super) const LAST: usize = 2;
pub(super) const BIRTH: usize = 3;
pub(super) const PHONE: usize = 4;
pub(super) const PLAN: usize = 6;
/// From here on the fields stand inside `address`.
const ADDRESS: usize = 7;

/// A submitted member in one piece of memory: rosters of a million are kept here.
#[derive(Default)]
pub(super) struct Person {
    text: Box<str>,
    ends: [u16; NAMES.len()],
}

impl Person {
    fn pack(values: &[String; NAMES.len()]) -> Self {
        let mut text = String::with_capacity(values.iter().map(String::len).sum());
        let mut ends = [0; NAMES.len()];
        for (value, end) in values.iter().zip(&mut ends) {
            text.push_str(value);
            *end = u16::try_from(text.len()).unwrap_or(u16::MAX);
        }
        Self { text: text.into_boxed_str(), ends }
    }

    /// Somebody whom the second writer adds.
    pub(super) fn invented(reference: &str, plan: &str) -> Self {
        let values = [
            reference,
            "Second",
            "Writer",
            "1980-01-31",
            "5550100199",
            "",
            plan,
            "1 Elm St",
            "",
            "Troy",
            "NY",
            "12180",
        ];
        Self::pack(&values.map(str::to_owned))
    }

    /// A field's value; empty when it was left out.
    pub(super) fn get(&self, field: usize) -> &str {
        let start = match field.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        let end = self.ends.get(field).copied().unwrap_or_default();
        self.text.get(usize::from(start)..usize::from(end)).unwrap_or_default()
    }

    /// The member as the API takes it, with `plan` for its plan.
    pub(super) fn to_value(&self, plan: &str) -> Value {
        let (mut member, mut address) = (Map::new(), Map::new());
        for (field, name) in NAMES.into_iter().enumerate() {
            let value = if field == PLAN { plan } else { self.get(field) };
            let part = if field < ADDRESS { &mut member } else { &mut address };
            if !value.is_empty() {
                part.insert(name.to_owned(), value.into());
            }
        }
        member.insert("address".to_owned(), Value::Object(address));
        Value::Object(member)
    }
}

/// What stands in the place of a text.
#[derive(Default)]
enum Text {
    #[default]
    Missing,
    Null,
    Other,
    Given(String),
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Given(text.to_owned()))
    }
    fn visit_string<E>(self, text: String) -> Result<Text, E> {
        Ok(Text::Given(text))
    }
    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text::Null)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
        Ok(Text::Other)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
        Ok(Text::Other)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Text, E> {
        Ok(Text::Other)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
        Ok(Text::Other)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::Other)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A member on the wire. Unknown fields are ignored.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireMember {
    reference_id: Text,
    first_name: Text,
    last_name: Text,
    date_of_birth: Text,
    phone: Text,
    email: Text,
    plan_id: Text,
    address: Place,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireAddress {
    address_line_1: Text,
    address_line_2: Text,
    city: Text,
    state: Text,
    zipcode: Text,
}

/// What stands in the place of the address.
#[derive(Default)]
enum Place {
    #[default]
    Missing,
    NotAnObject,
    Given(WireAddress),
}

struct PlaceVisitor;

impl<'de> Visitor<'de> for PlaceVisitor {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Place, A::Error> {
        WireAddress::deserialize(MapAccessDeserializer::new(map)).map(Place::Given)
    }
    fn visit_unit<E>(self) -> Result<Place, E> {
        Ok(Place::Missing)
    }
    fn visit_str<E>(self, _: &str) -> Result<Place, E> {
        Ok(Place::NotAnObject)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Place, E> {
        Ok(Place::NotAnObject)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Place, E> {
        Ok(Place::NotAnObject)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Place, E> {
        Ok(Place::NotAnObject)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Place, E> {
        Ok(Place::NotAnObject)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Place, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Place::NotAnObject)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlaceVisitor)
    }
}

impl WireMember {
    /// Checks every field and packs the member. `complain` gets the path of each field in error and what is
    /// wrong with it; the member is packed all the same, so that its reference can be compared.
    pub(super) fn check(self, mut complain: impl FnMut(&str, &str, &'static str)) -> Person {
        let address = match self.address {
            Place::Given(address) => Some(address),
            Place::Missing => None,
            Place::NotAnObject => None,
        };
        let has_address = address.is_some();
        let address = address.unwrap_or_default();
        let texts = [
            self.reference_id,
            self.first_name,
            self.last_name,
            self.date_of_birth,
            self.phone,
            self.email,
            self.plan_id,
            address.address_line_1,
            address.address_line_2,
            address.city,
            address.state,
            address.zipcode,
        ];
        let mut values: [String; NAMES.len()] = Default::default();
        let mut wrong: Vec<(usize, &'static str)> = Vec::new();
        for ((field, text), value) in texts.into_iter().enumerate().zip(&mut values) {
            match read(field, text) {
                Ok(text) => *value = text,
                Err(_) if field >= ADDRESS && !has_address => {}
                Err((text, rule)) => {
                    // Too long for the packing otherwise; the reference is wanted for the message.
                    *value = text.chars().take(255).collect();
                    wrong.push((field, rule));
                }
            }
        }
        let person = Person::pack(&values);
        for (field, rule) in wrong {
            let name = NAMES.get(field).copied().unwrap_or_default();
            let path = if field < ADDRESS { name.to_owned() } else { format!("address.{name}") };
            complain(&path, person.get(REFERENCE), rule);
        }
        if !has_address {
            complain("address", person.get(REFERENCE), "must be an object with the postal address");
        }
        person
    }
}

/// The value of a field; or what was there and the rule that it breaks.
fn read(field: usize, text: Text) -> Result<String, (String, &'static str)> {
    let optional = matches!(NAMES.get(field), Some(&("email" | "address_line_2")));
    match text {
        Text::Missing | Text::Null if optional => Ok(String::new()),
        Text::Missing | Text::Null => Err((String::new(), "this field is required")),
        Text::Other => Err((String::new(), "must be a string")),
        Text::Given(text) if text.trim().is_empty() => Err((String::new(), "may not be blank")),
        Text::Given(text) => match broken_rule(field, &text) {
            Some(rule) => Err((text, rule)),
            None => Ok(text),
        },
    }
}

/// The rule of the guide ("Group Member Sync", member) that a value breaks.
fn broken_rule(field: usize, text: &str) -> Option<&'static str> {
    let (holds, rule) = match NAMES.get(field).copied().unwrap_or_default() {
        "date_of_birth" => (date(text), "must be an ISO 8601 date such as 1990-05-15"),
        "phone" => (digits(text) && text.len() == 10, "must be a 10-digit US phone number, digits only"),
        "email" => (email(text), "must be a valid email address"),
        "plan_id" => (plan(text), "must be a plan id such as pln_abc"),
        "state" => (US_STATES.contains(&text), "must be a two-letter US state or territory code"),
        "zipcode" => (zipcode(text), "must be a ZIP code such as 15222 or 15222-1234"),
        _ => (text.chars().count() <= 255, "may have at most 255 characters"),
    };
    (!holds).then_some(rule)
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(
            |(at, byte)| {
                if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() }
            },
        )
        && chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

fn email(text: &str) -> bool {
    let mut halves = text.splitn(2, '@');
    let (local, domain) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    !local.is_empty()
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && !domain.contains('@')
        && domain.split('.').count() >= 2
        && domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
}

fn plan(text: &str) -> bool {
    ["pln_", "plan_"].iter().any(|prefix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && !rest.chars().any(char::is_whitespace))
    })
}

fn zipcode(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes.len() {
        5 => digits(text),
        10 => text.split('-').map(str::len).eq([5, 4]) && text.split('-').all(digits),
        _ => false,
    }
}
