//! Where rows come from.

mod settings;

pub use settings::{Csv, HostKey, Pick, Place, Settings, Sftp, Trailer};
