//! The fake fleet manager: that it is right by itself, and wrong as told.

use std::time::Duration;

use margo_conformance::authority::{Authority, IssuedSvid, Lifetime};
use margo_conformance::wfm::{Answer, FakeWfm, Lie};
use margo_types::deployment::ApplicationDeployment;
use margo_types::endpoint::Operation;
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use margo_types::manifest::{ManifestVersion, StateManifest};
use margo_types::media_type;
use margo_types::problem::Problem;
use margo_types::status::DeploymentState;
use margo_types::{Digest, read};
use reqwest::{Client, Identity, Method, Response};
use serde_json::json;

#[tokio::test]
async fn desired_state_is_served_by_digest() {
    let plant = Plant::start().await;
    let empty = plant.manifest().await;
    assert_eq!(
        empty,
        StateManifest::new(ManifestVersion::FIRST, None, Vec::new())
    );

    let deployment = deployment(1);
    plant.wfm.assign(&deployment);
    let response = plant.get(MANIFEST).await;
    assert_eq!(header(&response, "content-type"), media_type::MANIFEST);
    assert_eq!(header(&response, "cache-control"), "private");
    let tag = header(&response, "etag");
    let body = response.bytes().await.unwrap();
    assert_eq!(tag, format!("\"{}\"", Digest::of(&body)));
    let known = plant
        .request(Method::GET, MANIFEST)
        .header("if-none-match", &tag);
    assert_eq!(known.send().await.unwrap().status(), 304);
    let wrong = plant
        .request(Method::GET, MANIFEST)
        .header("accept", "text/html");
    assert_problem(
        wrong.send().await.unwrap(),
        406,
        "server-cannot-generate-response",
    )
    .await;

    let manifest = read::<StateManifest>(&body).unwrap().into_value();
    assert_eq!(manifest.manifest_version.get(), 2);
    let reference = manifest.deployment(&deployment.id).unwrap();
    let document = plant.bytes(&reference.url).await;
    assert_eq!(Digest::of(&document), reference.digest);
    assert_eq!(
        *read::<ApplicationDeployment>(&document).unwrap().value(),
        deployment
    );
    let bundle = manifest.bundle.clone().unwrap();
    assert_eq!(Digest::of(&plant.bytes(&bundle.url).await), bundle.digest);

    plant.wfm.withdraw(&deployment.id);
    let after = plant.manifest().await;
    assert_eq!((after.manifest_version.get(), after.bundle), (3, None));
    assert_eq!(
        plant.get(&reference.url).await.status(),
        200,
        "older content stays"
    );
    plant.wfm.publish_as(ManifestVersion::FIRST);
    assert_eq!(plant.manifest().await, empty);
}

#[tokio::test]
async fn reports_are_checked_and_kept() {
    let plant = Plant::start().await;
    let id = deployment(1).id;
    let path = format!("/api/v1/deployments/{id}/status");
    let report = |state: &str| {
        json!({
            "deploymentId": id.to_string(),
            "adoptedManifestVersion": 1,
            "status": { "state": state },
            "components": [{ "name": "app", "state": state }],
        })
        .to_string()
    };
    let send = |body: String| plant.request(Method::POST, &path).body(body).send();
    let waiting = plant.wfm.wait_for_status(&id, &DeploymentState::Installed);
    let reporting = async {
        assert_eq!(send(report("installing")).await.unwrap().status(), 201);
        assert_eq!(send(report("installed")).await.unwrap().status(), 200);
    };
    let (last, ()) = tokio::join!(waiting, reporting);
    assert_eq!(last.adopted_manifest_version, Some(ManifestVersion::FIRST));
    assert_eq!(plant.wfm.statuses(&id).len(), 2);

    assert_problem(send("{".into()).await.unwrap(), 400, "invalid-request").await;
    assert_problem(send("{}".into()).await.unwrap(), 422, "semantic-error").await;
    let other = report("installed").replace(&id.to_string(), &deployment(2).id.to_string());
    assert_problem(send(other).await.unwrap(), 422, "semantic-error").await;
    assert_eq!(plant.wfm.statuses(&id).len(), 2);
    assert_eq!(plant.wfm.requests_for(Operation::ReportStatus).len(), 5);
}

