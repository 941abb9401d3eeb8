//! What the generations have in common: seven requests below one base URL, and what their answers mean.

use bytes::Bytes;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::endpoint::{Endpoint, PathError, Route};
use margo_types::etag::EntityTag;
use margo_types::id::DeviceId;
use margo_types::manifest::{BundleReference, DeploymentReference, StateManifest};
use margo_types::status::DeploymentStatus;
use margo_types::{Digest, Limits, Reader, SpecVersion};
use reqwest::StatusCode;
use reqwest::header::ETAG;
use url::Url;

use super::{ApiOptions, Poll};
use crate::error::{Error, ErrorKind};
use crate::exchange::{Answer, Bounds, Call, misbehaved};
use crate::location::Location;

/// A fleet manager of one generation.
#[derive(Debug)]
pub(super) struct Interface<G> {
    generation: G,
}

/// What a generation does its own way.
pub(super) trait Generation: Send + Sync {
    /// Which one it is.
    const VERSION: SpecVersion;

    /// Who asks: settled once for a request and its answer.
    type Caller: Send + Sync;

    /// Where the fleet manager is.
    fn location(&self) -> &Location;

    /// How much an exchange may take.
    fn options(&self) -> &ApiOptions;

    /// Who asks.
    fn caller(&self) -> impl Future<Output = Result<Self::Caller, Error>> + Send;

    /// The endpoint and the path of a route.
    fn place(
        &self,
        caller: &Self::Caller,
        route: &Route,
    ) -> Result<(&'static Endpoint, String), PathError>;

    /// Whether a manifest may lead there, within the fleet manager; otherwise the usual place is asked.
    fn may_lead_to(&self, caller: &Self::Caller, url: &Url) -> bool;

    /// A report of capabilities: where it goes, and its body.
    fn capabilities(
        &self,
        caller: &Self::Caller,
        capabilities: &DeviceCapabilities,
    ) -> Result<(Route, Vec<u8>), Error>;

    /// A report of a status: where it goes, and its body.
    fn status(
        &self,
        caller: &Self::Caller,
        status: &DeploymentStatus,
    ) -> Result<(Route, Vec<u8>), Error>;

    /// Sends a request, and takes the whole answer.
    fn exchange(
        &self,
        caller: &Self::Caller,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<Answer, Error>> + Send;

    /// The error that an answer without success is.
    fn refusal(&self, caller: &Self::Caller, answer: &Answer, asked: &str) -> Error;
}

impl<G: Generation> Interface<G> {
    pub(super) const fn new(generation: G) -> Self {
        Self { generation }
    }

    pub(super) const fn generation(&self) -> &G {
        &self.generation
    }

    /// `Cache-Control` is ignored: the reference fleet manager calls its manifests immutable.
    pub(super) async fn manifest(&self, held: Option<&EntityTag>) -> Result<Poll, Error> {
        let caller = self.generation.caller().await?;
        let mut call = self.call(&caller, &Route::Manifest, "the state manifest")?;
        call.held = held;
        call.bounds.bytes = self.generation.options().max_manifest;
        let answer = self.generation.exchange(&caller, &call).await?;
        match answer.status {
            StatusCode::NOT_MODIFIED if held.is_some() => Ok(Poll::Unchanged),
            StatusCode::OK => {
                let body = answer.document(self.peer(), call.asked)?;
                let manifest = manifest_reader(call.bounds.bytes)
                    .generation(G::VERSION)
                    .read::<StateManifest>(body)
                    .map_err(|error| {
                        misbehaved(self.peer(), "sends no valid state manifest").because(error)
                    })?;
                let tag = answer
                    .header(ETAG)
                    .and_then(|tag| EntityTag::parse(tag).ok());
                Ok(Poll::Changed {
                    manifest: Box::new(manifest),
                    tag,
                })
            }
            _ => Err(self.refusal(&caller, &answer, &call)),
        }
    }

    pub(super) async fn deployment(&self, reference: &DeploymentReference) -> Result<Bytes, Error> {
        let caller = self.generation.caller().await?;
        let route = Route::Deployment {
            deployment_id: reference.deployment_id,
            digest: reference.digest,
        };
        let mut call = self.call(&caller, &route, "a deployment")?;
        self.follow(&caller, &mut call, &reference.url);
        self.content(&caller, call, &reference.digest).await
    }

    pub(super) async fn bundle(&self, reference: &BundleReference) -> Result<Bytes, Error> {
        let caller = self.generation.caller().await?;
        let route = Route::Bundle {
            digest: reference.digest,
        };
        let mut call = self.call(&caller, &route, "the bundle")?;
        self.follow(&caller, &mut call, &reference.url);
        call.bounds.total = self.generation.options().bundle;
        call.bounds.bytes = self.generation.options().max_bundle;
        // It is compressed by itself.
        call.offer_gzip = false;
        self.content(&caller, call, &reference.digest).await
    }

    pub(super) async fn report_capabilities(
        &self,
        capabilities: &DeviceCapabilities,
    ) -> Result<(), Error> {
        let caller = self.generation.caller().await?;
        let report = self.generation.capabilities(&caller, capabilities)?;
        self.report(&caller, report, "the report of capabilities")
            .await
    }

    pub(super) async fn remove_device(&self, device: &DeviceId) -> Result<(), Error> {
        let caller = self.generation.caller().await?;
        let route = Route::RemoveDevice {
            device_id: device.clone(),
        };
        let call = self.call(&caller, &route, "the removal of a device")?;
        let answer = self.generation.exchange(&caller, &call).await?;
        let is_gone = matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE)
            && !answer.is_no_answer();
        if is_gone || is_done(answer.status) {
            return Ok(());
        }
        Err(self.refusal(&caller, &answer, &call))
    }

    pub(super) async fn report_status(&self, status: &DeploymentStatus) -> Result<(), Error> {
        let caller = self.generation.caller().await?;
        let report = self.generation.status(&caller, status)?;
        self.report(&caller, report, "the report of a status").await
    }

    async fn report(
        &self,
        caller: &G::Caller,
        (route, body): (Route, Vec<u8>),
        asked: &str,
    ) -> Result<(), Error> {
        let mut call = self.call(caller, &route, asked)?;
        call.body = Some(body.into());
        let answer = self.generation.exchange(caller, &call).await?;
        if is_done(answer.status) {
            return Ok(());
        }
        Err(self.refusal(caller, &answer, &call))
    }

    async fn content(
        &self,
        caller: &G::Caller,
        call: Call<'_>,
        digest: &Digest,
    ) -> Result<Bytes, Error> {
        let answer = self.generation.exchange(caller, &call).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refusal(caller, &answer, &call));
        }
        let body = answer.document(self.peer(), call.asked)?;
        // A server that labels its archive as gzip-encoded, which it is by itself, means these bytes
        // (rc3.md ambiguity 31).
        if answer.sent != *body && Digest::of(&answer.sent) == *digest {
            return Ok(answer.sent);
        }
        Ok(body.clone())
    }

    fn call<'a>(
        &self,
        caller: &G::Caller,
        route: &Route,
        asked: &'a str,
    ) -> Result<Call<'a>, Error> {
        let place = self.generation.place(caller, route);
        let (endpoint, path) = place.map_err(|error| unsupported(asked).because(error))?;
        let options = self.generation.options();
        Ok(Call {
            endpoint,
            url: self.generation.location().of_path(&path),
            asked,
            held: None,
            body: None,
            bounds: Bounds {
                idle: options.idle,
                total: options.exchange,
                bytes: options.max_deployment,
            },
            offer_gzip: true,
        })
    }

    /// Goes where the manifest says content is, rather than to its usual place.
    fn follow(&self, caller: &G::Caller, call: &mut Call<'_>, written: &str) {
        let location = self.generation.location();
        let found = location.of_reference(written, call.url.clone());
        if self.generation.may_lead_to(caller, &found) {
            call.url = found;
        }
    }

    fn refusal(&self, caller: &G::Caller, answer: &Answer, call: &Call<'_>) -> Error {
        if answer.status == StatusCode::NOT_MODIFIED {
            let what = format!(
                "answers 304 to the request for {}, which was unconditional",
                call.asked
            );
            return misbehaved(self.peer(), what);
        }
        let asked = format!("the request for {}", call.asked);
        self.generation.refusal(caller, answer, &asked)
    }

    fn peer(&self) -> &str {
        self.generation.location().peer()
    }
}

