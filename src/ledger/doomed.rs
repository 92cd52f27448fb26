//! Roster files that nothing builds on any more, from the change that forgets them until they are gone from the disk.
//! Who has begun to read before that change still finds what lies under a file, and the file itself.

use super::node::NodeMeta;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Files that are to go.
#[derive(Default)]
pub(super) struct Doomed(Mutex<HashMap<u64, Going>>);

struct Going {
    meta: NodeMeta,
    /// Whether the change that forgets it is durable.
    forgotten: bool,
}

impl Doomed {
    /// Remembers files in the change that forgets them, before anybody can see it. A change that comes to nothing
    /// leaves them in the store, where they are looked for first.
    pub(super) fn remember(&self, metas: &[NodeMeta]) {
        let mut going = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        going.extend(metas.iter().map(|meta| (meta.id, Going { meta: meta.clone(), forgotten: false })));
    }

    /// What the store knew of a file.
    pub(super) fn find(&self, id: u64) -> Option<NodeMeta> {
        let going = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        going.get(&id).map(|each| each.meta.clone())
    }

    /// The store names these no longer.
    pub(super) fn forgotten(&self, metas: &[NodeMeta]) {
        let mut going = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        going.extend(metas.iter().map(|meta| (meta.id, Going { meta: meta.clone(), forgotten: true })));
    }

    /// Takes all that the store names no longer. The caller has seen to it that nobody reads.
    pub(super) fn take(&self) -> Vec<u64> {
        let mut going = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        going.extract_if(|_, each| each.forgotten).map(|(id, _)| id).collect()
    }
}
