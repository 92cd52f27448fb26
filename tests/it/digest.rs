//! The digest: as the person who gets it reads it, and made once by the daemon.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    daemon::{Daemon, until},
    notify::reader::read,
    world::{Setup, World, canaries, people, put, row},
};
use chrono::{DateTime, TimeDelta, Utc};
use rosterd::{
    clock::{Clock, SystemClock},
    ledger::DigestState,
    notify::{
        Digest, FeedNews, GroupNews, Incident, Kind, MailSettings, OpenNews, PausedNews, Transport, Waited,
        digest_mails,
    },
    roster::{FeedName, GroupRef, RunId},
};
use std::{fs, time::Duration};

fn at(hours: i64) -> DateTime<Utc> {
    // Monday, 2026-11-23, 13:00 UTC.
    DateTime::from_timestamp(1_795_438_800 + hours * 3600, 0).unwrap()
}

fn settings() -> MailSettings {
    MailSettings {
        transport: Transport::Folder("unused".into()),
        from: "rosterd <alerts@partner.example>".into(),
        to: vec!["benefits-ops@partner.example".into()],
        feeds: [(name("initech"), vec!["initech-hr@partner.example".into()])].into(),
        remind_every: Duration::from_secs(24 * 60 * 60),
        at_most: rosterd::notify::AtMost::default(),
    }
}

fn name(feed: &str) -> FeedName {
    FeedName::new(feed).unwrap()
}

fn group(reference: &str, members: u64) -> GroupNews {
    GroupNews {
        group: GroupRef::new(reference).unwrap(),
        members,
        added: 3,
        removed: 1,
        failed: 0,
        held: false,
        standing: None,
        removals: Waited::default(),
        moves: Waited::default(),
        additions: Waited::default(),
        completed: Some(at(-2)),
    }
}

fn feed(feed: &str, groups: Vec<GroupNews>) -> FeedNews {
    FeedNews { feed: name(feed), next: "2026-11-24 06:00 EST".to_owned(), paused: None, groups }
}

fn digest(feeds: Vec<FeedNews>, open: Vec<OpenNews>) -> Digest {
    let next = Some("2026-11-30 08:00 EST".to_owned());
    Digest { since: at(-168), now: at(0), next, feeds, open }
}

fn open(kind: Kind, of: Option<(&str, Option<&str>)>) -> OpenNews {
    let incident = Incident {
        feed: of.map(|(feed, _)| name(feed)),
        group: of.and_then(|(_, group)| group).map(|group| GroupRef::new(group).unwrap()),
        run: Some(RunId(41)),
        ..Incident::new(kind, "This stands in the incident's own mail.")
    };
    OpenNews { incident, opened: at(-70) }
}

fn mails(digest: &Digest) -> Vec<rosterd::notify::Mail> {
    let mut ids = 0;
    digest_mails(digest, &settings(), &mut || {
        ids += 1;
        format!("id{ids}")
    })
}

fn waits(total: u64, hours: i64) -> Waited {
    Waited { total, oldest: Some(at(-hours)) }
}

#[test]
fn when_all_is_well_the_first_line_says_that_nothing_is_to_be_done() {
    let feeds = vec![
        feed("acme", vec![group("acme-east", 120), group("acme-west", 1)]),
        feed("globex", vec![GroupNews { completed: None, ..group("globex-all", 0) }]),
        feed("initech", Vec::new()),
    ];
    let mails = mails(&digest(feeds, Vec::new()));
    let read = read(&mails);
    insta::assert_snapshot!("well", read[0].shown());
    insta::assert_snapshot!("well_html", read[0].html());
    insta::assert_snapshot!("well_of_a_feed", read[1].shown());
    assert_eq!(mails[1].to, ["initech-hr@partner.example"]);
    assert_eq!(mails.len(), 2);
}

#[test]
fn what_is_to_be_looked_at_stands_first() {
    let held = GroupNews {
        held: true,
        standing: Some("held since 2026-11-20".to_owned()),
        removals: waits(12, 70),
        additions: waits(2, 30),
        failed: 1,
        ..group("acme-east", 120)
    };
    let rejected = GroupNews {
        standing: Some("rejected by ann on 2026-11-14; waits".to_owned()),
        removals: waits(4, 216),
        ..group("initech-all", 17)
    };
    // Not yet long enough to be a thing of its own.
    let fresh = GroupNews { additions: waits(1, 3), ..group("hooli-all", 40) };
    let paused = |until| Some(PausedNews { by: "ann".to_owned(), at: at(-100), until });
    let feeds = vec![
        feed("acme", vec![held, group("acme-west", 31)]),
        feed("globex", vec![group("globex-all", 5)]),
        feed("hooli", vec![fresh]),
        feed("initech", vec![rejected]),
        FeedNews {
            paused: paused(None),
            next: "never by itself until `rosterd resume soylent`".to_owned(),
            ..feed("soylent", vec![group("soylent-all", 6)])
        },
        FeedNews {
            paused: paused(Some(at(90))),
            next: "2026-11-27 06:00 EST".to_owned(),
            ..feed("umbrella", vec![group("umbrella-all", 7)])
        },
    ];
    let mut hold = open(Kind::Held, Some(("acme", Some("acme-east"))));
    hold.incident.counts = vec![("removed".to_owned(), 12)];
    let incidents =
        vec![open(Kind::SourceFailed, Some(("globex", None))), hold, open(Kind::ClockWrong, None)];
    let read = read(&mails(&digest(feeds, incidents)));
    insta::assert_snapshot!("look", read[0].shown());
    insta::assert_snapshot!("look_html", read[0].html());
    insta::assert_snapshot!("look_of_a_feed", read[1].shown());
}

