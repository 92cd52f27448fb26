//! The body of a submit: JSON written member by member, never built as a tree.
//!
//! One writer serves three uses: the counting pass for Content-Length, the chunks of the request, and
//! [`write_body`], with which `plan` shows the very bytes.

use super::submit::Sending;
use crate::{decide::Submission, roster::RecordRef};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// How many bytes go into one chunk of the request, about.
const CHUNK: u64 = 64 * 1024;

/// Where the writer's bytes go: into memory, or into a count.
trait Out {
    fn put(&mut self, bytes: &[u8]);
    fn size(&self) -> u64;
}

impl Out for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
    fn size(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }
}

/// The counting pass.
struct Count(u64);

impl Out for Count {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.0 += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    }
    fn size(&self) -> u64 {
        self.0
    }
}

/// How far the writer has come in a submission.
#[derive(Default)]
struct Cursor {
    next: usize,
    begun: bool,
    done: bool,
}

impl Cursor {
    /// Writes on, until `out` holds `enough` bytes or the body is at its end.
    ///
    /// # Errors
    /// When a member of the submission has no record: leaving it out would end a person's coverage.
    fn write(&mut self, submission: &Submission, out: &mut impl Out, enough: u64) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            out.put(br#"{"members":["#);
        }
        while !self.done && out.size() < enough {
            if self.next == submission.len() {
                out.put(b"]}");
                self.done = true;
                return Ok(());
            }
            let Some(member) = submission.member(self.next) else {
                return Err(io::Error::other(format!(
                    "member {} of the submission has no record; this is a defect of rosterd, please report it",
                    self.next + 1
                )));
            };
            if self.next > 0 {
                out.put(b",");
            }
            write_member(out, member.record);
            self.next += 1;
        }
        Ok(())
    }
}

