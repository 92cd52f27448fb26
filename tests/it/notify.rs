//! The mails, as Python's `email` module and the folder see them: what is snapshot is what a person reads.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod desk;
mod examples;
pub(crate) mod reader;

use chrono::TimeDelta;
use desk::{Desk, EVERY, at, settings};
use examples::{counts, group_examples, incident, person, wide_examples};
use reader::read;
use rosterd::{
    notify::{FolderTransport, Incident, Kind, Mail, MailSettings, Reason, Record, Settings, Transport},
    roster::{FeedName, GroupRef, RunId},
};
use std::{collections::BTreeMap, os::unix::fs::PermissionsExt, path::Path};

#[test]
fn every_kind_as_the_person_who_gets_it_reads_it() {
    let mut examples = wide_examples();
    examples.extend(group_examples());
    examples.sort_by_key(|example| example.kind);
    let kinds: Vec<Kind> = examples.iter().map(|example| example.kind).collect();
    assert_eq!(kinds, Kind::ALL);
    let mails: Vec<Mail> = examples
        .iter()
        .flat_map(|example| Desk::default().review(std::slice::from_ref(example), 0, &settings()).mails)
        .collect();
    let read = read(&mails);
    for (example, mail) in examples.iter().zip(&read) {
        let name = example.kind.name();
        insta::assert_snapshot!(format!("mail_{name}"), mail.shown());
        insta::assert_snapshot!(format!("html_{name}"), mail.html());
        let first = mail.text().lines().next().unwrap();
        assert!(mail.html().contains("<p style") && !first.starts_with("rosterd "), "{name}");
        // What a phone shows says what to do without the rest of the mail.
        let preview = mail.text().split("\n\n").next().unwrap().replace('\n', " ");
        assert!(preview.chars().count() <= 130, "{name}: {preview}");
        for vague in ["below", "Look at what"] {
            let shown: String = preview.chars().take(90).collect();
            assert!(!shown.contains(vague), "{name}: {shown}");
        }
    }
}

#[test]
fn an_incident_is_one_thread_from_its_beginning_to_its_end() {
    let mut desk = Desk::default();
    let held = |reason: &str, cause: &str| Incident { cause: cause.into(), ..incident(Kind::Held, reason) };
    let first = held("12 members are absent, and 6 may be without a person.", "4f1c");
    let other = held("14 members are absent, and 6 may be without a person.", "a90e");
    for (current, hour, mails) in [
        (vec![first.clone()], 0, 1),
        (vec![first], 5, 1),
        (vec![other.clone()], 6, 2),
        (vec![other.clone()], 29, 2),
        (vec![other], 30, 3),
        (vec![], 31, 4),
        (vec![], 32, 4),
    ] {
        desk.review(&current, hour, &settings());
        assert_eq!(desk.mails.len(), mails, "after hour {hour}");
    }
    let read = read(&desk.mails);
    for later in &read[1..] {
        assert_eq!(later.header("In-Reply-To"), "<rosterd.id1@partner.example>");
        assert_eq!(later.header("References"), "<rosterd.id1@partner.example>");
    }
    insta::assert_snapshot!("thread_changed", read[1].shown());
    insta::assert_snapshot!("thread_reminder", read[2].shown());
    insta::assert_snapshot!("thread_recovered", read[3].shown());
    assert_eq!(desk.known.len(), 1);
    assert_eq!(desk.known[0].mails, 4);
    assert_eq!(desk.known[0].resolved, Some(at(31)));
}

#[test]
fn what_comes_back_after_it_was_over_begins_a_new_thread() {
    let mut desk = Desk::default();
    let failed = incident(Kind::SourceFailed, "no route.");
    desk.review(std::slice::from_ref(&failed), 0, &settings());
    desk.review(&[], 1, &settings());
    desk.review(&[failed], 2, &settings());
    assert_eq!(desk.mails.len(), 3);
    assert_eq!(desk.known[0].opened, at(2));
    assert_eq!(desk.known[0].resolved, None);
    assert_eq!(desk.known[0].thread.as_ref(), Some(&desk.mails[2].message_id));
    assert_eq!(read(&desk.mails)[2].header("In-Reply-To"), "");
}

#[test]
fn two_hundred_failing_runs_in_two_days_are_three_mails_and_one_recovery() {
    let mut desk = Desk::default();
    for run in 0..200_u64 {
        let mut failed = incident(Kind::SourceFailed, "`sftp.acme.example` does not answer.");
        failed.run = Some(RunId(run));
        desk.review(&[failed], i64::try_from(run * 48 / 199).unwrap(), &settings());
    }
    assert_eq!(desk.mails.len(), 3, "opened, and two reminders");
    desk.review(&[], 49, &settings());
    desk.review(&[], 50, &settings());
    assert_eq!(desk.mails.len(), 4);
    assert_eq!(desk.mails[3].subject, "[rosterd] acme: recovered, source read again");
}

