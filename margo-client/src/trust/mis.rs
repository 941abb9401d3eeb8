//! Discovery and trust-bundle retrieval from a Margo identity service (rc3.md section 7.4).

use std::time::Duration;

use margo_types::etag::EntityTag;
use margo_types::id::TrustDomain;
use margo_types::read;
use margo_types::svid::check_bundle;
use margo_types::trust::{DiscoveryDocument, TrustBundle};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use url::Url;

use super::ServerTrust;
use crate::error::{Error, ErrorKind};
use crate::exchange::{self, Answer, Bounds, misbehaved};

/// The Margo identity service (MIS) of a trust domain.
///
/// It is asked over `https` only, without redirects and proxies, on a new connection every time.
#[derive(Clone, Debug)]
pub struct Mis {
    domain: TrustDomain,
    discovery: Option<Url>,
    bundle: Option<Url>,
    http: reqwest::Client,
}

impl Mis {
    /// The service of this trust domain, one's own, whose server is authenticated like this.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when there are neither anchors nor pins: first use is never trusted (C17).
    pub fn new(domain: TrustDomain, trust: &ServerTrust) -> Result<Self, Error> {
        let http = exchange::client_builder(trust.client_config()?, CONNECT)
            // Every retrieval is authenticated (C21).
            .pool_max_idle_per_host(0)
            .user_agent(concat!("margo-client/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Setup, "HTTPS cannot be set up").because(error)
            })?;
        Ok(Self {
            domain,
            discovery: None,
            bundle: None,
            http,
        })
    }

    /// Learns from here where the bundle is. Of a URL without a path, `/.well-known/margo` is meant.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when the URL is not `https`.
    pub fn with_discovery(mut self, mut url: Url) -> Result<Self, Error> {
        check_https("the discovery URL", &url)?;
        if url.path() == "/" {
            url.set_path(WELL_KNOWN);
        }
        self.discovery = Some(url);
        Ok(self)
    }

    /// Where the bundle is: without discovery, or when there is no discovery document (D66).
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when the URL is not `https`.
    pub fn with_bundle_uri(mut self, url: Url) -> Result<Self, Error> {
        check_https("the trust bundle URI", &url)?;
        self.bundle = Some(url);
        Ok(self)
    }

    /// Fetches the bundle, unless it is still the `held` one.
    ///
    /// # Errors
    /// When no acceptable bundle comes; whatever is trusted so far stays (C19, C20).
    pub async fn fetch(&self, held: Option<&HeldBundle>) -> Result<Fetched, Error> {
        let url = self.bundle_uri().await?;
        let peer = peer("the trust bundle", &url);
        let held = held.filter(|held| held.url == url);
        let mut request = self.http.get(url.clone()).header(ACCEPT, JSON);
        if let Some(held) = held {
            request = request.header(IF_NONE_MATCH, held.tag.to_string());
        }
        let answer = Answer::to(request, &peer, BOUNDS, true).await?;
        match answer.status {
            StatusCode::NOT_MODIFIED if held.is_some() => return Ok(Fetched::Unchanged),
            StatusCode::NOT_MODIFIED => {
                return Err(misbehaved(
                    &peer,
                    "answers 304 to a request that was unconditional",
                ));
            }
            StatusCode::OK => {}
            _ => return Err(answer.refusal(&peer, "the request for the trust bundle")),
        }
        let body = answer.document(&peer, "the trust bundle")?;
        let unacceptable = || {
            misbehaved(
                &peer,
                "is no acceptable bundle; what is trusted so far stays",
            )
        };
        let exact = read::<TrustBundle>(body).map_err(|error| unacceptable().because(error))?;
        check_bundle(exact.value()).map_err(|error| unacceptable().because(error))?;
        let tag = answer
            .header(ETAG)
            .and_then(|tag| EntityTag::parse(tag).ok());
        Ok(Fetched::Bundle(Box::new(FetchedBundle {
            bytes: body.to_vec(),
            bundle: exact.into_value(),
            held: tag.map(|tag| HeldBundle { url, tag }),
        })))
    }

    async fn bundle_uri(&self) -> Result<Url, Error> {
        let configured = || {
            self.bundle.clone().ok_or_else(|| {
                let message = "there is no discovery document and no trust bundle URI is configured; configure one";
                Error::new(ErrorKind::Setup, message)
            })
        };
        let Some(discovery) = &self.discovery else {
            return configured();
        };
        let peer = peer("the discovery document", discovery);
        let request = self.http.get(discovery.clone()).header(ACCEPT, JSON);
        let answer = Answer::to(request, &peer, BOUNDS, true).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND if self.bundle.is_some() => return configured(),
            _ => return Err(answer.refusal(&peer, "the request for the discovery document")),
        }
        let body = answer.document(&peer, "the discovery document")?;
        let document = read::<DiscoveryDocument>(body)
            .map_err(|error| misbehaved(&peer, "is no discovery document").because(error))?
            .into_value();
        if document.trust_domain != self.domain {
            let what = format!(
                "is that of the trust domain {}, not of {}; configure the identity service of this device's domain",
                document.trust_domain, self.domain
            );
            return Err(misbehaved(&peer, what));
        }
        document
            .bundle_uri()
            .map_err(|error| misbehaved(&peer, "leads to no bundle").because(error))
    }
}

/// Which bundle is held, for a conditional request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBundle {
    url: Url,
    tag: EntityTag,
}

/// The outcome of a retrieval.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fetched {
    /// The bundle that is held is current.
    Unchanged,
    /// An acceptable bundle.
    Bundle(Box<FetchedBundle>),
}

/// An acceptable bundle.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchedBundle {
    /// Exactly as it came.
    pub bytes: Vec<u8>,
    /// What it says.
    pub bundle: TrustBundle,
    /// For the next conditional request; `None` when it has no entity tag.
    pub held: Option<HeldBundle>,
}

fn check_https(what: &str, url: &Url) -> Result<(), Error> {
    if url.scheme() == "https" && url.host_str().is_some() {
        return Ok(());
    }
    let message = format!("{what}, {url}, is not https; trust never comes over anything else");
    Err(Error::new(ErrorKind::Setup, message))
}

/// The server, for messages.
fn peer(what: &str, url: &Url) -> String {
    format!(
        "{what} at {}{}",
        url.origin().ascii_serialization(),
        url.path()
    )
}

const WELL_KNOWN: &str = "/.well-known/margo";
const JSON: &str = "application/json";
const CONNECT: Duration = Duration::from_secs(10);
const BOUNDS: Bounds = Bounds {
    idle: Duration::from_secs(30),
    total: Duration::from_mins(1),
    bytes: 1 << 20,
};
