//! One look at everything that is open: what to store, and what to mail.

use super::{
    Budget, Draft, Incident, Mail, MailSettings, Reason, Record, Settings, Sight, direct, draft,
    letter::Entry,
    message::{self, Id},
    needs_mail,
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
    /// At most one for each list of recipients: several incidents of one review come together. One with the Message-ID of
    /// a draft takes its place.
    pub mails: Vec<Mail>,
}

/// What a review stands on beside the incidents.
pub struct Ground<'a> {
    /// When it is made.
    pub now: DateTime<Utc>,
    /// Who is told, and how often.
    pub settings: &'a Settings,
    /// The mails of the last while; those of the review are noted in it.
    pub budget: &'a mut Budget,
    /// Mails that have not gone yet, and take in what there is to tell to the same people.
    pub drafts: &'a [Draft],
    /// Gives a random text for a Message-ID; asked only when there is a mail.
    pub ids: &'a mut dyn FnMut() -> String,
}

/// Compares what a run found with what is known: opens, changes, reminds, resolves. What is resolved is `over` for this
/// reason.
///
/// With [`Settings::None`] the records are kept and nothing is mailed, so that an incident that is still open when
/// alerts are switched on is mailed then. So it is when the mails of the last while are too many: then
/// [`catch_up`] mails it.
pub fn review(
    current: &[Incident],
    (scope, over): (&Scope<'_>, Reason),
    known: &[Record],
    ground: Ground<'_>,
) -> Review {
    let (now, settings) = (ground.now, ground.settings);
    let current = merge(current);
    let known_by_key: HashMap<&str, &Record> =
        known.iter().map(|record| (record.key.as_str(), record)).collect();
    let mut found = Vec::new();
    for (key, incident) in &current {
        let before = known_by_key.get(key.as_str()).copied();
        let sight = Sight::Open(incident);
        let due = settings.remind_every().and_then(|every| {
            needs_mail(incident.kind, sight, before.map(Record::history).as_ref(), now, every)
        });
        let record = match before {
            Some(record) if record.is_open() => record.seen_again(incident, now),
            Some(record) => record.came_back(incident, now),
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
        let incident = record.incident();
        let due = settings.remind_every().zip(incident.as_ref()).and_then(|(every, incident)| {
            needs_mail(incident.kind, Sight::Over(over), Some(&record.history()), now, every)
        });
        let ended = Record { resolved: Some(now), ..record.clone() };
        found.push((ended, due, incident));
    }
    match settings.mail() {
        Some(settings) => mail(found, settings, ground),
        None => Review { records: found.into_iter().map(|(record, ..)| record).collect(), mails: Vec::new() },
    }
}

/// Mails what is due of these records although nothing new is seen of them: reminders of what nobody looks at again,
/// and what was kept back because too many mails had gone, or because it came and went.
pub fn catch_up(known: &[Record], ground: Ground<'_>) -> Review {
    let Some(settings) = ground.settings.mail() else { return Review::default() };
    let found = known.iter().filter_map(|record| {
        let incident = record.incident()?;
        let sight = if record.is_open() { Sight::Open(&incident) } else { Sight::Over(Reason::Recovered) };
        let history = record.history();
        let due = needs_mail(incident.kind, sight, Some(&history), ground.now, settings.remind_every)?;
        Some((record.clone(), Some(due), Some(incident)))
    });
    let mut review = mail(found.collect(), settings, ground);
    // What still waits stays as it is.
    let before: HashMap<&str, &Record> = known.iter().map(|record| (record.key.as_str(), record)).collect();
    review.records.retain(|record| before.get(record.key.as_str()) != Some(&record));
    review
}

type Found = (Record, Option<Reason>, Option<Incident>);

/// What there is to tell to a list of recipients.
struct List<'s> {
    /// As they are configured.
    to: &'s [String],
    /// Without names.
    addresses: Vec<String>,
    /// Of the records among those that were found.
    places: Vec<usize>,
    entries: Vec<Entry>,
}

/// Composes the mails, one for each list of recipients, and notes them in the records that they tell of. What belongs
/// into a draft goes there. To whom too many went lately no other goes, unless one of the incidents cannot wait.
fn mail(mut found: Vec<Found>, settings: &MailSettings, ground: Ground<'_>) -> Review {
    let Ground { now, budget, drafts, ids, .. } = ground;
    let mut told: Vec<(usize, Entry)> = found
        .iter()
        .enumerate()
        .filter_map(|(place, (record, due, incident))| {
            let (reason, incident) = ((*due)?, incident.clone()?);
            let (opened, thread) = (record.opened, record.thread.clone());
            Some((place, Entry { reason, incident, opened, told: now, thread }))
        })
        .collect();
    // The mail with what is most urgent comes first.
    told.sort_by_key(|(_, entry)| (entry.reason.is_over(), entry.incident.kind));
    let mut lists: Vec<List<'_>> = Vec::new();
    for (place, entry) in told {
        let to = direct::recipients(settings, &entry.incident);
        // The same people under other names are the same list.
        let addresses: Vec<String> = to.iter().map(|one| message::bare(one)).collect();
        match lists.iter_mut().find(|list| list.addresses == addresses) {
            Some(list) => {
                list.places.push(place);
                list.entries.push(entry);
            }
            None => lists.push(List { to, addresses, places: vec![place], entries: vec![entry] }),
        }
    }
    let mut mails = Vec::new();
    for List { to, addresses, places, entries } in lists {
        let urgent =
            entries.iter().any(|entry| entry.incident.kind.is_urgent() || entry.reason == Reason::Withdrawn);
        let grown = Draft::taking(drafts, &addresses, &entries);
        if grown.is_none() && !urgent && !budget.allows(to, settings.at_most, now) {
            continue;
        }
        // Without a draft they are sorted already, and each is there once.
        let mail = match &grown {
            Some(grown) => {
                let id = Id::Known(&grown.draft.message_id);
                draft::compose(&grown.joined, settings, to, now, id)
            }
            None => draft::compose(&entries, settings, to, now, Id::Of(&ids())),
        };
        let Some(mail) = mail else { continue };
        for place in places {
            let Some((record, ..)) = found.get_mut(place) else { continue };
            if grown.as_ref().is_some_and(|grown| grown.told_of(&record.key)) {
                record.note_change(now);
            } else {
                record.note_mail(&mail.message_id, now);
            }
        }
        if grown.is_none() {
            budget.note(to, settings.at_most, now);
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
