//! What of `alerts:` proves that rosterd lives: the digest, and the heartbeat.

use super::{
    alerts::below,
    keys::DIGEST,
    mappings::{optional, timezone},
    read::{Item, Reader},
    schedule::{Crons, NO_ZONE, cron},
    vitable::url,
};
use crate::{http::is_loopback, notify::Heartbeat, schedule};
use chrono_tz::Tz;
use std::time::Duration;

/// What the section says; each part may be missing.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) digest: Option<schedule::Settings>,
    pub(super) heartbeat: Option<Heartbeat>,
}

/// Reads both from `alerts:`, with `zone` for a digest that names none. With `alerts: none` there is neither.
pub(super) fn watch(
    reader: &Reader,
    alerts: Option<&Item<'_>>,
    zone: Option<Tz>,
    crons: &Crons,
) -> Option<Watch> {
    let Some(alerts) = alerts else { return Some(Watch::default()) };
    let digest = optional(below(alerts, "digest"), |item| digest(reader, item, zone, crons));
    let heartbeat = optional(below(alerts, "heartbeat_url"), |item| heartbeat(reader, item));
    Some(Watch { digest: digest?, heartbeat: heartbeat? })
}

fn digest(reader: &Reader, item: &Item<'_>, zone: Option<Tz>, crons: &Crons) -> Option<schedule::Settings> {
    let fields = reader.open(item, DIGEST)?;
    let cron = fields.get("cron").and_then(|item| cron(reader, &item, crons));
    let own = optional(fields.get("timezone"), |item| timezone(reader, item));
    let zone = own?.or(zone);
    if zone.is_none()
        && let Some(item) = fields.get("cron")
    {
        let help = "add `timezone: America/New_York` beside it, or to the `schedule` of `defaults`";
        reader.wrong(&item, NO_ZONE, help);
    }
    Some(schedule::Settings { cron: cron?, timezone: zone?, jitter: Duration::ZERO, catch_up: true })
}

/// The URL is no more shown than a key: whoever knows it can say in our place that all is well.
fn heartbeat(reader: &Reader, item: &Item<'_>) -> Option<Heartbeat> {
    let url = url(reader, item, &["https", "http"])?;
    if url.scheme() == "http" && !is_loopback(&url) {
        let help = "write `https://`; plain `http` is for a server on `localhost`, `127.0.0.1` or `[::1]`";
        reader.wrong(item, "the path, which is a secret, would travel in the clear", help);
        return None;
    }
    Some(Heartbeat::new(url))
}
