//! One pass of a feed, resuming, polling.

mod settings;

pub use settings::{Feed, Submit};
