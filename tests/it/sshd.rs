//! OpenSSH's own server on loopback, as a throwaway: own host keys, own authorized keys, a free port, a
//! folder that is removed, and a process that is killed when the value is dropped.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use rosterd::{
    secret::Secret,
    source::{HostKey, Sftp},
};
use std::{
    io::Read as _,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A running server.
#[derive(Debug)]
pub(crate) struct Sshd {
    home: tempfile::TempDir,
    process: Child,
    port: u16,
}

/// The kinds of host key that a server is started with.
pub(crate) const HOST_KEYS: [&str; 2] = ["ed25519", "rsa"];

impl Sshd {
    /// Starts a server that lets the present user in with the keys `ed25519`, `rsa` and `locked` (whose
    /// passphrase is `open sesame`), but not with `stranger`.
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path();
        for kind in HOST_KEYS {
            keygen(&path.join(format!("host_{kind}")), kind, "");
        }
        keygen(&path.join("ed25519"), "ed25519", "");
        keygen(&path.join("rsa"), "rsa", "");
        keygen(&path.join("locked"), "ed25519", "open sesame");
        keygen(&path.join("stranger"), "ed25519", "");
        put(&path.join("passphrase"), "open sesame\n");
        let allowed: Vec<String> = ["ed25519", "rsa", "locked"]
            .iter()
            .map(|name| std::fs::read_to_string(path.join(format!("{name}.pub"))).unwrap())
            .collect();
        put(&path.join("authorized_keys"), &allowed.concat());
        std::fs::create_dir(path.join("files")).unwrap();
        // As root, sshd wants this folder for the part of it that has no rights; elsewhere nobody misses it.
        drop(std::fs::create_dir_all("/run/sshd"));
        // Between the port being found free and sshd taking it another test may come first: then sshd ends,
        // and another is tried.
        for _ in 0..10 {
            let port = free_port();
            put(&path.join("sshd_config"), &config(path, port));
            let mut process = Command::new("/usr/sbin/sshd")
                .args(["-D", "-e", "-f"])
                .arg(path.join("sshd_config"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(path.join("log")).unwrap())
                .spawn()
                .unwrap();
            if answers(&mut process, port) {
                return Self { home, process, port };
            }
            drop(process.kill());
            drop(process.wait());
        }
        let log = std::fs::read_to_string(path.join("log")).unwrap_or_default();
        assert!(log.is_empty(), "sshd does not start: {log}");
        unreachable!("sshd does not start and says nothing")
    }

    /// The folder that the tests put files into.
    pub(crate) fn files(&self) -> PathBuf {
        self.home.path().join("files")
    }

    /// A path beside the keys, for what a test needs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How to get in with the private key of this name and the right fingerprint.
    pub(crate) fn settings(&self, key: &str) -> Sftp {
        Sftp {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            username: run(Command::new("id").arg("-un")),
            private_key: Some(Secret::File(self.path(key))),
            passphrase: None,
            password: None,
            host_key: HostKey::Fingerprint(self.fingerprint(HOST_KEYS[0])),
        }
    }

    /// The fingerprint of the host key of this kind, as `ssh-keygen` shows it.
    pub(crate) fn fingerprint(&self, kind: &str) -> String {
        let shown = run(Command::new("ssh-keygen").arg("-lf").arg(self.path(&format!("host_{kind}.pub"))));
        shown.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// The server's public host key of this kind, without a comment.
    pub(crate) fn host_key(&self, kind: &str) -> String {
        let text = std::fs::read_to_string(self.path(&format!("host_{kind}.pub"))).unwrap();
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn config(home: &Path, port: u16) -> String {
    let home = home.display();
    let host_keys: String = HOST_KEYS.iter().map(|kind| format!("HostKey {home}/host_{kind}\n")).collect();
    format!(
        "Port {port}\nListenAddress 127.0.0.1\n{host_keys}AuthorizedKeysFile \
         {home}/authorized_keys\nPidFile none\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\nMaxStartups 100\nSubsystem sftp internal-sftp\n"
    )
}

/// Whether the server greets before it ends; a minute is far more than it needs.
fn answers(process: &mut Child, port: u16) -> bool {
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            let mut greeting = [0; 4];
            return stream.read_exact(&mut greeting).is_ok() && greeting == *b"SSH-";
        }
        std::thread::yield_now();
    }
    false
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn keygen(path: &Path, kind: &str, passphrase: &str) {
    run(Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"]).arg(path));
}

/// Runs a command and returns what it prints, without the last line end.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "a throwaway file of a test")]
fn put(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
