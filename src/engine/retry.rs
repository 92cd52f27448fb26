//! When a mail is tried, and what a try makes of it: pure, with `now` as an argument.

use crate::{ledger::StoredMail, notify::Receipt};
use chrono::{DateTime, TimeDelta, Utc};

/// Between the first two tries; it doubles with each.
const FIRST_WAIT: TimeDelta = TimeDelta::minutes(1);
/// The longest wait between two tries.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);
/// For how long a mail is tried.
pub(super) const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(7);
/// After how long a mail that could not be handed on is worth an incident.
pub(super) const LATE_AFTER: TimeDelta = TimeDelta::hours(1);
/// A mail that was put off for everybody this often does not hold back the others any more: it is not the server
/// that fails, it is this mail.
const PUT_OFFS: u32 = 6;

/// What a try has made of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// Nothing more becomes of it.
    Settled,
    /// It goes on waiting.
    Waits(StoredMail),
    /// It has waited for too long.
    GivenUp,
}

/// The mails to try at `now`, the oldest first. None while the transport is known to fail: a later mail must not
/// overtake an earlier one. `at_once` tries them all: a person who corrected something and starts rosterd again
/// does not wait for the hour.
pub(super) fn due(mails: Vec<StoredMail>, now: DateTime<Utc>, at_once: bool) -> Vec<StoredMail> {
    let waits = |mail: &StoredMail| mail.next_try.is_some_and(|next| next > now);
    if !at_once && mails.iter().any(|mail| mail.blocks && waits(mail)) {
        return Vec::new();
    }
    mails.into_iter().filter(|mail| at_once || !waits(mail)).collect()
}

/// When the next try is due; none when no mail waits.
pub(super) fn next_due(mails: &[StoredMail]) -> Option<DateTime<Utc>> {
    let blocked = mails.iter().filter(|mail| mail.blocks).filter_map(|mail| mail.next_try).max();
    let first = mails.iter().map(|mail| mail.next_try.unwrap_or(mail.queued)).min()?;
    Some(blocked.map_or(first, |until| until.max(first)))
}

/// Whom a try is for: those who neither have it nor refused it. When everybody refused it, nobody is told of it at
/// all, and a wrong login or a relay that is not allowed looks just so: then all of them again.
pub(super) fn recipients(mail: &StoredMail) -> Vec<String> {
    let open = |one: &&String| !mail.delivered.contains(one) && !mail.refused.contains(one);
    let open: Vec<String> = mail.to.iter().filter(open).cloned().collect();
    if open.is_empty() { mail.to.clone() } else { open }
}

/// The transport failed, and this mail was the one in hand.
pub(super) fn transport_failed(mail: StoredMail, why: &str, now: DateTime<Utc>) -> Tried {
    again(StoredMail { blocks: true, ..mail }, why, now)
}

/// The transport has said what becomes of it for each of `to`.
pub(super) fn answered(
    mail: StoredMail,
    to: &[String],
    receipts: &[Receipt],
    now: DateTime<Utc>,
) -> Tried {
    let mut mail = StoredMail { blocks: false, ..mail };
    mail.refused.retain(|one| !to.contains(one));
    let (mut refusal, mut later) = (None, None);
    for (one, receipt) in to.iter().zip(receipts) {
        match receipt {
            Receipt::Taken(_) => mail.delivered.push(one.clone()),
            Receipt::Refused(why) => {
                mail.refused.push(one.clone());
                refusal = refusal.or(Some(why));
            }
            Receipt::Later(why) => later = later.or(Some(why)),
        }
    }
    let all_put_off = receipts.iter().all(|receipt| matches!(receipt, Receipt::Later(_)));
    if all_put_off {
        mail.put_off = mail.put_off.saturating_add(1);
        mail.blocks = mail.put_off <= PUT_OFFS;
    }
    match (later, refusal) {
        (Some(why), _) => again(mail, why, now),
        // Somebody has it, and can tell the others.
        (None, _) if !mail.delivered.is_empty() => Tried::Settled,
        (None, Some(why)) => again(mail, why, now),
        (None, None) => Tried::Settled,
    }
}

fn again(mut mail: StoredMail, why: &str, now: DateTime<Utc>) -> Tried {
    // A clock that went back gives nothing up.
    if now.signed_duration_since(mail.queued) >= GIVE_UP_AFTER {
        return Tried::GivenUp;
    }
    mail.tries = mail.tries.saturating_add(1);
    mail.next_try = now.checked_add_signed(wait(mail.tries));
    mail.last_error = Some(why.to_owned());
    Tried::Waits(mail)
}

/// One minute after the first try, two after the second, four, up to an hour.
fn wait(tries: u32) -> TimeDelta {
    let doubled = 2_i32.checked_pow(tries.saturating_sub(1)).and_then(|times| FIRST_WAIT.checked_mul(times));
    doubled.map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT))
}

/// How many mails wait for longer than [`LATE_AFTER`] although their recipients did not refuse them.
pub(super) fn late(mails: &[StoredMail], now: DateTime<Utc>) -> usize {
    let late = |mail: &&StoredMail| {
        now.signed_duration_since(mail.queued) > LATE_AFTER && !mail.to.iter().all(|one| mail.refused.contains(one))
    };
    mails.iter().filter(late).count()
}
