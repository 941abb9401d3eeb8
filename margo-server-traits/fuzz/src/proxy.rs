//! `Client-Cert` and `Client-Cert-Chain`, as a proxy or somebody else sends them.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Request};
use margo_conformance::authority::{Authority, Lifetime};
use margo_conformance::corpus::input::{line, replaced};
use margo_server_traits::proxy::ClientCertHeader;
use margo_types::id::SpiffeId;
use margo_types::svid::PeerSvid;
use tower_service::Service;

use super::plant::{contains, domain, id, peer, runtime};

/// Who sends the request (`proxy`, `proxy press-2` with an SVID of its own, `stranger`, `stranger press-2`), and headers.
///
/// `{leaf}` stands for the base64 of the certificate of a client, `{behind}` for that of one below the intermediate
/// `{intermediate}`, `{over}` for one that has expired, and `{forged}` for one of another authority.
///
/// Only a proxy proves anything with them, and only who a certificate of the authority names; the headers never get through.
pub fn proxy(bytes: &[u8]) {
    let plant = PLANT.lock().unwrap_or_else(PoisonError::into_inner);
    let filled = plant
        .names
        .iter()
        .fold(bytes.to_vec(), |bytes, (name, by)| {
            replaced(&bytes, name, by.as_bytes())
        });
    let (sender, mut rest) = line(&filled);
    let mut request = Request::new(());
    let is_proxy = sender.starts_with("proxy");
    request.extensions_mut().insert(Sender { is_proxy });
    let own = sender
        .ends_with(" press-2")
        .then(|| peer("plant-1", "press-2"));
    if let Some(own) = &own {
        request.extensions_mut().insert(own.clone());
    }
    let mut leaves = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (header, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.get(1..).unwrap_or_default();
        let mut halves = header.splitn(2, |byte| *byte == b':');
        let (name, value) = (halves.next(), halves.next().unwrap_or_default());
        let name = name.and_then(|name| HeaderName::from_bytes(name).ok());
        if let (Some(name), Ok(value)) = (name, HeaderValue::from_bytes(value.trim_ascii())) {
            if name == "client-cert" {
                leaves.push(value.as_bytes().to_vec());
            }
            request.headers_mut().append(name, value);
        }
    }
    let mut service = plant.service.clone();
    let through = runtime().block_on(service.call(request));
    let through = through.unwrap_or_else(|never| match never {});
    for name in ["client-cert", "client-cert-chain"] {
        assert!(!through.headers().contains_key(name), "{name} got through");
    }
    let found = through.extensions().get::<PeerSvid>();
    if !is_proxy {
        assert_eq!(found, own.as_ref(), "somebody else proves something");
    } else if let Some(found) = found {
        assert_eq!(found.id().as_str(), CLIENT);
        let [leaf] = &*leaves else {
            panic!("one certificate was proved by {} headers", leaves.len());
        };
        let issued = ["{leaf}", "{behind}"].map(|name| plant.base64(name));
        assert!(
            issued.iter().any(|it| contains(leaf, it)),
            "a certificate that nobody issued"
        );
    }
}

/// What a server knows about the connection.
#[derive(Clone, Copy)]
struct Sender {
    is_proxy: bool,
}

struct Plant {
    service: ClientCertHeader<Inner>,
    names: Vec<(&'static str, String)>,
}

impl Plant {
    fn base64(&self, name: &str) -> &str {
        let mut names = self.names.iter();
        names
            .find(|(known, _)| *known == name)
            .map_or("", |(_, text)| text)
    }
}

static PLANT: LazyLock<Mutex<Plant>> = LazyLock::new(|| {
    let authority = Authority::new(&domain());
    let intermediate = authority.intermediate("line 4");
    let client = SpiffeId::wfm_client(&domain(), "plant-1", &id("press-1")).expect("an id");
    let year = Lifetime::lasting(Duration::from_hours(365 * 24));
    let leaf = authority.issue(&client, year).certificates();
    let behind = intermediate.issue(&client, year).certificates();
    let over = authority.issue(&client, Lifetime::expired()).certificates();
    let forged = Authority::new(&domain())
        .issue(&client, year)
        .certificates();
    let names = [
        ("{leaf}", &leaf[0]),
        ("{behind}", &behind[0]),
        ("{intermediate}", &behind[1]),
        ("{over}", &over[0]),
        ("{forged}", &forged[0]),
    ];
    let service = ClientCertHeader::new(Inner, domain(), &authority.bundle(), |extensions| {
        extensions
            .get::<Sender>()
            .is_some_and(|sender| sender.is_proxy)
    });
    Mutex::new(Plant {
        service: service.expect("a bundle"),
        names: names.map(|(name, der)| (name, STANDARD.encode(der))).into(),
    })
});

/// Gives back what it gets.
#[derive(Clone)]
struct Inner;

impl Service<Request<()>> for Inner {
    type Response = Request<()>;
    type Error = Infallible;
    type Future = Ready<Result<Request<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        ready(Ok(request))
    }
}

const CLIENT: &str = "spiffe://factory.example/margo/wfm/plant-1/client/press-1";
