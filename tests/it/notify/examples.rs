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
#[expect(clippy::too_many_lines, reason = "one example for each kind")]
pub(super) fn wide_examples() -> Vec<Incident> {
    let daemon = |kind, reason: &str| Incident::new(kind, reason);
    let feed = |kind, reason: &str| Incident { group: None, ..incident(kind, reason) };
    let mut left_out = feed(
        Kind::RowsLeftOut,
        "These rows cannot be used, and bring nobody onto the roster: E-2001, row 80. Rows without a reference_id could \
         be anybody, covered people too.",
    );
    left_out.counts = counts(&[("left_out", 2)]);
    left_out.people = vec![
        person("E-2001", 17, "the column `DOB` is not a date of the calendar"),
        person("", 80, "the column `Employee ID` is blank, and Vitable requires it"),
    ];
    let mut carried = feed(
        Kind::RowsCarried,
        "These members are covered and their rows cannot be used, so that they are sent as last accepted: E-1007.",
    );
    carried.counts = counts(&[("carried", 1), ("carried_days", 3)]);
    carried.people = vec![person(
        "E-1007",
        7,
        "the column `Phone` is not a 10-digit US phone number; carried forward since 2026-11-20, held after 2027-02-18",
    )];
    let mut undelivered = daemon(
        Kind::MailUndeliverable,
        "Mails have waited for more than an hour for the mail server `smtp.partner.example:587` to take them.",
    );
    undelivered.counts = counts(&[("mails_waiting", 3)]);
    vec![
        daemon(
            Kind::OtherLedger,
            "This state belongs to the organization org_one, and the configuration leads to org_two. Nothing was submitted.",
        ),
        daemon(
            Kind::StateDamaged,
            "rosterd could not start: the state is damaged: a page of the store does not match its checksum; nothing is \
             submitted. To go on from the copy of 2026-11-23 04:10 UTC, type: rosterd state restore --copy. What was there is \
             set aside, and every group is a first sync then, which waits for a person.",
        ),
        daemon(
            Kind::Disk,
            "rosterd ended: the disk that holds the state is full; make room and start rosterd again.",
        ),
        daemon(
            Kind::Defect,
            "rosterd ended: a task ended by a defect of rosterd; please report the place that was printed.",
        ),
        daemon(
            Kind::ClockWrong,
            "This host's clock and Vitable's are more than ten minutes apart. Nothing was submitted.",
        ),
        Incident {
            trace_id: Some("tr_5f1c".into()),
            ..daemon(
                Kind::Credential,
                "Vitable refuses the API key (status 401). The key is in the credential `vitable_api_key` \
                 (`vitable.api_key`). Nothing was submitted.",
            )
        },
        daemon(Kind::KeyMayNotSubmit, "Vitable refused the API key for a roster (403: no access)."),
        daemon(
            Kind::ApiUnreachable,
            "Vitable cannot be reached: nothing came for 60 seconds. The address is https://api.vitablehealth.com \
             (`vitable.base_url`). Nothing was submitted.",
        ),
        daemon(
            Kind::NotSent,
            "The roster could not be sent: Vitable asks to wait (status 429), until it is tried again.",
        ),
        incident(
            Kind::ConfigWrong,
            "`acme-east` is fed by feed `initech`: two feeds would remove each other's people.",
        ),
        daemon(
            Kind::ReloadRefused,
            "rosterd.yaml:12:5: feeds.acme.sources: there is no source `acm`; did you mean `acme`?",
        ),
        feed(
            Kind::UnfinishedRun,
            "Two runs of this feed in a row did not come to their end; the next one is begun by a person or by the schedule.",
        ),
        undelivered,
        feed(
            Kind::SourceFailed,
            "source `acme`: connect: cannot connect to `sftp.acme.example:22` at 192.0.2.7:22 (Connection refused (os error \
             111)); look at `host`, `port`, and the firewalls between",
        ),
        feed(
            Kind::SourceCredential,
            "source `acme`: authenticate: `vitable@sftp.acme.example:22` did not let us in: tried publickey (ssh-ed25519 \
             SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU); the server offers publickey. Look at `username`, and \
             with the server's operator register this public key for the account",
        ),
        feed(
            Kind::HostKeyChanged,
            "source `acme`: host key: `sftp.acme.example:22` is not the server that the configuration knows: it showed \
             ssh-ed25519 `SHA256:0ssxbBSdA6gmzlbI8S8Z4f9rWZZ7lMZLvQhTH6nEqEo`, expected was \
             `SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU`; nothing was sent to it. Ask its operator for the \
             fingerprint by another way, and if this one is right write `host_key: \
             \"SHA256:0ssxbBSdA6gmzlbI8S8Z4f9rWZZ7lMZLvQhTH6nEqEo\"`",
        ),
        Incident {
            what_to_do: [
                "Ask the sender of `acme` for the file of today; nothing came to its place within an hour.",
                "The last look says: source `acme`: no file in `sftp://vitable@sftp.acme.example:22/outbound` fits \
                 `roster-*.csv`; wait for the export, or correct `path`.",
                "rosterd check --connect",
                "The next run by the schedule reads it by itself. To read it as soon as it has come:",
                "rosterd sync acme",
            ]
            .map(str::to_owned)
            .to_vec(),
            ..feed(Kind::NotRun, "It looked for an hour for something to read, each minute, and found nothing.")
        },
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
        Incident {
            ..feed(
                Kind::ReadIncomplete,
                "source `acme`, file `/outbound/roster-1123.csv`: the trailer on line 88 counts 120 rows, the file \
                 has 87; ask for the file again, it is not the whole of what was exported",
            )
        },
        Incident {
            ..feed(
                Kind::ReadSuspicious,
                "Column `Phone` of source `acme` is filled in 61% of the rows; it was 99% in the last accepted read \
                 (`blank_column` allows a fall of 20%).",
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
    let mut failed = request(
        Kind::MembersFailed,
        "Not covered here, because another organization covers the person (1): E-1044.",
    );
    failed.counts = counts(&[("failed", 1)]);
    failed.people = vec![person(
        "E-1044",
        44,
        "not covered: another organization covers this person, and has to end that coverage first; it is left untouched",
    )];
    failed.what_to_do = [
        "Settle for each of these people of `acme-east` why Vitable did not apply them; each sync tries them again.",
        "rosterd show 41",
        "Of a person whom another organization covers: ask that organization to end its coverage. The first sync after \
         that adds the person here.",
        "To try again at once:",
        "rosterd sync acme",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut lost = request(
        Kind::CoverageLost,
        "Not covered, because Vitable does not know the \
         plan (1): E-1031.",
    );
    lost.counts = counts(&[("failed", 1)]);
    lost.people = vec![person(
        "E-1031",
        31,
        "was covered before, is not now: plan pln_gold is not found at Vitable; correct `plan_id` in the mapping or ask Vitable for \
         the plan",
    )];
    let mut held = incident(
        Kind::Held,
        "60 of 120 covered members have no row any more and would be removed (`absent` allows 6). This is change 9f2c41aa.",
    );
    held.counts = counts(&[
        ("covered", 120),
        ("payload", 63),
        ("removed", 60),
        ("added", 3),
        ("removals_waiting", 60),
        ("removals_waiting_days", 9),
        ("additions_waiting", 3),
        ("additions_waiting_days", 2),
    ]);
    held.people = (0..60)
        .map(|n| Affected {
            reference_id: format!("E-{}", 1000 + n),
            row: None,
            what: "has no row any more".to_owned(),
        })
        .collect();
    let mut orphan = incident(
        Kind::Orphan,
        "Feed `acme` fed it last, and no feed of the configuration names it now. 12 members stay covered there, and nobody is added or removed.",
    );
    orphan.feed = None;
    orphan.counts = counts(&[("covered", 12)]);
    let mut old_plan = request(
        Kind::OldPlan,
        "1 member remains on another plan than the source says: Vitable does not apply a changed plan to a covered member.",
    );
    old_plan.counts = counts(&[("plan_changes", 1)]);
    old_plan.people = vec![person("E-1050", 50, "remains on the plan that the member was added with")];
    let not_emptied = Incident {
        request_id: None,
        ..incident(
            Kind::NotEmptied,
            "The answer to the roster was lost: the connection ended early. Vitable may have it or not.",
        )
    };
    let mut unfinished = incident(
        Kind::UnfinishedMove,
        "These people have left a group of the feed, and no group is known to cover them yet: E-1044.",
    );
    unfinished.group = None;
    unfinished.counts = counts(&[("covered nowhere", 1)]);
    unfinished.people = vec![person("E-1044", 44, "left `acme-east`, and is covered nowhere")];
    vec![
        unfinished,
        incident(
            Kind::OutcomeUnknown,
            "The answer to the roster was lost: the connection broke: connection reset. Vitable may have it or not.",
        ),
        request(Kind::TimedOut, "Vitable has not finished after 24 hours."),
        request(Kind::Stuck, "Vitable has not finished after 15 minutes."),
        request(
            Kind::SecondWriter,
            "Vitable reports 3 added and 4 removed where 3 and 1 were to be: someone else writes to this group",
        ),
        incident(
            Kind::GroupChangedId,
            "`acme-east` was grp_old and is now grp_new at Vitable: it may be another group.",
        ),
        incident(
            Kind::GroupUnknown,
            "No group at Vitable has the external_reference_id `acme-east`, looked for byte for byte on every page.",
        ),
        Incident {
            trace_id: Some("tr_9a2e".into()),
            ..incident(
                Kind::Refused,
                "Vitable refused the roster with 400: a plan id is malformed. It names `plan_id` of E-1050.",
            )
        },
        lost,
        failed,
        held,
        incident(
            Kind::ApprovalExpired,
            "The approval of ops on 2026-11-20 expired before Vitable had finished this change; it can be approved \
             again. This is change 9f2c41aa.",
        ),
        orphan,
        not_emptied,
        old_plan,
    ]
}
