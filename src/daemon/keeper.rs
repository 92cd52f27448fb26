//! What keeps the daemon going: looks at the calendar and the clock, starts what is due, and does what a run leaves
//! to be done.

use super::{
    calendar::{Calendar, Found},
    door::{CLOSING, Closed, Try},
    handle::{Handle, News},
    jobs::{self, Done, Job},
    next::{self, Next},
    timer::Timer,
};
use crate::{
    engine::{self, Engine, Pass, Silent},
    ledger::{Attempt, LedgerError, Run, Trigger},
    notify::{Incident, Kind},
    roster::{FeedName, GroupRef},
    schedule::Retry,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque, btree_map::Entry},
    ops::Bound,
    sync::Arc,
};
use tokio::{task::JoinSet, time::Instant};

/// When wall clock and process clock go apart by more than this between two looks, the wall clock was set, or the
/// machine slept.
const CLOCK_STEP: TimeDelta = TimeDelta::seconds(30);

/// How many runs of a feed are looked through at the start, until one that was about all of it.
const EARLIER_RUNS: usize = 20;

/// The keeper's memory. Everything in it can be found again in the ledger after a restart.
pub(super) struct Keeper {
    pub(super) handle: Handle,
    pub(super) timer: Timer,
    calendar: Calendar,
    door: Option<Closed>,
    /// Somebody looks whether the door opens.
    knocking: bool,
    /// Feeds whose run reads or sends, or waits for its turn to.
    busy: HashSet<FeedName>,
    /// What is started as soon as the feed's run has sent what it sends.
    behind: HashMap<FeedName, VecDeque<Job>>,
    /// What waits for the door.
    held_back: BTreeMap<(FeedName, Option<GroupRef>), Job>,
    /// The last of them that found out whether the door opens.
    tried: Option<(FeedName, Option<GroupRef>)>,
    later: BTreeMap<(DateTime<Utc>, u64), Job>,
    count: u64,
    /// Groups that are run as soon as their request has ended.
    waiters: HashMap<GroupRef, FeedName>,
    last_look: (DateTime<Utc>, Instant),
    /// Runs that found nothing to read yet when the daemon was told to stop.
    left: Vec<Run>,
    pub(super) jobs: JoinSet<Done>,
    pub(super) tasks: JoinSet<()>,
    /// Why the daemon has to end: the state takes nothing more.
    pub(super) broken: Option<(Kind, String)>,
}

impl Keeper {
    pub(super) fn new(handle: Handle, timer: Timer) -> Result<Self, LedgerError> {
        let now = handle.engine().clock().now();
        let mut keeper = Self {
            handle,
            timer,
            calendar: Calendar::default(),
            door: None,
            knocking: false,
            busy: HashSet::new(),
            behind: HashMap::new(),
            held_back: BTreeMap::new(),
            tried: None,
            later: BTreeMap::new(),
            count: 0,
            waiters: HashMap::new(),
            last_look: (now, Instant::now()),
            left: Vec::new(),
            jobs: JoinSet::new(),
            tasks: JoinSet::new(),
            broken: None,
        };
        keeper.plan_anew()?;
        Ok(keeper)
    }

    pub(super) fn engine(&self) -> Arc<Engine> {
        self.handle.engine()
    }

    fn now(&self) -> DateTime<Utc> {
        self.engine().clock().now()
    }

    /// The calendar of the present configuration.
    pub(super) fn plan_anew(&mut self) -> Result<(), LedgerError> {
        let engine = self.engine();
        let states = engine.ledger().schedules()?;
        self.calendar = self.calendar.renewed(engine.feeds(), &states, engine.clock().now());
        Ok(())
    }

    /// Takes up what an earlier process left: requests in flight, runs without an end, groups that wait.
    pub(super) async fn take_up(&mut self) -> Result<(), LedgerError> {
        let engine = self.engine();
        let recovered = engine.recover()?;
        for attempt in &recovered.changed {
            tracing::warn!(run = %attempt.run, group = %attempt.group, state = attempt.state.name(),
                "an attempt was cut off by the last stop");
        }
        self.door = self.closing()?.map(|kind| Closed::found(kind, self.now()));
        for attempt in engine.ledger().attempts_in_flight()? {
            self.follow(attempt);
        }
        self.finish_todos();
        // What is due is started first: then the calendar knows when each feed runs next.
        self.look().await;
        let begun: HashSet<FeedName> = recovered.begin_again.iter().map(|(feed, _)| feed.clone()).collect();
        for feed in engine.feeds() {
            if !begun.contains(&feed.name) && !self.busy.contains(&feed.name) {
                self.what_earlier_runs_left(&feed.name)?;
                self.finish_moves(feed.name.clone());
            }
        }
        for (feed, only) in recovered.begin_again {
            tracing::info!(%feed, "the last run did not come to its end; it is begun again");
            self.start(Job::new(feed, only, Trigger::Recovery));
        }
        Ok(())
    }

