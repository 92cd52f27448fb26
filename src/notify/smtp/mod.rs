//! Mails over SMTP: one connection at a time, bounded in time, with an answer for each recipient.
//!
//! lettre speaks the protocol, command by command: its own `send` gives up at the first recipient that is refused.
//! Its errors are read in `words`, and no task of ours waits for a server longer than `Smtp::time_limit`.

mod probe;
mod tls;
mod way;
mod words;

pub(super) use probe::probe;
pub(super) use tls::has_certificate;

use super::{Receipt, Smtp};
use futures_util::FutureExt;
use lettre::{
    Address,
    transport::smtp::{
        Error,
        client::AsyncSmtpConnection,
        commands::{Data, Mail, Quit, Rcpt, Rset},
        response::Response,
    },
};
use std::{panic::AssertUnwindSafe, time::Duration};
use way::Way;
use words::{Words, limited};

/// How long a goodbye may take: nothing hangs on it.
const GOODBYE: Duration = Duration::from_secs(5);

/// A server that has let us in.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    words: Words,
    limit: Duration,
    /// Whether another mail may be sent on it.
    pub(super) usable: bool,
    /// How many mails were sent on it.
    pub(super) sent: usize,
}

/// The connection came to nothing, so that nobody has the mail as far as we know.
#[derive(Debug)]
pub(super) struct Lost {
    /// What happened, in words that can stand behind the server's name.
    pub(super) why: String,
    /// Whether the whole mail was on its way: the server may have it.
    pub(super) in_doubt: bool,
}

/// Connects and logs in.
///
/// # Errors
/// Why not, as a sentence can go on behind the server's name.
pub(super) async fn open(smtp: &Smtp) -> Result<Session, String> {
    let mut way = Way::default();
    way::walk(smtp, &mut way, false).await
}

impl Session {
    /// Sends one message, as it is, to each of these addresses; says what became of each, in their order.
    ///
    /// # Errors
    /// When the server fails rather than a recipient: then nobody has it, unless it is in doubt.
    pub(super) async fn send(
        &mut self,
        from: &Address,
        to: &[String],
        message: &[u8],
    ) -> Result<Vec<Receipt>, Lost> {
        self.sent += 1;
        let mut in_doubt = false;
        let limit = self.limit;
        let sending = AssertUnwindSafe(self.transact(from, to, message, &mut in_doubt)).catch_unwind();
        let why = match tokio::time::timeout(limit, sending).await {
            Ok(Ok(Ok(receipts))) => return Ok(receipts),
            Ok(Ok(Err(why))) => why,
            Ok(Err(_panic)) => "gave an answer that cannot be read".to_owned(),
            Err(_) => limited(limit),
        };
        self.usable = false;
        Err(Lost { why, in_doubt })
    }

    async fn transact(
        &mut self,
        from: &Address,
        to: &[String],
        message: &[u8],
        in_doubt: &mut bool,
    ) -> Result<Vec<Receipt>, String> {
        // Whatever the answer, a refused sender is refused for each mail: the server fails, not this one.
        let begun = self.connection.command(Mail::new(Some(from.clone()), Vec::new())).await;
        begun.map_err(|error| self.words.of(&error))?;
        let mut receipts = Vec::with_capacity(to.len());
        for one in to {
            let receipt = match one.parse::<Address>() {
                Err(_) => Receipt::Refused("is no mail address".to_owned()),
                Ok(address) => {
                    let answer = self.connection.command(Rcpt::new(address, Vec::new())).await;
                    self.receipt(answer)?
                }
            };
            receipts.push(receipt);
        }
        if !receipts.iter().any(Receipt::is_taken) {
            self.reset().await;
            return Ok(receipts);
        }
        let data = self.connection.command(Data).await;
        let whole = match self.receipt(data)? {
            Receipt::Taken(_) => {
                *in_doubt = true;
                // lettre ends what it is given with a line end, so the last one of ours is left to it.
                let lines = message.strip_suffix(b"\r\n").unwrap_or(message);
                let answer = self.connection.message(lines).await;
                self.receipt(answer)?
            }
            refused @ (Receipt::Refused(_) | Receipt::Later(_)) => {
                self.reset().await;
                refused
            }
        };
        *in_doubt = false;
        // What is said to the whole mail is said to everybody who was taken until then.
        for receipt in receipts.iter_mut().filter(|receipt| receipt.is_taken()) {
            receipt.clone_from(&whole);
        }
        Ok(receipts)
    }

    /// An answer about a mail or a recipient. 421 and what is no answer are about the connection.
    fn receipt(&self, answer: Result<Response, Error>) -> Result<Receipt, String> {
        let error = match answer {
            Ok(response) => return Ok(Receipt::Taken(self.words.answer(&response))),
            Err(error) => error,
        };
        let words = self.words.of(&error);
        match error.status().map(u16::from) {
            Some(500..) => Ok(Receipt::Refused(words)),
            Some(400..=420 | 422..) => Ok(Receipt::Later(words)),
            Some(_) | None => Err(words),
        }
    }

    async fn reset(&mut self) {
        self.usable = self.connection.command(Rset).await.is_ok();
    }

    /// Says goodbye, if the server listens.
    pub(super) async fn close(mut self) {
        if self.usable {
            // What is sent is sent, whatever the server says to the goodbye.
            drop(tokio::time::timeout(GOODBYE, self.connection.command(Quit)).await);
        }
    }
}
