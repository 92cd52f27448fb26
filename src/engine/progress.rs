//! What an engine says while it works. The terminal shows it; it has no personal data.

use crate::roster::{FeedName, GroupRef, RequestId, RunId};
use serde::{Deserialize, Serialize};

/// One step of the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A run began.
    Began {
        /// Its number.
        run: RunId,
        /// Its feed.
        feed: FeedName,
    },
    /// A source is being fetched and read.
    Reading {
        /// The source's name.
        source: String,
    },
    /// A source was read whole.
    Read {
        /// The source's name.
        source: String,
        /// The path of its file.
        path: String,
        /// Data rows.
        rows: u64,
    },
    /// A roster is on its way.
    Submitting {
        /// The group.
        group: GroupRef,
        /// How many members it has.
        members: usize,
    },
    /// Vitable took it.
    Accepted {
        /// The group.
        group: GroupRef,
        /// What to name to Vitable's support.
        request_id: RequestId,
    },
    /// Vitable has finished.
    Completed {
        /// The group.
        group: GroupRef,
        /// Members added.
        added: u64,
        /// Members removed.
        removed: u64,
        /// Members to whom nothing was applied.
        failed: usize,
    },
    /// Something to know: a sentence.
    Note(String),
}

/// Who listens.
pub trait Progress: Send + Sync {
    /// Takes one step.
    fn step(&self, step: Step);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: Step) {}
}
