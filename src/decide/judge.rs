//! The guard: within which limits a plan passes without a person.

use super::{
    FirstSync, Guard, Held, InvalidRows, Limit, Plan, Reason, Suspicion, identity,
    plan::{Again, Payload},
    read::count,
    window,
};
use crate::roster::{Certainty, Doubt, Past, People, ReferenceId};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeSet, HashSet};

/// What the judgement of one group depends on beside its plan.
pub(in crate::decide) struct Bench<'a> {
    pub(in crate::decide) guard: &'a Guard,
    pub(in crate::decide) suspicions: &'a [Suspicion],
    pub(in crate::decide) missing: bool,
    pub(in crate::decide) max_members: u64,
    pub(in crate::decide) failed_before: &'a BTreeSet<ReferenceId>,
    pub(in crate::decide) unfinished: &'a BTreeSet<ReferenceId>,
    pub(in crate::decide) second_writer: Option<&'a str>,
    pub(in crate::decide) past: &'a Past,
    pub(in crate::decide) people: &'a People,
    pub(in crate::decide) now: DateTime<Utc>,
}

/// The case for holding a group, as it builds up.
#[derive(Default)]
pub(in crate::decide) struct Case {
    reasons: Vec<Reason>,
    lines: BTreeSet<String>,
}

impl Case {
    pub(in crate::decide) fn add(
        &mut self,
        rule: &'static str,
        sentence: String,
        lines: impl IntoIterator<Item = String>,
    ) {
        self.reasons.push(Reason { rule, sentence, approvable: true });
        self.lines.extend(lines);
    }

    fn refuse(&mut self, rule: &'static str, sentence: String) {
        self.reasons.push(Reason { rule, sentence, approvable: false });
        self.lines.insert(rule.to_owned());
    }
}

/// What is held of this plan, if anything is.
pub(in crate::decide) fn judge(plan: &Plan, bench: &Bench<'_>) -> Option<Held> {
    let mut case = Case::default();
    for suspicion in bench.suspicions {
        case.add(suspicion.rule, suspicion.sentence.clone(), [suspicion.line.clone()]);
    }
    if bench.missing {
        case.add(
            "create_missing",
            format!(
                "no group at Vitable has the external_reference_id `{}`: it would be created",
                plan.group
            ),
            [format!("create:{}", plan.group)],
        );
    }
    first_sync(plan, bench, &mut case);
    contradictions(plan, &mut case);
    moves(plan, bench, &mut case);
    removals(plan, bench, &mut case);
    window::judge(plan, bench, &mut case);
    identity::judge(plan, bench.guard, &mut case);
    additions(plan, bench, &mut case);
    unusable(plan, bench, &mut case);
    sizes(plan, bench, &mut case);
    // Any roster would remove the people of the other writer, an unchanged one too.
    if let Some(why) = bench.second_writer {
        let removed = plan.removed().map(|id| format!("removed:{id}"));
        case.add("second_writer", why.to_owned(), removed.chain(["second_writer".to_owned()]));
    }
    (!case.reasons.is_empty()).then(|| Held::new(&plan.group, case.reasons, case.lines))
}

fn first_sync(plan: &Plan, bench: &Bench<'_>, case: &mut Case) {
    let why = match &plan.certainty {
        Certainty::FirstSync if bench.guard.first_sync == FirstSync::Submit => return,
        Certainty::FirstSync => "this group was never synced by rosterd",
        // Whoever lets first syncs pass has not said so of a state that lost what came after its copy.
        Certainty::Uncertain(Doubt::Repaired(why)) => why,
        Certainty::Uncertain(_) | Certainty::Confirmed => return,
    };
    // Nobody can know whom Vitable covers in this group, so the approval is for exactly this roster: a
    // shorter one could end somebody's coverage.
    let mut ids: Vec<&str> = payload_ids(&plan.payload, bench.people).collect();
    ids.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for id in ids {
        hasher.update(id.as_bytes());
        hasher.update(&[0]);
    }
    let roster: String = hasher.finalize().to_hex().chars().take(16).collect();
    case.add(
        "first_sync",
        format!(
            "{why}: the roster of {} replaces whoever Vitable covers there now, and no call lists them",
            count(plan.payload_len(), "member", "members")
        ),
        [format!("first_sync:{roster}")],
    );
}

