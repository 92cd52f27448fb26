//! A source's files before and after their run: whether one is late, and what becomes of it once every group has
//! its roster.

use super::{Engine, Feed, Pass, Progress, Step, tell::Scope};
use crate::{
    attempt::State,
    ledger::{Facts, FileReport, GroupReport, GroupVerdict, LedgerError, Run, Todo},
    notify::{Incident, Kind, shell_word},
    roster::{FeedName, RunId},
    source::{self, AfterSuccess, Aged, Arrived, Failure, FileRead, MarkerSeen, Place, Take, Tidied},
};
use chrono::{DateTime, Utc};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How many runs are looked through for a file.
const RUNS: usize = 1_000;

/// A file that should be newer.
#[derive(Debug)]
struct Late {
    /// What is the matter, in whole sentences that stay the same from run to run.
    reason: String,
    /// Whether it was read before: then it is read and decided like any other.
    read_before: bool,
}

/// The files that an accepted read was made of.
#[derive(Debug)]
struct Accepted {
    run: RunId,
    /// Whether it was a file in place of the source's own.
    by_hand: bool,
    files: Vec<FileReport>,
}

/// Why files are not read although they have arrived.
#[derive(Debug)]
pub(super) enum Unread {
    /// A new one is waited for: whoever has files taken away leaves older ones to come to light.
    Old(String),
    /// An incident of this kind, and its reason.
    Wrong(Kind, String),
}

impl Engine {
    /// Whether the files of a source may be read: those that are late and were read before are named, others that are
    /// late are refused unless a person has approved what was held; and so is each that is older than the one from
    /// which groups have their rosters.
    pub(super) fn unread(
        &self,
        feed: &Feed,
        source: &source::Settings,
        files: &[Arrived],
        approved: bool,
    ) -> Result<Result<Vec<String>, Unread>, LedgerError> {
        let accepted = self.last_accepted(&feed.name, source)?;
        let mut overdue = Vec::new();
        for file in files {
            if let Some(why) = accepted.as_ref().and_then(|accepted| self.outdated(source, file, accepted)) {
                let why = format!(
                    "{why} Have a newer export put there; to read an older one on purpose, fetch it and type \
                     `rosterd sync {} --file PATH`.",
                    shell_word(feed.name.as_str())
                );
                return Ok(Err(match source.pick.after_success {
                    AfterSuccess::Leave => Unread::Wrong(Kind::ReadIncomplete, why),
                    AfterSuccess::Delete | AfterSuccess::MoveTo(_) => Unread::Old(why),
                }));
            }
            match self.late(&feed.name, source, file)? {
                Some(Late { reason, read_before: false }) if !approved => {
                    return Ok(Err(Unread::Wrong(Kind::FileLate, reason)));
                }
                Some(late) => overdue.push(late.reason),
                None => {}
            }
        }
        Ok(Ok(overdue))
    }

    /// The files of a source from which groups have their rosters: those of the newest read that any group accepted.
    fn last_accepted(
        &self,
        feed: &FeedName,
        source: &source::Settings,
    ) -> Result<Option<Accepted>, LedgerError> {
        let accepted = self.ledger.accepted_read(feed)?;
        let newest = accepted.and_then(|read| read.groups.into_values().max());
        let run = newest.map(|run| self.ledger.run(RunId(run))).transpose()?.flatten();
        Ok(run.map(|run| {
            let mut files = run.read.map(|read| read.files).unwrap_or_default();
            files.retain(|file| file.source == source.name);
            Accepted { run: run.id, by_hand: run.file.is_some(), files }
        }))
    }

