//! Why a plan waits for a person, and what a person's word releases (`config.md`, Approvals).

use super::{Decision, Plan, Verdict};
use crate::roster::{GroupRef, ReferenceId};
use std::collections::BTreeSet;

/// One reason why a group is held. The same words appear in the plan, the mail, the log and the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The key of the guard, or the name of the rule.
    pub rule: &'static str,
    /// One sentence: what was found, and what the limit is.
    pub sentence: String,
    /// Whether a person's approval can release it.
    pub approvable: bool,
}

/// What is held, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Every reason, in the order of the rules.
    pub reasons: Vec<Reason>,
    /// What exactly is held: `absent:E-1`, `first_sync:…`. An approval releases the same or a subset.
    pub lines: BTreeSet<String>,
    /// A digest of the group and the lines, in hexadecimal.
    pub digest: String,
}

impl Held {
    pub(in crate::decide) fn new(group: &GroupRef, reasons: Vec<Reason>, lines: BTreeSet<String>) -> Self {
        let digest = digest(group, &lines);
        Self { reasons, lines, digest }
    }

    /// Whether a person's approval can release everything that is held here.
    #[must_use]
    pub fn approvable(&self) -> bool {
        self.reasons.iter().all(|reason| reason.approvable)
    }

    /// Whether an approval of these lines releases what is held here: the same or a subset.
    #[must_use]
    pub fn released_by(&self, approved: &Approved) -> bool {
        self.approvable() && self.lines.is_subset(&approved.lines)
    }
}

/// That a group was clear in the first round of a run: what of it is sent in the second round goes on the same word.
///
/// People have left other groups for it by then. A limit that only looks different in two parts, or an approval whose
/// time ran out meanwhile, must not leave them between two groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleared {
    removed: BTreeSet<ReferenceId>,
    digest: Option<String>,
    approved: Option<Approved>,
}

impl Cleared {
    /// Of a decision that released the group.
    #[must_use]
    pub fn of(decision: &Decision) -> Option<Self> {
        match &decision.verdict {
            Verdict::Submit { approval, .. } => Some(Self {
                removed: decision.plan.removed().cloned().collect(),
                digest: approval.clone(),
                approved: None,
            }),
            Verdict::Unchanged | Verdict::Retired(_) | Verdict::PassOver(_) | Verdict::Hold(_) => None,
        }
    }

    /// With the approval that it needed, if that is still good: it is bound to what is sent, and spent by it.
    #[must_use]
    pub fn by(&self, good: &mut dyn FnMut(&str) -> Option<Approved>) -> Self {
        Self { approved: self.digest.as_deref().and_then(good), ..self.clone() }
    }

    /// The approval of then.
    pub(in crate::decide) fn approved(&self) -> Option<&Approved> {
        self.approved.as_ref()
    }

    /// Whether this is no more than what was clear: nobody else leaves, and nothing came to light that no limit knew.
    pub(in crate::decide) fn covers(&self, plan: &Plan, held: &Held) -> bool {
        held.reasons.iter().all(|reason| reason.approvable && reason.rule != "second_writer")
            && plan.removed().all(|id| self.removed.contains(id))
    }
}

/// A person's approval, unexpired and unspent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// The digest of the hold that was approved.
    pub digest: String,
    /// The lines of that hold.
    pub lines: BTreeSet<String>,
}

fn digest(group: &GroupRef, lines: &BTreeSet<String>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in std::iter::once(group.as_str()).chain(lines.iter().map(String::as_str)) {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().chars().take(16).collect()
}
