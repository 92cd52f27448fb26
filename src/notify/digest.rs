//! The digest: how everything stands, in one mail for each list of recipients. Pure.

use super::{
    Incident, Mail, MailSettings, Reason,
    letter::{Block, Entry, Item, Letter, headline},
    message::{self, Id},
    phrase::{clean, cut, is_command, shell_word},
    remedy,
};
use crate::roster::{FeedName, GroupRef};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// Groups that are told of each; the rest stands in `rosterd status`.
const ROWS: usize = 200;
/// Things to look at that are listed.
const THINGS: usize = 50;
/// How long the first line may become by naming things.
const FIRST_LINE: usize = 110;
/// What shows everything.
const STATUS: &str = "rosterd status";
/// Who has waited longer is worth a look, though no incident is open.
const WAITED_LONG: TimeDelta = TimeDelta::days(1);

/// How everything stands.
#[derive(Clone, Debug)]
pub struct Digest {
    /// From when its numbers count.
    pub since: DateTime<Utc>,
    /// When it is made.
    pub now: DateTime<Utc>,
    /// When the next one comes, in words; none when the calendar has no other.
    pub next: Option<String>,
    /// Every feed of the configuration.
    pub feeds: Vec<FeedNews>,
    /// Every incident that is open.
    pub open: Vec<OpenNews>,
}

/// One feed.
#[derive(Clone, Debug)]
pub struct FeedNews {
    /// Its name.
    pub feed: FeedName,
    /// When it runs next by itself, in words.
    pub next: String,
    /// Whether a person has paused it.
    pub paused: Option<PausedNews>,
    /// Its groups.
    pub groups: Vec<GroupNews>,
}

/// That a feed is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PausedNews {
    /// By whom.
    pub by: String,
    /// Since when.
    pub at: DateTime<Utc>,
    /// Until when; none until somebody resumes it.
    pub until: Option<DateTime<Utc>>,
}

/// One group.
#[derive(Clone, Debug)]
pub struct GroupNews {
    /// Its reference.
    pub group: GroupRef,
    /// How many members are covered.
    pub members: u64,
    /// Added by Vitable since the last digest.
    pub added: u64,
    /// Removed by Vitable since then.
    pub removed: u64,
    /// Members to whom Vitable did not apply something since then.
    pub failed: u64,
    /// Whether something of it waits for a person's word.
    pub held: bool,
    /// What else is to be said of it: in flight, held, rejected, retired.
    pub standing: Option<String>,
    /// Covered, and to be removed.
    pub removals: Waited,
    /// Covered here, and to go to another group of the feed.
    pub moves: Waited,
    /// Not covered yet, with rows that can be used and rows that cannot.
    pub additions: Waited,
    /// When its last roster was finished.
    pub completed: Option<DateTime<Utc>>,
}

/// How many people wait, and since when the first of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// How many.
    pub total: u64,
    /// Since when.
    pub oldest: Option<DateTime<Utc>>,
}

/// An incident that is open.
#[derive(Clone, Debug)]
pub struct OpenNews {
    /// The incident.
    pub incident: Incident,
    /// Since when.
    pub opened: DateTime<Utc>,
}

/// One mail for each list of recipients: of all feeds for the general one, of its own feeds for each other.
pub fn digest_mails(
    digest: &Digest,
    settings: &MailSettings,
    token: &mut dyn FnMut() -> String,
) -> Vec<Mail> {
    let lists = settings.lists().into_iter().enumerate();
    let letters = lists.filter_map(|(place, (to, own))| {
        let letter = if place == 0 {
            letter(digest, &|_| true)
        } else {
            let mine = |feed: Option<&FeedName>| feed.is_some_and(|feed| own.contains(&feed));
            let any = digest.feeds.iter().any(|news| mine(Some(&news.feed)));
            any.then(|| letter(digest, &mine))?
        };
        Some((to, letter))
    });
    let letters: Vec<_> = letters.collect();
    letters
        .iter()
        .filter_map(|(to, letter)| message::compose(letter, settings, to, digest.now, Id::Of(&token())))
        .collect()
}

