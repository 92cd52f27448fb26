//! What rosterd remembers: runs, attempts, who is covered, holds, incidents, mails. The only user of sled.
//!
//! A method that changes something returns when the change is durable, all of it or none: one batch of the
//! store, flushed and fsynced. Rosters are files beside the store, durable before the batch that names them.
//!
//! | in the state directory | what it is |
//! | --- | --- |
//! | `lock` | held while a process has the directory open |
//! | `state.key` | the state key, when the configuration names none |
//! | `store/` | sled: small records, each with a version and a checksum |
//! | `sequence` | how many changes were acknowledged: a store that is behind has lost something |
//! | `long/` | values too long for the store |
//! | `traces/` | what each feed's last read said of every reference, for `explain`: no personal data |
//! | `rosters/` | the members of each intent, fingerprints in the clear, records sealed |
//! | `reserve` | room for request ids when the disk is full |
//! | `format` | the number of the directory's format, looked at before anything else |
//! | `copies/` | the newest two copies of the whole state, each one checksummed file |
//! | `before-upgrade-…` | a copy of the state as it was before its format changed |
//! | `state.replaced-…/` | what a restore has set aside |

mod answers;
mod archive;
mod attempts;
mod backup;
mod check;
mod codec;
mod complete;
mod crash;
mod digests;
mod doomed;
mod error;
mod files;
mod groups;
mod holds;
mod intend;
mod key;
mod member;
mod model;
mod moves;
mod node;
mod notice;
mod notices;
mod rekey;
mod removals;
mod reserve;
mod restore;
mod retired;
mod runs;
mod schedules;
mod seal;
mod store;
mod todos;
mod told;
mod trace;
mod upgrade;
mod void;
mod waits;

pub use archive::CopyHead;
pub use backup::{CopyBeside, CopyMade};
pub use check::Checked;
pub use crash::{CARE_POINTS, CRASH_POINTS, DISK_FULL_POINT};
pub use digests::{Applied, DigestState};
pub use error::{LedgerError, OpenError, RestoreError, Result};
pub use member::{Failed, Membership};
pub use model::{
    AcceptedRead, Attempt, AttemptId, BodyReport, Consequence, Counts, FileReport, GroupReport, GroupVerdict,
    Hold, Intent, IntentMember, MarkerReport, NewRun, Pin, ReadReport, RowProblem, Run, RunOutcome,
    RunResult, Trigger, Word,
};
pub use moves::OpenMove;
pub use notice::{Facts, Gathering, StoredIncident, StoredMail};
pub use retired::{Retired, Undone};
pub use schedules::{Pause, ScheduleMark, ScheduleState};
pub use todos::Todo;
pub use told::{Because, Told};
pub use trace::{Decided, Lot, Said, TraceHead, Traced, TracedGroup, TracedRead};
pub use waits::{WaitList, Waits};

pub use rekey::{NewKey, RekeyError, Rekeyed};
pub use restore::{Forgotten, Restore, RestoreDone};
pub use void::Voided;

use crate::roster::{FingerprintKey, GroupId, GroupRef};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How often the directory's lock is asked for before it is taken for somebody else's, 20 ms apart.
const LOCK_TRIES: u32 = 25;

/// The memory of one state directory. Every method blocks for as long as the disk takes.
pub struct Ledger {
    dir: PathBuf,
    store: store::Store,
    rosters: PathBuf,
    sealer: seal::Sealer,
    fingerprint_key: FingerprintKey,
    /// Held for reading while rosters are read, for writing while files are removed.
    files: RwLock<()>,
    /// Roster files that go when nobody reads.
    doomed: doomed::Doomed,
    next_node: AtomicU64,
    pin: RwLock<Option<Pin>>,
    group_pins: RwLock<HashMap<GroupRef, GroupId>>,
    reserve: reserve::Reserve,
    notes: Vec<String>,
    /// Released last: fields are dropped in this order.
    _lock: File,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("rosters", &self.rosters).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the state directory, makes it where there is none, checks all that is in it, brings it up to this
    /// rosterd's format, and takes over the request ids that a full disk left in the reserve. `key` is the
    /// configured state key; without one the directory's key file is used, and made where nothing was ever sealed.
    ///
    /// # Errors
    /// Another process has it open; something is missing or damaged; the key is wrong or gone; a newer
    /// rosterd wrote it; the disk is full; the file system refuses.
    pub fn open(dir: &Path, key: Option<&SecretString>, now: DateTime<Utc>) -> Result<Self, OpenError> {
        Self::open_with(dir, key, upgrade::STEPS, now)
    }

