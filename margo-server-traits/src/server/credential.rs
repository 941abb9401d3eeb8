//! What a server shows in a handshake, and what it asks for.

use std::sync::Arc;

use jiff::Timestamp;
use margo_types::id::SpiffeId;
use margo_types::svid::{Identity, IdentityError, PeerSvid, Refusal, ServerHandshake, SvidError};
use rustls::{ServerConfig, ServerConnection};

use super::ServerCertificate;
use crate::service::Recognised;

/// Whose server it is.
#[derive(Clone, Debug)]
pub(super) enum Credential {
    /// That of a fleet manager whose clients have SVIDs.
    Mutual {
        identity: Identity,
        /// Its SPIFFE ID, which all clients that are recognised share.
        own: Arc<SpiffeId>,
    },
    /// That of one whose clients sign their requests.
    ServerOnly(ServerCertificate),
}

impl Credential {
    pub(super) fn mutual(identity: Identity) -> Self {
        let own = Arc::new(identity.id().clone());
        Self::Mutual { identity, own }
    }

    /// Whether there can be handshakes at all.
    pub(super) fn check(&self) -> Result<(), IdentityError> {
        match self {
            Self::Mutual { identity, .. } => identity.server_config().map(|_| ()),
            Self::ServerOnly(_) => Ok(()),
        }
    }

    /// Rises with every change.
    pub(super) fn generation(&self) -> u64 {
        match self {
            Self::Mutual { identity, .. } => identity.generation(),
            Self::ServerOnly(certificate) => certificate.generation(),
        }
    }

    /// The time on the clock by which clients are verified; `None` when it cannot be read.
    pub(super) fn now(&self) -> Option<Timestamp> {
        match self {
            Self::Mutual { identity, .. } => identity.now(),
            Self::ServerOnly(_) => Some(Timestamp::now()),
        }
    }

    /// Whether a peer that a handshake has proved still holds.
    pub(super) fn verify_again(&self, peer: &PeerSvid) -> Result<(), SvidError> {
        match self {
            Self::Mutual { identity, .. } => identity.verify_again(peer),
            Self::ServerOnly(_) => Ok(()),
        }
    }

    /// The client that a peer is.
    pub(super) fn recognise(&self, peer: &PeerSvid) -> Option<Recognised> {
        match self {
            Self::Mutual { own, .. } => Recognised::of(own, peer),
            Self::ServerOnly(_) => None,
        }
    }

    /// One connection.
    pub(super) fn handshake(&self) -> Option<Handshake> {
        Some(match self {
            Self::Mutual { identity, .. } => Handshake::Mutual(identity.server_handshake().ok()?),
            Self::ServerOnly(certificate) => Handshake::ServerOnly {
                // taken first, so that a change during the handshake counts as one after it
                generation: certificate.generation(),
                config: certificate.config(),
            },
        })
    }
}

/// A connection that is accepted.
pub(super) enum Handshake {
    Mutual(ServerHandshake),
    ServerOnly {
        generation: u64,
        config: Arc<ServerConfig>,
    },
}

impl Handshake {
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        match self {
            Self::Mutual(handshake) => handshake.config(),
            Self::ServerOnly { config, .. } => Arc::clone(config),
        }
    }

    /// The generation of the credential when the handshake began.
    pub(super) const fn generation(&self) -> u64 {
        match self {
            Self::Mutual(handshake) => handshake.generation(),
            Self::ServerOnly { generation, .. } => *generation,
        }
    }

    /// Why the client was refused, when it was for its SVID.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Mutual(handshake) => handshake.refusal(),
            Self::ServerOnly { .. } => None,
        }
    }

    /// Who the client is, where the handshake says so; [`Nobody`] when it should have.
    pub(super) fn peer(&self, connection: &ServerConnection) -> Result<Option<PeerSvid>, Nobody> {
        match self {
            Self::Mutual(handshake) => handshake.peer(connection).map(Some).ok_or(Nobody),
            Self::ServerOnly { .. } => Ok(None),
        }
    }
}

/// A handshake that was to prove who the client is has not.
pub(super) struct Nobody;
