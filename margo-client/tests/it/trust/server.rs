//! Whom a device takes for the identity service.

use margo_client::ErrorKind;
use margo_client::trust::{Fetched, Mis, ServerTrust, SpkiPin};
use margo_conformance::authority::{Authority, IssuedSvid};
use margo_types::id::TrustDomain;
use rustls_pki_types::CertificateDer;

use super::{bundle, domain, leaf, pin, told, url};
use crate::server::{Reply, Server, tls_with};

struct Pki {
    root: Authority,
    intermediate: Authority,
    server: IssuedSvid,
}

impl Pki {
    fn new(name: &str) -> Self {
        let root = Authority::new(&TrustDomain::parse("web.example").expect("a domain"));
        let intermediate = root.intermediate("web intermediate");
        let server = intermediate.issue_tls(name);
        Self {
            root,
            intermediate,
            server,
        }
    }

    fn root_certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from(self.root.anchor().into_der())
    }

    fn intermediate_certificate(&self) -> CertificateDer<'static> {
        self.server.certificates().remove(1)
    }

    fn anchors(&self) -> ServerTrust {
        ServerTrust::anchors(self.root.to_pem().0.as_bytes()).expect("anchors")
    }

    /// Fetches a bundle from a server that presents `chain`; the text of the error when that is refused.
    async fn fetch(
        &self,
        chain: Vec<CertificateDer<'static>>,
        trust: &ServerTrust,
    ) -> Result<(), String> {
        let body = bundle(&Authority::new(&domain()), None);
        let tls = tls_with(chain, &self.server);
        let server = Server::start(tls, move |_| Reply::new(200, body.clone())).await;
        let mis = Mis::new(domain(), trust).expect("a service");
        let mis = mis.with_bundle_uri(url(&server, "/bundle")).expect("a URL");
        match mis.fetch(None).await {
            Ok(fetched) => {
                assert!(matches!(fetched, Fetched::Bundle(_)));
                Ok(())
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Untrusted, "{}", told(&error));
                assert!(server.seen().is_empty(), "nothing was asked");
                Err(told(&error))
            }
        }
    }
}

fn refused(outcome: Result<(), String>, expected: &str) {
    let text = outcome.expect_err(expected);
    assert!(text.contains(expected), "{text}");
}

#[tokio::test]
async fn anchors_of_a_pki_want_chain_and_name() {
    let pki = Pki::new("127.0.0.1");
    let chain = pki.server.certificates();
    assert_eq!(pki.fetch(chain.clone(), &pki.anchors()).await, Ok(()));
    refused(
        pki.fetch(vec![leaf(&pki.server)], &pki.anchors()).await,
        "authority that is not trusted",
    );
    refused(
        pki.fetch(chain, &Pki::new("127.0.0.1").anchors()).await,
        "authority that is not trusted",
    );
    let elsewhere = Pki::new("mis.example");
    refused(
        elsewhere
            .fetch(elsewhere.server.certificates(), &elsewhere.anchors())
            .await,
        "another name",
    );
}

#[tokio::test]
async fn a_pin_may_be_anywhere_in_the_chain() {
    // Reached by its address, the name does not matter.
    let pki = Pki::new("mis.example");
    let mut chain = pki.server.certificates();
    for pinned in [leaf(&pki.server), pki.intermediate_certificate()] {
        assert_eq!(
            pki.fetch(chain.clone(), &ServerTrust::pins([pin(&pinned)]))
                .await,
            Ok(())
        );
    }
    let root = ServerTrust::pins([pin(&pki.root_certificate())]);
    refused(pki.fetch(chain.clone(), &root).await, "is pinned");
    chain.push(pki.root_certificate());
    assert_eq!(
        pki.fetch(chain.clone(), &root).await,
        Ok(()),
        "it is presented"
    );
    // one of several suffices, as while keys are changed
    let other = pin(&leaf(&Pki::new("mis.example").server));
    let both = ServerTrust::pins([other, pin(&leaf(&pki.server))]);
    assert_eq!(pki.fetch(chain.clone(), &both).await, Ok(()));
    refused(
        pki.fetch(chain, &ServerTrust::pins([other])).await,
        "is pinned",
    );
}

#[tokio::test]
async fn a_pinned_certificate_that_does_not_vouch_for_the_leaf_is_nothing() {
    let pki = Pki::new("mis.example");
    let stranger = Pki::new("mis.example");
    // The stranger shows the pinned certificate beside its own.
    let chain = vec![
        leaf(&stranger.server),
        pki.intermediate_certificate(),
        pki.root_certificate(),
    ];
    let trust = ServerTrust::pins([
        pin(&pki.root_certificate()),
        pin(&pki.intermediate_certificate()),
    ]);
    assert!(stranger.fetch(chain, &trust).await.is_err());
}

#[tokio::test]
async fn anchors_and_pins_both_have_to_hold() {
    let pki = Pki::new("127.0.0.1");
    let chain = pki.server.certificates();
    for pinned in [
        leaf(&pki.server),
        pki.intermediate_certificate(),
        pki.root_certificate(),
    ] {
        let trust = pki.anchors().and_pins([pin(&pinned)]);
        assert_eq!(pki.fetch(chain.clone(), &trust).await, Ok(()));
    }
    let stranger = Pki::new("127.0.0.1");
    let trust = pki.anchors().and_pins([pin(&leaf(&stranger.server))]);
    assert!(
        pki.fetch(chain.clone(), &trust).await.is_err(),
        "not the pin"
    );
    let trust = stranger.anchors().and_pins([pin(&leaf(&pki.server))]);
    assert!(pki.fetch(chain, &trust).await.is_err(), "not the anchor");
}

#[tokio::test]
async fn expired_certificates_are_refused_even_when_pinned() {
    let mut pki = Pki::new("mis.example");
    pki.server = pki.intermediate.issue_with(|params| {
        params.not_after = params.not_before;
    });
    let chain = pki.server.certificates();
    refused(
        pki.fetch(chain, &ServerTrust::pins([pin(&leaf(&pki.server))]))
            .await,
        "expired",
    );
}

#[test]
fn nothing_is_trusted_because_it_came_first() {
    for trust in [ServerTrust::default(), ServerTrust::pins([])] {
        let error = Mis::new(domain(), &trust).expect_err("no trust");
        assert_eq!(error.kind(), ErrorKind::Setup);
        assert!(error.to_string().contains("pins"), "{error}");
    }
}

#[test]
fn pins_are_read_as_they_are_commonly_written() {
    let text = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let pin = SpkiPin::parse(text).expect("a pin");
    assert_eq!(pin.to_string(), text);
    assert_eq!(
        SpkiPin::parse(&format!(" sha256/{text}\n")).expect("a pin"),
        pin
    );
    for text in [
        "",
        "47DEQpj8",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "?",
    ] {
        let error = SpkiPin::parse(text).expect_err(text);
        assert!(error.to_string().contains("44 characters"), "{error}");
    }
}
