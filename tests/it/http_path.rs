//! From an HR system's API to Vitable, by the built binary: the members are right, and a list that is not whole
//! removes nobody.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    http::{Api, answer, ok},
    world::{HEADER, Setup, World, canaries, people, person, row},
};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};

/// What the HR system knows, and how it answers.
#[derive(Default)]
struct Hr {
    rows: Vec<String>,
    /// It says that there is one more person than it gives.
    hides_one: bool,
    /// A permission was taken away: nobody has a phone any more.
    hides_phones: bool,
    refuses: bool,
}

impl Hr {
    fn records(&self) -> Vec<Value> {
        let record = |row: &String| {
            let mut record: Map<String, Value> = HEADER
                .split(',')
                .zip(row.split(','))
                .map(|(name, cell)| (name.to_owned(), json!(cell)))
                .collect();
            if self.hides_phones {
                record.remove("Phone");
            }
            Value::Object(record)
        };
        self.rows.iter().map(record).collect()
    }
}

struct Host {
    /// The server runs as long as it does.
    _runtime: tokio::runtime::Runtime,
    hr: Arc<Mutex<Hr>>,
    api: Api,
    world: World,
}

impl Host {
    fn new(rows: Vec<String>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let hr = Arc::new(Mutex::new(Hr { rows, ..Hr::default() }));
        let shared = Arc::clone(&hr);
        let api = runtime.block_on(Api::start(move |asked| {
            let hr = shared.lock().unwrap();
            if hr.refuses || asked.authorization() != "Bearer s3cret" {
                return answer(401, &[], "");
            }
            let (from, size) = (asked.number("offset", 0), asked.number("limit", 50));
            let all = hr.records();
            let page: Vec<&Value> = all.iter().skip(from).take(size).collect();
            ok(&json!({"data": {"employees": page}, "meta": {"total": all.len() + usize::from(hr.hides_one)}}))
        }));
        let place = format!(
            r#"http:
      request: {{ url: "{}/v1/employees", query: {{ status: all }} }}
      auth: {{ bearer: {{ file: hr.token }} }}
      records: $.data.employees
      pagination: {{ offset: {{ param: offset, size_param: limit, size: 10 }} }}
      total: $.meta.total"#,
            api.url
        );
        let world = World::new(&Setup { place: Some(place), ..Setup::default() });
        crate::world::put(&world.path("hr.token"), "s3cret\n");
        Self { _runtime: runtime, hr, api, world }
    }

    fn hr(&self, change: impl FnOnce(&mut Hr)) {
        change(&mut self.hr.lock().unwrap());
    }

    fn all(&self) -> usize {
        self.world.covered("acme-east").len()
    }
}

/// These people in one group, and three in the other.
fn roster(east: std::ops::RangeInclusive<u32>) -> Vec<String> {
    [people(east, "East"), people(101..=103, "West")].concat()
}

#[test]
fn an_api_fills_the_groups_and_what_it_hides_removes_nobody() {
    let host = Host::new(roster(1..=24));
    let checked = host.world.rosterd(&["check", "--connect"]);
    assert!(checked.out.contains("10 of 27 records at `$.data.employees`"), "{}", checked.text());
    host.world.rosterd(&["sync", "acme"]).ends(3);
    host.world.approve().ends(0);
    assert_eq!(host.all(), 24);

    host.hr(|hr| hr.hides_one = true);
    let ran = host.world.rosterd(&["sync", "acme"]).ends(1);
    assert!(ran.text().contains("the server counts 28 and gave 27"), "{}", ran.text());
    host.hr(|hr| (hr.hides_one, hr.hides_phones) = (false, true));
    let ran = host.world.rosterd(&["sync", "acme"]).ends(1);
    assert!(ran.text().contains("no record has anything at `Phone`"), "{}", ran.text());
    host.hr(|hr| (hr.hides_phones, hr.refuses) = (false, true));
    let ran = host.world.rosterd(&["sync", "acme"]).ends(1);
    assert!(ran.text().contains("the credential was refused (401)"), "{}", ran.text());
    host.hr(|hr| {
        hr.refuses = false;
        hr.rows.clear();
    });
    host.world.rosterd(&["sync", "acme"]).ends(1);
    assert_eq!(host.all(), 24, "nobody was removed by any of them");

    host.hr(|hr| {
        hr.rows = roster(2..=24);
        hr.rows.push(row(1, "East", "Terminated"));
        hr.rows.push(person(25, "East"));
    });
    host.world.rosterd(&["sync", "acme"]).ends(0);
    let covered = host.world.covered("acme-east");
    assert!(!covered.contains(&"E-1".to_owned()) && covered.contains(&"E-25".to_owned()), "{covered:?}");
    let shown = host.world.json(&["runs", "--limit", "1", "--json"]).to_string();
    assert!(shown.contains("/v1/employees") && !shown.contains("status=all"), "{shown}");
    let everything: String = host.world.mails().concat() + &shown + &checked.text();
    for canary in (1..=25).chain(101..=103).flat_map(canaries) {
        assert!(!everything.contains(&canary), "{canary}");
    }
    assert!(host.api.count() > 10);
}

#[test]
fn a_document_of_the_same_form_is_read_in_place_of_the_api() {
    let host = Host::new(roster(1..=12));
    let records = host.hr.lock().unwrap().records();
    let file = host.world.path("export.json");
    crate::world::put(&file, &json!({"data": {"employees": records}}).to_string());
    let before = host.api.count();
    host.world.rosterd(&["sync", "acme", "--file", file.to_str().unwrap()]).ends(3);
    host.world.rosterd(&["plan", "acme", "--file", file.to_str().unwrap()]).ends(3);
    assert_eq!(host.api.count(), before);
    crate::world::put(&file, "{\"data\":{\"employees\":[");
    let ran = host.world.rosterd(&["plan", "acme", "--file", file.to_str().unwrap()]).ends(1);
    assert!(ran.text().contains("ends too early"), "{}", ran.text());
}
