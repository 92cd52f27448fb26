//! What is compared with: csv and serde_json alone, doing the bare conversion of the cells as they are. No rule
//! is checked, nothing is normalised, nobody is looked up.

use anyhow::Context as _;
use csv::ByteRecord;
use serde::{Deserialize, Serialize};
use std::{fs::File, io::Write as _};

/// How much JSON is gathered before it is given away, as rosterd does it.
const CHUNK: usize = 64 * 1024;

#[derive(Serialize)]
struct Member<'a> {
    reference_id: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    date_of_birth: &'a str,
    phone: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    email: &'a str,
    plan_id: &'a str,
    address: Address<'a>,
}

#[derive(Serialize)]
struct Address<'a> {
    address_line_1: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    address_line_2: &'a str,
    city: &'a str,
    state: &'a str,
    zipcode: &'a str,
}

/// A row as csv's own deserializer gives it.
#[derive(Deserialize)]
struct Row<'a> {
    #[serde(rename = "Employee ID")]
    reference_id: &'a str,
    #[serde(rename = "First Name")]
    first_name: &'a str,
    #[serde(rename = "Last Name")]
    last_name: &'a str,
    #[serde(rename = "Birth Date")]
    date_of_birth: &'a str,
    #[serde(rename = "Mobile Phone")]
    phone: &'a str,
    #[serde(rename = "Work Email")]
    email: &'a str,
    #[serde(rename = "Plan")]
    plan_id: &'a str,
    #[serde(rename = "Street 1")]
    address_line_1: &'a str,
    #[serde(rename = "Street 2")]
    address_line_2: &'a str,
    #[serde(rename = "City")]
    city: &'a str,
    #[serde(rename = "State")]
    state: &'a str,
    #[serde(rename = "Zip")]
    zipcode: &'a str,
}

impl<'a> From<Row<'a>> for Member<'a> {
    fn from(row: Row<'a>) -> Self {
        Self {
            reference_id: row.reference_id,
            first_name: row.first_name,
            last_name: row.last_name,
            date_of_birth: row.date_of_birth,
            phone: row.phone,
            email: row.email,
            plan_id: row.plan_id,
            address: Address {
                address_line_1: row.address_line_1,
                address_line_2: row.address_line_2,
                city: row.city,
                state: row.state,
                zipcode: row.zipcode,
            },
        }
    }
}

fn reader(file: File) -> csv::Reader<File> {
    csv::ReaderBuilder::new().buffer_capacity(1 << 20).from_reader(file)
}

/// Reads every record; returns how many there are.
pub(super) fn count(file: File) -> anyhow::Result<u64> {
    let (mut reader, mut record, mut rows) = (reader(file), ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record)? {
        rows += 1;
    }
    Ok(rows)
}

/// Takes the cells by their place: the fastest that the two libraries allow. Returns the bytes written.
pub(super) fn convert(file: File) -> anyhow::Result<u64> {
    let (mut reader, mut record, mut out) = (reader(file), ByteRecord::new(), Out::default());
    while reader.read_byte_record(&mut record)? {
        let cell = |at: usize| anyhow::Ok(std::str::from_utf8(record.get(at).context("a short row")?)?);
        out.put(&Member {
            reference_id: cell(0)?,
            first_name: cell(1)?,
            last_name: cell(2)?,
            date_of_birth: cell(3)?,
            phone: cell(4)?,
            email: cell(6)?,
            plan_id: cell(7)?,
            address: Address {
                address_line_1: cell(8)?,
                address_line_2: cell(9)?,
                city: cell(10)?,
                state: cell(11)?,
                zipcode: cell(12)?,
            },
        })?;
    }
    out.finish()
}

/// Lets csv's deserializer find the cells by the header. Returns the bytes written.
pub(super) fn convert_by_serde(file: File) -> anyhow::Result<u64> {
    let (mut reader, mut record, mut out) = (reader(file), ByteRecord::new(), Out::default());
    let header = reader.byte_headers()?.clone();
    while reader.read_byte_record(&mut record)? {
        out.put(&Member::from(record.deserialize::<Row<'_>>(Some(&header))?))?;
    }
    out.finish()
}

/// JSON on its way to nowhere, in pieces of [`CHUNK`].
#[derive(Default)]
struct Out {
    text: Vec<u8>,
    members: u64,
    written: u64,
}

impl Out {
    fn put(&mut self, member: &Member<'_>) -> anyhow::Result<()> {
        self.text.extend_from_slice(if self.members == 0 { b"{\"members\":[" } else { b"," });
        serde_json::to_writer(&mut self.text, member)?;
        self.members += 1;
        if self.text.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        std::io::sink().write_all(&self.text)?;
        self.written += self.text.len() as u64;
        self.text.clear();
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<u64> {
        self.text.extend_from_slice(b"]}");
        self.flush()?;
        Ok(self.written)
    }
}
