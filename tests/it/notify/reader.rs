//! Mails as a mail program sees them: read by Python's `email` module.

use rosterd::notify::{FolderTransport, Mail};
use serde::Deserialize;
use std::{collections::BTreeMap, process::Command};

/// Reads every `.eml` file of a folder in the order of its name, and prints what a mail program would show.
const READER: &str = r#"
import email, email.policy, json, pathlib, sys
def read(path):
    raw = path.read_bytes()
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    defects = [repr(d) for part in mail.walk() for d in part.defects]
    headers = {k: [str(v) for v in mail.get_all(k)] for k in mail.keys()}
    parts = [(p.get_content_type(), p.get_content().replace("\r\n", "\n")) for p in mail.iter_parts()]
    return dict(kind=mail.get_content_type(), headers=headers, parts=parts, defects=defects,
                long=max(len(l) for l in raw.split(b"\n")), ascii=raw.isascii())
print(json.dumps([read(p) for p in sorted(pathlib.Path(sys.argv[1]).glob("*.eml"))]))
"#;

#[derive(Deserialize)]
pub(crate) struct Read {
    pub(crate) kind: String,
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    pub(crate) parts: Vec<(String, String)>,
    pub(crate) defects: Vec<String>,
    pub(crate) long: usize,
    pub(crate) ascii: bool,
}

impl Read {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |values| {
            assert_eq!(values.len(), 1, "`{name}` stands once");
            values.first().map_or("", String::as_str)
        })
    }

    pub(crate) fn text(&self) -> &str {
        self.parts.first().map_or("", |(_, text)| text)
    }

    pub(crate) fn html(&self) -> &str {
        self.parts.get(1).map_or("", |(_, text)| text)
    }

    pub(crate) fn shown(&self) -> String {
        let names =
            ["From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted"];
        let headers: Vec<String> = names
            .iter()
            .filter(|name| self.headers.contains_key(**name))
            .map(|name| format!("{name}: {}", self.header(name)))
            .collect();
        format!("{}\n\n{}", headers.join("\n"), self.text())
    }
}

/// Delivers the mails into a folder and reads them back, in the order given.
pub(crate) fn read(mails: &[Mail]) -> Vec<Read> {
    let folder = tempfile::tempdir().unwrap();
    let transport = FolderTransport::new(folder.path());
    for (number, mail) in mails.iter().enumerate() {
        // A name of our own keeps the order; the transport's naming has its own test.
        let id = format!("<{number:04}@x>");
        transport.deliver(&id, mail.message.as_bytes()).unwrap();
    }
    let output = Command::new("python3").args(["-c", READER]).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Vec<Read> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read.len(), mails.len());
    for mail in &read {
        assert_eq!(mail.defects, Vec::<String>::new());
        assert_eq!(mail.kind, "multipart/alternative");
        let kinds: Vec<&str> = mail.parts.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["text/plain", "text/html"]);
        assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
        assert_eq!(mail.header("MIME-Version"), "1.0");
        assert!(mail.ascii && mail.long < 998, "RFC 5322, 2.1.1");
    }
    read
}
