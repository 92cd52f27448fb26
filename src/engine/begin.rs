//! A run from its beginning to its end, in two parts: [`Engine::begin`] reads, decides and sends, and whoever runs
//! many feeds bounds how many do that at a time; [`Engine::wait`] waits for Vitable, with next to nothing in memory.

use super::{
    Baseline, Engine, Feed, Progress, Step,
    contact::{NoContact, Trouble},
    not_run,
    pass::{Decided, Undecided, body, fill, unfinished},
    reading::Stopped,
};
use crate::{
    decide::Verdict,
    ledger::{LedgerError, NewRun, Run, RunOutcome, RunResult, ScheduleMark, Trigger},
    notify::Incident,
    roster::{GroupRef, RunId},
};
use std::path::PathBuf;

pub use super::carry::Waiting;

/// How many members of other feeds a plan names.
const OTHERS_SHOWN: usize = 20;

/// What to run.
#[derive(Clone)]
pub struct Order<'a> {
    /// The feed.
    pub feed: &'a Feed,
    /// What began it.
    pub trigger: Trigger,
    /// Only this group is submitted; all are read and decided.
    pub group: Option<GroupRef>,
    /// A local file in place of the source.
    pub file: Option<LocalFile>,
    /// The instant of the schedule, if the calendar began it.
    pub due: Option<ScheduleMark>,
    /// A run of the feed that found nothing to read yet, and goes on.
    pub again: Option<Box<Run>>,
    /// Who is told of each step.
    pub progress: &'a dyn Progress,
}

/// A file on this host that stands in for a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Where it can be read.
    pub path: PathBuf,
    /// How the person who named it knows it.
    pub shown: String,
}

impl From<PathBuf> for LocalFile {
    fn from(path: PathBuf) -> Self {
        Self { shown: path.display().to_string(), path }
    }
}

impl Order<'_> {
    /// Whether this group is to be submitted.
    pub(super) fn wants(&self, group: &GroupRef) -> bool {
        self.group.as_ref().is_none_or(|only| only == group)
    }

    /// Whether nobody sits before it who wants to know how Vitable is now: then a look of a little while ago will do.
    pub(super) fn in_background(&self) -> bool {
        matches!(self.trigger, Trigger::Schedule | Trigger::Recovery)
    }
}

/// What a pass came to.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The run; of a plan it has the number 0 and is remembered nowhere.
    pub run: Run,
}

impl Pass {
    /// How it ended. A run that was stopped has not ended: it failed for whoever waits for it.
    #[must_use]
    pub fn outcome(&self) -> RunOutcome {
        self.run.result.as_ref().map_or(RunOutcome::Failed, |result| result.outcome)
    }
}

/// How far a run has come when everything that it sends has been sent.
#[derive(Debug)]
pub enum Begun {
    /// It has ended: nothing was sent, or all was answered for good.
    Over(Box<Pass>),
    /// There is nothing to read yet, and `why` says what there was. The run has not ended: [`Order::again`] goes on
    /// with it later, [`Engine::no_longer`] ends it.
    NotYet {
        /// The run.
        run: Box<Run>,
        /// A sentence.
        why: String,
    },
    /// It waits for Vitable.
    Waiting(Box<Waiting>),
}

impl Begun {
    pub(super) fn over(pass: Pass) -> Self {
        Self::Over(Box::new(pass))
    }
}

impl Engine {
    /// Runs a feed: reads, decides, submits, waits until Vitable has finished.
    ///
    /// # Errors
    /// When the ledger cannot be read or written. Everything else is an outcome of the run.
    pub async fn run(&self, order: &Order<'_>) -> Result<Pass, LedgerError> {
        self.to_its_end(self.begin(order).await?, order.progress).await
    }

