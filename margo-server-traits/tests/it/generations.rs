//! The same deployments for clients of two generations.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use margo_server_traits::publish::{PublishError, Publisher};
use margo_server_traits::store::{ClientRecord, DeviceRecord, MemoryStore, Store};
use margo_server_traits::{
    Admission, ClientPolicy as _, DesiredState as _, FleetError, StoreFleet,
};
use margo_types::SpecVersion::{Rc1, Rc3};
use margo_types::application::DeploymentType;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeviceId;
use margo_types::{ExtensionName, SpecVersion};
use serde_json::{Map, Value};

use crate::deployments::{assert_retrievable, client, deployment, deployment_for, id, manifest};
use crate::store_fleet::caller;

async fn place(generation: SpecVersion) -> (Arc<dyn Store>, Publisher) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let record = ClientRecord::new(client("press-1"), true).speaking(generation);
    store.put_client(&record).await.unwrap();
    (store.clone(), Publisher::new(store))
}

async fn document(store: &dyn Store) -> String {
    let assigned = store.assigned(&client("press-1")).await.unwrap();
    assert_eq!(assigned.len(), 1);
    String::from_utf8(assigned[0].1.to_vec()).unwrap()
}

fn unchanged() -> impl FnMut(
    &mut std::collections::BTreeMap<margo_types::id::DeploymentId, ApplicationDeployment>,
) -> Result<(), PublishError> {
    |_| Ok(())
}

#[tokio::test]
async fn a_deployment_is_written_in_the_words_of_its_client() {
    for (generation, expected) in [(Rc1, IN_RC1), (Rc3, IN_RC3)] {
        let (store, publisher) = place(generation).await;
        publisher
            .publish(&client("press-1"), &[deployment(1, "hi")])
            .await
            .unwrap();
        assert_eq!(document(&*store).await, expected);
        let read = margo_types::read::<ApplicationDeployment>(expected.as_bytes()).unwrap();
        assert_eq!(
            (read.generation(), read.value()),
            (generation, &deployment(1, "hi"))
        );
    }
}

#[tokio::test]
async fn urls_name_the_client_where_it_signs() {
    let (store, publisher) = place(Rc1).await;
    let owner = client("press-1");
    publisher
        .publish(&owner, &[deployment(1, "hi")])
        .await
        .unwrap();
    let (bytes, manifest) = manifest(&*store, &owner).await;
    assert_retrievable(&*store, &owner, &manifest).await;
    let bundle = manifest.bundle.as_ref().unwrap();
    let deployment = &manifest.deployments[0];
    let (id, digest) = (deployment.deployment_id, deployment.digest);
    let expected = format!(
        r#"{{"bundle":{{"digest":"{bundle_digest}","mediaType":"application/vnd.margo.bundle.v1+tar+gzip","sizeBytes":{bundle_size},"url":"/api/v1/clients/press-1/bundles/{bundle_digest}"}},"deployments":[{{"deploymentId":"{id}","digest":"{digest}","sizeBytes":{size},"url":"/api/v1/clients/press-1/deployments/{id}/{digest}"}}],"manifestVersion":1}}"#,
        bundle_digest = bundle.digest,
        bundle_size = bundle.size_bytes.unwrap(),
        size = deployment.size_bytes.unwrap(),
    );
    assert_eq!(bytes, expected);
}

