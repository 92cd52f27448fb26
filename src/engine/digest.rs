//! The digest: what is known of every feed and group, gathered for its mail. Made by a daemon alone.

use super::{
    Engine, Feed,
    marks::{kept, known, local, paused},
    tell::{random_token, record},
};
use crate::{
    ledger::{DigestState, Facts, Hold, LedgerError, ScheduleState, StoredMail, WaitList, Waits},
    notify::{Digest, FeedNews, GroupNews, MailSettings, OpenNews, PausedNews, Waited, digest_mails},
    roster::GroupRef,
    schedule::{self, Due},
};
use chrono::{DateTime, Utc};
use std::cmp::Reverse;

/// What the schedule takes for a feed's name. There is no jitter, so that it stands nowhere.
const NAME: &str = "digest";
/// A mark that was just kept is asked about again; more often than this it is not.
const MARKS: usize = 3;

impl Feed {
    /// When the feed runs next by itself; nothing when it does not now.
    #[must_use]
    pub fn next_run(&self, state: Option<&ScheduleState>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let pause = state.and_then(|state| state.paused.as_ref()).map(paused);
        let mark = state.and_then(|state| state.mark.as_ref()).map(known);
        self.schedule.as_ref()?.next_run(self.name.as_str(), mark.as_ref(), pause, now)
    }
}

