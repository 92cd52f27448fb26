//! Members as compact text: one allocation holds a million of them.

use super::{FIELD_COUNT, Field, Rule, rules};

/// The end of each field in a record's text, counted from the record's start. An absent field is empty.
type Ends = [u16; FIELD_COUNT];

/// The values of one row on their way to become a [`Record`]; reused from row to row.
#[derive(Default, Hash)]
pub struct Draft {
    values: [String; FIELD_COUNT],
}

impl std::fmt::Debug for Draft {
    /// The values are personal data: only the reference is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").field("reference_id", &self.value(Field::ReferenceId)).finish_non_exhaustive()
    }
}

impl Draft {
    /// Forgets every value and keeps the room.
    pub fn clear(&mut self) {
        self.values.iter_mut().for_each(String::clear);
    }

    /// The room of one field, to write its normalised value into. Empty means absent.
    #[must_use]
    #[inline]
    pub fn value_mut(&mut self, field: Field) -> &mut String {
        #[expect(clippy::indexing_slicing, reason = "an enum of twelve indexes an array of twelve")]
        &mut self.values[field.index()]
    }

    /// The value of one field; empty when absent.
    #[must_use]
    #[inline]
    pub fn value(&self, field: Field) -> &str {
        #[expect(clippy::indexing_slicing, reason = "an enum of twelve indexes an array of twelve")]
        &self.values[field.index()]
    }

    /// Each field that breaks a rule of the contract: blank though required, or of the wrong form.
    pub fn faults(&self) -> impl Iterator<Item = (Field, Rule)> + '_ {
        Field::ALL.into_iter().filter_map(|field| {
            let value = self.value(field);
            if value.is_empty() && !field.required() {
                return None;
            }
            rules::check(field, value).err().map(|rule| (field, rule))
        })
    }
}

/// A member that passed every rule, seen inside [`Records`] or a [`Record`].
///
/// `Debug` shows the reference alone: the rest is personal data.
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    text: &'a str,
    ends: &'a Ends,
}

impl<'a> RecordRef<'a> {
    /// The value of one field; empty when absent.
    #[must_use]
    #[inline]
    pub fn get(self, field: Field) -> &'a str {
        let index = field.index();
        let end = self.ends.get(index).copied().unwrap_or(0);
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.text.get(usize::from(start)..usize::from(end)).unwrap_or("")
    }

    /// The value of every field in the order of [`Field::ALL`]; empty when absent.
    #[must_use]
    #[inline]
    pub fn values(self) -> [&'a str; FIELD_COUNT] {
        let mut start = 0;
        self.ends.map(|end| {
            let value = self.text.get(start..usize::from(end)).unwrap_or("");
            start = usize::from(end);
            value
        })
    }

    /// The member's key.
    #[must_use]
    pub fn reference_id(self) -> &'a str {
        self.get(Field::ReferenceId)
    }

    /// All fields as one text, with [`RecordRef::ends`] the whole of the record: for digests and for storage.
    #[must_use]
    #[inline]
    pub fn text(self) -> &'a str {
        self.text
    }

    /// The end of each field in [`RecordRef::text`].
    #[must_use]
    pub fn ends(self) -> &'a [u16; FIELD_COUNT] {
        self.ends
    }

    /// A copy that stands alone.
    #[must_use]
    pub fn to_record(self) -> Record {
        Record { text: self.text.into(), ends: *self.ends }
    }

    /// A copy in which one field has another value, which passed its rule before.
    #[must_use]
    pub fn with(self, field: Field, value: &str) -> Record {
        let mut draft = Draft::default();
        for each in Field::ALL {
            draft.value_mut(each).push_str(if each == field { value } else { self.get(each) });
        }
        let mut records = Records::default();
        records.push_checked(&draft);
        records.get(0).map_or_else(|| self.to_record(), RecordRef::to_record)
    }
}

impl PartialEq for RecordRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.ends == other.ends && self.text == other.text
    }
}

impl std::fmt::Debug for RecordRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("reference_id", &self.reference_id()).finish_non_exhaustive()
    }
}

/// One member that stands alone.
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    text: Box<str>,
    ends: Ends,
}

