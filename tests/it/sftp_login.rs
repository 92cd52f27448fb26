//! Getting in by password through PAM, alone, by questions and beside a key; and into a folder that is all there is.
//!
//! A password needs an account that has one. As root a test makes a throwaway account, which no shell and no server
//! but the test's own lets in, and deletes it at its end; otherwise these tests say that they did nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    sftp::{failed, fetch_as, one, put, settings},
    sshd::{self, Options, Sshd, run},
};
use rosterd::{
    clock::SystemClock,
    secret::Secret,
    source::{self, Arrived, Failure, Hop, Sftp},
};
use std::{path::Path, process::Command, time::Duration};

/// An account of this host with a password that nobody else knows. It is deleted when this is dropped.
struct Account {
    name: String,
    password: String,
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests is told what they did not do")]
fn passed_over(what: &str) {
    eprintln!("not root: {what} did nothing");
}

impl Account {
    /// Nothing when the test does not run as root.
    fn create() -> Option<Self> {
        if run(Command::new("id").arg("-u")) != "0" {
            passed_over("the tests with passwords through PAM");
            return None;
        }
        let random = run(Command::new("openssl").args(["rand", "-hex", "16"]));
        let account = Self { name: format!("rst{}", random.get(..10).unwrap()), password: random };
        let hash = run(Command::new("openssl").args(["passwd", "-6", &account.password]));
        let mut command = Command::new("/usr/sbin/useradd");
        command.args([
            "--no-create-home",
            "--home-dir",
            "/nonexistent",
            "--shell",
            "/usr/sbin/nologin",
            "--password",
            &hash,
        ]);
        run(command.arg(&account.name));
        Some(account)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        drop(Command::new("/usr/sbin/userdel").arg("--force").arg(&self.name).output());
    }
}

/// A server that asks PAM and wants these methods.
fn server(methods: &str, more: &str) -> Sshd {
    let config = format!("UsePAM yes\nAuthenticationMethods {methods}\n{more}");
    let sshd = Sshd::start_with(&Options { config: &config, ..Options::default() });
    put(&sshd.files().join("roster.csv"), b"id\n1\n", 7_100);
    // The account is not the one that the test runs as.
    for path in [sshd.path(""), sshd.files(), sshd.path("authorized_keys")] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    sshd
}

async fn get(sshd: &Sshd, server: Sftp) -> Result<Arrived, Failure> {
    fetch_as(sshd, server, "roster.csv", Duration::ZERO).await
}

fn login(sshd: &Sshd, account: &Account, key: Option<&str>, password: Option<&str>) -> Sftp {
    let mut server = sshd.settings("ed25519");
    server.username.clone_from(&account.name);
    server.private_key = key.map(|key| Secret::File(sshd.path(key)));
    server.password = password.map(|password| {
        let path = sshd.path("password");
        sshd::put(&path, password);
        Secret::File(path)
    });
    server
}

const PASSWORD: &str = "PasswordAuthentication yes\nKbdInteractiveAuthentication no";
const QUESTIONS: &str = "PasswordAuthentication no\nKbdInteractiveAuthentication yes";

#[tokio::test]
async fn a_password_gets_in_through_pam_in_each_way_that_servers_ask_for_it() {
    let Some(account) = Account::create() else { return };
    let right = account.password.clone();
    for (methods, more, named) in
        [("password", PASSWORD, "password"), ("keyboard-interactive", QUESTIONS, "keyboard-interactive")]
    {
        let sshd = server(methods, more);
        get(&sshd, login(&sshd, &account, None, Some(&right))).await.unwrap();
        let message =
            failed(get(&sshd, login(&sshd, &account, None, Some("wrong-one"))).await, Hop::Authenticate);
        assert!(message.contains(&format!("tried {named}")), "{message}");
        assert!(message.contains("confirm the `password`"), "{message}");
        assert!(!message.contains("wrong-one"), "{message}");
    }

    // Key and password together, in whatever order the server wants them.
    for (methods, more) in [
        ("publickey,password", PASSWORD),
        ("password,publickey", PASSWORD),
        ("publickey,keyboard-interactive", QUESTIONS),
    ] {
        let sshd = server(methods, more);
        let both = login(&sshd, &account, Some("ed25519"), Some(&right));
        get(&sshd, both).await.unwrap_or_else(|failure| panic!("{methods}: {failure}"));
        let without = login(&sshd, &account, Some("ed25519"), None);
        let message = failed(get(&sshd, without).await, Hop::Authenticate);
        assert!(message.contains("name the account's `password` too"), "{methods}: {message}");
        let wrong = login(&sshd, &account, Some("ed25519"), Some("wrong-one"));
        let message = failed(get(&sshd, wrong).await, Hop::Authenticate);
        assert!(message.contains("correct the `password`"), "{methods}: {message}");
        assert!(!message.contains("wrong-one"), "{methods}: {message}");
    }
}

#[tokio::test]
async fn a_server_that_shows_nothing_but_one_folder_is_read() {
    if run(Command::new("id").arg("-u")) != "0" {
        passed_over("the test with a server that shuts an account into a folder");
        return;
    }
    // sshd wants every folder on the way to be root's alone, which the one for temporary files is not.
    let sshd = Sshd::start_with(&Options {
        config: "ChrootDirectory {home}/jail\nForceCommand internal-sftp",
        prepare: Some(&|home| {
            std::fs::create_dir_all(home.join("jail/outbound")).unwrap();
            put(&home.join("jail/outbound/roster-1.csv"), b"id\n1\n", 7_100);
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(home, mode).unwrap();
        }),
        below: Some(Path::new("/run")),
    });
    for path in ["/outbound/roster-*.csv", "outbound/roster-1.csv", "/outbound/../outbound/roster-1.csv"] {
        let settings = settings(sshd.settings("ed25519"), Path::new(path), Duration::ZERO);
        let spool = tempfile::tempdir().unwrap();
        let arrived = one(source::fetch(&settings, spool.path(), &SystemClock, &|_| ()).await).unwrap();
        assert_eq!(arrived.size, 5, "{path}");
    }
    let outside = sshd.files().join("roster.csv");
    let settings = settings(sshd.settings("ed25519"), &outside, Duration::ZERO);
    let spool = tempfile::tempdir().unwrap();
    let result = one(source::fetch(&settings, spool.path(), &SystemClock, &|_| ()).await);
    failed(result, Hop::List);
}

/// An account that may log in and has no file transfer is told from one that may not log in.
#[tokio::test]
async fn a_login_without_file_transfer_says_so() {
    let config = "ForceCommand /bin/false";
    let sshd = Sshd::start_with(&Options { config, ..Options::default() });
    let message = failed(get(&sshd, sshd.settings("ed25519")).await, Hop::Sftp);
    assert!(message.contains("let us in but gives no file transfer"), "{message}");
}