impl Engine {
    /// Makes the digest if one is due, however many were missed one, and says when the next one is. What it says and
    /// that it was made are one batch. It reads the state of every group: not for a thread that others wait for.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub fn make_digest(&self) -> Result<Option<DateTime<Utc>>, LedgerError> {
        let (Some(schedule), Some(mail)) = (&self.settings.digest, self.settings.alerts.mail()) else {
            return Ok(None);
        };
        for _ in 0..MARKS {
            let now = self.clock.now();
            let before = self.ledger.digest()?;
            let since = before.as_ref().map_or(now, |before| before.since);
            let made = before.as_ref().and_then(|before| before.made);
            let keep = |mark| DigestState { mark: kept(mark), since, made };
            match schedule.due(NAME, before.as_ref().map(|before| known(&before.mark)).as_ref(), None, now) {
                Due::Wait(next) => return Ok(next),
                Due::New(mark) | Due::Skip { mark, .. } | Due::MarkAhead(mark) => {
                    self.ledger.put_digest(&keep(mark), &Facts::default())?;
                }
                Due::Run { mark, .. } => {
                    let mails = self.digest_mails(schedule, mail, since, now)?;
                    tracing::info!(mails = mails.len(), "the digest was made");
                    let state = DigestState { mark: kept(mark), since: now, made: Some(now) };
                    self.ledger.put_digest(&state, &Facts { mails, ..Facts::default() })?;
                    self.wake_mails();
                }
            }
        }
        Ok(None)
    }

    /// When the next digest is made, in its own time zone and in words; nothing when none is.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn next_digest(&self) -> Result<Option<String>, LedgerError> {
        let Some(schedule) = &self.settings.digest else { return Ok(None) };
        let mark = self.ledger.digest()?.map(|state| known(&state.mark));
        let next = schedule.next_run(NAME, mark.as_ref(), None, self.clock.now());
        Ok(next.map(|next| local(next, schedule)))
    }

    fn digest_mails(
        &self,
        schedule: &schedule::Settings,
        settings: &MailSettings,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Vec<StoredMail>, LedgerError> {
        let states = self.ledger.schedules()?;
        let feeds = self.feeds().iter().map(|feed| self.feed_news(feed, states.get(&feed.name), since, now));
        let feeds = feeds.collect::<Result<Vec<_>, _>>()?;
        let open = self.ledger.incidents(true)?.into_iter().filter_map(|stored| {
            let record = record(stored);
            Some(OpenNews { incident: record.incident()?, opened: record.opened })
        });
        let next = schedule.next_after(now).map(|next| local(next, schedule));
        let digest = Digest { since, now, next, feeds, open: open.collect() };
        let mails = digest_mails(&digest, settings, &mut || random_token()).into_iter();
        Ok(mails.map(|mail| StoredMail::new(mail.message_id, mail.to, mail.message, now)).collect())
    }

    fn feed_news(
        &self,
        feed: &Feed,
        state: Option<&ScheduleState>,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<FeedNews, LedgerError> {
        let paused = state.and_then(|state| state.paused.as_ref()).filter(|pause| pause.is_on(now));
        let paused =
            paused.map(|pause| PausedNews { by: pause.by.clone(), at: pause.at, until: pause.until });
        let next = match (&feed.schedule, feed.next_run(state, now)) {
            (None, _) => "never by itself (no `schedule.cron`)".to_owned(),
            (Some(_), None) => format!("never by itself until `rosterd resume {}`", feed.name),
            (Some(_), Some(at)) if at <= now => "now".to_owned(),
            (Some(schedule), Some(at)) => local(at, schedule),
        };
        let holds = self.ledger.holds(Some(&feed.name))?;
        let groups = feed.known_groups(&self.ledger)?.into_iter();
        let groups = groups.map(|group| self.group_news(feed, group, &holds, since, now));
        Ok(FeedNews { feed: feed.name.clone(), next, paused, groups: groups.collect::<Result<_, _>>()? })
    }

    fn group_news(
        &self,
        feed: &Feed,
        group: GroupRef,
        holds: &[Hold],
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<GroupNews, LedgerError> {
        let members = self.ledger.coverage_with(&group, &|_, _| false)?.len();
        let applied = self.ledger.applied(&group, since, now)?;
        // The one that is held now; others are remembered in case that they come back.
        let hold = holds.iter().filter(|hold| hold.group == group);
        let hold = hold.min_by_key(|hold| (hold.word.is_some(), Reverse(hold.last_run)));
        let waits = self.ledger.waits_in(&feed.name, &group)?;
        let waited = |of: fn(&Waits) -> &WaitList| {
            let list = waits.as_ref().map(of);
            Waited { total: list.map_or(0, WaitList::total), oldest: list.and_then(WaitList::oldest) }
        };
        let (total, oldest) = waits.as_ref().map_or((0, None), Waits::additions_in_all);
        Ok(GroupNews {
            members: u64::try_from(members).unwrap_or(u64::MAX),
            added: applied.added,
            removed: applied.removed,
            failed: applied.failed,
            held: hold.is_some_and(|hold| hold.word.is_none() || hold.lapsed(now).is_some()),
            standing: self.standing(&group, hold, now)?,
            removals: waited(|waits| &waits.removals),
            moves: waited(|waits| &waits.moves),
            additions: Waited { total, oldest },
            completed: self.ledger.last_completed(&group)?.map(|attempt| attempt.changed_at),
            group,
        })
    }

    /// What is to be said of a group that is not just as it should be.
    fn standing(
        &self,
        group: &GroupRef,
        hold: Option<&Hold>,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, LedgerError> {
        let day = |at: DateTime<Utc>| at.format("%Y-%m-%d");
        if let Some(retired) = self.ledger.retired(group)? {
            return Ok(Some(format!("retired by {} on {}", retired.by, day(retired.at))));
        }
        if let Some(attempt) = self.ledger.newest_attempt(group)?.filter(|attempt| attempt.state.in_flight())
        {
            return Ok(Some(match attempt.state.request_id() {
                Some(request) => format!("in flight: {request}"),
                None => "in flight".to_owned(),
            }));
        }
        let Some(hold) = hold else { return Ok(None) };
        Ok(Some(match &hold.word {
            _ if hold.lapsed(now).is_some() => format!("approval expired; held since {}", day(hold.since)),
            Some(word) if word.approved => format!("approved by {} on {}", word.by, day(word.at)),
            Some(word) => format!("rejected by {} on {}; waits", word.by, day(word.at)),
            None => format!("held since {}", day(hold.since)),
        }))
    }
}
