//! Deployments, clients and what was published for them.

use bytes::Bytes;
use margo_package::bundle::{self, BundleLimits};
use margo_server_traits::store::{ContentKey, Store};
use margo_types::Digest;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ClientId, DeploymentId};
use margo_types::manifest::StateManifest;

/// A valid deployment for `edge-07`.
pub(crate) fn deployment(number: u8, greeting: &str) -> ApplicationDeployment {
    deployment_for("edge-07", number, greeting)
}

/// A valid deployment for this target.
pub(crate) fn deployment_for(target: &str, number: u8, greeting: &str) -> ApplicationDeployment {
    let id = id(number);
    let text = format!(
        r#"
id: {id}
metadata:
  name: hello-{number}
  namespace: line-4
  deviceId: {target}
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
    let read = margo_types::read::<ApplicationDeployment>(text.as_bytes());
    read.unwrap().into_value()
}

pub(crate) fn id(number: u8) -> DeploymentId {
    let mut bytes = *b"\x5c\x1f\x7a\x9e\x3b\x60\x4d\x52\x9a\x3e\x0f\x4b\x8f\x2d\x6c\x11";
    bytes[15] = number;
    DeploymentId::from_uuid_bytes(bytes)
}

pub(crate) fn client(name: &str) -> ClientId {
    ClientId::parse(name).unwrap()
}

/// The newest manifest of a client, found flawless.
pub(crate) async fn manifest(store: &dyn Store, client: &ClientId) -> (Bytes, StateManifest) {
    let head = store.head(client).await.unwrap().unwrap();
    let bytes = store.manifest(client).await.unwrap().unwrap();
    assert_eq!(Digest::of(&bytes), head.digest);
    let manifest = margo_types::read::<StateManifest>(&bytes).unwrap();
    let report = manifest.validate();
    assert!(report.findings().is_empty(), "{report}");
    assert_eq!(manifest.value().manifest_version, head.version);
    (bytes, manifest.into_value())
}

/// Asserts that everything a manifest names is there: each document, and the bundle with exactly those documents.
pub(crate) async fn assert_retrievable(
    store: &dyn Store,
    client: &ClientId,
    manifest: &StateManifest,
) {
    for reference in &manifest.deployments {
        let key = ContentKey::Deployment(reference.deployment_id, reference.digest);
        let bytes = store.content(client, &key).await.unwrap().unwrap();
        assert_eq!(Digest::of(&bytes), reference.digest);
        assert_eq!(reference.size_bytes, Some(bytes.len() as u64));
        let read = margo_types::read::<ApplicationDeployment>(&bytes).unwrap();
        assert!(read.validate().is_valid());
        let report = margo_types::validate_reference(read.value(), reference);
        assert!(report.is_valid(), "{report}");
    }
    let Some(reference) = &manifest.bundle else {
        assert!(manifest.deployments.is_empty());
        return;
    };
    let key = ContentKey::Bundle(reference.digest);
    let bytes = store.content(client, &key).await.unwrap().unwrap();
    let members = bundle::read(&bytes[..], manifest, &BundleLimits::default()).unwrap();
    assert_eq!(members.len(), manifest.deployments.len());
}
