//! Talk: what happens, as it happens, to stderr. Bars on a terminal, plain lines elsewhere.

use super::desk::Talk;
use crate::engine::{Progress, Step};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    collections::HashMap,
    io::{IsTerminal, Write},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Shows what a command says, and an engine's steps.
pub(super) struct Terminal {
    bars: Option<MultiProgress>,
    groups: Mutex<HashMap<String, ProgressBar>>,
    asked: Mutex<Option<Vec<String>>>,
}

impl Terminal {
    pub(super) fn new() -> Self {
        let bars = std::io::stderr()
            .is_terminal()
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { bars, groups: Mutex::default(), asked: Mutex::default() }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            // Whoever closed stderr does not want to hear it.
            Some(bars) => drop(bars.println(text)),
            None => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }

    /// What a command wants an agreement to, once.
    pub(super) fn asked(&self) -> Option<Vec<String>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn waiting(&self, group: &str, text: String) {
        let Some(bars) = &self.bars else {
            self.line(&text);
            return;
        };
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = groups.entry(group.to_owned()).or_insert_with(|| {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.set_message(text);
    }

    fn finished(&self, group: &str, text: &str) {
        if let Some(bar) = self.groups.lock().unwrap_or_else(PoisonError::into_inner).remove(group) {
            bar.finish_and_clear();
        }
        self.line(text);
    }
}

impl Progress for Terminal {
    fn step(&self, step: Step) {
        match step {
            Step::Began { run, feed } => self.line(&format!("run {run}: feed `{feed}`")),
            Step::Reading { source } => self.line(&format!("  reading source `{source}`")),
            Step::Read { path, rows, .. } => self.line(&format!("  read {rows} rows of {path}")),
            Step::Submitting { group, members } => {
                self.waiting(group.as_str(), format!("{group}: sending {members} members"));
            }
            Step::Accepted { group, request_id } => {
                self.waiting(
                    group.as_str(),
                    format!("{group}: accepted as {request_id}, Vitable is working"),
                );
            }
            Step::Completed { group, added, removed, failed } => {
                let failed = if failed == 0 { String::new() } else { format!(", {failed} not applied") };
                let text = format!("  {group}: completed: {added} added, {removed} removed{failed}");
                self.finished(group.as_str(), &text);
            }
            Step::Note(text) => self.line(&format!("  {text}")),
        }
    }
}

impl Talk for Terminal {
    fn out(&self, text: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn err(&self, text: &str) -> std::io::Result<()> {
        std::io::stderr().lock().write_all(text.as_bytes())
    }

    fn ask(&self, digests: Vec<String>) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(digests);
    }
}