/// Something to look at.
struct Thing {
    /// What and where.
    lead: String,
    /// Since when, and more.
    text: String,
    /// What to type.
    command: Option<String>,
}

/// What one reader is told of.
struct View<'a> {
    digest: &'a Digest,
    feeds: Vec<&'a FeedNews>,
    /// The most urgent first.
    open: Vec<&'a OpenNews>,
    by_feed: BTreeMap<&'a FeedName, Vec<&'a OpenNews>>,
}

/// The letter about what `mine` says is this reader's; `None` is what is of no feed in particular.
fn letter(digest: &Digest, mine: &dyn Fn(Option<&FeedName>) -> bool) -> Letter {
    let view = View::new(digest, mine);
    let things = view.things();
    let sorted = view.sorted();
    let mut blocks = Vec::new();
    if !things.is_empty() {
        blocks.push(to_look_at(&things));
    }
    blocks.extend(rows(digest.now, &sorted));
    Letter {
        subject: sorted.subject(),
        first: first_line(&things, &sorted),
        several: Some(summary(digest, &view.feeds)),
        blocks,
        sections: Vec::new(),
        more: Vec::new(),
        footer: footer(digest),
        threads: Vec::new(),
    }
}

impl<'a> View<'a> {
    fn new(digest: &'a Digest, mine: &dyn Fn(Option<&FeedName>) -> bool) -> Self {
        let feeds = digest.feeds.iter().filter(|news| mine(Some(&news.feed))).collect();
        let mut open: Vec<&OpenNews> =
            digest.open.iter().filter(|news| mine(news.incident.feed.as_ref())).collect();
        open.sort_by_cached_key(|news| (news.incident.kind, news.incident.key()));
        let mut by_feed: BTreeMap<&FeedName, Vec<&OpenNews>> = BTreeMap::new();
        for news in &open {
            if let Some(feed) = &news.incident.feed {
                by_feed.entry(feed).or_default().push(*news);
            }
        }
        Self { digest, feeds, open, by_feed }
    }

    fn of(&self, feed: &FeedName) -> &[&'a OpenNews] {
        self.by_feed.get(feed).map_or(&[], Vec::as_slice)
    }

    fn things(&self) -> Vec<Thing> {
        let mut things: Vec<Thing> = self.open.iter().map(|news| of_incident(news)).collect();
        for feed in &self.feeds {
            things.extend(feed.groups.iter().filter_map(|group| self.of_waiting(feed, group)));
            things.extend(of_pause(feed));
        }
        things
    }

    /// People who have waited for more than a day, of whom no incident tells: after a rejection nobody is asked again.
    fn of_waiting(&self, feed: &FeedNews, group: &GroupNews) -> Option<Thing> {
        let now = self.digest.now;
        let oldest = group.waiting().into_iter().filter_map(|(_, list)| list.oldest).min()?;
        let about = |news: &&OpenNews| news.incident.group.as_ref().is_none_or(|known| *known == group.group);
        if now.signed_duration_since(oldest) < WAITED_LONG || self.of(&feed.feed).iter().any(about) {
            return None;
        }
        let place = format!("{}, group {}", name(feed.feed.as_str()), name(group.group.as_str()));
        let lead = format!("{place}: {}", waiting(now, group).join("; "));
        let text = group.standing.as_ref().map(|standing| clean(standing));
        let text = text.unwrap_or_else(|| "no mail about this is open".to_owned());
        Some(Thing { lead, text, command: Some(STATUS.to_owned()) })
    }

    fn sorted(&self) -> Sorted<'a> {
        let mut sorted = Sorted { held: vec![], look: vec![], paused: vec![], well: vec![], others: 0 };
        let known: BTreeSet<&FeedName> = self.feeds.iter().map(|feed| &feed.feed).collect();
        let of_none =
            |news: &&&OpenNews| news.incident.feed.as_ref().is_none_or(|feed| !known.contains(feed));
        sorted.others = self.open.iter().filter(of_none).count();
        for feed in &self.feeds {
            let waits = || feed.groups.iter().any(|group| self.of_waiting(feed, group).is_some());
            let list = if feed.groups.iter().any(|group| group.held) {
                &mut sorted.held
            } else if !self.of(&feed.feed).is_empty() || waits() {
                &mut sorted.look
            } else if feed.paused.is_some() {
                &mut sorted.paused
            } else {
                &mut sorted.well
            };
            list.push(feed);
        }
        sorted
    }
}

