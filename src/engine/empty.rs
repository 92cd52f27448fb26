//! Emptying a group on purpose: the one way to an empty roster, on a person's word for one group.

use super::{
    Begun, Engine, Progress, Waiting,
    carry::note_sent,
    contact::{Named, NoContact},
    follow::about,
    submit::Release,
    tell::Scope,
};
use crate::{
    attempt::State,
    decide::Emptying,
    ledger::{
        Attempt, Counts, GroupReport, GroupVerdict, LedgerError, NewRun, Retired, Run, RunOutcome, Trigger,
        Undone,
    },
    notify::{Incident, Kind},
    roster::{FeedName, GroupId, GroupRef},
};
use std::sync::Arc;

/// Why a group cannot be emptied, or taken back, now.
#[derive(Debug, thiserror::Error)]
pub enum EmptyError {
    /// What is in the way, and what to do.
    #[error("{0}")]
    Refused(String),
    /// The ledger fails.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Engine {
    /// What emptying the group would do, for the person who is asked: how many members lose coverage.
    ///
    /// # Errors
    /// When nothing is known of the group, or a request is on its way.
    pub fn before_emptying(&self, group: &GroupRef) -> Result<usize, EmptyError> {
        self.owner_to_empty(group)?;
        let coverage = self.ledger.coverage_with(group, &|_, _| false)?;
        // After a lost answer one more empty roster is owed.
        let owed = self.ledger.repeat_owed(group)?;
        if coverage.is_empty() && !owed && self.ledger.retired(group)?.is_some() {
            return Err(EmptyError::Refused(format!(
                "group `{group}` is empty and retired already; `rosterd empty {group} --undo --reason …` takes that back"
            )));
        }
        Ok(coverage.len())
    }

