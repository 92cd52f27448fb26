//! What an engine says while it works. The terminal shows it; it has no personal data.

use crate::roster::{FeedName, GroupRef, RequestId, RunId};

/// One step of the work.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A run began.
    Began {
        /// Its number.
        run: RunId,
        /// Its feed.
        feed: &'a FeedName,
    },
    /// A source is being fetched and read.
    Reading {
        /// The source's name.
        source: &'a str,
    },
    /// A source was read whole.
    Read {
        /// The source's name.
        source: &'a str,
        /// The path of its file.
        path: &'a str,
        /// Data rows.
        rows: u64,
    },
    /// A roster is on its way.
    Submitting {
        /// The group.
        group: &'a GroupRef,
        /// How many members it has.
        members: usize,
    },
    /// Vitable took it.
    Accepted {
        /// The group.
        group: &'a GroupRef,
        /// What to name to Vitable's support.
        request_id: &'a RequestId,
    },
    /// Vitable has finished.
    Completed {
        /// The group.
        group: &'a GroupRef,
        /// Members added.
        added: u64,
        /// Members removed.
        removed: u64,
        /// Members to whom nothing was applied.
        failed: usize,
    },
    /// Something to know: a sentence.
    Note(&'a str),
}

/// Who listens.
pub trait Progress: Send + Sync {
    /// Takes one step.
    fn step(&self, step: &Step<'_>);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: &Step<'_>) {}
}
