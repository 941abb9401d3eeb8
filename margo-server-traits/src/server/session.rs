//! What one connection has for itself.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use margo_types::id::SpiffeId;
use margo_types::svid::{PeerSvid, SvidError};

use super::activity::Activity;
use super::credential::Credential;
use super::driver::fraction;
use super::repeats::Memory;
use crate::service::Recognised;

/// All of it in one place: by the time of the next poll it has left the caches of the processor, and this way it comes back at
/// once.
pub(super) struct Session {
    pub(super) activity: Activity,
    pub(super) proof: Proof,
    memory: Mutex<Memory>,
}

impl Session {
    pub(super) fn new(proof: Proof) -> Self {
        Self {
            activity: Activity::default(),
            proof,
            memory: Mutex::default(),
        }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a handshake proved.
pub(super) struct Proof {
    credential: Credential,
    pub(super) generation: u64,
    /// Until when the client is who it is.
    not_after: Option<Timestamp>,
    /// The client; `None` when it proves who it is with every request.
    pub(super) peer: Option<PeerSvid>,
    /// The peer as the service sees it, so that it does not look at the SVID with every request.
    pub(super) client: Option<Recognised>,
}

impl Proof {
    /// Of a handshake in this generation of the credential.
    pub(super) fn new(credential: Credential, generation: u64, peer: Option<PeerSvid>) -> Self {
        Self {
            generation,
            not_after: peer.as_ref().map(PeerSvid::not_after),
            client: peer.as_ref().and_then(|peer| credential.recognise(peer)),
            credential,
            peer,
        }
    }

    /// Who the client is, where the handshake proved it.
    pub(super) fn id(&self) -> Option<&SpiffeId> {
        self.peer.as_ref().map(PeerSvid::id)
    }

    /// Whether a handshake would prove the same now.
    pub(super) fn is_current(&self) -> bool {
        let is_over = |end| self.credential.now().is_none_or(|now| now > end);
        self.generation == self.credential.generation() && !self.not_after.is_some_and(is_over)
    }

    /// Whether a handshake would refuse the client now, and why: a connection must not be older than what it rests on (W2, C14).
    pub(super) fn verify_again(&self) -> Result<(), SvidError> {
        match &self.peer {
            Some(peer) if !self.is_current() => self.credential.verify_again(peer),
            _ => Ok(()),
        }
    }

    /// How long a connection may live from its handshake on (W62, C14).
    pub(super) fn lifetime(&self, max_age: Duration) -> Duration {
        let age = max_age.saturating_sub(fraction(max_age / 10));
        let Some(end) = self.not_after else {
            return age;
        };
        let now = self.credential.now();
        let left = now.and_then(|now| Duration::try_from(end.duration_since(now)).ok());
        age.min(left.unwrap_or_default())
    }
}
