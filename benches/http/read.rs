//! Reads a list of an HTTP API as a sync does, and by a plain loop, in turns: what `benches/http.sh` runs.
//!
//! `http_read PAGES MILLISECONDS ROUNDS`: each page has 100 records, and takes the server so many milliseconds.

use anyhow::{Context as _, bail, ensure};
use axum::{Router, body::Bytes, extract::Query, http::StatusCode, routing::get};
use rosterd::{
    clock::{Clock as _, SystemClock},
    config::{self, Secrets},
    engine::Feed,
    mapping,
    roster::{PeopleBuilder, PlanId, Standing},
    source::{
        self,
        decode::{Step, json},
    },
};
use std::{collections::HashMap, io::Write, path::Path, sync::Arc, time::Duration};
use tokio::time::Instant;

const SIZE: usize = 100;

/// What an operator would write for this API.
const CONFIG: &str = r#"
vitable: { base_url: "http://127.0.0.1:1", api_key: { file: key } }
state_dir: state
alerts: none
mappings:
  hr:
    fields:
      reference_id: id
      first_name: name.first
      last_name: name.last
      date_of_birth: born
      phone: "$.phones[?@.type=='mobile'].number"
      email: mail
      plan_id: { value: pln_gold }
      address_line_1: home.line1
      city: home.city
      state: home.state
      zipcode: home.zip
    eligibility:
      status: { column: status, covered: [active], ended: [terminated] }
      timezone: America/New_York
sources:
  hr:
    http:
      request: { url: "URL/employees" }
      records: $.data
      pagination: { page: { param: page, first: 0, size_param: limit, size: 100 } }
      total: $.total
    mapping: hr
feeds:
  hr: { sources: [hr], group: everybody }
"#;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pages, wait, rounds] = arguments.as_slice() else {
        bail!("usage: http_read PAGES MILLISECONDS ROUNDS");
    };
    let (pages, rounds): (usize, usize) = (pages.parse()?, rounds.parse()?);
    let wait = Duration::from_millis(wait.parse()?);
    // The plain loop's client comes first, and wants a provider as rosterd's does.
    drop(rustls::crypto::ring::default_provider().install_default());
    // The server has threads of its own.
    let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = server.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let url = format!("http://{}", listener.local_addr()?);
    let answers: Arc<Vec<Bytes>> = Arc::new((0..pages).map(|page| answer(page, pages)).collect());
    server.spawn(async move { axum::serve(listener, router(answers, wait)).await });

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("rosterd.yaml");
    std::fs::File::create(&path)?.write_all(CONFIG.replace("URL", &url).as_bytes())?;
    let settings = config::load(&path, &|_| None, Secrets::Skip)?;
    let feed = settings.feeds.first().context("the configuration has no feed")?;
    let client = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut ratios = Vec::new();
    let mut out = std::io::stdout();
    for _ in 0..rounds {
        let plain = client.block_on(plain(&url, pages))?;
        let ours = client.block_on(ours(feed, folder.path(), pages * SIZE))?;
        let ratio = ours.as_secs_f64() / plain.as_secs_f64();
        writeln!(
            out,
            "plain {:.2} s, rosterd {:.2} s, ratio {ratio:.3}",
            plain.as_secs_f64(),
            ours.as_secs_f64()
        )?;
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).context("no round")?;
    writeln!(out, "{} records on {pages} pages: median ratio {median:.3}, the bar is 1.10", pages * SIZE)?;
    Ok(())
}

fn router(answers: Arc<Vec<Bytes>>, wait: Duration) -> Router {
    let employees = get(move |Query(query): Query<HashMap<String, String>>| {
        let page = query.get("page").and_then(|page| page.parse::<usize>().ok());
        let answer = page.and_then(|page| answers.get(page)).cloned();
        async move {
            tokio::time::sleep(wait).await;
            answer.ok_or(StatusCode::NOT_FOUND)
        }
    });
    Router::new().route("/employees", employees)
}

/// A page of people who do not exist.
fn answer(page: usize, pages: usize) -> Bytes {
    let people: Vec<serde_json::Value> = (page * SIZE..(page + 1) * SIZE)
        .map(|number| {
            serde_json::json!({
                "id": format!("E-{number}"), "name": {"first": "Ada", "last": "Quill"}, "born": "1985-03-14T00:00:00Z",
                "phones": [{"type": "home", "number": "518-555-0101"}, {"type": "mobile", "number": format!("(518) 55{:05}", number % 100_000)}],
                "mail": format!("e{number}@partner.example"), "status": "active",
                "home": {"line1": format!("{number} Elm Street"), "city": "Troy", "state": "NY", "zip": "12180"},
            })
        })
        .collect();
    serde_json::json!({"data": people, "total": pages * SIZE}).to_string().into()
}

/// The same requests, whose answers are thrown away.
async fn plain(url: &str, pages: usize) -> anyhow::Result<Duration> {
    let client = reqwest::Client::builder().http1_only().no_proxy().build()?;
    let began = Instant::now();
    let mut bytes = 0;
    for page in 0..pages {
        let asked = client.get(format!("{url}/employees?page={page}&limit={SIZE}"));
        bytes += asked.send().await?.error_for_status()?.bytes().await?.len();
    }
    ensure!(bytes > pages * SIZE, "the server gave nothing");
    Ok(began.elapsed())
}

/// A read, from the first request to the people.
async fn ours(feed: &Feed, spool: &Path, expected: usize) -> anyhow::Result<Duration> {
    let source = feed.sources.first().context("the feed has no source")?;
    let mapping = mapping::compile(&source.mapping, &feed.grouping, None)?;
    let dates = source.mapping.date_columns();
    let began = Instant::now();
    let mut arrived =
        source::fetch(source, spool, &SystemClock, &|_| ()).await?.pop().context("nothing arrived")?;
    let mut builder = PeopleBuilder::new(feed.named_groups().into_iter().collect())
        .with_plans([PlanId::new("pln_gold")?].into());
    let (mut bound, today) = (None, SystemClock.now().date_naive());
    let needed = source.mapping.needed_columns("");
    let cells = json::Cells { columns: mapping.columns(), needed: &needed, dates: &dates };
    json::read(&mut arrived.spool, json::Layout::Lines, cells, 0, &mut |step| {
        match (step, &mut bound) {
            (Step::Header(header), _) => bound = mapping.bind(header).ok(),
            (Step::Rows(table), Some(bound)) => bound.map(table, today, &mut builder),
            (Step::Rows(_), None) => {}
        }
        Ok(())
    })?;
    let people = builder.finish();
    let took = began.elapsed();
    let usable = (0_u32..).map_while(|place| people.person(place));
    let usable = usable.filter(|person| matches!(person.standing, Standing::Eligible(_)));
    ensure!(usable.count() == expected, "not everybody can be used");
    Ok(took)
}
