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
    /// What the file holds, and how it is read.
    pub format: Format,
    /// How the file is decrypted, if it comes encrypted.
    pub decrypt: Option<Decrypt>,
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
    /// Which of the files that fit.
    pub take: Take,
    /// For how long size and modification time must have stood still.
    pub settle: Duration,
    /// A file that is older than this when it is first read is late.
    pub max_age: Option<Duration>,
    /// The file that the sender writes when the roster is whole.
    pub done_marker: Option<Marker>,
    /// What becomes of the file when every group has its roster.
    pub after_success: AfterSuccess,
}

/// Which of the files that fit are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Take {
    /// The newest.
    #[default]
    Newest,
    /// Every one: each is one part of the roster.
    All,
}

/// The path of the file that a sender writes when another one is whole, with places for parts of the other's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker(String);

impl Marker {
    /// The places that a marker's path may have: the path of the file, its folder, its name, and its name without the
    /// last ending.
    pub const PLACES: [&'static str; 4] = ["path", "folder", "name", "stem"];

    /// Takes a path with places in braces.
    ///
    /// # Errors
    /// What stands in braces and is no place, or an empty text for a brace without its other half.
    pub fn new(path: String) -> Result<Self, String> {
        let mut rest = path.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (place, after) = rest
                .get(at..)
                .and_then(|rest| rest.strip_prefix('{'))
                .and_then(|rest| rest.split_once('}'))
                .ok_or_else(String::new)?;
            if !Self::PLACES.contains(&place) {
                return Err(place.to_owned());
            }
            rest = after;
        }
        Ok(Self(path))
    }

    /// The marker of a file.
    pub(super) fn of(&self, path: &str) -> String {
        let (folder, name) = match path.rsplit_once('/') {
            Some(("", name)) => ("", name),
            Some((folder, name)) => (folder, name),
            None => (".", path),
        };
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem });
        let mut made = String::new();
        let mut rest = self.0.as_str();
        while let Some((before, (place, after))) =
            rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
        {
            made.push_str(before);
            made.push_str(match place {
                "path" => path,
                "folder" => folder,
                "name" => name,
                _ => stem,
            });
            rest = after;
        }
        made.push_str(rest);
        made
    }

    /// Whether each file has a marker of its own, which is done with when the file is.
    pub(super) fn is_of_one_file(&self) -> bool {
        ["{path}", "{name}", "{stem}"].iter().any(|place| self.0.contains(place))
    }
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

/// What a file holds, once it is decrypted and unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// What the file's name says: a sheet for `.xlsx`, else CSV with every default.
    ByName,
    /// CSV.
    Csv(Csv),
    /// A sheet of an Excel workbook.
    Xlsx(Xlsx),
    /// A JSON document, and where the list of its records is.
    Json(ListPath),
    /// A JSON record on each line, as the HTTP driver writes them; no file of a place is read so.
    Lines,
}

impl Format {
    /// Whether rows are records, whose columns are paths.
    #[must_use]
    pub fn has_records(&self) -> bool {
        match self {
            Self::Json(_) | Self::Lines => true,
            Self::ByName | Self::Csv(_) | Self::Xlsx(_) => false,
        }
    }
}

/// How a CSV file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csv {
    /// Between cells; found among `,`, `;`, `|` and the tab when nothing is said.
    pub delimiter: Option<u8>,
    /// How characters are written.
    pub encoding: Encoding,
    /// The line of the header, from 1.
    pub header_row: u32,
    /// The line after the last person that proves that the file is whole.
    pub trailer: Option<Trailer>,
}

impl Default for Csv {
    fn default() -> Self {
        Self { delimiter: None, encoding: Encoding::default(), header_row: 1, trailer: None }
    }
}

/// How characters are written; the default is UTF-8, else what a byte order mark or a certain detection says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoding(pub(super) Option<&'static encoding_rs::Encoding>);

impl Encoding {
    /// The encoding of this name, as browsers know it (`utf-8`, `windows-1252`, `utf-16le`, `macintosh`).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = encoding_rs::Encoding::for_label_no_replacement(name.as_bytes())?;
        Some(Self(Some(found)))
    }
}

/// How a sheet is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xlsx {
    /// The sheet's name; the first one that is shown when nothing is said.
    pub sheet: Option<String>,
    /// The row of the header, from 1.
    pub header_row: u32,
}

impl Default for Xlsx {
    fn default() -> Self {
        Self { sheet: None, header_row: 1 }
    }
}

/// How an OpenPGP file is decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decrypt {
    /// Our private key, armored.
    pub private_key: Secret,
    /// Its passphrase.
    pub passphrase: Option<Secret>,
    /// The sender's public key, armored; a file that it has not signed is refused.
    pub signed_by: Option<Secret>,
    /// Whether a file in the clear is taken too: the one that a person names with `--file` may be.
    pub or_clear: bool,
}

/// A trailer line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// How the line's first cell begins.
    pub starts_with: String,
    /// The column, from 1, that holds the number of data rows.
    pub count_column: Option<u32>,
}
