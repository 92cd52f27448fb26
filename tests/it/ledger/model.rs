//! Whatever happens to a group, in whatever order, its coverage is that of a simple model.

use super::*;
use proptest::prelude::*;
use rosterd::roster::Certainty;
use std::collections::BTreeMap;

const PEOPLE: usize = 10;
type Roster = BTreeMap<usize, u32>;

#[derive(Clone, Debug)]
enum Step {
    Intend {
        mask: u16,
        versions: u16,
    },
    Connect,
    NotConnected,
    Accept,
    Refuse,
    Lose,
    GiveUp,
    Complete {
        failing: u16,
        wrong: bool,
    },
    LateCompletion,
    Restart,
    /// A whole sync that goes well.
    Sync {
        mask: u16,
        versions: u16,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (mask, versions) = (0_u16..1 << PEOPLE, 0_u16..1 << PEOPLE);
    let intend =
        (mask.clone(), versions.clone()).prop_map(|(mask, versions)| Step::Intend { mask, versions });
    let sync = (mask.clone(), versions).prop_map(|(mask, versions)| Step::Sync { mask, versions });
    let complete = (mask, any::<bool>()).prop_map(|(failing, wrong)| Step::Complete { failing, wrong });
    let step = prop_oneof![
        6 => intend,
        3 => sync,
        6 => Just(Step::Connect),
        1 => Just(Step::NotConnected),
        6 => Just(Step::Accept),
        1 => Just(Step::Refuse),
        1 => Just(Step::Lose),
        1 => Just(Step::GiveUp),
        4 => complete,
        1 => Just(Step::LateCompletion),
        2 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Prepared,
    Sent,
    Accepted,
}

#[derive(Clone, Debug)]
struct Flying {
    attempt: AttemptId,
    stage: Stage,
    payload: Roster,
    before: Roster,
    compared: bool,
}

#[derive(Debug, Default)]
struct Model {
    baseline: Option<(AttemptId, Roster)>,
    doubt: bool,
    sent: Vec<(AttemptId, Roster)>,
    flying: Option<Flying>,
    timed_out: Vec<Flying>,
    /// After which attempt a repeat is owed, and whether one has completed since.
    owed: Option<(AttemptId, bool)>,
}

impl Model {
    fn union(&self) -> Roster {
        let mut parts: Vec<_> = self.baseline.iter().chain(&self.sent).collect();
        parts.sort_by_key(|(attempt, _)| *attempt);
        parts.into_iter().flat_map(|(_, roster)| roster.clone()).collect()
    }

    fn lose(&mut self, lost: &Flying) {
        self.sent.push((lost.attempt, lost.payload.clone()));
        self.owed = Some((lost.attempt, false));
    }

    fn certain(&self) -> bool {
        self.baseline.is_some() && !self.doubt && self.sent.is_empty()
    }

    fn intend(&mut self, ledger: &Ledger, mask: u16, versions: u16) {
        let payload: Roster = (0..PEOPLE)
            .filter(|at| mask & (1 << at) != 0)
            .map(|at| (at, u32::from(versions & (1 << at) != 0)))
            .collect();
        let people: Vec<_> = payload.iter().map(|(at, version)| (format!("e-{at}"), *version)).collect();
        let intended = intend(ledger, &people, None);
        if self.flying.is_some() {
            assert!(matches!(intended, Err(LedgerError::Busy { .. })));
            return;
        }
        self.flying = Some(Flying {
            attempt: intended.unwrap(),
            stage: Stage::Prepared,
            payload,
            before: self.union(),
            compared: self.certain(),
        });
    }

    /// Takes the flying attempt if it can take this event, and tells the ledger in either case.
    fn take(&mut self, ledger: &Ledger, stage: Stage, event: impl Fn(AttemptId) -> Event) -> Option<Flying> {
        let attempt = self.flying.as_ref()?.attempt;
        let advanced = ledger.advance(attempt, &event(attempt), at(2), Facts::default());
        let taken = self.flying.take_if(|flying| flying.stage == stage);
        assert_eq!(advanced.is_ok(), taken.is_some());
        taken
    }

    fn complete(&mut self, ledger: &Ledger, flying: &Flying, failing: u16, wrong: bool) {
        let (mut added, mut removed, mut failures) = (0, 0, Vec::new());
        let mut roster = flying.payload.clone();
        for who in 0..PEOPLE {
            let (before, now) = (flying.before.get(&who), flying.payload.get(&who));
            let name = format!("e-{who}");
            let fails = failing & (1 << who) != 0;
            match (before, now) {
                (None, Some(_)) if fails => {
                    roster.remove(&who);
                    failures.push((name, Operation::Add));
                }
                (Some(version), None) if fails => {
                    roster.insert(who, *version);
                    failures.push((name, Operation::Remove));
                }
                (Some(version), Some(_)) if fails => {
                    roster.insert(who, *version);
                    failures.push((name, Operation::Unknown("transfer".to_owned())));
                }
                (None, Some(_)) => added += 1,
                (Some(_), None) => removed += 1,
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        let failures: Vec<_> =
            failures.iter().map(|(name, operation)| (name.as_str(), operation.clone())).collect();
        let outcome = outcome(added + u64::from(wrong), removed, &failures);
        let agreed = ledger.complete(flying.attempt, &outcome, at(3), Facts::default()).unwrap();
        assert_eq!(agreed, !(wrong && flying.compared && self.owed.is_none()));
        let newest = self.baseline.as_ref().is_none_or(|(attempt, _)| *attempt < flying.attempt);
        if newest {
            self.sent.retain(|(attempt, _)| *attempt > flying.attempt);
            self.doubt = !agreed;
            self.owed = match self.owed {
                Some((after, fresh)) if flying.attempt >= after => (!fresh).then_some((after, true)),
                older => older,
            };
            self.baseline = Some((flying.attempt, roster));
        } else {
            self.sent.retain(|(attempt, _)| *attempt != flying.attempt);
            self.sent.push((flying.attempt, roster));
            self.doubt = true;
        }
    }

    fn sync(&mut self, ledger: &Ledger, mask: u16, versions: u16) {
        if self.flying.is_some() {
            return;
        }
        let complete = Step::Complete { failing: 0, wrong: false };
        for step in [Step::Intend { mask, versions }, Step::Connect, Step::Accept, complete] {
            self.step(ledger, &step);
        }
    }

    fn step(&mut self, ledger: &Ledger, step: &Step) {
        match step {
            Step::Intend { mask, versions } => self.intend(ledger, *mask, *versions),
            Step::Sync { mask, versions } => self.sync(ledger, *mask, *versions),
            Step::Connect => {
                let taken = self.take(ledger, Stage::Prepared, |_| Event::Connected);
                self.flying =
                    taken.map(|flying| Flying { stage: Stage::Sent, ..flying }).or(self.flying.take());
            }
            Step::Accept => {
                let taken = self.take(ledger, Stage::Sent, accepted);
                self.flying =
                    taken.map(|flying| Flying { stage: Stage::Accepted, ..flying }).or(self.flying.take());
            }
            Step::NotConnected => {
                self.take(ledger, Stage::Prepared, |_| Event::NotConnected { why: "down".to_owned() });
            }
            Step::Refuse => {
                let refused = |_| Event::Refused { status: 400, message: String::new(), trace_id: None };
                self.take(ledger, Stage::Sent, refused);
            }
            Step::Lose => {
                let lost = self.take(ledger, Stage::Sent, |_| unclear());
                lost.iter().for_each(|lost| self.lose(lost));
            }
            Step::GiveUp => {
                let late = self.take(ledger, Stage::Accepted, |_| Event::GaveUp);
                late.iter().for_each(|late| self.lose(late));
                self.timed_out.extend(late);
            }
            Step::Complete { failing, wrong } => {
                if let Some(flying) = self.flying.take_if(|flying| flying.stage == Stage::Accepted) {
                    self.complete(ledger, &flying, *failing, *wrong);
                }
            }
            Step::LateCompletion => {
                if let Some(late) = self.timed_out.pop() {
                    // What stood between must not be compared.
                    let still = self.baseline.as_ref().is_none_or(|(attempt, _)| *attempt < late.attempt);
                    let late = Flying { compared: late.compared && still, ..late };
                    self.complete(ledger, &late, 0, false);
                }
            }
            Step::Restart => {}
        }
    }

    fn restarted(&mut self, ledger: &Ledger) {
        let changed = recover(ledger, at(4));
        let waits = self.flying.take_if(|flying| flying.stage != Stage::Accepted);
        assert_eq!(changed.len(), usize::from(waits.is_some()));
        let lost = waits.filter(|flying| flying.stage == Stage::Sent);
        lost.iter().for_each(|lost| self.lose(lost));
    }

    fn check(&self, ledger: &Ledger) {
        let coverage = ledger.coverage(&group()).unwrap();
        let expected = self.union();
        assert_eq!(coverage.len(), expected.len());
        let people: Vec<_> = expected.iter().map(|(at, version)| (format!("e-{at}"), *version)).collect();
        let ids: Vec<_> = people.iter().map(|(name, _)| id(name)).collect();
        let kept = ledger.records(&group(), &ids).unwrap();
        for record in records(&people).iter() {
            let member = coverage.get(record.reference_id()).unwrap();
            assert_eq!(member.prints(), Some(ledger.fingerprint_key().of(record)));
            assert_eq!(kept[member.id].view(), record);
        }
        let certainty = match coverage.certainty {
            Certainty::FirstSync => None,
            Certainty::Confirmed => Some(true),
            Certainty::Uncertain(_) => Some(false),
        };
        assert_eq!(certainty, self.baseline.is_some().then(|| self.certain()));
        assert_eq!(ledger.repeat_owed(&group()).unwrap(), self.owed.is_some());
        let flying: Vec<_> = ledger.attempts_in_flight().unwrap().iter().map(|each| each.id).collect();
        assert_eq!(flying, self.flying.iter().map(|each| each.attempt).collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn coverage_is_what_a_simple_model_says(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        let mut model = Model::default();
        for step in &steps {
            model.step(&ledger, step);
            if matches!(step, Step::Restart) {
                drop(ledger);
                ledger = open(dir.path());
                model.restarted(&ledger);
            }
            model.check(&ledger);
        }
    }
}
