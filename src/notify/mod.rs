//! Who is told what.

mod settings;

pub use settings::Settings;
