//! Polls that find nothing new, for a server that sees the same poll again and again.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use margo_types::Digest;

use super::{FleetService, Recognised, Shared};
use crate::Admission;

/// In the extensions of a 304: the caller has the current manifest, which has this digest.
///
/// The same request of the same client gets the same response for as long as [`FleetService::is_unchanged`] says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unchanged(pub(crate) Digest);

impl FleetService {
    /// Whether the client is admitted and its current manifest has this digest; `None` when that takes any waiting.
    ///
    /// It is false also when anything is wrong: what that is, the answer to the whole request says.
    pub(crate) fn is_unchanged(&self, client: &Recognised, digest: &Digest) -> Option<bool> {
        let asked = AssertUnwindSafe(self.shared.is_unchanged(client, digest));
        let answer = asked.catch_unwind().now_or_never()?;
        Some(answer.unwrap_or(false))
    }
}

impl Shared {
    async fn is_unchanged(&self, client: &Recognised, digest: &Digest) -> bool {
        let Some(caller) = self.own.as_ref().and_then(|own| client.by(own)) else {
            return false;
        };
        let admission = self.fleet.policy.admit(caller).await;
        if !matches!(admission, Ok(Admission::Admitted)) {
            return false;
        }
        let current = self.fleet.desired_state.manifest_digest(caller).await;
        current.is_ok_and(|current| current == *digest)
    }
}
