//! An HTTP API in trouble, as the built binary meets it: whatever it does to the list, nobody is removed by it, and the
//! next good read goes on. On a clock that runs fast, so that the waiting between tries takes no time of ours.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use crate::{
    faked_clock::FakedClock,
    http::{Api, Asked, answer},
    world::{HEADER, Ran, Setup, World, people, row},
};
use axum::{body::Body, response::Response};
use chrono::{DateTime, TimeDelta, Utc};
use rosterd::clock::{Clock, SystemClock};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};

/// How much faster than ours the clock runs.
const RATE: u32 = 30;

/// What is the matter with the API.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    None,
    CutJson,
    WebPage,
    RepeatedPage,
    /// The connection ends in the middle of the second page, so many times.
    Drop(usize),
    /// Somebody is put before the others while the list is read, in so many reads.
    Moved(usize),
    /// The header counts so many more, or fewer.
    Total(i64),
    NoTotal,
    /// 429, again and again.
    Storm,
    /// 429 once, with a date so many seconds ahead as `Retry-After`.
    Later(i64),
    /// A permission was taken away: records without phones.
    HiddenPhones,
    /// 200 with an empty list that the header confirms.
    Nobody,
}

struct Hr {
    rows: Vec<String>,
    trouble: Trouble,
    /// How often it happened.
    times: usize,
    asked: Vec<DateTime<Utc>>,
}

struct Host {
    /// The server runs as long as it does.
    _runtime: tokio::runtime::Runtime,
    hr: Arc<Mutex<Hr>>,
    clock: FakedClock,
    world: World,
    _api: Api,
}

impl Hr {
    fn records(&self) -> Vec<Value> {
        let hidden = self.trouble == Trouble::HiddenPhones;
        let record = |row: &String| {
            let cells = HEADER.split(',').zip(row.split(','));
            let shown = cells.filter(|(name, _)| !(hidden && *name == "Phone"));
            Value::Object(shown.map(|(name, cell)| (name.to_owned(), json!(cell))).collect::<Map<_, _>>())
        };
        self.rows.iter().map(record).collect()
    }

    fn answer(&mut self, asked: &Asked, now: DateTime<Utc>) -> Response {
        self.asked.push(now);
        let (mut from, size) = (asked.number("offset", 0), asked.number("limit", 10));
        let all = if self.trouble == Trouble::Nobody { Vec::new() } else { self.records() };
        let mut total = Some(i64::try_from(all.len()).unwrap());
        let second = from == 10;
        match self.trouble {
            Trouble::None | Trouble::HiddenPhones | Trouble::Nobody => {}
            Trouble::WebPage if second => {
                return answer(200, &[("content-type", "text/html")], "<html>Sign in, Zq-1</html>");
            }
            Trouble::RepeatedPage if second => from = 0,
            Trouble::Drop(times) if second && self.times < times => {
                self.times += 1;
                let parts = [Ok("[{\"Employee ID\":\"E-1"), Err(std::io::Error::other("cut"))];
                return answer(200, &[], Body::from_stream(futures_util::stream::iter(parts)));
            }
            Trouble::Moved(reads) => {
                if from == 0 {
                    self.times += 1;
                } else if self.times <= reads {
                    from -= 1;
                }
            }
            Trouble::Total(more) => total = total.map(|total| total + more),
            Trouble::NoTotal => total = None,
            Trouble::Storm if second => return answer(429, &[("retry-after", "1")], ""),
            Trouble::Later(seconds) if second && self.times == 0 => {
                self.times = 1;
                let until =
                    (now + TimeDelta::seconds(seconds)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
                return answer(429, &[("retry-after", &until)], "");
            }
            Trouble::WebPage
            | Trouble::RepeatedPage
            | Trouble::Drop(_)
            | Trouble::Storm
            | Trouble::Later(_)
            | Trouble::CutJson => {}
        }
        let page: Vec<&Value> = all.iter().skip(from).take(size).collect();
        let mut text = json!(page).to_string();
        if self.trouble == Trouble::CutJson && second {
            text.truncate(text.len() / 2);
        }
        let total = total.map(|total| total.to_string());
        let header: Vec<(&str, &str)> = total.iter().map(|total| ("x-total", total.as_str())).collect();
        answer(200, &header, text)
    }
}

impl Host {
    fn new(rows: Vec<String>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let clock = FakedClock::new(&SystemClock.now().format("%Y-%m-%d %H:%M:%S").to_string(), RATE);
        let hr = Arc::new(Mutex::new(Hr { rows, trouble: Trouble::None, times: 0, asked: Vec::new() }));
        let (shared, time) = (Arc::clone(&hr), clock.clone());
        let api = runtime.block_on(Api::start(move |asked| shared.lock().unwrap().answer(asked, time.now())));
        let place = format!(
            r#"http:
      request: {{ url: "{}/v1/employees" }}
      auth: {{ bearer: {{ file: api.key }} }}
      records: $
      pagination: {{ offset: {{ param: offset, size_param: limit, size: 10 }} }}
      total_header: X-Total"#,
            api.url
        );
        let setup = Setup {
            place: Some(place),
            guard: "first_sync: submit".to_owned(),
            timeout: "1h".to_owned(),
            clock: Arc::new(clock.clone()),
            ..Setup::default()
        };
        Self { _runtime: runtime, hr, clock, world: World::new(&setup), _api: api }
    }

