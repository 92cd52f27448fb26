//! From the outbox to the mail's transport. A mail stays until its transport has taken it, or for a week.
//!
//! One delivery at a time, beside the work and never in its way: whoever has something to tell writes it with its
//! incident, wakes [`Engine::post_mails`] and goes on.

use super::{
    Engine,
    drafts::Gathered,
    retry::{self, Tried},
    shared::Telling,
    tell::{Scope, record},
};
use crate::{
    ledger::{Facts, LedgerError, StoredMail},
    notify::{Carrier, Incident, Kind, MailSettings, Receipt, Undelivered},
};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeSet, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// The longest sleep between two looks at the outbox: a clock that is set shifts no mail.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// The shortest one that nobody interrupts.
const SHORTEST_SLEEP: Duration = Duration::from_secs(1);
/// That mails arrive again is itself a mail, which goes in the next round.
const ROUNDS: usize = 3;

/// What became of the mails that waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Taken by the transport.
    pub delivered: usize,
    /// Still waiting.
    pub waiting: usize,
    /// Given up after a week.
    pub given_up: usize,
}

/// Whose turn it is, and what this process knows of the mails.
#[derive(Default)]
pub(super) struct Post {
    turn: tokio::sync::Mutex<()>,
    wake: Notify,
    /// Mails that were handed on, and of which the state does not take the news: not again by this process.
    unrecorded: Mutex<HashSet<String>>,
    /// Why the transport failed last, so that the same failure is logged once.
    failing: Mutex<Option<String>>,
    told_directly: AtomicBool,
    /// When it was last looked what is due.
    reminded: Mutex<Option<Instant>>,
    /// The mails of this process that gather, by Message-ID.
    gathering: Mutex<BTreeSet<String>>,
}

impl Post {
    /// Logs a failure of the transport, or that it is over, once.
    fn note(&self, failing: Option<String>) {
        let mut known = lock(&self.failing);
        match (&*known, &failing) {
            (before, Some(why)) if before.as_ref() != Some(why) => {
                tracing::error!("mails wait, because {why}");
            }
            (Some(_), None) => tracing::info!("mails are taken again"),
            (Some(_) | None, _) => {}
        }
        *known = failing;
    }
}

impl Post {
    /// There may be a mail to hand on. Returns at once.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// The mails of this process that gather. Of an earlier one none does.
    pub(super) fn gathering(&self) -> MutexGuard<'_, BTreeSet<String>> {
        lock(&self.gathering)
    }

    /// Whether an incident may be mailed past the outbox now: once in the life of the process.
    pub(super) fn may_tell_directly(&self) -> bool {
        !self.told_directly.swap(true, Ordering::Relaxed)
    }
}

/// What one delivery has seen so far.
#[derive(Default)]
struct Seen {
    delivery: Delivery,
    /// Addresses for which a mail was taken.
    taken: Vec<String>,
    /// Whether what happened is itself a mail.
    mailed: bool,
    /// The first write that failed.
    broken: Option<LedgerError>,
}

impl Engine {
    /// Hands on every mail that is due by the engine's clock, the oldest first, also what still gathers; the first call of a
    /// process, and of a new configuration, tries all that wait. One delivery at a time: a second caller waits for the first.
    /// Bounded in time for each mail. When it is dropped on the way, a mail may have been taken without our knowing, and goes
    /// once more.
    ///
    /// # Errors
    /// When the ledger cannot be read or written. A transport that fails or refuses is no error: the mail waits.
    pub async fn deliver(&self) -> Result<Delivery, LedgerError> {
        self.hand_on(Gathered::All).await
    }

    async fn hand_on(&self, gathered: Gathered) -> Result<Delivery, LedgerError> {
        let _turn = self.shared.post.turn.lock().await;
        let Some(settings) = self.settings.alerts.mail() else {
            return self.nobody_is_told();
        };
        self.remind()?;
        let mut seen = Seen::default();
        let mut at_once = !self.mails_tried.load(Ordering::Relaxed);
        for _ in 0..ROUNDS {
            // What the state does not take ends nothing: the others are told all the same.
            match self.close_gathered(gathered, at_once) {
                Ok(()) => self.mails_tried.store(true, Ordering::Relaxed),
                Err(error) => seen.broken = Some(error),
            }
            self.round(settings, at_once, &mut seen).await?;
            at_once = false;
            if let Some(error) = seen.broken {
                return Err(error);
            }
            let judged = self.judge_mails(settings, &seen.taken)?;
            if !std::mem::take(&mut seen.mailed) && !judged {
                break;
            }
        }
        Ok(Delivery { waiting: self.ledger.outbox()?.len(), ..seen.delivery })
    }

