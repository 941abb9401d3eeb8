//! What goes wrong because a test wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::StatusCode;

use super::Verb;
use super::failure::Failure;
use super::route::Target;

/// What is wrong with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Breakage {
    /// It cannot be pulled: pods that start from now on stay `Pending`, those that run keep running.
    ImagePullBackOff,
    /// Its program ends with an error: containers of it, also those that run, are started again and again. Jobs fail.
    CrashLoopBackOff,
    /// Its program runs, but is not ready, also where it was. Jobs go on for ever.
    NotReady,
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// 401
    Unauthorized,
    /// 409, as if somebody else had changed the object meanwhile.
    Conflict,
    /// 429, with `Retry-After: 1`.
    TooManyRequests,
    /// 500
    InternalError,
    /// 503
    Unavailable,
    /// The connection is cut before the answer is complete. What was asked for is not done.
    Disconnect,
}

impl Fault {
    /// What is answered; `None` when the connection is cut instead.
    pub(super) fn failure(self, target: &Target) -> Option<Failure> {
        let name = target.name.as_deref().unwrap_or_default();
        let failure = match self {
            Self::Unauthorized => {
                Failure::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
            }
            Self::Conflict => Failure::changed_meanwhile(&target.resource, name),
            Self::TooManyRequests => Failure::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequests",
                "the server has received too many requests and has asked us to try again later",
            ),
            Self::InternalError => Failure::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalError",
                "Internal error occurred: etcdserver: request timed out",
            ),
            Self::Unavailable => Failure::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "the server is currently unable to handle the request",
            ),
            Self::Disconnect => return None,
        };
        Some(failure)
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) images: BTreeMap<String, Breakage>,
    /// How long after their start containers are ready.
    pub(super) readiness: Duration,
    /// How long every answer takes.
    pub(super) slowness: Duration,
    forbidden: BTreeSet<(Verb, String)>,
    failing: Vec<Failing>,
}

#[derive(Debug)]
struct Failing {
    verb: Verb,
    plural: String,
    left: usize,
    fault: Fault,
}

impl Faults {
    pub(super) fn forbid(&mut self, verb: Verb, plural: &str) {
        self.forbidden.insert((verb, plural.to_owned()));
    }

    pub(super) fn allow_all(&mut self) {
        self.forbidden.clear();
    }

    pub(super) fn is_forbidden(&self, verb: Verb, plural: &str) -> bool {
        self.forbidden
            .iter()
            .any(|it| it.0 == verb && it.1 == plural)
    }

    pub(super) fn fail_next(&mut self, verb: Verb, plural: &str, count: usize, fault: Fault) {
        self.failing.push(Failing {
            verb,
            plural: plural.to_owned(),
            left: count,
            fault,
        });
    }

    /// What becomes of the next such request, if anything.
    pub(super) fn next(&mut self, target: &Target) -> Option<Fault> {
        let mut all = self.failing.iter_mut();
        let failing = all.find(|it| {
            it.left > 0 && it.verb == target.verb && it.plural == target.resource.plural
        })?;
        failing.left -= 1;
        Some(failing.fault)
    }
}
