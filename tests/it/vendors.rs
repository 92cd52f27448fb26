//! Each preset against a fake of its vendor over real HTTP, by the built binary: the right members end in the sandbox,
//! and the vendor's trap ends the read and nobody's coverage.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails here")]

use crate::{
    http::{Api, Asked, answer, ok},
    world::{Ran, Setup, World, put},
};
use axum::response::Response;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rosterd::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{Arc, Mutex},
};

const EAST: &str = "acme-east";

/// What the vendor does beside what it should.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Trap {
    #[default]
    None,
    /// What the preset is made for.
    Silent,
    /// Another one of the vendor's.
    Other,
}

/// One person, as the vendor has him.
#[derive(Clone)]
struct Person {
    number: usize,
    status: &'static str,
}

impl Person {
    fn first(&self) -> String {
        format!("Zqfirst{}", self.number)
    }

    fn last(&self) -> String {
        format!("Zqlast{}", self.number)
    }

    fn born(&self) -> String {
        format!("1942-04-{:02}", self.number % 28 + 1)
    }

    fn phone(&self) -> String {
        format!("(555) 424-{:04}", self.number)
    }
}

#[derive(Default)]
struct Vendor {
    people: Vec<Person>,
    trap: Trap,
    /// How often it has said that there were too many requests.
    throttled: usize,
}

struct Host {
    _runtime: tokio::runtime::Runtime,
    vendor: Arc<Mutex<Vendor>>,
    api: Api,
    world: World,
}

impl Host {
    /// A host whose source is this preset, told these things beside where the API is.
    fn new(
        preset: &str,
        with: &str,
        people: Vec<Person>,
        fake: impl Fn(&Asked, &mut Vendor) -> Response + Send + Sync + 'static,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let vendor = Arc::new(Mutex::new(Vendor { people, ..Vendor::default() }));
        let shared = Arc::clone(&vendor);
        let api = runtime.block_on(Api::start(move |asked| fake(asked, &mut shared.lock().unwrap())));
        let place = format!(
            "http: {{ preset: {preset}, with: {{ base_url: \"{}\", {} }} }}",
            api.url,
            with.replace("URL", &api.url)
        );
        let guard = "first_sync: submit".to_owned();
        let feed = "    schedule: { timezone: America/New_York }".to_owned();
        let world = World::new(&Setup { place: Some(place), guard, feed, ..Setup::default() });
        put(&world.path("hr.secret"), "s3cret\n");
        let path = world.path("rosterd.yaml");
        let text = fs::read_to_string(&path).unwrap();
        let text = text
            .replace("    mapping: hr\nfeeds", "    fields: { plan_id: { value: pln_gold } }\nfeeds")
            .replace(
                "groups: { by: Division, map: { East: acme-east, West: acme-west } }",
                "group: acme-east",
            );
        put(&path, &text);
        Self { _runtime: runtime, vendor, api, world }
    }

    fn sync(&self) -> Ran {
        self.world.rosterd(&["sync", "acme"])
    }

    fn is(&self, trap: Trap) {
        self.vendor.lock().unwrap().trap = trap;
    }

    /// The trap ends the read, in these words, and nobody's coverage.
    #[track_caller]
    fn is_incomplete(&self, trap: Trap, words: &str) {
        let before = self.world.covered(EAST);
        self.is(trap);
        let ran = self.sync().ends(1);
        assert!(ran.text().contains(words), "{}", ran.text());
        assert_eq!(self.world.covered(EAST), before);
        self.is(Trap::None);
        let shown = self.world.json(&["runs", "--limit", "1", "--json"]).to_string();
        let everything = self.world.mails().concat() + &shown + &ran.text();
        for secret in ["Zqfirst", "Zqlast", "Zqstreet", "s3cret", "1942-", "424-"] {
            assert!(!everything.contains(secret), "{secret}: {everything}");
        }
    }

    /// `rosterd check` says what nobody has confirmed.
    #[track_caller]
    fn says_what_is_unconfirmed(&self) {
        let checked = self.world.rosterd(&["check", "--connect"]);
        assert!(checked.text().contains("unconfirmed"), "{}", checked.text());
        assert!(checked.text().contains("first page"), "{}", checked.text());
        assert!(!checked.text().contains("s3cret"), "{}", checked.text());
    }
}

/// So many people with this status.
fn people(count: usize, status: &'static str) -> Vec<Person> {
    (1..=count).map(|number| Person { number, status }).collect()
}

