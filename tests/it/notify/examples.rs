//! One incident of each kind, as the engine would tell it. Invented people.

use rosterd::{
    notify::{Affected, Incident, Kind},
    roster::{FeedName, GroupRef, RequestId, RowAt, RunId},
};

pub(super) fn incident(kind: Kind, reason: &str) -> Incident {
    Incident {
        feed: Some(FeedName::new("acme").unwrap()),
        group: Some(GroupRef::new("acme-east").unwrap()),
        run: Some(RunId(41)),
        ..Incident::new(kind, reason)
    }
}

pub(super) fn person(id: &str, record: u32, what: &str) -> Affected {
    Affected {
        reference_id: id.to_owned(),
        row: Some(RowAt { source: 0, record, line: record + 1 }),
        what: what.to_owned(),
    }
}

pub(super) fn counts(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    counts.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
}

/// One of each kind of the feed or of the whole daemon.
pub(super) fn wide_examples() -> Vec<Incident> {
    let daemon = |kind, reason: &str| Incident::new(kind, reason);
    let feed = |kind, reason: &str| Incident { group: None, ..incident(kind, reason) };
    let mut left_out = feed(Kind::RowsLeftOut, "2 rows cannot be used.");
    left_out.counts = counts(&[("rows", 120), ("left_out", 2)]);
    left_out.people = vec![
        person("E-2001", 17, "the column `DOB` is not a date of the calendar"),
        person("", 80, "the column `Employee ID` is blank, and Vitable requires it"),
    ];
    let mut carried = feed(Kind::RowsCarried, "1 row cannot be used.");
    carried.counts = counts(&[("rows", 120), ("carried", 1)]);
    carried.people =
        vec![person("E-1007", 7, "the column `Phone` is not a 10-digit US phone number, since 2026-11-20")];
    let mut undelivered = daemon(
        Kind::MailUndeliverable,
        "Mails have waited for more than an hour for the mail server `smtp.partner.example:587` to take them.",
    );
    undelivered.counts = counts(&[("mails_waiting", 3)]);
    vec![
        daemon(
            Kind::OtherLedger,
            "The state belongs to `https://api.vitablehealth.com`, `org_one`; the configuration reaches `org_two` there.",
        ),
        daemon(Kind::Disk, "No space is left in `/var/lib/rosterd`."),
        daemon(Kind::ClockWrong, "This host is 47 minutes behind."),
        Incident {
            trace_id: Some("tr_5f1c".into()),
            ..daemon(Kind::Credential, "Vitable answered 401 to the API key (`vitable.api_key`).")
        },
        daemon(Kind::KeyMayNotSubmit, "Vitable refused the API key for a roster (403: no access)."),
        daemon(Kind::ApiUnreachable, "`api.vitablehealth.com` did not answer within 60 s."),
        daemon(Kind::NotSent, "The roster could not be sent: Vitable asks to wait (429)."),
        daemon(Kind::ConfigWrong, "`feeds.acme.groups.map` names `acme-north` twice."),
        daemon(
            Kind::ReloadRefused,
            "rosterd.yaml:12:5: feeds.acme.sources: there is no source `acm`; did you mean `acme`?",
        ),
        feed(Kind::UnfinishedRun, "Run 41 began at recovery and has no end."),
        undelivered,
        feed(Kind::SourceFailed, "`sftp.acme.example` refused the key of `vitable`."),
        feed(
            Kind::FileLate,
            "Source `acme`: the newest file, `/outbound/roster-1120.csv`, was written on 2026-11-20 06:00 UTC, and \
             `max_age` is 36 h. It was never read before, so it is not read now.",
        ),
        feed(
            Kind::AfterSuccess,
            "Source `acme`: after success: the folder `sftp://vitable@sftp.acme.example:22/outbound/processed` \
             (`move_to`) cannot be used (no such file); create it on the server, writable for this account.",
        ),
        Incident {
            credential: Some("acme/auth".into()),
            ..feed(
                Kind::SecretExpiring,
                "Source `acme`: the secret under `auth` ends on 2027-03-01, in 10 days or less.",
            )
        },
        feed(Kind::ReadIncomplete, "The trailer counts 120 rows, and 87 were read."),
        Incident {
            counts: counts(&[("rows", 87)]),
            ..feed(
                Kind::ReadSuspicious,
                "The source has 87 rows, 33 fewer than its last accepted read; 12 may go.",
            )
        },
        left_out,
        carried,
    ]
}

