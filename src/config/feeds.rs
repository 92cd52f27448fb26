//! `feeds:` and `defaults:`, and what must hold between feeds.

use super::{
    guard::guard,
    keys::{DEFAULTS, FEED, GROUPS},
    read::{Fields, Item, Reader},
    schedule::{Crons, Of, Schedule, schedule},
    sources::Source,
    text::Spot,
    vitable::duration,
    words::did_you_mean,
};
use crate::{
    decide::Guard,
    engine::{Feed, Submit},
    mapping::{self, GroupRule, Grouping, Unmatched},
    roster::{FeedName, GroupRef},
    source::{self, JsonPath},
};
use chrono_tz::Tz;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const RESYNC_AFTER: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a feed has that does not say.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    guard: Guard,
    submit: Submit,
    pub(super) schedule: Schedule,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { guard: Guard::default(), submit: Submit::Always, schedule: Schedule::default() }
    }
}

/// Reads `defaults:`.
pub(super) fn defaults(reader: &Reader, item: &Item<'_>, crons: &Crons) -> Option<Defaults> {
    let fields = reader.open(item, DEFAULTS)?;
    settings(reader, &fields, &Defaults::default(), Of::Defaults, crons)
}

/// What `defaults` and a feed have in common.
fn settings(
    reader: &Reader,
    fields: &Fields<'_>,
    base: &Defaults,
    of: Of,
    crons: &Crons,
) -> Option<Defaults> {
    let guard = match fields.get("guard") {
        Some(item) => guard(reader, &item, &base.guard),
        None => Some(base.guard.clone()),
    };
    let submit = submit(reader, fields, base.submit);
    let schedule = schedule(reader, fields, &base.schedule, of, crons);
    Some(Defaults { guard: guard?, submit: submit?, schedule: schedule? })
}

fn submit(reader: &Reader, fields: &Fields<'_>, base: Submit) -> Option<Submit> {
    let changed = Submit::WhenChanged { resync_after: RESYNC_AFTER };
    let submit = match fields.get("submit") {
        Some(item) => reader.choice(&item, &[("always", Submit::Always), ("when_changed", changed)])?,
        None => base,
    };
    let Some(item) = fields.get("resync_after") else {
        return Some(submit);
    };
    match submit {
        Submit::WhenChanged { .. } => Some(Submit::WhenChanged {
            resync_after: duration(reader, fields, "resync_after", RESYNC_AFTER)?,
        }),
        Submit::Always => {
            let help = Some("write `submit: when_changed`, or remove `resync_after`".to_owned());
            reader.problem(item.key, &item.path, "`resync_after` is for `submit: when_changed`", help);
            None
        }
    }
}

/// What feeds are made of; nothing stands for what is itself wrong and was reported.
pub(super) struct Parts<'p> {
    pub(super) sources: &'p BTreeMap<&'p str, Option<Source>>,
    pub(super) defaults: &'p Defaults,
    pub(super) crons: &'p Crons,
}

/// A group and the place that feeds it.
struct Fed {
    group: GroupRef,
    at: Spot,
    path: String,
}

