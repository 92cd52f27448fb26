//! Tests against real peers.

mod check;
mod config;
mod daemon;
mod faked_clock;
mod faults;
mod kill;
mod ledger;
mod log;
mod manual;
mod notify;
mod sandbox;
mod sftp;
mod smtp;
mod smtp_binary;
mod smtp_outbox;
mod smtp_transport;
mod sshd;
mod state;
mod systemd;
mod tidy;
mod vitable;
mod whole_path;
mod words_of_people;
mod world;
