//! The outbox before a real mail server, under a clock that is set: nothing is lost, the order is kept, nobody gets a
//! mail twice, and whoever is not reached is said.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::smtp::{MailServer, Manner, put, settings};
use chrono::{DateTime, TimeDelta, Utc};
use rosterd::{
    clock::{Clock, SetClock},
    config::{Secrets, load},
    engine::{self, Delivery, Engine},
    ledger::{AttemptId, Facts, Ledger, StoredMail},
    notify::{Incident, Kind, MailSettings, Settings, Smtp},
    roster::RequestId,
    secret::Secret,
    vitable::{self, Client},
};
use serde_json::json;
use std::{path::Path, sync::Arc, time::Duration};

const OPS: &str = "ops@partner.example";
const DUTY: &str = "duty@partner.example";

/// A state directory with a clock; the engine over it can be restarted.
struct Host {
    folder: tempfile::TempDir,
    clock: Arc<SetClock>,
    settings: MailSettings,
    engine: Option<Engine>,
}

impl Host {
    fn new(settings: MailSettings) -> Self {
        let clock = Arc::new(SetClock::new(at(0)));
        let mut host = Self { folder: tempfile::tempdir().unwrap(), clock, settings, engine: None };
        put(&host.folder.path().join("key"), "vit_key");
        host.restart();
        host
    }

    /// As a new process finds it.
    fn restart(&mut self) {
        drop(self.engine.take());
        let folder = self.folder.path();
        let example = load(Path::new("tests/config/good/whole.yaml"), &|_| None, Secrets::Skip).unwrap();
        let vitable = vitable::Settings {
            api_key: Secret::File(folder.join("key")),
            ca_file: None,
            proxy: None,
            ..example.vitable
        };
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let client = Arc::new(Client::new(vitable.clone(), Arc::clone(&clock)).unwrap());
        let ledger = Arc::new(Ledger::open(&folder.join("state"), None, clock.now()).unwrap());
        let settings = engine::Settings {
            vitable,
            alerts: Settings::from(self.settings.clone()),
            digest: None,
            heartbeat: None,
            state_dir: folder.join("state"),
            feeds: Vec::new(),
        };
        self.engine = Some(Engine::new(settings, ledger, client, clock));
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn later(&self, by: TimeDelta) {
        self.clock.set(self.now() + by);
    }

    /// A mail enters the outbox.
    fn queue(&self, name: &str) {
        let message = format!("Message-ID: <{name}@x>\r\nSubject: {name}\r\n\r\nlook\r\n");
        let to = vec![OPS.to_owned(), DUTY.to_owned()];
        let mail = StoredMail::new(format!("<{name}@x>"), to, message, self.now());
        self.engine()
            .ledger()
            .record(Facts { incidents: Vec::new(), mails: vec![mail], ..Facts::default() })
            .unwrap();
    }

    async fn deliver(&self) -> Delivery {
        self.engine().deliver().await.unwrap()
    }

    /// The open incident about mails.
    fn trouble(&self) -> Option<Incident> {
        let open = self.engine().ledger().incidents(true).unwrap();
        assert!(open.len() <= 1, "{open:?}");
        let incident: Option<Incident> =
            open.first().map(|one| serde_json::from_value(one.body.clone()).unwrap());
        assert!(incident.as_ref().is_none_or(|incident| incident.kind == Kind::MailUndeliverable));
        incident
    }

    fn outbox(&self) -> Vec<StoredMail> {
        self.engine().ledger().outbox().unwrap()
    }
}

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_413_600 + hours * 3600, 0).unwrap()
}

/// The subjects that a server has taken, in order.
fn subjects(server: &MailServer) -> Vec<String> {
    server.taken().iter().map(|taken| taken.header("Subject").to_owned()).collect()
}

