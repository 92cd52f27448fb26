//! Tests against real peers.

mod vitable;
mod notify;
mod sftp;
pub mod sshd;
mod sandbox;
mod config;
mod ledger;
