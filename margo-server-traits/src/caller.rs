//! Who calls (rc3.md section 7.2; rc1-and-pre-draft.md section 4).

use std::ops::Deref;

use margo_types::SpecVersion;
use margo_types::id::{ClientId, SpiffeId};
use margo_types::signature::VerifiedSignature;
use margo_types::svid::PeerSvid;

/// A client of this fleet manager, as its credential names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// Its id in the namespace of this fleet manager.
    pub client_id: ClientId,
    /// The generation it speaks.
    pub generation: SpecVersion,
    /// Its SPIFFE ID, where the generation has one.
    pub spiffe_id: Option<SpiffeId>,
}

/// Something that was authenticated. Only authentication makes one, so a handler that takes it cannot be called without.
///
/// Authenticated is not authorised: that is for a [`ClientPolicy`](crate::ClientPolicy) to say, on every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl Verified<Caller> {
    /// The client of the fleet manager `own` that this peer is.
    ///
    /// `None` when it is no client in that namespace (W58, W59).
    pub fn of_svid(own: &SpiffeId, peer: &PeerSvid) -> Option<Self> {
        let client_id = own.recognise_client(peer.id())?;
        Some(Self(Caller {
            client_id,
            generation: SpecVersion::Rc3,
            spiffe_id: Some(peer.id().clone()),
        }))
    }

    /// The client whose key has made this signature, by the id in the path of the request.
    ///
    /// Verify the signature with nothing but the certificates that are enrolled for this client.
    pub const fn of_signature(client_id: ClientId, _: &VerifiedSignature) -> Self {
        Self(Caller {
            client_id,
            generation: SpecVersion::Rc1,
            spiffe_id: None,
        })
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
