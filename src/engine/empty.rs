//! Emptying a group on purpose: the one way to an empty roster, on a person's word for one group.

use super::{
    Engine, Pass, Progress,
    contact::{Named, NoContact},
    follow::Aside,
    submit::Release,
};
use crate::{
    attempt::State,
    decide::Emptying,
    ledger::{Counts, GroupReport, GroupVerdict, LedgerError, NewRun, Retired, Run, RunOutcome, Trigger},
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

    /// Submits an empty roster and retires the group: durably, before anything is sent. Waits until Vitable has
    /// finished.
    ///
    /// # Errors
    /// When it cannot be done now, and when the ledger fails. What Vitable says is an outcome of the run.
    pub async fn empty(
        &self,
        emptying: &Emptying,
        (by, reason): (&str, &str),
        progress: &dyn Progress,
    ) -> Result<Pass, EmptyError> {
        let group = emptying.group();
        let feed = self.owner_to_empty(group)?;
        let group_id = self.group_to_empty(group).await?;
        let coverage = self.ledger.coverage_with(group, &|_, _| false)?;
        let covered = u64::try_from(coverage.len()).unwrap_or(u64::MAX);
        let counts = Counts { covered, removed: covered, ended: covered, ..Counts::default() };
        let submission = Arc::new(emptying.submission(&coverage));
        let now = self.clock.now();
        self.ledger.retire(&Retired {
            group: group.clone(),
            by: by.to_owned(),
            reason: reason.to_owned(),
            at: now,
        })?;
        let order = NewRun {
            feed: &feed,
            trigger: Trigger::Emptying,
            due: None,
            only: Some(group.clone()),
            file: None,
            after: None,
        };
        let mut run = self.ledger.begin(&order, now)?;
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
            progress,
        };
        let (attempt, mut state) = self.submit(&release).await?;
        if matches!(state, State::Accepted { .. })
            && let Some(accepted) = self.ledger.attempt(attempt)?
        {
            let aside = Aside { on_old_plan: Some(&[]), patience: None };
            state = self.follow(&accepted, aside, progress).await?;
        }
        let outcome = self.emptied(&mut run, attempt, &state)?;
        self.tell_orphans()?;
        Ok(self.end(run, outcome)?)
    }

    /// Takes back that a group is retired. Says who had retired it.
    ///
    /// # Errors
    /// When it is not retired, and when the ledger fails.
    pub fn no_longer_empty(&self, group: &GroupRef) -> Result<Retired, EmptyError> {
        let retired = self.ledger.retired(group)?.ok_or_else(|| {
            EmptyError::Refused(format!("group `{group}` is not retired; nothing to take back"))
        })?;
        self.ledger.no_longer_retired(group)?;
        Ok(retired)
    }

    fn emptied(
        &self,
        run: &mut Run,
        attempt: crate::ledger::AttemptId,
        state: &State,
    ) -> Result<RunOutcome, LedgerError> {
        let Some(group) = run.groups.first_mut() else { return Ok(RunOutcome::Failed) };
        group.attempt = Some(attempt);
        self.outcome_of(attempt, state, group)
    }

    /// The feed in whose name the group is emptied: the one that fed it last.
    fn owner_to_empty(&self, group: &GroupRef) -> Result<FeedName, EmptyError> {
        let Some(feed) = self.ledger.owner(group)? else {
            return Err(EmptyError::Refused(format!(
                "rosterd never submitted anything to a group `{group}`, so there is nothing of it to empty; `rosterd status` lists the groups"
            )));
        };
        let newest = self.ledger.attempts_of_group(group, 1)?.into_iter().next();
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
