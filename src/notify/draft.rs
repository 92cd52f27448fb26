//! A mail that has not gone yet, and takes in what else there is to tell to the same people. Pure.

use super::{
    MailSettings, Reason,
    letter::{Entry, Letter, SECTIONS},
    message::{self, Id, Mail, Tells},
};
use crate::roster::FeedName;
use chrono::{DateTime, Utc};

/// A mail of which nothing has left this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// It keeps its Message-ID: what it tells of goes on under it.
    pub message_id: String,
    /// Who gets it: addresses without names.
    pub to: Vec<String>,
    /// [`Tells::entries`].
    pub entries: serde_json::Value,
}

/// A draft with what it told, and what it tells with what comes to it.
pub(super) struct Grown<'d> {
    pub(super) draft: &'d Draft,
    pub(super) told: Vec<Entry>,
    pub(super) joined: Vec<Entry>,
}

impl Grown<'_> {
    /// Whether the draft told of the incident already.
    pub(super) fn told_of(&self, key: &str) -> bool {
        self.told.iter().any(|entry| entry.incident.key() == key)
    }
}

impl Draft {
    /// The draft among these that goes to just these people (addresses without names), with this in it if it has room for
    /// it. A mail tells of one feed, and of what concerns all of them: others have runs, threads and filters of their own.
    pub(super) fn taking<'d>(drafts: &'d [Self], to: &[String], more: &[Entry]) -> Option<Grown<'d>> {
        drafts.iter().filter(|draft| draft.to == to).find_map(|draft| {
            let told: Vec<Entry> = serde_json::from_value(draft.entries.clone()).ok()?;
            let tells_of =
                |feed: &FeedName| told.iter().any(|entry| entry.incident.feed.as_ref() == Some(feed));
            if !more.iter().all(|entry| entry.incident.feed.as_ref().is_none_or(tells_of)) {
                return None;
            }
            let joined = joined(told.clone(), more.to_vec());
            (joined.len() <= SECTIONS).then_some(Grown { draft, told, joined })
        })
    }
}

/// What a mail tells when this comes to what it told: each incident once, as it is now.
pub(super) fn joined(mut told: Vec<Entry>, more: Vec<Entry>) -> Vec<Entry> {
    for entry in more {
        let key = entry.incident.key();
        match told.iter_mut().find(|known| known.incident.key() == key) {
            Some(known) => *known = after(known, entry),
            None => told.push(entry),
        }
    }
    told.sort_by_key(|entry| (entry.reason.is_over(), entry.incident.kind));
    told
}

/// The later of two of the same incident, for somebody who was told neither: who has not heard of the beginning hears of
/// it, and of the end alone when it is over already.
fn after(before: &Entry, entry: Entry) -> Entry {
    let reason = match (before.reason, entry.reason) {
        (_, over @ (Reason::Recovered | Reason::Withdrawn)) => over,
        (Reason::Reminder, Reason::Reminder) => Reason::Reminder,
        // Only a thread of an earlier mail tells that there was one.
        (_, Reason::Opened | Reason::Changed | Reason::Reminder) if before.thread.is_none() => Reason::Opened,
        (_, Reason::Opened | Reason::Changed | Reason::Reminder) => Reason::Changed,
    };
    Entry { reason, thread: before.thread.clone(), opened: before.opened.min(entry.opened), ..entry }
}

