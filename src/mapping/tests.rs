//! Whole rows through a whole mapping. The people are invented.

use super::*;
use crate::roster::{
    Field, FingerprintKey, GroupRef, Ineligible, People, PeopleBuilder, Route, RowAt, Rule, Standing, check,
};
use crate::table::{Header, Table};
use chrono::NaiveDate;
use proptest::prelude::*;

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
    FieldSource {
        take,
        formats: Vec::new(),
        values: None,
        restore_zeros: false,
        sensitive: None,
    }
}

fn column(name: &str) -> FieldSource {
    source(Take::Column(name.to_owned()))
}

fn american() -> Vec<DateFormat> {
    vec![DateFormat {
        pattern: "%m/%d/%Y".to_owned(),
        pivot: None,
    }]
}

fn date_column(name: &str) -> Option<DateColumn> {
    Some(DateColumn {
        column: name.to_owned(),
        formats: american(),
    })
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
        map: plans
            .map(|(cell, plan)| (cell.to_owned(), plan.to_owned()))
            .into(),
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
    Header {
        names: HEADER.map(str::to_owned).to_vec(),
        line: 1,
    }
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
            let at = RowAt {
                source: 0,
                record: number,
                line: number + 1,
            };
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

#[test]
fn a_good_row_becomes_a_member_as_the_contract_wants_it() {
    let (people, report) = one(&[]);
    let person = people.get("e-1").unwrap();
    let record = people.record_of(person).unwrap();
    let found = Field::ALL.map(|field| record.get(field));
    let expected = [
        "e-1",
        "Ada",
        "Quill",
        "1990-05-15",
        "5551234567",
        "ada@mail.example",
        "pln_gold",
        "1 Elm St",
        "Apt 2",
        "Troy",
        "NY",
        "12180",
    ];
    assert_eq!(found, expected);
    assert_eq!(person.route, Route::Group(0));
    assert_eq!(people.groups, [group("acme-east")]);
    assert_eq!((report.rows, report.eligible, report.unusable), (1, 1, 0));
    assert_eq!(report.filled.get("Home Phone"), Some(&0));
    assert_eq!(report.filled.get("City"), Some(&1));
    assert!(report.repairs.is_empty() && report.proofs().is_empty());
}

#[test]
fn each_field_is_normalised() {
    let cases: [(Changes, Field, &str); 16] = [
        (&[("First Name", "  Ada\u{a0} Mae ")], Field::FirstName, "Ada Mae"),
        (&[("First Name", "Zoe\u{308}")], Field::FirstName, "Zo\u{eb}"),
        // Somebody is called like a blank.
        (&[("Last Name", "N/A")], Field::LastName, "N/A"),
        (&[("Birth Date", "5/5/1990")], Field::DateOfBirth, "1990-05-05"),
        (
            &[("Mobile Phone", "+1 555.123.4567 x9")],
            Field::Phone,
            "5551234567",
        ),
        (
            &[("Mobile Phone", "N/A"), ("Home Phone", "5557654321")],
            Field::Phone,
            "5557654321",
        ),
        (
            &[("Work Email", " ada@mail.example ")],
            Field::Email,
            "ada@mail.example",
        ),
        (&[("Work Email", "-")], Field::Email, ""),
        (&[("Plan", " Silver ")], Field::PlanId, "pln_silver"),
        (&[("Street 1", "1  Elm\nSt")], Field::AddressLine1, "1 Elm St"),
        (&[("Street 2", "")], Field::AddressLine2, ""),
        (&[("City", "Troy ")], Field::City, "Troy"),
        (&[("State", "ny")], Field::State, "NY"),
        (&[("State", "puerto rico")], Field::State, "PR"),
        (&[("Zip", "121801234")], Field::Zipcode, "12180-1234"),
        (&[("Zip", "2108")], Field::Zipcode, "02108"),
    ];
    for (changes, field, expected) in cases {
        assert_eq!(value(changes, field).as_deref(), Some(expected), "{changes:?}");
    }
    let (_, report) = one(&[("Zip", "2108")]);
    let restored = report.repairs.get("zipcodes whose leading zeros were restored");
    assert_eq!(restored, Some(&1));
}

#[test]
fn a_required_field_that_is_wrong_makes_the_row_unusable_and_says_which() {
    let long = "x".repeat(256);
    let cases: [(&str, &str, Field, &str, Option<Rule>); 17] = [
        (
            "First Name",
            " ",
            Field::FirstName,
            "First Name",
            Some(Rule::Missing),
        ),
        (
            "Last Name",
            &long,
            Field::LastName,
            "Last Name",
            Some(Rule::TooLong),
        ),
        (
            "Last Name",
            "a\u{7}b",
            Field::LastName,
            "Last Name",
            Some(Rule::ControlCharacter),
        ),
        (
            "Birth Date",
            "N/A",
            Field::DateOfBirth,
            "Birth Date",
            Some(Rule::Missing),
        ),
        (
            "Birth Date",
            "1990-05-15",
            Field::DateOfBirth,
            "Birth Date",
            Some(Rule::NotADate),
        ),
        (
            "Birth Date",
            "05/15/90",
            Field::DateOfBirth,
            "Birth Date",
            Some(Rule::NotADate),
        ),
        ("Birth Date", "05/15/0090", Field::DateOfBirth, "Birth Date", None),
        ("Birth Date", "11/23/2026", Field::DateOfBirth, "Birth Date", None),
        (
            "Mobile Phone",
            "555-CALL",
            Field::Phone,
            "Mobile Phone",
            Some(Rule::NotAPhone),
        ),
        (
            "Mobile Phone",
            "",
            Field::Phone,
            "Mobile Phone, Home Phone",
            Some(Rule::Missing),
        ),
        ("Plan", "Bronze", Field::PlanId, "Plan", None),
        ("Plan", "", Field::PlanId, "Plan", Some(Rule::Missing)),
        (
            "Street 1",
            "",
            Field::AddressLine1,
            "Street 1",
            Some(Rule::Missing),
        ),
        ("City", "-", Field::City, "City", Some(Rule::Missing)),
        ("State", "ON", Field::State, "State", Some(Rule::NotAState)),
        ("Zip", "K1A 0B1", Field::Zipcode, "Zip", Some(Rule::NotAZipcode)),
        ("Zip", "", Field::Zipcode, "Zip", Some(Rule::Missing)),
    ];
    for (name, cell, field, column, rule) in cases {
        let (people, report) = one(&[(name, cell)]);
        let person = people.get("e-1").unwrap();
        assert!(
            matches!(person.standing, Standing::Unusable { .. }),
            "{name}: {cell:?}"
        );
        let [problem] = people.problems_of("e-1") else {
            panic!("{name}: {cell:?} should be one problem");
        };
        assert_eq!(
            (problem.field, &*problem.column, problem.rule),
            (Some(field), column, rule),
            "{name}: {cell:?}"
        );
        assert_eq!(report.unusable, 1);
    }
}

#[test]
fn an_optional_field_that_is_wrong_costs_the_field_and_not_the_row() {
    let long = "x".repeat(256);
    let (people, report) = one(&[("Work Email", "ada at mail"), ("Street 2", &long)]);
    let person = people.get("e-1").unwrap();
    let record = people.record_of(person).unwrap();
    assert_eq!(
        (record.get(Field::Email), record.get(Field::AddressLine2)),
        ("", "")
    );
    let fields: Vec<_> = people.problems_of("e-1").iter().map(|each| each.field).collect();
    assert_eq!(fields, [Some(Field::Email), Some(Field::AddressLine2)]);
    assert_eq!((report.eligible, report.unusable), (1, 0));
}

#[test]
fn eligibility_is_decided_before_any_other_field() {
    let broken = ("Mobile Phone", "555");
    let unusable = |found: Standing| matches!(found, Standing::Unusable { .. });
    assert_eq!(standing(&[broken, ("Status", "Terminated")]), Standing::Ended);
    assert_eq!(
        standing(&[broken, ("Start", "11/23/2026")]),
        Standing::Ineligible(Ineligible::StartsLater)
    );
    // Covered through the last day, whatever the status says.
    let last_day = [("Status", "Terminated"), ("End", "11/22/2026")];
    assert!(matches!(standing(&last_day), Standing::Eligible(_)));
    assert_eq!(
        standing(&[("Status", "Terminated"), ("End", "11/21/2026")]),
        Standing::Ended
    );
    // What cannot be read ends nobody.
    assert!(unusable(standing(&[("Status", "Actve")])));
    assert!(unusable(standing(&[("Status", "")])));
    assert!(unusable(standing(&[("Status", "terminated")])));
    assert!(unusable(standing(&[("Status", "Terminated"), ("End", "soon")])));
    assert!(unusable(standing(&[("End", "11/21/2026")])));
    // A new employment.
    assert!(matches!(
        standing(&[("Start", "10/01/2026"), ("End", "01/31/2020")]),
        Standing::Eligible(_)
    ));
    let (people, _) = one(&[broken, ("Status", "Actve")]);
    let [problem] = people.problems_of("e-1") else {
        panic!("one problem: the status");
    };
    assert_eq!((problem.field, &*problem.column), (None, "Status"));
}

#[test]
fn the_expression_when_leaves_out_and_never_guesses() {
    let mut settings = settings();
    settings.eligibility.when = Some("row[\"Street 2\"] != \"out\" && int(row.City) > 0".to_owned());
    let found = |changes: &[(&str, &str)]| {
        let (people, _) = map_with(&settings, &[row(changes)]);
        people.get("e-1").unwrap().standing
    };
    assert!(matches!(found(&[("City", "3")]), Standing::Eligible(_)));
    assert_eq!(
        found(&[("City", "3"), ("Street 2", "out"), ("Zip", "x")]),
        Standing::Ineligible(Ineligible::When)
    );
    assert!(matches!(found(&[]), Standing::Unusable { .. }));
    settings.eligibility.when = Some("row.City".to_owned());
    let (people, _) = map_with(&settings, &[row(&[])]);
    assert!(matches!(
        people.get("e-1").unwrap().standing,
        Standing::Unusable { .. }
    ));
}

#[test]
fn a_column_that_only_an_expression_names_is_a_mapped_column() {
    let mut settings = settings();
    settings.eligibility.when = Some("row[\"FTE\"] != \"0\"".to_owned());
    let mapping = compile(&settings, &by_division(), None).unwrap();
    let lost = mapping.bind(&header()).unwrap_err();
    assert_eq!(lost.missing(), ["FTE"]);
}

#[test]
fn fields_can_be_constant_or_computed() {
    let mut settings = settings();
    settings
        .fields
        .insert(Field::PlanId, source(Take::Value("pln_x".to_owned())));
    let computed = "row.Division + \"-\" + row[\"Employee ID\"]".to_owned();
    settings
        .fields
        .insert(Field::ReferenceId, source(Take::Cel(computed)));
    let (people, _) = map_with(&settings, &[row(&[])]);
    let record = people.record_of(people.get("East-e-1").unwrap()).unwrap();
    assert_eq!(record.get(Field::PlanId), "pln_x");
    settings
        .fields
        .insert(Field::City, source(Take::Cel("[row.City]".to_owned())));
    let (people, _) = map_with(&settings, &[row(&[])]);
    let standing = people.get("East-e-1").unwrap().standing;
    assert!(matches!(standing, Standing::Unusable { .. }));
}

#[test]
fn otherwise_is_for_unlisted_plans_and_not_for_blank_ones() {
    let mut settings = settings();
    let plan = settings.fields.get_mut(&Field::PlanId).unwrap();
    plan.values.as_mut().unwrap().otherwise = Some("pln_rest".to_owned());
    let (people, report) = map_with(
        &settings,
        &[
            row(&[("Plan", "Bronze")]),
            row(&[("Employee ID", "e-2"), ("Plan", "")]),
        ],
    );
    let record = people.record_of(people.get("e-1").unwrap()).unwrap();
    assert_eq!(record.get(Field::PlanId), "pln_rest");
    let blank = people.get("e-2").unwrap().standing;
    assert!(matches!(blank, Standing::Unusable { .. }));
    assert_eq!(report.unlisted_plans, []);
}

#[test]
fn a_row_without_a_usable_reference_is_nameless_whatever_else_it_says() {
    let long = "x".repeat(256);
    let rows: Vec<_> = ["", "  ", "N/A", &long, "a\u{85}\u{9f}b", "1.23E+47"]
        .into_iter()
        .map(|id| row(&[("Employee ID", id), ("Status", "Terminated")]))
        .collect();
    let (people, report) = map(&rows);
    assert_eq!((people.len(), people.nameless.len()), (0, 6));
    assert_eq!((report.nameless, report.unusable, report.ended), (6, 6, 0));
    assert_eq!(report.scientific_ids.len(), 1);
    assert_eq!(report.scientific_ids[0].line, 7);
    assert!(report.proofs()[0].contains("scientific notation, the first in line 7"));
}

#[test]
fn a_row_finds_its_group_or_none() {
    let route = |value| one(&[("Division", value)]).0.get("e-1").unwrap().route;
    assert_eq!(route("East"), Route::Group(0));
    assert_eq!(route(" West "), Route::Group(0));
    assert_eq!(route("-"), Route::Blank);
    assert_eq!(route("east"), Route::Unlisted);
    let grouping = Grouping {
        rule: GroupRule::AsIs {
            by: "Division".to_owned(),
        },
        ..by_division()
    };
    let mut bound = compile(&settings(), &grouping, None)
        .unwrap()
        .bind(&header())
        .unwrap();
    let mut table = Table::default();
    let long = "x".repeat(256);
    for (record, (id, division)) in (1..).zip([("a", "acme-1"), ("b", ""), ("c", &long), ("d", "acme-1")]) {
        let at = RowAt {
            source: 0,
            record,
            line: record + 1,
        };
        table.push(
            at,
            row(&[("Employee ID", id), ("Division", division)]).into_iter(),
        );
    }
    let mut people = PeopleBuilder::default();
    bound.map(&table, today(), &mut people);
    let people = people.finish();
    let routes = ["a", "b", "c", "d"].map(|id| people.get(id).unwrap().route);
    assert_eq!(
        routes,
        [Route::Group(0), Route::Blank, Route::Unlisted, Route::Group(0)]
    );
}

#[test]
fn identical_unusable_rows_count_as_one_and_different_ones_do_not() {
    let broken = row(&[("Zip", "x")]);
    let (people, _) = map(&[broken.clone(), broken.clone()]);
    assert!(matches!(
        people.get("e-1").unwrap().standing,
        Standing::Unusable { .. }
    ));
    let (people, _) = map(&[broken, row(&[("Zip", "y")])]);
    assert_eq!(people.get("e-1").unwrap().standing, Standing::Duplicate);
}

#[test]
fn a_column_of_social_security_numbers_or_mails_is_refused_unless_allowed() {
    let rows: Vec<_> = ["219-09-9999", "219-09-9998", "e-3"]
        .into_iter()
        .map(|id| row(&[("Employee ID", id)]))
        .collect();
    let mut settings = settings();
    let proof = map_with(&settings, &rows).1.proofs().remove(0);
    for part in [
        "`Employee ID`",
        "social security numbers",
        "`sensitive: hash`",
        "`sensitive: allow`",
    ] {
        assert!(proof.contains(part), "{proof}");
    }
    assert!(!proof.contains("219"), "{proof}");
    let id = settings.fields.get_mut(&Field::ReferenceId).unwrap();
    id.sensitive = Some(Sensitive::Allow);
    let (people, report) = map_with(&settings, &rows);
    assert!(people.get("219-09-9999").is_some() && report.proofs().is_empty());
    let id = settings.fields.get_mut(&Field::ReferenceId).unwrap();
    id.sensitive = Some(Sensitive::Hash);
    let (people, report) = map_with(&settings, &rows);
    let hidden = FingerprintKey::new([7; 32]).stand_in("219099999");
    assert!(people.get(&hidden).is_some() && report.proofs().is_empty());
    assert!(people.iter().all(|(id, _)| id.len() == 32));
    let error = compile(&settings, &by_division(), None).unwrap_err();
    assert!(matches!(error, CompileError::NoKey { .. }));
}

#[test]
fn values_in_no_list_are_named_for_the_person_who_extends_the_list() {
    let (_, report) = map(&[
        row(&[("Status", "Furlough"), ("Division", "North")]),
        row(&[("Employee ID", "e-2"), ("Status", "Furlough"), ("Plan", "Gold")]),
        row(&[("Employee ID", "e-3"), ("Plan", "Bronze")]),
    ]);
    assert_eq!(report.unknown_statuses, [("Furlough".to_owned(), 2)]);
    assert_eq!(report.unlisted_groups, [("North".to_owned(), 1)]);
    assert_eq!(report.unlisted_plans, [("Bronze".to_owned(), 1)]);
}

#[test]
fn settings_that_contradict_themselves_do_not_compile() {
    let mut twice = settings();
    twice.eligibility.status.as_mut().unwrap().ended = vec![" Active".to_owned()];
    let mut expression = settings();
    expression.eligibility.when = Some("row[".to_owned());
    let mut format = settings();
    format.eligibility.ends_on.as_mut().unwrap().formats[0].pattern = "%H".to_owned();
    let mut unmapped = settings();
    unmapped.fields.remove(&Field::City);
    let cases = [
        (twice, "lists ` Active` twice"),
        (
            expression,
            "the expression `eligibility.when` of mapping `hr` cannot be read at line 1",
        ),
        (format, "the format `%H` at `eligibility.ends_on`"),
        (unmapped, "has no `city`, which Vitable requires"),
    ];
    for (settings, expected) in cases {
        let error = compile(&settings, &by_division(), None).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn no_problem_and_no_report_shows_a_person() {
    let canaries = [
        ("First Name", "CANARY-first\u{7}"),
        ("Last Name", ""),
        ("Birth Date", "CANARY-born"),
        ("Mobile Phone", "CANARY-phone"),
        ("Work Email", "CANARY mail"),
        ("Street 1", "CANARY-street\u{1}"),
        ("Street 2", "CANARY-line\u{1}"),
        ("City", "CANARY-city\u{7f}"),
        ("State", "CANARY-state"),
        ("Zip", "CANARY-zip"),
    ];
    let mut settings = settings();
    settings.eligibility.when = Some("int(row.City) > 0".to_owned());
    let mut nameless = canaries.to_vec();
    nameless.push(("Employee ID", "CANARY\u{2}"));
    for settings in [&settings, &self::settings()] {
        let (people, report) = map_with(settings, &[row(&canaries), row(&nameless)]);
        assert!(!people.problems_of("e-1").is_empty());
        let text = format!("{people:?} {report:?} {:?}", report.proofs());
        assert!(!text.contains("CANARY"), "{text}");
    }
    let bound = compile(&settings, &by_division(), None).unwrap().bind(&header());
    assert_eq!(
        format!("{:?}", bound.unwrap()),
        "Bound { mapping: \"hr\", rows: 0, .. }"
    );
}

#[test]
fn a_bound_mapping_can_work_on_another_thread() {
    fn sendable<T: Send>(_: &T) -> bool {
        true
    }
    let bound = compile(&settings(), &by_division(), None)
        .unwrap()
        .bind(&header())
        .unwrap();
    assert!(sendable(&bound));
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9/.+() x-]{0,14}",
        "[A-Za-z '.-]{0,20}",
        "[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4}",
        "[a-z]{1,6}@[a-z.]{1,9}",
        Just("Active".to_owned()),
        Just("Terminated".to_owned()),
        Just("Gold".to_owned()),
        Just("East".to_owned()),
        Just("\u{a0}\u{200b}".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_cells_make_people_that_hold_every_rule_or_no_people(
        rows in prop::collection::vec((prop::collection::vec((0..17_usize, cell()), 0..6), 0..20_usize), 1..6),
        spare in cell(),
    ) {
        let mut settings = settings();
        settings.eligibility.when = Some("row.City != \"x\" && row[\"Street 2\"].size() < 900".to_owned());
        let rows: Vec<Vec<&str>> = rows
            .iter()
            .map(|(changes, length)| {
                let mut cells = row(&[]);
                for (at, value) in changes {
                    cells[*at] = value;
                }
                // Now and then too short or too long a row.
                if *length > 12 {
                    cells.resize(*length, &spare);
                }
                cells
            })
            .collect();
        let (people, report) = map_with(&settings, &rows);
        prop_assert_eq!(people.rows, rows.len() as u64);
        let counted = report.eligible + report.ended + report.ineligible + report.unusable;
        prop_assert_eq!(counted, report.rows);
        for (id, person) in people.iter() {
            prop_assert!(crate::roster::ReferenceId::new(id).is_ok());
            let Some(record) = people.record_of(person) else {
                continue;
            };
            prop_assert_eq!(record.reference_id(), id);
            for field in Field::ALL {
                let value = record.get(field);
                let absent = value.is_empty() && !field.required();
                prop_assert!(absent || check(field, value).is_ok(), "{} {:?}", field, value);
            }
        }
    }
}
