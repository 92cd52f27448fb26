//! OpenSSH's own server on loopback, as a throwaway: own host keys, own authorized keys, a free port, a
//! folder that is removed, and a process that is killed when the value is dropped.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use rosterd::{
    secret::Secret,
    source::{HostKey, Patience, Sftp},
};
use std::{
    io::Read as _,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

/// A running server.
#[derive(Debug)]
pub(crate) struct Sshd {
    home: tempfile::TempDir,
    process: Child,
    port: u16,
}

/// How a server is to be other than the usual one. Of the lines for `sshd_config` the first of a kind counts.
#[derive(Default)]
pub(crate) struct Options<'o> {
    /// Lines for `sshd_config`, before ours. `{home}` is the server's folder.
    pub(crate) config: &'o str,
    /// Is shown the folder with the keys before the server starts.
    pub(crate) prepare: Option<&'o dyn Fn(&Path)>,
    /// Where the server's folder is made; the folder for temporary files when nothing is said.
    pub(crate) below: Option<&'o Path>,
}

/// The kinds of host key that a server is started with.
pub(crate) const HOST_KEYS: [&str; 2] = ["ed25519", "rsa"];

/// Two RSA keys with their public halves: they take long to make, so that all servers of a test run share them.
static RSA: OnceLock<[(String, String); 2]> = OnceLock::new();

fn rsa_pair() -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    keygen(&path, "rsa", "");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    (read("key"), read("key.pub"))
}

fn write_pair(path: &Path, (private, public): &(String, String)) {
    put(path, private);
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    put(&path.with_extension("pub"), public);
}

impl Sshd {
    /// Starts a server that lets the present user in with the keys `ed25519`, `rsa` and `locked` (whose
    /// passphrase is `open sesame`), but not with `stranger`.
    pub(crate) fn start() -> Self {
        Self::start_with(&Options::default())
    }

    /// The same, but for these options.
    pub(crate) fn start_with(options: &Options<'_>) -> Self {
        let home = match options.below {
            Some(folder) => tempfile::tempdir_in(folder).unwrap(),
            None => tempfile::tempdir().unwrap(),
        };
        let path = home.path();
        keygen(&path.join("host_ed25519"), "ed25519", "");
        keygen(&path.join("ed25519"), "ed25519", "");
        let [host_rsa, rsa] = RSA.get_or_init(|| [rsa_pair(), rsa_pair()]);
        write_pair(&path.join("host_rsa"), host_rsa);
        write_pair(&path.join("rsa"), rsa);
        keygen(&path.join("locked"), "ed25519", "open sesame");
        keygen(&path.join("stranger"), "ed25519", "");
        put(&path.join("passphrase"), "open sesame\n");
        let allowed: Vec<String> = ["ed25519", "rsa", "locked"]
            .iter()
            .map(|name| std::fs::read_to_string(path.join(format!("{name}.pub"))).unwrap())
            .collect();
        put(&path.join("authorized_keys"), &allowed.concat());
        std::fs::create_dir(path.join("files")).unwrap();
        if let Some(prepare) = options.prepare {
            prepare(path);
        }
        // As root, sshd wants this folder for the part of it that has no rights; elsewhere nobody misses it.
        drop(std::fs::create_dir_all("/run/sshd"));
        // Between the port being found free and sshd taking it another test may come first: then sshd ends,
        // and another is tried.
        for _ in 0..10 {
            let port = free_port();
            let first = options.config.replace("{home}", &path.display().to_string());
            put(&path.join("sshd_config"), &format!("{first}\n{}", config(path, port)));
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
            patience: Patience { pause: Duration::from_millis(50), ..Patience::default() },
        }
    }

    /// A server that is not there.
    pub(crate) fn nowhere() -> Sftp {
        Sftp {
            host: "nobody.invalid".to_owned(),
            port: 22,
            username: "vitable".to_owned(),
            private_key: None,
            passphrase: None,
            password: None,
            host_key: HostKey::Fingerprint(String::new()),
            patience: Patience::default(),
        }
    }

    /// Lets one more key in: the public half beside this name.
    pub(crate) fn authorize(&self, key: &str) {
        let path = self.path("authorized_keys");
        let public = std::fs::read_to_string(self.path(&format!("{key}.pub"))).unwrap();
        put(&path, &(std::fs::read_to_string(&path).unwrap() + &public));
    }

    /// Kills the server and every connection that it serves, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        kill(&self.processes());
        drop(self.process.wait());
    }

    /// Kills every connection that the server serves, while it goes on to take new ones.
    pub(crate) fn kill_sessions(&self) {
        kill(self.processes().get(1..).unwrap());
    }

    /// The server's process, and behind it those below it: a connection is a process of its own, and its user's
    /// part of it another one.
    fn processes(&self) -> Vec<String> {
        let mut pids = vec![self.process.id().to_string()];
        let mut at = 0;
        while let Some(pid) = pids.get(at) {
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            pids.extend(children.unwrap_or_default().split_whitespace().map(str::to_owned));
            at += 1;
        }
        pids
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

fn kill(pids: &[String]) {
    for pid in pids {
        drop(Command::new("kill").args(["-9", pid]).output());
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

/// Makes a key pair without a word.
pub(crate) fn keygen(path: &Path, kind: &str, passphrase: &str) {
    run(Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"]).arg(path));
}

/// Runs a command and returns what it prints, without the last line end.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "a throwaway file of a test")]
/// Writes a whole file.
pub(crate) fn put(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
