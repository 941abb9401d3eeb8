//! The management interface of rc.2 and rc.3: HTTP/1.1 over mutual TLS (rc3.md sections 3, 4, 5 and 7.6).

mod connections;
mod location;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::endpoint::{Endpoint, PathCaller, Route};
use margo_types::etag::EntityTag;
use margo_types::id::DeviceId;
use margo_types::manifest::{BundleReference, DeploymentReference, StateManifest};
use margo_types::status::DeploymentStatus;
use margo_types::svid::Identity;
use margo_types::{Digest, Document, Limits, Reader, SpecVersion, media_type, write};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use url::Url;

use self::connections::Connections;
use self::location::Location;
use super::{FleetApi, Poll};
use crate::error::{Error, ErrorKind};
use crate::exchange::{Answer, Bounds, misbehaved};

/// A fleet manager of rc.3, spoken to as the WFM client that an [`Identity`] is.
///
/// Who the fleet manager must be follows from that identity; the URL says only where it is. Connections are kept and
/// used again until the identity changes or [`ApiOptions::connection_age`] is over. Proxies of the environment are
/// not used and redirects are not followed.
#[derive(Debug)]
pub struct Rc3Api {
    location: Location,
    connections: Connections,
    options: ApiOptions,
}

/// Limits of an [`Rc3Api`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiOptions {
    /// For a TCP connection with its TLS handshake: 10 s.
    pub connect: Duration,
    /// For the head of an answer, and for every next piece of its body: 30 s.
    pub idle: Duration,
    /// For any whole exchange but that of a bundle: 60 s.
    pub exchange: Duration,
    /// For the whole transfer of a bundle: 15 min.
    pub bundle: Duration,
    /// The longest state manifest: 8 MiB.
    pub max_manifest: usize,
    /// The longest deployment document: 1 MiB.
    pub max_deployment: usize,
    /// The longest bundle: 64 MiB.
    pub max_bundle: usize,
    /// How long connections are used, from their handshake: 10 min (D71, C14).
    pub connection_age: Duration,
    /// What the client calls itself; `margo-client/` and the version.
    pub user_agent: String,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            exchange: Duration::from_mins(1),
            bundle: Duration::from_mins(15),
            max_manifest: 8 << 20,
            max_deployment: 1 << 20,
            max_bundle: 64 << 20,
            connection_age: Duration::from_mins(10),
            user_agent: concat!("margo-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Rc3Api {
    /// The fleet manager below this URL, such as `https://wfm.example/prefix`.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when the URL is not plain `https`, or the identity is not that of a WFM client.
    pub fn new(base: Url, identity: Identity) -> Result<Self, Error> {
        Self::with_options(base, identity, ApiOptions::default())
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_options(base: Url, identity: Identity, options: ApiOptions) -> Result<Self, Error> {
        let location = Location::new(base)?;
        let connections = Connections::new(identity, &options)?;
        Ok(Self {
            location,
            connections,
            options,
        })
    }

    async fn content(&self, call: Call<'_>, digest: &Digest) -> Result<Bytes, Error> {
        let answer = self.exchange(&call).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refusal(&answer, &call));
        }
        let body = answer.document(self.location.peer(), call.asked)?;
        // A server that labels its archive as gzip-encoded, which it is by itself, means these bytes
        // (rc3.md ambiguity 31).
        if answer.sent != *body && Digest::of(&answer.sent) == *digest {
            return Ok(answer.sent);
        }
        Ok(body.clone())
    }

    async fn report<T: Document>(
        &self,
        route: &Route,
        asked: &str,
        document: &T,
    ) -> Result<(), Error> {
        let body = write(document, SpecVersion::Rc3).map_err(|error| {
            let message = format!("{asked} cannot be written");
            Error::new(ErrorKind::Setup, message).because(error)
        })?;
        let mut call = self.call(route, asked)?;
        call.body = Some(body.into());
        let answer = self.exchange(&call).await?;
        if is_done(answer.status) {
            return Ok(());
        }
        Err(self.refusal(&answer, &call))
    }

    fn call<'a>(&self, route: &Route, asked: &'a str) -> Result<Call<'a>, Error> {
        let endpoint = route
            .endpoint(SpecVersion::Rc3)
            .map_err(|error| unavailable(asked, error))?;
        let path = route
            .path(SpecVersion::Rc3, &PathCaller::Unnamed)
            .map_err(|error| unavailable(asked, error))?;
        Ok(Call {
            endpoint,
            url: self.location.of_path(&path),
            asked,
            held: None,
            body: None,
            bounds: Bounds {
                idle: self.options.idle,
                total: self.options.exchange,
                bytes: self.options.max_deployment,
            },
            offer_gzip: true,
        })
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let method = reqwest::Method::from_bytes(call.endpoint.method.as_str().as_bytes())
            .map_err(|error| unavailable(call.asked, error))?;
        let http = self.connections.current()?;
        let accept = call.endpoint.response_type.unwrap_or(ACCEPT_OF_REPORTS);
        let mut request = http
            .request(method, call.url.clone())
            .header(ACCEPT, accept);
        if let Some(held) = call.held {
            request = request.header(IF_NONE_MATCH, held.to_string());
        }
        if let Some(body) = &call.body {
            request = request
                .header(CONTENT_TYPE, media_type::JSON)
                .body(body.clone());
        }
        let answer = Answer::to(request, self.location.peer(), call.bounds, call.offer_gzip).await;
        let answer = answer.map_err(|error| self.connections.explain(error));
        match &answer {
            Ok(answer) => tracing::debug!(
                method = call.endpoint.method.as_str(),
                path = call.url.path(),
                status = answer.status.as_u16(),
                bytes = answer.sent.len(),
                "exchange"
            ),
            Err(error) => tracing::debug!(
                method = call.endpoint.method.as_str(),
                path = call.url.path(),
                %error,
                "exchange failed"
            ),
        }
        answer
    }

    fn refusal(&self, answer: &Answer, call: &Call<'_>) -> Error {
        if answer.status == StatusCode::NOT_MODIFIED {
            let what = format!(
                "answers 304 to the request for {}, which was unconditional",
                call.asked
            );
            return misbehaved(self.location.peer(), what);
        }
        answer.refusal(
            self.location.peer(),
            &format!("the request for {}", call.asked),
        )
    }
}

