//! Mails that go past the outbox: a test, and what cannot be stored.

use super::{
    Incident, Mail, MailSettings, Reason, Receipt, Settings, carrier,
    letter::{Entry, Letter},
    message::{self, Id},
};
use chrono::{DateTime, Utc};

/// A test mail for each list of recipients: the general one, and those that feeds have for their own. None with
/// `alerts: none`. `token` gives a random text for each Message-ID.
pub fn test_mails(settings: &Settings, now: DateTime<Utc>, token: &mut dyn FnMut() -> String) -> Vec<Mail> {
    let Some(mail) = settings.mail() else { return Vec::new() };
    let lists = mail.lists().into_iter();
    lists
        .filter_map(|(to, feeds)| {
            let feeds: Vec<String> = feeds.iter().map(ToString::to_string).collect();
            message::compose(&Letter::test(&feeds), mail, to, now, Id::Of(&token()))
        })
        .collect()
}

/// Tells of an incident that the outbox cannot take, because the state takes nothing more: sends it directly, and
/// waits no longer than the transport's own time limit. With the same `token` it has the same Message-ID, which is returned
/// with what became of it. With a `thread` it was told before.
///
/// # Errors
/// When it could not be sent, in words that begin with the transport's name.
pub async fn send_directly(
    settings: &Settings,
    incident: &Incident,
    thread: Option<&str>,
    now: DateTime<Utc>,
    token: &str,
) -> Result<(String, Vec<(String, Receipt)>), String> {
    let Some(mail) = settings.mail() else { return Ok((String::new(), Vec::new())) };
    let reason = if thread.is_some() { Reason::Reminder } else { Reason::Opened };
    let thread = thread.map(str::to_owned);
    let entry = Entry { reason, incident: incident.clone(), opened: now, told: now, thread };
    let letter = Letter::new(&[entry], mail.remind_every);
    match message::compose(&letter, mail, recipients(mail, incident), now, Id::Of(token)) {
        Some(mail_of_it) => Ok((mail_of_it.message_id.clone(), carrier::send(mail, &mail_of_it).await?)),
        None => Err("no mail could be made, because `alerts.from` is no address".to_owned()),
    }
}

/// Whom to tell of an incident: its feed's own recipients, if it is about that feed and not about all of them.
pub(super) fn recipients<'a>(settings: &'a MailSettings, incident: &Incident) -> &'a [String] {
    let feed = incident.feed.as_ref().filter(|_| !incident.kind.is_of_all_feeds());
    settings.recipients(feed)
}
