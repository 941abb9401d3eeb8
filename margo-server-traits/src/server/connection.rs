//! One connection, from the handshake to its end.

use std::any::Any;
use std::collections::hash_map::RandomState;
use std::future::poll_fn;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
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
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower_service::Service;

use super::activity::{Activity, Phase, WatchedBody, WatchedStream};
use super::aside::Aside;
use super::credential::Credential;
use super::repeats::Repeats;
use super::wire::Wire;
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
}

impl<S, B> Acceptor<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    pub(super) const fn new(credential: Credential, service: S, options: ServerOptions) -> Self {
        Self {
            credential,
            service,
            options,
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
            handshake = Box::pin(self.shake_hands(stream, address)) => handshake.map(Box::new),
            () = stopping(&mut notices) => None,
        };
        if let Some(shaken) = handshake {
            self.serve(shaken, address, notices).await;
        }
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Option<(TlsStream<Wire>, Proof)> {
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
        Some((stream, proof))
    }

    fn serve(
        &self,
        shaken: Box<(TlsStream<Wire>, Proof)>,
        address: SocketAddr,
        notices: watch::Receiver<Notice>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let (stream, proof) = *shaken;
        let activity = Activity::new();
        let now = Instant::now();
        let retire_at = now + proof.lifetime(self.options.max_age);
        let (generation, peer) = (proof.generation, proof.peer.clone());
        let proof = Arc::new(proof);
        let repeats = self.repeats(&proof);
        let stream = WatchedStream::new(stream, Arc::clone(&activity), repeats.clone());
        let stream = TokioIo::new(stream);
        let service = TowerToHyperService::new(self.service.clone());
        let doing = Arc::clone(&activity);
        let respond = service_fn(move |mut request: Request<Incoming>| {
            doing.begin(Phase::Busy);
            if !names_one_host(&request) {
                return Either::Left(ready(bad_request(&doing)).map(Ok));
            }
            let extensions = request.extensions_mut();
            if let Some(peer) = &proof.peer {
                extensions.insert(peer.clone());
            }
            if let Some(client) = &proof.client {
                extensions.insert(client.clone());
            }
            let poll = repeats
                .as_ref()
                .and_then(|repeats| Some((Arc::clone(repeats), repeats.understood(&request)?)));
            let (proof, doing) = (Arc::clone(&proof), Arc::clone(&doing));
            let responding = service.call(request);
            Either::Right(responding.map_ok(move |mut response| {
                if !proof.is_current() {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                if let Some((repeats, poll)) = poll {
                    repeats.learn(poll, &response);
                }
                response.map(|body| WatchedBody::new(Some(body), doing))
            }))
        });
        let connection = http1::Builder::new()
            .header_read_timeout(None) // the driver has better ones
            .max_buf_size(MAX_HEAD)
            .serve_connection(stream, respond);
        let connection = Box::pin(connection);
        let driver = Driver {
            activity,
            seen: (0, now),
            aside: Aside::default(),
            options: &self.options,
            generation,
            retire_at,
            end_at: None,
        };
        Box::pin(async move {
            if let Err(error) = driver.drive(connection, notices).await {
                let id = peer.as_ref().map(|peer| tracing::field::display(peer.id()));
                tracing::debug!(%address, peer = id, %error, "a connection broke");
            }
        })
    }

    /// What repeats polls, when the service is that of this crate and nothing is around it that wants to see all requests.
    fn repeats(&self, proof: &Arc<Proof>) -> Option<Arc<Repeats>> {
        proof.client.as_ref()?;
        let service: &dyn Any = &self.service;
        let fleet = service.downcast_ref::<FleetService>()?;
        Some(Arc::new(Repeats::new(fleet.clone(), Arc::clone(proof))))
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

/// Sees to it that a connection keeps its limits and ends in time.
struct Driver<'o> {
    activity: Arc<Activity>,
    /// The last change of the phase that was seen, and when.
    seen: (u64, Instant),
    aside: Aside,
    options: &'o ServerOptions,
    generation: u64,
    /// From when on it takes no more requests.
    retire_at: Instant,
    /// When it ends whatever it does; `None` before it retires.
    end_at: Option<Instant>,
}

impl Driver<'_> {
    async fn drive<C: Connection>(
        mut self,
        mut connection: Pin<Box<C>>,
        mut notices: watch::Receiver<Notice>,
    ) -> Result<(), hyper::Error> {
        let mut alarm = pin!(sleep_until(self.deadline()));
        loop {
            let event = self
                .next_event(connection.as_mut(), alarm.as_mut(), &mut notices)
                .await;
            let (now, since) = (Instant::now(), self.seen.1);
            match event {
                Event::Over(result) => return result,
                Event::Notice => {
                    // The server itself may be gone.
                    let is_gone = notices.has_changed().is_err();
                    let notice = *notices.borrow_and_update();
                    if is_gone || notice.is_stopping {
                        self.retire(connection.as_mut(), now);
                    } else if notice.generation != self.generation {
                        let soon = now + fraction(self.options.renewal_spread);
                        self.retire_at = self.retire_at.min(soon);
                    }
                }
                Event::Alarm if self.end_at.is_some_and(|end| end <= now) => return Ok(()),
                Event::Alarm => match self.activity.phase() {
                    Phase::Head if since + self.options.header_timeout <= now => return Ok(()),
                    Phase::Idle if since + self.options.idle_timeout <= now => {
                        self.retire(connection.as_mut(), now);
                    }
                    _ if self.end_at.is_none() && self.retire_at <= now => {
                        self.retire(connection.as_mut(), now);
                    }
                    _ => {}
                },
            }
            alarm.as_mut().reset(self.deadline());
        }
    }

    /// Works on the connection until it ends, the alarm goes off or there is something to notice.
    ///
    /// The alarm is set earlier when what the connection does now has an earlier limit, and left as it is when that is
    /// later: it then goes off once for nothing, which is cheaper than setting it with every request.
    async fn next_event<C: Connection>(
        &mut self,
        mut connection: Pin<&mut C>,
        mut alarm: Pin<&mut Sleep>,
        notices: &mut watch::Receiver<Notice>,
    ) -> Event {
        let is_open = self.end_at.is_none();
        let mut notice = pin!(notices.changed());
        self.aside.look_again();
        poll_fn(|context| {
            if let Poll::Ready(result) = connection.as_mut().poll(context) {
                return Poll::Ready(Event::Over(result));
            }
            self.look_at_phase();
            let deadline = self.deadline();
            if deadline < alarm.deadline() {
                alarm.as_mut().reset(deadline);
                self.aside.look_again();
            }
            let Some(waker) = self.aside.woken(context) else {
                return Poll::Pending;
            };
            let mut context = Context::from_waker(&waker);
            if is_open && notice.as_mut().poll(&mut context).is_ready() {
                return Poll::Ready(Event::Notice);
            }
            alarm.as_mut().poll(&mut context).map(|()| Event::Alarm)
        })
        .await
    }

    /// Sees the time when the connection has begun to do something else.
    fn look_at_phase(&mut self) {
        let changes = self.activity.changes();
        if changes != self.seen.0 {
            self.seen = (changes, Instant::now());
        }
    }

    /// Answers what is being worked on, and closes.
    fn retire<C: Connection>(&mut self, connection: Pin<&mut C>, now: Instant) {
        if self.end_at.is_none() {
            self.end_at = Some(now + self.options.drain);
            connection.retire();
        }
    }

    fn deadline(&self) -> Instant {
        let end = self.end_at.unwrap_or(self.retire_at);
        let since = self.seen.1;
        match self.activity.phase() {
            Phase::Head => end.min(since + self.options.header_timeout),
            Phase::Idle if self.end_at.is_none() => end.min(since + self.options.idle_timeout),
            Phase::Idle | Phase::Busy => end,
        }
    }
}

enum Event {
    Over(Result<(), hyper::Error>),
    Notice,
    Alarm,
}

/// A connection of the HTTP library, whose type has many parameters.
trait Connection: Future<Output = Result<(), hyper::Error>> {
    fn retire(self: Pin<&mut Self>);
}

impl<I, B, S> Connection for http1::Connection<I, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: Body<Error: Into<BoxError>> + 'static,
{
    fn retire(self: Pin<&mut Self>) {
        self.graceful_shutdown();
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

/// A random part of a duration.
fn fraction(whole: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let thousandths = u32::try_from(random % 1000).unwrap_or(0);
    whole * thousandths / 1000
}

/// The longest head of a request; the longest path has a few hundred bytes.
const MAX_HEAD: usize = 32 * 1024;