#[tokio::test]
async fn what_a_generation_cannot_express_is_refused_before_anything_is_published() {
    let mut custom = deployment(1, "hi");
    custom.spec.deployment_profile.deployment_type = DeploymentType::Custom;
    let mut extended = deployment(1, "hi");
    let name = ExtensionName::parse("northwind").unwrap();
    extended
        .spec
        .extra
        .set_extension(&name, Map::from_iter([("a".to_owned(), Value::from(1))]));
    let behind_gateway = deployment_for("gateway/*", 1, "hi");
    let for_child = deployment_for("gateway/child", 1, "hi");
    for (deployment, field) in [
        (behind_gateway, "metadata.deviceId"),
        (for_child, "metadata.deviceId"),
        (custom, "spec.deploymentProfile.type"),
        (extended, "spec.x-northwind-extensions"),
    ] {
        let (store, publisher) = place(Rc1).await;
        let owner = client("press-1");
        let before = publisher
            .publish(&owner, &[self::deployment(2, "hi")])
            .await
            .unwrap();
        let both = [self::deployment(2, "hi"), deployment];
        let error = publisher.publish(&owner, &both).await.unwrap_err();
        let text = format!("{error}: {}", error.source().unwrap());
        let PublishError::Unrepresentable {
            deployment,
            client,
            source,
        } = error
        else {
            panic!("{text}");
        };
        assert_eq!(
            (deployment, &client, source.generation),
            (id(1), &owner, Rc1)
        );
        assert_eq!(source.field, field, "{text}");
        assert!(text.contains("press-1") && text.contains(field), "{text}");
        assert_eq!(store.head(&owner).await.unwrap(), Some(before));
        assert_eq!(store.assigned(&owner).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_client_that_changes_its_generation_gets_everything_anew() {
    let (store, publisher) = place(Rc3).await;
    let owner = client("press-1");
    let first = publisher
        .publish(&owner, &[deployment(1, "hi")])
        .await
        .unwrap();
    let mut version = first.version;
    for (generation, expected) in [(Rc1, IN_RC1), (Rc3, IN_RC3), (Rc1, IN_RC1)] {
        let head = publisher
            .change_generation(&owner, generation, unchanged())
            .await
            .unwrap();
        assert_eq!(
            (Some(head.version), head.generation),
            (version.next(), generation)
        );
        assert_eq!(document(&*store).await, expected);
        let record = store.client(&owner).await.unwrap().unwrap();
        assert_eq!((record.accepted, record.generation), (true, generation));
        let (_, manifest) = manifest(&*store, &owner).await;
        assert_retrievable(&*store, &owner, &manifest).await;
        let again = publisher
            .change_generation(&owner, generation, unchanged())
            .await
            .unwrap();
        assert_eq!(again, head, "it is done already");
        version = head.version;
    }
    // Without deployments as well.
    publisher.publish(&owner, &[]).await.unwrap();
    let head = publisher
        .change_generation(&owner, Rc3, unchanged())
        .await
        .unwrap();
    assert_eq!(
        (head.version.get(), head.generation),
        (version.get() + 2, Rc3)
    );
}

#[tokio::test]
async fn a_generation_that_cannot_express_the_deployments_is_not_changed_to() {
    let (store, publisher) = place(Rc3).await;
    let owner = client("press-1");
    let behind_gateway = deployment_for("gateway/child", 1, "hi");
    let head = publisher.publish(&owner, &[behind_gateway]).await.unwrap();
    let refused = publisher
        .change_generation(&owner, Rc1, unchanged())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, PublishError::Unrepresentable { .. }),
        "{refused}"
    );
    assert_eq!(publisher.head(&owner).await.unwrap(), head);
    assert_eq!(store.client(&owner).await.unwrap().unwrap().generation, Rc3);
    // Unless it is adapted.
    let adapt = |deployments: &mut std::collections::BTreeMap<_, ApplicationDeployment>| {
        for deployment in deployments.values_mut() {
            deployment.metadata.device_id = Some("edge-07".parse().unwrap());
        }
        Ok::<_, PublishError>(())
    };
    let head = publisher
        .change_generation(&owner, Rc1, adapt)
        .await
        .unwrap();
    assert_eq!((head.version.get(), head.generation), (2, Rc1));
}

#[tokio::test]
async fn a_client_can_have_a_generation_before_anything_else() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let publisher = Publisher::new(store.clone());
    let owner = client("press-1");
    let head = publisher
        .change_generation(&owner, Rc1, unchanged())
        .await
        .unwrap();
    assert_eq!((head.version.get(), head.generation), (1, Rc1));
    let record = store.client(&owner).await.unwrap().unwrap();
    assert_eq!((record.accepted, record.generation), (false, Rc1));
}

#[tokio::test]
async fn a_record_that_was_changed_alone_is_followed_by_the_next_poll() {
    let (store, publisher) = place(Rc3).await;
    let owner = client("press-1");
    publisher
        .publish(&owner, &[deployment(1, "hi")])
        .await
        .unwrap();
    let record = ClientRecord::new(owner.clone(), true).speaking(Rc1);
    store.put_client(&record).await.unwrap();
    let head = publisher.head(&owner).await.unwrap();
    assert_eq!((head.version.get(), head.generation), (2, Rc1));
    assert_eq!(document(&*store).await, IN_RC1);
}

