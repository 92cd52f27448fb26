//! Reviews in a row, with what they leave behind.

use chrono::{DateTime, Utc};
use rosterd::notify::{Incident, Mail, MailSettings, Reason, Record, Review, Settings, Transport, review};
use rosterd::roster::FeedName;
use std::time::Duration;

pub(super) const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn at(hours: i64) -> DateTime<Utc> {
    // Monday, 2026-11-23, 06:00 UTC.
    DateTime::from_timestamp(1_795_413_600 + hours * 3600, 0).unwrap()
}

pub(super) fn settings() -> Settings {
    Settings::from(MailSettings {
        transport: Transport::Folder("unused".into()),
        from: "rosterd <alerts@partner.example>".into(),
        to: vec!["benefits-ops@partner.example".into(), "Duty <duty@partner.example>".into()],
        feeds: [(FeedName::new("initech").unwrap(), vec!["initech-hr@partner.example".into()])].into(),
        remind_every: EVERY,
    })
}

/// Reviews with Message-IDs that count up, and keeps the records as the ledger would.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) known: Vec<Record>,
    pub(super) mails: Vec<Mail>,
    pub(super) ids: u32,
}

impl Desk {
    pub(super) fn review(&mut self, current: &[Incident], hour: i64, settings: &Settings) -> Review {
        self.review_in(current, (&|_| true, Reason::Recovered), hour, settings)
    }

    pub(super) fn review_in(
        &mut self,
        current: &[Incident],
        over: (&dyn Fn(&Record) -> bool, Reason),
        hour: i64,
        settings: &Settings,
    ) -> Review {
        let ids = &mut self.ids;
        let review = review(current, over, &self.known, at(hour), settings, &mut || {
            *ids += 1;
            format!("id{ids}")
        });
        for record in &review.records {
            self.known.retain(|known| known.key != record.key);
            self.known.push(record.clone());
        }
        self.mails.extend(review.mails.iter().cloned());
        review
    }
}
