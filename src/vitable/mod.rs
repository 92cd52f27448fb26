//! Vitable's API: groups found byte for byte, rosters submitted once, requests polled to their end.
//!
//! What may be sent again, and what an unclear answer means, is `vitable-api.md` to the letter: a GET is
//! repeated freely, a submit is one request and never repeated here.

mod body;
mod client;
mod error;
mod fields;
mod groups;
mod poll;
mod probe;
mod reason;
mod scrub;
mod settings;
mod submit;
pub mod wire;

#[cfg(test)]
mod submit_tests;

pub use body::write_body;
pub use client::{Client, ClientError, MAX_CLOCK_SKEW};
pub use error::{ApiError, ApiErrorKind};
pub use fields::RefusedField;
pub use groups::{FindError, FoundGroup, Groups};
pub use poll::Polled;
pub use reason::{failure_kind, known_reason};
pub use scrub::{Scrubber, scrub, scrub_all, scrub_for, values_of};
pub use settings::{Poll, Settings};
pub use submit::{OnSent, Submitted};
