//! Polls that are byte for byte the one before.
//!
//! Nearly every request to a fleet manager is a poll that the same device has sent over the same connection a minute ago,
//! and nearly every answer is the same 304. To understand the one and to write the other is most of the work, so it is done
//! once: the same bytes, where a request begins, get the same bytes back, with the time of now.
//!
//! What the fleet manager has a say in is asked every time: whether it admits the client, and which manifest is current. As
//! soon as anything is not as it was, or takes waiting, the request goes the long way.

use std::collections::HashSet;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{CONNECTION, DATE, EXPECT, UPGRADE};
use http::{Method, Request, Response, Version};
use http_body::Body;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use margo_types::Digest;

use super::session::Session;
use crate::FleetService;
use crate::service::Unchanged;

/// Repeated polls of one server.
///
/// What all connections say alike is here: the polls that agents send, and what time it is. What is shared is in the caches of
/// the processor, and what each connection has for itself is not when its turn comes.
pub(super) struct Repeats {
    fleet: FleetService,
    polls: Mutex<HashSet<Arc<Poll>>>,
    /// The date of a second.
    date: Mutex<(i64, String)>,
}

/// What a connection remembers of its last poll, for when it rests.
#[derive(Default)]
pub(super) struct Memory {
    known: Option<Known>,
    /// Whether this fleet manager has to wait for its answers; then there is nothing to be gained.
    is_off: bool,
}

/// A poll for the manifest with this digest.
struct Known {
    digest: Digest,
    poll: Arc<Poll>,
}

impl Repeats {
    pub(super) fn new(fleet: FleetService) -> Self {
        Self {
            fleet,
            polls: Mutex::default(),
            date: Mutex::default(),
        }
    }

    /// The answer to what was read where a request begins, if it is the last poll again and nothing has changed. Otherwise
    /// it is for the HTTP library to read.
    pub(super) fn answer(&self, session: &Session, read: &[u8]) -> Option<Vec<u8>> {
        let mut memory = session.memory();
        let known = memory.known.as_ref()?;
        if known.poll.digest_in(read)? != known.digest {
            return None;
        }
        let client = session.proof.client.as_ref()?;
        if !session.proof.is_current() {
            return None;
        }
        match self.fleet.is_unchanged(client, &known.digest) {
            Some(true) => return self.write(known),
            Some(false) => {}
            None => memory.is_off = true,
        }
        memory.known = None;
        None
    }

    /// What can be learnt from the request that begins with this, and from its response.
    pub(super) fn lesson(
        self: &Arc<Self>,
        session: &Arc<Session>,
        begin: &Bytes,
    ) -> Option<Lesson> {
        (is_one_head(begin) && !session.memory().is_off).then(|| Lesson {
            repeats: Arc::clone(self),
            session: Arc::clone(session),
            request: begin.clone(),
        })
    }

    /// The same poll, where other connections have it already.
    fn share(&self, poll: Poll) -> Arc<Poll> {
        let mut polls = lock(&self.polls);
        if let Some(same) = polls.get(&poll) {
            return Arc::clone(same);
        }
        let poll = Arc::new(poll);
        if polls.len() == MAX_SHARED {
            polls.retain(|poll| Arc::strong_count(poll) > 1);
        }
        if polls.len() < MAX_SHARED {
            polls.insert(Arc::clone(&poll));
        }
        poll
    }

    fn write(&self, known: &Known) -> Option<Vec<u8>> {
        let [before, after] = &known.poll.response;
        let mut answer = Vec::with_capacity(before.len() + after.len() + REST);
        answer.extend_from_slice(before);
        // Writing to a vector does not fail.
        _ = write!(answer, "{}", known.digest);
        answer.extend_from_slice(after);
        self.write_date(&mut answer)?;
        answer.extend_from_slice(b"\r\n\r\n");
        Some(answer)
    }

    fn write_date(&self, answer: &mut Vec<u8>) -> Option<()> {
        let now = Timestamp::now();
        let mut date = lock(&self.date);
        if date.0 != now.as_second() || date.1.is_empty() {
            let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
            *date = (now.as_second(), text.ok()?);
        }
        answer.extend_from_slice(date.1.as_bytes());
        Some(())
    }
}

/// A request that may be a poll worth remembering.
pub(super) struct Lesson {
    repeats: Arc<Repeats>,
    session: Arc<Session>,
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
            && let Some(poll) = Poll::new(&self.request, response, digest)
        {
            self.session.memory().known = Some(Known {
                digest: *digest,
                poll: self.repeats.share(poll),
            });
        }
    }
}

/// A poll and its answer, both in the two parts around the digest in their entity tag. All devices with the same agent send the
/// same one.
#[derive(PartialEq, Eq, Hash)]
struct Poll {
    request: [Box<[u8]>; 2],
    /// Up to the value of `Date`, which is the last header.
    response: [Box<[u8]>; 2],
}

impl Poll {
    fn new<B>(request: &[u8], response: &Response<B>, digest: &Digest) -> Option<Self> {
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
        let digest = digest.to_string();
        Some(Self {
            request: around(request, &digest)?,
            response: around(&head, &digest)?,
        })
    }

    /// The digest in a request that is this poll.
    fn digest_in(&self, request: &[u8]) -> Option<Digest> {
        let [before, after] = &self.request;
        let digest = request.strip_prefix(&**before)?.strip_suffix(&**after)?;
        Digest::parse(std::str::from_utf8(digest).ok()?).ok()
    }
}

/// What is before and after a part of a text; `None` when that is not there.
fn around(text: &[u8], part: &str) -> Option<[Box<[u8]>; 2]> {
    let mut windows = text.windows(part.len());
    let at = windows.position(|window| window == part.as_bytes())?;
    let (before, rest) = text.split_at_checked(at)?;
    Some([before.into(), rest.get(part.len()..)?.into()])
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
/// Agents come in fewer versions; polls beyond are remembered by their connections alone.
const MAX_SHARED: usize = 64;
/// Room for a digest, a date, and the end of a head.
const REST: usize = 71 + 29 + 4;
