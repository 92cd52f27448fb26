//! Vitable's known reasons, in our own words with the remedy. Others are kept as they come, scrubbed.

use crate::{attempt::FailureKind, roster::PlanId};

const COVERED_ELSEWHERE: &str = "Member already has an active subscription!";

/// What a reason of Vitable's is about.
#[must_use]
pub fn failure_kind(reason: &str) -> FailureKind {
    if reason.trim() == COVERED_ELSEWHERE {
        FailureKind::CoveredElsewhere
    } else if missing_plan(reason).is_some() {
        FailureKind::PlanNotFound
    } else {
        FailureKind::Other
    }
}

/// Our words for a reason that the guides name; `None` for any other.
#[must_use]
pub fn known_reason(reason: &str) -> Option<String> {
    if reason.trim() == COVERED_ELSEWHERE {
        return Some(
            "another organization covers this person, and has to end that coverage first; it is left untouched"
                .to_owned(),
        );
    }
    let plan = missing_plan(reason)?;
    Some(format!(
        "plan {plan} is not found at Vitable; correct `plan_id` in the mapping or ask Vitable for the plan"
    ))
}

fn missing_plan(reason: &str) -> Option<PlanId> {
    PlanId::new(reason.trim().strip_prefix("Plan ")?.strip_suffix(" not found")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_reasons_become_our_words_and_others_stay() {
        assert!(
            known_reason("Member already has an active subscription!")
                .unwrap()
                .contains("another organization")
        );
        assert!(known_reason("Plan pln_aBc not found").unwrap().contains("pln_aBc"));
        assert_eq!(
            known_reason("Plan of Ada Quill not found"),
            None,
            "not a plan's id: it could be anything"
        );
        assert_eq!(known_reason("something else"), None);
        for (reason, kind) in [
            ("Member already has an active subscription!", FailureKind::CoveredElsewhere),
            (" Plan plan_9 not found ", FailureKind::PlanNotFound),
            ("Plan of Ada Quill not found", FailureKind::Other),
            ("", FailureKind::Other),
        ] {
            assert_eq!(failure_kind(reason), kind, "{reason}");
        }
    }
}
