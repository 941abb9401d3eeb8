//! Behind a proxy that ends the TLS connections of devices (RFC 9440; rc3.md section 7.6, C15, ambiguities 72 and 73), or
//! that devices know by another name (RFC 7239).

mod forwarded;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use http::{Extensions, HeaderMap, HeaderName, Request};
use jiff::Timestamp;
use margo_types::Digest;
use margo_types::id::TrustDomain;
use margo_types::svid::{PeerSvid, SvidError, verify};
use margo_types::trust::{Anchor, TrustBundle, TrustBundleError};
use rustls_pki_types::CertificateDer;
use sfv::{BareItem, Item, List, ListEntry, Parser};
use tower_service::Service;

pub use self::forwarded::{ForwardedOrigin, Origin};

/// Takes the certificate of a device from the headers `Client-Cert` and `Client-Cert-Chain`, if a trusted proxy has
/// written them, and hands on the [`PeerSvid`] that it proves in the extensions of the request.
///
/// The proxy is trusted to write the headers, not to have understood the certificate: it is verified again, against the
/// anchors that are current. That needs the intermediates, which come in `Client-Cert-Chain`. The same headers are not
/// verified twice, until a certificate expires or the bundle is replaced.
///
/// The headers never get through to the inner service. From anybody but a trusted proxy they say nothing, and what a
/// direct connection has proved stays. A request of a trusted proxy without a valid certificate goes on without a
/// [`PeerSvid`], also when the proxy itself has one: a proxy is no client. A
/// [`FleetService`](crate::FleetService) refuses it with 403 then.
///
/// The proxy in turn has to remove both headers from what it receives (RFC 9440 section 4). Who is a trusted proxy is for
/// the caller to say, by what its server puts into the extensions of a request:
///
/// ```
/// use std::net::{IpAddr, SocketAddr};
///
/// use margo_server_traits::FleetService;
/// use margo_server_traits::proxy::ClientCertHeader;
/// use margo_types::id::TrustDomain;
/// use margo_types::trust::{TrustBundle, TrustBundleError};
///
/// fn behind_proxy(
///     fleet: FleetService,
///     domain: TrustDomain,
///     bundle: &TrustBundle,
///     proxies: Vec<IpAddr>,
/// ) -> Result<ClientCertHeader<FleetService>, TrustBundleError> {
///     ClientCertHeader::new(fleet, domain, bundle, move |extensions| {
///         let peer = extensions.get::<SocketAddr>();
///         peer.is_some_and(|peer| proxies.contains(&peer.ip()))
///     })
/// }
/// ```
#[derive(Clone)]
pub struct ClientCertHeader<S> {
    inner: S,
    shared: Arc<Shared>,
}

struct Shared {
    domain: TrustDomain,
    trusted: ArcSwap<Trusted>,
    is_trusted_proxy: Box<dyn Fn(&Extensions) -> bool + Send + Sync>,
}

impl<S> ClientCertHeader<S> {
    /// Wraps a service; `is_trusted_proxy` looks at what the server knows about the connection of a request.
    ///
    /// # Errors
    /// When the bundle has no anchors (fail closed).
    pub fn new(
        inner: S,
        domain: TrustDomain,
        bundle: &TrustBundle,
        is_trusted_proxy: impl Fn(&Extensions) -> bool + Send + Sync + 'static,
    ) -> Result<Self, TrustBundleError> {
        let trusted = ArcSwap::from_pointee(Trusted::new(bundle.anchors()?));
        Ok(Self {
            inner,
            shared: Arc::new(Shared {
                domain,
                trusted,
                is_trusted_proxy: Box::new(is_trusted_proxy),
            }),
        })
    }

    /// Trusts the anchors of this bundle, and no others, from the next request on. Clones do the same.
    ///
    /// # Errors
    /// When it has none. The old ones stay then.
    pub fn replace_bundle(&self, bundle: &TrustBundle) -> Result<(), TrustBundleError> {
        let trusted = Trusted::new(bundle.anchors()?);
        self.shared.trusted.store(Arc::new(trusted));
        Ok(())
    }
}

