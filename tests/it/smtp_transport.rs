//! The way to a real mail server, and what becomes of a mail for each recipient.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails here")]

use crate::smtp::{MailServer, Manner, PASSWORD, put, settings};
use rosterd::notify::{
    Carrier, Encryption, Mail, MailSettings, Receipt, Settings, Smtp, Tells, Transport, probe, send,
    test_mails,
};
use std::{io::Write as _, net::TcpListener, time::Duration};
use tokio::time::Instant;

/// A message whose lines begin with dots, which SMTP must double on the way.
fn mail() -> Mail {
    Mail {
        message_id: "<1@partner.example>".to_owned(),
        to: vec!["ops@partner.example".to_owned(), "duty@partner.example".to_owned()],
        subject: "held".to_owned(),
        message: "Message-ID: <1@partner.example>\r\nSubject: held\r\n\r\n.\r\n..look\r\n.\r\n\r\nend\r\n"
            .to_owned(),
        tells: Tells::default(),
    }
}

async fn sent(smtp: Smtp) -> Result<Vec<(String, Receipt)>, String> {
    send(&settings(smtp), &mail()).await
}

/// Why it was not sent, without the server's name.
async fn refused(smtp: Smtp) -> String {
    let name = format!("the mail server `{}:{}` ", smtp.host, smtp.port);
    let why = sent(smtp).await.unwrap_err();
    assert!(!why.contains(PASSWORD), "{why}");
    why.strip_prefix(&name).unwrap_or_else(|| panic!("{why}")).to_owned()
}

