//! A fleet manager with two clients, `press-1` and `press-2`, and a retired one, `press-0`.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use jiff::Timestamp;
use margo_conformance::corpus::input::replaced;
use margo_server_traits::publish::Publisher;
use margo_server_traits::store::{ClientRecord, MemoryStore, Store};
use margo_server_traits::{Fleet, FleetService, StoreFleet};
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use margo_types::manifest::StateManifest;
use margo_types::problem::Problem;
use margo_types::svid::{PeerSvid, danger::assume_verified};
use margo_types::{Digest, read};
use tokio::runtime::Runtime;
use tower_service::Service as _;

/// What only `press-2` may see.
pub(super) const SECRET: &str = "SECRET-OF-PRESS-2";
pub(super) const WFM: &str = "spiffe://factory.example/margo/wfm/plant-1";

/// A service over a store with the clients, the same every time.
pub(super) async fn service(store: Arc<dyn Store>) -> FleetService {
    let publisher = Publisher::new(Arc::clone(&store));
    for (client, number, greeting) in [("press-1", 1, "hello"), ("press-2", 2, SECRET)] {
        let wanted = [deployment(number, greeting)];
        publisher
            .publish(&id(client), &wanted)
            .await
            .expect("published");
    }
    let retired = ClientRecord::new(id("press-0"), false);
    store.put_client(&retired).await.expect("kept");
    over(store)
}

/// A service over a store as it is.
pub(super) fn over(store: Arc<dyn Store>) -> FleetService {
    let fleet = StoreFleet::new(store).accept_namespace().max_devices(4);
    let own = SpiffeId::parse(WFM).expect("an id");
    FleetService::new(own, Fleet::of(Arc::new(fleet)))
}

/// The input with the digests of what was published, such as `{manifest}` and `{others-bundle}`.
pub(super) fn filled(input: &[u8]) -> Vec<u8> {
    let names = NAMES.iter();
    names.fold(input.to_vec(), |input, (name, by)| {
        replaced(&input, name, by.as_bytes())
    })
}

static NAMES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let store = Arc::new(MemoryStore::new());
    runtime().block_on(async {
        service(store.clone()).await;
        let mut names = Vec::new();
        for (client, prefix) in [("press-1", ""), ("press-2", "others-")] {
            let bytes = store
                .manifest(&id(client))
                .await
                .expect("read")
                .expect("a manifest");
            let manifest = read::<StateManifest>(&bytes)
                .expect("a manifest")
                .into_value();
            let bundle = manifest.bundle.as_ref().expect("a bundle").digest;
            let deployment = &manifest.deployments[0];
            for (name, value) in [
                ("manifest", Digest::of(&bytes).to_string()),
                ("bundle", bundle.to_string()),
                ("document", deployment.digest.to_string()),
                ("deployment", deployment.deployment_id.to_string()),
            ] {
                names.push((format!("{{{prefix}{name}}}"), value));
            }
        }
        names
    })
});

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) async fn of(service: &FleetService, request: Request<Full<Bytes>>) -> Self {
        let method = request.method().clone();
        let response = service.clone().call(request).await;
        let (parts, body) = response.unwrap_or_else(|never| match never {}).into_parts();
        let body = body.collect().await.unwrap_or_else(|never| match never {});
        let answer = Self {
            status: parts.status,
            headers: parts.headers,
            body: body.to_bytes(),
        };
        answer.check(&method);
        answer
    }

    /// That it is one that any client understands.
    fn check(&self, method: &Method) {
        let status = self.status.as_u16();
        match status {
            _ if method == Method::HEAD => assert!(self.body.is_empty()),
            200 | 201 => {}
            204 | 304 => assert!(self.body.is_empty()),
            _ => self.is_problem(),
        }
        if status == 405 {
            assert!(self.headers.contains_key("allow"));
        }
        if status == 304 || status == 200 && method == Method::GET {
            assert!(self.headers.contains_key("etag"));
        }
        if status == 200 && method == Method::GET {
            let tag = Digest::of(&self.body).to_etag();
            assert_eq!(self.header("etag"), tag);
        }
    }

    fn is_problem(&self) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        let problem = read::<Problem>(&self.body).expect("a problem");
        let report = problem.validate();
        assert!(report.findings().is_empty(), "{report}");
        let problem = problem.into_value();
        assert_eq!(problem.status, self.status.as_u16());
        let is_transient = matches!(problem.status, 429 | 500 | 503);
        assert_eq!(problem.retryable, Some(is_transient));
        assert_eq!(self.headers.contains_key("retry-after"), is_transient);
        assert!(problem.instance.is_some());
    }

    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }
}

pub(super) fn id(client: &str) -> ClientId {
    ClientId::parse(client).expect("an id")
}

pub(super) fn domain() -> TrustDomain {
    TrustDomain::parse("factory.example").expect("a domain")
}

/// The peer that is this client of the fleet manager.
pub(super) fn peer(wfm: &str, client: &str) -> PeerSvid {
    let id = SpiffeId::wfm_client(&domain(), wfm, &id(client)).expect("an id");
    assume_verified(id, Timestamp::MAX)
}

pub(super) fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

pub(super) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

pub(super) fn deployment(number: u8, greeting: &str) -> ApplicationDeployment {
    let text = format!(
        r#"
id: 5c1f7a9e-3b60-4d52-9a3e-0f4b8f2d6c{number:02x}
metadata:
  name: hello-{number}
  namespace: line-4
  deviceId: edge-07
spec:
  applicationId: com-riverside-hello
  deploymentProfile:
    type: compose
    components:
      - name: hello
        properties:
          repository: oci://registry.riverside.example/compose/hello
          revision: 1.0.0
  parameters:
    greeting:
      value: "{greeting}"
      targets:
        - pointer: GREETING
          components: [hello]
"#
    );
    read::<ApplicationDeployment>(text.as_bytes())
        .expect("a deployment")
        .into_value()
}
