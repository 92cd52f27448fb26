//! Credentials of sources that are about to end, told before the day on which a feed cannot be read any more.

use super::{Engine, Feed, tell::Scope};
use crate::{
    ledger::LedgerError,
    notify::{Incident, Kind},
    roster::FeedName,
    source::{self, Place, endings},
};
use std::collections::BTreeSet;

impl Engine {
    /// Tells of the credentials of this feed's sources that are about to end, and that others were renewed.
    pub(super) fn tell_expiring(&self, feed: &Feed) -> Result<(), LedgerError> {
        let sources: Vec<(&FeedName, &source::Settings)> = feed
            .sources
            .iter()
            // No other has a credential with an end, and ten thousand feeds are not looked through for it.
            .filter(|source| matches!(source.place, Place::Http(_)))
            .map(|source| (self.first_with(&source.name).unwrap_or(&feed.name), &**source))
            .collect();
        self.tell_endings(feed, &sources)
    }

    /// The same for every feed: at the start, on each day, and when the configuration was read again.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub fn tell_every_expiring(&self) -> Result<(), LedgerError> {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for feed in self.feeds() {
            let sources = feed.sources.iter().filter(|source| seen.insert(&source.name));
            let sources: Vec<_> = sources.map(|source| (&feed.name, &**source)).collect();
            self.tell_endings(feed, &sources)?;
        }
        Ok(())
    }

    /// A credential of a source that several feeds read is told of with the first of them, once.
    fn first_with(&self, source: &str) -> Option<&FeedName> {
        let mut feeds = self.feeds().iter();
        feeds.find(|feed| feed.sources.iter().any(|each| each.name == source)).map(|feed| &feed.name)
    }

    fn tell_endings(
        &self,
        feed: &Feed,
        sources: &[(&FeedName, &source::Settings)],
    ) -> Result<(), LedgerError> {
        let now = self.clock.now();
        let (mut current, mut unknown) = (Vec::new(), false);
        for (feed, source) in sources {
            for ending in endings(source) {
                unknown |= ending.at.is_none();
                let incident = ending.warning(now).map(|reason| Incident {
                    feed: Some((*feed).clone()),
                    credential: Some(format!("{}/{}", source.name, ending.credential)),
                    // Each step is news.
                    cause: reason.clone(),
                    ..Incident::new(Kind::SecretExpiring, reason)
                });
                current.extend(incident);
            }
        }
        // What cannot be read may be about to end all the same: nothing is over by that.
        let over: &[Kind] = if unknown { &[] } else { &[Kind::SecretExpiring] };
        self.tell(&current, Scope { kinds: over, feed: Some(&feed.name), ..Scope::NOTHING })
    }
}
