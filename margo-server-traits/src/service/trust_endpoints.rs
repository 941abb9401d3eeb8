//! The two trust endpoints (rc3.md section 7.4): the role of an issuer, small enough to be had beside a fleet manager.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use margo_types::endpoint::{Route, match_path};
use margo_types::trust::{DiscoveryDocument, TrustBundle};
use margo_types::{Digest, Document, SpecVersion, WriteError, write};
use tower_service::Service;

use super::call::{Condition, negotiate};
use super::refusal::Refusal;
use super::{ResponseBody, ServiceOptions, answer};

/// Serves a discovery document at `/.well-known/margo` and a trust bundle at `/.well-known/spiffe/bundle.json`. Clones
/// share both.
///
/// Whoever asks is not known yet and gets it: this service belongs on plain HTTPS with a certificate that devices were
/// told to trust (C17, C25), never on the listener of a [`FleetService`](super::FleetService).
#[derive(Clone, Debug)]
pub struct TrustEndpoints {
    discovery: Option<Content>,
    bundle: Arc<ArcSwap<Content>>,
}

impl TrustEndpoints {
    /// Serves this bundle.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn new(bundle: &TrustBundle) -> Result<Self, WriteError> {
        Ok(Self {
            discovery: None,
            bundle: Arc::new(ArcSwap::from_pointee(Content::of(bundle)?)),
        })
    }

    /// Also serves this discovery document; without one, clients use the bundle's URL from their configuration.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn with_discovery(self, discovery: &DiscoveryDocument) -> Result<Self, WriteError> {
        Ok(Self {
            discovery: Some(Content::of(discovery)?),
            ..self
        })
    }

    /// Serves this bundle from now on.
    ///
    /// # Errors
    /// When it cannot be written as JSON. The old one stays then.
    pub fn replace_bundle(&self, bundle: &TrustBundle) -> Result<(), WriteError> {
        self.bundle.store(Arc::new(Content::of(bundle)?));
        Ok(())
    }

    fn answer(&self, parts: &Parts) -> Result<Response<ResponseBody>, Refusal> {
        let method = parts.method.as_str();
        let matched = match_path(&[SpecVersion::Rc3], method, parts.uri.path())?;
        let content = match (matched.route, &self.discovery) {
            (Route::Discovery, Some(discovery)) => discovery.clone(),
            (Route::TrustBundle, _) => Content::clone(&self.bundle.load()),
            (other, _) => return Err(Refusal::not_served(&other)),
        };
        let media_type = negotiate(&parts.headers, matched.endpoint)?;
        let Content { digest, bytes } = content;
        if let Some(tag) = Condition::of(&parts.headers).met_by(&digest) {
            return Ok(answer::not_modified(tag, None));
        }
        Ok(answer::content(media_type, digest, None, bytes))
    }
}

impl<B> Service<Request<B>> for TrustEndpoints {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, _body) = request.into_parts();
        let retry_after = ServiceOptions::default().retry_after_seconds;
        let response = self
            .answer(&parts)
            .unwrap_or_else(|refusal| refusal.into_response(&parts, retry_after));
        ready(Ok(answer::for_method(&parts.method, response)))
    }
}

/// A document as it is served.
#[derive(Clone, Debug)]
struct Content {
    digest: Digest,
    bytes: Bytes,
}

impl Content {
    fn of<T: Document>(document: &T) -> Result<Self, WriteError> {
        let bytes = write(document, SpecVersion::Rc3)?;
        Ok(Self {
            digest: Digest::of(&bytes),
            bytes: bytes.into(),
        })
    }
}
