//! TLS configurations of an [`Identity`] (rc3.md section 7.6).
//!
//! They have these in common: TLS 1.3 unless asked otherwise, the SVID that is current when a handshake takes place,
//! HTTP/1.1, and no resumption, so that no connection outlives the SVIDs it was made with by a ticket (C14).

pub(super) mod algorithms;
mod client;
mod server;

use std::sync::Arc;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::anchors::timestamp;
use super::certificate::claimed_id;
use super::{Identity, PeerSvid, SvidError};
use crate::id::SpiffeId;

pub(super) use client::client_config;
pub use server::ServerHandshake;
pub(super) use server::server_config;

/// A peer that was refused in a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Whom its certificate names, which proves nothing; `None` when it does not name one SPIFFE ID.
    pub claimed: Option<SpiffeId>,
    /// Why.
    pub reason: SvidError,
    /// When.
    pub at: Timestamp,
}

impl Refusal {
    /// For those who take a configuration and are told no more than an alert.
    fn log(&self) {
        let claimed = self.claimed.as_ref().map(SpiffeId::as_str);
        let causes = std::error::Error::source(&self.reason).map(ToString::to_string);
        tracing::warn!(
            claimed,
            reason = %self.reason,
            cause = causes,
            "refused the SVID of a peer"
        );
    }
}

/// Verifies what a peer presents in a handshake, and that it is the right one.
fn verify_peer(
    identity: &Identity,
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
    recognise: impl FnOnce(&SpiffeId) -> Result<(), SvidError>,
) -> Result<PeerSvid, Arc<Refusal>> {
    let mut chain = Vec::with_capacity(1 + intermediates.len());
    chain.push(CertificateDer::from(leaf.as_ref()));
    chain.extend(
        intermediates
            .iter()
            .map(|der| CertificateDer::from(der.as_ref())),
    );
    let at = timestamp(now);
    let verified = identity.verify_at(&chain, at).and_then(|peer| {
        recognise(peer.id())?;
        Ok(peer)
    });
    verified.map_err(|reason| {
        let refusal = Arc::new(Refusal {
            claimed: claimed_id(&chain),
            reason,
            at,
        });
        identity.note_refusal(Arc::clone(&refusal));
        refusal
    })
}

/// The only protocol over TLS; a fleet manager speaks HTTP/1.1.
const HTTP1: &[u8] = b"http/1.1";