#[test]
fn nothing_new_needs_to_be_seen_for_a_reminder() {
    let mut desk = Desk::default();
    desk.review(&[incident(Kind::Stuck, "Vitable has not finished.")], 0, &settings());
    for minutes in [60, 23 * 60, 24 * 60, 25 * 60, 47 * 60, 48 * 60 + 1] {
        desk.catch_up(at(0) + TimeDelta::minutes(minutes), &settings());
    }
    assert_eq!(desk.mails.len(), 3, "opened, and two reminders");
}

#[test]
fn a_source_that_comes_and_goes_for_two_days_makes_no_flood_and_ends_with_the_truth() {
    let mut desk = Desk::default();
    let failed = [incident(Kind::SourceFailed, "`sftp.acme.example` does not answer.")];
    let minute = |minute: i64| at(0) + TimeDelta::minutes(minute);
    for turn in 0..288 {
        let found: &[Incident] = if turn % 2 == 0 { &failed } else { &[] };
        desk.review_at(found, minute(turn * 10), &settings());
        desk.catch_up(minute(turn * 10 + 5), &settings());
    }
    assert!(desk.mails.len() <= 12, "six a day, not {}", desk.mails.len());
    let told = desk.mails.len();
    // It stays well: one mail says so if the last one said otherwise.
    for quiet in 1..30 {
        desk.catch_up(minute(2_880 + quiet * 10), &settings());
    }
    let open = desk.known[0].told_open;
    assert!(!open && desk.mails.len() <= told + 1);
    assert!(desk.mails.last().unwrap().subject.contains("recovered"));
}

#[test]
fn more_mails_than_the_limit_wait_and_come_together_but_for_urgent_ones() {
    let mut desk = Desk::default();
    let failed = |feed: u32| Incident {
        feed: Some(FeedName::new(&format!("feed-{feed}")).unwrap()),
        ..incident(Kind::SourceFailed, "no answer.")
    };
    let known: Vec<Incident> = (0..40).map(failed).collect();
    for one in &known {
        desk.review_in(std::slice::from_ref(one), (&|_| false, Reason::Recovered), 0, &settings());
    }
    assert_eq!(desk.mails.len(), 10);
    let lost = incident(Kind::CoverageLost, "two are not covered any more.");
    desk.review_in(&[lost], (&|_| false, Reason::Recovered), 0, &settings());
    assert_eq!(desk.mails.len(), 11);
    desk.catch_up(at(0) + TimeDelta::minutes(59), &settings());
    assert_eq!(desk.mails.len(), 11);
    desk.catch_up(at(1), &settings());
    assert_eq!(desk.mails.len(), 12, "the other thirty, in one");
    assert!(desk.mails[11].message.contains("feed-39"));
    desk.catch_up(at(2), &settings());
    assert_eq!(desk.mails.len(), 12);
}

#[test]
fn a_mail_of_thousands_of_incidents_has_an_end() {
    let mut desk = Desk::default();
    let failed = |feed: u32| Incident {
        feed: Some(FeedName::new(&format!("feed-{feed}")).unwrap()),
        ..incident(Kind::SourceFailed, "no answer.")
    };
    let many: Vec<Incident> = (0..5_000).map(failed).collect();
    let review = desk.review(&many, 0, &settings());
    assert_eq!((review.mails.len(), review.records.len()), (1, 5_000));
    assert!(review.mails[0].message.len() < 200_000, "{}", review.mails[0].message.len());
    assert!(read(&desk.mails)[0].text().contains("and 4880 more, which `rosterd status` lists"));
}

#[test]
fn several_incidents_of_one_review_come_in_one_mail_the_most_urgent_first() {
    let mut desk = Desk::default();
    let wide = wide_examples();
    let carried = wide.last().unwrap().clone();
    desk.review(std::slice::from_ref(&carried), 0, &settings());
    let mut west = incident(Kind::Refused, "Vitable answered 400: a plan id is malformed.");
    west.group = Some(GroupRef::new("acme-west").unwrap());
    let mut held = incident(Kind::Held, "2 members are absent, and 1 may be without a person.");
    held.counts = counts(&[("removed", 2)]);
    let review = desk.review(&[held, west], 1, &settings());
    assert_eq!(review.mails.len(), 1);
    assert_eq!(review.records.len(), 3);
    let read = read(&review.mails);
    insta::assert_snapshot!("several", read[0].shown());
    insta::assert_snapshot!("several_html", read[0].html());
}

