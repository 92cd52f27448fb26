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

/// The mails to try at `now`, the oldest first, but for those that still gather. None while the transport is known to fail: a later mail must not
/// overtake an earlier one. `at_once` tries them all: a person who corrected something and starts rosterd again
/// does not wait for the hour.
pub(super) fn due(mails: Vec<StoredMail>, now: DateTime<Utc>, at_once: bool) -> Vec<StoredMail> {
    let waits = |mail: &StoredMail| mail.next_try.is_some_and(|next| next > now);
    if !at_once && mails.iter().any(|mail| mail.blocks && waits(mail)) {
        return Vec::new();
    }
    mails.into_iter().filter(|mail| mail.gathering.is_none() && (at_once || !waits(mail))).collect()
}

/// When the next try is due; none when no mail waits.
pub(super) fn next_due(mails: &[StoredMail]) -> Option<DateTime<Utc>> {
    let blocked = mails.iter().filter(|mail| mail.blocks).filter_map(|mail| mail.next_try).max();
    let due = |mail: &StoredMail| match &mail.gathering {
        Some(gathering) => gathering.until,
        None => mail.next_try.unwrap_or(mail.queued),
    };
    let first = mails.iter().map(due).min()?;
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
pub(super) fn answered(mail: StoredMail, to: &[String], receipts: &[Receipt], now: DateTime<Utc>) -> Tried {
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
        now.signed_duration_since(mail.queued) > LATE_AFTER
            && !mail.to.iter().all(|one| mail.refused.contains(one))
    };
    mails.iter().filter(late).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minutes * 60, 0).unwrap()
    }

    fn mail(id: &str, minute: i64) -> StoredMail {
        StoredMail::new(id.to_owned(), vec!["a".to_owned(), "b".to_owned()], String::new(), at(minute))
    }

    fn waits(tried: Tried) -> StoredMail {
        match tried {
            Tried::Waits(mail) => mail,
            ended @ (Tried::Settled | Tried::GivenUp) => panic!("{ended:?}"),
        }
    }

    fn taken() -> Receipt {
        Receipt::Taken("250".to_owned())
    }

    fn no() -> Receipt {
        Receipt::Refused("550".to_owned())
    }

    fn later() -> Receipt {
        Receipt::Later("451".to_owned())
    }

    #[test]
    fn the_waits_double_up_to_an_hour() {
        let minutes: Vec<i64> =
            [1, 2, 3, 6, 7, 8, 31, 32, u32::MAX].map(|tries| wait(tries).num_minutes()).into();
        assert_eq!(minutes, [1, 2, 4, 32, 60, 60, 60, 60, 60]);
    }

    #[test]
    fn while_the_transport_fails_nobody_overtakes() {
        let failed = waits(transport_failed(mail("1", 0), "no", at(0)));
        let mails = vec![failed.clone(), mail("2", 0)];
        assert!(due(mails.clone(), at(0), false).is_empty());
        assert_eq!(next_due(&mails), Some(at(1)));
        assert_eq!(due(mails.clone(), at(1), false).len(), 2);
        assert_eq!(due(mails, at(0), true).len(), 2, "a start tries at once");
        // One mail that was refused holds back itself alone.
        let refused = waits(answered(mail("1", 0), &recipients(&failed), &[no(), no()], at(0)));
        let mails = vec![refused, mail("2", 0)];
        assert_eq!(due(mails.clone(), at(0), false), [mail("2", 0)]);
        assert_eq!((next_due(&mails), next_due(&[])), (Some(at(0)), None));
    }

    #[test]
    fn each_recipient_counts_and_a_refusal_is_final_once_somebody_has_the_mail() {
        let both = recipients(&mail("1", 0));
        let try_it = |mail: StoredMail, receipts: &[Receipt]| {
            let to = recipients(&mail);
            answered(mail, &to, receipts, at(0))
        };
        assert_eq!(try_it(mail("1", 0), &[taken(), taken()]), Tried::Settled);
        assert_eq!(try_it(mail("1", 0), &[taken(), no()]), Tried::Settled);
        let half = waits(try_it(mail("1", 0), &[taken(), later()]));
        assert_eq!((recipients(&half), half.blocks), (vec!["b".to_owned()], false));
        assert_eq!(try_it(half, &[no()]), Tried::Settled);
        let half = waits(try_it(mail("1", 0), &[no(), later()]));
        assert_eq!(recipients(&half), ["b"]);
        let nobody = waits(try_it(half.clone(), &[no()]));
        assert_eq!((recipients(&nobody), nobody.blocks, nobody.tries), (both, false, 2));
        assert_eq!(late(&[half, nobody.clone()], at(61)), 1, "what is refused is not late");
        assert_eq!(try_it(nobody.clone(), &[no(), taken()]), Tried::Settled);
        let week = GIVE_UP_AFTER.num_minutes();
        let to = recipients(&nobody);
        assert_eq!(answered(nobody.clone(), &to, &[no(), no()], at(week)), Tried::GivenUp);
        assert_eq!(answered(nobody, &to, &[taken(), no()], at(week)), Tried::Settled);
    }

    #[test]
    fn a_mail_that_a_server_puts_off_again_and_again_holds_back_the_others_for_an_hour() {
        let mut mail = mail("1", 0);
        let (mut now, mut blocked) = (at(0), Vec::new());
        for _ in 0..8 {
            let to = recipients(&mail);
            mail = waits(answered(mail, &to, &[later(), later()], now));
            blocked.push(mail.blocks);
            now = mail.next_try.unwrap();
        }
        assert_eq!(blocked, [true, true, true, true, true, true, false, false]);
        assert!(waits(transport_failed(mail, "no", now)).blocks, "but the server itself does");
    }
}