    /// As [`Ledger::open`], with these steps from format to format.
    fn open_with(
        dir: &Path,
        key: Option<&SecretString>,
        steps: &[upgrade::Step],
        now: DateTime<Utc>,
    ) -> Result<Self, OpenError> {
        let opening = |error: LedgerError| error.opening(dir);
        upgrade::refuse_newer(dir, steps)?;
        files::make_dir(dir).map_err(opening)?;
        let lock = lock(dir)?;
        restore::finish(dir).map_err(opening)?;
        let store = store::Store::open(dir)?;
        let named = store.get::<String>(key::ROSTERS).map_err(opening)?;
        let rosters = dir.join(named.as_deref().unwrap_or("rosters"));
        files::make_dir(&rosters).map_err(opening)?;
        let nodes: Vec<node::NodeMeta> = store.scan(key::NODES).map_err(opening)?;
        for meta in &nodes {
            node::verify(&rosters, meta).map_err(opening)?;
        }
        let format = upgrade::newest(steps);
        let (sealer, fingerprint_key) = seal::take(dir, key, &store, !nodes.is_empty(), format)?;
        let known = |name: &str| nodes.iter().any(|meta| meta.id.to_string() == name);
        store::sweep(&rosters, known).map_err(opening)?;
        rekey::sweep(dir, named.as_deref());
        trace::open(dir, &store).map_err(opening)?;
        backup::sweep(dir);
        let next_node = store.get::<u64>(key::NEXT_NODE).map_err(opening)?.unwrap_or(1);
        let pin = store.get(key::PIN).map_err(opening)?;
        let (reserve, notes) = reserve::Reserve::open(&dir.join("reserve")).map_err(opening)?;
        let mut ledger = Self {
            dir: dir.to_owned(),
            store,
            rosters,
            sealer,
            fingerprint_key,
            files: RwLock::new(()),
            doomed: doomed::Doomed::default(),
            next_node: AtomicU64::new(next_node),
            pin: RwLock::new(pin),
            group_pins: RwLock::default(),
            reserve,
            notes,
            _lock: lock,
        };
        upgrade::run(&ledger, steps, now).map_err(opening)?;
        let states: Vec<groups::GroupState> = ledger.store.scan(key::GROUPS).map_err(opening)?;
        let group_pins = states.into_iter().filter_map(|state| Some((state.group, state.group_id?)));
        ledger.group_pins = RwLock::new(group_pins.collect());
        ledger.take_over_notes(now).map_err(opening)?;
        Ok(ledger)
    }

    /// The key of the fingerprints, derived from the state key.
    #[must_use]
    pub fn fingerprint_key(&self) -> &FingerprintKey {
        &self.fingerprint_key
    }

    /// To whom this ledger belongs, once it is known.
    #[must_use]
    pub fn pin(&self) -> Option<Pin> {
        self.pin.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Pins the base URL and the organization.
    ///
    /// # Errors
    /// When it is pinned to another one already, and when it cannot be recorded.
    pub fn set_pin(&self, pin: &Pin) -> Result<()> {
        let mut known = self.pin.write().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(known) if known == pin => Ok(()),
            Some(_) => Err(LedgerError::defect("a ledger cannot be pinned to another organization")),
            None => {
                self.store.write("ledger-after-pin", |tx| tx.put(key::PIN.to_vec(), pin))?;
                *known = Some(pin.clone());
                Ok(())
            }
        }
    }

    /// Whether the state can still be written: waits until a write that goes on has ended.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.store.takes_writes()
    }

    /// A number for a roster file that no file of this directory ever had.
    fn take_node(&self) -> u64 {
        self.next_node.fetch_add(1, Ordering::Relaxed)
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let failed = |error| LedgerError::io(format!("open `{}`", path.display()), error).opening(dir);
    let file = files::create(&path).map_err(failed)?;
    let mut tries = 0;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A process that is just ending, or a child that its former owner was just starting, has it for a
            // moment longer.
            Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                tries += 1;
                std::thread::park_timeout(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { dir: dir.display().to_string() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}
