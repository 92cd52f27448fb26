//! The sandbox itself: everything it remembers, and what tests may ask it.

use super::{
    faults::{Answer, CallKind, Faults},
    groups::Group,
    intake::Received,
    seed::Seed,
    sync::{RemovedInfo, Request, RequestInfo},
};
use crate::clock::Clock;
use axum::http::request::Parts;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Calls remembered.
const CALLS: usize = 100_000;
/// Bytes of submitted bodies kept, all together; the oldest go first.
const KEPT_BODIES: u64 = 128 << 20;

/// A Vitable of one's own. Shared between the server and whoever watches it.
pub struct Sandbox {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

/// One HTTP call that arrived, whatever came of it.
#[derive(Clone, Debug, Serialize)]
pub struct CallInfo {
    /// Which one; `any` for what the API does not have.
    pub call: CallKind,
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, as it came.
    pub query: Option<String>,
    /// When it arrived.
    pub at: DateTime<Utc>,
    /// The header `Content-Length`.
    pub content_length: Option<u64>,
    /// The status answered; `None` while it is under way, when the client left, or when the line was cut.
    pub status: Option<u16>,
    /// Of a submit: how many bytes arrived.
    pub bytes: u64,
    /// Of a submit: SHA-256 of the body that arrived, in hexadecimal.
    pub sha256: Option<String>,
    /// Of a submit that was accepted, whether or not the client was told.
    pub request_id: Option<String>,
    /// The body, if it was small enough to be kept (see [`Seed::keep_bodies_up_to`]).
    #[serde(skip)]
    pub body: Option<Bytes>,
}

/// What the mutex guards.
pub(super) struct State {
    pub(super) seed: Seed,
    pub(super) organizations: Vec<String>,
    /// The ids of the seed's plans, shared by the subscriptions.
    pub(super) plans: Vec<Arc<str>>,
    pub(super) groups: Vec<Group>,
    pub(super) group_index: HashMap<String, usize>,
    pub(super) requests: Vec<Request>,
    pub(super) request_index: HashMap<String, usize>,
    /// Positions of accepted requests that are not processed yet, oldest first.
    pub(super) queue: Vec<usize>,
    /// The group in which a person (of an organization) is subscribed, by a hash of who it is.
    pub(super) subscribed: HashMap<[u8; 16], usize>,
    pub(super) accounts: u64,
    pub(super) faults: Faults,
    calls: VecDeque<CallInfo>,
    first_call: u64,
    kept: u64,
}

/// An id of Vitable's form: a prefix, and 16 bytes in base 64.
pub(super) fn id(prefix: &str, of: &[&[u8]]) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(prefix.as_bytes());
    for part in of {
        hash.update(part);
    }
    let hash = hash.finalize();
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(hash.as_bytes().get(..16).unwrap_or_default()))
}

impl Sandbox {
    /// A sandbox that knows what `seed` says. `clock` gives the timestamps and the `Date` header.
    #[must_use]
    pub fn new(seed: Seed, clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        let mut organizations = vec![seed.organization.clone()];
        organizations.extend(seed.further_organizations.iter().cloned());
        let mut state = State {
            organizations,
            plans: seed.plans.iter().map(|(id, _)| Arc::from(id.as_str())).collect(),
            groups: Vec::new(),
            group_index: HashMap::new(),
            requests: Vec::new(),
            request_index: HashMap::new(),
            queue: Vec::new(),
            subscribed: HashMap::new(),
            accounts: 0,
            faults: Faults::default(),
            calls: VecDeque::new(),
            first_call: 0,
            kept: 0,
            seed,
        };
        for (reference, name) in state.seed.groups.clone() {
            let organization = state.seed.organization.clone();
            state.add_group(&organization, &reference, &name, now);
        }
        Self { state: Mutex::new(state), clock }
    }

