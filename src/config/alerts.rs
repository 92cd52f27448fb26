//! `alerts:`, and the recipients of single feeds.

use super::{
    Secrets,
    keys::{ALERTS, FEED_ALERTS, SMTP},
    mappings::optional,
    read::{Fields, Item, Reader},
    secrets::secret,
    vitable::{duration, file},
    words::{nearest, parse_rate},
    yaml::Kind,
};
use crate::{
    notify::{
        AtMost, Encryption, Login, MailSettings, Settings, Smtp, TIME_LIMIT, Transport, has_certificate,
    },
    roster::{FeedName, Field, check},
};
use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

/// Reads `alerts:`. The feeds' own recipients are added by [`of_feeds`].
pub(super) fn alerts(reader: &Reader, item: &Item<'_>) -> Option<Settings> {
    if let Kind::Scalar(text) = &item.node.kind {
        if text == "none" {
            reader.warn(&item.path, "`none`: nobody is told when a sync fails or is held");
            return Some(Settings::None);
        }
        let help = nearest(text, ["none"])
            .map_or("write `none`, or a section with `smtp`, `from` and `to`", |_| "did you mean `none`?");
        reader.wrong(item, "expected `none` or a section", help);
        return None;
    }
    let fields = reader.open(item, ALERTS)?;
    let transport = reader.one_of(&fields, &["smtp", "folder"], &[]).and_then(|item| {
        if fields.has("smtp") {
            smtp(reader, &item).map(Transport::Smtp)
        } else {
            reader.path(&item).map(Transport::Folder)
        }
    });
    let from = fields.get("from").and_then(|item| Some(address(reader, &item)?.to_owned()));
    let to = fields.get("to").and_then(|item| addresses(reader, &item));
    let remind_every = duration(reader, &fields, "remind_every", Duration::from_secs(24 * 60 * 60));
    let at_most = match fields.get("at_most") {
        Some(item) => at_most(reader, &item),
        None => Some(AtMost::default()),
    };
    Some(Settings::from(MailSettings {
        transport: transport?,
        from: from?,
        to: to?,
        feeds: BTreeMap::new(),
        remind_every: remind_every?,
        at_most: at_most?,
    }))
}

/// `10/1h`.
fn at_most(reader: &Reader, item: &Item<'_>) -> Option<AtMost> {
    let parsed = parse_rate(reader.text(item)?, 1..=1_000).map(|(mails, within)| AtMost { mails, within });
    if parsed.is_none() {
        reader.wrong(item, "expected a number of mails and a duration", "write it as `10/1h`");
    }
    parsed
}

/// Adds what the feeds say of their own recipients. Without a way for mails there is none for theirs either.
pub(super) fn of_feeds(reader: &Reader, feeds: &[(&str, Item<'_>)], general: Option<&mut Settings>) {
    let mut own = BTreeMap::new();
    for (name, item) in feeds {
        let Some(item) = below(item, "alerts") else { continue };
        let to = reader.open(&item, FEED_ALERTS).and_then(|fields| addresses(reader, &fields.get("to")?));
        if matches!(general, Some(Settings::None)) {
            let help = "write the general `alerts` with `smtp`, `from` and `to`, or remove this section";
            let message = "the general `alerts` is `none`, so that no mail goes to anybody";
            reader.problem(item.key, &item.path, message, Some(help.to_owned()));
        }
        if let (Some(to), Ok(name)) = (to, FeedName::new(name)) {
            own.insert(name, to);
        }
    }
    if let Some(Settings::Mail(mail)) = general {
        mail.feeds = own;
    }
}

pub(super) fn below<'n>(item: &Item<'n>, key: &str) -> Option<Item<'n>> {
    let Kind::Map(entries) = &item.node.kind else { return None };
    let (found, node) = entries.iter().find(|(found, _)| found.text == key)?;
    Some(Item { node, key: found.at, path: format!("{}.{key}", item.path) })
}

