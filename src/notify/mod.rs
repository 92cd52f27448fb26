//! Who is told what: incidents, the policy that says when one is mailed, the mails and their transports.
//!
//! An [`Incident`] is something that a person should know. [`review`] compares the incidents of a run with
//! those that are known, and gives what to store and what to mail; the caller writes both in one batch and
//! delivers afterwards. The only user of lettre.

mod folder;
mod html;
mod incident;
mod letter;
mod message;
mod phrase;
mod policy;
mod record;
mod review;
mod settings;
mod text;
mod words;

pub use folder::FolderTransport;
pub use incident::{Affected, Incident, Kind};
pub use letter::remedy;
pub use message::{Mail, is_mailbox};
pub use phrase::shell_word;
pub use policy::{History, Reason, needs_mail, recovered};
pub use record::Record;
pub use review::{Review, Scope, review};
pub use settings::Settings;
