//! `Svid::from_pem`: chain and key of one's own.

use std::error::Error;

use margo_conformance::authority::rcgen::{
    IsCa, KeyPair, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize,
};
use margo_conformance::authority::{Authority, Lifetime};
use margo_types::svid::{InvalidSvid, Svid, SvidError};

use super::maker::{Maker, p256};
use super::{client, factory, wfm};

/// PEM of this label around these bytes, as a tool would write it.
fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// The private key inside PKCS#8, which is what SEC1 and PKCS#1 are.
fn inner(pkcs8: &[u8]) -> &[u8] {
    let (_, info) = x509_parser::der_parser::parse_der(pkcs8).unwrap();
    info.as_sequence().unwrap()[2].as_slice().unwrap()
}

#[test]
fn chain_and_key_are_read() {
    let authority = Authority::new(&factory()).intermediate("line 1");
    let id = wfm("wfm-1");
    let issued = authority.issue(&id, Lifetime::default());
    let svid = issued.svid();
    assert_eq!(svid.id(), &id);
    assert_eq!(svid.chain().len(), 2);
    assert!(svid.not_before() < svid.not_after());
    let debug = format!("{svid:?}");
    assert!(debug.contains("wfm-1") && debug.len() < 200, "{debug}");
}

#[test]
fn keys_come_in_three_forms() {
    let root = Maker::root(p256(), |_| {});
    let ec = p256();
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).unwrap();
    let ed = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    for (key, text) in [
        (&ec, ec.serialize_pem()),
        (&rsa, rsa.serialize_pem()),
        (&ed, ed.serialize_pem()),
        (&ec, pem("EC PRIVATE KEY", inner(ec.serialized_der()))),
        (&rsa, pem("RSA PRIVATE KEY", inner(rsa.serialized_der()))),
    ] {
        let svid = Svid::from_pem(root.pem(key).as_bytes(), text.as_bytes()).unwrap();
        assert_eq!(svid.id(), &client("wfm-1", "client-1"));
    }
}

#[test]
fn the_key_has_to_be_that_of_the_leaf() {
    let authority = Authority::new(&factory());
    let id = wfm("wfm-1");
    let [one, two] = [(); 2].map(|()| authority.issue(&id, Lifetime::default()));
    let error = Svid::from_pem(one.chain_pem.as_bytes(), two.key_pem.as_bytes()).unwrap_err();
    assert_eq!(error, InvalidSvid::KeyMismatch { id });
}

#[test]
fn what_is_missing_is_named() {
    let issued = Authority::new(&factory()).issue(&wfm("wfm-1"), Lifetime::default());
    let (chain, key) = (issued.chain_pem.as_bytes(), issued.key_pem.as_bytes());
    let read = |chain, key| Svid::from_pem(chain, key).unwrap_err();
    assert_eq!(read(b"", key), InvalidSvid::NoCertificate);
    assert_eq!(read(key, key), InvalidSvid::NoCertificate);
    assert_eq!(read(chain, b""), InvalidSvid::NoKey);
    assert_eq!(read(chain, chain), InvalidSvid::NoKey);
    assert_eq!(read(&chain[..chain.len() / 2], key), InvalidSvid::NotPem);
    assert_eq!(read(chain, &key[..key.len() / 2]), InvalidSvid::NotPem);
    let other = pem("PRIVATE KEY", b"no key");
    assert_eq!(read(chain, other.as_bytes()), InvalidSvid::UnusableKey);
}

#[test]
fn leaves_that_every_peer_would_refuse_are_refused_at_once() {
    let authority = Authority::new(&factory());
    let issued = authority.issue_with(|params| params.is_ca = IsCa::ExplicitNoCa);
    assert!(Svid::from_pem(issued.chain_pem.as_bytes(), issued.key_pem.as_bytes()).is_ok());
    let issued = authority.issue_tls("wfm.example");
    let error = Svid::from_pem(issued.chain_pem.as_bytes(), issued.key_pem.as_bytes()).unwrap_err();
    assert_eq!(error, InvalidSvid::Profile(SvidError::NoUri));
    assert!(error.source().is_some());
    // an expired one may be that of a machine whose clock is not set yet
    let expired = authority.issue(&wfm("wfm-1"), Lifetime::expired());
    assert!(Svid::from_pem(expired.chain_pem.as_bytes(), expired.key_pem.as_bytes()).is_ok());
}