fn is_basic(asked: &Asked, pair: &str) -> bool {
    asked.authorization() == format!("Basic {}", BASE64_STANDARD.encode(pair))
}

/// The answer of a token endpoint that knows `rosterd` and its secret.
fn token(asked: &Asked, in_form: bool) -> Response {
    let form = String::from_utf8(asked.body.to_vec()).unwrap();
    let known = if in_form {
        form.contains("client_id=rosterd") && form.contains("client_secret=s3cret")
    } else {
        is_basic(asked, "rosterd:s3cret")
    };
    if !known || !form.contains("grant_type=client_credentials") {
        return answer(401, &[], "");
    }
    ok(&json!({"access_token": "t0ken", "token_type": "Bearer", "expires_in": 3600}))
}

fn part(vendor: &Vendor, from: usize, size: usize) -> Vec<Person> {
    vendor.people.iter().skip(from).take(size).cloned().collect()
}

#[test]
fn bamboohr_hides_a_field_and_nobody_loses_coverage() {
    let fake = |asked: &Asked, vendor: &mut Vendor| {
        if !is_basic(asked, "s3cret:x") {
            return answer(401, &[], "");
        }
        // It throttles with 503.
        if vendor.throttled == 0 {
            vendor.throttled += 1;
            return answer(503, &[("retry-after", "0")], "");
        }
        let asks = asked.path == "/globex/v1/reports/custom" && asked.query["format"] == "JSON";
        if !asks || asked.query["onlyCurrent"] != "false" {
            return answer(404, &[], "");
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        let one = |person: &Person| {
            let hidden = vendor.trap == Trap::Silent;
            let value = |name: &str| match name {
                "employeeNumber" => json!(person.number.to_string()),
                "firstName" => json!(person.first()),
                "lastName" => json!(person.last()),
                "dateOfBirth" if hidden => json!(""),
                "dateOfBirth" => json!(person.born()),
                "homePhone" => json!(person.phone()),
                "mobilePhone" => Value::Null,
                "address1" => json!("4 Zqstreet"),
                "city" => json!("Troy"),
                "state" => json!("NY"),
                "zipcode" => json!("12180"),
                "status" => json!(person.status),
                "terminationDate" if person.status == "Inactive" => json!("2026-01-31"),
                "terminationDate" => json!("0000-00-00"),
                _ => json!(""),
            };
            let fields = body["fields"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            Value::Object(fields.map(|name| (name.to_owned(), value(name))).collect())
        };
        let employees: Vec<Value> = vendor.people.iter().map(one).collect();
        ok(&json!({"title": "rosterd", "fields": [], "employees": employees}))
    };
    let with = "company: globex, api_key: { file: hr.secret }";
    let host = Host::new("bamboohr", with, people(8, "Active"), fake);
    host.says_what_is_unconfirmed();
    host.sync().ends(0);
    assert_eq!(host.world.covered(EAST).len(), 8);
    host.is_incomplete(Trap::Silent, "`dateOfBirth`");
    // Who has left says so, and nobody else goes.
    host.vendor.lock().unwrap().people[2].status = "Inactive";
    host.sync().ends(0);
    assert_eq!(host.world.covered(EAST), ["1", "2", "4", "5", "6", "7", "8"]);
}

#[test]
fn adp_masks_birth_dates_and_they_are_never_sent() {
    let fake = |asked: &Asked, vendor: &mut Vendor| {
        if asked.path == "/token" {
            return token(asked, false);
        }
        if asked.authorization() != "Bearer t0ken" || asked.path != "/hr/v2/workers" {
            return answer(401, &[], "");
        }
        let (from, size) = (asked.number("$skip", 0), asked.number("$top", 25).min(100));
        let page = part(vendor, from, size);
        if page.is_empty() {
            return answer(204, &[], "");
        }
        let unmasked = asked.headers["accept"].to_str().unwrap().contains("masked=false");
        let one = |person: &Person| {
            let born =
                if unmasked && vendor.trap != Trap::Silent { person.born() } else { "XXXX-XX-XX".to_owned() };
            json!({
                "associateOID": format!("G{}", person.number),
                "workerID": {"idValue": format!("A{}", person.number)},
                "person": {
                    "birthDate": born,
                    "legalName": {"givenName": person.first(), "familyName1": person.last()},
                    "legalAddress": {
                        "lineOne": "4 Zqstreet", "cityName": "Troy", "postalCode": "12180",
                        "countrySubdivisionLevel1": {"codeValue": "NY"},
                    },
                    "communication": {"mobiles": [{"formattedNumber": person.phone()}]},
                },
                "workerStatus": {"statusCode": {"codeValue": person.status}},
            })
        };
        let workers: Vec<Value> = page.iter().map(one).collect();
        let total = vendor.people.len() + usize::from(vendor.trap == Trap::Other);
        ok(&json!({"workers": workers, "meta": {"totalNumber": total}}))
    };
    let with = "token_url: \"URL/token\", client_id: rosterd, client_secret: { file: hr.secret }, \
                certificate: { file: client.pem }, private_key: { file: client.key }";
    let host = Host::new("adp_workforce_now", with, people(230, "Active"), fake);
    let made = rcgen::generate_simple_self_signed(["rosterd".to_owned()]).unwrap();
    put(&host.world.path("client.pem"), &made.cert.pem());
    put(&host.world.path("client.key"), &made.signing_key.serialize_pem());
    host.says_what_is_unconfirmed();
    host.sync().ends(0);
    assert_eq!(host.world.covered(EAST).len(), 230);
    host.is_incomplete(Trap::Silent, "more than half");
    host.is_incomplete(Trap::Other, "the server counts 231");
    host.vendor.lock().unwrap().people[0].status = "Terminated";
    host.vendor.lock().unwrap().people[1].status = "Inactive";
    host.sync().ends(4);
    let covered = host.world.covered(EAST);
    assert!(
        !covered.contains(&"A1".to_owned()) && covered.contains(&"A2".to_owned()),
        "what Inactive means is named"
    );
}

#[test]
fn paylocity_gives_twenty_at_a_time_and_a_transfer_is_no_termination() {
    let fake = |asked: &Asked, vendor: &mut Vendor| {
        if asked.path == "/public/security/v1/token" {
            return token(asked, false);
        }
        let known = asked.authorization() == "Bearer t0ken";
        if !known || asked.path != "/coreHr/v1/companies/B6001/employees" {
            return answer(401, &[], "");
        }
        assert_eq!(asked.query["include"], "info,position,status");
        let from = match asked.query.get("nextToken") {
            Some(mark) if vendor.trap != Trap::Silent => mark.parse().unwrap(),
            Some(_) | None => 0,
        };
        // Whatever is asked for, never more than twenty.
        let page = part(vendor, from, asked.number("limit", 20).min(20));
        let one = |person: &Person| {
            json!({
                "employeeId": person.number.to_string(),
                "info": {
                    "firstName": person.first(), "lastName": person.last(), "birthDate": person.born(),
                    "homeAddress": {
                        "address1": "4 Zqstreet", "city": "Troy", "state": "NY", "postalCode": "12180",
                        "mobilePhone": person.phone(),
                    },
                },
                // By its type a transfer is a termination.
                "status": {"statusCode": person.status, "statusType": if person.status == "XT" { "T" } else { person.status }},
            })
        };
        let next = from + page.len();
        let mut body = json!({"employees": page.iter().map(one).collect::<Vec<_>>()});
        if next < vendor.people.len() {
            body["nextToken"] = json!(next.to_string());
        }
        ok(&body)
    };
    let with = "company_id: B6001, client_id: rosterd, client_secret: { file: hr.secret }, secret_ends: \"2127-09-30\"";
    let host = Host::new("paylocity", with, people(60, "A"), fake);
    host.says_what_is_unconfirmed();
    host.sync().ends(0);
    let covered = host.world.covered(EAST);
    assert_eq!(covered.len(), 60, "three full pages, the last of which says nothing of a next one");
    assert!(covered.contains(&"B6001-7".to_owned()), "{covered:?}");
    host.is_incomplete(Trap::Silent, "page");
    host.vendor.lock().unwrap().people[0].status = "XT";
    host.vendor.lock().unwrap().people[1].status = "T";
    host.vendor.lock().unwrap().people[2].status = "L";
    host.sync().ends(4);
    let covered = host.world.covered(EAST);
    assert_eq!(covered.len(), 59);
    assert!(covered.contains(&"B6001-1".to_owned()), "a move to another company ends nothing");
    assert!(!covered.contains(&"B6001-2".to_owned()));
}

#[test]
fn personio_cuts_the_list_and_says_nothing() {
    let fake = |asked: &Asked, vendor: &mut Vendor| {
        if asked.path == "/v2/auth/token" {
            return token(asked, true);
        }
        if asked.authorization() != "Bearer t0ken" || asked.path != "/v1/company/employees" {
            return answer(401, &[], "");
        }
        let cut = vendor.trap == Trap::Silent;
        let size = if cut { 50 } else { asked.number("limit", 50).min(100) };
        let page = if cut && asked.number("offset", 0) > 0 {
            Vec::new()
        } else {
            part(vendor, asked.number("offset", 0), size)
        };
        let value = |value: Value| json!({"label": "…", "value": value});
        let one = |person: &Person| {
            json!({"type": "Employee", "attributes": {
                "id": value(json!(person.number)), "first_name": value(json!(person.first())),
                "last_name": value(json!(person.last())), "email": value(Value::Null),
                "status": value(json!(person.status)), "dynamic_1": value(json!(format!("{}T00:00:00+01:00", person.born()))),
                "dynamic_2": value(json!(person.phone())), "dynamic_3": value(json!("4 Zqstreet")),
                "dynamic_4": value(json!("Troy")), "dynamic_5": value(json!("NY")), "dynamic_6": value(json!(12180)),
            }})
        };
        let data: Vec<Value> = page.iter().map(one).collect();
        ok(&json!({"success": true, "data": data, "metadata": {"total_elements": vendor.people.len()}}))
    };
    let with = "client_id: rosterd, client_secret: { file: hr.secret }, birth_date: dynamic_1, phone: dynamic_2, \
                street: dynamic_3, city: dynamic_4, state: dynamic_5, zipcode: dynamic_6";
    let host = Host::new("personio", with, people(120, "active"), fake);
    host.says_what_is_unconfirmed();
    host.sync().ends(0);
    assert_eq!(host.world.covered(EAST).len(), 120);
    assert_eq!(host.world.sandbox.members(EAST)["7"]["date_of_birth"], "1942-04-08", "no day is shifted");
    host.is_incomplete(Trap::Silent, "page 1");
    host.vendor.lock().unwrap().people[0].status = "inactive";
    host.sync().ends(0);
    assert_eq!(host.world.covered(EAST).len(), 119);
}

#[test]
fn a_workday_report_changes_a_column_without_a_word() {
    let fake = |asked: &Asked, vendor: &mut Vendor| {
        let path = "/ccx/service/customreport2/globex/ISU_rosterd/Roster";
        if !is_basic(asked, "ISU_rosterd@globex:s3cret")
            || asked.path != path
            || asked.query["format"] != "json"
        {
            return answer(401, &[], "");
        }
        let born = if vendor.trap == Trap::Silent { "Birth_Date" } else { "Date_of_Birth" };
        let one = |person: &Person| {
            json!({
                "Employee_ID": format!("0{}", person.number), "Legal_First_Name": person.first(),
                "Legal_Last_Name": person.last(), born: person.born(), "Mobile_Phone": person.phone(),
                "Address_Line_1": "4 Zqstreet", "City": "Troy", "State": "NY", "Postal_Code": "12180",
                "Status": person.status,
            })
        };
        let rows: Vec<Value> = vendor.people.iter().map(one).collect();
        let body = json!({"Report_Entry": rows}).to_string();
        let cut = if vendor.trap == Trap::Other { body.len() - 40 } else { body.len() };
        answer(200, &[("content-type", "application/json")], body.get(..cut).unwrap().to_owned())
    };
    let with = "tenant: globex, owner: ISU_rosterd, report: Roster, \
                username: \"ISU_rosterd@globex\", password: { file: hr.secret }";
    let host = Host::new("workday_raas", with, people(9, "Active"), fake);
    host.says_what_is_unconfirmed();
    host.sync().ends(0);
    assert_eq!(host.world.covered(EAST)[0], "01", "an id keeps its zeros");
    host.is_incomplete(Trap::Silent, "`Date_of_Birth`");
    host.is_incomplete(Trap::Other, "ends too early");
    host.vendor.lock().unwrap().people[0].status = "Terminated";
    host.sync().ends(0);
    assert_eq!(host.world.covered(EAST).len(), 8);
}

#[test]
fn finch_has_errors_inside_a_200_and_data_of_long_ago() {
    let began = SystemClock.now();
    let fake = move |asked: &Asked, vendor: &mut Vendor| {
        let version = asked.headers.get("finch-api-version").is_some_and(|version| version == "2020-09-17");
        if asked.authorization() != "Bearer s3cret" || !version {
            return answer(401, &[], "");
        }
        let age = if vendor.trap == Trap::Other {
            chrono::TimeDelta::days(9)
        } else {
            chrono::TimeDelta::hours(20)
        };
        let retrieved = (began - age).to_rfc3339();
        let found = |body: &Value| {
            answer(
                200,
                &[("content-type", "application/json"), ("finch-data-retrieved", retrieved.as_str())],
                body.to_string(),
            )
        };
        if asked.path == "/employer/directory" {
            let page = part(vendor, asked.number("offset", 0), asked.number("limit", 100));
            let one = |person: &Person| {
                json!({"id": format!("f-{}", person.number), "first_name": person.first(), "last_name": person.last(),
                       "is_active": person.status == "active", "department": {"name": "Zq"}})
            };
            let individuals: Vec<Value> = page.iter().map(one).collect();
            return found(
                &json!({"paging": {"count": vendor.people.len(), "offset": 0}, "individuals": individuals}),
            );
        }
        assert_eq!(asked.path, "/employer/individual");
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        let id = body["requests"][0]["individual_id"].as_str().unwrap();
        let number: usize = id.trim_start_matches("f-").parse().unwrap();
        if vendor.trap == Trap::Silent && number == 3 {
            let error = json!({"code": 404, "message": "Zqlast3 was not found", "name": "not_found"});
            return found(&json!({"responses": [{"individual_id": id, "code": 404, "body": error}]}));
        }
        let person = Person { number, status: "" };
        let individual = json!({
            "id": id, "first_name": person.first(), "last_name": person.last(), "dob": person.born(),
            "phone_numbers": [{"type": "work", "data": "5550000000"}, {"type": "personal", "data": person.phone()}],
            "emails": [{"type": "work", "data": "zq@canary.example"}],
            "residence": {"line1": "4 Zqstreet", "line2": Value::Null, "city": "Troy", "state": "NY", "postal_code": "12180"},
        });
        found(&json!({"responses": [{"individual_id": id, "code": 200, "body": individual}]}))
    };
    let host = Host::new("finch", "access_token: { file: hr.secret }", people(130, "active"), fake);
    host.says_what_is_unconfirmed();
    host.sync().ends(0);
    assert_eq!(host.world.covered(EAST).len(), 130);
    assert_eq!(
        host.world.sandbox.members(EAST)["f-7"]["phone"],
        "5554240007",
        "the personal one, not the work one"
    );
    host.is_incomplete(Trap::Silent, "could not be read");
    host.is_incomplete(Trap::Other, "max_age");
    host.vendor.lock().unwrap().people[0].status = "gone";
    host.sync().ends(0);
    assert_eq!(host.world.covered(EAST).len(), 129);
    assert!(host.api.count() > 2 * 130, "each person by a call of his own");
}

/// A configuration with this source, and nothing else of it.
fn configuration(source: &str) -> rosterd::config::Settings {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rosterd.yaml");
    let feed = "feeds:\n  all: { sources: [hris], group: acme, schedule: { timezone: America/New_York } }\n";
    let text = format!(
        "vitable: {{ base_url: \"https://api.vitablehealth.com\", api_key: {{ env: KEY }} }}\nstate_dir: state\nalerts: none\n{source}{feed}"
    );
    put(&path, &text);
    put(&folder.path().join("house.yaml"), &own_preset());
    rosterd::config::load(&path, &|_| None, rosterd::config::Secrets::Skip)
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// The preset that docs/http.md shows.
fn own_preset() -> String {
    let text = fs::read_to_string("docs/http.md").unwrap();
    let from = text.find("name: The house's own HR system").unwrap();
    text.get(from..).unwrap().split("```").next().unwrap().to_owned()
}

#[test]
fn what_presets_show_says_can_be_typed_and_a_preset_of_ones_own_needs_no_build() {
    for about in rosterd::config::presets() {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_rosterd"))
            .args(["presets", "show", &about.preset])
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        let from = shown.find("sources:\n").unwrap();
        let usage = shown.get(from..).unwrap().split("\n# What is not confirmed").next().unwrap();
        let settings = configuration(&usage.replace('…', "x"));
        assert!(settings.warnings.iter().any(|warning| warning.contains("unconfirmed")), "{}", about.preset);
    }
    let own = "sources:\n  hris:\n    http: { preset: house.yaml, with: { site: troy, token: { env: TOKEN } } }\n    fields: { plan_id: { value: pln_x } }\n";
    assert!(
        configuration(own).warnings.iter().any(|warning| warning.contains("counts people who have left"))
    );
}
