//! What can go wrong on the device side.

use std::fmt;

use margo_types::problem::{Problem, ProblemType, RetryAdvice};

/// An error of the device side. Ask its predicates; its text is for a person.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    problem: Option<Problem>,
    advice: Option<RetryAdvice>,
    /// Whether the certificate of the peer was refused here.
    refused_certificate: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Who has to act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The fleet manager could not be reached, or the connection broke: the network, or its downtime.
    Unreachable,
    /// The peer is not the fleet manager of this device, or does not take this device for who it is.
    Untrusted,
    /// The fleet manager refused the request, with a problem document or without.
    Refused,
    /// The fleet manager sent what the specification forbids, or what is too large.
    Misbehaved,
    /// Bytes do not have the digest they are named by, or a manifest is older than the one held: a security event.
    Integrity,
    /// The generation that is spoken has no way to say this: nothing was sent, and nothing else is held up by it.
    Unsupported,
    /// The state on disk is damaged, of a newer version, in use by another process, or cannot be written.
    State,
    /// The set-up is wrong: a URL, a certificate, a time zone.
    Setup,
}

impl Error {
    /// An error of this kind, in words that say what to do: for those who implement [`FleetApi`](crate::FleetApi) or
    /// [`StateStore`](crate::state::StateStore).
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            problem: None,
            advice: None,
            refused_certificate: false,
            source: None,
        }))
    }

    /// The same error, with what lies beneath.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error, with what the fleet manager answered.
    #[must_use]
    pub fn with_response(mut self, problem: Option<Problem>, advice: RetryAdvice) -> Self {
        self.0.problem = problem;
        self.0.advice = Some(advice);
        self
    }

    pub(crate) fn of_refused_certificate(message: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::Untrusted, message);
        error.0.refused_certificate = true;
        error
    }

    pub(crate) fn is_refused_certificate(&self) -> bool {
        self.0.refused_certificate
    }

    pub(crate) fn set_kind(&mut self, kind: ErrorKind) {
        self.0.kind = kind;
    }

    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the fleet manager said, if it answered with a problem.
    pub fn problem(&self) -> Option<&Problem> {
        self.0.problem.as_ref()
    }

    /// The type of that problem.
    pub fn problem_type(&self) -> Option<&ProblemType> {
        self.problem().map(|problem| &problem.problem_type)
    }

    /// What the answer says about trying again; `None` when there was no answer.
    pub fn retry_advice(&self) -> Option<&RetryAdvice> {
        self.0.advice.as_ref()
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match (&self.0.advice, self.0.kind) {
            (Some(advice), _) => advice.retryable,
            (None, kind) => matches!(kind, ErrorKind::Unreachable),
        }
    }

    /// Whether bytes or versions were not what they were said to be: a security event.
    pub fn is_integrity(&self) -> bool {
        self.0.kind == ErrorKind::Integrity
    }

    /// Whether the resource does not exist there.
    pub fn is_not_found(&self) -> bool {
        self.problem().is_some_and(|problem| problem.status == 404)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