#[tokio::test]
async fn gateways_come_before_their_children() {
    let plant = Plant::start().await;
    let put = |id: &str| {
        let properties = json!({
            "id": id, "vendor": "Kilns", "modelNumber": "K1", "serialNumber": "1",
            "roles": ["gateway"],
        });
        let body = json!({ "properties": properties }).to_string();
        plant
            .request(Method::PUT, &format!("/api/v1/capabilities/{id}"))
            .body(body)
            .send()
    };
    assert_problem(put("gw/a").await.unwrap(), 404, "gateway-not-found").await;
    for (id, status) in [("gw", 201), ("gw/a", 201), ("gw/a", 200)] {
        assert_eq!(put(id).await.unwrap().status(), status, "{id}");
    }
    assert_eq!(plant.wfm.devices().len(), 2);
    let delete = || {
        plant
            .request(Method::DELETE, "/api/v1/capabilities/gw/a")
            .send()
    };
    assert_eq!(delete().await.unwrap().status(), 204);
    assert_problem(delete().await.unwrap(), 404, "device-not-found").await;
}

#[tokio::test]
async fn faults_come_in_their_order_and_end() {
    let plant = Plant::start().await;
    let wfm = &plant.wfm;
    wfm.fail_next(Operation::Manifest, 2, Answer::problem(503).retry_after(7));
    wfm.fail_next(Operation::Manifest, 1, Answer::html(502));
    for _ in 0..2 {
        let busy = plant.get(MANIFEST).await;
        assert_eq!(header(&busy, "retry-after"), "7");
        let body = busy.bytes().await.unwrap();
        assert_eq!(read::<Problem>(&body).unwrap().value().status, 503);
    }
    let page = plant.get(MANIFEST).await;
    assert!(header(&page, "content-type").starts_with("text/html"));
    assert_eq!(plant.get(MANIFEST).await.status(), 200);

    wfm.fail_always(Operation::Manifest, Answer::cut());
    for _ in 0..3 {
        assert!(plant.get(MANIFEST).await.bytes().await.is_err());
    }
    wfm.recover();
    wfm.fail_next(Operation::Manifest, 1, Answer::endless());
    wfm.fail_next(
        Operation::Manifest,
        1,
        Answer::drip(Duration::from_millis(1)),
    );
    for _ in 0..2 {
        let mut endless = plant.get(MANIFEST).await;
        assert_eq!(header(&endless, "content-type"), media_type::MANIFEST);
        for _ in 0..3 {
            assert!(endless.chunk().await.unwrap().is_some());
        }
    }
    wfm.fail_next(Operation::Manifest, 1, Answer::silence());
    tokio::select! {
        response = plant.get(MANIFEST) => panic!("{response:?}"),
        _ = wfm.wait_for_requests(Operation::Manifest, 10) => {}
    }
    assert_eq!(plant.get("/api/v1/nothing").await.status(), 404);
}

#[tokio::test]
async fn lies_are_told_until_it_recovers() {
    let plant = Plant::start().await;
    for number in 1..=2 {
        plant.wfm.assign(&deployment(number));
    }
    let honest = plant.manifest().await;
    let bundle = honest.bundle.clone().unwrap();

    plant.wfm.lie(Lie::WrongDigest);
    for (url, digest) in [
        (&bundle.url, bundle.digest),
        (&honest.deployments[0].url, honest.deployments[0].digest),
    ] {
        assert_ne!(Digest::of(&plant.bytes(url).await), digest);
    }
    plant.wfm.lie(Lie::LowerVersion);
    assert_eq!(plant.manifest().await.manifest_version.get(), 2);
    plant.wfm.lie(Lie::SameVersion);
    let same = plant.manifest().await;
    assert_eq!(same.manifest_version, honest.manifest_version);
    assert_ne!(same, honest);
    plant.wfm.lie(Lie::IncompleteBundle);
    let incomplete = plant.manifest().await;
    assert_eq!(incomplete.deployments, honest.deployments);
    let other = incomplete.bundle.unwrap();
    assert_ne!(other.digest, bundle.digest);
    assert_eq!(Digest::of(&plant.bytes(&other.url).await), other.digest);
    plant.wfm.lie(Lie::NoEntityTag);
    assert!(!plant.get(MANIFEST).await.headers().contains_key("etag"));
    plant.wfm.lie(Lie::MissingContent);
    assert_problem(plant.get(&bundle.url).await, 404, "invalid-bundle").await;
    let document = plant.get(&honest.deployments[0].url).await;
    assert_problem(document, 404, "deployment-not-found").await;

    plant.wfm.recover();
    assert_eq!(plant.manifest().await, honest);
    assert_eq!(plant.get(&bundle.url).await.status(), 200);
}