/// The generation that is spoken has no way to say something.
pub(super) fn unsupported(asked: &str) -> Error {
    let message = format!("the generation of this fleet manager cannot express {asked}");
    Error::new(ErrorKind::Unsupported, message)
}

/// Makes an API of its interface.
macro_rules! fleet_api {
    ($api:ty, $generation:ty) => {
        #[async_trait::async_trait]
        impl $crate::api::FleetApi for $api {
            fn generation(&self) -> SpecVersion {
                <$generation as $crate::api::interface::Generation>::VERSION
            }

            async fn manifest(
                &self,
                held: Option<&margo_types::etag::EntityTag>,
            ) -> Result<$crate::api::Poll, Error> {
                self.0.manifest(held).await
            }

            async fn deployment(
                &self,
                reference: &margo_types::manifest::DeploymentReference,
            ) -> Result<bytes::Bytes, Error> {
                self.0.deployment(reference).await
            }

            async fn bundle(
                &self,
                reference: &margo_types::manifest::BundleReference,
            ) -> Result<bytes::Bytes, Error> {
                self.0.bundle(reference).await
            }

            async fn report_capabilities(
                &self,
                capabilities: &DeviceCapabilities,
            ) -> Result<(), Error> {
                self.0.report_capabilities(capabilities).await
            }

            async fn remove_device(&self, device: &margo_types::id::DeviceId) -> Result<(), Error> {
                self.0.remove_device(device).await
            }

            async fn report_status(&self, status: &DeploymentStatus) -> Result<(), Error> {
                self.0.report_status(status).await
            }
        }
    };
}
pub(super) use fleet_api;

/// Fleet managers mix these up: the reference one answers 201 to every PUT, and those of the signed generation answer 200
/// or 201 alike (rc1-and-pre-draft.md ambiguity 22).
fn is_done(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 201 | 202 | 204)
}

fn manifest_reader(max_bytes: usize) -> Reader {
    let mut limits = Limits::default();
    limits.max_bytes = max_bytes;
    limits.max_nodes = limits.max_nodes.max(max_bytes / 16);
    limits.max_text = limits.max_text.max(max_bytes);
    Reader::new().limits(limits)
}
