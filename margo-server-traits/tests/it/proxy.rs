//! `Client-Cert` of a proxy.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Request};
use margo_conformance::authority::{Authority, Lifetime};
use margo_server_traits::proxy::ClientCertHeader;
use margo_types::id::{SpiffeId, TrustDomain};
use margo_types::svid::PeerSvid;
use margo_types::trust::TrustBundle;
use rustls_pki_types::CertificateDer;
use tower_service::Service;

use crate::exchange::client;

const CLIENT: &str = "spiffe://factory.example/margo/wfm/plant-1/client/press-1";
const HOUR: Duration = Duration::from_hours(1);
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

/// What gets through to the inner service.
struct Through {
    headers: HeaderMap,
    peer: Option<PeerSvid>,
}

/// A service behind the proxy.
struct Behind {
    authority: Authority,
    service: ClientCertHeader<Inner>,
}

impl Behind {
    fn new() -> Self {
        let domain = TrustDomain::parse("factory.example").unwrap();
        let authority = Authority::new(&domain);
        let service = ClientCertHeader::new(Inner, domain, &authority.bundle(), |extensions| {
            extensions.get::<IpAddr>() == Some(&PROXY)
        });
        Self {
            service: service.unwrap(),
            authority,
        }
    }

    fn issue(&self, lifetime: Lifetime) -> Vec<CertificateDer<'static>> {
        let id = SpiffeId::parse(CLIENT).unwrap();
        self.authority.issue(&id, lifetime).certificates()
    }

    /// What gets through of a request with these headers, from this address.
    async fn send(&self, from: IpAddr, headers: &[(&'static str, String)]) -> Through {
        self.send_as(from, None, headers).await
    }

    async fn send_as(
        &self,
        from: IpAddr,
        peer: Option<PeerSvid>,
        headers: &[(&'static str, String)],
    ) -> Through {
        let mut request = Request::new(());
        request.extensions_mut().insert(from);
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let through = self.service.clone().call(request).await.unwrap();
        for name in ["client-cert", "client-cert-chain"] {
            assert!(!through.headers.contains_key(name), "{name} got through");
        }
        through
    }
}

fn byte_sequence(der: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(der))
}

fn leaf(chain: &[CertificateDer<'_>]) -> (&'static str, String) {
    ("client-cert", byte_sequence(&chain[0]))
}

#[tokio::test]
async fn certificate_of_a_trusted_proxy_proves_who_calls() {
    let behind = Behind::new();
    let chain = behind.issue(Lifetime::lasting(HOUR));
    let through = behind.send(PROXY, &[leaf(&chain)]).await;
    assert_eq!(through.id().as_deref(), Some(CLIENT));
}

#[tokio::test]
async fn intermediates_come_in_the_chain_header() {
    let behind = Behind::new();
    let intermediate = behind.authority.intermediate("line 4");
    let id = SpiffeId::parse(CLIENT).unwrap();
    let issued = intermediate.issue(&id, Lifetime::lasting(HOUR));
    let chain = issued.certificates();
    assert!(chain.len() > 1);
    let through = behind.send(PROXY, &[leaf(&chain)]).await;
    assert_eq!(through.id(), None);

    let others: Vec<_> = chain[1..].iter().map(|der| byte_sequence(der)).collect();
    let others = ("client-cert-chain", others.join(", "));
    let through = behind.send(PROXY, &[leaf(&chain), others]).await;
    assert_eq!(through.id().as_deref(), Some(CLIENT));
}

#[tokio::test]
async fn headers_of_anybody_else_are_removed_and_prove_nothing() {
    let behind = Behind::new();
    let headers = [leaf(&behind.issue(Lifetime::lasting(HOUR)))];
    assert_eq!(behind.send(STRANGER, &headers).await.id(), None);
    // What a connection has proved by itself stays.
    let direct = client("press-2");
    let through = behind
        .send_as(STRANGER, Some(direct.clone()), &headers)
        .await;
    assert_eq!(through.peer, Some(direct));
}

#[tokio::test]
async fn certificate_is_verified_again() {
    let behind = Behind::new();
    let expired = behind.issue(Lifetime::expired());
    assert_eq!(behind.send(PROXY, &[leaf(&expired)]).await.id(), None);
    let stranger = Behind::new();
    let strange = stranger.issue(Lifetime::lasting(HOUR));
    assert_eq!(behind.send(PROXY, &[leaf(&strange)]).await.id(), None);

    let chain = behind.issue(Lifetime::lasting(HOUR));
    for _ in 0..2 {
        let through = behind.send(PROXY, &[leaf(&chain)]).await;
        assert_eq!(through.id().as_deref(), Some(CLIENT));
    }
    let bundle = stranger.authority.bundle();
    behind.service.replace_bundle(&bundle).unwrap();
    assert_eq!(behind.send(PROXY, &[leaf(&chain)]).await.id(), None);
}

#[tokio::test]
async fn what_is_not_the_one_right_header_proves_nothing() {
    let behind = Behind::new();
    let chain = behind.issue(Lifetime::lasting(HOUR));
    let good = leaf(&chain);
    let ill_formed = |value: &str| vec![("client-cert", value.to_owned())];
    let cases = [
        vec![],
        vec![good.clone(), good.clone()],
        vec![("client-cert", format!("{}, {}", good.1, good.1))],
        ill_formed(""),
        ill_formed("::"),
        ill_formed("garbage"),
        ill_formed(&STANDARD.encode(&chain[0])),
        ill_formed("-----BEGIN CERTIFICATE-----"),
        vec![good.clone(), ("client-cert-chain", "garbage".to_owned())],
        vec![good.clone(), ("client-cert-chain", "(:AAAA:)".to_owned())],
        vec![good.clone(), ("client-cert-chain", [":AAAA:"; 9].join(","))],
        vec![("client-cert-chain", good.1.clone())],
    ];
    for headers in cases {
        // The proxy's own identity is not that of the device.
        let own = Some(client("proxy"));
        let through = behind.send_as(PROXY, own, &headers).await;
        assert_eq!(through.id(), None, "{headers:?}");
    }
}

#[test]
fn nothing_is_trusted_without_anchors() {
    let domain = TrustDomain::parse("factory.example").unwrap();
    let empty: TrustBundle = serde_json::from_str(r#"{"keys":[]}"#).unwrap();
    assert!(ClientCertHeader::new(Inner, domain, &empty, |_| true).is_err());
    let behind = Behind::new();
    assert!(behind.service.replace_bundle(&empty).is_err());
}

/// Says what it gets.
#[derive(Clone, Debug)]
struct Inner;

impl Service<Request<()>> for Inner {
    type Response = Through;
    type Error = Infallible;
    type Future = Ready<Result<Through, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        ready(Ok(Through {
            peer: request.extensions().get().cloned(),
            headers: request.headers().clone(),
        }))
    }
}

impl Through {
    fn id(&self) -> Option<String> {
        self.peer.as_ref().map(|peer| peer.id().to_string())
    }
}