#[tokio::test]
async fn only_clients_of_the_authority_are_served() {
    let plant = Plant::start().await;
    let first = &plant.wfm.requests();
    assert!(first.is_empty());
    assert_eq!(plant.get(MANIFEST).await.status(), 200);
    let seen = plant.wfm.requests().pop().unwrap();
    let leaf = plant.svid.certificates().remove(0).to_vec();
    assert_eq!(seen.client_certificate, Some(leaf));

    let other = Authority::new(&domain());
    let expired = plant.authority.issue(&client_id(), Lifetime::expired());
    let stranger = other.issue(&client_id(), Lifetime::default());
    let url = format!("{}{MANIFEST}", plant.wfm.url());
    for svid in [&expired, &stranger] {
        client(svid).get(&url).send().await.unwrap_err();
    }
    plant.wfm.move_to(&other, Lifetime::default());
    client(&stranger).get(&url).send().await.unwrap();
    client(&plant.svid).get(&url).send().await.unwrap_err();

    plant.wfm.stop().await;
    client(&stranger).get(&url).send().await.unwrap_err();
    plant.wfm.restart();
    client(&stranger).get(&url).send().await.unwrap();
}

/// A fleet manager and a client of it.
struct Plant {
    authority: Authority,
    wfm: FakeWfm,
    svid: IssuedSvid,
    client: Client,
}

impl Plant {
    async fn start() -> Self {
        let authority = Authority::new(&domain());
        let wfm = FakeWfm::start(&authority, &SpiffeId::wfm(&domain(), "wfm-1").unwrap()).await;
        let svid = authority.issue(&client_id(), Lifetime::default());
        Self {
            authority,
            wfm,
            client: client(&svid),
            svid,
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.wfm.url()))
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    async fn bytes(&self, path: &str) -> bytes::Bytes {
        self.get(path).await.bytes().await.unwrap()
    }

    async fn manifest(&self) -> StateManifest {
        read(&self.bytes(MANIFEST).await).unwrap().into_value()
    }
}

/// A client that shows its SVID and does not look at the other's: host names are not in it.
fn client(svid: &IssuedSvid) -> Client {
    let pem = [svid.chain_pem.as_str(), &svid.key_pem].concat();
    Client::builder()
        .no_proxy()
        .identity(Identity::from_pem(pem.as_bytes()).unwrap())
        .tls_danger_accept_invalid_certs(true)
        .build()
        .unwrap()
}

pub(crate) fn deployment(number: u8) -> ApplicationDeployment {
    let text = DEPLOYMENT.replace("NUMBER", &number.to_string());
    read(text.as_bytes()).unwrap().into_value()
}

fn domain() -> TrustDomain {
    TrustDomain::parse("plant.example").unwrap()
}

fn client_id() -> SpiffeId {
    let client = ClientId::parse("client-1").unwrap();
    SpiffeId::wfm_client(&domain(), "wfm-1", &client).unwrap()
}

fn header(response: &Response, name: &str) -> String {
    let value = response
        .headers()
        .get(name)
        .unwrap_or_else(|| panic!("{name}: {response:?}"));
    value.to_str().unwrap().to_owned()
}

async fn assert_problem(response: Response, status: u16, slug: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(header(&response, "content-type"), media_type::PROBLEM);
    let problem = read::<Problem>(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(problem.value().problem_type.slug(), Some(slug));
}

const MANIFEST: &str = "/api/v1/deployments";

const DEPLOYMENT: &str = "\
id: 7d2c1f5e-6f3b-4c53-9d6e-00000000000NUMBER
metadata: {name: kiln-watch, namespace: kilns, deviceId: edge-1}
spec:
  applicationId: kiln-watch
  deploymentProfile:
    type: compose
    components:
      - name: app
        properties: {repository: oci://registry.example/kilns/watch, revision: 1.0.0}
";
