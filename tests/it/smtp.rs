//! A real mail server on loopback, as a throwaway: aiosmtpd with STARTTLS, TLS and AUTH, own certificates, a folder that
//! is removed, and a process that is killed when the value is dropped.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails here"
)]

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rosterd::{
    notify::{Encryption, MailSettings, Smtp, Transport},
    secret::Secret,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The password that the server takes.
pub(crate) const PASSWORD: &str = "s3cret-Zq";

/// How a server is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// `starttls`, `tls`, `none` or `silent`.
    pub(crate) mode: &'static str,
    /// `plain` or `login`; without it nobody needs to log in.
    pub(crate) auth: Option<&'static str>,
    /// The certificate that it shows: see [`certificates`].
    pub(crate) certificate: &'static str,
}

impl Manner {
    /// In the clear, for everybody.
    pub(crate) const PLAIN: Manner = Manner { mode: "none", auth: None, certificate: "right" };
}

/// A running server.
#[derive(Debug)]
pub(crate) struct MailServer {
    home: tempfile::TempDir,
    manner: Manner,
    process: Option<Child>,
    port: u16,
}

/// What a server has taken.
#[derive(Debug)]
pub(crate) struct Taken {
    /// For whom.
    pub(crate) to: Vec<String>,
    /// The message, byte for byte.
    pub(crate) message: String,
    /// The rest of the envelope.
    pub(crate) about: Value,
}

impl Taken {
    /// The value of a header that is on one line.
    pub(crate) fn header(&self, name: &str) -> &str {
        let line = self.message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default()
    }
}

/// The Python that has aiosmtpd, or nothing and a word about it.
pub(crate) fn python() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests/run.sh says so which Python has aiosmtpd")]
    let named = std::env::var("ROSTERD_TEST_PYTHON").map(PathBuf::from).ok();
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let python = named.or_else(|| usual.exists().then_some(usual));
    if python.is_none() {
        println!("SKIPPED: ROSTERD_TEST_PYTHON names no python with aiosmtpd 1.4.6; tests/run.sh sets it up");
    }
    python
}

impl MailServer {
    /// Starts a server; none where there is no aiosmtpd.
    pub(crate) fn start(manner: Manner) -> Option<Self> {
        python()?;
        let home = tempfile::tempdir().unwrap();
        certificates(home.path());
        put(&home.path().join("password"), &format!("{PASSWORD}\n"));
        std::fs::create_dir(home.path().join("out")).unwrap();
        let mut server = Self { home, manner, process: None, port: 0 };
        server.come_back();
        Some(server)
    }

    /// The server is killed: nobody listens on its port.
    pub(crate) fn go_away(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }

    /// The server starts, on the port that it had before.
    pub(crate) fn come_back(&mut self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/smtp_server.py");
        let mut command = Command::new(python().unwrap());
        command.arg(script).arg("--out").arg(self.path("out")).args(["--mode", self.manner.mode]);
        command.args(["--port", &self.port.to_string(), "--password", PASSWORD]);
        command.arg("--certificate").arg(self.path(&format!("{}.pem", self.manner.certificate)));
        command.arg("--key").arg(self.path(&format!("{}.key", self.manner.certificate)));
        if let Some(auth) = self.manner.auth {
            command.args(["--auth", auth]);
        }
        let log = std::fs::File::create(self.path("log")).unwrap();
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
        self.process = Some(process);
        let port = said.trim().strip_prefix("port ").and_then(|port| port.parse().ok());
        let log = || std::fs::read_to_string(self.path("log")).unwrap_or_default();
        self.port = port.unwrap_or_else(|| panic!("the mail server does not start: {}", log()));
    }

    /// What it does from here on: see tests/python/smtp_server.py.
    pub(crate) fn behave(&self, how: &Value) {
        let part = self.path("behaviour.part");
        put(&part, &how.to_string());
        std::fs::rename(part, self.path("out/behaviour.json")).unwrap();
    }

    /// Everything that it has taken, in order.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        let entries = std::fs::read_dir(self.path("out")).unwrap();
        let mut mails: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        mails.retain(|path| path.extension().is_some_and(|ending| ending == "eml"));
        mails.sort();
        let taken = |path: PathBuf| {
            let about = std::fs::read_to_string(path.with_extension("json")).unwrap();
            let about: Value = serde_json::from_str(&about).unwrap();
            let to = serde_json::from_value(about.get("to").unwrap().clone()).unwrap();
            Taken { to, message: std::fs::read_to_string(path).unwrap(), about }
        };
        mails.into_iter().map(taken).collect()
    }

    /// A path beside its certificates.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How to reach it.
    pub(crate) fn smtp(&self) -> Smtp {
        let encryption = match self.manner.mode {
            "starttls" => Encryption::StartTls,
            "tls" => Encryption::Tls,
            _ => Encryption::None,
        };
        Smtp {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            encryption,
            login: self.manner.auth.map(|_| rosterd::notify::Login {
                username: "rosterd".to_owned(),
                password: Secret::File(self.path("password")),
            }),
            ca_file: (encryption != Encryption::None).then(|| self.path("ca.pem")),
            time_limit: Duration::from_secs(20),
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.go_away();
    }
}

/// Settings with this mail server, and two recipients.
pub(crate) fn settings(smtp: Smtp) -> MailSettings {
    MailSettings {
        transport: Transport::Smtp(smtp),
        from: "rosterd <alerts@partner.example>".to_owned(),
        to: vec!["ops@partner.example".to_owned(), "Duty <duty@partner.example>".to_owned()],
        feeds: BTreeMap::new(),
        remind_every: Duration::from_secs(24 * 60 * 60),
        at_most: rosterd::notify::AtMost::default(),
    }
}

/// A certificate authority (`ca.pem`) with certificates for this host (`right`), for another (`other`) and one that
/// is past its end (`expired`); and a certificate of an authority that nobody knows (`stranger`).
fn certificates(home: &Path) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params, KeyPair::generate().unwrap())
    };
    let ((params, key), (strange, strange_key)) = (authority("ours"), authority("nobody's"));
    put(&home.join("ca.pem"), &params.self_signed(&key).unwrap().pem());
    let (ours, nobodys) = (Issuer::new(params, key), Issuer::new(strange, strange_key));
    let here = || vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    for (name, names, issuer) in [
        ("right", here(), &ours),
        ("other", vec!["mail.example".to_owned()], &ours),
        ("expired", here(), &ours),
        ("stranger", here(), &nobodys),
    ] {
        let mut params = CertificateParams::new(names).unwrap();
        if name == "expired" {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        put(&home.join(format!("{name}.pem")), &params.signed_by(&key, issuer).unwrap().pem());
        put(&home.join(format!("{name}.key")), &key.serialize_pem());
    }
}

#[expect(clippy::disallowed_methods, reason = "a throwaway file of a test")]
pub(crate) fn put(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
