//! One pass of a feed, resuming, polling (`design.md`, How data flows).
//!
//! There is one path: `sync`, `plan` (cut before the intent), an approval and the recovery after a crash all
//! go through [`Engine::run`] over the same durable state.

mod adrift;
mod after;
mod answers;
mod baseline;
mod begin;
mod carry;
mod contact;
mod digest;
mod direct;
mod drafts;
mod empty;
mod expiring;
mod facts;
mod follow;
mod gathering;
pub mod marks;
mod not_run;
mod orphans;
mod outbox;
mod pass;
mod progress;
mod reading;
mod recover;
mod refused;
mod repin;
mod report;
mod retry;
mod rounds;
mod rows;
mod settings;
mod shared;
mod submit;
mod tell;
mod told;
mod trouble;
mod waits;
mod word;

pub use crate::decide::Emptying;
pub use baseline::Named as Baseline;
pub use begin::{Begun, LocalFile, Order, Pass, Waiting};
pub use direct::{Direct, not_opened, not_usable};
pub use empty::EmptyError;
pub use orphans::Orphan;
pub use outbox::Delivery;
pub use progress::{Progress, Silent, Step};
pub use recover::Recovered;
pub use repin::{Repin, RepinError};
pub use settings::{Feed, Settings, Submit};
pub use shared::Halt;
pub use word::{Spoken, WordError};

use crate::{clock::Clock, ledger::Ledger, roster::FeedName, vitable::Client};
use shared::Shared;
use std::sync::{Arc, atomic::AtomicBool};

/// Everything that one pass of a feed needs, given from outside.
pub struct Engine {
    settings: Settings,
    ledger: Arc<Ledger>,
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    /// Whether the mails that wait were tried by this configuration.
    mails_tried: AtomicBool,
}

impl Engine {
    /// An engine over this ledger and this client.
    #[must_use]
    pub fn new(settings: Settings, ledger: Arc<Ledger>, client: Arc<Client>, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings,
            ledger,
            client,
            clock,
            shared: Arc::new(Shared::new()),
            mails_tried: AtomicBool::new(false),
        }
    }

    /// An engine for another configuration that goes on where this one stands: the same ledger and clock, what is
    /// stopped stays stopped, and who follows a request of the old one is not disturbed.
    #[must_use]
    pub fn reconfigured(&self, settings: Settings, client: Arc<Client>) -> Self {
        Self {
            settings,
            ledger: Arc::clone(&self.ledger),
            client,
            clock: Arc::clone(&self.clock),
            shared: Arc::clone(&self.shared),
            mails_tried: AtomicBool::new(false),
        }
    }

    /// The durable state.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The client, to be shared with an engine for another configuration.
    #[must_use]
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// What the engine works by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What shows the time.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The feed with this name.
    #[must_use]
    pub fn feed(&self, name: &str) -> Option<&Feed> {
        // They are in the order of their names.
        let place = self.settings.feeds.binary_search_by(|feed| feed.name.as_str().cmp(name)).ok()?;
        self.settings.feeds.get(place)
    }

    /// Every feed of the configuration, in the order of their names.
    #[must_use]
    pub fn feeds(&self) -> &[Feed] {
        &self.settings.feeds
    }

    /// The lane of a feed: whoever holds it is the only run of the feed that reads, decides and sends. The second round of
    /// a run takes it by itself.
    #[must_use]
    pub fn lane(&self, feed: &FeedName) -> Arc<tokio::sync::Mutex<()>> {
        self.shared.lane(feed)
    }

    /// Begins nothing new and waits for nothing any longer; a roster that is on its way is answered first. Runs
    /// stay without an end, so that the next start begins them again.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Comes back when the engine is told to stop.
    pub async fn until_stopped(&self) {
        self.shared.stopped().await;
    }

    /// Why nothing more is submitted in this process, if nothing is.
    #[must_use]
    pub fn halted(&self) -> Option<Halt> {
        self.shared.halted()
    }
}
