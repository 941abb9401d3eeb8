//! What signers send, as data.

use super::Tolerance;

/// What a signer covers and says. Change a copy to sign in another way.
///
/// The parameters are always in the order `created`, `expires`, `keyid`, `alg`, `nonce`, `tag`: the reference fleet
/// manager fails on any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// Its name in settings and reports.
    pub name: &'static str,
    /// The label of the signature.
    pub label: &'static str,
    /// What is covered in every request, in this order.
    pub components: &'static [&'static str],
    /// Whether `content-digest` is covered after these when there is a body. The header is sent in any case.
    pub covers_digest: bool,
    /// Whether the signature names its algorithm.
    pub names_algorithm: bool,
    /// What a fleet manager has to tolerate to accept it.
    pub tolerances: &'static [Tolerance],
}

impl Profile {
    /// What every known fleet manager accepts, strict or not, and what our client sends.
    ///
    /// `@authority` is not in Margo's text and harms nobody; the reference library expects it (contradiction 9). The
    /// name of the algorithm settles contradiction 6.
    pub const COMMON: Self = Self {
        name: "common",
        label: "sig1",
        components: &["@method", "@target-uri", "@authority"],
        covers_digest: true,
        names_algorithm: true,
        tolerances: &[],
    };

    /// The reference agent for the Symphony-based fleet manager, as of December 2025: nothing protects the body.
    pub const SYMPHONY_2025_12: Self = Self {
        name: "symphony-2025-12",
        label: "sig",
        components: &["@method", "@target-uri", "@authority"],
        covers_digest: false,
        names_algorithm: false,
        tolerances: &[Tolerance::DigestNotCovered],
    };

    /// The library of the reference sandbox, as of 2026, before it moved to mutual TLS.
    pub const SANDBOX_9421_2026: Self = Self {
        name: "sandbox-9421-2026",
        label: "sig",
        components: &["@method", "@target-uri", "@authority"],
        covers_digest: true,
        names_algorithm: false,
        tolerances: &[],
    };

    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::COMMON,
        Self::SYMPHONY_2025_12,
        Self::SANDBOX_9421_2026,
    ];

    /// The profile of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name == name)
    }
}
