//! What happens to each member, with the rule that says so.

use crate::{
    decide::{Fate, Plan},
    ledger::{Because, Told},
    roster::{EndedBy, Field, GroupRef, Ineligible, People, ReferenceId, Route, Standing},
};
use std::collections::BTreeMap;

/// How many members to whom the same happens are named.
const NAMED: usize = 1_000;

/// What is told of a member, without him.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// The place in the order of the telling: who leaves comes first.
    order: u8,
    what: &'static str,
    because: Because,
    group: Option<GroupRef>,
    /// The changed fields, a bit for each.
    fields: u16,
}

/// Everything that is told of the members of one group.
pub(super) fn told(plan: &Plan, people: &People) -> Vec<Told> {
    let mut telling = Telling::default();
    for (id, fate) in plan.fates.iter().filter(|(_, fate)| *fate != Fate::Moved) {
        let place = people.place_of(id.as_str());
        telling.add(of_fate(*fate, place, people), || Some(id.clone()));
    }
    for each in &plan.moves {
        let because = if each.waits.is_some() { Because::MoveWaits } else { Because::OtherGroup };
        let key = Key { group: Some(each.to.clone()), ..plain(3, "moved", because) };
        telling.add(key, || Some(each.id.clone()));
    }
    for &place in &plan.left_out {
        telling.add(plain(5, "left_out", unusable(place, people)), || id_at(place, people));
    }
    for &place in &plan.added {
        telling.add(plain(6, "added", Because::NewRow), || id_at(place, people));
    }
    for &place in &plan.joining {
        telling.add(plain(7, "joining", Because::ComesFromGroup), || id_at(place, people));
    }
    for &place in &plan.arriving {
        telling.add(plain(7, "arriving", Because::CoveredElsewhere), || id_at(place, people));
    }
    for (id, fields) in &plan.updated {
        let key = Key { fields: bits(fields), ..plain(8, "updated", Because::FieldsChanged) };
        telling.add(key, || Some(id.clone()));
    }
    for (id, _) in &plan.changed_people {
        telling.add(plain(9, "changed_people", Because::AnotherPerson), || Some(id.clone()));
    }
    for (old, new) in &plan.renamed {
        telling.add(plain(10, "renamed_from", Because::OtherReference), || Some(old.clone()));
        telling.add(plain(11, "renamed_to", Because::OtherReference), || Some(new.clone()));
    }
    for id in &plan.on_old_plan {
        telling.add(plain(12, "old_plan", Because::PlanNotApplied), || Some(id.clone()));
    }
    telling.finish()
}

#[derive(Default)]
struct Telling {
    told: BTreeMap<Key, (u64, Vec<ReferenceId>)>,
    named: BTreeMap<&'static str, usize>,
}

impl Telling {
    fn add(&mut self, key: Key, id: impl FnOnce() -> Option<ReferenceId>) {
        let named = self.named.entry(key.what).or_default();
        let (count, members) = self.told.entry(key).or_default();
        *count += 1;
        if *named < NAMED {
            *named += 1;
            members.extend(id());
        }
    }

    fn finish(self) -> Vec<Told> {
        let told = self.told.into_iter().map(|(key, (count, members))| Told {
            what: key.what.to_owned(),
            because: key.because,
            group: key.group,
            fields: Field::ALL.into_iter().filter(|field| key.fields & bit(*field) != 0).collect(),
            count,
            members,
        });
        told.collect()
    }
}

fn plain(order: u8, what: &'static str, because: Because) -> Key {
    Key { order, what, because, group: None, fields: 0 }
}

fn of_fate(fate: Fate, place: Option<u32>, people: &People) -> Key {
    let person = place.and_then(|place| people.person(place));
    let what = fate.name();
    match fate {
        Fate::Ended => {
            let by = place.map_or(EndedBy::Status, |place| people.ended_by(place));
            plain(0, what, if by == EndedBy::Date { Because::EndPassed } else { Because::StatusEnded })
        }
        Fate::Ineligible(Ineligible::When) => plain(1, what, Because::WhenFalse),
        Fate::Ineligible(Ineligible::StartsLater) => plain(1, what, Because::StartsLater),
        Fate::Absent => plain(2, what, Because::NoRow),
        Fate::Unrouted => match person.map(|person| person.route) {
            Some(Route::Blank) => plain(4, what, Because::GroupBlank),
            Some(Route::Unlisted | Route::Group(_)) | None => plain(4, what, Because::GroupUnlisted),
        },
        Fate::Carried => plain(4, what, place.map_or(Because::RowUnusable, |place| unusable(place, people))),
        // Nobody who is kept is among the fates, and who moves is told of with the moves.
        Fate::Kept | Fate::Moved => plain(13, what, Because::NewRow),
    }
}

fn unusable(place: u32, people: &People) -> Because {
    match people.person(place).map(|person| person.standing) {
        Some(Standing::Duplicate) => Because::RowsContradict,
        Some(
            Standing::Unusable { .. } | Standing::Eligible(_) | Standing::Ended | Standing::Ineligible(_),
        )
        | None => Because::RowUnusable,
    }
}

fn id_at(place: u32, people: &People) -> Option<ReferenceId> {
    let person = people.person(place)?;
    ReferenceId::new(people.id_of(person)).ok()
}

fn bit(field: Field) -> u16 {
    1 << field.index()
}

fn bits(fields: &[Field]) -> u16 {
    fields.iter().fold(0, |bits, field| bits | bit(*field))
}