    /// Why a file is not read, if it is an earlier export than what was accepted: it would take back what has come
    /// since.
    fn outdated(&self, source: &source::Settings, file: &Arrived, accepted: &Accepted) -> Option<String> {
        let this = Aged { path: &file.path, modified: file.modified };
        let same_part =
            |of: &FileReport| Aged { path: &of.path, modified: of.modified }.is_of_the_part_of(&this);
        let last = match accepted.files.iter().find(|of| same_part(of)) {
            // One file was the whole roster then, or is it now.
            None if accepted.by_hand || source.pick.take == Take::Newest => accepted.files.first(),
            found => found,
        }?;
        // A time that lies ahead is no proof of anything.
        let ahead = last.modified.is_some_and(|modified| modified > self.clock.now());
        let older = this.is_older_than(&Aged { path: &last.path, modified: last.modified });
        if !older || ahead || last.sha256 == file.sha256 {
            return None;
        }
        Some(format!(
            "Source `{}`: `{}`, written {}, is an older export than `{}`, written {}, from which the groups have their \
             rosters (run {}). It would take back what has come since, so it is not read.",
            source.name,
            file.path,
            written(file.modified),
            last.path,
            written(last.modified),
            accepted.run.0,
        ))
    }

    /// Whether a file that has just arrived is older than `max_age`.
    fn late(
        &self,
        feed: &FeedName,
        source: &source::Settings,
        file: &Arrived,
    ) -> Result<Option<Late>, LedgerError> {
        let (Some(max_age), Some(modified)) = (source.pick.max_age, file.modified) else {
            return Ok(None);
        };
        let age = self.clock.now().signed_duration_since(modified).to_std().unwrap_or_default();
        if age <= max_age {
            return Ok(None);
        }
        let same = |report: &FileReport| report.source == source.name && report.sha256 == file.sha256;
        let before = |run: Run| run.read.is_some_and(|read| read.files.iter().any(same)).then_some(());
        let read_before = self.ledger.find_in_runs(feed, RUNS, before)?.is_some();
        let what = if read_before {
            "It was read before, and is read again; but no newer one has come."
        } else {
            "It was never read before, so it is not read now."
        };
        let reason = format!(
            "Source `{}`: {}, `{}`, was written on {} UTC, and `max_age` is {}. {what}",
            source.name,
            if source.pick.take == Take::All { "one of the files" } else { "the newest file" },
            file.path,
            modified.format("%Y-%m-%d %H:%M"),
            words(max_age)
        );
        Ok(Some(Late { reason, read_before }))
    }

    /// Whether a source that has nothing to read has had nothing for longer than `max_age`.
    pub(super) fn missing(
        &self,
        feed: &FeedName,
        source: &source::Settings,
    ) -> Result<Option<String>, LedgerError> {
        let Some(max_age) = source.pick.max_age else { return Ok(None) };
        let mut first = None;
        let last = self.ledger.find_in_runs(feed, RUNS, |run| {
            first = Some(run.began);
            let files = run.read.map(|read| read.files).unwrap_or_default();
            let of_source = files.into_iter().filter(|file| file.source == source.name);
            let file = of_source.max_by_key(|file| file.modified)?;
            Some((file.modified.unwrap_or(run.began), file.path))
        })?;
        let since = match &last {
            Some((written, _)) => Some(*written),
            None => first,
        };
        let Some(since) = since else { return Ok(None) };
        let age = self.clock.now().signed_duration_since(since).to_std().unwrap_or_default();
        if age <= max_age {
            return Ok(None);
        }
        let since = since.format("%Y-%m-%d %H:%M");
        let seen = match last {
            Some((_, path)) => format!("the last one, `{path}`, was written on {since} UTC"),
            None => format!("it has been looked for since {since} UTC"),
        };
        Ok(Some(format!(
            "Source `{}`: no new file has come: {seen}, and `max_age` is {}.",
            source.name,
            words(max_age)
        )))
    }

    /// Tells that a feed's files are late, or that they are no longer.
    pub(super) fn tell_late(&self, feed: &FeedName, late: &[String]) -> Result<(), LedgerError> {
        let incidents: Vec<Incident> =
            (!late.is_empty()).then(|| file_late(feed, late)).into_iter().collect();
        let scope = Scope { kinds: &[Kind::FileLate], feed: Some(feed), ..Scope::NOTHING };
        self.tell(&incidents, scope)
    }