    /// Puts mails into the outbox of what is due though nothing new is seen of it. Not at each call: while many
    /// incidents are open it reads them all.
    fn remind(&self) -> Result<(), LedgerError> {
        {
            let mut last = lock(&self.shared.post.reminded);
            if last.is_some_and(|last| last.elapsed() < LONGEST_SLEEP) {
                return Ok(());
            }
            *last = Some(Instant::now());
        }
        let telling = self.shared.telling();
        let facts = self.due_facts(&telling)?;
        if facts.mails.is_empty() { Ok(()) } else { self.ledger.record(facts) }
    }

    /// Hands mails on whenever one is due, until `stop`: for the life of a daemon or of a command. A delivery that is
    /// under way then comes to its end. Failures are logged, once for each change.
    pub async fn post_mails(&self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let delivered = self.hand_on(Gathered::Whole).await;
            let sleep = match delivered.and_then(|_| self.next_mail_due()) {
                Ok(due) => self.sleep_until(due),
                Err(error) => {
                    self.shared.post.note(Some(format!("the state cannot be used: {error}")));
                    LONGEST_SLEEP
                }
            };
            tokio::select! {
                () = &mut stop => return,
                () = self.shared.post.wake.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Does this work with the mails going out beside it, and hands on what is left at its end. Returns what the work
    /// returned, and how the last delivery went.
    pub async fn with_mails<T>(&self, work: impl Future<Output = T>) -> (T, Result<Delivery, LedgerError>) {
        let over = Notify::new();
        let work = async {
            let done = work.await;
            over.notify_one();
            done
        };
        let (done, ()) = tokio::join!(work, self.post_mails(over.notified()));
        (done, self.deliver().await)
    }

    /// There may be a mail to hand on. Returns at once.
    pub fn wake_mails(&self) {
        self.shared.post.wake();
    }

    /// When the next mail is to be tried, which may have passed; none when no mail waits.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn next_mail_due(&self) -> Result<Option<DateTime<Utc>>, LedgerError> {
        match self.settings.alerts.mail() {
            Some(_) => Ok(retry::next_due(&self.recordable()?)),
            None => Ok(None),
        }
    }

    fn sleep_until(&self, due: Option<DateTime<Utc>>) -> Duration {
        let until =
            |due: DateTime<Utc>| due.signed_duration_since(self.clock.now()).to_std().unwrap_or_default();
        due.map_or(LONGEST_SLEEP, until).clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
    }

    /// The mails that wait, but for those that this process has handed on without being able to say so.
    fn recordable(&self) -> Result<Vec<StoredMail>, LedgerError> {
        let mut mails = self.ledger.outbox()?;
        let unrecorded = lock(&self.shared.post.unrecorded);
        mails.retain(|mail| !unrecorded.contains(&mail.message_id));
        Ok(mails)
    }

    /// Tries each mail that is due, on one connection. What the state does not take ends nothing: the others are
    /// told all the same.
    async fn round(
        &self,
        settings: &MailSettings,
        at_once: bool,
        seen: &mut Seen,
    ) -> Result<(), LedgerError> {
        let due = retry::due(self.recordable()?, self.clock.now(), at_once);
        let mut carrier = Carrier::new(settings);
        for mail in due {
            let (id, to) = (mail.message_id.clone(), retry::recipients(&mail));
            let sent = carrier.send(&id, &to, &mail.message).await;
            // Here a test kills: what the server has taken is not recorded yet.
            fail::fail_point!("mail-handed-on");
            match self.record_try(settings, mail, &to, sent, seen) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    lock(&self.shared.post.unrecorded).insert(id);
                    seen.broken.get_or_insert(error);
                }
            }
        }
        carrier.close().await;
        Ok(())
    }

    /// Remembers what a try has made of a mail, in one batch with the incident that it brings. Says whether the next
    /// mail may be tried.
    fn record_try(
        &self,
        settings: &MailSettings,
        mail: StoredMail,
        to: &[String],
        sent: Result<Vec<Receipt>, String>,
        seen: &mut Seen,
    ) -> Result<bool, LedgerError> {
        let now = self.clock.now();
        let id = mail.message_id.clone();
        let mut news = Undelivered::default();
        let tried = match &sent {
            Ok(receipts) => {
                for (one, receipt) in to.iter().zip(receipts) {
                    seen.taken.retain(|taken| taken != one);
                    match receipt {
                        Receipt::Taken(_) => seen.taken.push(one.clone()),
                        Receipt::Refused(why) => news.refuse(one, why),
                        Receipt::Later(_) => {}
                    }
                }
                retry::answered(mail, to, receipts, now)
            }
            Err(why) => retry::transport_failed(mail, why, now),
        };
        let failing = match (&sent, &tried) {
            (Err(why), _) => Some(why.clone()),
            (Ok(_), Tried::Waits(mail)) if mail.blocks => mail.last_error.clone(),
            (Ok(_), _) => None,
        };
        let goes_on = failing.is_none();
        self.shared.post.note(failing.map(|why| format!("{} {why}", settings.transport)));
        news.given_up = u64::from(tried == Tried::GivenUp);
        let telling = self.shared.telling();
        let facts = self.facts_of(&telling, settings, &news)?;
        seen.mailed |= !facts.mails.is_empty();
        match tried {
            Tried::Settled => {
                self.ledger.mail_settled(&id, &facts)?;
                seen.delivery.delivered += 1;
            }
            Tried::Waits(mail) => self.ledger.mail_waits(&mail, &facts)?,
            Tried::GivenUp => {
                tracing::error!(message_id = %id, "a mail was given up after a week; `rosterd status` shows what is open");
                self.ledger.mail_settled(&id, &facts)?;
                seen.delivery.given_up += 1;
            }
        }
        Ok(goes_on)
    }

    /// The incident with what is new in it.
    fn facts_of(
        &self,
        telling: &Telling<'_>,
        settings: &MailSettings,
        news: &Undelivered,
    ) -> Result<Facts, LedgerError> {
        if *news == Undelivered::default() {
            return Ok(Facts::default());
        }
        let mut all = self.undelivered()?.unwrap_or_default();
        all.given_up += news.given_up;
        for refusal in &news.refused {
            tracing::error!(recipient = %refusal.address, "a mail was refused for good: {}", refusal.why);
            all.refuse(&refusal.address, &refusal.why);
        }
        let incident: Vec<Incident> = all.incident(settings).into_iter().collect();
        self.facts(telling, &incident, Scope::NOTHING)
    }

    /// Opens, changes or ends the incident about mails that do not arrive, as the outbox now stands. Says whether
    /// there is a mail of it.
    fn judge_mails(&self, settings: &MailSettings, taken: &[String]) -> Result<bool, LedgerError> {
        let known = self.undelivered()?;
        let mut now = known.clone().unwrap_or_default();
        let waiting = self.ledger.outbox()?;
        let refused: Vec<String> = waiting.iter().flat_map(|mail| mail.refused.iter().cloned()).collect();
        now.forget(taken, &refused, settings);
        now.late = u64::try_from(retry::late(&waiting, self.clock.now())).unwrap_or(u64::MAX);
        if !taken.is_empty() {
            now.given_up = 0;
        }
        let incident: Vec<Incident> = now.incident(settings).into_iter().collect();
        if incident.is_empty() && known.is_none() {
            return Ok(false);
        }
        self.told(&incident, Scope { kinds: &[Kind::MailUndeliverable], host: true, ..Scope::NOTHING })
    }

    /// What the open incident about mails says.
    fn undelivered(&self) -> Result<Option<Undelivered>, LedgerError> {
        let key = Incident::new(Kind::MailUndeliverable, "").key();
        let open = self.ledger.open_incident(&key)?;
        Ok(open.and_then(|stored| record(stored).incident()).map(|incident| Undelivered::of(&incident)))
    }

    /// With `alerts: none` no mail goes, so none is late.
    fn nobody_is_told(&self) -> Result<Delivery, LedgerError> {
        if self.undelivered()?.is_some() {
            self.told(&[], Scope { kinds: &[Kind::MailUndeliverable], host: true, ..Scope::NOTHING })?;
        }
        Ok(Delivery::default())
    }
}

/// A lock that a panic elsewhere does not take from us: what it guards is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
