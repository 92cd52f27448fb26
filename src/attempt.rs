//! The life of one submit to one group (`design.md`, Life of an attempt): an enum and one total transition
//! function. What runs, what resumes and what recovers all go through [`next`].

use crate::roster::{ReferenceId, RequestId};
use chrono::{DateTime, Utc};

/// Where an attempt stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// The intent is durable, nothing has left yet.
    Prepared,
    /// The connection stood; from here on bytes may have left.
    Sent,
    /// Vitable took it.
    Accepted {
        /// What to poll and to name to Vitable's support.
        request_id: RequestId,
    },
    /// Vitable has finished.
    Completed {
        /// The request that finished.
        request_id: RequestId,
    },
    /// Vitable did not finish in time; the request is looked at for some days more.
    TimedOut {
        /// The request that did not finish.
        request_id: RequestId,
    },
    /// Nothing reached Vitable.
    NotSent {
        /// Why, in words without personal data.
        why: String,
    },
    /// Something may have reached Vitable, and nobody knows what became of it.
    OutcomeUnknown {
        /// Why, in words without personal data.
        why: String,
    },
    /// Vitable refused it: nothing was applied.
    Rejected {
        /// The HTTP status.
        status: u16,
        /// Vitable's message, scrubbed.
        message: String,
        /// Vitable's trace id.
        trace_id: Option<String>,
    },
}

/// What happened to an attempt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The connection stands, the first byte is about to leave.
    Connected,
    /// No connection came about, or the attempt was given up before its first byte.
    NotConnected {
        /// Why.
        why: String,
    },
    /// 429: Vitable did not look at it.
    Throttled {
        /// Until when it asked to wait, in words.
        why: String,
    },
    /// 202 with a readable request id.
    Accepted {
        /// The request id.
        request_id: RequestId,
    },
    /// 400, 401, 403, 404, 409, 422 or 3xx.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Vitable's message, scrubbed.
        message: String,
        /// Vitable's trace id.
        trace_id: Option<String>,
    },
    /// Anything unclear after the first byte.
    Unclear {
        /// Why.
        why: String,
    },
    /// `completed_at` and all three lists of `results` are there.
    Finished,
    /// `poll.give_up_after` has passed.
    GaveUp,
    /// The process began again and finds the attempt as it was left.
    Restarted,
}

/// What Vitable says it did, from a completed request.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// How many members were added.
    pub added: u64,
    /// How many members were removed.
    pub removed: u64,
    /// The members to whom nothing was applied.
    pub failures: Vec<Failure>,
}

/// One member to whom nothing was applied.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// The member.
    pub reference_id: ReferenceId,
    /// What Vitable tried.
    pub operation: Operation,
    /// Vitable's reason, scrubbed.
    pub reason: String,
    /// What it is about. Outcomes of earlier versions have none.
    #[serde(default)]
    pub kind: FailureKind,
    /// Since when the same operation fails for the member, from sync to sync.
    #[serde(default)]
    pub since: Option<DateTime<Utc>>,
    /// The member could not be added, and was covered by the baseline before: nobody was told that he is not.
    #[serde(default)]
    pub thought_covered: bool,
}

impl Failure {
    /// `, tried since 2026-11-20 (4 days)`; nothing on the first day.
    #[must_use]
    pub fn tried(&self, now: DateTime<Utc>) -> String {
        let Some(since) = self.since else { return String::new() };
        match now.signed_duration_since(since).num_days() {
            ..=0 => String::new(),
            1 => format!(", tried since {} (1 day)", since.format("%Y-%m-%d")),
            days => format!(", tried since {} ({days} days)", since.format("%Y-%m-%d")),
        }
    }
}

/// What a failure is about: each has a remedy of its own.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Vitable does not know the plan.
    PlanNotFound,
    /// Another organization covers the person.
    CoveredElsewhere,
    /// Anything else; the reason has Vitable's own words.
    #[default]
    Other,
}

/// What Vitable tried with a member. The list may grow: an unknown one leaves the member as he was.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A new subscription.
    Add,
    /// The end of a subscription.
    Remove,
    /// Something that this rosterd does not know.
    Unknown(String),
}

/// An event that cannot happen in a state: a defect of rosterd, never of its input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an attempt that is `{state}` cannot take the event `{event}`; this is a defect of rosterd, please report it"
)]
pub struct Impossible {
    /// The state's name.
    pub state: &'static str,
    /// The event's name.
    pub event: &'static str,
}

impl State {
    /// The state's name, for tables and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Sent => "sent",
            Self::Accepted { .. } => "accepted",
            Self::Completed { .. } => "completed",
            Self::TimedOut { .. } => "timed out",
            Self::NotSent { .. } => "not sent",
            Self::OutcomeUnknown { .. } => "outcome unknown",
            Self::Rejected { .. } => "rejected",
        }
    }

    /// Whether a fresh submit to the group must wait for this attempt.
    #[must_use]
    pub const fn in_flight(&self) -> bool {
        matches!(self, Self::Prepared | Self::Sent | Self::Accepted { .. })
    }

    /// The request id, when Vitable gave one.
    #[must_use]
    pub const fn request_id(&self) -> Option<&RequestId> {
        match self {
            Self::Accepted { request_id }
            | Self::Completed { request_id }
            | Self::TimedOut { request_id } => Some(request_id),
            Self::Prepared
            | Self::Sent
            | Self::NotSent { .. }
            | Self::OutcomeUnknown { .. }
            | Self::Rejected { .. } => None,
        }
    }
}

