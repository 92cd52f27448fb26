//! A credential that is about to end is told before it does: a secret by the day that the configuration says, a client
//! certificate by itself; and nobody is told more often than there are steps.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    daemon::{Daemon, until},
    http::{Api, answer},
    inside::Inside,
    world::{Setup, World, put},
};
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rosterd::{
    clock::{Clock, SystemClock},
    ledger::RunOutcome,
    notify::Kind,
};
use std::fs;

/// An API that refuses everybody, so that a run ends at once.
struct Refusing {
    _runtime: tokio::runtime::Runtime,
    api: Api,
}

impl Refusing {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let api = runtime.block_on(Api::start(|_| answer(401, &[], "")));
        Self { _runtime: runtime, api }
    }

    fn place(&self, auth: &str) -> Setup {
        let place = format!(
            "http:\n      request: {{ url: \"{}/people\" }}\n      auth: {{ {auth} }}\n      records: $.data\n      \
             pagination: none",
            self.api.url
        );
        Setup { place: Some(place), ..Setup::default() }
    }
}

/// How many mails told of the secret, and whether it is over.
fn told(inside: &Inside) -> Option<(u32, bool)> {
    let stored = inside.engine().ledger().incidents(false).unwrap();
    let stored = stored.into_iter().find(|each| each.key.contains(Kind::SecretExpiring.name()))?;
    Some((stored.mails, stored.resolved.is_some()))
}

#[test]
fn each_step_towards_the_end_is_one_mail_and_a_new_date_ends_it() {
    let refusing = Refusing::start();
    let setup = refusing.place("bearer: { file: api.key }, expires: 2027-03-01");
    let mut inside = Inside::new(&setup, "2027-01-20T05:00:00Z", |text| text);
    let mut steps: Vec<(String, u32)> = Vec::new();
    // As the daemon looks on each day; on some days the feed runs too.
    for day in 0..50 {
        inside.engine().tell_every_expiring().unwrap();
        if day % 7 == 0 {
            assert_eq!(inside.sync().outcome(), RunOutcome::Failed);
        }
        if let Some((mails, over)) = told(&inside) {
            assert!(!over);
            if steps.last().is_none_or(|(_, last)| *last != mails) {
                steps.push((inside.now().format("%m-%d").to_string(), mails));
            }
        }
        inside.passes(TimeDelta::days(1));
    }
    let days: Vec<(&str, u32)> = steps.iter().map(|(day, mails)| (day.as_str(), *mails)).collect();
    assert_eq!(days, [("01-30", 1), ("02-19", 2), ("02-24", 3), ("03-01", 4)]);

    let path = inside.world.path("rosterd.yaml");
    let text = fs::read_to_string(&path).unwrap();
    put(&path, &text.replace("2027-03-01", "2027-04-01"));
    inside.restart();
    inside.sync();
    assert_eq!(told(&inside), Some((5, false)), "the new day is within 30 days too");
    put(&path, &text.replace("2027-03-01", "2029-03-01"));
    inside.restart();
    inside.sync();
    assert!(told(&inside).unwrap().1, "a run of the feed sees that the secret was renewed");
}

#[test]
fn a_credential_of_two_feeds_is_told_of_once() {
    let refusing = Refusing::start();
    let setup = refusing.place("bearer: { file: api.key }, expires: 2027-03-01");
    let second = |text: String| text + "\n  zeta:\n    sources: [acme]\n    group: acme-north\n";
    let inside = Inside::new(&setup, "2027-02-01T05:00:00Z", second);
    inside.engine().tell_every_expiring().unwrap();
    inside.sync();
    let open = inside.engine().ledger().incidents(true).unwrap();
    let keys: Vec<&str> = open.iter().map(|each| each.key.as_str()).collect();
    assert!(keys.contains(&r#"["secret_expiring","acme",null,"acme/auth"]"#), "{keys:?}");
    assert_eq!(keys.iter().filter(|key| key.contains("secret_expiring")).count(), 1);
}

/// A certificate and its key that end in so many days.
fn certificate(days: i64) -> (String, String, DateTime<Utc>) {
    let end = SystemClock.now() + TimeDelta::days(days);
    let mut params = CertificateParams::new(vec!["rosterd".to_owned()]).unwrap();
    params.not_after =
        date_time_ymd(end.year(), end.month().try_into().unwrap(), end.day().try_into().unwrap());
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem(), end)
}

#[test]
fn the_daemon_and_check_look_at_a_certificate_of_a_feed_that_never_runs() {
    let refusing = Refusing::start();
    let auth = "client_certificate: { certificate: { file: hr.crt }, private_key: { file: hr.pem } }";
    let world = World::new(&refusing.place(auth));
    let put_certificate = |days| {
        let (certificate, key, end) = certificate(days);
        put(&world.path("hr.crt"), &certificate);
        put(&world.path("hr.pem"), &key);
        end.format("%Y-%m-%d").to_string()
    };
    let end = put_certificate(9);
    let words =
        format!("Source `acme`: a certificate of `client_certificate` ends on {end}, in 10 days or less.");
    let checked = world.rosterd(&["check"]).ends(0);
    assert!(checked.out.contains(&format!("warning: {words}\n")), "{}", checked.text());

    let daemon = Daemon::start(&world);
    let mails = || world.mails().iter().filter(|mail| mail.contains("secret or certificate")).count();
    until("a mail tells of it", || (mails() == 1).then_some(()), || daemon.said());
    assert!(world.rosterd(&["status"]).out.contains("acme: secret expiring"));
    put(&world.path("hr.crt"), "nothing that can be read");
    daemon.signal("HUP");
    daemon.says("the configuration was read again");
    put_certificate(100);
    daemon.signal("HUP");
    until("a mail says that it is over", || (mails() == 2).then_some(()), || daemon.said());
    assert!(world.mails().iter().any(|mail| mail.contains("secret or certificate renewed")));
    assert!(world.rosterd(&["check"]).ends(0).out.lines().all(|line| !line.contains("ends on")));
    daemon.stop();
    assert_eq!(refusing.api.count(), 0, "no feed ran");
}
