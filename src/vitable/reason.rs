//! Vitable's known reasons, in our own words with the remedy. Others are kept as they come, scrubbed.

use crate::roster::PlanId;

/// Our words for a reason that the guides name; `None` for any other.
#[must_use]
pub fn known_reason(reason: &str) -> Option<String> {
    if reason.trim() == "Member already has an active subscription!" {
        return Some(
            "another organization covers this person, and has to end that coverage first; it is left untouched"
                .to_owned(),
        );
    }
    let plan = reason.trim().strip_prefix("Plan ")?.strip_suffix(" not found")?;
    let plan = PlanId::new(plan).ok()?;
    Some(format!(
        "plan {plan} is not found at Vitable; correct `plan_id` in the mapping or ask Vitable for the plan"
    ))
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
    }
}