    /// The clock's time.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The state, with everything processed that is due.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle(self.clock.now(), tokio::time::Instant::now());
        state
    }

    /// Sets what goes wrong from here on, in place of what did before. Ending a `backlog` processes what is due.
    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.lock();
        if state.faults.backlog && !faults.backlog {
            let state = &mut *state;
            for at in &state.queue {
                if let Some(request) = state.requests.get_mut(*at) {
                    request.late = true;
                }
            }
        }
        state.faults = faults;
    }

    /// What goes wrong now; of `next`, what is left.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.lock().faults.clone()
    }

    /// Those subscribed in a group, by `reference_id`: the member as the API takes it, with the plan that the
    /// subscription has. Empty when there is no such group.
    #[must_use]
    pub fn members(&self, group_ref: &str) -> BTreeMap<String, Value> {
        let state = self.lock();
        let members = state.group_named(group_ref).map(|group| &group.members);
        let shown = members.into_iter().flatten();
        shown.map(|(id, member)| (id.as_ref().to_owned(), member.person.to_value(&member.plan))).collect()
    }

    /// The `grp_…` id of a group.
    #[must_use]
    pub fn group_id(&self, group_ref: &str) -> Option<String> {
        self.lock().group_named(group_ref).map(|group| group.id.clone())
    }

    /// Every removal in a group, oldest first; somebody who was removed twice is there twice.
    #[must_use]
    pub fn removed(&self, group_ref: &str) -> Vec<RemovedInfo> {
        self.lock().group_named(group_ref).map(|group| group.removed.clone()).unwrap_or_default()
    }

    /// Every accepted request, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestInfo> {
        let state = self.lock();
        state.requests.iter().map(|request| request.info(&state.groups)).collect()
    }

    /// The most requests that were ever in flight in a group at a time.
    #[must_use]
    pub fn max_in_flight(&self, group_ref: &str) -> usize {
        self.lock().group_named(group_ref).map_or(0, |group| group.max_in_flight)
    }

    /// The calls that arrived, oldest first, at most the last 100,000.
    #[must_use]
    pub fn calls(&self) -> Vec<CallInfo> {
        self.lock().calls.iter().cloned().collect()
    }

    /// The submits among the calls: with the length and SHA-256 of each body, and small bodies themselves.
    #[must_use]
    pub fn submits(&self) -> Vec<CallInfo> {
        self.lock().calls.iter().filter(|call| call.call == CallKind::Submit).cloned().collect()
    }

    /// The group's reference goes to a new group without members, as after somebody at Vitable made it anew. Says
    /// whether there is such a group.
    #[must_use]
    pub fn replace_group(&self, group_ref: &str) -> bool {
        let now = self.now();
        self.lock().replace_group(group_ref, now)
    }

    /// Somebody else changes a group behind rosterd's back, at once and without a request: adds members that
    /// have these references, on the first plan, and removes others. Says whether there is such a group.
    #[must_use]
    pub fn second_writer(&self, group_ref: &str, add: &[&str], remove: &[&str]) -> bool {
        let now = self.now();
        self.lock().write_behind(group_ref, add, remove, now)
    }
}

impl State {
    /// Remembers a call, and takes its scripted answer. The number is for [`State::note`].
    pub(super) fn begin(
        &mut self,
        call: CallKind,
        parts: &Parts,
        now: DateTime<Utc>,
    ) -> (u64, Option<Answer>) {
        if self.calls.len() >= CALLS {
            self.calls.pop_front();
            self.first_call += 1;
        }
        let length = parts.headers.get("content-length").and_then(|value| value.to_str().ok());
        self.calls.push_back(CallInfo {
            call,
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            at: now,
            content_length: length.and_then(|text| text.parse().ok()),
            status: None,
            bytes: 0,
            sha256: None,
            request_id: None,
            body: None,
        });
        let number = self.first_call + self.calls.len() as u64 - 1;
        (number, self.faults.take_next(call))
    }

    /// The call of this number, unless it is too long ago.
    pub(super) fn note(&mut self, number: u64) -> Option<&mut CallInfo> {
        let at = usize::try_from(number.checked_sub(self.first_call)?).ok()?;
        self.calls.get_mut(at)
    }

    /// Keeps what arrived with a call; older bodies make room.
    pub(super) fn keep_body(&mut self, number: u64, received: &Received) {
        let Some(call) = self.note(number) else { return };
        call.bytes = received.bytes;
        call.sha256 = Some(received.sha256.clone());
        call.body.clone_from(&received.body);
        self.kept += received.body.as_ref().map_or(0, |body| body.len() as u64);
        let mut older = self.calls.iter_mut();
        while self.kept > KEPT_BODIES
            && let Some(call) = older.next()
        {
            self.kept -= call.body.take().map_or(0, |body| body.len() as u64);
        }
    }
}
