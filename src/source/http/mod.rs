//! Rosters from HTTP APIs: one driver, told by the configuration what to ask.
//!
//! A read is one pass over all pages into an unlinked spool of records, one on each line. Whatever proves that
//! something is missing ends it, and a second pass begins a new spool: nothing of two reads is ever mixed.
//!
//! | module | what is in it |
//! | --- | --- |
//! | `settings` | the block of the configuration, checked |
//! | `client` | one request: who we are, the rate, repeats, bounds |
//! | `auth` | credentials and tokens |
//! | `tls` | what is said when no encrypted connection comes about |
//! | `pace` | when the next request may leave |
//! | `request` | the configuration's request made ready, braces filled |
//! | `page` | an answer's records |
//! | `ends` | when credentials end |
//! | `detail` | the second call for each record |
//! | `next` | pure: which page is next, and what the pages prove |

mod auth;
mod client;
mod detail;
mod ends;
mod next;
mod pace;
mod page;
mod request;
mod settings;
mod tls;

pub use ends::{Ending, endings};
pub(crate) use request::braces;
pub use settings::{Auth, Certificate, Detail, Fresh, Http, OAuth2, Pagination, Rate, Request, Where};

use super::{Arrived, Failure, Hop, Note, spool::Spool};
use crate::{clock::Clock, probe::Step};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use client::{Answer, Client};
use next::{Flaw, Next, Pages, Said};
use page::Page;
use reqwest::header::LINK;
use std::{path::Path, time::Duration};
use tokio::time::Instant;
use url::Url;

/// Statuses that may say that there is no such page, once everything has come that the server counts.
const NO_SUCH_PAGE: &[u16] = &[400, 404, 416];

/// The disk is the state's too: a list that has no end must not fill it.
const LARGEST_READ: u64 = 4 << 30;
/// A read that takes longer is of no use to its own day.
const LONGEST: Duration = Duration::from_secs(12 * 3_600);

/// As [`super::fetch`], from an HTTP API.
pub(super) async fn fetch(
    settings: &Http,
    spool_dir: &Path,
    clock: &dyn Clock,
    note: Note<'_>,
) -> Result<Arrived, Failure> {
    match tokio::time::timeout(LONGEST, read(settings, spool_dir, clock, note)).await {
        Ok(read) => read,
        Err(_) => Err(Failure::at(
            Hop::Request,
            format!("the read had not ended after {} hours; ask for larger pages", LONGEST.as_secs() / 3_600),
        )),
    }
}

async fn read(
    settings: &Http,
    spool_dir: &Path,
    clock: &dyn Clock,
    note: Note<'_>,
) -> Result<Arrived, Failure> {
    let client = Client::new(settings, clock, note)?;
    let moved = match pass(&client, settings, spool_dir).await {
        Ok(arrived) => return Ok(arrived),
        Err(Stop::Moved(why)) => why,
        Err(Stop::Failure(failure)) => return Err(failure),
    };
    note(&format!("{moved}: rows moved while they were read; reading everything again"));
    pass(&client, settings, spool_dir).await.map_err(|stop| match stop {
        Stop::Moved(why) => Failure::Incomplete(format!(
            "{why}, in two reads one after the other; sort the list by something that does not change, or read it \
             at a time when nobody works on it"
        )),
        Stop::Failure(failure) => failure,
    })
}

/// Why a pass ended early.
enum Stop {
    Moved(String),
    Failure(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Moved(why) => Self::Moved(why),
            Flaw::Proof(why) => Self::Failure(Failure::Incomplete(why)),
            Flaw::Elsewhere => Self::Failure(Failure::at(
                Hop::Request,
                "the address of the next page is at another host, where our credentials do not go; correct `url`",
            )),
        }
    }
}

/// One read of everything.
async fn pass(client: &Client<'_>, settings: &Http, spool_dir: &Path) -> Result<Arrived, Stop> {
    let mut spool = Spool::create(spool_dir)?;
    let mut pages = Pages::new(settings);
    let (mut modified, mut size) = (None, 0);
    let mut next = pages.first();
    loop {
        let number = pages.coming();
        let Some(answer) = ask(client, settings, &next).await? else { break };
        let page = Page::read(&answer, settings).map_err(|why| flawed(number, &why))?;
        if number == 1 {
            modified = fresh(settings, (&answer, &page), client.clock().now())?;
        } else if let Some(other) = told(settings, (&answer, &page)).filter(|other| modified != Some(*other))
        {
            return Err(Stop::Moved(format!(
                "the data of page {number} are of {} UTC, and those of the first page are not",
                other.format("%Y-%m-%d %H:%M:%S")
            )));
        }
        next = pages.take(&page, &said(settings, &answer, &page), &answer.url)?;
        let records = match &settings.detail {
            Some(detail) => detail::join(client, settings, detail, page.records, number).await?,
            None => page.records,
        };
        pages.people(&records.ids)?;
        size += records.lines.len() as u64;
        if size > LARGEST_READ {
            let why = format!("the list is larger than {} GiB; ask for fewer fields", LARGEST_READ >> 30);
            return Err(Failure::Incomplete(why).into());
        }
        spool.write(records.lines.as_bytes())?;
    }
    pages.whole()?;
    Ok(Arrived { path: shown(&settings.request.url), ..Arrived::of(spool, modified) })
}

