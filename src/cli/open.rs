//! From the command line to an engine over the real world.

use super::{Failure, terminal::Terminal};
use crate::{
    clock::{Clock, SystemClock},
    config::{self, Secrets, Settings},
    engine::{self, Engine, Feed},
    ledger::Ledger,
    roster::GroupRef,
    vitable::Client,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

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
    let engine_settings = engine::Settings {
        vitable: settings.vitable,
        alerts: settings.alerts,
        state_dir: settings.state_dir,
        feeds: settings.feeds,
    };
    Ok(Engine::new(engine_settings, ledger, client, clock, Arc::new(Terminal::new())))
}

/// The feeds that a person named, or all.
pub(super) fn feeds<'a>(engine: &'a Engine, names: &[String], all: bool) -> Result<Vec<&'a Feed>, Failure> {
    if all {
        return Ok(engine.feeds().iter().collect());
    }
    let known = || {
        let names: Vec<String> = engine.feeds().iter().map(|feed| format!("`{}`", feed.name)).collect();
        if names.is_empty() { "none is configured".to_owned() } else { names.join(", ") }
    };
    if names.is_empty() {
        return Err(Failure::wrong(format!("name a feed, or say `--all`; the feeds are: {}", known())));
    }
    let find = |name: &String| {
        engine
            .feed(name)
            .ok_or_else(|| Failure::wrong(format!("there is no feed `{name}`; the feeds are: {}", known())))
    };
    let mut feeds: Vec<&Feed> = Vec::new();
    for name in names {
        let feed = find(name)?;
        if !feeds.iter().any(|named| named.name == feed.name) {
            feeds.push(feed);
        }
    }
    Ok(feeds)
}

/// `--group` and `--file` are about one feed.
pub(super) fn narrow(
    feeds: &[&Feed],
    group: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<GroupRef>, Failure> {
    if (group.is_some() || file.is_some()) && feeds.len() != 1 {
        return Err(Failure::wrong("`--group` and `--file` go with exactly one feed".to_owned()));
    }
    if file.is_some()
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
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
