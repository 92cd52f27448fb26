//! Vitable's API.

mod settings;
pub mod wire;

pub use settings::{Poll, Settings};
