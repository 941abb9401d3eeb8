//! What can go wrong with an artefact, and who is to blame.

use std::fmt;
use std::time::Duration;

use margo_types::Digest;

use crate::line::in_a_line;

/// An operation on an artefact failed.
///
/// The variant says who is to blame, the text names the artefact, the place it is in and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// What the registry, its token service or a layout gave is wrong: do not trust or use it.
    #[error("{place}: {fault}")]
    PeerMisbehaved {
        /// What was worked on.
        place: Place,
        /// What the peer did.
        fault: Misbehaviour,
    },
    /// The registry understood and said no, or does not have it.
    #[error("{place}: {refusal}")]
    PeerRefused {
        /// What was worked on.
        place: Place,
        /// What it said.
        refusal: Refusal,
    },
    /// The call or the configuration makes no sense.
    #[error("{place}: {problem}; {fix}")]
    Misused {
        /// What was worked on.
        place: Place,
        /// What is wrong.
        problem: String,
        /// What to do instead.
        fix: &'static str,
    },
    /// The network, the file system or a helper program failed.
    #[error("{place}: {failure}")]
    Environment {
        /// What was worked on.
        place: Place,
        /// What failed.
        failure: Failure,
        /// The error underneath, if there is one.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl OciError {
    /// Whether the artefact or the repository does not exist (or may not be seen).
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::PeerRefused {
                refusal: Refusal::NotFound { .. },
                ..
            }
        )
    }

    /// Whether bytes were not those that their digest or size promised.
    pub fn is_integrity(&self) -> bool {
        let Self::PeerMisbehaved { fault, .. } = self else {
            return false;
        };
        matches!(
            fault,
            Misbehaviour::Digest { .. } | Misbehaviour::Size { .. }
        )
    }

    /// Whether the same call may succeed later without any change on our side.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::PeerMisbehaved { fault, .. } => matches!(fault, Misbehaviour::Stalled { .. }),
            Self::PeerRefused { refusal, .. } => matches!(refusal, Refusal::Busy { .. }),
            Self::Misused { .. } => false,
            Self::Environment { failure, .. } => matches!(failure, Failure::Connection),
        }
    }

    /// How long the peer asked to wait before the next attempt, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::PeerRefused {
                refusal: Refusal::Busy { retry_after, .. },
                ..
            } => *retry_after,
            _ => None,
        }
    }

    /// The same error with the number of attempts that ended with it.
    pub(crate) fn after(mut self, made: u32) -> Self {
        if let Self::PeerRefused {
            refusal: Refusal::Busy { attempts, .. },
            ..
        } = &mut self
        {
            *attempts = made;
        }
        self
    }

    pub(crate) fn misbehaved(place: &Place, fault: Misbehaviour) -> Self {
        Self::PeerMisbehaved {
            place: place.clone(),
            fault,
        }
    }

    pub(crate) fn refused(place: &Place, refusal: Refusal) -> Self {
        Self::PeerRefused {
            place: place.clone(),
            refusal,
        }
    }

    pub(crate) fn malformed(place: &Place, what: &'static str, why: impl Into<String>) -> Self {
        Self::misbehaved(
            place,
            Misbehaviour::Malformed {
                what,
                why: in_a_line(&why.into(), 1000),
            },
        )
    }

    pub(crate) fn misused(place: &Place, problem: impl Into<String>, fix: &'static str) -> Self {
        Self::Misused {
            place: place.clone(),
            problem: problem.into(),
            fix,
        }
    }

    pub(crate) fn environment(
        place: &Place,
        failure: Failure,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Environment {
            place: place.clone(),
            failure,
            source: Some(source.into()),
        }
    }

    pub(crate) fn file(place: &Place, path: impl fmt::Display, source: std::io::Error) -> Self {
        Self::environment(
            place,
            Failure::File {
                path: path.to_string(),
            },
            source,
        )
    }
}

/// The artefact and the store that an operation was about, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(Box<(String, String)>);

impl Place {
    /// What is worked on, and where: for your own [`CredentialSource`](super::CredentialSource) or
    /// [`ArtifactStore`](super::ArtifactStore).
    pub fn new(artefact: impl fmt::Display, store: impl fmt::Display) -> Self {
        Self(Box::new((artefact.to_string(), store.to_string())))
    }

    /// The artefact, or what else was worked on.
    pub fn artefact(&self) -> &str {
        &self.0.0
    }

    /// The registry or layout, such as `registry registry.example` or `layout /media/usb`.
    pub fn store(&self) -> &str {
        &self.0.1
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{} ({})", self.artefact(), self.store())
    }
}

