//! What a complete read says: of each person at most one thing.

use super::{Draft, Field, GroupRef, PlanId, RecordRef, Records, Rule, places::Places};
use hashbrown::{DefaultHashBuilder, HashMap, HashSet};
use std::{collections::BTreeSet, hash::BuildHasher, sync::Arc};

/// Where a row stands: the source, the data record in it (from 1, the header not counted) and the physical
/// line (from 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct RowAt {
    /// Index of the source (or part) within the feed's read.
    pub source: u16,
    /// Data record, from 1.
    pub record: u32,
    /// Physical line of the file on which the record begins, from 1.
    pub line: u32,
}

/// Which group a row's group value names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// The group with this index in [`People::groups`].
    Group(u32),
    /// The group value is blank.
    Blank,
    /// The group value is in no list.
    Unlisted,
}

/// Why a row that is there does not make its person eligible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ineligible {
    /// The expression `when` is false.
    When,
    /// `starts_on` lies ahead.
    StartsLater,
}

/// What of a row says that the person has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// The status is in `ended`.
    Status,
    /// `ends_on` has passed.
    Date,
}

/// One thing that is wrong with one row. Names columns of the configuration, never a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// The member field that cannot be had, if it is one.
    pub field: Option<Field>,
    /// The column or path that the configuration names; empty for a constant or an expression.
    pub column: Arc<str>,
    /// What is wrong, as the end of a sentence that begins with the column's name.
    pub what: Arc<str>,
    /// The rule of the contract, when one is broken.
    pub rule: Option<Rule>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.column.is_empty() {
            f.write_str(&self.what)
        } else {
            write!(f, "`{}` {}", self.column, self.what)
        }
    }
}

/// What the rows of one person say, after they were brought together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Valid and eligible: the index in [`People::records`].
    Eligible(u32),
    /// The row says that the person has left.
    Ended,
    /// The row is there, the person is not eligible today.
    Ineligible(Ineligible),
    /// The row is there, does not say that the person has ended, and cannot be used.
    /// `digest` tells identical rows from different ones.
    Unusable {
        /// A hash of the mapped cells, within this process only.
        digest: u64,
    },
    /// Several rows that contradict each other.
    Duplicate,
}

/// One person of the read.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    place: u32,
    /// What the rows say.
    pub standing: Standing,
    /// Where the (deciding) row routes to.
    pub route: Route,
    /// The deciding row, the first one of several.
    pub at: RowAt,
}

/// Every person of a complete read, unique by `reference_id`.
#[derive(Debug, Default)]
pub struct People {
    /// The groups that routes point at, each once.
    pub groups: Vec<GroupRef>,
    /// The members; [`Standing::Eligible`] points into it.
    pub records: Records,
    /// Rows whose `reference_id` is blank or invalid: each could be anybody.
    pub nameless: Vec<(RowAt, Problem)>,
    /// Data rows read, whatever became of them.
    pub rows: u64,
    people: Vec<Person>,
    places: Places,
    problems: HashMap<u32, Vec<Problem>>,
    duplicates: HashMap<u32, Vec<(RowAt, Route)>>,
    /// Of those who have ended the few whose status alone does not say so.
    ended_by_date: HashSet<u32>,
    hasher: DefaultHashBuilder,
}

