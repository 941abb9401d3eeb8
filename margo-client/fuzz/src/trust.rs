//! What a Margo identity service publishes, and files with anchors.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use margo_client::ErrorKind;
use margo_client::trust::{Fetched, Mis, ServerTrust, SpkiPin, read_bundle};
use margo_conformance::authority::{Authority, Lifetime};
use margo_conformance::corpus::input::{parts, replaced};
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use margo_types::read;
use margo_types::svid::Identity;
use margo_types::trust::{DiscoveryDocument, TrustBundle};
use tokio::runtime::Runtime;
use url::Url;

use super::answers::{check, runtime};
use super::server::Server;

/// A trust bundle in a file, or anchors, or a pin.
///
/// A bundle that is taken can be used, and so can anchors.
pub fn bundle(bytes: &[u8]) {
    let service = SERVICE.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = replaced(bytes, "{bundle}", &service.bundle);
    let bytes = replaced(&bytes, "{anchors}", service.anchors.as_bytes());
    match read_bundle(&bytes) {
        Ok(bundle) => service.usable(&bundle),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Setup),
    }
    if let Ok(trust) = ServerTrust::anchors(&bytes)
        && let Err(error) = Mis::new(domain(), &trust)
    {
        assert_eq!(error.kind(), ErrorKind::Setup);
    }
    if let Ok(pin) = SpkiPin::parse(&String::from_utf8_lossy(&bytes)) {
        assert_eq!(SpkiPin::parse(&pin.to_string()).expect("as before"), pin);
    }
}

/// A discovery document, and the answer that has the bundle, from its status line on.
///
/// Without the document the place of the bundle is configured. `{here}` is the address of the service, `{bundle}` a bundle.
///
/// A bundle that is accepted can be used, now and after a restart; anything else is the fault of the service.
pub fn trust(bytes: &[u8]) {
    let service = SERVICE.lock().unwrap_or_else(PoisonError::into_inner);
    let here = service.server.address.as_bytes();
    let bytes = replaced(bytes, "{here}", here);
    let bytes = replaced(&bytes, "{bundle}", &service.bundle);
    let parts = parts(&bytes);
    let (discovery, answer) = match *parts {
        [answer] => (&[][..], answer),
        [discovery, answer, ..] => (discovery, answer),
        [] => return,
    };
    let mut mis = service.mis.clone();
    if !discovery.is_empty() {
        if leads_elsewhere(discovery, &service.url) {
            return;
        }
        let discover = service.url.join("/.well-known/margo").expect("a URL");
        mis = mis.with_discovery(discover).expect("it is https");
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        discovery.len()
    );
    service.server.answer(vec![
        ("/.well-known/", [head.as_bytes(), discovery].concat()),
        ("", answer.to_vec()),
    ]);
    match service.runtime.block_on(mis.fetch(None)) {
        Ok(Fetched::Bundle(fetched)) => {
            service.usable(&fetched.bundle);
            let kept = read_bundle(&fetched.bytes).expect("it is there after a restart");
            assert_eq!(kept, fetched.bundle);
        }
        Ok(other) => panic!("{other:?}: nothing was held"),
        Err(error) => check(&error),
    }
}

/// Whether a discovery document would have the client connect to somebody else, which no test does.
fn leads_elsewhere(discovery: &[u8], here: &Url) -> bool {
    let document = read::<DiscoveryDocument>(discovery).ok();
    let uri = document.and_then(|document| document.value().bundle_uri().ok());
    uri.is_some_and(|uri| uri.origin() != here.origin())
}

struct Service {
    runtime: Runtime,
    server: Server,
    url: Url,
    mis: Mis,
    /// Somebody who trusts a bundle.
    client: Identity,
    bundle: Vec<u8>,
    anchors: String,
}

impl Service {
    fn usable(&self, bundle: &TrustBundle) {
        assert!(bundle.anchors().is_ok_and(|anchors| !anchors.is_empty()));
        self.client
            .replace_bundle(bundle)
            .expect("a bundle that is accepted can be used");
    }
}

static SERVICE: LazyLock<Mutex<Service>> = LazyLock::new(|| {
    let runtime = runtime();
    let (web, authority) = (Authority::new(&domain()), Authority::new(&domain()));
    let server = runtime.block_on(Server::start_public(&web));
    let url: Url = format!("https://{}/bundle", server.address)
        .parse()
        .expect("a URL");
    let trust = ServerTrust::anchors(web.to_pem().0.as_bytes()).expect("anchors");
    let mis = Mis::new(domain(), &trust).expect("a service");
    let name = ClientId::parse("line-4").expect("an id");
    let id = SpiffeId::wfm_client(&domain(), "wfm-1", &name).expect("an id");
    let svid = authority.issue(&id, Lifetime::lasting(Duration::from_hours(24)));
    let client = Identity::new(svid.svid(), &authority.bundle()).expect("an identity");
    let bundle = margo_types::write(&authority.bundle(), margo_types::SpecVersion::Rc3);
    Mutex::new(Service {
        runtime,
        server,
        mis: mis.with_bundle_uri(url.clone()).expect("it is https"),
        url,
        client,
        bundle: bundle.expect("a bundle"),
        anchors: authority.to_pem().0,
    })
});

fn domain() -> TrustDomain {
    TrustDomain::parse("factory.example").expect("a domain")
}
