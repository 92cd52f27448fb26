//! The way to Vitable, hop by hop, for `rosterd check --connect`. Nothing is repeated, and nothing is changed.

use super::{ApiError, ApiErrorKind, Client, MAX_CLOCK_SKEW, client::Pace, wire};
use crate::{http, probe::Step};
use hyper_util::client::proxy::matcher::Matcher;
use std::{collections::BTreeSet, net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, time::Instant};
use url::Url;

/// How long a look-up of a name and a connection may take; Vitable's answer has `vitable.timeout`.
const PATIENCE: Duration = Duration::from_secs(15);

/// The steps so far, and when the present one began.
struct Steps {
    done: Vec<Step>,
    began: Instant,
}

impl Steps {
    /// Ends a step; nothing when it failed, which is the end of the way.
    fn take<T>(&mut self, hop: &'static str, result: Result<(T, String), String>) -> Option<T> {
        let now = Instant::now();
        let took = now - std::mem::replace(&mut self.began, now);
        let (value, result) = match result {
            Ok((value, found)) => (Some(value), Ok(found)),
            Err(wrong) => (None, Err(wrong)),
        };
        self.done.push(Step { hop, took, result });
        value
    }
}

impl Client {
    /// Tries each hop: the name, the connection, TLS, the key, the organization, the clock, the plans. The last step
    /// is the one that failed, if one did.
    pub async fn probe(&self) -> Vec<Step> {
        let mut steps = Steps { done: Vec::new(), began: Instant::now() };
        // The steps are the answer; where they end is in the last of them.
        let _: Option<()> = self.walk(&mut steps).await;
        steps.done
    }

    async fn walk(&self, steps: &mut Steps) -> Option<()> {
        let first = First::of(self);
        let addresses = steps.take("resolve", first.resolve().await)?;
        steps.take("connect", first.connect(&addresses).await)?;
        let mut url = self.url(&["v1", "groups"]);
        url.query_pairs_mut().append_pair("page", "1").append_pair("limit", "100");
        let groups = match self.once::<wire::Page<wire::Group>>(&url).await {
            Ok(groups) => groups.data,
            Err(error) => {
                let (hop, wrong) = self.refusal(&error);
                return steps.take(hop, Err(wrong));
            }
        };
        let found = format!("the key {} is accepted", self.settings.api_key);
        steps.take("key", Ok(((), found)))?;
        steps.take("organization", self.organization_of(&groups))?;
        steps.take("clock", self.clock_of())?;
        let plans = self.once::<wire::Page<wire::Plan>>(&self.url(&["v1", "plans"])).await;
        let plans = match plans {
            Ok(plans) if plans.data.is_empty() => {
                Err("Vitable lists no plan for this organization, so that nobody could be added; ask Vitable"
                    .to_owned())
            }
            Ok(plans) => Ok(((), count(plans.data.len(), "plan"))),
            Err(error) => Err(self.refusal(&error).1),
        };
        steps.take("plans", plans)
    }

    async fn once<T: serde::de::DeserializeOwned>(&self, url: &Url) -> Result<T, ApiError> {
        let answer = self.get_once(url, Pace::Free).await?;
        let unreadable = || ApiError::unreadable(Some(answer.status), answer.kind_of_body());
        serde_json::from_slice(&answer.body).map_err(|_| unreadable())
    }

    /// The hop that an error is of, with what was seen and what to do.
    fn refusal(&self, error: &ApiError) -> (&'static str, String) {
        let (hop, help) = match error.kind {
            ApiErrorKind::Connect if error.message.contains("certificate") => (
                "TLS",
                "when a proxy of yours opens TLS, name its certificate in `vitable.ca_file`; else something stands between you and Vitable".to_owned(),
            ),
            ApiErrorKind::Connect => (
                if self.settings.base_url.scheme() == "https" { "TLS" } else { "answer" },
                "check `vitable.base_url`, the proxy and the firewall".to_owned(),
            ),
            ApiErrorKind::Credential => (
                "key",
                format!("check the key {} (`vitable.api_key`), and that it is for {}", self.settings.api_key, self.settings.base_url.as_str().trim_end_matches('/')),
            ),
            ApiErrorKind::NotFound | ApiErrorKind::Refused if error.code.as_deref() == Some("organization_required") => {
                ("organization", "the key reaches several organizations: write `vitable.organization`".to_owned())
            }
            ApiErrorKind::NotFound | ApiErrorKind::Unreadable => {
                ("answer", "this is not Vitable's API: check `vitable.base_url`".to_owned())
            }
            ApiErrorKind::Throttled | ApiErrorKind::Server => ("answer", "try again later".to_owned()),
            ApiErrorKind::Refused => ("answer", "check `vitable.base_url` and `vitable.organization`".to_owned()),
        };
        (hop, format!("{}; {help}", error.message.trim_end_matches(['.', ' '])))
    }

