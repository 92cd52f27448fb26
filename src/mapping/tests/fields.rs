//! Fields and eligibility of single rows.

use super::*;
use crate::roster::{Ineligible, Route, Rule};

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
        (&[("Mobile Phone", "+1 555.123.4567 x9")], Field::Phone, "5551234567"),
        (&[("Mobile Phone", "N/A"), ("Home Phone", "5557654321")], Field::Phone, "5557654321"),
        (&[("Work Email", " ada@mail.example ")], Field::Email, "ada@mail.example"),
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

/// Column, cell, the field that it breaks, and the rule of the contract if it is one of its.
const WRONG: [(&str, &str, Field, Option<Rule>); 15] = [
    ("First Name", " ", Field::FirstName, Some(Rule::Missing)),
    ("Last Name", "a\u{7}b", Field::LastName, Some(Rule::ControlCharacter)),
    ("Birth Date", "N/A", Field::DateOfBirth, Some(Rule::Missing)),
    ("Birth Date", "1990-05-15", Field::DateOfBirth, Some(Rule::NotADate)),
    ("Birth Date", "05/15/90", Field::DateOfBirth, Some(Rule::NotADate)),
    ("Birth Date", "05/15/0090", Field::DateOfBirth, None),
    ("Birth Date", "11/23/2026", Field::DateOfBirth, None),
    ("Mobile Phone", "555-CALL", Field::Phone, Some(Rule::NotAPhone)),
    ("Plan", "Bronze", Field::PlanId, None),
    ("Plan", "", Field::PlanId, Some(Rule::Missing)),
    ("Street 1", "", Field::AddressLine1, Some(Rule::Missing)),
    ("City", "-", Field::City, Some(Rule::Missing)),
    ("State", "ON", Field::State, Some(Rule::NotAState)),
    ("Zip", "K1A 0B1", Field::Zipcode, Some(Rule::NotAZipcode)),
    ("Zip", "", Field::Zipcode, Some(Rule::Missing)),
];

#[test]
fn a_required_field_that_is_wrong_makes_the_row_unusable_and_says_which() {
    let long = "x".repeat(256);
    let more = [
        ("Last Name", long.as_str(), Field::LastName, Some(Rule::TooLong)),
        ("Mobile Phone", "", Field::Phone, Some(Rule::Missing)),
    ];
    for (name, cell, field, rule) in WRONG.into_iter().chain(more) {
        let several = (name, cell) == ("Mobile Phone", "");
        let column = if several { "Mobile Phone, Home Phone" } else { name };
        let (people, report) = one(&[(name, cell)]);
        let person = people.get("e-1").unwrap();
        assert!(matches!(person.standing, Standing::Unusable { .. }), "{name}: {cell:?}");
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
    assert_eq!((record.get(Field::Email), record.get(Field::AddressLine2)), ("", ""));
    let fields: Vec<_> = people.problems_of("e-1").iter().map(|each| each.field).collect();
    assert_eq!(fields, [Some(Field::Email), Some(Field::AddressLine2)]);
    assert_eq!((report.eligible, report.unusable), (1, 0));
}

#[test]
fn eligibility_is_decided_before_any_other_field() {
    let broken = ("Mobile Phone", "555");
    let unusable = |found: Standing| matches!(found, Standing::Unusable { .. });
    assert_eq!(standing(&[broken, ("Status", "Terminated")]), Standing::Ended);
    assert_eq!(standing(&[broken, ("Start", "11/23/2026")]), Standing::Ineligible(Ineligible::StartsLater));
    // Covered through the last day, whatever the status says.
    let last_day = [("Status", "Terminated"), ("End", "11/22/2026")];
    assert!(matches!(standing(&last_day), Standing::Eligible(_)));
    assert_eq!(standing(&[("Status", "Terminated"), ("End", "11/21/2026")]), Standing::Ended);
    // What cannot be read ends nobody.
    assert!(unusable(standing(&[("Status", "Actve")])));
    assert!(unusable(standing(&[("Status", "")])));
    assert!(unusable(standing(&[("Status", "terminated")])));
    assert!(unusable(standing(&[("Status", "Terminated"), ("End", "soon")])));
    assert!(unusable(standing(&[("End", "11/21/2026")])));
    // A new employment.
    assert!(matches!(standing(&[("Start", "10/01/2026"), ("End", "01/31/2020")]), Standing::Eligible(_)));
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
    assert!(matches!(people.get("e-1").unwrap().standing, Standing::Unusable { .. }));
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
    settings.fields.insert(Field::PlanId, source(Take::Value("pln_x".to_owned())));
    let computed = "row.Division + \"-\" + row[\"Employee ID\"]".to_owned();
    settings.fields.insert(Field::ReferenceId, source(Take::Cel(computed)));
    let (people, _) = map_with(&settings, &[row(&[])]);
    let record = people.record_of(people.get("East-e-1").unwrap()).unwrap();
    assert_eq!(record.get(Field::PlanId), "pln_x");
    settings.fields.insert(Field::City, source(Take::Cel("[row.City]".to_owned())));
    let (people, _) = map_with(&settings, &[row(&[])]);
    let standing = people.get("East-e-1").unwrap().standing;
    assert!(matches!(standing, Standing::Unusable { .. }));
}

#[test]
fn otherwise_is_for_unlisted_plans_and_not_for_blank_ones() {
    let mut settings = settings();
    let plan = settings.fields.get_mut(&Field::PlanId).unwrap();
    plan.values.as_mut().unwrap().otherwise = Some("pln_rest".to_owned());
    let (people, report) =
        map_with(&settings, &[row(&[("Plan", "Bronze")]), row(&[("Employee ID", "e-2"), ("Plan", "")])]);
    let record = people.record_of(people.get("e-1").unwrap()).unwrap();
    assert_eq!(record.get(Field::PlanId), "pln_rest");
    let blank = people.get("e-2").unwrap().standing;
    assert!(matches!(blank, Standing::Unusable { .. }));
    assert_eq!(report.unlisted_plans, []);
}
