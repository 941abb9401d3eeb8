//! What goes wrong.

use std::fmt;

/// Why there is no answer, or none that a device can go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    Connect,
    Handshake,
    Timeout,
    /// The connection was closed before anything of an answer came. On a connection that was idle that is no error.
    Closed,
    /// It was closed in the middle of an answer.
    Broken,
    Malformed,
    /// A manifest that does not say to be one.
    ContentType,
    /// A manifest whose entity tag is not what it has to be.
    EntityTag,
    /// An answer that is none of those hoped for.
    Status(u16),
    /// There was no answer before the run was over.
    Unanswered,
}

impl Fault {
    pub(super) fn new(kind: FaultKind, text: &dyn fmt::Display) -> Self {
        Self {
            kind,
            text: text.to_string().chars().take(EXCERPT).collect(),
        }
    }

    pub(super) fn malformed(text: &str) -> Self {
        Self::new(FaultKind::Malformed, &text)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connect => "connect",
            Self::Handshake => "handshake",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Broken => "broken",
            Self::Malformed => "malformed",
            Self::ContentType => "content type",
            Self::EntityTag => "entity tag",
            Self::Status(status) => return write!(formatter, "status {status}"),
            Self::Unanswered => "unanswered",
        })
    }
}

/// Characters of what a server says that are worth showing.
const EXCERPT: usize = 300;