fn of_incident(news: &OpenNews) -> Thing {
    let incident = &news.incident;
    let entry = Entry {
        reason: Reason::Opened,
        incident: incident.clone(),
        opened: news.opened,
        told: news.opened,
        thread: None,
    };
    let own = incident.what_to_do.iter().map(|step| clean(step)).find(|step| is_command(step));
    let command = own.or_else(|| remedy(incident).into_iter().find(|step| is_command(step)));
    Thing { lead: headline(&entry), text: format!("open since {}", day(news.opened)), command }
}

fn of_pause(feed: &FeedNews) -> Option<Thing> {
    let paused = feed.paused.as_ref().filter(|paused| paused.until.is_none())?;
    let text = format!("by {} since {}; nothing of it runs by itself", clean(&paused.by), day(paused.at));
    let command = format!("rosterd resume {}", shell_word(&clean(feed.feed.as_str())));
    Some(Thing { lead: format!("{}: paused", name(feed.feed.as_str())), text, command: Some(command) })
}

/// The feeds by how they are.
struct Sorted<'a> {
    held: Vec<&'a FeedNews>,
    look: Vec<&'a FeedNews>,
    paused: Vec<&'a FeedNews>,
    well: Vec<&'a FeedNews>,
    /// Incidents of no feed that is configured.
    others: usize,
}

impl<'a> Sorted<'a> {
    /// The worst first.
    fn all(&self) -> impl Iterator<Item = &'a FeedNews> + '_ {
        [&self.held, &self.look, &self.paused, &self.well].into_iter().flatten().copied()
    }

    /// `[rosterd] digest: 12 feeds well, 1 held`.
    fn subject(&self) -> String {
        let mut subject = format!("[rosterd] digest: {} well", count(self.well.len(), "feed", "feeds"));
        for (list, word) in [(&self.held, "held"), (&self.look, "to look at"), (&self.paused, "paused")] {
            if !list.is_empty() {
                subject.push_str(&format!(", {} {word}", list.len()));
            }
        }
        if self.others > 0 {
            subject.push_str(&format!(", {} of all feeds", count(self.others, "problem", "problems")));
        }
        subject
    }
}

fn first_line(things: &[Thing], sorted: &Sorted<'_>) -> String {
    if things.is_empty() {
        let is = |number: usize| if number == 1 { "is" } else { "are" };
        let (well, paused) = (sorted.well.len(), sorted.paused.len());
        let mut line = format!("Nothing to do: {} {} well", count(well, "feed", "feeds"), is(well));
        if paused > 0 {
            line.push_str(&format!(", {paused} {} paused", is(paused)));
        }
        line.push('.');
        return line;
    }
    let mut line = format!("Look at {}: ", count(things.len(), "thing", "things"));
    for (place, thing) in things.iter().enumerate() {
        let text = if place == 0 { thing.lead.clone() } else { format!("; {}", thing.lead) };
        if place > 0 && line.chars().count() + text.chars().count() > FIRST_LINE {
            line.push_str(&format!("; and {} more", things.len() - place));
            break;
        }
        line.push_str(&text);
    }
    line.push('.');
    line
}

fn summary(digest: &Digest, feeds: &[&FeedNews]) -> String {
    let groups = || feeds.iter().flat_map(|feed| &feed.groups);
    let sum = |of: fn(&GroupNews) -> u64| groups().map(of).fold(0_u64, u64::saturating_add);
    format!(
        "From {} to {}, by Vitable's own results: {} added, {} removed, {} not applied. {} now, in {}.",
        time(digest.since),
        time(digest.now),
        sum(|group| group.added),
        sum(|group| group.removed),
        sum(|group| group.failed),
        many(sum(|group| group.members), "member", "members"),
        count(groups().count(), "group", "groups")
    )
}

