//! Tests against real peers.

mod vitable;
mod notify;
