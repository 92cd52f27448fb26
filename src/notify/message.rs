//! The mail as it is sent: headers, plain text and HTML.

use super::{MailSettings, html, letter::Letter, text};
use crate::roster::FeedName;
use chrono::{DateTime, Utc};
use lettre::{
    Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use std::{collections::BTreeSet, time::SystemTime};

/// References kept in a header; a longer list helps no mail program.
const REFERENCES: usize = 20;

/// A mail for the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// With angle brackets; fixed here, so that a second delivery is recognised.
    pub message_id: String,
    /// Who gets it: addresses without names.
    pub to: Vec<String>,
    /// The subject, as text.
    pub subject: String,
    /// The whole message as it is sent: ASCII, with CR LF line ends.
    pub message: String,
    /// What it tells of, if it tells of incidents.
    pub tells: Tells,
}

/// What the message of a mail is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tells {
    /// Incidents, with why each is told: kept with a mail that has not gone, for [`super::Draft`].
    pub entries: serde_json::Value,
    /// The feeds concerned.
    pub feeds: BTreeSet<FeedName>,
    /// Whether one of them cannot wait.
    pub urgent: bool,
}

/// The Message-ID of a mail.
#[derive(Clone, Copy, Debug)]
pub(super) enum Id<'a> {
    /// A new one, of which this random text becomes a part.
    Of(&'a str),
    /// The one that it has already.
    Known(&'a str),
}

/// Whether a text is a sender or recipient as the configuration takes it: `ops@partner.example` or
/// `rosterd <alerts@partner.example>`.
#[must_use]
pub fn is_mailbox(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

/// The address of a mailbox without its name; what is no mailbox stays as it is.
#[must_use]
pub fn bare(mailbox: &str) -> String {
    mailbox.parse::<Mailbox>().map_or_else(|_| mailbox.to_owned(), |mailbox| mailbox.email.to_string())
}

/// Makes the message for these recipients. None when `from` is no address, which [`is_mailbox`] refuses at load. A
/// recipient that is none is passed over for the sake of the others.
pub(super) fn compose(
    letter: &Letter,
    settings: &MailSettings,
    to: &[String],
    now: DateTime<Utc>,
    id: Id<'_>,
) -> Option<Mail> {
    let from = settings.from.parse::<Mailbox>().ok()?;
    let mut to: Vec<Mailbox> = to.iter().filter_map(|one| one.parse().ok()).collect();
    if to.is_empty() {
        // A mail without a recipient cannot be sent; its sender is somebody who will ask.
        to.push(from.clone());
    }
    let (token, message_id) = match id {
        Id::Of(token) => {
            let token = safe(token, &letter.subject, now);
            let message_id = format!("<rosterd.{token}@{}>", domain(&from));
            (token, message_id)
        }
        Id::Known(message_id) => (safe(message_id, &letter.subject, now), message_id.to_owned()),
    };
    let recipients = to.iter().map(|one| one.email.to_string()).collect();
    let mut builder = Message::builder()
        .from(from)
        .subject(letter.subject.clone())
        .message_id(Some(message_id.clone()))
        .date(SystemTime::from(now))
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        .raw_header(raw("X-Auto-Response-Suppress", "All"));
    for one in to {
        builder = builder.to(one);
    }
    if let Some(first) = letter.threads.first() {
        let threads: Vec<&str> = letter.threads.iter().take(REFERENCES).map(String::as_str).collect();
        builder = builder.in_reply_to(first.clone()).references(threads.join(" "));
    }
    let parts = MultiPart::alternative()
        .boundary(format!("rosterd.{token}"))
        .singlepart(SinglePart::plain(text::render(letter)))
        .singlepart(SinglePart::html(html::render(letter)));
    let message = builder.multipart(parts).ok()?;
    Some(Mail {
        message_id,
        to: recipients,
        subject: letter.subject.clone(),
        message: String::from_utf8_lossy(&message.formatted()).into_owned(),
        tells: Tells::default(),
    })
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// The token in the letters that a Message-ID and a MIME boundary take, at most 40 of them. An empty one is
/// replaced by a digest, so that two mails never share an id.
fn safe(token: &str, subject: &str, now: DateTime<Utc>) -> String {
    let token: String = token.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    if token.is_empty() {
        let seed = format!("{subject}\n{}", now.to_rfc3339());
        blake3::hash(seed.as_bytes()).to_hex().chars().take(32).collect()
    } else {
        token
    }
}

/// The sender's domain, unless it is too long for a header line or needs an encoding.
fn domain(from: &Mailbox) -> String {
    let domain = from.email.domain();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if domain.len() <= 64 && domain.chars().all(plain) {
        domain.to_owned()
    } else {
        "rosterd.invalid".to_owned()
    }
}