/// One of each kind that concerns a group.
#[expect(clippy::too_many_lines, reason = "one example for each kind")]
pub(super) fn group_examples() -> Vec<Incident> {
    let request = |kind, reason: &str| Incident {
        request_id: Some(RequestId::new("grpmsr_8KqX").unwrap()),
        ..incident(kind, reason)
    };
    let mut failed = request(Kind::MembersFailed, "1 member was not applied.");
    failed.counts = counts(&[("added", 3), ("removed", 1), ("failed", 1)]);
    failed.people = vec![person("E-1044", 44, "not added: Member already has an active subscription!")];
    let mut lost = request(
        Kind::CoverageLost,
        "Not covered, because Vitable does not know the \
         plan (1): E-1031.",
    );
    lost.counts = counts(&[("failed", 1)]);
    lost.people = vec![Affected {
        reference_id: "E-1031".to_owned(),
        row: None,
        what: "was covered before, is not now: plan pln_gold is not found at Vitable".to_owned(),
    }];
    let mut held = incident(Kind::Held, "12 members are absent, and 6 may be without a person.");
    held.counts = counts(&[
        ("covered", 120),
        ("payload", 111),
        ("added", 3),
        ("absent", 12),
        ("removed", 12),
        ("removals_waiting", 12),
        ("removals_waiting_days", 9),
        ("additions_waiting", 3),
        ("additions_waiting_days", 2),
    ]);
    held.people = (0..60)
        .map(|n| Affected {
            reference_id: format!("E-{}", 1000 + n),
            row: None,
            what: "absent, would be removed".to_owned(),
        })
        .collect();
    let mut orphan = incident(
        Kind::Orphan,
        "Feed `acme` fed it last, and no feed of the configuration names it now. 12 members stay covered there, and nobody is added or removed.",
    );
    orphan.feed = None;
    orphan.counts = counts(&[("covered", 12)]);
    let mut old_plan =
        incident(Kind::OldPlan, "1 member remains on plan `pln_gold`; the export names `pln_silver`.");
    old_plan.counts = counts(&[("plan_changes", 1)]);
    old_plan.people = vec![person("E-1050", 50, "added with `pln_gold`")];
    let not_emptied = Incident {
        request_id: None,
        ..incident(
            Kind::NotEmptied,
            "The answer to the roster was lost: the connection ended early. Vitable may have it or not.",
        )
    };
    let mut unfinished = incident(
        Kind::UnfinishedMove,
        "These people have left a group of the feed, and the group that they go to does not cover them yet: E-1044.",
    );
    unfinished.group = None;
    unfinished.counts = counts(&[("covered nowhere", 1)]);
    unfinished.people = vec![Affected {
        reference_id: "E-1044".to_owned(),
        row: None,
        what: "left `acme-east`, and is covered nowhere".to_owned(),
    }];
    vec![
        unfinished,
        incident(Kind::OutcomeUnknown, "The connection was reset after the first byte."),
        request(Kind::TimedOut, "24 hours have passed."),
        request(Kind::Stuck, "15 minutes have passed."),
        request(Kind::SecondWriter, "Planned were 3 additions and 1 removal; Vitable did 3 and 4."),
        incident(Kind::GroupChangedId, "Known is `grp_old`, shown is `grp_new`."),
        incident(Kind::GroupUnknown, "None of 14 groups has it; the nearest is `acme-East`."),
        Incident {
            trace_id: Some("tr_9a2e".into()),
            ..incident(Kind::Refused, "Vitable answered 400: a plan id is malformed.")
        },
        lost,
        failed,
        held,
        orphan,
        not_emptied,
        old_plan,
    ]
}
