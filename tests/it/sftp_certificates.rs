//! Servers that prove themselves by a host certificate, made by `ssh-keygen` and shown by OpenSSH's server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    sftp::{failed, fetch_as, put},
    sshd::{self, Options, Sshd, keygen, run},
};
use rosterd::source::{Arrived, Failure, Hop, HostKey, Sftp};
use std::{path::Path, process::Command, time::Duration};

/// The certificate of a host key: signed by `by`, with these words to `ssh-keygen -s` before the file.
fn sign(home: &Path, by: &str, kind: &str, words: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    command.arg("-q").arg("-s").arg(home.join(by)).args(["-I", "a server of acme"]).args(words);
    run(command.arg(home.join(format!("host_{kind}.pub"))));
}

/// A server whose Ed25519 key has a certificate that was signed so.
fn server(words: &[&str]) -> Sshd {
    Sshd::start_with(&Options {
        config: "HostCertificate {home}/host_ed25519-cert.pub",
        prepare: Some(&|home| {
            keygen(&home.join("authority"), "ed25519", "");
            keygen(&home.join("other"), "ed25519", "");
            sign(home, "authority", "ed25519", words);
            put(&home.join("files/roster.csv"), b"id\n1\n", 7_100);
        }),
        ..Options::default()
    })
}

