//! Certificates that a peer presents.

use jiff::Timestamp;
use margo_conformance::corpus::input::parts;
use margo_types::id::TrustDomain;
use margo_types::svid::{Svid, verify};
use margo_types::trust::{Anchor, TrustBundle};
use rustls_pki_types::CertificateDer;

/// A chain, leaf first, in DER or PEM, with a separator between the certificates.
///
/// Nobody but an authority makes a chain that verifies: its leaf is one of those that were issued once.
pub fn svid(bytes: &[u8]) {
    let parts = parts(bytes);
    let chain: Vec<_> = parts.iter().map(|der| CertificateDer::from(*der)).collect();
    let domain = TrustDomain::parse("factory.example").expect("a domain");
    let root = Anchor::from_der(ROOT.to_vec()).expect("an anchor");
    let now = Timestamp::from_second(NOW).expect("a time");
    match verify(&chain, &domain, &[root], now) {
        Ok(peer) => {
            assert!(ISSUED.contains(&parts[0]), "a forged certificate verifies");
            assert!(peer.id().as_str().starts_with("spiffe://factory.example/"));
            assert!(peer.not_after() >= now);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    // The same bytes as an anchor, and as files.
    if let Ok(anchor) = Anchor::from_der(parts[0].to_vec()) {
        let leaf = CertificateDer::from(ISSUED[0]);
        let _ = verify(&[leaf], &domain, std::slice::from_ref(&anchor), now);
        if let Ok(bundle) = TrustBundle::of_anchors(std::slice::from_ref(&anchor)) {
            assert_eq!(bundle.anchors().as_deref(), Ok(&[anchor][..]));
        }
    }
    let key = parts.last().copied().unwrap_or_default();
    if let Err(error) = Svid::from_pem(parts[0], key) {
        assert!(!error.to_string().is_empty());
    }
}

/// 2026-12-01T00:00:00Z, when everything below is valid.
const NOW: i64 = 1_796_083_200;
const ROOT: &[u8] = include_bytes!("../svid/root.der");
/// What the root issued, by itself or through an intermediate.
const ISSUED: [&[u8]; 3] = [
    include_bytes!("../svid/client.der"),
    include_bytes!("../svid/wfm.der"),
    include_bytes!("../svid/behind.der"),
];
