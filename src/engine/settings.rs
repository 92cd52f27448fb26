//! What the configuration says of a feed, checked.

use crate::{decide::Guard, mapping::Grouping, roster::FeedName, source};
use std::{sync::Arc, time::Duration};

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