impl Record {
    /// The view that every reader uses.
    #[must_use]
    pub fn view(&self) -> RecordRef<'_> {
        RecordRef { text: &self.text, ends: &self.ends }
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}

/// Many members in one text.
#[derive(Debug, Default)]
pub struct Records {
    text: Text,
    entries: Vec<(usize, Ends)>,
}

/// Keeps the people's text out of derived `Debug` output.
#[derive(Default)]
struct Text(String);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Records {
    /// Adds the draft as a member and returns its index.
    ///
    /// # Errors
    /// The fields that break a rule of the contract, with the rules.
    pub fn push(&mut self, draft: &Draft) -> Result<u32, Vec<(Field, Rule)>> {
        let faults: Vec<_> = draft.faults().collect();
        if faults.is_empty() { Ok(self.push_checked(draft)) } else { Err(faults) }
    }

    /// Adds a member that passed its rules before.
    pub fn push_record(&mut self, record: RecordRef<'_>) -> u32 {
        let start = self.text.0.len();
        self.text.0.push_str(record.text);
        self.add(start, *record.ends)
    }

    /// The caller has looked at [`Draft::faults`].
    #[inline]
    pub(crate) fn push_checked(&mut self, draft: &Draft) -> u32 {
        let start = self.text.0.len();
        let mut ends: Ends = [0; FIELD_COUNT];
        for (value, end) in draft.values.iter().zip(ends.iter_mut()) {
            self.text.0.push_str(value);
            // Twelve values of at most 255 characters, four bytes each, stay below 2^16.
            *end = u16::try_from(self.text.0.len() - start).unwrap_or(u16::MAX);
        }
        self.add(start, ends)
    }

    fn add(&mut self, start: usize, ends: Ends) -> u32 {
        self.entries.push((start, ends));
        u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
    }

    /// The member with this index.
    #[must_use]
    #[inline]
    pub fn get(&self, index: u32) -> Option<RecordRef<'_>> {
        let (start, ends) = self.entries.get(usize::try_from(index).ok()?)?;
        let end = start + usize::from(*ends.last()?);
        Some(RecordRef { text: self.text.0.get(*start..end)?, ends })
    }

    /// Every member, in the order of pushing.
    pub fn iter(&self) -> impl Iterator<Item = RecordRef<'_>> + '_ {
        (0..self.entries.len()).filter_map(|index| self.get(u32::try_from(index).ok()?))
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        let mut draft = Draft::default();
        for (field, value) in [
            (Field::ReferenceId, "e-1"),
            (Field::FirstName, "Ada"),
            (Field::LastName, "Quill"),
            (Field::DateOfBirth, "1990-05-15"),
            (Field::Phone, "5551234567"),
            (Field::PlanId, "pln_a"),
            (Field::AddressLine1, "1 Elm St"),
            (Field::City, "Troy"),
            (Field::State, "NY"),
            (Field::Zipcode, "12180"),
        ] {
            draft.value_mut(field).push_str(value);
        }
        draft
    }

    #[test]
    fn a_record_gives_back_what_was_put_in_and_shows_only_its_reference() {
        let mut records = Records::default();
        let index = records.push(&draft()).unwrap();
        let record = records.get(index).unwrap();
        assert_eq!(record.get(Field::City), "Troy");
        assert_eq!(record.get(Field::Email), "");
        assert_eq!(record.get(Field::Zipcode), "12180");
        assert_eq!(record.values(), Field::ALL.map(|field| record.get(field)));
        assert_eq!(format!("{record:?}"), "Record { reference_id: \"e-1\", .. }");
        assert!(!format!("{records:?}").contains("Quill"));
        let moved = record.with(Field::Email, "a@b.example");
        assert_eq!(moved.view().get(Field::Email), "a@b.example");
        assert_eq!(moved.view().get(Field::Zipcode), "12180");
    }

    #[test]
    fn a_draft_with_faults_becomes_no_member() {
        let mut bad = draft();
        bad.value_mut(Field::Phone).clear();
        bad.value_mut(Field::State).push('x');
        let faults = Records::default().push(&bad).unwrap_err();
        assert_eq!(faults, [(Field::Phone, Rule::Missing), (Field::State, Rule::NotAState)]);
    }
}
