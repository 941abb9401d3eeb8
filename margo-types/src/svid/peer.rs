//! Verifying the SVID of a peer, in the order of the specification (rc3.md section 7.3, C4).

use std::sync::Arc;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use super::anchors::{AnchorSet, Footing};
use super::certificate::Certificate;
use super::{ChainPart, SvidError};
use crate::id::{SpiffeId, TrustDomain};
use crate::trust::Anchor;

/// A peer whose SVID was verified. Only verification makes one. Clones are cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSvid(Arc<Proved>);

#[derive(Debug, PartialEq, Eq)]
struct Proved {
    id: SpiffeId,
    footing: Footing,
}

impl PeerSvid {
    pub(super) fn new(id: SpiffeId, footing: Footing) -> Self {
        Self(Arc::new(Proved { id, footing }))
    }

    /// Who the peer is. What it may do is for a local policy to say.
    pub fn id(&self) -> &SpiffeId {
        &self.0.id
    }

    /// When the first certificate of the chain expires, that of the peer or one that vouches for it.
    pub fn not_after(&self) -> Timestamp {
        self.0.footing.end.1
    }

    pub(super) fn footing(&self) -> &Footing {
        &self.0.footing
    }
}

/// Verifies the chain that a peer presents, leaf first, as of `now`, give or take a minute.
///
/// Reads the anchors anew on every call; [`Identity::verify`](super::Identity::verify) has read them already.
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
    let anchors = AnchorSet::read(anchors).map_err(|_| SvidError::Malformed {
        part: ChainPart::Anchor,
    })?;
    verify_with(chain, domain, &anchors, now)
}

pub(super) fn verify_with(
    chain: &[CertificateDer<'_>],
    domain: &TrustDomain,
    anchors: &AnchorSet,
    now: Timestamp,
) -> Result<PeerSvid, SvidError> {
    Named::read(chain, domain)?
        .chained(anchors, now)?
        .constrained()
}

/// After step 1: the leaf names one SPIFFE ID of one's own trust domain. Nothing else in it matters for that (C5).
struct Named<'c> {
    chain: &'c [CertificateDer<'c>],
    leaf: Certificate<'c>,
    id: SpiffeId,
}

impl<'c> Named<'c> {
    fn read(chain: &'c [CertificateDer<'c>], domain: &TrustDomain) -> Result<Self, SvidError> {
        let first = chain.first().ok_or(SvidError::NoCertificate)?;
        let leaf = Certificate::read(first, ChainPart::Leaf)?;
        let id = leaf.spiffe_id()?;
        if id.trust_domain() != *domain {
            return Err(SvidError::OtherDomain {
                found: id,
                expected: domain.clone(),
            });
        }
        Ok(Self { chain, leaf, id })
    }

    /// Step 2. Only what the peer presents is used: nothing is fetched (C6).
    fn chained(self, anchors: &AnchorSet, now: Timestamp) -> Result<Chained<'c>, SvidError> {
        let footing = anchors.chain(self.chain, &self.leaf, now)?;
        Ok(Chained {
            leaf: self.leaf,
            id: self.id,
            footing,
        })
    }
}

/// After step 2: an anchor vouches for the leaf, and every certificate in between is valid now.
struct Chained<'c> {
    leaf: Certificate<'c>,
    id: SpiffeId,
    footing: Footing,
}

impl Chained<'_> {
    /// Step 3. That the path is not empty is part of [`SpiffeId`].
    fn constrained(self) -> Result<PeerSvid, SvidError> {
        self.leaf.check_leaf()?;
        Ok(PeerSvid::new(self.id, self.footing))
    }
}
