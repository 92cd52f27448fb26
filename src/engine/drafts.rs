//! What belongs together comes together: a mail about a run waits for what else the run has to tell, for a while.

use super::Engine;
use crate::{
    ledger::{Facts, Gathering, LedgerError, StoredMail},
    notify::{Draft, Mail},
};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;

/// For so long a mail waits at most. Most runs are over by then; what cannot wait does not.
const GATHERS_FOR: TimeDelta = TimeDelta::minutes(5);

/// Which of the mails that gather go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gathered {
    /// Those to which nothing more comes.
    Whole,
    /// All of them: whoever waits for it is about to end.
    All,
}

impl Engine {
    /// The mails that gather. Whoever asks holds `telling`.
    pub(super) fn gathering(&self) -> Result<Vec<StoredMail>, LedgerError> {
        let mut gathering = Vec::new();
        for id in self.shared.post.gathering().iter() {
            gathering.extend(self.ledger.mail(id)?.filter(|mail| mail.gathering.is_some()));
        }
        Ok(gathering)
    }

    /// A mail as it enters the outbox, or takes the place of the one that it adds to.
    pub(super) fn gathered(&self, mail: Mail, gathering: &[StoredMail], now: DateTime<Utc>) -> StoredMail {
        let Mail { message_id, to, message, tells, .. } = mail;
        let before = gathering.iter().find(|known| known.message_id == message_id);
        let until = before.and_then(|before| before.gathering.as_ref()).map(|before| before.until);
        let until = until.unwrap_or(now + GATHERS_FOR);
        let feeds = self.shared.going(&tells.feeds);
        let waits = !feeds.is_empty() && !tells.urgent;
        let gathering = waits.then(|| Box::new(Gathering { until, feeds, tells: tells.entries }));
        if gathering.is_some() {
            self.shared.post.gathering().insert(message_id.clone());
        }
        match before {
            Some(before) => StoredMail { message, gathering, ..before.clone() },
            None => StoredMail { gathering, ..StoredMail::new(message_id, to, message, now) },
        }
    }

    /// Nothing more comes to these mails, so that they may go: written down before the first of them leaves, since what
    /// comes to a mail that is on its way would be lost. With `left` what an earlier process left is looked for too: its
    /// runs tell nothing more.
    pub(super) fn close_gathered(&self, which: Gathered, left: bool) -> Result<(), LedgerError> {
        let _telling = self.shared.telling();
        let now = self.clock.now();
        let ours = self.shared.post.gathering().clone();
        let (mut open, mut closed) = (BTreeSet::new(), Vec::new());
        for mail in if left { self.ledger.outbox()? } else { self.gathering()? } {
            match &mail.gathering {
                Some(gathering)
                    if which == Gathered::Whole
                        && ours.contains(&mail.message_id)
                        && !self.is_whole(gathering, now) =>
                {
                    open.insert(mail.message_id);
                }
                Some(_) => closed.push(StoredMail { gathering: None, ..mail }),
                None => {}
            }
        }
        if !closed.is_empty() {
            self.ledger.record(Facts { mails: closed, ..Facts::default() })?;
        }
        *self.shared.post.gathering() = open;
        Ok(())
    }

    /// Whether nothing more comes. A clock that went back makes nobody wait for longer.
    fn is_whole(&self, gathering: &Gathering, now: DateTime<Utc>) -> bool {
        let left = gathering.until.signed_duration_since(now);
        left <= TimeDelta::zero() || left > GATHERS_FOR || self.shared.going(&gathering.feeds).is_empty()
    }
}

/// What a mail that gathers tells so far.
pub(super) fn draft(mail: &StoredMail) -> Option<Draft> {
    let Gathering { tells, .. } = mail.gathering.as_deref()?;
    Some(Draft { message_id: mail.message_id.clone(), to: mail.to.clone(), entries: tells.clone() })
}
