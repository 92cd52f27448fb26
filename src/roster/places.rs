//! Many references, each once, found by their text: one text for all of them and a table of their hashes.

use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};
use std::hash::BuildHasher;

/// References in the order of adding.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    text: String,
    /// Where each reference ends in the text.
    ends: Vec<usize>,
    index: HashTable<Slot>,
    hasher: DefaultHashBuilder,
}

/// One reference in the index. The hash is kept, so that neither growing nor most misses look at any text.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    at: u32,
}

impl Slot {
    /// The table takes its buckets from the low bits and its tags from the high ones.
    fn spread(hash: u32) -> u64 {
        (u64::from(hash) << 32) | u64::from(hash)
    }
}

impl Places {
    /// The place of this reference.
    pub(super) fn find(&self, id: &str) -> Option<u32> {
        if self.ends.is_empty() {
            return None;
        }
        let hash = self.hash(id);
        let same = |slot: &Slot| slot.hash == hash && self.id(slot.at) == id;
        self.index.find(Slot::spread(hash), same).map(|slot| slot.at)
    }

    /// Looks where this reference will be looked for soon. In a table of a million nearly every look waits for
    /// memory; many of them, asked one right after the other, wait together.
    #[inline]
    pub(super) fn warm(&self, id: &str) {
        let hash = self.hash(id);
        std::hint::black_box(self.index.find(Slot::spread(hash), |slot| slot.hash == hash));
    }

    /// Adds a reference and returns its place.
    ///
    /// # Errors
    /// The place that it has already.
    #[inline]
    pub(super) fn insert(&mut self, id: &str) -> Result<u32, u32> {
        let hash = self.hash(id);
        let at = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        let (text, ends) = (&self.text, &self.ends);
        let same = |slot: &Slot| slot.hash == hash && piece(text, ends, slot.at) == id;
        match self.index.entry(Slot::spread(hash), same, |slot| Slot::spread(slot.hash)) {
            Entry::Occupied(known) => return Err(known.get().at),
            Entry::Vacant(room) => room.insert(Slot { hash, at }),
        };
        self.text.push_str(id);
        self.ends.push(self.text.len());
        Ok(at)
    }

    /// The reference at this place; empty when there is none.
    pub(super) fn id(&self, place: u32) -> &str {
        piece(&self.text, &self.ends, place)
    }

    fn hash(&self, id: &str) -> u32 {
        u32::try_from(self.hasher.hash_one(id) >> 32).unwrap_or(0)
    }
}

fn piece<'t>(text: &'t str, ends: &[usize], place: u32) -> &'t str {
    let place = place as usize;
    let end = ends.get(place).copied().unwrap_or(0);
    let start = place.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    text.get(start..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_is_found_at_its_place_and_no_other_is() {
        let mut places = Places::default();
        assert_eq!(places.find("e-0"), None);
        for number in 0..5_000_u32 {
            assert_eq!(places.insert(&format!("e-{number}")), Ok(number));
        }
        assert_eq!(places.insert("e-17"), Err(17));
        for number in 0..5_000_u32 {
            let id = format!("e-{number}");
            assert_eq!((places.find(&id), places.id(number)), (Some(number), id.as_str()));
        }
        assert_eq!((places.find("e-5000"), places.find(""), places.id(5_000)), (None, None, ""));
    }
}
