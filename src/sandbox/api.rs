//! The way of a call: remember it, wait as the faults say, read it whole, carry it out, answer.

use super::{
    answer::{self, Refused, Reply},
    faults::{Answer, CallKind},
    intake::{self, Received},
    line::Hangup,
    member::{FIRST, LAST, PHONE, Person},
    request::{self, Call},
    state::Sandbox,
};
use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, Response, StatusCode, header, request::Parts},
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

/// The longest body of a call that is not a submit, in bytes.
const SMALL_BODY: usize = 64 << 10;

/// What came with a call, read to its end before anything is answered: a client that is still writing might
/// otherwise never see the answer.
enum Input {
    Roster(Received, Result<Vec<Person>, Refused>),
    Small(Result<Bytes, Refused>),
}

/// Any request that is not for `/sandbox/…`.
pub(super) async fn answer(
    State(sandbox): State<Arc<Sandbox>>,
    ConnectInfo(hangup): ConnectInfo<Hangup>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let call = Call::of(&parts.method, parts.uri.path());
    let (number, scripted, faults, keep) = {
        let mut state = sandbox.lock();
        let faults = state.faults.clone();
        let (number, scripted) = state.begin(call.kind(), &parts, sandbox.now());
        (number, scripted, faults, state.seed.keep_bodies_up_to)
    };
    tokio::time::sleep(Duration::from_millis(faults.latency_ms)).await;
    if scripted == Some(Answer::Close { processed: false }) {
        hangup.cut();
        return answer::raw(StatusCode::OK, "text/plain", Body::empty());
    }
    let input = read(&call, body, keep).await;
    if let Input::Roster(received, _) = &input {
        sandbox.lock().keep_body(number, received);
    }
    let mut response = sandbox.decide(&call, &parts, input, scripted.as_ref(), number, &hangup);
    tokio::time::sleep(Duration::from_millis(faults.answer_latency_ms)).await;
    answer::date(&mut response, sandbox.now(), faults.date_skew_seconds);
    response
}

async fn read(call: &Call, body: Body, keep_up_to: usize) -> Input {
    if call.kind() == CallKind::Submit {
        let (received, people) = intake::receive(body, keep_up_to).await;
        return Input::Roster(received, people);
    }
    let small = axum::body::to_bytes(body, SMALL_BODY).await;
    Input::Small(small.map_err(|_| Refused::invalid("the body is too long, or broke off".to_owned())))
}

impl Sandbox {
    /// What a call gets: the scripted answer, the API's own, or both.
    fn decide(
        &self,
        call: &Call,
        parts: &Parts,
        input: Input,
        scripted: Option<&Answer>,
        number: u64,
        hangup: &Hangup,
    ) -> Response<Body> {
        let faults = self.lock().faults.clone();
        let trace_id = self.trace_id(number);
        let own = |reply: Reply| answer::render(reply, &faults, self.now(), &trace_id);
        let response = match scripted {
            None => own(self.carry_out(call, parts, input, number)),
            Some(Answer::EchoPhone) => own(Err(echo(&input))),
            Some(Answer::Status { status, retry_after }) => {
                let mut response = own(Err(scripted_refusal(*status)));
                add_headers(&mut response, parts, retry_after.as_deref());
                response
            }
            Some(Answer::Html { status, processed }) => {
                if *processed {
                    drop(self.carry_out(call, parts, input, number));
                }
                answer::html(status_of(*status))
            }
            Some(Answer::Empty { status, processed }) => {
                if *processed {
                    drop(self.carry_out(call, parts, input, number));
                }
                answer::raw(status_of(*status), "text/plain", Body::empty())
            }
            Some(Answer::Close { .. }) => {
                drop(self.carry_out(call, parts, input, number));
                hangup.cut();
                return answer::raw(StatusCode::OK, "text/plain", Body::empty());
            }
        };
        if let Some(call) = self.lock().note(number) {
            call.status = Some(response.status().as_u16());
        }
        response
    }

    fn trace_id(&self, number: u64) -> String {
        let stamp = self.now().timestamp_micros();
        super::state::id("trace_", &[&number.to_le_bytes(), &stamp.to_le_bytes()])
    }

    /// The API itself, without faults.
    fn carry_out(&self, call: &Call, parts: &Parts, input: Input, number: u64) -> Reply {
        let now = self.now();
        let mut state = self.lock();
        let organization = request::organization(&parts.headers, &state.organizations)?.to_owned();
        match (call, input) {
            (Call::Plans, _) => state.list_plans(&parts.uri),
            (Call::ListGroups, _) => state.list_groups(&organization, &parts.uri),
            (Call::GetGroup(id), _) => state.get_group(&organization, id),
            (Call::CreateGroup, Input::Small(body)) => {
                request::require_json(&parts.headers)?;
                state.create_group(&organization, &body?, now)
            }
            (Call::PatchGroup(id), Input::Small(body)) => {
                request::require_json(&parts.headers)?;
                state.patch_group(&organization, id, &body?, now)
            }
            (Call::Submit(id), Input::Roster(_, people)) => {
                let group = state.group_at(&organization, id)?;
                request::require_json(&parts.headers)?;
                let (request_id, reply) = state.accept(group, people?, now);
                if let Some(call) = state.note(number) {
                    call.request_id = Some(request_id);
                }
                reply
            }
            (Call::Poll(id, request_id), _) => {
                let group = state.group_at(&organization, id)?;
                state.poll(group, request_id)
            }
            (Call::WrongMethod, _) => {
                Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed"))
            }
            (Call::Unknown | Call::CreateGroup | Call::PatchGroup(_) | Call::Submit(_), _) => {
                Err(Refused::not_found("Resource"))
            }
        }
    }
}

/// 400 in the words of a careless server.
fn echo(input: &Input) -> Refused {
    let first = match input {
        Input::Roster(_, Ok(people)) => people.first(),
        Input::Roster(_, Err(_)) | Input::Small(_) => None,
    };
    let of = |field| first.map_or("", |person| person.get(field));
    Refused::invalid(format!(
        "members[0].phone: '{}' is not a valid phone number for {} {}",
        of(PHONE),
        of(FIRST),
        of(LAST)
    ))
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn scripted_refusal(status: u16) -> Refused {
    let status = status_of(status);
    let reason = status.canonical_reason().unwrap_or("Error");
    Refused { status, code: None, message: format!("{reason} (asked for by a test)") }
}

fn add_headers(response: &mut Response<Body>, parts: &Parts, retry_after: Option<&str>) {
    if let Some(Ok(value)) = retry_after.map(HeaderValue::from_str) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    if response.status().is_redirection()
        && let Some(place) = parts.uri.path_and_query()
        && let Ok(value) = HeaderValue::from_str(place.as_str())
    {
        response.headers_mut().insert(header::LOCATION, value);
    }
}
