//! `Rc3Api` over real connections.

mod answers;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use margo_client::api::{ApiOptions, Rc3Api};
use margo_conformance::authority::{Authority, Lifetime};
use margo_types::Digest;
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use margo_types::manifest::{BundleReference, DeploymentReference};
use margo_types::svid::Identity;

use crate::server::{Reply, Seen, Server};

/// An authority, a fleet manager and a client of it.
struct Scene {
    authority: Authority,
    client: Identity,
}

impl Scene {
    fn new() -> Self {
        let authority = Authority::new(&domain());
        let client = authority.issue(&client_id("wfm-1"), Lifetime::default());
        let client = Identity::new(client.svid(), &authority.bundle()).expect("an identity");
        Self { authority, client }
    }

    /// The identity of the fleet manager.
    fn wfm(&self) -> Identity {
        let svid = self
            .authority
            .issue(&wfm_id("wfm-1"), Lifetime::default())
            .svid();
        Identity::new(svid, &self.authority.bundle()).expect("an identity")
    }

    async fn server(&self, answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
        Server::start(self.wfm().server_config().expect("a fleet manager"), answer).await
    }

    fn api(&self, server: &Server) -> Rc3Api {
        self.api_with(server, ApiOptions::default())
    }

    fn api_with(&self, server: &Server, options: ApiOptions) -> Rc3Api {
        api_of(&self.client, server.address(), options)
    }
}

fn api_of(client: &Identity, address: &str, options: ApiOptions) -> Rc3Api {
    let base = format!("https://{address}/v1alpha2/margo")
        .parse()
        .expect("a URL");
    Rc3Api::with_options(base, client.clone(), options).expect("an API")
}

fn domain() -> TrustDomain {
    TrustDomain::parse("factory.example").expect("a domain")
}

fn wfm_id(wfm: &str) -> SpiffeId {
    SpiffeId::wfm(&domain(), wfm).expect("an id")
}

fn client_id(wfm: &str) -> SpiffeId {
    let client = ClientId::parse("line-4").expect("an id");
    SpiffeId::wfm_client(&domain(), wfm, &client).expect("an id")
}

fn deployment_reference(content: &[u8]) -> DeploymentReference {
    let id = DEPLOYMENT.parse().expect("a deployment id");
    let digest = Digest::of(content);
    let url = format!("/api/v1/deployments/{DEPLOYMENT}/{digest}");
    DeploymentReference::new(id, digest, 5, url)
}

fn bundle_reference(content: &[u8]) -> BundleReference {
    let digest = Digest::of(content);
    BundleReference::new(digest, 5, format!("/api/v1/bundles/{digest}"))
}

/// Takes no silence; but as long as something comes, it has time, however busy the machine is.
fn impatient() -> ApiOptions {
    let mut options = ApiOptions::default();
    options.idle = Duration::from_secs(2);
    options
}

/// Has little time for the whole; but within that, it takes any silence.
fn hurried() -> ApiOptions {
    let mut options = ApiOptions::default();
    options.exchange = Duration::from_secs(2);
    options
}

fn arc(identity: &Identity) -> Arc<rustls::ServerConfig> {
    identity.server_config().expect("a fleet manager")
}

const DEPLOYMENT: &str = "a3e2f5dc-912e-494f-8395-52cf3769bc06";
const EMPTY_MANIFEST: &str =
    r#"{"bundle":null,"deployments":[],"manifestVersion":18446744073709551615}"#;
