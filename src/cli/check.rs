//! `rosterd check`: the configuration alone, or with `--connect` also the way to everybody that it names.

use super::{Exit, Failure, open};
use crate::{
    clock::{Clock, SystemClock},
    config::Settings,
    notify,
    probe::Step,
    source,
    vitable::Client,
};
use clap::Args;
use futures_util::StreamExt;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Also try every hop of every source, Vitable and the mail server, and name the one that fails.
    #[arg(long)]
    connect: bool,
}

/// So many ways are tried at a time.
const AT_A_TIME: usize = 8;

pub(super) async fn run(config: Option<PathBuf>, command: Check) -> Result<Exit, Failure> {
    let settings = open::settings(config)?;
    let mut out = io::stdout();
    for warning in &settings.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    for warning in endings(&settings) {
        writeln!(out, "warning: {warning}")?;
    }
    let feeds = settings.feeds.len();
    writeln!(
        out,
        "{}: the configuration is right: {feeds} {}",
        settings.path.display(),
        if feeds == 1 { "feed" } else { "feeds" }
    )?;
    if command.connect { connect(&settings, &mut out).await } else { Ok(Exit::Done) }
}

/// Credentials that are about to end, each once.
fn endings(settings: &Settings) -> BTreeSet<String> {
    let now = SystemClock.now();
    let sources = settings.feeds.iter().flat_map(|feed| &feed.sources);
    sources.flat_map(|each| source::endings(each)).filter_map(|ending| ending.warning(now)).collect()
}

/// A peer, and what trying it found; nothing when this version does not try it.
type Way<'w> = (String, Pin<Box<dyn Future<Output = Option<Vec<Step>>> + Send + 'w>>);

/// Tries every way, and prints each when it is whole, in the order of the file.
async fn connect(settings: &Settings, out: &mut impl Write) -> Result<Exit, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ways = ways(settings, &clock);
    let count = ways.len();
    let tried = ways.into_iter().map(|(name, steps)| async move { (name, steps.await) });
    let mut tried = futures_util::stream::iter(tried).buffered(AT_A_TIME);
    let (mut failed, mut passed_over) = (0, 0);
    while let Some((name, steps)) = tried.next().await {
        match steps {
            Some(steps) => failed += usize::from(!show(out, &name, &steps)?),
            None => {
                passed_over += 1;
                writeln!(out, "\n{name}\n  not tried: this version does not know how")?;
            }
        }
        out.flush()?;
    }
    if let Some(heartbeat) = &settings.heartbeat {
        // A ping says that all is well, which nobody knows here.
        writeln!(
            out,
            "\nheartbeat, {heartbeat}\n  not tried: only `rosterd run` pings it, while all is well"
        )?;
    }
    let worked = count - failed - passed_over;
    writeln!(out, "\n{worked} of {count} can be reached, {failed} cannot")?;
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

fn ways<'w>(settings: &'w Settings, clock: &Arc<dyn Clock>) -> Vec<Way<'w>> {
    let mut ways: Vec<Way<'w>> = Vec::new();
    let api = Arc::clone(clock);
    ways.push((
        format!("Vitable, {}", settings.vitable.base_url.as_str().trim_end_matches('/')),
        Box::pin(async move { Some(vitable(settings, api).await) }),
    ));
    // A source of two feeds is one place to reach.
    let all = settings.feeds.iter().flat_map(|feed| &feed.sources);
    let sources: BTreeMap<&str, &Arc<source::Settings>> =
        all.map(|each| (each.name.as_str(), each)).collect();
    for (name, each) in sources {
        let clock = Arc::clone(clock);
        ways.push((
            format!("source `{name}`"),
            Box::pin(async move { Some(source::probe(each, &*clock).await) }),
        ));
    }
    // `alerts: none` has no way to be tried.
    if settings.alerts.mail().is_some() {
        ways.push(("mail".to_owned(), Box::pin(mail(&settings.alerts))));
    }
    ways
}

async fn vitable(settings: &Settings, clock: Arc<dyn Clock>) -> Vec<Step> {
    match Client::new(settings.vitable.clone(), clock) {
        Ok(client) => client.probe().await,
        Err(error) => {
            let result = Err(format!("{:#}", anyhow::Error::from(error)));
            vec![Step { hop: "client", took: Duration::ZERO, result }]
        }
    }
}

async fn mail(settings: &notify::Settings) -> Option<Vec<Step>> {
    settings.mail()?;
    Some(notify::probe(settings).await)
}

/// One way; whether it goes to its end.
fn show(out: &mut impl Write, name: &str, steps: &[Step]) -> io::Result<bool> {
    let widest = steps.iter().map(|step| step.hop.len()).max().unwrap_or_default();
    writeln!(out, "\n{name}")?;
    let mut whole = true;
    for Step { hop, took, result } in steps {
        let (word, text) = match result {
            Ok(found) => ("ok", found),
            Err(wrong) => ("FAILED", wrong),
        };
        whole &= result.is_ok();
        // What a peer found may have several lines.
        let text = text.replace('\n', &format!("\n{}", " ".repeat(widest + 20)));
        writeln!(out, "  {hop:widest$}  {:>7}  {word:<6}  {text}", shown(*took))?;
    }
    Ok(whole)
}

fn shown(took: Duration) -> String {
    if took >= Duration::from_secs(10) {
        format!("{} s", took.as_secs())
    } else {
        format!("{} ms", took.as_millis())
    }
}
