//! Which feed is due when: the schedules of the configuration, the marks of the ledger, and the wall clock.

use crate::{
    engine::{
        Feed,
        marks::{kept, known, paused},
    },
    ledger::{ScheduleMark, ScheduleState},
    roster::FeedName,
    schedule::{self, Due},
};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a look at the calendar finds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Feeds to run, each with the mark to keep with the beginning of its run.
    pub(super) run: Vec<(FeedName, ScheduleMark)>,
    /// Marks to keep without a run.
    pub(super) pass: Vec<(FeedName, ScheduleMark)>,
    /// Feeds whose missed runs are left out, and how many of each.
    pub(super) skipped: Vec<(FeedName, u64)>,
    /// What to say about it: one sentence each.
    pub(super) said: Vec<(FeedName, String)>,
}

/// One feed's schedule and where it stands.
#[derive(Clone, Debug)]
struct Entry {
    settings: schedule::Settings,
    state: ScheduleState,
}

/// The schedules of all feeds that have one.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    entries: HashMap<FeedName, Entry>,
    next: BTreeSet<(DateTime<Utc>, FeedName)>,
    at: HashMap<FeedName, DateTime<Utc>>,
}

impl Calendar {
    /// The calendar of these feeds after this one; every one of them is looked at first. A run that waits for its
    /// turn has answered for its instant already, though its mark is kept only when it begins.
    pub(super) fn renewed(
        &self,
        feeds: &[Feed],
        states: &BTreeMap<FeedName, ScheduleState>,
        now: DateTime<Utc>,
    ) -> Self {
        let mut calendar = Self::default();
        for feed in feeds {
            if let Some(settings) = &feed.schedule {
                let mut state = states.get(&feed.name).cloned().unwrap_or_default();
                state.mark = self.newest_mark(&feed.name, state.mark);
                calendar.entries.insert(feed.name.clone(), Entry { settings: settings.clone(), state });
                calendar.put(&feed.name, Some(now));
            }
        }
        calendar
    }

    /// The state of a feed has changed: it was paused or resumed.
    pub(super) fn changed(&mut self, feed: &FeedName, mut state: ScheduleState, now: DateTime<Utc>) {
        state.mark = self.newest_mark(feed, state.mark);
        if let Some(entry) = self.entries.get_mut(feed) {
            entry.state = state;
            self.put(feed, Some(now));
        }
    }

    fn newest_mark(&self, feed: &FeedName, kept: Option<ScheduleMark>) -> Option<ScheduleMark> {
        let known = self.entries.get(feed).and_then(|entry| entry.state.mark.clone());
        match (known, kept) {
            (Some(known), Some(kept)) if known.schedule == kept.schedule && known.through > kept.through => {
                Some(known)
            }
            (_, Some(kept)) => Some(kept),
            (_, None) => None,
        }
    }

    /// Every feed is looked at again: the clock was set, or the machine slept.
    pub(super) fn look_again(&mut self, now: DateTime<Utc>) {
        let feeds: Vec<FeedName> = self.entries.keys().cloned().collect();
        for feed in feeds {
            self.put(&feed, Some(now));
        }
    }

    /// When the next feed may be due.
    pub(super) fn next(&self) -> Option<DateTime<Utc>> {
        self.next.first().map(|(at, _)| *at)
    }

    /// When this feed may be due next.
    pub(super) fn next_of(&self, feed: &FeedName) -> Option<DateTime<Utc>> {
        self.at.get(feed).copied()
    }

    /// What is due now. The marks count as kept from here on.
    pub(super) fn look(&mut self, now: DateTime<Utc>) -> Found {
        let mut found = Found::default();
        while let Some((at, feed)) = self.next.first().cloned()
            && at <= now
        {
            self.put(&feed, None);
            self.look_at(&feed, now, &mut found);
        }
        found
    }

    fn look_at(&mut self, feed: &FeedName, now: DateTime<Utc>, found: &mut Found) {
        let Some(entry) = self.entries.get_mut(feed) else { return };
        let pause = entry.state.paused.as_ref().map(paused);
        let mark = entry.state.mark.as_ref().map(known);
        let keep = match entry.settings.due(feed.as_str(), mark.as_ref(), pause, now) {
            Due::Wait(next) => {
                // Never at once again, whatever the calendar says: a look must not chase itself.
                let next = next.map(|next| next.max(now + TimeDelta::seconds(1)));
                self.put(feed, next);
                return;
            }
            Due::New(mark) => {
                let mark = kept(mark);
                found.pass.push((feed.clone(), mark.clone()));
                mark
            }
            Due::Run { mark, missed } => {
                let mark = kept(mark);
                if missed > 0 {
                    found.said.push((
                        feed.clone(),
                        format!("{missed} scheduled runs were missed; one run makes up for all of them"),
                    ));
                }
                found.run.push((feed.clone(), mark.clone()));
                mark
            }
            Due::Skip { mark, missed } => {
                let mark = kept(mark);
                let sentence =
                    format!("{missed} scheduled runs were missed and are left out (`catch_up: false`)");
                found.said.push((feed.clone(), sentence));
                found.skipped.push((feed.clone(), u64::from(missed)));
                found.pass.push((feed.clone(), mark.clone()));
                mark
            }
            Due::MarkAhead(mark) => {
                let mark = kept(mark);
                let sentence =
                    "the clock was more than a day ahead when it was last run; its schedule begins anew"
                        .to_owned();
                found.said.push((feed.clone(), sentence));
                found.pass.push((feed.clone(), mark.clone()));
                mark
            }
        };
        entry.state.mark = Some(keep);
        // Asked again at once: the mark has moved, and the answer is when to wake.
        self.put(feed, Some(now));
    }

    fn put(&mut self, feed: &FeedName, at: Option<DateTime<Utc>>) {
        if let Some(before) = self.at.remove(feed) {
            self.next.remove(&(before, feed.clone()));
        }
        if let Some(at) = at {
            self.at.insert(feed.clone(), at);
            self.next.insert((at, feed.clone()));
        }
    }
}
