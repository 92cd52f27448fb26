//! What takes a mail away: a folder or a mail server. What it says, for each recipient.

use super::{FolderTransport, Mail, MailSettings, Smtp, Transport, smtp};
use crate::probe::Step;
use lettre::{Address, message::Mailbox};
use std::path::{Path, PathBuf};
use tokio::time::Instant;

/// What became of a mail for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Taken; with the server's answer.
    Taken(String),
    /// Refused for good, and why.
    Refused(String),
    /// Not taken now, and why.
    Later(String),
}

impl Receipt {
    /// Whether the recipient's server has the mail.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Taken(_))
    }
}

/// Takes mails away one after the other, a server's on one connection.
pub struct Carrier<'a> {
    settings: &'a MailSettings,
    session: Option<smtp::Session>,
}

impl<'a> Carrier<'a> {
    /// A carrier by these settings. Nothing is connected before the first mail.
    #[must_use]
    pub fn new(settings: &'a MailSettings) -> Self {
        Self { settings, session: None }
    }

    /// Hands one message on, byte for byte, to these addresses; says what became of each, in their order. A server is
    /// waited for within `Smtp::time_limit`, for the way to it and again for the mail; a folder as long as the file
    /// system takes. A folder takes a mail once, whatever the addresses.
    ///
    /// # Errors
    /// When the server or the folder fails rather than a recipient: in words that can stand behind its name.
    pub async fn send(
        &mut self,
        message_id: &str,
        to: &[String],
        message: &str,
    ) -> Result<Vec<Receipt>, String> {
        match &self.settings.transport {
            Transport::Folder(folder) => {
                let (folder, id, text) = (folder.clone(), message_id.to_owned(), message.to_owned());
                let writing = tokio::task::spawn_blocking(move || {
                    FolderTransport::new(folder).deliver(&id, text.as_bytes())
                });
                let written =
                    writing.await.map_err(|_stopped| "cannot be written: rosterd is ending".to_owned())?;
                let path = written.map_err(|error| format!("cannot be written: {error}"))?;
                let taken = Receipt::Taken(format!("written to `{}`", path.display()));
                Ok(vec![taken; to.len()])
            }
            Transport::Smtp(server) => {
                let from = self.settings.from.parse::<Mailbox>().map(|from| from.email);
                let from =
                    from.map_err(|_| "cannot be tried, because `alerts.from` is no address".to_owned())?;
                self.over_smtp(server, &from, to, message.as_bytes()).await
            }
        }
    }

    async fn over_smtp(
        &mut self,
        server: &Smtp,
        from: &Address,
        to: &[String],
        message: &[u8],
    ) -> Result<Vec<Receipt>, String> {
        loop {
            let mut session = match self.session.take().filter(|session| session.usable) {
                Some(session) => session,
                None => smtp::open(server).await?,
            };
            match session.send(from, to, message).await {
                Ok(receipts) => {
                    self.session = Some(session);
                    return Ok(receipts);
                }
                // Servers close a connection after a number of mails, or after a while: once more on a fresh one.
                Err(lost) if session.sent > 1 && !lost.in_doubt => {}
                Err(lost) => return Err(lost.why),
            }
        }
    }

    /// Ends what is open.
    pub async fn close(self) {
        if let Some(session) = self.session {
            session.close().await;
        }
    }
}

/// Sends one mail directly, past the outbox; says for each recipient what became of it. Bounded in time.
///
/// # Errors
/// When the server or the folder fails, in words that begin with its name.
pub async fn send(settings: &MailSettings, mail: &Mail) -> Result<Vec<(String, Receipt)>, String> {
    let mut carrier = Carrier::new(settings);
    let sent = carrier.send(&mail.message_id, &mail.to, &mail.message).await;
    carrier.close().await;
    let receipts = sent.map_err(|why| format!("{} {why}", settings.transport))?;
    Ok(mail.to.iter().cloned().zip(receipts).collect())
}

/// Tries the way that a mail would take, without a mail. The last step is the one that failed, if one did; there
/// is none with `alerts: none`. Bounded in time.
pub async fn probe(settings: &super::Settings) -> Vec<Step> {
    match settings.mail().map(|mail| &mail.transport) {
        None => Vec::new(),
        Some(Transport::Smtp(server)) => smtp::probe(server).await,
        Some(Transport::Folder(folder)) => {
            let (began, folder) = (Instant::now(), folder.clone());
            let trying = tokio::task::spawn_blocking(move || try_folder(&folder));
            let result = trying.await.unwrap_or_else(|_stopped| Err("rosterd is ending".to_owned()));
            vec![Step { hop: "folder", took: began.elapsed(), result }]
        }
    }
}

/// Whether mails can be written there. What is missing yet is made at the first mail, so it is enough that it
/// could be.
fn try_folder(folder: &Path) -> Result<String, String> {
    let shown = folder.display();
    let there = folder.is_dir();
    let nearest: PathBuf = folder.ancestors().find(|each| each.exists()).unwrap_or(Path::new(".")).to_owned();
    let nearest = if nearest.as_os_str().is_empty() { PathBuf::from(".") } else { nearest };
    tempfile::tempfile_in(&nearest).map_err(|error| {
        format!("`{shown}` cannot be written ({error}); make it a folder that rosterd's user may write, or correct `alerts.folder`")
    })?;
    Ok(if there {
        format!("`{shown}` can be written")
    } else {
        format!("`{shown}` is made with the first mail")
    })
}
