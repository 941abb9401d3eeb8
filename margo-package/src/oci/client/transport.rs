//! One request: authenticated, redirected, repeated when that can help.
//!
//! Redirects are followed here and not by the HTTP library, because what proves who we are (the
//! `Authorization` header and the client certificate) must never reach another origin than the
//! registry's own.

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::{Client, place_of};
use crate::oci::error::{Failure, Misbehaviour, OciError, Place};
use crate::oci::reference::Reference;
use crate::oci::retry::{is_transient, retry_after};

/// A request whose body, if any, is in memory, so that it can be sent again.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) reference: &'a Reference,
    pub(super) access: Access,
}

/// What a token must allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Access {
    Pull,
    Push,
}

impl<'a> Call<'a> {
    pub(super) fn get(url: Url, reference: &'a Reference) -> Self {
        Self::new(Method::GET, url, reference, Access::Pull)
    }

    pub(super) fn new(method: Method, url: Url, reference: &'a Reference, access: Access) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            reference,
            access,
        }
    }

    pub(super) fn header(mut self, name: reqwest::header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }
}

impl Client {
    /// Sends until there is an answer that waiting would not change.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Response, OciError> {
        let mut attempts = self.shared.retry.start();
        loop {
            let outcome = self.follow(call).await;
            let asked = match &outcome {
                Ok(response) if is_transient(response.status()) => retry_after(response.headers()),
                Err(error) if error.is_retryable() => error.retry_after(),
                Ok(_) | Err(_) => return outcome,
            };
            if !attempts.again(asked).await {
                return match outcome {
                    Ok(response) => Err(self
                        .busy(response, attempts.made(), &place_of(call.reference))
                        .await),
                    Err(error) => Err(error),
                };
            }
        }
    }

    /// Sends once and follows redirects of requests that only read.
    async fn follow(&self, call: &Call<'_>) -> Result<Response, OciError> {
        let place = place_of(call.reference);
        let mut url = call.url.clone();
        let mut trusted = true;
        for _ in 0..=MAX_REDIRECTS {
            let response = if trusted {
                self.identified(call, &url).await?
            } else {
                self.exchange(call, &url, None, false).await?
            };
            let reads = matches!(call.method, Method::GET | Method::HEAD);
            if !response.status().is_redirection()
                || response.status() == StatusCode::NOT_MODIFIED
                || !reads
            {
                return Ok(response);
            }
            let next = location(&response, &url, "redirect", &place)?;
            self.may_visit(&next, "redirect", &place)?;
            trusted = trusted && next.origin() == call.url.origin();
            url = next;
        }
        Err(astray(
            "redirect",
            &url,
            "the chain is too long; ask the registry's operator",
            &place,
        ))
    }

    /// Sends to the registry itself, with what proves who we are as soon as it asks for that.
    async fn identified(&self, call: &Call<'_>, url: &Url) -> Result<Response, OciError> {
        let known = self.authorization(call.reference, call.access);
        let response = self.exchange(call, url, known, true).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        self.forget_authorization(call.reference, call.access);
        match self
            .authenticate(&response, call.reference, call.access)
            .await?
        {
            Some(fresh) => self.exchange(call, url, Some(fresh), true).await,
            None => Ok(response),
        }
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        url: &Url,
        authorization: Option<HeaderValue>,
        at_home: bool,
    ) -> Result<Response, OciError> {
        let place = place_of(call.reference);
        let http = self.http(call.reference.registry(), at_home);
        let mut request = http
            .request(call.method.clone(), url.clone())
            .headers(call.headers.clone())
            .body(call.body.clone());
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        self.patiently(request.send(), &place).await
    }

    /// The HTTP client for a registry; only its own has a certificate of ours.
    pub(super) fn http(&self, registry: &str, at_home: bool) -> &reqwest::Client {
        let own = self.shared.identified.get(registry);
        own.filter(|_| at_home).unwrap_or(&self.shared.http)
    }

    /// Waits for the head of an answer, but not for ever.
    pub(super) async fn patiently(
        &self,
        answer: impl Future<Output = reqwest::Result<Response>>,
        place: &Place,
    ) -> Result<Response, OciError> {
        let idle = self.shared.timeouts.idle;
        tokio::time::timeout(idle, answer)
            .await
            .map_err(|_| OciError::misbehaved(place, Misbehaviour::Stalled { after: idle }))?
            .map_err(|error| connection(error, place))
    }

    /// Whether this address is encrypted, or one of those that need not be.
    pub(super) fn may_visit(
        &self,
        url: &Url,
        what: &'static str,
        place: &Place,
    ) -> Result<(), OciError> {
        let allowed = match url.scheme() {
            "https" => true,
            "http" => self.allows_plain_http(url),
            _ => false,
        };
        if allowed {
            return Ok(());
        }
        let why = "it is not HTTPS; allow plain HTTP to this host if that is intended";
        Err(astray(what, url, why, place))
    }

    fn allows_plain_http(&self, url: &Url) -> bool {
        let hosts = &self.shared.plain_http;
        let Some(host) = url.host_str() else {
            return false;
        };
        let with_port = url
            .port_or_known_default()
            .map(|port| format!("{host}:{port}"));
        with_port.is_some_and(|text| hosts.contains(&text))
            || (url.port().is_none() && hosts.contains(host))
    }
}

/// The absolute address in a `Location` header.
pub(super) fn location(
    response: &Response,
    base: &Url,
    what: &'static str,
    place: &Place,
) -> Result<Url, OciError> {
    let header = response.headers().get(LOCATION);
    let text = header.and_then(|value| value.to_str().ok());
    text.and_then(|text| base.join(text).ok()).ok_or_else(|| {
        let why = format!("the {what} has no usable Location header");
        OciError::malformed(place, "answer", why)
    })
}

pub(super) fn connection(error: reqwest::Error, place: &Place) -> OciError {
    // The address may carry a signed query of a storage service.
    OciError::environment(place, Failure::Connection, error.without_url())
}

/// A redirect or link that is not followed, named without its query, which may hold secrets.
pub(super) fn astray(what: &'static str, url: &Url, why: &'static str, place: &Place) -> OciError {
    let origin = url.origin().ascii_serialization();
    let target = if url.has_host() {
        format!("{origin}{}", url.path())
    } else {
        url.scheme().to_owned()
    };
    OciError::misbehaved(place, Misbehaviour::Astray { what, target, why })
}

pub(super) const MAX_REDIRECTS: usize = 5;
