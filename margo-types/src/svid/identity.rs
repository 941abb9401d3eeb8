//! What one side shows and trusts, replaceable while connections are open.

use std::sync::Arc;

use super::{InvalidSvid, Svid};
use crate::id::{SpiffeId, TrustDomain};
use crate::trust::{Anchor, TrustBundle, TrustBundleError};

/// An SVID of one's own and the anchors of its trust domain. Clones share both.
///
/// A handshake uses what is current when it begins.
#[derive(Clone, Debug)]
pub struct Identity {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    id: SpiffeId,
}

impl Identity {
    /// An identity of this SVID in the trust domain with this bundle.
    ///
    /// # Errors
    /// [`IdentityError`] when the bundle has no anchors (fail closed), or the SVID is of neither shape of the
    /// specification.
    pub fn new(svid: Svid, bundle: &TrustBundle) -> Result<Self, IdentityError> {
        bundle.anchors()?;
        let id = svid.id().clone();
        Ok(Self {
            shared: Arc::new(Shared { id }),
        })
    }

    /// Whose identity it is; the same for its whole life.
    pub fn id(&self) -> &SpiffeId {
        &self.shared.id
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> TrustDomain {
        self.shared.id.trust_domain()
    }

    /// The current SVID.
    pub fn svid(&self) -> Arc<Svid> {
        unimplemented!()
    }

    /// The current anchors.
    pub fn anchors(&self) -> Arc<[Anchor]> {
        unimplemented!()
    }

    /// Rises with every replacement; a connection made under a lower number should be replaced soon.
    pub fn generation(&self) -> u64 {
        0
    }

    /// Shows this SVID from the next handshake on.
    ///
    /// # Errors
    /// [`IdentityError::OtherId`] when it is somebody else's. The old one stays then.
    pub fn replace_svid(&self, svid: Svid) -> Result<(), IdentityError> {
        let _ = svid;
        Ok(())
    }

    /// Trusts the anchors of this bundle, and no others, from the next handshake on (C20).
    ///
    /// # Errors
    /// [`IdentityError::Bundle`] when it has none. The old ones stay then (C19).
    pub fn replace_bundle(&self, bundle: &TrustBundle) -> Result<(), IdentityError> {
        bundle.anchors()?;
        Ok(())
    }

    /// How a WFM client connects: shows the SVID, and takes only the fleet manager that its own SVID names
    /// (D68, D69). Host names have no say.
    ///
    /// # Errors
    /// [`IdentityError::WrongRole`] when the identity is not that of a WFM client.
    pub fn client_config(&self) -> Result<Arc<rustls::ClientConfig>, IdentityError> {
        Err(IdentityError::WrongRole(self.shared.id.clone()))
    }

    /// How a fleet manager accepts: shows the SVID, and takes only clients of its own namespace (W58, W59).
    ///
    /// # Errors
    /// [`IdentityError::WrongRole`] when the identity is not that of a fleet manager.
    pub fn server_config(&self) -> Result<Arc<rustls::ServerConfig>, IdentityError> {
        Err(IdentityError::WrongRole(self.shared.id.clone()))
    }
}

/// Why an identity was not made or not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The SVID cannot be used.
    #[error("the SVID cannot be used")]
    Svid(#[from] InvalidSvid),
    /// The trust bundle cannot be used.
    #[error("the trust bundle cannot be used")]
    Bundle(#[from] TrustBundleError),
    /// The SVID is somebody else's.
    #[error("the SVID is that of {found} instead of {expected}; a renewed one keeps its SPIFFE ID")]
    OtherId {
        /// Whose identity it is.
        expected: SpiffeId,
        /// Whose the new SVID is.
        found: SpiffeId,
    },
    /// The identity is not of the role that is asked for.
    #[error("{0} is not the SPIFFE ID of this role")]
    WrongRole(SpiffeId),
}
