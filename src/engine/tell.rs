//! From what happened to what is stored and mailed with it, in the same batch.

use super::{Engine, drafts, shared::Telling};
use crate::{
    ledger::{Facts, LedgerError, StoredIncident},
    notify::{self, Incident, Kind, Reason, Record},
    roster::{FeedName, GroupRef, RequestId},
};
use std::collections::BTreeMap;

/// Which open incidents a step could have seen, so that one that it did not see is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) kinds: &'a [Kind],
    pub(super) feed: Option<&'a FeedName>,
    pub(super) group: Option<&'a GroupRef>,
    /// Only incidents of this request.
    pub(super) request: Option<&'a RequestId>,
    /// Only incidents of no feed in particular.
    pub(super) host: bool,
    /// Kinds of the whole daemon, whatever else the step is about.
    pub(super) daemon: &'a [Kind],
    /// Groups that the step did not look at, though it looked at their feed.
    pub(super) except: &'a [GroupRef],
    /// How what it did not see is over.
    pub(super) over: Reason,
}

impl Scope<'_> {
    /// Nothing is over by this step.
    pub(super) const NOTHING: Scope<'static> = Scope {
        kinds: &[],
        feed: None,
        group: None,
        request: None,
        host: false,
        daemon: &[],
        except: &[],
        over: Reason::Recovered,
    };
}

/// What a read that came to its end shows to be over.
pub(super) const READ: &[Kind] =
    &[Kind::SourceFailed, Kind::SourceCredential, Kind::HostKeyChanged, Kind::ReadIncomplete];
/// What reaching Vitable shows to be over.
pub(super) const CONTACT: &[Kind] =
    &[Kind::ApiUnreachable, Kind::Credential, Kind::ClockWrong, Kind::OtherLedger, Kind::ConfigWrong];
/// What a decision shows anew each time.
pub(super) const DECISION: &[Kind] = &[
    Kind::Held,
    Kind::ApprovalExpired,
    Kind::ReadSuspicious,
    Kind::NotRun,
    Kind::GroupUnknown,
    Kind::GroupChangedId,
    Kind::RowsLeftOut,
    Kind::RowsCarried,
    Kind::UnfinishedRun,
    Kind::ConfigWrong,
];
/// What any roster that Vitable takes shows to be over for the whole daemon.
pub(super) const TAKEN: &[Kind] = &[Kind::KeyMayNotSubmit, Kind::NotSent];
/// What a completed sync shows anew each time.
pub(super) const COMPLETION: &[Kind] = &[
    Kind::CoverageLost,
    Kind::Held,
    Kind::ApprovalExpired,
    Kind::Refused,
    Kind::OutcomeUnknown,
    Kind::Stuck,
    Kind::TimedOut,
    Kind::MembersFailed,
    Kind::SecondWriter,
    Kind::OldPlan,
];

impl Scope<'_> {
    fn covers(&self, record: &Record) -> bool {
        record.incident().is_some_and(|incident| {
            let of_daemon = incident.feed.is_none() && self.daemon.contains(&incident.kind);
            of_daemon
                || self.kinds.contains(&incident.kind)
                    && (!self.host || incident.feed.is_none())
                    && (self.feed.is_none() || self.feed == incident.feed.as_ref())
                    && (self.group.is_none() || self.group == incident.group.as_ref())
                    && (self.request.is_none() || self.request == incident.request_id.as_ref())
                    && incident.group.as_ref().is_none_or(|group| !self.except.contains(group))
        })
    }
}

impl Engine {
    /// What is stored and mailed for these incidents; open ones in `scope` that are not among them are over.
    /// Whoever asks holds `telling` until they are written.
    pub(super) fn facts(
        &self,
        _telling: &Telling<'_>,
        current: &[Incident],
        scope: Scope<'_>,
    ) -> Result<Facts, LedgerError> {
        let known = self.known(current, scope)?;
        // Most steps find nothing, and nothing that they could end.
        if current.is_empty() && known.is_empty() {
            return Ok(Facts::default());
        }
        let covers = |record: &Record| scope.covers(record);
        self.on_ground(|ground| notify::review(current, (&covers, scope.over), &known, ground))
    }

    /// What is due of incidents of which nothing new is seen: reminders, and what was kept back.
    pub(super) fn due_facts(&self, _telling: &Telling<'_>) -> Result<Facts, LedgerError> {
        let mut known = Vec::new();
        for record in self.ledger.untold_incidents("")?.into_iter().map(record) {
            if !self.is_answered(&record)? {
                known.push(record);
            }
        }
        self.on_ground(|ground| notify::catch_up(&known, ground))
    }

