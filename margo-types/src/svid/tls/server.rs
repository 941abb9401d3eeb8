//! The side of a fleet manager.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConnection};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::algorithms::{self, HANDSHAKE_SIGNATURES};
use super::{HTTP1, Refusal, verify_peer};
use crate::id::SpiffeId;
use crate::svid::{Identity, PeerSvid, SvidError};

/// One connection that is accepted: a configuration for it alone, and what came of it.
///
/// The client is verified once, in the handshake, and can be asked for afterwards.
#[derive(Debug)]
pub struct ServerHandshake {
    config: Arc<ServerConfig>,
    outcome: Arc<OnceLock<Outcome>>,
    generation: u64,
}

impl ServerHandshake {
    pub(in crate::svid) fn new(identity: &Identity) -> Self {
        let outcome = Arc::new(OnceLock::new());
        Self {
            // taken first, so that a change during the handshake counts as one after it
            generation: identity.generation(),
            config: Arc::new(config(identity, Some(Arc::clone(&outcome)))),
            outcome,
        }
    }

    /// The configuration. Use it for one connection.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The [generation](Identity::generation) of the identity when the handshake began.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Who the client is; `None` before the handshake of this connection is complete.
    pub fn peer(&self, connection: &ServerConnection) -> Option<PeerSvid> {
        let presented = connection.peer_certificates()?.first()?;
        match self.outcome.get()? {
            // Completion proves that the peer has the key of the certificate.
            Outcome::Accepted { leaf, peer }
                if !connection.is_handshaking() && leaf == presented =>
            {
                Some(peer.clone())
            }
            _ => None,
        }
    }

    /// Why the client was refused, when it was for its SVID.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self.outcome.get()? {
            Outcome::Refused(refusal) => Some(refusal),
            Outcome::Accepted { .. } => None,
        }
    }
}

#[derive(Debug)]
enum Outcome {
    Accepted {
        leaf: CertificateDer<'static>,
        peer: PeerSvid,
    },
    Refused(Arc<Refusal>),
}

/// Takes only clients in the namespace of this fleet manager.
pub(in crate::svid) fn server_config(identity: &Identity) -> ServerConfig {
    config(identity, None)
}

/// What comes of a handshake is noted in `outcome`, where there is one.
fn config(identity: &Identity, outcome: Option<Arc<OnceLock<Outcome>>>) -> ServerConfig {
    let builder = ServerConfig::builder_with_details(algorithms::provider(), identity.clock())
        .with_protocol_versions(algorithms::versions(identity.minimum_tls()))
        .expect("the provider has suites for every version");
    let verifier = ClientVerifier {
        identity: identity.clone(),
        outcome,
    };
    let mut config = builder
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(CurrentSvid(identity.clone())));
    // Nothing is resumed. The default storage takes some 30 kB, which with a configuration for each connection adds up.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0; // and no tickets are made by default
    config.alpn_protocols = vec![HTTP1.to_vec()];
    config.require_ems = true; // RFC 9325 section 3.5, TLS 1.2
    config
}

#[derive(Debug)]
struct ClientVerifier {
    identity: Identity,
    outcome: Option<Arc<OnceLock<Outcome>>>,
}

impl ClientCertVerifier for ClientVerifier {
    /// None: anchors may change, and clients have one SVID anyway.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let own = self.identity.id();
        let recognise = |found: &SpiffeId| match own.recognise_client(found) {
            Some(_) => Ok(()),
            None => Err(SvidError::NotAClient {
                found: found.clone(),
                own: own.clone(),
            }),
        };
        let verified = verify_peer(&self.identity, end_entity, intermediates, now, recognise);
        let (outcome, result) = match verified {
            Ok(peer) => {
                let leaf = end_entity.clone().into_owned();
                let accepted = ClientCertVerified::assertion();
                (Outcome::Accepted { leaf, peer }, Ok(accepted))
            }
            Err(refusal) => {
                let error = refusal.reason.to_certificate_error();
                (Outcome::Refused(refusal), Err(error.into()))
            }
        };
        match (&self.outcome, outcome) {
            (Some(noted), outcome) => _ = noted.set(outcome),
            (None, Outcome::Refused(refusal)) => refusal.log(),
            (None, Outcome::Accepted { .. }) => {}
        }
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &HANDSHAKE_SIGNATURES)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &HANDSHAKE_SIGNATURES)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms::offered_schemes()
    }
}

/// Shows the SVID that is current, whatever name the client asks for.
#[derive(Debug)]
struct CurrentSvid(Identity);

impl ResolvesServerCert for CurrentSvid {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.svid().certified())
    }
}
