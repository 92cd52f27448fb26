//! From the command line to an engine over the real world.

use super::Failure;
use crate::{
    clock::{Clock, SystemClock},
    config::{self, Secrets, Settings},
    engine::{self, Engine, Feed},
    ledger::Ledger,
    roster::GroupRef,
    vitable::Client,
};
use std::{os::unix::fs::MetadataExt, path::PathBuf, sync::Arc};

/// Where the configuration is when nobody says otherwise.
const DEFAULT_CONFIG: &str = "/etc/rosterd/rosterd.yaml";

/// The path of the configuration: the option, the environment, the default.
pub(super) fn config_path(option: Option<PathBuf>) -> PathBuf {
    option
        .or_else(|| environment("ROSTERD_CONFIG").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from(DEFAULT_CONFIG))
}

/// The configuration, checked whole.
pub(super) fn settings(option: Option<PathBuf>) -> Result<Settings, Failure> {
    let path = config_path(option);
    config::load(&path, &environment, Secrets::Check).map_err(|problems| Failure::wrong(problems.to_string()))
}

/// The ledger of a configuration.
pub(super) fn ledger(settings: &Settings) -> Result<Ledger, Failure> {
    let key = settings.state_key.as_ref().map(crate::secret::Secret::read).transpose();
    let key = key.map_err(Failure::failed)?;
    Ok(Ledger::open(&settings.state_dir, key.as_ref(), SystemClock.now())?)
}

/// An engine over the configured API, ledger and clock.
pub(super) fn engine(settings: Settings) -> Result<Engine, Failure> {
    let ledger = Arc::new(ledger(&settings)?);
    with_ledger(settings, ledger, Arc::new(SystemClock))
}

/// An engine over this ledger and clock.
pub(super) fn with_ledger(
    settings: Settings,
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
) -> Result<Engine, Failure> {
    let client = Client::new(settings.vitable.clone(), Arc::clone(&clock)).map_err(Failure::failed)?;
    Ok(Engine::new(engine_settings(settings), ledger, Arc::new(client), clock))
}

/// What an engine takes of a configuration.
pub(super) fn engine_settings(settings: Settings) -> engine::Settings {
    let Settings { vitable, alerts, digest, heartbeat, state_dir, feeds, .. } = settings;
    engine::Settings { vitable, alerts, digest, heartbeat, state_dir, feeds }
}

/// The account of this process.
pub(super) fn own_uid() -> Option<u32> {
    std::fs::metadata("/proc/self").map(|about| about.uid()).ok()
}

/// Who types: an account, by name where `/etc/passwd` has one.
pub(super) fn user(uid: Option<u32>) -> String {
    let Some(uid) = uid else { return "unknown".to_owned() };
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = accounts.lines().find_map(|line| {
        let mut parts = line.split(':');
        let (name, number) = (parts.next()?, parts.nth(1)?);
        (number == uid.to_string()).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {uid}"))
}

/// The feeds that a person named, or all.
pub(super) fn feeds<'a>(engine: &'a Engine, names: &[String], all: bool) -> Result<Vec<&'a Feed>, Failure> {
    if all {
        return Ok(engine.feeds().iter().collect());
    }
    if names.is_empty() {
        return Err(Failure::wrong(format!("name a feed, or say `--all`; the feeds are: {}", known(engine))));
    }
    let mut feeds: Vec<&Feed> = Vec::new();
    for name in names {
        let feed = feed(engine, name)?;
        if !feeds.iter().any(|named| named.name == feed.name) {
            feeds.push(feed);
        }
    }
    Ok(feeds)
}

/// The feed that a person named.
pub(super) fn feed<'a>(engine: &'a Engine, name: &str) -> Result<&'a Feed, Failure> {
    let unknown = || Failure::wrong(format!("there is no feed `{name}`; the feeds are: {}", known(engine)));
    engine.feed(name).ok_or_else(unknown)
}

fn known(engine: &Engine) -> String {
    let names: Vec<String> = engine.feeds().iter().take(50).map(|feed| format!("`{}`", feed.name)).collect();
    let more = engine.feeds().len() - names.len();
    match (names.is_empty(), more) {
        (true, _) => "none is configured".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}

/// `--group` and `--file` are about one feed.
pub(super) fn narrow(feeds: &[&Feed], group: Option<&str>, file: bool) -> Result<Option<GroupRef>, Failure> {
    if (group.is_some() || file) && feeds.len() != 1 {
        return Err(Failure::wrong("`--group` and `--file` go with exactly one feed".to_owned()));
    }
    if file
        && let [feed] = feeds
        && feed.sources.len() != 1
    {
        return Err(Failure::wrong(format!(
            "feed `{}` has {} sources, and `--file` stands in for one; split the feed or put the files into the sources' places",
            feed.name,
            feed.sources.len()
        )));
    }
    let Some(group) = group else { return Ok(None) };
    let group = GroupRef::new(group).map_err(|error| Failure::wrong(format!("`--group`: {error}")))?;
    if let [feed] = feeds
        && !feed.may_feed(&group)
    {
        return Err(Failure::wrong(format!(
            "feed `{}` feeds no group `{group}`; `rosterd status` lists its groups",
            feed.name
        )));
    }
    Ok(Some(group))
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the configuration is, and systemd's directories, come from the environment"
)]
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