#[test]
fn a_feed_with_recipients_of_its_own_tells_them_and_what_is_of_all_feeds_goes_to_everybody_once() {
    let of = |feed: &str, kind| Incident { feed: Some(FeedName::new(feed).unwrap()), ..incident(kind, "x.") };
    let found = [
        of("initech", Kind::Held),
        of("acme", Kind::SourceFailed),
        of("initech", Kind::RowsLeftOut),
        // The key is the whole daemon's, whichever feed met the refusal.
        of("initech", Kind::Credential),
        Incident::new(Kind::ClockWrong, "y."),
    ];
    let mut desk = Desk::default();
    let review = desk.review(&found, 0, &settings());
    let to: Vec<Vec<&str>> =
        review.mails.iter().map(|mail| mail.to.iter().map(String::as_str).collect()).collect();
    assert_eq!(
        to,
        [vec!["benefits-ops@partner.example", "duty@partner.example"], vec!["initech-hr@partner.example"]]
    );
    let subjects: Vec<&str> = review.mails.iter().map(|mail| mail.subject.as_str()).collect();
    assert_eq!(
        subjects,
        ["[rosterd] all feeds: clock wrong (and 2 more)", "[rosterd] initech: held (and 1 more)"]
    );
    let thread = |kind: Kind, feed: Option<&str>| {
        let of = |incident: &Incident| {
            incident.kind == kind && incident.feed.as_ref().map(|feed| feed.as_str()) == feed
        };
        desk.known.iter().find(|known| of(&known.incident().unwrap())).unwrap().thread.clone()
    };
    assert_eq!(thread(Kind::Credential, Some("initech")).as_ref(), Some(&review.mails[0].message_id));
    assert_eq!(thread(Kind::RowsLeftOut, Some("initech")).as_ref(), Some(&review.mails[1].message_id));
    // The end is told to those who were told of the beginning.
    let over = desk.review(&[], 1, &settings());
    assert_eq!(over.mails[1].to, ["initech-hr@partner.example"]);
    assert_eq!(over.mails.len(), 2);
}

#[test]
fn a_mail_of_many_groups_stays_readable() {
    let many: Vec<Incident> = (0..30)
        .map(|n| Incident {
            group: Some(GroupRef::new(&format!("g-{n:02}")).unwrap()),
            ..incident(Kind::Held, "a first sync.")
        })
        .collect();
    let review = Desk::default().review(&many, 0, &settings());
    let read = read(&review.mails);
    assert_eq!(read[0].header("Subject"), "[rosterd] acme: held (and 29 more)");
    assert_eq!(read[0].text().matches("What happened").count(), 20);
    assert!(read[0].text().contains("- acme, group g-29: held\n"));
    assert!(review.records.iter().all(|record| record.mailed == Some(at(0))));
}

#[test]
fn two_incidents_of_one_key_are_one_and_an_unseen_step_stays_open() {
    let mut desk = Desk::default();
    let one = incident(Kind::SourceFailed, "`a` does not answer.");
    let two = incident(Kind::SourceFailed, "`b` does not answer.");
    let review = desk.review(&[one, two], 0, &settings());
    assert_eq!(review.records.len(), 1);
    assert_eq!(review.records[0].incident().unwrap().reason, "`a` does not answer. `b` does not answer.");
    let other_feed = |record: &Record| {
        record
            .incident()
            .is_some_and(|incident| incident.feed.as_ref().is_some_and(|feed| feed.as_str() == "globex"))
    };
    let review = desk.review_in(&[], (&other_feed, Reason::Recovered), 1, &settings());
    assert!(review.records.is_empty() && review.mails.is_empty());
    assert!(desk.known[0].is_open());
}

#[test]
fn that_a_feed_is_gone_is_no_recovery() {
    let mut desk = Desk::default();
    let held = incident(Kind::Held, "5 people are gone from the source.");
    desk.review(&[held, incident(Kind::SourceFailed, "`a` does not answer.")], 0, &settings());
    let review = desk.review_in(&[], (&|_| true, Reason::Withdrawn), 1, &settings());
    insta::assert_snapshot!(read(&review.mails)[0].text());
    assert_eq!(read(&review.mails)[0].header("Subject"), "[rosterd] acme: feed gone, was: held (and 1 more)");
    assert!(desk.known.iter().all(|record| !record.is_open()));
}

#[test]
fn without_alerts_incidents_are_kept_and_mailed_once_alerts_exist() {
    let mut desk = Desk::default();
    let held = [incident(Kind::Held, "a first sync.")];
    assert!(desk.review(&held, 0, &Settings::None).mails.is_empty());
    assert_eq!(desk.known.len(), 1);
    assert!(desk.review(&held, 1, &Settings::None).records.is_empty(), "nothing changed");
    assert_eq!(desk.review(&held, 2, &settings()).mails.len(), 1);
    assert_eq!(desk.known[0].opened, at(0));
    let mut silent = Desk::default();
    silent.review(&held, 0, &Settings::None);
    assert!(silent.review(&[], 1, &settings()).mails.is_empty(), "nobody was told that it began");
    assert_eq!(silent.known[0].resolved, Some(at(1)));
}

