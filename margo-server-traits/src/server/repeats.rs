//! Polls that are byte for byte the one before.
//!
//! Nearly every request to a fleet manager is a poll that the same device has sent over the same connection a minute ago,
//! and nearly every answer is the same 304. To understand the one and to write the other is most of the work, so it is done
//! once: the same bytes, where a request begins, get the same bytes back, with the time of now.
//!
//! What the fleet manager has a say in is asked every time: whether it admits the client, and which manifest is current. As
//! soon as anything is not as it was, or takes waiting, the request goes the long way.

use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{CONNECTION, DATE, EXPECT, UPGRADE};
use http::{Method, Request, Response, Version};
use http_body::Body;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use margo_types::Digest;

use super::activity::Phase;
use super::connection::Proof;
use crate::FleetService;
use crate::service::Unchanged;

/// The last poll of one connection. Shared by its stream and its service.
pub(super) struct Repeats {
    fleet: FleetService,
    proof: Arc<Proof>,
    state: Mutex<State>,
}

struct State {
    /// Whether all that was read belongs to requests that were understood, so that the next byte begins one.
    is_at_begin: bool,
    /// What was read since, when it may be one request.
    heard: Option<Heard>,
    known: Option<Known>,
    /// Whether this fleet manager has to wait for its answers; then there is nothing to be gained.
    is_off: bool,
}

struct Heard {
    bytes: Box<[u8]>,
    /// Whether nothing can have come before it.
    is_whole: bool,
}

impl Repeats {
    pub(super) fn new(fleet: FleetService, proof: Arc<Proof>) -> Self {
        Self {
            fleet,
            proof,
            state: Mutex::new(State {
                is_at_begin: true,
                heard: None,
                known: None,
                is_off: false,
            }),
        }
    }

    /// The answer to what was read, if it is the last poll again and nothing has changed. Otherwise it is for the HTTP
    /// library to read.
    pub(super) fn answer(&self, read: &[u8], phase: Phase) -> Option<Bytes> {
        let mut state = self.state();
        if state.is_off {
            return None;
        }
        if state.is_at_begin
            && phase == Phase::Idle
            && let Some(response) = self.repeated(&mut state, read)
        {
            return Some(response);
        }
        let is_request = phase == Phase::Idle && is_one_head(read);
        state.heard = is_request.then(|| Heard {
            bytes: read.into(),
            is_whole: state.is_at_begin,
        });
        state.is_at_begin = false;
        None
    }

    /// Is told what request the HTTP library makes of what was read; the bytes of it, if they are worth remembering.
    pub(super) fn understood<B: Body>(&self, request: &Request<B>) -> Option<Box<[u8]>> {
        let mut state = self.state();
        let heard = state.heard.take()?;
        if !request.body().is_end_stream() {
            return None;
        }
        // What was read ends with the only end of a head, so nothing of it is left.
        state.is_at_begin = true;
        let is_plain = request.method() == Method::GET
            && request.version() == Version::HTTP_11
            && [CONNECTION, EXPECT, UPGRADE]
                .iter()
                .all(|name| !request.headers().contains_key(name));
        (heard.is_whole && is_plain).then_some(heard.bytes)
    }

    /// Is told the response to this request.
    pub(super) fn learn<B>(&self, request: Box<[u8]>, response: &Response<B>) {
        if let Some(Unchanged(digest)) = response.extensions().get()
            && !response.headers().contains_key(CONNECTION)
        {
            self.state().known = Some(Known::new(request, response, *digest));
        }
    }

    fn repeated(&self, state: &mut State, read: &[u8]) -> Option<Bytes> {
        let known = state.known.as_mut().filter(|it| *it.request == *read)?;
        let client = self.proof.client.as_ref()?;
        if !self.proof.is_current() {
            return None;
        }
        match self.fleet.is_unchanged(client, &known.digest) {
            Some(true) => return known.response_at(Timestamp::now()),
            Some(false) => {}
            None => state.is_off = true,
        }
        state.known = None;
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A poll and its answer.
struct Known {
    request: Box<[u8]>,
    digest: Digest,
    /// The response up to the value of `Date`, which is its last header.
    head: Vec<u8>,
    /// The whole response as of a second.
    response: Option<(i64, Bytes)>,
}

impl Known {
    fn new<B>(request: Box<[u8]>, response: &Response<B>, digest: Digest) -> Self {
        let status = response.status();
        let reason = status.canonical_reason().unwrap_or_default();
        let mut head = Vec::new();
        // Writing to a vector does not fail.
        _ = write!(head, "HTTP/1.1 {} {reason}\r\n", status.as_str());
        for (name, value) in response.headers().iter().filter(|(name, _)| *name != DATE) {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"date: ");
        Self {
            request,
            digest,
            head,
            response: None,
        }
    }

    fn response_at(&mut self, now: Timestamp) -> Option<Bytes> {
        let second = now.as_second();
        match &self.response {
            Some((at, response)) if *at == second => Some(response.clone()),
            _ => {
                let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
                let response = [&self.head, date.ok()?.as_bytes(), b"\r\n\r\n"].concat();
                let response = Bytes::from(response);
                self.response = Some((second, response.clone()));
                Some(response)
            }
        }
    }
}

/// Whether this ends with the end of a head, and has no other in it.
fn is_one_head(read: &[u8]) -> bool {
    let Some((_, before)) = read.split_last() else {
        return false;
    };
    read.len() <= MAX_POLL
        && read.starts_with(b"GET /")
        && read.ends_with(b"\r\n\r\n")
        // Lines may also end without the carriage return (RFC 9112 section 2.2).
        && !before.windows(2).any(|end| end == b"\n\n")
        && !before.windows(3).any(|end| end == b"\n\r\n")
}

/// Longer than any poll.
const MAX_POLL: usize = 2048;