    /// What is to be done with the files of a run that has come to its end: nothing unless every group of the feed
    /// completed or was unchanged, and is owed no other roster. Whatever waits for a person, or for another run,
    /// needs the file once more.
    pub(super) fn owed(&self, run: &Run) -> Result<Vec<Todo>, LedgerError> {
        let Some(feed) = self.feed(run.feed.as_str()) else { return Ok(Vec::new()) };
        let asks = |source: &Arc<source::Settings>| source.pick.after_success != AfterSuccess::Leave;
        if run.file.is_some() || run.groups.is_empty() || !feed.sources.iter().any(asks) {
            return Ok(Vec::new());
        }
        for group in &run.groups {
            if !self.served(group)? {
                return Ok(Vec::new());
            }
        }
        let files = run.read.iter().flat_map(|read| &read.files);
        let todos = files.filter_map(|file| {
            let source =
                feed.sources.iter().filter(|source| asks(source)).find(|each| each.name == file.source)?;
            Some(Todo {
                feed: run.feed.clone(),
                source: file.source.clone(),
                place: place(source),
                path: file.path.clone(),
                size: file.size,
                modified: file.modified,
                sha256: file.sha256.clone(),
                marker: file.marker.clone(),
                run: run.id,
            })
        });
        Ok(todos.collect())
    }

    /// Whether a group has its roster, and needs no other run for it.
    fn served(&self, group: &GroupReport) -> Result<bool, LedgerError> {
        let completed = match (group.verdict, group.attempt) {
            // A retired group gets none.
            (GroupVerdict::Unchanged | GroupVerdict::Retired, _) => true,
            (GroupVerdict::Submit, Some(attempt)) => {
                let state = self.ledger.attempt(attempt)?.map(|attempt| attempt.state);
                matches!(state, Some(State::Completed { .. }))
            }
            (
                GroupVerdict::Submit | GroupVerdict::PassedOver | GroupVerdict::Hold | GroupVerdict::Refused,
                _,
            ) => false,
        };
        Ok(completed && !self.ledger.repeat_owed(&group.group)?)
    }

    /// What follows a run that has ended: what is still to be done with the feed's files. A local file in place of
    /// the source touches nothing there.
    pub(super) async fn afterwards(&self, pass: &Pass, progress: &dyn Progress) -> Result<(), LedgerError> {
        if pass.run.ended.is_none() || pass.run.file.is_some() {
            return Ok(());
        }
        // What is not done when the process is to stop is done by the next start.
        tokio::select! {
            biased;
            () = self.shared.stopped() => Ok(()),
            done = self.finish_todos(Some(&pass.run.feed), progress) => done,
        }
    }