/// Reads every feed, and that no group is fed by two.
pub(super) fn feeds(reader: &Reader, items: &[(&str, Item<'_>)], parts: &Parts<'_>) -> Vec<Option<Feed>> {
    let mut fed_by: BTreeMap<GroupRef, &str> = BTreeMap::new();
    let mut taken_by: BTreeMap<String, &str> = BTreeMap::new();
    let mut feeds = Vec::new();
    for (name, item) in items {
        let mut fed = Vec::new();
        let feed = feed(reader, name, item, parts, &mut fed);
        for source in feed.iter().flat_map(|feed| &feed.sources) {
            if source.pick.after_success == source::AfterSuccess::Leave {
                continue;
            }
            if let Some(other) = taken_by.insert(source.name.clone(), name) {
                let message = format!("the source `{}` is read by `{other}` already", source.name);
                let help = "its `after_success` takes the file away, so that one feed would take it from the other; \
                            put the groups into one feed, or write `after_success: leave`";
                reader.problem(item.key, &item.path, message, Some(help.to_owned()));
            }
        }
        feeds.push(feed);
        for Fed { group, at, path } in fed {
            match fed_by.get(&group) {
                Some(other) if other != name => {
                    let message = format!("the group `{group}` is fed by `{other}` already");
                    let help =
                        "each would remove the other's people; put both sources into one feed".to_owned();
                    reader.problem(at, &path, message, Some(help));
                }
                Some(_) => {}
                None => drop(fed_by.insert(group, name)),
            }
        }
    }
    feeds
}

fn feed(reader: &Reader, name: &str, item: &Item<'_>, parts: &Parts<'_>, fed: &mut Vec<Fed>) -> Option<Feed> {
    let fields = reader.open(item, FEED)?;
    let feed_name = match FeedName::new(name) {
        Ok(name) => Some(name),
        Err(error) => {
            reader.problem(item.key, &item.path, error.to_string(), Some("give it a plain name".to_owned()));
            None
        }
    };
    let grouping = grouping(reader, &fields, fed);
    let settings = settings(reader, &fields, parts.defaults, Of::Feed, parts.crons);
    let named = fields.get("sources").and_then(|item| named_sources(reader, &item, parts));
    let zone = settings.as_ref().and_then(|settings| settings.schedule.timezone);
    let sources = named.and_then(|named| {
        let built: Vec<_> =
            named.iter().map(|(name, source)| build(reader, item, name, source, zone)).collect();
        built.into_iter().collect::<Option<Vec<_>>>()
    });
    let (settings, grouping, sources) = (settings?, grouping?, sources?);
    let is_json = sources.iter().any(|source| source.format.has_records());
    if is_json {
        group_path(reader, &fields, grouping.column())?;
    }
    Some(Feed {
        name: feed_name?,
        sources,
        grouping,
        guard: settings.guard,
        submit: settings.submit,
        schedule: settings.schedule.settings(),
    })
}

/// The column of the groups is a path, where rows are records.
fn group_path(reader: &Reader, feed: &Fields<'_>, column: &str) -> Option<()> {
    let Some(item) = feed.get("groups").filter(|_| !column.is_empty()) else { return Some(()) };
    if let Err(why) = JsonPath::parse(column) {
        reader.wrong(&item, format!("the path `{column}` of `by` {why}"), "write it as in the mapping");
        return None;
    }
    Some(())
}

fn named_sources<'p>(
    reader: &Reader,
    item: &Item<'_>,
    parts: &Parts<'p>,
) -> Option<Vec<(String, &'p Source)>> {
    let names = reader.texts(item, false)?;
    let mut found = Vec::new();
    let mut right = true;
    for (index, (name, item)) in names.iter().enumerate() {
        if names.iter().take(index).any(|(other, _)| other == name) {
            reader.wrong(item, format!("`{name}` is named twice"), "keep one of the two");
            right = false;
        }
        match parts.sources.get::<str>(name) {
            Some(Some(source)) => found.push(((*name).to_owned(), source)),
            Some(None) => right = false,
            None => {
                let help = did_you_mean(name, parts.sources.keys().copied())
                    .unwrap_or_else(|| "define it under `sources`".to_owned());
                reader.wrong(item, format!("there is no source `{name}`"), &help);
                right = false;
            }
        }
    }
    right.then_some(found)
}

/// A source as this feed uses it: its eligibility knows whose today counts.
fn build(
    reader: &Reader,
    feed: &Item<'_>,
    name: &str,
    source: &Source,
    zone: Option<Tz>,
) -> Option<Arc<source::Settings>> {
    let (mapping_name, mapping) = &source.mapping;
    let eligibility = &mapping.eligibility;
    let has_dates = eligibility.starts_on.is_some() || eligibility.ends_on.is_some();
    let timezone = match eligibility.timezone.or(zone) {
        Some(zone) => zone,
        // No date of the mapping is compared with today.
        None if !has_dates => Tz::UTC,
        None => {
            let message = format!(
                "dates of the mapping `{}` decide who is covered, and nothing says whose today counts",
                mapping_name
            );
            let help = "add `schedule: { timezone: America/New_York }` to the feed or to `defaults`, or `timezone` to the mapping's `eligibility`";
            reader.problem(feed.key, &feed.path, message, Some(help.to_owned()));
            return None;
        }
    };
    let mapping = mapping::Settings {
        name: mapping_name.clone(),
        fields: source.fields.clone(),
        blanks: mapping.blanks.clone(),
        eligibility: mapping::Eligibility {
            status: eligibility.status.clone(),
            starts_on: eligibility.starts_on.clone(),
            ends_on: eligibility.ends_on.clone(),
            when: eligibility.when.clone(),
            timezone,
        },
    };
    Some(Arc::new(source::Settings {
        name: name.to_owned(),
        place: source.place.clone(),
        pick: source.pick.clone(),
        format: source.format.clone(),
        decrypt: source.decrypt.clone(),
        min_rows: source.min_rows,
        mapping: Arc::new(mapping),
    }))
}

fn grouping(reader: &Reader, fields: &Fields<'_>, fed: &mut Vec<Fed>) -> Option<Grouping> {
    let item = reader.one_of(fields, &["group", "groups"], &[])?;
    if fields.has("group") {
        let rule = GroupRule::All(group(reader, &item, fed)?);
        return Some(Grouping { rule, unmatched: Unmatched::Hold, create_missing: false });
    }
    let fields = reader.open(&item, GROUPS)?;
    let rule = rule(reader, &fields, fed);
    let unmatched = match fields.get("unmatched") {
        Some(item) => reader.choice(&item, &[("hold", Unmatched::Hold), ("omit", Unmatched::Omit)]),
        None => Some(Unmatched::Hold),
    };
    let create_missing = match fields.get("create_missing") {
        Some(item) => reader.flag(&item),
        None => Some(false),
    };
    Some(Grouping { rule: rule?, unmatched: unmatched?, create_missing: create_missing? })
}

fn rule(reader: &Reader, fields: &Fields<'_>, fed: &mut Vec<Fed>) -> Option<GroupRule> {
    let item = reader.one_of(fields, &["all", "by"], &[])?;
    if fields.has("all") {
        for key in ["map", "as_is", "unmatched"] {
            if let Some(item) = fields.get(key) {
                let message = format!("`{key}` is for `by`; with `all` every row belongs to the one group");
                reader.problem(item.key, &item.path, message, Some(format!("remove `{key}` or `all`")));
            }
        }
        return Some(GroupRule::All(group(reader, &item, fed)?));
    }
    let by = reader.text(&item)?.to_owned();
    let item = reader.one_of(fields, &["map", "as_is"], &[])?;
    if fields.has("as_is") {
        if reader.flag(&item)? {
            return Some(GroupRule::AsIs { by });
        }
        reader.wrong(&item, "`as_is: false` says nothing of the groups", "write `as_is: true`, or `map`");
        return None;
    }
    let named = reader.named(&item)?;
    if named.is_empty() {
        reader.wrong(&item, "the map is empty", "write a line `value: external_reference_id` for each group");
        return None;
    }
    let count = named.len();
    let entry = |(value, item): (&str, Item<'_>)| Some((value.to_owned(), group(reader, &item, fed)?));
    let map: BTreeMap<String, GroupRef> = named.into_iter().filter_map(entry).collect();
    (map.len() == count).then_some(GroupRule::Map { by, map })
}

fn group(reader: &Reader, item: &Item<'_>, fed: &mut Vec<Fed>) -> Option<GroupRef> {
    match GroupRef::new(reader.text(item)?) {
        Ok(group) => {
            fed.push(Fed { group: group.clone(), at: item.at(), path: item.path.clone() });
            Some(group)
        }
        Err(error) => {
            reader.wrong(item, error.to_string(), "copy the reference from Vitable");
            None
        }
    }
}
