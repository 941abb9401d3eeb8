//! The endpoints of rc.3 and of the signed generation, served from the traits of a [`Fleet`] (rc3.md sections 3 to 6;
//! rc1-and-pre-draft.md sections 4 to 6).
//!
//! What every request goes through, in this order: who calls (403, or 401 without a valid signature), whether the policy of
//! the fleet manager admits the caller (403), which endpoint is meant (404, 405), then the endpoint itself. Nothing is told
//! to somebody who is not admitted, not even which paths there are.
//!
//! The generations have no path in common, so the path decides who has to prove what. A path of neither is that of the
//! generation whose proof is there.

mod answer;
mod authenticate;
mod bundle;
mod call;
mod capabilities;
mod deployment;
mod manifest;
mod onboarding;
mod options;
mod receive;
mod recognised;
mod refusal;
mod removal;
mod status;
mod trust_endpoints;
#[cfg(feature = "server")]
mod unchanged;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::poll_immediate;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use margo_types::SpecVersion;
use margo_types::endpoint::{Matched, NoMatch, Route, match_path};
use margo_types::id::SpiffeId;
use margo_types::svid::PeerSvid;
use tower_service::Service;

use self::authenticate::Signed;
use self::call::Call;
pub use self::options::ServiceOptions;
pub(crate) use self::recognised::Recognised;
use self::refusal::Refusal;
pub use self::trust_endpoints::TrustEndpoints;
#[cfg(feature = "server")]
pub(crate) use self::unchanged::Unchanged;
use crate::signed::SignedOptions;
use crate::{Admission, Caller, Enrolment, Fleet, FleetError, Verified};

/// The body of a response: whole, since every document is published before anybody asks for it.
pub type ResponseBody = Full<Bytes>;

/// Serves a [`Fleet`] to devices, as a [`tower_service::Service`] over any server of HTTP. Clones share everything.
///
/// It takes the caller from the [`PeerSvid`] in the extensions of a request, where the mutual TLS server of this crate or
/// [`ClientCertHeader`](crate::proxy::ClientCertHeader) has put it. A request without one is refused with 403: the
/// specification has no 401, since a peer without a valid SVID gets no connection in the first place (rc3.md ambiguity
/// 72).
///
/// With an [`Enrolment`] it serves clients of the signed generation as well, or them alone. Who calls is then proved by the
/// signature of the request, whatever the connection; see [`signed`](crate::signed).
///
/// It does not fail. A panic of the fleet manager's own code is answered by 500, and a request that takes longer than
/// [`ServiceOptions::request_timeout`] by 503. A server that mounts it under a prefix strips the prefix first. Requests are
/// served within a tokio runtime whose time is enabled.
#[derive(Clone)]
pub struct FleetService {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    /// The fleet manager whose clients are recognised by SVIDs.
    own: Option<SpiffeId>,
    /// What recognises those that sign.
    signed: Option<Arc<Signed>>,
    fleet: Fleet,
    options: ServiceOptions,
}

impl FleetService {
    /// A service for the clients of the fleet manager `own`, which is the SPIFFE ID of its own SVID.
    pub fn new(own: SpiffeId, fleet: Fleet) -> Self {
        Self::with_options(own, fleet, ServiceOptions::default())
    }

    /// The same, with options.
    pub fn with_options(own: SpiffeId, fleet: Fleet, options: ServiceOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                own: Some(own),
                signed: None,
                fleet,
                options,
            }),
        }
    }

    /// A service for clients that sign their requests alone: its fleet manager has no SVID.
    pub fn signed(
        enrolment: Arc<dyn Enrolment>,
        fleet: Fleet,
        options: ServiceOptions,
        signed: SignedOptions,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                own: None,
                signed: Some(Arc::new(Signed::new(enrolment, signed))),
                fleet,
                options,
            }),
        }
    }

    /// The same service, also for clients that sign their requests, side by side with the others. Both belong to one fleet
    /// manager: a client id means the same client in both generations.
    #[must_use]
    pub fn with_enrolment(self, enrolment: Arc<dyn Enrolment>, options: SignedOptions) -> Self {
        let mut shared = Shared::clone(&self.shared);
        shared.signed = Some(Arc::new(Signed::new(enrolment, options)));
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl<B> Service<Request<B>> for FleetService
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        let (parts, body) = request.into_parts();
        Box::pin(async move { Ok(shared.respond(&parts, body).await) })
    }
}

