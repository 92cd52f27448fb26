//! Who is told what: incidents, the policy that says when one is mailed, the mails and their transports.
//!
//! An [`Incident`] is something that a person should know. [`review`] compares the incidents of a run with
//! those that are known, and gives what to store and what to mail; the caller writes both in one batch and a
//! [`Carrier`] takes the mails away afterwards. The only user of lettre.

mod budget;
mod carrier;
mod digest;
mod direct;
mod draft;
mod folder;
mod heartbeat;
mod html;
mod incident;
mod letter;
mod message;
mod phrase;
mod policy;
mod record;
mod review;
mod settings;
mod smtp;
mod text;
mod undelivered;
mod words;

pub use budget::{AtMost, Budget};
pub use carrier::{Carrier, Receipt, probe, send};
pub use digest::{Digest, FeedNews, GroupNews, OpenNews, PausedNews, Waited, digest_mails};
pub use direct::{send_directly, test_mails};
pub use draft::Draft;
pub use folder::FolderTransport;
pub use heartbeat::Heartbeat;
pub use incident::{Affected, Incident, Kind};
pub use letter::remedy;
pub use message::{Mail, Tells, bare, is_mailbox};
pub use phrase::shell_word;
pub use policy::{History, Reason, Sight, needs_mail};
pub use record::Record;
pub use review::{Ground, Review, Scope, catch_up, review};
pub use settings::{Encryption, Login, MailSettings, Settings, Smtp, Transport};
pub use undelivered::{Refusal, Undelivered};

/// How long the way to a mail server may take, and as long again each mail.
pub const TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// Whether the content of a `ca_file` has a certificate, as PEM.
#[must_use]
pub fn has_certificate(pem: &[u8]) -> bool {
    smtp::has_certificate(pem)
}
