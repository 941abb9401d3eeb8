//! What a fleet manager demands of a signature (rc1-and-pre-draft.md section 4 and part V).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::auth::FieldLimits;

/// What is demanded of a signature.
///
/// Margo's text lets the client choose what it covers (contradiction 10), and the reference fleet manager looks at
/// neither that nor the time nor the body. By default this one demands `@method`, `@target-uri` and, with a body,
/// `content-digest`, one signature, and a `created` within the window. More may be covered, in any spelling of its case
/// (contradiction 3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// The labels that are accepted: Margo's `sig1` and the reference implementation's `sig`.
    pub labels: BTreeSet<String>,
    /// How old a signature may be, in whole seconds: 5 minutes, Margo's own example. Replays have to be remembered for
    /// as long.
    pub max_age: Duration,
    /// How far the clock of a client may be ahead, in whole seconds: 1 minute. A signature lives as much longer than
    /// its `expires` says, too.
    pub max_skew: Duration,
    /// Sizes of `Signature-Input` and `Signature`.
    pub limits: FieldLimits,
    /// What is let pass all the same: nothing.
    pub tolerances: BTreeSet<Tolerance>,
}

impl Policy {
    /// The same policy with one tolerance more.
    #[must_use]
    pub fn tolerating(mut self, tolerance: Tolerance) -> Self {
        self.tolerances.insert(tolerance);
        self
    }

    pub(super) fn tolerates(&self, tolerance: Tolerance) -> bool {
        self.tolerances.contains(&tolerance)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            labels: ["sig1", "sig"].map(str::to_owned).into(),
            max_age: Duration::from_mins(5),
            max_skew: Duration::from_mins(1),
            limits: FieldLimits::default(),
            tolerances: BTreeSet::new(),
        }
    }
}

/// A weakness of known clients that a [`Policy`] can let pass. In settings each has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tolerance {
    /// `digest-not-covered`: the body agrees with its `Content-Digest`, but the signature does not cover that. Whoever
    /// can change the request on its way can then change the body. The reference agent of 2025 needs it.
    DigestNotCovered,
    /// `target-uri-not-covered`: the request can be sent to another path.
    TargetUriNotCovered,
    /// `several-labels`: other signatures stand beside that of the client, for instance of a proxy. The first with an
    /// accepted label counts, or the first at all with `any-label`; the others are not verified.
    SeveralLabels,
    /// `any-label`: a label has no meaning in RFC 9421.
    AnyLabel,
    /// `any-rsa-padding`: an RSA signature that names no algorithm is tried as `rsa-pss-sha512`, `rsa-pss-sha256` and
    /// `rsa-v1_5-sha256`, not as the first alone (contradiction 6).
    AnyRsaPadding,
}

impl Tolerance {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::DigestNotCovered,
        Self::TargetUriNotCovered,
        Self::SeveralLabels,
        Self::AnyLabel,
        Self::AnyRsaPadding,
    ];

    /// Its name in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DigestNotCovered => "digest-not-covered",
            Self::TargetUriNotCovered => "target-uri-not-covered",
            Self::SeveralLabels => "several-labels",
            Self::AnyLabel => "any-label",
            Self::AnyRsaPadding => "any-rsa-padding",
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Tolerance {
    type Err = UnknownTolerance;

    fn from_str(name: &str) -> Result<Self, UnknownTolerance> {
        let mut all = Self::ALL.into_iter();
        all.find(|tolerance| tolerance.as_str() == name)
            .ok_or_else(|| UnknownTolerance(name.to_owned()))
    }
}

/// There is no tolerance of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no tolerance {0:?}; use digest-not-covered, target-uri-not-covered, several-labels, any-label or \
     any-rsa-padding"
)]
pub struct UnknownTolerance(String);