fn smtp(reader: &Reader, item: &Item<'_>) -> Option<Smtp> {
    let fields = reader.open(item, SMTP)?;
    let host = fields.get("host").and_then(|item| host(reader, &item));
    let encryption = match fields.get("encryption") {
        Some(item) => reader.choice(&item, ENCRYPTIONS),
        None => Some(Encryption::StartTls),
    };
    if encryption == Some(Encryption::None) {
        in_the_clear(reader, &fields, host.as_deref());
    }
    let port = match fields.get("port") {
        Some(item) => reader.whole(&item, 1..=65_535).and_then(|port| u16::try_from(port).ok()),
        None => encryption.map(Encryption::default_port),
    };
    let login = login(reader, &fields);
    let ca_file = optional(fields.get("ca_file"), |item| ca_file(reader, item));
    Some(Smtp {
        host: host?,
        port: port?,
        encryption: encryption?,
        login: login?,
        ca_file: ca_file?,
        time_limit: TIME_LIMIT,
    })
}

const ENCRYPTIONS: &[(&str, Encryption)] =
    &[("starttls", Encryption::StartTls), ("tls", Encryption::Tls), ("none", Encryption::None)];

/// A name or an address, and nothing around it.
fn host(reader: &Reader, item: &Item<'_>) -> Option<String> {
    let text = reader.text(item)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.parse::<IpAddr>().is_err() && !(text.chars().all(plain) && text.len() <= 253) {
        if text.contains('@') {
            // What stands before it may be a password.
            reader.hide(item.node);
        }
        let help = "write it as `smtp.partner.example`, without `smtp://`; the port stands in `port`";
        reader.wrong(item, "expected the name or the address of a host", help);
        return None;
    }
    Some(text.to_owned())
}

fn in_the_clear(reader: &Reader, fields: &Fields<'_>, host: Option<&str>) {
    let is_here =
        |host: &str| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if host.is_some_and(|host| !is_here(host))
        && let Some(item) = fields.get("encryption")
    {
        let help =
            "write `starttls` or `tls`; `none` is for a mail server on `localhost`, `127.0.0.1` or `::1`";
        reader.wrong(&item, "mails and the password would travel in the clear", help);
    }
    if let Some(item) = fields.get("ca_file") {
        let message = "`ca_file` is for `starttls` and `tls`; with `none` no certificate is looked at";
        reader.problem(item.key, &item.path, message, Some("remove `ca_file` or `encryption`".to_owned()));
    }
}

fn login(reader: &Reader, fields: &Fields<'_>) -> Option<Option<Login>> {
    let (username, password) = (fields.get("username"), fields.get("password"));
    let alone = |item: &Item<'_>, other: &str| {
        let message = format!("a login needs `{other}` too");
        let help = format!("add `{other}`, or remove this key if the server wants no login");
        reader.problem(item.key, &item.path, message, Some(help));
    };
    match (username, password) {
        (None, None) => Some(None),
        (Some(username), Some(password)) => {
            let (username, password) = (reader.text(&username), secret(reader, &password));
            Some(Some(Login { username: username?.to_owned(), password: password? }))
        }
        (Some(username), None) => {
            alone(&username, "password");
            None
        }
        (None, Some(password)) => {
            alone(&password, "username");
            // A literal password is found all the same.
            secret(reader, &password);
            None
        }
    }
}

/// A file with a certificate, which must be there when the configuration is checked.
fn ca_file(reader: &Reader, item: &Item<'_>) -> Option<PathBuf> {
    let path = file(reader, item)?;
    if reader.secrets == Secrets::Check && !std::fs::read(&path).is_ok_and(|pem| has_certificate(&pem)) {
        let message = format!("the file `{}` holds no certificate", path.display());
        reader.wrong(
            item,
            message,
            "name a PEM file with one or more, which begin with `-----BEGIN CERTIFICATE-----`",
        );
        return None;
    }
    Some(path)
}

fn addresses(reader: &Reader, item: &Item<'_>) -> Option<Vec<String>> {
    let list = reader.list(item, false)?;
    let count = list.len();
    let to: Vec<String> = list.iter().filter_map(|item| Some(address(reader, item)?.to_owned())).collect();
    (to.len() == count).then_some(to)
}

/// `ops@partner.example` or `rosterd <ops@partner.example>`.
fn address<'n>(reader: &Reader, item: &Item<'n>) -> Option<&'n str> {
    let text = reader.text(item)?;
    let bare = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    if check(Field::Email, bare).is_err() || text.chars().any(char::is_control) {
        reader.wrong(
            item,
            "expected a mail address",
            "write `name@host.example` or `\"Name <name@host.example>\"`",
        );
        return None;
    }
    Some(text)
}
