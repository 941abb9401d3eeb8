//! From deployments to what clients are served.

use std::sync::Arc;

use margo_server_traits::publish::{PublishError, Publisher};
use margo_server_traits::store::{MemoryStore, Store};
use margo_types::manifest::ManifestVersion;

use crate::deployments::{assert_retrievable, client, deployment, id, manifest};

#[tokio::test]
async fn the_same_deployments_are_the_same_bytes_everywhere() {
    let owner = client("press-1");
    let mut deployments = vec![deployment(1, "a"), deployment(2, "b"), deployment(3, "c")];
    let mut seen = Vec::new();
    for _ in 0..3 {
        deployments.rotate_left(1);
        let (store, publisher) = replica();
        publisher.publish(&owner, &deployments).await.unwrap();
        let (bytes, manifest) = manifest(&*store, &owner).await;
        assert_retrievable(&*store, &owner, &manifest).await;
        seen.push((bytes, store.assigned(&owner).await.unwrap()));
    }
    assert!(seen.iter().all(|it| *it == seen[0]));
}

#[tokio::test]
async fn manifests_look_as_specified() {
    let (store, publisher) = replica();
    let owner = client("press-1");
    publisher
        .publish(&owner, &[deployment(1, "a")])
        .await
        .unwrap();
    let (bytes, manifest) = manifest(&*store, &owner).await;
    let bundle = manifest.bundle.as_ref().unwrap();
    let deployment = &manifest.deployments[0];
    let (id, digest) = (deployment.deployment_id, deployment.digest);
    // RFC 8785: members by name, no blanks.
    let expected = format!(
        r#"{{"bundle":{{"digest":"{bundle_digest}","mediaType":"application/vnd.margo.bundle.v1+tar+gzip","sizeBytes":{bundle_size},"url":"/api/v1/bundles/{bundle_digest}"}},"deployments":[{{"deploymentId":"{id}","digest":"{digest}","sizeBytes":{size},"url":"/api/v1/deployments/{id}/{digest}"}}],"manifestVersion":1}}"#,
        bundle_digest = bundle.digest,
        bundle_size = bundle.size_bytes.unwrap(),
        size = deployment.size_bytes.unwrap(),
    );
    assert_eq!(bytes, expected);
}

#[tokio::test]
async fn a_client_with_nothing_assigned_gets_version_1_without_deployments() {
    let (store, publisher) = replica();
    let owner = client("press-1");
    let head = publisher.head(&owner).await.unwrap();
    assert_eq!(head.version, ManifestVersion::FIRST);
    let (bytes, _) = manifest(&*store, &owner).await;
    assert_eq!(
        bytes,
        r#"{"bundle":null,"deployments":[],"manifestVersion":1}"#
    );
    assert_eq!(publisher.head(&owner).await.unwrap(), head);
    // What is assigned afterwards comes after it.
    let head = publisher
        .publish(&owner, &[deployment(1, "a")])
        .await
        .unwrap();
    assert_eq!(head.version.get(), 2);
}

#[tokio::test]
async fn publishing_what_is_published_changes_nothing() {
    let (_, publisher) = replica();
    let owner = client("press-1");
    let deployments = [deployment(1, "a"), deployment(2, "b")];
    let first = publisher.publish(&owner, &deployments).await.unwrap();
    assert_eq!(first.version, ManifestVersion::FIRST);
    assert_eq!(
        publisher.publish(&owner, &deployments).await.unwrap(),
        first
    );
    let unchanged = publisher
        .change(&owner, |_| Ok::<_, PublishError>(()))
        .await;
    assert_eq!(unchanged.unwrap(), first);
    let second = publisher.publish(&owner, &deployments[..1]).await.unwrap();
    assert_eq!(second.version.get(), 2);
}

#[tokio::test]
async fn nothing_invalid_is_published() {
    let (store, publisher) = replica();
    let owner = client("press-1");
    let mut invalid = deployment(1, "a");
    invalid.metadata.namespace = None;
    let error = publisher.publish(&owner, &[invalid]).await.unwrap_err();
    assert!(matches!(error, PublishError::Invalid { deployment, .. } if deployment == id(1)));
    assert!(error.to_string().contains("namespace"), "{error}");

    let twice = [deployment(1, "a"), deployment(1, "b")];
    let error = publisher.publish(&owner, &twice).await.unwrap_err();
    assert!(matches!(error, PublishError::Repeated(repeated) if repeated == id(1)));

    // Longer than devices read.
    let mut long = deployment(1, "a");
    let note = "a".repeat(2 << 20);
    long.metadata.labels.insert("note".to_owned(), note);
    let error = publisher.publish(&owner, &[long]).await.unwrap_err();
    assert!(matches!(error, PublishError::Unreadable { deployment, .. } if deployment == id(1)));

    let misfiled = publisher.change(&owner, |deployments| {
        deployments.insert(id(2), deployment(1, "a"));
        Ok::<_, PublishError>(())
    });
    let error = misfiled.await.unwrap_err();
    assert!(matches!(error, PublishError::Misfiled { .. }), "{error}");
    assert_eq!(store.head(&owner).await.unwrap(), None);
}

#[tokio::test]
async fn a_change_that_fails_publishes_nothing() {
    #[derive(Debug)]
    enum Failure {
        Own,
        Publish(PublishError),
    }
    impl From<PublishError> for Failure {
        fn from(error: PublishError) -> Self {
            Self::Publish(error)
        }
    }
    let (store, publisher) = replica();
    let owner = client("press-1");
    let failed = publisher.change(&owner, |deployments| {
        deployments.insert(id(1), deployment(1, "a"));
        Err(Failure::Own)
    });
    match failed.await.unwrap_err() {
        Failure::Own => {}
        Failure::Publish(error) => panic!("{error}"),
    }
    assert_eq!(store.head(&owner).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_of_twenty_replicas_at_once_are_all_made() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let owner = client("press-1");
    let replicas = (0..20).map(|number| {
        let (publisher, owner) = (Publisher::new(store.clone()), owner.clone());
        tokio::spawn(async move {
            let change = publisher.change(&owner, |deployments| {
                deployments.insert(id(number), deployment(number, "a"));
                Ok::<_, PublishError>(())
            });
            change.await.unwrap().version.get()
        })
    });
    let mut versions = Vec::new();
    for replica in replicas.collect::<Vec<_>>() {
        versions.push(replica.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=20).collect::<Vec<_>>());
    let (_, manifest) = manifest(&*store, &owner).await;
    assert_eq!(manifest.deployments.len(), 20);
}

#[tokio::test]
async fn raising_publishes_the_same_under_a_higher_version() {
    let (store, publisher) = replica();
    let owner = client("press-1");
    publisher
        .publish(&owner, &[deployment(1, "a")])
        .await
        .unwrap();
    let (_, before) = manifest(&*store, &owner).await;
    let to = ManifestVersion::new(40).unwrap();
    let raised = publisher.raise(&owner, to).await.unwrap();
    assert_eq!(raised.version, to);
    let (_, after) = manifest(&*store, &owner).await;
    assert_eq!(
        (after.bundle, after.deployments),
        (before.bundle, before.deployments)
    );
    assert_eq!(
        publisher.raise(&owner, to).await.unwrap(),
        raised,
        "high enough"
    );

    let last = ManifestVersion::new(u64::MAX).unwrap();
    publisher.raise(&owner, last).await.unwrap();
    let error = publisher.publish(&owner, &[]).await.unwrap_err();
    assert!(matches!(error, PublishError::Exhausted), "{error}");
}

fn replica() -> (Arc<dyn Store>, Publisher) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    (store.clone(), Publisher::new(store))
}
