//! The service over a store: what a device sees of a publication.

use std::sync::Arc;

use margo_server_traits::publish::Publisher;
use margo_server_traits::store::MemoryStore;
use margo_server_traits::{Fleet, FleetService, StoreFleet};
use margo_types::Digest;
use margo_types::id::SpiffeId;
use margo_types::manifest::StateManifest;
use serde_json::json;
use tower_service::Service;

use crate::deployments::{client, deployment, id};
use crate::exchange::{self, Answer, Builder, WFM, get};

const MANIFEST: &str = "/api/v1/deployments";

async fn send(service: &FleetService, request: Builder) -> Answer {
    let mut request = request.0;
    request.extensions_mut().insert(exchange::client("press-1"));
    Answer::of(service.clone().call(request).await.unwrap()).await
}

fn service(store: Arc<MemoryStore>) -> FleetService {
    let fleet = StoreFleet::new(store).accept_namespace();
    let own = SpiffeId::parse(WFM).unwrap();
    FleetService::new(own, Fleet::of(Arc::new(fleet)))
}

fn manifest(answer: &Answer) -> StateManifest {
    let read = margo_types::read::<StateManifest>(&answer.is(200).body);
    read.unwrap().into_value()
}

#[tokio::test]
async fn manifest_leads_to_everything_it_lists() {
    let store = Arc::new(MemoryStore::new());
    let service = service(store.clone());
    let first = manifest(&send(&service, get(MANIFEST)).await);
    assert_eq!(first.manifest_version.get(), 1);
    assert_eq!((first.bundle, first.deployments.len()), (None, 0));

    let publisher = Publisher::new(store);
    let wanted = [deployment(1, "hello"), deployment(2, "hello")];
    publisher
        .publish(&client("press-1"), &wanted)
        .await
        .unwrap();

    let answer = send(&service, get(MANIFEST)).await;
    let tag = answer.header("etag").unwrap().to_owned();
    let second = manifest(&answer);
    assert_eq!(second.manifest_version.get(), 2);
    let bundle = second.bundle.unwrap();
    let listed = second.deployments.iter().map(|it| (&it.url, it.digest));
    for (url, digest) in listed.chain([(&bundle.url, bundle.digest)]) {
        let content = send(&service, get(url)).await;
        assert_eq!(Digest::of(&content.is(200).body), digest);
    }
    let unchanged = get(MANIFEST).header("if-none-match", &tag);
    send(&service, unchanged).await.is(304);

    let report = json!({
        "deploymentId": id(1),
        "adoptedManifestVersion": 2,
        "status": { "state": "installed" },
        "components": [{ "name": "hello", "state": "installed" }],
    });
    let path = format!("/api/v1/deployments/{}/status", id(1));
    for status in [201, 200] {
        let request = Builder::new("POST", &path).json(report.to_string());
        send(&service, request).await.is(status);
    }
}

#[tokio::test]
async fn client_that_knows_more_than_the_store_gets_a_higher_version_at_once() {
    let store = Arc::new(MemoryStore::new());
    let service = service(store.clone());
    let publisher = Publisher::new(store);
    let wanted = [deployment(1, "hello")];
    publisher
        .publish(&client("press-1"), &wanted)
        .await
        .unwrap();
    let version = manifest(&send(&service, get(MANIFEST)).await).manifest_version;

    let forgotten = Digest::of(b"a manifest from before the backup was restored").to_etag();
    let request = get(MANIFEST).header("if-none-match", &forgotten);
    let answer = send(&service, request).await;
    assert!(manifest(&answer).manifest_version > version);
    let tag = Digest::of(&answer.body).to_etag();
    assert_eq!(answer.header("etag"), Some(&*tag));
}
