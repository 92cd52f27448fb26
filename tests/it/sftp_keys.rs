//! Getting in with private keys of every usual kind and form, and what is said of those that cannot be used.

use crate::{
    sftp::{failed, fetch_as, put},
    sshd::{Options, Sshd, keygen, run},
};
use rosterd::{
    secret::Secret,
    source::{Arrived, Failure, Hop, Sftp},
};
use std::{path::Path, process::Command, time::Duration};

const PASSPHRASE: &str = "open sesame";

async fn get(sshd: &Sshd, server: Sftp) -> Result<Arrived, Failure> {
    fetch_as(sshd, server, "roster.csv", Duration::ZERO).await
}

/// How to get in with a key of this name, whose passphrase is the usual one if it has one.
fn with(sshd: &Sshd, key: &str, locked: bool) -> Sftp {
    let mut server = sshd.settings(key);
    server.passphrase = locked.then(|| Secret::File(sshd.path("passphrase")));
    server
}

/// Writes the key again in another form, by OpenSSL or by `ssh-keygen`.
fn convert(sshd: &Sshd, from: &str, to: &str, arguments: &[&str]) {
    let mut command = Command::new("openssl");
    command.args(arguments).arg("-in").arg(sshd.path(from)).arg("-out").arg(sshd.path(to));
    run(&mut command);
}

fn generate(sshd: &Sshd, name: &str, kind: &[&str], passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-C", "test", "-N", passphrase]).args(kind).arg("-f").arg(sshd.path(name));
    run(&mut command);
    sshd.authorize(name);
}

#[tokio::test]
async fn openssh_keys_of_each_kind_get_in_with_and_without_passphrase() {
    // SHA-1 is refused by the server too: an RSA key that got in signed with SHA-2.
    let config = "PubkeyAcceptedAlgorithms -ssh-rsa,ssh-rsa-cert-v01@openssh.com";
    let sshd = Sshd::start_with(&Options { config, ..Options::default() });
    put(&sshd.files().join("roster.csv"), b"id\n1\n", 7_100);
    let kinds: [(&str, &[&str]); 5] = [
        ("ed25519-", &["-t", "ed25519"]),
        ("ecdsa-256", &["-t", "ecdsa", "-b", "256"]),
        ("ecdsa-384", &["-t", "ecdsa", "-b", "384"]),
        ("ecdsa-521", &["-t", "ecdsa", "-b", "521"]),
        ("rsa-3072", &["-t", "rsa", "-b", "3072"]),
    ];
    for (name, kind) in kinds {
        generate(&sshd, name, kind, "");
        get(&sshd, with(&sshd, name, false)).await.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        // A passphrase that is configured and not needed is no mistake.
        get(&sshd, with(&sshd, name, true)).await.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        run(Command::new("ssh-keygen")
            .args(["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f"])
            .arg(sshd.path(name)));
        get(&sshd, with(&sshd, name, true)).await.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let message = failed(get(&sshd, with(&sshd, name, false)).await, Hop::Authenticate);
        assert!(message.contains("is encrypted and no `passphrase` is configured"), "{name}: {message}");
    }
}

#[tokio::test]
async fn pem_keys_get_in_or_are_told_how_to_be_converted() {
    let sshd = Sshd::start();
    put(&sshd.files().join("roster.csv"), b"id\n1\n", 7_100);
    let pem: [(&str, &[&str]); 4] = [
        ("p-rsa", &["-t", "rsa", "-b", "3072", "-m", "PEM"]),
        ("p-256", &["-t", "ecdsa", "-b", "256", "-m", "PEM"]),
        ("p-384", &["-t", "ecdsa", "-b", "384", "-m", "PEM"]),
        ("p-521", &["-t", "ecdsa", "-b", "521", "-m", "PEM"]),
    ];
    for (name, kind) in pem {
        // PKCS#1 of RSA, SEC1 of the others.
        generate(&sshd, name, kind, "");
        get(&sshd, with(&sshd, name, false)).await.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        // PKCS#8, in the clear and encrypted as OpenSSL 3 does it.
        let clear = format!("{name}.p8");
        convert(&sshd, name, &clear, &["pkcs8", "-topk8", "-nocrypt"]);
        get(&sshd, with(&sshd, &clear, false)).await.unwrap_or_else(|failure| panic!("{clear}: {failure}"));
        let locked = format!("{name}.locked.p8");
        let pass = format!("pass:{PASSPHRASE}");
        convert(&sshd, name, &locked, &["pkcs8", "-topk8", "-passout", &pass]);
        get(&sshd, with(&sshd, &locked, true)).await.unwrap_or_else(|failure| panic!("{locked}: {failure}"));
        let message = failed(get(&sshd, with(&sshd, &locked, false)).await, Hop::Authenticate);
        assert!(message.contains("no `passphrase` is configured"), "{locked}: {message}");
    }
    // What older OpenSSL and OpenSSH encrypted: the usual form gets in, the others say what to type.
    let pass = format!("pass:{PASSPHRASE}");
    for (cipher, opens) in [("-aes128", true), ("-aes256", false), ("-des3", false)] {
        let name = format!("old{cipher}");
        convert(&sshd, "p-rsa", &name, &["rsa", "-traditional", cipher, "-passout", &pass]);
        let result = get(&sshd, with(&sshd, &name, true)).await;
        if opens {
            result.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        } else {
            let message = failed(result, Hop::Authenticate);
            assert!(message.contains("`ssh-keygen -p -f FILE`"), "{name}: {message}");
        }
    }
    let name = "old-ec";
    convert(&sshd, "p-256", name, &["ec", "-aes128", "-passout", &pass]);
    let message = failed(get(&sshd, with(&sshd, name, true)).await, Hop::Authenticate);
    assert!(message.contains("`ssh-keygen -p -f FILE`"), "{message}");
}