    /// Retires the group, durably, and then submits an empty roster: the first part of a run, of which
    /// [`Engine::wait`] is the second. The run's feed is [`Engine::owner_to_empty`].
    ///
    /// # Errors
    /// When it cannot be done now, and when the ledger fails. What Vitable says is an outcome of the run.
    pub async fn begin_emptying(
        &self,
        emptying: &Emptying,
        (by, reason): (&str, &str),
        progress: &dyn Progress,
    ) -> Result<Begun, EmptyError> {
        let group = emptying.group();
        let feed = self.owner_to_empty(group)?;
        let going = self.shared.goes_on(&feed);
        if let Some(why) = self.halted() {
            return Err(EmptyError::Refused(why.to_string()));
        }
        let group_id = self.group_to_empty(group).await?;
        let coverage = self.ledger.coverage_with(group, &|_, _| false)?;
        let covered = u64::try_from(coverage.len()).unwrap_or(u64::MAX);
        let counts = Counts { covered, removed: covered, ended: covered, ..Counts::default() };
        let submission = Arc::new(emptying.submission(&coverage));
        let mut run = match self.retire(group, &feed, (by, reason)) {
            Ok(run) => run,
            Err(error) if error.is_about_the_group() => return Err(EmptyError::Refused(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        run.groups = vec![GroupReport {
            group_id: Some(group_id.clone()),
            reasons: vec![format!("emptied by {by} ({reason})")],
            counts,
            ..GroupReport::new(group.clone(), GroupVerdict::Submit)
        }];
        self.ledger.save_run(&run)?;
        let release = Release {
            run: &run,
            feed: &feed,
            group_id: &group_id,
            counts,
            submission: &submission,
            approval: None,
            half: false,
            progress,
        };
        let sent = self.send_one(&release, Vec::new()).await?;
        let mut outcome = RunOutcome::Done;
        let sent: Vec<_> = note_sent(&mut run, &mut outcome, 0, sent).into_iter().collect();
        if sent.is_empty() {
            let why = run.groups.iter().flat_map(|group| &group.reasons).next_back().cloned();
            self.tell(&[not_emptied(&run, group, &why.unwrap_or_default())], Scope::NOTHING)?;
        }
        Ok(self.sent_all(Waiting::without_read(run, outcome, sent, going))?)
    }

    fn retire(
        &self,
        group: &GroupRef,
        feed: &FeedName,
        (by, reason): (&str, &str),
    ) -> Result<Run, LedgerError> {
        let at = self.clock.now();
        let retired =
            Retired { group: group.clone(), by: by.to_owned(), reason: reason.to_owned(), at, undone: None };
        let order = NewRun { only: Some(group.clone()), ..NewRun::of(feed, Trigger::Emptying) };
        tracing::warn!(%group, by, reason, "a person empties the group, which is retired from now on");
        self.ledger.retire(&retired, &order)
    }

    /// Takes back that a group is retired. Says who had retired it.
    ///
    /// # Errors
    /// When it is not retired, while the request that empties it is in flight, and when the ledger fails.
    pub fn no_longer_empty(
        &self,
        group: &GroupRef,
        (by, reason): (&str, &str),
    ) -> Result<Retired, EmptyError> {
        let newest = self.ledger.newest_attempt(group)?;
        if let Some(attempt) = newest.filter(|attempt| attempt.state.in_flight() && attempt.empties()) {
            let request =
                attempt.state.request_id().map_or("a request".to_owned(), |id| format!("request {id}"));
            return Err(EmptyError::Refused(format!(
                "{request} still empties group `{group}` at Vitable; it has to end before that can be taken back"
            )));
        }
        let undone = Undone { by: by.to_owned(), reason: reason.to_owned(), at: self.clock.now() };
        let scope = Scope { kinds: &[Kind::NotEmptied], group: Some(group), ..Scope::NOTHING };
        let before = {
            let telling = self.shared.telling();
            let facts = self.facts(&telling, &[], scope)?;
            self.ledger.no_longer_retired(group, &undone, &facts)?
        };
        self.wake_mails();
        let before = before.ok_or_else(|| {
            EmptyError::Refused(format!("group `{group}` is not retired; nothing to take back"))
        })?;
        tracing::warn!(%group, by, reason, "a person took back that the group is retired");
        Ok(before)
    }

    /// What is told of an emptying that was cut off: nothing when Vitable has the roster, because its request is
    /// looked after whoever began it, and nothing more when its answer was lost, which is told by itself.
    pub(super) fn emptying_cut_off(&self, run: &Run) -> Result<Vec<Incident>, LedgerError> {
        let Some(group) = &run.only else { return Ok(Vec::new()) };
        let newest = self.ledger.newest_attempt(group)?;
        let mine = newest.filter(|attempt| attempt.run == run.id);
        match mine.map(|attempt| attempt.state) {
            Some(
                State::Accepted { .. }
                | State::Completed { .. }
                | State::TimedOut { .. }
                | State::OutcomeUnknown { .. }
                | State::Rejected { .. },
            ) => Ok(Vec::new()),
            None | Some(State::Prepared | State::Sent | State::NotSent { .. }) => {
                Ok(vec![not_emptied(run, group, "rosterd stopped before the empty roster was sent.")])
            }
        }
    }

    /// After a request of the group has ended: a retired group that is not known to be empty is told of until it is.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub(super) fn tell_retired(&self, group: &GroupRef) -> Result<(), LedgerError> {
        let Some(retired) = self.ledger.retired(group)? else { return Ok(()) };
        let newest = self.ledger.newest_attempt(group)?;
        // What never came to an attempt is told by the run that was cut off.
        let settled = |newest: &Attempt| !newest.state.in_flight() && newest.prepared_at >= retired.at;
        let Some(newest) = newest.filter(settled) else { return Ok(()) };
        let members = self.ledger.coverage_with(group, &|_, _| false)?.len();
        let why = match &newest.state {
            // Told with its own reason.
            State::NotSent { .. } | State::Rejected { .. } | State::OutcomeUnknown { .. } | State::TimedOut { .. } => {
                return Ok(());
            }
            _ if self.ledger.repeat_owed(group)? => Some(
                "The answer to an earlier roster was lost, so nobody knows which of the two Vitable applies last."
                    .to_owned(),
            ),
            _ if members > 0 => Some(format!(
                "{members} {} known as covered there: Vitable could not remove them, or has finished an earlier roster since.",
                if members == 1 { "member is" } else { "members are" }
            )),
            State::Prepared | State::Sent | State::Accepted { .. } | State::Completed { .. } => None,
        };
        let incidents: Vec<Incident> =
            why.map(|why| about(&newest, Kind::NotEmptied, why)).into_iter().collect();
        let scope = Scope { kinds: &[Kind::NotEmptied], group: Some(group), ..Scope::NOTHING };
        self.tell(&incidents, scope)
    }

    /// The feed in whose name the group is emptied: the one that fed it last.
    ///
    /// # Errors
    /// When nothing was ever submitted to the group, when a request of it is on its way, and when the ledger fails.
    pub fn owner_to_empty(&self, group: &GroupRef) -> Result<FeedName, EmptyError> {
        let Some(feed) = self.ledger.owner(group)? else {
            return Err(EmptyError::Refused(format!(
                "rosterd never submitted anything to a group `{group}`, so there is nothing of it to empty; `rosterd status` lists the groups"
            )));
        };
        let newest = self.ledger.newest_attempt(group)?;
        match newest.and_then(|attempt| self.pass_over(&attempt)) {
            Some(why) => Err(EmptyError::Refused(format!("group `{group}` cannot be emptied now: {why}"))),
            None => Ok(feed),
        }
    }

    /// The group at Vitable: the one known from before, and no other.
    async fn group_to_empty(&self, group: &GroupRef) -> Result<GroupId, EmptyError> {
        let contact = match self.contact(false).await {
            Ok(contact) => contact,
            Err(NoContact::Ledger(error)) => return Err(error.into()),
            Err(NoContact::Refused(why)) => return Err(EmptyError::Refused(why)),
        };
        match self.found(&contact, group, false) {
            Named::Group(id) => Ok(id),
            Named::Wrong(_, why) => Err(EmptyError::Refused(why)),
            Named::Nothing => Err(EmptyError::Refused(format!("Vitable has no group `{group}`"))),
        }
    }
}

fn not_emptied(run: &Run, group: &GroupRef, why: &str) -> Incident {
    Incident {
        feed: Some(run.feed.clone()),
        group: Some(group.clone()),
        run: Some(run.id),
        ..Incident::new(Kind::NotEmptied, why)
    }
}
