//! Whole rows through a whole mapping. The people are invented.

mod fields;
mod safety;

use super::*;
use crate::roster::{Field, FingerprintKey, GroupRef, People, PeopleBuilder, RowAt, Standing};
use crate::table::{Header, Table};
use chrono::NaiveDate;

const HEADER: [&str; 17] = [
    "Employee ID",
    "First Name",
    "Last Name",
    "Birth Date",
    "Mobile Phone",
    "Home Phone",
    "Work Email",
    "Plan",
    "Street 1",
    "Street 2",
    "City",
    "State",
    "Zip",
    "Status",
    "Start",
    "End",
    "Division",
];

const GOOD: [&str; 17] = [
    "e-1",
    "Ada",
    "Quill",
    "05/15/1990",
    "(555) 123-4567",
    "",
    "ada@mail.example",
    "Gold",
    "1 Elm St",
    "Apt 2",
    "Troy",
    "New York",
    "12180",
    "Active",
    "",
    "",
    "East",
];

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 22).unwrap()
}

fn source(take: Take) -> FieldSource {
    FieldSource { take, formats: Vec::new(), values: None, restore_zeros: false, sensitive: None }
}

fn column(name: &str) -> FieldSource {
    source(Take::Column(name.to_owned()))
}

fn american() -> Vec<DateFormat> {
    vec![DateFormat { pattern: "%m/%d/%Y".to_owned(), pivot: None }]
}

fn date_column(name: &str) -> Option<DateColumn> {
    Some(DateColumn { column: name.to_owned(), formats: american() })
}

fn settings() -> Settings {
    let mut fields: std::collections::BTreeMap<Field, FieldSource> = [
        (Field::ReferenceId, "Employee ID"),
        (Field::FirstName, "First Name"),
        (Field::LastName, "Last Name"),
        (Field::DateOfBirth, "Birth Date"),
        (Field::Email, "Work Email"),
        (Field::PlanId, "Plan"),
        (Field::AddressLine1, "Street 1"),
        (Field::AddressLine2, "Street 2"),
        (Field::City, "City"),
        (Field::State, "State"),
        (Field::Zipcode, "Zip"),
    ]
    .into_iter()
    .map(|(field, name)| (field, column(name)))
    .collect();
    let phones = ["Mobile Phone", "Home Phone"].map(str::to_owned).to_vec();
    fields.insert(Field::Phone, source(Take::FirstOf(phones)));
    fields.get_mut(&Field::DateOfBirth).unwrap().formats = american();
    fields.get_mut(&Field::Zipcode).unwrap().restore_zeros = true;
    let plans = [("Gold", "pln_gold"), ("Silver", "pln_silver")];
    fields.get_mut(&Field::PlanId).unwrap().values = Some(Values {
        map: plans.map(|(cell, plan)| (cell.to_owned(), plan.to_owned())).into(),
        otherwise: None,
    });
    Settings {
        name: "hr".to_owned(),
        fields,
        blanks: vec!["N/A".to_owned(), "-".to_owned()],
        eligibility: Eligibility {
            status: Some(Status {
                column: "Status".to_owned(),
                covered: vec!["Active".to_owned(), "Leave".to_owned()],
                ended: vec!["Terminated".to_owned()],
            }),
            starts_on: date_column("Start"),
            ends_on: date_column("End"),
            when: None,
            timezone: chrono_tz::America::New_York,
        },
    }
}

fn group(name: &str) -> GroupRef {
    GroupRef::new(name).unwrap()
}

fn by_division() -> Grouping {
    Grouping {
        rule: GroupRule::Map {
            by: "Division".to_owned(),
            map: [("East", "acme-east"), ("West", "acme-west")]
                .map(|(value, name)| (value.to_owned(), group(name)))
                .into(),
        },
        unmatched: Unmatched::Hold,
        create_missing: false,
    }
}

fn header() -> Header {
    Header { names: HEADER.map(str::to_owned).to_vec(), line: 1 }
}

/// Columns with what stands in them instead.
type Changes<'a> = &'a [(&'a str, &'a str)];

/// [`GOOD`] with some cells replaced.
fn row<'a>(changes: &[(&str, &'a str)]) -> Vec<&'a str> {
    let mut cells: Vec<&str> = GOOD.to_vec();
    for (name, value) in changes {
        let at = HEADER.iter().position(|known| known == name).unwrap();
        cells[at] = value;
    }
    cells
}

fn map_with(settings: &Settings, rows: &[Vec<&str>]) -> (People, MapReport) {
    let key = FingerprintKey::new([7; 32]);
    let mapping = compile(settings, &by_division(), Some(&key)).unwrap();
    let mut bound = mapping.bind(&header()).unwrap();
    let mut people = PeopleBuilder::default();
    // Two batches, since a decoder never hands over a whole file.
    let mut number = 0;
    for batch in rows.chunks(rows.len().div_ceil(2).max(1)) {
        let mut table = Table::default();
        for cells in batch {
            number += 1;
            let at = RowAt { source: 0, record: number, line: number + 1 };
            table.push(at, cells.iter().copied());
        }
        bound.map(&table, today(), &mut people);
    }
    (people.finish(), bound.finish())
}

fn map(rows: &[Vec<&str>]) -> (People, MapReport) {
    map_with(&settings(), rows)
}

/// What becomes of one changed row.
fn one(changes: &[(&str, &str)]) -> (People, MapReport) {
    map(&[row(changes)])
}

fn standing(changes: &[(&str, &str)]) -> Standing {
    one(changes).0.get("e-1").unwrap().standing
}

fn value(changes: &[(&str, &str)], field: Field) -> Option<String> {
    let (people, _) = one(changes);
    let person = people.get("e-1")?;
    Some(people.record_of(person)?.get(field).to_owned())
}
