//! Log lines: with their fields to the journal when stderr leads there, else as lines to stderr.

use std::os::{fd::AsFd, unix::fs::MetadataExt};
use tracing::level_filters::LevelFilter;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// How the lines look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Journal,
    Text,
    Json,
}

/// Starts the log at this level for rosterd's own lines and at warnings for its libraries', or as `ROSTERD_LOG` says.
/// `ROSTERD_LOG_FORMAT`, `text` or `json`, asks for lines on stderr in any case.
pub(super) fn start(level: LevelFilter) {
    let directives = environment("ROSTERD_LOG").unwrap_or_else(|| format!("warn,rosterd={level}"));
    let filter = EnvFilter::builder().parse_lossy(directives);
    let asked = environment("ROSTERD_LOG_FORMAT");
    let form = match asked.as_deref() {
        Some("json") => Form::Json,
        None if stderr_is_the_journal() => Form::Journal,
        Some(_) | None => Form::Text,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let layer = match form {
        // Without its socket the journal takes the lines of stderr as they are.
        Form::Journal => journal().unwrap_or_else(|| lines.boxed()),
        Form::Text => lines.boxed(),
        Form::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
    };
    // Only the first subscriber of a process counts; a test that runs two commands has one already.
    drop(tracing_subscriber::registry().with(layer.with_filter(filter)).try_init());
    if let Some(other) = asked.filter(|asked| !matches!(asked.as_str(), "text" | "json")) {
        tracing::warn!("ROSTERD_LOG_FORMAT is `{other}`, which is no form of a log; write `text` or `json`");
    }
}

/// The journal's own interface: a field of ours is `ROSTERD_GROUP` there.
fn journal<S>() -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let priorities = PriorityMappings {
        error: Priority::Error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    };
    let layer = tracing_journald::layer().ok()?;
    let layer =
        layer.with_field_prefix(Some("ROSTERD".to_owned())).with_syslog_identifier("rosterd".to_owned());
    Some(layer.with_priority_mappings(priorities).boxed())
}

/// Whether stderr is the socket that systemd made for the journal: `JOURNAL_STREAM` names its device and inode, and
/// stays set when somebody redirects stderr.
fn stderr_is_the_journal() -> bool {
    let Some(stream) = environment("JOURNAL_STREAM") else { return false };
    let stderr = std::io::stderr();
    let Ok(file) = stderr.as_fd().try_clone_to_owned().map(std::fs::File::from) else { return false };
    file.metadata().is_ok_and(|stderr| stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}

#[expect(clippy::disallowed_methods, reason = "telemetry is asked for by the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
