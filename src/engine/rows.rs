//! In which rows the people of an incident stand, when only their references are known.

use super::Engine;
use crate::notify::{Affected, Incident};
use std::collections::BTreeSet;

/// So many people of an incident are looked for; a mail names as many.
const LOOKED_FOR: usize = 50;

impl Engine {
    /// Names the rows of those who had one in the run that the incident is of.
    pub(super) fn add_rows(&self, incidents: &mut [Incident]) {
        for incident in incidents {
            let (Some(feed), Some(run)) = (&incident.feed, incident.run) else { continue };
            let unplaced = |person: &&Affected| person.row.is_none() && !person.reference_id.is_empty();
            let ids: BTreeSet<&str> = incident
                .people
                .iter()
                .take(LOOKED_FOR)
                .filter(unplaced)
                .map(|person| person.reference_id.as_str())
                .collect();
            if ids.is_empty() {
                continue;
            }
            let rows = self.ledger.rows_of(feed, run, &ids);
            for person in incident.people.iter_mut().filter(|person| person.row.is_none()) {
                person.row = rows.get(&person.reference_id).copied();
            }
        }
    }
}