fn public(sshd: &Sshd, name: &str) -> String {
    let text = std::fs::read_to_string(sshd.path(&format!("{name}.pub"))).unwrap();
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// Reads a file from a server that is known by these lines; `AUTHORITY`, `OTHER` and `KEY` stand for keys.
async fn get(sshd: &Sshd, lines: &str) -> Result<Arrived, Failure> {
    let text = lines
        .replace("AUTHORITY", &public(sshd, "authority"))
        .replace("OTHER", &public(sshd, "other"))
        .replace("KEY", &sshd.host_key("ed25519"));
    let path = sshd.path("known_hosts");
    sshd::put(&path, &text);
    let server = Sftp { host_key: HostKey::KnownHosts(path), ..sshd.settings("ed25519") };
    fetch_as(sshd, server, "roster.csv", Duration::ZERO).await
}

const HOST: &[&str] = &["-h", "-n", "127.0.0.1,sftp.acme.example"];

#[tokio::test]
async fn a_certificate_of_the_authority_is_as_good_as_the_key() {
    let sshd = server(HOST);
    let name = format!("[127.0.0.1]:{}", sshd.port());
    for lines in [
        "@cert-authority * AUTHORITY".to_owned(),
        "@cert-authority 127.0.0.? AUTHORITY".to_owned(),
        "@cert-authority *.example,127.* AUTHORITY a comment".to_owned(),
        format!("@cert-authority {name} AUTHORITY"),
        format!("@cert-authority * OTHER\n@cert-authority {name} AUTHORITY"),
        // The key by itself is known, whatever the certificate is worth.
        format!("@cert-authority * OTHER\n{name} KEY"),
        format!("{name} KEY"),
    ] {
        get(&sshd, &lines).await.unwrap_or_else(|failure| panic!("{lines}: {failure}"));
        // OpenSSH's own client is of the same mind.
        let known = format!("UserKnownHostsFile={}", sshd.path("known_hosts").display());
        let port = sshd.port().to_string();
        let mut client = Command::new("ssh");
        client.args(["-F", "none", "-o", &known, "-o", "GlobalKnownHostsFile=none", "-o", "BatchMode=yes"]);
        client.args(["-o", "StrictHostKeyChecking=yes", "-i"]).arg(sshd.path("ed25519"));
        run(client.args(["-p", &port, "127.0.0.1", "true"]));
    }
    // Hashed by OpenSSH itself.
    let path = sshd.path("known_hosts");
    get(&sshd, &format!("@cert-authority {name} AUTHORITY\n")).await.unwrap();
    run(Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&path));
    let hashed = std::fs::read_to_string(&path).unwrap();
    get(&sshd, &hashed).await.unwrap();

    // A server with a certificate is still known by its fingerprint, and by that of its other key.
    for kind in ["ed25519", "rsa"] {
        let host_key = HostKey::Fingerprint(sshd.fingerprint(kind));
        let server = Sftp { host_key, ..sshd.settings("ed25519") };
        fetch_as(&sshd, server, "roster.csv", Duration::ZERO).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_revoked_or_signed_by_another_is_refused() {
    let sshd = server(HOST);
    let name = format!("[127.0.0.1]:{}", sshd.port());
    for (lines, words) in [
        ("@cert-authority * OTHER".to_owned(), "which no `@cert-authority` line for this server names"),
        ("@cert-authority *.acme.example AUTHORITY".to_owned(), "has no line for it"),
        (
            "@cert-authority *,!127.0.0.1 AUTHORITY\n@cert-authority * OTHER".to_owned(),
            "which no `@cert-authority`",
        ),
        ("@cert-authority * AUTHORITY\n@revoked * AUTHORITY".to_owned(), "marks as `@revoked`"),
        ("@cert-authority * AUTHORITY\n@revoked * KEY".to_owned(), "marks as `@revoked`"),
        (format!("{name} KEY\n@cert-authority * AUTHORITY\n@revoked * AUTHORITY"), "marks as `@revoked`"),
        // An authority is no server: its own key is trusted for nothing else.
        ("@cert-authority * KEY".to_owned(), "which no `@cert-authority` line for this server names"),
    ] {
        let message = failed(get(&sshd, &lines).await, Hop::HostKey);
        assert!(message.contains(words), "{lines}: {message}");
        assert!(message.contains("nothing was sent to it"), "{lines}: {message}");
    }
    // Where the server shows no certificate, an authority alone knows nobody.
    let plain = Sshd::start();
    keygen(&plain.path("authority"), "ed25519", "");
    keygen(&plain.path("other"), "ed25519", "");
    let message = failed(get(&plain, "@cert-authority * AUTHORITY").await, Hop::HostKey);
    assert!(message.contains("the server showed no certificate"), "{message}");
}

#[tokio::test]
async fn a_certificate_is_good_for_its_hosts_and_its_time_alone() {
    for (words, said) in [
        (
            &["-h", "-n", "127.0.0.1", "-V", "20200101:20200102"][..],
            "has expired: it was valid until 2020-01-02",
        ),
        (&["-h", "-n", "127.0.0.1", "-V", "20990101:20990102"], "is valid only from 2099-01-01"),
        (&["-h", "-n", "sftp.acme.example"], "is for `sftp.acme.example`, and not for `127.0.0.1`"),
        (&["-h"], "is for no host"),
    ] {
        let sshd = server(words);
        let message = failed(get(&sshd, "@cert-authority * AUTHORITY").await, Hop::HostKey);
        assert!(message.contains(said), "{words:?}: {message}");
    }
    for words in [&["-h", "-n", "127.*"][..], &["-h", "-n", "other,127.0.0.1", "-V", "always:forever"]] {
        get(&server(words), "@cert-authority * AUTHORITY").await.unwrap();
    }
    // A certificate for a user in place of a host's: OpenSSH's server does not show one, so nothing is proved.
    let sshd = server(&["-n", "127.0.0.1"]);
    failed(get(&sshd, "@cert-authority * AUTHORITY").await, Hop::HostKey);
}

/// Every kind of key may be the server's or the authority's, and of RSA only with SHA-2.
#[tokio::test]
async fn certificates_of_each_kind_and_by_each_kind() {
    let kinds: [(&str, &[&str]); 4] =
        [("ed25519", &[]), ("ecdsa", &["-b", "256"]), ("ecdsa", &["-b", "521"]), ("rsa", &["-b", "3072"])];
    for (index, (kind, bits)) in kinds.iter().enumerate() {
        let sshd = Sshd::start_with(&Options {
            config: "HostKey {home}/host_own\nHostCertificate {home}/host_own-cert.pub\nHostKeyAlgorithms -ssh-rsa",
            prepare: Some(&|home| {
                for (name, (kind, bits)) in
                    [("host_own", (kind, bits)), ("authority", (&kinds[3 - index].0, &kinds[3 - index].1))]
                {
                    let mut command = Command::new("ssh-keygen");
                    command.args(["-q", "-N", "", "-C", "test", "-t", kind]).args(*bits);
                    run(command.arg("-f").arg(home.join(name)));
                }
                keygen(&home.join("other"), "ed25519", "");
                sign(home, "authority", "own", HOST);
                put(&home.join("files/roster.csv"), b"id\n1\n", 7_100);
            }),
            ..Options::default()
        });
        get(&sshd, "@cert-authority * AUTHORITY")
            .await
            .unwrap_or_else(|failure| panic!("{kind} {bits:?}: {failure}"));
    }
    // SHA-1 by the authority proves nothing any more.
    let sshd = Sshd::start_with(&Options {
        config: "HostCertificate {home}/host_ed25519-cert.pub\nCASignatureAlgorithms +ssh-rsa",
        prepare: Some(&|home| {
            run(Command::new("ssh-keygen")
                .args(["-q", "-N", "", "-t", "rsa", "-b", "3072", "-f"])
                .arg(home.join("authority")));
            keygen(&home.join("other"), "ed25519", "");
            sign(home, "authority", "ed25519", &["-t", "ssh-rsa", "-h", "-n", "127.0.0.1"]);
        }),
        ..Options::default()
    });
    let message = failed(get(&sshd, "@cert-authority * AUTHORITY").await, Hop::HostKey);
    assert!(message.contains("with SHA-1, which proves nothing any more"), "{message}");
}
