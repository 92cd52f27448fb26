//! What a start finds: requests in flight, answers that were lost, runs without an end.

use super::{Engine, follow::Aside, tell::Scope};
use crate::{
    attempt::State,
    ledger::{Attempt, Facts, LedgerError, Run, RunOutcome, RunResult, Trigger},
    notify::{Incident, Kind},
    roster::FeedName,
};
use futures_util::StreamExt;

/// What a start found.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Attempts that changed their state by the restart.
    pub changed: Vec<Attempt>,
    /// Feeds whose run had no end: they are begun again with a fresh read.
    pub begin_again: Vec<FeedName>,
}

impl Engine {
    /// Brings the ledger into order after a stop, whatever kind of stop it was. Sends nothing.
    ///
    /// `Sent` becomes `OutcomeUnknown` and `Prepared` becomes `NotSent`; a run without an end is ended here
    /// and named, so that it is begun again; but one that a recovery had begun waits for its schedule, and is
    /// an incident (`design.md`, Life of an attempt).
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub fn recover(&self) -> Result<Recovered, LedgerError> {
        let now = self.clock.now();
        let changed = self.ledger.recover(now)?;
        let facts = self.lost_answers(&changed)?;
        self.ledger.record(facts)?;
        let mut begin_again = Vec::new();
        for run in self.ledger.open_runs()? {
            let twice = run.trigger == Trigger::Recovery;
            let known = self.feed(run.feed.as_str()).is_some();
            let facts = if twice { self.unfinished(&run)? } else { Facts::default() };
            let mut ended = run.clone();
            ended.ended = Some(now);
            ended.result = Some(RunResult {
                outcome: RunOutcome::Failed,
                summary: "rosterd stopped before this run ended".to_owned(),
            });
            self.ledger.end_run(&ended, facts)?;
            if known && !twice && !begin_again.contains(&run.feed) {
                begin_again.push(run.feed);
            }
        }
        Ok(Recovered { changed, begin_again })
    }

    /// Polls every attempt in flight, until its end or until `poll.stuck_after` has passed. Several at a time.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn resume(&self) -> Result<(), LedgerError> {
        let in_flight = self.ledger.attempts_in_flight()?;
        let patience = Some(self.settings.vitable.poll.stuck_after);
        let followed = in_flight
            .iter()
            .filter(|attempt| matches!(attempt.state, State::Accepted { .. }))
            .map(|attempt| self.follow(attempt, Aside { on_old_plan: None, patience }));
        let results: Vec<_> = futures_util::stream::iter(followed).buffer_unordered(64).collect().await;
        results.into_iter().try_for_each(|result| result.map(|_| ()))
    }

    fn unfinished(&self, run: &Run) -> Result<Facts, LedgerError> {
        let incident = Incident {
            feed: Some(run.feed.clone()),
            run: Some(run.id),
            ..Incident::new(
                Kind::UnfinishedRun,
                "Two runs of this feed in a row did not come to their end; the next one is begun by a person or by the schedule.",
            )
        };
        self.facts(&[incident], Scope { kinds: &[], feed: None, group: None })
    }
}