impl fmt::Debug for FleetService {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("FleetService")
            .field("own", &self.shared.own)
            .field("signed", &self.shared.signed.as_ref().map(|it| &it.options))
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// A response, whatever happens.
    async fn respond<B>(&self, parts: &Parts, body: B) -> Response<ResponseBody>
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send,
    {
        let timeout = self.options.request_timeout;
        let in_time = within(timeout, self.answer(parts, body));
        let answer = match AssertUnwindSafe(in_time).catch_unwind().await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(Refusal::too_slow(timeout)),
            Err(_panic) => Err(Refusal::panicked()),
        };
        let response = answer.unwrap_or_else(|refusal| {
            refusal.into_response(parts, self.options.retry_after_seconds)
        });
        answer::for_method(&parts.method, response)
    }

    async fn answer<B>(&self, parts: &Parts, body: B) -> Result<Response<ResponseBody>, Refusal>
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send,
    {
        let path = match &self.signed {
            Some(signed) => signed.path(parts.uri.path()),
            None => parts.uri.path(),
        };
        let matched = match_path(self.generations(), parts.method.as_str(), path);
        if let Some(signed) = self.meant_as_signed(&matched, parts) {
            let answer = Box::pin(self.answer_signed(signed, matched, path, parts, body)).await;
            return answer.map_err(|refusal| refusal.in_generation(SpecVersion::Rc1));
        }
        let caller = self.admitted(parts).await?;
        self.serve(&caller, matched?, parts, body).await
    }

    /// Answers a request that has to be signed.
    async fn answer_signed<B>(
        &self,
        signed: &Signed,
        matched: Result<Matched, NoMatch>,
        path: &str,
        parts: &Parts,
        body: B,
    ) -> Result<Response<ResponseBody>, Refusal>
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send,
    {
        if let Ok(Matched {
            route, endpoint, ..
        }) = &matched
        {
            match route {
                Route::Onboard => {
                    return onboarding::post(signed, &self.options, endpoint, parts, body).await;
                }
                Route::RootCertificate => {
                    return onboarding::root_certificate(signed, endpoint, &parts.headers).await;
                }
                _ => {}
            }
        }
        let client = authenticate::claimed(&matched, path);
        let client = client.ok_or_else(authenticate::names_nobody)?;
        let max_bytes = self.options.max_body_bytes;
        let (caller, body) = signed.authenticate(client, parts, body, max_bytes).await?;
        self.check_admission(&caller).await?;
        self.serve(&caller, matched?, parts, ResponseBody::new(body))
            .await
    }

    /// Answers an admitted caller.
    async fn serve<B>(
        &self,
        caller: &Verified<Caller>,
        matched: Matched,
        parts: &Parts,
        body: B,
    ) -> Result<Response<ResponseBody>, Refusal>
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send,
    {
        let call = Call {
            fleet: &self.fleet,
            options: &self.options,
            caller,
            endpoint: matched.endpoint,
            headers: &parts.headers,
        };
        // What takes a body is boxed, so that the polls, which are nearly all requests, need little memory.
        match matched.route {
            Route::Manifest => manifest::get(&call).await,
            Route::Deployment {
                deployment_id,
                digest,
            } => deployment::get(&call, deployment_id, digest).await,
            Route::Bundle { digest } => bundle::get(&call, digest).await,
            Route::ReportStatus { deployment_id } => {
                Box::pin(status::post(&call, deployment_id, body)).await
            }
            Route::ReportCapabilities { device_id } => {
                Box::pin(capabilities::put(&call, device_id.as_ref(), body)).await
            }
            Route::RemoveDevice { device_id } => removal::delete(&call, &device_id).await,
            // The trust endpoints are those of another role, over another kind of connection.
            other => Err(Refusal::not_served(&other)),
        }
    }

    /// What is served, the newest first.
    fn generations(&self) -> &'static [SpecVersion] {
        match (&self.own, &self.signed) {
            (Some(_), None) => &[SpecVersion::Rc3],
            (None, _) => &[SpecVersion::Rc1],
            (Some(_), Some(_)) => &[SpecVersion::Rc3, SpecVersion::Rc1],
        }
    }

    /// What verifies a request, if it is to be signed: by its path, or because nothing else could prove who calls.
    fn meant_as_signed(
        &self,
        matched: &Result<Matched, NoMatch>,
        parts: &Parts,
    ) -> Option<&Signed> {
        let signed = self.signed.as_deref()?;
        let generation = match matched {
            Ok(matched) => Some(matched.endpoint.generation),
            Err(NoMatch::MalformedId { endpoint, .. }) => Some(endpoint.generation),
            Err(_) => None,
        };
        let is_signed = match generation {
            Some(generation) => generation == SpecVersion::Rc1,
            None => self.own.is_none() || parts.extensions.get::<PeerSvid>().is_none(),
        };
        is_signed.then_some(signed)
    }

    async fn admitted<'r>(&self, parts: &'r Parts) -> Result<Cow<'r, Verified<Caller>>, Refusal> {
        let caller = self.caller(parts)?;
        self.check_admission(&caller).await?;
        Ok(caller)
    }

    async fn check_admission(&self, caller: &Verified<Caller>) -> Result<(), Refusal> {
        match self.fleet.policy.admit(caller).await? {
            Admission::Admitted => Ok(()),
            Admission::Refused { reason } => Err(FleetError::Refused(reason).into()),
        }
    }

    /// The client that calls, as it was recognised when its connection was made, or is now.
    fn caller<'r>(&self, parts: &'r Parts) -> Result<Cow<'r, Verified<Caller>>, Refusal> {
        let own = self.own.as_ref().ok_or_else(Refusal::no_svid)?;
        let recognised = parts.extensions.get::<Recognised>();
        if let Some(caller) = recognised.and_then(|recognised| recognised.by(own)) {
            return Ok(Cow::Borrowed(caller));
        }
        let peer = parts
            .extensions
            .get::<PeerSvid>()
            .ok_or_else(Refusal::no_svid)?;
        Verified::of_svid(own, peer)
            .map(Cow::Owned)
            .ok_or_else(|| Refusal::no_client(own, peer.id()))
    }
}

/// What comes of the work; `None` when it takes longer than this.
///
/// There is a timer only for work that has to wait, which a poll of a store with everything in memory never does.
async fn within<T>(limit: Duration, work: impl Future<Output = T> + Send) -> Option<T> {
    let mut work = pin!(work);
    if let Some(done) = poll_immediate(work.as_mut()).await {
        return Some(done);
    }
    Box::pin(tokio::time::timeout(limit, work)).await.ok()
}

/// Whatever went wrong below.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
