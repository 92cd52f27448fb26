//! What a person should know, as data.

use super::Refusal;
use crate::roster::{FeedName, GroupRef, RequestId, RowAt, RunId};
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What sort of thing happened. The order is the order in a mail: what puts coverage or the record of
        /// it at risk comes first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Kind {
            /// Every kind, the most urgent first.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The kind's name as it is stored, such as `read_incomplete`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// The configuration reaches another base URL or organization than the state directory belongs to.
    OtherLedger = "other_ledger",
    /// The state directory is damaged, or cannot be opened.
    StateDamaged = "state_damaged",
    /// The state directory cannot be written.
    Disk = "disk",
    /// rosterd ended because of a defect of its own.
    Defect = "defect",
    /// This host's clock and Vitable's differ by more than ten minutes.
    ClockWrong = "clock_wrong",
    /// A credential was refused.
    Credential = "credential",
    /// Vitable lets the key read, and not submit.
    KeyMayNotSubmit = "key_may_not_submit",
    /// Vitable could not add members whom rosterd had for covered: they are not.
    CoverageLost = "coverage_lost",
    /// Somebody has left a group for another one of the feed, and that one does not cover him yet.
    UnfinishedMove = "unfinished_move",
    /// Something may have reached Vitable, and nobody knows what became of it.
    OutcomeUnknown = "outcome_unknown",
    /// Vitable did not finish within `poll.give_up_after`.
    TimedOut = "timed_out",
    /// Vitable has not finished within `poll.stuck_after`.
    Stuck = "stuck",
    /// The numbers of a finished sync do not match the plan: somebody else writes to the group.
    SecondWriter = "second_writer",
    /// A reference has another `grp_` id than before.
    GroupChangedId = "group_changed_id",
    /// A reference names no group at Vitable, or more than one.
    GroupUnknown = "group_unknown",
    /// Vitable refused a roster as a whole.
    Refused = "refused",
    /// Vitable finished, but some members were not applied.
    MembersFailed = "members_failed",
    /// A change waits for a person.
    Held = "held",
    /// An approval came to nothing because its time was over before Vitable had finished the change.
    ApprovalExpired = "approval_expired",
    /// A complete read looks unlike the last accepted one: every group of the feed is held.
    ReadSuspicious = "read_suspicious",
    /// Something of a read is provably missing.
    ReadIncomplete = "read_incomplete",
    /// A source's server is not the one that the configuration knows.
    HostKeyChanged = "host_key_changed",
    /// A source refuses a credential, or the credential cannot be used.
    SourceCredential = "source_credential",
    /// A source could not be read.
    SourceFailed = "source_failed",
    /// The newest file of a source is older than `max_age`, or there is none.
    FileLate = "file_late",
    /// A scheduled run of a feed did not take place, or found nothing to read.
    NotRun = "not_run",
    /// Vitable's API could not be reached.
    ApiUnreachable = "api_unreachable",
    /// Vitable's API answers, and takes no roster.
    NotSent = "not_sent",
    /// The configuration does not fit what was found.
    ConfigWrong = "config_wrong",
    /// A new configuration was refused while the daemon ran; it works by the old one.
    ReloadRefused = "reload_refused",
    /// A run that the recovery began again did not end either.
    UnfinishedRun = "unfinished_run",
    /// Mails do not arrive: the mail server takes none, or refuses a recipient.
    MailUndeliverable = "mail_undeliverable",
    /// A secret or certificate of a source is about to end, or has ended.
    SecretExpiring = "secret_expiring",
    /// A file was read, and cannot be deleted or moved as `after_success` says.
    AfterSuccess = "after_success",
    /// Rows of people who are not covered cannot be used.
    RowsLeftOut = "rows_left_out",
    /// Rows of covered people cannot be used; their last accepted records are sent again.
    RowsCarried = "rows_carried",
    /// A group has members, and no feed of the configuration names it any more.
    Orphan = "orphan",
    /// A group that a person retired is not known to be empty.
    NotEmptied = "not_emptied",
    /// Members remain on another plan than the source names.
    OldPlan = "old_plan",
}

impl Kind {
    /// Whether it cannot wait until fewer mails have gone lately.
    #[must_use]
    pub(crate) fn is_urgent(self) -> bool {
        matches!(self, Self::CoverageLost | Self::UnfinishedMove | Self::Disk | Self::OtherLedger)
    }

