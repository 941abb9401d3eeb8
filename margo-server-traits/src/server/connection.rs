//! One connection, from the handshake to its end.

use std::any::Any;
use std::cell::Cell;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::TryFutureExt as _;
use futures_util::future::{Either, ready};
use http::header::{CONNECTION, HOST, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use margo_types::id::SpiffeId;
use margo_types::svid::SvidError;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use super::activity::{WatchedBody, WatchedStream};
use super::conversation::{Conversation, Http};
use super::credential::Credential;
use super::driver::{Driver, SlowHead};
use super::repeats::{Lesson, Repeats};
use super::session::{Proof, Session};
use super::wire::{SecureStream, Wire};
use super::{BoxError, ServerOptions};
use crate::FleetService;

/// What all connections are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// The generation of the credential.
    pub(super) generation: u64,
    /// Whether the server stops.
    pub(super) is_stopping: bool,
}

/// What the listener has for a connection for as long as that is open.
pub(super) struct Tether {
    pub(super) notices: watch::Receiver<Notice>,
    /// That it is one of so many.
    pub(super) permit: OwnedSemaphorePermit,
}

/// Makes connections of streams.
pub(super) struct Acceptor<S> {
    credential: Credential,
    service: S,
    options: ServerOptions,
    repeats: Option<Arc<Repeats>>,
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
            repeats: repeats_of(&service),
            service,
            options,
        }
    }

    /// Shakes hands, and has another task serve what the client asks until the connection ends: that does not keep the memory
    /// that the handshake took.
    pub(super) async fn run(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        mut tether: Tether,
    ) {
        let handshake = tokio::select! {
            handshake = self.shake_hands(stream, address) => handshake,
            () = stopping(&mut tether.notices) => None,
        };
        if let Some((stream, proof)) = handshake {
            tokio::spawn(self.serve(stream, proof, address, tether));
        }
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Option<(SecureStream, Proof)> {
        // Responses are written as a whole; waiting for more only delays them.
        _ = stream.set_nodelay(true);
        let handshake = self.credential.handshake()?;
        let acceptor = TlsAcceptor::from(handshake.config());
        let limit = self.options.handshake_timeout;
        let stream = match timeout(limit, acceptor.accept(Wire::new(stream))).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                if let Some(refusal) = handshake.refusal() {
                    log_refusal(address, refusal.claimed.as_ref(), &refusal.reason);
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
        let proof = Proof::new(self.credential.clone(), handshake.generation(), peer);
        Some((Box::new(stream), proof))
    }

    async fn serve(
        self: Arc<Self>,
        stream: SecureStream,
        proof: Proof,
        address: SocketAddr,
        tether: Tether,
    ) {
        let Tether { notices, permit } = tether;
        let session = Arc::new(Session::new(proof));
        let is_client_known = session.proof.client.is_some();
        let repeats = self.repeats.clone().filter(|_| is_client_known);
        let speak = |stream, lesson| self.speak(stream, lesson, &session, address);
        let conversation = Conversation::new(stream, Arc::clone(&session), repeats, speak);
        let driver = Driver::new(Arc::clone(&session), &self.options);
        if let Err(error) = driver.drive(conversation, notices).await {
            log_end(address, session.proof.id(), &*error);
        }
        drop(permit);
    }

    /// Has the HTTP library read requests from a stream, and write responses to it.
    fn speak(
        &self,
        stream: WatchedStream,
        lesson: Option<Lesson>,
        session: &Arc<Session>,
        address: SocketAddr,
    ) -> impl Http + use<S, B> {
        let session = Arc::clone(session);
        // It is about the first request that is read.
        let lesson = Cell::new(lesson);
        let service = TowerToHyperService::new(self.service.clone());
        let respond = service_fn(move |mut request: Request<Incoming>| {
            session.activity.begin_request(&request);
            if let Err(reason) = session.proof.verify_again() {
                // As in a handshake: the connection ends, and nothing is said over it (rc3.md ambiguity 72).
                log_refusal(address, session.proof.id(), &reason);
                return Either::Left(ready(Err(reason.into())));
            }
            if !names_one_host(&request) {
                let peer = session.proof.id().map(tracing::field::display);
                tracing::info!(%address, peer, "refused a request without one host");
                return Either::Left(ready(Ok(bad_request(&session))));
            }
            let extensions = request.extensions_mut();
            if let Some(peer) = &session.proof.peer {
                extensions.insert(peer.clone());
            }
            if let Some(client) = &session.proof.client {
                extensions.insert(client.clone());
            }
            let lesson = lesson.take().and_then(|lesson| lesson.about(&request));
            let session = Arc::clone(&session);
            let responding = service.call(request);
            Either::Right(
                responding
                    .map_ok(move |mut response| {
                        if !session.proof.is_current() {
                            let close = HeaderValue::from_static("close");
                            response.headers_mut().insert(CONNECTION, close);
                        }
                        if let Some(lesson) = lesson {
                            lesson.learn(&response);
                        }
                        response.map(|body| WatchedBody::new(Some(body), session))
                    })
                    .map_err(Into::into),
            )
        });
        http1::Builder::new()
            .header_read_timeout(None) // the driver has better ones
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), respond)
    }
}

/// What repeats polls, when the service is that of this crate and nothing is around it that wants to see all requests.
fn repeats_of(service: &dyn Any) -> Option<Arc<Repeats>> {
    let fleet = service.downcast_ref::<FleetService>()?;
    Some(Arc::new(Repeats::new(fleet.clone())))
}

/// Whether a request has one `Host`, which HTTP/1.1 wants (RFC 9112 section 3.2).
fn names_one_host<B>(request: &Request<B>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    hosts == 1 || hosts == 0 && request.version() < Version::HTTP_11
}

fn bad_request<B>(session: &Arc<Session>) -> Response<WatchedBody<B>> {
    let mut response = Response::new(WatchedBody::new(None, Arc::clone(session)));
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

fn log_refusal(address: SocketAddr, claimed: Option<&SpiffeId>, reason: &SvidError) {
    let cause = reason.source().map(ToString::to_string);
    tracing::warn!(
        %address,
        claimed = claimed.map(tracing::field::display),
        %reason,
        cause,
        "refused the SVID of a client"
    );
}

/// What a client is to blame for is told to whoever reads the log; that a line broke is nobody's news.
fn log_end(address: SocketAddr, peer: Option<&SpiffeId>, error: &(dyn Error + 'static)) {
    let peer = peer.map(tracing::field::display);
    let is_no_http = || error.downcast_ref().is_some_and(hyper::Error::is_parse);
    if error.is::<SlowHead>() || is_no_http() {
        tracing::info!(%address, peer, reason = %error, "refused what is no request");
    } else {
        tracing::debug!(%address, peer, %error, "a connection broke");
    }
}

/// The longest head of a request; the longest path has a few hundred bytes.
const MAX_HEAD: usize = 32 * 1024;
