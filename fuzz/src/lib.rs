//! What the fuzz targets check, each a function from bytes: `fuzz_targets/` feeds it what libFuzzer makes up, and
//! `tests/it/fuzz.rs` of rosterd the corpus that is kept.

mod archives;
mod csv;
mod input;
mod known_hosts;
mod read;
mod trailer;

pub use archives::archives;
pub use csv::csv;
pub use known_hosts::known_hosts;
pub use trailer::trailer;
