//! What keeps people covered and out of sight when rows or settings are wrong.

use super::*;
use crate::roster::{Route, check};
use proptest::prelude::*;

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
    let grouping = Grouping { rule: GroupRule::AsIs { by: "Division".to_owned() }, ..by_division() };
    let mut bound = compile(&settings(), &grouping, None).unwrap().bind(&header()).unwrap();
    let mut table = Table::default();
    let long = "x".repeat(256);
    for (record, (id, division)) in (1..).zip([("a", "acme-1"), ("b", ""), ("c", &long), ("d", "acme-1")]) {
        let at = RowAt { source: 0, record, line: record + 1 };
        table.push(at, row(&[("Employee ID", id), ("Division", division)]).into_iter());
    }
    let mut people = PeopleBuilder::default();
    bound.map(&table, today(), &mut people);
    let people = people.finish();
    let routes = ["a", "b", "c", "d"].map(|id| people.get(id).unwrap().route);
    assert_eq!(routes, [Route::Group(0), Route::Blank, Route::Unlisted, Route::Group(0)]);
}

#[test]
fn identical_unusable_rows_count_as_one_and_different_ones_do_not() {
    let broken = row(&[("Zip", "x")]);
    let (people, _) = map(&[broken.clone(), broken.clone()]);
    assert!(matches!(people.get("e-1").unwrap().standing, Standing::Unusable { .. }));
    let (people, _) = map(&[broken, row(&[("Zip", "y")])]);
    assert_eq!(people.get("e-1").unwrap().standing, Standing::Duplicate);
}

#[test]
fn a_column_of_social_security_numbers_or_mails_is_refused_unless_allowed() {
    let rows: Vec<_> =
        ["219-09-9999", "219-09-9998", "e-3"].into_iter().map(|id| row(&[("Employee ID", id)])).collect();
    let mut settings = settings();
    let proof = map_with(&settings, &rows).1.proofs().remove(0);
    for part in ["`Employee ID`", "social security numbers", "`sensitive: hash`", "`sensitive: allow`"] {
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
        (expression, "the expression `eligibility.when` of mapping `hr` cannot be read at line 1"),
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
    for settings in [&settings, &super::settings()] {
        let (people, report) = map_with(settings, &[row(&canaries), row(&nameless)]);
        assert!(!people.problems_of("e-1").is_empty());
        let text = format!("{people:?} {report:?} {:?}", report.proofs());
        assert!(!text.contains("CANARY"), "{text}");
    }
    let bound = compile(&settings, &by_division(), None).unwrap().bind(&header());
    assert_eq!(format!("{:?}", bound.unwrap()), "Bound { mapping: \"hr\", rows: 0, .. }");
}

#[test]
fn a_bound_mapping_can_work_on_another_thread() {
    fn sendable<T: Send>(_: &T) -> bool {
        true
    }
    let bound = compile(&settings(), &by_division(), None).unwrap().bind(&header()).unwrap();
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