impl People {
    /// The persons in the order in which they first appear.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Person)> + '_ {
        self.people.iter().map(|person| (self.id_of(person), person))
    }

    /// The person with this reference.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Person> {
        self.place_of(id).and_then(|place| self.people.get(place as usize))
    }

    /// The person at this place of [`People::iter`].
    #[must_use]
    pub fn person(&self, index: u32) -> Option<&Person> {
        self.people.get(index as usize)
    }

    /// How many persons there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// The reference of a person of this read.
    #[must_use]
    pub fn id_of(&self, person: &Person) -> &str {
        self.places.id(person.place)
    }

    /// The member, when the person is eligible.
    #[must_use]
    pub fn record_of(&self, person: &Person) -> Option<RecordRef<'_>> {
        match person.standing {
            Standing::Eligible(index) => self.records.get(index),
            Standing::Ended | Standing::Ineligible(_) | Standing::Unusable { .. } | Standing::Duplicate => {
                None
            }
        }
    }

    /// The place in [`People::iter`] of the person with this reference.
    #[must_use]
    pub fn place_of(&self, id: &str) -> Option<u32> {
        self.places.find(id)
    }

    /// What is wrong with the rows of the person at this place of [`People::iter`]. For an eligible person
    /// these are optional fields that had to be left out.
    #[must_use]
    pub fn problems_at(&self, place: u32) -> &[Problem] {
        self.problems.get(&place).map_or(&[], Vec::as_slice)
    }

    /// What is wrong with the rows of the person with this reference.
    #[must_use]
    pub fn problems_of(&self, id: &str) -> &[Problem] {
        if self.problems.is_empty() {
            return &[];
        }
        self.place_of(id).map_or(&[], |place| self.problems_at(place))
    }

    /// What says that the [`Standing::Ended`] at this place of [`People::iter`] has left.
    #[must_use]
    pub fn ended_by(&self, place: u32) -> EndedBy {
        if self.ended_by_date.contains(&place) { EndedBy::Date } else { EndedBy::Status }
    }

    /// The contradicting rows of the [`Standing::Duplicate`] at this place of [`People::iter`], with where
    /// each routes to.
    #[must_use]
    pub fn duplicates_at(&self, place: u32) -> &[(RowAt, Route)] {
        self.duplicates.get(&place).map_or(&[], Vec::as_slice)
    }

    /// The contradicting rows of the person with this reference.
    #[must_use]
    pub fn duplicate_rows(&self, id: &str) -> &[(RowAt, Route)] {
        if self.duplicates.is_empty() {
            return &[];
        }
        self.place_of(id).map_or(&[], |place| self.duplicates_at(place))
    }

    /// Index of the group with this reference.
    #[must_use]
    pub fn group_index(&self, group: &GroupRef) -> Option<u32> {
        self.groups.iter().position(|each| each == group).and_then(|index| u32::try_from(index).ok())
    }
}

/// Brings the rows of a read together, one after the other.
#[derive(Debug, Default)]
pub struct PeopleBuilder {
    people: People,
    plans: Option<BTreeSet<PlanId>>,
    /// A plan that was looked up and is one of the organization's: most rows have the same.
    last_plan: String,
}

impl PeopleBuilder {
    /// A builder that knows these groups from the start.
    #[must_use]
    pub fn new(groups: Vec<GroupRef>) -> Self {
        let people = People { groups, ..People::default() };
        Self { people, ..Self::default() }
    }

    /// Takes only these plans: the contract wants "a plan available to the organization". A row with another
    /// one cannot be used.
    #[must_use]
    pub fn with_plans(mut self, plans: BTreeSet<PlanId>) -> Self {
        self.plans = Some(plans);
        self
    }

    /// The route to a group, which becomes known if it was not.
    pub fn route_to(&mut self, group: &GroupRef) -> Route {
        if let Some(index) = self.people.group_index(group) {
            return Route::Group(index);
        }
        self.people.groups.push(group.clone());
        Route::Group(u32::try_from(self.people.groups.len() - 1).unwrap_or(u32::MAX))
    }

    /// Says that a row of this person will come soon; never needed, and faster when said of many at once.
    pub fn announce(&self, id: &str) {
        self.people.places.warm(id);
    }

    /// Counts one data row. Call it once for each, whatever becomes of it.
    pub fn count_row(&mut self) {
        self.people.rows += 1;
    }

    /// A row whose `reference_id` is blank or invalid.
    pub fn add_nameless(&mut self, at: RowAt, problem: Problem) {
        self.people.nameless.push((at, problem));
    }