#[async_trait]
impl FleetApi for Rc3Api {
    fn generation(&self) -> SpecVersion {
        SpecVersion::Rc3
    }

    /// `Cache-Control` is ignored: the reference fleet manager calls its manifests immutable.
    async fn manifest(&self, held: Option<&EntityTag>) -> Result<Poll, Error> {
        let mut call = self.call(&Route::Manifest, "the state manifest")?;
        call.held = held;
        call.bounds.bytes = self.options.max_manifest;
        let answer = self.exchange(&call).await?;
        match answer.status {
            StatusCode::NOT_MODIFIED if held.is_some() => Ok(Poll::Unchanged),
            StatusCode::OK => {
                let peer = self.location.peer();
                let body = answer.document(peer, call.asked)?;
                let manifest = manifest_reader(self.options.max_manifest)
                    .read::<StateManifest>(body)
                    .map_err(|error| {
                        misbehaved(peer, "sends no valid state manifest").because(error)
                    })?;
                let tag = answer
                    .header(ETAG)
                    .and_then(|tag| EntityTag::parse(tag).ok());
                Ok(Poll::Changed {
                    manifest: Box::new(manifest),
                    tag,
                })
            }
            _ => Err(self.refusal(&answer, &call)),
        }
    }

    async fn deployment(&self, reference: &DeploymentReference) -> Result<Bytes, Error> {
        let route = Route::Deployment {
            deployment_id: reference.deployment_id,
            digest: reference.digest,
        };
        let mut call = self.call(&route, "a deployment")?;
        call.url = self.location.of_reference(&reference.url, call.url);
        self.content(call, &reference.digest).await
    }

    async fn bundle(&self, reference: &BundleReference) -> Result<Bytes, Error> {
        let route = Route::Bundle {
            digest: reference.digest,
        };
        let mut call = self.call(&route, "the bundle")?;
        call.url = self.location.of_reference(&reference.url, call.url);
        call.bounds.total = self.options.bundle;
        call.bounds.bytes = self.options.max_bundle;
        // It is compressed by itself.
        call.offer_gzip = false;
        self.content(call, &reference.digest).await
    }

    async fn report_capabilities(&self, capabilities: &DeviceCapabilities) -> Result<(), Error> {
        let route = Route::ReportCapabilities {
            device_id: Some(capabilities.properties.id.clone()),
        };
        self.report(&route, "the report of capabilities", capabilities)
            .await
    }

    async fn remove_device(&self, device: &DeviceId) -> Result<(), Error> {
        let route = Route::RemoveDevice {
            device_id: device.clone(),
        };
        let call = self.call(&route, "the removal of a device")?;
        let answer = self.exchange(&call).await?;
        let is_gone = matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE)
            && !answer.is_no_answer();
        if is_gone || is_done(answer.status) {
            return Ok(());
        }
        Err(self.refusal(&answer, &call))
    }

    async fn report_status(&self, status: &DeploymentStatus) -> Result<(), Error> {
        let route = Route::ReportStatus {
            deployment_id: status.deployment_id,
        };
        self.report(&route, "the report of a status", status).await
    }
}

/// One request.
struct Call<'a> {
    endpoint: &'static Endpoint,
    url: Url,
    /// What is asked for, for messages.
    asked: &'a str,
    held: Option<&'a EntityTag>,
    body: Option<Bytes>,
    bounds: Bounds,
    offer_gzip: bool,
}

fn unavailable(asked: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let message = format!("rc.3 has no request for {asked}");
    Error::new(ErrorKind::Setup, message).because(error)
}

/// Fleet managers mix these up: the reference one answers 201 to every PUT.
fn is_done(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 201 | 202 | 204)
}

fn manifest_reader(max_bytes: usize) -> Reader {
    let mut limits = Limits::default();
    limits.max_bytes = max_bytes;
    limits.max_nodes = limits.max_nodes.max(max_bytes / 16);
    limits.max_text = limits.max_text.max(max_bytes);
    Reader::new().generation(SpecVersion::Rc3).limits(limits)
}

/// Reports have no body in answer but that of an error.
const ACCEPT_OF_REPORTS: &str = "application/json, application/problem+json";