impl<S, B> Service<Request<B>> for ClientCertHeader<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let forwarded = Forwarded::take(request.headers_mut());
        if (self.shared.is_trusted_proxy)(request.extensions()) {
            let extensions = request.extensions_mut();
            extensions.remove::<PeerSvid>();
            match self.shared.verify(&forwarded) {
                Ok(peer) => {
                    extensions.insert(peer);
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(
                        error,
                        "a trusted proxy sent a request that proves no identity"
                    );
                }
            }
        } else if !forwarded.is_empty() {
            tracing::warn!("somebody who is no trusted proxy sent Client-Cert; removed it");
        }
        self.inner.call(request)
    }
}

impl<S: fmt::Debug> fmt::Debug for ClientCertHeader<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("ClientCertHeader")
            .field("inner", &self.inner)
            .field("domain", &self.shared.domain)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn verify(&self, forwarded: &Forwarded) -> Result<PeerSvid, NotProved> {
        let (trusted, now, key) = (self.trusted.load(), Timestamp::now(), forwarded.digest());
        if let Some(peer) = trusted.proved(&key, now) {
            return Ok(peer);
        }
        let peer = verify(&forwarded.chain()?, &self.domain, &trusted.anchors, now)?;
        trusted.note(key, peer.clone());
        Ok(peer)
    }
}

/// The anchors of a bundle, and what they have proved: a device sends the same certificates with every request.
struct Trusted {
    anchors: Vec<Anchor>,
    /// By the digest of the headers.
    proofs: Mutex<HashMap<Digest, PeerSvid>>,
}

impl Trusted {
    fn new(anchors: Vec<Anchor>) -> Self {
        Self {
            anchors,
            proofs: Mutex::default(),
        }
    }

    fn proved(&self, key: &Digest, now: Timestamp) -> Option<PeerSvid> {
        let proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = proofs.get(key)?;
        (now <= peer.not_after()).then(|| peer.clone())
    }

    fn note(&self, key: Digest, peer: PeerSvid) {
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        if proofs.len() >= MAX_PROOFS {
            // Renewed SVIDs leave old ones behind; those that are in use come back with their next request.
            proofs.clear();
        }
        proofs.insert(key, peer);
    }
}

/// The two headers of a request, as they came.
struct Forwarded {
    leaf: Vec<Vec<u8>>,
    others: Vec<Vec<u8>>,
}

impl Forwarded {
    /// Takes the headers out of a request.
    fn take(headers: &mut HeaderMap) -> Self {
        let leaf = lines(headers, &CLIENT_CERT);
        let others = lines(headers, &CLIENT_CERT_CHAIN);
        headers.remove(&CLIENT_CERT);
        headers.remove(&CLIENT_CERT_CHAIN);
        Self { leaf, others }
    }

    fn is_empty(&self) -> bool {
        self.leaf.is_empty() && self.others.is_empty()
    }

    /// Names the headers, line by line.
    fn digest(&self) -> Digest {
        let mut text = Vec::new();
        for lines in [&self.leaf, &self.others] {
            for line in lines {
                text.extend_from_slice(line);
                // No header has one, nor the one below; and a line may be empty.
                text.push(b'\n');
            }
            text.push(b'\r');
        }
        Digest::of(&text)
    }

    /// The certificates, leaf first.
    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, NotProved> {
        let [leaf] = &*self.leaf else {
            return Err(match self.leaf.len() {
                0 => NotProved::NoHeader,
                _ => NotProved::TwoHeaders,
            });
        };
        let leaf: Item = parse(leaf, "Client-Cert")?;
        let mut chain = vec![certificate(leaf, "Client-Cert")?];
        if !self.others.is_empty() {
            let name = "Client-Cert-Chain";
            // The lines of a list are one list (RFC 9651 section 4.2).
            let others: List = parse(&self.others.join(&b", "[..]), name)?;
            if others.len() > MAX_INTERMEDIATES {
                return Err(NotProved::TooLong);
            }
            for entry in others {
                let ListEntry::Item(item) = entry else {
                    return Err(NotProved::Malformed { name });
                };
                chain.push(certificate(item, name)?);
            }
        }
        Ok(chain)
    }
}