fn to_look_at(things: &[Thing]) -> Block {
    let item = |thing: &Thing| Item {
        lead: format!("{};", thing.lead),
        text: thing.text.clone(),
        command: thing.command.clone(),
    };
    let more = things.len().checked_sub(THINGS).filter(|more| *more > 0);
    Block {
        title: "To look at".to_owned(),
        note: more.map(|more| format!("The first {THINGS}, and {more} more: `{STATUS}`")),
        items: things.iter().take(THINGS).map(item).collect(),
    }
}

/// A block for each feed with a line for each of its groups, until there are enough.
fn rows(now: DateTime<Utc>, sorted: &Sorted<'_>) -> Vec<Block> {
    let (mut room, mut left) = (ROWS, 0);
    let mut blocks = Vec::new();
    for feed in sorted.all() {
        // A feed without a group takes a line too.
        let lines = feed.groups.len().max(1);
        if room == 0 {
            left += lines;
            continue;
        }
        let items: Vec<Item> = feed.groups.iter().take(room).map(|group| row(now, group)).collect();
        left += lines - items.len().max(1);
        room = room.saturating_sub(items.len().max(1));
        blocks.push(Block { title: name(feed.feed.as_str()), note: Some(note(feed)), items });
    }
    if left > 0 {
        let note = format!("and {left} more: `{STATUS}`");
        blocks.push(Block { title: "More groups".to_owned(), note: Some(note), items: Vec::new() });
    }
    blocks
}

fn note(feed: &FeedNews) -> String {
    let paused = feed.paused.as_ref().map_or_else(String::new, |paused| {
        let until = paused.until.map_or_else(String::new, |until| format!(" until {}", time(until)));
        format!("Paused by {}{until}. ", clean(&paused.by))
    });
    let groups = if feed.groups.is_empty() { " No group of it is known yet." } else { "" };
    format!("{paused}Next run: {}.{groups}", clean(&feed.next))
}

fn row(now: DateTime<Utc>, group: &GroupNews) -> Item {
    let mut parts = vec![
        many(group.members, "member", "members"),
        format!("{} added", group.added),
        format!("{} removed", group.removed),
    ];
    if group.failed > 0 {
        parts.push(format!("{} not applied", group.failed));
    }
    let mut text = vec![parts.join(", ")];
    text.extend(group.standing.as_ref().map(|standing| clean(standing)));
    text.extend(waiting(now, group));
    text.push(match group.completed {
        Some(at) => format!("last completed {} ({} ago)", time(at), age(now, at)),
        None => "never completed".to_owned(),
    });
    Item { lead: format!("{}:", name(group.group.as_str())), text: text.join("; "), command: None }
}

impl GroupNews {
    fn waiting(&self) -> [(&'static str, &Waited); 3] {
        [("removal", &self.removals), ("move", &self.moves), ("addition", &self.additions)]
    }
}

/// `4 removals wait, oldest 9 days`.
fn waiting(now: DateTime<Utc>, group: &GroupNews) -> Vec<String> {
    let lists = group.waiting().into_iter();
    lists
        .filter_map(|(what, list)| {
            let oldest = list.oldest.filter(|_| list.total > 0)?;
            let wait = if list.total == 1 {
                format!("1 {what} waits")
            } else {
                format!("{} {what}s wait", list.total)
            };
            Some(format!("{wait}, oldest {}", age(now, oldest)))
        })
        .collect()
}

fn footer(digest: &Digest) -> String {
    match &digest.next {
        Some(next) => format!(
            "Sent by rosterd as `alerts.digest` says. The next one comes {}; if it does not, rosterd does not run, or its mails do not arrive.",
            clean(next)
        ),
        None => "Sent by rosterd as `alerts.digest` says.".to_owned(),
    }
}

fn name(text: &str) -> String {
    cut(&clean(text), 60)
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// `9 days`.
fn age(now: DateTime<Utc>, since: DateTime<Utc>) -> String {
    let age = now.signed_duration_since(since).max(TimeDelta::zero());
    let (number, one, more) = match (age.num_days(), age.num_hours()) {
        (0, 0) => (age.num_minutes(), "minute", "minutes"),
        (0, hours) => (hours, "hour", "hours"),
        (days, _) => (days, "day", "days"),
    };
    format!("{number} {}", if number == 1 { one } else { more })
}

fn many(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}