    fn follow(&mut self, attempt: Attempt) {
        let (engine, handle) = (self.engine(), self.handle.clone());
        self.tasks.spawn(async move {
            match engine.take_up(&attempt).await {
                Ok(_) => handle.tell(News::TakenUp(attempt.feed, attempt.group)),
                Err(error) => handle.tell(News::Broken(error.to_string())),
            }
        });
    }

    /// What earlier runs still had to do with their files.
    fn finish_todos(&mut self) {
        let (engine, handle) = (self.engine(), self.handle.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = engine.until_stopped() => {}
                done = engine.finish_todos(None, &Silent) => if let Err(error) = done {
                    handle.tell(News::Broken(error.to_string()));
                }
            }
        });
    }

    fn stuck_after(&self) -> TimeDelta {
        TimeDelta::from_std(self.engine().settings().vitable.poll.stuck_after).unwrap_or(TimeDelta::MAX)
    }

    /// Starts everything that is due, and arms the timer for what comes next.
    pub(super) async fn look(&mut self) {
        let now = self.now();
        let (wall, process) = self.last_look;
        let passed = TimeDelta::from_std(process.elapsed()).unwrap_or(TimeDelta::MAX);
        let step = (now - wall) - passed;
        self.last_look = (now, Instant::now());
        if step.abs() > CLOCK_STEP {
            tracing::warn!(
                seconds = step.num_seconds(),
                "the clock was set, or this machine slept; every schedule is looked at again"
            );
            self.calendar.look_again(now);
        }
        let Found { run, pass, skipped, said } = self.calendar.look(now);
        self.handle.health(|healths| {
            skipped.iter().for_each(|(feed, _)| healths.entry(feed.clone()).or_default().missed());
            run.iter().for_each(|(feed, mark)| healths.entry(feed.clone()).or_default().due(mark.through));
        });
        for (feed, sentence) in said {
            tracing::warn!(%feed, "{sentence}");
        }
        if !pass.is_empty()
            && let Err(error) = self.engine().ledger().pass_due(&pass)
        {
            self.break_off(&error);
        }
        for (feed, missed) in skipped {
            if let Err(error) = self.engine().tell_skipped(&feed, missed) {
                self.break_off(&error);
            }
        }
        for (feed, mark) in run {
            let due = Some(mark);
            self.start(Job { due, ..Job::new(feed, None, Trigger::Schedule) });
        }
        while let Some(entry) = self.later.first_entry()
            && entry.key().0 <= now
        {
            let job = entry.remove();
            self.start(job);
        }
        self.knock(now);
        let knock = self.door.as_ref().filter(|_| !self.knocking).map(|closed| closed.next);
        let next = [self.calendar.next(), self.later.first_key_value().map(|((at, _), _)| *at), knock];
        let next = next.into_iter().flatten().min();
        if let Err(error) = self.timer.arm(next, now).await {
            tracing::error!(%error, "the timer cannot be armed; what is due is looked at each minute");
        }
    }

    /// Starts a job, or keeps it until it may start.
    pub(super) fn start(&mut self, job: Job) {
        if self.door.is_some() {
            match self.held_back.entry(job.key()) {
                Entry::Occupied(mut waits) => waits.get_mut().merge(job),
                Entry::Vacant(place) => {
                    place.insert(job);
                }
            }
        } else if self.busy.contains(&job.feed) {
            let behind = self.behind.entry(job.feed.clone()).or_default();
            match behind.iter_mut().find(|waits| waits.key() == job.key()) {
                Some(waits) => waits.merge(job),
                None => behind.push_back(job),
            }
        } else {
            self.start_now(job);
        }
    }

    fn start_now(&mut self, job: Job) {
        // Nothing runs by itself while a person has paused the feed: no retry, and nothing that waited, either.
        match self.engine().is_paused(&job.feed) {
            Ok(false) => {
                self.busy.insert(job.feed.clone());
                self.jobs.spawn(jobs::carry_out(self.handle.clone(), job));
            }
            Ok(true) => {
                tracing::info!(feed = %job.feed, "the feed is paused; a run of it is left out");
                if let Err(error) = self.tell_what_a_pause_leaves(&job.feed) {
                    self.break_off(&error);
                }
                self.leave_out(job, "the feed was paused");
            }
            Err(error) => self.break_off(&error),
        }
    }

    /// Who is covered nowhere stays so until a person has the feed run, unless a run of before goes on.
    fn tell_what_a_pause_leaves(&self, feed: &FeedName) -> Result<(), LedgerError> {
        let engine = self.engine();
        if engine.is_at_work(feed)? { Ok(()) } else { engine.tell_unfinished_moves(feed) }
    }

    /// A job that comes to nothing; a run that goes on has its end with it.
    fn leave_out(&mut self, job: Job, why: &str) {
        if let Some(run) = job.again
            && let Err(error) = self.engine().no_longer(*run, format!("{why}; nothing was read"))
        {
            self.break_off(&error);
        }
    }

    fn start_at(&mut self, at: DateTime<Utc>, job: Job) {
        self.count += 1;
        self.later.insert((at, self.count), job);
    }

    pub(super) async fn heard(&mut self, news: News) {
        match news {
            News::Sent(feed) => self.free(&feed),
            News::Ended(pass) => self.ended(&pass, None),
            News::Followed(group) => self.request_ended(&group),
            News::TakenUp(feed, group) => self.taken_up(feed, &group),
            News::Late(feed) => self.finish_moves(feed),
            News::Paused(feed) => match self.engine().ledger().schedule(&feed) {
                Ok(state) => {
                    self.calendar.changed(&feed, state, self.now());
                    self.handle.health(|healths| healths.entry(feed.clone()).or_default().paused());
                    // What is not finished is not made up for by the calendar.
                    self.finish_moves(feed);
                }
                Err(error) => self.break_off(&error),
            },
            News::Task(task) => {
                self.tasks.spawn(task);
            }
            News::Broken(why) => {
                self.broken.get_or_insert((Kind::Disk, why));
            }
            News::Knocked => {
                self.knocking = false;
                self.see_door(true);
            }
        }
    }

    pub(super) fn done(&mut self, done: Done) {
        match done {
            Done::Over(job, pass) => self.ended(&pass, Some(job)),
            Done::NotYet(job, run, why) => {
                let (now, tries) = (self.now(), job.tries + 1);
                match Retry::NotYet.at(tries, now, self.calendar.next_of(&job.feed)) {
                    Some(at) => {
                        tracing::info!(feed = %job.feed, run = %run.id, "nothing to read yet; looked at again in a minute");
                        self.start_at(at, Job { again: Some(run), due: None, tries, ..job });
                    }
                    None => match self.engine().given_up(*run, why) {
                        Ok(pass) => self.ended(&pass, None),
                        Err(error) => self.break_off(&error),
                    },
                }
            }
            Done::HeldBack(job) => {
                self.free(&job.feed);
                self.start(job);
            }
            Done::Gone(job) => {
                self.free(&job.feed);
                tracing::warn!(feed = %job.feed, "the feed is no longer configured; its run was left out");
                self.leave_out(job, "the feed is no longer configured");
            }
            Done::Broken(job, error) => {
                self.free(&job.feed);
                self.break_off(&error);
            }
        }
    }

    pub(super) fn break_off(&mut self, error: &LedgerError) {
        self.broken.get_or_insert_with(|| (engine::not_usable(error).kind, error.to_string()));
    }

    fn free(&mut self, feed: &FeedName) {
        self.busy.remove(feed);
        if let Some(behind) = self.behind.get_mut(feed) {
            let job = behind.pop_front();
            if behind.is_empty() {
                self.behind.remove(feed);
            }
            if let Some(job) = job {
                self.start(job);
            }
        }
    }

    /// Does what a run leaves to be done. `job` is none of a run that a person typed.
    fn ended(&mut self, pass: &Pass, job: Option<Job>) {
        if pass.run.stopped {
            return;
        }
        self.see_door(false);
        if let Err(error) = self.handle.note_end(&pass.run) {
            self.break_off(&error);
        }
        self.what_follows(&pass.run, job.as_ref());
        if self.engine().feed(pass.run.feed.as_str()).is_none() {
            self.finish_moves(pass.run.feed.clone());
        }
        for group in pass.run.groups.iter().filter(|group| group.attempt.is_some()) {
            self.request_ended(&group.group);
        }
    }

    /// What the runs before the start left to be done, for each group by the newest that was about it.
    fn what_earlier_runs_left(&mut self, feed: &FeedName) -> Result<(), LedgerError> {
        let mut seen: HashSet<GroupRef> = HashSet::new();
        for run in self.engine().ledger().runs(Some(feed), EARLIER_RUNS)? {
            let about = |group: &GroupRef| run.only.as_ref().is_none_or(|only| only == group);
            let fresh = |group: &GroupRef| about(group) && !seen.contains(group);
            let groups: Vec<_> = run.groups.iter().filter(|report| fresh(&report.group)).cloned().collect();
            let whole = run.only.is_none();
            if !groups.is_empty() || (whole && seen.is_empty()) {
                self.what_follows(&Run { groups: groups.clone(), ..run }, None);
            }
            if whole {
                break;
            }
            seen.extend(groups.into_iter().map(|report| report.group));
        }
        Ok(())
    }

    fn what_follows(&mut self, run: &Run, job: Option<&Job>) {
        let engine = self.engine();
        let newest = |group: &GroupRef| engine.ledger().newest_attempt(group).ok().flatten();
        let again = |only| Job::new(run.feed.clone(), only, Trigger::Schedule);
        for next in next::after(run, &newest, self.stuck_after()) {
            match next {
                // It may have ended while this run did.
                Next::WhenItEnds(group)
                    if newest(&group).is_none_or(|attempt| !attempt.state.in_flight()) =>
                {
                    self.start(again(Some(group)));
                }
                Next::WhenItEnds(group) => {
                    self.waiters.insert(group, run.feed.clone());
                }
                Next::At(group, at) => self.start_at(at, again(Some(group))),
                Next::Retry => self.retry(again(run.only.clone()), job),
                Next::RetryGroup(group) => self.retry(again(Some(group)), job),
            }
        }
    }

    fn retry(&mut self, again: Job, before: Option<&Job>) {
        if self.door.is_some() {
            self.start(again);
            return;
        }
        let tries = before.map_or(0, |job| job.tries) + 1;
        let at = Retry::Failed.at(tries, self.now(), self.calendar.next_of(&again.feed));
        match at {
            Some(at) => {
                tracing::warn!(feed = %again.feed, at = %at.format("%Y-%m-%d %H:%M UTC"), "the run failed and is tried again");
                self.start_at(at, Job { tries, ..again });
            }
            None => tracing::warn!(feed = %again.feed, "the run failed; the next one is by the schedule"),
        }
    }

    fn request_ended(&mut self, group: &GroupRef) {
        if let Some(feed) = self.waiters.remove(group) {
            tracing::info!(%feed, %group, "the request in flight has ended; the group is run again");
            self.start(Job::new(feed, Some(group.clone()), Trigger::Schedule));
        }
    }

    /// A request that no run of this process made has ended. When it let somebody go and no run waits for it, one is
    /// begun: he is covered nowhere.
    fn taken_up(&mut self, feed: FeedName, group: &GroupRef) {
        if self.waiters.contains_key(group) || self.busy.contains(&feed) {
            self.request_ended(group);
            return;
        }
        self.finish_moves(feed);
    }

    /// Begins a run of the feed, or of those that go on with what is left of it when it is gone, when somebody is
    /// covered nowhere because a move is not finished.
    pub(super) fn finish_moves(&mut self, feed: FeedName) {
        match self.to_finish(feed) {
            Ok(feeds) => {
                feeds.into_iter().for_each(|feed| self.start(Job::new(feed, None, Trigger::Schedule)));
            }
            Err(error) => self.break_off(&error),
        }
    }

    fn to_finish(&self, feed: FeedName) -> Result<BTreeSet<FeedName>, LedgerError> {
        let engine = self.engine();
        if engine.feed(feed.as_str()).is_none() {
            return engine.settle_moves_of_gone_feeds();
        }
        let open = !engine.ledger().open_moves(Some(&feed))?.is_empty();
        Ok(open.then_some(feed).into_iter().collect())
    }

    /// The open incident that closes the door, if one does.
    fn closing(&self) -> Result<Option<Kind>, LedgerError> {
        let engine = self.engine();
        for kind in CLOSING {
            if engine.ledger().open_incident(&Incident::new(*kind, "").key())?.is_some() {
                return Ok(Some(*kind));
            }
        }
        Ok(None)
    }

    /// Closes or opens the door by the incidents of now. `tried` says that somebody looked.
    fn see_door(&mut self, tried: bool) {
        let now = self.now();
        let closing = match self.closing() {
            Ok(closing) => closing,
            Err(error) => return self.break_off(&error),
        };
        match (&mut self.door, closing) {
            (None, None) => return,
            (None, Some(kind)) => {
                tracing::warn!(incident = kind.name(), "scheduled runs wait until this is over");
                self.door = Some(Closed::new(kind, now));
            }
            (Some(closed), Some(kind)) => {
                if tried || kind != closed.kind {
                    closed.tried(kind, now);
                }
            }
            (Some(closed), None) => {
                tracing::info!(
                    incident = closed.kind.name(),
                    waiting = self.held_back.len(),
                    "it is over: what waited is run"
                );
                self.door = None;
                for job in std::mem::take(&mut self.held_back).into_values() {
                    self.start(job);
                }
            }
        }
        self.handle.show_door(self.door.as_ref());
    }

    fn knock(&mut self, now: DateTime<Utc>) {
        let Some(closed) = self.door.as_mut().filter(|closed| closed.next <= now && !self.knocking) else {
            return;
        };
        match closed.how() {
            Try::Look => {
                self.knocking = true;
                let (engine, handle) = (self.handle.engine(), self.handle.clone());
                self.tasks.spawn(async move {
                    match engine.knock().await {
                        Ok(_) => handle.tell(News::Knocked),
                        Err(error) => handle.tell(News::Broken(error.to_string())),
                    }
                });
            }
            Try::Run => {
                let kind = closed.kind;
                closed.tried(kind, now);
                // Another one each time: a feed that cannot be read says nothing about the key.
                let after = self.tried.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
                let next = self.held_back.range((after, Bound::Unbounded)).next();
                let key = next.or_else(|| self.held_back.iter().next()).map(|(key, _)| key.clone());
                if let Some(job) = key.as_ref().and_then(|key| self.held_back.remove(key)) {
                    if self.busy.contains(&job.feed) {
                        self.held_back.insert(job.key(), job);
                    } else {
                        self.start_now(Job { trial: true, ..job });
                    }
                }
                self.tried = key;
            }
        }
        self.handle.show_door(self.door.as_ref());
    }

    /// Runs that found nothing to read yet and wait: begun again by the next start, and no crash.
    pub(super) fn leave_waiting(&mut self) -> Result<(), LedgerError> {
        let later = std::mem::take(&mut self.later).into_values();
        let held_back = std::mem::take(&mut self.held_back).into_values();
        let behind = std::mem::take(&mut self.behind).into_values().flatten();
        let again = later.chain(held_back).chain(behind).filter_map(|job| job.again);
        for run in again.map(|run| *run).chain(std::mem::take(&mut self.left)) {
            self.engine().leave_for_later(run)?;
        }
        Ok(())
    }

    /// A job that ended while the daemon stops.
    pub(super) fn stopped(&mut self, done: Done) {
        match done {
            Done::NotYet(_, run, _) => self.left.push(*run),
            Done::HeldBack(job) | Done::Gone(job) => self.left.extend(job.again.map(|run| *run)),
            Done::Over(..) | Done::Broken(..) => {}
        }
    }

    /// The configuration was read again: what was in the way may be mended.
    pub(super) fn try_the_door(&mut self) {
        let now = self.now();
        if let Some(closed) = &mut self.door {
            closed.next = now;
        }
    }

    /// What it is doing, in a line.
    pub(super) fn status(&self) -> String {
        let waiting = match &self.door {
            Some(closed) => format!(
                "; {} scheduled runs wait: {}, tried again at {} UTC",
                self.held_back.len(),
                closed.kind.name().replace('_', " "),
                closed.next.format("%H:%M")
            ),
            None => String::new(),
        };
        let next = self.calendar.next().map_or_else(
            || "nothing is scheduled".to_owned(),
            |next| format!("next run at {} UTC", next.format("%Y-%m-%d %H:%M")),
        );
        format!("{} runs reading or sending, {} at work; {next}{waiting}", self.busy.len(), self.jobs.len())
    }
}