#[tokio::test]
async fn a_server_that_is_away_for_two_days_loses_nothing_and_the_order_is_kept() {
    let Some(mut server) = MailServer::start(Manner::PLAIN) else { return };
    let mut host = Host::new(settings(server.smtp()));
    server.go_away();
    let (mut waits, mut queued) = (Vec::new(), Vec::new());
    while host.now() < at(48) {
        if queued.len() < 8 && host.now() >= at(6 * i64::try_from(queued.len()).unwrap()) {
            let name = format!("m{}", 9 - queued.len());
            host.queue(&name);
            queued.push(name);
            if queued.len() == 4 {
                host.restart();
            }
        }
        let before = host.outbox().iter().map(|mail| mail.tries).sum::<u32>();
        host.deliver().await;
        let tries = host.outbox().iter().map(|mail| mail.tries).sum::<u32>() - before;
        assert_eq!(tries, 1, "one mail is tried, and the others do not overtake it");
        let due = host.engine().next_mail_due().unwrap().unwrap();
        waits.push((due - host.now()).num_minutes());
        assert_eq!(host.deliver().await.delivered, 0, "nothing is due before it is due");
        host.clock.set(due);
        let late = host.now() > at(0) + TimeDelta::minutes(64);
        assert_eq!(host.trouble().is_some(), late, "{}", host.now());
    }
    assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(waits.iter().max(), Some(&60));
    let name = format!("the mail server `127.0.0.1:{}`", server.port());
    let trouble = host.trouble().unwrap();
    assert_eq!(trouble.reason, format!("Mails have waited for more than an hour for {name} to take them."));
    assert_eq!(
        host.outbox()[0].last_error.as_deref(),
        Some("cannot be reached: nobody listens there; look at `alerts.smtp`, the network and the firewall")
    );

    server.come_back();
    let delivery = host.deliver().await;
    assert_eq!((delivery.waiting, delivery.given_up), (0, 0));
    let all = subjects(&server);
    let ours: Vec<&String> = all.iter().filter(|subject| queued.contains(subject)).collect();
    assert_eq!(ours, queued.iter().collect::<Vec<_>>(), "each once, in the order in which they came");
    let (told, rest): (Vec<&str>, Vec<&str>) = all
        .iter()
        .filter(|subject| !queued.contains(subject))
        .map(String::as_str)
        .partition(|subject| !subject.contains("reminder"));
    assert_eq!(
        told,
        [
            "[rosterd] all feeds: mails do not arrive, 1 mail waits",
            "[rosterd] all feeds: recovered, mails arrive again"
        ]
    );
    assert_eq!(rest.len(), 1, "one reminder a day");
    assert_eq!(delivery.delivered, all.len());
    assert!(host.trouble().is_none());
    assert_eq!((host.deliver().await, subjects(&server).len()), (Delivery::default(), all.len()));
    assert_eq!(host.engine().next_mail_due().unwrap(), None);
}

#[tokio::test]
async fn a_mail_that_nobody_took_for_a_week_is_given_up_and_that_is_said() {
    let Some(mut server) = MailServer::start(Manner::PLAIN) else { return };
    let host = Host::new(settings(server.smtp()));
    server.go_away();
    host.queue("old");
    let (mut given_up, mut rounds) = (0, 0);
    while given_up == 0 {
        given_up = host.deliver().await.given_up;
        host.clock
            .set(host.engine().next_mail_due().unwrap().unwrap().max(host.now() + TimeDelta::seconds(1)));
        rounds += 1;
        assert!(rounds < 400, "it is not given up");
    }
    let age = host.now() - at(0);
    assert!(age >= TimeDelta::days(7) && age < TimeDelta::days(7) + TimeDelta::hours(2), "{age}");
    let trouble = host.trouble().unwrap();
    assert!(trouble.reason.ends_with("Mails that waited for a week were given up."), "{}", trouble.reason);
    server.come_back();
    host.later(TimeDelta::hours(1));
    assert_eq!(host.deliver().await.waiting, 0);
    let told = subjects(&server);
    assert!(!told.contains(&"old".to_owned()));
    let first = told.first().unwrap();
    assert_eq!(first, "[rosterd] all feeds: mails do not arrive, 1 mail waits");
    assert_eq!(told.last().unwrap(), "[rosterd] all feeds: recovered, mails arrive again");
    let changed = "[rosterd] all feeds: mails do not arrive, ";
    assert!(
        told.iter().any(|subject| subject.starts_with(changed) && subject.ends_with("(changed)")),
        "{told:?}"
    );
    assert!(host.trouble().is_none());
}