    /// Whether a person has said a word about what the incident asks for: nobody is reminded of a question that was
    /// answered.
    fn is_answered(&self, record: &Record) -> Result<bool, LedgerError> {
        let Some(Incident { kind: Kind::Held, feed: Some(feed), group: Some(group), .. }) =
            record.incident().filter(|_| record.is_open())
        else {
            return Ok(false);
        };
        let holds = self.ledger.holds(Some(&feed))?;
        Ok(holds.iter().any(|hold| hold.group == group && self.word_before(hold).is_some()))
    }

    /// What a review comes to, in the ledger's words.
    fn on_ground(
        &self,
        review: impl FnOnce(notify::Ground<'_>) -> notify::Review,
    ) -> Result<Facts, LedgerError> {
        let now = self.clock.now();
        let mut budget = notify::Budget(self.ledger.mail_budget()?);
        let gathering = self.gathering()?;
        let drafts: Vec<notify::Draft> = gathering.iter().filter_map(drafts::draft).collect();
        let ground = notify::Ground {
            now,
            settings: &self.settings.alerts,
            budget: &mut budget,
            drafts: &drafts,
            ids: &mut random_token,
        };
        let review = review(ground);
        for each in &review.records {
            if each.resolved.is_none() && each.mails <= 1 {
                tracing::info!(incident = %each.key, "an incident is open");
            }
        }
        let budget = (!review.mails.is_empty()).then_some(budget.0);
        Ok(Facts {
            incidents: review.records.into_iter().map(stored).collect(),
            mails: review.mails.into_iter().map(|mail| self.gathered(mail, &gathering, now)).collect(),
            budget,
        })
    }

    /// The incidents that these could be again, also such as are over, and the open ones that the scope could show to be
    /// over. No others: while ten thousand feeds fail, each step would read ten thousand.
    fn known(&self, current: &[Incident], scope: Scope<'_>) -> Result<Vec<Record>, LedgerError> {
        let mut known: BTreeMap<String, StoredIncident> = BTreeMap::new();
        for incident in current {
            let stored = self.ledger.incident(&incident.key())?;
            known.extend(stored.map(|stored| (stored.key.clone(), stored)));
        }
        let of_feed = scope.feed.map(Some).or(scope.host.then_some(None));
        let kinds = scope.kinds.iter().map(|kind| Incident::keys_begin(*kind, of_feed));
        let daemon = scope.daemon.iter().map(|kind| Incident::keys_begin(*kind, Some(None)));
        for beginning in kinds.chain(daemon) {
            let open = self.ledger.open_incidents(&beginning)?;
            known.extend(open.into_iter().map(|stored| (stored.key.clone(), stored)));
        }
        Ok(known.into_values().map(record).collect())
    }

    /// Stores and mails an incident of the whole daemon.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn tell_of(&self, incident: &Incident) -> Result<(), LedgerError> {
        self.tell(std::slice::from_ref(incident), Scope::NOTHING)
    }

    /// Whatever is open of these kinds for the whole daemon is over.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn is_over(&self, kinds: &[Kind]) -> Result<(), LedgerError> {
        self.tell(&[], Scope { daemon: kinds, ..Scope::NOTHING })
    }

    /// Stores and mails these incidents by themselves, when nothing else changes with them.
    pub(super) fn tell(&self, current: &[Incident], scope: Scope<'_>) -> Result<(), LedgerError> {
        if self.told(current, scope)? {
            self.wake_mails();
        }
        Ok(())
    }

    /// The same without waking anybody; says whether there is a mail of it.
    pub(super) fn told(&self, current: &[Incident], scope: Scope<'_>) -> Result<bool, LedgerError> {
        let telling = self.shared.telling();
        let facts = self.facts(&telling, current, scope)?;
        let mailed = !facts.mails.is_empty();
        if mailed || !facts.incidents.is_empty() {
            self.ledger.record(facts)?;
        }
        Ok(mailed)
    }
}

/// Sixteen random bytes in hexadecimal, for a Message-ID.
pub(super) fn random_token() -> String {
    let mut bytes = [0_u8; 16];
    // Without randomness from the system the token is constant, and a mail server may take two mails for one;
    // no mail is worth a crash.
    if getrandom::fill(&mut bytes).is_err() {
        tracing::warn!("the system gives no random numbers; a Message-ID may come twice");
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As `notify` knows it, which knows no ledger.
pub(super) fn record(stored: StoredIncident) -> Record {
    let StoredIncident { key, body, opened, changed, mailed, thread, mails, resolved, told_open, recent } =
        stored;
    // An earlier version did not write down what was told last: that it is open, when it is.
    let told_open = told_open || recent.is_empty() && mailed.is_some() && resolved.is_none();
    Record { key, body, opened, changed, mailed, thread, mails, resolved, told_open, recent }
}

/// As the ledger keeps it.
pub(super) fn stored(record: Record) -> StoredIncident {
    let Record { key, body, opened, changed, mailed, thread, mails, resolved, told_open, recent } = record;
    StoredIncident { key, body, opened, changed, mailed, thread, mails, resolved, told_open, recent }
}