#[tokio::test]
async fn who_asks_in_another_generation_changes_nothing() {
    let (store, publisher) = place(Rc1).await;
    let owner = client("press-1");
    let head = publisher
        .publish(&owner, &[deployment(1, "hi")])
        .await
        .unwrap();
    let fleet = StoreFleet::new(store.clone());
    let newest = caller("press-1");
    match fleet.admit(&newest).await.unwrap() {
        Admission::Refused { reason } => assert!(reason.contains("rc.1, not rc.3"), "{reason}"),
        other => panic!("{other:?}"),
    }
    // Whatever another policy says.
    match fleet.manifest_digest(&newest).await.unwrap_err() {
        FleetError::Refused(reason) => assert!(reason.contains("rc.1, not rc.3"), "{reason}"),
        other => panic!("{other:?}"),
    }
    fleet.manifest(&newest).await.unwrap_err();
    assert_eq!(store.head(&owner).await.unwrap(), Some(head));
}

#[tokio::test]
async fn raising_a_version_keeps_the_generation() {
    let (store, publisher) = place(Rc1).await;
    let owner = client("press-1");
    let head = publisher
        .publish(&owner, &[deployment(1, "hi")])
        .await
        .unwrap();
    let to = margo_types::manifest::ManifestVersion::new(40).unwrap();
    let raised = publisher.raise(&owner, to).await.unwrap();
    assert_eq!((raised.version, raised.generation), (to, head.generation));
    assert_eq!(document(&*store).await, IN_RC1);
}

#[tokio::test]
async fn capabilities_of_the_signed_generation_decide_about_places() {
    let (store, publisher) = place(Rc1).await;
    let owner = client("press-1");
    let device = DeviceId::parse("edge-07").unwrap();
    for (memory, is_placeable) in [("8Gi", true), ("1Gi", false)] {
        let document = CAPABILITIES_IN_RC1.replace("MEMORY", memory);
        let record = DeviceRecord::new(
            owner.clone(),
            device.clone(),
            document.into(),
            Timestamp::now(),
        );
        store.put_device(&record, 9).await.unwrap();
        let mut wanted = deployment(1, "hi");
        let constraints = serde_json::json!({"capacityRequirements": {"memory": "2Gi"}});
        wanted.spec.deployment_profile.device_constraints =
            Some(serde_json::from_value(constraints).unwrap());
        let placement = publisher.placement(&owner, &wanted).await.unwrap();
        assert_eq!(placement.is_placeable(), is_placeable, "{placement}");
    }
}

/// Of many who publish at once through one publisher nobody compiles in vain.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everybody_has_a_turn() {
    let (_, publisher) = place(Rc3).await;
    let made = Arc::new(AtomicUsize::new(0));
    let racers = (0..40_u8).map(|number| {
        let (publisher, made) = (publisher.clone(), made.clone());
        tokio::spawn(async move {
            let owner = client("press-1");
            let change = publisher.change(&owner, |deployments| {
                made.fetch_add(1, Ordering::Relaxed);
                deployments.insert(id(number), deployment(number, "hi"));
                Ok::<_, PublishError>(())
            });
            change.await.unwrap().version.get()
        })
    });
    let mut versions = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        versions.push(racer.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=40).collect::<Vec<_>>());
    assert_eq!(made.load(Ordering::Relaxed), 40);
}

const IN_RC1: &str = "\
apiVersion: application.margo.org/v1alpha1
kind: ApplicationDeployment
metadata:
  annotations:
    id: 5c1f7a9e-3b60-4d52-9a3e-0f4b8f2d6c01
    applicationId: com-riverside-hello
    deviceId: edge-07
  name: hello-1
  namespace: line-4
spec:
  deploymentProfile:
    type: compose
    components:
    - name: hello
      properties:
        repository: oci://registry.riverside.example/compose/hello
        revision: \"1.0.0\"
  parameters:
    greeting:
      value: hi
      targets:
      - pointer: GREETING
        components:
        - hello
";

const IN_RC3: &str = "\
id: 5c1f7a9e-3b60-4d52-9a3e-0f4b8f2d6c01
metadata:
  name: hello-1
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
        revision: \"1.0.0\"
  parameters:
    greeting:
      value: hi
      targets:
      - pointer: GREETING
        components:
        - hello
";

const CAPABILITIES_IN_RC1: &str = r#"{
  "apiVersion": "device.margo.org/v1alpha1",
  "kind": "DeviceCapabilitiesManifest",
  "properties": {
    "id": "edge-07", "vendor": "Northwind", "modelNumber": "G1", "serialNumber": "1",
    "roles": ["Standalone Device"],
    "resources": {
      "cpu": {"cores": 4, "architecture": "amd64"}, "memory": "MEMORY", "storage": "64Gi",
      "peripherals": [], "interfaces": [{"type": "ethernet"}]
    }
  }
}"#;