#[tokio::test]
async fn a_recipient_who_is_refused_is_an_incident_until_a_mail_for_him_is_taken() {
    let Some(server) = MailServer::start(Manner::PLAIN) else { return };
    let mut host = Host::new(settings(server.smtp()));
    server
        .behave(&json!({ "refuse": { DUTY: "550 5.1.1 <duty@partner.example>: no such user (session 1)" } }));
    host.queue("one");
    let delivery = host.deliver().await;
    assert_eq!((delivery.delivered, delivery.waiting), (2, 0), "the mail, and the one of the refusal");
    let name = format!("the mail server `127.0.0.1:{}`", server.port());
    let reason = format!(
        "A mail to `{DUTY}` was refused for good by {name}: answers 550 5.1.1 <{DUTY}>: no such user (session 1)."
    );
    assert_eq!(host.trouble().unwrap().reason, reason);
    // The server's words differ from mail to mail: that is no news.
    server.behave(&json!({ "refuse": { DUTY: "550 5.1.1 no such user (session 2)" } }));
    host.queue("two");
    host.restart();
    assert_eq!(host.deliver().await.delivered, 1);
    assert_eq!(host.trouble().unwrap().reason, reason);
    assert_eq!(subjects(&server), ["one", "[rosterd] all feeds: mails do not arrive", "two"]);
    assert!(server.taken().iter().all(|taken| taken.to == [OPS]));
    server.behave(&json!({}));
    host.queue("three");
    assert_eq!(host.deliver().await.waiting, 0);
    assert_eq!(subjects(&server)[3..], ["three", "[rosterd] all feeds: recovered, mails arrive again"]);
    assert!(server.taken()[3..].iter().all(|taken| taken.to == [OPS, DUTY]));
    assert!(host.trouble().is_none());

    // Who is not told any more need not be reached.
    server.behave(&json!({ "refuse": { DUTY: "550 5.1.1 no such user" } }));
    host.queue("four");
    host.deliver().await;
    assert!(host.trouble().is_some());
    host.settings.to.pop();
    host.restart();
    host.deliver().await;
    assert!(host.trouble().is_none());
}

#[tokio::test]
async fn a_mail_that_everybody_refuses_waits_and_does_not_hold_back_the_others() {
    let Some(server) = MailServer::start(Manner::PLAIN) else { return };
    let host = Host::new(settings(server.smtp()));
    // As a server answers that wants a login and got none.
    server.behave(&json!({ "refuse": { DUTY: "554 5.7.1 relay denied", OPS: "554 5.7.1 relay denied" } }));
    host.queue("one");
    assert_eq!(host.deliver().await.delivered, 0);
    assert_eq!(host.trouble().unwrap().refused.len(), 2);
    server.behave(&json!({}));
    host.queue("two");
    assert_eq!(
        host.deliver().await.waiting,
        2,
        "the refused one and the one that says so wait for their next try"
    );
    assert_eq!(subjects(&server), ["two"]);
    assert!(host.trouble().is_some(), "as long as one that they refused waits, it is not over");
    host.later(TimeDelta::minutes(1));
    assert_eq!(host.deliver().await.waiting, 0);
    let over = "[rosterd] all feeds: recovered, mails arrive again";
    assert_eq!(subjects(&server)[1..], ["one", "[rosterd] all feeds: mails do not arrive", over]);

    // A mail that is refused for what stands in it, each time, makes no flood of its own.
    server.behave(&json!({ "data": "554 5.7.1 looks like spam" }));
    host.queue("three");
    host.deliver().await;
    server.behave(&json!({ "spam": "three" }));
    let before = subjects(&server).len();
    for _ in 0..20 {
        host.later(TimeDelta::hours(1));
        host.deliver().await;
    }
    assert_eq!(subjects(&server)[before..], ["[rosterd] all feeds: mails do not arrive"]);
    assert!(host.trouble().is_some());
}

#[tokio::test]
async fn what_one_recipient_has_is_not_sent_to_him_again() {
    let Some(server) = MailServer::start(Manner::PLAIN) else { return };
    let mut host = Host::new(settings(server.smtp()));
    server.behave(&json!({ "refuse": { DUTY: "451 4.7.1 in five minutes" } }));
    host.queue("one");
    host.queue("two");
    assert_eq!(host.deliver().await.waiting, 2, "each of them is tried");
    assert_eq!(host.outbox()[0].delivered, [OPS]);
    server.behave(&json!({}));
    host.restart();
    assert_eq!(host.deliver().await.waiting, 0);
    let to: Vec<Vec<String>> = server.taken().into_iter().map(|taken| taken.to).collect();
    assert_eq!(
        to,
        [vec![OPS.to_owned()], vec![OPS.to_owned()], vec![DUTY.to_owned()], vec![DUTY.to_owned()]]
    );
}

