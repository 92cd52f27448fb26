//! What the configuration says of a feed, checked.

use crate::{
    decide::Guard,
    mapping::{GroupRule, Grouping},
    notify,
    roster::{FeedName, GroupRef},
    schedule, source, vitable,
};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

/// What an engine works by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How Vitable is reached, and how requests are looked after.
    pub vitable: vitable::Settings,
    /// Who is told of problems.
    pub alerts: notify::Settings,
    /// When the digest is made; nothing when none is.
    pub digest: Option<schedule::Settings>,
    /// Where a daemon says that all is well; nothing when nobody waits for that.
    pub heartbeat: Option<notify::Heartbeat>,
    /// Where the spool files live for a moment.
    pub state_dir: PathBuf,
    /// Every feed.
    pub feeds: Vec<Feed>,
}

/// The unit of all-or-nothing reading.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The feed's name.
    pub name: FeedName,
    /// All must be read whole, or nothing of the feed is submitted.
    pub sources: Vec<Arc<source::Settings>>,
    /// How rows find their group.
    pub grouping: Grouping,
    /// The limits within which a change passes without a person.
    pub guard: Guard,
    /// Whether an unchanged roster is submitted.
    pub submit: Submit,
    /// When it is run by itself; nothing when it never is.
    pub schedule: Option<schedule::Settings>,
}

impl Feed {
    /// The groups that the configuration names; none for an `as_is` column.
    #[must_use]
    pub fn named_groups(&self) -> BTreeSet<GroupRef> {
        match &self.grouping.rule {
            GroupRule::All(group) => [group.clone()].into(),
            GroupRule::Map { map, .. } => map.values().cloned().collect(),
            GroupRule::AsIs { .. } => BTreeSet::new(),
        }
    }

    /// Whether this feed could feed a group: it names it, or takes its groups from a column as they are.
    #[must_use]
    pub fn may_feed(&self, group: &GroupRef) -> bool {
        matches!(self.grouping.rule, GroupRule::AsIs { .. }) || self.named_groups().contains(group)
    }
}

/// Whether an unchanged roster is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submit {
    /// Every run submits.
    Always,
    /// A roster equal to the confirmed one is not submitted again before this much time has passed.
    WhenChanged {
        /// Since the last completed sync.
        resync_after: Duration,
    },
}

impl Submit {
    /// After how long an unchanged roster is sent again; none when every run submits.
    #[must_use]
    pub fn resync_after(self) -> Option<Duration> {
        match self {
            Self::Always => None,
            Self::WhenChanged { resync_after } => Some(resync_after),
        }
    }
}