    fn organization_of(&self, groups: &[wire::Group]) -> Result<((), String), String> {
        let seen: BTreeSet<&str> = groups.iter().map(|group| group.organization_id.as_str()).collect();
        match (seen.into_iter().collect::<Vec<_>>().as_slice(), &self.settings.organization) {
            ([], _) => Ok(((), "no group yet, which would show it".to_owned())),
            ([one], Some(asked)) if asked.as_str() != *one => Err(format!(
                "Vitable shows {one}, and `vitable.organization` is {asked}; correct one of the two"
            )),
            ([one], _) => Ok(((), format!("{one}, {} on the first page", count(groups.len(), "group")))),
            ([one, other, ..], _) => Err(format!(
                "the key reaches several organizations ({one}, {other}); write `vitable.organization`"
            )),
        }
    }

    fn clock_of(&self) -> Result<((), String), String> {
        let Some(skew) = self.clock_skew() else {
            return Ok(((), "Vitable does not say what time it is".to_owned()));
        };
        let seconds = skew.num_seconds().abs();
        if skew.abs() > MAX_CLOCK_SKEW {
            let way = if skew > chrono::TimeDelta::zero() { "behind" } else { "ahead of" };
            return Err(format!(
                "this host's clock is {} minutes {way} Vitable's; set it, and keep it right by NTP",
                seconds / 60
            ));
        }
        Ok(((), format!("{} apart", count(usize::try_from(seconds).unwrap_or_default(), "second"))))
    }
}

/// The first thing to be reached: the API itself, or the proxy before it.
struct First {
    host: String,
    port: u16,
    /// The key of the configuration that names it.
    named_by: &'static str,
}

impl First {
    fn of(client: &Client) -> Self {
        let api = &client.settings.base_url;
        let host = |url: &Url| url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = |url: &Url| url.port_or_known_default().unwrap_or(443);
        if let Some(proxy) = &client.settings.proxy {
            return Self { host: host(proxy), port: port(proxy), named_by: "vitable.proxy" };
        }
        // As the client itself does: the environment's proxy, but never for a loopback address.
        let intercepted = (!http::is_loopback(api)).then(|| api.as_str().parse().ok()).flatten();
        let proxy = intercepted.and_then(|api| Matcher::from_system().intercept(&api));
        match proxy.and_then(|proxy| Url::parse(&proxy.uri().to_string()).ok()) {
            Some(proxy) => Self { host: host(&proxy), port: port(&proxy), named_by: "HTTPS_PROXY" },
            None => Self { host: host(api), port: port(api), named_by: "vitable.base_url" },
        }
    }

    async fn resolve(&self) -> Result<(Vec<SocketAddr>, String), String> {
        let look = tokio::net::lookup_host((self.host.as_str(), self.port));
        let help = format!("check `{}` and this host's name server", self.named_by);
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(Ok(found)) => {
                let found: Vec<SocketAddr> = found.collect();
                match found.as_slice() {
                    [] => Err(format!("`{}` has no address; {help}", self.host)),
                    [one, ..] => {
                        let more = if found.len() > 1 {
                            format!(" and {} more", found.len() - 1)
                        } else {
                            String::new()
                        };
                        let written = self.host.parse::<std::net::IpAddr>().is_ok();
                        let shown = if written {
                            format!("{} is an address", self.host)
                        } else {
                            format!("{} is {}{more}", self.host, one.ip())
                        };
                        Ok((found, shown))
                    }
                }
            }
            Ok(Err(error)) => Err(format!("`{}` has no address ({error}); {help}", self.host)),
            Err(_) => Err(format!("nobody said what the address of `{}` is; {help}", self.host)),
        }
    }

    async fn connect(&self, addresses: &[SocketAddr]) -> Result<((), String), String> {
        let mut why = "no answer".to_owned();
        for address in addresses {
            match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
                Ok(Ok(_)) => return Ok(((), format!("{address} answers"))),
                Ok(Err(error)) => why = http::innermost(&error).to_string(),
                Err(_) => why = format!("no answer within {} seconds", PATIENCE.as_secs()),
            }
        }
        let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        Err(format!(
            "{} cannot be reached ({why}); check `{}` and the firewall, or name a proxy in `vitable.proxy`",
            shown.join(", "),
            self.named_by
        ))
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
