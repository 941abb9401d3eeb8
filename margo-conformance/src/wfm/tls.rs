//! TLS: mutual with the ordinary verifier of certificate chains, and of the server alone.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier};
use rustls_pki_types::CertificateDer;

use crate::authority::{Authority, IssuedSvid};

/// Presents this SVID and takes clients whose chain leads to the root of the authority.
///
/// Who the client is, is not looked at: a client under test must be right about that without help.
pub(super) fn mutual(authority: &Authority, svid: &IssuedSvid) -> ServerConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(authority.anchor().into_der()))
        .expect("the authority's root is an anchor");
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
        .build()
        .expect("there is a root");
    let config = builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(svid.certificates(), svid.private_key());
    http_1(config)
}

/// Presents this certificate and asks clients for none.
pub(super) fn of_server(certificate: &IssuedSvid) -> ServerConfig {
    let config = builder()
        .with_no_client_auth()
        .with_single_cert(certificate.certificates(), certificate.private_key());
    http_1(config)
}

fn builder() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.3")
}

fn http_1(config: Result<ServerConfig, rustls::Error>) -> ServerConfig {
    let mut config = config.expect("the authority issues keys with their certificates");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
