//! Mutual TLS with the ordinary verifier of certificate chains.

use std::sync::Arc;

use margo_types::id::SpiffeId;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;

use crate::authority::{Authority, IssuedSvid, Lifetime};

/// Presents a new SVID of the authority and takes clients whose chain leads to its root.
///
/// Who the client is, is not looked at: a client under test must be right about that without help.
pub(super) fn config(authority: &Authority, id: &SpiffeId, lifetime: Lifetime) -> ServerConfig {
    config_with(authority, &authority.issue(id, lifetime))
}

/// The same with a certificate of any shape.
pub(super) fn config_with(authority: &Authority, svid: &IssuedSvid) -> ServerConfig {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(authority.anchor().into_der()))
        .expect("the authority's root is an anchor");
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
        .build()
        .expect("there is a root");
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.3")
        .with_client_cert_verifier(verifier)
        .with_single_cert(svid.certificates(), svid.private_key())
        .expect("the authority issues keys with their certificates");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