    /// A run while the API is in this trouble; when it was asked.
    fn meets(&self, trouble: Trouble) -> (Ran, Vec<DateTime<Utc>>) {
        {
            let mut hr = self.hr.lock().unwrap();
            (hr.trouble, hr.times) = (trouble, 0);
            hr.asked.clear();
        }
        let ran = self.clock.run(self.world.command(&["sync", "acme"]));
        let mut hr = self.hr.lock().unwrap();
        hr.trouble = Trouble::None;
        (ran, std::mem::take(&mut hr.asked))
    }

    fn covered(&self) -> Vec<String> {
        [self.world.covered("acme-east"), self.world.covered("acme-west")].concat()
    }
}

#[test]
fn whatever_the_api_does_to_its_list_nobody_is_removed_by_it() {
    let host = Host::new([people(1..=22, "East"), people(101..=103, "West")].concat());
    host.meets(Trouble::None).0.ends(0);
    let (covered, submits) = (host.covered(), host.world.sandbox.submits().len());
    assert_eq!(covered.len(), 25);
    // What is said, and how many requests it takes at most.
    let cases: [(Trouble, &str, usize); 12] = [
        (Trouble::CutJson, "page 2 ends too early", 2),
        (Trouble::WebPage, "page 2 is a web page and no JSON", 2),
        (Trouble::RepeatedPage, "page 2 is one that came before", 2),
        (Trouble::Drop(usize::MAX), "tried 5 times", 6),
        (Trouble::Moved(2), "in two reads one after the other", 4),
        (Trouble::Total(1), "the server counts 26 and gave 25", 3),
        (Trouble::Total(-5), "the server counts 20 records and gave 25", 3),
        (Trouble::NoTotal, "does not say how many records there are", 1),
        (Trouble::Storm, "429 (Too Many Requests); tried 5 times", 6),
        (Trouble::Later(3_600), "asks to be left alone until", 2),
        (Trouble::HiddenPhones, "no record has anything at `Phone`", 3),
        (Trouble::Nobody, "0 rows", 1),
    ];
    for (trouble, words, most) in cases {
        let (ran, asked) = host.meets(trouble);
        let ran = ran.ends(1);
        assert!(ran.text().contains(words), "{trouble:?}: {}", ran.text());
        assert!(asked.len() <= most, "{trouble:?}: {} requests", asked.len());
        assert!(!ran.text().contains("Zq"), "{trouble:?}: {}", ran.text());
        assert_eq!(host.covered(), covered, "{trouble:?}");
        assert_eq!(host.world.sandbox.submits().len(), submits, "{trouble:?}: nothing is sent");
    }
    // A leaver is removed by the next good read, and by that alone.
    {
        let mut hr = host.hr.lock().unwrap();
        *hr.rows.first_mut().unwrap() = row(1, "East", "Terminated");
    }
    host.meets(Trouble::None).0.ends(0);
    let gone: Vec<String> = covered.into_iter().filter(|id| !host.covered().contains(id)).collect();
    assert_eq!(gone, ["E-1"]);
}

#[test]
fn what_passes_is_waited_for_and_the_list_is_whole() {
    let host = Host::new([people(1..=22, "East"), people(101..=103, "West")].concat());
    for trouble in [Trouble::None, Trouble::Drop(2), Trouble::Moved(1), Trouble::Later(90)] {
        let (ran, asked) = host.meets(trouble);
        ran.ends(0);
        assert_eq!(host.covered().len(), 25, "{trouble:?}");
        if trouble == Trouble::Later(90) {
            let waits = asked
                .windows(2)
                .map(|pair| pair.last().unwrap().signed_duration_since(pair.first().unwrap()));
            let longest = waits.max().unwrap();
            // A date has whole seconds, and the two clocks agree to within one of ours.
            let least = TimeDelta::seconds(90 - 1 - i64::from(RATE));
            assert!(longest >= least && longest < TimeDelta::seconds(600), "{longest}");
        }
    }
}
