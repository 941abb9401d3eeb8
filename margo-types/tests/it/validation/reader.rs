//! Negative cases that already the reader refuses, because the value does not fit its type (rc3.md 13).

use margo_types::{ReadError, read_any};
use serde_json::{Value, json};

use super::case::{changed, remove, set};
use super::{application, capabilities, deployment, manifest, status, trust};

/// Checks that the reader refuses the changed document, and says where.
fn refused(valid: &Value, change: fn(&mut Value), path: &str) {
    let document = changed(valid, change);
    let Err(error) = read_any(document.to_string().as_bytes()) else {
        panic!("{path} is accepted: {document}");
    };
    let ReadError::Unfit { faults, .. } = &error else {
        panic!("{path}: {error}");
    };
    let paths: Vec<_> = faults.iter().map(|fault| fault.path.to_string()).collect();
    assert_eq!(paths, [path], "{error}");
}

/// 13, P2, P3, P4.
#[test]
fn descriptions() {
    let refused = |change, path| refused(&application::valid(), change, path);
    refused(|d| set(d, "/id", "A"), "id");
    refused(|d| set(d, "/id", "a_b"), "id");
    refused(|d| set(d, "/id", "a.b"), "id");
    refused(|d| set(d, "/id", "a".repeat(201)), "id");
    refused(|d| remove(d, "/apiVersion"), "document");
    refused(
        |d| remove(d, "/metadata/catalog/organization"),
        "metadata.catalog",
    );
    refused(
        |d| set(d, "/metadata/catalog/organization/0", json!({})),
        "metadata.catalog.organization[0]",
    );
    let name = "deploymentProfiles[0].components[0].name";
    refused(
        |d| set(d, "/deploymentProfiles/0/components/0/name", "Monitor"),
        name,
    );
    refused(
        |d| set(d, "/deploymentProfiles/0/components/0/name", "a_b"),
        name,
    );
    refused(
        |d| set(d, "/deploymentProfiles/0/components/0/name", "a.b"),
        name,
    );
    refused(
        |d| {
            set(
                d,
                "/deploymentProfiles/0/components/0/properties/revision",
                "1.0.0+b",
            );
        },
        "deploymentProfiles[0].components[0].properties.revision",
    );
    refused(
        |d| {
            set(
                d,
                "/deploymentProfiles/0/components/0/properties/repository",
                "registry.example/a",
            );
        },
        "deploymentProfiles[0].components[0].properties.repository",
    );
}

/// 13: `deviceId`, `id`.
#[test]
fn deployments() {
    let refused = |change, path| refused(&deployment::valid(), change, path);
    refused(|d| set(d, "/metadata/deviceId", "*"), "metadata.deviceId");
    refused(
        |d| set(d, "/metadata/deviceId", "a/*/b"),
        "metadata.deviceId",
    );
    refused(|d| set(d, "/id", "press-monitor"), "id");
}

/// 13, W14, W15, W28.
#[test]
fn manifests() {
    let refused = |change, path| refused(&manifest::valid(), change, path);
    refused(|d| set(d, "/manifestVersion", 0), "manifestVersion");
    refused(|d| set(d, "/manifestVersion", 1.5), "manifestVersion");
    refused(|d| remove(d, "/bundle"), "document");
    refused(
        |d| set(d, "/bundle/digest", format!("sha256:{}", "A".repeat(64))),
        "bundle.digest",
    );
    refused(
        |d| set(d, "/bundle/digest", format!("sha512:{}", "a".repeat(128))),
        "bundle.digest",
    );
    refused(|d| set(d, "/bundle/digest", "sha256:abc"), "bundle.digest");
}

/// 13, D12, D13.
#[test]
fn capabilities_of_devices() {
    let refused = |change, path| refused(&capabilities::valid(), change, path);
    refused(|d| set(d, "/properties/id", "a//b"), "properties.id");
    refused(|d| set(d, "/properties/id", "/a"), "properties.id");
    refused(|d| set(d, "/properties/id", "a b"), "properties.id");
    refused(|d| remove(d, "/properties/vendor"), "properties");
}

/// D53.
#[test]
fn statuses() {
    let refused = |change, path| refused(&status::valid(), change, path);
    refused(|d| set(d, "/deploymentId", "7"), "deploymentId");
    refused(
        |d| set(d, "/adoptedManifestVersion", 0),
        "adoptedManifestVersion",
    );
    refused(|d| remove(d, "/components"), "document");
    refused(|d| set(d, "/status", json!([])), "status");
}

#[test]
fn discovery_documents() {
    refused(
        &trust::discovery(),
        |d| set(d, "/trustDomain", "Plant Example"),
        "trustDomain",
    );
}
