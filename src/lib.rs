//! rosterd keeps Vitable group rosters in step with HR exports, and never removes anyone because of bad data.
//!
//! The source reads like the way of the data: a [`source`] gives rows of a [`table`], a [`mapping`] makes
//! [`roster`] people of them, [`decide`] says what becomes of each group, [`vitable`] carries the decision,
//! the [`ledger`] remembers it, [`notify`] tells a person, and the [`engine`] runs one pass of a feed.
//!
//! | module | may use |
//! | --- | --- |
//! | `roster` | nobody |
//! | `clock`, `secret` | nobody: seams that others take as arguments |
//! | `probe` | nobody: one hop on the way to a peer, tried |
//! | `http` | nobody: what every HTTP client has in common |
//! | `schedule` | nobody: what is due when; `now` is an argument |
//! | `table` | `roster` |
//! | `attempt` | `roster` |
//! | `mapping` | `roster`, `table` |
//! | `decide` | `roster` |
//! | `source` | `roster` (where a row stands), `table`, `mapping` settings, `clock`, `secret`, `probe`, `http` |
//! | `vitable` | `roster`, `decide` (the submission), `attempt`, `clock`, `secret`, `probe`, `http` |
//! | `ledger` | `roster`, `attempt` |
//! | `notify` | `roster`, `secret`, `probe`, `http` |
//! | `engine` | all of the above |
//! | `config` | the settings types of all of the above, `http` |
//! | `daemon` | `roster`, `attempt`, `schedule`, `vitable`, `ledger`, `notify`, `engine`: the life of the process |
//! | `sandbox` | `vitable` wire shapes, `clock` |
//! | `cli` | everything; the only one that prints |
//!
//! `tests/it/tidy.rs` fails when this table is broken.

pub mod attempt;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod decide;
pub mod engine;
pub mod http;
pub mod ledger;
pub mod mapping;
pub mod notify;
pub mod probe;
pub mod roster;
pub mod sandbox;
pub mod schedule;
pub mod secret;
pub mod source;
pub mod table;
pub mod vitable;

pub mod cli;
