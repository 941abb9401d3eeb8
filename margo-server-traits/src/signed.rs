//! What a fleet manager demands of requests that are signed, and where they were sent (rc1-and-pre-draft.md sections 3
//! and 4, part V; RFC 9421).
//!
//! A [`FleetService`](crate::FleetService) serves the signed generation once it has an [`Enrolment`](crate::Enrolment).
//! Every request of a client is then verified with the certificates that are enrolled for the id in its path:
//!
//! 1. One of them has signed the request, as [`SignedOptions::policy`] demands it, for the target URI it was sent to
//!    ([`PublicUrl`], [`Origin`](crate::proxy::Origin)), and is valid now.
//! 2. The body is the one whose digest was signed. Until 1 holds, no body is read.
//! 3. The signature was not used before ([`ReplayGuard`]).
//! 4. The [`ClientPolicy`](crate::ClientPolicy) admits the client, as in every generation.
//!
//! Whoever signs with a wrong key is told the same as whoever names a client that does not exist. Neither ids nor
//! certificates are secrets: that these are looked up and compared in a time that depends on them tells nobody
//! anything that a signature could be made of. Digests of bodies are compared in constant time all the same.

mod options;
mod public_url;
mod replay;
mod target;

pub use self::options::SignedOptions;
pub use self::public_url::{InvalidPublicUrl, PublicUrl};
pub use self::replay::{ReplayCache, ReplayGuard, Use};
pub(crate) use self::target::{MAX_URLS, Target, is_authority, targets};
