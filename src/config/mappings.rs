//! `mappings:` and the single fields of a source.

use super::{
    dates,
    keys::{DATE, ELIGIBILITY, FIELD, FIELDS, MAPPING, STATUS},
    read::{Fields, Item, Reader},
    words::did_you_mean,
    yaml::Kind,
};
use crate::{
    mapping::{DateColumn, FieldSource, Sensitive, Status, Take, Values, columns_of},
    roster::{Field, check},
};
use chrono_tz::{TZ_VARIANTS, Tz};
use std::collections::BTreeMap;

/// A mapping before it is known which source and feed it is for.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) fields: BTreeMap<Field, FieldSource>,
    pub(super) blanks: Vec<String>,
    pub(super) eligibility: Eligibility,
}

/// An eligibility whose time zone may come from the feed.
#[derive(Clone, Debug, Default)]
pub(super) struct Eligibility {
    pub(super) status: Option<Status>,
    pub(super) starts_on: Option<DateColumn>,
    pub(super) ends_on: Option<DateColumn>,
    pub(super) when: Option<String>,
    pub(super) timezone: Option<Tz>,
}

impl Eligibility {
    /// The columns that are read by a written name, each with its key.
    pub(super) fn columns(&self) -> Vec<(&'static str, String)> {
        let status = self.status.iter().map(|status| ("status", status.column.clone()));
        let dates = [("starts_on", &self.starts_on), ("ends_on", &self.ends_on)];
        let dates = dates.into_iter().filter_map(|(key, date)| Some((key, date.as_ref()?.column.clone())));
        let when = self.when.iter().flat_map(|text| columns_of(text)).map(|column| ("when", column));
        status.chain(dates).chain(when).collect()
    }
}

/// Reads one mapping. Required fields may be missing: a source may add them.
pub(super) fn mapping(reader: &Reader, item: &Item<'_>) -> Option<Mapping> {
    let section = reader.open(item, MAPPING)?;
    let fields = section.get("fields").and_then(|item| fields(reader, &item));
    let blanks = match section.get("blanks") {
        Some(item) => owned(reader.texts(&item, true)),
        None => Some(Vec::new()),
    };
    let eligibility = match section.get("eligibility") {
        Some(item) => eligibility(reader, &item),
        None => Some(Eligibility::default()),
    };
    Some(Mapping { fields: fields?, blanks: blanks?, eligibility: eligibility? })
}

/// Reads `fields:` of a mapping or a source.
pub(super) fn fields(reader: &Reader, item: &Item<'_>) -> Option<BTreeMap<Field, FieldSource>> {
    let section = reader.open(item, FIELDS)?;
    let mut read = BTreeMap::new();
    let mut whole = true;
    for field in Field::ALL {
        if let Some(item) = section.get(field.name()) {
            match field_source(reader, field, &item) {
                Some(source) => drop(read.insert(field, source)),
                None => whole = false,
            }
        }
    }
    whole.then_some(read)
}

