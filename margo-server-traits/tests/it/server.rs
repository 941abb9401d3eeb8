//! The server: who gets in, and how long connections live (rc3.md sections 7.2 and 7.6, W58 to W62, C14).

mod device;
mod ends;
mod files;
mod handshakes;
mod repeats;
mod server_only;
mod signed;
mod wire;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use margo_conformance::authority::{Authority, Lifetime};
use margo_server_traits::server::{Server, ServerOptions};
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use margo_types::svid::{Identity, IdentityError, PeerSvid};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::device::Device;

/// A fleet manager that tells everybody who they are.
#[derive(Clone)]
struct WhoAmI;

impl tower_service::Service<Request<Incoming>> for WhoAmI {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let peer = request.extensions().get::<PeerSvid>();
        let text = peer.map_or("nobody".to_owned(), |peer| peer.id().to_string());
        ready(Ok(Response::new(Full::from(text))))
    }
}

/// A running server with what belongs to it.
struct Plant {
    authority: Authority,
    identity: Identity,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), IdentityError>>,
}

impl Plant {
    async fn start(change: impl FnOnce(&mut ServerOptions)) -> Self {
        let authority = Authority::new(&domain());
        let svid = authority.issue(&wfm(), Lifetime::default()).svid();
        let identity = Identity::new(svid, &authority.bundle()).unwrap();
        Self::start_as(authority, identity, change).await
    }

    async fn start_as(
        authority: Authority,
        identity: Identity,
        change: impl FnOnce(&mut ServerOptions),
    ) -> Self {
        Self::serve(authority, identity, WhoAmI, change).await
    }

    async fn serve<S>(
        authority: Authority,
        identity: Identity,
        service: S,
        change: impl FnOnce(&mut ServerOptions),
    ) -> Self
    where
        S: tower_service::Service<Request<Incoming>, Response = Response<Full<Bytes>>>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut options = ServerOptions::default();
        change(&mut options);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = Server::new(identity.clone(), service, options);
        let task = tokio::spawn(server.serve(listener, async {
            _ = stopped.await;
        }));
        Self {
            authority,
            identity,
            address,
            stop: Some(stop),
            task,
        }
    }

    /// The identity of a client of this plant.
    fn client(&self, id: &str) -> Identity {
        let svid = self.authority.issue(&client(id), Lifetime::default());
        Identity::new(svid.svid(), &self.authority.bundle()).unwrap()
    }

    async fn connect(&self, identity: &Identity) -> Device {
        Device::connect(self.address, identity).await.unwrap()
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
}

fn domain() -> TrustDomain {
    TrustDomain::parse("factory.example").unwrap()
}

fn wfm() -> SpiffeId {
    SpiffeId::wfm(&domain(), "wfm-1").unwrap()
}

fn client(id: &str) -> SpiffeId {
    SpiffeId::wfm_client(&domain(), "wfm-1", &ClientId::parse(id).unwrap()).unwrap()
}

/// Does what must succeed within a limit of the server; again, when the machine is so busy that more time than that has passed.
async fn within<T>(limit: Duration, mut work: impl AsyncFnMut() -> io::Result<T>) -> T {
    loop {
        let begun = Instant::now();
        match work().await {
            Ok(done) => return done,
            Err(error) => assert!(begun.elapsed() >= limit, "before the limit: {error}"),
        }
    }
}

/// Long enough for whatever has to happen on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
