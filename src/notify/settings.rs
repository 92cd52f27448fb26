//! What the configuration says of alerts, checked.

use super::AtMost;
use crate::{roster::FeedName, secret::Secret};
use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

/// Who is told, and how. `alerts: none` is said aloud, never left out.
#[derive(Clone, Debug)]
pub enum Settings {
    /// Nobody shall be told.
    None,
    /// Mails.
    Mail(Box<MailSettings>),
}

/// Mails: from whom, to whom, and on which way.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// How a mail leaves this host.
    pub transport: Transport,
    /// The sender, with an optional name; [`super::is_mailbox`] holds.
    pub from: String,
    /// The general recipients; [`super::is_mailbox`] holds for each.
    pub to: Vec<String>,
    /// Instead of the general recipients, for what concerns one feed alone; [`super::is_mailbox`] holds for each.
    pub feeds: BTreeMap<FeedName, Vec<String>>,
    /// An open problem is mailed again this often.
    pub remind_every: Duration,
    /// More mails to one list of recipients wait and come together; urgent ones do not wait.
    pub at_most: AtMost,
}

/// How a mail leaves this host.
#[derive(Clone, Debug)]
pub enum Transport {
    /// As an `.eml` file in this folder.
    Folder(PathBuf),
    /// To a mail server.
    Smtp(Smtp),
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// Its name, which its certificate must be for; or its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way to it is protected.
    pub encryption: Encryption,
    /// What to log in with, if it wants that.
    pub login: Option<Login>,
    /// Certificates that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// How long the way to the server may take, from the name to the login; and as long again for each mail.
    pub time_limit: Duration,
}

/// What to log in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub username: String,
    /// Its password, which is read for each connection.
    pub password: Secret,
}

/// How the way to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// The connection begins in the clear and must turn to TLS before anything is said.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None: for this very host alone.
    None,
}

impl Encryption {
    /// The usual port.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

impl Settings {
    /// How often an open incident is mailed again; none when nobody is told.
    #[must_use]
    pub fn remind_every(&self) -> Option<Duration> {
        self.mail().map(|mail| mail.remind_every)
    }

    /// The mails' settings; none when nobody is told.
    #[must_use]
    pub fn mail(&self) -> Option<&MailSettings> {
        match self {
            Self::None => None,
            Self::Mail(mail) => Some(mail),
        }
    }
}

impl From<MailSettings> for Settings {
    fn from(mail: MailSettings) -> Self {
        Self::Mail(Box::new(mail))
    }
}

impl MailSettings {
    /// Whom to tell of what concerns this feed, or the whole daemon.
    #[must_use]
    pub fn recipients(&self, feed: Option<&FeedName>) -> &[String] {
        feed.and_then(|feed| self.feeds.get(feed)).unwrap_or(&self.to)
    }

    /// Each list of recipients once, the general one first, with the feeds that have it for their own.
    #[must_use]
    pub fn lists(&self) -> Vec<(&[String], Vec<&FeedName>)> {
        let mut lists: Vec<(&[String], Vec<&FeedName>)> = vec![(&self.to, Vec::new())];
        for (feed, to) in &self.feeds {
            match lists.iter_mut().find(|(known, _)| known == to) {
                Some((_, feeds)) => feeds.push(feed),
                None => lists.push((to, vec![feed])),
            }
        }
        lists
    }
}

impl fmt::Display for Transport {
    /// As a sentence names it: `` the mail server `smtp.partner.example:587` ``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "the folder `{}`", folder.display()),
            Self::Smtp(smtp) => write!(f, "the mail server `{}:{}`", smtp.host, smtp.port),
        }
    }
}
