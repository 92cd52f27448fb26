//! What wakes the keeper at an instant: one one-shot job of tokio-cron-scheduler, in UTC. When that instant is,
//! `schedule` decides: the scheduler's own time zones are wrong on the days of a clock change.

use chrono::{DateTime, Utc};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// No one-shot is further away than this: the clock may be set meanwhile, and the keeper looks at it anyway.
const FURTHEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A timer that is armed for one instant at a time.
pub(super) struct Timer {
    jobs: JobScheduler,
    armed: Option<(DateTime<Utc>, uuid::Uuid)>,
    fired: Arc<Notify>,
}

impl Timer {
    /// A timer that runs and is not armed.
    pub(super) async fn start() -> Result<Self, JobSchedulerError> {
        let jobs = JobScheduler::new().await?;
        jobs.start().await?;
        Ok(Self { jobs, armed: None, fired: Arc::new(Notify::new()) })
    }

    /// Comes back when the instant has come that the timer was armed for, within a second; once for each.
    pub(super) async fn fired(&self) {
        self.fired.notified().await;
    }

    /// Arms it for this instant instead of the one before; with none it stands still.
    pub(super) async fn arm(
        &mut self,
        at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), JobSchedulerError> {
        if self.armed.map(|(armed, _)| armed) == at {
            return Ok(());
        }
        if let Some((_, job)) = self.armed.take() {
            self.jobs.remove(&job).await?;
        }
        let Some(at) = at else { return Ok(()) };
        let wait = (at - now).to_std().unwrap_or_default().min(FURTHEST);
        let fired = Arc::clone(&self.fired);
        let job = Job::new_one_shot(wait, move |_, _| fired.notify_one())?;
        self.armed = Some((at, self.jobs.add(job).await?));
        Ok(())
    }

    /// The instant has come: whoever arms it again does so for another one.
    pub(super) fn disarm(&mut self) {
        self.armed = None;
    }

    /// Ends it.
    pub(super) async fn stop(mut self) {
        if let Err(error) = self.jobs.shutdown().await {
            tracing::warn!(%error, "the timer did not end as it should");
        }
    }
}