/// What a registry or layout did that it must not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// The bytes have another digest.
    #[error(
        "the bytes of {expected} have the digest {found}; do not use this copy and tell its owner"
    )]
    Digest {
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// The bytes are fewer or more than the descriptor says.
    #[error(
        "{found} bytes where the descriptor of {digest} says {expected}; do not use this copy and tell its owner"
    )]
    Size {
        /// The blob.
        digest: Digest,
        /// The size in the descriptor, in bytes.
        expected: u64,
        /// What came or was announced, in bytes; reading stops one byte after `expected`.
        found: u64,
    },
    /// A document is larger than any sensible one.
    #[error("the {what} is larger than {limit} bytes; ask the registry's operator")]
    TooLarge {
        /// Which document.
        what: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },
    /// There are more tags, pages or referrers than we are willing to read.
    #[error("there are more than {limit} {what}; ask the registry's operator to clean up")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The peer stopped sending, or sends so slowly that it makes no difference.
    #[error("nothing useful came for {} s; try again later or look at the network", after.as_secs_f32())]
    Stalled {
        /// The time that was waited.
        after: Duration,
    },
    /// A document is not what it has to be.
    #[error("the {what} cannot be used: {why}; the artefact or the registry must be repaired")]
    Malformed {
        /// Which document or header.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A redirect or link leads where we do not go.
    #[error("{what} to {target} not followed: {why}")]
    Astray {
        /// `redirect`, `link` or `upload location`.
        what: &'static str,
        /// Where it leads.
        target: String,
        /// Why we do not go there, and what to do.
        why: &'static str,
    },
    /// The status code is none that the protocol has for this request.
    #[error("unexpected answer {status} {detail:?}; check that this is an OCI registry")]
    Status {
        /// The status code.
        status: u16,
        /// The start of the body.
        detail: String,
    },
    /// The name leads to an index of several manifests instead of one manifest.
    #[error(
        "this is an index ({media_type}) of several manifests, not one artefact; name one of them by its digest"
    )]
    Index {
        /// The media type of the index.
        media_type: String,
    },
}

/// How a registry said no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such artefact, blob or repository.
    #[error(
        "not found{}; check the name and the tag, and whether the credentials may read it",
        suffix(detail)
    )]
    NotFound {
        /// What the registry said.
        detail: String,
    },
    /// The credentials are missing or wrong.
    #[error(
        "not authenticated by {by}{}; give valid credentials for this registry",
        suffix(detail)
    )]
    Unauthenticated {
        /// The registry or token service that said so.
        by: String,
        /// What it said.
        detail: String,
    },
    /// The credentials do not allow it.
    #[error(
        "forbidden{}; ask the registry's owner for the right to do this",
        suffix(detail)
    )]
    Forbidden {
        /// What the registry said.
        detail: String,
    },
    /// The registry is overloaded or broken, and was so for every attempt.
    #[error(
        "answered {status} after {attempts} attempts{}; try again later",
        suffix(detail)
    )]
    Busy {
        /// The last status code.
        status: u16,
        /// How often it was tried.
        attempts: u32,
        /// How long the registry asked to wait, if it did.
        retry_after: Option<Duration>,
        /// What the registry said.
        detail: String,
    },
    /// The registry does not accept what we send.
    #[error(
        "refused with {status}{}; the registry does not accept this artefact or operation",
        suffix(detail)
    )]
    Rejected {
        /// The status code.
        status: u16,
        /// What the registry said.
        detail: String,
    },
}

/// What failed around us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No connection, or it broke, for every attempt.
    #[error(
        "the connection failed; check the address, the network, the proxy and the certificates"
    )]
    Connection,
    /// A file could not be read or written.
    #[error("cannot use {path}; check the path, the rights and the free space")]
    File {
        /// The file.
        path: String,
    },
    /// What was to receive or give the bytes failed.
    #[error("the local end of the transfer failed; look at the error underneath")]
    LocalEnd,
    /// A credential helper failed.
    #[error("the credential helper {program} failed: {why}; run it by hand to see more")]
    CredentialHelper {
        /// The program.
        program: String,
        /// What happened.
        why: String,
    },
    /// The Docker configuration cannot be used.
    #[error("cannot use the credentials in {path}: {why}; repair the file or log in again")]
    DockerConfig {
        /// The file.
        path: String,
        /// What is wrong with it; never its content.
        why: String,
    },
    /// The HTTP client or a key could not be set up.
    #[error("cannot set up {what}; check the certificates and keys")]
    Setup {
        /// What.
        what: &'static str,
    },
}

fn suffix(detail: &str) -> String {
    if detail.is_empty() {
        String::new()
    } else {
        format!(" ({detail})")
    }
}
