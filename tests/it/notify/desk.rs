//! Reviews in a row, with what they leave behind.

use chrono::{DateTime, Utc};
use rosterd::notify::{
    AtMost, Budget, Ground, Incident, Mail, MailSettings, Reason, Record, Review, Settings, Transport,
    catch_up, review,
};
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
        at_most: AtMost::default(),
    })
}

/// Reviews with Message-IDs that count up, and keeps the records as the ledger would.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) known: Vec<Record>,
    pub(super) mails: Vec<Mail>,
    pub(super) ids: u32,
    pub(super) budget: Budget,
}

impl Desk {
    pub(super) fn review(&mut self, current: &[Incident], hour: i64, settings: &Settings) -> Review {
        self.review_in(current, (&|_| true, Reason::Recovered), hour, settings)
    }

    pub(super) fn review_at(
        &mut self,
        current: &[Incident],
        now: DateTime<Utc>,
        settings: &Settings,
    ) -> Review {
        self.look(current, (&|_| true, Reason::Recovered), now, settings)
    }

    pub(super) fn review_in(
        &mut self,
        current: &[Incident],
        over: (&dyn Fn(&Record) -> bool, Reason),
        hour: i64,
        settings: &Settings,
    ) -> Review {
        self.look(current, over, at(hour), settings)
    }

    fn look(
        &mut self,
        current: &[Incident],
        over: (&dyn Fn(&Record) -> bool, Reason),
        now: DateTime<Utc>,
        settings: &Settings,
    ) -> Review {
        let known = std::mem::take(&mut self.known);
        let review = self.on_ground(now, settings, |ground| review(current, over, &known, ground));
        self.known = known;
        self.keep(&review);
        review
    }

    /// A minute of which nothing new is seen.
    pub(super) fn catch_up(&mut self, now: DateTime<Utc>, settings: &Settings) -> Review {
        let known = std::mem::take(&mut self.known);
        let review = self.on_ground(now, settings, |ground| catch_up(&known, ground));
        self.known = known;
        self.keep(&review);
        review
    }

    fn on_ground(
        &mut self,
        now: DateTime<Utc>,
        settings: &Settings,
        review: impl FnOnce(Ground<'_>) -> Review,
    ) -> Review {
        let (ids, budget) = (&mut self.ids, &mut self.budget);
        let mut ids = || {
            *ids += 1;
            format!("id{ids}")
        };
        review(Ground { now, settings, budget, drafts: &[], ids: &mut ids })
    }

    fn keep(&mut self, review: &Review) {
        for record in &review.records {
            self.known.retain(|known| known.key != record.key);
            self.known.push(record.clone());
        }
        self.mails.extend(review.mails.iter().cloned());
    }
}
