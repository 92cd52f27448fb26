//! What is still to be done with the files of a run that ended well (`after_success`), and is done after its end:
//! durable with that end, and gone when it is done.

use super::{Facts, Ledger, MarkerReport, Run, error::Result, key, notices, runs};
use crate::roster::{FeedName, RunId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One file that was read and is to be moved or deleted. What exactly is for the configuration of that moment to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Todo {
    /// The feed.
    pub feed: FeedName,
    /// The source's name.
    pub source: String,
    /// The place that the source was read from: a source that leads elsewhere by now owes nothing there.
    pub place: String,
    /// The file's path at its place.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written, as the place said.
    pub modified: Option<DateTime<Utc>>,
    /// Of the bytes, in hexadecimal.
    pub sha256: String,
    /// The file that its sender wrote when it was whole: it goes the same way.
    #[serde(default)]
    pub marker: Option<MarkerReport>,
    /// The run that read it.
    pub run: RunId,
}

impl Ledger {
    /// Ends a run, with what is still to be done with its files, its incidents and mails, in one batch. A file
    /// that has the path of one that is still to be done takes that one's place.
    ///
    /// # Errors
    /// As [`Ledger::end_run`].
    pub fn end_run_owing(&self, run: &Run, todos: &[Todo], facts: Facts) -> Result<()> {
        runs::must_have_ended(run)?;
        self.store.write("ledger-after-end-run", |tx| {
            runs::put(tx, run)?;
            for todo in todos {
                tx.put(key::todo(&todo.feed, &todo.source, &todo.path), todo)?;
            }
            notices::put_facts(tx, &facts)
        })
    }

    /// What is to be done with the files of a feed, or of all, the oldest run first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn todos(&self, feed: Option<&FeedName>) -> Result<Vec<Todo>> {
        let prefix = feed.map_or_else(|| key::TODOS.to_vec(), key::todos_of);
        let mut todos: Vec<Todo> = self.store.scan(&prefix)?;
        todos.sort_by_key(|todo| todo.run);
        Ok(todos)
    }

    /// It is done, or nothing can be done any more: it is forgotten, in one batch with what that ends. What has
    /// taken its place meanwhile stays.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn finish_todo(&self, todo: &Todo, facts: Facts) -> Result<()> {
        self.store.write("ledger-after-record", |tx| {
            let key = key::todo(&todo.feed, &todo.source, &todo.path);
            if tx.get::<Todo>(&key)?.as_ref() == Some(todo) {
                tx.remove(key)?;
            }
            notices::put_facts(tx, &facts)
        })
    }
}
