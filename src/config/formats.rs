//! What a source's file holds and how it is decrypted: `csv`, `xlsx`, `json`, `decrypt`.

use super::{
    http::json,
    keys::{CSV, DECRYPT, TRAILER, XLSX},
    mappings::optional,
    read::{Fields, Item, Reader},
    secrets::secret,
};
use crate::source::{Csv, Decrypt, Encoding, Format, Trailer, Xlsx};

/// What is for files alone.
const OF_FILES: [&str; 3] = ["csv", "xlsx", "json"];

/// The format that a source names; without one its files' names say it. What an API answers has one form.
pub(super) fn format(reader: &Reader, fields: &Fields<'_>) -> Option<Format> {
    if fields.has("http") {
        let Some(item) = OF_FILES.iter().chain(&["decrypt"]).find_map(|key| fields.get(key)) else {
            return Some(Format::Lines);
        };
        let message = "this is for files; what an API answers is JSON, and `records` of `http` says where";
        reader.problem(item.key, &item.path, message, Some("remove it".to_owned()));
        return None;
    }
    if !OF_FILES.iter().any(|key| fields.has(key)) {
        return Some(Format::ByName);
    }
    let item = reader.one_of(fields, &OF_FILES, &[])?;
    match () {
        () if fields.has("csv") => csv(reader, &item).map(Format::Csv),
        () if fields.has("xlsx") => xlsx(reader, &item).map(Format::Xlsx),
        () => json(reader, &item).map(Format::Json),
    }
}

fn xlsx(reader: &Reader, item: &Item<'_>) -> Option<Xlsx> {
    let fields = reader.open(item, XLSX)?;
    let sheet = optional(fields.get("sheet"), |item| reader.text(item).map(str::to_owned));
    Some(Xlsx { sheet: sheet?, header_row: header_row(reader, &fields)? })
}

/// Reads `decrypt`. The keys themselves are read when a file is.
pub(super) fn decrypt(reader: &Reader, item: &Item<'_>) -> Option<Decrypt> {
    let fields = reader.open(item, DECRYPT)?;
    let private_key = fields.get("private_key").and_then(|item| secret(reader, &item));
    let passphrase = optional(fields.get("passphrase"), |item| secret(reader, item));
    let signed_by = optional(fields.get("signed_by"), |item| secret(reader, item));
    Some(Decrypt {
        private_key: private_key?,
        passphrase: passphrase?,
        signed_by: signed_by?,
        or_clear: false,
    })
}

fn header_row(reader: &Reader, fields: &Fields<'_>) -> Option<u32> {
    match fields.get("header_row") {
        Some(item) => reader.whole(&item, 1..=1000).and_then(|row| u32::try_from(row).ok()),
        None => Some(1),
    }
}

fn csv(reader: &Reader, item: &Item<'_>) -> Option<Csv> {
    let fields = reader.open(item, CSV)?;
    let delimiter = optional(fields.get("delimiter"), |item| delimiter(reader, item));
    let encoding = match fields.get("encoding") {
        Some(item) => encoding(reader, &item),
        None => Some(Encoding::default()),
    };
    let header_row = header_row(reader, &fields);
    let trailer = optional(fields.get("trailer"), |item| trailer(reader, item));
    Some(Csv { delimiter: delimiter?, encoding: encoding?, header_row: header_row?, trailer: trailer? })
}

fn delimiter(reader: &Reader, item: &Item<'_>) -> Option<u8> {
    match reader.text(item)?.as_bytes() {
        [byte] if *byte == b'\t' || (byte.is_ascii_punctuation() && *byte != b'"') => Some(*byte),
        _ => {
            let help = "write `\",\"`, `\";\"`, `\"|\"` or, for a tab, `\"\\t\"` in double quotes";
            reader.wrong(item, "expected one character between cells", help);
            None
        }
    }
}

fn encoding(reader: &Reader, item: &Item<'_>) -> Option<Encoding> {
    match reader.text(item)? {
        "auto" => Some(Encoding::default()),
        name => {
            let found = Encoding::named(name);
            if found.is_none() {
                let help = "write `auto`, `utf-8`, `windows-1252`, `utf-16le`, `macintosh` or another name that browsers know";
                reader.wrong(item, "there is no such encoding", help);
            }
            found
        }
    }
}

fn trailer(reader: &Reader, item: &Item<'_>) -> Option<Trailer> {
    let fields = reader.open(item, TRAILER)?;
    let starts_with = fields.get("starts_with").and_then(|item| reader.text(&item));
    let count_column = optional(fields.get("count_column"), |item| {
        reader.whole(item, 1..=10_000).and_then(|column| u32::try_from(column).ok())
    });
    Some(Trailer { starts_with: starts_with?.to_owned(), count_column: count_column? })
}
