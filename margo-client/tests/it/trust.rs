//! Trust bundles over HTTPS.

mod keeper;
mod retrieval;
mod server;

use margo_client::Error;
use margo_client::trust::{Mis, ServerTrust, SpkiPin};
use margo_conformance::authority::{Authority, IssuedSvid};
use margo_types::SpecVersion;
use margo_types::id::TrustDomain;
use margo_types::trust::TrustBundle;
use rustls_pki_types::CertificateDer;
use url::Url;

use crate::server::{Reply, Seen, Server, plain_tls};

/// The PKI of the web server, and the trust domain whose bundle it serves.
struct Scene {
    web: Authority,
    domain: Authority,
}

impl Scene {
    fn new() -> Self {
        Self {
            web: Authority::new(&TrustDomain::parse("web.example").expect("a domain")),
            domain: Authority::new(&domain()),
        }
    }

    async fn server(&self, answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
        Server::start(plain_tls(&self.web.issue_tls("127.0.0.1")), answer).await
    }

    fn mis(&self) -> Mis {
        let trust = ServerTrust::anchors(self.web.to_pem().0.as_bytes()).expect("anchors");
        Mis::new(domain(), &trust).expect("a service")
    }
}

fn domain() -> TrustDomain {
    TrustDomain::parse("factory.example").expect("a domain")
}

fn url(server: &Server, path: &str) -> Url {
    format!("https://{}{path}", server.address())
        .parse()
        .expect("a URL")
}

/// A bundle as it is sent, with this hint in seconds.
fn bundle(authority: &Authority, hint: Option<u64>) -> Vec<u8> {
    let mut bundle = authority.bundle();
    bundle.spiffe_refresh_hint = hint;
    margo_types::write::<TrustBundle>(&bundle, SpecVersion::Rc3).expect("a bundle")
}

pub(crate) fn pin(certificate: &CertificateDer<'_>) -> SpkiPin {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let (_, parsed) = X509Certificate::from_der(certificate).expect("a certificate");
    let digest = margo_types::Digest::of(parsed.public_key().raw);
    let text = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(digest.as_bytes())
    };
    SpkiPin::parse(&text).expect("a pin")
}

fn leaf(certificate: &IssuedSvid) -> CertificateDer<'static> {
    certificate.certificates().remove(0)
}

fn told(error: &Error) -> String {
    let source = std::error::Error::source(error);
    format!(
        "{error}: {}",
        source.map(ToString::to_string).unwrap_or_default()
    )
}