    /// Does what is still to be done with the files of runs that ended well: of one feed, or of all at a start.
    /// What cannot be done is an incident, and is tried again the next time; no run fails by it.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn finish_todos(
        &self,
        feed: Option<&FeedName>,
        progress: &dyn Progress,
    ) -> Result<(), LedgerError> {
        let todos = self.ledger.todos(feed)?;
        let feeds: BTreeSet<FeedName> = todos.iter().map(|todo| todo.feed.clone()).collect();
        for name in &feeds {
            let own: Vec<&Todo> = todos.iter().filter(|todo| todo.feed == *name).collect();
            self.finish_files(name, &own, progress).await?;
        }
        Ok(())
    }

    async fn finish_files(
        &self,
        name: &FeedName,
        todos: &[&Todo],
        progress: &dyn Progress,
    ) -> Result<(), LedgerError> {
        let feed = self.feed(name.as_str());
        let (mut done, mut failures) = (Vec::new(), Vec::new());
        // A place that cannot be reached is not tried for each of its files.
        let mut away: BTreeSet<&str> = BTreeSet::new();
        for todo in todos {
            match feed.and_then(|feed| source_of(feed, todo)) {
                // The configuration says otherwise by now.
                None => done.push(*todo),
                Some(source) if away.contains(source.name.as_str()) => {}
                Some(source) => match self.finish_file(source, todo).await {
                    Ok(tidied) => {
                        progress.step(Step::Note(told(todo, &tidied)));
                        done.push(*todo);
                    }
                    Err(failure) => {
                        if matches!(failure, Failure::Failed { passing: true, .. }) {
                            away.insert(&todo.source);
                        }
                        failures.push(format!("Source `{}`: {failure}.", todo.source));
                    }
                },
            }
        }
        let scope = Scope { kinds: &[Kind::AfterSuccess], feed: Some(name), ..Scope::NOTHING };
        let last = done.len().saturating_sub(1);
        for (place, todo) in done.iter().enumerate() {
            // That nothing is left to do ends the incident, in the same batch.
            let over = failures.is_empty() && place == last;
            let telling = self.shared.telling();
            let facts = if over { self.facts(&telling, &[], scope)? } else { Facts::default() };
            self.ledger.finish_todo(todo, facts)?;
        }
        if failures.is_empty() {
            return Ok(());
        }
        for failure in &failures {
            tracing::warn!(feed = %name, "a file stays where it is: {failure}");
        }
        let incident =
            Incident { feed: Some(name.clone()), ..Incident::new(Kind::AfterSuccess, failures.join(" ")) };
        self.tell(&[incident], scope)
    }

    async fn finish_file(&self, source: &source::Settings, todo: &Todo) -> Result<Tidied, Failure> {
        let read = FileRead {
            path: todo.path.clone(),
            size: todo.size,
            modified: todo.modified,
            sha256: Some(todo.sha256.clone()),
        };
        let marker = todo.marker.clone().map(|marker| MarkerSeen {
            path: marker.path,
            size: marker.size,
            modified: marker.modified,
        });
        source::tidy(source, &read, marker.as_ref(), &*self.clock).await
    }
}

/// When a file was written, for a person.
fn written(modified: Option<DateTime<Utc>>) -> String {
    modified.map_or_else(
        || "nobody knows when".to_owned(),
        |time| format!("{} UTC", time.format("%Y-%m-%d %H:%M")),
    )
}

/// What a person is told of a file.
fn told(todo: &Todo, tidied: &Tidied) -> String {
    let path = &todo.path;
    match tidied {
        Tidied::Deleted => format!("`{path}` was read and is deleted"),
        Tidied::Moved(target) => format!("`{path}` was read and is moved to `{target}`"),
        Tidied::Gone => format!("`{path}` was read and is not there any more"),
        Tidied::Changed => format!("`{path}` is another file than the one that was read, and is left alone"),
        Tidied::Left => format!("`{path}` was read and is left where it is"),
    }
}

/// The incident of late files.
fn file_late(feed: &FeedName, late: &[String]) -> Incident {
    Incident { feed: Some(feed.clone()), ..Incident::new(Kind::FileLate, late.join(" ")) }
}

/// The source that a to-do is of, if it still leads to the same place and still asks for something.
fn source_of<'f>(feed: &'f Feed, todo: &Todo) -> Option<&'f source::Settings> {
    let mut sources = feed.sources.iter().map(|source| &**source);
    sources.find(|source| {
        source.name == todo.source
            && place(source) == todo.place
            && source.pick.after_success != AfterSuccess::Leave
    })
}

/// Where a source's files are.
fn place(source: &source::Settings) -> String {
    match &source.place {
        Place::File => "file".to_owned(),
        Place::Http(_) => "http".to_owned(),
        Place::Sftp(server) => format!("sftp://{}@{}:{}", server.username, server.host, server.port),
    }
}

/// A duration as the configuration writes it.
fn words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let fits = units.into_iter().find(|(length, _)| seconds >= *length && seconds.is_multiple_of(*length));
    let (length, unit) = fits.unwrap_or((1, "s"));
    format!("{}{unit}", seconds / length)
}
