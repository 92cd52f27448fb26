//! `sources:`.

use super::{
    files::pick,
    formats::{decrypt, format},
    http::{http, paths},
    keys::{FILE, SFTP, SOURCE, http::HTTP},
    mappings::{Mapping, fields as mapping_fields, mapping, optional},
    presets::{Presets, expand},
    read::{Fields, Item, Reader},
    secrets::secret,
    vitable::file as readable_file,
    words::did_you_mean,
};
use crate::{
    mapping::FieldSource,
    roster::Field,
    source::{Decrypt, Format, HostKey, Patience, Pick, Place, Sftp},
};
use std::{collections::BTreeMap, time::Duration};

/// A source before it is known which feed it is for.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) place: Place,
    pub(super) pick: Pick,
    pub(super) format: Format,
    pub(super) decrypt: Option<Decrypt>,
    pub(super) min_rows: u64,
    /// The mapping's name, and what it says beside its fields.
    pub(super) mapping: (String, Mapping),
    /// The mapping's fields with the source's own in their place; no required one is missing.
    pub(super) fields: BTreeMap<Field, FieldSource>,
}

/// Reads one source. `mappings` holds nothing for a mapping that is itself wrong.
pub(super) fn source(
    reader: &Reader,
    item: &Item<'_>,
    mappings: &BTreeMap<&str, Option<Mapping>>,
    presets: &Presets,
) -> Option<Source> {
    let fields = reader.open(item, SOURCE)?;
    let mut preset = None;
    let place = reader.one_of(&fields, &["file", "sftp", "http"], &[]).and_then(|item| match () {
        () if fields.has("file") => file(reader, &item),
        () if fields.has("sftp") => sftp(reader, &item),
        () => {
            let (place, its) = of_api(reader, &item, presets)?;
            preset = its;
            Some(place)
        }
    });
    let format = format(reader, &fields);
    let decrypt = optional(fields.get("decrypt"), |item| decrypt(reader, item));
    let min_rows = match fields.get("min_rows") {
        Some(item) => reader.whole(&item, 0..=u64::MAX),
        None => Some(1),
    };
    let own = match fields.get("fields") {
        Some(item) => mapping_fields(reader, &item),
        None => Some(BTreeMap::new()),
    };
    let (mut place, pick) = place?;
    let (item, named) = match (fields.get("mapping"), preset) {
        (Some(item), _) => (item.clone(), known(reader, &item, mappings)?),
        (None, Some((item, name, mapping))) => (item, (name, mapping)),
        (None, None) => {
            let help = Some("name one of `mappings`".to_owned());
            reader.problem(fields.key, &fields.path, "`mapping` is missing, and required", help);
            return None;
        }
    };
    let (mapping, fields) = merged(reader, &item, own?, named)?;
    let format = format?;
    if format.has_records() {
        let identity = paths(reader, &item, &fields, Some(&mapping.1.eligibility))?;
        if let Place::Http(http) = &mut place {
            http.identity = identity;
        }
    }
    Some(Source { place, pick, format, decrypt: decrypt?, min_rows: min_rows?, mapping, fields })
}

/// An `http:` block; with a preset, also where it is named, what its mapping is called, and that mapping.
type OfApi<'n> = ((Place, Pick), Option<(Item<'n>, String, Mapping)>);

fn of_api<'n>(reader: &Reader, item: &Item<'n>, presets: &Presets) -> Option<OfApi<'n>> {
    let fields = reader.open(item, HTTP)?;
    let at_place = |(http, pick)| (Place::Http(Box::new(http)), pick);
    let Some(named) = fields.get("preset") else {
        return Some((at_place(http(reader, &fields)?), None));
    };
    let expanded = expand(reader, item, &fields, presets)?;
    let block = |node| Item { node, key: item.key, path: item.path.clone() };
    let place = reader.open(&block(&expanded.http), HTTP).and_then(|fields| http(reader, &fields));
    let mapping = match &expanded.mapping {
        Some(node) => Some(mapping(reader, &block(node))?),
        None => None,
    };
    let name = format!("preset {}", reader.text(&named)?);
    Some((at_place(place?), mapping.map(|mapping| (named, name, mapping))))
}

