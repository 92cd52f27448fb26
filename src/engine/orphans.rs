//! Groups that no feed of the configuration names any more, and feeds that are gone from it.

use super::{
    Engine,
    tell::{Scope, record},
};
use crate::{
    ledger::LedgerError,
    mapping::GroupRule,
    notify::{Incident, Kind, Reason},
    roster::{FeedName, GroupRef},
};
use std::collections::BTreeSet;

/// What nobody asks about any more when a feed is gone. What is unfinished at Vitable keeps its incident: it is looked
/// after whatever the configuration says.
const OF_THE_FEED: &[Kind] = &[
    Kind::Held,
    Kind::ApprovalExpired,
    Kind::ReadSuspicious,
    Kind::ReadIncomplete,
    Kind::SourceFailed,
    Kind::SourceCredential,
    Kind::HostKeyChanged,
    Kind::NotRun,
    Kind::FileLate,
    Kind::ConfigWrong,
    Kind::UnfinishedRun,
    Kind::GroupUnknown,
    Kind::GroupChangedId,
    Kind::Refused,
    Kind::MembersFailed,
    Kind::AfterSuccess,
    Kind::SecretExpiring,
    Kind::RowsLeftOut,
    Kind::RowsCarried,
    Kind::OldPlan,
];

/// A group with members that nobody feeds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Orphan {
    /// The group.
    pub group: GroupRef,
    /// The feed that fed it last.
    pub feed: FeedName,
    /// How many members stay covered there.
    pub members: usize,
}

impl Engine {
    /// The groups with members, or of which something was sent, that no feed names any more.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn orphans(&self) -> Result<Vec<Orphan>, LedgerError> {
        let named: BTreeSet<GroupRef> = self.feeds().iter().flat_map(super::Feed::named_groups).collect();
        let takes_any = |feed: &FeedName| {
            self.feed(feed.as_str()).is_some_and(|feed| matches!(feed.grouping.rule, GroupRule::AsIs { .. }))
        };
        let mut orphans = Vec::new();
        for group in self.ledger.known_groups()? {
            let Some(feed) = self.ledger.owner(&group)? else { continue };
            if named.contains(&group) || takes_any(&feed) {
                continue;
            }
            let members = self.ledger.coverage_with(&group, &|_, _| false)?.len();
            if members > 0 {
                orphans.push(Orphan { group, feed, members });
            }
        }
        Ok(orphans)
    }

    /// Tells of every orphan, and that others are fed again or empty, and of retired groups that are not known to be empty. What waits in a feed that is gone from the
    /// configuration waits no longer. At the start, and when the configuration was read again.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub fn tell_orphans(&self) -> Result<(), LedgerError> {
        self.let_gone_feeds_go()?;
        for retired in self.ledger.retired_groups()? {
            self.tell_retired(&retired.group)?;
        }
        let incidents: Vec<Incident> = self.orphans()?.iter().map(incident).collect();
        self.tell(&incidents, Scope { kinds: &[Kind::Orphan], ..Scope::NOTHING })
    }

    /// Holds and incidents of feeds that are gone are over: nobody can answer them.
    fn let_gone_feeds_go(&self) -> Result<(), LedgerError> {
        let gone = |feed: &FeedName| self.feed(feed.as_str()).is_none();
        let holds = self.ledger.holds(None)?;
        let dropped: BTreeSet<(FeedName, GroupRef)> =
            holds.into_iter().filter(|hold| gone(&hold.feed)).map(|hold| (hold.feed, hold.group)).collect();
        let open = self.ledger.incidents(true)?.into_iter().filter_map(|stored| record(stored).incident());
        let feeds: BTreeSet<FeedName> = open.filter_map(|incident| incident.feed).filter(gone).collect();
        for (feed, group) in &dropped {
            tracing::warn!(%feed, %group, "the feed is gone from the configuration; what was held of it is over");
        }
        if !dropped.is_empty() {
            let dropped: Vec<_> = dropped.into_iter().collect();
            self.ledger.put_holds(&[], &dropped, crate::ledger::Facts::default())?;
        }
        for feed in &feeds {
            let over = Reason::Withdrawn;
            self.tell(&[], Scope { kinds: OF_THE_FEED, feed: Some(feed), over, ..Scope::NOTHING })?;
        }
        Ok(())
    }
}

fn incident(orphan: &Orphan) -> Incident {
    let count = orphan.members;
    Incident {
        group: Some(orphan.group.clone()),
        counts: vec![("covered".to_owned(), u64::try_from(count).unwrap_or(u64::MAX))],
        ..Incident::new(
            Kind::Orphan,
            format!(
                "Feed `{}` fed it last, and no feed of the configuration names it now. {count} {} covered there, and nobody is added or removed.",
                orphan.feed,
                if count == 1 { "member stays" } else { "members stay" }
            ),
        )
    }
}
