//! Receiving a submitted roster: parsed while it arrives, so that a million members never stand in memory as text.

use super::{
    answer::Refused,
    member::{Person, REFERENCE, WireMember},
};
use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sha2::{Digest, Sha256};
use std::{
    fmt,
    io::{self, BufReader, Read},
};
use tokio::sync::mpsc;

/// A message names at most so many fields; a roster of a million may have every one wrong.
const NAMED_PROBLEMS: usize = 10_000;

/// What arrived, whatever it said.
#[derive(Clone, Default)]
pub(super) struct Received {
    /// Length of the body.
    pub(super) bytes: u64,
    /// SHA-256 of the body, in hexadecimal.
    pub(super) sha256: String,
    /// The body itself, when it was small enough to be kept.
    pub(super) body: Option<Bytes>,
}

/// The members of a payload, with everything that is wrong with them.
#[derive(Default)]
pub(super) struct Roster {
    /// As they came.
    pub(super) people: Vec<Person>,
    problems: Vec<String>,
    more: usize,
    has_members: bool,
}

impl Roster {
    fn complain(&mut self, problem: impl FnOnce() -> String) {
        if self.problems.len() < NAMED_PROBLEMS {
            self.problems.push(problem());
        } else {
            self.more += 1;
        }
    }

    fn take(&mut self, member: WireMember) {
        let index = self.people.len();
        let mut found = Vec::new();
        let person = member.check(|path, reference, rule| {
            found.push(format!("members[{index}].{path} (reference_id {reference:?}): {rule}"));
        });
        for problem in found {
            self.complain(|| problem);
        }
        self.people.push(person);
    }

    /// A reference is unique within the payload.
    fn find_duplicates(&mut self) {
        let reference = |index: &usize| self.people.get(*index).map_or("", |person| person.get(REFERENCE));
        let mut order: Vec<usize> = (0..self.people.len()).collect();
        order.sort_by(|a, b| reference(a).cmp(reference(b)).then(a.cmp(b)));
        let mut duplicates: Vec<(usize, usize)> = Vec::new();
        for pair in order.windows(2) {
            if let [first, second] = pair
                && !reference(first).is_empty()
                && reference(first) == reference(second)
            {
                duplicates.push((*first, *second));
            }
        }
        for (first, second) in duplicates {
            let name = self.people.get(second).map(|person| person.get(REFERENCE).to_owned());
            let name = name.unwrap_or_default();
            self.complain(|| {
                format!("members[{second}].reference_id (reference_id {name:?}): is the same as that of members[{first}]")
            });
        }
    }

    /// The members, or the 400 that lists every failing field.
    fn checked(mut self) -> Result<Vec<Person>, Refused> {
        if !self.has_members {
            return Err(Refused::invalid("members: this field is required".to_owned()));
        }
        self.find_duplicates();
        if self.problems.is_empty() {
            return Ok(self.people);
        }
        let mut message = self.problems.join("; ");
        if self.more > 0 {
            message.push_str(&format!("; and {} more", self.more));
        }
        Err(Refused::invalid(message))
    }
}

/// Reads a submitted body to its end.
///
/// The members are refused with 400 when the JSON is malformed, breaks off, or breaks a rule.
pub(super) async fn receive(body: Body, keep_up_to: usize) -> (Received, Result<Vec<Person>, Refused>) {
    let (chunks, incoming) = mpsc::channel(16);
    let parsing = tokio::task::spawn_blocking(move || parse(ChunkReader { incoming, current: Bytes::new() }));
    let mut digest = Sha256::new();
    let mut received = Received::default();
    let mut kept = Some(Vec::new());
    let mut stream = body.into_data_stream();
    let mut broken = false;
    while let Some(chunk) = stream.next().await {
        let Ok(chunk) = chunk else {
            broken = true;
            break;
        };
        digest.update(&chunk);
        received.bytes += chunk.len() as u64;
        if let Some(text) = &mut kept {
            text.extend_from_slice(&chunk);
        }
        if kept.as_ref().is_some_and(|text| text.len() > keep_up_to) {
            kept = None;
        }
        // The parser may have given up; the rest is still to be read, or the client never hears why.
        chunks.send(chunk).await.unwrap_or(());
    }
    drop(chunks);
    received.body = kept.map(Bytes::from);
    received.sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let people = match parsing.await {
        _ if broken => Err(Refused::invalid("the body broke off".to_owned())),
        Ok(people) => people,
        Err(_) => Err(Refused::invalid("the body could not be read".to_owned())),
    };
    (received, people)
}

struct ChunkReader {
    incoming: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Read for ChunkReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.incoming.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let count = buf.len().min(self.current.len());
        let part = self.current.split_to(count);
        if let Some(to) = buf.get_mut(..count) {
            to.copy_from_slice(&part);
        }
        Ok(count)
    }
}

fn parse(reader: ChunkReader) -> Result<Vec<Person>, Refused> {
    let mut roster = Roster::default();
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(256 << 10, reader));
    let read = (&mut json).deserialize_map(Payload(&mut roster)).and_then(|()| json.end());
    match read {
        Ok(()) => roster.checked(),
        Err(error) => Err(Refused::malformed(&error)),
    }
}

/// `{"members": […]}`.
struct Payload<'a>(&'a mut Roster);

impl<'de> Visitor<'de> for Payload<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `members`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "members" && !self.0.has_members {
                self.0.has_members = true;
                map.next_value_seed(Members(self.0))?;
            } else if key == "members" {
                return Err(serde::de::Error::custom("`members` stands twice"));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The list itself.
struct Members<'a>(&'a mut Roster);

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of members")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(member) = seq.next_element::<WireMember>()? {
            self.0.take(member);
        }
        Ok(())
    }
}