    /// A valid, eligible member: the draft has no faults. `problems` are optional fields that were left out.
    /// Returns whether the row can be used: not when its plan is none of the organization's.
    pub fn add_eligible(
        &mut self,
        at: RowAt,
        draft: &Draft,
        route: Route,
        mut problems: Vec<Problem>,
    ) -> bool {
        if !self.has_plan(draft.value(Field::PlanId)) {
            problems.push(Problem {
                field: Some(Field::PlanId),
                column: Arc::from(Field::PlanId.name()),
                what: Arc::from(
                    "is not one of the organization's plans at Vitable; `GET /v1/plans` lists them",
                ),
                rule: None,
            });
            let digest = self.people.hasher.hash_one(draft);
            let standing = Standing::Unusable { digest };
            self.add(at, draft.value(Field::ReferenceId), standing, route, problems);
            return false;
        }
        let record = self.people.records.push_checked(draft);
        self.add(at, draft.value(Field::ReferenceId), Standing::Eligible(record), route, problems);
        true
    }

    fn has_plan(&mut self, plan: &str) -> bool {
        let Some(plans) = &self.plans else { return true };
        if self.last_plan == plan {
            return true;
        }
        let known = plans.contains(plan);
        if known {
            self.last_plan.clear();
            self.last_plan.push_str(plan);
        }
        known
    }

    /// A person whose row does not make a member.
    pub fn add_other(
        &mut self,
        at: RowAt,
        id: &str,
        standing: Standing,
        route: Route,
        problems: Vec<Problem>,
    ) {
        self.add(at, id, standing, route, problems);
    }

    /// A person who has left, and what says so.
    pub fn add_ended(&mut self, at: RowAt, id: &str, by: EndedBy, route: Route) {
        self.add(at, id, Standing::Ended, route, Vec::new());
        if by == EndedBy::Date
            && let Some(place) = self.people.place_of(id)
        {
            self.people.ended_by_date.insert(place);
        }
    }

    /// The read is over.
    #[must_use]
    pub fn finish(self) -> People {
        self.people
    }

    fn add(&mut self, at: RowAt, id: &str, standing: Standing, route: Route, problems: Vec<Problem>) {
        match self.people.places.insert(id) {
            Err(known) => self.merge(known, (at, standing, route), problems),
            Ok(place) => {
                self.people.people.push(Person { place, standing, route, at });
                if !problems.is_empty() {
                    self.people.problems.insert(place, problems);
                }
            }
        }
    }

    /// Several rows of one reference: identical ones count as one, one covered beside ended ones is the
    /// covered one, anything else is a duplicate (`design.md`, Fates).
    fn merge(&mut self, known: u32, (at, standing, route): (RowAt, Standing, Route), problems: Vec<Problem>) {
        let Some(first) = self.people.people.get(known as usize).copied() else {
            return;
        };
        match self.outcome(&first, standing, route) {
            Merged::First => {}
            Merged::Second => {
                if let Some(person) = self.people.people.get_mut(known as usize) {
                    (person.standing, person.route, person.at) = (standing, route, at);
                }
                self.people.problems.remove(&known);
                if !problems.is_empty() {
                    self.people.problems.insert(known, problems);
                }
            }
            Merged::Contradiction => {
                if let Some(person) = self.people.people.get_mut(known as usize) {
                    person.standing = Standing::Duplicate;
                }
                let rows = self.people.duplicates.entry(known).or_default();
                if rows.is_empty() {
                    rows.push((first.at, first.route));
                }
                rows.push((at, route));
            }
        }
    }

    fn outcome(&self, first: &Person, standing: Standing, route: Route) -> Merged {
        use Standing::{Duplicate, Eligible, Ended, Ineligible, Unusable};
        match (first.standing, standing) {
            (Duplicate, _) | (_, Duplicate) => Merged::Contradiction,
            (Ended, Ended) | (Eligible(_) | Unusable { .. }, Ended) => Merged::First,
            (Ended, Eligible(_) | Unusable { .. }) => Merged::Second,
            (Eligible(a), Eligible(b)) => {
                let same = first.route == route && self.people.records.get(a) == self.people.records.get(b);
                if same { Merged::First } else { Merged::Contradiction }
            }
            (Unusable { digest: a }, Unusable { digest: b }) if a == b && first.route == route => {
                Merged::First
            }
            (Ineligible(a), Ineligible(b)) if a == b && first.route == route => Merged::First,
            _ => Merged::Contradiction,
        }
    }
}

enum Merged {
    First,
    Second,
    Contradiction,
}