/// The mail of these entries, which are sorted.
pub(super) fn compose(
    entries: &[Entry],
    settings: &MailSettings,
    to: &[String],
    now: DateTime<Utc>,
    id: Id<'_>,
) -> Option<Mail> {
    let letter = Letter::new(entries, settings.remind_every);
    let open = |entry: &Entry| entry.incident.kind.is_urgent() && !entry.reason.is_over();
    let tells = Tells {
        // Texts, numbers and lists of them: this cannot fail.
        entries: serde_json::to_value(entries).unwrap_or_default(),
        feeds: entries.iter().filter_map(|entry| entry.incident.feed.clone()).collect(),
        urgent: entries.iter().any(open),
    };
    Some(Mail { tells, ..message::compose(&letter, settings, to, now, id)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        notify::{Incident, Kind},
        roster::GroupRef,
    };

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minutes * 60, 0).unwrap()
    }

    fn entry(kind: Kind, why: &str, reason: Reason, thread: Option<&str>) -> Entry {
        let thread = thread.map(str::to_owned);
        Entry { reason, incident: Incident::new(kind, why), opened: at(0), told: at(2), thread }
    }

    #[test]
    fn what_happens_to_an_incident_before_its_mail_goes_is_told_as_it_is_then() {
        use Reason::{Changed, Opened, Recovered, Reminder, Withdrawn};
        const EARLIER: Option<&str> = Some("<earlier@x>");
        for (before, thread, now, told) in [
            (Opened, None, Changed, Opened),
            (Opened, None, Recovered, Recovered),
            (Opened, EARLIER, Changed, Changed),
            (Changed, EARLIER, Changed, Changed),
            (Changed, EARLIER, Withdrawn, Withdrawn),
            (Reminder, EARLIER, Reminder, Reminder),
            (Reminder, EARLIER, Changed, Changed),
            (Reminder, EARLIER, Recovered, Recovered),
            // It came back before anybody heard that it was over, or that it was there at all.
            (Recovered, EARLIER, Opened, Changed),
            (Recovered, None, Opened, Opened),
        ] {
            let known = entry(Kind::Held, "a", before, thread);
            // The record names the thread of this very mail by now.
            let later = Entry { opened: at(1), ..entry(Kind::Held, "b", now, Some("<this@x>")) };
            let joined = joined(vec![known], vec![later]);
            let expected = entry(Kind::Held, "b", told, thread);
            assert_eq!(joined, [expected], "{before:?}, then {now:?}");
        }
    }

    #[test]
    fn what_comes_to_it_stands_where_it_belongs() {
        let one = |kind, reason| entry(kind, "a", reason, None);
        let told = vec![one(Kind::Held, Reason::Opened), one(Kind::SourceFailed, Reason::Recovered)];
        let more = vec![one(Kind::RowsCarried, Reason::Opened), one(Kind::Refused, Reason::Opened)];
        let kinds: Vec<Kind> = joined(told, more).iter().map(|entry| entry.incident.kind).collect();
        assert_eq!(kinds, [Kind::Refused, Kind::Held, Kind::RowsCarried, Kind::SourceFailed]);
    }

    #[test]
    fn a_draft_takes_what_is_of_its_feed_or_of_none_until_it_is_full() {
        let of = |feed: &str, group: usize| {
            let entry = entry(Kind::Held, "a", Reason::Opened, None);
            let incident = Incident {
                feed: Some(FeedName::new(feed).unwrap()),
                group: Some(GroupRef::new(&format!("g{group}")).unwrap()),
                ..entry.incident
            };
            Entry { incident, ..entry }
        };
        let to = vec!["ops@partner.example".to_owned()];
        let draft = |told: &[Entry]| Draft {
            message_id: "<1@x>".to_owned(),
            to: to.clone(),
            entries: serde_json::to_value(told).unwrap(),
        };
        let drafts = [draft(&[of("acme", 0)])];
        let taken = |to: &[String], more: &[Entry]| Draft::taking(&drafts, to, more).is_some();
        assert!(taken(&to, &[of("acme", 1), entry(Kind::Credential, "a", Reason::Opened, None)]));
        assert!(!taken(&to, &[of("acme", 1), of("globex", 1)]));
        assert!(!taken(&["hr@partner.example".to_owned()], &[of("acme", 1)]));
        let many: Vec<Entry> = (0..SECTIONS).map(|group| of("acme", group)).collect();
        assert!(taken(&to, &many), "one of them is told already");
        let full = [draft(&many)];
        assert!(Draft::taking(&full, &to, &[of("acme", SECTIONS)]).is_none());
        assert!(Draft::taking(&full, &to, &[of("acme", 0)]).is_some(), "what stands in it stays true");
    }
}
