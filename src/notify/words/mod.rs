//! What each kind of incident is called, and what a person reads about it.
//!
//! In these texts `{group}`, `{feed}`, `{run}`, `{request}` and `{trace}` stand for what the incident names.
//! Names come last in a command, because one that begins with a hyphen is set behind `--`. A remedy's first
//! line is a sentence that works without anything but a feed and a group: it is the first line of the mail.

mod group;
mod host;
mod reading;

use super::Kind;

/// The words of one kind.
pub(super) struct Words {
    /// In the subject, behind the feed.
    pub(super) subject: &'static str,
    /// Counts that the subject shows, with the words for one and for many; the first that is not zero is taken.
    pub(super) tally: &'static [(&'static str, &'static str, &'static str)],
    /// What happened, before the incident's own reason; nothing where that says all of it.
    pub(super) happened: &'static str,
    /// What it means for people's coverage.
    pub(super) means: &'static str,
    /// What to do, when the incident does not say.
    pub(super) remedy: &'static [&'static str],
    /// In the subject when it is over.
    pub(super) over_subject: &'static str,
    /// That it is over, behind "Nothing to do: ".
    pub(super) over: &'static str,
}

/// The words of a kind.
pub(super) const fn words(kind: Kind) -> &'static Words {
    match kind {
        Kind::OtherLedger => &host::OTHER_LEDGER,
        Kind::StateDamaged => &host::STATE_DAMAGED,
        Kind::Disk => &host::DISK,
        Kind::Defect => &host::DEFECT,
        Kind::ClockWrong => &host::CLOCK_WRONG,
        Kind::Credential => &host::CREDENTIAL,
        Kind::UnfinishedMove => &group::UNFINISHED_MOVE,
        Kind::OutcomeUnknown => &group::OUTCOME_UNKNOWN,
        Kind::TimedOut => &group::TIMED_OUT,
        Kind::Stuck => &group::STUCK,
        Kind::SecondWriter => &group::SECOND_WRITER,
        Kind::GroupChangedId => &group::GROUP_CHANGED_ID,
        Kind::GroupUnknown => &group::GROUP_UNKNOWN,
        Kind::Refused => &group::REFUSED,
        Kind::CoverageLost => &group::COVERAGE_LOST,
        Kind::MembersFailed => &group::MEMBERS_FAILED,
        Kind::Held => &group::HELD,
        Kind::ApprovalExpired => &group::APPROVAL_EXPIRED,
        Kind::ReadSuspicious => &reading::READ_SUSPICIOUS,
        Kind::ReadIncomplete => &reading::READ_INCOMPLETE,
        Kind::HostKeyChanged => &reading::HOST_KEY_CHANGED,
        Kind::SourceCredential => &reading::SOURCE_CREDENTIAL,
        Kind::SourceFailed => &reading::SOURCE_FAILED,
        Kind::KeyMayNotSubmit => &host::KEY_MAY_NOT_SUBMIT,
        Kind::FileLate => &reading::FILE_LATE,
        Kind::NotRun => &reading::NOT_RUN,
        Kind::ApiUnreachable => &host::API_UNREACHABLE,
        Kind::NotSent => &host::NOT_SENT,
        Kind::ReloadRefused => &host::RELOAD_REFUSED,
        Kind::ConfigWrong => &host::CONFIG_WRONG,
        Kind::UnfinishedRun => &host::UNFINISHED_RUN,
        Kind::MailUndeliverable => &host::MAIL_UNDELIVERABLE,
        Kind::SecretExpiring => &reading::SECRET_EXPIRING,
        Kind::AfterSuccess => &reading::AFTER_SUCCESS,
        Kind::RowsLeftOut => &reading::ROWS_LEFT_OUT,
        Kind::RowsCarried => &reading::ROWS_CARRIED,
        Kind::Orphan => &group::ORPHAN,
        Kind::NotEmptied => &group::NOT_EMPTIED,
        Kind::OldPlan => &group::OLD_PLAN,
    }
}

/// What a known count is called in a mail.
pub(super) fn label(count: &str) -> Option<&'static str> {
    Some(match count {
        "covered" => "covered before",
        "payload" => "on the new roster",
        "added" => "new",
        "updated" => "with changed values",
        "unchanged" => "unchanged",
        "carried" => "carried forward, with the record last accepted",
        "carried_days" => "days that the longest of them is carried forward",
        "ended" => "ended, their rows say so",
        "ineligible" => "not eligible",
        "moved" => "moved to another group",
        "absent" => "absent, without any row",
        "removed" => "removed in all",
        "plan_changes" => "with another plan than they were added with",
        "left_out" => "left out, not covered",
        "removals_waiting" => "removals that wait, people still covered",
        "removals_waiting_days" => "days that the oldest of these removals has waited",
        "additions_waiting" => "additions that wait, people not covered",
        "additions_waiting_days" => "days that the oldest of these additions has waited",
        "failed" => "not applied by Vitable",
        "covered nowhere" => "covered nowhere",
        "rows" => "rows read",
        "mails_waiting" => "mails that wait",
        "mails_given_up" => "mails that were given up",
        "missed" => "scheduled runs that were missed",
        "problem_rows" => "rows with a problem",
        _ => return None,
    })
}
