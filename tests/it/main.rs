//! Tests against real peers.

mod vitable;
