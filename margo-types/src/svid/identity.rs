//! What one side shows and trusts, replaceable while connections are open.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls_pki_types::CertificateDer;

use super::anchors::{AnchorSet, timestamp};
use super::peer::verify_with;
use super::tls::{self, Refusal, ServerHandshake};
use super::{InvalidSvid, PeerSvid, Svid, SvidError};
use crate::TlsVersion;
use crate::id::{Principal, SpiffeId, TrustDomain};
use crate::trust::{Anchor, TrustBundle, TrustBundleError};

/// An SVID of one's own and the anchors of its trust domain. Clones share both.
///
/// A handshake uses what is current when it takes place.
#[derive(Clone, Debug)]
pub struct Identity {
    shared: Arc<Shared>,
    clock: Arc<dyn TimeProvider>,
    minimum: TlsVersion,
}

#[derive(Debug)]
struct Shared {
    id: SpiffeId,
    domain: TrustDomain,
    current: ArcSwap<Current>,
    last_refusal: ArcSwapOption<Refusal>,
}

/// What is replaced as one.
#[derive(Clone, Debug)]
struct Current {
    svid: Arc<Svid>,
    anchors: Arc<AnchorSet>,
    generation: u64,
}

impl Identity {
    /// An identity of this SVID in the trust domain with this bundle.
    ///
    /// # Errors
    /// [`IdentityError`] when the bundle has no anchors (fail closed), or the SVID is of neither shape of the
    /// specification.
    pub fn new(svid: Svid, bundle: &TrustBundle) -> Result<Self, IdentityError> {
        let id = svid.id().clone();
        if id.principal().is_none() {
            return Err(IdentityError::WrongRole(id));
        }
        let current = Current {
            svid: Arc::new(svid),
            anchors: Arc::new(read_anchors(bundle)?),
            generation: 0,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                domain: id.trust_domain(),
                id,
                current: ArcSwap::from_pointee(current),
                last_refusal: ArcSwapOption::empty(),
            }),
            clock: Arc::new(DefaultTimeProvider),
            minimum: TlsVersion::Tls13,
        })
    }

    /// Asks this clock instead of that of the system.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn TimeProvider>) -> Self {
        self.clock = clock;
        self
    }

    /// Also speaks TLS 1.2 with peers that do not speak 1.3, as RFC 9325 restricts it (C2). Not the default.
    #[must_use]
    pub const fn with_tls12(mut self) -> Self {
        self.minimum = TlsVersion::Tls12;
        self
    }

    /// Whose identity it is; the same for its whole life.
    pub fn id(&self) -> &SpiffeId {
        &self.shared.id
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> TrustDomain {
        self.shared.domain.clone()
    }

    /// The current SVID.
    pub fn svid(&self) -> Arc<Svid> {
        Arc::clone(&self.shared.current.load().svid)
    }

    /// The current anchors.
    pub fn anchors(&self) -> Arc<[Anchor]> {
        Arc::clone(self.shared.current.load().anchors.anchors())
    }

    /// Rises with every change; a connection made under a lower number should be replaced soon.
    pub fn generation(&self) -> u64 {
        self.shared.current.load().generation
    }

    /// The time on its clock; `None` when that cannot be read.
    pub fn now(&self) -> Option<Timestamp> {
        self.clock.current_time().map(timestamp)
    }

    /// Shows this SVID from the next handshake on. The same one again is no change.
    ///
    /// # Errors
    /// [`IdentityError::OtherId`] when it is somebody else's. The old one stays then.
    pub fn replace_svid(&self, svid: Svid) -> Result<(), IdentityError> {
        if svid.id() != self.id() {
            return Err(IdentityError::OtherId {
                expected: self.id().clone(),
                found: svid.id().clone(),
            });
        }
        let svid = Arc::new(svid);
        self.shared.current.rcu(|current| {
            let mut next = Current::clone(current);
            if next.svid.chain() != svid.chain() {
                next.svid = Arc::clone(&svid);
                next.generation += 1;
            }
            next
        });
        Ok(())
    }

    /// Trusts the anchors of this bundle, and no others, from the next handshake on (C20). The same anchors again are
    /// no change.
    ///
    /// # Errors
    /// [`IdentityError::Bundle`] when it has none. The old ones stay then (C19).
    pub fn replace_bundle(&self, bundle: &TrustBundle) -> Result<(), IdentityError> {
        let anchors = Arc::new(read_anchors(bundle)?);
        self.shared.current.rcu(|current| {
            let mut next = Current::clone(current);
            if !next.anchors.is_same_set(&anchors) {
                next.anchors = Arc::clone(&anchors);
                next.generation += 1;
            }
            next
        });
        Ok(())
    }

    /// Verifies the chain that a peer presents, leaf first, with the current anchors, now.
    ///
    /// Says who the peer is, not whether it is the right one: see [`SpiffeId::recognise_client`] and
    /// [`SpiffeId::recognises_wfm`]. For the certificates of a trusted proxy; the TLS configurations do it by
    /// themselves.
    ///
    /// # Errors
    /// [`SvidError`] names the first check that failed.
    pub fn verify(&self, chain: &[CertificateDer<'_>]) -> Result<PeerSvid, SvidError> {
        let now = self.now().ok_or(SvidError::NoTime)?;
        self.verify_at(chain, now)
    }

    /// Whether a peer that was verified earlier still holds, now and with the current anchors: for what arrives over a connection
    /// that is older than a bundle (C14).
    ///
    /// The chain is not built again. A clock that was set back before it began to be valid is no reason to refuse it.
    ///
    /// # Errors
    /// [`SvidError::Expired`] when a certificate of its chain expired more than a minute ago, [`SvidError::UnknownIssuer`] when the
    /// authority that vouched for it is no longer in the bundle, [`SvidError::NoTime`] without a clock.
    pub fn verify_again(&self, peer: &PeerSvid) -> Result<(), SvidError> {
        let now = self.now().ok_or(SvidError::NoTime)?;
        let current = self.shared.current.load();
        current.anchors.carry(peer.footing(), now)
    }

    /// Whether peers with the same bundle and clock would accept the SVID now.
    ///
    /// A program may say so when it starts, before the first peer does.
    ///
    /// # Errors
    /// [`SvidError`] names what they would say.
    pub fn verify_own(&self) -> Result<(), SvidError> {
        self.verify(self.svid().chain()).map(|_| ())
    }

    /// How a WFM client connects: shows the SVID, and takes only the fleet manager that its own SVID names
    /// (D68, D69). Host names have no say; they are sent for routing only.
    ///
    /// # Errors
    /// [`IdentityError::WrongRole`] when the identity is not that of a WFM client.
    pub fn client_config(&self) -> Result<Arc<rustls::ClientConfig>, IdentityError> {
        match self.id().expected_wfm() {
            Some(expected) => Ok(Arc::new(tls::client_config(self, expected))),
            None => Err(IdentityError::WrongRole(self.id().clone())),
        }
    }

    /// How a fleet manager accepts: shows the SVID, and takes only clients of its own namespace (W58, W59).
    ///
    /// A server that wants to know who the client is, or why it was refused, takes a
    /// [`server_handshake`](Self::server_handshake) for each connection instead.
    ///
    /// # Errors
    /// [`IdentityError::WrongRole`] when the identity is not that of a fleet manager.
    pub fn server_config(&self) -> Result<Arc<rustls::ServerConfig>, IdentityError> {
        self.check_is_wfm()?;
        Ok(Arc::new(tls::server_config(self)))
    }

    /// One connection that a fleet manager accepts, as [`server_config`](Self::server_config) does.
    ///
    /// # Errors
    /// [`IdentityError::WrongRole`] when the identity is not that of a fleet manager.
    pub fn server_handshake(&self) -> Result<ServerHandshake, IdentityError> {
        self.check_is_wfm()?;
        Ok(ServerHandshake::new(self))
    }

    /// The last peer that a handshake of this identity refused, with the reason, which the error of a TLS library
    /// does not tell in full.
    pub fn last_refusal(&self) -> Option<Arc<Refusal>> {
        self.shared.last_refusal.load_full()
    }

    pub(super) fn verify_at(
        &self,
        chain: &[CertificateDer<'_>],
        now: Timestamp,
    ) -> Result<PeerSvid, SvidError> {
        let current = self.shared.current.load();
        verify_with(chain, &self.shared.domain, &current.anchors, now)
    }

    pub(super) fn note_refusal(&self, refusal: Arc<Refusal>) {
        self.shared.last_refusal.store(Some(refusal));
    }

    pub(super) const fn minimum_tls(&self) -> TlsVersion {
        self.minimum
    }

    pub(super) fn clock(&self) -> Arc<dyn TimeProvider> {
        Arc::clone(&self.clock)
    }

    fn check_is_wfm(&self) -> Result<(), IdentityError> {
        match self.id().principal() {
            Some(Principal::Wfm { .. }) => Ok(()),
            _ => Err(IdentityError::WrongRole(self.id().clone())),
        }
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
    /// An anchor of the trust bundle is only in its outer form a certificate.
    #[error(
        "anchor {position} of the trust bundle, counted from 0, is not a well-formed certificate"
    )]
    Anchor {
        /// Which, among those for X.509-SVIDs.
        position: usize,
    },
    /// The SVID is somebody else's.
    #[error("the SVID is that of {found} instead of {expected}; a renewed one keeps its SPIFFE ID")]
    OtherId {
        /// Whose identity it is.
        expected: SpiffeId,
        /// Whose the new SVID is.
        found: SpiffeId,
    },
    /// The identity is not of the role that is asked for.
    #[error(
        "{0} is not the SPIFFE ID of this role: a fleet manager's is spiffe://<trust domain>/margo/wfm/<wfm-id>, a \
         client's goes on with /client/<wfm-client-id>"
    )]
    WrongRole(SpiffeId),
}

/// Checks that an [`Identity`] would take this bundle: that it has anchors, and every one is a well-formed certificate.
///
/// Whoever keeps a bundle for later asks before the one it had is gone.
///
/// # Errors
/// [`IdentityError::Bundle`] and [`IdentityError::Anchor`], as [`Identity::replace_bundle`] would say.
pub fn check_bundle(bundle: &TrustBundle) -> Result<(), IdentityError> {
    read_anchors(bundle).map(drop)
}

fn read_anchors(bundle: &TrustBundle) -> Result<AnchorSet, IdentityError> {
    AnchorSet::read(bundle.anchors()?).map_err(|position| IdentityError::Anchor { position })
}
