//! One connection, from the handshake to its end.

use std::any::Any;
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, ready};
use futures_util::{FutureExt as _, TryFutureExt as _};
use http::header::{CONNECTION, HOST, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use margo_types::svid::{PeerSvid, Refusal};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use super::activity::{Activity, WatchedBody, WatchedStream};
use super::conversation::{Conversation, Http};
use super::credential::Credential;
use super::driver::{Driver, fraction};
use super::repeats::{Lesson, Polls, Repeats};
use super::wire::{SecureStream, Wire};
use super::{BoxError, ServerOptions};
use crate::FleetService;
use crate::service::Recognised;

/// What all connections are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// The generation of the credential.
    pub(super) generation: u64,
    /// Whether the server stops.
    pub(super) is_stopping: bool,
}

/// Makes connections of streams.
pub(super) struct Acceptor<S> {
    credential: Credential,
    service: S,
    options: ServerOptions,
    polls: Arc<Polls>,
}

impl<S, B> Acceptor<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    pub(super) fn new(credential: Credential, service: S, options: ServerOptions) -> Self {
        Self {
            credential,
            service,
            options,
            polls: Arc::default(),
        }
    }

    /// Shakes hands, and serves what the client asks until the connection ends.
    pub(super) async fn run(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        mut notices: watch::Receiver<Notice>,
    ) {
        // In boxes, so that a connection does not keep the memory that its handshake took for as long as it is open.
        let handshake = tokio::select! {
            handshake = Box::pin(self.shake_hands(stream, address)) => handshake,
            () = stopping(&mut notices) => None,
        };
        if let Some((stream, proof)) = handshake {
            Box::pin(self.serve(stream, proof, address, notices)).await;
        }
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Option<(SecureStream, Arc<Proof>)> {
        // Responses are written as a whole; waiting for more only delays them.
        _ = stream.set_nodelay(true);
        let handshake = self.credential.handshake()?;
        let acceptor = TlsAcceptor::from(handshake.config());
        let limit = self.options.handshake_timeout;
        let stream = match timeout(limit, acceptor.accept(Wire::new(stream))).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                if let Some(refusal) = handshake.refusal() {
                    log_refusal(address, refusal);
                } else {
                    tracing::info!(%address, %error, "a TLS handshake failed");
                }
                return None;
            }
            Err(_) => {
                tracing::info!(%address, ?limit, "a TLS handshake took too long");
                return None;
            }
        };
        let peer = handshake.peer(stream.get_ref().1).ok()?;
        let id = peer.as_ref().map(|peer| tracing::field::display(peer.id()));
        tracing::debug!(%address, peer = id, "connected");
        let proof = Proof {
            credential: self.credential.clone(),
            generation: handshake.generation(),
            client: peer
                .as_ref()
                .and_then(|peer| self.credential.recognise(peer)),
            peer,
        };
        Some((Box::new(stream), Arc::new(proof)))
    }

    async fn serve(
        &self,
        stream: SecureStream,
        proof: Arc<Proof>,
        address: SocketAddr,
        notices: watch::Receiver<Notice>,
    ) {
        let lifetime = proof.lifetime(self.options.max_age);
        let activity = Activity::new();
        let repeats = self.repeats(&proof);
        let speak = |stream, lesson| self.speak(stream, lesson, &proof, &activity);
        let conversation = Conversation::new(stream, Arc::clone(&activity), repeats, speak);
        let driver = Driver::new(
            Arc::clone(&activity),
            &self.options,
            proof.generation,
            lifetime,
        );
        if let Err(error) = driver.drive(conversation, notices).await {
            let id = proof.peer.as_ref();
            let id = id.map(|peer| tracing::field::display(peer.id()));
            tracing::debug!(%address, peer = id, %error, "a connection broke");
        }
    }

    /// Has the HTTP library read requests from a stream, and write responses to it.
    fn speak(
        &self,
        stream: WatchedStream,
        lesson: Option<Lesson>,
        proof: &Arc<Proof>,
        activity: &Arc<Activity>,
    ) -> impl Http + use<S, B> {
        let (proof, activity) = (Arc::clone(proof), Arc::clone(activity));
        // It is about the first request that is read.
        let lesson = Cell::new(lesson);
        let service = TowerToHyperService::new(self.service.clone());
        let respond = service_fn(move |mut request: Request<Incoming>| {
            activity.begin_request(&request);
            if !names_one_host(&request) {
                return Either::Left(ready(bad_request(&activity)).map(Ok));
            }
            let extensions = request.extensions_mut();
            if let Some(peer) = &proof.peer {
                extensions.insert(peer.clone());
            }
            if let Some(client) = &proof.client {
                extensions.insert(client.clone());
            }
            let lesson = lesson.take().and_then(|lesson| lesson.about(&request));
            let (proof, activity) = (Arc::clone(&proof), Arc::clone(&activity));
            let responding = service.call(request);
            Either::Right(responding.map_ok(move |mut response| {
                if !proof.is_current() {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                if let Some(lesson) = lesson {
                    lesson.learn(&response);
                }
                response.map(|body| WatchedBody::new(Some(body), activity))
            }))
        });
        http1::Builder::new()
            .header_read_timeout(None) // the driver has better ones
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), respond)
    }

    /// What repeats polls, when the service is that of this crate and nothing is around it that wants to see all requests.
    fn repeats(&self, proof: &Arc<Proof>) -> Option<Arc<Repeats>> {
        proof.client.as_ref()?;
        let service: &dyn Any = &self.service;
        let fleet = service.downcast_ref::<FleetService>()?;
        let (proof, polls) = (Arc::clone(proof), Arc::clone(&self.polls));
        Some(Arc::new(Repeats::new(fleet.clone(), proof, polls)))
    }
}

