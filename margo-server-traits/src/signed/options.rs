//! What a fleet manager may choose of the signed generation.

use std::fmt;
use std::sync::Arc;

use margo_types::signature::Policy;

use super::{PublicUrl, ReplayCache, ReplayGuard};

/// The switches of the signed generation. The defaults are strict.
#[derive(Clone)]
#[non_exhaustive]
pub struct SignedOptions {
    /// What a signature covers, how old it may be, and what is tolerated: by default nothing.
    ///
    /// Agents of 2025 that leave the digest of the body unsigned need
    /// [`Tolerance::DigestNotCovered`](margo_types::signature::Tolerance::DigestNotCovered).
    pub policy: Policy,
    /// The root URLs that clients know this fleet manager by: none by default, when whatever host a request names is
    /// right.
    ///
    /// Name them in production: a client that is enrolled with two fleet managers signs for one of them, and nothing
    /// else keeps that one from passing its requests on to the other.
    ///
    /// A request that names none of them has passed a proxy that hides which: the first four are tried then, and a warning
    /// says so where there are more.
    pub public_urls: Vec<PublicUrl>,
    /// Who remembers signatures: a [`ReplayCache`] by default.
    pub replays: Arc<dyn ReplayGuard>,
    /// Answers requests in the name of a client that does not exist by 404 and `invalid-client`, as late copies of the
    /// specification have it for capabilities, instead of 401. Strangers can then try which ids exist; clients learn
    /// that they have to enrol again.
    pub tell_unknown_clients: bool,
    /// After how many seconds a client asks again whether it is enrolled, while the operator has not decided: 30.
    pub pending_retry_seconds: u32,
}

impl Default for SignedOptions {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            public_urls: Vec::new(),
            replays: Arc::new(ReplayCache::default()),
            tell_unknown_clients: false,
            pending_retry_seconds: 30,
        }
    }
}

impl fmt::Debug for SignedOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("SignedOptions")
            .field("policy", &self.policy)
            .field("public_urls", &self.public_urls)
            .field("tell_unknown_clients", &self.tell_unknown_clients)
            .field("pending_retry_seconds", &self.pending_retry_seconds)
            .finish_non_exhaustive()
    }
}