fn payload_ids<'a>(payload: &'a Payload, people: &'a People) -> impl Iterator<Item = &'a str> + 'a {
    let read = payload.read.iter().filter_map(|&index| people.records.get(index));
    read.map(crate::roster::RecordRef::reference_id)
        .chain(payload.again.iter().map(|(record, _)| record.view().reference_id()))
}

fn contradictions(plan: &Plan, case: &mut Case) {
    if !plan.duplicates.is_empty() {
        case.add(
            "duplicates",
            format!(
                "{} on several rows that contradict each other",
                count(len(&plan.duplicates), "reference_id stands", "reference_ids stand")
            ),
            lines("duplicate", &plan.duplicates),
        );
    }
    let unrouted: Vec<_> = plan.with_fate("unrouted").collect();
    if !unrouted.is_empty() {
        case.add(
            "unrouted",
            format!(
                "the group value of {} is blank or in no list; they stay covered here as last accepted",
                count(len(&unrouted), "covered member", "covered members")
            ),
            lines("unrouted", unrouted),
        );
    }
    if !plan.records_missing.is_empty() {
        case.refuse(
            "record_missing",
            format!(
                "the last accepted record of {} is not in the state and would have to be sent again; correct their rows at the source",
                count(len(&plan.records_missing), "member", "members")
            ),
        );
    }
}

fn moves(plan: &Plan, bench: &Bench<'_>, case: &mut Case) {
    let leaving: Vec<_> = plan.leaving().collect();
    let (found, allowed) = (len(&leaving), bench.guard.moved.allows(plan.covered));
    if found > allowed {
        let means = "are in another group of the feed, by their row,";
        let sentence = format!(
            "{found} of {} covered members {means} and would go there (`moved` allows {allowed})",
            plan.covered
        );
        // Where to is part of what is approved.
        let to = plan.moves.iter().filter(|each| each.waits.is_none());
        let to = to.map(|each| format!("moved_to:{}:{}", each.id, each.to));
        case.add("moved", sentence, lines("moved", leaving).chain(to));
    }
}

fn removals(plan: &Plan, bench: &Bench<'_>, case: &mut Case) {
    let guard = bench.guard;
    for (name, limit, means) in [
        ("ended", guard.ended, "have left, by their row,"),
        ("ineligible", guard.ineligible, "are not eligible, by their row,"),
        ("absent", guard.absent, "have no row any more"),
    ] {
        let members: Vec<_> = plan.with_fate(name).collect();
        let found = len(&members);
        let allowed = limit.allows(plan.covered);
        if found > allowed {
            let verb = over(found, plan.covered, means, name, allowed);
            case.add(name, verb, lines(name, members.iter().copied()));
        }
        if name == "absent" && found > 0 && !bench.people.nameless.is_empty() {
            let nameless = u64::try_from(bench.people.nameless.len()).unwrap_or(u64::MAX);
            // One line for each such row, by count alone: another row tomorrow is another doubt, and a row that only
            // stands elsewhere is not.
            let doubts = (1..=nameless).map(|number| format!("nameless:{number}"));
            case.add(
                "nameless_rows",
                format!(
                    "{} no valid reference_id and could be any of the {} who have no row any more",
                    count(nameless, "row has", "rows have"),
                    count(found, "member", "members")
                ),
                lines(name, members).chain(doubts),
            );
        }
    }
}

fn over(found: u64, covered: u64, means: &str, rule: &str, allowed: u64) -> String {
    format!("{found} of {covered} covered members {means} and would be removed (`{rule}` allows {allowed})")
}

fn additions(plan: &Plan, bench: &Bench<'_>, case: &mut Case) {
    let guard = bench.guard;
    if plan.certainty != Certainty::FirstSync {
        let added = ids(bench.people, &plan.added);
        let passed = |id: &&ReferenceId| bench.failed_before.contains(*id) || bench.unfinished.contains(*id);
        let fresh: Vec<_> = added.iter().filter(|id| !passed(id)).collect();
        limit_on("added", guard.added, plan.covered, &fresh, "people would be added", case);
    }
    let changes: Vec<_> = plan.plan_changes.iter().collect();
    limit_on("plan_changes", guard.plan_changes, plan.covered, &changes, "members have another plan", case);
}