/// What a handshake proved.
pub(super) struct Proof {
    credential: Credential,
    generation: u64,
    /// The client; `None` when it proves who it is with every request.
    peer: Option<PeerSvid>,
    /// The peer as the service sees it, so that it does not look at the SVID with every request.
    pub(super) client: Option<Recognised>,
}

impl Proof {
    /// Whether a handshake would prove the same now.
    pub(super) fn is_current(&self) -> bool {
        let is_alive = |peer: &PeerSvid| {
            let now = self.credential.now();
            now.is_some_and(|now| now <= peer.not_after())
        };
        self.generation == self.credential.generation() && self.peer.as_ref().is_none_or(is_alive)
    }

    /// How long a connection may live from its handshake on (W62, C14).
    fn lifetime(&self, max_age: Duration) -> Duration {
        let age = max_age.saturating_sub(fraction(max_age / 10));
        let Some(peer) = &self.peer else {
            return age;
        };
        let left = self
            .credential
            .now()
            .and_then(|now| Duration::try_from(peer.not_after().duration_since(now)).ok());
        age.min(left.unwrap_or_default())
    }
}

/// Whether a request has one `Host`, which HTTP/1.1 wants (RFC 9112 section 3.2).
fn names_one_host<B>(request: &Request<B>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    hosts == 1 || hosts == 0 && request.version() < Version::HTTP_11
}

fn bad_request<B>(activity: &Arc<Activity>) -> Response<WatchedBody<B>> {
    let mut response = Response::new(WatchedBody::new(None, Arc::clone(activity)));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    // Who sends this is out of step, and its body is not read.
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

async fn stopping(notices: &mut watch::Receiver<Notice>) {
    // An error means that the server is gone.
    _ = notices.wait_for(|notice| notice.is_stopping).await;
}

fn log_refusal(address: SocketAddr, refusal: &Refusal) {
    let cause = std::error::Error::source(&refusal.reason).map(ToString::to_string);
    tracing::warn!(
        %address,
        claimed = refusal.claimed.as_ref().map(tracing::field::display),
        reason = %refusal.reason,
        cause,
        "refused the SVID of a client"
    );
}

/// The longest head of a request; the longest path has a few hundred bytes.
const MAX_HEAD: usize = 32 * 1024;
