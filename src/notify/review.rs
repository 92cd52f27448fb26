//! One look at everything that is open: what to store, and what to mail.

use super::{
    Incident, Mail, MailSettings, Reason, Record, Settings, direct,
    letter::{Entry, Letter},
    message, needs_mail, worth_its_end,
};
use chrono::{DateTime, Utc};
use std::collections::{HashMap, HashSet};

/// Tells whether a run could have seen this incident. An open one that it could have seen and did not is over;
/// one that it could not have seen (of another feed, or of a step that it never reached) stays as it is.
pub type Scope<'a> = dyn Fn(&Record) -> bool + 'a;

/// What follows from a review. Both lists belong into one batch.
#[derive(Clone, Debug, Default)]
pub struct Review {
    /// The records that are new or changed.
    pub records: Vec<Record>,
    /// At most one for each list of recipients: several incidents of one review come together.
    pub mails: Vec<Mail>,
}

/// Compares what a run found with what is known: opens, changes, reminds, resolves. What is resolved is `over` for this
/// reason.
///
/// `ids` gives a random text for the Message-ID; it is asked only when there is a mail. With
/// [`Settings::None`] the records are kept and nothing is mailed, so that an incident that is still open when
/// alerts are switched on is mailed then.
pub fn review(
    current: &[Incident],
    (scope, over): (&Scope<'_>, Reason),
    known: &[Record],
    now: DateTime<Utc>,
    settings: &Settings,
    ids: &mut dyn FnMut() -> String,
) -> Review {
    let current = merge(current);
    let known_by_key: HashMap<&str, &Record> =
        known.iter().map(|record| (record.key.as_str(), record)).collect();
    let mut found = Vec::new();
    for (key, incident) in &current {
        let before = known_by_key.get(key.as_str()).copied();
        let due = settings
            .remind_every()
            .and_then(|every| needs_mail(incident, before.map(Record::history).as_ref(), now, every));
        let record = match before.filter(|record| record.is_open()) {
            Some(record) => record.seen_again(incident, now),
            None => Record::opened(incident, now),
        };
        if due.is_some() || before != Some(&record) {
            found.push((record, due, Some(incident.clone())));
        }
    }
    let seen: HashSet<&str> = current.iter().map(|(key, _)| key.as_str()).collect();
    for record in known.iter().filter(|record| record.is_open()) {
        if seen.contains(record.key.as_str()) || !scope(record) {
            continue;
        }
        let told = settings.remind_every().is_some() && worth_its_end(&record.history());
        let due = told.then_some(over);
        let ended = Record { resolved: Some(now), ..record.clone() };
        found.push((ended, due, record.incident()));
    }
    match settings.mail() {
        Some(settings) => mail(found, now, settings, ids),
        None => Review { records: found.into_iter().map(|(record, ..)| record).collect(), mails: Vec::new() },
    }
}

type Found = (Record, Option<Reason>, Option<Incident>);

/// Composes the mails, one for each list of recipients, and notes them in the records that they tell of.
fn mail(
    mut found: Vec<Found>,
    now: DateTime<Utc>,
    settings: &MailSettings,
    ids: &mut dyn FnMut() -> String,
) -> Review {
    let mut told: Vec<(usize, Entry)> = found
        .iter()
        .enumerate()
        .filter_map(|(place, (record, due, incident))| {
            let (reason, incident) = ((*due)?, incident.clone()?);
            Some((place, Entry { reason, incident, opened: record.opened, thread: record.thread.clone() }))
        })
        .collect();
    told.sort_by_key(|(_, entry)| (entry.reason.is_over(), entry.incident.kind));
    let mut lists: Vec<(&[String], Vec<usize>, Vec<Entry>)> = Vec::new();
    for (place, entry) in told {
        let to = direct::recipients(settings, &entry.incident);
        match lists.iter_mut().find(|(known, ..)| *known == to) {
            Some((_, places, entries)) => {
                places.push(place);
                entries.push(entry);
            }
            None => lists.push((to, vec![place], vec![entry])),
        }
    }
    let mut mails = Vec::new();
    for (to, places, entries) in lists {
        let letter = Letter::new(&entries, now, settings.remind_every);
        let Some(mail) = message::compose(&letter, settings, to, now, &ids()) else { continue };
        for place in places {
            if let Some((record, ..)) = found.get_mut(place) {
                record.note_mail(&mail.message_id, now);
            }
        }
        mails.push(mail);
    }
    Review { records: found.into_iter().map(|(record, ..)| record).collect(), mails }
}

/// Incidents of one key become one, in the order in which they first appear.
fn merge(current: &[Incident]) -> Vec<(String, Incident)> {
    let mut merged: Vec<(String, Incident)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for incident in current {
        let key = incident.key();
        match places.get(&key).and_then(|&place| merged.get_mut(place)) {
            Some((_, known)) => known.absorb(incident),
            None => {
                places.insert(key.clone(), merged.len());
                merged.push((key, incident.clone()));
            }
        }
    }
    merged
}
