//! Whether a reference still means the same person, and a person still has the same reference.

use super::{
    Fate, GroupFacts, Guard, Limit, Plan, fate::fate, judge::Case, plan::Meeting, read::count, window,
};
use crate::roster::{
    Field, Fingerprint, FingerprintKey, Known, People, Person, RecordRef, ReferenceId, Route, Standing,
};
use hashbrown::DefaultHashBuilder;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    hash::BuildHasher,
};

/// What tells one person from another.
const IDENTITY: [Field; 3] = [Field::FirstName, Field::LastName, Field::DateOfBirth];

type Identity = [Fingerprint; 3];

/// What a decision will ask of a covered member, beside what it asks of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The fingerprints of the fields: not when the row says what was last accepted.
    pub fields: bool,
    /// Who left before: the member is about to leave.
    pub leaves: bool,
}

/// What will be asked of a member who is covered in the group with index `group` of the read's groups, by
/// reference and fingerprint of the whole. For who builds a [`crate::roster::Coverage`] for a decision, and has a
/// million members to keep in memory.
#[must_use]
pub fn asked(
    people: &People,
    key: &FingerprintKey,
    group: Option<u32>,
    (id, whole): (&str, Fingerprint),
) -> Asked {
    let place = people.place_of(id);
    let person = place.and_then(|place| people.person(place));
    match fate(person, group) {
        Fate::Ended | Fate::Ineligible(_) | Fate::Absent => Asked { fields: true, leaves: true },
        Fate::Kept | Fate::Carried | Fate::Moved | Fate::Unrouted => {
            let record = person.and_then(|person| people.record_of(person));
            let problems = || place.is_some_and(|place| !people.problems_at(place).is_empty());
            let fields = record.is_some_and(|record| problems() || key.whole(record) != whole);
            Asked { fields, leaves: false }
        }
    }
}

/// The person whom a row is about, by keyed fingerprints of name and date of birth: an approval of one is none of the
/// next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newcomer(String);

/// Whether these changes make another person of a member. One of the two alone is a correction, or a marriage.
pub(in crate::decide) fn is_another(changed: &[Field]) -> bool {
    let has = |field| changed.contains(&field);
    has(Field::DateOfBirth) && (has(Field::FirstName) || has(Field::LastName))
}

impl Meeting<'_> {
    /// Who the person's row is about, when that is somebody else than the covered member.
    pub(in crate::decide) fn another(&self, covered: &Known<'_>, person: &Person) -> Option<Newcomer> {
        let record = self.people.record_of(person)?;
        let whole = self.key.whole(record);
        let another =
            whole != covered.whole && is_another(&covered.changed(&self.key.with_fields(whole, record)));
        another.then(|| self.newcomer(record))
    }

    /// Who a row is about, in a form that can be compared and says nothing.
    pub(in crate::decide) fn newcomer(&self, record: RecordRef<'_>) -> Newcomer {
        let mut hasher = blake3::Hasher::new();
        for print in of_record(self.key, record) {
            hasher.update(&print.0.to_le_bytes());
        }
        Newcomer(hasher.finalize().to_hex().chars().take(8).collect())
    }
}

/// Finds the people who leave one group of the feed and come, under another reference, into the same or another
/// one: each reference in at most one pair, in the same order whatever the order of the rows. A pair stands in
/// the plans of both groups.
pub(in crate::decide) fn find_renamed(
    people: &People,
    key: &FingerprintKey,
    groups: &[GroupFacts],
    plans: &mut [Plan],
) {
    if plans.iter().all(|plan| plan.added.is_empty() && plan.joining.is_empty()) {
        return;
    }
    let mut leaving: BTreeMap<[u64; 3], BTreeSet<(ReferenceId, usize)>> = BTreeMap::new();
    for (at, (plan, facts)) in plans.iter().zip(groups).enumerate() {
        for (id, fate, _) in window::removed(plan) {
            let known = facts.coverage.get(id.as_str());
            if fate != Fate::Moved
                && let Some(identity) = known.as_ref().and_then(of_covered)
            {
                leaving.entry(identity.map(|print| print.0)).or_default().insert((id.clone(), at));
            }
        }
    }
    if leaving.is_empty() {
        return;
    }
    let mut coming: BTreeMap<[u64; 3], BTreeSet<(ReferenceId, usize)>> = BTreeMap::new();
    for (at, plan) in plans.iter().enumerate() {
        // Who comes from another group of the feed is as new here as anybody.
        let added = plan.added.iter().chain(&plan.joining).filter_map(|&place| people.person(place));
        for record in added.filter_map(|person| people.record_of(person)) {
            let identity = of_record(key, record).map(|print| print.0);
            if leaving.contains_key(&identity)
                && let Ok(id) = ReferenceId::new(record.reference_id())
            {
                coming.entry(identity).or_default().insert((id, at));
            }
        }
    }
    let mut pairs = Vec::new();
    for (identity, new) in coming {
        pairs.extend(leaving.remove(&identity).into_iter().flatten().zip(new));
    }
    pairs.sort();
    for ((old, from), (new, to)) in pairs {
        for at in BTreeSet::from([from, to]) {
            if let Some(plan) = plans.get_mut(at) {
                plan.renamed.push((old.clone(), new.clone()));
            }
        }
    }
}

