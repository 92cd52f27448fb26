//! Another state key: everything that is sealed is sealed anew, and every fingerprint is computed anew, since they
//! are keyed by it too. The stand-ins of sensitive references stay: Vitable knows people by them.
//!
//! The new rosters are written into a directory of their own, durably; then one batch names it and the new key.
//! Before that batch the state opens with the old key, after it with the new one, and says where that is.

use super::{
    Ledger,
    error::{LedgerError, OpenError},
    files, key,
    node::{NodeMeta, NodeReader, NodeWriter, Part},
    restore,
    seal::{self, Sealer},
};
use crate::roster::FingerprintKey;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// Where the new key comes from.
#[derive(Clone, Copy, Debug)]
pub enum NewKey<'a> {
    /// A fresh one, in the key file of the state directory.
    OwnFile,
    /// A secret of the configuration's.
    Secret {
        /// The secret.
        secret: &'a SecretString,
        /// How the configuration writes its place, such as `{ env: NAME }`.
        place: &'a str,
    },
}

/// A state that was sealed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// Roster files that were sealed anew.
    pub rosters: u64,
    /// Members whose records are in them.
    pub members: u64,
    /// Where the former key file is now, if the directory had one.
    pub former: Option<PathBuf>,
    /// What is to be done in the configuration, if anything.
    pub remedy: Option<String>,
}

/// Why the key was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RekeyError {
    /// It is the key that the state has.
    #[error("the state is sealed with that very key; write another secret there first. Nothing was changed")]
    SameKey,
    /// The disk is full, something is damaged, or the file system refuses.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The state cannot be opened with the new key.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Ledger {
    /// Seals everything anew with another key. `configured` says whether the configuration names a `state_key`
    /// now. Copies beside the state, which the former key sealed, are replaced by a new one.
    ///
    /// # Errors
    /// It is the same key; the disk is full; something is damaged. The state has its former key then.
    pub fn rekey(
        mut self,
        new: NewKey<'_>,
        configured: bool,
        now: DateTime<Utc>,
    ) -> Result<Rekeyed, RekeyError> {
        let main = match new {
            NewKey::OwnFile => seal::make_next(&self.dir)?,
            NewKey::Secret { secret, .. } => seal::main_of(secret),
        };
        let (sealer, prints) = seal::derived(&main);
        let check: Vec<u8> = self.store.get(key::KEY_CHECK)?.unwrap_or_default();
        if seal::opens(&sealer, &check) {
            return Err(RekeyError::SameKey);
        }
        let stand_ins = *self.fingerprint_key.stand_ins();
        let fingerprints = FingerprintKey::new(prints).with_stand_ins(stand_ins);
        let name = self.free_name();
        let dir = self.dir.join(&name);
        let sealed = self.seal_all(&dir, &sealer, &fingerprints);
        let (metas, members) = sealed.inspect_err(|_| restore::discard(&dir))?;
        super::crash::reached("ledger-after-rekey-files");
        let place = place(new, configured, now);
        self.store.write("ledger-after-rekey", |tx| {
            for meta in &metas {
                tx.put(key::node(meta.id), meta)?;
            }
            tx.put(key::ROSTERS.to_vec(), &name)?;
            tx.put(key::KEY_CHECK.to_vec(), &seal::known(&sealer)?)?;
            tx.put(key::STAND_INS.to_vec(), &sealer.seal(key::STAND_INS, &stand_ins)?)?;
            tx.put(key::KEY_PLACE.to_vec(), &place)
        })?;
        let former = seal::set_aside(&self.dir)?;
        if matches!(new, NewKey::OwnFile) {
            seal::adopt(&self.dir)?;
        }
        super::crash::reached("ledger-after-rekey-key");
        restore::discard(&self.rosters);
        let old: Vec<PathBuf> = self.copies().into_iter().map(|copy| copy.path).collect();
        (self.rosters, self.sealer, self.fingerprint_key) = (dir, sealer, fingerprints);
        self.write_copy(now)?;
        old.iter().for_each(|path| files::remove(path));
        let remedy = remedy(new, configured);
        Ok(Rekeyed { rosters: metas.len() as u64, members, former, remedy })
    }

    /// A name for the directory of the new rosters.
    fn free_name(&self) -> String {
        let mut names = (2_u32..).map(|number| format!("rosters.{number}"));
        names.find(|name| !self.dir.join(name).exists()).unwrap_or_default()
    }

    /// Writes every roster anew, durably, and knows how many members are in them.
    fn seal_all(
        &self,
        dir: &Path,
        sealer: &Sealer,
        fingerprints: &FingerprintKey,
    ) -> Result<(Vec<NodeMeta>, u64), LedgerError> {
        files::make_dir(dir)?;
        let (mut metas, mut members) = (Vec::new(), 0);
        for meta in self.store.scan::<NodeMeta>(key::NODES)? {
            let mut reader = NodeReader::open(&self.rosters, meta.id)?;
            let mut writer = NodeWriter::create(dir, meta.id, sealer)?;
            while let Some(part) = reader.next()? {
                match part {
                    Part::Members(of_chunk) => {
                        let records = reader.records(&self.sealer, of_chunk.len())?;
                        for (member, record) in of_chunk.iter().zip(&records) {
                            let prints = fingerprints.of(record.view());
                            let who = (member.id.as_str(), &member.plan);
                            writer.push(who, &prints, member.carried_since, record.view())?;
                        }
                    }
                    Part::Removed(ids) => ids.iter().for_each(|id| writer.remove(id.as_str())),
                }
            }
            let written = writer.finish(None)?;
            members += written.written;
            metas.push(NodeMeta { digest: written.digest, ..meta });
        }
        Ok((metas, members))
    }
}

/// What a later start says when it finds no key that opens the state.
fn place(new: NewKey<'_>, configured: bool, now: DateTime<Utc>) -> String {
    let since = now.format("%Y-%m-%d");
    match remedy(new, configured) {
        Some(remedy) => format!("it was changed on {since}: {remedy}"),
        None => format!("it was changed on {since}: put back the `{}` of since then", seal::KEY_FILE),
    }
}

fn remedy(new: NewKey<'_>, configured: bool) -> Option<String> {
    match new {
        NewKey::OwnFile => configured.then(|| {
            format!(
                "remove `state_key` from the configuration, the key is in `{}` of the state directory",
                seal::KEY_FILE
            )
        }),
        NewKey::Secret { place, .. } => Some(format!("write `state_key: {place}` in the configuration")),
    }
}

/// Removes directories of rosters that the state does not name: what a change of the key that was cut off has
/// written, or has left. `named` is the one that the state names.
pub(super) fn sweep(dir: &Path, named: Option<&str>) {
    for other in restore::others(dir) {
        if Some(other.as_str()) != named {
            restore::discard(&dir.join(other));
        }
    }
    if named.is_some() {
        restore::discard(&dir.join("rosters"));
    }
}