/// Why a request of a trusted proxy proves nothing about a device.
#[derive(Debug, thiserror::Error)]
enum NotProved {
    #[error("the header Client-Cert is missing; configure the proxy to send it")]
    NoHeader,
    #[error("there is more than one header Client-Cert; configure the proxy to overwrite it")]
    TwoHeaders,
    #[error("the header {name} is not as RFC 9440 has it: DER in base64 between colons")]
    Malformed { name: &'static str },
    #[error("the header Client-Cert-Chain has more than {MAX_INTERMEDIATES} certificates")]
    TooLong,
    #[error("the certificate is no SVID of this trust domain")]
    Svid(#[from] SvidError),
}

fn lines(headers: &HeaderMap, name: &HeaderName) -> Vec<Vec<u8>> {
    let lines = headers.get_all(name).iter();
    lines.map(|line| line.as_bytes().to_vec()).collect()
}

fn parse<T: sfv::FieldType>(value: &[u8], name: &'static str) -> Result<T, NotProved> {
    Parser::new(value)
        .parse()
        .map_err(|_| NotProved::Malformed { name })
}

fn certificate(item: Item, name: &'static str) -> Result<CertificateDer<'static>, NotProved> {
    match item.bare_item {
        BareItem::ByteSequence(der) => Ok(der.into()),
        _ => Err(NotProved::Malformed { name }),
    }
}

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
/// More than any chain of a trust domain has.
const MAX_INTERMEDIATES: usize = 8;
/// Enough for the devices of a large fleet; some 10 MB.
const MAX_PROOFS: usize = 32_768;

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use margo_types::id::SpiffeId;
    use margo_types::svid::danger::assume_verified;

    use super::*;

    fn peer(not_after: Timestamp) -> PeerSvid {
        let id = SpiffeId::parse("spiffe://factory.example/margo/wfm/plant-1/client/press-1");
        assume_verified(id.unwrap(), not_after)
    }

    #[test]
    fn a_proof_ends_with_the_svid() {
        let (trusted, end) = (Trusted::new(Vec::new()), Timestamp::UNIX_EPOCH);
        let key = Digest::of(b"a chain");
        assert_eq!(trusted.proved(&key, end), None);
        trusted.note(key, peer(end));
        assert_eq!(trusted.proved(&key, end), Some(peer(end)));
        assert_eq!(trusted.proved(&Digest::of(b"another"), end), None);
        let later = end + SignedDuration::from_secs(1);
        assert_eq!(trusted.proved(&key, later), None);
    }

    #[test]
    fn proofs_are_bounded() {
        let trusted = Trusted::new(Vec::new());
        for number in 0..=MAX_PROOFS {
            let key = Digest::of(number.to_string().as_bytes());
            trusted.note(key, peer(Timestamp::MAX));
        }
        assert!(trusted.proofs.lock().unwrap().len() <= MAX_PROOFS);
    }

    #[test]
    fn headers_are_named_line_by_line() {
        let forwarded = |leaf: &[&str], others: &[&str]| {
            let lines = |lines: &[&str]| lines.iter().map(|it| it.as_bytes().to_vec()).collect();
            let (leaf, others) = (lines(leaf), lines(others));
            Forwarded { leaf, others }.digest()
        };
        let names = [
            forwarded(&["a"], &["b"]),
            forwarded(&["a", "b"], &[]),
            forwarded(&["a"], &[]),
            forwarded(&["ab"], &[]),
            forwarded(&["a", ""], &[]),
            forwarded(&["a"], &[""]),
            forwarded(&[], &["a", "b"]),
        ];
        for (position, name) in names.iter().enumerate() {
            assert!(!names[..position].contains(name), "{position}");
        }
    }
}
