//! Mails that do not arrive: what is the matter with them, as one incident of the whole daemon.

use super::{Incident, Kind, MailSettings};
use serde::{Deserialize, Serialize};

const WAITING: &str = "mails_waiting";
const GIVEN_UP: &str = "mails_given_up";

/// An address that the mail server takes no mail for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// One of the operator's own recipients.
    pub address: String,
    /// What the server said when it was first refused.
    pub why: String,
}

/// What is the matter with the mails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undelivered {
    /// How many have waited for more than an hour.
    pub late: u64,
    /// How many were given up.
    pub given_up: u64,
    /// Who is refused for good.
    pub refused: Vec<Refusal>,
}

impl Undelivered {
    /// What an open incident of [`Kind::MailUndeliverable`] says.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        let count = |name: &str| {
            incident.counts.iter().find(|(known, _)| known == name).map_or(0, |(_, number)| *number)
        };
        Self { late: count(WAITING), given_up: count(GIVEN_UP), refused: incident.refused.clone() }
    }

    /// Takes in one more refusal. What a server says may differ each time, and each new wording would be a mail:
    /// the first one stays.
    pub fn refuse(&mut self, address: &str, why: &str) {
        if !self.refused.iter().any(|known| known.address == address) {
            self.refused.push(Refusal { address: address.to_owned(), why: why.to_owned() });
        }
    }

    /// Forgets addresses that a mail was taken for, unless another that they refused still `waits`; and those that
    /// nobody is told at any more. A mail that is refused for what stands in it would come and go each hour otherwise.
    pub fn forget(&mut self, taken: &[String], waits: &[String], settings: &MailSettings) {
        let told = |address: &str| {
            settings.lists().iter().any(|(to, _)| to.iter().any(|one| super::message::bare(one) == address))
        };
        let over = |address: &String| taken.contains(address) && !waits.contains(address);
        self.refused.retain(|one| !over(&one.address) && told(&one.address));
    }

    /// The incident; none when nothing is the matter.
    #[must_use]
    pub fn incident(&self, settings: &MailSettings) -> Option<Incident> {
        let transport = &settings.transport;
        let mut sentences = Vec::new();
        if self.late > 0 {
            sentences.push(format!("Mails have waited for more than an hour for {transport} to take them."));
        }
        if self.given_up > 0 {
            sentences.push("Mails that waited for a week were given up.".to_owned());
        }
        for Refusal { address, why } in &self.refused {
            sentences.push(format!("A mail to `{address}` was refused for good by {transport}: {why}."));
        }
        if sentences.is_empty() {
            return None;
        }
        let counts = [(WAITING, self.late), (GIVEN_UP, self.given_up)];
        Some(Incident {
            counts: counts
                .into_iter()
                .filter(|(_, number)| *number > 0)
                .map(|(name, number)| (name.to_owned(), number))
                .collect(),
            refused: self.refused.clone(),
            ..Incident::new(Kind::MailUndeliverable, sentences.join(" "))
        })
    }
}
