//! `vitable:`.

use super::{
    keys::{POLL, VITABLE},
    read::{Fields, Item, Reader},
    secrets::secret,
};
use crate::{
    http::is_loopback,
    roster::OrganizationId,
    vitable::{Poll, Settings},
};
use std::{path::PathBuf, time::Duration};
use url::Url;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Reads `vitable:`.
pub(super) fn vitable(reader: &Reader, item: &Item<'_>) -> Option<Settings> {
    let fields = reader.open(item, VITABLE)?;
    let number = |name: &str, default: u64, most: u64| match fields.get(name) {
        Some(item) => reader.whole(&item, 1..=most),
        None => Some(default),
    };
    let base_url = fields.get("base_url").and_then(|item| base_url(reader, &item));
    let api_key = fields.get("api_key").and_then(|item| secret(reader, &item));
    let organization = match fields.get("organization") {
        Some(item) => organization(reader, &item).map(Some),
        None => Some(None),
    };
    let timeout = duration(reader, &fields, "timeout", Duration::from_secs(60));
    let max_in_flight = number("max_in_flight", 8, 1000);
    let max_members_per_sync = number("max_members_per_sync", 5000, u64::MAX);
    let poll = match fields.get("poll") {
        Some(item) => poll(reader, &item),
        None => Some(Poll::default()),
    };
    let proxy = match fields.get("proxy") {
        Some(item) => proxy(reader, &item).map(Some),
        None => Some(None),
    };
    let ca_file = match fields.get("ca_file") {
        Some(item) => file(reader, &item).map(Some),
        None => Some(None),
    };
    Some(Settings {
        base_url: base_url?,
        api_key: api_key?,
        organization: organization?,
        timeout: timeout?,
        max_in_flight: usize::try_from(max_in_flight?).ok()?,
        max_members_per_sync: max_members_per_sync?,
        poll: poll?,
        proxy: proxy?,
        ca_file: ca_file?,
    })
}

/// A duration of at least a second, or the default.
pub(super) fn duration(
    reader: &Reader,
    fields: &Fields<'_>,
    name: &str,
    default: Duration,
) -> Option<Duration> {
    match fields.get(name) {
        Some(item) => reader.duration(&item, SECOND),
        None => Some(default),
    }
}

/// A file that must be there when the configuration is checked.
pub(super) fn file(reader: &Reader, item: &Item<'_>) -> Option<PathBuf> {
    let path = reader.path(item)?;
    if reader.secrets == super::Secrets::Check
        && let Err(error) = std::fs::File::open(&path)
    {
        let message = format!("cannot read the file `{}` ({error})", path.display());
        reader.wrong(item, message, "create it, readable for rosterd's user, or correct the path");
        return None;
    }
    Some(path)
}

/// A URL without credentials: a password in it would be a literal secret.
pub(super) fn url(reader: &Reader, item: &Item<'_>, schemes: &[&str]) -> Option<Url> {
    let text = reader.text(item)?;
    // What stands before an `@` may be a password, also in what is no URL.
    if text.contains('@') {
        reader.hide(item.node);
        let help = "write the URL without `user:password@`; a proxy that wants them is not supported yet";
        reader.wrong(item, "a URL may not hold a user name or a password", help);
        return None;
    }
    let url = Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()) && url.host().is_some());
    if url.is_none() {
        let schemes: Vec<String> = schemes.iter().map(|scheme| format!("`{scheme}://…`")).collect();
        reader.wrong(
            item,
            format!("expected a URL that begins with {}", schemes.join(" or ")),
            "write the whole URL",
        );
    }
    url
}

fn base_url(reader: &Reader, item: &Item<'_>) -> Option<Url> {
    let url = url(reader, item, &["https", "http"])?;
    if url.scheme() == "http" && !is_loopback(&url) {
        let help = "write `https://`; plain `http` is for a sandbox on `localhost`, `127.0.0.1` or `[::1]`";
        reader.wrong(item, "personal data and the key would travel in the clear", help);
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() {
        reader.wrong(item, "a base URL has no `?` and no `#`", "write it as `https://api.vitablehealth.com`");
        return None;
    }
    Some(url)
}

fn proxy(reader: &Reader, item: &Item<'_>) -> Option<Url> {
    url(reader, item, &["http", "https"])
}

fn organization(reader: &Reader, item: &Item<'_>) -> Option<OrganizationId> {
    let id = OrganizationId::new(reader.text(item)?).ok();
    if id.is_none() {
        reader.wrong(item, "expected an organization's id", "copy it from Vitable; it begins with `org_`");
    }
    id
}

fn poll(reader: &Reader, item: &Item<'_>) -> Option<Poll> {
    let fields = reader.open(item, POLL)?;
    let default = Poll::default();
    let first = duration(reader, &fields, "first", default.first);
    let max = duration(reader, &fields, "max", default.max);
    let stuck_after = duration(reader, &fields, "stuck_after", default.stuck_after);
    let give_up_after = duration(reader, &fields, "give_up_after", default.give_up_after);
    let poll = Poll { first: first?, max: max?, stuck_after: stuck_after?, give_up_after: give_up_after? };
    for (early, late, wrong) in [
        ("first", "max", poll.first > poll.max),
        ("stuck_after", "give_up_after", poll.stuck_after >= poll.give_up_after),
    ] {
        if wrong {
            let at = fields.get(early).or_else(|| fields.get(late))?;
            reader.wrong(
                &at,
                format!("`{early}` is not before `{late}`"),
                "lengthen the second or shorten the first",
            );
            return None;
        }
    }
    Some(poll)
}