impl Event {
    /// The event's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::NotConnected { .. } => "not connected",
            Self::Throttled { .. } => "throttled",
            Self::Accepted { .. } => "accepted",
            Self::Refused { .. } => "refused",
            Self::Unclear { .. } => "unclear",
            Self::Finished => "finished",
            Self::GaveUp => "gave up",
            Self::Restarted => "restarted",
        }
    }
}

/// The state after an event.
///
/// `Throttled` leads back to `Prepared`: the submit was not looked at and may be repeated within the attempt
/// (`vitable-api.md`, What may be sent again); who gives up after it says `NotConnected`. A completion that
/// comes after the time-out is still one.
///
/// # Errors
/// When the event cannot happen in that state.
pub fn next(state: &State, event: &Event) -> Result<State, Impossible> {
    let impossible = || Impossible { state: state.name(), event: event.name() };
    match (state, event) {
        (State::Prepared, Event::Connected) => Ok(State::Sent),
        (State::Prepared, Event::NotConnected { why }) => Ok(State::NotSent { why: why.clone() }),
        (State::Prepared, Event::Restarted) => {
            Ok(State::NotSent { why: "rosterd stopped before the first byte was sent".to_owned() })
        }
        (State::Sent, Event::Throttled { .. }) => Ok(State::Prepared),
        (State::Sent, Event::Accepted { request_id }) => {
            Ok(State::Accepted { request_id: request_id.clone() })
        }
        (State::Sent, Event::Refused { status, message, trace_id }) => {
            Ok(State::Rejected { status: *status, message: message.clone(), trace_id: trace_id.clone() })
        }
        (State::Sent, Event::Unclear { why }) => Ok(State::OutcomeUnknown { why: why.clone() }),
        (State::Sent, Event::Restarted) => {
            Ok(State::OutcomeUnknown { why: "rosterd stopped while the roster was being sent".to_owned() })
        }
        (State::Accepted { request_id } | State::TimedOut { request_id }, Event::Finished) => {
            Ok(State::Completed { request_id: request_id.clone() })
        }
        (State::Accepted { request_id }, Event::GaveUp) => {
            Ok(State::TimedOut { request_id: request_id.clone() })
        }
        (
            State::Accepted { .. }
            | State::Completed { .. }
            | State::TimedOut { .. }
            | State::NotSent { .. }
            | State::OutcomeUnknown { .. }
            | State::Rejected { .. },
            Event::Restarted,
        ) => Ok(state.clone()),
        (State::Prepared | State::Sent | State::Accepted { .. } | State::TimedOut { .. }, _)
        | (
            State::Completed { .. }
            | State::NotSent { .. }
            | State::OutcomeUnknown { .. }
            | State::Rejected { .. },
            _,
        ) => Err(impossible()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> RequestId {
        RequestId::new("grpmsr_1").unwrap()
    }

    fn states() -> Vec<State> {
        vec![
            State::Prepared,
            State::Sent,
            State::Accepted { request_id: id() },
            State::Completed { request_id: id() },
            State::TimedOut { request_id: id() },
            State::NotSent { why: "w".into() },
            State::OutcomeUnknown { why: "w".into() },
            State::Rejected { status: 400, message: "m".into(), trace_id: None },
        ]
    }

    fn events() -> Vec<Event> {
        vec![
            Event::Connected,
            Event::NotConnected { why: "w".into() },
            Event::Throttled { why: "w".into() },
            Event::Accepted { request_id: id() },
            Event::Refused { status: 400, message: "m".into(), trace_id: None },
            Event::Unclear { why: "w".into() },
            Event::Finished,
            Event::GaveUp,
            Event::Restarted,
        ]
    }

    /// One row for each state, one column for each event; `-` is impossible.
    const TABLE: [(&str, [&str; 9]); 8] = [
        ("prepared", ["sent", "not sent", "-", "-", "-", "-", "-", "-", "not sent"]),
        (
            "sent",
            ["-", "-", "prepared", "accepted", "rejected", "outcome unknown", "-", "-", "outcome unknown"],
        ),
        ("accepted", ["-", "-", "-", "-", "-", "-", "completed", "timed out", "accepted"]),
        ("completed", ["-", "-", "-", "-", "-", "-", "-", "-", "completed"]),
        ("timed out", ["-", "-", "-", "-", "-", "-", "completed", "-", "timed out"]),
        ("not sent", ["-", "-", "-", "-", "-", "-", "-", "-", "not sent"]),
        ("outcome unknown", ["-", "-", "-", "-", "-", "-", "-", "-", "outcome unknown"]),
        ("rejected", ["-", "-", "-", "-", "-", "-", "-", "-", "rejected"]),
    ];

    #[test]
    fn every_pair_of_state_and_event_is_decided() {
        for (state, (name, row)) in states().iter().zip(TABLE) {
            assert_eq!(state.name(), name);
            for (event, expected) in events().iter().zip(row) {
                let found = next(state, event);
                let found = found.as_ref().map_or("-", State::name);
                assert_eq!(found, expected, "{} + {}", state.name(), event.name());
            }
        }
    }

    #[test]
    fn no_event_leaves_a_final_state_but_the_late_completion() {
        for state in states().iter().filter(|state| !state.in_flight()) {
            for event in events() {
                if let Ok(after) = next(state, &event) {
                    let late = matches!((state, &event), (State::TimedOut { .. }, Event::Finished));
                    assert!(late || after == *state);
                }
            }
        }
    }
}
