//! What the configuration says of a source, checked.

use super::{http::Http, json::ListPath};
use crate::{mapping, secret::Secret};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// One place where rows come from, with its format and mapping.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The source's name.
    pub name: String,
    /// Where the file is.
    pub place: Place,
    /// Which file it is.
    pub pick: Pick,
    /// How the file is read.
    pub csv: Csv,
    /// The source gives JSON records and no table: where their list is in a document.
    pub records: Option<ListPath>,
    /// Fewer rows than this are an incomplete read.
    pub min_rows: u64,
    /// How its rows become members, single fields of the source's own included.
    pub mapping: Arc<mapping::Settings>,
}

/// Where files are.
#[derive(Clone, Debug)]
pub enum Place {
    /// On this host.
    File,
    /// On an SFTP server.
    Sftp(Box<Sftp>),
    /// No file: an HTTP API gives records.
    Http(Box<Http>),
}

/// An SFTP server and how to get in.
#[derive(Clone, Debug)]
pub struct Sftp {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The account.
    pub username: String,
    /// A private key in OpenSSH or PEM form.
    pub private_key: Option<Secret>,
    /// The key's passphrase.
    pub passphrase: Option<Secret>,
    /// A password, alone or beside the key.
    pub password: Option<Secret>,
    /// How the server is known.
    pub host_key: HostKey,
    /// How long it is waited for.
    pub patience: Patience,
}

/// How long a server is waited for. The defaults are what an operator gets; tests wait less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For so long nothing may come from the server; a transfer that is slow and moves is not cut off.
    pub no_progress: Duration,
    /// Before the second try, when the connection was lost; three times as long before the third.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { no_progress: Duration::from_secs(60), pause: Duration::from_secs(2) }
    }
}

/// How an SFTP server is known. There is no way to trust whoever answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKey {
    /// By the fingerprint of its key, `SHA256:…`.
    Fingerprint(String),
    /// By a known_hosts file.
    KnownHosts(PathBuf),
}

/// Which file of a place is read.
#[derive(Clone, Debug)]
pub struct Pick {
    /// A path, or a glob whose last component has wildcards.
    pub path: String,
    /// For how long size and modification time must have stood still.
    pub settle: Duration,
    /// A file that is older than this when it is first read is late.
    pub max_age: Option<Duration>,
    /// What becomes of the file when every group has its roster.
    pub after_success: AfterSuccess,
}

/// What becomes of a file that was read, when every group of its feed has its roster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AfterSuccess {
    /// It stays where it is.
    #[default]
    Leave,
    /// It is deleted.
    Delete,
    /// It is moved into this folder of the same place, under its name, and never over another file.
    MoveTo(String),
}

/// How a CSV file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csv {
    /// Between cells.
    pub delimiter: u8,
    /// The line of the header, from 1.
    pub header_row: u32,
    /// The line after the last person that proves that the file is whole.
    pub trailer: Option<Trailer>,
}

impl Default for Csv {
    fn default() -> Self {
        Self { delimiter: b',', header_row: 1, trailer: None }
    }
}

/// A trailer line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// How the line's first cell begins.
    pub starts_with: String,
    /// The column, from 1, that holds the number of data rows.
    pub count_column: Option<u32>,
}