/// The mapping that a source names.
fn known(
    reader: &Reader,
    item: &Item<'_>,
    mappings: &BTreeMap<&str, Option<Mapping>>,
) -> Option<(String, Mapping)> {
    let name = reader.text(item)?;
    let Some(mapping) = mappings.get(name) else {
        let help = did_you_mean(name, mappings.keys().copied())
            .unwrap_or_else(|| "define it under `mappings`".to_owned());
        reader.wrong(item, format!("there is no mapping `{name}`"), &help);
        return None;
    };
    Some((name.to_owned(), mapping.clone()?))
}

/// The mapping's fields with the source's own over them; no required one may be missing.
fn merged(
    reader: &Reader,
    item: &Item<'_>,
    own: BTreeMap<Field, FieldSource>,
    (name, mapping): (String, Mapping),
) -> Option<((String, Mapping), BTreeMap<Field, FieldSource>)> {
    let mut fields = mapping.fields.clone();
    fields.extend(own);
    let missing: Vec<Field> =
        Field::ALL.into_iter().filter(|field| field.required() && !fields.contains_key(field)).collect();
    if !missing.is_empty() {
        let names = super::words::quoted(missing.iter().map(|field| field.name()));
        let message = format!("the mapping `{name}` lacks {names}, which Vitable requires of every member");
        reader.wrong(item, message, "add a column to the mapping's `fields` or to the source's own");
        return None;
    }
    Some(((name, mapping), fields))
}

fn file(reader: &Reader, item: &Item<'_>) -> Option<(Place, Pick)> {
    let fields = reader.open(item, FILE)?;
    let path = |item: &Item<'_>| reader.path(item)?.to_str().map(str::to_owned);
    Some((Place::File, pick(reader, &fields, Duration::ZERO, &path)?))
}

fn sftp(reader: &Reader, item: &Item<'_>) -> Option<(Place, Pick)> {
    let fields = reader.open(item, SFTP)?;
    let path = |item: &Item<'_>| reader.text(item).map(str::to_owned);
    let pick = pick(reader, &fields, Duration::from_secs(60), &path);
    let text = |name: &str| fields.get(name).and_then(|item| Some(reader.text(&item)?.to_owned()));
    let host = text("host");
    let username = text("username");
    let port = match fields.get("port") {
        Some(item) => reader.whole(&item, 1..=65535).and_then(|port| u16::try_from(port).ok()),
        None => Some(22),
    };
    let private_key = optional(fields.get("private_key"), |item| secret(reader, item));
    let passphrase = optional(fields.get("passphrase"), |item| secret(reader, item));
    let password = optional(fields.get("password"), |item| secret(reader, item));
    let host_key = host_key(reader, &fields);
    if !fields.has("private_key") && !fields.has("password") {
        let help = "add `private_key: { file: … }`, `password: { … }` or both".to_owned();
        reader.problem(fields.key, &fields.path, "nothing says how to log in", Some(help));
        return None;
    }
    if let Some(item) = fields.get("passphrase").filter(|_| !fields.has("private_key")) {
        let help = Some("add `private_key`, or write `password` for the account's".to_owned());
        reader.problem(item.key, &item.path, "`passphrase` is for a `private_key`, and there is none", help);
        return None;
    }
    let sftp = Sftp {
        host: host?,
        port: port?,
        username: username?,
        private_key: private_key?,
        passphrase: passphrase?,
        password: password?,
        host_key: host_key?,
        patience: Patience::default(),
    };
    Some((Place::Sftp(Box::new(sftp)), pick?))
}

fn host_key(reader: &Reader, fields: &Fields<'_>) -> Option<HostKey> {
    let item = reader.one_of(fields, &["host_key", "known_hosts"], &[])?;
    if fields.has("known_hosts") {
        return Some(HostKey::KnownHosts(readable_file(reader, &item)?));
    }
    let text = reader.text(&item)?;
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    // 32 bytes in base64 without padding, as `ssh-keygen -lf` prints them.
    let right = text.strip_prefix("SHA256:").is_some_and(|rest| rest.len() == 43 && rest.bytes().all(base64));
    if !right {
        let help = "write `\"SHA256:…\"` with its 43 characters, as `ssh-keyscan HOST | ssh-keygen -lf -` prints them";
        reader.wrong(&item, "expected the fingerprint of the server's key", help);
        return None;
    }
    Some(HostKey::Fingerprint(text.to_owned()))
}