    /// Whether other people are another matter, and not only a longer list.
    fn is_about_its_people(self) -> bool {
        matches!(self, Self::CoverageLost | Self::UnfinishedMove | Self::Refused | Self::MembersFailed)
    }

    /// Whether it is about the whole daemon whichever feed met it first: then the general recipients are told, once.
    #[must_use]
    pub const fn is_of_all_feeds(self) -> bool {
        match self {
            Self::OtherLedger
            | Self::StateDamaged
            | Self::Disk
            | Self::Defect
            | Self::ClockWrong
            | Self::Credential
            | Self::KeyMayNotSubmit
            | Self::ApiUnreachable
            | Self::NotSent
            | Self::ReloadRefused
            | Self::MailUndeliverable => true,
            Self::CoverageLost
            | Self::OutcomeUnknown
            | Self::UnfinishedMove
            | Self::Orphan
            | Self::TimedOut
            | Self::Stuck
            | Self::SecondWriter
            | Self::GroupChangedId
            | Self::GroupUnknown
            | Self::Refused
            | Self::MembersFailed
            | Self::Held
            | Self::ApprovalExpired
            | Self::ReadSuspicious
            | Self::ReadIncomplete
            | Self::HostKeyChanged
            | Self::SourceCredential
            | Self::SourceFailed
            | Self::FileLate
            | Self::NotRun
            | Self::ConfigWrong
            | Self::UnfinishedRun
            | Self::AfterSuccess
            | Self::SecretExpiring
            | Self::RowsLeftOut
            | Self::RowsCarried
            | Self::NotEmptied
            | Self::OldPlan => false,
        }
    }
}

/// The text with one mark for each number.
fn without_numbers(text: &str) -> String {
    let mut left = String::with_capacity(text.len());
    for part in text.split_inclusive(|c: char| c.is_ascii_digit()) {
        let words = part.trim_end_matches(|c: char| c.is_ascii_digit());
        left.push_str(words);
        if words.len() < part.len() && (!words.is_empty() || !left.ends_with('#')) {
            left.push('#');
        }
    }
    left
}

/// One thing that a person should know. It has no personal data: people are named by `reference_id` and row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// What sort of thing.
    pub kind: Kind,
    /// The feed concerned; none when it is about the whole daemon.
    pub feed: Option<FeedName>,
    /// The group concerned.
    pub group: Option<GroupRef>,
    /// The run that saw it last.
    pub run: Option<RunId>,
    /// The request, for Vitable's support.
    pub request_id: Option<RequestId>,
    /// The source and credential concerned, for [`Kind::SecretExpiring`] alone: each is an incident of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Vitable's trace id.
    pub trace_id: Option<String>,
    /// What happened this time, as whole sentences. A change of its words is worth a new mail; one of a number, a
    /// time or a file's name of the day is not.
    pub reason: String,
    /// What it is that must change before there is a new mail, where the reason's words do not say it: the digest of
    /// what is held, the step towards an end.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// What to do: sentences and commands to type (a line that begins with `rosterd `). The first is a
    /// sentence, and the mail's first line. Left empty, the kind's own words are used.
    #[serde(default)]
    pub what_to_do: Vec<String>,
    /// Who is affected. A mail shows the first 50.
    #[serde(default)]
    pub people: Vec<Affected>,
    /// Numbers by name. The names of the plan's counts (`covered`, `payload`, `added`, `removed`, `absent`,
    /// `carried`, `left_out`, …) and `failed`, `rows` and `problem_rows` have a label of their own and may
    /// stand in the subject; any other is shown as it is, with spaces for underscores.
    #[serde(default)]
    pub counts: Vec<(String, u64)>,
    /// Recipients of ours whom the mail server refuses; for [`Kind::MailUndeliverable`] alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
}

/// One person whom an incident affects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// The member's key; empty for a row that names nobody.
    pub reference_id: String,
    /// Where, when there is a row.
    pub row: Option<RowAt>,
    /// What is the matter, without any value of the row.
    pub what: String,
}

