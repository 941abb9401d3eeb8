//! The three generations of the specification and what they do differently, as data
//! (rc1-and-pre-draft.md part IV).

use std::fmt;

/// A generation of the specification.
///
/// Logic asks for a named switch of [`rules`](Self::rules), never for the generation itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SpecVersion {
    /// The pre-draft of 2024: GitOps, OAuth2, `X-Payload-Signature`.
    PreDraft,
    /// 1.0.0-rc.1, Preview Release 1: requests signed by RFC 9421.
    Rc1,
    /// 1.0.0-rc.2 and rc.3: mutual TLS with SPIFFE identities.
    Rc3,
}

impl SpecVersion {
    /// All generations, oldest first.
    pub const ALL: [Self; 3] = [Self::PreDraft, Self::Rc1, Self::Rc3];
    /// The newest generation, which the model follows.
    pub const NEWEST: Self = Self::Rc3;

    /// A short stable name: `pre-draft`, `rc.1` or `rc.3`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreDraft => "pre-draft",
            Self::Rc1 => "rc.1",
            Self::Rc3 => "rc.3",
        }
    }
}

impl fmt::Display for SpecVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
