//! Verifying the SVID of a peer, in the order of the specification (rc3.md section 7.3, C4).

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use crate::id::{SpiffeId, TrustDomain};
use crate::trust::Anchor;

/// A peer whose SVID was verified. Only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSvid {
    id: SpiffeId,
    not_after: Timestamp,
}

impl PeerSvid {
    pub(super) const fn new(id: SpiffeId, not_after: Timestamp) -> Self {
        Self { id, not_after }
    }

    /// Who the peer is. What it may do is for a local policy to say.
    pub const fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// When its SVID, or an intermediate that vouches for it, expires.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

/// Verifies the chain that a peer presents, leaf first, as of `now`.
///
/// # Errors
/// [`SvidError`] names the first check that failed, in the order of the specification: trust domain, chain,
/// constraints of the leaf.
pub fn verify(
    chain: &[CertificateDer<'_>],
    domain: &TrustDomain,
    anchors: &[Anchor],
    now: Timestamp,
) -> Result<PeerSvid, SvidError> {
    let _ = (chain, domain, anchors, now);
    Err(SvidError::NoCertificate)
}

/// Why a peer's SVID was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SvidError {
    /// The peer presented no certificate.
    #[error("the peer presented no certificate; configure its SVID")]
    NoCertificate,
}