impl Incident {
    /// An incident with nothing but its kind and reason; the rest is set with the struct update syntax.
    #[must_use]
    pub fn new(kind: Kind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            feed: None,
            group: None,
            run: None,
            request_id: None,
            credential: None,
            trace_id: None,
            reason: reason.into(),
            cause: String::new(),
            what_to_do: Vec::new(),
            people: Vec::new(),
            counts: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The identity under which it stays open from run to run: kind, feed, group, and for a request that hangs
    /// the request, for a credential that ends the credential. A JSON list, so that no name can be mistaken for another.
    #[must_use]
    pub fn key(&self) -> String {
        let one = match self.kind {
            Kind::Stuck | Kind::TimedOut => self.request_id.as_ref().map(RequestId::as_str),
            Kind::SecretExpiring => self.credential.as_deref(),
            Kind::OtherLedger
            | Kind::StateDamaged
            | Kind::Disk
            | Kind::Defect
            | Kind::ClockWrong
            | Kind::Credential
            | Kind::KeyMayNotSubmit
            | Kind::ReloadRefused
            | Kind::CoverageLost
            | Kind::OutcomeUnknown
            | Kind::UnfinishedMove
            | Kind::Orphan
            | Kind::SecondWriter
            | Kind::GroupChangedId
            | Kind::GroupUnknown
            | Kind::Refused
            | Kind::MembersFailed
            | Kind::Held
            | Kind::ApprovalExpired
            | Kind::ReadSuspicious
            | Kind::ReadIncomplete
            | Kind::HostKeyChanged
            | Kind::SourceCredential
            | Kind::SourceFailed
            | Kind::FileLate
            | Kind::NotRun
            | Kind::ApiUnreachable
            | Kind::NotSent
            | Kind::ConfigWrong
            | Kind::UnfinishedRun
            | Kind::MailUndeliverable
            | Kind::AfterSuccess
            | Kind::RowsLeftOut
            | Kind::RowsCarried
            | Kind::NotEmptied
            | Kind::OldPlan => None,
        };
        serde_json::json!([self.kind, self.feed, self.group, one]).to_string()
    }

    /// How the keys of all incidents of a kind begin, or of those that are about `feed`; `Some(None)` is about those
    /// of no feed in particular.
    #[must_use]
    pub fn keys_begin(kind: Kind, feed: Option<Option<&FeedName>>) -> String {
        let kind = serde_json::json!(kind);
        match feed {
            Some(feed) => format!("[{kind},{},", serde_json::json!(feed)),
            None => format!("[{kind},"),
        }
    }

    /// Digest of what is the matter: another one is worth a new mail. Numbers do not count, since they differ from run
    /// to run by themselves (times, sizes, counts, the day in a file's name); where the mail is about certain people, who
    /// they are does.
    #[must_use]
    pub fn reason_digest(&self) -> String {
        let mut what = if self.cause.is_empty() { without_numbers(&self.reason) } else { self.cause.clone() };
        if self.kind.is_about_its_people() {
            let mut people: Vec<&str> = self.people.iter().map(|one| one.reference_id.as_str()).collect();
            people.sort_unstable();
            people.dedup();
            for one in people {
                what.push('\n');
                what.push_str(one);
            }
        }
        blake3::hash(what.as_bytes()).to_hex().to_string()
    }

    /// Takes in another incident of the same key, so that two failed sources of a feed are one incident.
    pub(crate) fn absorb(&mut self, other: &Self) {
        if !self.reason.contains(&other.reason) {
            self.reason.push(' ');
            self.reason.push_str(&other.reason);
        }
        if !self.cause.contains(&other.cause) {
            self.cause.push('\n');
            self.cause.push_str(&other.cause);
        }
        for step in &other.what_to_do {
            if !self.what_to_do.contains(step) {
                self.what_to_do.push(step.clone());
            }
        }
        self.people.extend(other.people.iter().cloned());
        for (name, number) in &other.counts {
            match self.counts.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum = sum.saturating_add(*number),
                None => self.counts.push((name.clone(), *number)),
            }
        }
        self.refused.extend(
            other.refused.iter().filter(|one| !self.refused.contains(one)).cloned().collect::<Vec<_>>(),
        );
        self.request_id = self.request_id.take().or_else(|| other.request_id.clone());
        self.trace_id = self.trace_id.take().or_else(|| other.trace_id.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(feed: &str, group: &str) -> Incident {
        Incident {
            feed: Some(FeedName::new(feed).unwrap()),
            group: Some(GroupRef::new(group).unwrap()),
            ..Incident::new(Kind::Held, "two would go.")
        }
    }

    #[test]
    fn names_cannot_run_into_each_other_in_a_key() {
        assert_eq!(held("acme", "east").key(), r#"["held","acme","east",null]"#);
        assert_ne!(held("a/b", "c").key(), held("a", "b/c").key());
        assert_ne!(held("a\",\"b", "c").key(), held("a", "b\",\"c").key());
    }

    #[test]
    fn keys_begin_as_is_said() {
        let (acme, acm) = (FeedName::new("acme").unwrap(), FeedName::new("acm").unwrap());
        let key = held("acme", "east").key();
        assert!(key.starts_with(&Incident::keys_begin(Kind::Held, None)));
        assert!(key.starts_with(&Incident::keys_begin(Kind::Held, Some(Some(&acme)))));
        assert!(!key.starts_with(&Incident::keys_begin(Kind::Held, Some(Some(&acm)))));
        assert!(!key.starts_with(&Incident::keys_begin(Kind::Held, Some(None))));
        let of_nobody = Incident::new(Kind::Credential, "refused.").key();
        assert!(of_nobody.starts_with(&Incident::keys_begin(Kind::Credential, Some(None))));
    }

    #[test]
    fn only_a_hanging_request_is_told_apart_by_its_id() {
        let request = |kind, id: &str| Incident {
            request_id: Some(RequestId::new(id).unwrap()),
            ..Incident::new(kind, "")
        };
        assert_ne!(request(Kind::Stuck, "grpmsr_1").key(), request(Kind::Stuck, "grpmsr_2").key());
        assert_eq!(
            request(Kind::MembersFailed, "grpmsr_1").key(),
            request(Kind::MembersFailed, "grpmsr_2").key()
        );
    }

    #[test]
    fn what_is_stored_comes_back_and_an_older_record_without_lists_too() {
        let mut incident = held("acme", "east");
        incident.people.push(Affected {
            reference_id: "E-1".into(),
            row: Some(RowAt { source: 0, record: 3, line: 4 }),
            what: "no row".into(),
        });
        incident.counts.push(("removed".into(), 2));
        let stored = serde_json::to_value(&incident).unwrap();
        assert_eq!(serde_json::from_value::<Incident>(stored).unwrap(), incident);
        let short = r#"{"kind":"disk","feed":null,"group":null,"run":null,"request_id":null,
            "trace_id":null,"reason":"full"}"#;
        assert_eq!(serde_json::from_str::<Incident>(short).unwrap(), Incident::new(Kind::Disk, "full"));
    }

    #[test]
    fn numbers_make_no_news_and_other_people_do() {
        let digest = |kind, reason: &str, people: &[&str]| {
            let people = people.iter().map(|id| Affected {
                reference_id: (*id).to_owned(),
                row: None,
                what: String::new(),
            });
            Incident { people: people.collect(), ..Incident::new(kind, reason) }.reason_digest()
        };
        let failed = |reason: &str| digest(Kind::SourceFailed, reason, &[]);
        let first = failed("read of `r-20261123.csv` broke off after 4096 bytes, next try at 10:05");
        assert_eq!(first, failed("read of `r-20261124.csv` broke off after 77 bytes, next try at 9:00"));
        assert_ne!(first, failed("read of `r-20261124.csv` broke off: no such file"));
        let refused = |people: &[&str]| digest(Kind::Refused, "it names 1 field.", people);
        assert_eq!(refused(&["E-1", "E-2"]), refused(&["E-2", "E-1", "E-1"]));
        assert_ne!(refused(&["E-1"]), refused(&["E-2"]));
        // Of those who are left out the list is for the reminder.
        assert_eq!(digest(Kind::RowsLeftOut, "a", &["E-1"]), digest(Kind::RowsLeftOut, "a", &["E-2"]));
        let held = |cause: &str| Incident { cause: cause.into(), ..held("acme", "east") }.reason_digest();
        assert_ne!(held("ab12"), held("ab13"));
        assert_eq!(without_numbers("a 12 b3, 405"), "a # b#, #");
    }

    #[test]
    fn two_incidents_of_one_key_become_one_that_says_both() {
        let mut one = held("acme", "east");
        one.counts = vec![("rows".into(), 3)];
        let mut other = held("acme", "east");
        other.reason = "another thing.".into();
        other.counts = vec![("rows".into(), 4), ("removed".into(), 1)];
        one.absorb(&other);
        assert_eq!(one.reason, "two would go. another thing.");
        assert_eq!(one.counts, [("rows".to_owned(), 7), ("removed".to_owned(), 1)]);
        assert_eq!(Kind::ALL.len(), Kind::OldPlan as usize + 1);
    }
}