    /// The second part of a run, whatever it has come to.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn to_its_end(&self, begun: Begun, progress: &dyn Progress) -> Result<Pass, LedgerError> {
        match begun {
            Begun::Over(pass) => Ok(*pass),
            Begun::NotYet { run, why } => self.no_longer(*run, why),
            Begun::Waiting(waiting) => self.wait(*waiting, progress).await,
        }
    }

    /// The first part of a run: reads, decides, submits.
    ///
    /// # Errors
    /// When the ledger cannot be read or written. Everything else is an outcome of the run.
    pub async fn begin(&self, order: &Order<'_>) -> Result<Begun, LedgerError> {
        let going = self.shared.goes_on(&order.feed.name);
        let run = match &order.again {
            Some(run) => {
                if let Some(mark) = &order.due {
                    self.ledger.pass_due(&[(order.feed.name.clone(), mark.clone())])?;
                }
                (**run).clone()
            }
            None => self.begin_run(order)?,
        };
        order.progress.step(Step::Began { run: run.id, feed: order.feed.name.clone() });
        self.tell_expiring(order.feed)?;
        let decided = tokio::select! {
            biased;
            () = self.shared.stopped() => None,
            decided = self.read_and_decide(run.clone(), order) => Some(decided?),
        };
        let mut begun = match decided {
            None => self.stopped(run).map(Begun::over),
            Some(Ok(decided)) => self.send_all(run, order, *decided).await,
            Some(Err(over)) => Ok(over),
        }?;
        match &mut begun {
            Begun::Over(pass) => self.afterwards(pass, order.progress).await?,
            Begun::NotYet { .. } => {}
            Begun::Waiting(waiting) => waiting.going = Some(going),
        }
        Ok(begun)
    }

    fn begin_run(&self, order: &Order<'_>) -> Result<Run, LedgerError> {
        let now = self.clock.now();
        // A run that was cut off ends when its successor begins: a kill in between forgets neither.
        let cut_off = self.shared.cut_off(&order.feed.name).map(|run| run.cut_off(now));
        let run = self.ledger.begin(
            &NewRun {
                feed: &order.feed.name,
                trigger: order.trigger,
                due: order.due.clone(),
                only: order.group.clone(),
                file: order.file.as_ref().map(|file| file.shown.clone()),
                after: cut_off.as_ref(),
            },
            now,
        )?;
        if let Some(before) = cut_off {
            self.shared.forget_cut_off(&order.feed.name, before.id);
        }
        Ok(run)
    }

    /// What is said of an order that cannot be begun; nothing is remembered of it.
    #[must_use]
    pub fn left_out(&self, order: &Order<'_>, why: String) -> Pass {
        unfinished(self.unremembered(order), vec![why])
    }

    /// A run that is remembered nowhere.
    fn unremembered(&self, order: &Order<'_>) -> Run {
        Run {
            id: RunId(0),
            feed: order.feed.name.clone(),
            trigger: order.trigger,
            began: self.clock.now(),
            ended: None,
            result: None,
            read: None,
            groups: Vec::new(),
            only: order.group.clone(),
            file: None,
            after: None,
            due: None,
            stopped: false,
        }
    }

    /// Ends a run that found nothing to read.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn no_longer(&self, run: Run, why: String) -> Result<Pass, LedgerError> {
        self.failed(run, vec![why], None)
    }

    /// Ends a run of the schedule that was looked for in vain: nobody sat before it, so somebody is told. Where `max_age`
    /// says for how long nothing may come, it alone says when that is a matter (`config.md`, Small print).
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn given_up(&self, run: Run, why: String) -> Result<Pass, LedgerError> {
        let sources = self.feed(run.feed.as_str()).map_or(&[][..], |feed| &feed.sources);
        if run.trigger == Trigger::Sync || sources.iter().all(|source| source.pick.max_age.is_some()) {
            return self.no_longer(run, why);
        }
        let incident = Incident { run: Some(run.id), ..not_run::nothing_to_read(&run.feed, &why) };
        self.failed(run, vec![why], Some((incident, &[])))
    }

    async fn read_and_decide(
        &self,
        mut run: Run,
        order: &Order<'_>,
    ) -> Result<Result<Box<Decided>, Begun>, LedgerError> {
        let contact = match self.contact(order.in_background()).await {
            Ok(contact) => contact,
            Err(NoContact::Ledger(error)) => return Err(error),
            Err(NoContact::Refused(why)) => {
                return self.failed(run, vec![why], None).map(|pass| Err(Begun::over(pass)));
            }
        };
        match self.decide_feed(order, &contact).await? {
            Ok(decided) => {
                // A local file in place of the source says nothing about the source.
                if order.file.is_none() {
                    self.tell_late(&order.feed.name, &decided.read.late)?;
                }
                Ok(Ok(Box::new(decided)))
            }
            Err(Undecided::NotYet { why, missing }) => {
                self.source_answers(&run)?;
                if let Some(missing) = missing {
                    self.tell_late(&order.feed.name, &[missing])?;
                }
                Ok(Err(Begun::NotYet { run: Box::new(run), why }))
            }
            Err(Undecided::Stopped(stopped)) => {
                let Stopped { kind, why: findings, over, report } = *stopped;
                run.read = Some(report);
                let incident = Incident {
                    feed: Some(order.feed.name.clone()),
                    run: Some(run.id),
                    ..Incident::new(kind, findings.join(". "))
                };
                self.failed(run, findings, Some((incident, over))).map(|pass| Err(Begun::over(pass)))
            }
        }
    }

    /// Leaves a run that found nothing to read yet: it is begun again by the next start.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn leave_for_later(&self, run: Run) -> Result<(), LedgerError> {
        self.stopped(run).map(|_| ())
    }

    /// A run that goes no further because the process is to stop: it stays without an end.
    pub(super) fn stopped(&self, mut run: Run) -> Result<Pass, LedgerError> {
        run.stopped = true;
        self.ledger.save_run(&run)?;
        tracing::info!(run = %run.id, feed = %run.feed, "the run was stopped; it is begun again at the next start");
        Ok(Pass { run })
    }

    /// Everything that a run would do up to the intent. Writes nothing and submits nothing.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn plan(&self, order: &Order<'_>) -> Result<Pass, LedgerError> {
        self.plan_beside(order, None).await
    }

    /// The same, beside the people whom a previous system covered, when they are given: they change nothing of what
    /// a run would do, and are kept nowhere.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn plan_beside(
        &self,
        order: &Order<'_>,
        baseline: Option<&Baseline>,
    ) -> Result<Pass, LedgerError> {
        let mut run = self.unremembered(order);
        let contact = match self.look().await {
            Ok(contact) => contact,
            Err(Trouble::Ledger(error)) => return Err(error),
            Err(Trouble::Incident(incident)) => return Ok(unfinished(run, vec![incident.reason])),
        };
        let decided = match self.decide_feed(order, &contact).await? {
            Ok(decided) => decided,
            Err(Undecided::NotYet { why, .. }) => return Ok(unfinished(run, vec![why])),
            Err(Undecided::Stopped(stopped)) => {
                let Stopped { why: findings, report, .. } = *stopped;
                run.read = Some(report);
                return Ok(unfinished(run, findings));
            }
        };
        let (outcome, _) = fill(&mut run, order, &decided);
        for (group, decision) in run.groups.iter_mut().zip(&decided.decisions) {
            if let Verdict::Submit { submission, .. } = &decision.verdict {
                group.body = body(submission);
            }
        }
        self.note_rejections(&mut run)?;
        if let Some(baseline) = baseline
            && let Err(why) = self.compare(&mut run, order, &decided, baseline)?
        {
            return Ok(unfinished(self.unremembered(order), vec![why]));
        }
        let people = &decided.read.people;
        let added = decided.decisions.iter().flat_map(|decision| &decision.plan.added);
        let new = added.filter_map(|&at| people.person(at)).map(|person| people.id_of(person)).collect();
        for (id, group) in self.covered_by_others(order.feed, &new, OTHERS_SHOWN)? {
            let note = format!(
                "{id} is new here, and another feed's group `{group}` covers a member of this reference_id"
            );
            run.read.get_or_insert_default().notes.push(note);
        }
        run.result = Some(RunResult { outcome, summary: "a plan; nothing was submitted".to_owned() });
        Ok(Pass { run })
    }
}