#[tokio::test]
async fn a_mail_arrives_byte_for_byte_on_every_way_that_can_be_configured() {
    for (mode, auth, mechanism) in [
        ("starttls", Some("plain"), "PLAIN rosterd"),
        ("starttls", Some("login"), "LOGIN rosterd"),
        ("tls", Some("plain"), "PLAIN rosterd"),
        ("tls", Some("login"), "LOGIN rosterd"),
        ("tls", None, "None"),
        ("none", Some("login"), "LOGIN rosterd"),
        ("none", None, "None"),
    ] {
        let Some(server) = MailServer::start(Manner { mode, auth, certificate: "right" }) else { return };
        let receipts = sent(server.smtp()).await.unwrap();
        let taken = Receipt::Taken("250 2.0.0 queued as 0001".to_owned());
        let expected = mail().to.into_iter().map(|to| (to, taken.clone()));
        assert_eq!(receipts, expected.collect::<Vec<_>>(), "{mode} {auth:?}");
        let all = server.taken();
        assert_eq!((all.len(), &all[0].to), (1, &mail().to));
        assert_eq!(all[0].message, mail().message, "{mode} {auth:?}");
        let about = &all[0].about;
        assert_eq!(about["from"], "alerts@partner.example");
        assert_eq!(about["login"], mechanism, "{mode} {auth:?}");
        assert_eq!(about["tls"], mode != "none");
        let hello = about["hello"].as_str().unwrap();
        assert!(hello == "[127.0.0.1]" || hello.contains('.') && !hello.contains('['), "{hello}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_right_is_refused_and_nothing_is_said_before() {
    for (certificate, why) in [
        (
            "stranger",
            "from an authority that this host does not know; name the authority's certificate in `alerts.smtp.ca_file`",
        ),
        ("other", "for another name; write that name in `alerts.smtp.host`"),
        ("expired", "past its end; have the server's renewed, and look at this host's clock"),
    ] {
        for mode in ["starttls", "tls"] {
            let Some(server) = MailServer::start(Manner { mode, auth: Some("plain"), certificate }) else {
                return;
            };
            assert_eq!(refused(server.smtp()).await, format!("shows a certificate that is {why}"), "{mode}");
            assert!(server.taken().is_empty());
        }
    }
    let right = Manner { mode: "starttls", auth: None, certificate: "right" };
    let Some(server) = MailServer::start(right) else { return };
    let without = Smtp { ca_file: None, ..server.smtp() };
    assert!(refused(without).await.contains("from an authority that this host does not know"));
    let gone = Smtp { ca_file: Some(server.path("gone.pem")), ..server.smtp() };
    assert!(refused(gone).await.contains("cannot be read"));
    let localhost = Smtp { host: "localhost".to_owned(), ..server.smtp() };
    assert!(sent(localhost).await.is_ok(), "the name may be one of several");
}

#[tokio::test]
async fn what_is_configured_otherwise_than_the_server_is_said() {
    let Some(clear) = MailServer::start(Manner::PLAIN) else { return };
    let ca_file = Some(clear.path("ca.pem"));
    let starttls = Smtp { encryption: Encryption::StartTls, ca_file: ca_file.clone(), ..clear.smtp() };
    assert!(refused(starttls).await.starts_with("offers no STARTTLS, and nothing is sent in the clear"));
    let tls = Smtp { encryption: Encryption::Tls, ca_file, ..clear.smtp() };
    assert!(refused(tls).await.starts_with("does not begin with TLS; if it speaks in the clear first"));
    let login = Manner { mode: "starttls", auth: Some("plain"), certificate: "right" };
    let Some(server) = MailServer::start(login) else { return };
    let nobody = Smtp { login: None, ..server.smtp() };
    assert!(refused(nobody).await.starts_with("answers 530 5.7.0 Authentication required"));
    let in_the_clear = Smtp { login: server.smtp().login, ..clear.smtp() };
    assert!(refused(in_the_clear).await.starts_with("offers neither AUTH PLAIN nor AUTH LOGIN"));

    // A rotated password is taken with the next connection, and none is shown.
    put(&server.path("password"), "wrong-s3cret\n");
    let why = refused(server.smtp()).await;
    assert!(
        why.starts_with("refuses the login (answers 535 5.7.8") && !why.contains("wrong-s3cret"),
        "{why}"
    );
    put(&server.path("password"), PASSWORD);
    assert!(sent(server.smtp()).await.is_ok());
    put(&server.path("password"), "");
    let why = refused(server.smtp()).await;
    assert!(why.starts_with("cannot be tried, because of `alerts.smtp.password`"), "{why}");

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let why = refused(Smtp { port, ..clear.smtp() }).await;
    assert!(why.starts_with("cannot be reached: nobody listens there"), "{why}");
    let why = refused(Smtp { host: "no-such-host.invalid".to_owned(), ..clear.smtp() }).await;
    assert!(
        why.starts_with("cannot be found: ")
            && why.ends_with("correct `alerts.smtp.host`, or this host's DNS"),
        "{why}"
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_more_keeps_nobody_longer_than_the_limit() {
    let silent = Manner { mode: "silent", auth: None, certificate: "right" };
    let Some(server) = MailServer::start(silent) else { return };
    for encryption in [Encryption::None, Encryption::StartTls, Encryption::Tls] {
        let smtp = Smtp { encryption, time_limit: Duration::from_millis(500), ..server.smtp() };
        let began = Instant::now();
        let why = refused(smtp.clone()).await;
        let expected = match encryption {
            Encryption::Tls => {
                "does not begin with TLS; if it speaks in the clear first, write `encryption: starttls`"
            }
            Encryption::None | Encryption::StartTls => "did not answer within 0.5 s",
        };
        assert_eq!(why, expected);
        let steps = probe(&Settings::from(settings(smtp))).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(steps.last().unwrap().result.as_ref().unwrap_err(), expected);
    }
    // A server that gets no client's hello waits, and so do we, until the limit.
    let tls = Manner { mode: "tls", auth: None, certificate: "right" };
    let Some(server) = MailServer::start(tls) else { return };
    let limit = Duration::from_millis(500);
    let clear = Smtp { encryption: Encryption::StartTls, time_limit: limit, ..server.smtp() };
    assert_eq!(refused(clear).await, "did not answer within 0.5 s");
}

/// An answer that lettre panics over, one that is no SMTP, and a connection that is closed at once.
#[tokio::test]
async fn a_peer_that_is_no_mail_server_ends_nothing_but_the_try() {
    for (answers, why) in [
        (
            ["220 odd ESMTP\r\n", "250-odd\r\n250- \r\n250 HELP\r\n"].concat(),
            "gave an answer that cannot be read",
        ),
        (
            "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned(),
            "does not speak SMTP as it is configured; look at `alerts.smtp.port` and `encryption`",
        ),
        (String::new(), "closed the connection"),
        ("554 5.3.2 no mail today\r\n".to_owned(), "answers 554 5.3.2 no mail today"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let smtp = Smtp {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            encryption: Encryption::None,
            login: None,
            ca_file: None,
            time_limit: Duration::from_secs(5),
        };
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(answers.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            // Until the other side hangs up: what it says is nothing to this one.
            drop(std::io::copy(&mut stream, &mut std::io::sink()));
        });
        assert_eq!(refused(smtp).await, why);
        peer.join().unwrap();
    }
}

#[tokio::test]
async fn one_recipient_who_is_refused_or_put_off_does_not_hold_back_the_others() {
    let Some(server) = MailServer::start(Manner::PLAIN) else { return };
    let [ops, duty] = ["ops@partner.example", "duty@partner.example"];
    let mail = mail();
    let settings = settings(server.smtp());
    let mut carrier = Carrier::new(&settings);
    let mut say = async |how: serde_json::Value| {
        server.behave(&how);
        carrier.send(&mail.message_id, &mail.to, &mail.message).await
    };
    let taken = |name: &str| Receipt::Taken(format!("250 2.0.0 queued as {name}"));
    let gone = Receipt::Refused("answers 550 5.1.1 nobody of that name".to_owned());
    let later = Receipt::Later("answers 451 4.7.1 in five minutes".to_owned());
    let refuse = |who: &[(&str, &str)]| serde_json::json!({ "refuse": who.iter().copied().collect::<std::collections::BTreeMap<_, _>>() });
    let (no, wait) = ("550 5.1.1 nobody of that name", "451 4.7.1 in five minutes");
    assert_eq!(say(refuse(&[(ops, no)])).await, Ok(vec![gone.clone(), taken("0001")]));
    assert_eq!(say(refuse(&[(duty, wait)])).await, Ok(vec![taken("0002"), later.clone()]));
    // All of them: the connection is good for the next mail, which is not a part of this one.
    assert_eq!(say(refuse(&[(ops, no), (duty, wait)])).await, Ok(vec![gone.clone(), later]));
    assert_eq!(say(serde_json::json!({})).await, Ok(vec![taken("0003"), taken("0003")]));
    // The whole mail.
    let whole = say(serde_json::json!({ "data": "552 5.3.4 too large" })).await.unwrap();
    assert_eq!(whole, vec![Receipt::Refused("answers 552 5.3.4 too large".to_owned()); 2]);
    let whole = say(serde_json::json!({ "data": "451 4.3.0 disk full" })).await.unwrap();
    assert_eq!(whole, vec![Receipt::Later("answers 451 4.3.0 disk full".to_owned()); 2]);
    // A sender who is refused is refused for each mail, and 421 is a goodbye: the server fails.
    let why = say(serde_json::json!({ "sender": "553 5.7.1 not your address" })).await.unwrap_err();
    assert_eq!(why, "answers 553 5.7.1 not your address");
    assert_eq!(
        say(refuse(&[(ops, "421 4.3.2 going down")])).await.unwrap_err(),
        "answers 421 4.3.2 going down"
    );
    // A connection that was used before is taken up afresh when it is cut; one that was not is a failure.
    server.behave(&serde_json::json!({ "close_after": 2 }));
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(carrier.send(&mail.message_id, &mail.to, &mail.message).await.unwrap()[0].clone());
    }
    assert_eq!(names, [taken("0004"), taken("0005"), taken("0006")]);
    carrier.close().await;
    server.behave(&serde_json::json!({ "drop": true }));
    assert_eq!(sent(server.smtp()).await.unwrap_err().split_once("` ").unwrap().1, "closed the connection");
    let envelopes: Vec<Vec<String>> = server.taken().into_iter().map(|taken| taken.to).collect();
    assert_eq!(envelopes[..3], [vec![duty.to_owned()], vec![ops.to_owned()], mail.to.clone()]);
    assert_eq!(envelopes.len(), 7, "the last one was taken, and its answer lost");
}

#[tokio::test]
async fn the_probe_names_each_hop_and_sends_no_mail() {
    for (mode, hops) in [
        ("starttls", vec!["resolve", "connect", "tls", "login"]),
        ("tls", vec!["resolve", "connect", "tls", "login"]),
        ("none", vec!["resolve", "connect", "login"]),
    ] {
        let Some(server) = MailServer::start(Manner { mode, auth: Some("login"), certificate: "right" })
        else {
            return;
        };
        let steps = probe(&Settings::from(settings(server.smtp()))).await;
        let seen: Vec<&str> = steps.iter().map(|step| step.hop).collect();
        assert_eq!(seen, hops, "{steps:?}");
        assert!(steps.iter().all(|step| step.result.is_ok() && !step.took.is_zero()), "{steps:?}");
        assert_eq!(steps.last().unwrap().result, Ok("AUTH LOGIN".to_owned()));
        assert!(server.taken().is_empty());
        put(&server.path("password"), "wrong\n");
        let steps = probe(&Settings::from(settings(server.smtp()))).await;
        let last = steps.last().unwrap();
        assert_eq!((steps.len(), last.hop), (hops.len(), "login"));
        assert!(last.result.as_ref().unwrap_err().starts_with("refuses the login"));
    }
    assert!(probe(&Settings::None).await.is_empty());
    let home = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let mut mail = settings(Smtp {
            host: String::new(),
            port: 1,
            encryption: Encryption::None,
            login: None,
            ca_file: None,
            time_limit: Duration::ZERO,
        });
        mail.transport = Transport::Folder(home.path().join(name));
        Settings::from(mail)
    };
    put(&home.path().join("file"), "");
    for (name, good) in [("", true), ("a/b", true), ("file/mails", false)] {
        let steps = probe(&folder(name)).await;
        assert_eq!((steps.len(), steps[0].hop, steps[0].result.is_ok()), (1, "folder", good), "{steps:?}");
    }
    let nothing_left: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
    assert_eq!(nothing_left.len(), 1);
}

#[tokio::test]
async fn a_test_mail_goes_to_everybody_who_is_told_of_anything() {
    let Some(server) = MailServer::start(Manner::PLAIN) else { return };
    let feed = |name: &str| rosterd::roster::FeedName::new(name).unwrap();
    let own = || vec!["hr@acme.example".to_owned()];
    let mail = MailSettings {
        feeds: [
            (feed("acme"), own()),
            (feed("acme-west"), own()),
            (feed("globex"), settings(server.smtp()).to),
        ]
        .into(),
        ..settings(server.smtp())
    };
    let now = chrono::DateTime::from_timestamp(1_795_413_600, 0).unwrap();
    let mut count = 0;
    let mut token = || {
        count += 1;
        format!("t{count}")
    };
    assert!(test_mails(&Settings::None, now, &mut token).is_empty());
    for test in test_mails(&Settings::from(mail.clone()), now, &mut token) {
        assert!(send(&mail, &test).await.unwrap().iter().all(|(_, receipt)| receipt.is_taken()));
    }
    let taken = server.taken();
    let to: Vec<&[String]> = taken.iter().map(|taken| taken.to.as_slice()).collect();
    assert_eq!(to, [&["ops@partner.example".to_owned(), "duty@partner.example".to_owned()][..], &own()[..]]);
    insta::assert_snapshot!(
        "test_mail_of_feeds",
        taken[1].message.split("--rosterd.").take(2).collect::<String>()
    );
}