#[test]
fn a_digest_of_ten_thousand_groups_is_bounded_and_shows_the_worst() {
    let feeds: Vec<FeedNews> = (0..5000)
        .map(|number| {
            let groups = vec![group(&format!("g{number}-east"), 2), group(&format!("g{number}-west"), 2)];
            feed(&format!("feed-{number:04}"), groups)
        })
        .collect();
    let incidents: Vec<OpenNews> = (4900..5000)
        .map(|number| open(Kind::SourceFailed, Some((&format!("feed-{number:04}"), None))))
        .collect();
    let mails = mails(&digest(feeds, incidents));
    let [mail] = read(&mails).try_into().unwrap_or_else(|_| panic!("one mail"));
    assert_eq!(mail.header("Subject"), "[rosterd] digest: 4900 feeds well, 100 to look at");
    let (text, first) = (mail.text(), mail.text().lines().next().unwrap());
    assert!(first.starts_with("Look at 100 things: feed-4900: source not read;"), "{first}");
    assert!(text.contains("The first 50, and 50 more: `rosterd status`"), "{text}");
    assert!(text.contains("and 9800 more: `rosterd status`"), "{text}");
    assert!(text.contains("== feed-4999") && !text.contains("== feed-0000"), "{text}");
    assert!(mails[0].message.len() < 100_000, "{}", mails[0].message.len());
}

#[test]
fn names_are_shown_and_not_obeyed() {
    let strange = GroupNews {
        standing: Some("rejected by <b>ann</b>\u{202e}; waits".to_owned()),
        ..group("<img src=x>\u{200b}", 3)
    };
    let [mail] = read(&mails(&digest(vec![feed("acme", vec![strange])], Vec::new())))
        .try_into()
        .unwrap_or_else(|_| panic!("one mail"));
    assert!(!mail.html().contains("<img") && !mail.html().contains("<b>ann"), "{}", mail.html());
    assert!(!mail.text().contains('\u{202e}') && !mail.text().contains('\u{200b}'));
}

/// Of the daemon: a year's digest that is due at this moment, beside a feed that runs by no schedule.
fn yearly(world: &World, due: DateTime<Utc>) {
    let path = world.path("rosterd.yaml");
    let cron = due.format("%M %H %d %m *");
    let digest = format!("  to: [ops@partner.example]\n  digest: {{ cron: \"{cron}\", timezone: UTC }}");
    let text = fs::read_to_string(&path).unwrap();
    put(&path, &text.replace("  to: [ops@partner.example]", &digest));
}

fn digests(world: &World) -> Vec<String> {
    world.mails().into_iter().filter(|mail| mail.contains("Subject: [rosterd] digest")).collect()
}

#[test]
fn a_missed_digest_is_made_once_at_the_start_by_vitables_own_numbers() {
    let now = SystemClock.now();
    let setup = Setup { guard: "first_sync: submit".to_owned(), ..Setup::default() };
    let world = World::new(&Setup { covered_elsewhere: vec!["E-3".to_owned()], ..setup });
    yearly(&world, now - TimeDelta::days(2));
    // A digest that is new has no past.
    Daemon::start(&world).stop();
    let state = world.ledger().digest().unwrap().unwrap();
    assert_eq!((state.made, state.since), (None, state.mark.through));
    assert!(digests(&world).is_empty());
    let status = world.json(&["status", "--json"]);
    assert!(status["digest"]["made"].is_null() && status["digest"]["next"].is_string(), "{status}");

    world.arrives("day-1.csv", &[people(1..=4, "East"), people(9..=9, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(4);
    let gone = vec![row(1, "East", "Terminated")];
    world.arrives("day-2.csv", &[people(2..=5, "East"), gone, people(9..=9, "West")].concat());
    world.rosterd(&["sync", "acme"]).ends(4);

    // Off for three years: one digest.
    let ledger = world.ledger();
    let through = now - TimeDelta::days(1100);
    let mark = rosterd::ledger::ScheduleMark { through, ..state.mark.clone() };
    ledger.put_digest(&DigestState { mark, ..state }, &rosterd::ledger::Facts::default()).unwrap();
    drop(ledger);
    let daemon = Daemon::start(&world);
    let digest = until("the digest is made", || digests(&world).into_iter().next(), || daemon.said());
    let status = world.rosterd(&["status"]).ends(0);
    assert!(status.out.contains("\ndigest: last made "), "{}", status.out);
    daemon.stop();
    // E-3 was tried twice and is one person.
    let words = digest.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("5 added, 1 removed, 1 not applied. 4 members now, in 2 groups."), "{digest}");
    assert!(words.contains("- acme-west: 1 member, 1 added, 0 removed; last completed"), "{digest}");
    assert!(words.contains("Next run: never by itself (no `schedule.cron`)."), "{digest}");
    for canary in (1..=5).flat_map(canaries) {
        assert!(!digest.contains(&canary), "{canary}: {digest}");
    }

    // And after a restart there is nothing left to make up for.
    let daemon = Daemon::start(&world);
    world.rosterd(&["status"]).ends(0);
    daemon.stop();
    assert_eq!(digests(&world).len(), 1);
    let kept = world.ledger().digest().unwrap().unwrap();
    assert!(kept.made == Some(kept.since) && kept.since >= now, "{kept:?}");
}