/// `puttygen` made these with PuTTY 0.78: form 2 and form 3 of one key, in the clear and with the usual passphrase.
#[tokio::test]
async fn putty_keys_get_in() {
    let sshd = Sshd::start();
    put(&sshd.files().join("roster.csv"), b"id\n1\n", 7_100);
    let folder = Path::new("tests/it/putty");
    for (name, locked) in
        [("clear-2.ppk", false), ("clear-3.ppk", false), ("locked-2.ppk", true), ("locked-3.ppk", true)]
    {
        std::fs::copy(folder.join(name), sshd.path(name)).unwrap();
        std::fs::copy(folder.join("putty.pub"), sshd.path(&format!("{name}.pub"))).unwrap();
        sshd.authorize(name);
        get(&sshd, with(&sshd, name, locked)).await.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        if locked {
            let message = failed(get(&sshd, with(&sshd, name, false)).await, Hop::Authenticate);
            assert!(message.contains("no `passphrase` is configured"), "{name}: {message}");
        }
    }
}

#[tokio::test]
async fn a_key_that_does_not_get_in_is_told_why() {
    let sshd = Sshd::start();
    put(&sshd.files().join("roster.csv"), b"id\n1\n", 7_100);
    let mut locked = with(&sshd, "locked", true);
    get(&sshd, locked.clone()).await.unwrap();
    locked.passphrase = Some(Secret::File(sshd.path("authorized_keys")));
    let message = failed(get(&sshd, locked.clone()).await, Hop::Authenticate);
    assert!(message.contains("the passphrase does not open the key"), "{message}");
    assert!(message.contains("correct one of them"), "{message}");
    locked.passphrase = Some(Secret::File(sshd.path("missing")));
    let message = failed(get(&sshd, locked).await, Hop::Authenticate);
    assert!(message.contains("`passphrase`: cannot read the secret file"), "{message}");

    let message = failed(get(&sshd, sshd.settings("stranger")).await, Hop::Authenticate);
    assert!(message.contains("tried publickey (ssh-ed25519 SHA256:"), "{message}");
    assert!(message.contains("the server offers publickey"), "{message}");
    assert!(message.contains("register this public key for the account"), "{message}");
    let message = failed(get(&sshd, sshd.settings("host_rsa.pub")).await, Hop::Authenticate);
    assert!(message.contains("is no key in OpenSSH"), "{message}");
    let message = failed(get(&sshd, sshd.settings("missing")).await, Hop::Authenticate);
    assert!(message.contains("`private_key`: cannot read the secret file"), "{message}");

    let mut password = sshd.settings("ed25519");
    password.private_key = None;
    password.password = Some(Secret::File(sshd.path("passphrase")));
    let message = failed(get(&sshd, password).await, Hop::Authenticate);
    assert!(
        message.contains(
            "tried nothing, since it does not take what is configured; the server offers publickey"
        ),
        "{message}"
    );
    assert!(!message.contains("sesame"), "{message}");

    // A certificate for users, a key of a security token and the like are kinds of their own.
    keygen(&sshd.path("other"), "ed25519", "");
    let message = failed(get(&sshd, sshd.settings("other")).await, Hop::Authenticate);
    assert!(message.contains("`username`"), "{message}");
}
