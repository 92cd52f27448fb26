//! One pass of a feed, resuming, polling (`design.md`, How data flows).
//!
//! There is one path: `sync`, `plan` (cut before the intent), an approval and the recovery after a crash all
//! go through [`Engine::run`] over the same durable state.

mod carry;
mod contact;
mod facts;
mod follow;
mod outbox;
mod pass;
mod progress;
mod reading;
mod recover;
mod report;
mod settings;
mod submit;
mod tell;
mod word;

pub use outbox::Delivery;
pub use pass::{Order, Pass};
pub use progress::{Progress, Silent, Step};
pub use recover::Recovered;
pub use settings::{Feed, Settings, Submit};
pub use word::{Spoken, WordError};

use crate::{clock::Clock, ledger::Ledger, vitable::Client};
use std::sync::{Arc, Mutex, PoisonError};

/// Everything that one pass of a feed needs, given from outside.
pub struct Engine {
    settings: Settings,
    ledger: Arc<Ledger>,
    client: Client,
    clock: Arc<dyn Clock>,
    progress: Arc<dyn Progress>,
    /// Why nothing more is submitted in this process, if nothing is: a refused key, a state that takes nothing.
    halt: Mutex<Option<String>>,
}

impl Engine {
    /// An engine over this ledger and this client.
    #[must_use]
    pub fn new(
        settings: Settings,
        ledger: Arc<Ledger>,
        client: Client,
        clock: Arc<dyn Clock>,
        progress: Arc<dyn Progress>,
    ) -> Self {
        Self { settings, ledger, client, clock, progress, halt: Mutex::default() }
    }

    /// The durable state.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The feed with this name.
    #[must_use]
    pub fn feed(&self, name: &str) -> Option<&Feed> {
        self.settings.feeds.iter().find(|feed| feed.name.as_str() == name)
    }

    /// Every feed of the configuration.
    #[must_use]
    pub fn feeds(&self) -> &[Feed] {
        &self.settings.feeds
    }

    /// Nothing more is submitted by this process.
    fn halt(&self, why: &str) {
        self.halt.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
    }

    fn halted(&self) -> Option<String> {
        self.halt.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