fn owned(texts: Option<Vec<(&str, Item<'_>)>>) -> Option<Vec<String>> {
    Some(texts?.into_iter().map(|(text, _)| text.to_owned()).collect())
}

fn field_source(reader: &Reader, field: Field, item: &Item<'_>) -> Option<FieldSource> {
    let mut source = FieldSource {
        take: Take::Column(String::new()),
        formats: Vec::new(),
        values: None,
        restore_zeros: false,
        sensitive: None,
    };
    if !item.is_map() {
        source.take = Take::Column(reader.text(item)?.to_owned());
        return Some(source);
    }
    let fields = reader.open(item, FIELD)?;
    let mut right = only_for(reader, &fields, field);
    match take(reader, field, &fields) {
        Some(take) => source.take = take,
        None => right = false,
    }
    match dates::formats(reader, &fields) {
        Some(formats) => source.formats = formats,
        None => right = false,
    }
    match values(reader, field, &fields) {
        Some(values) => source.values = values,
        None => right = false,
    }
    if let Some(item) = fields.get("restore_zeros") {
        match reader.flag(&item) {
            Some(flag) => source.restore_zeros = flag,
            None => right = false,
        }
    }
    if let Some(item) = fields.get("sensitive") {
        source.sensitive = reader.choice(&item, &[("hash", Sensitive::Hash), ("allow", Sensitive::Allow)]);
        right &= source.sensitive.is_some();
    }
    right.then_some(source)
}

/// Keys that mean something for one field alone, and keys that a constant makes senseless.
fn only_for(reader: &Reader, fields: &Fields<'_>, field: Field) -> bool {
    let mut right = true;
    for (key, owner) in [
        ("format", Field::DateOfBirth),
        ("pivot", Field::DateOfBirth),
        ("restore_zeros", Field::Zipcode),
        ("sensitive", Field::ReferenceId),
    ] {
        if field != owner
            && let Some(item) = fields.get(key)
        {
            let help = format!("remove it here; only `{owner}` has it");
            reader.problem(item.key, &item.path, format!("`{key}` is for `{owner}` alone"), Some(help));
            right = false;
        }
    }
    for key in ["format", "values", "restore_zeros", "sensitive"] {
        if fields.has("value")
            && let Some(item) = fields.get(key)
        {
            let message = format!("`{key}` does nothing to a constant");
            reader.problem(item.key, &item.path, message, Some(format!("remove `{key}` or `value`")));
            right = false;
        }
    }
    right
}

fn take(reader: &Reader, field: Field, fields: &Fields<'_>) -> Option<Take> {
    let names = ["column", "first_of", "value", "cel"];
    let item = reader.one_of(fields, &names, &[])?;
    if fields.has("column") {
        return Some(Take::Column(reader.text(&item)?.to_owned()));
    }
    if fields.has("first_of") {
        return Some(Take::FirstOf(owned(reader.texts(&item, false))?));
    }
    if fields.has("cel") {
        return Some(Take::Cel(cel(reader, &item)?));
    }
    let value = reader.text(&item)?;
    if field == Field::ReferenceId {
        reader.wrong(&item, "every row would be the same person", "name the column that tells people apart");
        return None;
    }
    match check(field, value) {
        Ok(()) => Some(Take::Value(value.to_owned())),
        Err(rule) => {
            reader.wrong(&item, format!("the constant {}", rule.expected()), "write it as Vitable takes it");
            None
        }
    }
}

fn values(reader: &Reader, field: Field, fields: &Fields<'_>) -> Option<Option<Values>> {
    let target = |item: &Item<'_>| {
        let text = reader.text(item)?;
        // Other fields are normalised after the translation, so that their form is judged there.
        if field == Field::PlanId
            && let Err(rule) = check(field, text)
        {
            reader.wrong(item, format!("the value {}", rule.expected()), "copy the plan's id from Vitable");
            return None;
        }
        Some(text.to_owned())
    };
    let otherwise = match fields.get("otherwise") {
        Some(item) if !fields.has("values") => {
            reader.problem(
                item.key,
                &item.path,
                "`otherwise` is for a cell that `values` does not list",
                Some("add `values`, or write `value` for a constant".to_owned()),
            );
            return None;
        }
        Some(item) => target(&item).map(Some),
        None => Some(None),
    };
    let Some(item) = fields.get("values") else {
        return Some(None);
    };
    let named = reader.named(&item)?;
    let count = named.len();
    let map: BTreeMap<String, String> =
        named.into_iter().filter_map(|(cell, item)| Some((cell.to_owned(), target(&item)?))).collect();
    let otherwise = otherwise?;
    (map.len() == count).then_some(Some(Values { map, otherwise }))
}

