//! The authority: what it issues verifies with an ordinary verifier, and what it spoils does not.

use std::sync::Arc;

use margo_conformance::authority::{Authority, IssuedSvid, Lifetime};
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;

#[test]
fn leaves_chain_to_the_anchor() {
    let root = Authority::new(&domain());
    let intermediate = root.intermediate("plant 1").intermediate("line 7");
    assert_eq!(intermediate.anchor(), root.anchor());

    for (authority, length) in [(&root, 1), (&intermediate, 3)] {
        let issued = authority.issue(&client(), Lifetime::default());
        assert_eq!(issued.certificates().len(), length);
        verify(&issued, &root).unwrap();
        verify(&issued, &Authority::new(&domain())).unwrap_err();
    }
}

#[test]
fn lifetimes_are_in_the_certificate() {
    let root = Authority::new(&domain());
    for lifetime in [Lifetime::expired(), Lifetime::future()] {
        verify(&root.issue(&client(), lifetime), &root).unwrap_err();
    }
}

#[test]
fn root_survives_its_files() {
    let root = Authority::new(&domain());
    let (certificate, key) = root.to_pem();
    let again = Authority::from_pem(&domain(), &certificate, &key).unwrap();

    assert_eq!(again.anchor(), root.anchor());
    verify(&again.issue(&client(), Lifetime::default()), &root).unwrap();
    let intermediate = again.intermediate("later");
    verify(&intermediate.issue(&client(), Lifetime::default()), &root).unwrap();

    Authority::from_pem(&domain(), &key, &key).unwrap_err();
    Authority::from_pem(&domain(), &certificate, &certificate).unwrap_err();
}

#[test]
fn bundle_holds_the_root() {
    let root = Authority::new(&domain());
    let bundle = root.intermediate("plant 1").bundle();
    assert_eq!(bundle.anchors().unwrap(), [root.anchor()]);
}

#[test]
fn keys_are_not_printed() {
    let root = Authority::new(&domain());
    let issued = root.issue(&client(), Lifetime::default());
    for printed in [format!("{root:?}"), format!("{issued:?}")] {
        assert!(!printed.contains("PRIVATE"), "{printed}");
    }
}

fn verify(issued: &IssuedSvid, root: &Authority) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(root.anchor().into_der()))
        .unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), default_provider().into())
            .build()
            .unwrap();
    let chain = issued.certificates();
    let (leaf, intermediates) = chain.split_first().unwrap();
    verifier.verify_client_cert(leaf, intermediates, UnixTime::now())?;
    Ok(())
}

fn domain() -> TrustDomain {
    TrustDomain::parse("plant.example").unwrap()
}

fn client() -> SpiffeId {
    let client = ClientId::parse("client-1").unwrap();
    SpiffeId::wfm_client(&domain(), "wfm-1", &client).unwrap()
}