/// Writes one member in the layout of the guide ("Group Member Sync"); empty optional fields are left out.
fn write_member(out: &mut impl Out, record: RecordRef<'_>) {
    // Nearly every record has nothing to escape: one look at its whole text spares a look at each value.
    let clean = !needs_escape(record.text().as_bytes());
    // In the order of `Field::ALL`.
    let [id, first, last, birth, phone, email, plan, line_1, line_2, city, state, zip] = record.values();
    let mut value = |name: &[u8], text: &str| {
        out.put(name);
        if clean {
            out.put(text.as_bytes());
        } else {
            escape(out, text);
        }
    };
    value(br#"{"reference_id":""#, id);
    value(br#"","first_name":""#, first);
    value(br#"","last_name":""#, last);
    value(br#"","date_of_birth":""#, birth);
    value(br#"","phone":""#, phone);
    if !email.is_empty() {
        value(br#"","email":""#, email);
    }
    value(br#"","plan_id":""#, plan);
    value(br#"","address":{"address_line_1":""#, line_1);
    if !line_2.is_empty() {
        value(br#"","address_line_2":""#, line_2);
    }
    value(br#"","city":""#, city);
    value(br#"","state":""#, state);
    value(br#"","zipcode":""#, zip);
    out.put(br#""}}"#);
}

/// Whether a JSON string must escape one of these bytes. A fold without a branch, so that it is vectorised.
fn needs_escape(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, &byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}

/// Writes the inside of a JSON string, with the escapes that `serde_json` writes.
fn escape(out: &mut impl Out, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let short: &[u8] = match byte {
            b'"' => br#"\""#,
            b'\\' => br"\\",
            0x08 => br"\b",
            0x0c => br"\f",
            b'\n' => br"\n",
            b'\r' => br"\r",
            b'\t' => br"\t",
            0x00..=0x1f => b"",
            _ => continue,
        };
        out.put(bytes.get(plain..at).unwrap_or_default());
        plain = at + 1;
        if short.is_empty() {
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            out.put(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xf)]);
        } else {
            out.put(short);
        }
    }
    out.put(bytes.get(plain..).unwrap_or_default());
}

/// Writes the body that a submit of this submission sends, byte for byte, and returns its length in bytes.
///
/// # Errors
/// When `out` cannot be written, or when a member of the submission has no record (a defect).
pub fn write_body(submission: &Submission, out: &mut impl io::Write) -> io::Result<u64> {
    let mut cursor = Cursor::default();
    let mut buffer = Vec::new();
    let mut written = 0;
    while !cursor.done {
        buffer.clear();
        cursor.write(submission, &mut buffer, CHUNK)?;
        out.write_all(&buffer)?;
        written += buffer.size();
    }
    Ok(written)
}

/// The length of the body in bytes, for Content-Length.
///
/// # Errors
/// When a member of the submission has no record (a defect).
pub(super) fn body_length(submission: &Submission) -> io::Result<u64> {
    let mut count = Count(0);
    Cursor::default().write(submission, &mut count, u64::MAX)?;
    Ok(count.0)
}

/// The request's body, of a known length.
pub(super) struct RosterBody {
    submission: Arc<Submission>,
    sending: Arc<Sending>,
    cursor: Cursor,
    left: u64,
}

impl RosterBody {
    /// A body of `length` bytes, as [`body_length`] counted them.
    pub(super) fn new(submission: Arc<Submission>, sending: Arc<Sending>, length: u64) -> Self {
        Self { submission, sending, cursor: Cursor::default(), left: length }
    }

    fn chunk(&mut self) -> io::Result<Bytes> {
        let room = usize::try_from(self.left.min(CHUNK + 4096)).unwrap_or_default();
        let mut buffer = Vec::with_capacity(room);
        self.cursor.write(&self.submission, &mut buffer, CHUNK)?;
        self.left = self
            .left
            .checked_sub(buffer.size())
            .ok_or_else(|| io::Error::other("the body is longer than it was counted"))?;
        Ok(Bytes::from(buffer))
    }
}

impl http_body::Body for RosterBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if this.cursor.done {
            return Poll::Ready(None);
        }
        // The HTTP library polls the body once a connection stands, and writes the request's head no earlier
        // than it has the first chunk: what this call refuses never leaves, not by one byte.
        let frame = this.sending.proceed().and_then(|()| this.chunk()).map(Frame::data);
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.cursor.done
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{Draft, Field, GroupRef, Records};
    use proptest::prelude::*;
    use serde_json::json;

    fn submission(people: &[[&str; 4]]) -> Submission {
        let mut records = Records::default();
        for [id, name, email, line_2] in people {
            let mut draft = Draft::default();
            for (field, value) in [
                (Field::ReferenceId, *id),
                (Field::FirstName, *name),
                (Field::LastName, "Quill"),
                (Field::DateOfBirth, "1990-05-15"),
                (Field::Phone, "5551234567"),
                (Field::Email, *email),
                (Field::PlanId, "pln_a"),
                (Field::AddressLine1, "1 Elm St"),
                (Field::AddressLine2, *line_2),
                (Field::City, "Troy"),
                (Field::State, "NY"),
                (Field::Zipcode, "12180"),
            ] {
                draft.value_mut(field).push_str(value);
            }
            records.push(&draft).unwrap();
        }
        Submission::of(GroupRef::new("acme").unwrap(), records)
    }

    fn written(submission: &Submission) -> Vec<u8> {
        let mut bytes = Vec::new();
        let length = write_body(submission, &mut bytes).unwrap();
        assert_eq!(length, bytes.size());
        assert_eq!(body_length(submission).unwrap(), length);
        bytes
    }

    #[test]
    fn optional_fields_are_left_out_when_empty_and_the_order_is_the_guides() {
        let bytes =
            written(&submission(&[["e-1", "Ada", "", ""], ["e-2", r#"Bo "B" \ é"#, "b@x.example", "Apt 2"]]));
        let expected = concat!(
            r#"{"members":[{"reference_id":"e-1","first_name":"Ada","last_name":"Quill","#,
            r#""date_of_birth":"1990-05-15","phone":"5551234567","plan_id":"pln_a","#,
            r#""address":{"address_line_1":"1 Elm St","city":"Troy","state":"NY","zipcode":"12180"}},"#,
            r#"{"reference_id":"e-2","first_name":"Bo \"B\" \\ é","last_name":"Quill","#,
            r#""date_of_birth":"1990-05-15","phone":"5551234567","email":"b@x.example","plan_id":"pln_a","#,
            r#""address":{"address_line_1":"1 Elm St","address_line_2":"Apt 2","city":"Troy","state":"NY","#,
            r#""zipcode":"12180"}}]}"#
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn an_empty_roster_is_an_empty_list() {
        assert_eq!(written(&submission(&[])), br#"{"members":[]}"#);
    }

    #[test]
    fn a_body_of_many_chunks_reads_back_as_every_member() {
        let ids: Vec<String> = (0..2000).map(|n| format!("e-{n}")).collect();
        let people: Vec<_> = ids.iter().map(|id| [id.as_str(), "Ada", "", ""]).collect();
        let read: serde_json::Value = serde_json::from_slice(&written(&submission(&people))).unwrap();
        let found: Vec<_> = read["members"].as_array().unwrap().iter().map(|m| &m["reference_id"]).collect();
        assert_eq!(json!(ids), json!(found));
    }

    proptest! {
        #[test]
        fn strings_are_escaped_as_serde_json_escapes_them(
            text in proptest::string::string_regex("(?s)[\\x00-\\x7f]{0,40}|.{0,40}").unwrap(),
        ) {
            let mut bytes = vec![b'"'];
            escape(&mut bytes, &text);
            bytes.push(b'"');
            prop_assert_eq!(needs_escape(text.as_bytes()), bytes.len() != text.len() + 2);
            prop_assert_eq!(String::from_utf8(bytes).unwrap(), serde_json::to_string(&text).unwrap());
        }
    }
}
