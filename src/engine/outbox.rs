//! From the outbox to the mail's transport. A mail stays until its transport has taken it.

use super::Engine;
use crate::{
    ledger::LedgerError,
    notify::{self, FolderTransport},
};

/// What became of the mails that waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Taken by the transport.
    pub delivered: usize,
    /// Still waiting.
    pub waiting: usize,
}

impl Engine {
    /// Hands every waiting mail to its transport, in the order in which they came.
    ///
    /// # Errors
    /// When the ledger cannot be read or written. A transport that refuses is no error: the mail waits.
    pub fn deliver(&self) -> Result<Delivery, LedgerError> {
        let mut delivery = Delivery::default();
        let notify::Settings::Folder { folder, .. } = &self.settings.alerts else {
            return Ok(delivery);
        };
        let transport = FolderTransport::new(folder);
        for mail in self.ledger.outbox()? {
            match transport.deliver(&mail.message_id, mail.message.as_bytes()) {
                Ok(_) => {
                    self.ledger.mail_delivered(&mail.message_id)?;
                    delivery.delivered += 1;
                }
                Err(error) => {
                    tracing::error!(folder = %folder.display(), %error, "a mail could not be written; it stays in the outbox");
                    self.ledger.mail_failed(&mail.message_id)?;
                    delivery.waiting += 1;
                }
            }
        }
        Ok(delivery)
    }
}