fn of_covered(known: &Known<'_>) -> Option<Identity> {
    let fields = known.fields?;
    let mut identity = [Fingerprint(0); 3];
    for (to, field) in identity.iter_mut().zip(IDENTITY) {
        *to = *fields.get(field.index())?;
    }
    Some(identity)
}

fn of_record(key: &FingerprintKey, record: RecordRef<'_>) -> Identity {
    IDENTITY.map(|field| key.field(field, record.get(field)))
}

/// What of a plan shows that references do not mean whom they meant before.
pub(in crate::decide) fn judge(plan: &Plan, guard: &Guard, case: &mut Case) {
    let over = |found: usize, limit: Limit| {
        let (found, allowed) = (u64::try_from(found).unwrap_or(u64::MAX), limit.allows(plan.covered));
        (found > allowed).then_some((found, allowed))
    };
    if let Some((found, allowed)) = over(plan.renamed.len(), guard.renamed_ids) {
        let sentence = format!(
            "{} and added under another reference_id with the same name and date of birth, which is what happens when the ids of the source change (`renamed_ids` allows {allowed}); an approval ends the old membership and starts a new one",
            count(found, "person would be removed", "people would be removed"),
        );
        case.add(
            "renamed_ids",
            sentence,
            plan.renamed.iter().map(|(old, new)| format!("renamed:{old}:{new}")),
        );
    }
    if let Some((found, allowed)) = over(plan.changed_people.len(), guard.changed_people) {
        let sentence = format!(
            "{} another date of birth and another name under the same reference_id, which is what happens when one column is sorted alone or ids are given out again (`changed_people` allows {allowed}); an approval gives the old membership to the new person",
            count(found, "member has", "members have"),
        );
        case.add(
            "changed_people",
            sentence,
            plan.changed_people.iter().map(|(id, now)| format!("changed_person:{id}:{}", now.0)),
        );
    }
}

/// The members of the read's rosters who share their mail address and date of birth with another one, in pairs of
/// references: probably one person twice.
#[must_use]
pub fn look_alikes(people: &People) -> Vec<(ReferenceId, ReferenceId)> {
    let hasher = DefaultHashBuilder::default();
    let mut hashes: Vec<(u64, u32)> = Vec::new();
    for (_, person) in people.iter() {
        if let (Standing::Eligible(index), Route::Group(_)) = (person.standing, person.route)
            && let Some(record) = people.records.get(index)
            && !record.get(Field::Email).is_empty()
        {
            hashes.push((hasher.hash_one(of_mail(record)), index));
        }
    }
    hashes.sort_unstable();
    let mut pairs = BTreeSet::new();
    for same in hashes.chunk_by(|one, other| one.0 == other.0).filter(|same| same.len() > 1) {
        let mut records: Vec<RecordRef<'_>> =
            same.iter().filter_map(|(_, at)| people.records.get(*at)).collect();
        records.sort_by_key(|record| (of_mail(*record), record.reference_id()));
        for (one, other) in records.iter().zip(records.iter().skip(1)) {
            if of_mail(*one) == of_mail(*other)
                && let (Ok(one), Ok(other)) =
                    (ReferenceId::new(one.reference_id()), ReferenceId::new(other.reference_id()))
            {
                pairs.insert((one, other));
            }
        }
    }
    pairs.into_iter().collect()
}

/// What two rows of one person have in common. Mail addresses are compared without case.
fn of_mail(record: RecordRef<'_>) -> (Cow<'_, str>, &str) {
    let mail = record.get(Field::Email);
    let mail = if mail.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(mail.to_ascii_lowercase())
    } else {
        Cow::Borrowed(mail)
    };
    (mail, record.get(Field::DateOfBirth))
}
