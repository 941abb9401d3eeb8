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

use super::connection::Proof;
use crate::FleetService;
use crate::service::Unchanged;

/// The last poll of one connection, for when it rests.
pub(super) struct Repeats {
    fleet: FleetService,
    proof: Arc<Proof>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    /// Whether this fleet manager has to wait for its answers; then there is nothing to be gained.
    is_off: bool,
}

impl Repeats {
    pub(super) fn new(fleet: FleetService, proof: Arc<Proof>) -> Self {
        Self {
            fleet,
            proof,
            state: Mutex::default(),
        }
    }

    /// The answer to what was read where a request begins, if it is the last poll again and nothing has changed. Otherwise
    /// it is for the HTTP library to read.
    pub(super) fn answer(&self, read: &[u8]) -> Option<Bytes> {
        let mut state = self.state();
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

    /// What can be learnt from the request that begins with this, and from its response.
    pub(super) fn lesson(self: &Arc<Self>, begin: &Bytes) -> Option<Lesson> {
        (is_one_head(begin) && !self.state().is_off).then(|| Lesson {
            repeats: Arc::clone(self),
            request: begin.clone(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that may be a poll worth remembering.
pub(super) struct Lesson {
    repeats: Arc<Repeats>,
    request: Bytes,
}

impl Lesson {
    /// Itself, unless what the HTTP library makes of the request is none.
    pub(super) fn about<B: Body>(self, request: &Request<B>) -> Option<Self> {
        let is_plain = request.method() == Method::GET
            && request.version() == Version::HTTP_11
            && request.body().is_end_stream()
            && [CONNECTION, EXPECT, UPGRADE]
                .iter()
                .all(|name| !request.headers().contains_key(name));
        is_plain.then_some(self)
    }

    /// Remembers it with this response, if that says that nothing has changed.
    pub(super) fn learn<B>(self, response: &Response<B>) {
        if let Some(Unchanged(digest)) = response.extensions().get()
            && !response.headers().contains_key(CONNECTION)
        {
            let request = self.request.as_ref().into();
            self.repeats.state().known = Some(Known::new(request, response, *digest));
        }
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
    read.starts_with(b"GET /")
        && read.ends_with(b"\r\n\r\n")
        // Lines may also end without the carriage return (RFC 9112 section 2.2).
        && !before.windows(2).any(|end| end == b"\n\n")
        && !before.windows(3).any(|end| end == b"\n\r\n")
}

/// Longer than any poll.
pub(super) const MAX_POLL: usize = 2048;