/// A CEL expression that compiles and looks at the row.
fn cel(reader: &Reader, item: &Item<'_>) -> Option<String> {
    let text = reader.text(item)?;
    match cel::Program::compile(text) {
        Ok(program) if program.references().has_variable("row") => Some(text.to_owned()),
        Ok(_) => {
            let help = "name a column as `row[\"Column\"]`; for a constant write `value`";
            reader.wrong(item, "the expression never looks at `row`", help);
            None
        }
        Err(errors) => {
            let first = errors.errors.first();
            let reason = first.map_or(String::new(), |error| {
                format!(" at character {}: {}", error.pos.1, error.msg.lines().next().unwrap_or_default())
            });
            let help = "write it as `row[\"Column\"] == \"text\"`";
            reader.wrong(item, format!("the CEL expression does not compile{reason}"), help);
            None
        }
    }
}

fn eligibility(reader: &Reader, item: &Item<'_>) -> Option<Eligibility> {
    let fields = reader.open(item, ELIGIBILITY)?;
    let status = optional(fields.get("status"), |item| status(reader, item));
    let starts_on = optional(fields.get("starts_on"), |item| date(reader, item));
    let ends_on = optional(fields.get("ends_on"), |item| date(reader, item));
    let when = optional(fields.get("when"), |item| cel(reader, item));
    let timezone = optional(fields.get("timezone"), |item| timezone(reader, item));
    Some(Eligibility {
        status: status?,
        starts_on: starts_on?,
        ends_on: ends_on?,
        when: when?,
        timezone: timezone?,
    })
}

/// Nothing when the key is absent, and no answer when it is wrong.
pub(super) fn optional<'n, T>(
    item: Option<Item<'n>>,
    read: impl FnOnce(&Item<'n>) -> Option<T>,
) -> Option<Option<T>> {
    match item {
        Some(item) => read(&item).map(Some),
        None => Some(None),
    }
}

fn status(reader: &Reader, item: &Item<'_>) -> Option<Status> {
    let fields = reader.open(item, STATUS)?;
    let column = fields.get("column").and_then(|item| reader.text(&item));
    let covered = fields.get("covered").and_then(|item| reader.texts(&item, false));
    let ended = match fields.get("ended") {
        Some(item) => reader.texts(&item, true),
        None => Some(Vec::new()),
    };
    let (column, covered, ended) = (column?, covered?, ended?);
    if let Some((value, item)) =
        ended.iter().find(|(value, _)| covered.iter().any(|(other, _)| other == value))
    {
        let message = format!("`{value}` stands in `covered` and in `ended`");
        reader.wrong(item, message, "keep it where it belongs");
        return None;
    }
    let list = |texts: Vec<(&str, Item<'_>)>| texts.into_iter().map(|(text, _)| text.to_owned()).collect();
    Some(Status { column: column.to_owned(), covered: list(covered), ended: list(ended) })
}

fn date(reader: &Reader, item: &Item<'_>) -> Option<DateColumn> {
    if matches!(item.node.kind, Kind::Scalar(_)) {
        return Some(DateColumn { column: reader.text(item)?.to_owned(), formats: Vec::new() });
    }
    let fields = reader.open(item, DATE)?;
    let column = fields.get("column").and_then(|item| reader.text(&item));
    let formats = dates::formats(reader, &fields);
    Some(DateColumn { column: column?.to_owned(), formats: formats? })
}

/// A time zone by its name in the tz database.
pub(super) fn timezone(reader: &Reader, item: &Item<'_>) -> Option<Tz> {
    let text = reader.text(item)?;
    let zone = text.parse::<Tz>().ok();
    if zone.is_none() {
        // `EDT` is one letter away from `EET`, which is on another continent: only full names are guessed at.
        let help = Some(text)
            .filter(|text| text.contains('/'))
            .and_then(|text| did_you_mean(text, TZ_VARIANTS.iter().map(|zone| zone.name())))
            .unwrap_or_else(|| "write a name such as `America/New_York` or `UTC`".to_owned());
        reader.wrong(item, "expected the name of a time zone", &help);
    }
    zone
}
