//! `pagination:`.

use super::{is_word, path};
use crate::{
    config::{
        keys::http::{CURSOR, OFFSET, PAGE, PAGINATION},
        mappings::optional,
        read::{Fields, Item, Reader},
        words::quoted,
    },
    source::Pagination,
};

const KINDS: [&str; 5] = ["page", "offset", "cursor", "next_link", "link_header"];
/// The largest page that may be asked for.
const LARGEST_PAGE: u64 = 100_000;

pub(super) fn pagination(reader: &Reader, item: &Item<'_>) -> Option<Pagination> {
    if is_word(item) {
        let is_none = reader.text(item)? == "none";
        if !is_none {
            let kinds = quoted(KINDS);
            let message = format!("expected `none`, or a section with one of {kinds}");
            reader.wrong(item, message, "write it as the API says that its list goes on");
        }
        return is_none.then_some(Pagination::None);
    }
    let fields = reader.open(item, PAGINATION)?;
    let item = reader.one_of(&fields, &KINDS, &[])?;
    if fields.has("page") {
        let fields = reader.open(&item, PAGE)?;
        let first = match fields.get("first") {
            Some(item) => reader.whole(&item, 0..=1_000),
            None => Some(1),
        };
        let (param, size_param, size) = parts(reader, &fields)?;
        Some(Pagination::Page { param, first: first?, size_param, size: size? })
    } else if fields.has("offset") {
        let (param, size_param, size) = parts(reader, &reader.open(&item, OFFSET)?)?;
        Some(Pagination::Offset { param, size_param, size: size? })
    } else if fields.has("cursor") {
        let fields = reader.open(&item, CURSOR)?;
        let from = fields.get("from").and_then(|item| path(reader, &item));
        let (param, size_param, size) = parts(reader, &fields)?;
        if let Some(item) = fields.get("size_param").filter(|_| size.is_none()) {
            reader.wrong(&item, "`size_param` needs a `size`", "add `size`, as the API allows");
            return None;
        }
        Some(Pagination::Cursor { param, from: from?, size_param, size })
    } else if fields.has("next_link") {
        Some(Pagination::NextLink(path(reader, &item)?))
    } else if reader.flag(&item)? {
        Some(Pagination::LinkHeader)
    } else {
        reader.wrong(&item, "expected `true`", "write it, or another kind of pagination");
        None
    }
}

type Parts = (String, Option<String>, Option<u64>);

fn parts(reader: &Reader, fields: &Fields<'_>) -> Option<Parts> {
    let text = |item: &Item<'_>| reader.text(item).map(str::to_owned);
    let param = fields.get("param").and_then(|item| text(&item));
    let size_param = optional(fields.get("size_param"), text);
    let size = optional(fields.get("size"), |item| reader.whole(item, 1..=LARGEST_PAGE));
    Some((param?, size_param?, size?))
}