#[test]
fn a_hostile_name_changes_no_header_and_no_markup() {
    let mut bad = incident(Kind::Held, "x\r\nBcc: thief@evil.example\r\n\r\n<script>alert(1)</script>");
    bad.feed = Some(FeedName::new("<b>Zoë</b> \u{202e}emca").unwrap());
    bad.group = Some(GroupRef::new("</p><img src=x onerror=alert(1)>; rm -rf ~").unwrap());
    bad.trace_id = Some("t\r\nX-Evil: 1".into());
    bad.people = vec![person("E-1</li><script>", 1, "<i>\r\n.\r\nwhat")];
    bad.counts = counts(&[("<u>odd</u>", 1)]);
    bad.what_to_do = vec!["Look\r\nSubject: other".into(), "rosterd show 41\r\nrm -rf ~".into()];
    let mut own_words = bad.clone();
    own_words.what_to_do.clear();
    let mails: Vec<Mail> = [bad, own_words]
        .iter()
        .flat_map(|one| Desk::default().review(std::slice::from_ref(one), 0, &settings()).mails)
        .collect();
    for mail in read(&mails) {
        let names: Vec<&str> = mail.headers.keys().map(String::as_str).collect();
        let expected = [
            "Auto-Submitted",
            "Content-Type",
            "Date",
            "From",
            "MIME-Version",
            "Message-ID",
            "Subject",
            "To",
            "X-Auto-Response-Suppress",
        ];
        assert_eq!(names, expected);
        assert_eq!(mail.header("Subject"), "[rosterd] <b>Zoë</b> \u{fffd}emca: held");
        for markup in ["<script", "<img", "<i>", "<u>", "</b> "] {
            assert!(!mail.html().contains(markup), "{markup}");
        }
        assert!(mail.html().contains("&lt;script&gt;"));
    }
    let text = read(&mails[1..])[0].text().to_owned();
    assert!(text.contains("--reason \"WHY\" '</p><img src=x onerror=alert(1)>; rm -rf ~'\n"), "{text}");
}

#[test]
fn a_sender_or_recipient_that_is_none_is_refused_or_passed_over() {
    assert!(rosterd::notify::is_mailbox("rosterd <alerts@partner.example>"));
    assert!(rosterd::notify::is_mailbox("ops@partner.example"));
    for bad in ["", "ops", "ops@", "a@b.example\r\nBcc: c@d.example", "two@a.example, more@a.example"] {
        assert!(!rosterd::notify::is_mailbox(bad), "{bad:?}");
    }
    let settings = Settings::from(MailSettings {
        transport: Transport::Folder("unused".into()),
        from: "alerts@partner.example".into(),
        to: vec!["nobody".into(), "ops@partner.example".into()],
        feeds: BTreeMap::new(),
        remind_every: EVERY,
        at_most: rosterd::notify::AtMost::default(),
    });
    let review = Desk::default().review(&[incident(Kind::Held, "a first sync.")], 0, &settings);
    assert_eq!(review.mails[0].to, ["ops@partner.example"]);
}

#[test]
fn delivering_twice_leaves_one_file_and_a_torn_write_is_made_good() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("a/mails");
    let transport = FolderTransport::new(&folder);
    let id = "<rosterd.id1@partner.example>";
    let path = transport.deliver(id, b"the mail").unwrap();
    assert_eq!(path, folder.join("rosterd.id1@partner.example.eml"));
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o750);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777 & !0o640, 0);
    assert_eq!(transport.deliver(id, b"the mail").unwrap(), path);
    assert_eq!(files(&folder), ["rosterd.id1@partner.example.eml"]);
    // A kill between the write and the rename leaves this behind.
    std::fs::copy(&path, folder.join(".two@x.part")).unwrap();
    transport.deliver("<two@x>", b"2").unwrap();
    assert_eq!(files(&folder), ["rosterd.id1@partner.example.eml", "two@x.eml"]);
    assert_eq!(std::fs::read(folder.join("two@x.eml")).unwrap(), b"2");
    let outside = transport.deliver("<../../evil>", b"3").unwrap();
    assert_eq!(outside.parent(), Some(folder.as_path()));
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_and_no_mail_is_lost_silently() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::File::create(&file).unwrap();
    assert!(FolderTransport::new(file.join("mails")).deliver("<1@x>", b"m").is_err());
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
