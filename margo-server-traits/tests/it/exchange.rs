//! Requests to a service and what comes back, in the words of the tests.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use margo_server_traits::{Fleet, FleetService, ServiceOptions};
use margo_types::Digest;
use margo_types::id::{ClientId, DeploymentId, SpiffeId};
use margo_types::problem::Problem;
use margo_types::svid::{PeerSvid, danger::assume_verified};
use tower_service::Service;

use crate::fake_fleet::{FakeFleet, State};

pub(crate) const WFM: &str = "spiffe://factory.example/margo/wfm/plant-1";
pub(crate) const MANIFEST: &str = r#"{"bundle":null,"deployments":[],"manifestVersion":7}"#;
pub(crate) const OTHERS_MANIFEST: &str = r#"{"bundle":null,"deployments":[],"manifestVersion":9}"#;
pub(crate) const DOCUMENT: &str = "id: 2f6dbd4e-4a3c-4bbd-9f8e-5d7d3b1c0a11\n";
pub(crate) const BUNDLE: &[u8] = b"bytes of an archive";
pub(crate) const DEPLOYMENT: &str = "2f6dbd4e-4a3c-4bbd-9f8e-5d7d3b1c0a11";
/// A deployment of the client `press-2`.
pub(crate) const OTHERS_DEPLOYMENT: &str = "9c0f2b1d-6f55-4b0e-8a55-0d5a8f2f7e22";

/// A service with a fleet of two clients, `press-1` and `press-2`.
pub(crate) struct Exchange {
    pub(crate) fleet: Arc<FakeFleet>,
    service: FleetService,
}

impl Exchange {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(choose: impl FnOnce(&mut ServiceOptions)) -> Self {
        let fleet = Arc::new(FakeFleet::default());
        fill(&mut fleet.state());
        let mut options = ServiceOptions::default();
        choose(&mut options);
        let own = SpiffeId::parse(WFM).unwrap();
        let service = FleetService::with_options(own, Fleet::of(fleet.clone()), options);
        Self { fleet, service }
    }

    pub(crate) fn service(&self) -> FleetService {
        self.service.clone()
    }

    /// Sends a request as the client `press-1`.
    pub(crate) async fn send(&self, request: Builder) -> Answer {
        self.send_as(Some(client("press-1")), request).await
    }

    pub(crate) async fn send_as(&self, peer: Option<PeerSvid>, request: Builder) -> Answer {
        let mut request = request.0;
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        Answer::of(self.service().call(request).await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(get(path)).await
    }

    /// The calls to the fleet since the last time.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.fleet.state().calls)
    }
}

/// What the clients `press-1` and `press-2` should run.
pub(crate) fn fill(state: &mut State) {
    let [one, two] = ["press-1", "press-2"].map(|id| ClientId::parse(id).unwrap());
    let [deployment, others] = [DEPLOYMENT, OTHERS_DEPLOYMENT].map(deployment);
    state.manifests.insert(one.clone(), MANIFEST.into());
    state.manifests.insert(two.clone(), OTHERS_MANIFEST.into());
    let digest = Digest::of(DOCUMENT.as_bytes());
    state
        .documents
        .insert((one.clone(), deployment, digest), DOCUMENT.into());
    state
        .documents
        .insert((two.clone(), others, Digest::of(b"other")), "other".into());
    state
        .bundles
        .insert((one, Digest::of(BUNDLE)), BUNDLE.into());
    state
        .bundles
        .insert((two, Digest::of(b"other")), "other".into());
}

pub(crate) fn deployment(text: &str) -> DeploymentId {
    DeploymentId::parse(text).unwrap()
}

/// The peer that is this client of the fleet manager.
pub(crate) fn client(id: &str) -> PeerSvid {
    peer(&format!("{WFM}/client/{id}"))
}

pub(crate) fn peer(id: &str) -> PeerSvid {
    assume_verified(SpiffeId::parse(id).unwrap(), Timestamp::MAX)
}

/// A request.
pub(crate) struct Builder(pub(crate) Request<Full<Bytes>>);

impl Builder {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let request = Request::builder().method(method).uri(path);
        Self(request.body(Full::default()).unwrap())
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.0.headers_mut().append(name, value);
        self
    }

    pub(crate) fn json(self, body: impl Into<Bytes>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.0.body_mut() = Full::new(body.into());
        self
    }
}

pub(crate) fn get(path: &str) -> Builder {
    Builder::new("GET", path)
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn of(response: Response<Full<Bytes>>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// A header that is there at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.get_all(name).iter();
        let line = lines.next().map(|line| line.to_str().unwrap());
        assert!(lines.next().is_none(), "{name} is there twice");
        line
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    /// Checks that the answer is a problem without any fault, and is of this type: the end of a registered URI, or
    /// `about:blank`.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, kind: &str) -> Problem {
        self.is(status);
        let problem = self.problem();
        let found = problem.problem_type.slug();
        assert_eq!(found.unwrap_or(problem.problem_type.as_str()), kind);
        problem
    }

    /// The problem of an answer that is no success.
    #[track_caller]
    pub(crate) fn problem(&self) -> Problem {
        // Exactly so: the reference agent reads no problem of any other type.
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let problem = margo_types::read::<Problem>(&self.body).unwrap();
        let report = problem.validate();
        assert!(report.findings().is_empty(), "{report}");
        let problem = problem.into_value();
        assert_eq!(problem.status, self.status.as_u16());
        let is_transient = matches!(problem.status, 429 | 500 | 503);
        assert_eq!(problem.retryable, Some(is_transient));
        let retry_after = problem.retry_after_seconds.map(|it| it.to_string());
        assert_eq!(self.header("retry-after"), retry_after.as_deref());
        assert_eq!(retry_after.is_some(), is_transient);
        assert!(problem.instance.is_some());
        problem
    }
}
