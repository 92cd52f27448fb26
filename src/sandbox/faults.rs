//! What can go wrong on request. The same shape is JSON on `PUT /sandbox/faults`.

use serde::{Deserialize, Serialize};

/// What goes wrong until it is set otherwise. The default is that nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Milliseconds before a call is looked at; a client that leaves meanwhile has changed nothing.
    pub latency_ms: u64,
    /// Milliseconds between doing what a call asks and answering it.
    pub answer_latency_ms: u64,
    /// Milliseconds between the 202 and the results, in place of the seed's. For requests accepted from now on.
    pub processing_ms: Option<u64>,
    /// Answers to the next calls, first match first; each is used up.
    pub next: Vec<NextAnswer>,
    /// Accepted requests are not processed until this is false again.
    pub backlog: bool,
    /// Which of two queued requests of one group is processed first.
    pub order: Order,
    /// Ids of nobody among the added, or so many ids left out when negative.
    pub added_off_by: i32,
    /// Ids of nobody among the removed, or so many ids left out when negative.
    pub removed_off_by: i32,
    /// How whole the results of a completed request are shown.
    pub results: ResultsShape,
    /// Members to whom the named operation is not applied. With an operation that is not `add` or `remove`,
    /// whatever would have changed for that member does not.
    pub fail_members: Vec<FailMember>,
    /// `external_reference_id` of the group list is ignored, as by a server that does not know it.
    pub filter_ignored: bool,
    /// `limit` is ignored, and a list page has so many items.
    pub page_size: Option<u64>,
    /// What `total` says, whatever there is.
    pub lying_total: Option<u64>,
    /// Lists come without a `pagination` block, whole.
    pub no_pagination: bool,
    /// A poll is answered with the id of another request.
    pub wrong_request_id: bool,
    /// A group, a submit and a poll are answered with the id of another group.
    pub wrong_group_id: bool,
    /// Groups show another organization.
    pub wrong_organization: bool,
    /// Seconds that the `Date` header is ahead of the clock, or behind it when negative.
    pub date_skew_seconds: i64,
    /// Errors have the guides' shape in place of the library's.
    pub guides_errors: bool,
    /// Every object of an answer has a field that nobody knows.
    pub extra_fields: bool,
    /// Failures say `reactivate` for an operation.
    pub unknown_operation: bool,
}

/// The answer to the next calls of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextAnswer {
    /// Which calls.
    #[serde(default)]
    pub call: CallKind,
    /// How many of them; 1 when left out.
    #[serde(default = "once")]
    pub times: u32,
    /// What they get.
    pub answer: Answer,
}

const fn once() -> u32 {
    1
}

impl NextAnswer {
    /// `answer` for the next `times` calls of this kind.
    #[must_use]
    pub const fn new(call: CallKind, times: u32, answer: Answer) -> Self {
        Self { call, times, answer }
    }
}

/// An answer that the API would not give by itself. In JSON: `{"status": {"status": 503, "retry_after": "1"}}`,
/// `{"close": {"processed": true}}`, `"echo_phone"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// An error in the API's own shape; nothing is processed. 3xx has a `Location` that leads to the same place.
    Status {
        /// The HTTP status.
        status: u16,
        /// The header `Retry-After`, as it stands: seconds, or an HTTP date.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// A page of HTML, as from a proxy.
    Html {
        /// The HTTP status; 200 is possible.
        status: u16,
        /// Whether the call was carried out before.
        #[serde(default)]
        processed: bool,
    },
    /// No body at all.
    Empty {
        /// The HTTP status.
        status: u16,
        /// Whether the call was carried out before.
        #[serde(default)]
        processed: bool,
    },
    /// The connection ends without an answer.
    Close {
        /// Whether the call was carried out before: accepted, and nobody knows.
        #[serde(default)]
        processed: bool,
    },
    /// For submits: 400, and the message repeats the first member's phone and names.
    EchoPhone,
}

/// The calls of the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// All of them; as the kind of a call made: one that the API does not have.
    #[default]
    Any,
    /// `GET /v1/plans`.
    Plans,
    /// `GET /v1/groups`.
    ListGroups,
    /// `GET /v1/groups/{id}`.
    GetGroup,
    /// `POST /v1/groups`.
    CreateGroup,
    /// `PATCH /v1/groups/{id}`.
    PatchGroup,
    /// `POST /v1/groups/{id}/members/sync`.
    Submit,
    /// `GET /v1/groups/{id}/members/sync/{request_id}`.
    Poll,
}

/// Which of two queued requests of one group is processed first; the other waits for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// In the order of acceptance.
    #[default]
    OldestFirst,
    /// Against it, so that the older roster has the last word.
    NewestFirst,
}

/// How whole the results of a completed request are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultsShape {
    /// As they are.
    #[default]
    Whole,
    /// `completed_at` with `results: null`.
    Null,
    /// Without `added_group_member_ids`.
    WithoutAdded,
    /// Without `removed_group_member_ids`.
    WithoutRemoved,
    /// Without `failures`.
    WithoutFailures,
    /// Results, but `completed_at: null`.
    WithoutCompletedAt,
}

/// A member to whom an operation is not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailMember {
    /// Whom.
    pub reference_id: String,
    /// `add`, `remove`, or a word of one's own.
    pub operation: String,
    /// The text of the failure.
    pub reason: String,
}

impl Faults {
    /// Takes the scripted answer for a call of this kind, if there is one left.
    pub(super) fn take_next(&mut self, call: CallKind) -> Option<Answer> {
        let at = self
            .next
            .iter()
            .position(|next| next.times > 0 && (next.call == CallKind::Any || next.call == call))?;
        let next = self.next.get_mut(at)?;
        next.times -= 1;
        let answer = next.answer.clone();
        if next.times == 0 {
            self.next.remove(at);
        }
        Some(answer)
    }
}
