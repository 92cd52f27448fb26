//! How many mails went to whom lately: a flood is deleted unread. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use std::{collections::BTreeMap, time::Duration};

/// So many mails within so long, to one list of recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtMost {
    /// Mails.
    pub mails: u32,
    /// Within this.
    pub within: Duration,
}

impl Default for AtMost {
    fn default() -> Self {
        Self { mails: 10, within: Duration::from_secs(60 * 60) }
    }
}

/// The mails of the last while, by list of recipients. Lists stand in it as digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget(pub BTreeMap<String, Vec<DateTime<Utc>>>);

impl Budget {
    /// Whether one more mail may go to these recipients.
    pub(super) fn allows(&self, to: &[String], at_most: AtMost, now: DateTime<Utc>) -> bool {
        let mails = self.0.get(&digest(to)).map_or(0, |mails| within(mails, at_most, now).count());
        u32::try_from(mails).unwrap_or(u32::MAX) < at_most.mails
    }

    /// Notes a mail to these recipients, and forgets what no longer counts.
    pub(super) fn note(&mut self, to: &[String], at_most: AtMost, now: DateTime<Utc>) {
        for mails in self.0.values_mut() {
            *mails = within(mails, at_most, now).collect();
        }
        self.0.entry(digest(to)).or_default().push(now);
        self.0.retain(|_, mails| !mails.is_empty());
    }
}

/// Those that still count. Of a clock that went back those ahead of it count no more: they must not silence anybody.
fn within(
    mails: &[DateTime<Utc>],
    at_most: AtMost,
    now: DateTime<Utc>,
) -> impl Iterator<Item = DateTime<Utc>> {
    let within = TimeDelta::from_std(at_most.within).unwrap_or(TimeDelta::MAX);
    mails.iter().copied().filter(move |mail| (TimeDelta::zero()..within).contains(&(now - mail)))
}

fn digest(to: &[String]) -> String {
    blake3::hash(to.join("\n").as_bytes()).to_hex().chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_list_has_its_own_and_only_the_last_while_counts() {
        let at = |minutes: i64| DateTime::from_timestamp(1_800_000_000 + minutes * 60, 0).unwrap();
        let list = |name: &str| vec![format!("{name}@partner.example")];
        let two = AtMost { mails: 2, within: Duration::from_secs(3_600) };
        let mut budget = Budget::default();
        for minute in [0, 10] {
            assert!(budget.allows(&list("ann"), two, at(minute)));
            budget.note(&list("ann"), two, at(minute));
        }
        assert!(!budget.allows(&list("ann"), two, at(59)));
        assert!(budget.allows(&list("bob"), two, at(59)));
        assert!(budget.allows(&list("ann"), two, at(60)));
        assert!(budget.allows(&list("ann"), two, at(-5)), "a clock that went back silences nobody");
        budget.note(&list("bob"), two, at(90));
        assert_eq!(budget.0.len(), 1, "what no longer counts is forgotten");
    }
}
