//! What is mailed past the outbox, because the state that keeps incidents and mails cannot be used. What was told is
//! remembered in a file beside the control socket instead: a service that is started again each half minute tells it
//! once a day, and that it is over in the same thread.

use super::{
    Engine,
    tell::{random_token, stored},
};
use crate::{
    ledger::{Facts, LedgerError, OpenError},
    notify::{self, Incident, Kind, Record},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The kinds that are told past the outbox.
const KINDS: [Kind; 3] = [Kind::StateDamaged, Kind::Disk, Kind::Defect];
/// It is told again when it is still so after this long.
const AGAIN: TimeDelta = TimeDelta::days(1);
/// Nothing is over before it has gone well for this long: a daemon that breaks each minute would tell of both each
/// minute.
const WELL_FOR: TimeDelta = TimeDelta::hours(1);

/// The way past the outbox, with its memory.
#[derive(Clone, Debug)]
pub struct Direct {
    folder: PathBuf,
}

/// What was told.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    /// When it was told first.
    opened: DateTime<Utc>,
    /// When it was mailed last.
    mailed: DateTime<Utc>,
    /// When it was met last, mailed or not.
    met: DateTime<Utc>,
    /// The Message-ID of the first mail.
    thread: String,
    /// What was mailed last.
    incident: Incident,
}

impl Direct {
    /// The way past the outbox; `folder` keeps what was told, and outlives the process.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Mails an incident of the whole daemon at once, unless it was within a day. What comes of it is logged.
    pub async fn tell(&self, alerts: &notify::Settings, incident: &Incident, now: DateTime<Utc>) {
        let known = self.known(incident.kind);
        // A clock that was set back must not silence it.
        let fresh = |told: &&Told| now.signed_duration_since(told.mailed).abs() < AGAIN;
        if let Some(told) = known.as_ref().filter(fresh) {
            let (incident, mailed) = (incident.kind.name(), told.mailed);
            tracing::info!(incident, %mailed, "it was mailed already, and is mailed again after a day");
            self.keep(&Told { met: now, ..told.clone() });
            return;
        }
        let thread = known.as_ref().map(|told| told.thread.clone());
        let token = if self.remembers() { random_token() } else { self.token(incident, now) };
        match notify::send_directly(alerts, incident, thread.as_deref(), now, &token).await {
            Ok((message_id, receipts)) => {
                let taken = receipts.iter().filter(|(_, receipt)| receipt.is_taken()).count();
                tracing::info!(taken, recipients = receipts.len(), "an incident was mailed past the outbox");
                if taken > 0 {
                    self.keep(&Told {
                        opened: known.as_ref().map_or(now, |told| told.opened),
                        mailed: now,
                        met: now,
                        thread: thread.unwrap_or(message_id),
                        incident: incident.clone(),
                    });
                }
            }
            Err(why) => tracing::error!("an incident could not be mailed past the outbox: {why}"),
        }
    }

    /// Whether what is told can be remembered.
    fn remembers(&self) -> bool {
        let probe = self.folder.join("told-probe");
        write(&probe, b"{}").and_then(|()| std::fs::remove_file(&probe)).is_ok()
    }

    /// The same for a day: when nothing can be remembered, a mail program recognises the copy.
    fn token(&self, incident: &Incident, now: DateTime<Utc>) -> String {
        let day = now.date_naive();
        let seed = format!("{}\n{}\n{day}", self.folder.display(), incident.kind.name());
        blake3::hash(seed.as_bytes()).to_hex().chars().take(32).collect()
    }

    fn path(&self, kind: Kind) -> PathBuf {
        self.folder.join(format!("told-{}.json", kind.name()))
    }

    fn known(&self, kind: Kind) -> Option<Told> {
        serde_json::from_slice(&std::fs::read(self.path(kind)).ok()?).ok()
    }

    fn keep(&self, told: &Told) {
        let path = self.path(told.incident.kind);
        if let Err(error) =
            serde_json::to_vec(told).map_err(io::Error::from).and_then(|text| write(&path, &text))
        {
            let path = path.display();
            tracing::warn!(%error, "that it was told cannot be kept in `{path}`, so it may be told once more");
        }
    }

    fn forget(&self, kind: Kind) {
        if let Err(error) = std::fs::remove_file(self.path(kind)) {
            tracing::warn!(%error, "`{}` cannot be removed", self.path(kind).display());
        }
    }
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("part");
    let mut file = File::create(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

impl Engine {
    /// What is told past the outbox is remembered there.
    pub fn tell_directly_by(&self, direct: Direct) {
        // Whoever was first stays: there is one in the life of a process.
        drop(self.shared.direct.set(direct));
    }

    /// Mails an incident past the outbox, because the state takes nothing more: as well as it can, bounded in time,
    /// and once in the life of the engine. What comes of it is logged.
    pub async fn tell_directly(&self, incident: &Incident) {
        if !self.shared.post.may_tell_directly() {
            return;
        }
        let (alerts, now) = (&self.settings.alerts, self.clock.now());
        match self.shared.direct.get() {
            Some(direct) => direct.tell(alerts, incident, now).await,
            None => {
                if let Err(why) = notify::send_directly(alerts, incident, None, now, &random_token()).await {
                    tracing::error!("an incident could not be mailed past the outbox: {why}");
                }
            }
        }
    }

    /// What an earlier process told past the outbox is over when this one has been well for an hour: the end comes by the
    /// usual way, in the thread of the beginning.
    ///
    /// # Errors
    /// When it cannot be recorded; then it is not over.
    pub fn end_what_was_told_directly(&self) -> Result<(), LedgerError> {
        let Some(direct) = self.shared.direct.get() else { return Ok(()) };
        for kind in KINDS {
            let Some(told) = direct.known(kind) else { continue };
            if self.clock.now().signed_duration_since(told.met).abs() < WELL_FOR {
                continue;
            }
            let record = Record::told_directly(&told.incident, (told.opened, told.mailed), &told.thread);
            self.ledger.record(Facts { incidents: vec![stored(record)], ..Facts::default() })?;
            self.is_over(&[kind])?;
            direct.forget(kind);
        }
        Ok(())
    }
}

/// What a person is told when the state cannot be opened; nothing when another rosterd holds it, which is well.
#[must_use]
pub fn not_opened(error: &OpenError) -> Option<Incident> {
    let kind = match error {
        OpenError::InUse { .. } => return None,
        OpenError::DiskFull { .. } => Kind::Disk,
        OpenError::Damaged { .. }
        | OpenError::WrongKey { .. }
        | OpenError::KeyMissing { .. }
        | OpenError::KeyFile { .. }
        | OpenError::NewerVersion { .. }
        | OpenError::Io { .. } => Kind::StateDamaged,
    };
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Some(Incident::new(kind, format!("rosterd could not start: {error}{cause}.")))
}

/// What a person is told when the state cannot be used any more.
#[must_use]
pub fn not_usable(error: &LedgerError) -> Incident {
    let kind = match error {
        LedgerError::Damaged { .. } | LedgerError::NewerVersion { .. } => Kind::StateDamaged,
        LedgerError::Defect { .. } | LedgerError::Impossible(_) => Kind::Defect,
        LedgerError::DiskFull
        | LedgerError::Stopped { .. }
        | LedgerError::Busy { .. }
        | LedgerError::Stale { .. }
        | LedgerError::NoHold { .. }
        | LedgerError::RosterGone { .. }
        | LedgerError::NotReserved { .. }
        | LedgerError::Io { .. } => Kind::Disk,
    };
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Incident::new(kind, format!("rosterd ended: {error}{cause}."))
}
