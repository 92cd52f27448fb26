//! `guard:`: a partly given one has the rest from `defaults`, and that from the program.

use super::{
    keys::{GUARD, LIMIT, ROWS},
    read::{Fields, Item, Reader},
    vitable::SECOND,
    words::parse_share,
    yaml::Kind,
};
use crate::decide::{FirstSync, Guard, InvalidRows, Limit};
use std::time::Duration;

type Of = fn(&mut Guard) -> &mut Limit;

const LIMITS: [(&str, Of); 12] = [
    ("absent", |guard| &mut guard.absent),
    ("ended", |guard| &mut guard.ended),
    ("ineligible", |guard| &mut guard.ineligible),
    ("moved", |guard| &mut guard.moved),
    ("removed_in_7d", |guard| &mut guard.removed_in_7d),
    ("absent_in_30d", |guard| &mut guard.absent_in_30d),
    ("added", |guard| &mut guard.added),
    ("plan_changes", |guard| &mut guard.plan_changes),
    ("invalid", |guard| &mut guard.invalid),
    ("renamed_ids", |guard| &mut guard.renamed_ids),
    ("changed_people", |guard| &mut guard.changed_people),
    ("fewer_rows", |guard| &mut guard.fewer_rows),
];

/// Reads a guard over `base`.
pub(super) fn guard(reader: &Reader, item: &Item<'_>, base: &Guard) -> Option<Guard> {
    let fields = reader.open(item, GUARD)?;
    let mut guard = base.clone();
    let mut right = true;
    for (name, of) in LIMITS {
        if let Some(item) = fields.get(name) {
            match limit(reader, &item, name) {
                Some(limit) => *of(&mut guard) = limit,
                None => right = false,
            }
        }
    }
    right &= set(fields.get("blank_column"), |item| reader.share(item), &mut guard.blank_column);
    right &= set(fields.get("min_members"), |item| min_members(reader, item), &mut guard.min_members);
    right &= set(fields.get("first_sync"), |item| first_sync(reader, item), &mut guard.first_sync);
    right &= set(fields.get("invalid_rows"), |item| invalid_rows(reader, item), &mut guard.invalid_rows);
    right &= time(reader, &fields, "carry_forward_for", &mut guard.carry_forward_for);
    right &= time(reader, &fields, "approval_expires", &mut guard.approval_expires);
    right.then_some(guard)
}

/// Sets what a key says; whether it was absent or right.
fn set<'n, T>(item: Option<Item<'n>>, read: impl FnOnce(&Item<'n>) -> Option<T>, to: &mut T) -> bool {
    let Some(item) = item else { return true };
    match read(&item) {
        Some(value) => {
            *to = value;
            true
        }
        None => false,
    }
}

fn time(reader: &Reader, fields: &Fields<'_>, name: &str, to: &mut Duration) -> bool {
    set(fields.get(name), |item| reader.duration(item, SECOND), to)
}

/// `{ share: 5%, people: 1 }`, `3` or `5%`; what is not given is 0, the tighter reading.
fn limit(reader: &Reader, item: &Item<'_>, name: &str) -> Option<Limit> {
    let (keys, unit) = if name == "fewer_rows" { (ROWS, "rows") } else { (LIMIT, "people") };
    let limit = match &item.node.kind {
        Kind::Scalar(text) => match (text.parse::<u64>(), parse_share(text)) {
            (Ok(people), _) => Limit { share: 0, people },
            (_, Some(share)) => Limit { share, people: 0 },
            (Err(_), None) => {
                let help = format!("write `{{ share: 5%, {unit}: 1 }}`, a number, or a share such as `5%`");
                reader.wrong(item, "expected a limit", &help);
                return None;
            }
        },
        Kind::Map(_) => {
            let fields = reader.open(item, keys)?;
            let (mut share, mut people) = (0, 0);
            let share_right = set(fields.get("share"), |item| reader.share(item), &mut share);
            let people_right = set(fields.get(unit), |item| reader.whole(item, 0..=u64::MAX), &mut people);
            (share_right && people_right).then_some(Limit { share, people })?
        }
        Kind::Null | Kind::List(_) => {
            let help = format!("write `{{ share: 5%, {unit}: 1 }}`");
            reader.wrong(item, "expected a limit", &help);
            return None;
        }
    };
    if limit.share == 100 {
        reader.warn(&item.path, "`100%` lets everything pass without a person");
    }
    Some(limit)
}

fn min_members(reader: &Reader, item: &Item<'_>) -> Option<u64> {
    if matches!(&item.node.kind, Kind::Scalar(text) if text == "0") {
        let help = "write at least 1; a group is emptied on purpose by `rosterd empty`";
        reader.wrong(item, "an empty roster would remove everybody", help);
        return None;
    }
    reader.whole(item, 1..=u64::MAX)
}

fn first_sync(reader: &Reader, item: &Item<'_>) -> Option<FirstSync> {
    let read = reader.choice(item, &[("hold", FirstSync::Hold), ("submit", FirstSync::Submit)])?;
    if read == FirstSync::Submit {
        let message = "`submit` replaces whoever is covered at Vitable already, and asks nobody first";
        reader.warn(&item.path, message);
    }
    Some(read)
}

fn invalid_rows(reader: &Reader, item: &Item<'_>) -> Option<InvalidRows> {
    reader.choice(item, &[("carry_forward", InvalidRows::CarryForward), ("hold", InvalidRows::Hold)])
}
