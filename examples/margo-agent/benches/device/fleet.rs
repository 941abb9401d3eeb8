//! The fleet manager, which notes what it is asked and when.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::SystemTime;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use margo_conformance::authority::{Authority, IssuedSvid, Lifetime};
use margo_server_traits::publish::{PublishError, Publisher};
use margo_server_traits::server::{Server, ServerOptions};
use margo_server_traits::store::MemoryStore;
use margo_server_traits::{Fleet, FleetService, ResponseBody, StoreFleet};
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use margo_types::svid::Identity;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower_service::Service;

use crate::{Failure, until};

/// A fleet manager in this process, with one client.
pub(crate) struct FleetManager {
    runtime: Runtime,
    publisher: Publisher,
    authority: Authority,
    client: ClientId,
    pub(crate) port: u16,
    noted: Noted,
}

/// What it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) arrived: SystemTime,
    pub(crate) answered: SystemTime,
    pub(crate) status: StatusCode,
}

type Noted = Arc<Mutex<Vec<Exchange>>>;

impl FleetManager {
    pub(crate) fn start() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let domain = TrustDomain::parse("factory.example")?;
        let authority = Authority::new(&domain);
        let own = SpiffeId::wfm(&domain, WFM)?;
        let svid = authority.issue(&own, Lifetime::default()).svid();
        let identity = Identity::new(svid, &authority.bundle())?;
        let store = Arc::new(MemoryStore::new());
        let fleet = StoreFleet::new(store.clone()).accept_namespace();
        let noted = Noted::default();
        let service = Noting {
            inner: FleetService::new(own, Fleet::of(Arc::new(fleet))),
            noted: Arc::clone(&noted),
        };
        let server = Server::new(identity, service, ServerOptions::default());
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let port = listener.local_addr()?.port();
        runtime.spawn(server.serve(listener, std::future::pending()));
        Ok(Self {
            runtime,
            publisher: Publisher::new(store),
            authority,
            client: ClientId::parse("line-1")?,
            port,
            noted,
        })
    }

    /// The SVID of its client, and the trust bundle.
    pub(crate) fn provision(&self) -> Result<(IssuedSvid, Vec<u8>), Failure> {
        let id = SpiffeId::wfm_client(self.authority.domain(), WFM, &self.client)?;
        let bundle = self.authority.bundle();
        let bundle = margo_types::write(&bundle, margo_types::SpecVersion::NEWEST)?;
        Ok((self.authority.issue(&id, Lifetime::default()), bundle))
    }

    /// Makes these the deployments of its client.
    pub(crate) fn publish(&self, deployments: &[ApplicationDeployment]) -> Result<(), Failure> {
        let publish = self.publisher.publish(&self.client, deployments);
        self.runtime.block_on(publish)?;
        Ok(())
    }

    /// Changes one of them.
    pub(crate) fn replace(&self, deployment: &ApplicationDeployment) -> Result<(), Failure> {
        let change = self.publisher.change(&self.client, |all| {
            all.insert(deployment.id, deployment.clone());
            Ok::<_, PublishError>(())
        });
        self.runtime.block_on(change)?;
        Ok(())
    }

    pub(crate) fn forget(&self) {
        self.noted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.noted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn wait_for(
        &self,
        what: &str,
        is_it: impl Fn(&Exchange) -> bool,
    ) -> Result<Exchange, Failure> {
        until(what, || Ok(self.exchanges().into_iter().find(&is_it)))
    }
}

/// A service that notes what it is asked.
#[derive(Clone)]
struct Noting {
    inner: FleetService,
    noted: Noted,
}

impl Service<Request<Incoming>> for Noting {
    type Response = Response<ResponseBody>;
    type Error = <FleetService as Service<Request<Incoming>>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<Incoming>>::poll_ready(&mut self.inner, context)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let arrived = SystemTime::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let noted = Arc::clone(&self.noted);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            let exchange = Exchange {
                method,
                path,
                arrived,
                answered: SystemTime::now(),
                status: answer.status(),
            };
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.push(exchange);
            Ok(answer)
        })
    }
}

const WFM: &str = "plant-1";
