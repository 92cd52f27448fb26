//! Keyed fingerprints: what changed can be told without keeping what it was in the clear.

use super::{FIELD_COUNT, Field, RecordRef};

/// A keyed hash of one value, cut to 64 bits: enough to tell a change, too little to search for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub u64);

/// The fingerprints of one member: of the whole and of each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fingerprints {
    /// Of the record as a whole; equal means that nothing changed.
    pub whole: Fingerprint,
    /// Of each field, in the order of [`Field::ALL`].
    pub fields: [Fingerprint; FIELD_COUNT],
}

impl Fingerprints {
    /// The fields in which two members differ.
    pub fn changed<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Field> + 'a {
        let pairs = self.fields.iter().zip(&other.fields);
        Field::ALL.into_iter().zip(pairs).filter(|(_, (a, b))| a != b).map(|(field, _)| field)
    }
}

/// The key of the fingerprints, derived from the state key, and that of the stand-ins, which outlives a change of
/// the state key: Vitable knows people by them. Cannot be printed.
#[derive(Clone)]
pub struct FingerprintKey {
    prints: [u8; 32],
    stand_ins: [u8; 32],
}

impl FingerprintKey {
    /// A key of 32 random or derived bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self { prints: bytes, stand_ins: bytes }
    }

    /// The same key of fingerprints, with this one for the stand-ins.
    #[must_use]
    pub fn with_stand_ins(self, stand_ins: [u8; 32]) -> Self {
        Self { stand_ins, ..self }
    }

    /// The key of the stand-ins, for the ledger to keep under seal.
    #[must_use]
    pub(crate) fn stand_ins(&self) -> &[u8; 32] {
        &self.stand_ins
    }

    /// The fingerprint of the record as a whole.
    #[must_use]
    pub fn whole(&self, record: RecordRef<'_>) -> Fingerprint {
        let mut head = [0; FIELD_COUNT * 2];
        for (bytes, end) in head.as_chunks_mut::<2>().0.iter_mut().zip(record.ends()) {
            *bytes = end.to_le_bytes();
        }
        cut(&self.hash(&head, record.text()))
    }

    /// The fingerprint of one value of one field.
    #[must_use]
    pub fn field(&self, field: Field, value: &str) -> Fingerprint {
        cut(&self.hash(&[0xff, u8::try_from(field.index()).unwrap_or(u8::MAX)], value))
    }

    /// Hashes the two, one behind the other. Thirteen times for each of a million members, so that what is
    /// short is put together and hashed at once: a hasher for pieces takes longer to set up than to use.
    fn hash(&self, head: &[u8], text: &str) -> blake3::Hash {
        let mut room = [0; 256];
        if let Some(whole) = room.get_mut(..head.len() + text.len())
            && let Some((first, second)) = whole.split_at_mut_checked(head.len())
        {
            first.copy_from_slice(head);
            second.copy_from_slice(text.as_bytes());
            return blake3::keyed_hash(&self.prints, whole);
        }
        let mut hasher = blake3::Hasher::new_keyed(&self.prints);
        hasher.update(head);
        hasher.update(text.as_bytes());
        hasher.finalize()
    }

    /// Every fingerprint of a member.
    #[must_use]
    pub fn of(&self, record: RecordRef<'_>) -> Fingerprints {
        self.with_fields(self.whole(record), record)
    }

    /// The fingerprints of a member's fields beside that of the whole, which was computed before.
    #[must_use]
    pub fn with_fields(&self, whole: Fingerprint, record: RecordRef<'_>) -> Fingerprints {
        Fingerprints { whole, fields: Field::ALL.map(|field| self.field(field, record.get(field))) }
    }

    /// A keyed, stable stand-in for a sensitive reference (`sensitive: hash`): 128 bits in hexadecimal.
    #[must_use]
    pub fn stand_in(&self, value: &str) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.stand_ins);
        hasher.update(&[0xfe]);
        hasher.update(value.as_bytes());
        hasher.finalize().to_hex().chars().take(32).collect()
    }
}

impl std::fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FingerprintKey(…)")
    }
}

fn cut(hash: &blake3::Hash) -> Fingerprint {
    let (head, _) = hash.as_bytes().split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    Fingerprint(u64::from_le_bytes(*head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{Draft, Records};

    /// Fingerprints are kept for years: however they are computed, they must stay the same.
    #[test]
    fn fingerprints_do_not_depend_on_how_they_are_put_together() {
        let key = FingerprintKey::new([7; 32]);
        for length in [0, 1, 200, 229, 230, 231, 253, 254, 255, 400] {
            let value = "x".repeat(length);
            let mut hasher = blake3::Hasher::new_keyed(&[7; 32]);
            hasher.update(&[0xff, 9]).update(value.as_bytes());
            assert_eq!(key.field(Field::City, &value), cut(&hasher.finalize()), "{length}");
            let mut draft = Draft::default();
            draft.value_mut(Field::City).push_str(&value);
            let mut records = Records::default();
            let at = records.push_checked(&draft);
            let record = records.get(at).unwrap();
            let mut hasher = blake3::Hasher::new_keyed(&[7; 32]);
            for end in record.ends() {
                hasher.update(&end.to_le_bytes());
            }
            hasher.update(value.as_bytes());
            assert_eq!(key.whole(record), cut(&hasher.finalize()), "{length}");
            assert_eq!(key.of(record).fields[Field::City.index()], key.field(Field::City, &value));
        }
    }
}
