//! What a server said, or did not say, in words that can stand behind its name.
//!
//! lettre's `is_timeout` and `is_transient` are not to be relied on: the code of an answer and the chain of causes
//! say what happened.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lettre::transport::smtp::{Error, response::Response};
use rustls::CertificateError;
use std::{error::Error as _, io, time::Duration};

/// The longest answer of a server that is shown.
const SHOWN: usize = 200;

/// Puts answers into words, without what must not be shown.
#[derive(Default)]
pub(super) struct Words {
    /// The password, and the forms in which it goes over the wire.
    hidden: Vec<String>,
}

impl Words {
    /// Words in which this login is not shown, though a server repeat it.
    pub(super) fn hiding(username: &str, password: &str) -> Self {
        let plain = format!("\0{username}\0{password}");
        let mut hidden = vec![STANDARD.encode(plain), STANDARD.encode(password), password.to_owned()];
        hidden.retain(|text| !text.is_empty());
        Self { hidden }
    }

    /// A good answer: `250 2.0.0 queued as 4711`.
    pub(super) fn answer(&self, response: &Response) -> String {
        let lines: Vec<&str> = response.message().collect();
        self.said(&response.code().to_string(), &lines.join(" "))
    }

    /// What went wrong.
    pub(super) fn of(&self, error: &Error) -> String {
        if let Some(code) = error.status() {
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            return format!("answers {}", self.said(&code.to_string(), &text));
        }
        chain(error)
    }

    /// What went wrong when we logged in.
    pub(super) fn login(&self, error: &Error) -> String {
        match error.status().map(u16::from) {
            Some(530 | 534 | 535 | 538) => {
                format!(
                    "refuses the login ({}); correct `alerts.smtp.username` and `password`",
                    self.of(error)
                )
            }
            Some(_) | None => self.of(error),
        }
    }

    fn said(&self, code: &str, text: &str) -> String {
        let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        for hidden in &self.hidden {
            text = text.replace(hidden, "…");
        }
        let text = text.trim();
        let cut: String = text.chars().take(SHOWN).collect();
        let more = if cut.len() < text.len() { "…" } else { "" };
        if cut.is_empty() { code.to_owned() } else { format!("{code} {cut}{more}") }
    }
}

/// That the time was over.
pub(super) fn limited(limit: Duration) -> String {
    format!("did not answer within {} s", limit.as_secs_f64())
}

/// The first cause that says something.
fn chain(error: &Error) -> String {
    let mut cause = error.source();
    while let Some(one) = cause {
        if let Some(tls) = one.downcast_ref::<rustls::Error>() {
            return tls_words(tls);
        }
        if let Some(io) = one.downcast_ref::<io::Error>() {
            match io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(tls) => return tls_words(tls),
                None => return io_words(io),
            }
        }
        cause = one.source();
    }
    // lettre's own words: of a server's answers none is in them, but for those that are no SMTP.
    match error.source().map(ToString::to_string).as_deref() {
        Some("incomplete response") => "closed the connection".to_owned(),
        Some(text) if error.is_client() => format!("cannot be spoken to: {text}"),
        Some(_) | None => {
            "does not speak SMTP as it is configured; look at `alerts.smtp.port` and `encryption`".to_owned()
        }
    }
}

/// A failing connection, without an address.
pub(super) fn io_words(error: &io::Error) -> String {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut, UnexpectedEof,
    };
    let kind = error.kind();
    if kind == ConnectionRefused {
        "nobody listens there".to_owned()
    } else if matches!(kind, ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof) {
        "closed the connection".to_owned()
    } else if kind == TimedOut {
        "no answer came".to_owned()
    } else {
        error.to_string()
    }
}

fn tls_words(error: &rustls::Error) -> String {
    if let rustls::Error::InvalidCertificate(why) = error {
        return match known(why) {
            Some(what) => format!("shows a certificate that is {what}"),
            None => format!("shows a certificate that is refused: {why}"),
        };
    }
    if matches!(error, rustls::Error::InvalidMessage(_)) {
        return "does not begin with TLS; if it speaks in the clear first, write `encryption: starttls`"
            .to_owned();
    }
    format!("does not agree on TLS: {error}")
}

/// What is usually wrong with a certificate, and what to do.
fn known(why: &CertificateError) -> Option<&'static str> {
    use CertificateError as Why;
    if matches!(why, Why::UnknownIssuer | Why::BadSignature) {
        // Another key under the name of a known authority is another authority.
        Some(
            "from an authority that this host does not know; name the authority's certificate in `alerts.smtp.ca_file`",
        )
    } else if matches!(why, Why::NotValidForName | Why::NotValidForNameContext { .. }) {
        Some("for another name; write that name in `alerts.smtp.host`")
    } else if matches!(why, Why::Expired | Why::ExpiredContext { .. }) {
        Some("past its end; have the server's renewed, and look at this host's clock")
    } else if matches!(why, Why::NotValidYet | Why::NotValidYetContext { .. }) {
        Some("not valid yet; look at this host's clock")
    } else if matches!(why, Why::Revoked) {
        Some("revoked; ask whoever runs the server")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_short_on_one_line_and_without_the_password() {
        let words = Words::hiding("rosterd", "s3cret");
        let wire = STANDARD.encode("\0rosterd\0s3cret");
        let said = words.said("535", &format!("no\r\n{wire} or s3cret {}", "x".repeat(300)));
        assert!(said.starts_with("535 no  … or … xxx") && said.ends_with("x…"), "{said}");
        assert!(said.chars().count() < 210 && !said.contains("s3cret") && !said.contains(&wire));
        assert_eq!(words.said("250", ""), "250");
    }
}
