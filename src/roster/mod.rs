//! The domain: identifiers, the member and its fields, what a complete read says of people, fingerprints.
//!
//! Everything here is pure and knows no other module. A value that exists has passed its rule
//! (Vitable's Group Member Sync guide, "member"), so nothing downstream checks it again.

mod coverage;
mod departure;
mod field;
mod fingerprint;
mod ids;
mod people;
mod places;
mod record;
mod rules;
mod shape;

pub use coverage::{Certainty, Coverage, Covered, Doubt, Known};
pub use departure::{Departures, Leaving, Left, Past};
pub use field::{FIELD_COUNT, Field};
pub use fingerprint::{Fingerprint, FingerprintKey, Fingerprints};
pub use ids::{FeedName, GroupId, GroupRef, IdError, OrganizationId, PlanId, ReferenceId, RequestId, RunId};
pub use people::{EndedBy, Ineligible, People, PeopleBuilder, Person, Problem, Route, RowAt, Standing};
pub use record::{Draft, Record, RecordRef, Records};
pub use rules::{Rule, US_STATES, check, check_printable};
pub use shape::SourceShape;