#[tokio::test]
async fn a_server_that_puts_everybody_off_keeps_the_order() {
    let Some(server) = MailServer::start(Manner::PLAIN) else { return };
    let host = Host::new(settings(server.smtp()));
    server.behave(&json!({ "data": "451 4.3.0 the disk is full" }));
    host.queue("z");
    host.later(TimeDelta::seconds(1));
    host.queue("a");
    assert_eq!(host.deliver().await.waiting, 2);
    host.later(TimeDelta::seconds(1));
    host.queue("m");
    host.deliver().await;
    assert_eq!(host.outbox().iter().map(|mail| mail.tries).collect::<Vec<_>>(), [1, 0, 0]);
    server.behave(&json!({}));
    assert_eq!(host.deliver().await.delivered, 0, "not before it is due");
    host.later(TimeDelta::minutes(1));
    assert_eq!(host.deliver().await.delivered, 3);
    assert_eq!(subjects(&server), ["z", "a", "m"]);
}

#[tokio::test]
async fn a_lost_answer_is_one_more_mail_under_the_same_message_id() {
    let Some(server) = MailServer::start(Manner::PLAIN) else { return };
    let host = Host::new(settings(server.smtp()));
    server.behave(&json!({ "drop": true }));
    host.queue("one");
    assert_eq!(host.deliver().await.waiting, 1);
    server.behave(&json!({}));
    host.later(TimeDelta::minutes(1));
    assert_eq!(host.deliver().await.waiting, 0);
    let ids: Vec<String> = server.taken().iter().map(|taken| taken.header("Message-ID").to_owned()).collect();
    assert_eq!(ids, ["<one@x>", "<one@x>"]);
}

#[tokio::test]
async fn mails_go_out_beside_the_work_each_once_and_a_silent_server_does_not_slow_it() {
    let Some(server) = MailServer::start(Manner::PLAIN) else { return };
    let host = Host::new(settings(server.smtp()));
    // The work sees its mail arrive while it goes on.
    let work = async {
        for name in ["one", "two"] {
            host.queue(name);
            host.engine().wake_mails();
            while !subjects(&server).contains(&name.to_owned()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        host.queue("three");
        "done"
    };
    let (done, delivered) =
        tokio::time::timeout(Duration::from_secs(20), host.engine().with_mails(work)).await.unwrap();
    assert_eq!((done, delivered.unwrap().waiting), ("done", 0));
    host.queue("four");
    // Two at once: one delivers, and the other finds nothing.
    let (one, other) = tokio::join!(host.deliver(), host.deliver());
    assert_eq!(one.delivered + other.delivered, 1);
    assert_eq!(subjects(&server), ["one", "two", "three", "four"]);

    let silent = Manner { mode: "silent", auth: None, certificate: "right" };
    let Some(server) = MailServer::start(silent) else { return };
    let host = Host::new(settings(Smtp { time_limit: Duration::from_millis(700), ..server.smtp() }));
    host.queue("one");
    let began = tokio::time::Instant::now();
    let work = async { began.elapsed() };
    let (worked, delivered) = host.engine().with_mails(work).await;
    assert!(worked < Duration::from_millis(400), "the work waits for no mail: {worked:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(delivered.unwrap().waiting, 1);
    assert_eq!(host.outbox()[0].last_error.as_deref(), Some("did not answer within 0.7 s"));
}

#[tokio::test]
async fn while_the_state_takes_nothing_each_mail_goes_once_and_one_tells_of_it_directly() {
    let Some(server) = MailServer::start(Manner::PLAIN) else { return };
    let host = Host::new(settings(server.smtp()));
    host.queue("one");
    host.queue("two");
    let request = RequestId::new("grpmsr_1").unwrap();
    host.engine().ledger().reserve_accepted(AttemptId(1), &request).unwrap();
    assert!(host.engine().deliver().await.is_err(), "that they are gone cannot be recorded");
    assert_eq!(host.deliver().await, Delivery { waiting: 2, ..Delivery::default() });
    assert_eq!(host.engine().next_mail_due().unwrap(), None);
    let mut told = subjects(&server);
    told.sort();
    assert_eq!(told, ["one", "two"]);
    let full = Incident::new(Kind::Disk, "No space is left in `/var/lib/rosterd`.");
    host.engine().tell_directly(&full).await;
    host.engine().tell_directly(&full).await;
    assert_eq!(subjects(&server)[2..], ["[rosterd] all feeds: state cannot be written"]);
}
