//! The side of a WFM client.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::algorithms::{self, HANDSHAKE_SIGNATURES};
use super::{HTTP1, verify_peer};
use crate::id::SpiffeId;
use crate::svid::{Identity, SvidError};

/// Takes only the server `expected`, whatever the name it was reached by.
pub(in crate::svid) fn client_config(identity: &Identity, expected: SpiffeId) -> ClientConfig {
    let builder = ClientConfig::builder_with_details(algorithms::provider(), identity.clock())
        .with_protocol_versions(algorithms::versions(identity.minimum_tls()))
        .expect("the provider has suites for every version");
    let verifier = ServerVerifier {
        identity: identity.clone(),
        expected,
    };
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(CurrentSvid(identity.clone())));
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![HTTP1.to_vec()];
    config.require_ems = true; // RFC 9325 section 3.5, TLS 1.2
    config
}

#[derive(Debug)]
struct ServerVerifier {
    identity: Identity,
    expected: SpiffeId,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let recognise = |found: &SpiffeId| {
            if *found == self.expected {
                return Ok(());
            }
            Err(SvidError::OtherFleetManager {
                found: found.clone(),
                expected: self.expected.clone(),
            })
        };
        match verify_peer(&self.identity, end_entity, intermediates, now, recognise) {
            Ok(_) => Ok(ServerCertVerified::assertion()),
            Err(refusal) => {
                refusal.log();
                Err(refusal.reason.to_certificate_error().into())
            }
        }
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

/// Shows the SVID that is current.
#[derive(Debug)]
struct CurrentSvid(Identity);

impl ResolvesClientCert for CurrentSvid {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.svid().certified())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