/// The next answer, if there is one to be asked for.
async fn ask(client: &Client<'_>, settings: &Http, next: &Next) -> Result<Option<Answer>, Failure> {
    let wrong = |why| Failure::at(Hop::Request, format!("{why}; correct `request`"));
    let asked = match next {
        Next::End => return Ok(None),
        Next::Params { params, past_the_end } => {
            let asked = request::ask(&settings.request, params, None).map_err(wrong)?;
            client::Ask { nothing_at: if *past_the_end { NO_SUCH_PAGE } else { &[] }, ..asked }
        }
        Next::Url(url) => {
            let asked = request::ask(&settings.request, &[], None).map_err(wrong)?;
            client::Ask { url: url.clone(), ..asked }
        }
    };
    client.ask(&asked).await.map(Some)
}

fn flawed(page: u64, why: &str) -> Failure {
    Failure::Incomplete(format!("page {page} {why}"))
}

/// What an answer says of the whole list.
fn said(settings: &Http, answer: &Answer, page: &Page) -> Said {
    let total = settings.total.as_ref().and_then(|place| text_at(place, answer, page));
    let mut links =
        answer.headers.get_all(LINK).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    Said {
        total: total.and_then(|text| text.trim().parse().ok()),
        link: links.find_map(|link| next_link(&link)),
    }
}

/// What an answer says at this place.
fn text_at(place: &Where, answer: &Answer, page: &Page) -> Option<String> {
    match place {
        Where::Body(path) => path.text(&page.rest),
        Where::Header(name) => {
            answer.headers.get(name.as_str()).and_then(|value| value.to_str().ok()).map(str::to_owned)
        }
    }
}

/// The address with `rel="next"` of a `Link` header.
fn next_link(header: &str) -> Option<String> {
    // An address may hold commas, so that each link is cut from its `<` to the next one.
    header.split('<').skip(1).find_map(|link| {
        let (address, parameters) = link.split_once('>')?;
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            let mut words = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && words.any(|word| word.eq_ignore_ascii_case("next"))
        });
        is_next.then(|| address.to_owned())
    })
}

/// What an answer says of when its data are.
fn told(settings: &Http, (answer, page): (&Answer, &Page)) -> Option<DateTime<Utc>> {
    text_at(&settings.fresh.as_ref()?.at, answer, page).and_then(|text| instant(text.trim()))
}

/// The time of the data, if they say it and are not too old.
fn fresh(
    settings: &Http,
    (answer, page): (&Answer, &Page),
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Failure> {
    let Some(fresh) = &settings.fresh else { return Ok(None) };
    let Some(said) = told(settings, (answer, page)) else {
        return Err(Failure::Incomplete(format!(
            "the first answer does not say at `{}` how old its data are; correct `fresh`",
            fresh.at
        )));
    };
    let age = now.signed_duration_since(said);
    if age < -TimeDelta::days(1) {
        return Err(Failure::Incomplete(format!(
            "the first answer says at `{}` that its data are of a day to come; correct `fresh`",
            fresh.at
        )));
    }
    if age.to_std().unwrap_or_default() > fresh.max_age {
        return Err(Failure::Incomplete(format!(
            "the data are of {} UTC, which is longer ago than `max_age` allows; let the HR system be read anew",
            said.format("%Y-%m-%d %H:%M")
        )));
    }
    Ok(Some(said))
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    let day = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|time| time.and_utc());
    DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).ok().or_else(day)
}

/// An address as people see it: without a query, which may hold anything.
pub(super) fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            url.to_string()
        }
        Err(_) => "the source's address".to_owned(),
    }
}

/// As [`super::probe`]: the token, and the first page.
pub(super) async fn probe(settings: &Http, clock: &dyn Clock) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut began = Instant::now();
    let mut step = |hop, found: Result<String, Failure>| {
        let result = found.map_err(Failure::without_hop);
        let (now, right) = (Instant::now(), result.is_ok());
        steps.push(Step { hop, took: now.duration_since(std::mem::replace(&mut began, now)), result });
        right
    };
    let client = match Client::once_only(settings, clock) {
        Ok(client) => client,
        Err(failure) => {
            step("credentials", Err(failure));
            return steps;
        }
    };
    if let Auth::OAuth2(oauth2) = &settings.auth {
        let token = client.log_in().await;
        if !step("token", token.map(|()| format!("`{}` gave one", shown(oauth2.token_url.as_str())))) {
            return steps;
        }
    }
    step("first page", first_page(&client, settings).await);
    steps
}

async fn first_page(client: &Client<'_>, settings: &Http) -> Result<String, Failure> {
    let mut pages = Pages::new(settings);
    let Some(answer) = ask(client, settings, &pages.first()).await? else {
        return Ok("there is nothing to ask".to_owned());
    };
    let page = Page::read(&answer, settings).map_err(|why| flawed(1, &why))?;
    fresh(settings, (&answer, &page), client.clock().now())?;
    let failed = |flaw| match Stop::from(flaw) {
        Stop::Moved(why) => Failure::Incomplete(why),
        Stop::Failure(failure) => failure,
    };
    let next = pages.take(&page, &said(settings, &answer, &page), &answer.url).map_err(failed)?;
    let more = if next == Next::End {
        pages.whole().map_err(failed)?;
        "that is the whole list"
    } else {
        "another page follows"
    };
    let total = pages.total.map(|total| format!(" of {total}")).unwrap_or_default();
    Ok(format!("{}{total} records at `{}`; {more}", page.count, settings.records.as_str()))
}