fn limit_on(
    rule: &'static str,
    limit: Limit,
    covered: u64,
    who: &[&ReferenceId],
    means: &str,
    case: &mut Case,
) {
    let (found, allowed) = (len(who), limit.allows(covered));
    if found > allowed {
        let sentence = format!("{found} {means}, with {covered} covered (`{rule}` allows {allowed})");
        case.add(rule, sentence, lines(rule, who.iter().copied()));
    }
}

fn unusable(plan: &Plan, bench: &Bench<'_>, case: &mut Case) {
    let guard = bench.guard;
    let carried: Vec<&ReferenceId> = plan.with_fate("carried").collect();
    let left_out = ids(bench.people, &plan.left_out);
    let nameless = &bench.people.nameless;
    let found = len(&carried) + len(&left_out) + u64::try_from(nameless.len()).unwrap_or(u64::MAX);
    let allowed = guard.invalid.allows(plan.covered);
    if found > allowed {
        let rows = nameless.iter().map(|(at, _)| format!("invalid:{}:{}", at.source, at.record));
        let people = lines("invalid", carried.iter().copied().chain(&left_out));
        case.add(
            "invalid",
            format!(
                "{} cannot be used, with {} covered (`invalid` allows {allowed})",
                count(found, "row", "rows"),
                plan.covered
            ),
            people.chain(rows),
        );
    }
    if guard.invalid_rows == InvalidRows::Hold && !carried.is_empty() {
        case.add(
            "invalid_rows",
            format!(
                "the rows of {} cannot be used",
                count(len(&carried), "covered member", "covered members")
            ),
            lines("carried", carried),
        );
    }
    let long = carried_too_long(&plan.payload, guard, bench.now);
    if !long.is_empty() {
        case.add(
            "carry_forward_for",
            format!(
                "{} been sent as last accepted for longer than `carry_forward_for` allows; an approval carries them for as long again",
                count(len(&long), "member has", "members have")
            ),
            lines("carried_long", &long),
        );
    }
}

/// The members whose record was carried forward for longer than the guard allows.
pub(in crate::decide) fn carried_too_long(
    payload: &Payload,
    guard: &Guard,
    now: DateTime<Utc>,
) -> Vec<ReferenceId> {
    let longest = TimeDelta::from_std(guard.carry_forward_for).unwrap_or(TimeDelta::MAX);
    let long = payload.again.iter().filter_map(|(record, again)| match again {
        Again::Carried(since) if now.signed_duration_since(since) > longest => {
            ReferenceId::new(record.view().reference_id()).ok()
        }
        Again::Carried(_) | Again::Unrouted | Again::MoveWaits | Again::Patched => None,
    });
    long.collect()
}

fn sizes(plan: &Plan, bench: &Bench<'_>, case: &mut Case) {
    let members = plan.payload_len();
    if members == 0 {
        case.refuse(
            "min_members",
            "nobody would be left on the roster; a group is emptied by command only, never by a file"
                .to_owned(),
        );
    } else if members < bench.guard.min_members {
        case.add(
            "min_members",
            format!(
                "the roster has {} (`min_members` asks for {})",
                count(members, "member", "members"),
                bench.guard.min_members
            ),
            [format!("min_members:{members}")],
        );
    }
    if members > bench.max_members {
        case.add(
            "max_members_per_sync",
            format!(
                "the roster has {members} members (`max_members_per_sync` is {}): ask Vitable before the first sync of this size, then raise the setting or approve",
                bench.max_members
            ),
            [format!("max_members:{members}")],
        );
    }
}

fn ids(people: &People, places: &[u32]) -> Vec<ReferenceId> {
    let persons = places.iter().filter_map(|&at| people.person(at));
    persons.filter_map(|person| ReferenceId::new(people.id_of(person)).ok()).collect()
}

fn lines<'a>(
    what: &'a str,
    ids: impl IntoIterator<Item = &'a ReferenceId> + 'a,
) -> impl Iterator<Item = String> + 'a {
    let mut seen = HashSet::new();
    ids.into_iter().filter(move |id| seen.insert(*id)).map(move |id| format!("{what}:{id}"))
}

fn len<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}
